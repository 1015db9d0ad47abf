#include "spec/mesh.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cstring>
#include <string_view>

#include "base/error.h"

namespace coronet {

namespace {

struct Axis {
  std::string_view name;
  int Mesh::*size;
};
constexpr std::array<Axis, 3> kAxes{
    {{"domains", &Mesh::domains}, {"rows", &Mesh::rows}, {"tensor", &Mesh::tensor}}};

constexpr int kMost = 4096;

[[noreturn]] void refuse(const std::string& text, std::string_view part) {
  throw Error(ErrorKind::kBadInput,
              fmt::format("--mesh {}: '{}' is not one of domains=N, rows=N, tensor=N, each once, N "
                          "from 1 to {}",
                          text, part, kMost));
}

}  // namespace

Mesh read_mesh(const std::string& text) {
  Mesh mesh;
  std::array<bool, kAxes.size()> given{};
  std::string_view rest = text;
  for (;;) {
    const std::size_t comma = rest.find(',');
    const std::string_view part = rest.substr(0, comma);
    const std::size_t equals = part.find('=');
    std::size_t axis = 0;
    while (axis < kAxes.size() && part.substr(0, equals) != kAxes[axis].name) ++axis;
    if (equals == std::string_view::npos || axis == kAxes.size() || given[axis]) {
      refuse(text, part);
    }
    given[axis] = true;
    int& size = mesh.*kAxes[axis].size;
    const char* end = part.data() + part.size();
    const auto [at, error] = std::from_chars(part.data() + equals + 1, end, size);
    if (error != std::errc() || at != end || size < 1 || size > kMost) refuse(text, part);
    if (comma == std::string_view::npos) break;
    rest.remove_prefix(comma + 1);
  }
  return mesh;
}

std::string words_of(const Mesh& mesh) {
  std::string words;
  for (const Axis& axis : kAxes) {
    if (mesh.*axis.size == 1) continue;
    words += fmt::format("{}{}={}", words.empty() ? "" : ",", axis.name, mesh.*axis.size);
  }
  return words.empty() ? "rows=1" : words;
}

}  // namespace coronet
