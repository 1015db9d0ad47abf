#include "bound/ranks/server.h"

#include <fmt/format.h>

#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "base/memory_ledger.h"
#include "base/resources.h"
#include "bound/ranks/packets.h"
#include "bound/ranks/protocol.h"
#include "bound/reduce.h"
#include "bound/row_parts.h"

namespace coronet::bound {

namespace {

class Server {
 public:
  Server(comm::Communicator& group, const Graph& whole, const ServerSettings& settings)
      : group_(group), settings_(settings) {
    graphs_[kWholeGraph] = std::make_unique<Prepared>(std::nullopt, whole, settings);
  }

  void run() {
    for (;;) {
      const comm::Bytes bytes = group_.broadcast({}, 0);
      comm::Reader reader(bytes, 0);
      const auto order = reader.get<RankOrder>();
      for (const int number : reader.get<std::vector<int>>()) {
        reader.require(number != kWholeGraph, "the whole graph is always needed");
        graphs_.erase(number);
      }
      switch (order) {
        case RankOrder::kReduce:
          reduce(reader);
          break;
        case RankOrder::kRows:
          bound(reader);
          break;
        case RankOrder::kSearch:
          search(reader);
          break;
        case RankOrder::kEnd:
          reader.end();
          (void)tell_memory(group_, settings_.ledger);
          return;
        default:
          reader.refuse("an order that is none");
      }
    }
  }

 private:
  /// A graph that the leader knows by a number.
  struct Prepared {
    std::optional<Reduced> own;  // of another one
    const Graph& graph;
    std::shared_ptr<Context> context;
    RootHeard heard;
    Counted kept;  // by it

    Prepared(std::optional<Reduced> reduced, const Graph& whole, const ServerSettings& settings)
        : own(std::move(reduced)),
          graph(own ? own->graph : whole),
          context(settings.make(graph)),
          kept(settings.ledger, MemoryClass::kBounds) {}
  };

  /// The graph that the order is about.
  Prepared& known(comm::Reader& reader) {
    const auto found = graphs_.find(reader.get<int>());
    reader.require(found != graphs_.end(), "a graph that is not here");
    return *found->second;
  }

  void reduce(comm::Reader& reader) {
    const auto number = reader.get<int>();
    reader.require(!graphs_.contains(number), "a graph's number that is taken");
    const Graph& parent = known(reader).graph;
    const auto elements = reader.get<int>();
    const Bounds bounds = get_bounds(reader, parent);
    reader.end();
    auto reduced = drop_dead_neurons(parent, bounds);
    int count = 0;
    if (reduced) {
      for (const Node& node : reduced->graph.nodes) count += node.shape.size();
    }
    if (count != elements) {
      throw Error(ErrorKind::kInternal,
                  fmt::format("a reduced graph has {} elements here and {} at the leader", count,
                              elements));
    }
    graphs_[number] = std::make_unique<Prepared>(std::move(reduced), parent, settings_);
  }

  void bound(comm::Reader& reader) {
    Prepared& prepared = known(reader);
    Context& context = *prepared.context;
    const auto on_device = reader.get<bool>();
    const Deadline deadline(elapsed_seconds() + get_seconds(reader));
    const OptimiseSettings settings = get_settings(reader);
    const Graph& graph = context.net32.graph();
    const RowList list = get_list(reader, graph);
    const Root& root = prepared.heard.get(reader, graph, list.node);
    reader.end();
    prepared.kept.set(root.bytes());
    const Deadline until = deadline.unless(group_.channel().broken());
    if (on_device && context.device == nullptr) {
      throw Error(ErrorKind::kBadInput,
                  "the leader bounds rows on a GPU, and there is none here: use --device cpu, or "
                  "hosts that all have one");
    }
    const auto parts = make_parts(context, root, list, settings, until, on_device);
    parts->meet(group_);
    with_hands(context.workers, parts->hands(settings_.workers),
               [&](int hand) { work(*parts, hand); });
  }

  void search(comm::Reader& reader) {
    Context& context = *known(reader).context;
    const auto order = reader.get<comm::Bytes>();
    reader.end();
    settings_.search(group_, context, order);
  }

  void work(RowParts& parts, int hand) {
    RankQuestion question;
    question.hand = hand;
    RowBounds found;
    for (;;) {
      require_resident_at_most(settings_.memory_bytes);
      question.peak_bytes = peak_resident_bytes();
      question.device_bytes = peak_bytes(settings_.accelerator);
      if (settings_.weights != nullptr) {
        question.fetched_bytes = settings_.weights->fetched();
        question.fetch_seconds = settings_.weights->waited();
      }
      comm::Writer writer;
      writer.put(question);
      if (question.last > question.first) put_rows(writer, found);
      group_.send(0, kAskTag, kAskWords, writer.take());
      const comm::Letter letter = group_.receive(0, kGiveTag + hand, kGiveWords);
      comm::Reader reader(letter.bytes, 0);
      const auto part = reader.get<Deal::Part>();
      reader.end();
      reader.require(part.first >= 0 && part.last <= parts.rows(), "rows that are not on the list");
      if (part.last <= part.first) return;
      const double begin = elapsed_seconds();
      found = parts.room(part.last - part.first);
      parts.bound(part.first, part.last, hand, found, part.first);
      question.first = part.first;
      question.last = part.last;
      question.seconds = elapsed_seconds() - begin;
    }
  }

  comm::Communicator& group_;
  const ServerSettings& settings_;
  std::map<int, std::unique_ptr<Prepared>> graphs_;
};

}  // namespace

void serve_rows(comm::Communicator& group, const Graph& graph, const ServerSettings& settings) {
  (void)meet(group, graph, settings.program, settings.workers);
  Server(group, graph, settings).run();
}

}  // namespace coronet::bound
