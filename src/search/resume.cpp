#include "search/resume.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/hash.h"
#include "graph/fingerprint.h"
#include "search/fits.h"
#include "search/spec.h"

namespace coronet::search {

namespace {

[[noreturn]] void refuse(const std::string& what) {
  throw Error(ErrorKind::kBadInput, "the checkpoint cannot be resumed: " + what);
}

void require(bool condition, const char* what) {
  if (!condition) refuse(fmt::format("it is corrupt ({})", what));
}

std::uint64_t hash_of(const Property& property) {
  Hash hash;
  hash.add(property.inputs);
  hash.add(property.outputs);
  for (const Box& box : property.boxes) {
    hash.add(box.lower);
    hash.add(box.upper);
  }
  for (const Clause& clause : property.clauses) {
    hash.add(clause.box);
    hash.add(std::uint64_t{clause.constraints.size()});
    for (const Constraint& c : clause.constraints) {
      for (const std::vector<Term>* terms : {&c.inputs, &c.outputs}) {
        hash.add(std::uint64_t{terms->size()});
        for (const Term& t : *terms) {
          hash.add(t.index);
          hash.add(t.coefficient);
        }
      }
      hash.add(c.constant);
      hash.add(c.strict);
    }
  }
  return hash.value();
}

/// What is known of the box under way.
class BoxCheck {
 public:
  BoxCheck(const BoxProgress& box, const Checkpoint& checkpoint, const Graph& graph,
           const Property& property)
      : box_(box),
        checkpoint_(checkpoint),
        graph_(graph),
        property_(property),
        nodes_(static_cast<int>(graph.nodes.size())) {}

  void run() {
    require(box_.box >= 0 && box_.box < static_cast<int>(property_.boxes.size()), "a box");
    require(!std::isnan(box_.neurons_until) && !std::isnan(box_.inputs_until), "a turn");
    require(box_.seconds >= 0 && box_.alpha_nodes >= 0 && box_.alpha_nodes <= nodes_, "a count");
    bounds();
    if (!box_.planted) return;
    clauses();
    kept();
    free();
    std::vector<int> constraints;
    for (const int k : box_.clauses) {
      constraints.push_back(static_cast<int>(property_.clauses[k].constraints.size()));
    }
    const DomainSpace space(std::move(constraints), box_.tree.free);
    for (const Domain& d : box_.tree.open) {
      const char* const what = space.misfit(d);
      require(what == nullptr, what);
    }
  }

 private:
  [[nodiscard]] int size(int v) const { return graph_.nodes[v].shape.size(); }
  /// Of the tree's graph.
  [[nodiscard]] int kept_size(int v) const {
    return box_.kept[v].empty() ? size(v) : static_cast<int>(box_.kept[v].size());
  }

  void bounds() const {
    const bound::Bounds& b = box_.bounds;
    if (b.lo.empty() && !box_.planted) return;
    require(static_cast<int>(b.lo.size()) == nodes_, "bounds of all nodes");
    for (int v = 0; v < nodes_; ++v) {
      const auto n = static_cast<std::size_t>(size(v));
      require(b.lo[v].size() == n && b.hi[v].size() == n, "bounds of a node");
      for (std::size_t i = 0; i < b.lo[v].size(); ++i) {
        require(b.lo[v][i] <= b.hi[v][i], "a neuron's bounds");  // NaN is not
      }
    }
  }

  void clauses() const {
    std::vector<int> open;
    for (int k = 0; k < static_cast<int>(property_.clauses.size()); ++k) {
      if (property_.clauses[k].box == box_.box && checkpoint_.clauses[k].decided_by.empty()) {
        open.push_back(k);
      }
    }
    require(box_.clauses == open, "open clauses");
    require(box_.start.size() == open.size() && box_.tree.undecided.size() == open.size(),
            "open clauses");
    for (double bound : box_.start) require(!std::isnan(bound), "a clause's bound");
    for (char c : box_.tree.undecided) require(c == 0 || c == 1, "undecided clauses");
  }

  void kept() const {
    require(static_cast<int>(box_.kept.size()) == nodes_, "neurons of all nodes");
    for (int v = 0; v < nodes_; ++v) {
      require(ascending_below(box_.kept[v], size(v)), "neurons of a node");
    }
  }

  void free() const {
    require(static_cast<int>(box_.tree.free.size()) == nodes_, "unstable neurons of all nodes");
    for (int v = 0; v < nodes_; ++v) {
      const std::vector<int>& free = box_.tree.free[v];
      require(free.empty() || std::holds_alternative<Relu>(graph_.nodes[v].op), "unstable neurons");
      require(ascending_below(free, kept_size(v)), "unstable neurons");
    }
  }

  const BoxProgress& box_;
  const Checkpoint& checkpoint_;
  const Graph& graph_;
  const Property& property_;
  int nodes_;
};

void check_inputs(const InputTree& tree, const Graph& graph, const Property& property) {
  require(tree.planted || tree.open.empty(), "boxes");
  BoxSpace space;
  for (const Box& b : property.boxes) space.boxes.push_back(around(make_graph_box(graph, b)));
  for (const Clause& c : property.clauses) space.box.push_back(c.box);
  for (const BoxDomain& d : tree.open) {
    const char* const what = space.misfit(d);
    require(what == nullptr, what);
  }
}

}  // namespace

Identity identity_of(const Graph& graph, const Property& property, const Options& options) {
  return {fingerprint(graph), hash_of(property),
          fmt::format("branch={} input-split-dims={} method={} slope={}", options.branch,
                      options.input_split_dims, options.method, options.slope)};
}

void check_fits(const Checkpoint& checkpoint, const Graph& graph, const Property& property,
                const Options& options) {
  const Identity now = identity_of(graph, property, options);
  const Identity& then = checkpoint.identity;
  if (then.network != now.network) {
    refuse(
        "it is of another network (or of another version of Coronet, which lowers it "
        "differently)");
  }
  if (then.property != now.property) refuse("it is of another property");
  if (then.options != now.options) {
    refuse(fmt::format("it was made with other options ({}; now {})", then.options, now.options));
  }
  require(checkpoint.clauses.size() == property.clauses.size() &&
              checkpoint.best_attack.size() == property.clauses.size(),
          "clauses");
  require(checkpoint.seconds >= 0 && checkpoint.domains >= 0, "a count");
  for (const ClauseReport& c : checkpoint.clauses)
    require(!std::isnan(c.bound), "a clause's bound");
  if (checkpoint.box) BoxCheck(*checkpoint.box, checkpoint, graph, property).run();
  check_inputs(*checkpoint.inputs, graph, property);
}

}  // namespace coronet::search
