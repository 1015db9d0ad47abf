// Ranks that share the neurons, with a GPU each or on one: as tight as one rank on the CPU, sound,
// repeatable.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "../tensor_cases.h"
#include "on_gpu.h"

namespace coronet::bound {
namespace {

using test::bound_by_one;
using test::expect_same_bits;
using test::tensor;

/// Rank r on GPU r % gpus, in chunks of so many MiB.
FoundBounds bound_on_gpus(const Mesh& mesh, int gpus, const Graph& graph, const TensorQuery& query,
                          double chunk_mib = 0.05, int zones = 0) {
  ::setenv("NCCL_NVLS_ENABLE", "0", 1);  // before there are threads
  std::vector<FoundBounds> found(mesh.ranks());
  comm::run_threads(comm::thread_channels(mesh.ranks()), [&](comm::Channel& channel) {
    Options options = test::tensor_options();
    options.device = "cuda:" + std::to_string(channel.rank() % gpus);
    options.precision = "fp32";
    options.device_memory_mib = 1024;
    options.device_chunk_mib = chunk_mib;
    options.zones = zones;
    found[channel.rank()] = test::bound_as_rank(channel, mesh, graph, query, options);
  });
  for (const FoundBounds& f : found) {
    expect_same_bits(f, found.front());
    EXPECT_FALSE(f.link.empty());
    for (const RankReport& r : f.ranks) EXPECT_GT(r.device_bytes, 0U);
  }
  return found.back();
}

/// Every kind of node, as one rank has it on the CPU.
TEST(CudaTensor, BoundsAreThoseOfTheCpu) {
  SKIP_WITHOUT_DEVICE();
  std::vector<test::Named> graphs = test::tensor_graphs(1);
  for (test::Named& n : test::all_operators()) graphs.push_back(std::move(n));
  int ranks = 2;  // by turns 2 and 3
  for (const test::Named& n : graphs) {
    SCOPED_TRACE(n.name + ", " + std::to_string(ranks) + " ranks");
    const TensorQuery query = test::tensor_query(n.graph, Method::kCrown, 0.3);
    test::expect_close(bound_on_gpus(tensor(ranks), 1, n.graph, query),
                       bound_by_one(n.graph, query));
    ranks = 5 - ranks;
  }
}

TEST(CudaTensor, OptimisedBoundsHoldAndAreAsTight) {
  SKIP_WITHOUT_DEVICE();
  for (const test::Named& n : test::tensor_graphs(1)) {
    SCOPED_TRACE(n.name);
    const TensorQuery query = test::tensor_query(n.graph, Method::kAlpha, 0.4);
    const FoundBounds found = bound_on_gpus(tensor(2), 1, n.graph, query);
    test::expect_sound(found, n.graph, query);
    const FoundBounds cpu = bound_by_one(n.graph, query);
    for (std::size_t v = 0; v < cpu.bounds.lo.size(); ++v) {
      double mine = 0;
      double theirs = 0;
      for (std::size_t i = 0; i < cpu.bounds.lo[v].size(); ++i) {
        mine += found.bounds.hi[v][i] - found.bounds.lo[v][i];
        theirs += cpu.bounds.hi[v][i] - cpu.bounds.lo[v][i];
      }
      EXPECT_NEAR(mine, theirs, 0.01 * theirs + 1e-6) << "node " << v;
    }
  }
}

/// In every run, however many groups share the rows, and by NCCL as through the host.
TEST(CudaTensor, TheSameBits) {
  SKIP_WITHOUT_DEVICE();
  const int gpus = cuda_devices();
  const Graph graph = test::mlp(2, 20, 3, 200, 6);
  TensorQuery query = test::tensor_query(graph, Method::kAlpha, 0.1);
  query.iterations = 4;
  const FoundBounds first = bound_on_gpus(tensor(2), 1, graph, query);
  EXPECT_EQ(first.link.substr(0, 11), "host memory") << first.link;
  expect_same_bits(bound_on_gpus(tensor(2), 1, graph, query), first);
  expect_same_bits(bound_on_gpus(tensor(2, 2), 1, graph, query), first);
  if (gpus < 2) GTEST_SKIP() << "one GPU: NCCL was not tried";
  const FoundBounds apart = bound_on_gpus(tensor(2), 2, graph, query);
  expect_same_bits(apart, first);
  if (apart.link.substr(0, 4) != "NCCL") GTEST_SKIP() << apart.link;
}

/// Between the dense layers of a zone there are intervals, as on the CPU.
TEST(CudaTensor, Zones) {
  SKIP_WITHOUT_DEVICE();
  const Graph graph = test::mlp(3, 12, 4, 40, 5);
  const TensorQuery query = test::tensor_query(graph, Method::kCrown, 0.2);
  const std::vector<Zone> zones = first_zones(graph, 2);
  test::expect_close(bound_on_gpus(tensor(2), 1, graph, query, 0.05, 2),
                     bound_by_one(graph, query, zones));
}

TEST(CudaTensor, ARankWithoutAGpuIsNamed) {
  SKIP_WITHOUT_DEVICE();
  const Graph graph = test::mlp(2, 5, 3, 40, 30);
  const TensorQuery query = test::tensor_query(graph, Method::kCrown, 0.3);
  try {
    comm::run_threads(comm::thread_channels(2), [&](comm::Channel& channel) {
      Options options = test::tensor_options();
      options.device = channel.rank() == 0 ? "cuda" : "cpu";
      (void)test::bound_as_rank(channel, tensor(2), graph, query, options);
    });
    ADD_FAILURE() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kBadInput);
    EXPECT_NE(std::string(e.what()).find("rank 1 has none"), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace coronet::bound
