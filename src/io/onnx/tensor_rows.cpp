#include "io/onnx/tensor_rows.h"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <utility>

namespace coronet::importer {

namespace {

class TensorRows final : public WeightSource {
 public:
  TensorRows(const Matrix& w, const std::vector<std::int32_t>* column) : tensor_(*w.tensor), w_(w) {
    if (column != nullptr) column_ = *column;
  }

  [[nodiscard]] std::size_t size() const override { return static_cast<std::size_t>(w_.k * w_.n); }
  [[nodiscard]] bool single() const override { return tensor_.single(); }
  [[nodiscard]] std::size_t bytes() const override {
    return tensor_.in_file() ? 0 : size() * (single() ? sizeof(float) : sizeof(double));
  }
  [[nodiscard]] std::unique_ptr<Fetch> fetch(std::size_t first, std::size_t count) const override {
    return std::make_unique<Reading>(*this, first, count);
  }

  /// Elements [first, first + count).
  template <class T>
  std::vector<T> read(std::size_t first, std::size_t count) const {
    std::vector<T> out(count);
    const auto begin = static_cast<std::int64_t>(first);
    const auto end = static_cast<std::int64_t>(first + count);
    if (begin == end) return out;
    const std::int64_t first_row = begin / w_.k;
    const std::int64_t rows = (end - 1) / w_.k + 1 - first_row;
    // Where the numbers of one n are apart, blocks of n, so that neither side misses the cache each
    // time, and few enough k that not much of a file is in memory.
    const bool apart = w_.k_stride != 1;
    const std::int64_t width = single() ? sizeof(float) : sizeof(double);
    const std::int64_t most = std::max<std::int64_t>(1, Tensor::kRead / width);
    const std::int64_t block_n = apart ? 16 : std::max<std::int64_t>(1, most / w_.n_stride);
    const std::int64_t block_k =
        apart ? std::clamp<std::int64_t>(most / w_.k_stride, 1, w_.k) : w_.k;
    for (std::int64_t k = 0; k < w_.k; k += block_k) {
      const std::int64_t last_k = std::min(k + block_k, w_.k);
      for (std::int64_t n = 0; n < rows; n += block_n) {
        const std::int64_t last_n = std::min(n + block_n, rows);
        copy(first_row + n, first_row + last_n, k, last_k, begin, end, out.data());
        if (!apart) {
          tensor_.forget((first_row + n) * w_.n_stride, (last_n - n - 1) * w_.n_stride + w_.k);
        }
      }
      if (apart) tensor_.forget(k * w_.k_stride, (last_k - k - 1) * w_.k_stride + w_.n);
    }
    return out;
  }

 private:
  /// The file is read by whoever waits: it has no other thread to do it.
  class Reading final : public Fetch {
   public:
    Reading(const TensorRows& rows, std::size_t first, std::size_t count)
        : rows_(rows), first_(first), count_(count) {}
    const void* wait() override {
      if (rows_.single()) {
        if (f_.empty()) f_ = rows_.read<float>(first_, count_);
        return f_.data();
      }
      if (d_.empty()) d_ = rows_.read<double>(first_, count_);
      return d_.data();
    }

   private:
    const TensorRows& rows_;
    std::size_t first_;
    std::size_t count_;
    std::vector<float> f_;
    std::vector<double> d_;
  };

  template <class T>
  [[nodiscard]] T number(std::int64_t i) const {
    if constexpr (std::is_same_v<T, float>) {
      return tensor_.single_at(i);
    } else {
      return tensor_.at(i);
    }
  }

  /// Rows [n, last_n) and columns of [k, last_k), of the elements [begin, end).
  template <class T>
  void copy(std::int64_t n0, std::int64_t last_n, std::int64_t k0, std::int64_t last_k,
            std::int64_t begin, std::int64_t end, T* out) const {
    const auto move = [&](std::int64_t k, std::int64_t n) {
      const std::int64_t column = column_.empty() ? k : column_[static_cast<std::size_t>(k)];
      const std::int64_t to = n * w_.k + column;
      if (to < begin || to >= end) return;
      out[to - begin] = number<T>(k * w_.k_stride + n * w_.n_stride);
    };
    if (w_.k_stride != 1) {
      for (std::int64_t k = k0; k < last_k; ++k) {
        for (std::int64_t n = n0; n < last_n; ++n) move(k, n);
      }
      return;
    }
    for (std::int64_t n = n0; n < last_n; ++n) {
      for (std::int64_t k = k0; k < last_k; ++k) move(k, n);
    }
  }

  Tensor tensor_;
  Matrix w_;
  std::vector<std::int32_t> column_;  // empty: in their order
};

}  // namespace

Weight weight_of(const Matrix& w, const std::vector<std::int32_t>* column) {
  Weight weight;
  auto rows = std::make_shared<const TensorRows>(w, column);
  if (w.tensor->lasting()) {
    weight.source = std::move(rows);
  } else if (rows->single()) {
    weight.f = rows->read<float>(0, rows->size());
  } else {
    weight.d = rows->read<double>(0, rows->size());
  }
  return weight;
}

}  // namespace coronet::importer
