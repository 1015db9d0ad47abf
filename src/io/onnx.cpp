#include "io/onnx.h"

#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "graph/sharded.h"
#include "io/file.h"
#include "io/onnx/lower.h"
#include "io/onnx/written.h"

namespace coronet {

struct Model::Impl {
  Impl(const std::string& bytes, const std::string* folder, importer::Placed placed = {})
      : written(bytes, folder, std::move(placed)) {
    const std::vector<importer::Value>& values = written.values();
    const importer::Tensor& in = values[static_cast<std::size_t>(written.input())].tensor;
    const importer::Tensor& out = values[static_cast<std::size_t>(written.output())].tensor;
    signature.input_shape.assign(in.dims().begin(), in.dims().end());
    signature.output_shape.assign(out.dims().begin(), out.dims().end());
    signature.element_type = importer::type_name(static_cast<int>(in.type()));
  }

  importer::Written written;
  Signature signature;
};

namespace {

/// A model in a file, whose large numbers stay there.
std::string read_model(const std::string& path, importer::Placed& placed) {
  std::error_code none;
  if (std::filesystem::is_regular_file(path, none) &&
      std::filesystem::file_size(path, none) >= importer::kPlacedBytes && !none) {
    const auto file = std::make_shared<const MappedFile>(path);
    if (!std::string_view(file->data(), file->size()).starts_with("\x1f\x8b")) {
      return importer::without_large_data(file, placed);
    }
  }
  return read_file(path);
}

}  // namespace

Model::Model(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Model::~Model() = default;
Model::Model(Model&&) noexcept = default;
Model& Model::operator=(Model&&) noexcept = default;

Model Model::read(const std::string& path) {
  try {
    const std::string folder = std::filesystem::path(path).parent_path().string();
    importer::Placed placed;
    const std::string bytes = read_model(path, placed);
    return Model(std::make_unique<Impl>(bytes, &folder, std::move(placed)));
  } catch (const Error& error) {
    const std::string what = error.what();
    if (what.find(path) != std::string::npos) throw;
    throw Error(error.kind(), path + ": " + what);
  }
}

Model Model::parse(const std::string& bytes) {
  return Model(std::make_unique<Impl>(bytes, nullptr));
}

const Signature& Model::signature() const { return impl_->signature; }

std::vector<Model::NodeInfo> Model::nodes() const {
  std::vector<NodeInfo> result;
  for (const importer::WrittenNode& node : impl_->written.nodes()) {
    NodeInfo info;
    info.name = node.name;
    info.op = node.type;
    if (!node.out.empty() && node.out[0] >= 0) {
      const importer::Value& value = impl_->written.values()[static_cast<std::size_t>(node.out[0])];
      if (value.shaped) info.shape.assign(value.tensor.dims().begin(), value.tensor.dims().end());
    }
    if (node.live) info.problem = node.problem;
    if (!node.live) {
      info.rule = "not used";
    } else if (node.problem.empty()) {
      info.rule = node.folded ? "folded" : node.rule->becomes;
    }
    result.push_back(std::move(info));
  }
  return result;
}

std::vector<double> Model::evaluate(std::span<const double> x) const {
  return impl_->written.evaluate(x);
}

std::vector<Interval> Model::enclose(std::span<const double> x) const {
  return impl_->written.enclose(x);
}

Graph Model::lower(Numbers numbers) const {
  Graph graph = importer::lower(impl_->written);
  if (numbers == Numbers::kHere) gather_weights(graph);
  return graph;
}

std::vector<std::string> supported_operators() {
  std::vector<std::string> names;
  for (const importer::Rule& rule : importer::all_rules()) names.emplace_back(rule.name);
  return names;
}

}  // namespace coronet
