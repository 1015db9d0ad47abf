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
  /// `input_turns`: splitting the input gets a turn beside splitting neurons. `progress`: where an
  /// earlier run left this box, or null.
  BoxSearch(Run& run, int box, std::vector<ClauseRows> clauses, bool input_turns,
            std::shared_ptr<BoxProgress> progress);
  ~BoxSearch() { tree().clear(run_.workers); }
  BoxSearch(const BoxSearch&) = delete;
  BoxSearch& operator=(const BoxSearch&) = delete;

  /// False where clauses stay open: the state of the box is then saved.
  bool decide();

 private:
  /// The graph without its dead neurons, and an engine on it.
  struct Shrunk {
    bound::Reduced reduced;
    std::unique_ptr<Prepared> engine;
  };

  void bound_and_branch();
  bool bound_at_root();
  void take_up();
  void remember(const bound::Bounds& bounds);
  void check_known() const;
  void save(std::int64_t domains);
  void save_remembered(std::int64_t domains);
  Saving saving();
  void bound_clauses(int iterations, const char* how);
  bool shrink();
  void branch();
  void split_neurons(const Deadline& until);
  double refine_root(const Deadline& until);
  [[nodiscard]] double gap() const;
  [[nodiscard]] int nodes_to_refine() const;
  void drop_clauses(const std::vector<char>& refuted);
  [[nodiscard]] bool late() const { return root_.timed_out || run_.deadline.passed(); }
  [[nodiscard]] Tree& tree() const { return progress_->tree; }
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
  /// The tree, what is known of the whole graph, and what was taken out of it. The bounds there and
  /// the list of clauses are of the last save() or shrink().
  std::shared_ptr<BoxProgress> progress_;
};

}  // namespace coronet::search
