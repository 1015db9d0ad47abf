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
template <class T, class D = device::Cpu>
struct Relaxation {
  std::vector<Lines<T, D>> lines;  ///< [nodes]; empty where not elementwise or not bounded yet
  typename D::template Array<T> lo, hi;  ///< [domains][inputs]
};

/// How large numbers can get, for the error of a pull: [nodes][size], over all domains.
template <class D = device::Cpu>
struct Magnitudes {
  struct Of {
    typename D::template Array<double> size;  ///< [size of the node]
    double sum = 0;                           ///< of all of them
  };
  std::vector<Of>
      value;  ///< elementwise nodes: of their input and intercepts; node 0: of the input
  std::vector<Of> affine;  ///< affine nodes: |M| |u| + |b|
};
/// Fills in node v's, from the bounds of its inputs (or its own, for node 0).
void add_magnitudes(const Network<double>& net, const Bounds& bounds, int v, Magnitudes<>& m,
                    Workers* workers = nullptr);

/// How much of the past Adam's two averages keep.
struct Memory {
  double first = 0.9;
  double second = 0.999;
};
template <class T>
Step<T> adam_step(int iteration, double lr_alpha, double lr_beta, const Memory& memory = {});

/// One batch between its pull and its push, on device D. Holds buffers of the workspace until
/// destroyed or end()ed.
template <class T, class D = device::Cpu>
class Pass {
 public:
  Pass(const Network<T>& net, const Relaxation<T, D>& relaxation, const Plan& plan,
       Workspace<T, D>& space)
      : net_(net), relaxation_(relaxation), plan_(plan), space_(space), device_(space.device()) {}
  ~Pass() { end(); }
  Pass(const Pass&) = delete;
  Pass& operator=(const Pass&) = delete;

  /// bound[r] = the lower bound of row r; with `keep`, what push needs is kept. With `error`,
  /// error[r] is a rigorous bound of the rounding in bound[r] (T = double only): bound[r] -
  /// error[r] holds over the reals.
  void pull(const Rows<T, D>& rows, bool keep, std::vector<T>& bound,
            const Magnitudes<D>* magnitude = nullptr, std::vector<double>* error = nullptr);
  /// The same with the bounds left on the device, and the errors too where there is a `magnitude`:
  /// each lacks what is returned.
  double pull(const Rows<T, D>& rows, bool keep, const Magnitudes<D>* magnitude = nullptr);
  [[nodiscard]] const T* bounds() const { return bound_.data(); }

  /// Pushes the minimising input of each row through its relaxed network and makes one ascent step
  /// of the rows' alpha, at the rows' rates, and beta (none if step is null). Call after
  /// pull(keep), with the same rows. start_value, if given, becomes the pushed value of the start
  /// node, [count, extent] (a plan with push_start).
  void push(Rows<T, D>& rows, const Step<T>* step,
            typename D::template Array<T>* start_value = nullptr);

  /// A of row r at the output of elementwise node v, from the last pull(keep): [extent of v]. Once
  /// no push follows, the caller may write to it.
  T* kept(int v, int r) const {
    return space_.data(kept_[v]) + static_cast<std::size_t>(r) * plan_.extent[v].size();
  }
  /// A of row r at the input, and the minimising input, [inputs] (whole extents), from the last
  /// pull(keep).
  const T* input_a(int r) const {
    return space_.data(kept_[0]) + static_cast<std::size_t>(r) * plan_.extent[0].size();
  }
  void minimizer(const Rows<T, D>& rows, int r, T* x) const;

  void end();

 private:
  template <class V>
  using Array = typename D::template Array<V>;

  void start(const Rows<T, D>& rows, std::vector<int>& a, double* bias);
  /// Where this rank has a share of the neurons: its bounds and their errors are the terms of its
  /// share. Returns what was lost on all ranks.
  double sum_over_ranks(int count, bool error, double lost);
  int acquire(int rows, int node) {
    return space_.acquire(static_cast<std::size_t>(rows) * plan_.extent[node].size());
  }

  const Network<T>& net_;
  const Relaxation<T, D>& relaxation_;
  const Plan& plan_;
  Workspace<T, D>& space_;
  const D& device_;
  std::vector<int> kept_;  // [nodes] buffer, or -1
  Array<double> bias_, error_, uncounted_;
  Array<T> bound_;
};

}  // namespace coronet::bound
