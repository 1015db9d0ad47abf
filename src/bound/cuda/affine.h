// The affine kind of node on a CUDA device.
#pragma once

#include <memory>
#include <vector>

#include "bound/affine.h"
#include "cuda/gemm.h"

namespace coronet::bound {

/// Weights of the nodes on the device, shared by float32 and float64; null where a node has none.
using CudaWeights = std::vector<std::shared_ptr<cuda::Weights>>;
CudaWeights upload_weights(cuda::Device& device, const Graph& graph);

/// Node's operator on the device; `host` is the same operator on the CPU, which must outlive it.
/// Products of float32 rows are formed in `precision`.
template <class T>
std::unique_ptr<Affine<T>> make_cuda_affine(cuda::Device& device, cuda::Precision precision,
                                            const CudaWeights& weights, const Graph& graph,
                                            int node, const Affine<double>& host);

}  // namespace coronet::bound
