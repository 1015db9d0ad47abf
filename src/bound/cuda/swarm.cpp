#include "bound/cuda/swarm.h"

#include <algorithm>

#include "bound/concrete_members.h"
#include "bound/cuda/cuda.h"
#include "bound/swarm_on.h"
#include "cuda/points.h"

namespace coronet::bound {

void activate(const Cuda& on, const Operator& op, std::size_t count, const float* z, float* to) {
  cuda::activate(on.device(), op, count, z, to);
}

void activate_gradient(const Cuda& on, const Operator& op, std::size_t count, const float* z,
                       const float* a, bool add, float* to) {
  cuda::activate_gradient(on.device(), op, count, z, a, add, to);
}

void move_points(const Cuda& on, int points, const device::BoxesAt& boxes, const float* gradient,
                 const double* more, double size, float* x) {
  cuda::move_points(on.device(), points, boxes, gradient, more, size, x);
}

namespace {

/// Of one point: its value at every node, of which not all are held at once, its gradient, itself.
std::size_t bytes_of_point(const Network<float>& net) {
  std::size_t numbers = 2 * static_cast<std::size_t>(net.size(0));
  for (int v = 0; v < net.nodes(); ++v) numbers += net.size(v);
  return numbers * sizeof(float);
}

/// What a swarm refers to: made before it and gone after it.
struct Memory {
  Memory(cuda::Device& device, const Boxes& boxes)
      : space(Cuda(device, cuda::Tensor::kPush)),
        lower(space.device().upload(boxes.lower)),
        upper(space.device().upload(boxes.upper)) {}
  Workspace<float, Cuda> space;
  Cuda::Array<double> lower, upper;
};

class CudaSwarm final : private Memory, public SwarmOn<Cuda> {
 public:
  CudaSwarm(cuda::Device& device, const Network<float>& net, const Boxes& boxes, int most)
      : Memory(device, boxes),
        SwarmOn<Cuda>(net, Memory::space, most, Memory::lower.data(), Memory::upper.data()) {}
};

}  // namespace

std::unique_ptr<Swarm> make_cuda_swarm(cuda::Device& device, const Network<float>& net,
                                       const Boxes& boxes, std::size_t bytes) {
  device.use();
  const auto most = std::clamp<std::size_t>(bytes / bytes_of_point(net), 32, 8192);
  return std::make_unique<CudaSwarm>(device, net, boxes, static_cast<int>(most));
}

template class Concrete<Cuda>;

}  // namespace coronet::bound
