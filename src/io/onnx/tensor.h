// Tensors of an ONNX graph as written: initializers, folded constants, and values during
// evaluation.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "base/interval.h"
#include "io/file.h"

namespace coronet::importer {

using Dims = std::vector<std::int64_t>;

/// Element types that the importer knows; the numbers are those of ONNX's TensorProto.DataType.
enum class ElementType {
  kUnknown = 0,
  kFloat32 = 1,
  kInt32 = 6,
  kInt64 = 7,
  kBool = 9,
  kFloat64 = 11
};

/// "float32", "int64", ...; "type N" for what is not known.
std::string type_name(int onnx_type);

/// No tensor has more elements: indices must fit 32 bits, sizes in bytes must not overflow.
inline constexpr std::int64_t kMaxElements = (std::int64_t{1} << 31) - 1;

/// The product of the dimensions. Throws Error(kBadInput) if one is negative or the product exceeds
/// kMaxElements.
std::int64_t element_count(const Dims& dims);

/// "1x3x32x32"; "scalar" for no dimensions.
std::string to_string(const Dims& dims);

/// Row-major strides, in elements.
Dims strides_of(const Dims& dims);

/// Numpy's broadcasting. Throws Error(kBadInput) if the two do not fit.
Dims broadcast(const Dims& a, const Dims& b);

/// Strides that read a tensor of dimensions `from` as one of dimensions `to` (0 along what is
/// repeated).
Dims broadcast_strides(const Dims& from, const Dims& to);

/// `axis`, counted from the end if negative. Throws Error(kBadInput) if outside [-rank, rank).
std::int64_t normal_axis(std::int64_t axis, std::int64_t rank);

/// Row-major numbers with a shape. Cheap to copy: the numbers are shared, and never change once
/// they are. `type` is what ONNX says; floats of arithmetic are stored as double whatever their
/// type, integers and booleans as int64.
class Tensor {
 public:
  Tensor() = default;
  /// A variable's type and shape, without numbers.
  Tensor(ElementType type, Dims dims) : type_(type), dims_(std::move(dims)) {}
  Tensor(ElementType type, Dims dims, std::vector<double> values);
  /// Numbers known up to rounding: those of an evaluation in intervals.
  Tensor(ElementType type, Dims dims, std::vector<Interval> values);
  Tensor(Dims dims, std::vector<std::int64_t> values, ElementType type = ElementType::kInt64);
  /// Little-endian numbers that outlive the tensor and need not be aligned; `type` is float32,
  /// float64 or int64.
  static Tensor borrowed(ElementType type, Dims dims, const void* data);
  /// The same inside a file, which the tensor keeps.
  static Tensor mapped(ElementType type, Dims dims, std::shared_ptr<const MappedFile> file,
                       const void* data);

  /// Do the numbers live as long as a copy of this does?
  [[nodiscard]] bool lasting() const { return owner_ != nullptr; }
  [[nodiscard]] bool in_file() const { return file_ != nullptr; }
  /// Elements [first, first + count) have been read: if they are in a file, memory need not hold
  /// them.
  void forget(std::int64_t first, std::int64_t count) const;
  /// So many bytes of a file may be read before they are forgotten.
  static constexpr std::int64_t kRead = std::int64_t{1} << 20;

  [[nodiscard]] ElementType type() const { return type_; }
  [[nodiscard]] const Dims& dims() const { return dims_; }
  [[nodiscard]] std::int64_t rank() const { return static_cast<std::int64_t>(dims_.size()); }
  [[nodiscard]] std::int64_t size() const { return size_; }
  [[nodiscard]] bool known() const { return data_ != nullptr; }
  [[nodiscard]] bool floating() const { return storage_ != Storage::kInt64; }
  [[nodiscard]] bool single() const { return storage_ == Storage::kFloat32; }
  [[nodiscard]] bool enclosed() const { return storage_ == Storage::kInterval; }
  [[nodiscard]] bool same_storage(const Tensor& other) const { return storage_ == other.storage_; }

  /// Element i, as a double or as an integer (truncated). Throws Error(kUnsupported) where it is
  /// known only up to rounding.
  [[nodiscard]] double at(std::int64_t i) const;
  [[nodiscard]] std::int64_t integer(std::int64_t i) const;
  /// Element i, as double or as Interval.
  template <typename T>
  [[nodiscard]] T get(std::int64_t i) const {
    if constexpr (std::is_same_v<T, Interval>) {
      if (enclosed()) return interval(i);
    }
    return at(i);
  }
  /// Element i of a single() tensor: for loops over big weights.
  [[nodiscard]] float single_at(std::int64_t i) const {
    float value;
    std::memcpy(&value, data_ + static_cast<std::size_t>(i) * sizeof(float), sizeof(float));
    return value;
  }
  template <typename T = double>
  [[nodiscard]] std::vector<T> values() const {
    std::vector<T> result(static_cast<std::size_t>(size_));
    for (std::int64_t i = 0; i < size_; ++i) result[static_cast<std::size_t>(i)] = get<T>(i);
    return result;
  }
  [[nodiscard]] std::vector<std::int64_t> integers() const;

  /// The same numbers with another shape of the same size, or another type of the same storage.
  [[nodiscard]] Tensor reshaped(Dims dims) const;
  [[nodiscard]] Tensor retyped(ElementType type) const;

  /// out[i] = this[offset + sum of i_k * strides_k].
  [[nodiscard]] Tensor strided(const Dims& out, const Dims& strides, std::int64_t offset) const;

  /// Makes a tensor by copying boxes of other tensors of one storage into it.
  class Writer;

 private:
  enum class Storage : std::uint8_t { kFloat32, kFloat64, kInterval, kInt64 };
  template <typename T>
  Tensor(Storage storage, ElementType type, Dims dims, std::vector<T> values);
  [[nodiscard]] std::size_t width() const {
    return storage_ == Storage::kFloat32 ? 4 : storage_ == Storage::kInterval ? 16 : 8;
  }
  [[nodiscard]] Interval interval(std::int64_t i) const;

  ElementType type_ = ElementType::kUnknown;
  Storage storage_ = Storage::kFloat64;
  Dims dims_;
  std::int64_t size_ = 0;
  std::shared_ptr<const void> owner_;
  const unsigned char* data_ = nullptr;
  const MappedFile* file_ = nullptr;  // that data_ lies in; owner_ keeps it
};

class Tensor::Writer {
 public:
  /// Dimensions `dims`, filled with `fill`; type and storage as `like` has them.
  Writer(const Tensor& like, Dims dims, double fill);
  /// result[offset + sum of i_k * strides_k] = from[i].
  void place(const Tensor& from, const Dims& strides, std::int64_t offset);
  [[nodiscard]] Tensor take();

 private:
  Tensor tensor_;
  std::shared_ptr<unsigned char[]> bytes_;
};

}  // namespace coronet::importer
