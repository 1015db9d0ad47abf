#include "bound/concrete.h"

#include "bound/concrete_members.h"
#include "bound/lines.h"

namespace coronet::bound {

void activate(const device::Cpu&, const Operator& op, std::size_t count, const float* z,
              float* to) {
  if (const Relu* relu = std::get_if<Relu>(&op)) {
    const float slope = static_cast<float>(relu->negative_slope);
    for (std::size_t i = 0; i < count; ++i) to[i] = z[i] > 0 ? z[i] : slope * z[i];
  } else {
    for (std::size_t i = 0; i < count; ++i) to[i] = static_cast<float>(value_of(op, z[i]));
  }
}

void activate_gradient(const device::Cpu&, const Operator& op, std::size_t count, const float* z,
                       const float* a, bool add, float* to) {
  const Relu* relu = std::get_if<Relu>(&op);
  const float slope = relu != nullptr ? static_cast<float>(relu->negative_slope) : 0.0F;
  for (std::size_t i = 0; i < count; ++i) {
    const float d =
        relu != nullptr ? (z[i] >= 0 ? 1.0F : slope) : static_cast<float>(derivative_of(op, z[i]));
    to[i] = add ? to[i] + d * a[i] : d * a[i];
  }
}

template class Concrete<device::Cpu>;

}  // namespace coronet::bound
