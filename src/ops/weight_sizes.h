// Weights of which only the sizes are known: of graphs that plans are made with.
#pragma once

#include <cstddef>
#include <memory>

#include "base/error.h"
#include "ops/weight.h"

namespace coronet {

/// Whoever asks for its numbers gets Error(kInternal).
class WeightSizes final : public WeightSource {
 public:
  WeightSizes(std::size_t size, bool single) : size_(size), single_(single) {}
  [[nodiscard]] std::size_t size() const override { return size_; }
  [[nodiscard]] bool single() const override { return single_; }
  [[nodiscard]] std::unique_ptr<Fetch> fetch(std::size_t, std::size_t) const override {
    throw Error(ErrorKind::kInternal, "a plan has no numbers of this weight");
  }
  [[nodiscard]] std::size_t bytes() const override { return 0; }

 private:
  std::size_t size_;
  bool single_;
};

/// So many numbers, in the arithmetic of another weight.
inline Weight in_sizes(std::size_t size, const Weight& like) {
  Weight to;
  to.source = std::make_shared<WeightSizes>(size, like.single());
  return to;
}
inline bool only_sizes(const Weight& weight) {
  return dynamic_cast<const WeightSizes*>(weight.source.get()) != nullptr;
}

}  // namespace coronet
