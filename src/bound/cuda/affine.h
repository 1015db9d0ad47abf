// The affine kind of node on a CUDA device.
#pragma once

#include <memory>
#include <vector>

#include "bound/affine.h"
#include "cuda/fetched.h"
#include "cuda/gemm.h"
#include "cuda/weights.h"

namespace coronet::bound {

/// The dense weights of a graph's nodes, shared by all networks made of it; null where a node has
/// none.
using CudaWeights = std::vector<std::shared_ptr<cuda::DenseWeight>>;
/// `fetched`: of those that are not here, in the order of the nodes; it must outlive them.
CudaWeights dense_weights(cuda::Device& device, const Graph& graph, Workers& workers,
                          const cuda::FetchedWeights* fetched);
/// null: all are here
std::unique_ptr<cuda::FetchedWeights> fetched_weights(cuda::Device& device, const Graph& graph);

/// Node's operator on the device; `host` is the same operator on the CPU, which must outlive it.
/// Products of float32 rows are formed in `precision`. `weight` and `part`: what a dense
/// operator multiplies by; null where it is none. `in`: the sizes of its inputs.
template <class T>
std::unique_ptr<Affine<T>> make_cuda_affine(cuda::Device& device, cuda::Precision precision,
                                            const std::shared_ptr<cuda::DenseWeight>& weight,
                                            const cuda::Part& part, const Node& node,
                                            const std::vector<int>& in, const Affine<double>& host);

}  // namespace coronet::bound
