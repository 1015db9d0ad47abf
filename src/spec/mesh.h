// How the ranks of a run are arranged: --mesh.
#pragma once

#include <string>

namespace coronet {

/// Ranks are the product of the three; along each axis the work is shared in another way.
struct Mesh {
  int domains = 1;  ///< the domains of branch and bound
  int rows = 1;     ///< the rows to be bounded
  int tensor = 1;   ///< the neurons of every node: weights, A-matrices and slopes

  [[nodiscard]] int ranks() const { return domains * rows * tensor; }
  friend bool operator==(const Mesh&, const Mesh&) = default;
};

/// "rows=2,tensor=4": axes in any order, each at most once; those that are missing are 1. Throws
/// Error(kBadInput) for anything else.
Mesh read_mesh(const std::string& text);
/// The same text: all axes that are not 1, or rows=1.
std::string words_of(const Mesh& mesh);

}  // namespace coronet
