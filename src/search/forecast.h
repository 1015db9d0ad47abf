// What branch and bound over neurons will hold on a rank, known before any dense weight is read.
#pragma once

#include <cstddef>
#include <vector>

#include "base/memory_ledger.h"
#include "base/options.h"
#include "bound/row_memory.h"
#include "graph/graph.h"

namespace coronet::search {

struct SearchToCome {
  Options options;           ///< chunk_mib, iterations, batch, attack; threads: of this rank
  int ranks = 1;             ///< that share rows and domains
  int forms = 1;             ///< constraints over the outputs
  bool several = false;      ///< some clause has more than one of them
  bool input_terms = false;  ///< some constraint has inputs
  /// May the network be written anew without its dead neurons? Not where ranks share the weights,
  /// or read them from the file.
  bool reduces = true;
  /// [nodes][size] at a point of the box, or empty: which neurons are dead about.
  bound::RowForecast::Values values;
  double unstable = 0.25;  ///< of all ReLUs, the share that the root leaves open
};

/// Of the leader, which holds most.
struct SearchForecast {
  /// A worker's buffers, of the whole network and of the one without dead neurons together.
  struct Buffers {
    std::size_t a = 0;         ///< kept from then on
    std::size_t slopes = 0;    ///< kAlpha, at the most
    std::size_t networks = 0;  ///< kNetworks, a worker's share
    std::size_t total = 0;     ///< of all three at a time
  };
  Buffers root;  ///< of the attack too
  Buffers search;
  /// The network without its dead neurons: its weights, packed copies, and what is known of its
  /// box; zeros: there is none.
  std::size_t reduced_weights = 0;
  bound::KernelBytes reduced_kernels;
  std::size_t reduced_bounds = 0;
  bound::RowWork domain_work;  ///< of a domain, with all its iterations
  int batch = 0;               ///< domains that a worker takes at a time
  /// Bytes of an open domain: with the unstable neurons that were supposed, and with all.
  std::size_t domain = 0;
  std::size_t domain_most = 0;
  /// What a rank's workers have of domains in a round: those that were taken and their children.
  std::size_t round = 0;
};

/// Decisions of a domain that its bytes are forecast with.
inline constexpr int kDecisionsOfADomain = 40;

/// Runs the passes of the attack, of the root (CROWN, then alpha-CROWN) and
/// of a batch of domains over a device without numbers. Refers to nothing afterwards.
SearchForecast forecast_search(const Graph& graph, const SearchToCome& run);

}  // namespace coronet::search
