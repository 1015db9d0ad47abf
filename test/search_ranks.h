// The parts of ranks in one verification.
#pragma once

#include <cmath>
#include <cstdint>
#include <memory>
#include <utility>

#include "base/resources.h"
#include "bound/ranks/leader.h"
#include "bound/ranks/server.h"
#include "hard_queries.h"
#include "search/prepared.h"
#include "search/ranks/shared_turn.h"
#include "search/verify.h"

namespace coronet::search {

/// As a rank other than the leader.
inline void serve(comm::Channel& channel, const test::Query& query,
                  std::uint64_t memory_bytes = ~std::uint64_t{0}) {
  Workers workers(1);
  const Deadline never(HUGE_VAL);
  Tracer silent;
  bound::ServerSettings settings;
  settings.program = "test";
  settings.workers = workers.size();
  settings.make = [&](const Graph& graph) {
    auto made = std::make_shared<Prepared>(graph, query.options, workers, never, silent, nullptr);
    return std::shared_ptr<bound::Context>(made, &made->context);
  };
  settings.search = [&](comm::Communicator& group, bound::Context& context,
                        const comm::Bytes& order) {
    take_part(group, context, order, memory_bytes);
  };
  comm::Communicator group(channel);
  bound::serve_rows(group, query.graph, settings);
}

inline Result lead(comm::Channel& channel, const test::Query& query, Continuation continuation = {},
                   double seconds = 20) {
  Options options = query.options;
  options.timeout = elapsed_seconds() + seconds;
  Tracer tracer;
  comm::Communicator group(channel);
  bound::Ranks ranks(group, query.graph, "test", 1);
  Result result = verify(query.graph, query.property, test::as_exact(query.graph), options, tracer,
                         std::move(continuation), &ranks);
  ranks.end();
  return result;
}

}  // namespace coronet::search
