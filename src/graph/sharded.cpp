#include "graph/sharded.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

#include "base/error.h"
#include "comm/threads.h"
#include "graph/fingerprint.h"
#include "ops/tiles.h"

namespace coronet {

namespace {

class ShardFetched final : public Fetch {
 public:
  explicit ShardFetched(comm::ShardFetch fetch) : fetch_(std::move(fetch)) {}
  const void* wait() override { return fetch_.wait(); }

 private:
  comm::ShardFetch fetch_;
};

/// Bytes [first, last) of the weight, read piece by piece where they are elsewhere.
comm::Bytes part_of(const Weight& weight, std::size_t first, std::size_t last) {
  comm::Bytes bytes(last - first);
  if (weight.here()) {
    const void* const numbers = weight.single() ? static_cast<const void*>(weight.f.data())
                                                : static_cast<const void*>(weight.d.data());
    if (!bytes.empty()) {
      std::memcpy(bytes.data(), static_cast<const std::byte*>(numbers) + first, bytes.size());
    }
    return bytes;
  }
  const std::size_t each = weight.single() ? sizeof(float) : sizeof(double);
  for (std::size_t at = first; at < last; at += kPieceBytes) {
    const std::size_t count = std::min(kPieceBytes, last - at);
    const auto fetch = weight.source->fetch(at / each, count / each);
    std::memcpy(bytes.data() + (at - first), fetch->wait(), count);
  }
  return bytes;
}

}  // namespace

std::unique_ptr<Fetch> ShardedWeight::fetch(std::size_t first, std::size_t count) const {
  const std::size_t each = single_ ? sizeof(float) : sizeof(double);
  return std::make_unique<ShardFetched>(shards_->fetch(array_, first * each, count * each));
}

void gather_weights(Graph& graph) {
  for_each_weight(graph, [](Weight& weight) {
    if (!weight.here()) weight = gathered(weight);
  });
}

std::size_t weight_bytes(const Graph& graph) {
  std::size_t bytes = 0;
  for_each_weight(graph, [&](const Weight& weight) {
    bytes += weight.size() * (weight.single() ? sizeof(float) : sizeof(double));
  });
  return bytes;
}

std::size_t weight_bytes_here(const Graph& graph) {
  std::size_t bytes = 0;
  for_each_weight(graph, [&](const Weight& weight) { bytes += weight.bytes(); });
  return bytes;
}

ShardedWeights::ShardedWeights(Graph& graph, comm::Communicator& group)
    : shards_(std::make_shared<comm::Shards>(group)) {
  give_up(graph);
  std::vector<std::uint64_t> all(group.size());
  group.all_gather(std::span<const std::uint64_t>(&graph.fingerprint, 1),
                   std::span<std::uint64_t>(all));
  for (std::size_t r = 1; r < all.size(); ++r) {
    if (all[r] != all[0]) {
      throw Error(ErrorKind::kBadInput,
                  fmt::format("rank {} has read another network than rank 0", r));
    }
  }
}

ShardedWeights::ShardedWeights(Graph& graph) : alone_(std::move(comm::thread_channels(1).front())) {
  comm::Communicator group(*alone_);
  shards_ = std::make_shared<comm::Shards>(group);
  give_up(graph);
}

void ShardedWeights::give_up(Graph& graph) {
  graph.fingerprint = fingerprint(graph);
  for_each_weight(graph, [&](Weight& weight) {
    const bool single = weight.single();
    const std::size_t size = weight.size();
    const std::size_t total = size * (single ? sizeof(float) : sizeof(double));
    const auto [first, last] = comm::Shards::part(total, shards_->ranks(), shards_->rank());
    comm::Bytes mine = part_of(weight, first, last);
    weight = {};
    const int array = shards_->add(std::move(mine), total);
    weight.source = std::make_shared<ShardedWeight>(shards_, array, size, single);
  });
  shards_->serve();
}

}  // namespace coronet
