// Bounds of trained networks against those of auto_LiRPA (the library of alpha,beta-CROWN).
//
// data/reference holds one case in full, so that the test runs anywhere; where CORONET_SHARED names
// the folder with the networks of VNN-COMP and all reference bounds, every case is compared.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "bound/root.h"
#include "graph/evaluate.h"
#include "graphs.h"
#include "io/file.h"
#include "io/onnx.h"
#include "io/vnnlib.h"
#include "search/spec.h"

namespace coronet::bound {
namespace {

using nlohmann::json;

/// One case: rows y[label] - y[j] for every other class j, over a box in the graph's order.
class Case {
 public:
  Case(const Graph& graph, const json& reference, const search::GraphBox& box)
      : graph_(graph), reference_(reference), box_(box), engine_(graph, 1) {
    engine_.options.converged = Options{}.converged;  // the program's own rule is compared
    const int label = reference.at("label");
    const auto outputs = static_cast<std::size_t>(graph.outputs());
    std::vector<std::size_t> at(outputs);
    for (std::size_t i = 0; i < outputs; ++i)
      at[static_cast<std::size_t>(graph.output_order[i])] = i;
    list_.node = engine_.net64.nodes() - 1;
    for (std::size_t j = 0; j < outputs; ++j) {
      if (static_cast<int>(j) == label) continue;
      std::vector<double> row(outputs, 0.0);
      row[at[static_cast<std::size_t>(label)]] = 1;
      row[at[j]] = -1;
      list_.dense.insert(list_.dense.end(), row.begin(), row.end());
    }
    std::vector<double> centre;
    for (std::size_t i = 0; i < box.lower.size(); ++i)
      centre.push_back((box.lower[i] + box.upper[i]) / 2);
    const std::vector<double> y = evaluate(graph, test::to_onnx(graph, centre));
    const std::vector<double> expected = reference.at("out_center");
    for (std::size_t i = 0; i < y.size(); ++i)
      EXPECT_NEAR(y[i], expected[i], 1e-4 * (1 + std::fabs(expected[i])));
  }

  std::vector<double> rows(Method method, int iterations) {
    RootSettings root_settings;
    root_settings.method = method;
    root_settings.iterations = iterations;
    // Interval bounds of a form are those of the outputs, as auto_LiRPA has them.
    const Root root = bound_root(engine_.context, box_.lower, box_.upper, root_settings);
    EXPECT_FALSE(root.timed_out);
    if (method == Method::kInterval) {
      // The last layer merged with the form: its input's interval times each merged row.
      return merged(root.bounds);
    }
    OptimiseSettings settings;
    settings.iterations = method == Method::kAlpha ? iterations : 0;
    settings.stop_positive = false;
    settings.converged = engine_.options.converged;
    return bound_rows(engine_.context, root, list_, settings).bound;
  }

  void print(const std::string& name, const char* method, const std::vector<double>& ours,
             double seconds) const {
    const std::vector<double> theirs = reference_.at(method);
    std::printf("%-18s %-9s ours %.9g theirs %.9g, %.2f s\n", name.c_str(), method,
                *std::min_element(ours.begin(), ours.end()),
                *std::min_element(theirs.begin(), theirs.end()), seconds);
  }

  /// Equal or tighter within 1e-5 relative; the rows of alpha within 0.1 % of the gap between crown
  /// and alpha_100.
  void compare(const std::string& name, const char* method, const std::vector<double>& ours) const {
    const std::vector<double> theirs = reference_.at(method);
    const std::vector<double> crown = reference_.at("crown");
    const std::vector<double> alpha = reference_.at("alpha_100");
    ASSERT_EQ(ours.size(), theirs.size());
    const bool optimised = std::string(method).starts_with("alpha");
    for (std::size_t r = 0; r < ours.size(); ++r) {
      const double slack =
          1e-5 * std::fabs(theirs[r]) + (optimised ? 1e-3 * std::fabs(alpha[r] - crown[r]) : 0);
      EXPECT_GE(ours[r], theirs[r] - slack) << name << ' ' << method << " row " << r;
    }
  }

 private:
  /// auto_LiRPA multiplies the form into the last affine layer before it takes intervals.
  std::vector<double> merged(const Bounds& bounds) const {
    const int last = list_.node;
    const Affine<double>* op = engine_.net64.affine(last);
    const auto outputs = static_cast<std::size_t>(engine_.net64.size(last));
    std::vector<double> result;
    const std::size_t count = list_.dense.size() / outputs;
    for (std::size_t r = 0; r < count; ++r) {
      const double* a = list_.dense.data() + r * outputs;
      double low = 0;
      if (op == nullptr) {  // the network ends with a ReLU
        const auto at = static_cast<std::size_t>(last);
        for (std::size_t j = 0; j < outputs; ++j) {
          low += a[j] * (a[j] > 0 ? bounds.lo[at][j] : bounds.hi[at][j]);
        }
        result.push_back(low);
        continue;
      }
      for (std::size_t j = 0; j < outputs; ++j) low += a[j] * op->bias_of(static_cast<int>(j));
      const RowSet one{1, nullptr, nullptr};
      const auto& inputs = engine_.net64.inputs(last);
      for (int k = 0; k < static_cast<int>(inputs.size()); ++k) {
        const int u = inputs[static_cast<std::size_t>(k)];
        const auto at = static_cast<std::size_t>(u);
        std::vector<double> row(static_cast<std::size_t>(engine_.net64.size(u)));
        op->pull(one, a, Extent::all(engine_.net64.shape(last)), k, row.data(),
                 Extent::all(engine_.net64.shape(u)), false);
        for (std::size_t i = 0; i < row.size(); ++i)
          low += row[i] * (row[i] > 0 ? bounds.lo[at][i] : bounds.hi[at][i]);
      }
      result.push_back(low);
    }
    return result;
  }

  const Graph& graph_;
  const json& reference_;
  search::GraphBox box_;
  test::Engine engine_;
  RowList list_;
};

void run_case(const std::string& name, const Graph& graph, const json& reference,
              const search::GraphBox& box, bool alpha) {
  Case c(graph, reference, box);
  const std::pair<const char*, std::pair<Method, int>> methods[] = {
      {"ibp", {Method::kInterval, 0}},
      {"crown", {Method::kCrown, 0}},
      {"alpha_20", {Method::kAlpha, 20}},
      {"alpha_100", {Method::kAlpha, 100}}};
  for (const auto& [key, how] : methods) {
    if (how.first == Method::kAlpha && !alpha) break;
    const double began = elapsed_seconds();
    const std::vector<double> ours = c.rows(how.first, how.second);
    c.print(name, key, ours, elapsed_seconds() - began);
    c.compare(name, key, ours);
  }
}

TEST(Reference, TheStoredCaseIsAtLeastAsTight) {
  const std::string folder = CORONET_SOURCE_DIR "/test/data/reference/";
  const json reference = json::parse(read_file(folder + "mnist_256x2_a.json.gz"));
  const Graph graph = Model::read(folder + "mnist-net_256x2.onnx.gz").lower();
  const Box box{reference.at("lower"), reference.at("upper")};
  run_case("mnist_256x2_a", graph, reference, search::make_graph_box(graph, box), true);
}

TEST(Reference, EveryCaseIsAtLeastAsTight) {
  const char* shared = std::getenv("CORONET_SHARED");
  if (shared == nullptr) return;  // the stored case is what can be compared
  const bool all = std::getenv("CORONET_ALL_ALPHA") != nullptr;
  for (const char* name : {"mnist_256x2_a", "mnist_256x4_a", "mnist_256x4_b", "mnist_256x6_a",
                           "mnist_256x6_b", "eran_relu_9_200", "cora", "malbeware", "oval21",
                           "sri_resnet_a", "sri_resnet_b", "cifar_resnet_2b", "cifar_resnet_4b"}) {
    SCOPED_TRACE(name);
    const std::string folder = shared;
    const json reference =
        json::parse(read_file(folder + "/reference-bounds/" + name + ".json.gz"));
    const Model model = Model::read(folder + "/vnncomp/" + reference.at("onnx").get<std::string>());
    const Graph graph = model.lower();
    const Property property = read_vnnlib(
        folder + "/vnncomp/" + reference.at("vnnlib").get<std::string>(), model.signature());
    // alpha on the largest networks takes longer than a test should.
    std::size_t neurons = 0;
    for (const Node& n : graph.nodes) {
      if (elementwise(n.op)) neurons += static_cast<std::size_t>(n.shape.size());
    }
    run_case(name, graph, reference, search::make_graph_box(graph, property.boxes[0]),
             all || neurons < 8000);
  }
}

}  // namespace
}  // namespace coronet::bound
