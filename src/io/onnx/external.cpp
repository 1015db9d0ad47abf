#include "io/onnx/external.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <filesystem>
#include <fstream>

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

void read(onnx::TensorProto& tensor, const fs::path& folder) {
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
  std::string bytes(static_cast<std::size_t>(place.length), '\0');
  std::ifstream file(path, std::ios::binary);
  file.seekg(place.offset);
  file.read(bytes.data(), place.length);
  if (!file) bad(tensor, path.string() + " cannot be read");
  // The file has the numbers; any that stand in the message as well are not its.
  tensor.clear_float_data();
  tensor.clear_double_data();
  tensor.clear_int32_data();
  tensor.clear_int64_data();
  tensor.set_raw_data(std::move(bytes));
  tensor.clear_external_data();
  tensor.clear_data_location();
}

}  // namespace

void read_external(onnx::ModelProto& model, const std::string& folder) {
  for (onnx::TensorProto& tensor : *model.mutable_graph()->mutable_initializer()) {
    if (tensor.data_location() == onnx::TensorProto::EXTERNAL) {
      read(tensor, folder.empty() ? fs::path(".") : fs::path(folder));
    }
  }
}

}  // namespace coronet::importer
