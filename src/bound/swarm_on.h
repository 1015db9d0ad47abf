// A swarm on device D, for the files that instantiate it for one.
#pragma once

#include <vector>

#include "bound/concrete.h"
#include "bound/swarm.h"
#include "device/points.h"

namespace coronet::bound {

template <class D>
class SwarmOn : public Swarm {
 public:
  /// lower, upper: the device's, of [boxes][inputs].
  SwarmOn(const Network<float>& net, Workspace<float, D>& space, int most, const double* lower,
          const double* upper)
      : device_(space.device()),
        concrete_(net, space),
        inputs_(net.size(0)),
        outputs_(net.size(net.nodes() - 1)),
        most_(most),
        lower_(lower),
        upper_(upper) {}

  [[nodiscard]] int most() const override { return most_; }

  void place(const std::vector<float>& x, const std::vector<int>& box) override {
    points_ = static_cast<int>(box.size());
    device_.reserve(x_, x.size());
    device_.write(x.data(), x.size(), x_.data());
    device_.reserve(box_, box.size());
    device_.write(box.data(), box.size(), box_.data());
  }

  void evaluate(float* y, bool keep) override {
    const std::size_t n = static_cast<std::size_t>(points_) * outputs_;
    device_.reserve(y_, n);
    concrete_.evaluate(points_, x_.data(), y_.data(), keep);
    device_.read(y_.data(), n, y);
  }

  void descend(const float* dy, const double* more, double size) override {
    const std::size_t n = static_cast<std::size_t>(points_) * inputs_;
    device_.write(dy, static_cast<std::size_t>(points_) * outputs_, y_.data());
    device_.reserve(dx_, n);
    concrete_.gradient(y_.data(), dx_.data());
    if (more != nullptr) {
      device_.reserve(more_, n);
      device_.write(more, n, more_.data());
      more = more_.data();
    }
    const device::BoxesAt boxes{lower_, upper_, box_.data(), inputs_};
    move_points(device_, points_, boxes, dx_.data(), more, size, x_.data());
  }

  void read(int first, int count, float* x) const override {
    device_.read(x_.data() + static_cast<std::size_t>(first) * inputs_,
                 static_cast<std::size_t>(count) * inputs_, x);
  }

 private:
  const D& device_;
  Concrete<D> concrete_;
  int inputs_;
  int outputs_;
  int most_;
  const double* lower_;
  const double* upper_;
  int points_ = 0;
  typename D::template Array<float> x_, y_, dx_;
  typename D::template Array<double> more_;
  typename D::template Array<int> box_;
};

}  // namespace coronet::bound
