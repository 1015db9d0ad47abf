// Weights that come to the device by tiles: the same numbers from other ranks' devices and through
// the host, and products that have the same bits for any number of ranks.
#include "cuda/fetched.h"

#include <cmath>
#include <functional>
#include <memory>
#include <mutex>
#include <numeric>
#include <string>
#include <vector>

#include "comm/threads.h"
#include "cuda/column.h"
#include "cuda/gemm.h"
#include "cuda/moves.h"
#include "cuda/weights.h"
#include "cuda_fixture.h"
#include "graph/sharded.h"

namespace coronet::cuda {
namespace {

/// Two dense layers; of tiles of several sizes, of which the last is smaller.
Graph two_layers(bool wide, std::mt19937& random) {
  Graph graph;
  graph.nodes.push_back({Input{}, {}, {1, 1, 300}, "input"});
  int in = 300;
  for (const int out : {1500, 700}) {
    Dense d;
    d.in = in;
    d.out = out;
    const auto size = static_cast<std::size_t>(in) * out;
    if (wide) {
      d.weight.d = numbers<double>(size, random);
    } else {
      d.weight.f = numbers<float>(size, random);
    }
    d.bias.assign(out, 0.0);
    const int u = static_cast<int>(graph.nodes.size()) - 1;
    graph.nodes.push_back({std::move(d), {u}, {1, 1, out}, "dense " + std::to_string(u)});
    in = out;
  }
  return graph;
}

std::vector<FetchedFrom> weights_of(const Graph& graph) {
  std::vector<FetchedFrom> all;
  for (const Node& node : graph.nodes) {
    if (const Dense* d = std::get_if<Dense>(&node.op)) all.push_back({&d->weight, d->out, d->in});
  }
  return all;
}

/// Some of so many, those with an odd number first: as neurons are ordered, unstable ones first.
std::shared_ptr<const std::vector<int>> some_of(int all) {
  std::vector<int> list;
  for (const int odd : {1, 0}) {
    for (int i = 0; i < all; ++i) {
      if (i % 2 == odd && i % 7 != 3 && i / 40 % 3 != 1) list.push_back(i);
    }
  }
  return std::make_shared<const std::vector<int>>(std::move(list));
}

/// All of a weight and parts of it.
std::vector<Part> parts_of(int rows, int cols) {
  return {{}, {some_of(rows), some_of(cols)}, {some_of(rows), nullptr}, {nullptr, some_of(cols)}};
}

/// All that the engine does with a part of a weight, several times over so that tiles follow one
/// another.
std::vector<double> used(Device& device, DenseWeight& weight, const Part& part) {
  std::mt19937 random(7);
  std::vector<double> all;
  const auto keep = [&](const auto& on) {
    const auto back = on.back();
    all.insert(all.end(), back.begin(), back.end());
  };
  constexpr int kRows = 40;
  const Matrix all_of_it = weight.get(part, false);
  const int rows = all_of_it.rows;
  const int cols = all_of_it.cols;
  const std::vector<int> neuron{rows - 1, 0, rows / 2, 0};
  for (int round = 0; round < 3; ++round) {
    const auto product = [&]<class T>(T) {
      for (const bool transposed : {false, true}) {
        const Matrix b = weight.get(part, transposed);
        const On<T> a(device, numbers<T>(static_cast<std::size_t>(kRows) * b.k(), random));
        const On<T> c(device, numbers<T>(static_cast<std::size_t>(kRows) * b.n(), random));
        for (const Precision precision : {Precision::kExact, Precision::kTf32}) {
          gemm(device, kRows, a.data(), b.k(), b, c.data(), b.n(), round == 1, precision);
          keep(c);
        }
      }
      for (const std::vector<int>& of : {neuron, {rows / 3, rows / 3 + 1, rows / 3, rows / 3}}) {
        const On<int> on_neuron(device, of);
        const On<T> sign(device, std::vector<T>{1, -1, 1, -1});
        const On<T> u(device, std::vector<T>(4 * static_cast<std::size_t>(cols), T(9)));
        pull_selection(device, 4, on_neuron.data(), sign.data(), weight.get(part, false), u.data());
        keep(u);
      }
    };
    product(1.0F);
    product(1.0);
    for (const bool absolute : {false, true}) {
      const On<double> u(device, numbers<double>(cols, random));
      const On<double> y(device, std::vector<double>(rows));
      dense_column(device, weight.get(part, false), absolute, u.data(), y.data());
      keep(y);
    }
  }
  return all;
}

/// prepare(parts) goes before the use of each part: [weights], all but one of the whole one.
std::vector<double> used(
    Device& device, const Graph& graph, const FetchedWeights* fetched,
    const std::function<void(const std::vector<Part>&)>& prepare = [](const auto&) {}) {
  std::vector<double> all;
  const std::vector<FetchedFrom> weights = weights_of(graph);
  for (std::size_t i = 0; i < weights.size(); ++i) {
    DenseWeight weight(device, *weights[i].weight, weights[i].rows, weights[i].cols, "a weight",
                       nullptr, fetched == nullptr ? nullptr : fetched->tiles(i));
    for (const Part& part : parts_of(weights[i].rows, weights[i].cols)) {
      std::vector<Part> parts(weights.size());
      parts[i] = part;
      prepare(parts);
      const std::vector<double> some = used(device, weight, part);
      all.insert(all.end(), some.begin(), some.end());
    }
  }
  return all;
}

void on_threads(int ranks, const std::function<void(comm::Communicator&)>& f) {
  comm::run_threads(comm::thread_channels(ranks), [&](comm::Channel& channel) {
    comm::Communicator group(channel);
    f(group);
  });
}

/// The ranks take the machine's devices in turn.
int ordinal_for(const comm::Communicator& group) {
  return group.rank() % static_cast<int>(devices().size());
}

constexpr std::size_t kMemory = std::size_t{1} << 30;

/// How tiles of parts come: picked out of the stripes, as they were packed, picked out because a
/// rank has no room to pack, or (from ranks that have no device) by the host.
enum class Way { kPicked, kPacked, kKept, kNoRoom, kOneHas };

class CudaFetched : public CudaTest {};

TEST_F(CudaFetched, ProductsHaveTheBitsOfAnyNumberOfRanks) {
  for (const bool wide : {false, true}) {
    std::mt19937 random(wide ? 1 : 2);
    const Graph whole = two_layers(wide, random);
    const std::vector<double> there = used(device(), whole, nullptr);
    std::vector<double> first;
    for (const int ranks : {1, 2, 3, 4}) {
      std::uint64_t picked = 0;  // bytes that rank 0 read of the others
      std::uint64_t packed = 0;
      for (const Way way : {Way::kPicked, Way::kPacked, Way::kKept, Way::kNoRoom, Way::kOneHas}) {
        const bool all_have_one = way != Way::kOneHas;
        SCOPED_TRACE(testing::Message() << "wide " << wide << ", " << ranks << " ranks, way "
                                        << static_cast<int>(way));
        std::mutex comparing;
        on_threads(ranks, [&](comm::Communicator& group) {
          Graph graph = whole;
          const ShardedWeights shared(graph, group);
          // The stripes of ranks that have no device come through the host.
          if (all_have_one || group.rank() == 0) {
            Device mine(ordinal_for(group), kMemory);
            {
              FetchedWeights fetched(mine, weights_of(graph));
              if (all_have_one) group.barrier();  // so that nobody falls back on the host
              const std::size_t all = weight_bytes(graph);
              const std::size_t held = mine.arena().now().by[static_cast<int>(Tensor::kWeights)];
              EXPECT_GE(held, all / ranks / 2);
              EXPECT_LE(held, all / ranks + all / 50);
              const auto pack = [&](const std::vector<Part>& parts) {
                if (way == Way::kPicked || way == Way::kOneHas) return;
                const bool full = way == Way::kNoRoom && group.rank() == ranks - 1;
                const std::size_t rest = full ? kMemory - mine.arena().reserved() : 0;
                mine.arena().set_aside(rest, Tensor::kA, "all that is left");
                fetched.pack(parts, group);
                if (way == Way::kKept) fetched.keep(std::size_t{64} << 20);
                mine.arena().take_back(rest, Tensor::kA);
              };
              const std::vector<double> got = used(mine, graph, &fetched, pack);
              mine.wait();
              fetched.count_waits();
              if (group.rank() == 0 && ranks > 1) {
                // Of what is packed no columns come that are not asked for.
                if (way == Way::kPicked) picked = shared.fetched();
                if (way == Way::kPacked) {
                  packed = shared.fetched();
                  EXPECT_LT(packed, picked);
                }
                if (way == Way::kKept) {
                  EXPECT_LT(shared.fetched(), packed);
                }
                if (way == Way::kNoRoom) {
                  EXPECT_EQ(shared.fetched(), picked);
                }
              }
              if (ranks > 1) {
                EXPECT_GT(shared.fetched(), 0U);
              }
              const std::lock_guard lock(comparing);
              ASSERT_EQ(got.size(), there.size());
              if (first.empty()) first = got;
              EXPECT_EQ(got, first);
              // TF32 rounds factors to 11 bits.
              std::size_t far = 0;
              for (std::size_t i = 0; i < got.size(); ++i) {
                far += std::fabs(got[i] - there[i]) > 0.1 + 1e-3 * std::fabs(there[i]) ? 1 : 0;
              }
              EXPECT_EQ(far, 0U);
            }
            EXPECT_EQ(mine.arena().now().by[static_cast<int>(Tensor::kWeights)], 0U);
          }
          group.barrier();  // the others may still be reading
        });
      }
    }
  }
}

TEST_F(CudaFetched, ASelectionBringsTheTilesOfItsRowsOnly) {
  std::mt19937 random(5);
  const Graph whole = two_layers(false, random);
  on_threads(2, [&](comm::Communicator& group) {
    Graph graph = whole;
    const ShardedWeights shared(graph, group);
    Device mine(ordinal_for(group), kMemory);
    const FetchedWeights fetched(mine, weights_of(graph));
    group.barrier();
    const FetchedFrom of = weights_of(graph)[1];
    const Striped cut(of.rows, of.cols, sizeof(float), 2);
    ASSERT_GT(cut.tiles(), 3);
    DenseWeight weight(mine, *of.weight, of.rows, of.cols, "a weight", nullptr, fetched.tiles(1));
    for (const auto& [first, last] : {std::pair{0, 1}, {1, 3}, {0, cut.tiles()}}) {
      const std::uint64_t before = shared.fetched();
      const On<int> neuron(mine, std::vector<int>{cut.first(last - 1), cut.first(first)});
      const On<float> sign(mine, std::vector<float>{1, 1});
      const On<float> u(mine, std::vector<float>(2 * static_cast<std::size_t>(of.cols)));
      pull_selection(mine, 2, neuron.data(), sign.data(), weight.get({}, false), u.data());
      std::uint64_t others = 0;
      for (int t = first; t < last; ++t) {
        const auto [begin, end] = cut.stripe(t, 1 - group.rank());
        others += end - begin;
      }
      EXPECT_EQ(shared.fetched() - before, others) << first << " to " << last;
    }
    mine.wait();
    group.barrier();
  });
}

/// Of two ranks' whole weights, where all tiles have room, some, or none.
TEST_F(CudaFetched, TilesThatStayComeOnce) {
  std::mt19937 random(6);
  const Graph whole = two_layers(false, random);
  on_threads(2, [&](comm::Communicator& group) {
    Graph graph = whole;
    const ShardedWeights shared(graph, group);
    Device mine(ordinal_for(group), kMemory);
    FetchedWeights fetched(mine, weights_of(graph));
    group.barrier();
    const FetchedFrom of = weights_of(graph)[0];
    const Striped cut(of.rows, of.cols, sizeof(float), 2);
    std::vector<std::uint64_t> others;  // bytes of each tile
    for (int t = 0; t < cut.tiles(); ++t) {
      const auto [begin, end] = cut.stripe(t, 1 - group.rank());
      others.push_back(end - begin);
    }
    const std::uint64_t all = std::accumulate(others.begin(), others.end(), std::uint64_t{0});
    DenseWeight weight(mine, *of.weight, of.rows, of.cols, "a weight", nullptr, fetched.tiles(0));
    const On<float> a(mine, numbers<float>(static_cast<std::size_t>(of.rows), random));
    const On<float> c(mine, std::vector<float>(static_cast<std::size_t>(of.cols)));
    std::vector<float> first;
    for (const int stay : {cut.tiles(), 2, 0}) {
      SCOPED_TRACE(testing::Message() << stay << " tiles stay");
      fetched.pack(std::vector<Part>(2), group);
      fetched.keep(static_cast<std::size_t>(stay) * TileRing::rounded(cut.most_bytes()));
      for (const bool again : {false, true}) {
        const std::uint64_t before = shared.fetched();
        gemm(mine, 1, a.data(), of.rows, weight.get({}, false), c.data(), of.cols, false,
             Precision::kTf32);
        const std::vector<float> got = c.back();
        if (first.empty()) first = got;
        EXPECT_EQ(got, first);
        const std::uint64_t known =
            again ? std::accumulate(others.begin(), others.begin() + stay, std::uint64_t{0}) : 0;
        EXPECT_EQ(shared.fetched() - before, all - known);
      }
    }
    mine.wait();
    group.barrier();
  });
}

/// As a file gives them.
class Given final : public WeightSource {
 public:
  explicit Given(const Weight& weight) : weight_(weight) {}
  [[nodiscard]] std::size_t size() const override { return weight_.size(); }
  [[nodiscard]] bool single() const override { return weight_.single(); }
  [[nodiscard]] std::unique_ptr<Fetch> fetch(std::size_t first, std::size_t) const override {
    class There final : public Fetch {
     public:
      explicit There(const void* at) : at_(at) {}
      const void* wait() override { return at_; }

     private:
      const void* at_;
    };
    return single() ? std::make_unique<There>(weight_.f.data() + first)
                    : std::make_unique<There>(weight_.d.data() + first);
  }
  [[nodiscard]] std::size_t bytes() const override { return 0; }

 private:
  const Weight& weight_;
};

TEST_F(CudaFetched, StreamedWeightsHaveTheBitsOfSharedOnes) {
  for (const bool wide : {false, true}) {
    SCOPED_TRACE(wide);
    std::mt19937 random(wide ? 1 : 2);
    const Graph whole = two_layers(wide, random);
    Graph shared = whole;
    const ShardedWeights shards(shared);
    Graph streamed = whole;
    for (std::size_t v = 1; v < streamed.nodes.size(); ++v) {
      Weight given;
      given.source = std::make_shared<Given>(std::get<Dense>(whole.nodes[v].op).weight);
      std::get<Dense>(streamed.nodes[v].op).weight = std::move(given);
    }
    Device mine(0, kMemory);
    const FetchedWeights one(mine, weights_of(shared));
    const FetchedWeights two(mine, weights_of(streamed));
    EXPECT_EQ(used(mine, shared, &one), used(mine, streamed, &two));
  }
}

/// Who has failed takes nobody else's memory away, and nobody waits for it for ever.
TEST_F(CudaFetched, ARankThatFailsEndsTheOthers) {
  std::mt19937 random(3);
  const Graph whole = two_layers(false, random);
  try {
    on_threads(3, [&](comm::Communicator& group) {
      Graph graph = whole;
      const ShardedWeights shared(graph, group);
      Device mine(ordinal_for(group), kMemory);
      const FetchedWeights fetched(mine, weights_of(graph));
      if (group.rank() == 2) throw Error(ErrorKind::kOutOfMemory, "no room for anything");
      while (!group.channel().broken()) (void)used(mine, graph, &fetched);
      group.barrier();
    });
    ADD_FAILURE() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kOutOfMemory) << e.what();
  }
}

TEST_F(CudaFetched, WhatDoesNotFitIsRefused) {
  std::mt19937 random(4);
  Graph graph = two_layers(true, random);
  const ShardedWeights shared(graph);
  Device mine(0, std::size_t{22} << 20);
  try {
    const FetchedWeights fetched(mine, weights_of(graph));
    ADD_FAILURE() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kOutOfMemory) << e.what();
    EXPECT_NE(std::string(e.what()).find("weights"), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace coronet::cuda
