#include "cli/plan_question.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/parallel.h"
#include "base/resources.h"
#include "bound/accelerator.h"

namespace coronet::cli {

bool planned(const Options& options) { return options.mesh == "auto"; }

plan::Question plan_question(const Options& options, int ranks) {
  plan::Question question;
  question.ranks = ranks;
  question.threads = options.threads > 0 ? options.threads : available_cpus();
  question.method = bound::method_of(options.method);
  question.iterations = options.iterations;
  question.spec_iterations = options.spec_iterations;
  question.chunk_mib = options.chunk_mib;
  question.device = options.device.starts_with("cuda");
  question.device_chunk_mib = options.device_chunk_mib;
  question.single = options.precision != "fp32";
  const auto given = static_cast<std::uint64_t>(options.memory_gib * 0x1p30);
  if (question.device) {
    question.memory = bound::given_device_bytes(options, true);
    if (question.memory == 0) question.memory = bound::free_device_bytes(options.device);
  } else {
    question.memory = given > 0 ? given : machine_memory_bytes() / 5 * 4;
  }
  return question;
}

std::vector<plan::Place> places_of(const Options& options) {
  using plan::Place;
  const std::vector<Place> all = {Place::kReplicated, Place::kSharded, Place::kStreamed};
  if (options.weights == "auto") return all;
  for (const Place place : all) {
    if (options.weights == plan::name_of(place)) return {place};
  }
  throw Error(
      ErrorKind::kBadInput,
      fmt::format("--weights {}: expected replicated, fsdp, stream or auto", options.weights));
}

}  // namespace coronet::cli
