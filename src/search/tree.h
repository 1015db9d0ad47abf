// The open domains of branch and bound over ReLUs for the clauses of one box: what a search leaves
// behind and takes up again, also after the root's bounds were tightened.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/parallel.h"
#include "bound/optimise.h"
#include "search/domain.h"
#include "search/rounds.h"
#include "search/spec.h"

namespace coronet::search {

/// Where a clause's tree starts: the multipliers and slopes of its best row at the root.
struct BranchStart {
  double bound = 0;
  std::vector<float> lambda;
  std::vector<AlignedVector<float>> alpha;  ///< [nodes], each [size(node)] or empty
};

struct Tree {
  std::vector<Domain> open;  ///< domain.objective: the clause
  /// [clauses] fully split domains were left undecided: the clause stays open
  std::vector<char> undecided;
  /// [nodes] the unstable neurons that the domains' alpha speak of
  std::vector<std::vector<int>> free;
  std::uint64_t attacks = 1;  ///< attacks made, each with random numbers of its own

  [[nodiscard]] std::size_t bytes() const { return bytes_of(open); }
  /// The share of the clauses' boxes that is still open, each split halving a box: from the number
  /// of clauses down to 0.
  [[nodiscard]] double remaining() const;
  /// [clauses] Is nothing of the clause left?
  [[nodiscard]] std::vector<char> refuted() const;

  /// Lets go of all domains: of millions, the workers do so sooner than one thread.
  void clear(Workers& workers);

  /// Takes out the clauses k without keep[k] and renumbers the others.
  void keep_clauses(const std::vector<char>& keep);
};

/// kept[node] lists the neurons of another graph that a graph without its dead neurons still has,
/// ascending; empty where nothing was taken out of the node.
using Kept = std::vector<std::vector<int>>;

/// The tree's neurons under their numbers in the graph that theirs was made of.
void renumber(Tree& tree, const Kept& kept);

/// [nodes] the unstable neurons that domains for these clauses may split and have slopes of.
std::vector<std::vector<int>> unstable(const bound::Context& context, const bound::Root& root,
                                       const std::vector<ClauseRows>& clauses);

/// A tree of roots, clauses[k] at start[k].
Tree plant(const bound::Context& context, const bound::Root& root,
           const std::vector<ClauseRows>& clauses, const std::vector<BranchStart>& start);

/// Restates the tree for a root with bounds at least as tight, of the same graph or of one without
/// its dead neurons: kept[node] lists the neurons that it still has (null: all of them). Throws
/// Error(kInternal) where the tree knows nothing of a neuron that is unstable now.
void carry_over(Tree& tree, const bound::Context& context, const bound::Root& root,
                const std::vector<std::vector<int>>* kept, const std::vector<ClauseRows>& clauses);

/// The same, but a clause whose new root's bound is better than that of its worst open domain, or
/// that has undecided ones, begins anew at start[k].
void rebase(Tree& tree, const bound::Context& context, const bound::Root& root,
            const std::vector<std::vector<int>>* kept, const std::vector<ClauseRows>& clauses,
            const std::vector<BranchStart>& start);

}  // namespace coronet::search
