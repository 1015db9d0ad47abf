#include "io/onnx/proto.h"

#include <fmt/format.h>

#include <bit>
#include <cstring>

#include "base/error.h"

namespace coronet::importer {
namespace {

static_assert(std::endian::native == std::endian::little, "raw_data is little-endian");

void check_size(const std::string& name, const Dims& dims, std::size_t expected,
                std::size_t found) {
  if (expected != found) {
    throw Error(ErrorKind::kBadInput,
                fmt::format("tensor '{}' of shape {} needs {} elements or bytes of data, has {}",
                            name, to_string(dims), expected, found));
  }
}

/// Some writers leave raw_data there, but empty, beside a typed field.
bool raw(const onnx::TensorProto& proto, std::size_t typed) {
  return proto.has_raw_data() && (!proto.raw_data().empty() || typed == 0);
}

template <typename T>
Tensor integers(const onnx::TensorProto& proto, Dims dims, ElementType type) {
  const auto count = static_cast<std::size_t>(element_count(dims));
  std::vector<std::int64_t> values(count);
  if (raw(proto, static_cast<std::size_t>(proto.int32_data_size()))) {
    check_size(proto.name(), dims, count * sizeof(T), proto.raw_data().size());
    for (std::size_t i = 0; i < count; ++i) {
      T value;
      std::memcpy(&value, proto.raw_data().data() + i * sizeof(T), sizeof(T));
      values[i] = value;
    }
  } else {
    check_size(proto.name(), dims, count, static_cast<std::size_t>(proto.int32_data_size()));
    values.assign(proto.int32_data().begin(), proto.int32_data().end());
  }
  return Tensor(std::move(dims), std::move(values), type);
}

template <typename Field>
Tensor borrow(const onnx::TensorProto& proto, Dims dims, ElementType type, const Field& field,
              const PlacedData* placed) {
  const auto count = static_cast<std::size_t>(element_count(dims));
  if (placed != nullptr) {
    check_size(proto.name(), dims, count * sizeof(*field.data()), placed->size);
    return Tensor::mapped(type, std::move(dims), placed->file, placed->data);
  }
  if (raw(proto, static_cast<std::size_t>(field.size()))) {
    check_size(proto.name(), dims, count * sizeof(*field.data()), proto.raw_data().size());
    return Tensor::borrowed(type, std::move(dims), proto.raw_data().data());
  }
  check_size(proto.name(), dims, count, static_cast<std::size_t>(field.size()));
  static constexpr double kNothing = 0;  // an address for an empty tensor
  return Tensor::borrowed(type, std::move(dims),
                          count == 0 ? static_cast<const void*>(&kNothing) : field.data());
}

}  // namespace

Tensor tensor_of(const onnx::TensorProto& proto, const PlacedData* placed) {
  Dims dims(proto.dims().begin(), proto.dims().end());
  if (proto.data_location() == onnx::TensorProto::EXTERNAL || proto.external_data_size() > 0) {
    throw Error(
        ErrorKind::kUnsupported,
        fmt::format(
            "tensor '{}' keeps its data in another file, which is read for initializers of a "
            "model in a file only",
            proto.name()));
  }
  if (proto.has_segment()) {
    throw Error(ErrorKind::kUnsupported, fmt::format("tensor '{}' is a segment", proto.name()));
  }
  switch (proto.data_type()) {
    case onnx::TensorProto::FLOAT:
      return borrow(proto, std::move(dims), ElementType::kFloat32, proto.float_data(), placed);
    case onnx::TensorProto::DOUBLE:
      return borrow(proto, std::move(dims), ElementType::kFloat64, proto.double_data(), placed);
    case onnx::TensorProto::INT64:
      return borrow(proto, std::move(dims), ElementType::kInt64, proto.int64_data(), nullptr);
    case onnx::TensorProto::INT32:
      return integers<std::int32_t>(proto, std::move(dims), ElementType::kInt32);
    case onnx::TensorProto::BOOL:
      return integers<std::uint8_t>(proto, std::move(dims), ElementType::kBool);
    default:
      throw Error(ErrorKind::kUnsupported, fmt::format("tensor '{}' has element type {}",
                                                       proto.name(), type_name(proto.data_type())));
  }
}

}  // namespace coronet::importer
