#include "bound/cuda/networks.h"

#include <utility>

#include "bound/cuda/row_exchange.h"

namespace coronet::bound {

std::vector<cuda::Part> parts_of(const Network<double>& host, const CudaWeights& weights,
                                 const std::vector<std::vector<int>>* kept) {
  std::vector<cuda::Part> parts(host.nodes());
  if (kept == nullptr) return parts;
  for (int v = 0; v < host.nodes(); ++v) {
    if (weights[v] == nullptr) continue;
    parts[v] = {cuda::remaining((*kept)[v], weights[v]->rows()),
                cuda::remaining((*kept)[host.inputs(v)[0]], weights[v]->cols())};
  }
  return parts;
}

template <class T>
Network<T> cuda_network(cuda::Device& device, cuda::Precision precision, const CudaWeights& weights,
                        const Network<double>& host, const std::vector<std::vector<int>>* kept) {
  const std::vector<cuda::Part> parts = parts_of(host, weights, kept);
  return Network<T>(host.graph(), [&](int v) -> std::unique_ptr<Affine<T>> {
    if (host.affine(v) == nullptr) return nullptr;
    std::vector<int> in;
    for (int u : host.inputs(v)) in.push_back(host.size(u));
    return make_cuda_affine<T>(device, precision, weights[v], parts[v], host.graph().nodes[v], in,
                               *host.affine(v));
  });
}
template Network<float> cuda_network(cuda::Device&, cuda::Precision, const CudaWeights&,
                                     const Network<double>&, const std::vector<std::vector<int>>*);
template Network<double> cuda_network(cuda::Device&, cuda::Precision, const CudaWeights&,
                                      const Network<double>&, const std::vector<std::vector<int>>*);

template <class T>
Network<T> cuda_share(cuda::Device& device, cuda::Precision precision, const CudaWeights& weights,
                      const SharedNetwork& net, cuda::DeviceGroup& devices) {
  const auto rows = std::make_shared<CudaRowExchange<T>>(device, devices, net.group);
  return shared_network<T>(
      net.share, net.group, rows, [&](int v) -> std::shared_ptr<const Affine<T>> {
        const Affine<double>* const shared = net.operators.of(v);
        const Affine<double>* const host = shared != nullptr ? shared : net.host.affine(v);
        if (host == nullptr) return nullptr;
        const Node& node = net.share.graph.nodes[v];
        std::vector<int> in;
        for (int u : node.inputs) in.push_back(net.share.read(v, u).size());
        return make_cuda_affine<T>(device, precision, weights[v], {}, node, in, *host);
      });
}
template Network<float> cuda_share(cuda::Device&, cuda::Precision, const CudaWeights&,
                                   const SharedNetwork&, cuda::DeviceGroup&);
template Network<double> cuda_share(cuda::Device&, cuda::Precision, const CudaWeights&,
                                    const SharedNetwork&, cuda::DeviceGroup&);

void CudaNetworks::load(const Plan& plan, std::size_t reserve) const {
  for (auto v = plan.order.rbegin(); v != plan.order.rend(); ++v) {
    if ((*weights_)[*v] != nullptr) (*weights_)[*v]->load(parts_[*v], reserve);
  }
}

std::vector<cuda::Part> CudaNetworks::coming(const Plan& plan) const {
  std::vector<cuda::Part> parts;
  for (int v = 0; v < static_cast<int>(weights_->size()); ++v) {
    if ((*weights_)[v] == nullptr || !(*weights_)[v]->comes()) continue;
    // The plan, and the graph, may end before the whole one does.
    const bool used = v < static_cast<int>(plan.reached.size()) && plan.reached[v] != 0;
    parts.push_back(used ? parts_[v] : cuda::Part());
  }
  return parts;
}

std::unique_ptr<Outlined> Outlined::make(cuda::Device& device, cuda::Precision precision,
                                         const CudaWeights& weights, const Graph& graph,
                                         const Root& root, const RowList& list) {
  auto reduced = outline_of(graph, root.bounds, list);
  if (!reduced) return nullptr;
  return std::unique_ptr<Outlined>(new Outlined(device, precision, weights, std::move(*reduced)));
}

}  // namespace coronet::bound
