// A device beside the CPU that bounds rows.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "bound/domain_rows.h"
#include "bound/row_parts.h"
#include "bound/swarm.h"

namespace coronet::bound {

struct SharedNetwork;

/// One network on an accelerator, ready to bound rows.
class RowDevice {
 public:
  virtual ~RowDevice() = default;
  /// Alpha optimised in float32 and in what precision the options choose, the bound that counts
  /// pulled in double, less its rounding. One hand; its parts are the chunks of the device. Errors:
  /// kOutOfMemory, naming the tensor and its bytes, where not even the smallest chunk fits.
  virtual std::unique_ptr<RowParts> parts(const Root& root, const RowList& list,
                                          const OptimiseSettings& settings,
                                          const Deadline& deadline) = 0;
  /// The network whose apply() and apply_abs() (affine.h) run on the device; for one thread at a
  /// time.
  [[nodiscard]] virtual const Network<double>& columns() const = 0;
  /// Points on the device, whose values are formed in float32; refers to the boxes and to this.
  virtual std::unique_ptr<Swarm> swarm(const Boxes& boxes) = 0;
  /// What bounds the domains of one search over this network.
  virtual std::unique_ptr<DomainRows> domains(const DomainSpace& space) = 0;
  /// How it reaches the devices of the ranks that share the neurons; empty: there are none.
  [[nodiscard]] virtual std::string link() const { return ""; }
};

/// One device, for as long as a run lasts.
class Accelerator {
 public:
  virtual ~Accelerator() = default;
  /// The network must outlive what is made of it. `workers` share in copying weights.
  virtual std::unique_ptr<RowDevice> prepare(const Network<double>& net, Workers& workers) = 0;
  /// The same of a share of a network, as all ranks of its group, which also call parts(), and
  /// bound() for the same rows, at the same time. There are no swarms and no domains of it.
  virtual std::unique_ptr<RowDevice> prepare_share(const SharedNetwork& net, Workers& workers) = 0;
  [[nodiscard]] virtual std::string name() const = 0;
  /// Most bytes of device memory by tensor class, and "total".
  [[nodiscard]] virtual std::map<std::string, std::uint64_t> memory() const = 0;
};

/// The most of its memory that was in use; 0 for none.
inline std::uint64_t peak_bytes(const Accelerator* accelerator) {
  return accelerator == nullptr ? 0 : accelerator->memory().at("total");
}

/// How many devices there are; none in a build without CUDA.
int count_devices();

/// Bytes of a GPU that a run may take, as it was told: --device-memory-mib, or, where a plan says
/// where the weights are (--mesh auto), --memory; 0: nine tenths of what is free.
std::size_t given_device_bytes(const Options& options, bool planned);
/// Those nine tenths, of the CUDA device that is named so; 0: there is none here.
std::size_t free_device_bytes(const std::string& device);

/// The device that options.device names: nothing for the CPU. "auto" takes the first CUDA device,
/// "auto:N" another one, where it is there and the network has weights enough to be worth it.
/// Errors: kBadInput for a name that is none or a device that is not there, and what this build was
/// not made for.
std::unique_ptr<Accelerator> open_accelerator(const Options& options, const Graph& graph);

/// The device of a search: opened at once where open_accelerator() does, and with "auto" for any
/// other network too once the search has lasted for long enough to repay the start.
class LateAccelerator {
 public:
  /// `alone`: false where there are other ranks: what is opened late would be there on one only.
  LateAccelerator(const Options& options, const Graph& graph, bool alone)
      : options_(options), accelerator_(open_accelerator(options, graph)), tried_(!alone) {}
  /// Null: the CPU alone.
  [[nodiscard]] Accelerator* get() const { return accelerator_.get(); }
  /// True where the device was opened by this call. `searched`: seconds.
  bool reconsider(double searched);

 private:
  const Options& options_;
  std::unique_ptr<Accelerator> accelerator_;
  bool tried_;
};

}  // namespace coronet::bound
