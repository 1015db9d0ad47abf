// Plans: as values, and as the program prints and follows them.
#include "plan/run_plan.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "graph/sharded.h"
#include "graphs.h"
#include "ops/tiles.h"
#include "processes.h"

namespace coronet {
namespace {

using plan::Place;
using Json = nlohmann::json;

const std::vector<Place> kPlaces = {Place::kReplicated, Place::kSharded, Place::kStreamed};

std::uint64_t of(const plan::Phase& phase, MemoryClass what) {
  return phase.bytes[static_cast<std::size_t>(what)];
}

Graph network() { return test::mlp(3, 20, 3, 300, 5, 0, false); }

TEST(Plan, WeightsAreWhereTheyArePlaced) {
  for (const test::Named& n : test::random_networks(2)) {
    const std::uint64_t all = weight_bytes(n.graph);
    for (const int ranks : {1, 2, 3, 8}) {
      SCOPED_TRACE(n.name + ", " + std::to_string(ranks) + " ranks");
      plan::Question question;
      question.ranks = ranks;
      for (const Place place : kPlaces) {
        Graph graph = n.graph;
        std::optional<ShardedWeights> elsewhere;  // weights that are not in memory
        if (place == Place::kStreamed) elsewhere.emplace(graph);
        const plan::RunPlan made = make_run_plan(graph, question, place);
        std::uint64_t whole = 0;
        std::uint64_t here = 0;
        for (const plan::WeightPlan& w : made.weights) {
          whole += w.bytes;
          here += w.here;
        }
        EXPECT_EQ(whole, all);
        for (const plan::Phase& phase : made.phases) {
          EXPECT_EQ(of(phase, MemoryClass::kWeights), here);
          EXPECT_LE(phase.total, made.peak().total);
        }
        if (place == Place::kReplicated) {
          EXPECT_EQ(here, all);
        } else if (place == Place::kStreamed) {
          EXPECT_EQ(here, 0U);
        } else {
          EXPECT_LE(here * static_cast<std::uint64_t>(ranks),
                    all + made.weights.size() * 8 * static_cast<std::uint64_t>(ranks));
        }
      }
    }
  }
}

TEST(Plan, AlphaComesWithItsMethod) {
  plan::Question question;
  question.iterations = question.spec_iterations = 5;
  for (const auto method :
       {bound::Method::kInterval, bound::Method::kCrown, bound::Method::kAlpha}) {
    question.method = method;
    const plan::RunPlan made = make_run_plan(network(), question, Place::kReplicated);
    const bool rows = method != bound::Method::kInterval;
    EXPECT_EQ(made.phases.size(), rows ? 3U : 2U);
    EXPECT_EQ(of(made.phases.back(), MemoryClass::kA) > 0, rows);
    EXPECT_EQ(of(made.phases.back(), MemoryClass::kAlpha) > 0, method == bound::Method::kAlpha);
  }
}

TEST(Plan, TheSoonestThatFitsIsChosen) {
  const Graph graph = network();
  plan::Question question;
  question.ranks = 8;
  question.chunk_mib = 0.1;
  std::vector<std::uint64_t> peak;
  for (const Place place : kPlaces) {
    peak.push_back(make_run_plan(graph, question, place).peak_bytes());
  }
  ASSERT_GT(peak[0], peak[1]);
  EXPECT_EQ(choose_run_plan(graph, question, kPlaces).place, Place::kReplicated);
  question.memory = peak[0];
  EXPECT_EQ(choose_run_plan(graph, question, kPlaces).place, Place::kReplicated);
  question.memory = peak[0] - 1;
  EXPECT_NE(choose_run_plan(graph, question, kPlaces).place, Place::kReplicated);
  try {
    (void)choose_run_plan(graph, question, {Place::kReplicated});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kOutOfMemory);
    const std::string what = error.what();
    for (const char* words : {"no plan fits", "8 ranks", "packed weights", "A ", "would help"}) {
      EXPECT_NE(what.find(words), std::string::npos) << words << " in " << what;
    }
  }
}

TEST(Plan, MoreRanksTakeLessTimeAndFetchMore) {
  plan::Question question;
  const Graph graph = test::mlp(3, 20, 3, 1000, 5, 0, false);
  double seconds = 1e9;
  for (const int ranks : {1, 2, 4}) {
    question.ranks = ranks;
    const plan::RunPlan made = make_run_plan(graph, question, Place::kSharded);
    double bytes = 0;
    double computed = 0;
    for (const plan::Phase& phase : made.phases) {
      computed += phase.compute_seconds;
      for (const plan::Transfer& t : phase.transfers) {
        if (t.via == plan::Via::kTileFetch) bytes += static_cast<double>(t.bytes);
      }
    }
    EXPECT_LT(computed, seconds);
    seconds = computed;
    EXPECT_EQ(bytes > 0, ranks > 1);
  }
}

TEST(Plan, RanksOfSeveralHostsHoldTilesForOthers) {
  plan::Question question;
  question.ranks = 2;
  const Graph graph = test::mlp(3, 20, 3, 1000, 5, 0, false);
  const plan::RunPlan near = make_run_plan(graph, question, Place::kSharded);
  question.one_host = false;
  const plan::RunPlan far = make_run_plan(graph, question, Place::kSharded);
  for (const MemoryClass more : {MemoryClass::kCommunication, MemoryClass::kTiles}) {
    EXPECT_GE(of(far.peak(), more), of(near.peak(), more) + kTileBytes / 2) << name_of(more);
  }
  question.processes = true;
  EXPECT_EQ(make_run_plan(graph, question, Place::kSharded).peak_bytes(),
            far.peak_bytes() + plan::RunPlan::kLinkBytes);
}

class PlanProgram : public testing::Test {
 protected:
  [[nodiscard]] test::Outcome run(test::Words arguments) const {
    arguments.insert(arguments.begin(), CORONET_BINARY);
    const std::string example = std::string(CORONET_SOURCE_DIR) + "/examples/";
    arguments.push_back(example + "shapes.onnx");
    arguments.push_back(example + "holds.vnnlib");
    return test::finish(test::start(folder_, arguments));
  }
  [[nodiscard]] Json json(test::Words arguments) const {
    const std::string file = folder_.file("out.json");
    arguments.push_back("--json");
    arguments.push_back(file);
    const test::Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return Json::parse(test::slurp(file));
  }

  test::Folder folder_;
};

TEST_F(PlanProgram, PrintsWhatARunThenHolds) {
  for (const char* weights : {"replicated", "fsdp", "stream"}) {
    for (const char* method : {"crown", "alpha"}) {
      for (const char* ranks : {"1", "2", "3"}) {
        SCOPED_TRACE(std::string(weights) + " " + method + " " + ranks);
        const test::Words common = {"--weights", weights, "--method",     method, "--ranks", ranks,
                                    "--threads", "1",     "--iterations", "2",    "--box",   "0"};
        test::Words planning(common.begin(), common.end() - 2);
        planning.insert(planning.begin(), "plan");
        test::Words running = common;
        running.insert(running.begin(), "bounds");
        const Json made = json(planning);
        const Json ran = json(running);
        const bool alone = std::string(ranks) == "1";
        Json memory = alone ? Json::array({ran["counted_memory"]}) : Json::array();
        for (std::size_t r = 0; !alone && r < ran["ranks"].size(); ++r) {
          memory.push_back(ran["ranks"][r]["memory"]);
        }
        const Json& planned = made["phases"].back()["bytes"];
        std::uint64_t most_weights = 0;
        for (const Json& rank : memory) {
          most_weights = std::max(most_weights, rank["weights"]["most"].get<std::uint64_t>());
          for (const char* name : {"A", "alpha and moments", "bounds", "packed weights"}) {
            const std::uint64_t took =
                rank.contains(name) ? rank[name]["most"].get<std::uint64_t>() : 0;
            const std::uint64_t expected =
                planned.contains(name) ? planned[name].get<std::uint64_t>() : 0;
            EXPECT_LE(took, expected) << name;
            if (alone) {
              EXPECT_EQ(took, expected) << name;
            }
          }
        }
        EXPECT_EQ(most_weights, planned["weights"].get<std::uint64_t>());
      }
    }
  }
}

TEST_F(PlanProgram, MemoryIsAskedForInWords) {
  struct Word {
    const char* text;
    double bytes;
  };
  for (const Word& word : {Word{"40GiB", 40 * 0x1p30}, Word{"512MiB", 0x1p29}, Word{"1TiB", 0x1p40},
                           Word{"0.5", 0x1p29}}) {
    EXPECT_EQ(json({"plan", "--memory", word.text})["memory_bytes"].get<double>(), word.bytes)
        << word.text;
  }
  for (const char* text : {"40GB", "MiB", "-1GiB", "nanGiB", "1GiB1"}) {
    EXPECT_EQ(run({"plan", "--memory", text}).code, 2) << text;
  }
}

TEST_F(PlanProgram, SaysWhatIsWrong) {
  struct Wrong {
    test::Words arguments;
    int code;
    const char* words;
  };
  const std::vector<Wrong> all = {
      {{"plan", "--mesh", "domains=2"}, 2, "share domains too"},
      {{"plan", "--zones", "2"}, 2, "share the neurons"},
      {{"plan", "--mesh", "tensor=2", "--zones", "99"}, 2, "pair of dense layers"},
      {{"plan", "--mesh", "tensor=2", "--weights", "fsdp"}, 2, "weights of its neurons"},
      {{"plan", "--mesh", "tensor=2", "--memory", "1MiB"}, 4, "no plan fits"},
      {{"plan", "--mesh", "rows=2", "--ranks", "3"}, 2, "there are 3"},
      {{"plan", "--mesh", "tensor=2", "--device", "cuda"}, 2, "on CPUs"},
      {{"plan", "--search", "--device", "cuda"}, 2, "on CPUs"},
      {{"plan", "--device", "cuda", "--memory", "1MiB"}, 4, "of the GPU of each of 1 rank"},
      {{"plan", "--device", "cuda", "--gpu-peer", "0"}, 2, "--gpu-peer"},
      {{"plan", "--weights", "here"}, 2, "replicated, fsdp, stream or auto"},
      {{"plan", "--link", "string"}, 2, "--link"},
      {{"plan", "--memory", "1MiB"}, 4, "no plan fits"},
      {{"bounds", "--mesh", "auto", "--box", "0", "--memory", "1MiB"}, 4, "no plan fits"},
      {{"bounds", "--mesh", "auto", "--ranks", "2", "--box", "0", "--memory", "1MiB"},
       4,
       "no plan fits"}};
  for (const Wrong& wrong : all) {
    const test::Outcome outcome = run(wrong.arguments);
    EXPECT_EQ(outcome.code, wrong.code) << wrong.words;
    EXPECT_NE((outcome.out + outcome.err).find(wrong.words), std::string::npos)
        << wrong.words << " in " << outcome.out << outcome.err;
  }
}

/// Where the packed copies do not fit, the weights go elsewhere, for all ranks alike.
TEST_F(PlanProgram, AutoLeavesOutWhatDoesNotFit) {
  for (const char* ranks : {"1", "2", "3"}) {
    SCOPED_TRACE(ranks);
    const Json whole = json({"plan", "--ranks", "1", "--threads", "1", "--weights", "replicated"});
    const std::uint64_t process = plan::RunPlan::kProcessBytes;
    const std::uint64_t own = whole["peak_bytes"].get<std::uint64_t>() - process - 4096;
    const double gib = static_cast<double>(process + own * std::stoull(ranks)) / 0x1p30;
    const Json ran = json({"bounds", "--mesh", "auto", "--ranks", ranks, "--threads", "1", "--box",
                           "0", "--memory", std::to_string(gib)});
    const bool alone = std::string(ranks) == "1";
    const Json& memory = alone ? ran["counted_memory"] : ran["ranks"][0]["memory"];
    EXPECT_TRUE(memory.contains("A"));
    EXPECT_FALSE(memory.contains("packed weights"));
  }
}

/// Wherever it is made, with a GPU or without.
TEST_F(PlanProgram, PlansGpus) {
  for (const char* ranks : {"1", "4"}) {
    for (const char* weights : {"replicated", "fsdp", "stream", "auto"}) {
      const Json made = json({"plan", "--device", "cuda", "--ranks", ranks, "--weights", weights,
                              "--memory", "8GiB", "--method", "alpha", "--iterations", "3"});
      EXPECT_TRUE(made["device"]);
      const Json& bytes = made["phases"].back()["bytes"];
      EXPECT_TRUE(bytes.contains("workspace"));
      EXPECT_FALSE(bytes.contains("process"));
      EXPECT_LE(made["peak_bytes"].get<double>(), 8 * 0x1p30);
      std::uint64_t most = 0;
      for (const Json& phase : made["phases"]) {
        most = std::max(most, phase["bytes"]["all"].get<std::uint64_t>());
      }
      EXPECT_EQ(made["peak_bytes"], most);
    }
  }
}

TEST_F(PlanProgram, AutoFollowsThePlan) {
  for (const char* ranks : {"1", "2"}) {
    const Json made = json({"plan", "--ranks", ranks, "--threads", "1"});
    EXPECT_EQ(made["weights"], "replicated");
    const test::Words words = {"bounds",    "--mesh", "auto",  "--ranks", ranks,
                               "--threads", "1",      "--box", "0"};
    const test::Outcome outcome = run(words);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
  }
}

}  // namespace
}  // namespace coronet
