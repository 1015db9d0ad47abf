#include "io/onnx/external.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <optional>

#include "base/error.h"

namespace coronet::importer {
namespace {

namespace fs = std::filesystem;

/// Where a tensor's bytes are: of a file, from `offset` on, `length` of them; -1: to its end.
struct Place {
  std::string location;
  std::int64_t offset = 0;
  std::int64_t length = -1;
};

[[noreturn]] void bad(const onnx::TensorProto& tensor, const std::string& what) {
  throw Error(ErrorKind::kBadInput,
              fmt::format("external data of tensor '{}': {}", tensor.name(), what));
}

std::int64_t number(const onnx::TensorProto& tensor, const std::string& key,
                    const std::string& text) {
  std::int64_t value = -1;
  const char* const end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || at != end || value < 0) {
    bad(tensor, fmt::format("{} is '{}', no number of bytes", key, text));
  }
  return value;
}

Place place_of(const onnx::TensorProto& tensor) {
  Place place;
  for (const onnx::StringStringEntryProto& entry : tensor.external_data()) {
    if (entry.key() == "location") place.location = entry.value();
    if (entry.key() == "offset") place.offset = number(tensor, entry.key(), entry.value());
    if (entry.key() == "length") place.length = number(tensor, entry.key(), entry.value());
  }
  const fs::path path(place.location);
  const bool climbs =
      std::any_of(path.begin(), path.end(), [](const fs::path& p) { return p == ".."; });
  if (path.empty() || path.is_absolute() || climbs) {
    bad(tensor, fmt::format("'{}' is no path inside the model's folder", place.location));
  }
  return place;
}

using Files = std::map<fs::path, std::shared_ptr<const MappedFile>>;

/// Nothing, where the numbers are in the message now.
std::optional<PlacedData> read(onnx::TensorProto& tensor, const fs::path& folder, Files& files) {
  Place place = place_of(tensor);
  const fs::path path = folder / place.location;
  std::error_code error;
  if (!fs::is_regular_file(path, error)) bad(tensor, path.string() + " is no file");
  const auto size = static_cast<std::int64_t>(fs::file_size(path, error));
  if (error) bad(tensor, path.string() + " cannot be read: " + error.message());
  if (place.length < 0) place.length = std::max<std::int64_t>(0, size - place.offset);
  if (place.offset > size || place.length > size - place.offset) {
    bad(tensor, fmt::format("{} bytes from {} on are wanted, but {} has {}", place.length,
                            place.offset, path.string(), size));
  }
  // The file has the numbers; any that stand in the message as well are not its.
  tensor.clear_float_data();
  tensor.clear_double_data();
  tensor.clear_int32_data();
  tensor.clear_int64_data();
  tensor.clear_raw_data();
  tensor.clear_external_data();
  tensor.clear_data_location();
  const auto length = static_cast<std::size_t>(place.length);
  const bool floats = tensor.data_type() == onnx::TensorProto::FLOAT ||
                      tensor.data_type() == onnx::TensorProto::DOUBLE;
  if (floats && length >= kPlacedBytes) {
    std::shared_ptr<const MappedFile>& file = files[path];
    if (file == nullptr) file = std::make_shared<const MappedFile>(path);
    return PlacedData{file, file->data() + place.offset, length};
  }
  std::string bytes(length, '\0');
  std::ifstream file(path, std::ios::binary);
  file.seekg(place.offset);
  file.read(bytes.data(), place.length);
  if (!file) bad(tensor, path.string() + " cannot be read");
  tensor.set_raw_data(std::move(bytes));
  return std::nullopt;
}

}  // namespace

void read_external(onnx::ModelProto& model, const std::string& folder, Placed& placed) {
  Files files;
  int number = 0;
  for (onnx::TensorProto& tensor : *model.mutable_graph()->mutable_initializer()) {
    if (tensor.data_location() == onnx::TensorProto::EXTERNAL) {
      auto data = read(tensor, folder.empty() ? fs::path(".") : fs::path(folder), files);
      if (data) placed[number] = std::move(*data);
    }
    ++number;
  }
}

}  // namespace coronet::importer
