#include <algorithm>
#include <cstdint>
#include <functional>
#include <type_traits>

#include "base/error.h"
#include "cuda/check.h"
#include "cuda/moves.h"
#include "cuda/weights.h"

namespace coronet::cuda {

namespace {

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

/// f(part) for `parts` parts, dealt to the workers.
void deal(Workers* workers, int parts, const std::function<void(int)>& f) {
  if (parts == 1) {
    f(0);
  } else {
    workers->run(parts, [&](int part, int) { f(part); });
  }
}

/// Rows row(0), row(1), ... of `cols` numbers of the host go to `to`, as numbers of T.
template <class T, class Row>
void send_rows(Device& device, int count, int cols, const Row& row, T* to, Workers* workers) {
  const std::size_t line = static_cast<std::size_t>(cols) * sizeof(T);
  if (line > Staging::kBytes) {
    const int most = static_cast<int>(Staging::kBytes / sizeof(T));
    for (int r = 0; r < count; ++r) {
      for (int c = 0; c < cols; c += most) {
        const int n = std::min(most, cols - c);
        device.stage(n * sizeof(T), to + static_cast<std::size_t>(r) * cols + c, [&](void* room) {
          std::copy(row(r) + c, row(r) + c + n, static_cast<T*>(room));
        });
      }
    }
    return;
  }
  const int at_once = static_cast<int>(Staging::kBytes / std::max<std::size_t>(line, 1));
  for (int first = 0; first < count; first += at_once) {
    const int here = std::min(at_once, count - first);
    T* const target = to + static_cast<std::size_t>(first) * cols;
    device.stage(static_cast<std::size_t>(here) * line, target, [&](void* room) {
      const int parts = workers == nullptr ? 1 : std::min(workers->size(), here);
      const auto begin = [&](int part) {
        return static_cast<int>(static_cast<std::int64_t>(here) * part / parts);
      };
      deal(workers, parts, [&](int part) {
        for (int i = begin(part); i < begin(part + 1); ++i) {
          std::copy(row(first + i), row(first + i) + cols,
                    static_cast<T*>(room) + static_cast<std::size_t>(i) * cols);
        }
      });
    });
  }
}

}  // namespace

Weights DenseWeight::picked(const std::vector<int>& rows, const std::vector<int>& cols) const {
  const int from_cols = length(part_.cols, cols_);
  const auto row = device_.upload(rows, Tensor::kWorkspace, "the rows of a weight");
  const auto col = device_.upload(cols, Tensor::kWorkspace, "the columns of a weight");
  Weights to;
  const auto run = [&](const auto& from, auto& target) {
    if (from.empty()) return;
    using T = std::remove_pointer_t<decltype(from.data())>;
    target = device_.take<T>(rows.size() * cols.size(), Tensor::kWeights, name_.c_str());
    pick(device_, from.data(), from_cols, static_cast<int>(rows.size()), row.data(),
         static_cast<int>(cols.size()), col.data(), target.data());
  };
  run(held_.f, to.f);
  run(held_.d, to.d);
  return to;
}

/// Rows [first, first + count) of a part.
template <class T>
void DenseWeight::send(const Part& part, int first, int count, T* to) {
  const auto from = [&](const auto& numbers) {
    const auto row = [&](int r) {
      const int at = part.rows ? (*part.rows)[first + r] : first + r;
      return numbers.data() + static_cast<std::size_t>(at) * cols_;
    };
    if (!part.cols) {
      send_rows(device_, count, cols_, row, to, workers_);
      return;
    }
    // Whole rows come, and the columns are picked on the device.
    const int cols = length(part.cols, cols_);
    const std::size_t line = static_cast<std::size_t>(cols_) * sizeof(T);
    const int at_once =
        static_cast<int>(std::clamp<std::size_t>(Staging::kBytes / line, 1, std::max(1, count)));
    const auto col = device_.upload(*part.cols, Tensor::kWorkspace, "the columns of a weight");
    const auto tile = device_.take<T>(static_cast<std::size_t>(at_once) * cols_, Tensor::kWorkspace,
                                      "rows of a weight on their way");
    for (int at = 0; at < count; at += at_once) {
      const int here = std::min(at_once, count - at);
      send_rows(
          device_, here, cols_, [&](int r) { return row(at + r); }, tile.data(), workers_);
      pick<T>(device_, tile.data(), cols_, here, nullptr, cols, col.data(),
              to + static_cast<std::size_t>(at) * cols);
    }
  };
  if (host_.f.empty()) {
    from(host_.d);
  } else {
    from(host_.f);
  }
}

template <class T>
void DenseWeight::walk(const TileFn<T>& fn, RowRange only) {
  const int rows = length(part_.rows, rows_);
  const int cols = length(part_.cols, cols_);
  const int most = tile_rows(rows, cols);
  const std::size_t tile = static_cast<std::size_t>(most) * cols;
  const Buffer<T> w = device_.take<T>(tile, Tensor::kWorkspace, "a tile of a weight");
  // Half the bytes come where float32 holds them.
  const bool widens = std::is_same_v<T, double> && !host_.f.empty();
  Buffer<float> narrow;
  if (widens) narrow = device_.take<float>(tile, Tensor::kWorkspace, "a tile of a weight");
  for (int first = 0; first < rows; first += most) {
    const int count = std::min(most, rows - first);
    if (first >= only.last || first + count <= only.first) continue;
    if (!widens) {
      send(part_, first, count, w.data());
    } else if constexpr (std::is_same_v<T, double>) {
      send(part_, first, count, narrow.data());
      convert(device_, static_cast<std::size_t>(count) * cols, narrow.data(), w.data());
    }
    fn(w.data(), first, count);
  }
}

void DenseWeight::for_each_tile(const TileFn<float>& fn, RowRange rows) { walk(fn, rows); }
void DenseWeight::for_each_tile(const TileFn<double>& fn, RowRange rows) { walk(fn, rows); }

std::size_t DenseWeight::bytes(const Part& part) const {
  return part_bytes(part, rows_, cols_, host_.f.empty());
}

Weights DenseWeight::uploaded(const Part& part) {
  const int rows = length(part.rows, rows_);
  const std::size_t size = static_cast<std::size_t>(rows) * length(part.cols, cols_);
  Weights to;
  // Where the host has doubles, they are rounded to nearest for the float32 copy.
  to.f = device_.take<float>(size, Tensor::kWeights, name_.c_str());
  send(part, 0, rows, to.f.data());
  if (host_.f.empty()) {
    to.d = device_.take<double>(size, Tensor::kWeights, name_.c_str());
    send(part, 0, rows, to.d.data());
  }
  return to;
}

void DenseWeight::load(const Part& part, std::size_t reserve) {
  if (tiles_ != nullptr) return;
  const bool same_one = loaded_ && same_part(part_, part);
  if (same_one && !held_.f.empty()) return;
  const auto fits = [&] {
    const Arena& arena = device_.arena();
    return arena.now().total + bytes(part) + reserve <= arena.limit();
  };
  std::vector<int> rows;
  std::vector<int> cols;
  if (!held_.f.empty()) {
    rows = places(part_.rows, part.rows, rows_);
    cols = places(part_.cols, part.cols, cols_);
  }
  if (!rows.empty() && !cols.empty() && fits()) {
    held_ = picked(rows, cols);
  } else {
    held_ = {};  // first: what was held is of no more use
    if (fits()) held_ = uploaded(part);
  }
  part_ = part;
  loaded_ = true;
}

Matrix DenseWeight::get(const Part& part, bool transposed) {
  if (tiles_ != nullptr) {
    TileSource* tiles = tiles_;
    if (part.rows || part.cols) {
      if (part_tiles_ == nullptr || !same_part(part_, part)) {
        part_tiles_.reset();
        part_tiles_ = tiles_->part(part);
        part_ = part;
      }
      tiles = part_tiles_.get();
    }
    return {
        nullptr,         nullptr, length(part.rows, rows_), length(part.cols, cols_), transposed,
        !host_.single(), tiles};
  }
  if (!loaded_ || !same_part(part_, part)) {
    load(part, 2 * kTileBytes);
  }
  return {
      held_.f.data(), held_.d.data(),  length(part.rows, rows_),        length(part.cols, cols_),
      transposed,     host_.f.empty(), held_.f.empty() ? this : nullptr};
}

}  // namespace coronet::cuda
