#include "bound/reduce.h"

#include <algorithm>
#include <numeric>
#include <type_traits>

#include "bound/lines.h"
#include "ops/tiles.h"
#include "ops/weight_sizes.h"

namespace coronet::bound {

namespace {

/// Products on a GPU are fast where rows begin at whole cache lines.
constexpr int kGranule = 32;

/// Is element j of the node made of the elements j of its inputs?
bool one_by_one(const Operator& op) {
  return elementwise(op) || std::holds_alternative<Scale>(op) || std::holds_alternative<Sum>(op);
}

/// Nodes that are made of each other one by one are of one class.
std::vector<int> element_classes(const Graph& graph, int count) {
  std::vector<int> parent(count);
  std::iota(parent.begin(), parent.end(), 0);
  const auto find = [&](int v) {
    while (parent[v] != v) v = parent[v];
    return v;
  };
  for (int v = 0; v < count; ++v) {
    const Node& node = graph.nodes[v];
    if (!one_by_one(node.op)) continue;
    for (int u : node.inputs) parent[find(u)] = find(v);
  }
  for (int& p : parent) p = find(p);
  return parent;
}

/// The elements of nodes 0 .. last that remain: those that a Dense (or a Conv, with `convolutions`)
/// reads and that are not always zero, and of node `last` those asked for. Where anything else
/// reads or makes a class of nodes, or it is the input's, it is kept whole. Of each node, a
/// multiple of `granule` remains, or all.
std::vector<std::vector<int>> elements_kept(const Graph& graph, const Bounds& bounds, int last,
                                            const std::vector<int>& asked, bool convolutions,
                                            int granule = 1) {
  const int n = last + 1;
  const std::vector<int> class_of = element_classes(graph, n);
  std::vector<char> whole(n, 0);
  std::vector<std::vector<char>> needed(n);
  for (int v = 0; v < n; ++v) needed[class_of[v]].assign(graph.nodes[v].shape.size(), 0);
  whole[class_of[0]] = 1;
  for (int j : asked) needed[class_of[last]][j] = 1;
  for (int v = 0; v < n; ++v) {
    const Node& node = graph.nodes[v];
    const bool thins = std::holds_alternative<Dense>(node.op) ||
                       (convolutions && std::holds_alternative<Conv>(node.op));
    if (one_by_one(node.op)) continue;
    for (int u : node.inputs) {
      const int c = class_of[u];
      if (!thins) {
        whole[c] = whole[class_of[v]] = 1;
        continue;
      }
      const Relu* relu = std::get_if<Relu>(&graph.nodes[u].op);
      const bool may_be_dead = relu != nullptr && relu->negative_slope == 0;
      for (std::size_t j = 0; j < needed[c].size(); ++j) {
        const bool dead = may_be_dead && bounds.hi[graph.nodes[u].inputs[0]][j] <= 0;
        if (!dead) needed[c][j] = 1;
      }
    }
  }
  for (std::vector<char>& some : needed) {
    auto missing = std::count(some.begin(), some.end(), 1) % granule;
    if (missing > 0) missing = granule - missing;
    for (std::size_t j = 0; j < some.size() && missing > 0; ++j) {
      if (some[j] != 0) continue;
      some[j] = 1;
      --missing;
    }
  }
  std::vector<std::vector<int>> kept(n);
  for (int v = 0; v < n; ++v) {
    const int c = class_of[v];
    for (int j = 0; j < graph.nodes[v].shape.size(); ++j) {
      if (whole[c] || needed[c][j]) kept[v].push_back(j);
    }
    if (kept[v].empty())
      kept[v].push_back(0);  // a layer of no neurons would need special cases everywhere
  }
  return kept;
}

/// Orders the elements of every class that lost some so that those which are unstable at some ReLU
/// come first. Returns, of each node, how many elements from the first on hold all of these, 0
/// where it has its own order.
std::vector<int> unstable_first(const Graph& graph, const Bounds& bounds, int last,
                                std::vector<std::vector<int>>& kept) {
  const int n = last + 1;
  const std::vector<int> class_of = element_classes(graph, n);
  std::vector<std::vector<char>> unstable(n);
  for (int v = 0; v < n; ++v) {
    const Node& node = graph.nodes[v];
    const bool lost = kept[v].size() < static_cast<std::size_t>(node.shape.size());
    if (!lost || !std::holds_alternative<Relu>(node.op) || class_of[v] == class_of[last]) continue;
    std::vector<char>& some = unstable[class_of[v]];
    some.resize(node.shape.size(), 0);
    const int u = node.inputs[0];
    for (int j : kept[v]) {
      if (bounds.lo[u][j] < 0 && bounds.hi[u][j] > 0) some[j] = 1;
    }
  }
  std::vector<int> sloped(n, 0);
  for (int v = 0; v < n; ++v) {
    const std::vector<char>& some = unstable[class_of[v]];
    if (some.empty()) continue;
    const auto end =
        std::stable_partition(kept[v].begin(), kept[v].end(), [&](int j) { return some[j] != 0; });
    const auto count = static_cast<int>(end - kept[v].begin());
    const int rounded = std::max(1, (count + kGranule - 1) / kGranule) * kGranule;
    sloped[v] = std::min(rounded, static_cast<int>(kept[v].size()));
  }
  return sloped;
}

/// place[j]: where element j stands among those kept, or -1.
std::vector<int> places(const std::vector<int>& kept, int size) {
  std::vector<int> place(size, -1);
  for (std::size_t i = 0; i < kept.size(); ++i) place[kept[i]] = static_cast<int>(i);
  return place;
}

/// A convolution written out for the elements that remain.
Sparse written_out(const Conv& op, const std::vector<int>& in, const std::vector<int>& out) {
  const std::vector<int> column = places(in, op.in.size());
  const Weight numbers = gathered(op.weight);
  const int cin = op.in.channels / op.groups;
  const int cout = op.out.channels / op.groups;
  Sparse s;
  s.row.push_back(0);
  for (int o : out) {
    const int c = o % op.out.channels;
    const int oy = o / op.out.channels / op.out.width;
    const int ox = o / op.out.channels % op.out.width;
    for (int ky = 0; ky < op.kernel_h; ++ky) {
      const int y = oy * op.stride_h - op.pad_top + ky * op.dilation_h;
      if (y < 0 || y >= op.in.height) continue;
      for (int kx = 0; kx < op.kernel_w; ++kx) {
        const int x = ox * op.stride_w - op.pad_left + kx * op.dilation_w;
        if (x < 0 || x >= op.in.width) continue;
        const int first = (y * op.in.width + x) * op.in.channels + c / cout * cin;
        const int weight = ((c * op.kernel_h + ky) * op.kernel_w + kx) * cin;
        for (int i = 0; i < cin; ++i) {
          if (column[first + i] < 0) continue;
          s.column.push_back(column[first + i]);
          s.value.push_back(numbers.at(weight + i));
        }
      }
    }
    s.row.push_back(static_cast<std::int64_t>(s.value.size()));
    s.bias.push_back(op.bias[c]);
  }
  s.column.shrink_to_fit();
  s.value.shrink_to_fit();
  return s;
}

/// Products of a convolution along one axis: for all outputs, the taps that lie in the image.
double taps(int out, int in, int kernel, int stride, int pad, int dilation) {
  int count = 0;
  for (int o = 0; o < out; ++o) {
    for (int k = 0; k < kernel; ++k) {
      const int i = o * stride - pad + k * dilation;
      count += i >= 0 && i < in;
    }
  }
  return count;
}

Weight submatrix(const Weight& w, int columns, const std::vector<int>& row_kept,
                 const std::vector<int>& column_kept) {
  Weight out;
  const std::size_t size = row_kept.size() * column_kept.size();
  (w.single() ? out.f.reserve(size) : out.d.reserve(size));
  pick_rows(w, columns, row_kept, [&](int, const auto* row) {
    if constexpr (std::is_same_v<decltype(row), const float*>) {
      for (int c : column_kept) out.f.push_back(row[c]);
    } else {
      for (int c : column_kept) out.d.push_back(row[c]);
    }
  });
  return out;
}

/// One number for each element that remains, from numbers that repeat.
std::vector<double> spread(const std::vector<double>& periodic, const std::vector<int>& kept) {
  std::vector<double> out;
  for (int j : kept) out.push_back(periodic[j % periodic.size()]);
  return out;
}

Precision select(const Precision& precision, const std::vector<int>& kept) {
  if (precision.hidden.empty()) return precision;
  return {precision.roundings, spread(precision.hidden, kept)};
}

/// What the dense layers of a smaller graph have of their weights.
enum class Numbers { kThere, kSizes, kNone };

/// The graph with these elements only.
Reduced rewritten(const Graph& graph, std::vector<std::vector<int>> kept_elements,
                  Numbers numbers = Numbers::kThere) {
  Reduced reduced;
  reduced.kept = std::move(kept_elements);
  for (std::size_t v = 0; v < reduced.kept.size(); ++v) {
    const Node& from = graph.nodes[v];
    const std::vector<int>& kept = reduced.kept[v];
    const auto smaller = [&](std::size_t u) {
      return reduced.kept[u].size() != static_cast<std::size_t>(graph.nodes[u].shape.size());
    };
    Node node;
    node.inputs = from.inputs;
    node.name = from.name;
    node.shape = smaller(v) ? Shape{1, 1, static_cast<int>(kept.size())} : from.shape;
    const Dense* dense = std::get_if<Dense>(&from.op);
    const Conv* conv = std::get_if<Conv>(&from.op);
    const Scale* scale = std::get_if<Scale>(&from.op);
    if (dense != nullptr) {
      const std::vector<int>& columns = reduced.kept[from.inputs[0]];
      Dense d;
      d.in = static_cast<int>(columns.size());
      d.out = static_cast<int>(kept.size());
      if (numbers == Numbers::kSizes || only_sizes(dense->weight)) {
        d.weight = in_sizes(kept.size() * columns.size(), dense->weight);
      } else if (numbers == Numbers::kThere) {
        d.weight = submatrix(dense->weight, dense->in, kept, columns);
      }
      d.bias = reduced.select(static_cast<int>(v), dense->bias);
      d.precision = select(dense->precision, kept);
      node.op = std::move(d);
    } else if (conv != nullptr && (smaller(v) || smaller(from.inputs[0]))) {
      Sparse s = written_out(*conv, reduced.kept[from.inputs[0]], kept);
      s.precision = select(conv->precision, kept);
      node.op = std::move(s);
    } else if (scale != nullptr && smaller(v)) {
      node.op = Scale{spread(scale->scale, kept), spread(scale->shift, kept),
                      select(scale->precision, kept)};
    } else {
      node.op = from.op;
    }
    reduced.graph.nodes.push_back(std::move(node));
  }
  return reduced;
}

/// Does a tenth of the dense weights go, of nodes 0 .. kept.size() - 1?
bool smaller(const Graph& graph, const std::vector<std::vector<int>>& kept) {
  double before = 0;
  double after = 0;
  for (std::size_t v = 0; v < kept.size(); ++v) {
    const Node& node = graph.nodes[v];
    const Dense* dense = std::get_if<Dense>(&node.op);
    if (dense == nullptr) continue;
    before += static_cast<double>(dense->in) * dense->out;
    after += static_cast<double>(kept[node.inputs[0]].size()) * kept[v].size();
  }
  return after <= 0.9 * before && before > 0;
}

std::vector<int> all_of(const Node& node) {
  std::vector<int> all(node.shape.size());
  std::iota(all.begin(), all.end(), 0);
  return all;
}

}  // namespace

Bounds Reduced::select(const Bounds& bounds) const {
  Bounds out(graph, 1);
  for (std::size_t v = 0; v < kept.size(); ++v) {
    out.lo[v] = select(static_cast<int>(v), bounds.lo[v]);
    out.hi[v] = select(static_cast<int>(v), bounds.hi[v]);
  }
  return out;
}

std::optional<Reduced> drop_dead_neurons(const Graph& graph, const Bounds& bounds) {
  const int last = static_cast<int>(graph.nodes.size()) - 1;
  if (!weights_here(graph)) return std::nullopt;
  auto kept = elements_kept(graph, bounds, last, all_of(graph.nodes[last]), false);
  if (!smaller(graph, kept)) return std::nullopt;
  Reduced reduced = rewritten(graph, std::move(kept));
  reduced.graph.input_order = graph.input_order;
  reduced.graph.output_order = graph.output_order;
  return reduced;
}

std::optional<Reduced> drop_dead_in_sizes(const Graph& graph, const Bounds& bounds) {
  const int last = static_cast<int>(graph.nodes.size()) - 1;
  auto kept = elements_kept(graph, bounds, last, all_of(graph.nodes[last]), false);
  if (!smaller(graph, kept)) return std::nullopt;
  return rewritten(graph, std::move(kept), Numbers::kSizes);
}

std::optional<Reduced> thin_out(const Graph& graph, const Bounds& bounds, int last,
                                const std::vector<int>& asked, double most) {
  auto kept = elements_kept(graph, bounds, last, asked, true);
  double weights = 0;
  for (int v = 0; v <= last; ++v) {
    const Node& node = graph.nodes[v];
    if (std::holds_alternative<Dense>(node.op)) {
      weights += static_cast<double>(kept[node.inputs[0]].size()) * kept[v].size();
    } else if (const Conv* conv = std::get_if<Conv>(&node.op)) {
      // About: as if what remains were spread evenly.
      const double share_in = static_cast<double>(kept[node.inputs[0]].size()) / conv->in.size();
      const double share_out = static_cast<double>(kept[v].size()) / conv->out.size();
      weights += share_in * share_out *
                 taps(conv->out.height, conv->in.height, conv->kernel_h, conv->stride_h,
                      conv->pad_top, conv->dilation_h) *
                 taps(conv->out.width, conv->in.width, conv->kernel_w, conv->stride_w,
                      conv->pad_left, conv->dilation_w) *
                 conv->in.channels * conv->out.channels / conv->groups;
    }
  }
  if (weights > most) return std::nullopt;
  return rewritten(graph, std::move(kept));
}

std::optional<Reduced> outline(const Graph& graph, const Bounds& bounds, int last,
                               const std::vector<int>& asked) {
  auto kept = elements_kept(graph, bounds, last, asked, false, kGranule);
  if (!smaller(graph, kept)) return std::nullopt;
  std::vector<int> sloped = unstable_first(graph, bounds, last, kept);
  Reduced reduced = rewritten(graph, std::move(kept), Numbers::kNone);
  reduced.sloped = std::move(sloped);
  return reduced;
}

template <class T>
Lines<T> select_lines(const Reduced& reduced, int v, const Lines<T>& from) {
  Lines<T> to;
  to.size = static_cast<int>(reduced.kept[v].size());
  if (!reduced.sloped.empty()) to.sloped = reduced.sloped[v];
  to.relu = from.relu;
  to.floor = from.floor;
  to.sl = reduced.select(v, from.sl);
  to.tl = reduced.select(v, from.tl);
  to.su = reduced.select(v, from.su);
  to.tu = reduced.select(v, from.tu);
  to.free = reduced.select(v, from.free);
  return to;
}
template Lines<float> select_lines(const Reduced&, int, const Lines<float>&);
template Lines<double> select_lines(const Reduced&, int, const Lines<double>&);

}  // namespace coronet::bound
