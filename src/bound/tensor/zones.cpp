#include "bound/tensor/zones.h"

#include <fmt/format.h>

#include <variant>

#include "base/error.h"
#include "bound/lines.h"

namespace coronet::bound {

std::vector<Zone> find_zones(const Graph& graph) {
  const int n = static_cast<int>(graph.nodes.size());
  std::vector<int> reader(n, -1);  // the only one, or n where there are several
  for (int v = 0; v < n; ++v) {
    for (const int u : graph.nodes[v].inputs) reader[u] = reader[u] < 0 ? v : n;
  }
  const auto dense = [&](int v) { return std::holds_alternative<Dense>(graph.nodes[v].op); };
  // The node that alone reads v, or -1.
  const auto next = [&](int v) {
    const int r = reader[v];
    return r >= 0 && r < n ? r : -1;
  };
  std::vector<char> taken(n, 0);
  std::vector<Zone> zones;
  for (int v = 0; v < n; ++v) {
    if (!dense(v) || taken[v] != 0) continue;
    const int between = next(v);
    if (between < 0 || !elementwise(graph.nodes[between].op)) continue;
    if (!(graph.nodes[between].shape == graph.nodes[v].shape)) continue;  // seen as another image
    const int last = next(between);
    if (last < 0 || !dense(last)) continue;
    zones.push_back({v, last});
    taken[last] = 1;
  }
  return zones;
}

std::vector<Zone> first_zones(const Graph& graph, int wanted) {
  std::vector<Zone> zones = find_zones(graph);
  const int there = static_cast<int>(zones.size());
  if (wanted > there) {
    throw Error(ErrorKind::kBadInput,
                fmt::format("--zones {}: the network has {} pair{} of dense layers with an "
                            "elementwise one between them that nothing else reads",
                            wanted, there, there == 1 ? "" : "s"));
  }
  zones.resize(wanted);
  return zones;
}

}  // namespace coronet::bound
