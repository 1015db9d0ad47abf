#include "bound/cuda/domain_rows.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "bound/cuda/cuda.h"
#include "bound/domain_descent.h"
#include "bound/upload.h"

namespace coronet::bound {

namespace {

/// More rows than this bring nothing: the kernels are long by then.
constexpr std::size_t kMostRows = 32768;
/// Where not even so many rows fit, the arena says what is too large.
constexpr std::size_t kLeastRows = 32;

template <class T>
using Array = Cuda::Array<T>;

/// Of one batch: how its slopes came, and where those of the rows that leave are put.
struct Packed {
  Array<std::uint16_t> slopes;
  Array<unsigned char> has;
};

class CudaDomainRows final : public DomainRows {
 public:
  CudaDomainRows(cuda::Device& device, const Network<float>& net32, const Network<double>& net64,
                 const DomainSpace& space, std::size_t chunk_bytes)
      : device_(device),
        net32_(net32),
        net64_(net64),
        space_(space),
        state_(device, cuda::Tensor::kDomains),
        relax32_(on_device(state_, space.plan32, space.root.relax32)),
        relax64_(on_device(state_, space.plan64, space.root.relax64)),
        magnitude_(on_device(state_, space.plan64, space.root.magnitude)),
        space32_(Cuda(device, cuda::Tensor::kA)),
        space64_(Cuda(device, cuda::Tensor::kWorkspace)) {
    std::size_t state = 0;
    for (int v : space.relus) {
      free_.push_back(state_.upload(space.free[v]));
      first_.push_back(slopes_);
      slopes_ += space.free[v].size();
      state += space.plan32.extent[v].size();
    }
    // Slopes with their moments, and what pull keeps and passes on, in both arithmetics; a row that
    // is compacted is held twice.
    const std::size_t row = sizeof(float) * (2 * state + space.plan32.kept + space.plan32.passing) +
                            2 * sizeof(kernels::Moment) * state +
                            sizeof(double) * (state + space.plan64.kept + space.plan64.passing) +
                            sizeof(std::uint16_t) * slopes_;
    const std::size_t rest = device.arena().limit() - device.arena().now().total;
    const std::size_t budget = std::min(kDomainChunks * chunk_bytes, rest / 2);
    most_ = static_cast<int>(std::clamp(budget / row, kLeastRows, kMostRows));
  }

  [[nodiscard]] int most() const override { return most_; }
  [[nodiscard]] std::pmr::memory_resource& host_memory() override { return device_.host_memory(); }

  DomainBounds bound(FlatDomains& domains, const DomainSettings& settings,
                     const std::function<bool()>& stop) override;

 private:
  class Batch;
  /// The best split of each row of a batch.
  struct Choice {
    std::vector<int> node, neuron;
  };

  [[nodiscard]] cuda::PackedSlopes slopes_of(Packed& packed, std::size_t k) const {
    return {packed.slopes.data() + first_[k], slopes_};
  }

  /// Gives the rows the slopes packed in rows ids[r] (null: r), with Adam's moments where they are
  /// `optimised`.
  template <class T>
  void unpack(const Relaxation<T, Cuda>& relaxation, Packed& packed, const int* ids, bool optimised,
              Rows<T, Cuda>& rows) const;
  Rows<float, Cuda> upload(const FlatDomains& domains, Packed& packed) const;

  /// Scores every neuron of the rows by the A that the last pull kept, and spoils that.
  template <class T>
  Choice choose(const Pass<T, Cuda>& pass, const Rows<T, Cuda>& rows,
                const Relaxation<T, Cuda>& relaxation) const;

  cuda::Device& device_;
  const Network<float>& net32_;
  const Network<double>& net64_;
  DomainSpace space_;
  Cuda state_;
  Relaxation<float, Cuda> relax32_;
  Relaxation<double, Cuda> relax64_;
  Magnitudes<Cuda> magnitude_;
  Workspace<float, Cuda> space32_;
  Workspace<double, Cuda> space64_;
  std::vector<Array<int>> free_;    // [relus]
  std::vector<std::size_t> first_;  // [relus] where a row's slopes of the node begin
  std::size_t slopes_ = 0;          // of a row
  int most_ = 0;
};

template <class T>
void CudaDomainRows::unpack(const Relaxation<T, Cuda>& relaxation, Packed& packed, const int* ids,
                            bool optimised, Rows<T, Cuda>& rows) const {
  rows.alpha.resize(space_.plan32.start + 1);
  for (std::size_t k = 0; k < space_.relus.size(); ++k) {
    const int v = space_.relus[k];
    const Lines<T, Cuda>& lines = relaxation.lines[v];
    const Extent& extent = space_.plan32.extent[v];
    auto& alpha = rows.alpha[v];
    const std::size_t n = static_cast<std::size_t>(rows.count) * extent.size();
    state_.reserve(alpha.value, n);
    cuda::unpack_slopes(device_, rows_of(rows.set()), geometry(extent), lines.sl.data(),
                        lines.floor, free_[k].data(), static_cast<int>(free_[k].size()),
                        slopes_of(packed, k), ids, packed.has.data(), alpha.value.data());
    if (!optimised) continue;
    for (auto* moment : {&alpha.m, &alpha.v}) {
      state_.reserve(*moment, n);
      state_.zero(moment->data(), n);
    }
  }
}

Rows<float, Cuda> CudaDomainRows::upload(const FlatDomains& domains, Packed& packed) const {
  Rows<float, Cuda> rows = on_device(state_, domains.form32);
  rows.id.resize(rows.count);
  std::iota(rows.id.begin(), rows.id.end(), 0);
  packed.slopes = state_.start_upload(domains.slopes);
  packed.has = state_.start_upload(domains.has_slopes);
  unpack(relax32_, packed, nullptr, true, rows);
  rows.splits.resize(space_.plan32.start + 1);
  for (int v : space_.relus) {
    const FlatDomains::Splits& from = domains.splits[v];
    Cuda::Splits<float>& to = rows.splits[v];
    to.row = state_.start_upload(from.row);
    to.neuron = state_.start_upload(from.neuron);
    to.sign = state_.start_upload(from.sign);
    to.beta = state_.start_upload(from.beta);
    for (auto* moment : {&to.m, &to.v}) {
      state_.reserve(*moment, from.row.size());
      state_.zero(moment->data(), from.row.size());
    }
    state_.reserve(to.aside, from.row.size());
    to.point();
  }
  device_.wait();  // for all arrays at once: from here on they may be changed
  return rows;
}

template <class T>
CudaDomainRows::Choice CudaDomainRows::choose(const Pass<T, Cuda>& pass, const Rows<T, Cuda>& rows,
                                              const Relaxation<T, Cuda>& relaxation) const {
  const std::size_t count = rows.count;
  Array<T> best;
  state_.reserve(best, count);
  state_.zero(best.data(), count);
  Choice choice{std::vector<int>(count, -1), std::vector<int>(count, -1)};
  Array<int> node = state_.upload(choice.node);
  Array<int> neuron = state_.upload(choice.neuron);
  for (int v : space_.relus) {
    const cuda::Geometry g = geometry(space_.plan32.extent[v]);
    T* const a = pass.kept(v, 0);
    const Cuda::Splits<T>& splits = rows.splits[v];
    if (splits.at.count > 0) cuda::set_aside(device_, rows_of(rows.set()), g, a, splits.at);
    cuda::split_score(device_, rows_of(rows.set()), g, a,
                      Cuda::lines_of(relaxation.lines[v].view()), v, best.data(), node.data(),
                      neuron.data());
  }
  state_.read(node.data(), count, choice.node.data());
  state_.read(neuron.data(), count, choice.neuron.data());
  return choice;
}

/// A batch of domains as descend() wants it.
class CudaDomainRows::Batch {
 public:
  Batch(CudaDomainRows& owner, FlatDomains& domains, const DomainSettings& settings,
        DomainBounds& result)
      : owner_(owner),
        domains_(domains),
        settings_(settings),
        result_(result),
        rows_(owner.upload(domains, packed_)) {
    result.bound.resize(rows_.count);
    result.settled.assign(rows_.count, settings.iterations == 0 ? 1 : 0);
    result.split_node.assign(rows_.count, -1);
    result.split_neuron.assign(rows_.count, -1);
    result.certain.assign(rows_.count, -HUGE_VAL);
  }

  Rows<float, Cuda>& rows() { return rows_; }

  void leave(const std::vector<float>& bound, const std::vector<char>& flag) {
    save(bound, flag);
    // From here on their betas stay what they are.
    std::vector<int> to(rows_.count);
    for (int r = 0; r < rows_.count; ++r) {
      to[r] = flag[r] ? -1 : r;
      if (flag[r]) result_.settled[rows_.id[r]] = 1;
    }
    const auto numbers = owner_.state_.upload(to);
    for (int v : owner_.space_.relus) {
      if (rows_.splits[v].at.count > 0) owner_.state_.renumber_rows(rows_.splits[v], numbers);
    }
  }

  void step(Pass<float, Cuda>& pass, const Step<float>& step) { pass.push(rows_, &step); }

  void compact(const std::vector<char>& keep) {
    rows_.compact(owner_.state_, keep, owner_.space_.plan32);
  }

  void last(const Pass<float, Cuda>& pass, const std::vector<float>& bound,
            const std::vector<char>& open) {
    minimise(pass, bound, open);
    const Choice choice = owner_.choose(pass, rows_, owner_.relax32_);
    for (int r = 0; r < rows_.count; ++r) {
      if (!open[r]) continue;
      result_.split_node[rows_.id[r]] = choice.node[r];
      result_.split_neuron[rows_.id[r]] = choice.neuron[r];
    }
    save(bound, open);
  }

  /// Pulls the rows to be settled in double, with the slopes and betas that were saved.
  void settle() {
    std::vector<int> index;
    for (std::size_t r = 0; r < result_.settled.size(); ++r) {
      if (result_.settled[r]) index.push_back(static_cast<int>(r));
    }
    if (index.empty()) return;
    const Cuda& state = owner_.state_;
    Rows<double, Cuda> rows = on_device(state, domains_.form64);
    rows.splits.resize(rows_.splits.size());
    for (int v : owner_.space_.relus) {
      const Cuda::Splits<float>& from = rows_.splits[v];
      Cuda::Splits<double>& to = rows.splits[v];
      const std::size_t n = from.row.size();
      to.row = state.start_upload(domains_.splits[v].row);
      to.neuron = state.start_upload(domains_.splits[v].neuron);
      for (auto* array : {&to.sign, &to.beta, &to.aside}) state.reserve(*array, n);
      state.convert(from.sign.data(), n, to.sign.data());
      state.convert(from.beta.data(), n, to.beta.data());
      to.point();
    }
    rows.compact(state, result_.settled, owner_.space_.plan64);
    owner_.unpack(owner_.relax64_, packed_, state.upload(index).data(), false, rows);
    Pass<double, Cuda> pass(owner_.net64_, owner_.relax64_, owner_.space_.plan64, owner_.space64_);
    std::vector<double> bound;
    std::vector<double> error;
    pass.pull(rows, true, bound, &owner_.magnitude_, &error);
    const Choice choice = owner_.choose(pass, rows, owner_.relax64_);
    for (std::size_t i = 0; i < index.size(); ++i) {
      result_.certain[index[i]] = bound[i] - error[i];
      result_.split_node[index[i]] = choice.node[i];
      result_.split_neuron[index[i]] = choice.neuron[i];
    }
  }

  /// Back to the host, once all rows have left.
  void download() {
    const Cuda& state = owner_.state_;
    state.start_read(packed_.slopes.data(), domains_.slopes.size(), domains_.slopes.data());
    for (int v : owner_.space_.relus) {
      auto& beta = domains_.splits[v].beta;
      state.start_read(rows_.splits[v].beta.data(), beta.size(), beta.data());
    }
    owner_.device_.wait();
  }

 private:
  /// Bounds and slopes of the rows flagged.
  void save(const std::vector<float>& bound, const std::vector<char>& flag) {
    for (int r = 0; r < rows_.count; ++r) {
      if (flag[r]) result_.bound[rows_.id[r]] = bound[r];
    }
    const auto ids = owner_.state_.upload(rows_.id);
    const auto flags = owner_.state_.upload(std::vector<unsigned char>(flag.begin(), flag.end()));
    for (std::size_t k = 0; k < owner_.space_.relus.size(); ++k) {
      const int v = owner_.space_.relus[k];
      cuda::pack_slopes(owner_.device_, rows_of(rows_.set()),
                        geometry(owner_.space_.plan32.extent[v]), rows_.alpha[v].value.data(),
                        owner_.free_[k].data(), static_cast<int>(owner_.free_[k].size()),
                        owner_.slopes_of(packed_, k), ids.data(), flags.data());
    }
  }

  void minimise(const Pass<float, Cuda>& pass, const std::vector<float>& bound,
                const std::vector<char>& open) {
    const std::vector<int> rows = promising(bound, open, settings_.minimizers);
    if (rows.empty()) return;
    const Cuda& state = owner_.state_;
    const Extent& in = owner_.space_.plan32.extent[0];
    const std::size_t n = in.size();
    const int count = static_cast<int>(rows.size());
    Array<float> a;
    Array<float> x;
    state.reserve(a, count * n);
    state.reserve(x, count * n);
    const auto index = state.upload(rows);
    cuda::gather_rows(owner_.device_, {{pass.input_a(0), a.data(), n * sizeof(float)}}, count,
                      index.data());
    state.minimizers({count, nullptr, nullptr}, nullptr, a.data(), in, owner_.relax32_.lo.data(),
                     owner_.relax32_.hi.data(), x.data());
    result_.x.resize(count * n);
    state.read(x.data(), count * n, result_.x.data());
    for (int r : rows) result_.promising.push_back(rows_.id[r]);
  }

  CudaDomainRows& owner_;
  FlatDomains& domains_;
  const DomainSettings& settings_;
  DomainBounds& result_;
  Packed packed_;
  Rows<float, Cuda> rows_;
};

DomainBounds CudaDomainRows::bound(FlatDomains& domains, const DomainSettings& settings,
                                   const std::function<bool()>& stop) {
  device_.use();
  DomainBounds result;
  Batch batch(*this, domains, settings, result);
  Pass<float, Cuda> pass(net32_, relax32_, space_.plan32, space32_);
  result.stopped = !descend(pass, batch, settings, stop);
  if (result.stopped) return result;
  batch.settle();
  batch.download();
  return result;
}

}  // namespace

std::unique_ptr<DomainRows> make_cuda_domain_rows(cuda::Device& device, const Network<float>& net32,
                                                  const Network<double>& net64,
                                                  const DomainSpace& space,
                                                  std::size_t chunk_bytes) {
  return std::make_unique<CudaDomainRows>(device, net32, net64, space, chunk_bytes);
}

}  // namespace coronet::bound
