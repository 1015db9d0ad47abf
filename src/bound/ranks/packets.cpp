#include "bound/ranks/packets.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>
#include <variant>

namespace coronet::bound {

namespace {

template <class T>
void put_lines(comm::Writer& writer, const Lines<T>& lines) {
  writer.put(lines.size);
  writer.put(lines.relu);
  writer.put(lines.floor);
  for (const auto* array : {&lines.sl, &lines.tl, &lines.su, &lines.tu, &lines.free}) {
    writer.put(*array);
  }
}

std::size_t size_of(const Graph& graph, int v) {
  return static_cast<std::size_t>(graph.nodes[v].shape.size());
}

/// An array of so many numbers.
void get_exactly(comm::Reader& reader, auto& values, std::size_t count, const char* what) {
  reader.get(values);
  reader.require(values.size() == count, what);
}

bool all_finite(const auto& values) {
  return std::all_of(values.begin(), values.end(), [](auto x) { return std::isfinite(x); });
}

template <class T>
Lines<T> get_lines(comm::Reader& reader, const Graph& graph, int v) {
  const Operator& op = graph.nodes[v].op;
  const std::size_t n = elementwise(op) ? size_of(graph, v) : 0;
  Lines<T> lines;
  reader.get(lines.size);
  reader.get(lines.relu);
  reader.get(lines.floor);
  for (auto* array : {&lines.sl, &lines.tl, &lines.su, &lines.tu, &lines.free}) {
    get_exactly(reader, *array, n, "the lines of a node are as many as its neurons");
  }
  // The same as the node's own lines would be, but for the numbers.
  const Lines<T> own = n == 0 ? Lines<T>() : make_lines<T>(op, 0, 1, nullptr, nullptr, {});
  reader.require(
      lines.size == static_cast<int>(n) && lines.relu == own.relu && (lines.floor == own.floor),
      "lines of another kind of node");
  reader.require(std::all_of(lines.free.begin(), lines.free.end(),
                             [&](T x) { return x == 0 || (x == 1 && lines.relu); }),
                 "a neuron that is neither free nor not");
  return lines;
}

void put_magnitude(comm::Writer& writer, const Magnitudes<>::Of& of) {
  writer.put(of.size);
  writer.put(of.sum);
}

Magnitudes<>::Of get_magnitude(comm::Reader& reader, std::size_t count) {
  Magnitudes<>::Of of;
  get_exactly(reader, of.size, count, "the magnitudes of a node are as many as its neurons");
  reader.get(of.sum);
  return of;
}

/// Bounds of one node.
void get_interval(comm::Reader& reader, std::size_t count, std::vector<double>& lo,
                  std::vector<double>& hi) {
  get_exactly(reader, lo, count, "the bounds of a node are as many as its neurons");
  get_exactly(reader, hi, count, "the bounds of a node are as many as its neurons");
  for (std::size_t i = 0; i < count; ++i) {
    reader.require(!(lo[i] > hi[i]), "a neuron's upper bound is below its lower one");
  }
}

void put_node(comm::Writer& writer, const Root& root, int v) {
  writer.put(root.bounds.lo[v]);
  writer.put(root.bounds.hi[v]);
  put_lines(writer, root.relax32.lines[v]);
  put_lines(writer, root.relax64.lines[v]);
  put_magnitude(writer, root.magnitude.value[v]);
  put_magnitude(writer, root.magnitude.affine[v]);
}

void get_node(comm::Reader& reader, const Graph& graph, int v, Root& root) {
  const std::size_t n = size_of(graph, v);
  const bool affine = v > 0 && !elementwise(graph.nodes[v].op);
  get_interval(reader, n, root.bounds.lo[v], root.bounds.hi[v]);
  root.relax32.lines[v] = get_lines<float>(reader, graph, v);
  root.relax64.lines[v] = get_lines<double>(reader, graph, v);
  root.magnitude.value[v] = get_magnitude(reader, affine ? 0 : n);
  root.magnitude.affine[v] = get_magnitude(reader, affine ? n : 0);
}

}  // namespace

void RootTold::put(comm::Writer& writer, const Root& root, int node) {
  nodes_.resize(root.bounds.lo.size());
  writer.put(node);
  writer.put(root.relax32.lo);
  writer.put(root.relax32.hi);
  writer.put(root.relax64.lo);
  writer.put(root.relax64.hi);
  for (int v = 0; v <= node; ++v) {
    comm::Writer one;
    put_node(one, root, v);
    comm::Bytes bytes = one.take();
    const bool told = bytes == nodes_[v];
    writer.put(told);
    if (told) continue;
    writer.put_rest(bytes.data(), bytes.size());
    nodes_[v] = std::move(bytes);
  }
}

std::size_t RootTold::bytes() const {
  std::size_t sum = 0;
  for (const comm::Bytes& node : nodes_) sum += node.size();
  return sum;
}

const Root& RootHeard::get(comm::Reader& reader, const Graph& graph, int node) {
  const std::size_t nodes = graph.nodes.size();
  root_.bounds.lo.resize(nodes);
  root_.bounds.hi.resize(nodes);
  root_.relax32.lines.resize(nodes);
  root_.relax64.lines.resize(nodes);
  root_.magnitude.value.resize(nodes);
  root_.magnitude.affine.resize(nodes);
  reader.require(reader.get<int>() == node && node >= 0 && node < static_cast<int>(nodes),
                 "a root for rows of another node");
  const std::size_t inputs = size_of(graph, 0);
  for (auto* end : {&root_.relax32.lo, &root_.relax32.hi}) {
    get_exactly(reader, *end, inputs, "a box has an interval for each input");
  }
  for (auto* end : {&root_.relax64.lo, &root_.relax64.hi}) {
    get_exactly(reader, *end, inputs, "a box has an interval for each input");
  }
  for (int v = 0; v <= node; ++v) {
    if (!reader.get<bool>()) {
      get_node(reader, graph, v, root_);
    } else {
      reader.require(root_.bounds.lo[v].size() == size_of(graph, v),
                     "a node as it was told before, which it never was");
    }
  }
  return root_;
}

void put_root(comm::Writer& writer, const Root& root, int node) {
  RootTold().put(writer, root, node);
}

Root get_root(comm::Reader& reader, const Graph& graph, int node) {
  RootHeard heard;
  heard.get(reader, graph, node);
  return heard.take();
}

void put_bounds(comm::Writer& writer, const Bounds& bounds) {
  for (std::size_t v = 0; v < bounds.lo.size(); ++v) {
    writer.put(bounds.lo[v]);
    writer.put(bounds.hi[v]);
  }
}

Bounds get_bounds(comm::Reader& reader, const Graph& graph) {
  Bounds bounds(graph, 1);
  for (int v = 0; v < static_cast<int>(bounds.lo.size()); ++v) {
    get_interval(reader, size_of(graph, v), bounds.lo[v], bounds.hi[v]);
  }
  return bounds;
}

namespace {

/// fn(fields...): to write them, and to read them.
void with_fields(auto& list, const auto& fn) requires requires { list.neuron; }
{ fn(list.node, list.neuron, list.sign, list.dense, list.input, list.constant); }
void with_fields(auto& settings, const auto& fn) requires requires { settings.iterations; }
{
  fn(settings.iterations, settings.lr, settings.decay, settings.stop_positive, settings.pairs,
     settings.converged, settings.keep_alpha);
}

void put_fields(comm::Writer& writer, const auto& of) {
  with_fields(of, [&](const auto&... field) { (writer.put(field), ...); });
}

void get_fields(comm::Reader& reader, auto& of) {
  with_fields(of, [&](auto&... field) { (reader.get(field), ...); });
}

/// Row by row, from the first one of `rows` on.
void place(const auto& some, int first, std::size_t rows, auto& all) {
  const std::size_t each = all.size() / rows;
  std::copy(some.begin(), some.end(), all.begin() + static_cast<std::ptrdiff_t>(first * each));
}

}  // namespace

void put_list(comm::Writer& writer, const RowList& list) { put_fields(writer, list); }

RowList get_list(comm::Reader& reader, const Graph& graph) {
  RowList list;
  get_fields(reader, list);
  reader.require(list.node >= 0 && list.node < static_cast<int>(graph.nodes.size()),
                 "rows of a node that is none");
  const std::size_t n = size_of(graph, list.node);
  reader.require(list.neuron.empty() || list.dense.empty(), "rows in two forms");
  reader.require(list.dense.size() % n == 0, "rows are as long as their node");
  const auto rows = static_cast<std::size_t>(list.count(static_cast<int>(n)));
  reader.require(
      list.sign.size() == list.neuron.size() &&
          std::all_of(list.neuron.begin(), list.neuron.end(),
                      [&](int j) { return j >= 0 && static_cast<std::size_t>(j) < n; }) &&
          std::all_of(list.sign.begin(), list.sign.end(),
                      [](float x) { return x == 1 || x == -1; }),
      "rows of neurons that are none");
  reader.require(list.input.empty() || list.input.size() == rows * size_of(graph, 0),
                 "rows are as long as the input");
  reader.require(list.constant.empty() || list.constant.size() == rows, "a constant for each row");
  reader.require(all_finite(list.dense) && all_finite(list.input) && all_finite(list.constant),
                 "a row's numbers are finite");
  return list;
}

void put_settings(comm::Writer& writer, const OptimiseSettings& settings) {
  put_fields(writer, settings);
}

OptimiseSettings get_settings(comm::Reader& reader) {
  OptimiseSettings settings;
  get_fields(reader, settings);
  reader.require(settings.iterations >= 0 && std::isfinite(settings.lr) &&
                     std::isfinite(settings.decay) && std::isfinite(settings.converged),
                 "settings of a descent");
  return settings;
}

void put_rows(comm::Writer& writer, const RowBounds& rows) {
  writer.put(rows.bound);
  writer.put(static_cast<std::uint64_t>(rows.alpha.size()));
  for (const auto& alpha : rows.alpha) writer.put(alpha);
}

void get_rows(comm::Reader& reader, int first, int last, RowBounds& all) {
  const std::size_t rows = all.bound.size();
  reader.require(first >= 0 && last > first && static_cast<std::size_t>(last) <= rows,
                 "rows that were not asked for");
  const auto count = static_cast<std::size_t>(last - first);
  RowBounds some;
  reader.get(some.bound);
  reader.require(some.bound.size() == count, "a bound for each row");
  // A bound says nothing (-infinity) or is a number.
  reader.require(
      std::all_of(some.bound.begin(), some.bound.end(), [](double b) { return b < HUGE_VAL; }),
      "a row's bound is no number");
  some.alpha.resize(reader.get_count(sizeof(std::uint64_t)));
  reader.require(some.alpha.size() == all.alpha.size(), "slopes of each node");
  for (std::size_t v = 0; v < some.alpha.size(); ++v) {
    reader.get(some.alpha[v]);
    reader.require(some.alpha[v].size() == all.alpha[v].size() / rows * count,
                   "slopes of each row");
    reader.require(std::all_of(some.alpha[v].begin(), some.alpha[v].end(),
                               [](float a) { return a >= 0 && a <= 1; }),
                   "a slope is none of a ReLU's");
  }
  reader.end();
  // Nothing of a damaged letter is ever among them.
  place(some.bound, first, rows, all.bound);
  for (std::size_t v = 0; v < some.alpha.size(); ++v) {
    place(some.alpha[v], first, rows, all.alpha[v]);
  }
}

}  // namespace coronet::bound
