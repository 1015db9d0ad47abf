// The queries of the competitions, where they are at hand.
#include "io/vnnlib.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "base/error.h"
#include "io/file.h"

namespace coronet {
namespace {

// The numbers of a shape "1, 5]"; a 0, which no network has, becomes 1.
std::vector<long long> extents(const std::string& text, std::size_t at) {
  std::vector<long long> found;
  for (bool inside = false; at < text.size() && text[at] != ']'; ++at) {
    const bool digit = text[at] >= '0' && text[at] <= '9';
    if (digit && !inside) found.push_back(0);
    if (digit) found.back() = 10 * found.back() + (text[at] - '0');
    inside = digit;
  }
  std::replace(found.begin(), found.end(), 0LL, 1LL);
  return found;
}

// The network that a query seems to be for.
Signature guess_signature(const std::string& text) {
  const auto count = [&](const std::string& name) {
    long long found = 0;
    for (const char* declare : {"(declare-const ", "(declare-fun "}) {
      const std::string start = declare + name;
      for (std::size_t at = text.find(start); at != std::string::npos;
           at = text.find(start, at + 1)) {
        ++found;
      }
    }
    return found;
  };
  Signature signature{{count("X_")}, {count("Y_")}, "float32"};
  const auto declared = [&](const char* what, std::vector<long long>& shape) {
    const std::size_t at = text.find(what);
    const std::size_t bracket = text.find('[', at);
    if (at == std::string::npos || bracket == std::string::npos) return;
    shape = extents(text, bracket);
    if (text.substr(at, bracket - at).find("float64") != std::string::npos) {
      signature.element_type = "float64";
    }
  };
  declared("declare-input", signature.input_shape);
  declared("declare-output", signature.output_shape);
  return signature;
}

// Those of the samples that show what is refused.
bool is_refused(const std::string& path) {
  for (const char* part :
       {"acc_nonlinear", "isomorphic_acasxu", "monotonic_acasxu", "2.0/hidden", "2.0/input_output",
        "2.0/mio", "2.0/not_equal", "2.0/polynomial", "quirks/acc_version", "quirks/leftover",
        "quirks/monotonic", "quirks/v1_doubled", "standard_syntax/initialized",
        "standard_syntax/multiple_networks"}) {
    if (path.find(part) != std::string::npos) return true;
  }
  return false;
}

TEST(Vnnlib, QueriesOfTheCompetitions) {
  const char* shared = std::getenv("CORONET_SHARED");
  if (shared == nullptr) return;
  int read = 0;
  for (const char* folder : {"vnncomp", "vnnlib2-samples", "procedural"}) {
    const std::filesystem::path root = std::filesystem::path(shared) / folder;
    if (!std::filesystem::is_directory(root)) continue;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
      const std::string path = entry.path().string();
      if (!entry.is_regular_file() ||
          !(path.ends_with(".vnnlib") || path.ends_with(".vnnlib.gz"))) {
        continue;
      }
      SCOPED_TRACE(path);
      ++read;
      try {
        const Property property = read_vnnlib(path, guess_signature(read_file(path)));
        EXPECT_FALSE(is_refused(path));
        // The standard's own test of arithmetic contradicts itself; all others ask something.
        EXPECT_EQ(property.clauses.empty(), path.find("test_linearise") != std::string::npos);
      } catch (const Error& error) {
        EXPECT_TRUE(is_refused(path)) << error.what();
        EXPECT_NE(std::string(error.what()).find(": line "), std::string::npos) << error.what();
      }
    }
  }
  EXPECT_GT(read, 0);
}

}  // namespace
}  // namespace coronet
