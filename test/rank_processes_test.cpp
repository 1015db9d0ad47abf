// Ranks as their users start them: processes over TCP, threads, an MPI launcher.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "base/error.h"
#include "comm/launch.h"
#include "comm/socket.h"
#include "io/file.h"
#include "onnx_builder.h"
#include "processes.h"

namespace coronet {
namespace {

namespace fs = std::filesystem;
using test::finish;
using test::now;
using test::Outcome;
using test::Process;
using test::slurp;
using test::Variables;
using test::Words;

class RankProcesses : public testing::Test {
 protected:
  [[nodiscard]] std::string file(const std::string& name) const { return folder_.file(name); }

  static std::string example(const std::string& name) {
    return std::string(CORONET_SOURCE_DIR) + "/examples/" + name;
  }

  [[nodiscard]] Process start(const Words& words, const Variables& variables) const {
    return test::start(folder_, words, variables);
  }

  std::vector<Process> start_tcp(int ranks, const Words& words) {
    return test::start_tcp(folder_, CORONET_BINARY, ranks, words);
  }

  Outcome run(const Words& words) {
    Words all = words;
    all.insert(all.begin(), CORONET_BINARY);
    return finish(start(all, {}));
  }

  /// Bounds that take for ever, all of it in dealt rows.
  static Words endless(const std::string& command) {
    return {command,
            example("shapes.onnx"),
            example("branching.vnnlib"),
            "--method",
            "alpha",
            "--iterations",
            "100000000",
            "--converged",
            "0",
            "--threads",
            "1"};
  }

  /// Rows that take long enough to be dealt; the name of a JSON file follows.
  [[nodiscard]] Words long_bounds() const {
    return {"bounds",
            example("shapes.onnx"),
            example("branching.vnnlib"),
            "--method",
            "alpha",
            "--iterations",
            "3000",
            "--converged",
            "0",
            "--json"};
  }

  /// A search that takes for ever: input splitting of a hundred pixels decides nothing.
  [[nodiscard]] Words endless_search(const std::string& json) const {
    return {"verify",
            example("shapes.onnx"),
            example("branching.vnnlib"),
            "--branch",
            "input",
            "--no-attack",
            "--checkpoint",
            file("state"),
            "--resume",
            file("state"),
            "--threads",
            "1",
            "--json",
            file(json)};
  }

  /// The state that a run has left is taken up by so many ranks.
  void expect_resumes(int ranks) {
    Words words = endless_search("resumed" + std::to_string(ranks));
    words.insert(words.end(), {"--timeout", "0.5", "--ranks", std::to_string(ranks)});
    const Outcome outcome = run(words);
    EXPECT_EQ(outcome.code, 11) << outcome.err;
    const auto json = nlohmann::json::parse(slurp(file("resumed" + std::to_string(ranks))));
    EXPECT_EQ(json["phases"][1]["name"], "earlier runs");
    EXPECT_GT(json["open_domains"], 0);
  }

 private:
  test::Folder folder_;
};

TEST_F(RankProcesses, VerdictsAndBoundsAreThoseOfOneRank) {
  for (const char* name : {"holds", "branching", "violated"}) {
    SCOPED_TRACE(name);
    const Words words{"verify", example("shapes.onnx"), example(std::string(name) + ".vnnlib")};
    const std::string verdict = run(words).out.substr(0, 5);
    std::vector<Process> all = start_tcp(3, words);
    for (std::size_t r = 0; r < all.size(); ++r) {
      const Outcome outcome = finish(all[r]);
      EXPECT_EQ(outcome.code, 0) << outcome.err;
      if (r == 0) {
        EXPECT_EQ(outcome.out.substr(0, 5), verdict);
        EXPECT_NE(outcome.err.find("3 ranks: "), std::string::npos) << outcome.err;
      } else {
        EXPECT_EQ(outcome.out + outcome.err, "");
      }
    }
  }
  const Words bounds = long_bounds();
  const auto nodes_of = [&](Words words, const std::string& path) {
    words.push_back(path);
    return words;
  };
  EXPECT_EQ(run(nodes_of(bounds, file("one"))).code, 0);
  Words threads = nodes_of(bounds, file("threads"));
  threads.insert(threads.end(), {"--ranks", "3"});
  EXPECT_EQ(run(threads).code, 0);
  for (const Process& process : start_tcp(2, nodes_of(bounds, file("tcp")))) {
    EXPECT_EQ(finish(process).code, 0);
  }
  const auto one = nlohmann::json::parse(slurp(file("one")));
  EXPECT_FALSE(one.contains("ranks"));
  for (const auto& [name, ranks] : {std::pair{"threads", 3}, std::pair{"tcp", 2}}) {
    SCOPED_TRACE(name);
    const auto other = nlohmann::json::parse(slurp(file(name)));
    EXPECT_EQ(other["nodes"], one["nodes"]);
    EXPECT_EQ(other["rows"], one["rows"]);
    ASSERT_EQ(other["ranks"].size(), static_cast<std::size_t>(ranks));
    for (const auto& rank : other["ranks"]) {
      EXPECT_GT(rank["rows"], 0);
      EXPECT_GT(rank["peak_bytes"], 0);
    }
  }
}

/// The lower bounds of all nodes, one behind the other, of a result of `coronet bounds --json`.
std::vector<double> lower_bounds(const fs::path& path) {
  std::vector<double> all;
  const auto result = nlohmann::json::parse(slurp(path));
  for (const auto& node : result["nodes"]) {
    const auto lower = node["lo"].get<std::vector<double>>();
    all.insert(all.end(), lower.begin(), lower.end());
  }
  for (const auto& row : result["rows"]) all.push_back(row["lower"]);
  return all;
}

TEST_F(RankProcesses, SharedNeurons) {
  const Words bounds{
      "bounds", example("shapes.onnx"), example("branching.vnnlib"), "--method", "crown", "--json"};
  const auto with = [&](const Words& more, const std::string& path) {
    Words words = bounds;
    words.push_back(file(path));
    words.insert(words.end(), more.begin(), more.end());
    return words;
  };
  EXPECT_EQ(run(with({}, "one")).code, 0);
  const Outcome threads = run(with({"--mesh", "tensor=2,rows=2"}, "threads"));
  EXPECT_EQ(threads.code, 0) << threads.err;
  EXPECT_NE(threads.out.find("4 ranks: "), std::string::npos) << threads.out;
  EXPECT_NE(threads.out.find("each rank's share: "), std::string::npos) << threads.out;
  for (const Process& process : start_tcp(2, with({"--mesh", "tensor=2"}, "tcp"))) {
    const Outcome outcome = finish(process);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
  }
  const std::vector<double> one = lower_bounds(file("one"));
  for (const char* name : {"threads", "tcp"}) {
    SCOPED_TRACE(name);
    const std::vector<double> other = lower_bounds(file(name));
    ASSERT_EQ(other.size(), one.size());
    for (std::size_t i = 0; i < one.size(); ++i) EXPECT_NEAR(other[i], one[i], 1e-9) << i;
    const auto ranks = nlohmann::json::parse(slurp(file(name)))["ranks"];
    for (const auto& rank : ranks) EXPECT_GT(rank["weight_bytes"], 0);
  }
}

/// What the bounds of the root prove, what the attack finds, and what they leave open.
TEST_F(RankProcesses, VerdictsOfSharedNeurons) {
  for (const auto& [query, verdict] : {std::pair{"holds", "unsat"}, std::pair{"violated", "sat"},
                                       std::pair{"branching", "unknown"}}) {
    SCOPED_TRACE(query);
    const Words words{"verify", example("shapes.onnx"), example(std::string(query) + ".vnnlib"),
                      "--mesh", "tensor=2"};
    const Outcome threads = run(words);
    EXPECT_EQ(threads.out.substr(0, threads.out.find('\n')), verdict) << threads.err;
    const std::vector<Process> all = start_tcp(2, words);
    const Outcome leader = finish(all[0]);
    EXPECT_EQ(leader.out.substr(0, leader.out.find('\n')), verdict) << leader.err;
    EXPECT_EQ(finish(all[1]).code, 0);
  }
}

/// Each rank reads its share of the file, and never has more than that in memory.
TEST_F(RankProcesses, ARankReadsItsShareOfTheNetwork) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer keeps what is given back";
#endif
  constexpr int kWidth = 2560;  // too many weights for packed copies of them
  constexpr double kWeights = 2.0 * kWidth * kWidth * sizeof(float);
  test::OnnxBuilder b;
  b.input("x", {1, 4});
  const auto weight = [&](const std::string& name, int out, int in) {
    onnx::TensorProto& t = *b.graph().add_initializer();
    t.set_name(name);
    t.set_data_type(onnx::TensorProto::FLOAT);
    t.add_dims(out);
    t.add_dims(in);
    std::vector<float> numbers(static_cast<std::size_t>(out) * in);
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      numbers[i] = static_cast<float>(static_cast<int>(i * 40503U % 2001U) - 1000) * 1e-5F;
    }
    t.set_raw_data(numbers.data(), numbers.size() * sizeof(float));
  };
  weight("first", kWidth, 4);
  weight("one", kWidth, kWidth);
  weight("two", kWidth, kWidth);
  weight("last", 1, kWidth);
  std::string value = "x";
  for (const char* name : {"first", "one", "two", "last"}) {
    const std::string made = std::string("of_") + name;
    b.node("Gemm", {value, name}, {made}, {{"transB", std::int64_t{1}}});
    value = made + "+";
    if (std::string(name) != "last") b.node("Relu", {made}, {value});
  }
  b.output("of_last");
  write_file(file("net.onnx"), b.bytes());
  std::string query = "(declare-const Y_0 Real)\n(assert (<= Y_0 -1e6))\n";
  for (int i = 0; i < 4; ++i) {
    const std::string x = "X_" + std::to_string(i);
    query = "(declare-const " + x + " Real)\n" + query + "(assert (<= " + x +
            " 1))\n(assert (>= " + x + " 0.5))\n";
  }
  write_file(file("p.vnnlib"), query);
  const auto peak_of = [&](const Words& files, int ranks, const Words& more) {
    Words words{"bounds",   "--method", "interval", "--threads", "1",
                "--device", "cpu",      "--json",   file("out")};
    words.insert(words.end(), files.begin(), files.end());
    words.insert(words.end(), more.begin(), more.end());
    for (const Process& process : start_tcp(ranks, words)) {
      const Outcome outcome = finish(process);
      EXPECT_EQ(outcome.code, 0) << outcome.err;
    }
    const auto result = nlohmann::json::parse(slurp(file("out")));
    double peak = result["memory"];
    if (ranks > 1) {
      for (const auto& rank : result["ranks"]) {
        peak = std::max(peak, rank["peak_bytes"].get<double>());
        EXPECT_LE(rank["weight_bytes"].get<double>(), kWeights / ranks + 0x1p20);
      }
    }
    return peak;
  };
  const auto most = [&](int ranks, const Words& more) {
    return peak_of({file("net.onnx"), file("p.vnnlib")}, ranks, more);
  };
  // Beside its weights a rank has the process (with the libraries of a GPU where it is built for
  // one), and megabytes of the file that pass by.
  const double process = most(1, {}) - kWeights;
  EXPECT_LT(process, peak_of({example("shapes.onnx"), example("holds.vnnlib")}, 1, {}) + 0x1p24);
  EXPECT_LT(most(3, {"--mesh", "tensor=3"}), process + kWeights / 3 + 0x1p23);
  EXPECT_LT(most(3, {"--mesh", "tensor=3", "--zones", "2"}), process + kWeights / 3 + 0x1p23);
}

TEST_F(RankProcesses, MeshesThatAreRefused) {
  for (const auto& [command, more] :
       {std::pair{"verify", Words{"--branch", "relu", "--mesh", "tensor=2"}},
        std::pair{"verify", Words{"--checkpoint", "no", "--mesh", "tensor=2"}},
        std::pair{"verify", Words{"--zones", "1"}},
        std::pair{"bounds", Words{"--zones", "1", "--mesh", "rows=2"}},
        std::pair{"bounds", Words{"--zones", "9", "--mesh", "tensor=2"}},
        std::pair{"bounds", Words{"--mesh", "tensor=2", "--ranks", "3"}},
        std::pair{"bounds", Words{"--mesh", "domains=2"}},
        std::pair{"bounds", Words{"--mesh", "columns=2"}}}) {
    Words words{command, example("shapes.onnx"), example("branching.vnnlib")};
    words.insert(words.end(), more.begin(), more.end());
    const Outcome outcome = run(words);
    EXPECT_EQ(outcome.code, 2) << outcome.err;
    const std::string refused = more[0] == "--checkpoint" ? more[0] : more[0] + " " + more[1];
    EXPECT_NE(outcome.err.find(refused), std::string::npos) << outcome.err;
  }
}

/// What does not fit is refused with what helps where neurons are shared, and where they are not.
TEST_F(RankProcesses, TooLittleMemoryIsToldWhatHelps) {
  for (const auto& [more, advice] :
       {std::pair{Words{"--mesh", "tensor=2"}, "more than 21 ranks with --mesh tensor=N"},
        std::pair{Words{"--weights", "replicated"}, "more than 21 ranks with --weights fsdp"}}) {
    Words words{"bounds", example("shapes.onnx"), example("holds.vnnlib"), "--memory-gib", "1e-6"};
    words.insert(words.end(), more.begin(), more.end());
    const Outcome outcome = run(words);
    EXPECT_EQ(outcome.code, 4) << outcome.err;
    EXPECT_NE(outcome.err.find(advice), std::string::npos) << outcome.err;
  }
}

/// Weights shared, or read from the file: verdicts, violated and not, and the bits of bounds.
TEST_F(RankProcesses, WeightsAreHeldInAnyWay) {
  for (const char* name : {"holds", "branching", "violated"}) {
    SCOPED_TRACE(name);
    Words words{"verify", example("shapes.onnx"), example(std::string(name) + ".vnnlib")};
    const std::string verdict = run(words).out.substr(0, 5);
    words.insert(words.end(), {"--weights", "fsdp"});
    EXPECT_EQ(run(words).out.substr(0, 5), verdict);
    const std::vector<Process> all = start_tcp(2, words);
    const Outcome leader = finish(all[0]);
    EXPECT_EQ(leader.code, 0) << leader.err;
    EXPECT_EQ(leader.out.substr(0, 5), verdict);
    EXPECT_EQ(finish(all[1]).code, 0);
  }
  const Words bounds = long_bounds();
  const auto with = [&](const Words& more) {
    Words words = bounds;
    words.insert(words.end(), more.begin(), more.end());
    return words;
  };
  EXPECT_EQ(run(with({file("one")})).code, 0);
  EXPECT_EQ(run(with({file("alone"), "--weights", "fsdp"})).code, 0);
  EXPECT_EQ(run(with({file("stream"), "--weights", "stream"})).code, 0);
  EXPECT_EQ(run(with({file("threads"), "--weights", "fsdp", "--ranks", "3"})).code, 0);
  for (const Process& process : start_tcp(2, with({file("tcp"), "--weights", "fsdp"}))) {
    EXPECT_EQ(finish(process).code, 0);
  }
  const auto one = nlohmann::json::parse(slurp(file("one")));
  for (const char* name : {"alone", "stream", "threads", "tcp"}) {
    SCOPED_TRACE(name);
    const auto other = nlohmann::json::parse(slurp(file(name)));
    EXPECT_EQ(other["nodes"], one["nodes"]);
    EXPECT_EQ(other["rows"], one["rows"]);
  }
  const auto ranks = nlohmann::json::parse(slurp(file("tcp")))["ranks"];
  for (const auto& rank : ranks) EXPECT_GT(rank["fetched_bytes"], 0);
  const double all =
      ranks[0]["weight_bytes"].get<double>() + ranks[1]["weight_bytes"].get<double>();
  EXPECT_NEAR(ranks[0]["weight_bytes"].get<double>(), all / 2, 0.02 * all / 2);
}

TEST_F(RankProcesses, WeightsThatDoNotFitAreRefusedWithWhatHelps) {
  const Words words{"verify", example("shapes.onnx"), example("holds.vnnlib"), "--memory-gib",
                    "1e-7"};
  const Outcome outcome = run(words);
  EXPECT_EQ(outcome.code, 4) << outcome.err;
  EXPECT_NE(outcome.err.find("--weights fsdp"), std::string::npos) << outcome.err;
  Words wrong = words;
  wrong.insert(wrong.end(), {"--weights", "somewhere"});
  EXPECT_EQ(run(wrong).code, 2);
}

/// Searches over weights that are not whole on each rank are the CPUs'.
TEST_F(RankProcesses, NeuronsAreSharedOnGpusForBoundsOnly) {
  const Outcome outcome = run({"verify", example("shapes.onnx"), example("holds.vnnlib"), "--mesh",
                               "tensor=2", "--device", "cuda"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_NE(outcome.err.find("--device cpu"), std::string::npos) << outcome.err;
}

TEST_F(RankProcesses, AKilledRankEndsAll) {
  for (const auto& [victim, command, more] :
       std::vector<std::tuple<int, const char*, Words>>{{1, "verify", {}},
                                                        {0, "verify", {}},
                                                        {1, "bounds", {"--mesh", "tensor=3"}},
                                                        {0, "bounds", {"--mesh", "tensor=3"}},
                                                        {1, "verify", {"--weights", "fsdp"}},
                                                        {0, "verify", {"--weights", "fsdp"}}}) {
    SCOPED_TRACE(std::to_string(victim) + (more.empty() ? "" : ", " + more.back()));
    Words words = endless(command);
    words.insert(words.end(), more.begin(), more.end());
    const std::vector<Process> all = start_tcp(3, words);
    std::this_thread::sleep_for(std::chrono::seconds(1));
    const double begin = now();
    ::kill(all[victim].pid, SIGKILL);
    for (int r = 0; r < 3; ++r) {
      const Outcome outcome = finish(all[r]);
      if (r == victim) continue;
      EXPECT_EQ(outcome.code, 5) << r;
      EXPECT_EQ(outcome.out, "") << "no verdict";
      const std::string told = "rank " + std::to_string(victim) + " failed: it ended";
      EXPECT_NE(outcome.err.find(told), std::string::npos) << outcome.err;
    }
    EXPECT_LT(now() - begin, 10);
  }
}

TEST_F(RankProcesses, ASignalToTheLeaderSendsTheOthersHome) {
  for (const int signal : {SIGTERM, SIGINT}) {
    const std::vector<Process> all = start_tcp(3, endless("verify"));
    std::this_thread::sleep_for(std::chrono::seconds(1));
    const double begin = now();
    ::kill(all[0].pid, signal);
    for (int r = 0; r < 3; ++r) {
      const Outcome outcome = finish(all[r]);
      EXPECT_EQ(outcome.code, r == 0 ? 10 : 0) << outcome.err;
      EXPECT_EQ(outcome.out, r == 0 ? "unknown\n" : "");
    }
    EXPECT_LT(now() - begin, 10);
  }
}

TEST_F(RankProcesses, AKilledRankLeavesTheLastCheckpoint) {
  for (const int victim : {1, 0}) {
    SCOPED_TRACE(victim);
    Words words = endless_search("killed");
    words.insert(words.end(), {"--checkpoint-minutes", "0.002"});
    const std::vector<Process> all = start_tcp(3, words);
    std::this_thread::sleep_for(std::chrono::milliseconds(1500));
    const double begin = now();
    ::kill(all[victim].pid, SIGKILL);
    for (int r = 0; r < 3; ++r) {
      const Outcome outcome = finish(all[r]);
      EXPECT_EQ(outcome.code, r == victim ? 128 + SIGKILL : 5) << outcome.err;
    }
    EXPECT_LT(now() - begin, 10);
    for (const int ranks : {1, 2, 4}) expect_resumes(ranks);
  }
}

TEST_F(RankProcesses, ASignalToAllLeavesACheckpoint) {
  const std::vector<Process> all = start_tcp(3, endless_search("stopped"));
  std::this_thread::sleep_for(std::chrono::milliseconds(1000));
  const double begin = now();
  for (const Process& process : all) ::kill(process.pid, SIGTERM);
  for (int r = 0; r < 3; ++r) {
    const Outcome outcome = finish(all[r]);
    EXPECT_EQ(outcome.code, r == 0 ? 10 : 0) << outcome.err;
    EXPECT_EQ(outcome.out, r == 0 ? "unknown\n" : "");
  }
  EXPECT_LT(now() - begin, 10);
  const auto json = nlohmann::json::parse(slurp(file("stopped")));
  EXPECT_EQ(json["reason"], "interrupted");
  EXPECT_EQ(json["checkpoint"], file("state"));
  for (const auto& rank : json["ranks"]) EXPECT_GT(rank["domains"], 0);
  for (const int ranks : {1, 2, 4}) expect_resumes(ranks);
}

TEST_F(RankProcesses, TheDeadlineIsTheLeaders) {
  Words words = endless("verify");
  words.insert(words.end(), {"--timeout", "1.5"});
  const double begin = now();
  const std::vector<Process> all = start_tcp(2, words);
  EXPECT_EQ(finish(all[0]).code, 11);
  EXPECT_EQ(finish(all[1]).code, 0);
  words.insert(words.end(), {"--ranks", "2"});
  EXPECT_EQ(run(words).code, 11);
  EXPECT_LT(now() - begin, 10);
}

TEST_F(RankProcesses, AFileThatARankCannotReadIsTold) {
  const std::vector<std::string> networks{example("shapes.onnx"), file("missing.onnx")};
  const std::string port = std::to_string(comm::Socket::listen(0).port());
  std::vector<Process> all;
  for (int r = 0; r < 2; ++r) {
    all.push_back(start({CORONET_BINARY, "verify", networks[r], example("branching.vnnlib")},
                        {{"RANK", std::to_string(r)},
                         {"WORLD_SIZE", "2"},
                         {"MASTER_ADDR", "localhost"},
                         {"MASTER_PORT", port}}));
  }
  const Outcome leader = finish(all[0]);
  EXPECT_EQ(leader.code, 2);
  EXPECT_NE(leader.err.find("rank 1 failed"), std::string::npos) << leader.err;
  EXPECT_NE(leader.err.find("missing.onnx"), std::string::npos) << leader.err;
  EXPECT_EQ(finish(all[1]).code, 2);
}

#ifdef CORONET_MPIEXEC
const Variables kMpi{{"OMPI_ALLOW_RUN_AS_ROOT", "1"},
                     {"OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1"},
                     {"OMPI_MCA_rmaps_base_oversubscribe", "1"},
                     {"OMPI_MCA_hwloc_base_binding_policy", "none"}};

Words by_mpi(int ranks, const Words& words) {
  Words all{CORONET_MPIEXEC, "-n", std::to_string(ranks), CORONET_BINARY};
  all.insert(all.end(), words.begin(), words.end());
  return all;
}

struct Status {
  char state = 0;  ///< 0: there is none
  pid_t parent = 0;
};

Status status_of(const std::string& pid) {
  const std::string stat = slurp("/proc/" + pid + "/stat");
  const std::size_t end = stat.rfind(')');
  Status status;
  if (end == std::string::npos) return status;
  std::istringstream rest(stat.substr(end + 1));
  rest >> status.state >> status.parent;
  return status;
}

/// The processes that `parent` has started.
std::vector<pid_t> children_of(pid_t parent) {
  std::vector<pid_t> all;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    const bool number =
        std::all_of(name.begin(), name.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (number && status_of(name).parent == parent) all.push_back(std::stoi(name));
  }
  return all;
}

bool lives(pid_t pid) {
  const char state = status_of(std::to_string(pid)).state;
  return state != 0 && state != 'Z';
}

TEST_F(RankProcesses, MpiVerdicts) {
  for (const auto& [name, verdict] :
       {std::pair{"branching", "unsat\n"}, std::pair{"violated", "sat\n"}}) {
    const Outcome outcome = finish(
        start(by_mpi(3, {"verify", example("shapes.onnx"), example(name + std::string(".vnnlib"))}),
              kMpi));
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(outcome.out.substr(0, outcome.out.find('\n') + 1), verdict);
    EXPECT_NE(outcome.err.find("3 ranks: "), std::string::npos) << outcome.err;
  }
}

TEST_F(RankProcesses, MpiEndsWithAKilledRank) {
  const Process launcher = start(by_mpi(3, endless("verify")), kMpi);
  std::this_thread::sleep_for(std::chrono::seconds(2));
  const std::vector<pid_t> ranks = children_of(launcher.pid);
  ASSERT_EQ(ranks.size(), 3U);
  const double begin = now();
  ::kill(ranks[1], SIGKILL);
  const Outcome outcome = finish(launcher);
  EXPECT_NE(outcome.code, 0);
  EXPECT_EQ(outcome.out.find("sat\n"), std::string::npos) << outcome.out;
  while (std::any_of(ranks.begin(), ranks.end(), lives) && now() - begin < 10) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  for (const pid_t rank : ranks) EXPECT_FALSE(lives(rank)) << "a rank lives on";
  EXPECT_LT(now() - begin, 10);
}

/// The launcher hands the signal on to every rank, and kills what lives on after a second.
TEST_F(RankProcesses, MpiSignalLeavesACheckpoint) {
  const Process launcher = start(by_mpi(3, endless_search("mpi")), kMpi);
  std::this_thread::sleep_for(std::chrono::seconds(2));
  ::kill(launcher.pid, SIGTERM);
  const Outcome outcome = finish(launcher);
  EXPECT_EQ(outcome.out, "unknown\n") << outcome.err;
  for (const int ranks : {1, 2}) expect_resumes(ranks);
}

TEST_F(RankProcesses, MpiEndsWithARankThatFails) {
  Words words = endless("verify");
  words.insert(words.end(), {"--memory", "0.001"});
  const double begin = now();
  const Outcome outcome = finish(start(by_mpi(2, words), kMpi));
  EXPECT_EQ(outcome.code, 4) << outcome.err;
  EXPECT_LT(now() - begin, 10);
}
#endif

TEST(Launch, ReadsWhatLaunchersSet) {
  using comm::Launch;
  const auto launch = [](const Variables& variables, int ranks = 0) {
    return comm::launch_of(ranks, [&](const char* name) -> const char* {
      const auto found = variables.find(name);
      return found == variables.end() ? nullptr : found->second.c_str();
    });
  };
  EXPECT_EQ(launch({}).by, Launch::By::kNobody);
  EXPECT_EQ(launch({}, 1).by, Launch::By::kNobody);
  EXPECT_EQ(launch({}, 4).by, Launch::By::kThreads);
  EXPECT_EQ(launch({}, 4).ranks, 4);
  const Variables torch{
      {"RANK", "2"}, {"WORLD_SIZE", "3"}, {"MASTER_ADDR", "host"}, {"MASTER_PORT", "29500"}};
  EXPECT_EQ(launch(torch).by, Launch::By::kTcp);
  EXPECT_EQ(launch(torch).rank, 2);
  EXPECT_EQ(launch(torch, 3).ranks, 3);
  EXPECT_EQ(launch(torch).tcp.host, "host");
  EXPECT_EQ(launch(torch).tcp.port, 29500);
  Variables elastic = torch;
  elastic["TORCHELASTIC_RUN_ID"] = "none";
  EXPECT_EQ(launch(elastic).tcp.port, 29501);
  EXPECT_EQ(launch({{"WORLD_SIZE", "1"}, {"RANK", "0"}}).by, Launch::By::kNobody);
  const Variables mpi{{"OMPI_COMM_WORLD_SIZE", "2"}, {"OMPI_COMM_WORLD_RANK", "1"}};
  EXPECT_EQ(launch(mpi).by, Launch::By::kMpi);
  EXPECT_EQ(launch(mpi).rank, 1);
  EXPECT_EQ(launch({{"PMI_SIZE", "2"}, {"PMI_RANK", "1"}}).by, Launch::By::kMpi);
  Variables slurm{{"PMIX_RANK", "1"}, {"SLURM_STEP_NUM_TASKS", "4"}, {"SLURM_PROCID", "3"}};
  EXPECT_EQ(launch(slurm).by, Launch::By::kMpi);
  EXPECT_EQ(launch(slurm).rank, 3);
  slurm.erase("PMIX_RANK");
  slurm.insert({{"SLURM_JOB_ID", "1234567"}, {"SLURM_STEP_ID", "2"}});
  const std::vector<std::pair<std::string, std::string>> hosts = {
      {"one", "one"},
      {"a,b", "a"},
      {"node[03-07,12],login", "node03"},
      {"n[5]", "n5"},
      {"r[1-2]n[8,9]-ib", "r1n8-ib"},
      {"n[5", "n5"},
  };
  std::uint16_t port = 0;
  for (const auto& [nodes, first] : hosts) {
    slurm["SLURM_STEP_NODELIST"] = nodes;
    EXPECT_EQ(launch(slurm).by, Launch::By::kTcp);
    EXPECT_EQ(launch(slurm).rank, 3);
    EXPECT_EQ(launch(slurm).tcp.size, 4);
    EXPECT_EQ(launch(slurm).tcp.host, first);
    port = launch(slurm).tcp.port;
  }
  EXPECT_GE(port, 20000);
  EXPECT_LT(port, 32000);
  slurm["SLURM_STEP_ID"] = "3";
  EXPECT_NE(launch(slurm).tcp.port, port);
  slurm.insert({{"PMI_SIZE", "4"}, {"PMI_RANK", "3"}});
  EXPECT_EQ(launch(slurm).by, Launch::By::kTcp);
  EXPECT_EQ(launch(slurm, 1).by, Launch::By::kNobody);
  // Of MPICH's mpirun in a job, whose helpers are srun's tasks.
  Variables mpich = slurm;
  mpich["PMI_SIZE"] = "16";
  mpich["PMI_RANK"] = "13";
  EXPECT_EQ(launch(mpich).by, Launch::By::kMpi);
  EXPECT_EQ(launch(mpich).rank, 13);
  EXPECT_EQ(launch(slurm, 1).ranks, 1);
  slurm.insert(torch.begin(), torch.end());
  EXPECT_EQ(launch(slurm).by, Launch::By::kTcp);
  EXPECT_EQ(launch({{"OMPI_COMM_WORLD_SIZE", "1"}, {"OMPI_COMM_WORLD_RANK", "0"}}, 2).by,
            Launch::By::kThreads);
  EXPECT_THROW(launch(torch, 2), Error);
  EXPECT_THROW(launch({{"WORLD_SIZE", "3"}}), Error);
  EXPECT_THROW(launch({{"WORLD_SIZE", "3"}, {"RANK", "3"}, {"MASTER_PORT", "1"}}), Error);
  EXPECT_THROW(launch({{"WORLD_SIZE", "x"}, {"RANK", "0"}}), Error);
}

}  // namespace
}  // namespace coronet
