// Ranks: every transport does the same, and all ranks fail together.
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/resources.h"
#include "comm/communicator.h"
#include "comm/socket.h"
#include "comm/tcp.h"
#include "comm/threads.h"
#include "comm_cases.h"
#include "faulty_channel.h"

namespace coronet::comm {
namespace {

using test::Faulty;
using Channels = std::vector<std::unique_ptr<Channel>>;

std::uint16_t free_port() { return Socket::listen(0).port(); }

/// All ranks of a TCP run in this process, each joining in a thread of its own.
Channels tcp_channels(int ranks) {
  Channels channels(ranks);
  const std::uint16_t port = free_port();
  std::vector<std::thread> threads;
  for (int r = 0; r < ranks; ++r) {
    threads.emplace_back([&, r] {
      channels[r] = join_tcp({.rank = r, .size = ranks, .host = "localhost", .port = port});
    });
  }
  for (std::thread& t : threads) t.join();
  return channels;
}

struct Transport {
  const char* name;
  Channels (*make)(int ranks);
};
const Transport kTransports[] = {{"threads", thread_channels}, {"tcp", tcp_channels}};

void on_every_transport(const std::vector<int>& ranks,
                        const std::function<void(const Transport&, int)>& f) {
  for (const Transport& transport : kTransports) {
    for (const int n : ranks) {
      SCOPED_TRACE(std::string(transport.name) + ", " + std::to_string(n) + " ranks");
      f(transport, n);
    }
  }
}

TEST(Comm, EveryTransportDoesEveryCase) {
  on_every_transport({1, 2, 3, 4, 8}, [](const Transport& transport, int n) {
    run_threads(transport.make(n), [](Channel& channel) {
      Communicator group(channel);
      for (const test::CommCase& c : test::comm_cases()) {
        SCOPED_TRACE(std::string(c.name) + ", rank " + std::to_string(group.rank()));
        c.run(group);
        group.barrier();
      }
    });
  });
}

TEST(Comm, DelaysChangeNothing) {
  on_every_transport({3}, [](const Transport& transport, int n) {
    run_threads(transport.make(n), [](Channel& channel) {
      Faulty slow(channel, 0.001 * channel.rank(), -1, [] {});
      Communicator group(slow);
      for (const test::CommCase& c : test::comm_cases()) {
        SCOPED_TRACE(c.name);
        c.run(group);
      }
      group.barrier();  // else one leaves while another's letter to it is still held up
    });
  });
}

/// What each rank's error said.
std::vector<std::string> errors_of(Channels channels, ErrorKind kind,
                                   const std::function<void(Channel&)>& f) {
  std::vector<std::string> errors(channels.size());
  try {
    run_threads(std::move(channels), [&](Channel& channel) {
      try {
        f(channel);
      } catch (const Error& e) {
        EXPECT_EQ(e.kind(), kind) << e.what();
        errors[channel.rank()] = e.what();
        throw;
      }
    });
  } catch (const Error&) {
  }
  return errors;
}

/// Sums until somebody fails; the others must not wait for ever.
void sum_for_ever(Communicator& group) {
  for (;;) {
    std::vector<double> x(100, 1.0);
    group.all_reduce(std::span<double>(x), Reduction::kSum);
  }
}

TEST(Comm, ARankThatThrowsFailsAll) {
  on_every_transport({2, 3, 8}, [](const Transport& transport, int n) {
    const double begin = elapsed_seconds();
    const auto errors =
        errors_of(transport.make(n), ErrorKind::kOutOfMemory, [&](Channel& channel) {
          const bool faulty = channel.rank() == n - 1;
          Faulty it(channel, 0, faulty ? 20 : -1,
                    [] { throw Error(ErrorKind::kOutOfMemory, "no room for A"); });
          Communicator group(it);
          sum_for_ever(group);
        });
    EXPECT_LT(elapsed_seconds() - begin, 5);
    EXPECT_EQ(errors[n - 1], "no room for A");
    for (int r = 0; r < n - 1; ++r) {
      EXPECT_NE(errors[r].find("rank " + std::to_string(n - 1) + " failed: no room for A"),
                std::string::npos)
          << errors[r];
    }
  });
}

TEST(Comm, WhoWaitsForARankThatLeftIsTold) {
  on_every_transport({2, 4}, [](const Transport& transport, int n) {
    const auto errors = errors_of(transport.make(n), ErrorKind::kRank, [](Channel& channel) {
      Communicator group(channel);
      group.barrier();
      if (channel.rank() == 0) {
        group.send(1, 0, "a last word", Bytes(3));
        return;
      }
      if (channel.rank() == 1) {
        // What it sent before comes all the same.
        EXPECT_EQ(group.receive(0, 0, "a last word").bytes.size(), 3U);
      }
      (void)group.receive(0, 1, "an answer");
    });
    EXPECT_EQ(errors[0], "");
    for (int r = 1; r < n; ++r) {
      EXPECT_NE(errors[r].find("rank 0 has left"), std::string::npos) << errors[r];
    }
    EXPECT_NE(errors[1].find("wait for an answer from rank 0"), std::string::npos) << errors[1];
  });
}

TEST(Comm, PatienceEnds) {
  on_every_transport({3}, [](const Transport& transport, int n) {
    const double begin = elapsed_seconds();
    const auto errors = errors_of(transport.make(n), ErrorKind::kRank, [&](Channel& channel) {
      Communicator group(channel, 0.2);
      if (channel.rank() == 1) std::this_thread::sleep_for(std::chrono::seconds(1));
      sum_for_ever(group);
    });
    EXPECT_LT(elapsed_seconds() - begin, 5);
    for (int r = 0; r < n; ++r) {
      EXPECT_NE(errors[r].find("waited 0.2 s for a part to reduce from rank 1 in vain"),
                std::string::npos)
          << errors[r];
    }
  });
}

TEST(Comm, SizesThatDifferAreTold) {
  on_every_transport({2}, [](const Transport& transport, int n) {
    const auto errors = errors_of(transport.make(n), ErrorKind::kInternal, [](Channel& channel) {
      Communicator group(channel);
      std::vector<float> x(channel.rank() == 0 ? 4 : 6);
      group.all_reduce(std::span<float>(x), Reduction::kSum);
    });
    EXPECT_NE(errors[0].find("bytes where rank"), std::string::npos) << errors[0];
  });
}

/// A connection that ends in the middle of a run, as the system closes that of a killed process.
TEST(Comm, AProcessThatEndsWithoutAWordFailsAll) {
  const std::uint16_t port = free_port();
  std::thread killed([port] {
    const Socket socket = Socket::connect("localhost", port, 10, "rank 0");
    struct {
      std::uint64_t magic = 0x31544e4f524f43ULL;
      std::int32_t rank = 1;
      std::int32_t size = 2;
      std::uint64_t port = 0;
    } hello;
    const std::atomic<bool> never{false};
    (void)socket.write(std::as_bytes(std::span(&hello, 1)), never);
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
  });
  const auto channel = join_tcp({.rank = 0, .size = 2, .host = "localhost", .port = port});
  Communicator group(*channel);
  try {
    (void)group.receive(1, 0, "rows");
    ADD_FAILURE() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kRank);
    EXPECT_NE(std::string(e.what()).find("rank 1 failed: it ended"), std::string::npos) << e.what();
    EXPECT_NE(std::string(e.what()).find("wait for rows"), std::string::npos) << e.what();
  }
  EXPECT_TRUE(channel->broken());
  killed.join();
}

TEST(Comm, RanksThatDoNotComeAreNamed) {
  const std::uint16_t port = free_port();
  std::thread one([port] {
    EXPECT_THROW(join_tcp({.rank = 2, .size = 4, .host = "localhost", .port = port, .join = 1.0}),
                 Error);
  });
  try {
    join_tcp({.rank = 0, .size = 4, .host = "localhost", .port = port, .join = 0.5});
    ADD_FAILURE() << "no error";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("missing 1, 3"), std::string::npos) << e.what();
  }
  one.join();
}

TEST(Comm, PacketsReadWhatWasWritten) {
  Writer writer;
  writer.put(7);
  writer.put(std::vector<double>{1.5, -0.0});
  writer.put(std::string("word"));
  writer.put(std::vector<int>{});
  Bytes bytes = writer.take();
  Reader reader(bytes);
  EXPECT_EQ(reader.get<int>(), 7);
  EXPECT_EQ(reader.get<std::vector<double>>(), (std::vector<double>{1.5, -0.0}));
  EXPECT_EQ(reader.get<std::string>(), "word");
  EXPECT_TRUE(reader.get<std::vector<int>>().empty());
  EXPECT_THROW(reader.get<char>(), Error);
  bytes.resize(bytes.size() / 2);
  Reader half(bytes);
  EXPECT_EQ(half.get<int>(), 7);
  EXPECT_THROW(half.get<std::vector<double>>(), Error);
}

}  // namespace
}  // namespace coronet::comm
