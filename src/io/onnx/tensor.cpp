#include "io/onnx/tensor.h"

#include <fmt/format.h>

#include <cstring>
#include <utility>

#include "base/error.h"

namespace coronet::importer {
namespace {

/// Calls visit(row offset, length, step) for every innermost row of a strided box, in row-major
/// order.
template <typename Visit>
void for_each_row(const Dims& dims, const Dims& strides, std::int64_t offset, Visit visit) {
  for (const std::int64_t d : dims) {
    if (d == 0) return;
  }
  if (dims.empty()) {
    visit(offset, std::int64_t{1}, std::int64_t{0});
    return;
  }
  const std::size_t last = dims.size() - 1;
  Dims at(dims.size(), 0);
  while (true) {
    visit(offset, dims[last], strides[last]);
    std::size_t k = last;
    while (k > 0) {
      --k;
      offset += strides[k];
      if (++at[k] < dims[k]) break;
      offset -= strides[k] * dims[k];
      at[k] = 0;
      if (k == 0) return;
    }
    if (last == 0) return;
  }
}

/// `value` without its fraction.
std::int64_t whole_number(double value) {
  constexpr double kLimit = 9.2e18;  // just inside int64, where the conversion is defined
  if (!(value > -kLimit && value < kLimit)) {
    throw Error(ErrorKind::kBadInput, fmt::format("{} does not fit an integer", value));
  }
  return static_cast<std::int64_t>(value);
}

template <typename T>
T load(const unsigned char* data, std::int64_t i) {
  T value;
  std::memcpy(&value, data + static_cast<std::size_t>(i) * sizeof(T), sizeof(T));
  return value;
}

}  // namespace

std::string type_name(int onnx_type) {
  static constexpr const char* kNames[] = {"undefined",  "float32", "uint8",  "int8",   "uint16",
                                           "int16",      "int32",   "int64",  "string", "bool",
                                           "float16",    "float64", "uint32", "uint64", "complex64",
                                           "complex128", "bfloat16"};
  if (onnx_type >= 0 && onnx_type < static_cast<int>(std::size(kNames))) return kNames[onnx_type];
  return fmt::format("type {}", onnx_type);
}

std::int64_t element_count(const Dims& dims) {
  std::int64_t count = 1;
  bool zero = false;
  for (const std::int64_t d : dims) {
    if (d < 0) throw Error(ErrorKind::kBadInput, fmt::format("negative dimension {}", d));
    if (d == 0) {
      zero = true;
      continue;
    }
    if (d > kMaxElements / count) {
      throw Error(ErrorKind::kBadInput,
                  fmt::format("tensor of shape {} is too large", to_string(dims)));
    }
    count *= d;
  }
  return zero ? 0 : count;
}

std::string to_string(const Dims& dims) {
  if (dims.empty()) return "scalar";
  return fmt::format("{}", fmt::join(dims, "x"));
}

Dims strides_of(const Dims& dims) {
  Dims strides(dims.size());
  std::int64_t stride = 1;
  for (std::size_t k = dims.size(); k-- > 0;) {
    strides[k] = stride;
    stride *= dims[k];
  }
  return strides;
}

Dims broadcast(const Dims& a, const Dims& b) {
  const Dims& longer = a.size() >= b.size() ? a : b;
  const Dims& shorter = a.size() >= b.size() ? b : a;
  Dims out = longer;
  const std::size_t skip = longer.size() - shorter.size();
  for (std::size_t k = 0; k < shorter.size(); ++k) {
    std::int64_t& d = out[skip + k];
    if (d == 1) {
      d = shorter[k];
    } else if (shorter[k] != 1 && shorter[k] != d) {
      throw Error(ErrorKind::kBadInput,
                  fmt::format("shapes {} and {} do not broadcast", to_string(a), to_string(b)));
    }
  }
  element_count(out);
  return out;
}

Dims broadcast_strides(const Dims& from, const Dims& to) {
  if (from.size() > to.size()) {
    throw Error(ErrorKind::kBadInput,
                fmt::format("shape {} does not broadcast to {}", to_string(from), to_string(to)));
  }
  const Dims strides = strides_of(from);
  Dims result(to.size(), 0);
  const std::size_t skip = to.size() - from.size();
  for (std::size_t k = 0; k < from.size(); ++k) {
    if (from[k] == to[skip + k]) {
      result[skip + k] = from[k] == 1 ? 0 : strides[k];
    } else if (from[k] != 1) {
      throw Error(ErrorKind::kBadInput,
                  fmt::format("shape {} does not broadcast to {}", to_string(from), to_string(to)));
    }
  }
  return result;
}

std::int64_t normal_axis(std::int64_t axis, std::int64_t rank) {
  if (axis < -rank || axis >= rank) {
    throw Error(ErrorKind::kBadInput,
                fmt::format("axis {} is outside a tensor of rank {}", axis, rank));
  }
  return axis < 0 ? axis + rank : axis;
}

template <typename T>
Tensor::Tensor(Storage storage, ElementType type, Dims dims, std::vector<T> values)
    : type_(type), storage_(storage), dims_(std::move(dims)), size_(element_count(dims_)) {
  if (static_cast<std::int64_t>(values.size()) != size_) {
    throw Error(ErrorKind::kInternal, "tensor: number of values and shape differ");
  }
  values.reserve(1);  // an empty tensor has an address too
  auto owned = std::make_shared<const std::vector<T>>(std::move(values));
  data_ = reinterpret_cast<const unsigned char*>(owned->data());
  owner_ = std::move(owned);
}

Tensor::Tensor(ElementType type, Dims dims, std::vector<double> values)
    : Tensor(Storage::kFloat64, type, std::move(dims), std::move(values)) {}

Tensor::Tensor(ElementType type, Dims dims, std::vector<Interval> values)
    : Tensor(Storage::kInterval, type, std::move(dims), std::move(values)) {}

Tensor::Tensor(Dims dims, std::vector<std::int64_t> values, ElementType type)
    : Tensor(Storage::kInt64, type, std::move(dims), std::move(values)) {}

Tensor Tensor::borrowed(ElementType type, Dims dims, const void* data) {
  Tensor t(type, std::move(dims));
  t.size_ = element_count(t.dims_);
  t.storage_ = type == ElementType::kFloat32   ? Storage::kFloat32
               : type == ElementType::kFloat64 ? Storage::kFloat64
                                               : Storage::kInt64;
  t.data_ = static_cast<const unsigned char*>(data);
  return t;
}

Tensor Tensor::mapped(ElementType type, Dims dims, std::shared_ptr<const MappedFile> file,
                      const void* data) {
  Tensor t = borrowed(type, std::move(dims), data);
  t.file_ = file.get();
  t.owner_ = std::move(file);
  return t;
}

void Tensor::forget(std::int64_t first, std::int64_t count) const {
  if (file_ == nullptr) return;
  file_->forget(data_ + static_cast<std::size_t>(first) * width(),
                static_cast<std::size_t>(count) * width());
}

double Tensor::at(std::int64_t i) const {
  switch (storage_) {
    case Storage::kFloat32:
      return load<float>(data_, i);
    case Storage::kFloat64:
      return load<double>(data_, i);
    case Storage::kInterval:
      if (const Interval x = interval(i); x.exact()) return x.upper();
      throw Error(ErrorKind::kUnsupported, "a number known only up to rounding");
    case Storage::kInt64:
      break;
  }
  return static_cast<double>(load<std::int64_t>(data_, i));
}

Interval Tensor::interval(std::int64_t i) const { return load<Interval>(data_, i); }

std::int64_t Tensor::integer(std::int64_t i) const {
  if (storage_ == Storage::kInt64) return load<std::int64_t>(data_, i);
  return whole_number(at(i));
}

std::vector<std::int64_t> Tensor::integers() const {
  std::vector<std::int64_t> result(static_cast<std::size_t>(size_));
  for (std::int64_t i = 0; i < size_; ++i) result[static_cast<std::size_t>(i)] = integer(i);
  return result;
}

Tensor Tensor::reshaped(Dims dims) const {
  if (known() && element_count(dims) != size_) {
    throw Error(ErrorKind::kBadInput,
                fmt::format("{} elements do not fit shape {}", size_, to_string(dims)));
  }
  Tensor result = *this;
  result.dims_ = std::move(dims);
  return result;
}

Tensor Tensor::retyped(ElementType type) const {
  Tensor result = *this;
  result.type_ = type;
  return result;
}

Tensor Tensor::strided(const Dims& out, const Dims& strides, std::int64_t offset) const {
  Tensor result = *this;
  result.dims_ = out;
  result.size_ = element_count(out);
  const std::size_t w = width();
  const auto bytes = static_cast<std::size_t>(result.size_) * w;
  std::shared_ptr<unsigned char[]> owned(new unsigned char[bytes + 1]);
  unsigned char* to = owned.get();
  for_each_row(out, strides, offset,
               [&](std::int64_t from, std::int64_t length, std::int64_t step) {
                 if (step == 1) {
                   std::memcpy(to, data_ + static_cast<std::size_t>(from) * w,
                               static_cast<std::size_t>(length) * w);
                   to += static_cast<std::size_t>(length) * w;
                   return;
                 }
                 for (std::int64_t i = 0; i < length; ++i, to += w) {
                   std::memcpy(to, data_ + static_cast<std::size_t>(from + i * step) * w, w);
                 }
               });
  result.data_ = owned.get();
  result.file_ = nullptr;
  result.owner_ = std::move(owned);
  return result;
}

Tensor::Writer::Writer(const Tensor& like, Dims dims, double fill) : tensor_(like) {
  tensor_.file_ = nullptr;
  tensor_.dims_ = std::move(dims);
  tensor_.size_ = element_count(tensor_.dims_);
  const std::size_t w = tensor_.width();
  bytes_.reset(new unsigned char[static_cast<std::size_t>(tensor_.size_) * w + 1]);
  float single = 0;
  Interval enclosed;
  std::int64_t whole = 0;
  const void* from = &fill;
  if (tensor_.storage_ == Storage::kFloat32) {
    single = static_cast<float>(fill);
    from = &single;
  } else if (tensor_.enclosed()) {
    enclosed = fill;
    from = &enclosed;
  } else if (tensor_.storage_ == Storage::kInt64) {
    whole = whole_number(fill);
    from = &whole;
  }
  for (std::int64_t i = 0; i < tensor_.size_; ++i) {
    std::memcpy(bytes_.get() + static_cast<std::size_t>(i) * w, from, w);
  }
}

void Tensor::Writer::place(const Tensor& from, const Dims& strides, std::int64_t offset) {
  if (from.storage_ != tensor_.storage_) {
    throw Error(ErrorKind::kInternal, "tensor: mixed storage");
  }
  const std::size_t w = tensor_.width();
  const unsigned char* read = from.data_;
  for_each_row(from.dims_, strides, offset,
               [&](std::int64_t to, std::int64_t length, std::int64_t step) {
                 for (std::int64_t i = 0; i < length; ++i, read += w) {
                   std::memcpy(bytes_.get() + static_cast<std::size_t>(to + i * step) * w, read, w);
                 }
               });
}

Tensor Tensor::Writer::take() {
  tensor_.data_ = bytes_.get();
  tensor_.owner_ = bytes_;
  return tensor_;
}

}  // namespace coronet::importer
