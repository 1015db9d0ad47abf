// The program as its users run it: a process, files, exit codes.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <zlib.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "processes.h"

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using namespace coronet::test;

void spill(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

class Cli : public testing::Test {
 protected:
  [[nodiscard]] std::string file(const std::string& name) const { return folder_.file(name); }

  static std::string example(const std::string& name) {
    return std::string(CORONET_SOURCE_DIR) + "/examples/" + name;
  }

  /// Runs coronet; `signals` are sent to it after 0.2 s, one after another.
  [[nodiscard]] Outcome run(Words arguments, const std::vector<int>& signals = {}) const {
    arguments.insert(arguments.begin(), CORONET_BINARY);
    const Process process = start(folder_, arguments);
    for (const int signal : signals) {
      std::this_thread::sleep_for(std::chrono::milliseconds(200));
      ::kill(process.pid, signal);
    }
    return finish(process);
  }

  /// A query that never comes: whoever opens it waits, as in a step that takes for ever.
  [[nodiscard]] std::string endless() const {
    const std::string path = file("endless.vnnlib");
    EXPECT_EQ(::mkfifo(path.c_str(), 0600), 0);
    return path;
  }

  /// The example network with an operator that does not exist in place of its ReLUs.
  [[nodiscard]] std::string unsupported_network() const {
    std::string bytes = slurp(example("shapes.onnx"));
    for (std::size_t at = 0; (at = bytes.find("Relu", at)) != std::string::npos; ++at) {
      bytes.replace(at, 4, "Sinh");
    }
    spill(file("sinh.onnx"), bytes);
    return file("sinh.onnx");
  }

  /// All grey pictures, and "is class 1 ever at least class 0?", in VNN-LIB 2.
  [[nodiscard]] std::string standard_query() const {
    std::string text =
        "(vnnlib-version <2.0>)\n(declare-network N\n  (declare-input X float32 [1,1,10,10])\n"
        "  (declare-output Y float32 [1,5]))\n";
    for (int i = 0; i < 100; ++i) {
      const std::string x = "X[0,0," + std::to_string(i / 10) + "," + std::to_string(i % 10) + "]";
      text += "(assert (>= " + x + " 0.0))\n(assert (<= " + x + " 1.0))\n";
    }
    spill(file("query.vnnlib"), text + "(assert (>= Y[0,1] Y[0,0]))\n");
    return file("query.vnnlib");
  }

  [[nodiscard]] std::string packed(const std::string& path, const std::string& name) const {
    const std::string bytes = slurp(path);
    gzFile out = ::gzopen(file(name).c_str(), "wb");
    EXPECT_EQ(::gzwrite(out, bytes.data(), static_cast<unsigned>(bytes.size())),
              static_cast<int>(bytes.size()));
    ::gzclose(out);
    return file(name);
  }

 private:
  Folder folder_;
};

TEST_F(Cli, DecidesTheExamples) {
  const std::array<std::array<const char*, 3>, 3> expected{{{"holds", "unsat", "holds"},
                                                            {"branching", "unsat", "holds"},
                                                            {"violated", "sat", "violated"}}};
  for (const auto& [name, word, verdict] : expected) {
    SCOPED_TRACE(name);
    const Outcome outcome =
        run({"verify", example("shapes.onnx"), example(std::string(name) + ".vnnlib"), "--timeout",
             "60", "--result", file("r"), "--json", file("j")});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(outcome.first_line(), word);
    EXPECT_EQ(outcome.err, "");
    const Json json = Json::parse(slurp(file("j")));
    EXPECT_EQ(json["verdict"], verdict);
    EXPECT_EQ(json["run"]["network"], example("shapes.onnx"));
    EXPECT_EQ(json["options"]["timeout"], 60);
    EXPECT_EQ(json["phases"][0]["name"], "load");
    const std::string result = slurp(file("r"));
    EXPECT_EQ(result, outcome.out);
    if (outcome.first_line() == "sat") {
      EXPECT_EQ(result.find("sat\n((X_0 "), 0U);
      EXPECT_NE(result.find("(Y_4 "), std::string::npos);
      EXPECT_EQ(json["counterexample"]["input"].size(), 100U);
    } else {
      EXPECT_EQ(outcome.out, std::string(word) + "\n");
    }
  }
}

TEST_F(Cli, TakesTheFilesInEitherOrderAndPacked) {
  const std::string network = packed(example("shapes.onnx"), "net.onnx.gz");
  const std::string property = packed(example("holds.vnnlib"), "prop.vnnlib.gz");
  for (const Words& files : {Words{example("holds.vnnlib"), example("shapes.onnx")},
                             Words{network, property}, Words{file("net.onnx"), file("prop.vnnlib")},
                             Words{example("holds.vnnlib"), "--network", "any=" + network}}) {
    Words arguments{"verify"};
    arguments.insert(arguments.end(), files.begin(), files.end());
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(outcome.out, "unsat\n");
  }
}

TEST_F(Cli, SpeaksTheStandardsForm) {
  const std::string network = example("shapes.onnx");
  const Outcome good = run({"verify", standard_query(), "--network", "N=" + network});
  EXPECT_EQ(good.code, 0) << good.err;
  EXPECT_EQ(good.out.find("sat\nX float32 [1,1,10,10]\n"), 0U) << good.out;
  EXPECT_NE(good.out.find("\nY float32 [1,5]\n"), std::string::npos);
  const Outcome wrong = run({"verify", standard_query(), "--network", "M=" + network});
  EXPECT_EQ(wrong.code, 2);
  EXPECT_EQ(wrong.out, "");
  EXPECT_NE(wrong.err.find("called N"), std::string::npos) << wrong.err;
  const Outcome twice =
      run({"verify", standard_query(), "--network", "N=" + network, "--network", "M=" + network});
  EXPECT_EQ(twice.code, 2);
  EXPECT_EQ(run({"verify", standard_query()}).code, 2);
  EXPECT_EQ(run({"verify", standard_query(), "--network", network}).code, 2);
}

TEST_F(Cli, TellsBadInputApart) {
  const std::string network = example("shapes.onnx");
  const std::string property = example("holds.vnnlib");
  spill(file("broken.vnnlib"), "(declare-const X_0 Real)\n(assert (<= X_0 oops))\n");
  spill(file("empty.vnnlib"), "");
  spill(file("broken.onnx"), slurp(network).substr(0, 5000));
  spill(file("empty.onnx"), "");
  spill(file("broken.onnx.gz"), "\x1f\x8b nothing");
  const std::vector<std::pair<Words, const char*>> cases{
      {{"verify", network, file("broken.vnnlib")}, "line "},
      {{"verify", network, file("empty.vnnlib")}, "empty.vnnlib"},
      {{"verify", network, file("none.vnnlib")}, "none.vnnlib"},
      {{"verify", file("broken.onnx"), property}, "broken.onnx"},
      {{"verify", file("empty.onnx"), property}, "empty.onnx"},
      {{"verify", file("broken.onnx.gz"), property}, "broken.onnx.gz"},
      {{"verify", file("none.onnx"), property}, "none.onnx"},
      {{"verify", network}, "property is missing"},
      {{"verify", property}, "network is missing"},
      {{"verify", network, network}, "both"},
      {{"verify", property, property}, ".onnx"},
      {{"verify", network, property, property}, "expected"},
      {{"verify"}, "FILES"},
      {{"verify", network, property, "--nonsense"}, "--nonsense"},
      {{"verify", network, property, "--timeout", "-1"}, "--timeout"},
      {{"verify", network, property, "--timeout", "soon"}, "--timeout"},
      {{"verify", network, property, "--branch", "left"}, "--branch"},
      {{"bounds", network, property, "--box", "1"}, "--box"},
      {{"bounds", network}, "property is missing"},
      {{"explain", file("broken.onnx")}, "broken.onnx"},
      {{"nonsense"}, ""},
      {{}, "verify"},
  };
  for (const auto& [arguments, hint] : cases) {
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.code, 2) << testing::PrintToString(arguments);
    EXPECT_EQ(outcome.out, "") << testing::PrintToString(arguments);
    EXPECT_NE(outcome.err, "");
    EXPECT_NE(outcome.err.find(hint), std::string::npos) << outcome.err;
  }
  const Outcome outcome =
      run({"verify", network, file("broken.vnnlib"), "--result", file("r"), "--json", file("j")});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_EQ(slurp(file("r")), "error\n");
  EXPECT_EQ(Json::parse(slurp(file("j")))["verdict"], "error");
}

TEST_F(Cli, NamesEveryUnsupportedNode) {
  const std::string network = unsupported_network();
  const Outcome verify = run({"verify", network, example("holds.vnnlib"), "--result", file("r")});
  EXPECT_EQ(verify.code, 3);
  EXPECT_EQ(verify.out, "");
  EXPECT_EQ(slurp(file("r")), "error\n");
  const Outcome explain = run({"explain", network});
  EXPECT_EQ(explain.code, 3);
  for (const std::string& text : {verify.err, explain.out}) {
    EXPECT_NE(text.find("Sinh"), std::string::npos) << text;
    EXPECT_NE(text.find("relu1"), std::string::npos) << text;
    EXPECT_NE(text.find("relu2"), std::string::npos) << text;
  }
}

TEST_F(Cli, SaysTheVerdictEvenIfAFileCannotBeWritten) {
  const Outcome outcome = run({"verify", example("shapes.onnx"), example("holds.vnnlib"), "--json",
                               file("no/such/folder")});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_EQ(outcome.out, "unsat\n");
  EXPECT_NE(outcome.err.find("no/such/folder"), std::string::npos);
}

TEST_F(Cli, ExplainsWhatIsLeftOpen) {
  const Words arguments{"verify", example("shapes.onnx"), example("branching.vnnlib"), "--branch",
                        "none"};
  Outcome outcome = run(arguments);
  EXPECT_EQ(outcome.code, 10);
  EXPECT_EQ(outcome.out, "unknown\n");
  EXPECT_NE(outcome.err.find("branch"), std::string::npos);
  EXPECT_NE(outcome.err.find("proven: "), std::string::npos);
  Words quiet = arguments;
  quiet.emplace_back("--quiet");
  outcome = run(quiet);
  EXPECT_EQ(outcome.code, 10);
  EXPECT_EQ(outcome.err, "");
  Words json = arguments;
  json.insert(json.end(), {"--progress", "json"});
  outcome = run(json);
  std::istringstream lines(outcome.err);
  std::string line;
  Json last;
  while (std::getline(lines, line)) last = Json::parse(line);
  EXPECT_EQ(last["verdict"], "unknown");
  EXPECT_TRUE(last["reason"].is_string());
}

TEST_F(Cli, KeepsTheDeadlineInsideAStep) {
  const Outcome outcome = run({"verify", example("shapes.onnx"), endless(), "--timeout", "0.3",
                               "--result", file("r"), "--json", file("j"), "--progress", "json"});
  EXPECT_EQ(outcome.code, 11);
  EXPECT_EQ(outcome.out, "timed-out\n");
  EXPECT_LT(outcome.seconds, 1.5);
  EXPECT_EQ(slurp(file("r")), "timeout\n");
  const Json json = Json::parse(slurp(file("j")));
  EXPECT_EQ(json["verdict"], "timeout");
  EXPECT_EQ(json["reason"], "the deadline passed inside one step");
}

TEST_F(Cli, EndsAtSignals) {
  const std::string query = endless();
  for (const int signal : {SIGTERM, SIGINT}) {
    const Outcome outcome =
        run({"verify", example("shapes.onnx"), query, "--result", file("r")}, {signal});
    EXPECT_EQ(outcome.code, 10);
    EXPECT_EQ(outcome.out, "unknown\n");
    EXPECT_NE(outcome.err.find("interrupted"), std::string::npos);
    EXPECT_EQ(slurp(file("r")), "unknown\n");
    EXPECT_LT(outcome.seconds, 2);
  }
}

TEST_F(Cli, GoesOnAfterASignal) {
  // Input splitting of a hundred pixels decides nothing.
  const Words hard{"verify",
                   example("shapes.onnx"),
                   example("branching.vnnlib"),
                   "--branch",
                   "input",
                   "--checkpoint",
                   file("state"),
                   "--resume",
                   file("state"),
                   "--threads",
                   "1"};
  for (const int signal : {SIGTERM, SIGINT}) {
    Words words = hard;
    words.insert(words.end(), {"--json", file("j"), "--timeout", "60"});
    const Outcome outcome = run(words, {signal});
    EXPECT_EQ(outcome.code, 10) << outcome.err;
    EXPECT_EQ(outcome.out, "unknown\n");
    EXPECT_NE(outcome.err.find("interrupted"), std::string::npos);
    EXPECT_NE(outcome.err.find("--resume " + file("state")), std::string::npos);
    EXPECT_TRUE(fs::exists(file("state")));
    const Json json = Json::parse(slurp(file("j")));
    EXPECT_EQ(json["reason"], "interrupted");
    EXPECT_EQ(json["checkpoint"], file("state"));
    // The second run begins where the first one ended.
    EXPECT_EQ(json["phases"][1]["name"] == "earlier runs", signal == SIGINT);
  }
  // Out of time is no other end.
  Words late = hard;
  late.insert(late.end(), {"--timeout", "0.3"});
  const Outcome outcome = run(late);
  EXPECT_EQ(outcome.code, 11) << outcome.err;
  EXPECT_NE(outcome.err.find("--resume " + file("state")), std::string::npos);
}

TEST_F(Cli, RefusesCheckpointsThatDoNotFit) {
  const auto verify = [&](const std::string& property, const Words& more) {
    Words words{"verify", example("shapes.onnx"), example(property), "--branch", "input"};
    words.insert(words.end(), more.begin(), more.end());
    return run(words);
  };
  EXPECT_EQ(verify("branching.vnnlib", {"--timeout", "0.2", "--checkpoint", file("state")}).code,
            11);
  const auto refused = [&](const Outcome& outcome, const std::string& why) {
    EXPECT_EQ(outcome.code, 2);
    EXPECT_EQ(outcome.out, "");
    EXPECT_NE(outcome.err.find(why), std::string::npos) << outcome.err;
  };
  refused(verify("holds.vnnlib", {"--resume", file("state")}), "another property");
  refused(verify("branching.vnnlib", {"--resume", file("state"), "--slope", "zero"}),
          "slope=adaptive");
  refused(verify("branching.vnnlib", {"--resume", file("none")}), "none");
  refused(verify("branching.vnnlib", {"--checkpoint", file("none/state")}), "cannot be written");
  std::string bytes = slurp(file("state"));
  spill(file("short"), bytes.substr(0, bytes.size() / 2));
  refused(verify("branching.vnnlib", {"--resume", file("short")}), "cut short");
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  spill(file("flipped"), bytes);
  refused(verify("branching.vnnlib", {"--resume", file("flipped")}), "corrupt");
  refused(verify("branching.vnnlib", {"--resume", example("holds.vnnlib")}), "no checkpoint");
}

TEST_F(Cli, KilledByTheSecondSignalWhereTheFirstIsStuck) {
  // The result file is a pipe that nobody reads: the process waits in writing it.
  const std::string pipe = file("pipe");
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const Outcome outcome =
      run({"verify", example("shapes.onnx"), endless(), "--result", pipe}, {SIGTERM, SIGTERM});
  EXPECT_EQ(outcome.code, 128 + SIGTERM);
  EXPECT_EQ(outcome.out, "unknown\n");
}

TEST_F(Cli, EndsAboveTheMemoryLimit) {
  const Outcome outcome = run({"verify", example("shapes.onnx"), endless(), "--memory-gib", "0.001",
                               "--result", file("r")});
  EXPECT_EQ(outcome.code, 4);
  EXPECT_EQ(outcome.out, "unknown\n");
  EXPECT_EQ(slurp(file("r")), "unknown\n");
  EXPECT_NE(outcome.err.find("out of memory"), std::string::npos);
  EXPECT_NE(outcome.err.find("--memory-gib"), std::string::npos);
}

TEST_F(Cli, BoundsOfEachMethodAreTighterThanOfTheOneBefore) {
  double before = -1;
  for (const char* method : {"interval", "crown", "alpha"}) {
    SCOPED_TRACE(method);
    const Outcome outcome =
        run({"bounds", example("shapes.onnx"), example("holds.vnnlib"), "--method", method,
             "--iterations", "20", "--json", file("j"), "--npz", file("n.npz")});
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_NE(outcome.out.find("unstable"), std::string::npos);
    const Json json = Json::parse(slurp(file("j")));
    EXPECT_EQ(json["spec_iterations"], 20);
    EXPECT_EQ(json["input_order"].size(), 100U);
    EXPECT_EQ(json["output_order"].size(), 5U);
    EXPECT_EQ(json["rows"].size(), 4U);
    double width = 0;
    for (const Json& node : json["nodes"]) {
      ASSERT_EQ(node["lo"].size(), node["hi"].size());
      for (std::size_t i = 0; i < node["lo"].size(); ++i) {
        width += node["hi"][i].get<double>() - node["lo"][i].get<double>();
      }
    }
    if (before >= 0) {
      EXPECT_LT(width, before);
    }
    before = width;
    EXPECT_EQ(slurp(file("n.npz")).substr(0, 4), "PK\x03\x04");
  }
  const Outcome label =
      run({"bounds", example("shapes.onnx"), example("holds.vnnlib"), "--rows", "label"});
  EXPECT_EQ(label.code, 0);
  EXPECT_NE(label.out.find("Y_0 - Y_4"), std::string::npos) << label.out;
}

TEST_F(Cli, AnswersWhatTheStandardAsks) {
  const Outcome version = run({"--version"});
  EXPECT_EQ(version.code, 0);
  EXPECT_EQ(version.out.find_first_not_of("0123456789."), version.out.size() - 1);
  EXPECT_EQ(run({"--name"}).out, "Coronet\n");
  const std::vector<std::pair<const char*, const char*>> exact{
      {"--onnx-opset-versions", "7\n21\n"},
      {"--onnx-element-types", "real\n"},
      {"--vnnlib-versions", "1.0\n2.1\n"},
      {"--hidden-node-theories", "NH\n"},
      {"--multiple-input-output-theories", "SIO\n"},
      {"--multiple-network-theories", "SNET\n"},
      {"--multiple-node-comparison-theories", "SNC\nMNC\n"},
      {"--arithmetic-complexity-theories", "BND\nOUTC\nLIN\n"},
      {"--optimised-disjunctive-reasoning", "false\n"},
      {"--serialise-assignments", "false\n"},
  };
  for (const auto& [flag, answer] : exact) {
    const Outcome outcome = run({"supports", flag});
    EXPECT_EQ(outcome.code, 0);
    EXPECT_EQ(outcome.out, answer) << flag;
    EXPECT_EQ(outcome.err, "");
  }
  const Outcome operators = run({"supports", "--onnx-operators"});
  EXPECT_NE(("\n" + operators.out).find("\nRelu\n"), std::string::npos);
  EXPECT_EQ(operators.out.find("\n\n"), std::string::npos);
  EXPECT_NE(run({"supports"}).out.find("MaxPool"), std::string::npos);
}

TEST_F(Cli, HelpTeaches) {
  for (const Words& arguments :
       {Words{"--help"}, Words{"verify", "--help"}, Words{"bounds", "--help"},
        Words{"explain", "--help"}, Words{"supports", "--help"}}) {
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.code, 0);
    EXPECT_EQ(outcome.err, "");
    EXPECT_NE(outcome.out.find("coronet"), std::string::npos);
  }
  const std::string help = run({"verify", "--help"}).out;
#define OPTION(type, name, default_value, group, text) \
  EXPECT_NE(help.find(text), std::string::npos) << #name;
#include "base/options.def"
#undef OPTION
}

}  // namespace
