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
#include "bound/cuda/swarm.h"
#include "bound/cuda/upload.h"
#include "bound/descent.h"

namespace coronet::bound {

namespace {

class CudaRows final : public RowDevice {
 public:
  CudaRows(cuda::Device& device, const Network<double>& host, Workers& workers,
           cuda::Precision precision, std::size_t chunk_bytes)
      : device_(device),
        host_(host),
        precision_(precision),
        weights_(dense_weights(device, host.graph(), workers)),
        whole_(device, precision, weights_, host),
        space32_(Cuda(device, cuda::Tensor::kA)),
        space64_(Cuda(device, cuda::Tensor::kWorkspace)),
        chunk_bytes_(chunk_bytes) {}

  RowBounds bound(const Root& root, const RowList& list, const OptimiseSettings& settings,
                  const Deadline& deadline) override {
    device_.use();
    const auto outlined = Outlined::make(device_, precision_, weights_, host_.graph(), root, list);
    const Reduced* const reduced = outlined ? &outlined->reduced() : nullptr;
    const CudaNetworks& networks = outlined ? outlined->networks() : whole_;
    const RowList rows = outlined ? renumbered(list, reduced->kept[list.node]) : list;
    const bool patches = usable_patches(rows, networks.net64.shape(list.node));
    const Plan plan = make_plan(networks.net64, list.node, patches);
    const Job job{root,
                  networks,
                  rows,
                  settings,
                  deadline,
                  plan,
                  CudaScene(Cuda(device_, cuda::Tensor::kAlpha), plan, root, reduced),
                  reduced,
                  patches,
                  settings.iterations > 0 && optimises(plan, root)};
    const int total = list.count(host_.size(list.node));
    const std::size_t row = row_bytes(plan, sizeof(float), job.optimise, sizeof(kernels::Moment));
    const std::size_t row64 = row_bytes(plan, sizeof(double), false, 0);
    networks.load(plan, kLeastRows * std::max(row, row64) + kPassing);
    RowBounds result;
    result.bound.assign(total, -HUGE_VAL);
    if (settings.keep_alpha) {
      result.alpha.resize(list.node + 1);
      for (int v : plan.elementwise) {
        if (!root.relax32.lines[v].relu) continue;
        const std::size_t n = reduced != nullptr ? host_.size(v) : plan.extent[v].size();
        result.alpha[v].assign(total * n, 0.0F);
      }
    }
    const int at_once = rows_for(row, total, chunk_bytes_);
    for (int first = 0; first < total; first += at_once) {
      if (deadline.passed()) {
        result.timed_out = true;
        break;
      }
      bound_chunk(job, first, std::min(total, first + at_once), result);
    }
    return result;
  }

  [[nodiscard]] const Network<double>& columns() const override { return whole_.net64; }

  std::unique_ptr<Swarm> swarm(const Boxes& boxes) override {
    device_.use();
    if (!points_) {
      points_.emplace(cuda_network<float>(device_, cuda::Precision::kExact, weights_, host_));
    }
    return make_cuda_swarm(device_, *points_, boxes, chunk_bytes_);
  }

  std::unique_ptr<DomainRows> domains(const DomainSpace& space) override {
    device_.use();
    return make_cuda_domain_rows(device_, whole_.net32, whole_.net64, space, chunk_bytes_);
  }

 private:
  struct Job {
    const Root& root;
    const CudaNetworks& networks;
    const RowList& list;  ///< in terms of the networks
    const OptimiseSettings& settings;
    const Deadline& deadline;
    const Plan& plan;
    CudaScene scene;
    const Reduced* reduced;  ///< what remains of the root's neurons; null: all
    bool patches;
    bool optimise;
  };

  static bool optimises(const Plan& plan, const Root& root) {
    return std::any_of(plan.elementwise.begin(), plan.elementwise.end(),
                       [&](int v) { return root.relax32.lines[v].relu; });
  }

  /// Rows of one chunk: no chunk is much smaller than the others, and each is of whole tiles of
  /// the products.
  [[nodiscard]] int rows_for(std::size_t bytes, int total, std::size_t budget) const {
    const cuda::Arena& arena = device_.arena();
    const std::size_t used = arena.now().total + kPassing;
    const std::size_t left = arena.limit() - std::min(arena.limit(), used);
    const auto fit =
        static_cast<int>(std::clamp<std::size_t>(std::min(budget, left) / bytes, kLeastRows, 8192));
    const int tile = fit >= 2 * kTile ? kTile : kLeastRows;
    const int most = fit / tile * tile;
    const int chunks = std::max(1, (total + most - 1) / most);
    const int even = (total + chunks - 1) / chunks;
    return (even + tile - 1) / tile * tile;
  }
  static constexpr int kTile = 128;
  static constexpr int kLeastRows = 32;
  /// Tiles of weights that come or are widened while rows are there.
  static constexpr std::size_t kPassing = 2 * cuda::kTileBytes + 2 * cuda::Staging::kBytes;

  void bound_chunk(const Job& job, int first, int last, RowBounds& result) {
    SlopesOf<Cuda> found;
    const Cuda state(device_, cuda::Tensor::kAlpha);
    const Network<float>& net32 = job.networks.net32;
    const Network<double>& net64 = job.networks.net64;
    if (job.optimise) {
      Descent<Cuda> descent(net32, job.scene.relax32, job.plan, job.deadline, space32_,
                            job.settings, state);
      Rows<float, Cuda> rows =
          on_device(state, make_rows(net32, job.list, first, last, job.patches));
      descent.run(rows, found);
      // Only the slopes that were found are needed from here on.
    }
    space32_.clear();
    if (job.settings.keep_alpha) keep_slopes(job, found, first, last, result);
    // Beside the slopes that were found, which are there in double too, chunks are smaller.
    const int at_once = rows_for(row_bytes(job.plan, sizeof(double), false, 0), last - first,
                                 job.optimise ? chunk_bytes_ / 2 : chunk_bytes_);
    for (int at = first; at < last; at += at_once) {
      const int end = std::min(last, at + at_once);
      Rows<double, Cuda> rows = on_device(state, make_rows(net64, job.list, at, end, job.patches));
      if (job.optimise) take_slopes(state, job.plan, found, at - first, rows);
      settle(net64, job.scene.relax64, job.scene.magnitude, job.plan, rows, space64_,
             result.bound.data() + at);
    }
    space64_.clear();
  }

  /// The slopes of whole rows, the lines' own where a neuron did not remain.
  void keep_slopes(const Job& job, const SlopesOf<Cuda>& found, int first, int last,
                   RowBounds& result) const {
    for (int v : job.plan.elementwise) {
      const Lines<float>& lines = job.root.relax32.lines[v];
      if (!lines.relu) continue;
      const std::size_t n = job.plan.extent[v].size();
      const std::size_t whole = result.alpha[v].size() / result.bound.size();
      float* to = result.alpha[v].data() + first * whole;
      if (job.optimise && job.reduced == nullptr) {
        device_.download(to, found[v].data(), (last - first) * n);
        continue;
      }
      if (!job.plan.extent[v].whole) continue;
      std::vector<float> some;
      if (job.optimise) {
        some.resize((last - first) * n);
        device_.download(some.data(), found[v].data(), some.size());
      }
      for (int r = first; r < last; ++r, to += whole) {
        std::copy(lines.sl.begin(), lines.sl.end(), to);
        for (std::size_t i = 0; i < n && job.optimise; ++i) {
          to[job.reduced->kept[v][i]] = some[(r - first) * n + i];
        }
      }
    }
  }

  cuda::Device& device_;
  const Network<double>& host_;
  cuda::Precision precision_;
  CudaWeights weights_;
  CudaNetworks whole_;
  std::optional<Network<float>> points_;  // made when a swarm is first asked for
  Workspace<float, Cuda> space32_;
  Workspace<double, Cuda> space64_;
  std::size_t chunk_bytes_;
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
      : device_(ordinal, static_cast<std::size_t>(options.device_memory_mib * 0x1p20)),
        precision_(precision_of(options.precision)),
        chunk_bytes_(static_cast<std::size_t>(options.device_chunk_mib * 0x1p20)) {}

  std::unique_ptr<RowDevice> prepare(const Network<double>& net, Workers& workers) override {
    device_.use();
    return std::make_unique<CudaRows>(device_, net, workers, precision_, chunk_bytes_);
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
  std::size_t chunk_bytes_;
};

}  // namespace

std::unique_ptr<Accelerator> open_cuda(int ordinal, const Options& options) {
  return std::make_unique<CudaAccelerator>(ordinal, options);
}

int cuda_devices() { return static_cast<int>(cuda::devices().size()); }

int cuda_ordinal(const std::string& name) { return cuda::ordinal_of(name); }

template class Pass<float, Cuda>;
template class Pass<double, Cuda>;
template struct Rows<float, Cuda>;
template struct Rows<double, Cuda>;

}  // namespace coronet::bound
