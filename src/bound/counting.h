// A device that has the sizes of arrays and none of their numbers: what a batch of rows allocates
// is found out by running it (row_memory.h), so that no formula can say anything else.
#pragma once

#include <cstddef>
#include <vector>

#include "device/extent.h"
#include "kernels/elementwise.h"

namespace coronet::bound {

class Counting {
 public:
  template <class T>
  class Array {
   public:
    Array() = default;
    explicit Array(std::size_t n) : size_(n) {}
    [[nodiscard]] std::size_t size() const { return size_; }
    [[nodiscard]] bool empty() const { return size_ == 0; }
    [[nodiscard]] T* data() const { return nullptr; }

   private:
    std::size_t size_ = 0;
  };
  template <class T>
  using Moment = T;
  template <class T>
  using Splits = std::vector<char>;

  template <class T>
  void reserve(Array<T>& array, std::size_t n) const {
    if (array.size() < n) array = Array<T>(n);
  }
  using Kept = std::vector<char>;
  [[nodiscard]] Kept kept(std::vector<char> keep) const { return keep; }
  static constexpr int kLook = 1;

  // What a device does with numbers (device/cpu.h says what).
#define CORONET_NOTHING(name)   \
  template <class... Arguments> \
  void name(Arguments&&...) const {}
  CORONET_NOTHING(fill)
  CORONET_NOTHING(number)
  CORONET_NOTHING(zero)
  CORONET_NOTHING(copy)
  CORONET_NOTHING(add)
  CORONET_NOTHING(convert)
  CORONET_NOTHING(write)
  CORONET_NOTHING(read)
  CORONET_NOTHING(unit_rows)
  CORONET_NOTHING(pull_lines)
  CORONET_NOTHING(push_lines)
  CORONET_NOTHING(start_slopes)
  CORONET_NOTHING(concretize)
  CORONET_NOTHING(minimizers)
  CORONET_NOTHING(charge)
  CORONET_NOTHING(charge_bias)
  CORONET_NOTHING(note)
  CORONET_NOTHING(keep_rows)
  CORONET_NOTHING(save_rows)
#undef CORONET_NOTHING
};

}  // namespace coronet::bound
