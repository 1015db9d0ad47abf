// Weights in files beside the model: the same network, or an error that says what is wrong.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "base/error.h"
#include "folder.h"
#include "io/file.h"
#include "io/onnx.h"
#include "onnx_builder.h"

namespace coronet {
namespace {

using test::Folder;
using test::OnnxBuilder;

class External : public testing::Test {
 protected:
  /// A network of two weights, with their numbers in raw_data.
  static onnx::ModelProto network() {
    OnnxBuilder b;
    b.input("x", {1, 4});
    b.random("w", {4, 3}).random("c", {3});
    b.node("MatMul", {"x", "w"}, {"z"}).node("Add", {"z", "c"}, {"y"}).output("y");
    for (onnx::TensorProto& t : *b.graph().mutable_initializer()) {
      if (!t.raw_data().empty()) continue;
      std::vector<float> numbers(t.float_data().begin(), t.float_data().end());
      t.set_raw_data(numbers.data(), numbers.size() * sizeof(float));
      t.clear_float_data();
    }
    return b.model();
  }

  static void set(onnx::TensorProto& t, const std::string& key, const std::string& value) {
    auto* entry = t.add_external_data();
    entry->set_key(key);
    entry->set_value(value);
  }

  Folder folder_;
};

TEST_F(External, IsReadFromOneFileOrSeveral) {
  const Model inside = Model::parse(network().SerializeAsString());
  const std::vector<double> x = {0.5, -1, 2, 0.25};
  std::filesystem::create_directory(folder_.file("parts"));
  for (const bool shared : {true, false}) {
    onnx::ModelProto model = network();
    std::string all = "seven  ";  // so that nothing is aligned
    for (onnx::TensorProto& t : *model.mutable_graph()->mutable_initializer()) {
      const std::string raw = t.raw_data();
      t.clear_raw_data();
      t.set_data_location(onnx::TensorProto::EXTERNAL);
      if (shared) {
        set(t, "location", "all.data");
        set(t, "offset", std::to_string(all.size()));
        set(t, "length", std::to_string(raw.size()));
        all += raw;
      } else {
        set(t, "location", "parts/" + t.name());
        write_file(folder_.file("parts/" + t.name()), raw);
      }
    }
    write_file(folder_.file("all.data"), all);
    write_file(folder_.file("net.onnx"), model.SerializeAsString());
    EXPECT_EQ(Model::read(folder_.file("net.onnx")).evaluate(x), inside.evaluate(x)) << shared;
  }
}

TEST_F(External, ErrorsNameTheTensorAndWhatIsWrong) {
  struct Case {
    std::string location, offset, length, says;
  };
  write_file(folder_.file("short"), std::string(20, 'x'));
  const std::vector<Case> cases = {
      {"", "", "", "no path inside"},
      {"/etc/passwd", "", "", "no path inside"},
      {"../net.onnx", "", "", "no path inside"},
      {"parts/../../net.onnx", "", "", "no path inside"},
      {"missing", "", "", "is no file"},
      {"short", "", "", "needs"},
      {"short", "8", "48", "48 bytes from 8 on"},
      {"short", "-8", "", "offset is '-8'"},
      {"short", "99999999999999999999", "", "no number of bytes"},
      {"short", "30", "", "has 20"},
      {"short", "20", "0", "needs"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.location + " " + c.offset + " " + c.length);
    onnx::ModelProto model = network();
    onnx::TensorProto& t = *model.mutable_graph()->mutable_initializer(0);
    t.clear_raw_data();
    for (int i = 0; i < 12; ++i) t.add_float_data(1);  // not what the tensor has
    t.set_data_location(onnx::TensorProto::EXTERNAL);
    if (!c.location.empty()) set(t, "location", c.location);
    if (!c.offset.empty()) set(t, "offset", c.offset);
    if (!c.length.empty()) set(t, "length", c.length);
    write_file(folder_.file("net.onnx"), model.SerializeAsString());
    try {
      Model::read(folder_.file("net.onnx"));
      ADD_FAILURE() << "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kBadInput);
      const std::string what = error.what();
      EXPECT_NE(what.find(c.says), std::string::npos) << what;
      EXPECT_NE(what.find("'w'"), std::string::npos) << what;
    }
  }
}

}  // namespace
}  // namespace coronet
