// The cases of every transport, over MPI: run by an MPI launcher, as ctest does.
#include <gtest/gtest.h>

#include <cstdio>
#include <memory>
#include <string>

#include "comm/mpi.h"
#include "comm_cases.h"
#include "rank_cases.h"

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
