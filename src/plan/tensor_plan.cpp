#include "plan/tensor_plan.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "bound/tensor/forecast.h"
#include "bound/tensor/group.h"
#include "ops/tiles.h"
#include "plan/weights.h"
#include "search/prepared.h"

namespace coronet::plan {

namespace {

using bound::TensorTold;

Via via_of(TensorTold::How how) {
  switch (how) {
    case TensorTold::How::kColumns:
      return Via::kColumnsGathered;
    case TensorTold::How::kPulled:
      return Via::kRowsPulled;
    case TensorTold::How::kPushed:
      return Via::kRowsPushed;
    case TensorTold::How::kBounds:
      return Via::kBoundsSummed;
  }
  return Via::kColumnsGathered;
}

std::uint64_t& of(Phase& phase, MemoryClass what) {
  return phase.bytes[static_cast<std::size_t>(what)];
}

class TensorPlanner {
 public:
  TensorPlanner(const Graph& graph, const Question& question)
      : question_(question), forecast_(forecast_tensor(graph, asked(question))) {
    plan_.mesh.rows = question.ranks / question.tensor;
    plan_.mesh.tensor = question.tensor;
    plan_.threads = question.threads;
    auto share = forecast_.weights.begin();
    for (std::size_t v = 0; v < graph.nodes.size(); ++v) {
      const Weight* weight = weight_of(graph.nodes[v]);
      if (weight == nullptr) continue;
      all_ = std::max(all_, bytes_of(*weight));
      plan_.weights.push_back(
          {static_cast<int>(v), graph.nodes[v].name, bytes_of(*weight), *share++});
      at_rest_ += plan_.weights.back().here;
    }
  }

  RunPlan run() {
    Phase load = begin("load");
    load.compute_seconds = static_cast<double>(at_rest_) / question_.cost.file;
    // Runs of rows on their way to where they stay: one in use, one that comes.
    of(load, MemoryClass::kTiles) = std::min<std::uint64_t>(2 * kTileBytes, all_);
    end(std::move(load));

    Phase intervals = begin("intervals");
    kept(intervals);
    intervals.compute_seconds =
        forecast_.interval_products / question_.cost.columns / question_.threads;
    told(intervals, [](TensorTold::How how) { return how == TensorTold::How::kColumns; });
    end(std::move(intervals));
    if (question_.method != bound::Method::kInterval) rows();
    return std::move(plan_);
  }

 private:
  static bound::TensorToCome asked(const Question& question) {
    bound::TensorToCome run;
    run.ranks = question.tensor;
    run.groups = question.ranks / question.tensor;
    run.lanes = question.threads;
    run.zones = question.zones;
    run.method = question.method;
    run.iterations = question.iterations;
    run.form_iterations = question.spec_iterations;
    run.forms = question.forms;
    run.input_terms = question.input_terms;
    run.chunk_mib = question.chunk_mib;
    run.pack_bytes = search::kPackBytes;
    return run;
  }

  [[nodiscard]] Phase begin(const char* name) const {
    Phase phase;
    phase.name = name;
    phase.hidden = false;
    of(phase, MemoryClass::kWeights) = at_rest_;
    if (question_.processes) of(phase, MemoryClass::kCommunication) = RunPlan::kLinkBytes;
    return phase;
  }

  /// What there is once the share is taken.
  void kept(Phase& phase) const {
    of(phase, MemoryClass::kPackedWeights) = forecast_.kernels.packed;
    of(phase, MemoryClass::kBounds) = forecast_.root_bytes + forecast_.bounds_bytes;
  }

  void rows() {
    const bool alpha = question_.method == bound::Method::kAlpha;
    const auto threads = static_cast<std::uint64_t>(question_.threads);
    Phase phase = begin(alpha ? "alpha" : "CROWN");
    kept(phase);
    of(phase, MemoryClass::kScratch) = threads * forecast_.kernels.scratch;
    of(phase, MemoryClass::kA) = threads * forecast_.lane[MemoryClass::kA].most;
    of(phase, MemoryClass::kAlpha) = threads * forecast_.lane[MemoryClass::kAlpha].most;
    of(phase, MemoryClass::kCommunication) += forecast_.rooms;
    phase.work = forecast_.work;
    phase.compute_seconds = question_.cost.seconds(phase.work) / question_.threads;
    told(phase, [](TensorTold::How how) { return how != TensorTold::How::kColumns; });
    end(std::move(phase),
        threads * (forecast_.lane[MemoryClass::kA].most + forecast_.lane[MemoryClass::kAlpha].most -
                   forecast_.lane.total.most));
  }

  template <class Which>
  void told(Phase& phase, const Which& which) const {
    for (const TensorTold& t : forecast_.told) {
      if (!which(t.how)) continue;
      phase.transfers.push_back({t.node, via_of(t.how), t.bytes, static_cast<double>(t.letters)});
    }
  }

  /// less: of the sum of all classes, which are not largest together.
  void end(Phase phase, std::uint64_t less = 0) {
    for (const std::uint64_t bytes : phase.bytes) phase.total += bytes;
    phase.total -= less;
    const CostModel& cost = question_.cost;
    for (const Transfer& t : phase.transfers) {
      phase.transfer_seconds +=
          (static_cast<double>(t.bytes) / cost.exchange + t.letters * cost.meeting) /
          question_.threads;
    }
    plan_.phases.push_back(std::move(phase));
  }

  const Question& question_;
  const bound::TensorForecast forecast_;
  RunPlan plan_;
  std::uint64_t at_rest_ = 0;
  std::uint64_t all_ = 0;  // of the largest weight
};

}  // namespace

RunPlan make_tensor_plan(const Graph& graph, const Question& question) {
  return TensorPlanner(graph, question).run();
}

}  // namespace coronet::plan
