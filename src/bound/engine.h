// Pull and push: the bound of a batch of rows, and its gradient (design: CROWN, Zhang et al. 2018;
// alpha-CROWN, Xu et al. 2021; beta-CROWN, Wang et al. 2021; the gradient by the primal point
// instead of autograd).
#pragma once

#include <vector>

#include "bound/network.h"
#include "bound/plan.h"
#include "bound/rows.h"
#include "bound/workspace.h"
#include "kernels/elementwise.h"

namespace coronet::bound {

/// What rows are bounded over: the lines of every elementwise node and the input box, each of
/// [domains][size].
template <class T>
struct Relaxation {
  std::vector<Lines<T>> lines;  ///< [nodes]; empty where not elementwise or not bounded yet
  AlignedVector<T> lo, hi;      ///< [domains][inputs]
};

/// How large numbers can get, for the error of a pull: [nodes][size], over all domains.
struct Magnitudes {
  std::vector<AlignedVector<double>>
      value;  ///< elementwise nodes: of their input and intercepts; node 0: of the input
  std::vector<AlignedVector<double>> affine;  ///< affine nodes: |M| |u| + |b|
};
/// Fills in node v's, from the bounds of its inputs (or its own, for node 0).
void add_magnitudes(const Network<double>& net, const Bounds& bounds, int v, Magnitudes& m);

/// The Adam step of a push, for alpha and for beta.
template <class T>
struct Step {
  kernels::AdamStep<T> alpha;
  kernels::AdamStep<T> beta;
};
template <class T>
Step<T> adam_step(int iteration, double lr_alpha, double lr_beta);

/// One batch between its pull and its push. Holds buffers of the workspace until destroyed or
/// end()ed.
template <class T>
class Pass {
 public:
  Pass(const Network<T>& net, const Relaxation<T>& relaxation, const Plan& plan,
       Workspace<T>& space)
      : net_(net), relaxation_(relaxation), plan_(plan), space_(space) {}
  ~Pass() { end(); }
  Pass(const Pass&) = delete;
  Pass& operator=(const Pass&) = delete;

  /// bound[r] = the lower bound of row r; with `keep`, what push needs is kept. With `margin`,
  /// error[r] is a rigorous bound of the rounding in bound[r] (T = double only): bound[r] -
  /// error[r] holds over the reals.
  void pull(const Rows<T>& rows, bool keep, std::vector<T>& bound,
            const Magnitudes* magnitude = nullptr, std::vector<double>* error = nullptr);

  /// Pushes the minimising input of each row through its relaxed network and makes one ascent step
  /// of the rows' alpha and beta (none if step is null). Call after pull(keep), with the same rows.
  /// start_value, if given, becomes the pushed value of the start node, [count, extent] (a plan
  /// with push_start).
  void push(Rows<T>& rows, const Step<T>* step, AlignedVector<T>* start_value = nullptr);

  /// A of row r at the output of elementwise node v, from the last pull(keep): [extent of v].
  const T* kept(int v, int r) const {
    return space_.data(kept_[v]) + static_cast<std::size_t>(r) * plan_.extent[v].size();
  }
  /// A of row r at the input, and the minimising input, [inputs] (whole extents), from the last
  /// pull(keep).
  const T* input_a(int r) const {
    return space_.data(kept_[0]) + static_cast<std::size_t>(r) * plan_.extent[0].size();
  }
  void minimizer(const Rows<T>& rows, int r, T* x) const;

  void end();

 private:
  void start(const Rows<T>& rows, std::vector<int>& a, std::vector<double>& bias);
  void pull_elementwise(const Rows<T>& rows, int v, T* a, T* u, bool add,
                        std::vector<double>& bias);
  void push_elementwise(Rows<T>& rows, int v, const T* z, T* out, const Step<T>* step);

  const Network<T>& net_;
  const Relaxation<T>& relaxation_;
  const Plan& plan_;
  Workspace<T>& space_;
  std::vector<int> kept_;  // [nodes] buffer, or -1
};

}  // namespace coronet::bound
