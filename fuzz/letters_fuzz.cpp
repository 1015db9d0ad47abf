// Any bytes as a letter between ranks, and letters of which some bytes were changed: what they say
// is used as a rank does, or they are refused, never anything else. The first byte chooses the kind
// of letter; with an odd second one the rest is the letter, else it is what is changed of a good
// one: two bytes that say where, one that is written there.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/options.h"
#include "base/parallel.h"
#include "base/progress.h"
#include "base/resources.h"
#include "bound/ranks/packets.h"
#include "bound/reduce.h"
#include "bound/root.h"
#include "bound/row_task.h"
#include "comm/packet.h"
#include "search/batch.h"
#include "search/ranks/letters.h"
#include "search/ranks/orders.h"
#include "search/tree.h"

namespace {

using namespace coronet;
using comm::Bytes;
using comm::Reader;
using comm::Writer;

void require(bool condition) {
  if (!condition) std::abort();
}

/// Two inputs, three ReLUs, two tanhs, one output.
Graph network() {
  const auto dense = [](int in, int out) {
    Dense op;
    op.in = in;
    op.out = out;
    for (int i = 0; i < in * out; ++i) op.weight.f.push_back(i % 2 == 0 ? 0.5F : -0.75F);
    op.bias.assign(out, 0.1);
    return op;
  };
  Graph graph;
  graph.nodes.push_back({Input{}, {}, {1, 1, 2}, "x"});
  graph.nodes.push_back({dense(2, 3), {0}, {1, 1, 3}, "u"});
  graph.nodes.push_back({Relu{}, {1}, {1, 1, 3}, "z"});
  graph.nodes.push_back({dense(3, 2), {2}, {1, 1, 2}, "v"});
  graph.nodes.push_back({Tanh{}, {3}, {1, 1, 2}, "t"});
  graph.nodes.push_back({dense(2, 1), {4}, {1, 1, 1}, "y"});
  graph.input_order = {0, 1};
  graph.output_order = {0};
  return graph;
}

/// A rank that hears of a root, of two clauses, and of domains of them.
struct Rank {
  const Graph graph = network();
  Options options;
  Workers workers{1};
  const Deadline never{HUGE_VAL};
  Tracer silent;
  const bound::Network<float> net32{graph, 1 << 16};
  const bound::Network<double> net64{graph, 1 << 16};
  bound::Context context{net32, net64, options, workers, never, silent};
  const bound::Root root =
      bound_root(context, {-1, -1}, {1, 1}, {bound::Method::kCrown, 10, false});
  const int last = static_cast<int>(graph.nodes.size()) - 1;
  std::vector<search::ClauseRows> clauses{clause(0, 1), clause(1, 2)};
  const std::vector<search::GraphBox> boxes{{{-1, -1}, {1, 1}}};
  const search::DomainSpace domains{{1, 2}, search::unstable(context, root, clauses)};
  const search::BoxSpace inputs{{0, 0}, boxes};

  static search::ClauseRows clause(int number, int count) {
    search::ClauseRows c;
    c.clause = number;
    c.count = count;
    c.output.assign(count, 1);
    c.input.assign(2 * count, 0.5);
    c.constant.assign(count, 0.25);
    c.strict.assign(count, 0);
    return c;
  }

  [[nodiscard]] bound::RowList list() const {
    bound::RowList list;
    list.node = last;
    list.dense = {1, -1};
    list.input = {0, 1, 0.5, 0};
    list.constant = {0, 1};
    return list;
  }
};

/// A kind of letter: a good one, and what a rank does with it.
struct Kind {
  Bytes good;
  void (*read)(Rank&, Reader&);
};

void bound_rows(Rank& rank, Reader& reader) {
  bound::OptimiseSettings settings = bound::get_settings(reader);
  settings.iterations = std::min(settings.iterations, 2);
  const bound::RowList list = bound::get_list(reader, rank.graph);
  const bound::Root root = bound::get_root(reader, rank.graph, list.node);
  reader.end();
  bound::RowTask task(rank.context, root, list, settings, rank.never);
  const int rows = std::min(task.rows(), 8);
  bound::RowBounds found = task.room(rows);
  if (rows > 0) task.bound(0, rows, 0, found, 0);
  for (const double b : found.bound) require(b < HUGE_VAL);
}

void take_rows(Rank& /*rank*/, Reader& reader) {
  bound::RowBounds all;
  all.bound.assign(4, 0);
  all.alpha = {{}, AlignedVector<float>(8, 0.0F)};
  const auto first = reader.get<int>();
  bound::get_rows(reader, first, reader.get<int>(), all);
  require(all.bound.size() == 4 && all.alpha[1].size() == 8);
}

void reduce(Rank& rank, Reader& reader) {
  const bound::Bounds bounds = bound::get_bounds(reader, rank.graph);
  reader.end();
  (void)drop_dead_neurons(rank.graph, bounds);
}

void take_domains(Rank& rank, Reader& reader) {
  const std::vector<search::Domain> domains =
      search::get_items<search::Domain>(reader, rank.domains);
  search::Objectives objectives;
  objectives.node = rank.last;
  objectives.clauses = rank.clauses;
  const search::Layout layout(rank.context, rank.root, objectives);
  const int count = static_cast<int>(std::min<std::size_t>(domains.size(), 8));
  search::Batch<double> batch = layout.make<double>(count, true);
  for (int r = 0; r < count; ++r) layout.put(batch, r, domains[r]);
  if (count == 0) return;
  std::vector<double> value;
  bound::Pass<double> pass(rank.net64, rank.root.relax64, layout.plan64(), rank.context.space64[0]);
  pass.pull(batch.rows, true, value);
}

void take_boxes(Rank& rank, Reader& reader) {
  for (const auto& box : search::get_items<search::BoxDomain>(reader, rank.inputs)) {
    require(box.lower.size() == 2 && box.lower[0] >= -1 && box.upper[1] <= 1);
  }
}

void take_property(Rank& /*rank*/, Reader& reader) {
  const auto boxes = search::get_boxes(reader, 2);
  for (const auto& c : search::get_clauses(reader, boxes.size(), 2, 1)) {
    require(boxes.at(c.box).lower.size() == 2 && c.strict.size() == c.constant.size());
  }
  reader.end();
}

std::vector<Kind> kinds(const Rank& rank) {
  std::vector<Kind> all;
  const auto add = [&](const auto& put, void (*read)(Rank&, Reader&)) {
    Writer writer;
    put(writer);
    all.push_back({writer.take(), read});
  };
  add(
      [&](Writer& w) {
        bound::OptimiseSettings settings;
        settings.iterations = 2;
        put_settings(w, settings);
        put_list(w, rank.list());
        put_root(w, rank.root, rank.last);
      },
      bound_rows);
  add(
      [&](Writer& w) {
        bound::RowBounds rows;
        rows.bound = {1, 2};
        rows.alpha = {{}, {0, 0.5F, 1, 0}};
        w.put(1);
        w.put(3);
        put_rows(w, rows);
      },
      take_rows);
  add([&](Writer& w) { put_bounds(w, rank.root.bounds); }, reduce);
  add(
      [&](Writer& w) {
        search::Domain d;
        d.objective = 1;
        d.lambda = {0.5F, 0.5F};
        d.alpha.assign(rank.domains.slopes, 9);
        for (int v = 0; v < rank.last; ++v) {
          if (rank.domains.free[v].empty()) continue;
          d.decisions.push_back({v, rank.domains.free[v][0], 1, 0.5F});
          d.split_node = v;
          d.split_neuron = rank.domains.free[v].back();
        }
        require(!d.decisions.empty());
        search::put_items(std::vector<search::Domain>{d, d}, w);
      },
      take_domains);
  add(
      [&](Writer& w) {
        search::put_items(std::vector<search::BoxDomain>{{{-1, 0}, {0, 1}, {0, 1}, -1}}, w);
      },
      take_boxes);
  add(
      [&](Writer& w) {
        search::put_boxes(rank.boxes, w);
        search::put_clauses(rank.clauses, w);
      },
      take_property);
  return all;
}

void read(Rank& rank, const Kind& kind, std::span<const std::byte> bytes) {
  try {
    Reader reader(bytes);
    kind.read(rank, reader);
  } catch (const Error& error) {
    require(error.kind() == ErrorKind::kInternal);
    require(std::string_view(error.what()).find("is damaged") != std::string_view::npos);
  }
}

/// With the checksum that it should have, where its kind has one.
Bytes checked(std::span<const std::byte> bytes) {
  if (bytes.size() < sizeof(std::uint64_t)) return {bytes.begin(), bytes.end()};
  bytes = bytes.first(bytes.size() - sizeof(std::uint64_t));
  Writer writer;
  ByteWriter out([&](std::string_view piece) { writer.put_rest(piece.data(), piece.size()); });
  out.append(bytes.data(), bytes.size());
  out.finish();
  return writer.take();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Rank rank;
  static const std::vector<Kind> all = kinds(rank);
  if (size < 2) return 0;
  const Kind& kind = all[data[0] % all.size()];
  const auto* const rest = reinterpret_cast<const std::byte*>(data + 2);
  Bytes letter;
  if (data[1] % 2 == 1) {
    letter.assign(rest, rest + (size - 2));
  } else {
    letter = kind.good;
    for (std::size_t i = 0; i + 3 <= size - 2; i += 3) {
      const std::size_t at = static_cast<std::size_t>(rest[i]) << 8U | std::size_t(rest[i + 1]);
      letter[at % letter.size()] = rest[i + 2];
    }
  }
  read(rank, kind, letter);
  read(rank, kind, checked(letter));
  return 0;
}
