#include "bound/ranks/packets.h"

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

template <class T>
Lines<T> get_lines(comm::Reader& reader) {
  Lines<T> lines;
  reader.get(lines.size);
  reader.get(lines.relu);
  reader.get(lines.floor);
  for (auto* array : {&lines.sl, &lines.tl, &lines.su, &lines.tu, &lines.free}) reader.get(*array);
  return lines;
}

void put_magnitude(comm::Writer& writer, const Magnitudes<>::Of& of) {
  writer.put(of.size);
  writer.put(of.sum);
}

Magnitudes<>::Of get_magnitude(comm::Reader& reader) {
  Magnitudes<>::Of of;
  reader.get(of.size);
  reader.get(of.sum);
  return of;
}

}  // namespace

void put_root(comm::Writer& writer, const Root& root, int node) {
  writer.put(node);
  writer.put(root.relax32.lo);
  writer.put(root.relax32.hi);
  writer.put(root.relax64.lo);
  writer.put(root.relax64.hi);
  for (int v = 0; v <= node; ++v) {
    writer.put(root.bounds.lo[v]);
    writer.put(root.bounds.hi[v]);
    put_lines(writer, root.relax32.lines[v]);
    put_lines(writer, root.relax64.lines[v]);
    put_magnitude(writer, root.magnitude.value[v]);
    put_magnitude(writer, root.magnitude.affine[v]);
  }
}

Root get_root(comm::Reader& reader, int nodes) {
  Root root;
  root.bounds.lo.resize(nodes);
  root.bounds.hi.resize(nodes);
  root.relax32.lines.resize(nodes);
  root.relax64.lines.resize(nodes);
  root.magnitude.value.resize(nodes);
  root.magnitude.affine.resize(nodes);
  const int node = reader.get<int>();
  reader.get(root.relax32.lo);
  reader.get(root.relax32.hi);
  reader.get(root.relax64.lo);
  reader.get(root.relax64.hi);
  for (int v = 0; v <= node; ++v) {
    reader.get(root.bounds.lo.at(v));
    reader.get(root.bounds.hi[v]);
    root.relax32.lines[v] = get_lines<float>(reader);
    root.relax64.lines[v] = get_lines<double>(reader);
    root.magnitude.value[v] = get_magnitude(reader);
    root.magnitude.affine[v] = get_magnitude(reader);
  }
  return root;
}

void put_bounds(comm::Writer& writer, const Bounds& bounds) {
  for (std::size_t v = 0; v < bounds.lo.size(); ++v) {
    writer.put(bounds.lo[v]);
    writer.put(bounds.hi[v]);
  }
}

Bounds get_bounds(comm::Reader& reader, const Graph& graph) {
  Bounds bounds(graph, 1);
  for (std::size_t v = 0; v < bounds.lo.size(); ++v) {
    reader.get(bounds.lo[v]);
    reader.get(bounds.hi[v]);
  }
  return bounds;
}

namespace {

/// fn(fields...): to write them, and to read them.
void with_fields(auto& list, const auto& fn) {
  fn(list.node, list.neuron, list.sign, list.dense, list.input, list.constant);
}

}  // namespace

void put_list(comm::Writer& writer, const RowList& list) {
  with_fields(list, [&](const auto&... field) { (writer.put(field), ...); });
}

RowList get_list(comm::Reader& reader) {
  RowList list;
  with_fields(list, [&](auto&... field) { (reader.get(field), ...); });
  return list;
}

void put_rows(comm::Writer& writer, const RowBounds& rows) {
  writer.put(rows.bound);
  writer.put(static_cast<int>(rows.alpha.size()));
  for (const auto& alpha : rows.alpha) writer.put(alpha);
}

RowBounds get_rows(comm::Reader& reader) {
  RowBounds rows;
  reader.get(rows.bound);
  rows.alpha.resize(reader.get<int>());
  for (auto& alpha : rows.alpha) reader.get(alpha);
  return rows;
}

}  // namespace coronet::bound
