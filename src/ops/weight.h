// The numbers of an affine operator, kept exactly as the model (or an exact folding in double) has
// them: here, or where somebody gives them from.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

namespace coronet {

/// Elements of a weight on their way to whoever asked for them.
class Fetch {
 public:
  Fetch() = default;
  virtual ~Fetch() = default;
  Fetch(const Fetch&) = delete;
  Fetch& operator=(const Fetch&) = delete;
  /// Waits for them. They are float or double, as the source's are, and stay there as long as this
  /// does. Throws as the source's way does.
  virtual const void* wait() = 0;
};

/// Gives a weight's elements where they are not (all) here. Every call may come from any thread.
class WeightSource {
 public:
  WeightSource() = default;
  virtual ~WeightSource() = default;
  WeightSource(const WeightSource&) = delete;
  WeightSource& operator=(const WeightSource&) = delete;

  [[nodiscard]] virtual std::size_t size() const = 0;  ///< elements
  [[nodiscard]] virtual bool single() const = 0;       ///< float32; else double
  /// Begins to bring elements [first, first + count); does not wait for others.
  [[nodiscard]] virtual std::unique_ptr<Fetch> fetch(std::size_t first,
                                                     std::size_t count) const = 0;
  /// What it holds of them in memory, in bytes.
  [[nodiscard]] virtual std::size_t bytes() const = 0;
};

/// Exactly one of the three is there: `f` where every value is a float32 of the model (products
/// with a float32 are then exact in double), `d` where the model is float64 or constants were
/// folded in double, `source` where the numbers are elsewhere. Whoever takes weights of any kind
/// reads them by tiles (tiles.h).
struct Weight {
  std::vector<float> f{};
  std::vector<double> d{};
  std::shared_ptr<const WeightSource> source{};

  [[nodiscard]] bool here() const { return source == nullptr; }
  [[nodiscard]] bool single() const { return source ? source->single() : !f.empty(); }
  [[nodiscard]] std::size_t size() const {
    return source ? source->size() : f.empty() ? d.size() : f.size();
  }
  /// Element i of a weight that is here.
  [[nodiscard]] double at(std::size_t i) const { return f.empty() ? d[i] : f[i]; }
  /// What is held of it in memory.
  [[nodiscard]] std::size_t bytes() const {
    return source ? source->bytes() : f.size() * sizeof(float) + d.size() * sizeof(double);
  }
};

}  // namespace coronet
