// Zones of ranks that share the neurons: intervals inside, one sum at the end; sound, and as loose
// as one rank's bounds with the same intervals.
#include "bound/tensor/zones.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <utility>

#include "bound/tensor/share.h"
#include "graph/evaluate.h"
#include "io/onnx.h"
#include "io/vnnlib.h"
#include "ops/tiles.h"
#include "search/spec.h"
#include "tensor_cases.h"

namespace coronet::bound {
namespace {

using test::bound_on;
using test::bound_on_threads;
using test::tensor;

constexpr Method kMethods[] = {Method::kInterval, Method::kCrown, Method::kAlpha};

/// Zones of every width and surrounding: neurons that four ranks cannot share evenly, or that some
/// have none of; a zone behind a convolution; one whose end is added to what ranks share, and read
/// as an image; one that makes the outputs; numbers that lowering has rounded.
std::vector<test::Named> zone_graphs() {
  std::vector<test::Named> all;
  all.push_back({"deep", test::mlp(4, 6, 6, 11, 3)});
  all.push_back({"float64 sigmoids", test::mlp(5, 5, 4, 7, 4, 2)});
  all.push_back({"to the outputs", test::mlp(6, 5, 3, 10, 5, 1)});
  {
    test::Builder b(7);
    int u = b.input({1, 1, 5});
    for (const int width : {1, 9, 2, 3, 5}) u = b.relu(b.dense(u, width));
    b.dense(u, 1);
    all.push_back({"uneven and empty", b.finish()});
  }
  {
    test::Builder b(8);
    int u = b.input({5, 4, 3});
    u = b.relu(b.conv(u, 5, test::square(3, 1, 1)));
    u = b.relu(b.dense(u, 13));
    u = b.relu(b.dense(u, 6));
    b.dense(b.scale(u, 6), 3);
    all.push_back({"behind a convolution", b.finish()});
  }
  {
    test::Builder b(9);
    const int x = b.input({1, 1, 7});
    const int other = b.tanh(b.dense(x, 24));
    int u = b.dense(b.relu(b.dense(other, 9)), 24);
    u = b.sum({u, other, u}, {1, -0.5, 0.25});
    u = b.add(Relu{}, {u}, {2, 3, 4});
    u = b.relu(b.conv(u, 6, test::square(2)));
    const int end = b.dense(b.squash(b.dense(u, 10), 3), 12);
    const int image = b.add(Relu{}, {end}, {2, 2, 3});
    b.dense(b.conv(image, 4, test::square(2)), 2);
    all.push_back({"in a graph", b.finish()});
  }
  {
    test::Builder b(10);
    const int x = b.input({1, 1, 6});
    int u = b.add(Relu{}, {b.dense(x, 12)}, {1, 1, 12});
    u = b.dense(u, 12, true);
    b.dense(b.relu(b.dense(b.relu(u), 8)), 4);
    for (Node& node : b.graph.nodes) {
      Dense* dense = std::get_if<Dense>(&node.op);
      if (dense == nullptr) continue;
      dense->precision.roundings = 3;
      dense->precision.hidden = b.draw.reals(dense->out, 0, 0.5);
    }
    all.push_back({"rounded", b.finish()});
  }
  {
    test::Builder b(11);
    int u = b.input({1, 1, 4});
    Dense d;
    d.in = 4;
    d.out = 18;
    d.weight = b.weight(4 * 18, 4, false);
    d.bias = b.draw.reals(18, -0.5, 0.5);
    u = b.add(std::move(d), {u}, {3, 2, 3});
    u = b.dense(b.relu(u), 8);
    b.dense(b.relu(u), 2);
    all.push_back({"an image between", b.finish()});
  }
  for (const test::Named& n : test::tensor_graphs(2)) {
    if (!find_zones(n.graph).empty()) all.push_back(n);
  }
  return all;
}

Options with_zones(int zones) {
  Options options = test::tensor_options();
  options.zones = zones;
  return options;
}

int zones_of(const Graph& graph) { return static_cast<int>(find_zones(graph).size()); }

TEST(Zones, ArePairsFromTheInputOn) {
  const auto words = [](const Graph& graph) {
    std::string text;
    for (const Zone& zone : find_zones(graph)) {
      text += std::to_string(zone.first) + "-" + std::to_string(zone.last) + " ";
    }
    return text;
  };
  EXPECT_EQ(words(test::mlp(1, 3, 1, 4, 2)), "1-3 ");
  EXPECT_EQ(words(test::mlp(1, 3, 2, 4, 2)), "1-3 ");  // 5 has nobody to pair with
  EXPECT_EQ(words(test::mlp(1, 3, 6, 4, 2)), "1-3 5-7 9-11 ");
  EXPECT_EQ(words(test::conv_net(1)), "7-9 ");
  EXPECT_EQ(words(test::residual_net(1)), "");
  test::Builder b(1);  // what several nodes read is nobody's own business
  const int u = b.relu(b.dense(b.input({1, 1, 3}), 4));
  b.sum({b.dense(u, 4), u}, {1, 1});
  EXPECT_EQ(words(b.finish()), "");
  const Graph deep = test::mlp(1, 3, 6, 4, 2);
  EXPECT_EQ(first_zones(deep, 2).size(), 2U);
  EXPECT_EQ(first_zones(deep, 2)[1].first, 5);
  try {
    (void)first_zones(deep, 4);
    ADD_FAILURE() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kBadInput);
    EXPECT_STREQ(e.what(),
                 "--zones 4: the network has 3 pairs of dense layers with an elementwise one "
                 "between them that nothing else reads");
  }
}

/// However many ranks there are, one that does the same by itself finds the same.
TEST(Zones, AreAsLooseAsIntervalsInsideMakeThem) {
  int ranks = 1;  // by turns 1 to 4
  for (const test::Named& n : zone_graphs()) {
    const int all = zones_of(n.graph);
    ASSERT_GT(all, 0) << n.name;
    for (int zones = 1; zones <= all; ++zones) {
      for (const Method method : kMethods) {
        ranks = ranks % 4 + 1;
        SCOPED_TRACE(n.name + ", " + std::to_string(zones) + " zones, method " +
                     std::to_string(static_cast<int>(method)) + ", " + std::to_string(ranks) +
                     " ranks");
        const TensorQuery query = test::tensor_query(n.graph, method, 0.3);
        test::expect_close(bound_on_threads(tensor(ranks), n.graph, query, with_zones(zones)),
                           test::bound_by_one(n.graph, query, first_zones(n.graph, zones)));
      }
    }
  }
}

TEST(Zones, BoundsHold) {
  int ranks = 1;
  for (const test::Named& n : zone_graphs()) {
    for (const double radius : {0.4, 1e-9}) {
      for (const Method method : kMethods) {
        ranks = ranks % 4 + 1;
        SCOPED_TRACE(n.name + ", radius " + std::to_string(radius) + ", method " +
                     std::to_string(static_cast<int>(method)) + ", " + std::to_string(ranks) +
                     " ranks");
        const TensorQuery query = test::tensor_query(n.graph, method, radius);
        test::expect_sound(
            bound_on_threads(tensor(ranks), n.graph, query, with_zones(zones_of(n.graph))), n.graph,
            query);
      }
    }
  }
}

/// Intervals are what they were, and a first zone that begins at the input costs nothing: its
/// intervals are exact. Nodes behind the second zone are looser.
TEST(Zones, WhatTheyCost) {
  for (const test::Named& n : zone_graphs()) {
    SCOPED_TRACE(n.name);
    const TensorQuery query = test::tensor_query(n.graph, Method::kInterval, 0.3);
    const FoundBounds exact = bound_on_threads(tensor(3), n.graph, query);
    const FoundBounds zones =
        bound_on_threads(tensor(3), n.graph, query, with_zones(zones_of(n.graph)));
    for (std::size_t v = 0; v < exact.bounds.lo.size(); ++v) {
      for (std::size_t i = 0; i < exact.bounds.lo[v].size(); ++i) {
        const double room =
            1e-12 * (1 + std::fabs(exact.bounds.lo[v][i]) + std::fabs(exact.bounds.hi[v][i]));
        EXPECT_NEAR(exact.bounds.lo[v][i], zones.bounds.lo[v][i], room) << v << ", " << i;
        EXPECT_NEAR(exact.bounds.hi[v][i], zones.bounds.hi[v][i], room) << v << ", " << i;
      }
    }
  }
  const Graph deep = test::mlp(4, 6, 6, 11, 3);
  const TensorQuery query = test::tensor_query(deep, Method::kCrown, 0.3);
  const FoundBounds exact = bound_on_threads(tensor(2), deep, query);
  test::expect_close(bound_on_threads(tensor(2), deep, query, with_zones(1)), exact);
  const auto width = [&](const FoundBounds& found) {
    double sum = 0;
    for (std::size_t i = 0; i < found.bounds.lo.back().size(); ++i) {
      sum += found.bounds.hi.back()[i] - found.bounds.lo.back()[i];
    }
    return sum;
  };
  double before = width(exact);
  for (int zones = 2; zones <= 3; ++zones) {
    const double now = width(bound_on_threads(tensor(2), deep, query, with_zones(zones)));
    EXPECT_GT(now, 1.01 * before) << zones;
    before = now;
  }
}

/// In every run, over every transport, however many groups and threads share the rows.
TEST(Zones, TheSameBits) {
  for (const test::Named& n : zone_graphs()) {
    SCOPED_TRACE(n.name);
    TensorQuery query = test::tensor_query(n.graph, Method::kAlpha, 0.3);
    query.iterations = 4;
    query.form_settings.iterations = 4;
    const Options options = with_zones(zones_of(n.graph));
    Options threads = options;
    threads.threads = 3;
    const FoundBounds first = bound_on_threads(tensor(3), n.graph, query, options);
    test::expect_same_bits(bound_on(test::tcp_channels(3), tensor(3), n.graph, query, options),
                           first);
    test::expect_same_bits(bound_on_threads(tensor(3, 2), n.graph, query, threads), first);
  }
}

/// One sum a pair: of centres, of radii and of magnitudes going forward, of A-matrices going back.
TEST(Zones, OneSumAPair) {
  const Graph graph = test::mlp(2, 5, 3, 40, 30);  // two zones, and nothing else
  const TensorQuery query = test::tensor_query(graph, Method::kInterval, 0.3);
  for (const TensorReport& r : bound_on_threads(tensor(3), graph, query, with_zones(2)).shares) {
    EXPECT_EQ(r.collectives, 2U * 3U + 2U * 4U);  // and in the end both bounds of what is shared
  }
  comm::run_threads(comm::thread_channels(3), [&](comm::Channel& channel) {
    TensorGroup group(comm::Communicator(channel).split(0, channel.rank()));
    Graph own = graph;
    const Share share = take_share(own, 3, group.rank(), find_zones(graph));
    const SharedOperators<double> ops(share, 0);
    const Network<double> net = ops.network(group);
    // Of each sum: products of this rank's inputs, then the ranks', then the constant.
    EXPECT_GE(net.affine(7)->terms(), net.size(6) + 3 + 1);
    // Back from the outputs (7) to what the second zone reads (4), and on to the input.
    const RowSet rows{2, nullptr, nullptr};
    std::vector<double> a(2 * 30, 0.5);
    for (int v = 7; v > 0; v -= 2) {
      const Extent in = Extent::all(net.shape(v - 1));
      std::vector<double> u(2 * in.size());
      net.affine(v)->pull(rows, a.data(), Extent::all(net.shape(v)), 0, u.data(), in, false);
      EXPECT_EQ(group.collectives(), v == 7 ? 0U : v >= 3 ? 1U : 2U);
      a = u;
    }
  });
}

/// Numbers that come from elsewhere; counts what is asked for and what is there of it.
class Elsewhere final : public WeightSource {
 public:
  struct Count {
    std::atomic<std::size_t> asked{0};
    std::atomic<std::size_t> now{0};
    std::atomic<std::size_t> most{0};
  };
  Elsewhere(Weight weight, Count& count) : weight_(std::move(weight)), count_(count) {}

  [[nodiscard]] std::size_t size() const override { return weight_.size(); }
  [[nodiscard]] bool single() const override { return weight_.single(); }
  [[nodiscard]] std::size_t bytes() const override { return 0; }
  [[nodiscard]] std::unique_ptr<Fetch> fetch(std::size_t first, std::size_t count) const override {
    const std::size_t each = single() ? sizeof(float) : sizeof(double);
    const char* numbers = single() ? reinterpret_cast<const char*>(weight_.f.data())
                                   : reinterpret_cast<const char*>(weight_.d.data());
    return std::make_unique<Copy>(numbers + first * each, count * each, count_);
  }

 private:
  class Copy final : public Fetch {
   public:
    Copy(const char* from, std::size_t bytes, Count& count)
        : bytes_((bytes + sizeof(double) - 1) / sizeof(double)), size_(bytes), count_(count) {
      std::memcpy(bytes_.data(), from, bytes);
      count_.asked += bytes;
      count_.now += bytes;
      count_.most = std::max(count_.most.load(), count_.now.load());
    }
    ~Copy() override { count_.now -= size_; }
    const void* wait() override { return bytes_.data(); }

   private:
    std::vector<double> bytes_;
    std::size_t size_;
    Count& count_;
  };

  Weight weight_;
  Count& count_;
};

void put_elsewhere(Graph& graph, Elsewhere::Count& count) {
  for_each_weight(graph, [&](Weight& weight) {
    auto source = std::make_shared<const Elsewhere>(std::move(weight), count);
    weight = {};
    weight.source = std::move(source);
  });
}

TEST(Zones, SharesOfWeightsThatAreElsewhere) {
  std::vector<test::Named> all = zone_graphs();
  all.push_back({"float64 of several tiles", test::mlp(3, 20, 3, 603, 5)});
  for (const test::Named& n : all) {
    for (const int zones : {0, zones_of(n.graph)}) {
      for (int rank = 0; rank < 3; ++rank) {
        SCOPED_TRACE(n.name + ", " + std::to_string(zones) + " zones, rank " +
                     std::to_string(rank));
        Graph here = n.graph;
        Graph there = n.graph;
        Elsewhere::Count count;
        put_elsewhere(there, count);
        const std::vector<Zone> pairs = first_zones(n.graph, zones);
        const Share expected = take_share(here, 3, rank, pairs);
        const Share share = take_share(there, 3, rank, pairs);
        EXPECT_EQ(count.now, 0U);
        EXPECT_EQ(share.weight_bytes(), expected.weight_bytes());
        EXPECT_TRUE(weights_here(share.graph));
        for (std::size_t v = 0; v < share.graph.nodes.size(); ++v) {
          std::vector<Weight> two;
          for (const Share* s : {&share, &expected}) {
            const Operator& op = s->graph.nodes[v].op;
            if (const Dense* dense = std::get_if<Dense>(&op)) two.push_back(dense->weight);
            if (const Conv* conv = std::get_if<Conv>(&op)) two.push_back(conv->weight);
          }
          if (two.empty()) continue;
          EXPECT_EQ(two[0].f, two[1].f) << "node " << v;
          EXPECT_EQ(two[0].d, two[1].d) << "node " << v;
        }
        // Its own rows, and the last operators of zones, which pass by tile by tile.
        std::size_t least = 0;
        for (std::size_t v = 0; v < n.graph.nodes.size(); ++v) {
          const bool last = std::any_of(pairs.begin(), pairs.end(), [&](const Zone& zone) {
            return zone.last == static_cast<int>(v);
          });
          const auto rows_of = [&](const Weight& weight, int channels, const Shape& made) {
            const std::size_t row = weight.bytes() / channels;
            if (last) return row * channels;
            const Slice slice(made, 3, rank);
            const int places = channels == made.channels ? 1 : slice.pixels();
            return row * slice.real_channels() * places;
          };
          const Node& node = n.graph.nodes[v];
          if (const Dense* dense = std::get_if<Dense>(&node.op)) {
            least += rows_of(dense->weight, dense->out, node.shape);
          }
          if (const Conv* conv = std::get_if<Conv>(&node.op)) {
            least += rows_of(conv->weight, conv->out.channels, conv->out);
          }
        }
        EXPECT_EQ(count.asked, least);
        EXPECT_LE(count.most, 3 * kTileBytes);
      }
    }
  }
}

/// With CORONET_SHARED set, on every query of mnist_fc: no value at a random point or corner of the
/// box lies beyond a bound, with as many zones as there are, of two ranks.
TEST(Zones, HoldOnMnist) {
  const char* shared = std::getenv("CORONET_SHARED");
  const std::filesystem::path folder =
      std::filesystem::path(shared == nullptr ? "" : shared) / "vnncomp" / "mnist_fc";
  if (shared == nullptr || !std::filesystem::exists(folder)) GTEST_SKIP();
  const auto path_of = [&](const std::string& name) {
    const std::string plain = (folder / name).string();
    return std::filesystem::exists(plain) ? plain : plain + ".gz";
  };
  std::ifstream lines(folder / "instances.csv");
  std::string network;
  std::string graph_of;
  std::string query_of;
  std::string rest;
  std::optional<Model> model;
  Graph graph;
  int count = 0;
  while (std::getline(lines, network, ',') && std::getline(lines, query_of, ',') &&
         std::getline(lines, rest)) {
    SCOPED_TRACE(network + ", " + query_of);
    if (network != std::exchange(graph_of, network)) {
      model = Model::read(path_of(network));
      graph = model->lower();
    }
    const Property property = read_vnnlib(path_of(query_of), model->signature());
    ASSERT_EQ(property.boxes.size(), 1U);
    const search::GraphBox box = search::make_graph_box(graph, property.boxes.front());
    TensorQuery query;
    query.lower = box.lower;
    query.upper = box.upper;
    query.method = Method::kCrown;
    query.seconds = HUGE_VAL;
    Options options = with_zones(zones_of(graph));
    options.chunk_mib = 24;
    const FoundBounds found = bound_on_threads(tensor(2), graph, query, options);
    test::Draw draw(++count);
    for (int s = 0; s < 4; ++s) {
      std::vector<double> x(graph.inputs());
      for (int i = 0; i < graph.inputs(); ++i) {
        const double at = draw.real(0, 1);
        const double where = s % 2 == 0 ? at : std::round(at);
        x[graph.input_order[i]] = std::clamp(box.lower[i] + where * (box.upper[i] - box.lower[i]),
                                             box.lower[i], box.upper[i]);
      }
      const auto values = evaluate_nodes(graph, x);
      for (std::size_t v = 1; v < values.size(); ++v) {
        for (std::size_t i = 0; i < values[v].size(); ++i) {
          const double room = 1e-12 * (1 + std::fabs(values[v][i]));  // of these sums' own rounding
          ASSERT_LE(found.bounds.lo[v][i], values[v][i] + room) << "node " << v << ", " << i;
          ASSERT_GE(found.bounds.hi[v][i], values[v][i] - room) << "node " << v << ", " << i;
        }
      }
    }
  }
  EXPECT_EQ(count, 90);
}

}  // namespace
}  // namespace coronet::bound
