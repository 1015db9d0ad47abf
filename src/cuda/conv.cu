#include "cuda/conv.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>
#include <utility>

#include "base/error.h"
#include "cuda/affine.h"
#include "cuda/column.h"
#include "cuda/conv_kernel.cuh"
#include "ops/tiles.h"

namespace coronet::cuda {

namespace {

constexpr int kLargest = 8191;  // of images, windows and kernels: coordinates are kept in 16 bits

ConvSide side(const Geometry& g, const Shape& shape, int groups) {
  ConvSide s{};
  s.height = shape.height;
  s.width = shape.width;
  s.channels = shape.channels;
  if (g.whole) {
    // A whole node may be declared as another image of the same numbers.
    s.y = {0, 0, shape.height};
    s.x = {0, 0, shape.width};
  } else {
    s.y = g.y;
    s.x = g.x;
  }
  s.row_size = s.y.size * s.x.size * s.channels;
  s.per_group = shape.channels / groups;
  return s;
}

void refuse_large(const ConvSide& s) {
  if (std::max({s.height, s.width, s.y.size, s.x.size}) <= kLargest) return;
  throw Error(ErrorKind::kUnsupported,
              "Conv on the device: an image of " + std::to_string(s.height) + " x " +
                  std::to_string(s.width) + " pixels (windows of " + std::to_string(s.y.size) +
                  " x " + std::to_string(s.x.size) + ") is larger than " +
                  std::to_string(kLargest) + " on a side. Take the CPU.");
}

template <class Tile, int kStages, int VEC>
void launch(Device& device, const ConvWork<typename Tile::Number>& work, int groups) {
  const auto kernel = conv_kernel<Tile, kStages, VEC>;
  constexpr std::size_t kShared = conv_shared_bytes<Tile, kStages>();
  if (kShared > std::size_t{48} << 10) {
    CORONET_CUDA_CHECK(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                            static_cast<int>(kShared)));
  }
  const int here = work.target.per_group;
  const dim3 grid(
      static_cast<unsigned>((static_cast<long long>(work.pixels) + Tile::kM - 1) / Tile::kM),
      static_cast<unsigned>((here + Tile::kN - 1) / Tile::kN), static_cast<unsigned>(groups));
  kernel<<<grid, Tile::kThreads, kShared, device.stream()>>>(work);
  CORONET_CUDA_LAUNCHED("conv");
}

template <class Tile, int kStages>
void launch(Device& device, const ConvWork<typename Tile::Number>& work, int groups) {
  constexpr int kV = Tile::kVector;
  if (work.source.channels % kV == 0 && work.source.per_group % kV == 0 && aligned({work.from})) {
    launch<Tile, kStages, kV>(device, work, groups);
  } else {
    launch<Tile, kStages, 1>(device, work, groups);
  }
}

/// Whether the weights are to be rounded ones. A handful of channels would leave tensor cores idle.
bool tensor_cores(const ConvWork<float>& work, Precision precision) {
  return precision != Precision::kExact && work.target.per_group > 4;
}
bool tensor_cores(const ConvWork<double>&, Precision) { return false; }

void launch(Device& device, const ConvWork<float>& work, int groups, Precision precision) {
  if (tensor_cores(work, precision)) {
    switch (conv_columns(work.target.per_group)) {
      case 8:
        return launch<Tf32Tile<256, 8, 16, 4>, 2>(device, work, groups);
      case 16:
        return launch<Tf32Tile<256, 16, 16, 4>, 2>(device, work, groups);
      case 32:
        return launch<Tf32Tile<128, 32, 16, 4>, 3>(device, work, groups);
      default:
        return launch<Tf32Tile<128, 64, 16, 4>, 3>(device, work, groups);
    }
  }
  switch (conv_columns(work.target.per_group)) {
    case 4:
      return launch<FmaTile<float, 256, 4, 16, 2, 4>, 2>(device, work, groups);
    case 8:
      return launch<FmaTile<float, 256, 8, 16, 4, 4>, 2>(device, work, groups);
    case 16:
      return launch<FmaTile<float, 256, 16, 16, 8, 4>, 2>(device, work, groups);
    case 32:
      return launch<FmaTile<float, 128, 32, 16, 8, 4>, 3>(device, work, groups);
    default:
      return launch<FmaTile<float, 128, 64, 16, 8, 8>, 3>(device, work, groups);
  }
}

void launch(Device& device, const ConvWork<double>& work, int groups, Precision) {
  switch (conv_columns(work.target.per_group)) {
    case 4:
      return launch<FmaTile<double, 256, 4, 8, 2, 4>, 2>(device, work, groups);
    case 8:
      return launch<FmaTile<double, 256, 8, 8, 4, 4>, 2>(device, work, groups);
    case 16:
      return launch<FmaTile<double, 128, 16, 8, 4, 4>, 3>(device, work, groups);
    case 32:
      return launch<FmaTile<double, 128, 32, 8, 8, 4>, 3>(device, work, groups);
    default:
      return launch<FmaTile<double, 128, 64, 8, 8, 4>, 3>(device, work, groups);
  }
}

}  // namespace

template <class T>
DeviceConv<T>::DeviceConv(Device& device, const Conv& conv) : conv_(&conv) {
  const int reach_h = (conv.kernel_h - 1) * conv.dilation_h + 1;
  const int reach_w = (conv.kernel_w - 1) * conv.dilation_w + 1;
  if (std::max({reach_h, reach_w, conv.pad_top, conv.pad_left, conv.stride_h, conv.stride_w}) >
      kLargest) {
    throw Error(ErrorKind::kUnsupported,
                "Conv on the device: a kernel that reaches over " + std::to_string(reach_h) +
                    " x " + std::to_string(reach_w) + " pixels is larger than " +
                    std::to_string(kLargest) + " on a side. Take the CPU.");
  }
  Weight brought;
  if (!conv.weight.here()) brought = gathered(conv.weight);
  const Weight& weight = conv.weight.here() ? conv.weight : brought;
  for (ConvPhase& phase : forward_phases(conv)) {
    forward_.push_back(laid_out(device, weight, std::move(phase), false));
  }
  for (ConvPhase& phase : adjoint_phases(conv)) {
    adjoint_.push_back(laid_out(device, weight, std::move(phase), true));
  }
  const std::vector<T> bias(conv.bias.begin(), conv.bias.end());
  bias_ = device.upload(bias, Tensor::kWeights, "the bias of a Conv");
}

template <class T>
auto DeviceConv<T>::laid_out(Device& device, const Weight& weight, ConvPhase of, bool adjoint) const
    -> Phase {
  const Conv& op = *conv_;
  const int cin = op.in.channels / op.groups;
  const int cout = op.out.channels / op.groups;
  Phase phase;
  static_cast<ConvPhase&>(phase) = std::move(of);
  std::vector<int> offsets;
  for (const int dy : phase.y.offset) {
    for (const int dx : phase.x.offset) {
      offsets.push_back(static_cast<int>(static_cast<unsigned>(dy) << 16 |
                                         (static_cast<unsigned>(dx) & 0xFFFFU)));
    }
  }
  std::vector<T> weights(static_cast<std::size_t>(op.groups) * phase.k * phase.n, T(0));
  for (int g = 0; g < op.groups; ++g) {
    std::size_t k = 0;
    for (const int ky : phase.y.tap) {
      for (const int kx : phase.x.tap) {
        for (int s = 0; s < phase.source; ++s, ++k) {
          for (int t = 0; t < phase.target; ++t) {
            const int o = g * cout + (adjoint ? s : t);
            const int i = adjoint ? t : s;
            weights[(static_cast<std::size_t>(g) * phase.k + k) * phase.n + t] =
                static_cast<T>(weight.at(
                    ((static_cast<std::size_t>(o) * op.kernel_h + ky) * op.kernel_w + kx) * cin +
                    i));
          }
        }
      }
    }
  }
  phase.offsets = device.upload(offsets, Tensor::kWeights, "the taps of a Conv");
  phase.weights = device.upload(weights, Tensor::kWeights, "the weights of a Conv");
  if constexpr (sizeof(T) == sizeof(float)) {
    // As the kernel rounds the rows: to nearest, ties away from zero.
    for (float& w : weights) {
      w = std::bit_cast<float>((std::bit_cast<std::uint32_t>(w) + 0x1000U) & 0xFFFFE000U);
    }
    phase.rounded = device.upload(weights, Tensor::kWeights, "the weights of a Conv in TF32");
  }
  return phase;
}

template <class T>
std::size_t DeviceConv<T>::bytes() const {
  std::size_t total = bias_.size();
  for (const auto* phases : {&forward_, &adjoint_}) {
    for (const Phase& p : *phases) total += p.weights.size() + p.rounded.size();
  }
  return total * sizeof(T);
}

template <class T>
void DeviceConv<T>::run(Device& device, const std::vector<Phase>& phases, const Rows& rows,
                        const T* from, const Geometry& from_g, T* to, const Geometry& to_g,
                        const T* bias, bool accumulate, Precision precision) const {
  const bool adjoint = &phases == &adjoint_;
  ConvWork<T> work{};
  work.source = side(from_g, adjoint ? conv_->out : conv_->in, conv_->groups);
  work.target = side(to_g, adjoint ? conv_->in : conv_->out, conv_->groups);
  refuse_large(work.source);
  refuse_large(work.target);
  work.bias = bias;
  work.accumulate = accumulate;
  const int width = 16 / static_cast<int>(sizeof(T));
  work.wide =
      work.target.channels % width == 0 && work.target.per_group % width == 0 && aligned({to});
  for (const Phase& phase : phases) {
    // Pixels that no tap reaches stay as they are, or become zero.
    if (phase.taps == 0 && accumulate) continue;
    const auto line = [](const ConvTaps& l, int size) {
      return ConvLine{l.to_step, l.to_base, l.from_step, (size + l.to_step - 1) / l.to_step};
    };
    work.y = line(phase.y, work.target.y.size);
    work.x = line(phase.x, work.target.x.size);
    work.taps = phase.taps;
    work.offsets = phase.offsets.data();
    work.weights = tensor_cores(work, precision) ? phase.rounded.data() : phase.weights.data();
    work.k = phase.k;
    work.n = phase.n;
    const int per_row = work.y.most * work.x.most;
    if (per_row == 0) continue;
    const int at_once = (std::numeric_limits<int>::max() - 1024) / per_row;
    for (int first = 0; first < rows.count; first += at_once) {
      const int count = std::min(at_once, rows.count - first);
      work.pixels = count * per_row;
      work.from = from + static_cast<std::size_t>(first) * work.source.row_size;
      work.to = to + static_cast<std::size_t>(first) * work.target.row_size;
      work.start_y = rows.start_y == nullptr ? nullptr : rows.start_y + first;
      work.start_x = rows.start_x == nullptr ? nullptr : rows.start_x + first;
      launch(device, work, conv_->groups, precision);
    }
  }
}

template <class T>
void DeviceConv<T>::pull(Device& device, const Rows& rows, const T* a, const Geometry& out, T* u,
                         const Geometry& in, bool accumulate, Precision precision) const {
  run(device, adjoint_, rows, a, out, u, in, nullptr, accumulate, precision);
}

template <class T>
void DeviceConv<T>::push(Device& device, const Rows& rows, const T* x, const Geometry& in, T* y,
                         const Geometry& out, bool with_bias, Precision precision) const {
  run(device, forward_, rows, x, in, y, out, with_bias ? bias_.data() : nullptr, false, precision);
}

template <class T>
void DeviceConv<T>::bias(Device& device, const Rows& rows, const T* a, const Geometry& out,
                         double* bias) const {
  // Gaps of a window hold zeros, but they are not read: the geometry of the node tells where.
  periodic_bias(device, rows, out, a, bias_.data(), conv_->out.channels, bias);
}

template <class T>
void DeviceConv<T>::column(Device& device, const double* u, bool absolute,
                           double* y) const requires std::is_same_v<T, double> {
  const Phase& all = forward_.front();
  conv_column(device,
              {all.weights.data(), all.k, all.n, all.offsets.data(), all.taps, conv_->groups,
               conv_->stride_h, conv_->stride_w, conv_->in, conv_->out},
              absolute, u, y);
}

template class DeviceConv<float>;
template class DeviceConv<double>;

}  // namespace coronet::cuda
