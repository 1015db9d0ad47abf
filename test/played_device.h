// A device that bounds domains by rule, so that what goes on beside it can be tested without one:
// neurons are split in their order, and a row is refuted once so many are.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <memory_resource>
#include <stdexcept>
#include <utility>
#include <vector>

#include "bound/accelerator.h"

namespace coronet::test {

/// Counts what is taken and not given back.
class CountingMemory final : public std::pmr::memory_resource {
 public:
  std::size_t bytes = 0;
  std::size_t most = 0;

 private:
  void* do_allocate(std::size_t size, std::size_t alignment) override {
    bytes += size;
    most = std::max(most, bytes);
    return std::pmr::new_delete_resource()->allocate(size, alignment);
  }
  void do_deallocate(void* p, std::size_t size, std::size_t alignment) override {
    bytes -= size;
    std::pmr::new_delete_resource()->deallocate(p, size, alignment);
  }
  [[nodiscard]] bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override {
    return this == &other;
  }
};

class PlayedRows final : public bound::DomainRows {
 public:
  struct Rules {
    int most = 64;   ///< rows
    int depth = 10;  ///< from so many splits on a row is refuted
    /// Called in each batch, which has this number and these rows.
    std::function<void(int batch, int rows)> during = [](int, int) {};
    std::pmr::memory_resource* memory = std::pmr::get_default_resource();
  };

  PlayedRows(const bound::DomainSpace& space, const Rules& rules) : space_(space), rules_(rules) {}

  [[nodiscard]] int most() const override { return rules_.most; }
  [[nodiscard]] std::pmr::memory_resource& host_memory() override { return *rules_.memory; }

  /// Each time, every slope becomes greater by one and every beta is the number of its row's
  /// splits.
  bound::DomainBounds bound(bound::FlatDomains& domains, const bound::DomainSettings& settings,
                            const std::function<bool()>& stop) override {
    bound::DomainBounds bounds;
    rules_.during(batch_++, domains.count());
    for (int t = 0; t < settings.iterations; ++t) {
      if (!stop()) continue;
      bounds.stopped = true;
      return bounds;
    }
    const std::size_t count = domains.count();
    std::vector<int> depth(count, 0);
    for (const auto& splits : domains.splits) {
      for (int r : splits.row) ++depth[r];
    }
    for (auto& splits : domains.splits) {
      for (std::size_t i = 0; i < splits.row.size(); ++i) {
        const int splits_of_row = depth[splits.row[i]];
        // A split that is new has none yet.
        right_ &= splits.beta[i] == 0 || splits.beta[i] == static_cast<float>(splits_of_row - 1);
        splits.beta[i] = static_cast<float>(splits_of_row);
      }
    }
    const std::size_t width = domains.slopes.size() / count;
    bounds.bound.assign(count, -1);
    bounds.settled.assign(count, 0);
    bounds.certain.assign(count, -1);
    bounds.split_node.assign(count, -1);
    bounds.split_neuron.assign(count, -1);
    for (std::size_t r = 0; r < count; ++r) {
      right_ &= domains.has_slopes[r] == (depth[r] > 0 ? 1 : 0);
      for (std::size_t i = 0; i < width; ++i) {
        right_ &= domains.slopes[r * width + i] == depth[r];
        ++domains.slopes[r * width + i];
      }
      if (depth[r] >= rules_.depth) {
        bounds.settled[r] = 1;
        bounds.certain[r] = 1;
        continue;
      }
      int next = depth[r];
      for (int v : space_.relus) {
        const auto& free = space_.free[v];
        if (next >= 0 && next < static_cast<int>(free.size())) {
          bounds.split_node[r] = v;
          bounds.split_neuron[r] = free[next];
        }
        next -= static_cast<int>(free.size());
      }
    }
    return bounds;
  }

  /// Have all rows had what became of their parents?
  [[nodiscard]] bool right() const { return right_; }

 private:
  bound::DomainSpace space_;
  const Rules& rules_;
  int batch_ = 0;
  bool right_ = true;
};

/// Makes one PlayedRows, and nothing else.
class PlayedDevice final : public bound::RowDevice {
 public:
  PlayedRows::Rules rules;
  PlayedRows* rows = nullptr;

  std::unique_ptr<bound::DomainRows> domains(const bound::DomainSpace& space) override {
    auto made = std::make_unique<PlayedRows>(space, rules);
    rows = made.get();
    return made;
  }
  std::unique_ptr<bound::RowParts> parts(const bound::Root&, const bound::RowList&,
                                         const bound::OptimiseSettings&, const Deadline&) override {
    throw std::logic_error("not played");
  }
  [[nodiscard]] const bound::Network<double>& columns() const override {
    throw std::logic_error("not played");
  }
  std::unique_ptr<bound::Swarm> swarm(const bound::Boxes&) override {
    throw std::logic_error("not played");
  }
};

}  // namespace coronet::test
