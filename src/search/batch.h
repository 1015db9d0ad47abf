// Domains of branch and bound as a batch of rows, and back.
#pragma once

#include <utility>
#include <vector>

#include "bound/engine.h"
#include "bound/optimise.h"
#include "search/combine.h"
#include "search/domain.h"
#include "search/objectives.h"

namespace coronet::search {

/// Multipliers of one row's constraints with Adam's moments.
template <class T>
struct Lambda {
  std::vector<T> value, m, v;
};

/// Rows, one a domain, with what belongs to each. rows.id is the objective.
template <class T>
struct Batch {
  bound::Rows<T> rows;
  std::vector<Lambda<T>> lambda;  ///< [rows]; value empty where the objective has one constraint

  void compact(const std::vector<char>& keep, const bound::Plan& plan) {
    std::size_t to = 0;
    for (std::size_t r = 0; r < keep.size(); ++r) {
      if (!keep[r]) continue;
      if (to != r) lambda[to] = std::move(lambda[r]);
      ++to;
    }
    lambda.resize(to);
    rows.compact(device::Cpu(), keep, plan);
  }
};

/// What all batches of one search share: the objectives, and which neurons have an alpha. Single
/// neurons of an image are bounded over windows, all else over whole nodes.
class Layout {
 public:
  Layout(const bound::Context& context, const bound::Root& root, Objectives objectives);

  /// A batch of `count` rows with room for everything; Adam's moments only where `optimised`.
  template <class T>
  Batch<T> make(int count, bool optimised) const;
  /// The same for what rows ask for alone.
  template <class T>
  void shape_form(bound::Rows<T>& rows, int count) const;
  /// Writes what domain d asks for into row r.
  template <class T>
  void put_form(bound::Rows<T>& rows, int r, const Domain& d) const;
  /// Writes domain d into row r.
  template <class T>
  void put(Batch<T>& batch, int r, const Domain& d) const;
  /// Reads row r back.
  template <class T>
  Domain get(const Batch<T>& batch, int r, double bound) const;

  /// The domain without decisions, with slopes alpha[node][neuron] (or the lines' own where empty).
  Domain root_domain(int objective, double bound, std::vector<float> lambda,
                     const std::vector<AlignedVector<float>>& alpha) const;

  /// Which rows go through which nodes, for float and for double.
  const bound::Plan& plan32() const { return plan32_; }
  const bound::Plan& plan64() const { return plan64_; }
  const Objectives& objectives() const { return objectives_; }
  const bound::Network<float>& net() const { return *net_; }
  const bound::Root& root() const { return *root_; }
  /// ReLU nodes that the objectives' node depends on, and the unstable neurons of each.
  const std::vector<int>& relus() const { return relus_; }
  const std::vector<int>& free(int node) const { return free_[node]; }
  const std::vector<std::vector<int>>& free() const { return free_; }
  /// Does every row reach all of these nodes?
  bool whole() const { return whole_; }
  /// Slopes that a row of a batch has room for.
  std::size_t slopes() const { return slopes_; }
  int outputs() const { return outputs_; }
  int inputs() const { return inputs_; }
  bool several() const { return several_; }      ///< some clause has more than one constraint
  bool any_input() const { return any_input_; }  ///< some constraint has inputs

  /// Calls fn(k, neuron, offset in row r) for the unstable neurons of ReLU node v that row r
  /// reaches, the neuron being free(v)[k].
  template <class Fn>
  void for_each_free(const bound::RowSet& set, int v, int r, Fn&& fn) const {
    const bound::Extent& e = plan32_.extent[v];
    for (int k = 0; k < static_cast<int>(free_[v].size()); ++k) {
      const int at = offset_if_inside(e, set, r, free_[v][k]);
      if (at >= 0) fn(k, free_[v][k], at);
    }
  }

 private:
  template <class T>
  void write_alpha(Batch<T>& batch, int r, const Domain& d) const;

  Objectives objectives_;
  const bound::Network<float>* net_;
  const bound::Root* root_;
  bound::Plan plan32_, plan64_;
  std::vector<int> relus_;
  std::vector<std::vector<int>> free_;  // [nodes]
  std::size_t slopes_ = 0;
  std::size_t free_neurons_ = 0;
  int outputs_, inputs_;
  bool patches_ = false;
  bool whole_ = true;
  bool several_ = false;
  bool any_input_ = false;
};

/// The unsplit neuron of domain d, which stands in row r, with the widest bounds becomes its split:
/// where none costs the bound anything, the search still ends with every neuron split.
template <class T>
void split_widest(const Layout& layout, const Batch<T>& batch, int r, Domain& d);

/// The lower bound of domain d that counts, from that of its rows in double, less the pull's
/// rounding: what combining its constraints can cost goes off too. -inf where nothing is known.
double certain(const Layout& layout, const Domain& d, double bound);

/// One projected Adam step of the rows' multipliers: d bound / d lambda_i is f_i at the row's
/// minimiser (x, value).
void step_lambda(const Layout& layout, const bound::Pass<float>& pass, Batch<float>& batch,
                 const AlignedVector<float>& value, const kernels::AdamStep<float>& step);

}  // namespace coronet::search
