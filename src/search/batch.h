// Domains of branch and bound as a batch of rows, and back.
#pragma once

#include <utility>
#include <vector>

#include "bound/engine.h"
#include "bound/optimise.h"
#include "search/combine.h"
#include "search/domain.h"
#include "search/spec.h"

namespace coronet::search {

/// Multipliers of one row's constraints with Adam's moments.
template <class T>
struct Lambda {
  std::vector<T> value, m, v;
};

/// Rows, one a domain, with what belongs to each. rows.id is the clause.
template <class T>
struct Batch {
  bound::Rows<T> rows;
  std::vector<Lambda<T>> lambda;  ///< [rows]; value empty where the clause has one constraint

  void compact(const std::vector<char>& keep, const bound::Plan& plan) {
    std::size_t to = 0;
    for (std::size_t r = 0; r < keep.size(); ++r) {
      if (!keep[r]) continue;
      if (to != r) lambda[to] = std::move(lambda[r]);
      ++to;
    }
    lambda.resize(to);
    rows.compact(keep, plan);
  }
};

/// What all batches of one search share: the clauses, and which neurons have an alpha.
class Layout {
 public:
  Layout(const bound::Context& context, const bound::Root& root,
         const std::vector<ClauseRows>& clauses);

  /// A batch of `count` rows with room for everything; Adam's moments only where `optimised`.
  template <class T>
  Batch<T> make(const bound::Root& root, int count, bool optimised) const;
  /// Writes domain d into row r.
  template <class T>
  void put(const bound::Root& root, Batch<T>& batch, int r, const Domain& d) const;
  /// Reads row r back.
  template <class T>
  Domain get(const Batch<T>& batch, int r, double bound) const;

  /// The domain without decisions, with slopes alpha[node][neuron] (or the lines' own where empty).
  Domain root_domain(const bound::Root& root, int clause, double bound, std::vector<float> lambda,
                     const std::vector<AlignedVector<float>>& alpha) const;

  const std::vector<ClauseRows>& clauses() const { return *clauses_; }
  const std::vector<int>& relus() const { return relus_; }
  const std::vector<int>& free(int node) const { return free_[node]; }
  int output() const { return output_; }
  int outputs() const { return outputs_; }
  int inputs() const { return inputs_; }
  bool several() const { return several_; }      ///< some clause has more than one constraint
  bool any_input() const { return any_input_; }  ///< some constraint has inputs

 private:
  const std::vector<ClauseRows>* clauses_;
  std::vector<int> relus_;              // ReLU nodes that the output depends on
  std::vector<std::vector<int>> free_;  // [nodes] unstable neurons at the root
  std::size_t free_total_ = 0;
  int output_, outputs_, inputs_;
  bool several_ = false;
  bool any_input_ = false;
};

/// One projected Adam step of the rows' multipliers: d bound / d lambda_i is f_i at the row's
/// minimiser (x, value).
void step_lambda(const Layout& layout, const bound::Pass<float>& pass, Batch<float>& batch,
                 const AlignedVector<float>& value, const kernels::AdamStep<float>& step);

}  // namespace coronet::search
