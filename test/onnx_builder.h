// Small ONNX models, built in the tests themselves.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "onnx.pb.h"

namespace coronet::test {

using Shape64 = std::vector<std::int64_t>;

/// An attribute's value: int, float, text, ints, or a tensor of one number.
using AttributeValue = std::variant<std::int64_t, float, std::string, Shape64>;
using Attributes = std::vector<std::pair<std::string, AttributeValue>>;

class OnnxBuilder {
 public:
  explicit OnnxBuilder(int opset = 13, int type = onnx::TensorProto::FLOAT) : type_(type) {
    model_.set_ir_version(8);
    auto* import = model_.add_opset_import();
    import->set_domain("");
    import->set_version(opset);
    graph().set_name("g");
  }

  onnx::ModelProto& model() { return model_; }
  onnx::GraphProto& graph() { return *model_.mutable_graph(); }

  /// A dimension of -1 is dynamic.
  OnnxBuilder& input(const std::string& name, const Shape64& dims) {
    describe(*graph().add_input(), name, &dims);
    return *this;
  }

  OnnxBuilder& output(const std::string& name) {
    describe(*graph().add_output(), name, nullptr);
    return *this;
  }

  OnnxBuilder& weight(const std::string& name, const Shape64& dims,
                      const std::vector<double>& values) {
    auto& t = tensor(name, dims, type_);
    for (const double v : values) {
      if (type_ == onnx::TensorProto::FLOAT) {
        t.add_float_data(static_cast<float>(v));
      } else {
        t.add_double_data(v);
      }
    }
    return *this;
  }

  /// Numbers in [-1, 1), the same in every run; `raw`: stored as raw_data.
  OnnxBuilder& random(const std::string& name, const Shape64& dims, double shift = 0) {
    std::int64_t size = 1;
    for (const std::int64_t d : dims) size *= d;
    std::vector<double> values;
    for (std::int64_t i = 0; i < size; ++i) {
      state_ = state_ * 6364136223846793005U + 1442695040888963407U;
      values.push_back(static_cast<double>(state_ >> 40) / 8388608.0 - 1 + shift);
    }
    return weight(name, dims, values);
  }

  OnnxBuilder& ints(const std::string& name, const Shape64& values) {
    auto& t = tensor(name, {static_cast<std::int64_t>(values.size())}, onnx::TensorProto::INT64);
    t.set_raw_data(values.data(), values.size() * sizeof(std::int64_t));
    return *this;
  }

  OnnxBuilder& node(const std::string& op, const std::vector<std::string>& inputs,
                    const std::vector<std::string>& outputs, const Attributes& attributes = {}) {
    auto* n = graph().add_node();
    n->set_op_type(op);
    n->set_name("node_" + std::to_string(graph().node_size()));
    for (const auto& name : inputs) n->add_input(name);
    for (const auto& name : outputs) n->add_output(name);
    for (const auto& [name, value] : attributes) set(*n->add_attribute(), name, value);
    return *this;
  }

  [[nodiscard]] std::string bytes() const { return model_.SerializeAsString(); }

  [[nodiscard]] std::set<std::string> operators() const {
    std::set<std::string> names;
    for (const auto& n : model_.graph().node()) names.insert(n.op_type());
    return names;
  }

 private:
  onnx::TensorProto& tensor(const std::string& name, const Shape64& dims, int type) {
    auto* t = graph().add_initializer();
    t->set_name(name);
    t->set_data_type(type);
    for (const std::int64_t d : dims) t->add_dims(d);
    return *t;
  }

  void describe(onnx::ValueInfoProto& info, const std::string& name, const Shape64* dims) const {
    info.set_name(name);
    auto* type = info.mutable_type()->mutable_tensor_type();
    type->set_elem_type(type_);
    if (!dims) return;
    auto* shape = type->mutable_shape();
    for (const std::int64_t d : *dims) {
      if (d == -1) {
        shape->add_dim()->set_dim_param("batch");
      } else {
        shape->add_dim()->set_dim_value(d);
      }
    }
  }

  static void set(onnx::AttributeProto& a, const std::string& name, const AttributeValue& value) {
    a.set_name(name);
    if (const auto* i = std::get_if<std::int64_t>(&value)) {
      a.set_type(onnx::AttributeProto::INT);
      a.set_i(*i);
    } else if (const auto* f = std::get_if<float>(&value)) {
      a.set_type(onnx::AttributeProto::FLOAT);
      a.set_f(*f);
    } else if (const auto* s = std::get_if<std::string>(&value)) {
      a.set_type(onnx::AttributeProto::STRING);
      a.set_s(*s);
    } else {
      a.set_type(onnx::AttributeProto::INTS);
      for (const std::int64_t v : std::get<Shape64>(value)) a.add_ints(v);
    }
  }

  onnx::ModelProto model_;
  int type_;
  std::uint64_t state_ = 42;
};

}  // namespace coronet::test
