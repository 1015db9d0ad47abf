// Points that descend on the CPU.
#include "swarm_cases.h"

namespace coronet::bound {
namespace {

struct Made {
  Made(const Graph& graph, const Boxes& boxes)
      : net(graph, std::size_t{1} << 20), swarm(make_swarm(net, space, boxes)) {}
  Network<float> net;
  Workspace<float> space;
  std::unique_ptr<Swarm> swarm;
};

TEST(Swarm, DescendsOnTheCpu) {
  test::check_swarms(kSwarmPoints,
                     [](const Graph& graph, const Boxes& boxes) { return Made(graph, boxes); });
}

}  // namespace
}  // namespace coronet::bound
