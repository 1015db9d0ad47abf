#include "device/conv.h"

#include <algorithm>
#include <cstring>
#include <memory>

#include "device/pack.h"
#include "kernels/gemm_table.h"

namespace coronet::device {
namespace {

// Rows of one indirect GEMM: enough that a panel of B is used often, few enough that what they read
// stays in the cache.
constexpr int kBlockM = 192;

int floor_div(int a, int b) { return a >= 0 ? a / b : -((b - 1 - a) / b); }
int ceil_div(int a, int b) { return -floor_div(-a, b); }

struct Range {
  int begin = 0;
  int end = 0;
  [[nodiscard]] int size() const { return std::max(0, end - begin); }
};

// Memory that only grows and is not cleared; pointers into it hold until the next reserve.
template <class T>
class Scratch {
 public:
  T* reserve(std::size_t count) {
    if (count > size_) {
      data_ = std::make_unique_for_overwrite<T[]>(count);
      size_ = count;
    }
    return data_.get();
  }

 private:
  std::unique_ptr<T[]> data_;
  std::size_t size_ = 0;
};

template <class T>
struct Buffers {
  Scratch<const T*> a;
  Scratch<T> edges;
  Scratch<T> tile;
  std::vector<T> zeros;
};

template <class T>
Buffers<T>& buffers() {
  thread_local Buffers<T> all;
  return all;
}

}  // namespace

// Elements of each of a thread's buffers that a pass needs.
template <class T>
struct PackedConv<T>::Room {
  explicit Room(const Pass& pass)
      : pointers(pass.y.offset.size() * static_cast<std::size_t>(pass.runs()) * kBlockM),
        edges(pointers * static_cast<std::size_t>(pass.run)),
        tile(static_cast<std::size_t>(kBlockM) * static_cast<std::size_t>(pass.weights.n())),
        zeros(static_cast<std::size_t>(pass.run)) {}
  std::size_t pointers;
  std::size_t edges;
  std::size_t tile;
  std::size_t zeros;
};

// Rows of windows of one image.
template <class T>
struct PackedConv<T>::Image {
  T* data;  // not written through where it is the source
  Window window;
  const int* start_y;  // null: all 0
  const int* start_x;
  Shape shape;

  [[nodiscard]] int origin_y(int row) const {
    return window.y.origin(start_y == nullptr ? 0 : start_y[row]);
  }
  [[nodiscard]] int origin_x(int row) const {
    return window.x.origin(start_x == nullptr ? 0 : start_x[row]);
  }
  [[nodiscard]] std::size_t row_size() const {
    return static_cast<std::size_t>(window.y.size) * static_cast<std::size_t>(window.x.size) *
           static_cast<std::size_t>(shape.channels);
  }
};

// Collects rows of the indirect GEMM of one pass and runs them in blocks.
template <class T>
class PackedConv<T>::Runner {
 public:
  Runner(const Pass& pass, const Image& from, const Image& to, bool load)
      : pass_(pass), from_(from), to_(to), load_(load), buffers_(buffers<T>()) {
    taps_y_ = static_cast<int>(pass.y.offset.size());
    runs_ = pass.runs();
    columns_ = pass.weights.n();
    channels_ = columns_ / pass.pixels;
    const Room room(pass);
    a_ = buffers_.a.reserve(room.pointers);
    edges_ = buffers_.edges.reserve(room.edges);
    edge_ = edges_;
    tile_ = buffers_.tile.reserve(room.tile);
    if (buffers_.zeros.size() < room.zeros) buffers_.zeros.resize(room.zeros);
    zeros_ = buffers_.zeros.data();
    from_channel_ =
        static_cast<std::size_t>(pass.group) * static_cast<std::size_t>(pass.merged ? 0 : pass.run);
    to_channel_ = static_cast<std::size_t>(pass.group) * static_cast<std::size_t>(channels_);
    use({0, taps_y_}, {0, pass.span});
  }

  // A row's windows, where they meet the images, and which of its pixels exist and see any of the
  // source.
  struct Row {
    int from_origin_y, from_origin_x, to_origin_y, to_origin_x;
    Range from_y, from_x, y, x;
    const T* from;
    T* to;
  };
  [[nodiscard]] Row row(int index) const {
    Row row;
    row.from_origin_y = from_.origin_y(index);
    row.from_origin_x = from_.origin_x(index);
    row.to_origin_y = to_.origin_y(index);
    row.to_origin_x = to_.origin_x(index);
    row.from_y = clip(row.from_origin_y, from_.window.y.size, from_.shape.height);
    row.from_x = clip(row.from_origin_x, from_.window.x.size, from_.shape.width);
    row.from = from_.data + static_cast<std::size_t>(index) * from_.row_size() + from_channel_;
    row.to = to_.data + static_cast<std::size_t>(index) * to_.row_size() + to_channel_;
    row.y =
        touched(pass_.y, clip(row.to_origin_y, to_.window.y.size, to_.shape.height), row.from_y);
    row.x = touched(pass_.x, clip(row.to_origin_x, to_.window.x.size, to_.shape.width), row.from_x);
    return row;
  }

  // All pixels of the row, all taps.
  void add_row(const Row& row) {
    for (int qy = row.y.begin; qy < row.y.end; ++qy) {
      for (int q = row.x.begin; q < row.x.end;) {
        if (count_ == kBlockM) flush();
        q = add_run(row, qy, q);
      }
    }
  }

  // The pixel group at (qy, q) where the row has it.
  void add_pixel(const Row& row, int qy, int q) {
    if (qy < row.y.begin || qy >= row.y.end) return;
    if (q >= row.x.end || q + pass_.pixels <= row.x.begin) return;
    if (count_ == kBlockM) flush();
    add_one(row, qy, q);
  }

  // Only these taps (source pixels of a run, if merged) from now on.
  void use(const Range& taps_y, const Range& span) {
    use_y_ = taps_y;
    use_x_ = span;
    const int pixel = pass_.run / pass_.span;
    used_ = pass_.merged ? span.size() * pixel : pass_.run;
    first_k_ = taps_y.begin * runs_ * pass_.run + (pass_.merged ? span.begin * pixel : 0);
  }

  void flush() {
    if (count_ == 0) return;
    const kernels::GemmTable<T>& kernel = pass_.weights.kernel();
    const bool prefetch = pass_.weights.bytes() > kSecondLevel;
    const auto k = static_cast<std::size_t>(pass_.weights.k());
    const int segments = use_y_.size() * runs_;
    kernels::GemmBlock<T> block;
    block.a_step = kBlockM;
    block.b = pass_.weights.panels();
    block.b_step = static_cast<std::size_t>(pass_.run);
    block.c = c_;
    block.columns = columns_;
    const int group = std::max(1, kBlockK / used_);
    const int pieces = ceil_div(used_, kBlockK);
    const int piece = ceil_div(used_, pieces);
    bool load = load_;
    for (int s = 0; s < segments; s += group) {
      block.segments = std::min(group, segments - s);
      block.a = a_ + static_cast<std::size_t>(s) * kBlockM;
      for (int k0 = 0; k0 < used_; k0 += piece) {
        block.length = std::min(piece, used_ - k0);
        block.a_offset = static_cast<std::size_t>(k0);
        block.load = load;
        run_panels(kernel, block, count_, k,
                   static_cast<std::size_t>(first_k_ + s * pass_.run + k0), prefetch);
        load = true;
      }
    }
    for (int i = 0; i < parts_; ++i) scatter(part_[i]);
    count_ = 0;
    parts_ = 0;
    edge_ = edges_;
  }

 private:
  // A pixel group whose row of C is in the tile: pixels [begin, end) of it go to `to`, `step`
  // apart.
  struct Part {
    T* tile;
    T* to;
    std::size_t step;
    int begin;
    int end;
  };

  static Range clip(int origin, int size, int extent) {
    return {std::max(origin, 0), std::min(origin + size, extent)};
  }

  // The q whose destination pixel is in `to` and that read anything in `from`.
  static Range touched(const Axis& axis, const Range& to, const Range& from) {
    if (axis.offset.empty() || from.size() == 0) return {};
    const int first = std::max(ceil_div(to.begin - axis.to_base, axis.to_step),
                               ceil_div(from.begin - axis.offset.back(), axis.from_step));
    const int last = std::min(floor_div(to.end - 1 - axis.to_base, axis.to_step),
                              floor_div(from.end - 1 - axis.offset.front(), axis.from_step));
    return last < first ? Range{} : Range{first, last + 1};
  }

  [[nodiscard]] std::size_t from_stride() const {
    return static_cast<std::size_t>(from_.shape.channels);
  }
  [[nodiscard]] const T* from_pixel(const Row& row, int y, int x) const {
    return row.from + (static_cast<std::size_t>(y - row.from_origin_y) *
                           static_cast<std::size_t>(from_.window.x.size) +
                       static_cast<std::size_t>(x - row.from_origin_x)) *
                          from_stride();
  }
  [[nodiscard]] T* to_pixel(const Row& row, int qy, int q) const {
    const int y = pass_.y.to_step * qy + pass_.y.to_base - row.to_origin_y;
    const int x = pass_.x.to_step * q + pass_.x.to_base - row.to_origin_x;
    return row.to + (static_cast<std::ptrdiff_t>(y) * to_.window.x.size + x) *
                        static_cast<std::ptrdiff_t>(to_.shape.channels);
  }

  // As many whole pixel groups from q on as are inside the source and fit in the block; else the
  // one at q.
  int add_run(const Row& row, int qy, int q) {
    if (pass_.merged) {
      const Axis& x = pass_.x;
      const int first = ceil_div(row.from_x.begin - x.offset.front(), x.from_step);
      const int last = floor_div(row.from_x.end - pass_.span - x.offset.front(), x.from_step);
      const bool direct = pass_.pixels == 1 || x.to_step == 1;
      const int groups = std::min({(std::min(last, row.x.end - 1) - q) / pass_.pixels + 1,
                                   (row.x.end - q) / pass_.pixels, kBlockM - count_});
      if (direct && q >= first && q <= last && groups > 0) {
        const std::size_t step =
            static_cast<std::size_t>(x.from_step * pass_.pixels) * from_stride();
        for (int t = 0; t < taps_y_; ++t) {
          const int y = pass_.y.from_step * qy + pass_.y.offset[static_cast<std::size_t>(t)];
          const T** const a = a_ + static_cast<std::size_t>(t) * kBlockM + count_;
          if (y < row.from_y.begin || y >= row.from_y.end) {
            for (int i = 0; i < groups; ++i) a[i] = zeros_;
            continue;
          }
          const T* pixel = from_pixel(row, y, x.from_step * q + x.offset.front());
          for (int i = 0; i < groups; ++i, pixel += step) a[i] = pixel;
        }
        T* to = to_pixel(row, qy, q);
        const std::ptrdiff_t to_step =
            std::ptrdiff_t{to_.shape.channels} * x.to_step * pass_.pixels;
        for (int i = 0; i < groups; ++i, to += to_step) c_[count_ + i] = to;
        count_ += groups;
        return q + groups * pass_.pixels;
      }
    }
    add_one(row, qy, q);
    return q + pass_.pixels;
  }

  void add_one(const Row& row, int qy, int q) {
    const Axis& x = pass_.x;
    const T** a = a_ + count_;
    for (int t = use_y_.begin; t < use_y_.end; ++t) {
      const int y = pass_.y.from_step * qy + pass_.y.offset[static_cast<std::size_t>(t)];
      const bool inside = y >= row.from_y.begin && y < row.from_y.end;
      for (int r = 0; r < runs_; ++r, a += kBlockM) {
        const int begin = x.from_step * q + x.offset[static_cast<std::size_t>(r)] +
                          (pass_.merged ? use_x_.begin : 0);
        const int end = begin + (pass_.merged ? use_x_.size() : 1);
        if (!inside || begin >= row.from_x.end || end <= row.from_x.begin) {
          *a = zeros_;
        } else if (begin >= row.from_x.begin && end <= row.from_x.end) {
          *a = from_pixel(row, y, begin);
        } else {
          *a = edge_run(row, y, begin, end);
        }
      }
    }
    const int first = std::max(0, row.x.begin - q);
    const int last = std::min(pass_.pixels, row.x.end - q);
    if (pass_.pixels == 1 || (x.to_step == 1 && last - first == pass_.pixels)) {
      c_[count_++] = to_pixel(row, qy, q);
      return;
    }
    Part& part = part_[parts_++];
    part.tile = tile_ + static_cast<std::size_t>(count_) * static_cast<std::size_t>(columns_);
    part.step = static_cast<std::size_t>(x.to_step) * static_cast<std::size_t>(to_.shape.channels);
    part.begin = first;
    part.end = last;
    part.to = to_pixel(row, qy, q + first);
    if (load_) {
      std::fill_n(part.tile, columns_, T{});
      copy(part, true);
    }
    c_[count_++] = part.tile;
  }

  // A run that sticks out of the source, with zeros outside.
  const T* edge_run(const Row& row, int y, int begin, int end) {
    T* const run = edge_;
    const std::size_t pixel = from_stride();
    const int first = std::max(begin, row.from_x.begin);
    const int last = std::min(end, row.from_x.end);
    const std::size_t before = static_cast<std::size_t>(first - begin) * pixel;
    const std::size_t middle = static_cast<std::size_t>(last - first) * pixel;
    const std::size_t after = static_cast<std::size_t>(end - last) * pixel;
    std::fill_n(run, before, T{});
    std::memcpy(run + before, from_pixel(row, y, first), middle * sizeof(T));
    std::fill_n(run + before + middle, after, T{});
    edge_ += before + middle + after;
    return run;
  }

  void copy(const Part& part, bool to_tile) const {
    T* to = part.to;
    for (int i = part.begin; i < part.end; ++i, to += part.step) {
      T* const tile = part.tile + static_cast<std::size_t>(i) * static_cast<std::size_t>(channels_);
      for (int c = 0; c < channels_; ++c) (to_tile ? tile[c] : to[c]) = to_tile ? to[c] : tile[c];
    }
  }
  void scatter(const Part& part) const { copy(part, false); }

  const Pass& pass_;
  const Image& from_;
  const Image& to_;
  bool load_;
  Buffers<T>& buffers_;
  int taps_y_ = 0;
  int runs_ = 1;  // segments of a kernel row
  int columns_ = 0;
  int channels_ = 0;
  std::size_t from_channel_ = 0;
  std::size_t to_channel_ = 0;
  const T** a_ = nullptr;
  T* edges_ = nullptr;
  T* edge_ = nullptr;  // next free in edges_
  T* tile_ = nullptr;
  const T* zeros_ = nullptr;
  // the taps in use
  Range use_y_, use_x_;
  int used_ = 0;
  int first_k_ = 0;
  // the block
  int count_ = 0;
  int parts_ = 0;
  T* c_[kBlockM];
  Part part_[kBlockM];
};

template <class T>
PackedConv<T>::PackedConv(const Conv& conv, const Weight& numbers, Directions directions)
    : conv_(&conv) {
  const auto forward_axis = [](int kernel, int stride, int dilation, int pad) {
    Axis axis;
    axis.from_step = stride;
    for (int tap = 0; tap < kernel; ++tap) {
      axis.offset.push_back(tap * dilation - pad);
      axis.tap.push_back(tap);
    }
    return axis;
  };
  // In pixel X reads out pixel (X + pad - tap * dilation) / stride where that is whole; X = stride
  // * q + phase.
  const auto adjoint_axis = [](int kernel, int stride, int dilation, int pad, int phase) {
    Axis axis;
    axis.to_step = stride;
    axis.to_base = phase;
    for (int tap = kernel - 1; tap >= 0; --tap) {
      const int distance = phase + pad - tap * dilation;
      if (distance % stride != 0) continue;
      axis.offset.push_back(distance / stride);
      axis.tap.push_back(tap);
    }
    return axis;
  };
  const Axis y = forward_axis(conv.kernel_h, conv.stride_h, conv.dilation_h, conv.pad_top);
  const Axis x = forward_axis(conv.kernel_w, conv.stride_w, conv.dilation_w, conv.pad_left);
  if (directions != Directions::kPull) {
    for (int group = 0; group < conv.groups; ++group) {
      add_pass(forward_, numbers, y, x, group, false);
    }
  }
  if (directions == Directions::kPush) return;
  for (int phase_y = 0; phase_y < conv.stride_h; ++phase_y) {
    for (int phase_x = 0; phase_x < conv.stride_w; ++phase_x) {
      const Axis ay =
          adjoint_axis(conv.kernel_h, conv.stride_h, conv.dilation_h, conv.pad_top, phase_y);
      const Axis ax =
          adjoint_axis(conv.kernel_w, conv.stride_w, conv.dilation_w, conv.pad_left, phase_x);
      // A phase that no tap reaches stays zero.
      if (ay.tap.empty() || ax.tap.empty()) continue;
      for (int group = 0; group < conv.groups; ++group) {
        add_pass(adjoint_, numbers, ay, ax, group, true);
      }
    }
  }
}

template <class T>
void PackedConv<T>::add_pass(std::vector<Pass>& passes, const Weight& numbers, const Axis& y,
                             const Axis& x, int group, bool adjoint) {
  const Conv& conv = *conv_;
  const int in = conv.in.channels / conv.groups;
  const int out = conv.out.channels / conv.groups;
  const int from = adjoint ? out : in;
  const int to = adjoint ? in : out;
  const int taps_y = static_cast<int>(y.tap.size());
  const int taps_x = static_cast<int>(x.tap.size());
  Pass pass;
  pass.y = y;
  pass.x = x;
  pass.group = group;
  pass.merged = conv.groups == 1;
  for (std::size_t t = 1; t < x.offset.size(); ++t) {
    pass.merged = pass.merged && x.offset[t] == x.offset[t - 1] + 1;
  }
  const auto span = [&](int pixels) {
    return pass.merged ? taps_x + x.from_step * (pixels - 1) : 1;
  };
  if (pass.merged) {
    // Few channels leave lanes idle: put several pixels side by side, at the price of taps that are
    // zero for some of them.
    const int lanes = gemm_table<T>().panel / 2;
    const int width = ceil_div(adjoint ? conv.in.width : conv.out.width, x.to_step);
    const auto cost = [&](int pixels) { return ceil_div(width, pixels) * span(pixels); };
    for (int pixels = 2; pixels * to <= lanes && pixels <= width; ++pixels) {
      if (cost(pixels) < cost(pass.pixels)) pass.pixels = pixels;
    }
  }
  pass.span = span(pass.pixels);
  pass.run = pass.span * from;
  const int segments = pass.merged ? taps_y : taps_y * taps_x;
  const int columns = pass.pixels * to;

  // B[segment][source pixel of the run][from channel][pixel][to channel]
  const auto index = [](int i, int size, int j) {
    return static_cast<std::size_t>(i) * static_cast<std::size_t>(size) +
           static_cast<std::size_t>(j);
  };
  Weight b;
  const std::size_t size = index(segments * pass.run, columns, 0);
  const bool single = !numbers.f.empty();
  if (single) {
    b.f.resize(size);
  } else {
    b.d.resize(size);
  }
  for (int ty = 0; ty < taps_y; ++ty) {
    for (int tx = 0; tx < taps_x; ++tx) {
      const int tap =
          y.tap[static_cast<std::size_t>(ty)] * conv.kernel_w + x.tap[static_cast<std::size_t>(tx)];
      for (int pixel = 0; pixel < pass.pixels; ++pixel) {
        const int first = pass.merged ? ty * pass.run + (tx + x.from_step * pixel) * from
                                      : (ty * taps_x + tx) * pass.run;
        for (int f = 0; f < from; ++f) {
          for (int t = 0; t < to; ++t) {
            const int o = group * out + (adjoint ? f : t);
            const int i = adjoint ? t : f;
            const std::size_t source = index(o * conv.kernel_h * conv.kernel_w + tap, in, i);
            const std::size_t target = index(first + f, columns, pixel * to + t);
            if (single) {
              b.f[target] = numbers.f[source];
            } else {
              b.d[target] = numbers.d[source];
            }
          }
        }
      }
    }
  }
  pass.weights = PackedMatrix<T>(WeightView{b, 0, segments * pass.run, columns, false});
  passes.push_back(std::move(pass));
}

template <class T>
std::size_t PackedConv<T>::bytes() const {
  std::size_t sum = 0;
  for (const Pass& pass : forward_) sum += pass.weights.bytes();
  for (const Pass& pass : adjoint_) sum += pass.weights.bytes();
  return sum;
}

template <class T>
std::size_t PackedConv<T>::scratch_bytes() const {
  std::size_t most = 0;
  for (const std::vector<Pass>* passes : {&forward_, &adjoint_}) {
    for (const Pass& pass : *passes) {
      const Room room(pass);
      most =
          std::max(most, room.pointers * sizeof(const T*) + (room.tile + room.zeros) * sizeof(T));
    }
  }
  return most;
}

// Small windows: most taps of most pixels fall outside. If the rows' windows lie alike, then a
// pixel sees the same taps in every row: one GEMM per pixel over all rows, with these taps only.
template <class T>
bool PackedConv<T>::pixel_by_pixel(const Pass& pass, int rows, const Image& from, const Image& to) {
  if (rows < 4) return false;
  const auto lie = [](const Axis& axis, int to_origin, int from_origin) {
    return axis.from_step * to_origin - axis.to_step * from_origin;
  };
  const int lie_y = lie(pass.y, to.origin_y(0), from.origin_y(0));
  const int lie_x = lie(pass.x, to.origin_x(0), from.origin_x(0));
  for (int row = 1; row < rows; ++row) {
    if (lie(pass.y, to.origin_y(row), from.origin_y(row)) != lie_y ||
        lie(pass.x, to.origin_x(row), from.origin_x(row)) != lie_x) {
      return false;
    }
  }
  const auto inside = [](const Axis& axis, int to_origin, int to_size, int from_origin,
                         int from_size, int span, int pixels) {
    int all = 0;
    int seen = 0;
    const int first = ceil_div(to_origin - axis.to_base, axis.to_step);
    const int last = floor_div(to_origin + to_size - 1 - axis.to_base, axis.to_step);
    for (int q = first; q <= last; q += pixels) {
      const int begin = axis.from_step * q + axis.offset.front();
      all += span;
      seen += std::max(
          0, std::min(begin + span, from_origin + from_size) - std::max(begin, from_origin));
    }
    return all == 0 ? 1.0 : static_cast<double>(seen) / all;
  };
  const int span_y = pass.y.offset.back() - pass.y.offset.front() + 1;
  const double share =
      inside(pass.y, to.origin_y(0), to.window.y.size, from.origin_y(0), from.window.y.size, span_y,
             1) *
      (pass.merged ? inside(pass.x, to.origin_x(0), to.window.x.size, from.origin_x(0),
                            from.window.x.size, pass.span, pass.pixels)
                   : 1.0);
  return share < 0.75;
}

template <class T>
void PackedConv<T>::run(const std::vector<Pass>& passes, int rows, const Image& from,
                        const Image& to, bool load) {
  if (rows <= 0) return;
  if (!load) {
    // Pixels that no pass reaches are zero.
    std::vector<std::size_t> reached(static_cast<std::size_t>(rows));
    for (const Pass& pass : passes) {
      if (pass.group != 0) continue;
      Runner runner(pass, from, to, false);
      for (int row = 0; row < rows; ++row) {
        const auto one = runner.row(row);
        reached[static_cast<std::size_t>(row)] +=
            static_cast<std::size_t>(one.y.size()) * static_cast<std::size_t>(one.x.size());
      }
    }
    for (std::size_t row = 0; row < reached.size(); ++row) {
      if (reached[row] * static_cast<std::size_t>(to.shape.channels) < to.row_size()) {
        std::fill_n(to.data + row * to.row_size(), to.row_size(), T{});
      }
    }
  }
  for (const Pass& pass : passes) {
    Runner runner(pass, from, to, load);
    if (!pixel_by_pixel(pass, rows, from, to)) {
      for (int row = 0; row < rows; ++row) {
        runner.add_row(runner.row(row));
      }
      runner.flush();
      continue;
    }
    const Axis& y = pass.y;
    const Axis& x = pass.x;
    std::vector<typename Runner::Row> all;
    // The rows differ by whole steps of q.
    std::vector<int> step_y;
    std::vector<int> step_x;
    for (int row = 0; row < rows; ++row) {
      all.push_back(runner.row(row));
      step_y.push_back((to.origin_y(row) - to.origin_y(0)) / y.to_step);
      step_x.push_back((to.origin_x(row) - to.origin_x(0)) / x.to_step);
    }
    const int taps_y = static_cast<int>(y.offset.size());
    const int first_y = ceil_div(to.origin_y(0) - y.to_base, y.to_step);
    const int first_x = ceil_div(to.origin_x(0) - x.to_base, x.to_step);
    const int last_y = floor_div(to.origin_y(0) + to.window.y.size - 1 - y.to_base, y.to_step);
    const int last_x = floor_div(to.origin_x(0) + to.window.x.size - 1 - x.to_base, x.to_step);
    for (int qy = first_y; qy <= last_y; ++qy) {
      Range taps{taps_y, 0};
      for (int t = 0; t < taps_y; ++t) {
        const int at = y.from_step * qy + y.offset[static_cast<std::size_t>(t)];
        if (at < from.origin_y(0) || at >= from.origin_y(0) + from.window.y.size) continue;
        taps.begin = std::min(taps.begin, t);
        taps.end = t + 1;
      }
      // Between dilated taps a pixel may see none: then any one reads zeros.
      if (taps.size() == 0) taps = {0, 1};
      for (int q = first_x; q <= last_x; q += pass.pixels) {
        Range span{0, pass.span};
        if (pass.merged) {
          const int begin = x.from_step * q + x.offset.front();
          span.begin = std::max(0, from.origin_x(0) - begin);
          span.end = std::min(pass.span, from.origin_x(0) + from.window.x.size - begin);
          if (span.size() == 0) continue;
        }
        runner.use(taps, span);
        for (std::size_t row = 0; row < all.size(); ++row) {
          runner.add_pixel(all[row], qy + step_y[row], q + step_x[row]);
        }
        runner.flush();
      }
    }
  }
}

template <class T>
void PackedConv<T>::push(int rows, const T* x, T* y, bool with_bias) const {
  const Window in{{0, 0, conv_->in.height}, {0, 0, conv_->in.width}};
  const Window out{{0, 0, conv_->out.height}, {0, 0, conv_->out.width}};
  push_window(rows, nullptr, nullptr, x, in, y, out, with_bias);
}

template <class T>
void PackedConv<T>::push_window(int rows, const int* start_y, const int* start_x, const T* x,
                                const Window& in, T* y, const Window& out, bool with_bias) const {
  const Image from{const_cast<T*>(x), in, start_y, start_x, conv_->in};
  const Image to{y, out, start_y, start_x, conv_->out};
  const bool biased = with_bias && !conv_->bias.empty();
  if (biased) {
    const std::vector<T> bias(conv_->bias.begin(), conv_->bias.end());
    T* pixel = y;
    for (int row = 0; row < rows; ++row) {
      for (int i = 0; i < out.y.size; ++i) {
        const int at_y = to.origin_y(row) + i;
        for (int j = 0; j < out.x.size; ++j, pixel += bias.size()) {
          const int at_x = to.origin_x(row) + j;
          const bool inside =
              at_y >= 0 && at_y < conv_->out.height && at_x >= 0 && at_x < conv_->out.width;
          if (inside) {
            std::copy(bias.begin(), bias.end(), pixel);
          } else {
            std::fill_n(pixel, bias.size(), T{});
          }
        }
      }
    }
  }
  run(forward_, rows, from, to, biased);
}

template <class T>
void PackedConv<T>::pull(int rows, const int* start_y, const int* start_x, const T* a,
                         const Window& out, T* u, const Window& in, bool accumulate) const {
  const Image from{const_cast<T*>(a), out, start_y, start_x, conv_->out};
  const Image to{u, in, start_y, start_x, conv_->in};
  run(adjoint_, rows, from, to, accumulate);
}

template class PackedConv<float>;
template class PackedConv<double>;

}  // namespace coronet::device
