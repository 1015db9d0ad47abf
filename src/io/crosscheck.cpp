#include "io/crosscheck.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/rng.h"
#include "graph/evaluate.h"

namespace coronet {
namespace {

/// Both sides round each operation to within u = 2^-53, but add in different orders and fold
/// constants differently. A sum of n products of numbers bounded by M then differs by at most about
/// 2 n u M; with n <= 2^16 and some fifty layers that is 2^17 * 50 * 2^-53 * M < 1e-9 * M, M being
/// the largest number anywhere inside the network. A wrong lowering (a transposed weight, a lost
/// bias) shows as a difference of the order of the values themselves.
constexpr double kTolerance = 1e-9;

}  // namespace

void crosscheck(const Model& model, const Graph& graph, int points, std::uint64_t seed,
                const Box* box) {
  std::vector<double> x(static_cast<std::size_t>(graph.inputs()));
  if (box && (box->lower.size() != x.size() || box->upper.size() != x.size())) {
    throw Error(ErrorKind::kInternal,
                fmt::format("cross-check: a box of {} inputs for a graph of {}", box->lower.size(),
                            x.size()));
  }
  for (int point = 0; point < points; ++point) {
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double low = box ? box->lower[i] : -1;
      const double high = box ? box->upper[i] : 1;
      x[i] = std::clamp(low + (high - low) * uniform(seed, static_cast<std::uint64_t>(point), i),
                        low, high);
    }
    const std::vector<double> written = model.evaluate(x);
    const std::vector<std::vector<double>> nodes = evaluate_nodes(graph, x);
    const std::vector<double>& last = nodes.back();
    if (written.size() != last.size()) {
      throw Error(ErrorKind::kInternal,
                  fmt::format("cross-check: the model has {} outputs, the lowered graph {}",
                              written.size(), last.size()));
    }
    double largest = 1;
    for (const std::vector<double>& values : nodes) {
      for (const double v : values) largest = std::max(largest, std::abs(v));
    }
    for (std::size_t i = 0; i < last.size(); ++i) {
      const auto j = static_cast<std::size_t>(graph.output_order[i]);
      // Written so that a NaN on either side counts as a difference.
      if (!(std::abs(last[i] - written[j]) <= kTolerance * largest)) {
        throw Error(ErrorKind::kInternal,
                    fmt::format("cross-check: output {} is {:.17g} as written, but {:.17g} lowered",
                                j, written[j], last[i]));
      }
    }
  }
}

}  // namespace coronet
