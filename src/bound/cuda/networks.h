// Networks on a CUDA device: a graph in both arithmetics, and what a box leaves of it.
#pragma once

#include <memory>

#include "bound/cuda/affine.h"
#include "bound/cuda/cuda.h"
#include "bound/engine.h"
#include "bound/optimise.h"
#include "bound/reduce.h"
#include "bound/tensor/share.h"
#include "cuda/device_group.h"

namespace coronet::bound {

/// The part of each node's weight that remains of it in `host`, by `kept` (null: all).
std::vector<cuda::Part> parts_of(const Network<double>& host, const CudaWeights& weights,
                                 const std::vector<std::vector<int>>* kept);

/// A network on the device. `host`: the same graph on the CPU; `weights`: those of the graph that
/// it was made of, by `kept` (null: of itself). Both must outlive it.
template <class T>
Network<T> cuda_network(cuda::Device& device, cuda::Precision precision, const CudaWeights& weights,
                        const Network<double>& host,
                        const std::vector<std::vector<int>>* kept = nullptr);

/// A rank's share on its device, with the devices of its group. All of them must outlive it.
template <class T>
Network<T> cuda_share(cuda::Device& device, cuda::Precision precision, const CudaWeights& weights,
                      const SharedNetwork& net, cuda::DeviceGroup& devices);

/// A graph in both arithmetics, as above; products that a bound counts on are exact.
struct CudaNetworks {
  Network<float> net32;
  Network<double> net64;

  CudaNetworks(cuda::Device& device, cuda::Precision precision, const CudaWeights& weights,
               const Network<double>& host, const std::vector<std::vector<int>>* kept = nullptr)
      : net32(cuda_network<float>(device, precision, weights, host, kept)),
        net64(cuda_network<double>(device, cuda::Precision::kExact, weights, host, kept)),
        weights_(&weights),
        parts_(parts_of(host, weights, kept)) {}
  CudaNetworks(cuda::Device& device, cuda::Precision precision, const CudaWeights& weights,
               const SharedNetwork& net, cuda::DeviceGroup& devices)
      : net32(cuda_share<float>(device, precision, weights, net, devices)),
        net64(cuda_share<double>(device, cuda::Precision::kExact, weights, net, devices)),
        weights_(&weights),
        parts_(parts_of(net.host, weights, nullptr)) {}

  /// Brings the weights that rows of the plan are multiplied by to the device, as many as leave
  /// `reserve` bytes free there, so that none comes or shrinks while rows are there.
  void load(const Plan& plan, std::size_t reserve) const;
  /// Of the weights that come (cuda/fetched.h), the parts that rows of the plan are multiplied by.
  [[nodiscard]] std::vector<cuda::Part> coming(const Plan& plan) const;

 private:
  const CudaWeights* weights_;
  std::vector<cuda::Part> parts_;
};

/// The nodes below a list's rows without the neurons that are always zero over a root's box. Rows
/// lose nothing by it: such a neuron's lines are zero.
class Outlined {
 public:
  /// Nothing, where most of the dense weights would stay.
  static std::unique_ptr<Outlined> make(cuda::Device& device, cuda::Precision precision,
                                        const CudaWeights& weights, const Graph& graph,
                                        const Root& root, const RowList& list);

  [[nodiscard]] const CudaNetworks& networks() const { return networks_; }
  [[nodiscard]] const Reduced& reduced() const { return reduced_; }

 private:
  Outlined(cuda::Device& device, cuda::Precision precision, const CudaWeights& weights,
           Reduced reduced)
      : reduced_(std::move(reduced)),
        host_(reduced_.graph, 0),
        networks_(device, precision, weights, host_, &reduced_.kept) {}

  Reduced reduced_;
  Network<double> host_;  // what does not depend on weights: the dense layers have none here
  CudaNetworks networks_;
};

}  // namespace coronet::bound
