#include "io/onnx/lowering.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"

namespace coronet::importer {
namespace {

bool is_identity(std::span<const std::int32_t> index) {
  for (std::size_t i = 0; i < index.size(); ++i) {
    if (index[i] != static_cast<std::int32_t>(i)) return false;
  }
  return true;
}

bool elementwise(const Operator& op) {
  return std::holds_alternative<Scale>(op) || std::holds_alternative<Relu>(op) ||
         std::holds_alternative<Sigmoid>(op) || std::holds_alternative<Tanh>(op);
}

Shape flat(std::int64_t size) { return Shape{1, 1, static_cast<int>(size)}; }

/// The smallest of the periods that the engine likes.
void shrink(Scale& s, int channels) {
  std::vector<double>& scale = s.scale;
  std::vector<double>& shift = s.shift;
  std::vector<double>& hidden = s.precision.hidden;
  for (const std::size_t period : {std::size_t{1}, static_cast<std::size_t>(channels)}) {
    bool fits = scale.size() % period == 0;
    for (std::size_t i = period; fits && i < scale.size(); ++i) {
      fits = scale[i] == scale[i - period] && shift[i] == shift[i - period];
    }
    if (!fits) continue;
    for (std::size_t i = period; i < hidden.size(); ++i) {
      hidden[i % period] = std::max(hidden[i % period], hidden[i]);
    }
    if (!hidden.empty()) hidden.resize(period);
    scale.resize(period);
    shift.resize(period);
    return;
  }
}

}  // namespace

Shape image_shape(const Dims& dims) {
  const auto n = [&](std::size_t k) { return static_cast<int>(dims[k]); };
  return dims.size() == 3 ? Shape{1, n(2), n(1)} : Shape{n(2), n(3), n(1)};
}

std::vector<std::int32_t> image_order(const Dims& dims) {
  const Shape shape = image_shape(dims);
  const int area = shape.height * shape.width;
  std::vector<std::int32_t> order;
  order.reserve(static_cast<std::size_t>(shape.size()));
  for (int p = 0; p < area; ++p) {
    for (int c = 0; c < shape.channels; ++c) order.push_back(c * area + p);
  }
  return order;
}

std::vector<std::int32_t> plain_order(std::int64_t size) {
  std::vector<std::int32_t> order(static_cast<std::size_t>(size));
  std::iota(order.begin(), order.end(), 0);
  return order;
}

int Lowering::add(Operator op, std::vector<int> inputs, Shape shape, const std::string& name) {
  std::visit(
      [&](auto& o) {
        if constexpr (requires { o.precision; }) o.precision.roundings += roundings_;
      },
      op);
  graph_.nodes.push_back(Node{std::move(op), std::move(inputs), shape, name});
  return static_cast<int>(graph_.nodes.size()) - 1;
}

View Lowering::input(const Dims& dims, const std::string& name) {
  const std::int64_t size = element_count(dims);
  graph_.input_order.resize(static_cast<std::size_t>(size));
  std::iota(graph_.input_order.begin(), graph_.input_order.end(), 0);
  return plain(add(Input{}, {}, flat(size), name), dims);
}

View Lowering::normal(View view, std::vector<std::int32_t> index,
                      std::vector<double> constant) const {
  // Drop nodes that no element refers to, so that what follows sees the fewest inputs.
  std::vector<std::int32_t> begin;
  std::int64_t total = 0;
  for (const int node : view.nodes) {
    begin.push_back(static_cast<std::int32_t>(total));
    total += size_of(node);
    if (total > kMaxElements) throw Error(ErrorKind::kUnsupported, "too many elements are joined");
  }
  if (view.nodes.size() > 1) {
    const auto part = [&](std::int32_t i) {
      return static_cast<std::size_t>(std::upper_bound(begin.begin(), begin.end(), i) -
                                      begin.begin()) -
             1;
    };
    std::vector<bool> used(view.nodes.size());
    for (const std::int32_t i : index) {
      if (i >= 0) used[part(i)] = true;
    }
    std::vector<std::int32_t> shift(view.nodes.size());
    std::vector<int> kept;
    std::int32_t dropped = 0;
    for (std::size_t k = 0; k < used.size(); ++k) {
      shift[k] = dropped;
      if (used[k]) {
        kept.push_back(view.nodes[k]);
      } else {
        dropped += size_of(view.nodes[k]);
      }
    }
    if (dropped > 0) {
      for (std::int32_t& i : index) {
        if (i >= 0) i -= shift[part(i)];
      }
    }
    view.nodes = std::move(kept);
  }
  const bool constants =
      std::any_of(index.begin(), index.end(), [](std::int32_t i) { return i < 0; });
  view.constant =
      constants ? std::make_shared<const std::vector<double>>(std::move(constant)) : nullptr;
  view.whole = false;
  if (!constants && view.nodes.size() == 1 &&
      static_cast<int>(index.size()) == size_of(view.nodes[0])) {
    std::vector<bool> seen(index.size());
    for (const std::int32_t i : index) seen[static_cast<std::size_t>(i)] = true;
    view.whole = std::all_of(seen.begin(), seen.end(), [](bool s) { return s; });
  }
  view.index = std::make_shared<const std::vector<std::int32_t>>(std::move(index));
  return view;
}

View Lowering::plain(int node, Dims dims) const {
  const std::int64_t size = element_count(dims);
  return normal(View{std::move(dims), {node}, nullptr, nullptr, false}, plain_order(size), {});
}

View Lowering::image(int node, Dims dims) const {
  const std::vector<std::int32_t> order = image_order(dims);
  std::vector<std::int32_t> index(order.size());
  for (std::size_t p = 0; p < order.size(); ++p) {
    index[static_cast<std::size_t>(order[p])] = static_cast<std::int32_t>(p);
  }
  return normal(View{std::move(dims), {node}, nullptr, nullptr, false}, std::move(index), {});
}

void Lowering::relabel(int node, Shape shape) {
  // A flat node that turns out to be read as an image becomes one, and so do the elementwise nodes
  // before it.
  while (true) {
    Node& n = graph_.nodes[static_cast<std::size_t>(node)];
    if (n.shape.image() || !shape.image()) return;
    n.shape = shape;
    if (!elementwise(n.op)) return;
    node = n.inputs[0];
  }
}

int Lowering::in_order(const View& view, std::span<const std::int32_t> order, Shape shape,
                       const std::string& name) {
  std::vector<std::int32_t> index(order.size(), -1);
  std::vector<double> constant(order.size(), 0);
  bool constants = false;
  for (std::size_t p = 0; p < order.size(); ++p) {
    if (order[p] < 0) continue;
    const auto element = static_cast<std::size_t>(order[p]);
    index[p] = (*view.index)[element];
    if (index[p] < 0) {
      constant[p] = (*view.constant)[element];
      constants = constants || constant[p] != 0;
    }
  }
  const View picked =
      normal(View{view.dims, view.nodes, nullptr, nullptr, false}, std::move(index), constant);
  if (picked.whole && is_identity(*picked.index)) {
    relabel(picked.nodes[0], shape);
    return picked.nodes[0];
  }
  if (!constants) constant.clear();
  for (std::size_t k = 0; k < graph_.nodes.size(); ++k) {
    const Node& n = graph_.nodes[k];
    const Select* select = std::get_if<Select>(&n.op);
    if (select && n.inputs == picked.nodes && n.shape == shape && select->index == *picked.index &&
        select->constant == constant) {
      return static_cast<int>(k);
    }
  }
  return add(Select{*picked.index, std::move(constant)}, picked.nodes, shape, name);
}

View Lowering::whole(const View& view, const std::string& name) {
  if (view.whole) return view;
  const bool spatial = (view.dims.size() == 4 || view.dims.size() == 3) && view.dims[0] == 1 &&
                       std::any_of(view.nodes.begin(), view.nodes.end(), [&](int n) {
                         return graph_.nodes[static_cast<std::size_t>(n)].shape.image();
                       });
  if (spatial) {
    const std::vector<std::int32_t> order = image_order(view.dims);
    return image(in_order(view, order, image_shape(view.dims), name), view.dims);
  }
  return plain(in_order(view, plain_order(view.size()), flat(view.size()), name), view.dims);
}

View Lowering::apply(Operator op, const View& view, const std::string& name) {
  View result = whole(view, name);
  const int from = result.nodes[0];
  result.nodes = {
      add(std::move(op), {from}, graph_.nodes[static_cast<std::size_t>(from)].shape, name)};
  return result;
}

View Lowering::affine(const View& view, std::vector<double> scale, std::vector<double> shift,
                      const std::string& name, Precision precision) {
  const auto all = [](const std::vector<double>& v, double x) {
    return std::all_of(v.begin(), v.end(), [x](double e) { return e == x; });
  };
  if (all(scale, 1) && all(shift, 0)) return view;
  const View source = whole(view, name);
  if (scale.size() == 1 && shift.size() == 1) {
    return apply(Scale{std::move(scale), std::move(shift), std::move(precision)}, source, name);
  }
  const auto size = static_cast<std::size_t>(source.size());
  Scale op{std::vector<double>(size), std::vector<double>(size), {precision.roundings, {}}};
  const std::vector<double>& hidden = precision.hidden;
  if (!hidden.empty()) op.precision.hidden.resize(size);
  for (std::size_t i = 0; i < size; ++i) {
    const auto place = static_cast<std::size_t>((*source.index)[i]);
    op.scale[place] = scale.size() == 1 ? scale[0] : scale[i];
    op.shift[place] = shift.size() == 1 ? shift[0] : shift[i];
    if (!hidden.empty()) op.precision.hidden[place] = hidden.size() == 1 ? hidden[0] : hidden[i];
  }
  shrink(op, graph_.nodes[static_cast<std::size_t>(source.nodes[0])].shape.channels);
  return apply(std::move(op), source, name);
}

View Lowering::sum(const View& a, double ca, const View& b, double cb, const std::string& name) {
  // One of the two keeps its order, if it can; the other follows.
  const auto is_image = [&](const View& v) {
    return v.whole && graph_.nodes[static_cast<std::size_t>(v.nodes[0])].shape.image();
  };
  const bool swap = (!a.whole && b.whole) || (!is_image(a) && is_image(b));
  View result = whole(swap ? b : a, name);
  const View& other = swap ? a : b;
  std::vector<std::int32_t> order(result.index->size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    order[static_cast<std::size_t>((*result.index)[i])] = static_cast<std::int32_t>(i);
  }
  const int first = result.nodes[0];
  const Shape shape = graph_.nodes[static_cast<std::size_t>(first)].shape;
  const int second = in_order(other, order, shape, name);
  if (first == second) return affine(result, {ca + cb}, {0}, name);
  const double c1 = swap ? cb : ca;
  const double c2 = swap ? ca : cb;
  result.nodes = {add(Sum{{c1, c2}}, {first, second}, shape, name)};
  return result;
}

View Lowering::strided(const View& view, const Dims& out, const Dims& strides) const {
  std::vector<std::int64_t> ids(static_cast<std::size_t>(view.size()));
  std::iota(ids.begin(), ids.end(), std::int64_t{0});
  const Tensor all(Dims{view.size()}, std::move(ids));
  const Part part{&view, nullptr};
  return gather(std::span(&part, 1), all.strided(out, strides, 0), 0);
}

View Lowering::gather(std::span<const Part> parts, const Tensor& ids, double fill) const {
  View view;
  view.dims = ids.dims();
  std::vector<std::int32_t> place;
  std::vector<double> number;
  std::vector<std::int64_t> begin;  // of each distinct node
  std::int64_t total = 0;
  for (const Part& part : parts) {
    if (part.constant) {
      for (std::int64_t i = 0; i < part.constant->size(); ++i) {
        place.push_back(-1);
        number.push_back(part.constant->at(i));
      }
      continue;
    }
    std::vector<std::int64_t> from,
        to;  // of each node of this view: where it begins there and here
    std::int64_t offset = 0;
    for (const int node : part.view->nodes) {
      std::size_t k = static_cast<std::size_t>(
          std::find(view.nodes.begin(), view.nodes.end(), node) - view.nodes.begin());
      if (k == view.nodes.size()) {
        view.nodes.push_back(node);
        begin.push_back(total);
        total += size_of(node);
        if (total > kMaxElements)
          throw Error(ErrorKind::kUnsupported, "too many elements are joined");
      }
      from.push_back(offset);
      to.push_back(begin[k]);
      offset += size_of(node);
    }
    for (std::size_t i = 0; i < part.view->index->size(); ++i) {
      const std::int32_t at = (*part.view->index)[i];
      number.push_back(at < 0 ? (*part.view->constant)[i] : 0);
      if (at < 0) {
        place.push_back(-1);
        continue;
      }
      const auto k =
          static_cast<std::size_t>(std::upper_bound(from.begin(), from.end(), at) - from.begin()) -
          1;
      place.push_back(static_cast<std::int32_t>(at - from[k] + to[k]));
    }
  }
  std::vector<std::int32_t> index;
  std::vector<double> constant;
  for (std::int64_t i = 0; i < ids.size(); ++i) {
    const std::int64_t id = ids.integer(i);
    index.push_back(id < 0 ? -1 : place[static_cast<std::size_t>(id)]);
    constant.push_back(id < 0 ? fill : number[static_cast<std::size_t>(id)]);
  }
  return normal(std::move(view), std::move(index), std::move(constant));
}

int Lowering::sparse(const View& view, std::int64_t rows, Shape shape,
                     const std::function<void(std::int64_t, std::vector<Entry>&)>& entries,
                     int roundings, const std::string& name) {
  const View source = view.nodes.size() == 1 && !view.constant ? view : whole(view, name);
  Sparse op;
  op.precision.roundings = roundings;
  op.row.push_back(0);
  std::vector<Entry> row;
  for (std::int64_t r = 0; r < rows; ++r) {
    row.clear();
    entries(r, row);
    for (const Entry& e : row) {
      op.column.push_back((*source.index)[static_cast<std::size_t>(e.element)]);
      op.value.push_back(e.value);
    }
    op.row.push_back(static_cast<std::int64_t>(op.column.size()));
  }
  op.bias.assign(static_cast<std::size_t>(rows), 0);
  return add(std::move(op), {source.nodes[0]}, shape, name);
}

Graph Lowering::take(const View& output, const std::string& name) {
  View result = output.whole
                    ? output
                    : plain(in_order(output, plain_order(output.size()), flat(output.size()), name),
                            output.dims);
  if (std::holds_alternative<Input>(graph_.nodes[static_cast<std::size_t>(result.nodes[0])].op)) {
    result = apply(Scale{{1}, {0}}, result, name);  // the output is a node of its own
  }
  graph_.output_order.assign(result.index->size(), 0);
  for (std::size_t i = 0; i < result.index->size(); ++i) {
    graph_.output_order[static_cast<std::size_t>((*result.index)[i])] = static_cast<int>(i);
  }
  // The output becomes the last node: nothing behind it leads to it.
  graph_.nodes.resize(static_cast<std::size_t>(result.nodes[0]) + 1);
  return std::move(graph_);
}

}  // namespace coronet::importer
