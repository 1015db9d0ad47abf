#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "cuda/check.h"
#include "cuda/weights.h"

namespace coronet::cuda {

namespace {

using List = std::shared_ptr<const std::vector<int>>;

int length(const List& list, int all) { return list ? static_cast<int>(list->size()) : all; }

bool same(const List& a, const List& b) { return a == b || (a && b && *a == *b); }

bool contains(const List& whole, const List& part) {
  return !whole ||
         (part && std::includes(whole->begin(), whole->end(), part->begin(), part->end()));
}

/// Where the entries of `part` stand among those of `whole`.
std::vector<int> places(const List& whole, const List& part, int all) {
  std::vector<int> to;
  to.reserve(length(part, all));
  if (part && whole) {
    auto at = whole->begin();
    for (const int i : *part) {
      at = std::lower_bound(at, whole->end(), i);
      to.push_back(static_cast<int>(at - whole->begin()));
    }
  } else if (part) {
    to = *part;
  } else {
    for (int i = 0; i < all; ++i) to.push_back(i);
  }
  return to;
}

/// to[r][c] = from[row[r]][col[c]], or from[r][col[c]] where `row` is null.
template <class T>
__global__ void pick_kernel(const T* from, int from_cols, const int* row, const int* col, int cols,
                            T* to) {
  const std::size_t r = blockIdx.x;
  const T* const line = from + static_cast<std::size_t>(row == nullptr ? r : row[r]) * from_cols;
  for (int c = static_cast<int>(threadIdx.x); c < cols; c += static_cast<int>(blockDim.x)) {
    to[r * cols + c] = line[col[c]];
  }
}

template <class T>
void pick(Device& device, const T* from, int from_cols, int rows, const int* row, int cols,
          const int* col, T* to) {
  if (rows == 0 || cols == 0) return;
  pick_kernel<<<rows, 256, 0, device.stream()>>>(from, from_cols, row, col, cols, to);
  CORONET_CUDA_LAUNCHED("pick");
}

/// Rows of the host's matrix, through the device's staging memory; `convert` from S to T on the
/// way.
template <class S, class T>
Buffer<T> upload(Device& device, const std::vector<S>& from, int all_cols, const Part& part,
                 int rows, int cols, const char* what, Workers* workers) {
  Buffer<T> to = device.take<T>(static_cast<std::size_t>(rows) * cols, Tensor::kWeights, what);
  Buffer<int> col;
  if (part.cols) col = device.upload(*part.cols, Tensor::kWorkspace, "the columns of a weight");
  const std::size_t line = static_cast<std::size_t>(all_cols) * sizeof(T);
  const int at_once =
      static_cast<int>(std::clamp<std::size_t>(Staging::kBytes / line, 1, std::max(1, rows)));
  Buffer<T> tile;
  if (part.cols) {
    tile = device.take<T>(static_cast<std::size_t>(at_once) * all_cols, Tensor::kWorkspace,
                          "rows of a weight on their way");
  }
  for (int first = 0; first < rows; first += at_once) {
    const int count = std::min(at_once, rows - first);
    T* const target = part.cols ? tile.data() : to.data() + static_cast<std::size_t>(first) * cols;
    const auto row = [&](int r) {
      return from.data() + static_cast<std::size_t>(part.rows ? (*part.rows)[r] : r) * all_cols;
    };
    if (line <= Staging::kBytes) {
      device.stage(static_cast<std::size_t>(count) * line, target, [&](void* room) {
        T* const begin = static_cast<T*>(room);
        const int parts = workers == nullptr ? 1 : std::min(workers->size(), count);
        const auto copy = [&](int part, int) {
          const auto at = [&](int p) {
            return static_cast<int>(static_cast<std::int64_t>(count) * p / parts);
          };
          for (int i = at(part); i < at(part + 1); ++i) {
            const S* const from_row = row(first + i);
            std::copy(from_row, from_row + all_cols,
                      begin + static_cast<std::size_t>(i) * all_cols);
          }
        };
        if (parts == 1) {
          copy(0, 0);
        } else {
          workers->run(parts, copy);
        }
      });
    } else {
      const int most = static_cast<int>(Staging::kBytes / sizeof(T));
      for (int c = 0; c < all_cols; c += most) {
        const int n = std::min(most, all_cols - c);
        device.stage(n * sizeof(T), target + c, [&](void* room) {
          std::copy(row(first) + c, row(first) + c + n, static_cast<T*>(room));
        });
      }
    }
    if (part.cols) {
      pick<T>(device, tile.data(), all_cols, count, nullptr, cols, col.data(),
              to.data() + static_cast<std::size_t>(first) * cols);
    }
  }
  return to;
}

}  // namespace

Weights DenseWeight::picked(const Part& part) const {
  const int rows = length(part.rows, rows_);
  const int cols = length(part.cols, cols_);
  const int from_cols = length(held_part_.cols, cols_);
  const auto row = device_.upload(places(held_part_.rows, part.rows, rows_), Tensor::kWorkspace,
                                  "the rows of a weight");
  const auto col = device_.upload(places(held_part_.cols, part.cols, cols_), Tensor::kWorkspace,
                                  "the columns of a weight");
  const std::size_t size = static_cast<std::size_t>(rows) * cols;
  Weights to;
  const auto run = [&](const auto& from, auto& target) {
    if (from.empty()) return;
    using T = std::remove_pointer_t<decltype(from.data())>;
    target = device_.take<T>(size, Tensor::kWeights, name_.c_str());
    pick(device_, from.data(), from_cols, rows, row.data(), cols, col.data(), target.data());
  };
  run(held_.f, to.f);
  run(held_.d, to.d);
  return to;
}

Weights DenseWeight::uploaded(const Part& part) const {
  const int rows = length(part.rows, rows_);
  const int cols = length(part.cols, cols_);
  Weights to;
  if (!host_.f.empty()) {
    to.f = upload<float, float>(device_, host_.f, cols_, part, rows, cols, name_.c_str(), workers_);
  } else {
    // Rounded to nearest for the float32 copy.
    to.f =
        upload<double, float>(device_, host_.d, cols_, part, rows, cols, name_.c_str(), workers_);
    to.d =
        upload<double, double>(device_, host_.d, cols_, part, rows, cols, name_.c_str(), workers_);
  }
  return to;
}

Matrix DenseWeight::get(const Part& part, bool transposed) {
  if (held_.f.empty() || !same(held_part_.rows, part.rows) || !same(held_part_.cols, part.cols)) {
    const bool there = !held_.f.empty() && contains(held_part_.rows, part.rows) &&
                       contains(held_part_.cols, part.cols);
    if (there) {
      held_ = picked(part);
    } else {
      held_ = {};  // first: what was held is of no more use
      held_ = uploaded(part);
    }
    held_part_ = part;
  }
  return {held_.f.data(), held_.d.data(), length(part.rows, rows_), length(part.cols, cols_),
          transposed};
}

}  // namespace coronet::cuda
