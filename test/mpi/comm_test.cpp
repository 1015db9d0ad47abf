// The cases of every transport, over MPI: run by an MPI launcher, as ctest does.
#include <gtest/gtest.h>

#include <cstdio>
#include <memory>
#include <string>

#include "comm/mpi.h"
#include "comm/threads.h"
#include "comm_cases.h"
#include "rank_cases.h"
#include "tensor_cases.h"

namespace {

std::unique_ptr<coronet::comm::Channel> world;

TEST(Mpi, EveryCase) {
  coronet::comm::Communicator group(*world);
  for (const coronet::test::CommCase& c : coronet::test::comm_cases()) {
    SCOPED_TRACE(std::string(c.name) + ", rank " + std::to_string(group.rank()));
    c.run(group);
    group.barrier();
  }
}

TEST(Mpi, BoundsHaveTheBitsOfOneRank) {
  coronet::comm::Communicator group(*world);
  for (const coronet::test::RankCase& c : coronet::test::rank_cases()) {
    SCOPED_TRACE(c.name + ", rank " + std::to_string(group.rank()));
    coronet::test::expect_same(group, c, coronet::test::bound_alone(c));
  }
}

TEST(Mpi, NeuronsAreSharedWithTheBitsOfThreads) {
  using coronet::test::bound_as_rank;
  coronet::Mesh mesh;
  mesh.tensor = world->size();
  const coronet::Graph graph = coronet::test::conv_net(1);
  auto query = coronet::test::tensor_query(graph, coronet::bound::Method::kAlpha, 0.3);
  query.iterations = 2;
  // Few chunks: with more ranks than cores, MPI takes a time slice for every letter.
  coronet::Options options = coronet::test::tensor_options();
  options.chunk_mib = 8;
  coronet::bound::FoundBounds threads;
  coronet::comm::run_threads(coronet::comm::thread_channels(mesh.tensor),
                             [&](coronet::comm::Channel& channel) {
                               auto found = bound_as_rank(channel, mesh, graph, query, options);
                               if (channel.rank() == 0) threads = std::move(found);
                             });
  coronet::test::expect_same_bits(bound_as_rank(*world, mesh, graph, query, options), threads);
}

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  try {
    world = coronet::comm::join_mpi(CORONET_MPI_MODULE);
    const int failed = RUN_ALL_TESTS();
    world.reset();
    return failed;
  } catch (const coronet::Error& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
