// Queries that take some rounds of branching, small enough for tests; and their checkpoints as
// bytes.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "graph/evaluate.h"
#include "graphs.h"
#include "queries.h"
#include "search/checkpoint.h"

namespace coronet::test {

inline std::string bytes_of(const search::Checkpoint& checkpoint) {
  std::string bytes;
  ByteWriter out([&](std::string_view piece) { bytes += piece; });
  search::encode(checkpoint, out);
  return bytes;
}

inline search::Checkpoint from_bytes(const std::string& bytes) {
  ByteReader in("test", bytes);
  return search::decode(in);
}

struct Query {
  std::string name;
  Graph graph;
  Property property;
  Options options;
};

inline Options options_of(const std::string& branch) {
  Options options;
  options.threads = 1;
  options.branch = branch;
  options.batch = 4;
  options.iterations = 5;
  options.spec_iterations = 5;
  options.branch_iterations = 5;
  options.refine_iterations = 3;
  options.attack = false;
  options.refine = false;
  options.device = "cpu";
  return options;
}

/// Is Y_0 ever so low, and is Y_1? `margin`: below the least value that sampling finds, as a share
/// of the range; negative: some point is so low.
inline Query low_outputs(const std::string& name, Graph graph, int boxes, double radius,
                         double margin, Options options, std::uint64_t seed) {
  Query q{name, std::move(graph), {}, std::move(options)};
  q.property = property_of(q.graph);
  Draw draw(seed);
  for (int b = 0; b < boxes; ++b) {
    Box box;
    for (int i = 0; i < q.graph.inputs(); ++i) {
      const double c = draw.real(-1, 1);
      box.lower.push_back(c - radius);
      box.upper.push_back(c + radius);
    }
    q.property.boxes.push_back(box);
    for (int k = 0; k < 2; ++k) {
      double low = HUGE_VAL;
      double high = -HUGE_VAL;
      for (int s = 0; s < 2000; ++s) {
        const double y = evaluate(q.graph, random_point(draw, box))[k];
        low = std::min(low, y);
        high = std::max(high, y);
      }
      q.property.clauses.push_back({b, {at_most(k, 1, -(low - margin * (high - low)))}});
    }
  }
  return q;
}

/// A clause of two constraints, which has multipliers of its own.
inline void add_pair(Query& q) {
  Clause both{0,
              {at_most(0, 1, q.property.clauses[0].constraints[0].constant),
               at_most(1, 1, q.property.clauses[1].constraints[0].constant)}};
  q.property.clauses.push_back(both);
}

inline std::vector<Query> queries() {
  std::vector<Query> all;
  for (std::uint64_t seed = 0; seed < 2; ++seed) {
    const std::string which = std::to_string(seed);
    all.push_back(
        low_outputs("mlp " + which, mlp(seed, 6, 3, 12, 3), 1, 0.5, 0.2, options_of("relu"), seed));
    all.push_back(low_outputs("two boxes " + which, mlp(seed + 10, 6, 3, 12, 2), 2, 0.4, 0.2,
                              options_of("relu"), seed));
    add_pair(all.back());
    all.push_back(low_outputs("convolutions " + which, conv_net(seed), 1, 0.05, 1.2,
                              options_of("relu"), seed));
    all.push_back(low_outputs("inputs " + which, mlp(seed + 20, 3, 3, 12, 2), 2, 0.6, 0.05,
                              options_of("input"), seed));
    Options refining = options_of("relu");
    refining.refine = true;
    refining.least_turn = 0;
    all.push_back(low_outputs("refining " + which, mlp(seed + 40, 6, 3, 14, 2), 1, 0.4, 0.25,
                              refining, seed));
    all.push_back(low_outputs("violated " + which, mlp(seed + 50, 4, 2, 7, 2), 2, 0.5, -0.001,
                              options_of("relu"), seed));
  }
  all.push_back(low_outputs("in turns", mlp(30, 4, 3, 14, 2), 2, 0.6, 0.1, options_of("auto"), 0));
  all.back().options.input_split_dims = 0;
  return all;
}

}  // namespace coronet::test
