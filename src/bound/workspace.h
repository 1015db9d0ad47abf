// Buffers of one worker, reused from call to call: no allocation inside the loops once they are
// warm.
#pragma once

#include <cstddef>
#include <vector>

#include "base/aligned.h"

namespace coronet::bound {

template <class T>
class Workspace {
 public:
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
    if (buffers_[best].size() < n) {
      buffers_[best] = {};  // free first: the old contents are not wanted
      buffers_[best].resize(n);
    }
    busy_[best] = 1;
    return best;
  }
  T* data(int buffer) { return buffers_[buffer].data(); }
  void release(int buffer) { busy_[buffer] = 0; }
  void release_all() { busy_.assign(busy_.size(), 0); }
  void clear() {
    buffers_.clear();
    busy_.clear();
  }
  [[nodiscard]] std::size_t bytes() const {
    std::size_t total = 0;
    for (const auto& b : buffers_) total += b.capacity() * sizeof(T);
    return total;
  }

 private:
  std::vector<AlignedVector<T>> buffers_;
  std::vector<char> busy_;
};

}  // namespace coronet::bound
