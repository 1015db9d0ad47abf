#include "device/vector.h"

#include "kernels/isa.h"

namespace coronet::kernels {
namespace baseline {
const ElementwiseTable<float>& elementwise_float();
const ElementwiseTable<double>& elementwise_double();
}  // namespace baseline
namespace avx2 {
const ElementwiseTable<float>& elementwise_float();
const ElementwiseTable<double>& elementwise_double();
}  // namespace avx2
namespace avx512 {
const ElementwiseTable<float>& elementwise_float();
const ElementwiseTable<double>& elementwise_double();
}  // namespace avx512
}  // namespace coronet::kernels

namespace coronet::device {

using kernels::Isa;

template <>
const kernels::ElementwiseTable<float>& elementwise<float>() {
  switch (kernels::current_isa()) {
    case Isa::avx512:
      return kernels::avx512::elementwise_float();
    case Isa::avx2:
      return kernels::avx2::elementwise_float();
    case Isa::baseline:
      break;
  }
  return kernels::baseline::elementwise_float();
}

template <>
const kernels::ElementwiseTable<double>& elementwise<double>() {
  switch (kernels::current_isa()) {
    case Isa::avx512:
      return kernels::avx512::elementwise_double();
    case Isa::avx2:
      return kernels::avx2::elementwise_double();
    case Isa::baseline:
      break;
  }
  return kernels::baseline::elementwise_double();
}

}  // namespace coronet::device
