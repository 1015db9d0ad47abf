// What is well-formed but not imported, operator by operator.
#include <fmt/format.h>

#include <cmath>

#include "io/onnx/lower_ops.h"
#include "io/onnx/ops.h"
#include "io/onnx/window.h"

namespace coronet::importer {
namespace {

/// Entries of a sparse map, or selected taps of a pool, that one node may bring: about 200 MB.
constexpr std::int64_t kMaxEntries = std::int64_t{1} << 24;

bool variable(const Args& in, std::size_t k) { return k < in.size() && in[k] && !in[k]->known(); }

std::string check_entries(std::int64_t rows, std::int64_t each) {
  if (each != 0 && rows > kMaxEntries / each) {
    return fmt::format("{} rows of {} entries are too many", rows, each);
  }
  return "";
}

std::string check_batch(const Dims& dims) {
  if (dims[0] != 1) return fmt::format("batch of {}: batch size 1 is imported", dims[0]);
  return "";
}

}  // namespace

std::string check_any(const OpNode&, const Args&) { return ""; }

std::string check_first(const OpNode&, const Args& in) {
  for (std::size_t k = 1; k < in.size(); ++k) {
    if (variable(in, k)) return fmt::format("input {} must be a constant", k);
  }
  return "";
}

std::string check_multiply(const OpNode&, const Args& in) {
  if (variable(in, 0) && variable(in, 1)) return "product of two variables";
  return "";
}

std::string check_matmul(const OpNode& node, const Args& in) {
  if (std::string problem = check_multiply(node, in); !problem.empty()) return problem;
  const Dims& a = in[0]->dims();
  const Dims& b = in[1]->dims();
  const Product p = product_of(a, b);
  const Tensor& constant = *in[variable(in, 0) ? 1 : 0];
  const std::int64_t matrix = variable(in, 0) ? p.k * p.n : p.m * p.k;
  if (constant.size() == matrix) return "";
  return check_entries(element_count(p.out), p.k);
}

std::string check_gemm(const OpNode& node, const Args& in) {
  if (!variable(in, 0) && !variable(in, 1)) return "product of two constants plus a variable";
  return check_multiply(node, in);
}

std::string check_divide(const OpNode&, const Args& in) {
  if (variable(in, 1)) return "division by a variable";
  for (std::int64_t i = 0; i < in[1]->size(); ++i) {
    if (in[1]->at(i) == 0) return "division by zero";
  }
  return "";
}

std::string check_conv(const OpNode& node, const Args& in) {
  std::string problem = check_first(node, in);
  if (!variable(in, 0)) problem = "the kernel must be a constant";
  return problem.empty() ? check_batch(in[0]->dims()) : problem;
}

std::string check_window(const OpNode& node, const Args& in) {
  const Dims& dims = in[0]->dims();
  if (std::string problem = check_batch(dims); !problem.empty()) return problem;
  const Window w = pool_window_of(node, dims);
  return check_entries(w.positions() * w.channels, w.kernel[0] * w.kernel[1]);
}

std::string check_clip(const OpNode& node, const Args& in) {
  const ClipRange range = clip_range(node, in);
  if (!(range.low <= range.high)) return "the lower bound is not below the upper one";
  return check_first(node, in);
}

std::string check_reduce(const OpNode&, const Args& in) {
  return check_entries(in[0]->dims().empty() ? 1 : element_count(in[0]->dims()), 1);
}

std::string check_batch_normalization(const OpNode& node, const Args& in) {
  const double epsilon = node.real("epsilon", static_cast<double>(1e-5F));
  for (std::int64_t c = 0; c < in[4]->size(); ++c) {
    if (!(in[4]->at(c) + epsilon > 0))
      return fmt::format("variance {} of channel {}", in[4]->at(c), c);
  }
  return check_first(node, in);
}

}  // namespace coronet::importer
