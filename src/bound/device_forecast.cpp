#include "bound/device_forecast.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "base/error.h"
#include "bound/counted_networks.h"
#include "bound/descent.h"
#include "bound/device_chunks.h"
#include "bound/upload.h"

namespace coronet::bound {

namespace {

/// The nodes below a list's rows without the neurons that are always zero (bound/cuda/networks.h).
struct CountedOutline {
  CountedOutline(CountedMemory& memory, const CountedWeights& weights, bool single, Reduced of)
      : reduced(std::move(of)),
        host(reduced.graph, 0),
        networks(memory, weights, host, single, &reduced.kept) {}

  Reduced reduced;
  Network<double> host;
  CountedNetworks networks;
};

/// Does the device read it by tiles?
bool fetched(const Weight& weight, const DeviceSettings& settings) {
  return settings.shared || (settings.streamed && !weight.here());
}

}  // namespace

struct DeviceForecast::Engine {
  Engine(CountedMemory& in, const Graph& of, const DeviceSettings& how)
      : memory(in),
        graph(of),
        settings(how),
        workspace(memory.take<char>(cuda::kBlasWorkspace, cuda::Tensor::kWorkspace,
                                    "cuBLAS's workspace")),
        host(graph,
             [&](int v) {
               PackBudget none;
               return make_affine<double>(graph, v, none);
             }),
        weights(dense_weights()),
        whole(memory, weights, host, settings.single, nullptr),
        space32(CountedDevice(memory, cuda::Tensor::kA)),
        space64(CountedDevice(memory, cuda::Tensor::kWorkspace)) {}

  /// With the stripes and the ring of those that come by tiles.
  CountedWeights dense_weights() const {
    CountedWeights made;
    std::size_t tile = 0;
    std::size_t converted = 0;
    std::size_t stripes = 0;
    bool any = false;
    for (const Node& node : graph.nodes) {
      const Dense* dense = std::get_if<Dense>(&node.op);
      if (dense == nullptr) {
        made.push_back(nullptr);
        continue;
      }
      const bool by_tiles = fetched(dense->weight, settings);
      made.push_back(std::make_shared<CountedWeight>(memory, *dense, by_tiles, settings.shared,
                                                     settings.ranks));
      if (!by_tiles) continue;
      any = true;
      const cuda::Striped& cut = made.back()->cut();
      tile = std::max(tile, cut.most_bytes());
      converted = std::max(converted, cut.converted_bytes(made.back()->each()));
      stripes += cut.place(cut.tiles(), 0);
    }
    if (any) {
      memory.arena.set_aside(cuda::TileRing::bytes_of(tile, converted), cuda::Tensor::kWorkspace,
                             "tiles of weights on their way");
    }
    if (settings.shared) {
      memory.arena.set_aside(stripes, cuda::Tensor::kWeights, "this rank's part of the weights");
      memory.clock.upload(static_cast<double>(stripes));
    }
    return made;
  }

  /// cuda::FetchedWeights::pack() of parts [nodes], and keep() of so many bytes.
  void pack(const std::vector<cuda::Part>& parts, const Plan& plan) {
    std::vector<cuda::Part> wanted(weights.size());
    for (std::size_t v = 0; v < plan.reached.size(); ++v) {
      if (plan.reached[v] != 0) wanted[v] = parts[v];
    }
    const bool alike = std::equal(wanted.begin(), wanted.end(), packed_parts.begin(),
                                  packed_parts.end(), cuda::same_part);
    if (alike) return;
    for (const auto& weight : weights) {
      if (weight != nullptr) weight->unpack();
    }
    packed_parts.clear();
    std::vector<std::size_t> held(static_cast<std::size_t>(settings.ranks), 0);
    std::vector<char> packs(weights.size(), 0);
    for (std::size_t v = 0; v < weights.size(); ++v) {
      packs[v] = weights[v] != nullptr && weights[v]->packs(wanted[v], held) ? 1 : 0;
    }
    if (*std::max_element(held.begin(), held.end()) == 0) return;
    memory.arena.take_back(std::exchange(before, 0), cuda::Tensor::kWeights);
    if (!make_room(held[0])) return;
    for (std::size_t v = 0; v < weights.size(); ++v) {
      if (packs[v] != 0) weights[v]->pack(wanted[v]);
    }
    packed_parts = std::move(wanted);
  }
  void keep(std::size_t bytes) {
    const auto spare = std::make_shared<std::size_t>(bytes);
    for (const auto& weight : weights) {
      if (weight != nullptr) weight->keep(spare);
    }
  }
  bool make_room(std::size_t bytes) {
    if (bytes <= packed) return true;
    try {
      memory.arena.set_aside(bytes, cuda::Tensor::kWeights, "what is packed of the weights");
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kOutOfMemory) throw;
      return false;
    }
    before = std::exchange(packed, bytes);
    return true;
  }

  CountedMemory& memory;
  const Graph& graph;
  DeviceSettings settings;
  std::vector<cuda::Part> packed_parts;  // [nodes], empty where nothing is packed
  std::size_t packed = 0;                // bytes of the room for it,
  std::size_t before = 0;                // and of what it replaced
  cuda::Buffer<char> workspace;
  Network<double> host;
  CountedWeights weights;
  CountedNetworks whole;
  Workspace<float, CountedDevice> space32;
  Workspace<double, CountedDevice> space64;
};

DeviceForecast::DeviceForecast(const Graph& graph, const DeviceSettings& settings)
    : memory_(settings.limit, settings.rates),
      engine_(std::make_unique<Engine>(memory_, graph, settings)) {}

DeviceForecast::~DeviceForecast() = default;

void DeviceForecast::columns(int v) {
  const Affine<double>* const op = engine_->whole.net64.affine(v);
  if (op == nullptr) return;
  op->apply(nullptr, nullptr, nullptr);
  op->apply_abs(nullptr, nullptr, nullptr);
  op->apply_abs(nullptr, nullptr, nullptr);  // magnitudes
}

DeviceRowsWork DeviceForecast::rows(const Root& root, const RowList& all, int iterations,
                                    int devices) {
  Engine& engine = *engine_;
  const double begin = clock().seconds();
  for (const auto& weight : engine.weights) {
    if (weight != nullptr) weight->forget_kept();
  }
  std::optional<CountedOutline> outlined;
  if (auto reduced = outline_of(engine.graph, root.bounds, all)) {
    outlined.emplace(memory_, engine.weights, engine.settings.single, std::move(*reduced));
  }
  const Reduced* const reduced = outlined ? &outlined->reduced : nullptr;
  const CountedNetworks& networks = outlined ? outlined->networks : engine.whole;
  const Network<double>& host = outlined ? outlined->host : engine.host;
  const RowList list = outlined ? renumbered(all, reduced->kept[all.node]) : all;
  const bool patches = usable_patches(list, host.shape(list.node));
  const Plan plan = make_plan(networks.net64, list.node, patches);
  const CountedDevice state(memory_, cuda::Tensor::kAlpha);
  const Scene<CountedDevice> scene(state, plan, root, reduced);
  const bool optimise = iterations > 0 && slopes_of(plan, root.relax32) > 0;
  const std::size_t slopes = optimise ? slopes_of(plan, scene.relax32) : 0;
  const std::size_t row = row_bytes(plan, sizeof(float), slopes, sizeof(kernels::Moment));
  const std::size_t row64 = row_bytes(plan, sizeof(double), 0, 0);
  networks.load(engine.weights, plan, kLeastDeviceRows * std::max(row, row64) + kPassingBytes);

  const Deadline never(HUGE_VAL);
  OptimiseSettings settings;
  settings.iterations = iterations;
  const auto bound = [&](int first, int last) {
    SlopesOf<CountedDevice> found;
    if (optimise) {
      Descent<CountedDevice> descent(networks.net32, scene.relax32, plan, never, engine.space32,
                                     settings, state);
      auto batch = on_device(state, make_rows(networks.net32, list, first, last, patches));
      descent.run(batch, found);
    }
    engine.space32.clear();
    const std::size_t budget = engine.settings.chunk_bytes;
    const int at_once = device_rows(memory_.arena, kPassingBytes, row64, last - first,
                                    optimise ? budget / 2 : budget);
    std::vector<double> bounds(static_cast<std::size_t>(last - first));
    for (int at = first; at < last; at += at_once) {
      const int end = std::min(last, at + at_once);
      auto batch = on_device(state, make_rows(networks.net64, list, at, end, patches));
      if (optimise) take_slopes(state, plan, scene.relax64, found, at - first, batch);
      settle(networks.net64, scene.relax64, scene.magnitude, plan, batch, engine.space64,
             bounds.data());
    }
    engine.space64.clear();
  };

  const int total = list.count(host.size(list.node));
  if (engine.settings.shared && devices > 1) {
    engine.pack(networks.parts, plan);
    const std::size_t used =
        memory_.arena.now().total + kPassingBytes + static_cast<std::size_t>(total) * (row + row64);
    engine.keep(memory_.arena.reserved() - std::min(memory_.arena.reserved(), used));
  }
  DeviceRowsWork work;
  work.chunk = device_rows(memory_.arena, kPassingBytes, row, total, engine.settings.chunk_bytes);
  work.chunks = (total + work.chunk - 1) / work.chunk;
  work.before = clock().seconds() - begin;
  work.here = (work.chunks + devices - 1) / devices;
  // The last chunk may be smaller: some other device has it, unless there is none.
  const int whole = std::min(total / work.chunk, work.here);
  const DeviceClock middle = clock();
  // The second one finds what the first has left; those after it do as it does.
  for (int i = 0; i < std::min(whole, 2); ++i) {
    const DeviceClock before = clock();
    bound(i * work.chunk, (i + 1) * work.chunk);
    if (i == 1) memory_.clock.repeat(before, whole - 2);
  }
  if (whole < work.here) bound(total / work.chunk * work.chunk, total);
  work.compute = clock().compute() - middle.compute();
  work.seconds = clock().seconds() - middle.seconds();
  return work;
}

}  // namespace coronet::bound
