#include "bound/tensor/boxes.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "bound/interval.h"
#include "bound/pass.h"
#include "bound/root.h"
#include "comm/packet.h"

namespace coronet::bound {

namespace {

/// Boxes that a lane bounds at once, and rows that it pulls at once, at most.
constexpr int kMostBoxes = 128;
constexpr std::size_t kMostRows = 2048;

/// Numbers of all nodes that a box takes, about: bounds, lines of five, magnitudes, what is pulled.
constexpr std::size_t kNumbersOfNeuron = 16;

/// Rows of single neurons of some boxes.
struct NeuronRows {
  RowList list;
  std::vector<int> box;  ///< of each
};

/// Those of all ranks, one rank's behind the other's; `first`: of this rank's own. Neurons are
/// those of the whole node.
NeuronRows join(comm::Communicator& ranks, const NeuronRows& mine, int boxes, int neurons,
                std::size_t& first) {
  comm::Writer writer;
  writer.put(mine.list.neuron);
  writer.put(mine.list.sign);
  writer.put(mine.box);
  NeuronRows all;
  all.list.node = mine.list.node;
  int rank = 0;
  for (const comm::Bytes& bytes : ranks.all_gather(writer.take())) {
    comm::Reader reader(bytes, rank);
    if (rank++ == ranks.rank()) first = all.box.size();
    const auto neuron = reader.get<std::vector<int>>();
    const auto sign = reader.get<std::vector<float>>();
    const auto box = reader.get<std::vector<int>>();
    reader.end();
    reader.require(sign.size() == neuron.size() && box.size() == neuron.size(), "rows of neurons");
    for (std::size_t i = 0; i < neuron.size(); ++i) {
      reader.require(neuron[i] >= 0 && neuron[i] < neurons && box[i] >= 0 && box[i] < boxes &&
                         (sign[i] == 1 || sign[i] == -1),
                     "a row of a neuron that is none");
    }
    all.list.neuron.insert(all.list.neuron.end(), neuron.begin(), neuron.end());
    all.list.sign.insert(all.list.sign.end(), sign.begin(), sign.end());
    all.box.insert(all.box.end(), box.begin(), box.end());
  }
  return all;
}

/// Rows [first, last) of a list of this rank's share, each of its box.
Rows<double> rows_of(const Network<double>& net, const RowList& list, const std::vector<int>& box,
                     std::size_t first, std::size_t last) {
  Rows<double> rows = make_rows(net, list, static_cast<int>(first), static_cast<int>(last), false);
  rows.domain.assign(box.begin() + static_cast<std::ptrdiff_t>(first),
                     box.begin() + static_cast<std::ptrdiff_t>(last));
  return rows;
}

}  // namespace

/// Some boxes, as this rank has them.
struct TensorBoxes::Chunk {
  int first = 0;
  int count = 0;
  Bounds bounds;
  Relaxation<double> relax;
  Magnitudes<> magnitude;
};

TensorBoxes::TensorBoxes(const Share& share, std::deque<TensorLane>& lanes,
                         comm::Communicator& rows, const Options& options,
                         std::uint64_t memory_bytes)
    : share_(share), lanes_(lanes), rows_(rows), memory_bytes_(memory_bytes) {
  for (TensorLane& lane : lanes) lane_ranks_.push_back(lane.group.ranks());
  const Network<double>& net = lanes.front().net64;
  by_rows_ = bounded_by_rows(net, false);
  std::size_t widest = 1;
  for (int v = 0; v < net.nodes(); ++v) {
    plans_.push_back(make_plan(net, v, false));
    if (share.by_intervals[v] != 0) by_rows_[v] = 0;
    widest = std::max<std::size_t>(widest, net.size(v));
  }
  const auto budget = static_cast<std::size_t>(options.chunk_mib * 0x1p20);
  const std::size_t box_bytes = sizeof(double) * kNumbersOfNeuron * widest * net.nodes();
  chunk_ = static_cast<int>(std::clamp<std::size_t>(
      budget / box_bytes, 1, std::min(kMostBoxes, std::max(1, options.batch))));
}

int TensorBoxes::at_once() const { return chunk_ * static_cast<int>(lanes_.size()) * rows_.size(); }

BoxBounds TensorBoxes::bound(const BoxQuery& query, const Deadline& deadline) {
  const std::size_t rows = query.box.size();
  const std::size_t inputs = share_.slice[0].whole().size();
  BoxBounds found;
  found.value.assign(rows, -HUGE_VAL);
  found.error.assign(rows, 0.0);
  found.a.assign(rows * inputs, 0.0);
  const int lanes = static_cast<int>(lanes_.size());
  const int groups = rows_.size();
  const int at_a_time = (query.boxes + lanes * groups - 1) / (lanes * groups);
  const int each = std::clamp(at_a_time, 1, chunk_);
  const int chunks = (query.boxes + each - 1) / each;
  std::atomic<bool> late{false};
  std::vector<double> seconds(lanes, 0.0);
  lanes_.front().context.workers.run(lanes, [&](int lane, int) {
    const double begin = elapsed_seconds();
    for (int k = lane * groups + rows_.rank(); k < chunks; k += lanes * groups) {
      if (lanes_[lane].group.agree(deadline.passed())) {
        late = true;
        break;
      }
      require_resident_at_most(memory_bytes_);
      Chunk chunk;
      chunk.first = k * each;
      chunk.count = std::min(query.boxes, chunk.first + each) - chunk.first;
      bound(lane, chunk, query, found);
      boxes_bounded_ += chunk.count;
    }
    seconds[lane] = elapsed_seconds() - begin;
  });
  for (const double s : seconds) busy_seconds_ += s;
  // Each box was bounded by one group: the others know nothing of it, and have zeros.
  rows_.all_reduce(std::span<double>(found.value), comm::Reduction::kMax);
  rows_.all_reduce(std::span<double>(found.error), comm::Reduction::kSum);
  rows_.all_reduce(std::span<double>(found.a), comm::Reduction::kSum);
  std::int64_t any_late = late ? 1 : 0;
  rows_.all_reduce(std::span<std::int64_t>(&any_late, 1), comm::Reduction::kMax);
  found.timed_out = any_late != 0;
  return found;
}

void TensorBoxes::bound(int lane, Chunk& chunk, const BoxQuery& query, BoxBounds& found) {
  const Network<double>& net = lanes_[lane].net64;
  const Slope slope = slope_of(lanes_[lane].context.options.slope);
  chunk.bounds = Bounds(net.graph(), chunk.count);
  const Slice& input = share_.slice[0];
  const auto mine = [&](const std::vector<double>& all) {
    std::vector<double> some(static_cast<std::size_t>(chunk.count) * input.mine().size(), 0.0);
    for (int d = 0; d < chunk.count; ++d) {
      const double* const from =
          all.data() + static_cast<std::size_t>(chunk.first + d) * input.whole().size();
      for (int i = 0; i < input.mine().size(); ++i) {
        const int j = input.whole_of(i);
        if (j >= 0) some[static_cast<std::size_t>(d) * input.mine().size() + i] = from[j];
      }
    }
    return some;
  };
  Bounds& bounds = chunk.bounds;
  bounds.lo[0] = mine(query.lower);
  bounds.hi[0] = mine(query.upper);
  chunk.relax.lo.assign(bounds.lo[0].begin(), bounds.lo[0].end());
  chunk.relax.hi.assign(bounds.hi[0].begin(), bounds.hi[0].end());
  chunk.relax.lines.resize(net.nodes());
  chunk.magnitude.value.resize(net.nodes());
  chunk.magnitude.affine.resize(net.nodes());
  add_magnitudes(net, bounds, 0, chunk.magnitude);
  for (int v = 1; v < net.nodes(); ++v) {
    interval_node(net, v, bounds);
    add_magnitudes(net, bounds, v, chunk.magnitude);
    if (net.elementwise(v)) {
      const int u = net.inputs(v)[0];
      chunk.relax.lines[v] = make_lines<double>(net.graph().nodes[v].op, net.size(v), chunk.count,
                                                bounds.lo[u].data(), bounds.hi[u].data(), slope);
    } else if (by_rows_[v] != 0) {
      tighten(lane, chunk, v);
    }
  }
  bound_forms(lane, chunk, query, found);
}

/// By rows of both signs for the neurons that are open in their box, of all ranks together.
void TensorBoxes::tighten(int lane, Chunk& chunk, int v) {
  const Network<double>& net = lanes_[lane].net64;
  const Slice& slice = share_.slice[v];
  const int n = net.size(v);
  Bounds& bounds = chunk.bounds;
  NeuronRows mine;
  mine.list.node = v;
  std::vector<std::size_t> at;  // of each row's neuron among the bounds
  for (int d = 0; d < chunk.count; ++d) {
    for (int i = 0; i < n; ++i) {
      const std::size_t place = static_cast<std::size_t>(d) * n + i;
      const int j = slice.whole_of(i);
      if (j < 0 || bounds.lo[v][place] >= 0 || bounds.hi[v][place] <= 0) continue;
      for (const float sign : {1.0F, -1.0F}) {
        mine.list.neuron.push_back(j);
        mine.list.sign.push_back(sign);
        mine.box.push_back(d);
        at.push_back(place);
      }
    }
  }
  std::size_t first = 0;  // of this rank's rows among all
  // Of a node that all ranks have whole, they have the same rows.
  NeuronRows all = slice.everywhere()
                       ? mine
                       : join(lane_ranks_[lane], mine, chunk.count, slice.whole().size(), first);
  const RowList list = share_.share_of(all.list);
  for (std::size_t from = 0; from < all.box.size(); from += kMostRows) {
    const std::size_t to = std::min(all.box.size(), from + kMostRows);
    const Rows<double> rows = rows_of(net, list, all.box, from, to);
    Pass<double> pass(net, chunk.relax, plans_[v], lanes_[lane].context.space64[0]);
    std::vector<double> value;
    std::vector<double> error;
    pass.pull(rows, false, value, &chunk.magnitude, &error);
    for (std::size_t r = std::max(from, first); r < std::min(to, first + at.size()); ++r) {
      const double b = down(value[r - from] - error[r - from]);
      if (!std::isfinite(b)) continue;
      double& lo = bounds.lo[v][at[r - first]];
      double& hi = bounds.hi[v][at[r - first]];
      if (mine.list.sign[r - first] > 0) {
        if (b <= hi) lo = std::max(lo, b);
      } else {
        if (-b >= lo) hi = std::min(hi, -b);
      }
    }
  }
}

void TensorBoxes::bound_forms(int lane, Chunk& chunk, const BoxQuery& query, BoxBounds& found) {
  const Network<double>& net = lanes_[lane].net64;
  const auto begin = std::lower_bound(query.box.begin(), query.box.end(), chunk.first);
  const auto end = std::lower_bound(begin, query.box.end(), chunk.first + chunk.count);
  const auto first = static_cast<std::size_t>(begin - query.box.begin());
  const auto last = static_cast<std::size_t>(end - query.box.begin());
  if (first == last) return;
  const std::size_t outputs = query.forms.dense.size() / query.box.size();
  const std::size_t inputs = share_.slice[0].whole().size();
  RowList some;
  some.node = share_.node[query.forms.node];
  const auto part = [&](const auto& all, std::size_t each, auto& to) {
    if (all.empty()) return;
    to.assign(all.begin() + static_cast<std::ptrdiff_t>(first * each),
              all.begin() + static_cast<std::ptrdiff_t>(last * each));
  };
  part(query.forms.dense, outputs, some.dense);
  part(query.forms.input, inputs, some.input);
  part(query.forms.constant, 1, some.constant);
  std::vector<int> box;
  for (auto it = begin; it != end; ++it) box.push_back(*it - chunk.first);
  const RowList list = share_.share_of(some);
  for (std::size_t from = 0; from < box.size(); from += kMostRows) {
    const std::size_t to = std::min(box.size(), from + kMostRows);
    const Rows<double> rows = rows_of(net, list, box, from, to);
    Pass<double> pass(net, chunk.relax, plans_[list.node], lanes_[lane].context.space64[0]);
    std::vector<double> value;
    std::vector<double> error;
    pass.pull(rows, true, value, &chunk.magnitude, &error);
    std::copy(value.begin(), value.end(),
              found.value.begin() + static_cast<std::ptrdiff_t>(first + from));
    std::copy(error.begin(), error.end(),
              found.error.begin() + static_cast<std::ptrdiff_t>(first + from));
    gather_inputs(lane, rows.count, pass.input_a(0), found.a.data() + (first + from) * inputs);
  }
}

/// Rows of numbers of the ranks' inputs as rows of all of them.
void TensorBoxes::gather_inputs(int lane, int rows, const double* mine, double* to) {
  const Slice& slice = share_.slice[0];
  const std::size_t inputs = slice.whole().size();
  if (slice.everywhere()) {
    std::copy_n(mine, rows * inputs, to);
    return;
  }
  const std::size_t width = slice.padded().size();
  std::vector<double> padded(rows * width);
  lanes_[lane].group.gather(static_cast<std::size_t>(rows) * slice.pixels(), slice.each(), mine,
                            padded.data());
  for (int r = 0; r < rows; ++r) {
    for (std::size_t j = 0; j < inputs; ++j) {
      to[r * inputs + j] = padded[r * width + slice.padded(static_cast<int>(j))];
    }
  }
}

}  // namespace coronet::bound
