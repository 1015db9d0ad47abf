#include "cli/written_network.h"

#include <utility>

#include "base/resources.h"
#include "graph/sharded.h"
#include "io/crosscheck.h"

namespace coronet::cli {

namespace {

constexpr std::size_t kLarge = std::size_t{64} << 20;

}  // namespace

WrittenNetwork::WrittenNetwork(std::string path)
    : path_(std::move(path)), model_(std::make_shared<const Model>(Model::read(path_))) {}

void WrittenNetwork::release_if_large(const Graph& graph) {
  if (weight_bytes(graph) > kLarge) model_.reset();
}

std::shared_ptr<const Model> WrittenNetwork::load() {
  const std::scoped_lock lock(mutex_);
  if (!model_) model_ = std::make_shared<const Model>(Model::read(path_));
  return model_;
}

std::vector<Interval> WrittenNetwork::enclose(const std::vector<double>& x) {
  return load()->enclose(x);
}

std::vector<double> WrittenNetwork::evaluate(const std::vector<double>& x) {
  return load()->evaluate(x);
}

void check_import(const Model& model, const Graph& graph, std::uint64_t seed, const Box* box) {
  constexpr double kCheap = 0.005;  // seconds for a point, at which more of them cost nothing
  const double begin = elapsed_seconds();
  crosscheck(model, graph, 1, seed, box);
  if (elapsed_seconds() - begin < kCheap) crosscheck(model, graph, 2, seed + 1, box);
}

}  // namespace coronet::cli
