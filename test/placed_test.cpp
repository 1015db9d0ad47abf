// Large weights that stay in their file: the same graph, wherever the numbers stand and whenever
// they are read.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "folder.h"
#include "graph/evaluate.h"
#include "graph/fingerprint.h"
#include "graph/sharded.h"
#include "io/crosscheck.h"
#include "io/file.h"
#include "io/onnx.h"
#include "io/onnx/placed.h"
#include "onnx_builder.h"

namespace coronet {
namespace {

using test::Folder;
using test::OnnxBuilder;

/// Weights of over a megabyte in every form that lowering knows, one of them scaled.
onnx::ModelProto network(int type) {
  OnnxBuilder b(13, type);
  b.input("x", {1, 128, 2, 2});
  b.random("c", {256, 128, 3, 3}).random("w", {1024, 300}).random("g", {900, 300});
  b.random("s", {900}, 3).random("last", {900, 4}).random("bias", {4});
  b.node("Conv", {"x", "c"}, {"a"}, {{"pads", test::Shape64{1, 1, 1, 1}}});
  b.node("Relu", {"a"}, {"r"}).node("Flatten", {"r"}, {"f"}, {{"axis", std::int64_t{1}}});
  b.node("MatMul", {"f", "w"}, {"m"}).node("Relu", {"m"}, {"n"});
  b.node("Gemm", {"n", "g"}, {"h"}, {{"transB", std::int64_t{1}}});
  b.node("Mul", {"h", "s"}, {"i"}).node("Relu", {"i"}, {"j"});
  b.node("Gemm", {"j", "last", "bias"}, {"y"}).output("y");
  for (onnx::TensorProto& t : *b.graph().mutable_initializer()) {
    const auto raw = [&](const auto& numbers) {
      t.set_raw_data(numbers.data(), numbers.size() * sizeof(*numbers.data()));
    };
    (type == onnx::TensorProto::FLOAT ? raw(t.float_data()) : raw(t.double_data()));
    t.clear_float_data();
    t.clear_double_data();
  }
  return b.model();
}

/// Its raw data in a file beside it, which nothing is aligned in.
void move_out(onnx::ModelProto& model, const std::string& path) {
  std::string all = "seven  ";
  for (onnx::TensorProto& t : *model.mutable_graph()->mutable_initializer()) {
    const auto set = [&](const std::string& key, const std::string& value) {
      auto* entry = t.add_external_data();
      entry->set_key(key);
      entry->set_value(value);
    };
    set("location", "all.data");
    set("offset", std::to_string(all.size()));
    set("length", std::to_string(t.raw_data().size()));
    all += t.raw_data();
    t.clear_raw_data();
    t.set_data_location(onnx::TensorProto::EXTERNAL);
  }
  write_file(path, all);
}

TEST(Placed, TheGraphIsThatOfNumbersInTheMessage) {
  const Folder folder;
  for (const int type : {onnx::TensorProto::FLOAT, onnx::TensorProto::DOUBLE}) {
    onnx::ModelProto model = network(type);
    const Model inside = Model::parse(model.SerializeAsString());
    const Graph expected = inside.lower();
    ASSERT_TRUE(weights_here(expected));
    const std::uint64_t number = fingerprint(expected);
    const std::vector<double> x(expected.inputs(), 0.125);
    for (const bool external : {false, true}) {
      SCOPED_TRACE(external);
      if (external) move_out(model, folder.file("all.data"));
      const std::string path = folder.file("net.onnx");
      write_file(path, model.SerializeAsString());
      const Model read = Model::read(path);
      EXPECT_EQ(read.evaluate(x), inside.evaluate(x));
      const Graph here = read.lower();
      EXPECT_TRUE(weights_here(here));
      EXPECT_EQ(fingerprint(here), number);
      const Graph there = read.lower(Model::Numbers::kInFile);
      EXPECT_FALSE(weights_here(there));
      EXPECT_LT(weight_bytes_here(there), weight_bytes(there) / 2);
      EXPECT_EQ(weight_bytes(there), weight_bytes(expected));
      EXPECT_EQ(fingerprint(there), number);
      EXPECT_EQ(evaluate(there, x), evaluate(expected, x));
      crosscheck(read, there, 1, 1, nullptr);
    }
  }
}

TEST(Placed, WhatIsNoMessageIsGivenAsItIs) {
  const Folder folder;
  const std::string whole = network(onnx::TensorProto::FLOAT).SerializeAsString();
  // Cut inside the weights, in a tag, and with bytes that no field begins with.
  for (const std::string& bytes :
       {whole.substr(0, whole.size() / 2), whole.substr(0, whole.size() - 1), whole + '\xff'}) {
    const std::string path = folder.file("net.onnx");
    write_file(path, bytes);
    importer::Placed placed;
    const auto file = std::make_shared<const MappedFile>(path);
    EXPECT_EQ(importer::without_large_data(file, placed), bytes);
    EXPECT_TRUE(placed.empty());
    EXPECT_THROW((void)Model::read(path), Error);
  }
}

}  // namespace
}  // namespace coronet
