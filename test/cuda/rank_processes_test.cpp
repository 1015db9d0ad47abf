// Ranks as processes of the program that share one GPU, over TCP: the bits of one rank.
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "../onnx_builder.h"
#include "../processes.h"
#include "io/file.h"
#include "on_gpu.h"

namespace coronet {
namespace {

namespace fs = std::filesystem;

/// The program that was built with this one, or lies beside it; empty where there is none.
std::string program() {
  const fs::path here = fs::read_symlink("/proc/self/exe").parent_path();
  for (const fs::path& path : {here / "coronet", here.parent_path().parent_path() / "coronet"}) {
    if (fs::is_regular_file(path)) return path.string();
  }
  return "";
}

/// Wide enough for rows that are worth dealing, and for weights of several tiles.
void write_network(const std::string& path) {
  constexpr int kWidth = 700;
  test::OnnxBuilder b;
  b.input("x", {1, 30});
  std::string value = "x";
  int in = 30;
  for (const auto& [name, out] : {std::pair{"one", kWidth}, {"two", kWidth}, {"three", 10}}) {
    b.random(name, {out, in});
    const std::string made = std::string("of_") + name;
    b.node("Gemm", {value, name}, {made}, {{"transB", std::int64_t{1}}});
    value = made + "+";
    if (out == kWidth) b.node("Relu", {made}, {value});
    in = out;
  }
  b.output("of_three");
  write_file(path, b.bytes());
}

void write_query(const std::string& path) {
  std::string query;
  for (int i = 0; i < 10; ++i) query += "(declare-const Y_" + std::to_string(i) + " Real)\n";
  for (int i = 0; i < 30; ++i) {
    const std::string x = "X_" + std::to_string(i);
    query = "(declare-const " + x + " Real)\n" + query + "(assert (<= " + x +
            " 0.3))\n(assert (>= " + x + " 0.2))\n";
  }
  write_file(path, query + "(assert (<= Y_0 Y_1))\n");
}

TEST(CudaRankProcesses, BoundsHaveTheBitsOfOneRank) {
  SKIP_WITHOUT_DEVICE();
  const std::string binary = program();
  if (binary.empty()) GTEST_SKIP() << "no program coronet";
  const test::Folder folder;
  write_network(folder.file("net.onnx"));
  write_query(folder.file("p.vnnlib"));
  // Rows that were not the leader's, of all runs: a rank whose GPU is slow to open may get none.
  int others = 0;
  for (const std::string weights : {"replicated", "fsdp"}) {
    nlohmann::json one;
    for (const int ranks : {1, 2, 4}) {
      SCOPED_TRACE(weights + ", " + std::to_string(ranks) + " ranks");
      const std::string json = folder.file(weights + std::to_string(ranks));
      test::Words words{"bounds", folder.file("net.onnx"), folder.file("p.vnnlib")};
      // Chunks that are small, and take long enough for all to get some.
      for (const char* word :
           {"--method alpha", "--iterations 60", "--converged 0", "--threads 1", "--device cuda:0",
            "--device-memory-mib 1024", "--device-chunk-mib 0.5"}) {
        const std::string both = word;
        words.push_back(both.substr(0, both.find(' ')));
        words.push_back(both.substr(both.find(' ') + 1));
      }
      words.insert(words.end(), {"--weights", weights, "--json", json});
      for (const test::Process& process : test::start_tcp(folder, binary, ranks, words)) {
        const test::Outcome outcome = test::finish(process);
        ASSERT_EQ(outcome.code, 0) << outcome.err;
      }
      const auto result = nlohmann::json::parse(test::slurp(json));
      if (ranks == 1) {
        one = result;
        continue;
      }
      EXPECT_EQ(result["nodes"], one["nodes"]);
      EXPECT_EQ(result["rows"], one["rows"]);
      ASSERT_EQ(result["ranks"].size(), static_cast<std::size_t>(ranks));
      for (int r = 1; r < ranks; ++r) others += result["ranks"][r]["rows"].get<int>();
      EXPECT_GT(result["ranks"][0]["device_bytes"], 0);
    }
  }
  EXPECT_GT(others, 0);
}

}  // namespace
}  // namespace coronet
