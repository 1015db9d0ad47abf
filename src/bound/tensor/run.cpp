#include "bound/tensor/run.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/parallel.h"
#include "base/progress.h"
#include "bound/accelerator.h"
#include "bound/ranks/packets.h"
#include "bound/ranks/protocol.h"
#include "bound/tensor/boxes.h"
#include "bound/tensor/rows.h"
#include "bound/tensor/share.h"
#include "comm/communicator.h"
#include "comm/packet.h"

namespace coronet::bound {

namespace {

/// Rank 0's options, but for the threads and the device, which each rank has of its own.
void put_options(comm::Writer& writer, const Options& options) {
#define OPTION(type, name, default_value, group, help) writer.put(options.name);
#include "base/options.def"
#undef OPTION
}

Options get_options(comm::Reader& reader) {
  Options options;
#define OPTION(type, name, default_value, group, help) reader.get(options.name);
#include "base/options.def"
#undef OPTION
  return options;
}

/// What a query begins with.
enum class Asked : std::uint8_t { kRoot, kBoxes };

comm::Bytes packed(const TensorQuery& query) {
  comm::Writer writer;
  writer.put(Asked::kRoot);
  writer.put(query.lower);
  writer.put(query.upper);
  writer.put(query.method);
  writer.put(query.iterations);
  put_list(writer, query.forms);
  put_settings(writer, query.form_settings);
  writer.put(query.seconds);
  writer.put(query.all_neurons);
  return writer.take();
}

comm::Bytes packed(const BoxQuery& query) {
  comm::Writer writer;
  writer.put(Asked::kBoxes);
  writer.put(query.boxes);
  writer.put(query.lower);
  writer.put(query.upper);
  put_list(writer, query.forms);
  writer.put(query.box);
  writer.put(query.seconds);
  return writer.take();
}

TensorQuery root_query(comm::Reader& reader, const Graph& graph) {
  TensorQuery query;
  reader.get(query.lower);
  reader.get(query.upper);
  reader.get(query.method);
  reader.get(query.iterations);
  query.forms = get_list(reader, graph);
  query.form_settings = get_settings(reader);
  query.seconds = get_seconds(reader);
  reader.get(query.all_neurons);
  reader.end();
  reader.require(query.method >= Method::kInterval && query.method <= Method::kAlpha,
                 "a method that is none");
  const auto inputs = static_cast<std::size_t>(graph.inputs());
  reader.require(query.lower.size() == inputs && query.upper.size() == inputs,
                 "a box has an interval for each input");
  return query;
}

BoxQuery box_query(comm::Reader& reader, const Graph& graph) {
  BoxQuery query;
  reader.get(query.boxes);
  reader.get(query.lower);
  reader.get(query.upper);
  query.forms = get_list(reader, graph);
  reader.get(query.box);
  query.seconds = get_seconds(reader);
  reader.end();
  const auto inputs = static_cast<std::size_t>(graph.inputs());
  reader.require(query.boxes >= 0 && query.lower.size() == query.boxes * inputs &&
                     query.upper.size() == query.lower.size(),
                 "a box has an interval for each input");
  const Shape& outputs = graph.nodes.at(query.forms.node).shape;
  reader.require(
      query.forms.neuron.empty() &&
          query.box.size() == static_cast<std::size_t>(query.forms.count(outputs.size())) &&
          std::is_sorted(query.box.begin(), query.box.end()) &&
          (query.box.empty() || (query.box.front() >= 0 && query.box.back() < query.boxes)),
      "a row is of one of the boxes");
  return query;
}

std::vector<double> share_of(const Slice& slice, const std::vector<double>& whole) {
  std::vector<double> mine(slice.mine().size(), 0.0);
  for (std::size_t i = 0; i < mine.size(); ++i) {
    const int j = slice.whole_of(static_cast<int>(i));
    if (j >= 0) mine[i] = whole[j];
  }
  return mine;
}

std::vector<double> whole_of(TensorGroup& group, const Slice& slice,
                             const std::vector<double>& mine) {
  if (slice.everywhere()) return mine;
  std::vector<double> padded(slice.padded().size());
  group.gather(slice.pixels(), slice.each(), mine.data(), padded.data());
  std::vector<double> whole(slice.whole().size());
  for (std::size_t j = 0; j < whole.size(); ++j) {
    whole[j] = padded[slice.padded(static_cast<int>(j))];
  }
  return whole;
}

/// The least number of threads that a rank has: all have so many lanes.
int lanes_of(comm::Communicator& ranks, const Workers& workers) {
  std::int64_t least = workers.size();
  ranks.all_reduce(std::span<std::int64_t>(&least, 1), comm::Reduction::kMin);
  return static_cast<int>(least);
}

/// A device for every rank, or for none.
std::unique_ptr<Accelerator> accelerator_of(comm::Communicator& ranks, const Options& options,
                                            const Graph& graph) {
  std::unique_ptr<Accelerator> mine = open_accelerator(options, graph);
  const char here = mine != nullptr ? 1 : 0;
  std::vector<char> have(ranks.size());
  ranks.all_gather(std::span<const char>(&here, 1), std::span<char>(have));
  const auto without = std::find(have.begin(), have.end(), 0);
  if (without == have.end()) return mine;
  if (mine != nullptr && !options.device.starts_with("auto")) {
    throw Error(ErrorKind::kBadInput,
                "--device " + options.device + ": rank " + std::to_string(without - have.begin()) +
                    " has none: ranks that share the neurons have a GPU each, or --device cpu");
  }
  return nullptr;
}

/// Rank 0's, with this rank's threads and its part of a chunk of rows.
Options shared_options(comm::Communicator& ranks, const Mesh& mesh, const Options& mine) {
  comm::Writer writer;
  put_options(writer, mine);
  const comm::Bytes bytes = ranks.broadcast(writer.take(), 0);
  comm::Reader reader(bytes);
  Options options = get_options(reader);
  options.threads = mine.threads;
  options.device = mine.device;
  options.chunk_mib /= mesh.tensor;
  return options;
}

std::uint64_t memory_limit(const Options& options) {
  return options.memory_gib > 0 ? static_cast<std::uint64_t>(options.memory_gib * 0x1p30)
                                : std::numeric_limits<std::uint64_t>::max();
}

}  // namespace

struct TensorRun::State {
  State(comm::Channel& channel, const Mesh& mesh, Graph& whole, const std::string& program,
        const Options& mine, std::size_t pack_bytes)
      : graph(whole),
        ranks(channel),
        workers(mine.threads),
        all(meet(ranks, graph, program, workers.size())),
        options(shared_options(ranks, mesh, mine)),
        tensor(ranks.split(ranks.rank() / mesh.tensor, ranks.rank())),
        rows(ranks.split(ranks.rank() % mesh.tensor, ranks.rank())),
        accelerator(accelerator_of(ranks, options, graph)),
        share(take_share(graph, tensor.size(), tensor.rank(), first_zones(graph, options.zones))),
        ops32(share, packing(pack_bytes)),
        ops64(share, packing(pack_bytes)),
        weights(&ledger, MemoryClass::kWeights, share.weight_bytes()),
        copies(&ledger, MemoryClass::kPackedWeights, ops32.bytes() + ops64.bytes()),
        bounder(share, lanes, tensor, rows, memory_limit(options)) {
    const bool on_device = accelerator != nullptr;
    for (int lane = on_device ? 1 : lanes_of(ranks, workers); lane > 0; --lane) {
      lanes.emplace_back(tensor.split(0, tensor.rank()), ops32, ops64, options, workers, deadline,
                         silent);
      lanes.back().context.count_in(&ledger);
    }
    TensorLane& first = lanes.front();
    first.context.ranks = &bounder;
    boxes.emplace(share, lanes, rows, options, memory_limit(options));
    if (!on_device) return;
    device = accelerator->prepare_share({share, ops64, first.net64, first.group}, workers);
    first.context.device = device.get();
  }

  /// Bytes of a rank's packed weights; a device multiplies by weights of its own.
  [[nodiscard]] std::size_t packing(std::size_t bytes_of_all) const {
    return accelerator != nullptr ? 0 : bytes_of_all / tensor.size();
  }

  Graph& graph;  // without its weights, once the share is taken
  comm::Communicator ranks;
  Workers workers;
  const std::vector<RankIdentity> all;
  const Options options;
  comm::Communicator tensor;
  comm::Communicator rows;
  const std::unique_ptr<Accelerator> accelerator;  // null: the CPU
  const Share share;
  const SharedOperators<float> ops32;
  const SharedOperators<double> ops64;
  MemoryLedger ledger;
  const Counted weights;
  const Counted copies;
  Tracer silent;
  Deadline deadline{HUGE_VAL};  // of the query
  std::deque<TensorLane> lanes;
  TensorRows bounder;
  std::optional<TensorBoxes> boxes;   // once there are lanes
  std::unique_ptr<RowDevice> device;  // of the first and only lane

  FoundBounds bound(const TensorQuery& asked);
  BoxBounds bound(const BoxQuery& asked);
  void report(FoundBounds& found);
};

TensorRun::TensorRun(comm::Channel& channel, const Mesh& mesh, Graph& graph,
                     const std::string& program, Options options, std::size_t pack_bytes)
    : state_(std::make_unique<State>(channel, mesh, graph, program, options, pack_bytes)) {}

TensorRun::~TensorRun() = default;

bool TensorRun::more(bool mine) {
  char word = mine ? 1 : 0;
  state_->ranks.broadcast(std::span<char>(&word, 1), 0);
  return word != 0;
}

FoundBounds TensorRun::bound(const TensorQuery* query) {
  const comm::Bytes asked =
      state_->ranks.broadcast(query == nullptr ? comm::Bytes() : packed(*query), 0);
  comm::Reader reader(asked, 0);
  reader.require(reader.get<Asked>() == Asked::kRoot, "boxes where a root is expected");
  return state_->bound(root_query(reader, state_->graph));
}

BoxBounds TensorRun::bound(const BoxQuery& query) {
  (void)state_->ranks.broadcast(packed(query), 0);
  return state_->bound(query);
}

void TensorRun::answer() {
  const comm::Bytes asked = state_->ranks.broadcast({}, 0);
  comm::Reader reader(asked, 0);
  switch (reader.get<Asked>()) {
    case Asked::kRoot:
      (void)state_->bound(root_query(reader, state_->graph));
      return;
    case Asked::kBoxes:
      (void)state_->bound(box_query(reader, state_->graph));
      return;
  }
  reader.refuse("a query of no kind");
}

int TensorRun::boxes_at_once() const { return state_->boxes->at_once(); }

BoxBounds TensorRun::State::bound(const BoxQuery& asked) {
  deadline = Deadline(elapsed_seconds() + asked.seconds);
  BoxBounds found = boxes->bound(asked, deadline);
  FoundBounds reports;
  report(reports);
  found.ranks = std::move(reports.ranks);
  found.memory = reports.memory;
  return found;
}

FoundBounds TensorRun::State::bound(const TensorQuery& asked) {
  deadline = Deadline(elapsed_seconds() + asked.seconds);
  Context& context = lanes.front().context;
  RootSettings settings;
  settings.method = asked.method;
  settings.iterations = asked.iterations;
  settings.all_neurons = asked.all_neurons;
  settings.by_intervals = share.by_intervals;
  FoundBounds found;
  const double begin = elapsed_seconds();
  const Root root = bound_root(context, share_of(share.slice[0], asked.lower),
                               share_of(share.slice[0], asked.upper), settings);
  found.timed_out = root.timed_out;
  const double middle = elapsed_seconds();
  if (!asked.forms.dense.empty()) {
    RowList forms = asked.forms;
    forms.node = share.node[forms.node];
    const RowBounds bounded = bound_rows(context, root, share.share_of(forms), asked.form_settings);
    found.forms = bounded.bound;
    found.timed_out |= bounded.timed_out;
  }
  found.seconds = middle - begin;
  found.form_seconds = elapsed_seconds() - middle;

  TensorGroup& group = lanes.front().group;
  found.bounds = Bounds(graph, 1);
  for (std::size_t v = 0; v < graph.nodes.size(); ++v) {
    const int u = share.node[v];
    found.bounds.lo[v] = whole_of(group, share.slice[u], root.bounds.lo[u]);
    found.bounds.hi[v] = whole_of(group, share.slice[u], root.bounds.hi[u]);
  }
  report(found);
  return found;
}

void TensorRun::State::report(FoundBounds& found) {
  struct Reports {
    std::int64_t rows;
    std::int64_t boxes;
    double seconds;
    std::uint64_t peak_bytes;
    std::uint64_t device_bytes;
    TensorReport share;
    MemoryUsage memory;
  };
  std::size_t rooms = 0;
  for (const TensorLane& lane : lanes) rooms += lane.group.bytes();
  ledger.saw(MemoryClass::kCommunication, rooms);
  found.memory = ledger.usage();
  Reports mine{bounder.rows_bounded(),
               boxes->boxes_bounded(),
               bounder.busy_seconds() + boxes->busy_seconds(),
               peak_resident_bytes(),
               peak_bytes(accelerator.get()),
               {},
               found.memory};
  mine.share.weight_bytes = share.weight_bytes() + ops32.bytes() + ops64.bytes();
  mine.share.work_bytes = found.memory[MemoryClass::kA].most + rooms;
  for (const TensorLane& lane : lanes) {
    mine.share.told_bytes += lane.group.told_bytes();
    mine.share.collectives += lane.group.collectives();
    mine.share.collective_seconds += lane.group.seconds();
  }
  std::vector<Reports> reports(ranks.size());
  ranks.all_gather(std::span<const Reports>(&mine, 1), std::span<Reports>(reports));
  for (std::size_t r = 0; r < reports.size(); ++r) {
    RankReport& report = found.ranks.emplace_back();
    report.host = all[r].host;
    report.threads = all[r].workers;
    report.rows = reports[r].rows;
    report.domains = reports[r].boxes;
    report.seconds = reports[r].seconds;
    report.peak_bytes = reports[r].peak_bytes;
    report.device_bytes = reports[r].device_bytes;
    report.memory = reports[r].memory;
    found.shares.push_back(reports[r].share);
  }
  if (device != nullptr) found.link = device->link();
}

}  // namespace coronet::bound
