// What the tests of the CUDA device share: the device (or a skip where there is none), random rows
// and windows, and copies of vectors on the device.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <vector>

#include "base/aligned.h"
#include "cuda/device.h"
#include "cuda/geometry.h"
#include "device/extent.h"

namespace coronet::cuda {

class CudaTest : public testing::Test {
 protected:
  void SetUp() override {
    static const bool present = !devices().empty();
    if (!present) GTEST_SKIP() << "no CUDA device here";
  }
  static Device& device() {
    static Device one(0);
    return one;
  }
};

template <class T>
std::vector<T> numbers(std::size_t count, std::mt19937& random, double low = -1, double high = 1) {
  std::uniform_real_distribution<double> uniform(low, high);
  std::vector<T> all(count);
  for (T& x : all) x = static_cast<T>(uniform(random));
  return all;
}

inline int pick(std::mt19937& random, int low, int high) {
  return std::uniform_int_distribution<int>(low, high)(random);
}

/// A copy of a vector on the device, and back.
template <class T>
class On {
 public:
  On(Device& device, const std::vector<T>& from)
      : device_(device), buffer_(device.upload(from, Tensor::kWorkspace, "a test's numbers")) {}
  T* data() const { return buffer_.data(); }
  std::vector<T> back() const {
    std::vector<T> to(buffer_.size());
    device_.download(to.data(), buffer_.data(), to.size());
    return to;
  }

 private:
  Device& device_;
  Buffer<T> buffer_;
};

inline Geometry geometry(const device::Extent& e) {
  return e.whole ? whole(e.shape) : windowed(e.shape, e.window);
}

/// Rows with random starts in an image and random domains, on both sides.
struct TestRows {
  TestRows(Device& device, int count, int height, int width, int domains, std::mt19937& random)
      : start_y(draw(count, height, random)),
        start_x(draw(count, width, random)),
        domain(draw(count, domains, random)),
        on_y(device, start_y),
        on_x(device, start_x),
        on_domain(device, domain),
        set{count, start_y.data(), start_x.data()},
        rows{count, on_y.data(), on_x.data(), on_domain.data()} {}

  static std::vector<int> draw(int count, int below, std::mt19937& random) {
    std::vector<int> all(static_cast<std::size_t>(count));
    for (int& x : all) x = pick(random, 0, below - 1);
    return all;
  }

  std::vector<int> start_y, start_x, domain;
  On<int> on_y, on_x, on_domain;
  device::RowSet set;
  Rows rows;
};

/// A window that may reach over the image's edges, or all of the image.
inline device::Extent some_extent(const Shape& shape, bool whole_node, std::mt19937& random) {
  device::Extent e = device::Extent::all(shape);
  if (whole_node) return e;
  e.whole = false;
  e.window.y = {1, pick(random, -3, 1), pick(random, 1, 6)};
  e.window.x = {1, pick(random, -3, 1), pick(random, 1, 6)};
  return e;
}

/// One that covers it and moves with it.
inline device::Extent wider(const device::Extent& e, std::mt19937& random) {
  device::Extent w = e;
  if (e.whole) return w;
  for (device::Span* s : {&w.window.y, &w.window.x}) {
    const int before = pick(random, 0, 2);
    s->offset -= before;
    s->size += before + pick(random, 0, 2);
  }
  return w;
}

}  // namespace coronet::cuda
