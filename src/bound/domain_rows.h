// Domains of branch and bound as rows on a device beside the CPU.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "base/aligned.h"
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
template <class T>
struct FlatDomains {
  /// Split neurons of one node: z >= 0 (sign 1) or z <= 0 (sign -1) in `row`, with the multiplier
  /// beta. A row splits a neuron at most once.
  struct Splits {
    std::vector<int> row, neuron;
    std::vector<T> sign, beta;
  };

  Rows<T> form;  ///< what each row asks for; without slopes and splits
  /// [rows][neurons free of each node, in the order of DomainSpace::relus], 1 = 65535; 0 where the
  /// row's window does not reach the neuron.
  AlignedVector<std::uint16_t> slopes;
  std::vector<unsigned char> has_slopes;  ///< [rows]; 0: the lines' own, whatever stands in slopes
  std::vector<Splits> splits;             ///< [nodes]
};

/// The iterations of a batch: learning rates, and what they shrink by after each one.
struct DomainSettings {
  int iterations = 1;
  double lr_alpha = 0;
  double lr_beta = 0;
  double decay = 1;
  int minimizers = 0;  ///< of so many of the most promising open rows, the minimising input
};

/// The split that gains a row most, or -1 where none gains anything.
struct DomainSplits {
  std::vector<int> node, neuron;  ///< [rows]
};

struct DomainBounds {
  bool stopped = false;        ///< nothing else is set then
  std::vector<float> bound;    ///< [rows] in float32: proves nothing
  std::vector<char> positive;  ///< [rows] the bound became positive; else the row is open
  DomainSplits splits;         ///< of the open rows
  std::vector<int> promising;  ///< open rows, and
  std::vector<float> x;        ///< the input that minimises each: [promising, inputs]
};

/// Bounds domains of one search, for one thread at a time. Errors: kOutOfMemory.
class DomainRows {
 public:
  virtual ~DomainRows() = default;
  /// Most rows of a call.
  [[nodiscard]] virtual int most() const = 0;
  /// Optimises slopes and betas, and leaves those of each row's bound in `domains`. Asks `stop`
  /// before each iteration.
  virtual DomainBounds bound(FlatDomains<float>& domains, const DomainSettings& settings,
                             const std::function<bool()>& stop) = 0;
  /// Lower bounds that count: pulled in double with the slopes and betas as they are, less the
  /// pull's rounding; not finite where nothing is known. With `splits`, those of the rows.
  virtual std::vector<double> settle(const FlatDomains<double>& domains, DomainSplits* splits) = 0;
};

}  // namespace coronet::bound
