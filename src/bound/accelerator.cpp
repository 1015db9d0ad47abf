#include "bound/accelerator.h"

#include "base/error.h"
#include "graph/products.h"
#ifdef CORONET_HAS_CUDA
#include "bound/cuda/open.h"
#endif

namespace coronet::bound {

namespace {

/// From so many weights on (those of a convolution counted at each of its pixels), a GPU bounds
/// rows sooner than two cores, its start included.
constexpr std::size_t kWorthIt = 3'000'000;

/// A search that lasted for so many seconds goes on for long enough to repay the start of a device.
constexpr double kRepays = 1.0;

bool automatic(const std::string& device) { return device.starts_with("auto"); }

#ifdef CORONET_HAS_CUDA
/// Null where there is none.
std::unique_ptr<Accelerator> open_automatic(const Options& options) {
  const int ordinal = cuda_ordinal("cuda" + options.device.substr(4));
  return ordinal < cuda_devices() ? open_cuda(ordinal, options) : nullptr;
}
std::unique_ptr<Accelerator> open_named(const Options& options) {
  return open_cuda(cuda_ordinal(options.device), options);
}
#else
std::unique_ptr<Accelerator> open_automatic(const Options&) { return nullptr; }
std::unique_ptr<Accelerator> open_named(const Options& options) {
  throw Error(ErrorKind::kBadInput, "--device " + options.device +
                                        ": this build has no CUDA; use cpu, or build with "
                                        "-DCORONET_CUDA=ON");
}
#endif

}  // namespace

#ifdef CORONET_HAS_CUDA
int count_devices() { return cuda_devices(); }
std::size_t free_device_bytes(const std::string& device) {
  const int ordinal = cuda_ordinal(device);
  return ordinal < cuda_devices() ? cuda_free_bytes(ordinal) : 0;
}
#else
int count_devices() { return 0; }
std::size_t free_device_bytes(const std::string&) { return 0; }
#endif

std::size_t given_device_bytes(const Options& options, bool planned) {
  const double mib = options.device_memory_mib > 0 ? options.device_memory_mib
                     : planned                     ? options.memory_gib * 1024
                                                   : 0;
  return static_cast<std::size_t>(mib * 0x1p20);
}

std::unique_ptr<Accelerator> open_accelerator(const Options& options, const Graph& graph) {
  if (options.device == "cpu") return nullptr;
  if (!automatic(options.device)) return open_named(options);
  return products(graph) < kWorthIt ? nullptr : open_automatic(options);
}

bool LateAccelerator::reconsider(double searched) {
  if (accelerator_ || tried_ || !automatic(options_.device) || searched < kRepays) return false;
  tried_ = true;
  accelerator_ = open_automatic(options_);
  return accelerator_ != nullptr;
}

}  // namespace coronet::bound
