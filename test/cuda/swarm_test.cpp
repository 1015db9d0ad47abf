// Points that descend on a GPU, and the attack with them.
#include "../swarm_cases.h"

#include "../queries.h"
#include "on_gpu.h"
#include "search/attack.h"
#include "search/oracle.h"

namespace coronet {
namespace {

using test::OnGpu;

struct Made {
  Made(const Graph& graph, const bound::Boxes& boxes)
      : gpu(graph, "tf32", 96), swarm(gpu.device->swarm(boxes)) {}
  OnGpu gpu;
  std::unique_ptr<bound::Swarm> swarm;
};

TEST(CudaSwarm, DescendsOnTheGpu) {
  SKIP_WITHOUT_DEVICE();
  for (const int points : {1, 300}) {
    test::check_swarms(
        points, [](const Graph& graph, const bound::Boxes& boxes) { return Made(graph, boxes); });
  }
}

struct Attacked {
  double best = HUGE_VAL;
  std::optional<Counterexample> found;
};

/// Is y_0 + x_0 / 8 below `limit` somewhere? Large enough a network for its attack to be the GPU's.
Attacked attack(bound::Context& context, const Graph& graph, double limit) {
  Property property =
      test::property_of(graph, {{std::vector<double>(20, -0.2), std::vector<double>(20, 0.3)}});
  Clause clause;
  Constraint constraint;
  constraint.outputs = {{0, 1.0}};
  constraint.inputs = {{0, 0.125}};
  constraint.constant = -limit;
  clause.constraints = {constraint};
  property.clauses = {clause};
  const std::vector<search::ClauseRows> clauses = {search::make_clause_rows(graph, property, 0)};
  const std::vector<search::GraphBox> boxes = {search::make_graph_box(graph, property.boxes[0])};
  search::Oracle oracle(graph, property, test::as_exact(graph));
  search::AttackSettings settings;
  settings.restarts = 8;
  settings.steps = 30;
  std::vector<double> best(1, HUGE_VAL);
  search::attack(context, clauses, boxes, oracle, settings, best);
  const auto point = oracle.best();
  if (point) {
    EXPECT_TRUE(test::inside_box(property.boxes[0], point->input));
    EXPECT_TRUE(test::satisfied(clause, point->input, evaluate(graph, point->input)));
  }
  return {best[0], point};
}

TEST(CudaAttack, FindsWhatTheCpuFinds) {
  SKIP_WITHOUT_DEVICE();
  for (std::uint64_t seed = 0; seed < 3; ++seed) {
    const Graph graph = test::mlp(seed, 20, 2, 1100, 3, static_cast<int>(seed), seed == 1);
    OnGpu gpu(graph, "tf32", 96);
    test::Engine cpu(graph);
    constexpr double kNowhere = -1e6;
    const Attacked here = attack(cpu.context, graph, kNowhere);
    const Attacked there = attack(gpu.engine.context, graph, kNowhere);
    EXPECT_FALSE(here.found || there.found);
    const double reached = there.best + kNowhere;
    EXPECT_LT(reached, here.best + kNowhere + 0.01);
    EXPECT_TRUE(attack(gpu.engine.context, graph, reached + 0.01).found);
  }
}

}  // namespace
}  // namespace coronet
