#include "io/onnx/placed.h"

#include <cstdint>
#include <optional>
#include <string_view>

#include "onnx.pb.h"

namespace coronet::importer {

namespace {

/// A field of a protobuf message as it stands there. The wire format:
/// https://protobuf.dev/programming-guides/encoding/
struct Field {
  std::uint64_t number = 0;
  int wire = 0;
  std::string_view all;    // with its tag
  std::string_view value;  // of wire type 2: its bytes
  std::uint64_t varint = 0;
};

constexpr int kVarint = 0;
constexpr int kFixed64 = 1;
constexpr int kBytes = 2;
constexpr int kFixed32 = 5;

std::optional<std::uint64_t> varint(std::string_view& left) {
  std::uint64_t value = 0;
  for (int shift = 0; shift < 64 && !left.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(left.front());
    left.remove_prefix(1);
    value |= std::uint64_t{byte & 0x7FU} << shift;
    if (byte < 0x80) return value;
  }
  return std::nullopt;
}

void put_varint(std::string& to, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) to += static_cast<char>(value | 0x80);
  to += static_cast<char>(value);
}

/// The next field; nothing where there is none that could be understood.
std::optional<Field> next(std::string_view& left) {
  const std::string_view begin = left;
  const auto tag = varint(left);
  if (!tag) return std::nullopt;
  Field field;
  field.number = *tag >> 3;
  field.wire = static_cast<int>(*tag & 7);
  std::uint64_t length = 0;
  if (field.wire == kVarint) {
    const auto value = varint(left);
    if (!value) return std::nullopt;
    field.varint = *value;
  } else if (field.wire == kFixed64 || field.wire == kFixed32) {
    length = field.wire == kFixed64 ? 8 : 4;
  } else if (field.wire == kBytes) {
    const auto bytes = varint(left);
    if (!bytes) return std::nullopt;
    length = *bytes;
  } else {
    return std::nullopt;  // groups: nobody writes them
  }
  if (length > left.size()) return std::nullopt;
  field.value = left.substr(0, length);
  left.remove_prefix(length);
  field.all = begin.substr(0, begin.size() - left.size());
  return field;
}

/// The message with the fields called `number` replaced by what replace() makes of their bytes;
/// false where it is none.
template <class Replace>
bool rewrite(std::string_view message, int number, std::string& to, const Replace& replace) {
  while (!message.empty()) {
    const auto field = next(message);
    if (!field) return false;
    if (field->number != static_cast<std::uint64_t>(number) || field->wire != kBytes) {
      to += field->all;
      continue;
    }
    std::string inner;
    if (!replace(field->value, inner)) return false;
    put_varint(to, static_cast<std::uint64_t>(number) << 3 | kBytes);
    put_varint(to, inner.size());
    to += inner;
  }
  return true;
}

/// A tensor's message without its raw data, where that is large and of floats.
bool tensor_without(std::string_view message, std::string& to, std::string_view& data) {
  int type = 0;
  int found = 0;
  for (std::string_view left = message; !left.empty();) {
    const auto field = next(left);
    if (!field) return false;
    if (field->number == onnx::TensorProto::kDataTypeFieldNumber) {
      type = static_cast<int>(field->varint);
    } else if (field->number == onnx::TensorProto::kRawDataFieldNumber && field->wire == kBytes) {
      data = field->value;
      ++found;
    }
  }
  const bool floats = type == onnx::TensorProto::FLOAT || type == onnx::TensorProto::DOUBLE;
  if (found != 1 || !floats || data.size() < kPlacedBytes) {
    data = {};
    to = message;
    return true;
  }
  for (std::string_view left = message; !left.empty();) {
    const auto field = next(left);
    if (field->number != onnx::TensorProto::kRawDataFieldNumber) to += field->all;
  }
  return true;
}

}  // namespace

std::string without_large_data(const std::shared_ptr<const MappedFile>& file, Placed& placed) {
  const std::string_view message(file->data(), file->size());
  std::string bytes;
  int count = 0;
  Placed found;
  const auto tensor = [&](std::string_view from, std::string& to) {
    std::string_view data;
    if (!tensor_without(from, to, data)) return false;
    if (!data.empty()) found[count] = {file, data.data(), data.size()};
    ++count;
    return true;
  };
  const auto graph = [&](std::string_view from, std::string& to) {
    return rewrite(from, onnx::GraphProto::kInitializerFieldNumber, to, tensor);
  };
  if (!rewrite(message, onnx::ModelProto::kGraphFieldNumber, bytes, graph)) {
    return std::string(message);
  }
  placed = std::move(found);
  return bytes;
}

}  // namespace coronet::importer
