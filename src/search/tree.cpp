#include "search/tree.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/error.h"
#include "search/batch.h"

namespace coronet::search {

namespace {

Layout layout_of(const bound::Context& context, const bound::Root& root,
                 const std::vector<ClauseRows>& clauses) {
  Objectives objectives;
  objectives.node = context.net32.nodes() - 1;
  objectives.clauses = clauses;
  return {context, root, std::move(objectives)};
}

std::vector<std::vector<int>> free_of(const Layout& layout) {
  std::vector<std::vector<int>> free(layout.objectives().node + 1);
  for (int v : layout.relus()) free[v] = layout.free(v);
  return free;
}

/// How the neurons of an old root's domains are found in a new root.
class Translation {
 public:
  Translation(const bound::Context& context, const bound::Root& root, const Layout& layout,
              const std::vector<std::vector<int>>& free_before,
              const std::vector<std::vector<int>>* kept)
      : context_(context), root_(root), now_(free_before.size()), is_free_(free_before.size()) {
    std::size_t first = 0;  // of a node's slopes in a domain
    for (std::size_t v = 0; v < free_before.size(); ++v) {
      const std::vector<int>& before = free_before[v];
      if (before.empty()) continue;
      const int size = context.net32.size(static_cast<int>(v));
      now_[v].assign(before.back() + 1, -1);
      for (int j = 0; j < size; ++j) {
        const int old = kept == nullptr ? j : (*kept)[v][j];
        if (old < static_cast<int>(now_[v].size())) now_[v][old] = j;
      }
      is_free_[v].assign(size, 0);
      for (int j : layout.free(static_cast<int>(v))) is_free_[v][j] = 1;
      for (std::size_t i = 0; i < before.size(); ++i) {
        const int j = now_[v][before[i]];
        if (j >= 0 && is_free_[v][j]) from_.push_back(first + i);
      }
      first += before.size();
    }
    std::size_t now = 0;
    for (int v : layout.relus()) now += layout.free(v).size();
    if (from_.size() != now) {
      throw Error(ErrorKind::kInternal, "a tree lacks neurons that are unstable at its root");
    }
  }

  /// False where the domain is empty: a decision contradicts a neuron that is stable now.
  bool apply(Domain& d) const {
    std::vector<Decision> decisions;
    for (const Decision& old : d.decisions) {
      const int j = now_[old.node][old.neuron];
      if (j < 0) {  // dead: its input is never positive
        if (old.sign > 0) return false;
        continue;
      }
      if (!is_free_[old.node][j]) {
        const int u = context_.net32.inputs(old.node)[0];
        const bool active = root_.bounds.lo[u][j] >= 0;
        if (active != (old.sign > 0)) return false;
        continue;
      }
      decisions.push_back(old);
      decisions.back().neuron = j;
    }
    d.decisions = std::move(decisions);
    if (!d.alpha.empty()) {
      std::vector<std::uint16_t> alpha;
      alpha.reserve(from_.size());
      for (std::size_t i : from_) alpha.push_back(d.alpha[i]);
      d.alpha = std::move(alpha);
    }
    if (d.split_node >= 0) {
      d.split_neuron = now_[d.split_node][d.split_neuron];
      if (d.split_neuron < 0 || !is_free_[d.split_node][d.split_neuron]) {
        d.split_node = d.split_neuron = -1;  // bounded again, then split elsewhere
      }
    }
    return true;
  }

 private:
  const bound::Context& context_;
  const bound::Root& root_;
  std::vector<std::vector<int>> now_;       // [nodes][old neuron] its number now, or -1
  std::vector<std::vector<char>> is_free_;  // [nodes][neuron]
  std::vector<std::size_t> from_;           // [slopes of a domain] its place in the old domain
};

}  // namespace

void Tree::clear(Workers& workers) {
  constexpr std::size_t kAtOnce = 4096;
  workers.run(static_cast<int>((open.size() + kAtOnce - 1) / kAtOnce), [&](int task, int) {
    const std::size_t first = task * kAtOnce;
    const std::size_t last = std::min(open.size(), first + kAtOnce);
    for (std::size_t i = first; i < last; ++i) open[i] = {};
  });
  open.clear();
}

double Tree::remaining() const {
  double sum = 0;
  for (const Domain& d : open) sum += std::ldexp(1.0, -static_cast<int>(d.decisions.size()));
  return sum;
}

std::vector<char> Tree::refuted() const {
  std::vector<char> none_left(undecided.size());
  for (std::size_t k = 0; k < undecided.size(); ++k) none_left[k] = undecided[k] == 0 ? 1 : 0;
  for (const Domain& d : open) none_left[d.objective] = 0;
  return none_left;
}

void Tree::keep_clauses(const std::vector<char>& keep) {
  if (std::find(keep.begin(), keep.end(), 0) == keep.end()) return;
  std::vector<int> number(keep.size(), -1);
  int count = 0;
  for (std::size_t k = 0; k < keep.size(); ++k) {
    if (!keep[k]) continue;
    undecided[count] = undecided[k];
    number[k] = count++;
  }
  undecided.resize(count);
  std::erase_if(open, [&](const Domain& d) { return number[d.objective] < 0; });
  for (Domain& d : open) d.objective = number[d.objective];
}

std::vector<std::vector<int>> unstable(const bound::Context& context, const bound::Root& root,
                                       const std::vector<ClauseRows>& clauses) {
  return free_of(layout_of(context, root, clauses));
}

Tree plant(const bound::Context& context, const bound::Root& root,
           const std::vector<ClauseRows>& clauses, const std::vector<BranchStart>& start) {
  const Layout layout = layout_of(context, root, clauses);
  Tree tree;
  tree.undecided.assign(clauses.size(), 0);
  tree.free = free_of(layout);
  for (int k = 0; k < static_cast<int>(clauses.size()); ++k) {
    tree.open.push_back(layout.root_domain(k, start[k].bound, start[k].lambda, start[k].alpha));
  }
  return tree;
}

void renumber(Tree& tree, const Kept& kept) {
  const auto rename = [&](int node, int& neuron) {
    if (!kept[node].empty()) neuron = kept[node][neuron];
  };
  for (Domain& d : tree.open) {
    for (Decision& decision : d.decisions) rename(decision.node, decision.neuron);
    if (d.split_node >= 0) rename(d.split_node, d.split_neuron);
  }
  for (int v = 0; v < static_cast<int>(tree.free.size()); ++v) {
    for (int& j : tree.free[v]) rename(v, j);
  }
}

void carry_over(Tree& tree, const bound::Context& context, const bound::Root& root,
                const std::vector<std::vector<int>>* kept, const std::vector<ClauseRows>& clauses) {
  const Layout layout = layout_of(context, root, clauses);
  const Translation translation(context, root, layout, tree.free, kept);
  std::erase_if(tree.open, [&](Domain& d) { return !translation.apply(d); });
  tree.free = free_of(layout);
}

void rebase(Tree& tree, const bound::Context& context, const bound::Root& root,
            const std::vector<std::vector<int>>* kept, const std::vector<ClauseRows>& clauses,
            const std::vector<BranchStart>& start) {
  std::vector<char> anew(clauses.size());
  std::vector<double> least(clauses.size(), HUGE_VAL);
  for (const Domain& d : tree.open) {
    least[d.objective] = std::min<double>(least[d.objective], d.bound);
  }
  for (std::size_t k = 0; k < clauses.size(); ++k) {
    anew[k] = tree.undecided[k] != 0 || start[k].bound >= least[k] ? 1 : 0;
  }
  std::erase_if(tree.open, [&](const Domain& d) { return anew[d.objective] != 0; });
  carry_over(tree, context, root, kept, clauses);
  const Layout layout = layout_of(context, root, clauses);
  for (int k = 0; k < static_cast<int>(clauses.size()); ++k) {
    if (anew[k] == 0) continue;
    tree.undecided[k] = 0;
    tree.open.push_back(layout.root_domain(k, start[k].bound, start[k].lambda, start[k].alpha));
  }
}

}  // namespace coronet::search
