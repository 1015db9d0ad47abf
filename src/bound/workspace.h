// Buffers of one worker, reused from call to call: no allocation inside the loops once they are
// warm.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "base/memory_ledger.h"
#include "device/cpu.h"

namespace coronet::bound {

template <class T, class D = device::Cpu>
class Workspace {
 public:
  Workspace() = default;
  explicit Workspace(D device) : device_(std::move(device)) {}
  [[nodiscard]] const D& device() const { return device_; }
  /// From now on the buffers are counted there.
  void count_in(MemoryLedger* ledger) { counted_ = Counted(ledger, MemoryClass::kA, bytes()); }
  /// null: nobody counts
  [[nodiscard]] MemoryLedger* ledger() const { return counted_.ledger(); }

  /// A buffer of at least n numbers; give it back by release(). Indices stay valid while others are
  /// acquired.
  int acquire(std::size_t n) {
    int best = -1;
    for (int i = 0; i < static_cast<int>(buffers_.size()); ++i) {
      if (busy_[i]) continue;
      if (best < 0) {
        best = i;
        continue;
      }
      const std::size_t have = buffers_[i].size();
      const std::size_t other = buffers_[best].size();
      const bool fits = have >= n;
      const bool other_fits = other >= n;
      if ((fits && !other_fits) || (fits == other_fits && (fits ? have < other : have > other))) {
        best = i;
      }
    }
    if (best < 0) {
      best = static_cast<int>(buffers_.size());
      buffers_.emplace_back();
      busy_.push_back(0);
    }
    const std::size_t had = buffers_[best].size();
    device_.reserve(buffers_[best], n);
    if (ledger() != nullptr && buffers_[best].size() != had) counted_.set(bytes());
    busy_[best] = 1;
    return best;
  }
  T* data(int buffer) { return buffers_[buffer].data(); }
  void release(int buffer) { busy_[buffer] = 0; }
  void release_all() { busy_.assign(busy_.size(), 0); }
  void clear() {
    buffers_.clear();
    busy_.clear();
    counted_.set(0);
  }
  [[nodiscard]] std::size_t bytes() const {
    std::size_t total = 0;
    for (const auto& b : buffers_) total += b.size() * sizeof(T);
    return total;
  }

 private:
  D device_;
  std::vector<typename D::template Array<T>> buffers_;
  std::vector<char> busy_;
  Counted counted_;
};

}  // namespace coronet::bound
