// What bounding the rows of a graph on a GPU will take, in bytes and seconds, known before any
// weight is read and wherever there is no GPU: what bound/cuda/row_device.cpp takes of a device's
// memory is taken here of an arena without memory, in the same order, by the same passes.
#pragma once

#include <cstddef>
#include <memory>

#include "bound/counted_device.h"
#include "bound/optimise.h"

namespace coronet::bound {

struct DeviceSettings {
  std::size_t limit = 0;        ///< bytes that may be taken
  std::size_t chunk_bytes = 0;  ///< of a chunk of rows
  int ranks = 1;                ///< that share the weights, where these do not lie on each of them
  bool shared = false;          ///< each rank has a part of every weight
  bool streamed = false;        ///< weights that are not here stay there, and come on each use
  bool single = true;           ///< products of iterations are TF32's or BF16's, not float32's
  DeviceRates rates{};
};

/// The rows of one list, in chunks.
struct DeviceRowsWork {
  int chunk = 0;       ///< rows of one
  int chunks = 0;      ///< how many there are
  double before = 0;   ///< seconds before the first: weights brought, and picked out
  int here = 0;        ///< of them this device's, where all are as fast
  double compute = 0;  ///< seconds of the kernels of those
  double seconds = 0;  ///< of those, with what kernels wait for
};

/// The device of the rank that leads: it forms the intervals too, and so takes more than the
/// others. Every call may throw Error(kOutOfMemory), as the device would: not even the least chunk
/// fits.
class DeviceForecast {
 public:
  /// Refers to the graph. Reads no weights but those of convolutions.
  DeviceForecast(const Graph& graph, const DeviceSettings& settings);
  ~DeviceForecast();

  /// What is formed of node v from its inputs: interval and magnitudes.
  void columns(int v);
  /// Rows of the list, whose chunks so many devices share, over the root, whose bounds say which
  /// neurons are dead or stable; of its other numbers only sizes count.
  DeviceRowsWork rows(const Root& root, const RowList& list, int iterations, int devices = 1);

  [[nodiscard]] const DeviceClock& clock() const { return memory_.clock; }
  [[nodiscard]] const cuda::Usage& most() const { return memory_.arena.most(); }
  void forget_most() { memory_.arena.forget_most(); }
  /// Taken of the device so far: the most that was in use, and what lay unused between.
  [[nodiscard]] std::size_t reserved() const { return memory_.arena.reserved(); }

 private:
  struct Engine;
  CountedMemory memory_;
  std::unique_ptr<Engine> engine_;
};

}  // namespace coronet::bound
