#include "bound/accelerator.h"

#include "base/error.h"
#ifdef CORONET_HAS_CUDA
#include "bound/cuda/open.h"
#include "graph/products.h"
#endif

namespace coronet::bound {

#ifdef CORONET_HAS_CUDA
namespace {

/// From so many weights on (those of a convolution counted at each of its pixels), a GPU bounds
/// rows sooner than two cores, its start included.
constexpr std::size_t kWorthIt = 3'000'000;

}  // namespace

std::unique_ptr<Accelerator> open_accelerator(const Options& options, const Graph& graph) {
  if (options.device == "cpu") return nullptr;
  if (options.device == "auto") {
    if (products(graph) < kWorthIt || cuda_devices() == 0) return nullptr;
    return open_cuda(0, options);
  }
  return open_cuda(cuda_ordinal(options.device), options);
}
#else
std::unique_ptr<Accelerator> open_accelerator(const Options& options, const Graph&) {
  if (options.device == "cpu" || options.device == "auto") return nullptr;
  throw Error(ErrorKind::kBadInput, "--device " + options.device +
                                        ": this build has no CUDA; use cpu, or build with "
                                        "-DCORONET_CUDA=ON");
}
#endif

}  // namespace coronet::bound
