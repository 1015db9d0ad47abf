#include "cli/report.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/parallel.h"
#include "base/resources.h"
#include "cli/exit_codes.h"
#include "cli/memory_words.h"
#include "cli/row_ranks.h"
#include "cli/streams.h"
#include "io/counterexample.h"
#include "io/file.h"
#include "io/json.h"

namespace coronet::cli {

namespace {

/// The word on standard output: the VNN-LIB standard's.
const char* standard_word(Verdict verdict) {
  switch (verdict) {
    case Verdict::kHolds:
      return "unsat";
    case Verdict::kViolated:
      return "sat";
    case Verdict::kUnknown:
      return "unknown";
    case Verdict::kTimeout:
      return "timed-out";
  }
  return "unknown";
}

/// The word in the result file: VNN-COMP's.
const char* competition_word(Verdict verdict) {
  return verdict == Verdict::kTimeout ? "timeout" : standard_word(verdict);
}

int code_of(Verdict verdict) {
  if (verdict == Verdict::kUnknown) return kUnknown;
  return verdict == Verdict::kTimeout ? kTimeout : kDecided;
}

std::string cpu_name() {
  std::string text;
  try {
    text = read_file("/proc/cpuinfo");
  } catch (const Error&) {
    return "";
  }
  const std::size_t at = text.find("model name");
  const std::size_t colon = text.find(": ", at);
  if (at == std::string::npos || colon == std::string::npos) return "";
  return text.substr(colon + 2, text.find('\n', colon) - colon - 2);
}

std::string error_json(int code, const std::string& message,
                       const std::map<std::string, std::string>& extra) {
  nlohmann::ordered_json out;
  out["verdict"] = "error";
  out["reason"] = message;
  out["exit_code"] = code;
  out["run"] = extra;
  return out.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

/// What ends a run for want of memory must not itself be refused memory.
void lift_memory_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_DATA, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_DATA, &limit);
}

}  // namespace

const Property& Report::keep(Property property) {
  const std::scoped_lock lock(mutex_);
  return property_.emplace(std::move(property));
}

void Report::before_early_end(std::function<void()> call) {
  const std::scoped_lock lock(mutex_);
  before_early_end_ = std::move(call);
}

void Report::claim() {
  if (!claimed_.exchange(true)) return;
  for (;;) ::pause();  // the watchdog is about to end the process
}

std::map<std::string, std::string> Report::extra() const {
  return {{"network", settings_.network},
          {"property", settings_.property},
          {"version", CORONET_VERSION},
          {"cpu", cpu_name()},
          {"cpus", fmt::format("{}", available_cpus())},
          {"seconds", fmt::format("{:.3f}", elapsed_seconds())}};
}

bool Report::write_files(const std::string& word, const std::string& counterexample,
                         const std::string& json) {
  bool good = true;
  const auto write = [&](const std::string& path, const std::string& bytes) {
    if (path.empty()) return;
    try {
      write_file(path, bytes);
    } catch (const Error& error) {
      complain(error_text(kBadInput, error.what()));
      good = false;
    }
  };
  write(settings_.result_file, word + "\n" + counterexample);
  write(settings_.json_file, json);
  return good;
}

int Report::finish(const Result& result, int exit_code) {
  const std::scoped_lock lock(mutex_);
  const Property& property = property_ ? *property_ : Property{};
  const std::string counterexample = result.verdict == Verdict::kViolated
                                         ? format_counterexample(property, result.counterexample)
                                         : "";
  bool good = say(standard_word(result.verdict) + ("\n" + counterexample));
  if (!good) complain(error_text(kBadInput, "standard output cannot be written"));
  const std::string json =
      settings_.json_file.empty() ? "" : to_json(result, property, options_, extra());
  good &= write_files(competition_word(result.verdict), counterexample, json);
  Progress last = progress_.latest();
  last.best_attack = result.best_attack;
  last.open = result.open_domains;
  last.closed = result.domains - result.open_domains;
  progress_.progress(last);
  progress_.finish(competition_word(result.verdict), result.reason);
  const bool open = result.verdict == Verdict::kUnknown || result.verdict == Verdict::kTimeout;
  if (open && !settings_.quiet && progress_.style() != ProgressStyle::kJson) {
    whisper(explain_open(result, options_));
  }
  if (!settings_.quiet && progress_.style() != ProgressStyle::kJson) {
    whisper(rank_words(result.ranks));
    std::vector<MemoryUsage> memory;
    for (const RankReport& rank : result.ranks) memory.push_back(rank.memory);
    whisper(memory_table(memory));
  }
  return good ? exit_code : kBadInput;
}

int Report::decided(const Result& result) {
  claim();
  return finish(result, code_of(result.verdict));
}

Result Report::early_result(Verdict verdict, const std::string& reason) const {
  const Progress last = progress_.latest();
  Result result;
  result.verdict = verdict;
  result.reason = reason;
  result.open_domains = last.open;
  result.domains = last.open + last.closed;
  result.best_attack = last.best_attack != 0 ? last.best_attack : HUGE_VAL;
  result.phases.push_back({last.phase, elapsed_seconds()});
  result.memory["resident"] = peak_resident_bytes();
  const std::scoped_lock lock(mutex_);
  if (property_) result.clauses.assign(property_->clauses.size(), {-HUGE_VAL, ""});
  return result;
}

int Report::failed(ErrorKind kind, const std::string& message) {
  claim();
  const int code = exit_code(kind);
  if (kind == ErrorKind::kOutOfMemory) {
    lift_memory_limit();
    return finish(early_result(Verdict::kUnknown, "out of memory: " + message), code);
  }
  progress_.finish("error", message);
  complain(error_text(code, message));
  write_files("error", "", settings_.json_file.empty() ? "" : error_json(code, message, extra()));
  return code;
}

void Report::give_up(Verdict verdict, const std::string& reason, int exit_code) {
  if (claimed_.exchange(true)) return;
  lift_memory_limit();
  int code = exit_code;
  try {
    code = finish(early_result(verdict, reason), exit_code);
  } catch (const std::exception&) {
    // Nothing can be said any more but the exit code.
  }
  try {
    const std::scoped_lock lock(mutex_);
    if (before_early_end_) before_early_end_();
  } catch (const std::exception&) {
    // Whoever waits for this process learns of its end from the system.
  }
  ::_exit(code);
}

std::string explain_open(const Result& result, const Options& options) {
  std::size_t proven = 0;
  std::size_t worst = 0;
  double bound = HUGE_VAL;
  for (std::size_t k = 0; k < result.clauses.size(); ++k) {
    const ClauseReport& clause = result.clauses[k];
    if (!clause.decided_by.empty()) {
      ++proven;
    } else if (clause.bound < bound) {
      bound = clause.bound;
      worst = k;
    }
  }
  const char* word = result.verdict == Verdict::kTimeout ? "timeout" : "unknown";
  std::string text =
      fmt::format("coronet: {} after {:.1f} s: {}\n", word, elapsed_seconds(), result.reason);
  text += fmt::format("  proven: {} of {} clauses", proven, result.clauses.size());
  if (std::isfinite(bound)) text += fmt::format("; least bound {:+.4g} (clause {})", bound, worst);
  if (std::isfinite(result.best_attack)) {
    text += fmt::format("; best attack {:+.4g}", result.best_attack);
  }
  if (result.domains > 0) {
    text += fmt::format("; {} domains, {} open", result.domains, result.open_domains);
  }
  const bool memory = result.reason.find("memory") != std::string::npos;
  const char* advice =
      "more --branch-iterations, or the other way to branch (--branch relu, input)";
  if (!result.checkpoint.empty()) {
    return text +
           fmt::format("\n  to go on: the same command with --resume {}\n", result.checkpoint);
  } else if (result.reason == "interrupted") {
    return text + "\n";
  } else if (memory) {
    advice = "a larger --memory-gib; a smaller --batch, --chunk-mib or --threads needs less";
  } else if (options.branch == "none") {
    advice = "without --branch none, the search goes on where the bounds end";
  } else if (result.verdict == Verdict::kTimeout && result.domains == 0) {
    advice = "a longer --timeout; --method crown bounds faster, if less tightly";
  } else if (result.verdict == Verdict::kTimeout) {
    advice = "a longer --timeout, or a smaller box";
  } else if (std::fabs(bound) < 1e-6) {
    advice = "a margin in the property: as it is, rounding decides";
  }
  return text + fmt::format("\n  try: {}\n", advice);
}

}  // namespace coronet::cli
