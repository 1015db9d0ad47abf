// The relaxation of elementwise nodes: for each neuron a line below and a line above the function
// on [lo, hi].
#pragma once

#include <string>
#include <vector>

#include "bound/bounds.h"
#include "device/cpu.h"

namespace coronet::bound {

/// The plain lower slope of an unstable ReLU, where no alpha has been optimised.
enum class Slope {
  kAdaptive,  ///< 1 where u > -l, else the negative slope (CROWN)
  kParallel,  ///< that of the upper line (Fast-Lin, DeepZ)
  kZero,      ///< the negative slope
};
Slope slope_of(const std::string& name);

/// Is this node elementwise (Relu, Sigmoid, Tanh)?
bool elementwise(const Operator& op);

/// Lines of one node: arrays of [domains][size]. sl z + tl <= f(z) <= su z + tu for all z in [lo,
/// hi], rigorously for T = double: the intercepts are rounded outward for the slopes as they are.
template <class T, class D = device::Cpu>
struct Lines {
  template <class V>
  using Array = typename D::template Array<V>;

  int size = 0;
  int sloped = 0;  ///< only the first so many neurons may be free; 0: any of them
  bool relu =
      false;  ///< tl = 0, and the lower slope of a free neuron may be any alpha in [floor, 1]
  T floor = 0;
  Array<T> sl, tl, su, tu;
  Array<T> free;  ///< 1 where alpha may be chosen (unstable ReLU), else 0

  [[nodiscard]] std::size_t at(int domain) const { return static_cast<std::size_t>(domain) * size; }
  [[nodiscard]] device::LinesAt<T> view() const {
    return {sl.data(), tl.data(), su.data(), tu.data(), free.data(), size, sloped, relu, floor};
  }
  /// Optimised slopes that a row of this extent has.
  [[nodiscard]] std::size_t slopes(const device::Extent& e) const {
    return e.whole && sloped > 0 ? sloped : e.size();
  }
};

/// Lines of `op` for `domains` domains with input bounds lo, hi of [domains][size].
template <class T>
Lines<T> make_lines(const Operator& op, int size, int domains, const double* lo, const double* hi,
                    Slope slope);

/// The function itself and its derivative (the right one at a kink), and its image of an interval,
/// outward.
double value_of(const Operator& op, double z);
double derivative_of(const Operator& op, double z);
void image_of(const Operator& op, double lo, double hi, double* out_lo, double* out_hi);

}  // namespace coronet::bound
