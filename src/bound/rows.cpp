#include "bound/rows.h"

namespace coronet::bound {

template <class T, class D>
void Rows<T, D>::compact(const D& device, const std::vector<char>& keep, const Plan& plan) {
  device.keep_rows(neuron, 1, keep);
  device.keep_rows(sign, 1, keep);
  device.keep_rows(dense, plan.extent[plan.start].shape.size(), keep);
  device.keep_rows(input, plan.extent[0].shape.size(), keep);
  device.keep_rows(constant, 1, keep);
  device.keep_rows(domain, 1, keep);
  device.keep_rows(start_y, 1, keep);
  device.keep_rows(start_x, 1, keep);
  int left = 0;
  for (int r = 0; r < count; ++r) {
    if (!keep[r]) continue;
    if (!id.empty()) id[left] = id[r];
    ++left;
  }
  if (!id.empty()) id.resize(left);
  for (int v : plan.elementwise) {
    if (!alpha.empty()) {
      device.keep_rows(alpha[v].value, plan.extent[v].size(), keep);
      device.keep_rows(alpha[v].m, plan.extent[v].size(), keep);
      device.keep_rows(alpha[v].v, plan.extent[v].size(), keep);
    }
    if (!splits.empty()) device.keep_rows(splits[v], 1, keep);
  }
  count = left;
}

template struct Rows<float>;
template struct Rows<double>;

}  // namespace coronet::bound
