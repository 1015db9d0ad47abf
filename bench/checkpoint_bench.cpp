// What writing and reading a checkpoint costs: a tree of domains as branch and bound over ReLUs
// leaves it.
//
//   checkpoint_bench FILE [DOMAINS] [SLOPES] [DECISIONS]
//
// By default 100,000 domains of 650 slopes and 20 decisions each, as of mnist_fc's 256x6.
#include <fmt/format.h>

#include <cstdio>
#include <exception>
#include <filesystem>
#include <memory>
#include <string>

#include "base/resources.h"
#include "base/rng.h"
#include "search/checkpoint.h"

namespace coronet {
namespace {

search::Checkpoint tree_of(int domains, int slopes, int decisions) {
  search::Checkpoint checkpoint;
  checkpoint.inputs = std::make_shared<search::InputTree>();
  checkpoint.box = std::make_shared<search::BoxProgress>();
  checkpoint.box->planted = true;
  for (int i = 0; i < domains; ++i) {
    search::Domain& d = checkpoint.box->tree.open.emplace_back();
    d.alpha.resize(slopes);
    for (int j = 0; j < slopes; ++j) {
      d.alpha[j] = static_cast<std::uint16_t>(random_bits(1, i, j));
    }
    d.decisions.resize(decisions);
  }
  return checkpoint;
}

template <class F>
double seconds_of(const F& f) {
  const double began = elapsed_seconds();
  f();
  return elapsed_seconds() - began;
}

void run(const std::string& path, int domains, int slopes, int decisions) {
  const search::Checkpoint checkpoint = tree_of(domains, slopes, decisions);
  const double writing = seconds_of([&] { search::write_checkpoint(path, checkpoint); });
  const double reading = seconds_of([&] { search::read_checkpoint(path); });
  fmt::print(
      "{} domains, {} slopes, {} decisions: {:.1f} MB, written in {:.3f} s, read in {:.3f} s\n",
      domains, slopes, decisions, static_cast<double>(std::filesystem::file_size(path)) / 1e6,
      writing, reading);
}

}  // namespace
}  // namespace coronet

int main(int argc, char** argv) {
  try {
    const auto number = [&](int i, int otherwise) {
      return argc > i ? std::stoi(argv[i]) : otherwise;
    };
    if (argc < 2) {
      fmt::print(stderr, "checkpoint_bench FILE [DOMAINS] [SLOPES] [DECISIONS]\n");
      return 2;
    }
    coronet::run(argv[1], number(2, 100000), number(3, 650), number(4, 20));
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
