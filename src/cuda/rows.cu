#include "cuda/over_rows.cuh"
#include "cuda/rows.h"
#include "kernels/formulas.h"

namespace coronet::cuda {

namespace {

/// The lower slopes of rows: their own, of the first `width` elements (rows of a window have them
/// all), and else their lines'.
template <class T>
struct SlopesOf {
  const T* own;  // null: the lines' everywhere
  std::size_t width;
  const T* lines;
  SlopesOf(const T* alpha, const Lines<T>& of, const Geometry& out)
      : own(alpha), width(out.whole && of.sloped > 0 ? of.sloped : out.size()), lines(of.sl) {}
  bool wide() const { return aligned({own, lines}) && width % 4 == 0; }
  __device__ __forceinline__ bool has(const Place& at) const {
    return own != nullptr && static_cast<std::size_t>(at.e) < width;
  }
  template <int V>
  __device__ __forceinline__ Pack<T, V> get(const Place& at) const {
    return has(at) ? load<V>(own + at.row * width + at.e)
                   : load_shared<V>(lines + at.domain + at.node);
  }
};

template <class T, bool kAdd>
struct PullRelu {
  using Number = T;
  const T *a, *su, *tu;
  T* u;
  std::size_t out, in;
  SlopesOf<T> lower_of;
  bool zeroes;  // gaps of a lie at the same place in u, and are to become zero
  bool wide() const { return aligned({a, su, tu, u}) && lower_of.wide(); }
  template <int V>
  __device__ __forceinline__ T run(const Place& at) const {
    const auto av = load<V>(a + at.row * out + at.e);
    const auto lower = lower_of.template get<V>(at);
    const auto upper = load_shared<V>(su + at.domain + at.node);
    const auto t = load_shared<V>(tu + at.domain + at.node);
    T* const to = u + at.row * in + at.other;
    Pack<T, V> result;
    if (kAdd) result = load<V>(to);
    T sum = 0;
#pragma unroll
    for (int i = 0; i < V; ++i) {
      const T pulled = kernels::pulled_slope(av.x[i], lower.x[i], upper.x[i]);
      result.x[i] = kAdd ? result.x[i] + pulled : pulled;
      sum += kernels::pulled_upper_intercept(av.x[i], t.x[i]);
    }
    store<V>(to, result);
    return sum;
  }
  __device__ void gap(int r, int e) const {
    if (zeroes) u[r * in + e] = 0;
  }
};

template <class T, bool kAdd>
struct PullLine {
  using Number = T;
  const T *a, *sl, *tl, *su, *tu;
  T* u;
  std::size_t out, in;
  bool zeroes;
  bool wide() const { return aligned({a, sl, tl, su, tu, u}); }
  template <int V>
  __device__ __forceinline__ T run(const Place& at) const {
    const std::size_t line = at.domain + at.node;
    const auto av = load<V>(a + at.row * out + at.e);
    const auto s0 = load_shared<V>(sl + line);
    const auto t0 = load_shared<V>(tl + line);
    const auto s1 = load_shared<V>(su + line);
    const auto t1 = load_shared<V>(tu + line);
    T* const to = u + at.row * in + at.other;
    Pack<T, V> result;
    if (kAdd) result = load<V>(to);
    T sum = 0;
#pragma unroll
    for (int i = 0; i < V; ++i) {
      const T pulled = kernels::pulled_slope(av.x[i], s0.x[i], s1.x[i]);
      result.x[i] = kAdd ? result.x[i] + pulled : pulled;
      sum += kernels::pulled_intercept(av.x[i], t0.x[i], t1.x[i]);
    }
    store<V>(to, result);
    return sum;
  }
  __device__ void gap(int r, int e) const {
    if (zeroes) u[r * in + e] = 0;
  }
};

template <class T>
struct PushRelu {
  using Number = T;
  const T *a, *z, *su, *tu;
  T* to;
  std::size_t out, in;
  SlopesOf<T> lower_of;
  bool wide() const { return aligned({a, z, su, tu, to}) && lower_of.wide(); }
  template <int V>
  __device__ __forceinline__ T run(const Place& at) const {
    const std::size_t e = at.row * out + at.e;
    const auto av = load<V>(a + e);
    const auto zv = load<V>(z + at.row * in + at.other);
    const auto lower = lower_of.template get<V>(at);
    const auto upper = load_shared<V>(su + at.domain + at.node);
    const auto t = load_shared<V>(tu + at.domain + at.node);
    Pack<T, V> result;
#pragma unroll
    for (int i = 0; i < V; ++i) {
      result.x[i] = kernels::pushed_relu(av.x[i], zv.x[i], lower.x[i], upper.x[i], t.x[i]);
    }
    store<V>(to + e, result);
    return 0;
  }
  __device__ void gap(int r, int e) const { to[r * out + e] = 0; }
};

template <class T>
struct PushReluAdam {
  using Number = T;
  const T *a, *z;
  T* alpha;
  kernels::Moment *m, *v;
  const T *su, *tu, *free;
  T* to;
  std::size_t out, in;
  SlopesOf<T> lower_of;
  T floor;
  kernels::AdamStep<T> step;
  const T* rate;
  bool wide() const { return aligned({a, z, m, v, su, tu, free, to}) && lower_of.wide(); }
  /// No slope is stepped here: the lines are those of a stable neuron, and z often stays as it is.
  template <int V>
  __device__ __forceinline__ void pass(const Place& at) const {
    const auto lower = load_shared<V>(lower_of.lines + at.domain + at.node);
    const auto upper = load_shared<V>(su + at.domain + at.node);
    const auto t = load_shared<V>(tu + at.domain + at.node);
    bool same = z == to;
#pragma unroll
    for (int i = 0; i < V; ++i) same = same && lower.x[i] == 1 && upper.x[i] == 1 && t.x[i] == 0;
    if (same) return;
    const auto av = load<V>(a + at.row * out + at.e);
    const auto zv = load<V>(z + at.row * in + at.other);
    Pack<T, V> result;
#pragma unroll
    for (int i = 0; i < V; ++i) {
      result.x[i] = kernels::pushed_relu(av.x[i], zv.x[i], lower.x[i], upper.x[i], t.x[i]);
    }
    store<V>(to + at.row * out + at.e, result);
  }
  template <int V>
  __device__ __forceinline__ T run(const Place& at) const {
    if (!lower_of.has(at)) {
      pass<V>(at);
      return 0;
    }
    const std::size_t e = at.row * out + at.e;
    const std::size_t own = at.row * lower_of.width + at.e;
    const auto av = load<V>(a + e);
    const auto zv = load<V>(z + at.row * in + at.other);
    auto lower = load<V>(alpha + own);
    auto mv = load<V>(m + own);
    auto vv = load<V>(v + own);
    const auto upper = load_shared<V>(su + at.domain + at.node);
    const auto t = load_shared<V>(tu + at.domain + at.node);
    const auto f = load_shared<V>(free + at.domain + at.node);
    Pack<T, V> result;
    kernels::AdamStep<T> mine = step;
    if (rate != nullptr) mine.rate *= rate[at.row];
#pragma unroll
    for (int i = 0; i < V; ++i) {
      result.x[i] = kernels::pushed_relu(av.x[i], zv.x[i], lower.x[i], upper.x[i], t.x[i]);
      const T g = kernels::alpha_gradient(av.x[i], zv.x[i], f.x[i]);
      T first = kernels::widened(mv.x[i]);
      T second = kernels::widened(vv.x[i]);
      kernels::step_alpha(mine, g, floor, lower.x[i], first, second);
      mv.x[i] = kernels::narrowed(static_cast<float>(first));
      vv.x[i] = kernels::narrowed(static_cast<float>(second));
    }
    store<V>(m + own, mv);
    store<V>(v + own, vv);
    store<V>(alpha + own, lower);
    store<V>(to + e, result);
    return 0;
  }
  __device__ void gap(int r, int e) const { to[r * out + e] = 0; }
};

template <class T>
struct PushLine {
  using Number = T;
  const T *a, *z, *sl, *tl, *su, *tu;
  T* to;
  std::size_t out, in;
  bool wide() const { return aligned({a, z, sl, tl, su, tu, to}); }
  template <int V>
  __device__ __forceinline__ T run(const Place& at) const {
    const std::size_t line = at.domain + at.node;
    const auto av = load<V>(a + at.row * out + at.e);
    const auto zv = load<V>(z + at.row * in + at.other);
    const auto s0 = load_shared<V>(sl + line);
    const auto t0 = load_shared<V>(tl + line);
    const auto s1 = load_shared<V>(su + line);
    const auto t1 = load_shared<V>(tu + line);
    Pack<T, V> result;
#pragma unroll
    for (int i = 0; i < V; ++i) {
      result.x[i] = kernels::pushed_line(av.x[i], zv.x[i], s0.x[i], t0.x[i], s1.x[i], t1.x[i]);
    }
    store<V>(to + at.row * out + at.e, result);
    return 0;
  }
  __device__ void gap(int r, int e) const { to[r * out + e] = 0; }
};

template <class T>
struct LeastProduct {
  using Number = T;
  const T *a, *lo, *hi;
  std::size_t width;
  bool wide() const { return aligned({a, lo, hi}); }
  template <int V>
  __device__ __forceinline__ T run(const Place& at) const {
    const auto av = load<V>(a + at.row * width + at.e);
    const auto l = load_shared<V>(lo + at.domain + at.node);
    const auto h = load_shared<V>(hi + at.domain + at.node);
    T sum = 0;
#pragma unroll
    for (int i = 0; i < V; ++i) sum += kernels::least_product(av.x[i], l.x[i], h.x[i]);
    return sum;
  }
  __device__ void gap(int, int) const {}
};

template <class T>
struct FinishBound {
  const double* bias;
  T* bound;
  double* error;
  double factor;
  __device__ void operator()(int r, double sum) const {
    bound[r] = static_cast<T>(bias[r] + sum);
    if (error != nullptr) error[r] += factor * fabs(bias[r]);
  }
};

template <class T>
struct LeastPoint {
  using Number = T;
  const T *a, *lo, *hi;
  T* x;
  std::size_t width;
  bool wide() const { return aligned({a, lo, hi, x}); }
  template <int V>
  __device__ __forceinline__ T run(const Place& at) const {
    const auto av = load<V>(a + at.row * width + at.e);
    const auto l = load_shared<V>(lo + at.domain + at.node);
    const auto h = load_shared<V>(hi + at.domain + at.node);
    Pack<T, V> result;
#pragma unroll
    for (int i = 0; i < V; ++i) result.x[i] = kernels::least_point(av.x[i], l.x[i], h.x[i]);
    store<V>(x + at.row * width + at.e, result);
    return 0;
  }
  __device__ void gap(int r, int e) const { x[r * width + e] = 0; }
};

struct AbsoluteDot {
  using Number = double;
  const double *a, *w;
  std::size_t width;
  bool wide() const { return aligned({a, w}); }
  template <int V>
  __device__ __forceinline__ double run(const Place& at) const {
    const auto av = load<V>(a + at.row * width + at.e);
    const auto wv = load_shared<V>(w + at.node);
    double sum = 0;
#pragma unroll
    for (int i = 0; i < V; ++i) sum += fabs(av.x[i]) * wv.x[i];
    return sum;
  }
  __device__ void gap(int, int) const {}
};

struct FinishCharge {
  double* error;
  double factor;
  __device__ void operator()(int r, double sum) const { error[r] += factor * sum; }
};

__global__ void charge_bias_kernel(int count, const double* bias, double factor, double* error,
                                   bool add) {
  const int r = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (r >= count) return;
  const double charged = factor * fabs(bias[r]);
  error[r] = add ? error[r] + charged : charged;
}

__global__ void note_kernel(int count, const kernels::Noting<float> how,
                            const kernels::Standing<float> rows, const float* bound) {
  const int r = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (r < count) kernels::note_row(how, rows, bound, r, count);
}

/// Larger score first, then the earlier neuron: an order, so that any tree finds the same.
template <class T>
__device__ __forceinline__ void keep_better(T& score, int& at, T other, int other_at) {
  if (other > score || (other == score && other_at < at)) {
    score = other;
    at = other_at;
  }
}

template <class T>
__global__ void __launch_bounds__(256)
    split_score_kernel(const Rows rows, const Geometry g, const T* a, const T* tu, const T* free,
                       int node, T* best, int* best_node, int* best_neuron) {
  const int r = static_cast<int>(blockIdx.x);
  const int size = g.size();
  const std::size_t domain =
      rows.domain == nullptr ? 0 : static_cast<std::size_t>(rows.domain[r]) * g.node_size();
  T score = 0;
  int neuron = 0x7FFFFFFF;
  for (int e = static_cast<int>(threadIdx.x); e < size; e += static_cast<int>(blockDim.x)) {
    const int at = node_offset(g, rows, r, e);
    if (at < 0) continue;
    keep_better(score, neuron,
                kernels::split_gain(a[static_cast<std::size_t>(r) * size + e], tu[domain + at],
                                    free[domain + at]),
                at);
  }
  for (int half = 16; half > 0; half /= 2) {
    const T other = __shfl_down_sync(0xFFFFFFFFU, score, half);
    const int other_at = __shfl_down_sync(0xFFFFFFFFU, neuron, half);
    keep_better(score, neuron, other, other_at);
  }
  __shared__ T scores[8];
  __shared__ int neurons[8];
  if (threadIdx.x % 32 == 0) {
    scores[threadIdx.x / 32] = score;
    neurons[threadIdx.x / 32] = neuron;
  }
  __syncthreads();
  if (threadIdx.x != 0) return;
  for (int i = 1; i < static_cast<int>(blockDim.x) / 32; ++i) {
    keep_better(score, neuron, scores[i], neurons[i]);
  }
  if (!(score > best[r])) return;
  best[r] = score;
  best_node[r] = node;
  best_neuron[r] = neuron;
}

}  // namespace

template <class T>
void pull_lines(Device& device, const Rows& rows, const Lines<T>& lines, const T* alpha, const T* a,
                const Geometry& out, T* u, const Geometry& in, bool add, double* bias) {
  const bool alike = same(out, in);
  const std::size_t m = out.size();
  const std::size_t n = in.size();
  if (!add && !alike) device.zero(u, rows.count * n * sizeof(T));
  const bool zeroes = !add && alike;
  const auto run = [&](const auto& op) {
    sum_over_rows(device, op, rows, out, in, AddTo{bias}, "launch of pull_lines");
  };
  if (lines.relu) {
    const SlopesOf<T> lower(alpha, lines, out);
    if (add) {
      run(PullRelu<T, true>{a, lines.su, lines.tu, u, m, n, lower, zeroes});
    } else {
      run(PullRelu<T, false>{a, lines.su, lines.tu, u, m, n, lower, zeroes});
    }
  } else if (add) {
    run(PullLine<T, true>{a, lines.sl, lines.tl, lines.su, lines.tu, u, m, n, zeroes});
  } else {
    run(PullLine<T, false>{a, lines.sl, lines.tl, lines.su, lines.tu, u, m, n, zeroes});
  }
}

template <class T>
void push_lines(Device& device, const Rows& rows, const Lines<T>& lines, const Slopes<T>& alpha,
                const kernels::AdamStep<T>* step, const T* a, const Geometry& out, const T* z,
                const Geometry& in, T* to) {
  const std::size_t m = out.size();
  const std::size_t n = in.size();
  const auto run = [&](const auto& op) {
    over_rows(device, op, rows, out, in, "launch of push_lines");
  };
  if (!lines.relu) {
    run(PushLine<T>{a, z, lines.sl, lines.tl, lines.su, lines.tu, to, m, n});
    return;
  }
  const SlopesOf<T> lower(alpha.value, lines, out);
  if (alpha.value != nullptr && step != nullptr) {
    run(PushReluAdam<T>{a, z, alpha.value, alpha.m, alpha.v, lines.su, lines.tu, lines.free, to, m,
                        n, lower, lines.floor, *step, alpha.rate});
  } else {
    run(PushRelu<T>{a, z, lines.su, lines.tu, to, m, n, lower});
  }
}

template <class T>
void concretize(Device& device, const Rows& rows, const Geometry& g, const T* a, const T* lo,
                const T* hi, const double* bias, T* bound, double* error, double factor) {
  sum_over_rows(device, LeastProduct<T>{a, lo, hi, static_cast<std::size_t>(g.size())}, rows, g, g,
                FinishBound<T>{bias, bound, error, factor}, "launch of concretize");
}

template <class T>
void minimizer(Device& device, const Rows& rows, const Geometry& g, const T* a, const T* lo,
               const T* hi, T* x) {
  over_rows(device, LeastPoint<T>{a, lo, hi, x, static_cast<std::size_t>(g.size())}, rows, g, g,
            "launch of minimizer");
}

void charge(Device& device, const Rows& rows, const Geometry& g, const double* a, const double* w,
            double factor, double* error) {
  sum_over_rows(device, AbsoluteDot{a, w, static_cast<std::size_t>(g.size())}, rows, g, g,
                FinishCharge{error, factor}, "launch of charge");
}

void charge_bias(Device& device, int count, const double* bias, double factor, double* error,
                 bool add) {
  if (count == 0) return;
  charge_bias_kernel<<<(count + 127) / 128, 128, 0, device.stream()>>>(count, bias, factor, error,
                                                                       add);
  CORONET_CUDA_LAUNCHED("charge_bias");
}

void note(Device& device, int count, const kernels::Noting<float>& how,
          const kernels::Standing<float>& rows, const float* bound) {
  if (count == 0) return;
  note_kernel<<<(count + 127) / 128, 128, 0, device.stream()>>>(count, how, rows, bound);
  CORONET_CUDA_LAUNCHED("note");
}

template <class T>
void split_score(Device& device, const Rows& rows, const Geometry& g, const T* a,
                 const Lines<T>& lines, int node, T* best, int* best_node, int* best_neuron) {
  if (rows.count == 0) return;
  const int threads = deal(g.size(), 1).threads;
  split_score_kernel<<<rows.count, threads, 0, device.stream()>>>(
      rows, g, a, lines.tu, lines.free, node, best, best_node, best_neuron);
  CORONET_CUDA_LAUNCHED("split_score");
}

#define CORONET_INSTANTIATE(T)                                                                     \
  template void pull_lines(Device&, const Rows&, const Lines<T>&, const T*, const T*,              \
                           const Geometry&, T*, const Geometry&, bool, double*);                   \
  template void push_lines(Device&, const Rows&, const Lines<T>&, const Slopes<T>&,                \
                           const kernels::AdamStep<T>*, const T*, const Geometry&, const T*,       \
                           const Geometry&, T*);                                                   \
  template void concretize(Device&, const Rows&, const Geometry&, const T*, const T*, const T*,    \
                           const double*, T*, double*, double);                                    \
  template void minimizer(Device&, const Rows&, const Geometry&, const T*, const T*, const T*,     \
                          T*);                                                                     \
  template void split_score(Device&, const Rows&, const Geometry&, const T*, const Lines<T>&, int, \
                            T*, int*, int*);
CORONET_INSTANTIATE(float)
CORONET_INSTANTIATE(double)
#undef CORONET_INSTANTIATE

}  // namespace coronet::cuda
