// Shapes, folding of constants, and what is not supported.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "io/onnx/written.h"

namespace coronet::importer {
namespace {

/// Operators that are not imported, whose output has the shape of their first input.
bool keeps_shape(const std::string& type) {
  static constexpr const char* kNames[] = {"Abs",         "Ceil",
                                           "Cos",         "Elu",
                                           "Erf",         "Exp",
                                           "Floor",       "Gelu",
                                           "HardSigmoid", "HardSwish",
                                           "Log",         "LogSoftmax",
                                           "Mish",        "PRelu",
                                           "Pow",         "Reciprocal",
                                           "Round",       "Selu",
                                           "Sign",        "Sin",
                                           "Softmax",     "Softplus",
                                           "Softsign",    "Sqrt",
                                           "Swish",       "ThresholdedRelu"};
  return std::find(std::begin(kNames), std::end(kNames), type) != std::end(kNames);
}

}  // namespace

Args Written::args(const WrittenNode& node) const {
  Args in;
  for (const int id : node.in)
    in.push_back(id < 0 ? nullptr : &values_[static_cast<std::size_t>(id)].tensor);
  return in;
}

void Written::infer_all() {
  for (WrittenNode& node : nodes_) {
    if (!node.live) continue;
    bool assumed = false;
    for (const int id : node.in)
      assumed = assumed || (id >= 0 && values_[static_cast<std::size_t>(id)].assumed);
    try {
      infer_node(node);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kUnsupported) {
        if (assumed) continue;  // the assumption may be what does not fit
        throw Error(error.kind(), fmt::format("ONNX model: node '{}' ({}): {}", node.name,
                                              node.type, error.what()));
      }
      node.problem = error.what();
    }
    if (!node.problem.empty() || assumed) assume_shapes(node);
    for (const int id : node.out) {
      if (id >= 0 && assumed) values_[static_cast<std::size_t>(id)].assumed = true;
    }
  }
  const Value& out = values_[static_cast<std::size_t>(output_)];
  if (!out.problem.empty()) {
    problems_.push_back(out.problem);
  } else if (out.tensor.known()) {
    problems_.push_back(fmt::format("output '{}' does not depend on the input", out.name));
  } else if (out.shaped && element_count(out.tensor.dims()) == 0) {
    throw Error(ErrorKind::kBadInput, fmt::format("ONNX model: output '{}' is empty", out.name));
  }
}

void Written::infer_node(WrittenNode& node) {
  if (!node.rule) throw Error(ErrorKind::kUnsupported, "operator not imported");
  if (node.in.size() < node.rule->least_inputs || node.in.size() > node.rule->most_inputs) {
    throw Error(ErrorKind::kBadInput, fmt::format("{} inputs", node.in.size()));
  }
  for (std::size_t k = 0; k < node.rule->least_inputs; ++k) {
    if (node.in[k] < 0) throw Error(ErrorKind::kBadInput, fmt::format("input {} is missing", k));
  }
  bool all_known = true;
  for (const int id : node.in) {
    if (id < 0) continue;
    const Value& value = values_[static_cast<std::size_t>(id)];
    if (!value.problem.empty()) throw Error(ErrorKind::kUnsupported, value.problem);
    if (!value.shaped) return;  // its shape hangs on an operator that is reported already
    all_known = all_known && value.tensor.known();
  }
  const Args in = args(node);
  const std::vector<Dims> dims = node.rule->infer(node.op, in);
  if (dims.size() < node.out.size()) {
    throw Error(ErrorKind::kBadInput, fmt::format("{} outputs", node.out.size()));
  }
  std::int64_t elements = 0;
  for (const Dims& d : dims) elements += element_count(d);
  if (all_known || std::string(node.rule->name) == "Shape") {
    fold_budget_ -= elements;
    if (fold_budget_ < 0) throw Error(ErrorKind::kUnsupported, "computed constants are too large");
    fold_node(node);
    return;
  }
  variable_budget_ -= elements;
  if (variable_budget_ < 0)
    throw Error(ErrorKind::kUnsupported, "the model's tensors are too large");
  const ElementType type = values_[static_cast<std::size_t>(input_)].tensor.type();
  for (std::size_t k = 0; k < node.out.size(); ++k) {
    if (node.out[k] < 0) continue;
    Value& value = values_[static_cast<std::size_t>(node.out[k])];
    value.tensor = Tensor(type, dims[k]);
    value.shaped = true;
  }
  for (const Tensor* t : in) {
    if (t && !t->known() && element_count(t->dims()) == 0) {
      throw Error(ErrorKind::kUnsupported, "an empty tensor");
    }
  }
  if (elements == 0) throw Error(ErrorKind::kUnsupported, "an empty tensor");
  node.problem = node.rule->check(node.op, in);
}

void Written::fold_node(WrittenNode& node) {
  std::vector<Tensor> results = node.rule->evaluate(node.op, args(node));
  for (std::size_t k = 0; k < node.out.size(); ++k) {
    if (node.out[k] < 0) continue;
    Value& value = values_[static_cast<std::size_t>(node.out[k])];
    value.tensor = std::move(results[k]);
    value.shaped = true;
  }
  node.folded = true;
}

void Written::assume_shapes(const WrittenNode& node) {
  // Behind an operator that is not imported, shapes that are declared or likely let the rest be
  // checked, so that all problems are named at once.
  for (const int id : node.out) {
    if (id < 0) continue;
    Value& value = values_[static_cast<std::size_t>(id)];
    if (value.shaped) continue;
    Dims dims;
    const auto found = declared_.find(value.name);
    if (found != declared_.end() && found->second->type().tensor_type().has_shape()) {
      for (const auto& dim : found->second->type().tensor_type().shape().dim()) {
        dims.push_back(dim.has_dim_value() ? std::max<std::int64_t>(dim.dim_value(), 1) : 1);
      }
    } else if (keeps_shape(node.type) && !node.in.empty() && node.in[0] >= 0 &&
               values_[static_cast<std::size_t>(node.in[0])].shaped) {
      dims = values_[static_cast<std::size_t>(node.in[0])].tensor.dims();
    } else {
      continue;
    }
    try {
      variable_budget_ -= element_count(dims);
    } catch (const Error&) {
      continue;
    }
    if (variable_budget_ < 0) continue;
    value.tensor = Tensor(values_[static_cast<std::size_t>(input_)].tensor.type(), std::move(dims));
    value.shaped = true;
    value.assumed = true;
  }
}

void Written::require_supported() const {
  std::string all;
  for (const std::string& problem : problems_) all += "\n  " + problem;
  for (const WrittenNode& node : nodes_) {
    if (!node.live || node.problem.empty()) continue;
    std::string shapes;
    for (const int id : node.in) {
      if (id < 0) continue;
      const Value& value = values_[static_cast<std::size_t>(id)];
      if (!shapes.empty()) shapes += ", ";
      shapes += value.shaped ? to_string(value.tensor.dims()) : "unknown shape";
    }
    all += fmt::format("\n  node '{}': {}({}): {}", node.name, node.type, shapes, node.problem);
  }
  if (!all.empty()) throw Error(ErrorKind::kUnsupported, "this model is not supported:" + all);
}

/// Puts the node's outputs into `now`; false where it is a constant that needs no evaluation.
/// Inputs that `now` lacks are constants as they were read or folded.
bool Written::evaluate_node(const WrittenNode& node, bool enclose, std::vector<Tensor>& now) const {
  Args in;
  bool enclosed = false;
  for (const int id : node.in) {
    if (id < 0) {
      in.push_back(nullptr);
      continue;
    }
    const Tensor& computed = now[static_cast<std::size_t>(id)];
    in.push_back(computed.known() ? &computed : &values_[static_cast<std::size_t>(id)].tensor);
    enclosed = enclosed || in.back()->enclosed();
  }
  // A constant folded in doubles is off by rounding: intervals fold it anew.
  if (node.folded && !(enclose && (enclosed || node.rule->rounds))) return false;
  OpNode op = node.op;
  op.enclose = enclose;
  std::vector<Tensor> results = node.rule->evaluate(op, in);
  for (std::size_t k = 0; k < node.out.size(); ++k) {
    if (node.out[k] < 0) continue;
    for (std::int64_t i = 0; results[k].enclosed() && i < results[k].size(); ++i) {
      if (!results[k].get<Interval>(i).finite()) {
        throw Error(ErrorKind::kUnsupported, fmt::format("'{}' overflows", node.name));
      }
    }
    now[static_cast<std::size_t>(node.out[k])] = std::move(results[k]);
  }
  return true;
}

Tensor Written::run(const Tensor& x, bool enclose) const {
  require_supported();
  const Tensor& input = values_[static_cast<std::size_t>(input_)].tensor;
  if (x.size() != element_count(input.dims())) {
    throw Error(ErrorKind::kBadInput, fmt::format("{} numbers for an input of shape {}", x.size(),
                                                  to_string(input.dims())));
  }
  std::vector<int> last_use(values_.size(), -1);
  for (std::size_t n = 0; n < nodes_.size(); ++n) {
    if (!nodes_[n].live) continue;
    for (const int id : nodes_[n].in) {
      if (id >= 0) last_use[static_cast<std::size_t>(id)] = static_cast<int>(n);
    }
  }
  std::vector<Tensor> now(values_.size());
  now[static_cast<std::size_t>(input_)] = x.reshaped(input.dims());
  for (std::size_t n = 0; n < nodes_.size(); ++n) {
    const WrittenNode& node = nodes_[n];
    if (!node.live || !evaluate_node(node, enclose, now)) continue;
    for (const int id : node.in) {
      if (id >= 0 && id != output_ &&
          last_use[static_cast<std::size_t>(id)] == static_cast<int>(n)) {
        now[static_cast<std::size_t>(id)] = Tensor();
      }
    }
  }
  return now[static_cast<std::size_t>(output_)];
}

int Written::fold_roundings() const {
  constexpr double kMost = 0x1p20;  // a relative error of 1e-10
  double most = 0;
  std::vector<Tensor> now(values_.size());
  const auto look = [&](const WrittenNode& node, const Tensor& folded, const Tensor& exact) {
    for (std::int64_t i = 0; exact.enclosed() && i < exact.size(); ++i) {
      const Interval x = exact.get<Interval>(i);
      const double c = folded.at(i);
      const double error = std::max(x.upper() - c, c - x.lower());
      if (error <= 0) continue;
      const double roundings = std::ceil(error / std::fabs(c) * 0x1p53) + 1;
      if (!(roundings < kMost)) {
        throw Error(
            ErrorKind::kUnsupported,
            fmt::format("node '{}': a constant of which rounding leaves too little", node.name));
      }
      most = std::max(most, roundings);
    }
  };
  rounded_upward([&] {
    for (const WrittenNode& node : nodes_) {
      if (!node.live || !node.folded || !evaluate_node(node, true, now)) continue;
      for (const int id : node.out) {
        if (id < 0) continue;
        const auto at = static_cast<std::size_t>(id);
        look(node, values_[at].tensor, now[at]);
      }
    }
  });
  return static_cast<int>(most);
}

std::vector<double> Written::evaluate(std::span<const double> x) const {
  const Dims flat{static_cast<std::int64_t>(x.size())};
  const ElementType type = values_[static_cast<std::size_t>(input_)].tensor.type();
  return run(Tensor(type, flat, std::vector<double>(x.begin(), x.end())), false).values();
}

std::vector<Interval> Written::enclose(std::span<const double> x) const {
  const Dims flat{static_cast<std::int64_t>(x.size())};
  const ElementType type = values_[static_cast<std::size_t>(input_)].tensor.type();
  std::vector<Interval> y;
  rounded_upward([&] {
    try {
      y = run(Tensor(type, flat, std::vector<Interval>(x.begin(), x.end())), true)
              .values<Interval>();
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kUnsupported) throw;
      const Dims& dims = values_[static_cast<std::size_t>(output_)].tensor.dims();
      y.assign(static_cast<std::size_t>(element_count(dims)), Interval::whole());
    }
  });
  return y;
}

}  // namespace coronet::importer
