#include "cli/held_network.h"

#include <fmt/format.h>
#include <malloc.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/resources.h"
#include "bound/accelerator.h"
#include "cli/plan_question.h"
#include "comm/packet.h"
#include "plan/run_plan.h"

namespace coronet::cli {

namespace {

using plan::Place;

/// As rank 0 plans it, where there is something to plan; all ranks hear of it.
Place place_of(const Graph& graph, comm::Channel* channel, const Options& options) {
  const std::vector<Place> open = places_of(options);
  if (open.size() == 1) return open.front();
  if (!planned(options)) return Place::kReplicated;
  plan::Question question = plan_question(options, channel == nullptr ? 1 : channel->size());
  question.processes = channel != nullptr && options.ranks <= 1;
  // Ranks that are threads of one process have its memory together, and what it takes itself once.
  // Each has a GPU, or what it may take of one.
  if (question.device) {
    const int gpus = bound::count_devices();
    if (bound::given_device_bytes(options, true) == 0 && gpus > 0) {
      question.memory /= static_cast<std::uint64_t>((question.ranks + gpus - 1) / gpus);
    }
  } else if (options.ranks > 1 && question.memory > plan::RunPlan::kProcessBytes) {
    const std::uint64_t own = question.memory - plan::RunPlan::kProcessBytes;
    question.memory =
        plan::RunPlan::kProcessBytes + own / static_cast<std::uint64_t>(options.ranks);
  }
  if (channel == nullptr) return plan::choose_run_plan(graph, question, open).place;
  comm::Communicator group(*channel);
  comm::Writer writer;
  if (group.rank() == 0) {
    writer.put(plan::choose_run_plan(graph, question, open).place);
  }
  const comm::Bytes bytes = group.broadcast(writer.take(), 0);
  return comm::Reader(bytes).get<Place>();
}

/// Tiles, blocks of rows, slopes of a batch and networks written out for it come and go in
/// megabytes, in buffers that one thread takes and another gives back: each of the C library's
/// arenas would keep some of them. What is so large goes back to the system instead.
void keep_no_buffers_from(int bytes) {
  ::mallopt(M_MMAP_THRESHOLD, bytes);
  ::mallopt(M_TRIM_THRESHOLD, bytes);
}

/// Refused before they are read: the error says what helps, which running out of memory cannot.
/// `parts`: of how many a rank has one.
void check_room(std::size_t all, int parts, const Options& options, const char* help) {
  const auto limit = options.memory_gib > 0
                         ? static_cast<std::uint64_t>(options.memory_gib * 0x1p30)
                         : machine_memory_bytes() / 5 * 4;
  const std::size_t mine = all / static_cast<std::size_t>(parts);
  if (mine <= limit) return;
  const auto gib = [](std::uint64_t bytes) { return static_cast<double>(bytes) / 0x1p30; };
  throw Error(
      ErrorKind::kOutOfMemory,
      fmt::format("the network's weights take {:.3f} GiB{}, and this rank may use {:.3f} GiB: {}",
                  gib(all), parts == 1 ? "" : fmt::format(", {:.3f} GiB on each rank", gib(mine)),
                  gib(limit), fmt::format(fmt::runtime(help), all / limit)));
}

/// Beside the weights there are rows and more: as many ranks as the weights alone fill are too few.
constexpr const char* kShareWeights =
    "share them over more than {} ranks with --weights fsdp, or read them from the file on each "
    "use with --weights stream";
constexpr const char* kShareNeurons =
    "share the neurons of each group over more than {0} ranks with --mesh tensor=N, or, in place "
    "of neurons, share weights over more than {0} ranks with --weights fsdp and without tensor in "
    "the mesh";

}  // namespace

HeldNetwork::HeldNetwork(const Model& model, comm::Channel* channel, const Options& options,
                         const Mesh& mesh) {
  // Ranks that share neurons pass on blocks of a quarter of a megabyte.
  keep_no_buffers_from(mesh.tensor > 1 ? 128 * 1024 : 256 * 1024);
  graph_ = model.lower(Model::Numbers::kInFile);
  if (mesh.tensor > 1) {
    check_room(weight_bytes(graph_), mesh.tensor, options, kShareNeurons);
    return;
  }
  const Place place = place_of(graph_, channel, options);
  if (place == Place::kReplicated && channel == nullptr && options.memory_gib == 0) {
    // Nobody counts on little memory: pages that come and go take a tenth of the time of a small
    // network's rows.
    keep_no_buffers_from(1024 * 1024);
  }
  if (place != Place::kStreamed) {
    const bool parts = place == Place::kSharded && channel != nullptr;
    check_room(weight_bytes(graph_), parts ? channel->size() : 1, options, kShareWeights);
  }
  if (place == Place::kReplicated) {
    gather_weights(graph_);
  } else if (place == Place::kSharded && channel != nullptr) {
    group_.emplace(*channel);
    sharded_.emplace(graph_, *group_);
  } else if (place == Place::kSharded) {
    sharded_.emplace(graph_);
  }
  if (sharded_) sharded_->count_in(ledger_.get());
  weights_ = Counted(ledger_.get(), MemoryClass::kWeights, weight_bytes_here(graph_));
}

}  // namespace coronet::cli
