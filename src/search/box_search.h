// The decision of the clauses of one box: bounds of its root, then branch and bound over ReLUs in
// turns with tighter bounds of single neurons, and over inputs where there are few.
#pragma once

#include <memory>
#include <vector>

#include "bound/reduce.h"
#include "bound/root.h"
#include "search/run.h"
#include "search/tree.h"

namespace coronet::search {

class BoxSearch {
 public:
  /// `input_turns`: splitting the input gets a turn beside splitting neurons.
  BoxSearch(Run& run, int box, std::vector<ClauseRows> clauses, bool input_turns)
      : run_(run),
        box_(run.boxes[box]),
        open_(std::move(clauses)),
        input_turns_(input_turns),
        engine_(&run.whole),
        began_(elapsed_seconds()) {}
  ~BoxSearch() { tree_.clear(run_.workers); }
  BoxSearch(const BoxSearch&) = delete;
  BoxSearch& operator=(const BoxSearch&) = delete;

  void decide();

 private:
  /// The graph without its dead neurons, and an engine on it.
  struct Shrunk {
    bound::Reduced reduced;
    std::unique_ptr<Prepared> engine;
  };

  bool bound_at_root();
  void bound_clauses(int iterations, const char* how);
  bool shrink();
  void branch();
  void split_neurons(const Deadline& until);
  double refine_root(const Deadline& until);
  [[nodiscard]] double gap() const;
  [[nodiscard]] int nodes_to_refine() const;
  void drop_clauses(const std::vector<char>& refuted);
  [[nodiscard]] bool late() const { return root_.timed_out || run_.deadline.passed(); }
  [[nodiscard]] bool over() const { return open_.empty() || run_.oracle.found(); }

  Run& run_;
  const GraphBox& box_;
  std::vector<ClauseRows> open_;
  bool input_turns_;
  Prepared* engine_;
  double began_;
  std::unique_ptr<Shrunk> shrunk_;
  bound::Root root_;
  std::vector<BranchStart> start_;  // [open_]
  Tree tree_;
  bool planted_ = false;
};

}  // namespace coronet::search
