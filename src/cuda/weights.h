// The weight of a dense operator on the device: whole, or the part of it that a box leaves alive.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/parallel.h"
#include "cuda/device.h"
#include "cuda/matrix.h"
#include "ops/weight.h"

namespace coronet::cuda {

/// Numbers of a part: in float32, and also in float64 where float32 does not hold them exactly.
struct Weights {
  Buffer<float> f;
  Buffer<double> d;
};

/// One weight [rows, cols], shared by all that multiply by it. The device holds the part that was
/// last asked for: it is picked out of what is there where that contains it, else it comes from the
/// host, so that a weight nobody uses takes no memory. A part that does not fit stays on the host:
/// its rows come when they are used, every time, and so does one that is not on the host
/// (cuda/fetched.h).
class DenseWeight final : public TileSource {
 public:
  /// `host` must outlive this, and so must `tiles`, what it comes by where its numbers are not
  /// there; `name`: the operator's, for errors; `workers` copy on the host.
  DenseWeight(Device& device, const Weight& host, int rows, int cols, std::string name,
              Workers* workers = nullptr, PartedTiles* tiles = nullptr)
      : device_(device),
        host_(host),
        rows_(rows),
        cols_(cols),
        name_(std::move(name)),
        workers_(workers),
        tiles_(tiles) {}

  /// Brings the part to the device if `reserve` bytes stay free there.
  void load(const Part& part, std::size_t reserve);
  /// The part; valid until another one is asked for. Loads it if that was not done.
  [[nodiscard]] Matrix get(const Part& part, bool transposed);
  /// Does it come by tiles, always?
  [[nodiscard]] bool comes() const { return tiles_ != nullptr; }
  [[nodiscard]] int rows() const { return rows_; }
  [[nodiscard]] int cols() const { return cols_; }

  /// Of the part, from the host.
  void for_each_tile(const TileFn<float>& fn, RowRange rows) override;
  void for_each_tile(const TileFn<double>& fn, RowRange rows) override;

 private:
  [[nodiscard]] Weights picked(const std::vector<int>& rows, const std::vector<int>& cols) const;
  [[nodiscard]] Weights uploaded(const Part& part);
  [[nodiscard]] std::size_t bytes(const Part& part) const;
  template <class T>
  void send(const Part& part, int first, int count, T* to);
  template <class T>
  void walk(const TileFn<T>& fn, RowRange rows);

  Device& device_;
  const Weight& host_;
  int rows_, cols_;
  std::string name_;
  Workers* workers_;
  PartedTiles* tiles_;
  std::unique_ptr<TileSource> part_tiles_;  ///< part_'s, where it is some of them
  bool loaded_ = false;                     ///< part_ was asked for
  Part part_;
  Weights held_;  ///< part_'s numbers, or nothing where they stay on the host
};

}  // namespace coronet::cuda
