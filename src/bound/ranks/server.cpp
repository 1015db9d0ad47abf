#include "bound/ranks/server.h"

#include <fmt/format.h>

#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "base/resources.h"
#include "bound/ranks/packets.h"
#include "bound/ranks/protocol.h"
#include "bound/reduce.h"
#include "bound/row_task.h"

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
      comm::Reader reader(bytes);
      const auto order = reader.get<RankOrder>();
      for (const int number : reader.get<std::vector<int>>()) graphs_.erase(number);
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
          return;
      }
    }
  }

 private:
  /// A graph that the leader knows by a number.
  struct Prepared {
    std::optional<Reduced> own;  // of another one
    const Graph& graph;
    std::shared_ptr<Context> context;

    Prepared(std::optional<Reduced> reduced, const Graph& whole, const ServerSettings& settings)
        : own(std::move(reduced)), graph(own ? own->graph : whole), context(settings.make(graph)) {}
  };

  void reduce(comm::Reader& reader) {
    const auto number = reader.get<int>();
    const Graph& parent = graphs_.at(reader.get<int>())->graph;
    const auto elements = reader.get<int>();
    auto reduced = drop_dead_neurons(parent, get_bounds(reader, parent));
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
    Context& context = *graphs_.at(reader.get<int>())->context;
    const Deadline deadline(elapsed_seconds() + reader.get<double>());
    const auto settings = reader.get<OptimiseSettings>();
    const RowList list = get_list(reader);
    const Root root = get_root(reader, context.net32.nodes());
    const Deadline until = deadline.unless(group_.channel().broken());
    const RowTask task(context, root, list, settings, until);
    context.workers.run(settings_.workers, [&](int, int worker) { work(task, worker); });
  }

  void search(comm::Reader& reader) {
    Context& context = *graphs_.at(reader.get<int>())->context;
    settings_.search(group_, context, reader.get<comm::Bytes>());
  }

  void work(const RowTask& task, int worker) {
    RankQuestion question;
    question.worker = worker;
    RowBounds found;
    for (;;) {
      check_memory(settings_.memory_bytes);
      question.peak_bytes = peak_resident_bytes();
      comm::Writer writer;
      writer.put(question);
      if (question.last > question.first) put_rows(writer, found);
      group_.send(0, kAskTag, kAskWords, writer.take());
      const comm::Letter letter = group_.receive(0, kGiveTag + worker, kGiveWords);
      const auto part = comm::Reader(letter.bytes).get<RankAnswer>();
      if (part.last <= part.first) return;
      const double begin = elapsed_seconds();
      found = task.room(part.last - part.first);
      task.bound(part.first, part.last, worker, found, part.first);
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

void check_memory(std::uint64_t limit) {
  const std::uint64_t now = resident_bytes();
  if (now <= limit) return;
  throw Error(ErrorKind::kOutOfMemory,
              fmt::format("{:.2f} GiB in use, the limit is {:.2f} GiB",
                          static_cast<double>(now) / 0x1p30, static_cast<double>(limit) / 0x1p30));
}

void serve_rows(comm::Communicator& group, const Graph& graph, const ServerSettings& settings) {
  (void)meet(group, graph, settings.program, settings.workers);
  Server(group, graph, settings).run();
}

}  // namespace coronet::bound
