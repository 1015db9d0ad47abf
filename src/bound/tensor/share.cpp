#include "bound/tensor/share.h"

#include <algorithm>
#include <numeric>
#include <string>
#include <type_traits>
#include <utility>

#include "bound/tensor/affine_shared.h"
#include "ops/tiles.h"
#include "ops/weight_sizes.h"

namespace coronet::bound {

namespace {

/// Do its values lie as its inputs' do, neuron by neuron?
bool neuron_by_neuron(const Operator& op) {
  return elementwise(op) || std::holds_alternative<Scale>(op) || std::holds_alternative<Sum>(op);
}

/// `rows` rows of `columns` zeros, in the numbers of another weight.
Weight zeros_like(const Weight& weight, std::size_t rows, std::size_t columns) {
  Weight to;
  if (weight.single()) {
    to.f.assign(rows * columns, 0.0F);
  } else {
    to.d.assign(rows * columns, 0.0);
  }
  return to;
}

/// Are the numbers of dense weights wanted?
enum class DenseNumbers { kTaken, kSizes };

/// Numbers of a weight to those of another like it, from `at` on.
template <class T>
void put(const T* numbers, std::size_t count, Weight& to, std::size_t at) {
  if constexpr (std::is_same_v<T, float>) {
    std::copy_n(numbers, count, to.f.data() + at);
  } else {
    std::copy_n(numbers, count, to.d.data() + at);
  }
}

/// A rank's share of one node's operator. Takes its numbers.
class Sharer {
 public:
  Sharer(const Slice& out, const std::vector<Slice>& in, DenseNumbers numbers)
      : out_(out), in_(in), numbers_(numbers) {}

  Operator operator()(Dense& op) const {
    const Slice& in = in_[0];
    Dense to;
    to.in = in.padded().size();
    to.out = out_.mine().size();
    to.bias = by_element(op.bias);
    to.precision = by_element(op.precision);
    if (numbers_ == DenseNumbers::kSizes) {
      to.weight = in_sizes(static_cast<std::size_t>(to.out) * to.in, op.weight);
      return to;
    }
    to.weight = zeros_like(op.weight, to.out, to.in);
    const auto columns = static_cast<std::size_t>(in.whole().channels);
    const Rows mine = rows(to.out);
    pick_rows(op.weight, op.in, mine.whole, [&](int r, const auto* row) {
      const std::size_t first = static_cast<std::size_t>(mine.own[r]) * to.in;
      for (int p = 0; p < in.pixels(); ++p) {
        put(row + p * columns, columns, to.weight,
            first + static_cast<std::size_t>(p) * in.padded().channels);
      }
    });
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
    const Rows mine = rows(to.out.channels);  // of the first pixel
    pick_rows(op.weight, taps * cin, mine.whole, [&](int r, const auto* row) {
      const int of_group = mine.whole[r] / cout * cin;
      for (int t = 0; t < taps; ++t) {
        put(row + static_cast<std::size_t>(t) * cin, cin, to.weight,
            (static_cast<std::size_t>(mine.own[r]) * taps + t) * to.in.channels + of_group);
      }
    });
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

  /// Rows of a weight that make this rank's outputs, and which of its own they make.
  struct Rows {
    std::vector<int> whole;  // ascending
    std::vector<int> own;
  };
  /// Of its first `count` outputs.
  [[nodiscard]] Rows rows(int count) const {
    Rows mine;
    for (int i = 0; i < count; ++i) {
      const int j = out_.whole_of(i);
      if (j < 0) continue;
      mine.whole.push_back(j);
      mine.own.push_back(i);
    }
    return mine;
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
  DenseNumbers numbers_;
};

/// A rank's columns of the last operator of a zone; one rank has its constant term.
Dense share_of_columns(const Dense& op, const Slice& in, bool with_constant, DenseNumbers wanted) {
  Dense to;
  to.in = in.mine().size();
  to.out = op.out;
  to.precision.roundings = op.precision.roundings;
  to.bias.assign(to.out, 0.0);
  if (with_constant) {
    to.bias = op.bias;
    to.precision = op.precision;
  }
  if (wanted == DenseNumbers::kSizes) {
    to.weight = in_sizes(static_cast<std::size_t>(to.out) * to.in, op.weight);
    return to;
  }
  to.weight = zeros_like(op.weight, to.out, to.in);
  for_each_tile(op.weight, op.out, [&](const WeightRows& tile) {
    tile.visit([&](const auto* numbers) {
      for (int o = tile.first; o < tile.last; ++o) {
        const auto* row = numbers + static_cast<std::size_t>(o - tile.first) * op.in;
        for (int p = 0; p < in.pixels(); ++p) {
          const int i = p * in.each();
          const int count = in.real_channels();
          if (count == 0) continue;
          put(row + in.whole_of(i), count, to.weight, static_cast<std::size_t>(o) * to.in + i);
        }
      }
    });
  });
  return to;
}

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

Shape Share::read(int v, int u) const {
  return summed(v) || neuron_by_neuron(graph.nodes[v].op) ? slice[u].mine() : slice[u].padded();
}

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

namespace {

Share make_share(Graph& whole, int ranks, int rank, const std::vector<Zone>& zones,
                 DenseNumbers numbers) {
  Share share;
  share.rank = rank;
  const auto add = [&](Operator op, const std::vector<int>& inputs, const Slice& out,
                       const std::string& name) {
    share.graph.nodes.push_back({std::move(op), inputs, out.mine(), name});
    share.slice.push_back(out);
    share.constant.emplace_back();
    share.by_intervals.push_back(0);
    return static_cast<int>(share.graph.nodes.size()) - 1;
  };
  const auto add_share = [&](Operator& op, const std::vector<int>& inputs, const Slice& out,
                             const std::string& name) {
    std::vector<Slice> in;
    for (int u : inputs) in.push_back(share.slice[u]);
    Operator mine = std::visit(Sharer(out, in, numbers), op);
    release(op);
    return add(std::move(mine), inputs, out, name);
  };
  const auto add_summed = [&](Dense& op, int u, const Shape& shape, const std::string& name) {
    Dense mine = share_of_columns(op, share.slice[u], rank == 0, numbers);
    op.weight = {};
    const int v = add(std::move(mine), {u}, Slice::everywhere(shape), name);
    share.constant[v] = {op.bias, op.precision};
    return v;
  };
  const auto seen_as = [&](int u, const Shape& shape, const std::string& name) {
    Operator same = identity(shape.size());
    return add_share(same, {u}, Slice(shape, ranks, rank), name);
  };
  const auto everywhere = [&](int u) { return share.slice[u].everywhere(); };

  std::vector<char> first(whole.nodes.size(), 0);
  std::vector<char> last(whole.nodes.size(), 0);
  for (const Zone& zone : zones) {
    first[zone.first] = 1;
    last[zone.last] = 1;
  }
  const bool input_everywhere = std::any_of(zones.begin(), zones.end(), [&](const Zone& zone) {
    return whole.nodes[zone.first].inputs[0] == 0;
  });
  for (std::size_t i = 0; i < whole.nodes.size(); ++i) {
    Node& node = whole.nodes[i];
    std::vector<int> inputs;
    for (int original : node.inputs) inputs.push_back(share.node[original]);
    if (last[i] != 0) {
      share.node.push_back(add_summed(std::get<Dense>(node.op), inputs[0], node.shape, node.name));
      continue;
    }
    const bool input = std::holds_alternative<Input>(node.op);
    if (input
            ? input_everywhere
            : neuron_by_neuron(node.op) && std::all_of(inputs.begin(), inputs.end(), everywhere)) {
      share.node.push_back(add_share(node.op, inputs, Slice::everywhere(node.shape), node.name));
      continue;
    }
    for (std::size_t k = 0; k < inputs.size(); ++k) {
      const int u = inputs[k];
      const Shape wanted = shape_read(node, share.slice[u].whole());
      const bool as_it_is = share.slice[u].whole() == wanted;
      if (as_it_is && !(neuron_by_neuron(node.op) && everywhere(u))) continue;
      inputs[k] = seen_as(u, wanted, node.name);
      // Its bounds are tightened where an elementwise node reads it.
      if (elementwise(node.op)) share.node[node.inputs[k]] = inputs[k];
    }
    const Conv* conv = std::get_if<Conv>(&node.op);
    const Shape made = conv == nullptr ? node.shape : conv->out;
    const int v = add_share(node.op, inputs, Slice(made, ranks, rank), node.name);
    share.by_intervals[v] = first[i];
    share.node.push_back(made == node.shape ? v : seen_as(v, node.shape, node.name));
  }
  return share;
}

}  // namespace

Share take_share(Graph& whole, int ranks, int rank, const std::vector<Zone>& zones) {
  return make_share(whole, ranks, rank, zones, DenseNumbers::kTaken);
}

Share share_in_sizes(Graph whole, int ranks, int rank, const std::vector<Zone>& zones) {
  return make_share(whole, ranks, rank, zones, DenseNumbers::kSizes);
}

template <class T>
SharedOperators<T>::SharedOperators(const Share& share, std::size_t pack_bytes) : share_(&share) {
  PackBudget budget{pack_bytes};
  for (std::size_t v = 0; v < share.graph.nodes.size(); ++v) {
    const Node& node = share.graph.nodes[v];
    std::vector<Shape> in;
    for (int u : node.inputs) in.push_back(share.read(static_cast<int>(v), u));
    operators_.push_back(neuron_by_neuron(node.op) ? nullptr : make_affine<T>(node, in, budget));
  }
}

template <class T>
Network<T> SharedOperators<T>::network(TensorGroup& group) const {
  return shared_network<T>(*share_, group, std::make_shared<HostRows<T>>(group), [&](int v) {
    if (operators_[v] != nullptr) return operators_[v];
    const Node& node = share_->graph.nodes[v];
    PackBudget none;
    return std::shared_ptr<const Affine<T>>(make_affine<T>(node, {node.shape}, none));
  });
}

template <class T>
Network<T> shared_network(const Share& share, TensorGroup& group,
                          const std::shared_ptr<RowExchange<T>>& rows,
                          const OperatorOf<T>& operator_of) {
  const auto make = [&](int v) -> std::shared_ptr<const Affine<T>> {
    const Node& node = share.graph.nodes[v];
    std::shared_ptr<const Affine<T>> own = operator_of(v);
    // What is not affine, and what is no business of other ranks.
    if (own == nullptr || neuron_by_neuron(node.op)) return own;
    if (share.summed(v)) {
      return std::make_shared<AffineSummed<T>>(std::move(own), share.constant[v], group, rows);
    }
    std::vector<Slice> in;
    for (int u : node.inputs) in.push_back(share.slice[u]);
    return std::make_shared<AffineShared<T>>(std::move(own), std::move(in), group, rows);
  };
  std::vector<char> counts;
  for (const Slice& slice : share.slice) {
    counts.push_back(!slice.everywhere() || group.rank() == 0 ? 1 : 0);
  }
  return Network<T>(share.graph, make, &group, std::move(counts));
}

template <class T>
std::size_t SharedOperators<T>::bytes() const {
  std::size_t sum = 0;
  for (const auto& op : operators_) sum += op == nullptr ? 0 : op->bytes();
  return sum;
}

template class SharedOperators<float>;
template class SharedOperators<double>;
template Network<float> shared_network(const Share&, TensorGroup&,
                                       const std::shared_ptr<RowExchange<float>>&,
                                       const OperatorOf<float>&);
template Network<double> shared_network(const Share&, TensorGroup&,
                                        const std::shared_ptr<RowExchange<double>>&,
                                        const OperatorOf<double>&);

}  // namespace coronet::bound
