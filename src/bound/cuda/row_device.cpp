// Rows bounded on a CUDA device.
#include <algorithm>
#include <cmath>
#include <utility>

#include "base/error.h"
#include "bound/accelerator.h"
#include "bound/cuda/affine.h"
#include "bound/cuda/cuda.h"
#include "bound/cuda/domain_rows.h"
#include "bound/cuda/open.h"
#include "bound/cuda/upload.h"
#include "bound/descent.h"

namespace coronet::bound {

namespace {

template <class T>
Network<T> network_on(cuda::Device& device, cuda::Precision precision, const CudaWeights& weights,
                      const Network<double>& host) {
  return Network<T>(host.graph(), [&](int v) -> std::unique_ptr<Affine<T>> {
    if (host.affine(v) == nullptr) return nullptr;
    return make_cuda_affine<T>(device, precision, weights, host.graph(), v, *host.affine(v));
  });
}

class CudaRows final : public RowDevice {
 public:
  CudaRows(cuda::Device& device, const Network<double>& host, cuda::Precision precision,
           std::size_t chunk_bytes)
      : device_(device),
        host_(host),
        weights_(upload_weights(device, host.graph())),
        net32_(network_on<float>(device, precision, weights_, host)),
        net64_(network_on<double>(device, cuda::Precision::kExact, weights_, host)),
        space32_(Cuda(device, cuda::Tensor::kA)),
        space64_(Cuda(device, cuda::Tensor::kWorkspace)),
        chunk_bytes_(chunk_bytes) {}

  RowBounds bound(const Root& root, const RowList& list, const OptimiseSettings& settings,
                  const Deadline& deadline) override {
    device_.use();
    const int total = list.count(host_.size(list.node));
    const bool patches = usable_patches(list, host_.shape(list.node));
    const Plan plan = make_plan(net64_, list.node, patches);
    const Cuda state(device_, cuda::Tensor::kAlpha);
    const Job job{root,
                  list,
                  settings,
                  deadline,
                  patches,
                  plan,
                  on_device(state, plan, root.relax32),
                  on_device(state, plan, root.relax64),
                  on_device(state, plan, root.magnitude),
                  settings.iterations > 0 && optimises(plan, root)};
    RowBounds result;
    result.bound.assign(total, -HUGE_VAL);
    if (settings.keep_alpha) {
      result.alpha.resize(list.node + 1);
      for (int v : plan.elementwise) {
        if (root.relax32.lines[v].relu) {
          result.alpha[v].resize(static_cast<std::size_t>(total) * plan.extent[v].size());
        }
      }
    }
    const int at_once = rows_for(row_bytes(plan, sizeof(float), job.optimise), total);
    for (int first = 0; first < total; first += at_once) {
      if (deadline.passed()) {
        result.timed_out = true;
        break;
      }
      bound_chunk(job, first, std::min(total, first + at_once), result);
    }
    return result;
  }

  std::unique_ptr<DomainRows> domains(const DomainSpace& space) override {
    device_.use();
    return make_cuda_domain_rows(device_, net32_, net64_, space, chunk_bytes_);
  }

 private:
  struct Job {
    const Root& root;
    const RowList& list;
    const OptimiseSettings& settings;
    const Deadline& deadline;
    bool patches;
    const Plan& plan;
    Relaxation<float, Cuda> relax32;
    Relaxation<double, Cuda> relax64;
    Magnitudes<Cuda> magnitude;
    bool optimise;
  };

  static bool optimises(const Plan& plan, const Root& root) {
    return std::any_of(plan.elementwise.begin(), plan.elementwise.end(),
                       [&](int v) { return root.relax32.lines[v].relu; });
  }

  /// Rows of one chunk: pairs stay together, and no chunk is much smaller than the others.
  [[nodiscard]] int rows_for(std::size_t bytes, int total) const {
    const auto fit = static_cast<int>(std::clamp<std::size_t>(chunk_bytes_ / bytes, 32, 8192));
    const int chunks = (total + fit - 1) / fit;
    const int even = (total + chunks - 1) / std::max(1, chunks);
    return even + even % 2;
  }

  void bound_chunk(const Job& job, int first, int last, RowBounds& result) {
    SlopesOf<Cuda> found;
    const Cuda state(device_, cuda::Tensor::kAlpha);
    if (job.optimise) {
      Descent<Cuda> descent(net32_, job.relax32, job.plan, job.deadline, space32_, job.settings,
                            state);
      Rows<float, Cuda> rows =
          on_device(state, make_rows(net32_, job.list, first, last, job.patches));
      descent.run(rows, found);
      // Only the slopes that were found are needed from here on.
    }
    space32_.clear();
    if (job.settings.keep_alpha) keep_slopes(job, found, first, last, result);
    const int at_once = rows_for(row_bytes(job.plan, sizeof(double), false), last - first);
    for (int at = first; at < last; at += at_once) {
      const int end = std::min(last, at + at_once);
      Rows<double, Cuda> rows = on_device(state, make_rows(net64_, job.list, at, end, job.patches));
      if (job.optimise) take_slopes(state, job.plan, found, at - first, rows);
      settle(net64_, job.relax64, job.magnitude, job.plan, rows, space64_,
             result.bound.data() + at);
    }
    space64_.clear();
  }

  void keep_slopes(const Job& job, const SlopesOf<Cuda>& found, int first, int last,
                   RowBounds& result) const {
    for (int v : job.plan.elementwise) {
      const Lines<float>& lines = job.root.relax32.lines[v];
      if (!lines.relu) continue;
      const std::size_t n = job.plan.extent[v].size();
      float* to = result.alpha[v].data() + first * n;
      if (job.optimise) {
        device_.download(to, found[v].data(), (last - first) * n);
      } else if (job.plan.extent[v].whole) {
        for (int r = first; r < last; ++r, to += n) {
          std::copy(lines.sl.begin(), lines.sl.end(), to);
        }
      }
    }
  }

  cuda::Device& device_;
  const Network<double>& host_;
  CudaWeights weights_;
  Network<float> net32_;
  Network<double> net64_;
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

  std::unique_ptr<RowDevice> prepare(const Network<double>& net) override {
    device_.use();
    return std::make_unique<CudaRows>(device_, net, precision_, chunk_bytes_);
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
    most["total"] = usage.total;
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
