// Rows bounded on a CUDA device.
#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "base/error.h"
#include "bound/accelerator.h"
#include "bound/cuda/domain_rows.h"
#include "bound/cuda/networks.h"
#include "bound/cuda/open.h"
#include "bound/cuda/row_exchange.h"
#include "bound/cuda/swarm.h"
#include "bound/descent.h"
#include "bound/device_chunks.h"
#include "bound/root.h"
#include "bound/upload.h"
#include "cuda/warming.h"

namespace coronet::bound {

namespace {

/// What one network's rows are bounded with.
struct CudaEngine {
  CudaEngine(cuda::Device& on, const Network<double>& net, Workers& workers, cuda::Precision p,
             std::size_t chunk)
      : device(on),
        host(net),
        precision(p),
        chunk_bytes(chunk),
        fetched(fetched_weights(on, net.graph())),
        weights(dense_weights(on, net.graph(), workers, fetched.get())),
        whole(on, p, weights, net),
        space32(Cuda(on, cuda::Tensor::kA)),
        space64(Cuda(on, cuda::Tensor::kWorkspace)) {}
  CudaEngine(cuda::Device& on, const SharedNetwork& net, Workers& workers, cuda::Precision p,
             std::size_t chunk)
      : device(on),
        host(net.host),
        precision(p),
        chunk_bytes(chunk),
        weights(dense_weights(on, net.host.graph(), workers, nullptr)),
        devices(std::make_unique<cuda::DeviceGroup>(on, net.group.ranks())),
        whole(on, p, weights, net, *devices),
        space32(Cuda(on, cuda::Tensor::kA)),
        space64(Cuda(on, cuda::Tensor::kWorkspace)) {}

  /// Rows go through the network as it is: its ranks would have to leave out the same of it.
  [[nodiscard]] bool unreduced() const { return devices != nullptr; }

  cuda::Device& device;
  const Network<double>& host;
  cuda::Precision precision;
  std::size_t chunk_bytes;
  std::unique_ptr<cuda::FetchedWeights> fetched;  ///< null: the weights are here
  CudaWeights weights;
  std::unique_ptr<cuda::DeviceGroup> devices;  ///< of ranks that share the neurons; null: none do
  CudaNetworks whole;
  Workspace<float, Cuda> space32;
  Workspace<double, Cuda> space64;
};

/// The rows of one list, in chunks.
class CudaParts final : public RowParts {
 public:
  CudaParts(CudaEngine& engine, const Root& root, const RowList& list,
            const OptimiseSettings& settings, const Deadline& deadline)
      : engine_(engine),
        device_(engine.device),
        root_(root),
        settings_(settings),
        deadline_(deadline),
        node_(list.node),
        total_(list.count(engine.host.size(list.node))),
        outlined_(engine.unreduced() ? nullptr
                                     : Outlined::make(device_, engine.precision, engine.weights,
                                                      engine.host.graph(), root, list)),
        reduced_(outlined_ ? &outlined_->reduced() : nullptr),
        networks_(outlined_ ? outlined_->networks() : engine.whole),
        list_(outlined_ ? renumbered(list, reduced_->kept[list.node]) : list),
        patches_(usable_patches(list_, networks_.net64.shape(list.node))),
        plan_(make_plan(networks_.net64, list.node, patches_)),
        scene_(Cuda(device_, cuda::Tensor::kAlpha), plan_, root, reduced_),
        optimise_(settings.iterations > 0 && optimises(plan_, root)) {
    const std::size_t slopes = optimise_ ? slopes_of(plan_, scene_.relax32) : 0;
    row_ = row_bytes(plan_, sizeof(float), slopes, sizeof(kernels::Moment));
    row64_ = row_bytes(plan_, sizeof(double), 0, 0);
    networks_.load(plan_, kLeastDeviceRows * std::max(row_, row64_) + passing());
  }

  void meet(comm::Communicator& ranks) override {
    if (engine_.fetched == nullptr) return;
    engine_.fetched->pack(networks_.coming(plan_), ranks);
    // What larger lists have left of the memory that was taken from the driver.
    const cuda::Arena& arena = device_.arena();
    const std::size_t used =
        arena.now().total + passing() + static_cast<std::size_t>(total_) * (row_ + row64_);
    engine_.fetched->keep(arena.reserved() - std::min(arena.reserved(), used));
  }

  [[nodiscard]] int rows() const override { return total_; }
  /// Whoever shares them: the bits of a product depend on how many rows it has.
  [[nodiscard]] int part(int) const override { return rows_for(row_, total_, engine_.chunk_bytes); }
  [[nodiscard]] int hands(int) const override { return 1; }

  [[nodiscard]] RowBounds room(int count) const override {
    RowBounds result;
    result.bound.assign(count, -HUGE_VAL);
    if (!settings_.keep_alpha) return result;
    result.alpha.resize(node_ + 1);
    for (int v : plan_.elementwise) {
      if (root_.relax32.lines[v].relu) result.alpha[v].assign(count * kept_slopes(v), 0.0F);
    }
    return result;
  }

  void bound(int first, int last, int, RowBounds& result, int origin) override {
    device_.use();
    SlopesOf<Cuda> found;
    const Cuda state(device_, cuda::Tensor::kAlpha);
    if (optimise_) {
      Descent<Cuda> descent(networks_.net32, scene_.relax32, plan_, deadline_, engine_.space32,
                            settings_, state);
      Rows<float, Cuda> rows =
          on_device(state, make_rows(networks_.net32, list_, first, last, patches_));
      descent.run(rows, found);
      // Only the slopes that were found are needed from here on.
    }
    engine_.space32.clear();
    if (settings_.keep_alpha) keep_slopes(found, first, last, result, origin);
    // Beside the slopes that were found, which are there in double too, chunks are smaller.
    const int at_once = agreed(
        rows_for(row64_, last - first, optimise_ ? engine_.chunk_bytes / 2 : engine_.chunk_bytes));
    for (int at = first; at < last; at += at_once) {
      const int end = std::min(last, at + at_once);
      Rows<double, Cuda> rows =
          on_device(state, make_rows(networks_.net64, list_, at, end, patches_));
      if (optimise_) take_slopes(state, plan_, scene_.relax64, found, at - first, rows);
      settle(networks_.net64, scene_.relax64, scene_.magnitude, plan_, rows, engine_.space64,
             result.bound.data() + (at - origin));
    }
    engine_.space64.clear();
    if (engine_.fetched != nullptr) engine_.fetched->count_waits();
  }

 private:
  static bool optimises(const Plan& plan, const Root& root) {
    return std::any_of(plan.elementwise.begin(), plan.elementwise.end(),
                       [&](int v) { return root.relax32.lines[v].relu; });
  }

  /// Slopes of a row at v that are kept: as of all neurons.
  [[nodiscard]] std::size_t kept_slopes(int v) const {
    return reduced_ != nullptr ? engine_.host.size(v) : plan_.extent[v].size();
  }

  [[nodiscard]] int rows_for(std::size_t bytes, int total, std::size_t budget) const {
    return device_rows(device_.arena(), passing(), bytes, total, budget);
  }

  /// Ranks that share the neurons cut rows alike: as many at once as the least of them can.
  [[nodiscard]] int agreed(int rows) const {
    TensorGroup* const group = networks_.net64.group();
    return group == nullptr ? rows : static_cast<int>(group->least(rows));
  }
  [[nodiscard]] std::size_t passing() const {
    const std::size_t blocks = CudaRowExchange<double>::kBlocks * 2;  // and those of float32
    return kPassingBytes +
           (engine_.devices != nullptr ? blocks * CudaRowExchange<double>::kBlockBytes : 0);
  }

  /// The slopes of whole rows, the lines' own where a neuron did not remain.
  void keep_slopes(const SlopesOf<Cuda>& found, int first, int last, RowBounds& result,
                   int origin) const {
    for (int v : plan_.elementwise) {
      const Lines<float>& lines = root_.relax32.lines[v];
      if (!lines.relu) continue;
      const std::size_t n = scene_.relax32.lines[v].slopes(plan_.extent[v]);
      const std::size_t whole = kept_slopes(v);
      float* to = result.alpha[v].data() + (first - origin) * whole;
      if (optimise_ && reduced_ == nullptr) {
        device_.download(to, found[v].data(), (last - first) * n);
        continue;
      }
      if (!plan_.extent[v].whole) continue;
      std::vector<float> some;
      if (optimise_) {
        some.resize((last - first) * n);
        device_.download(some.data(), found[v].data(), some.size());
      }
      for (int r = first; r < last; ++r, to += whole) {
        std::copy(lines.sl.begin(), lines.sl.end(), to);
        for (std::size_t i = 0; i < n && optimise_; ++i) {
          to[reduced_->kept[v][i]] = some[(r - first) * n + i];
        }
      }
    }
  }

  CudaEngine& engine_;
  cuda::Device& device_;
  const Root& root_;
  const OptimiseSettings& settings_;
  const Deadline& deadline_;
  int node_;
  int total_;
  std::unique_ptr<Outlined> outlined_;  ///< the network that the rows go through; null: all of it
  const Reduced* reduced_;              ///< what remains of the root's neurons; null: all
  const CudaNetworks& networks_;
  RowList list_;  ///< in terms of the networks
  bool patches_;
  Plan plan_;
  Scene<Cuda> scene_;
  bool optimise_;
  std::size_t row_ = 0;    ///< bytes of a row that is optimised
  std::size_t row64_ = 0;  ///< and of one that is settled
};

class CudaRows final : public RowDevice {
 public:
  CudaRows(cuda::Device& device, const Network<double>& host, Workers& workers,
           cuda::Precision precision, std::size_t chunk_bytes)
      : engine_(device, host, workers, precision, chunk_bytes) {}
  CudaRows(cuda::Device& device, const SharedNetwork& net, Workers& workers,
           cuda::Precision precision, std::size_t chunk_bytes)
      : engine_(device, net, workers, precision, chunk_bytes) {}

  std::unique_ptr<RowParts> parts(const Root& root, const RowList& list,
                                  const OptimiseSettings& settings,
                                  const Deadline& deadline) override {
    engine_.device.use();
    give_back_tiles();
    return std::make_unique<CudaParts>(engine_, root, list, settings, deadline);
  }

  [[nodiscard]] const Network<double>& columns() const override { return engine_.whole.net64; }

  std::unique_ptr<Swarm> swarm(const Boxes& boxes) override {
    refuse_shares();
    engine_.device.use();
    give_back_tiles();
    if (!points_) {
      points_.emplace(cuda_network<float>(engine_.device, cuda::Precision::kExact, engine_.weights,
                                          engine_.host));
    }
    return make_cuda_swarm(engine_.device, *points_, boxes, engine_.chunk_bytes);
  }

  std::unique_ptr<DomainRows> domains(const DomainSpace& space) override {
    refuse_shares();
    engine_.device.use();
    give_back_tiles();
    return make_cuda_domain_rows(engine_.device, engine_.whole.net32, engine_.whole.net64, space,
                                 engine_.chunk_bytes);
  }

  [[nodiscard]] std::string link() const override {
    return engine_.devices == nullptr ? "" : engine_.devices->link();
  }

 private:
  void refuse_shares() const {
    if (engine_.devices == nullptr) return;
    throw Error(ErrorKind::kInternal, "ranks that share the neurons bound rows and no more");
  }

  /// What lists of rows left unused is wanted now.
  void give_back_tiles() {
    if (engine_.fetched != nullptr) engine_.fetched->keep(0);
  }

  CudaEngine engine_;
  std::optional<Network<float>> points_;  // made when a swarm is first asked for
};

cuda::Precision precision_of(const std::string& name) {
  if (name == "fp32") return cuda::Precision::kExact;
  if (name == "tf32") return cuda::Precision::kTf32;
  if (name == "bf16") return cuda::Precision::kBf16;
  throw Error(ErrorKind::kBadInput, "unknown precision '" + name + "': use fp32, tf32 or bf16");
}

class CudaAccelerator final : public Accelerator {
 public:
  CudaAccelerator(int ordinal, const Options& options)
      : device_(ordinal, given_device_bytes(options, options.mesh == "auto")),
        precision_(precision_of(options.precision)),
        chunk_mib_(options.device_chunk_mib) {
    // Where memory is little, nothing but the rows has any.
    const bool little = device_.arena().limit() < 8 * cuda::Warming::kBytes;
    // Loading a kernel may wait for one of NCCL's that waits for another rank of the process.
    const bool tensor = options.mesh.find("tensor") != std::string::npos;
    if (little || tensor) return;
    warming_.emplace(ordinal, precision_, method_of(options.method) == Method::kAlpha);
  }

  std::unique_ptr<RowDevice> prepare(const Network<double>& net, Workers& workers) override {
    device_.use();
    const double automatic = weights_here(net.graph()) ? kDeviceChunkMib : kFetchedChunkMib;
    const double mib = chunk_mib_ > 0 ? chunk_mib_ : automatic;
    return std::make_unique<CudaRows>(device_, net, workers, precision_,
                                      static_cast<std::size_t>(mib * 0x1p20));
  }
  std::unique_ptr<RowDevice> prepare_share(const SharedNetwork& net, Workers& workers) override {
    device_.use();
    // A chunk of rows is shared as well.
    const double mib = (chunk_mib_ > 0 ? chunk_mib_ : kDeviceChunkMib) / net.group.size();
    return std::make_unique<CudaRows>(device_, net, workers, precision_,
                                      static_cast<std::size_t>(mib * 0x1p20));
  }
  [[nodiscard]] std::string name() const override {
    return "cuda:" + std::to_string(device_.properties().ordinal) + " (" +
           device_.properties().name + ")";
  }
  [[nodiscard]] std::map<std::string, std::uint64_t> memory() const override {
    std::map<std::string, std::uint64_t> most;
    const cuda::Usage& usage = device_.arena().most();
    for (int t = 0; t < cuda::kTensors; ++t) {
      most[cuda::name_of(static_cast<cuda::Tensor>(t))] = usage.by[t];
    }
    most["total"] = device_.arena().reserved();
    return most;
  }

 private:
  mutable cuda::Device device_;
  cuda::Precision precision_;
  double chunk_mib_;
  std::optional<cuda::Warming> warming_;
};

}  // namespace

std::unique_ptr<Accelerator> open_cuda(int ordinal, const Options& options) {
  return std::make_unique<CudaAccelerator>(ordinal, options);
}

int cuda_devices() { return static_cast<int>(cuda::devices().size()); }

std::size_t cuda_free_bytes(int ordinal) { return cuda::usable_bytes(ordinal); }

int cuda_ordinal(const std::string& name) { return cuda::ordinal_of(name); }

template class Pass<float, Cuda>;
template class Pass<double, Cuda>;
template struct Rows<float, Cuda>;
template struct Rows<double, Cuda>;

}  // namespace coronet::bound
