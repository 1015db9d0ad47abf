// Weights and operators of a counted GPU (counted_device.h): they take of its memory what those of
// cuda/ take, and multiply nothing.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <memory>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "base/error.h"
#include "bound/counted_device.h"
#include "bound/network.h"
#include "cuda/conv_phases.h"
#include "cuda/gather.h"
#include "cuda/matrix.h"
#include "cuda/packed.h"
#include "cuda/part.h"
#include "cuda/ring.h"
#include "cuda/striped.h"

namespace coronet::bound {

/// cuda::DenseWeight: the part that was last asked for lies on the device, or its rows come from
/// the host when they are used, or it is read by tiles from where it is shared or streamed.
class CountedWeight {
 public:
  /// fetched: by tiles; shared: these lie on so many ranks.
  CountedWeight(CountedMemory& memory, const Dense& op, bool fetched, bool shared, int ranks)
      : memory_(memory),
        rows_(op.out),
        cols_(op.in),
        wide_(!op.weight.single()),
        fetched_(fetched),
        shared_(shared),
        cut_(op.out, op.in, each(), shared ? ranks : 1),
        ranks_(shared ? ranks : 1) {}

  [[nodiscard]] int rows() const { return rows_; }
  [[nodiscard]] int cols() const { return cols_; }
  [[nodiscard]] bool fetched() const { return fetched_; }
  [[nodiscard]] const cuda::Striped& cut() const { return cut_; }
  [[nodiscard]] std::size_t each() const { return wide_ ? sizeof(double) : sizeof(float); }

  [[nodiscard]] std::size_t row_bytes(const cuda::Part& part) const {
    return static_cast<std::size_t>(cuda::length(part.cols, cols_)) * each();
  }

  /// cuda::FetchedWeights::pack(): how the ranks would pack the part, each behind what it holds.
  /// False where they would not.
  bool packs(const cuda::Part& part, std::vector<std::size_t>& held) const {
    if (!shared_ || (!part.rows && !part.cols) || !cut_.whole_rows()) return false;
    const int rows = cuda::length(part.rows, rows_);
    const int tile = cut_.part_tile(rows, cuda::length(part.cols, cols_), each());
    const cuda::PackedPart layout(cut_, cuda::entries(part.rows, rows_), row_bytes(part), tile,
                                  held);
    return true;
  }
  /// This rank packs it, with lists that it needs for that.
  void pack(const cuda::Part& part) {
    const std::vector<int> rows = cuda::entries(part.rows, rows_);
    const auto own =
        std::count_if(rows.begin(), rows.end(), [&](int row) { return cut_.owner(row) == 0; });
    const auto lists = take_lists(static_cast<std::size_t>(own), rows.size());
    const double bytes = static_cast<double>(own) * row_bytes(part);
    memory_.clock.kernel(2 * bytes);
    packed_ = part;
    is_packed_ = true;
  }
  void unpack() { is_packed_ = false; }
  void forget_kept() {
    tried_ = false;
    there_ = false;
    kept_.reset();
    spare_.reset();
  }
  /// So many bytes of the arena are for tiles that stay: as many of this weight's as fit.
  void keep(const std::shared_ptr<std::size_t>& spare) { spare_ = spare; }

  void load(const cuda::Part& part, std::size_t reserve) {
    if (fetched_) return;
    if (loaded_ && cuda::same_part(part_, part) && !f_.empty()) return;
    const auto fits = [&] {
      return memory_.arena.now().total + cuda::part_bytes(part, rows_, cols_, wide_) + reserve <=
             memory_.arena.limit();
    };
    std::vector<int> rows;
    std::vector<int> cols;
    if (!f_.empty()) {
      rows = cuda::places(part_.rows, part.rows, rows_);
      cols = cuda::places(part_.cols, part.cols, cols_);
    }
    if (!rows.empty() && !cols.empty() && fits()) {
      pick(rows.size(), cols.size());
    } else {
      f_.reset();
      d_.reset();
      if (fits()) upload(part);
    }
    part_ = part;
    loaded_ = true;
  }

  /// A product of `count` rows with the part, in T; `rate` products a second.
  template <class T>
  void multiply(const cuda::Part& part, int count, double rate) {
    const double k = cuda::length(part.rows, rows_);
    const double n = cuda::length(part.cols, cols_);
    const double bytes = sizeof(T) * (k * n + count * (k + n));
    by_tiles<T>(part, bytes, count * k * n, rate);
    const double products = count * k * n;
    memory_.clock.count(std::is_same_v<T, float> ? products : 0,
                        std::is_same_v<T, double> ? products : 0);
  }
  /// `count` rows of the part are copied.
  template <class T>
  void select(const cuda::Part& part, int count) {
    const double bytes =
        2 * sizeof(T) * static_cast<double>(count) * cuda::length(part.cols, cols_);
    // Two rows about each neuron, one behind the other.
    const int neurons = (count + 1) / 2;
    if (std::is_same_v<T, double> && wide_) {
      by_tiles<double>(part, bytes, 0, 1, neurons);
    } else {
      by_tiles<float>(part, bytes, 0, 1, neurons);
    }
  }
  /// A product with one column.
  void column() {
    const double bytes = static_cast<double>(each()) * rows_ * cols_;
    if (wide_) {
      by_tiles<double>({}, bytes, 0, 1);
    } else {
      by_tiles<float>({}, bytes, 0, 1);
    }
  }

 private:
  void pick(std::size_t rows, std::size_t cols) {
    const auto row = memory_.take<int>(rows, cuda::Tensor::kWorkspace, "the rows of a weight");
    const auto col = memory_.take<int>(cols, cuda::Tensor::kWorkspace, "the columns of a weight");
    auto f = memory_.take<float>(rows * cols, cuda::Tensor::kWeights, "a weight");
    cuda::Buffer<double> d;
    if (wide_) d = memory_.take<double>(rows * cols, cuda::Tensor::kWeights, "a weight");
    memory_.clock.kernel(2.0 * static_cast<double>((f.size() + 2 * d.size()) * sizeof(float)));
    f_ = std::move(f);
    d_ = std::move(d);
  }
  void upload(const cuda::Part& part) {
    const int rows = cuda::length(part.rows, rows_);
    const std::size_t size = static_cast<std::size_t>(rows) * cuda::length(part.cols, cols_);
    f_ = memory_.take<float>(size, cuda::Tensor::kWeights, "a weight");
    memory_.clock.upload(send<float>(part, rows));
    if (!wide_) return;
    d_ = memory_.take<double>(size, cuda::Tensor::kWeights, "a weight");
    memory_.clock.upload(send<double>(part, rows));
  }
  /// So many rows of the part come from the host, whole; returns their bytes.
  template <class T>
  double send(const cuda::Part& part, int count) {
    if (part.cols) {
      const std::size_t line = static_cast<std::size_t>(cols_) * sizeof(T);
      const auto at_once = std::clamp<std::size_t>(cuda::Staging::kBytes / line, 1,
                                                   static_cast<std::size_t>(std::max(1, count)));
      const auto col =
          memory_.take<int>(part.cols->size(), cuda::Tensor::kWorkspace, "the columns of a weight");
      const auto tile = memory_.take<T>(at_once * static_cast<std::size_t>(cols_),
                                        cuda::Tensor::kWorkspace, "rows of a weight");
    }
    return static_cast<double>(sizeof(T)) * count * cols_;
  }

  /// What for_each_tile() (cuda/matrix.h) and cuda/fetched.cpp do for kernels that take numbers of
  /// T and are so large together.
  /// `consecutive`: only tiles with any of so many rows are needed.
  template <class T>
  void by_tiles(const cuda::Part& part, double bytes, double products, double rate,
                int consecutive = std::numeric_limits<int>::max()) {
    const int all_rows = cuda::length(part.rows, rows_);
    const int cols = cuda::length(part.cols, cols_);
    if (fetched_) {
      reach(part);
      const bool some = part.rows || part.cols;
      const int tile = some ? cut_.part_tile(all_rows, cols, each()) : std::max(1, cut_.count(0));
      const int rows = consecutive >= all_rows
                           ? all_rows
                           : std::min(all_rows, (consecutive + tile - 1) / tile * tile);
      const bool packed = is_packed_ && cuda::same_part(packed_, part);
      const double all = static_cast<double>(each()) * rows * cols;
      // What is picked out of the stripes comes with the dead columns that it has.
      const double travels = packed ? all : static_cast<double>(each()) * rows * cols_;
      const int tiles = (rows + tile - 1) / tile;
      if (tiles == 0) return;
      if (!shared_) {
        memory_.clock.walk(tiles, bytes, products, rate, 0, 0, travels);
        return;
      }
      // A single rank's stripes are whole tiles, and tiles that stay come once.
      double share = ranks_ == 1 && !some ? 0 : 1;
      const int stay = kept(part, (all_rows + tile - 1) / tile, tile * row_bytes(part));
      if (there_) share = 1 - static_cast<double>(std::min(stay, tiles)) / tiles;
      there_ = there_ || (stay > 0 && rows == all_rows);
      memory_.clock.walk(tiles, bytes, products, rate, share * travels * (ranks_ - 1) / ranks_,
                         share * all / ranks_, 0);
      return;
    }
    const int rows = all_rows;
    if (!loaded_ || !cuda::same_part(part_, part)) load(part, 2 * cuda::kTileBytes);
    constexpr bool kDouble = std::is_same_v<T, double>;
    if (kDouble ? !d_.empty() : !f_.empty()) {
      memory_.clock.kernel(bytes, products, rate);
      return;
    }
    const int most = cuda::tile_rows(rows, cols);
    const std::size_t size = static_cast<std::size_t>(most) * static_cast<std::size_t>(cols);
    const auto w = memory_.take<T>(size, cuda::Tensor::kWorkspace, "a tile of a weight");
    const bool widens = kDouble && !wide_;
    cuda::Buffer<float> narrow;
    if (widens && f_.empty()) {
      narrow = memory_.take<float>(size, cuda::Tensor::kWorkspace, "a tile of a weight");
    }
    double host = 0;
    if (!widens || f_.empty()) {
      for (int first = 0; first < rows; first += most) {
        const int count = std::min(most, rows - first);
        host += widens ? send<float>(part, count) : send<T>(part, count);
      }
    }
    // Tiles and products take turns.
    memory_.clock.upload(host);
    memory_.clock.walk((rows + most - 1) / most, bytes + (widens ? 1.5 * bytes : 0), products, rate,
                       0, 0, 0);
  }

  struct Lists {
    cuda::Buffer<cuda::Stretch> stretches;
    cuda::Buffer<int> begin, place;
  };
  [[nodiscard]] Lists take_lists(std::size_t stretches, std::size_t rows) {
    using cuda::Tensor;
    const char* const what = "where rows of a weight lie";
    Lists lists;
    lists.stretches = memory_.take<cuda::Stretch>(stretches, Tensor::kWorkspace, what);
    lists.begin = memory_.take<int>(rows + 1, Tensor::kWorkspace, what);
    lists.place = memory_.take<int>(cols_, Tensor::kWorkspace, what);
    return lists;
  }

  /// Where the rows of a part lie on the devices is noted there, unless it is packed.
  void reach(const cuda::Part& part) {
    if (!(part.rows || part.cols)) return;
    if (reached_ && cuda::same_part(part_, part)) return;
    lists_ = {};
    part_ = part;
    reached_ = true;
    if (!shared_ || (is_packed_ && cuda::same_part(packed_, part))) return;
    const std::size_t row_bytes = static_cast<std::size_t>(cols_) * each();
    const int rows = cuda::length(part.rows, rows_);
    std::size_t stretches = 0;
    for (int i = 0; i < rows; ++i) {
      const int row = part.rows ? (*part.rows)[i] : i;
      const int t = cut_.tile_of(row);
      const std::size_t at = static_cast<std::size_t>(row - cut_.first(t)) * row_bytes;
      for (int r = 0; r < ranks_; ++r) {
        const auto [first, last] = cut_.stripe(t, r);
        stretches += std::max(first, at) < std::min(last, at + row_bytes) ? 1 : 0;
      }
    }
    lists_ = take_lists(stretches, static_cast<std::size_t>(rows));
  }

  /// cuda::FetchedWeights::stay(): how many tiles of the part, each of at most `bytes`.
  [[nodiscard]] int kept(const cuda::Part& part, int tiles, std::size_t bytes) {
    if (spare_ == nullptr) return 0;
    const std::size_t stride = cuda::TileRing::rounded(std::max<std::size_t>(1, bytes));
    if (!tried_) {
      tried_ = true;
      kept_part_ = part;
      const std::size_t count = std::min<std::size_t>(tiles, *spare_ / stride);
      try {
        kept_ = memory_.take<char>(count * stride, cuda::Tensor::kWeights, "weights that stay");
        *spare_ -= count * stride;
      } catch (const Error& error) {
        if (error.kind() != ErrorKind::kOutOfMemory) throw;
      }
    }
    return cuda::same_part(kept_part_, part) ? static_cast<int>(kept_.size() / stride) : 0;
  }

  CountedMemory& memory_;
  int rows_, cols_;
  bool wide_;
  bool fetched_;
  bool shared_;
  cuda::Striped cut_;
  int ranks_;
  bool loaded_ = false;   // part_ was asked for
  bool reached_ = false;  // or part_ is where rows of the device's tiles lie
  cuda::Part part_;
  cuda::Buffer<float> f_;
  cuda::Buffer<double> d_;
  Lists lists_;
  cuda::Part packed_;       // what ranks have packed of it,
  bool is_packed_ = false;  // if they have
  std::shared_ptr<std::size_t> spare_;
  bool tried_ = false;  // to keep it
  bool there_ = false;  // all of it has come
  cuda::Part kept_part_;
  cuda::Buffer<char> kept_;
};

/// [nodes] null where a node is not dense.
using CountedWeights = std::vector<std::shared_ptr<CountedWeight>>;

/// An operator on a counted GPU: what bound/cuda/affine.cpp has there, by the same order.
template <class T>
class CountedOperator final : public Affine<T> {
 public:
  /// `host`: what it reaches, and its terms; it and the node must outlive this. `single`: products
  /// of float32 are rounded ones.
  CountedOperator(CountedMemory& memory, std::shared_ptr<CountedWeight> weight, cuda::Part part,
                  const Node& node, const std::vector<int>& in, const Affine<double>& host,
                  bool single)
      : memory_(memory),
        weight_(std::move(weight)),
        part_(std::move(part)),
        node_(node),
        host_(host),
        single_(single && std::is_same_v<T, float>) {
    if (const Dense* dense = std::get_if<Dense>(&node.op)) {
      biased_ =
          std::any_of(dense->bias.begin(), dense->bias.end(), [](double b) { return b != 0; });
      hold<double>(dense->bias.size());
      if (!std::is_same_v<T, double>) hold<T>(dense->bias.size());
    } else if (const Conv* conv = std::get_if<Conv>(&node.op)) {
      for (const auto& phases : {cuda::forward_phases(*conv), cuda::adjoint_phases(*conv)}) {
        for (const cuda::ConvPhase& phase : phases) {
          const std::size_t n = static_cast<std::size_t>(conv->groups) * phase.k * phase.n;
          hold<int>(phase.taps);
          hold<T>(n);
          if (std::is_same_v<T, float>) hold<T>(n);
        }
      }
      hold<T>(conv->bias.size());
    } else if (const Scale* scale = std::get_if<Scale>(&node.op)) {
      hold<T>(scale->scale.size());
      hold<T>(scale->shift.size());
    } else if (const Select* select = std::get_if<Select>(&node.op)) {
      hold<T>(select->constant.size());
      int offset = 0;
      for (const int size : in) {
        hold<int>(static_cast<std::size_t>(size) + 1);
        hold<int>(std::count_if(select->index.begin(), select->index.end(),
                                [&](int i) { return i >= offset && i < offset + size; }));
        hold<int>(select->index.size());
        offset += size;
      }
    } else if (const Sparse* sparse = std::get_if<Sparse>(&node.op)) {
      hold<T>(sparse->bias.size());
      for (const std::size_t lines : {sparse->bias.size(), static_cast<std::size_t>(in[0])}) {
        hold<int>(lines + 1);
        hold<int>(sparse->value.size());
        hold<T>(sparse->value.size());
      }
    }
  }

  [[nodiscard]] bool windowed() const override { return host_.windowed(); }
  [[nodiscard]] Extent reach(const Extent& out, int k) const override {
    return host_.reach(out, k);
  }
  [[nodiscard]] double bias_of(int) const override { return 0; }
  [[nodiscard]] int terms() const override { return host_.terms(); }

  void pull(const RowSet& rows, const T*, const Extent& out, int, T*, const Extent& in,
            bool accumulate) const override {
    multiply(rows.count, out, in, accumulate, out);
  }
  void push(const RowSet& rows, const T* const*, const Extent* const* in, T*,
            const Extent& out) const override {
    const auto& inputs = std::holds_alternative<Sum>(node_.op) ? node_.inputs.size() : 1;
    for (std::size_t k = 0; k < inputs; ++k) multiply(rows.count, *in[k], out, k > 0, out);
    if (std::holds_alternative<Dense>(node_.op) && biased_) moved(rows.count, 2.0 * out.size());
  }
  bool pull_selection(int count, const int*, const T*, T*, double*) const override {
    const Dense* dense = std::get_if<Dense>(&node_.op);
    if (dense == nullptr) return false;
    if (std::is_same_v<T, double> && dense->precision.roundings > 0) return false;
    weight_->template select<T>(part_, count);
    if (biased_) moved(count, 1);
    return true;
  }
  void bias(const RowSet& rows, const T*, const Extent& out, double*) const override {
    const Select* select = std::get_if<Select>(&node_.op);
    if (std::holds_alternative<Sum>(node_.op) || (select != nullptr && select->constant.empty()) ||
        (std::holds_alternative<Dense>(node_.op) && !biased_)) {
      return;
    }
    const cuda::Geometry g = CountedDevice::geometry(out);
    CountedDevice::sum_over_rows<T>(memory_, rows.count, g, g,
                                    sizeof(T) * static_cast<double>(rows.count) * out.size());
  }
  void apply(const double* const*, double*, Workers*) const override { column(); }
  void apply_abs(const double* const*, double*, Workers*) const override { column(); }

 private:
  template <class N>
  void hold(std::size_t count) {
    if (count == 0) return;
    held_.push_back(memory_.take<char>(count * sizeof(N), cuda::Tensor::kWeights, "an operator"));
  }
  void moved(int rows, double numbers) const { memory_.clock.kernel(sizeof(T) * numbers * rows); }
  /// From one extent to another; `out`: the node's own.
  void multiply(int rows, const Extent& from, const Extent& to, bool add, const Extent& out) const {
    const DeviceRates& rates = memory_.clock.rates();
    const double rate = std::is_same_v<T, double> ? rates.fp64 : single_ ? rates.tf32 : rates.fp32;
    if (weight_ != nullptr) return weight_->template multiply<T>(part_, rows, rate);
    const double bytes =
        sizeof(T) * static_cast<double>(rows) * (from.size() + (add ? 2.0 : 1.0) * to.size());
    double products = 0;
    if (const Conv* conv = std::get_if<Conv>(&node_.op)) {
      products = static_cast<double>(rows) * out.size() * conv->kernel_h * conv->kernel_w *
                 conv->in.channels / conv->groups;
      memory_.clock.count(std::is_same_v<T, float> ? products : 0,
                          std::is_same_v<T, double> ? products : 0);
    }
    memory_.clock.kernel(bytes, products, rate * rates.conv);
  }
  /// The host's, but for operators with many weights.
  void column() const {
    const Conv* conv = std::get_if<Conv>(&node_.op);
    if (weight_ == nullptr && (conv == nullptr || !std::is_same_v<T, double>)) return;
    const int in = weight_ != nullptr ? weight_->cols() : conv->in.size();
    const int out = weight_ != nullptr ? weight_->rows() : conv->out.size();
    const auto from = memory_.take<double>(in, cuda::Tensor::kWorkspace, "a column");
    const auto to = memory_.take<double>(out, cuda::Tensor::kWorkspace, "a column");
    if (weight_ != nullptr) {
      weight_->column();
    } else {
      memory_.clock.kernel(sizeof(double) * static_cast<double>(in + out));
    }
  }

  CountedMemory& memory_;
  std::shared_ptr<CountedWeight> weight_;
  cuda::Part part_;
  const Node& node_;
  const Affine<double>& host_;
  bool single_;
  bool biased_ = false;
  std::vector<cuda::Buffer<char>> held_;
};

/// A graph in both arithmetics, as bound/cuda/networks.h. `host`: the same graph on the CPU;
/// `kept`: what of the weights' graph remains in it (null: all).
struct CountedNetworks {
  Network<float> net32;
  Network<double> net64;
  std::vector<cuda::Part> parts;  ///< [nodes]

  CountedNetworks(CountedMemory& memory, const CountedWeights& weights, const Network<double>& host,
                  bool single, const std::vector<std::vector<int>>* kept)
      : net32(network<float>(memory, weights, host, single, parts_of(weights, host, kept))),
        net64(network<double>(memory, weights, host, single, parts_of(weights, host, kept))),
        parts(parts_of(weights, host, kept)) {}

  void load(const CountedWeights& weights, const Plan& plan, std::size_t reserve) const {
    for (auto v = plan.order.rbegin(); v != plan.order.rend(); ++v) {
      if (weights[*v] != nullptr) weights[*v]->load(parts[*v], reserve);
    }
  }

 private:
  static std::vector<cuda::Part> parts_of(const CountedWeights& weights,
                                          const Network<double>& host,
                                          const std::vector<std::vector<int>>* kept) {
    std::vector<cuda::Part> parts(host.nodes());
    for (int v = 0; kept != nullptr && v < host.nodes(); ++v) {
      if (weights[v] == nullptr) continue;
      parts[v] = {cuda::remaining((*kept)[v], weights[v]->rows()),
                  cuda::remaining((*kept)[host.inputs(v)[0]], weights[v]->cols())};
    }
    return parts;
  }
  template <class T>
  static Network<T> network(CountedMemory& memory, const CountedWeights& weights,
                            const Network<double>& host, bool single,
                            const std::vector<cuda::Part>& parts) {
    return Network<T>(host.graph(), [&](int v) -> std::unique_ptr<Affine<T>> {
      if (host.affine(v) == nullptr) return nullptr;
      std::vector<int> in;
      for (int u : host.inputs(v)) in.push_back(host.size(u));
      return std::make_unique<CountedOperator<T>>(
          memory, weights[v], parts[v], host.graph().nodes[v], in, *host.affine(v), single);
    });
  }
};

}  // namespace coronet::bound
