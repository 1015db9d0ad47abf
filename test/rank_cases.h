// Bounds that ranks form together, on any transport.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "bound/ranks/leader.h"
#include "bound/ranks/server.h"
#include "bound/reduce.h"
#include "bound/root.h"
#include "graph/sharded.h"
#include "graphs.h"

namespace coronet::test {

struct RankCase {
  std::string name;
  Graph graph;
  TestBox box;
  bound::Method method;
};

inline std::vector<RankCase> rank_cases() {
  std::vector<RankCase> all;
  for (const Named& n : random_networks(2)) {
    for (const auto method : {bound::Method::kCrown, bound::Method::kAlpha}) {
      Draw draw(5);
      const char* word = method == bound::Method::kCrown ? ", crown" : ", alpha";
      all.push_back({n.name + word, n.graph, TestBox(draw, n.graph.inputs(), 0.3), method});
    }
  }
  // One whose dead neurons leave the graph, so that the ranks must follow.
  Draw draw(6);
  const Graph wide = mlp(3, 6, 3, 40, 4, 0, false);
  all.push_back({"wide mlp", wide, TestBox(draw, wide.inputs(), 0.02), bound::Method::kAlpha});
  return all;
}

/// A network made ready twice, for the whole graph and for what is made of it.
struct RankEngine {
  explicit RankEngine(const Graph& graph) : engine(graph, 2) {
    // Many parts, so that every rank gets some.
    engine.options.chunk_mib = 0.004;
  }
  Engine engine;
};

struct RankResult {
  bound::Bounds bounds;
  bound::RowBounds outputs;          ///< with their slopes
  std::vector<double> after_reduce;  ///< bounds of the outputs on the reduced graph
};

inline bound::RowBounds bound_outputs(bound::Context& context, const bound::Root& root,
                                      bool keep_alpha) {
  bound::RowList list;
  list.node = context.net64.nodes() - 1;
  const int n = context.net64.size(list.node);
  list.dense.assign(static_cast<std::size_t>(n) * n, 0.0);
  for (int i = 0; i < n; ++i) {
    list.dense[i * n + i] = 1;
    list.dense[i * n + (i + 1) % n] -= 1;
    list.constant.push_back(0.25 * i);
  }
  bound::OptimiseSettings settings;
  settings.iterations = 8;
  settings.keep_alpha = keep_alpha;
  return bound::bound_rows(context, root, list, settings);
}

/// `ranks`: null where there is one rank.
inline RankResult bound_all(const RankCase& c, RankEngine& engine, bound::Ranks* ranks) {
  bound::Context& context = engine.engine.context;
  std::unique_ptr<bound::RowBounder> dealt;
  if (ranks != nullptr) {
    dealt = ranks->whole(context, nullptr);
    context.ranks = dealt.get();
  }
  bound::RootSettings settings;
  settings.method = c.method;
  settings.iterations = 15;
  settings.all_neurons = true;
  RankResult result;
  bound::Root root = bound_root(context, c.box.lower, c.box.upper, settings);
  result.bounds = root.bounds;
  result.outputs = bound_outputs(context, root, true);
  if (const auto reduced = drop_dead_neurons(c.graph, root.bounds)) {
    RankEngine smaller(reduced->graph);
    bound::Context& its = smaller.engine.context;
    std::unique_ptr<bound::RowBounder> its_dealt;
    if (ranks != nullptr) {
      its_dealt = ranks->reduced(*dealt, root.bounds, its);
      its.ranks = its_dealt.get();
    }
    const bound::Root again = restate(its, reduced->select(root.bounds));
    result.after_reduce = bound_outputs(its, again, false).bound;
  }
  return result;
}

inline RankResult bound_alone(const RankCase& c) {
  RankEngine engine(c.graph);
  return bound_all(c, engine, nullptr);
}

inline RankResult bound_leading(comm::Communicator& group, const RankCase& c, RankEngine& engine) {
  bound::Ranks ranks(group, c.graph, "test", engine.engine.workers.size(), 0);
  RankResult result = bound_all(c, engine, &ranks);
  ranks.end();
  std::int64_t rows = 0;
  for (const RankReport& work : ranks.reports()) rows += work.rows;
  EXPECT_GT(rows, 0);
  return result;
}

inline bound::ServerSettings server_settings(RankEngine& engine) {
  bound::ServerSettings settings;
  settings.program = "test";
  settings.workers = engine.engine.workers.size();
  settings.make = [](const Graph& graph) {
    const auto made = std::make_shared<RankEngine>(graph);
    return std::shared_ptr<bound::Context>(made, &made->engine.context);
  };
  return settings;
}

/// As all ranks: rank 0 leads and compares with what one rank found. `sharded`: each rank holds a
/// part of the weights, so that none makes a smaller graph.
inline void expect_same(comm::Communicator& group, RankCase c, const RankResult& one,
                        bool sharded = false) {
  std::optional<ShardedWeights> weights;
  if (sharded) weights.emplace(c.graph, group);
  RankEngine engine(c.graph);
  if (group.rank() != 0) {
    bound::serve_rows(group, c.graph, server_settings(engine));
    return;
  }
  const RankResult all = bound_leading(group, c, engine);
  EXPECT_EQ(all.bounds.lo, one.bounds.lo);
  EXPECT_EQ(all.bounds.hi, one.bounds.hi);
  EXPECT_EQ(all.outputs.bound, one.outputs.bound);
  ASSERT_EQ(all.outputs.alpha.size(), one.outputs.alpha.size());
  for (std::size_t v = 0; v < one.outputs.alpha.size(); ++v) {
    EXPECT_EQ(all.outputs.alpha[v], one.outputs.alpha[v]) << "node " << v;
  }
  if (!sharded) {
    EXPECT_EQ(all.after_reduce, one.after_reduce);
  }
}

}  // namespace coronet::test
