#include "cuda/points.h"

#include <variant>

#include "base/error.h"
#include "cuda/each.cuh"

namespace coronet::cuda {

namespace {

struct ReluAt {
  float slope;
  __device__ float value(float z) const { return z > 0 ? z : slope * z; }
  __device__ float derivative(float z) const { return z >= 0 ? 1.0F : slope; }
};

struct SigmoidAt {
  __device__ float value(float z) const { return 1 / (1 + expf(-z)); }
  __device__ float derivative(float z) const {
    const float f = value(z);
    return f * (1 - f);
  }
};

struct TanhAt {
  __device__ float value(float z) const { return tanhf(z); }
  __device__ float derivative(float z) const {
    const float f = tanhf(z);
    return 1 - f * f;
  }
};

/// use(f) with the function of an elementwise operator.
template <class Use>
void with_function(const Operator& op, const Use& use) {
  if (const Relu* relu = std::get_if<Relu>(&op)) {
    use(ReluAt{static_cast<float>(relu->negative_slope)});
  } else if (std::holds_alternative<Sigmoid>(op)) {
    use(SigmoidAt{});
  } else if (std::holds_alternative<Tanh>(op)) {
    use(TanhAt{});
  } else {
    throw Error(ErrorKind::kInternal, "an operator that is not elementwise has no values of one");
  }
}

template <class F>
struct Values {
  F f;
  const float* z;
  float* to;
  __device__ void operator()(std::size_t i) const { to[i] = f.value(z[i]); }
};

template <class F>
struct Gradients {
  F f;
  const float *z, *a;
  float* to;
  bool add;
  __device__ void operator()(std::size_t i) const {
    const float g = f.derivative(z[i]) * a[i];
    to[i] = add ? to[i] + g : g;
  }
};

struct Move {
  device::BoxesAt boxes;
  const float* gradient;
  const double* more;
  double size;
  float* x;
  __device__ void operator()(std::size_t i) const {
    const std::size_t point = i / boxes.inputs;
    const std::size_t at =
        static_cast<std::size_t>(boxes.box[point]) * boxes.inputs + (i - point * boxes.inputs);
    const double lower = boxes.lower[at];
    const double upper = boxes.upper[at];
    const double g = gradient[i] + (more != nullptr ? more[i] : 0.0);
    const double sign = g > 0 ? 1.0 : (g < 0 ? -1.0 : 0.0);
    const double moved = x[i] - sign * size * (upper - lower);
    x[i] = static_cast<float>(moved < lower ? lower : (upper < moved ? upper : moved));
  }
};

}  // namespace

void activate(Device& device, const Operator& op, std::size_t count, const float* z, float* to) {
  with_function(op, [&](const auto& f) {
    each(device, count, Values<std::decay_t<decltype(f)>>{f, z, to}, "launch of activate");
  });
}

void activate_gradient(Device& device, const Operator& op, std::size_t count, const float* z,
                       const float* a, bool add, float* to) {
  with_function(op, [&](const auto& f) {
    each(device, count, Gradients<std::decay_t<decltype(f)>>{f, z, a, to, add},
         "launch of activate_gradient");
  });
}

void move_points(Device& device, int points, const device::BoxesAt& boxes, const float* gradient,
                 const double* more, double size, float* x) {
  each(device, static_cast<std::size_t>(points) * boxes.inputs,
       Move{boxes, gradient, more, size, x}, "launch of move_points");
}

}  // namespace coronet::cuda
