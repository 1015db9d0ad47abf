#include "bound/tensor/share.h"

#include <algorithm>
#include <numeric>
#include <string>
#include <utility>

#include "bound/tensor/affine_shared.h"

namespace coronet::bound {

namespace {

/// Do its values lie as its inputs' do, neuron by neuron?
bool neuron_by_neuron(const Operator& op) {
  return elementwise(op) || std::holds_alternative<Scale>(op) || std::holds_alternative<Sum>(op);
}

/// `rows` rows of `columns` zeros, in the numbers of another weight.
Weight zeros_like(const Weight& weight, std::size_t rows, std::size_t columns) {
  Weight to;
  if (!weight.f.empty()) {
    to.f.assign(rows * columns, 0.0F);
  } else {
    to.d.assign(rows * columns, 0.0);
  }
  return to;
}

/// Numbers [first, first + count) of one weight to those of another from `at` on.
void copy_numbers(const Weight& from, std::size_t first, std::size_t count, Weight& to,
                  std::size_t at) {
  const auto copy = [&](const auto& source, auto& sink) {
    const auto begin = source.begin() + static_cast<std::ptrdiff_t>(first);
    std::copy(begin, begin + static_cast<std::ptrdiff_t>(count),
              sink.begin() + static_cast<std::ptrdiff_t>(at));
  };
  if (!from.f.empty()) {
    copy(from.f, to.f);
  } else {
    copy(from.d, to.d);
  }
}

/// A rank's share of one node's operator. Takes its numbers.
class Sharer {
 public:
  Sharer(const Slice& out, const std::vector<Slice>& in) : out_(out), in_(in) {}

  Operator operator()(Dense& op) const {
    const Slice& in = in_[0];
    Dense to;
    to.in = in.padded().size();
    to.out = out_.mine().size();
    to.weight = zeros_like(op.weight, to.out, to.in);
    const auto columns = static_cast<std::size_t>(in.whole().channels);
    for (int i = 0; i < to.out; ++i) {
      const int j = out_.whole_of(i);
      if (j < 0) continue;
      for (int p = 0; p < in.pixels(); ++p) {
        copy_numbers(op.weight, static_cast<std::size_t>(j) * op.in + p * columns, columns,
                     to.weight,
                     static_cast<std::size_t>(i) * to.in +
                         static_cast<std::size_t>(p) * in.padded().channels);
      }
    }
    to.bias = by_element(op.bias);
    to.precision = by_element(op.precision);
    return to;
  }

  Operator operator()(Conv& op) const {
    Conv to = without_weights(op);
    to.in = in_[0].padded();
    to.out = out_.mine();
    to.groups = 1;
    const int taps = op.kernel_h * op.kernel_w;
    const int cin = op.in.channels / op.groups;
    const int cout = op.out.channels / op.groups;
    to.weight =
        zeros_like(op.weight, static_cast<std::size_t>(to.out.channels) * taps, to.in.channels);
    for (int i = 0; i < to.out.channels; ++i) {
      const int c = out_.whole_of(i);  // of the first pixel
      if (c < 0) continue;
      for (int t = 0; t < taps; ++t) {
        copy_numbers(op.weight, (static_cast<std::size_t>(c) * taps + t) * cin, cin, to.weight,
                     (static_cast<std::size_t>(i) * taps + t) * to.in.channels + c / cout * cin);
      }
    }
    to.bias = by_channel(op.bias);
    to.precision = {op.precision.roundings, by_channel(op.precision.hidden)};
    return to;
  }

  Operator operator()(Scale& op) const {
    if (op.scale.size() == 1) return op;
    return Scale{by_element(op.scale), by_element(op.shift), by_element(op.precision)};
  }
  Operator operator()(Sum& op) const { return op; }

  Operator operator()(Select& op) const {
    std::vector<int> first{0};
    std::vector<int> padded_first{0};
    for (const Slice& s : in_) {
      first.push_back(first.back() + s.whole().size());
      padded_first.push_back(padded_first.back() + s.padded().size());
    }
    Select to;
    to.index.assign(out_.mine().size(), -1);
    for (int i = 0; i < static_cast<int>(to.index.size()); ++i) {
      const int j = out_.whole_of(i);
      const int from = j < 0 ? -1 : op.index[j];
      if (from < 0) continue;
      const auto k = std::upper_bound(first.begin(), first.end(), from) - first.begin() - 1;
      to.index[i] = padded_first[k] + in_[k].padded(from - first[k]);
    }
    to.constant = by_element(op.constant);
    to.precision = by_element(op.precision);
    return to;
  }

  Operator operator()(Sparse& op) const {
    Sparse to;
    to.row.push_back(0);
    for (int i = 0; i < out_.mine().size(); ++i) {
      const int j = out_.whole_of(i);
      if (j >= 0) {
        // Columns that ascend stay so.
        for (auto e = op.row[j]; e < op.row[j + 1]; ++e) {
          to.column.push_back(in_[0].padded(op.column[e]));
          to.value.push_back(op.value[e]);
        }
      }
      to.row.push_back(static_cast<std::int64_t>(to.column.size()));
    }
    to.bias = by_element(op.bias);
    to.precision = by_element(op.precision);
    return to;
  }

  template <class Elementwise>
  Operator operator()(Elementwise& op) const {
    return op;
  }

 private:
  static Conv without_weights(Conv& op) {
    Weight weight = std::exchange(op.weight, {});
    Conv to = op;
    op.weight = std::move(weight);
    return to;
  }

  /// Of numbers that repeat with their period over the node's elements; empty ones stay so.
  [[nodiscard]] std::vector<double> by_element(const std::vector<double>& values) const {
    std::vector<double> to(values.empty() ? 0 : out_.mine().size(), 0.0);
    for (int i = 0; i < static_cast<int>(to.size()); ++i) {
      const int j = out_.whole_of(i);
      if (j >= 0) to[i] = values[j % values.size()];
    }
    return to;
  }
  [[nodiscard]] Precision by_element(const Precision& precision) const {
    return {precision.roundings, by_element(precision.hidden)};
  }
  [[nodiscard]] std::vector<double> by_channel(const std::vector<double>& values) const {
    std::vector<double> to(values.empty() ? 0 : out_.each(), 0.0);
    for (int i = 0; i < static_cast<int>(to.size()); ++i) {
      const int c = out_.whole_of(i);  // of the first pixel
      if (c >= 0) to[i] = values[c];
    }
    return to;
  }

  const Slice& out_;
  const std::vector<Slice>& in_;
};

/// As what a node reads its input, where that matters: its channels must be dealt alike.
Shape shape_read(const Node& node, const Shape& input) {
  if (const Conv* conv = std::get_if<Conv>(&node.op)) return conv->in;
  return neuron_by_neuron(node.op) ? node.shape : input;
}

Select identity(int size) {
  Select same;
  same.index.resize(size);
  std::iota(same.index.begin(), same.index.end(), 0);
  return same;
}

/// Without its weights: those of one node are many, and freed before the next one's are shared.
void release(Operator& op) {
  if (Dense* dense = std::get_if<Dense>(&op)) dense->weight = {};
  if (Conv* conv = std::get_if<Conv>(&op)) conv->weight = {};
}

}  // namespace

std::size_t Share::weight_bytes() const {
  std::size_t sum = 0;
  for (const Node& n : graph.nodes) {
    if (const Dense* dense = std::get_if<Dense>(&n.op)) sum += dense->weight.bytes();
    if (const Conv* conv = std::get_if<Conv>(&n.op)) sum += conv->weight.bytes();
  }
  return sum;
}

RowList Share::share_of(const RowList& rows) const {
  RowList to;
  to.node = rows.node;
  const Slice& at = slice[rows.node];
  for (std::size_t i = 0; i < rows.neuron.size(); ++i) {
    to.neuron.push_back(at.local(rows.neuron[i]));
    to.sign.push_back(at.has(rows.neuron[i]) ? rows.sign[i] : 0.0F);
  }
  const auto columns = [](const AlignedVector<double>& values, const Slice& of) {
    const int n = of.whole().size();
    const int count = static_cast<int>(values.size()) / n;
    AlignedVector<double> mine;
    mine.assign(static_cast<std::size_t>(count) * of.mine().size(), 0.0);
    for (int r = 0; r < count; ++r) {
      for (int j = 0; j < n; ++j) {
        if (of.has(j)) mine[r * of.mine().size() + of.local(j)] = values[r * n + j];
      }
    }
    return mine;
  };
  to.dense = columns(rows.dense, at);
  to.input = columns(rows.input, slice[0]);
  if (rank == 0) to.constant = rows.constant;
  return to;
}

Share take_share(Graph& whole, int ranks, int rank) {
  Share share;
  share.rank = rank;
  const auto add = [&](Operator& op, const std::vector<int>& inputs, const Shape& shape,
                       const std::string& name) {
    const Slice out(shape, ranks, rank);
    std::vector<Slice> in;
    for (int u : inputs) in.push_back(share.slice[u]);
    Operator mine = std::visit(Sharer(out, in), op);
    release(op);
    share.graph.nodes.push_back({std::move(mine), inputs, out.mine(), name});
    share.slice.push_back(out);
    return static_cast<int>(share.graph.nodes.size()) - 1;
  };
  const auto seen_as = [&](int u, const Shape& shape, const std::string& name) {
    Operator same = identity(shape.size());
    return add(same, {u}, shape, name);
  };
  for (Node& node : whole.nodes) {
    std::vector<int> inputs;
    for (int original : node.inputs) {
      int& u = share.node[original];
      const Shape wanted = shape_read(node, share.slice[u].whole());
      if (share.slice[u].whole() == wanted) {
        inputs.push_back(u);
        continue;
      }
      const int seen = seen_as(u, wanted, node.name);
      // Its bounds are tightened where an elementwise node reads it.
      if (elementwise(node.op)) u = seen;
      inputs.push_back(seen);
    }
    const Conv* conv = std::get_if<Conv>(&node.op);
    const Shape made = conv == nullptr ? node.shape : conv->out;
    const int v = add(node.op, inputs, made, node.name);
    share.node.push_back(made == node.shape ? v : seen_as(v, node.shape, node.name));
  }
  return share;
}

template <class T>
SharedOperators<T>::SharedOperators(const Share& share, std::size_t pack_bytes) : share_(&share) {
  PackBudget budget{pack_bytes};
  for (const Node& node : share.graph.nodes) {
    std::vector<Shape> in;
    for (int u : node.inputs) in.push_back(share.slice[u].padded());
    operators_.push_back(neuron_by_neuron(node.op) ? nullptr : make_affine<T>(node, in, budget));
  }
}

template <class T>
Network<T> SharedOperators<T>::network(TensorGroup& group) const {
  const auto make = [&](int v) -> std::unique_ptr<Affine<T>> {
    const Node& node = share_->graph.nodes[v];
    if (operators_[v] == nullptr) {  // no business of other ranks
      PackBudget none;
      return make_affine<T>(node, {node.shape}, none);
    }
    std::vector<Slice> in;
    for (int u : node.inputs) in.push_back(share_->slice[u]);
    return std::make_unique<AffineShared<T>>(operators_[v], std::move(in), group);
  };
  return Network<T>(share_->graph, make, &group);
}

template <class T>
std::size_t SharedOperators<T>::bytes() const {
  std::size_t sum = 0;
  for (const auto& op : operators_) sum += op == nullptr ? 0 : op->bytes();
  return sum;
}

template class SharedOperators<float>;
template class SharedOperators<double>;

}  // namespace coronet::bound
