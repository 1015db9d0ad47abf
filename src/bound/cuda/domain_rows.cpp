#include "bound/cuda/domain_rows.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "bound/cuda/cuda.h"
#include "bound/cuda/upload.h"
#include "bound/domain_descent.h"

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
    const std::size_t row = sizeof(float) * (4 * state + space.plan32.kept + space.plan32.passing) +
                            sizeof(double) * (state + space.plan64.kept + space.plan64.passing) +
                            sizeof(std::uint16_t) * slopes_;
    const std::size_t rest = device.arena().limit() - device.arena().now().total;
    const std::size_t budget = std::min(kDomainChunks * chunk_bytes, rest / 2);
    most_ = static_cast<int>(std::clamp(budget / row, kLeastRows, kMostRows));
  }

  [[nodiscard]] int most() const override { return most_; }

  DomainBounds bound(FlatDomains<float>& domains, const DomainSettings& settings,
                     const std::function<bool()>& stop) override;
  std::vector<double> settle(const FlatDomains<double>& domains, DomainSplits* splits) override;

 private:
  class Batch;

  [[nodiscard]] cuda::PackedSlopes slopes_of(Packed& packed, std::size_t k) const {
    return {packed.slopes.data() + first_[k], slopes_};
  }

  /// The rows with their slopes and splits; with Adam's moments where they are `optimised`.
  template <class T>
  Rows<T, Cuda> upload(const FlatDomains<T>& domains, const Relaxation<T, Cuda>& relaxation,
                       bool optimised, Packed& packed) const;
  template <class T>
  Cuda::Splits<T> upload(const typename FlatDomains<T>::Splits& splits, bool optimised) const;

  /// Scores every neuron of the rows by the A that the last pull kept, and spoils that.
  template <class T>
  void choose(const Pass<T, Cuda>& pass, const Rows<T, Cuda>& rows,
              const Relaxation<T, Cuda>& relaxation, DomainSplits& of_row) const;

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
Cuda::Splits<T> CudaDomainRows::upload(const typename FlatDomains<T>::Splits& splits,
                                       bool optimised) const {
  Cuda::Splits<T> to;
  const std::size_t n = splits.row.size();
  if (n == 0) return to;
  to.row = state_.upload(splits.row);
  to.neuron = state_.upload(splits.neuron);
  to.sign = state_.upload(splits.sign);
  to.beta = state_.upload(splits.beta);
  state_.reserve(to.aside, n);
  if (optimised) {
    for (auto* moment : {&to.m, &to.v}) {
      state_.reserve(*moment, n);
      state_.zero(moment->data(), n);
    }
  }
  to.at = {static_cast<int>(n), to.row.data(), to.neuron.data(), to.sign.data(),
           to.beta.data(),      to.m.data(),   to.v.data(),      to.aside.data()};
  return to;
}

template <class T>
Rows<T, Cuda> CudaDomainRows::upload(const FlatDomains<T>& domains,
                                     const Relaxation<T, Cuda>& relaxation, bool optimised,
                                     Packed& packed) const {
  Rows<T, Cuda> rows = on_device(state_, domains.form);
  rows.id.resize(rows.count);
  std::iota(rows.id.begin(), rows.id.end(), 0);
  packed.slopes = state_.upload(domains.slopes);
  packed.has = state_.upload(domains.has_slopes);
  rows.alpha.resize(space_.plan32.start + 1);
  rows.splits.resize(space_.plan32.start + 1);
  for (std::size_t k = 0; k < space_.relus.size(); ++k) {
    const int v = space_.relus[k];
    const Lines<T, Cuda>& lines = relaxation.lines[v];
    const Extent& extent = space_.plan32.extent[v];
    auto& alpha = rows.alpha[v];
    const std::size_t n = static_cast<std::size_t>(rows.count) * extent.size();
    state_.reserve(alpha.value, n);
    cuda::unpack_slopes(device_, rows_of(rows.set()), geometry(extent), lines.sl.data(),
                        lines.floor, free_[k].data(), static_cast<int>(free_[k].size()),
                        slopes_of(packed, k), packed.has.data(), alpha.value.data());
    if (optimised) {
      for (auto* moment : {&alpha.m, &alpha.v}) {
        state_.reserve(*moment, n);
        state_.zero(moment->data(), n);
      }
    }
    rows.splits[v] = upload<T>(domains.splits[v], optimised);
  }
  return rows;
}

template <class T>
void CudaDomainRows::choose(const Pass<T, Cuda>& pass, const Rows<T, Cuda>& rows,
                            const Relaxation<T, Cuda>& relaxation, DomainSplits& of_row) const {
  const std::size_t count = rows.count;
  Array<T> best;
  state_.reserve(best, count);
  state_.zero(best.data(), count);
  of_row.node.assign(count, -1);
  of_row.neuron.assign(count, -1);
  Array<int> node = state_.upload(of_row.node);
  Array<int> neuron = state_.upload(of_row.neuron);
  for (int v : space_.relus) {
    const cuda::Geometry g = geometry(space_.plan32.extent[v]);
    T* const a = pass.kept(v, 0);
    const Cuda::Splits<T>& splits = rows.splits[v];
    if (splits.at.count > 0) cuda::set_aside(device_, rows_of(rows.set()), g, a, splits.at);
    cuda::split_score(device_, rows_of(rows.set()), g, a,
                      Cuda::lines_of(relaxation.lines[v].view()), v, best.data(), node.data(),
                      neuron.data());
  }
  state_.read(node.data(), count, of_row.node.data());
  state_.read(neuron.data(), count, of_row.neuron.data());
}

/// A batch of domains as descend() wants it.
class CudaDomainRows::Batch {
 public:
  Batch(CudaDomainRows& owner, FlatDomains<float>& domains, const DomainSettings& settings,
        DomainBounds& result)
      : owner_(owner),
        domains_(domains),
        settings_(settings),
        result_(result),
        rows_(owner.upload(domains, owner.relax32_, true, packed_)) {
    result.bound.resize(rows_.count);
    result.positive.assign(rows_.count, 0);
    result.splits.node.assign(rows_.count, -1);
    result.splits.neuron.assign(rows_.count, -1);
  }

  Rows<float, Cuda>& rows() { return rows_; }

  void leave(const std::vector<float>& bound, const std::vector<char>& flag) {
    save(bound, flag);
    // From here on their betas stay what they are.
    std::vector<int> to(rows_.count);
    for (int r = 0; r < rows_.count; ++r) {
      to[r] = flag[r] ? -1 : r;
      if (flag[r]) result_.positive[rows_.id[r]] = 1;
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
    DomainSplits splits;
    owner_.choose(pass, rows_, owner_.relax32_, splits);
    for (int r = 0; r < rows_.count; ++r) {
      if (!open[r]) continue;
      result_.splits.node[rows_.id[r]] = splits.node[r];
      result_.splits.neuron[rows_.id[r]] = splits.neuron[r];
    }
    save(bound, open);
  }

  /// Back to the host, once all rows have left.
  void download() {
    const Cuda& state = owner_.state_;
    state.read(packed_.slopes.data(), domains_.slopes.size(), domains_.slopes.data());
    for (int v : owner_.space_.relus) {
      std::vector<float>& beta = domains_.splits[v].beta;
      if (!beta.empty()) state.read(rows_.splits[v].beta.data(), beta.size(), beta.data());
    }
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
  FlatDomains<float>& domains_;
  const DomainSettings& settings_;
  DomainBounds& result_;
  Packed packed_;
  Rows<float, Cuda> rows_;
};

DomainBounds CudaDomainRows::bound(FlatDomains<float>& domains, const DomainSettings& settings,
                                   const std::function<bool()>& stop) {
  device_.use();
  DomainBounds result;
  Batch batch(*this, domains, settings, result);
  Pass<float, Cuda> pass(net32_, relax32_, space_.plan32, space32_);
  result.stopped = !descend(pass, batch, settings, stop);
  if (!result.stopped) batch.download();
  return result;
}

std::vector<double> CudaDomainRows::settle(const FlatDomains<double>& domains,
                                           DomainSplits* splits) {
  device_.use();
  Packed packed;
  const Rows<double, Cuda> rows = upload(domains, relax64_, false, packed);
  Pass<double, Cuda> pass(net64_, relax64_, space_.plan64, space64_);
  std::vector<double> bound;
  std::vector<double> error;
  pass.pull(rows, splits != nullptr, bound, &magnitude_, &error);
  for (std::size_t r = 0; r < bound.size(); ++r) bound[r] -= error[r];
  if (splits != nullptr) choose(pass, rows, relax64_, *splits);
  return bound;
}

}  // namespace

std::unique_ptr<DomainRows> make_cuda_domain_rows(cuda::Device& device, const Network<float>& net32,
                                                  const Network<double>& net64,
                                                  const DomainSpace& space,
                                                  std::size_t chunk_bytes) {
  return std::make_unique<CudaDomainRows>(device, net32, net64, space, chunk_bytes);
}

}  // namespace coronet::bound
