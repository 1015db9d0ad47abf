// Domains of branch and bound as rows on a device beside the CPU.
#pragma once

#include <cstdint>
#include <functional>
#include <memory_resource>
#include <vector>

#include "base/resource_vector.h"
#include "bound/optimise.h"
#include "bound/plan.h"
#include "bound/rows.h"

namespace coronet::bound {

/// What all domains of one search share. What it refers to outlives it.
struct DomainSpace {
  const Root& root;
  const Plan& plan32;
  const Plan& plan64;
  const std::vector<int>& relus;              ///< the nodes whose slopes domains choose
  const std::vector<std::vector<int>>& free;  ///< [nodes] the neurons of each that have one
};

/// Domains in flat arrays, one a row.
struct FlatDomains {
  /// Split neurons of one node: z >= 0 (sign 1) or z <= 0 (sign -1) in `row`, with the multiplier
  /// beta. A row splits a neuron at most once.
  struct Splits {
    ResourceVector<int> row, neuron;
    ResourceVector<float> sign, beta;

    explicit Splits(std::pmr::memory_resource& memory)
        : row(ResourceAllocator<int>(&memory)),
          neuron(ResourceAllocator<int>(&memory)),
          sign(ResourceAllocator<float>(&memory)),
          beta(ResourceAllocator<float>(&memory)) {}
  };

  /// Empty, in such memory, which outlives them.
  FlatDomains(int nodes, std::pmr::memory_resource& memory)
      : slopes(ResourceAllocator<std::uint16_t>(&memory)),
        has_slopes(ResourceAllocator<unsigned char>(&memory)),
        splits(nodes, Splits(memory)) {}

  /// What each row asks for, to be optimised and to be settled; without slopes and splits.
  Rows<float> form32;
  Rows<double> form64;
  /// [rows][neurons free of each node, in the order of DomainSpace::relus], 1 = 65535; 0 where the
  /// row's window does not reach the neuron.
  ResourceVector<std::uint16_t> slopes;
  ResourceVector<unsigned char>
      has_slopes;              ///< [rows]; 0: the lines' own, whatever stands in slopes
  std::vector<Splits> splits;  ///< [nodes]

  [[nodiscard]] int count() const { return form32.count; }
};

/// The iterations of a batch: learning rates, and what they shrink by after each one.
struct DomainSettings {
  int iterations = 1;  ///< 0: every row is settled as it is
  double lr_alpha = 0;
  double lr_beta = 0;
  double decay = 1;
  int minimizers = 0;  ///< of so many of the most promising open rows, the minimising input
};

/// Of each row.
struct DomainBounds {
  bool stopped = false;         ///< nothing else is set then
  std::vector<float> bound;     ///< in float32: proves nothing
  std::vector<char> settled;    ///< 1 where that became positive; the others are open
  std::vector<double> certain;  ///< of the rows settled: their bound in double, less its rounding
  std::vector<int> split_node;  ///< the split that gains most, or -1 where none gains anything
  std::vector<int> split_neuron;
  std::vector<int> promising;  ///< open rows, and
  std::vector<float> x;        ///< the input that minimises each: [promising, inputs]
};

/// Bounds domains of one search, for one thread at a time. Errors: kOutOfMemory.
class DomainRows {
 public:
  virtual ~DomainRows() = default;
  /// Most rows of a call.
  [[nodiscard]] virtual int most() const = 0;
  /// Where flat domains had best be: memory that the device copies from and to by itself.
  [[nodiscard]] virtual std::pmr::memory_resource& host_memory() {
    return *std::pmr::get_default_resource();
  }
  /// Optimises slopes and betas in float32, and leaves those of each row's bound in `domains`. A
  /// row that became positive is pulled again in double with them. Asks `stop` before each
  /// iteration.
  virtual DomainBounds bound(FlatDomains& domains, const DomainSettings& settings,
                             const std::function<bool()>& stop) = 0;
};

}  // namespace coronet::bound
