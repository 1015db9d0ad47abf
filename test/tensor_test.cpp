// Ranks that share the neurons: as tight as one rank, sound, repeatable, with their share only.
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "bound/tensor/share.h"
#include "comm/threads.h"
#include "spec/mesh.h"
#include "tensor_cases.h"

namespace coronet::bound {
namespace {

using test::bound_on;
using test::bound_on_threads;
using test::expect_sound;
using test::tcp_channels;
using test::tensor;

constexpr Method kMethods[] = {Method::kInterval, Method::kCrown, Method::kAlpha};

TEST(Tensor, SlicesAndBack) {
  for (const Shape& shape : {Shape{1, 1, 7}, Shape{3, 2, 5}, Shape{4, 4, 1}}) {
    for (const int ranks : {1, 2, 3, 4, 8}) {
      std::vector<int> owners(shape.size(), 0);
      for (int r = 0; r < ranks; ++r) {
        const Slice slice(shape, ranks, r);
        EXPECT_EQ(slice.padded().size(), ranks * slice.mine().size());
        for (int i = 0; i < slice.mine().size(); ++i) {
          const int j = slice.whole_of(i);
          if (j < 0) continue;
          EXPECT_TRUE(slice.has(j));
          EXPECT_EQ(slice.local(j), i);
          ++owners[j];
        }
        for (int j = 0; j < shape.size(); ++j) {
          EXPECT_EQ(slice.local(j) / slice.each(), j / shape.channels) << "another pixel";
          EXPECT_LT(slice.padded(j), slice.padded().size());
        }
      }
      EXPECT_EQ(owners, std::vector<int>(shape.size(), 1));
    }
  }
}

TEST(Tensor, BoundsAreThoseOfOneRank) {
  int ranks = 2;  // by turns 2, 3 and 4, each with every method
  for (const test::Named& n : test::tensor_graphs(4)) {
    for (const Method method : kMethods) {
      ranks = ranks == 4 ? 2 : ranks + 1;
      SCOPED_TRACE(n.name + ", method " + std::to_string(static_cast<int>(method)) + ", " +
                   std::to_string(ranks) + " ranks");
      const TensorQuery query = test::tensor_query(n.graph, method, 0.3);
      test::expect_close(bound_on_threads(tensor(ranks), n.graph, query),
                         test::bound_by_one(n.graph, query));
    }
    ranks = ranks == 4 ? 2 : ranks + 1;
  }
}

TEST(Tensor, EveryOperator) {
  for (const test::Named& n : test::all_operators()) {
    SCOPED_TRACE(n.name);
    const TensorQuery query = test::tensor_query(n.graph, Method::kCrown, 0.3);
    test::expect_close(bound_on_threads(tensor(3), n.graph, query),
                       test::bound_by_one(n.graph, query));
  }
}

TEST(Tensor, BoundsHold) {
  for (const test::Named& n : test::tensor_graphs(2)) {
    for (const double radius : {0.4, 1e-9}) {
      for (const Method method : kMethods) {
        SCOPED_TRACE(n.name + ", radius " + std::to_string(radius));
        const TensorQuery query = test::tensor_query(n.graph, method, radius);
        expect_sound(bound_on_threads(tensor(3), n.graph, query), n.graph, query);
      }
    }
  }
}

/// A convolution whose node is declared as another image has no windows.
TEST(Tensor, ImagesSeenOtherwiseAreBoundedByOneRank) {
  const Graph graph = test::seen_otherwise(1);
  for (const Method method : kMethods) {
    const TensorQuery query = test::tensor_query(graph, method, 0.4);
    expect_sound(test::bound_by_one(graph, query), graph, query);
  }
}

/// In every run, over every transport, however many groups and threads share the rows.
TEST(Tensor, TheSameBits) {
  Options threads = test::tensor_options();
  threads.threads = 3;
  for (const test::Named& n : test::tensor_graphs(1)) {
    SCOPED_TRACE(n.name);
    TensorQuery query = test::tensor_query(n.graph, Method::kAlpha, 0.3);
    query.iterations = 4;
    const FoundBounds first = bound_on_threads(tensor(2), n.graph, query);
    test::expect_same_bits(bound_on_threads(tensor(2), n.graph, query), first);
    test::expect_same_bits(bound_on(tcp_channels(2), tensor(2), n.graph, query), first);
    test::expect_same_bits(bound_on_threads(tensor(2, 3), n.graph, query), first);
    test::expect_same_bits(bound_on_threads(tensor(2, 2), n.graph, query, threads), first);
  }
}

/// Whole nodes are held for a few rows only, and their number is no matter.
TEST(Tensor, BlocksOfRows) {
  const Graph graph = test::mlp(2, 5, 3, 40, 30);
  const TensorQuery query = test::tensor_query(graph, Method::kAlpha, 0.3);
  Options options = test::tensor_options();
  options.chunk_mib = 10;
  std::mutex mutex;
  for (const bool small : {false, true}) {
    comm::run_threads(comm::thread_channels(2), [&](comm::Channel& channel) {
      comm::Communicator all(channel);
      TensorGroup group(comm::Communicator(channel).split(0, channel.rank()), small ? 1 : 1 << 20);
      const Slice slice({1, 1, 40}, 2, group.rank());
      Graph own = graph;
      const Share share = take_share(own, 2, group.rank());
      const SharedOperators<float> ops(share, 0);
      const Network<float> net = ops.network(group);
      const RowSet rows{50, nullptr, nullptr};
      const Extent mine = Extent::all(slice.mine());
      std::vector<float> a(50 * 20);
      for (std::size_t i = 0; i < a.size(); ++i) a[i] = std::sin(static_cast<float>(i));
      std::vector<float> u(50 * 20, 1.0F);
      net.affine(3)->pull(rows, a.data(), mine, 0, u.data(), mine, true);
      const int block = group.block_rows(40 * sizeof(float), TensorGroup::kLeastRows);
      EXPECT_EQ(block, small ? 32 : (1 << 20) / 160);
      // Row by row, the same.
      for (int r = 0; r < 50; ++r) {
        std::vector<float> one(20, 1.0F);
        net.affine(3)->pull({1, nullptr, nullptr}, a.data() + r * 20, mine, 0, one.data(), mine,
                            true);
        const std::lock_guard lock(mutex);
        EXPECT_TRUE(std::equal(one.begin(), one.end(), u.begin() + r * 20)) << "row " << r;
      }
    });
  }
}

/// Notes what is begun (b) and ended (e).
class Noted final : public RowExchange<float> {
 public:
  Noted(TensorGroup& group, bool overlaps, std::string& notes)
      : rows_(group), overlaps_(overlaps), notes_(notes) {}
  int block_rows(std::size_t row_bytes, int least) const override {
    return rows_.block_rows(row_bytes, least);
  }
  float* room(int number, std::size_t n) override { return rows_.room(number, n); }
  bool overlaps() const override { return overlaps_; }
  void begin_gather(std::size_t places, int each, const float* share) override {
    notes_ += 'b';
    rows_.begin_gather(places, each, share);
  }
  void end_gather(std::size_t places, int each, const float* share, float* whole) override {
    notes_ += 'e';
    rows_.end_gather(places, each, share, whole);
  }
  void begin_scatter_sum(std::size_t places, int each, const float* whole) override {
    notes_ += 'b';
    rows_.begin_scatter_sum(places, each, whole);
  }
  void end_scatter_sum(std::size_t places, int each, float* share, bool accumulate) override {
    notes_ += 'e';
    rows_.end_scatter_sum(places, each, share, accumulate);
  }
  void sum(std::size_t n, float* mine, float* to, bool accumulate) override {
    rows_.sum(n, mine, to, accumulate);
  }

 private:
  HostRows<float> rows_;
  bool overlaps_;
  std::string& notes_;
};

/// Words about a block are on their way while its neighbour is multiplied, where they may be, and
/// the bits are the same.
TEST(Tensor, WordsTravelBesideProducts) {
  const Graph graph = test::mlp(2, 5, 3, 40, 30);
  constexpr int kRows = 80;  // blocks of 32, 32 and 16
  comm::run_threads(comm::thread_channels(2), [&](comm::Channel& channel) {
    TensorGroup group(comm::Communicator(channel).split(0, channel.rank()), 1);
    Graph own = graph;
    const Share share = take_share(own, 2, group.rank());
    const SharedOperators<float> ops(share, 0);
    const Extent mine = Extent::all(Slice({1, 1, 40}, 2, group.rank()).mine());
    const Extent* const in[] = {&mine};
    std::vector<float> a(kRows * 20);
    for (std::size_t i = 0; i < a.size(); ++i) a[i] = std::sin(static_cast<float>(i));
    std::vector<std::vector<float>> pulled;
    std::vector<std::vector<float>> pushed;
    for (const bool overlaps : {false, true}) {
      std::string notes;
      const auto rows = std::make_shared<Noted>(group, overlaps, notes);
      const Network<float> net = shared_network<float>(share, group, rows, [&](int v) {
        PackBudget none;
        const Node& node = share.graph.nodes[v];
        return v == 3 ? std::shared_ptr<const Affine<float>>(
                            make_affine<float>(node, {share.read(v, node.inputs[0])}, none))
                      : nullptr;
      });
      const RowSet set{kRows, nullptr, nullptr};
      std::vector<float>& u = pulled.emplace_back(a.size());
      net.affine(3)->pull(set, a.data(), mine, 0, u.data(), mine, false);
      EXPECT_EQ(notes, overlaps ? "bbebee" : "bebebe");
      notes.clear();
      std::vector<float>& y = pushed.emplace_back(a.size());
      const float* const x[] = {a.data()};
      net.affine(3)->push(set, x, in, y.data(), mine);
      EXPECT_EQ(notes, overlaps ? "bbebee" : "bebebe");
    }
    EXPECT_EQ(pulled[0], pulled[1]);
    EXPECT_EQ(pushed[0], pushed[1]);
  });
}

TEST(Tensor, ARankHasItsShareOfTheWeights) {
  const Graph graph = test::mlp(2, 40, 3, 96, 24);
  std::size_t whole = 0;
  for (const Node& n : graph.nodes) {
    if (const Dense* dense = std::get_if<Dense>(&n.op)) whole += dense->weight.bytes();
  }
  const TensorQuery query = test::tensor_query(graph, Method::kAlpha, 0.1);
  const std::size_t one_rank = bound_on_threads(tensor(1), graph, query).shares[0].work_bytes;
  for (const int ranks : {2, 4}) {
    Graph own = graph;
    const Share share = take_share(own, ranks, 0);
    EXPECT_EQ(share.weight_bytes(), whole / ranks);
    for (const Node& n : own.nodes) {
      if (const Dense* dense = std::get_if<Dense>(&n.op)) {
        EXPECT_EQ(dense->weight.f.capacity(), 0U);
      }
    }
    // Beside the weights: A-matrices, and the blocks that are passed on, of which one rank has
    // some as well.
    for (const TensorReport& r : bound_on_threads(tensor(ranks), graph, query).shares) {
      EXPECT_LE(r.work_bytes, one_rank * 5 / 4 / ranks + 16 * 96 * 3 * (4 + 8)) << ranks;
    }
  }
}

TEST(Tensor, ARankThatFailsEndsAll) {
  const Graph graph = test::mlp(2, 5, 3, 40, 30);
  const TensorQuery query = test::tensor_query(graph, Method::kAlpha, 0.3);
  for (const int faulty : {0, 2}) {
    try {
      comm::run_threads(comm::thread_channels(3), [&](comm::Channel& channel) {
        if (channel.rank() == faulty) {
          comm::Communicator all(channel);
          (void)meet(all, graph, "test", 1);
          throw Error(ErrorKind::kOutOfMemory, "no more");
        }
        (void)test::bound_as_rank(channel, tensor(3), graph, query);
      });
      ADD_FAILURE() << "no error";
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::kOutOfMemory) << e.what();
    }
  }
}

/// Rank 0's clock rules, and what is not bounded in time is left at its interval.
TEST(Tensor, OutOfTime) {
  const Graph graph = test::mlp(2, 5, 3, 40, 3);
  TensorQuery query = test::tensor_query(graph, Method::kAlpha, 0.3);
  query.seconds = 0;
  const FoundBounds found = bound_on_threads(tensor(2), graph, query);
  EXPECT_TRUE(found.timed_out);
  const FoundBounds intervals =
      bound_on_threads(tensor(2), graph, test::tensor_query(graph, Method::kInterval, 0.3));
  EXPECT_EQ(found.bounds.lo, intervals.bounds.lo);
}

TEST(Mesh, IsReadAndWritten) {
  for (const char* text :
       {"rows=1", "rows=2", "tensor=4", "rows=2,tensor=4", "domains=3,rows=2,tensor=4"}) {
    EXPECT_EQ(words_of(read_mesh(text)), text);
  }
  const Mesh mesh = read_mesh("tensor=3,rows=5");
  EXPECT_EQ(mesh.rows, 5);
  EXPECT_EQ(mesh.tensor, 3);
  EXPECT_EQ(mesh.ranks(), 15);
  for (const char* text : {"", "rows", "rows=", "rows=0", "rows=-1", "rows=2x", "columns=2",
                           "rows=2,", "rows=2,rows=3", "rows=2;tensor=2", "rows=99999"}) {
    EXPECT_THROW(read_mesh(text), Error) << text;
  }
}

}  // namespace
}  // namespace coronet::bound
