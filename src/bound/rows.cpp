#include "bound/rows.h"

#include <utility>

namespace coronet::bound {

namespace {

template <class V>
void keep_rows(V& values, std::size_t width, const std::vector<char>& keep) {
  if (values.empty()) return;
  std::size_t to = 0;
  for (std::size_t r = 0; r < keep.size(); ++r) {
    if (!keep[r]) continue;
    if (to != r) {
      for (std::size_t i = 0; i < width; ++i) {
        values[to * width + i] = std::move(values[r * width + i]);
      }
    }
    ++to;
  }
  values.resize(to * width);
}

}  // namespace

template <class T>
void Rows<T>::compact(const std::vector<char>& keep, const Plan& plan) {
  keep_rows(neuron, 1, keep);
  keep_rows(sign, 1, keep);
  keep_rows(dense, plan.extent[plan.start].shape.size(), keep);
  keep_rows(input, plan.extent[0].shape.size(), keep);
  keep_rows(constant, 1, keep);
  keep_rows(domain, 1, keep);
  keep_rows(start_y, 1, keep);
  keep_rows(start_x, 1, keep);
  keep_rows(id, 1, keep);
  for (int v : plan.elementwise) {
    if (!alpha.empty()) {
      keep_rows(alpha[v].value, plan.extent[v].size(), keep);
      keep_rows(alpha[v].m, plan.extent[v].size(), keep);
      keep_rows(alpha[v].v, plan.extent[v].size(), keep);
    }
    if (!splits.empty()) keep_rows(splits[v], 1, keep);
  }
  int left = 0;
  for (char k : keep) left += k;
  count = left;
}

template struct Rows<float>;
template struct Rows<double>;

}  // namespace coronet::bound
