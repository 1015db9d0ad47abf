// Reading the protobuf message: names become numbers, nodes get their rules and an order.
#include <fmt/format.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <algorithm>
#include <limits>
#include <set>

#include "base/error.h"
#include "io/onnx.h"
#include "io/onnx/external.h"
#include "io/onnx/written.h"

namespace coronet::importer {
namespace {

[[noreturn]] void bad(const std::string& message) {
  throw Error(ErrorKind::kBadInput, "ONNX model: " + message);
}

void parse(const std::string& bytes, onnx::ModelProto& proto) {
  if (bytes.size() > static_cast<std::size_t>(std::numeric_limits<int>::max())) {
    bad("files of more than 2 GiB are not read: save the weights as external data");
  }
  // An explicit recursion limit: subgraphs nest messages.
  google::protobuf::io::ArrayInputStream array(bytes.data(), static_cast<int>(bytes.size()));
  google::protobuf::io::CodedInputStream stream(&array);
  stream.SetRecursionLimit(50);
  if (!proto.ParseFromCodedStream(&stream) || !stream.ConsumedEntireMessage()) {
    bad("not a protobuf message, or truncated");
  }
  if (!proto.has_graph()) bad("no graph");
}

/// Dynamic dimensions become 1.
Dims declared_dims(const onnx::ValueInfoProto& info) {
  Dims dims;
  for (const auto& dim : info.type().tensor_type().shape().dim()) {
    // Some exporters write 0 or -1 for a dynamic dimension.
    const bool fixed = dim.has_dim_value() && dim.dim_value() != 0 && dim.dim_value() != -1;
    dims.push_back(fixed ? dim.dim_value() : 1);
  }
  try {
    element_count(dims);
  } catch (const Error& error) {
    bad(fmt::format("'{}': {}", info.name(), error.what()));
  }
  return dims;
}

}  // namespace

Written::Written(const std::string& bytes, const std::string* folder, Placed placed) {
  parse(bytes, proto_);
  if (folder != nullptr) read_external(proto_, *folder, placed);
  for (const onnx::ValueInfoProto& info : proto_.graph().value_info())
    declared_[info.name()] = &info;
  for (const onnx::ValueInfoProto& info : proto_.graph().output()) declared_[info.name()] = &info;
  read_opset();
  read_inputs(placed);
  read_nodes();
  sort_nodes();
  read_outputs();
  mark_live();
  infer_all();
}

int Written::value_of(const std::string& name) {
  if (name.empty()) return -1;
  const auto [found, fresh] = by_name_.try_emplace(name, static_cast<int>(values_.size()));
  if (fresh) {
    values_.emplace_back();
    values_.back().name = name;
  }
  return found->second;
}

void Written::read_opset() {
  bool found = false;
  for (const onnx::OperatorSetIdProto& import : proto_.opset_import()) {
    if (!import.domain().empty() && import.domain() != "ai.onnx") continue;
    found = true;
    const std::int64_t version = import.version();
    if (version < kMinOpset || version > kMaxOpset) {
      problems_.push_back(
          fmt::format("opset {}: opsets {} to {} are imported", version, kMinOpset, kMaxOpset));
    }
    opset_ = static_cast<int>(std::clamp<std::int64_t>(version, 1, 1000));
  }
  if (!found) bad("no opset of ONNX's own domain is imported");
}

void Written::read_inputs(const Placed& placed) {
  const onnx::GraphProto& graph = proto_.graph();
  std::int64_t elements = 0;
  int number = 0;
  for (const onnx::TensorProto& initializer : graph.initializer()) {
    const auto data = placed.find(number++);
    const int id = value_of(initializer.name());
    if (id < 0) bad("an initializer has no name");
    Value& value = values_[static_cast<std::size_t>(id)];
    if (value.shaped || !value.problem.empty()) {
      bad(fmt::format("two initializers are called '{}'", initializer.name()));
    }
    try {
      value.tensor = tensor_of(initializer, data == placed.end() ? nullptr : &data->second);
      value.shaped = true;
      elements += value.tensor.size();
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kUnsupported) bad(error.what());
      value.problem = error.what();
    }
  }
  if (graph.sparse_initializer_size() > 0) problems_.emplace_back("sparse initializers");
  // Honest models fold little more than they bring; a hostile one could ask for any amount.
  fold_budget_ = 16 * elements + (std::int64_t{1} << 22);
  variable_budget_ = std::int64_t{1} << 28;
  const std::size_t initializers = values_.size();
  std::set<std::string> read;
  for (const onnx::NodeProto& node : graph.node())
    read.insert(node.input().begin(), node.input().end());
  for (const onnx::ValueInfoProto& info : graph.output()) read.insert(info.name());
  std::vector<std::string> names;
  for (const onnx::ValueInfoProto& info : graph.input()) {
    const int id = value_of(info.name());
    if (id < 0) bad("an input has no name");
    if (static_cast<std::size_t>(id) < initializers) continue;  // a weight listed as an input
    Value& value = values_[static_cast<std::size_t>(id)];
    if (value.shaped) bad(fmt::format("two inputs are called '{}'", info.name()));
    if (!info.type().has_tensor_type()) {
      problems_.push_back(fmt::format("input '{}' is not a tensor", info.name()));
    }
    const int type = info.type().tensor_type().elem_type();
    value.tensor = Tensor(static_cast<ElementType>(type), declared_dims(info));
    value.shaped = true;
    if (!read.contains(info.name())) continue;
    if (type != onnx::TensorProto::FLOAT && type != onnx::TensorProto::DOUBLE) {
      problems_.push_back(
          fmt::format("input '{}' has element type {}", info.name(), type_name(type)));
    }
    if (!info.type().tensor_type().has_shape()) {
      problems_.push_back(fmt::format("input '{}' has no shape", info.name()));
    }
    if (input_ < 0) input_ = id;
    names.push_back(info.name());
  }
  if (names.empty()) bad("no node reads an input");
  if (names.size() > 1) {
    problems_.push_back(
        fmt::format("{} inputs ({}): one is imported", names.size(), fmt::join(names, ", ")));
  }
  if (element_count(values_[static_cast<std::size_t>(input_)].tensor.dims()) == 0)
    bad("the input is empty");
}

void Written::read_nodes() {
  std::set<int> made;
  for (std::size_t k = 0; k < values_.size(); ++k) made.insert(static_cast<int>(k));
  for (const onnx::NodeProto& proto : proto_.graph().node()) {
    WrittenNode node;
    const bool own = proto.domain().empty() || proto.domain() == "ai.onnx";
    node.type = own ? proto.op_type() : proto.domain() + "." + proto.op_type();
    node.rule = own ? find_rule(proto.op_type()) : nullptr;
    node.op = OpNode{&proto, opset_, 0};
    for (const std::string& name : proto.input()) node.in.push_back(value_of(name));
    for (const std::string& name : proto.output()) {
      const int id = value_of(name);
      if (id >= 0 && !made.insert(id).second) bad(fmt::format("'{}' is computed twice", name));
      node.out.push_back(id);
    }
    while (!node.out.empty() && node.out.back() < 0) node.out.pop_back();
    node.op.outputs = node.out.size();
    node.name = !proto.name().empty()     ? proto.name()
                : proto.output_size() > 0 ? proto.output(0)
                                          : proto.op_type();
    nodes_.push_back(std::move(node));
  }
  for (const WrittenNode& node : nodes_) {
    for (const int id : node.in) {
      if (id >= 0 && !made.contains(id)) {
        bad(fmt::format("node '{}' ({}) reads '{}', which nothing computes", node.name, node.type,
                        values_[static_cast<std::size_t>(id)].name));
      }
    }
  }
}

void Written::sort_nodes() {
  std::vector<int> maker(values_.size(), -1);
  std::vector<std::vector<int>> readers(nodes_.size());
  std::vector<int> waiting(nodes_.size(), 0);
  for (std::size_t n = 0; n < nodes_.size(); ++n) {
    for (const int id : nodes_[n].out) {
      if (id >= 0) maker[static_cast<std::size_t>(id)] = static_cast<int>(n);
    }
  }
  std::set<int> ready;  // in the order of the file wherever that is possible
  for (std::size_t n = 0; n < nodes_.size(); ++n) {
    for (const int id : nodes_[n].in) {
      if (id < 0 || maker[static_cast<std::size_t>(id)] < 0) continue;
      readers[static_cast<std::size_t>(maker[static_cast<std::size_t>(id)])].push_back(
          static_cast<int>(n));
      ++waiting[n];
    }
    if (waiting[n] == 0) ready.insert(static_cast<int>(n));
  }
  std::vector<WrittenNode> sorted;
  while (!ready.empty()) {
    const auto n = static_cast<std::size_t>(*ready.begin());
    ready.erase(ready.begin());
    for (const int reader : readers[n]) {
      if (--waiting[static_cast<std::size_t>(reader)] == 0) ready.insert(reader);
    }
    sorted.push_back(std::move(nodes_[n]));
  }
  if (sorted.size() != nodes_.size()) bad("the nodes form a cycle");
  nodes_ = std::move(sorted);
}

void Written::read_outputs() {
  const onnx::GraphProto& graph = proto_.graph();
  if (graph.output_size() == 0) bad("no output");
  std::vector<std::string> names;
  for (const onnx::ValueInfoProto& info : graph.output()) {
    if (!by_name_.contains(info.name()))
      bad(fmt::format("nothing computes the output '{}'", info.name()));
    names.push_back(info.name());
  }
  output_ = by_name_.at(names[0]);
  if (names.size() > 1) {
    problems_.push_back(
        fmt::format("{} outputs ({}): one is imported", names.size(), fmt::join(names, ", ")));
  }
}

void Written::mark_live() {
  std::vector<bool> wanted(values_.size(), false);
  wanted[static_cast<std::size_t>(output_)] = true;
  for (std::size_t n = nodes_.size(); n-- > 0;) {
    WrittenNode& node = nodes_[n];
    for (const int id : node.out)
      node.live = node.live || (id >= 0 && wanted[static_cast<std::size_t>(id)]);
    if (!node.live) continue;
    for (const int id : node.in) {
      if (id >= 0) wanted[static_cast<std::size_t>(id)] = true;
    }
  }
}

}  // namespace coronet::importer
