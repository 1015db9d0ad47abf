// The state of a verification between two rounds, and its file: all that is needed to go on later,
// on another machine, with other threads or another device.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/options.h"
#include "bound/bounds.h"
#include "io/bytes.h"
#include "search/input_tree.h"
#include "search/tree.h"
#include "spec/result.h"

namespace coronet::search {

/// What a checkpoint belongs to.
struct Identity {
  std::uint64_t network = 0;   ///< fingerprint of the lowered graph
  std::uint64_t property = 0;  ///< hash of boxes and clauses, in bits
  std::string options;         ///< "name=value " for each option that changes what the state means
};

/// How far the search of one box is. Nodes and neurons are those of the whole graph, but for the
/// tree's: its neurons are numbered as in the graph without dead neurons that was searched last.
struct BoxProgress {
  int box = -1;        ///< of the property
  double seconds = 0;  ///< spent on it
  /// Where inputs are split in turns with neurons: the seconds at which the first turn of each
  /// ends, whatever run it falls into; 0: not begun.
  double neurons_until = 0, inputs_until = 0;
  bool crowned = false;       ///< CROWN is done
  int alpha_nodes = 0;        ///< nodes before this one were bounded by alpha
  bound::Bounds bounds;       ///< of all nodes of the whole graph; or of none: nothing is known yet
  std::vector<int> clauses;   ///< of the property: those that the tree calls 0, 1, ...
  std::vector<double> start;  ///< [clauses] bound at the root
  bool planted = false;       ///< is there a tree?
  Tree tree;
  Kept kept;  ///< [nodes] the whole graph's neurons that the tree's graph has; empty: all of them
};

struct Checkpoint {
  Identity identity;
  double seconds = 0;  ///< of all runs so far
  std::int64_t domains = 0;
  std::int64_t unstable_neurons = 0;
  bool attacked = false;              ///< the first attack is over
  std::vector<ClauseReport> clauses;  ///< [clauses of the property]
  std::vector<double> best_attack;    ///< [clauses of the property]
  std::shared_ptr<BoxProgress> box;   ///< the one under way, or null
  std::shared_ptr<InputTree> inputs;  ///< input splitting of that box, or of all; never null
};

/// Writes a file that is complete or not there (io/file.h). Throws Error(kBadInput).
void write_checkpoint(const std::string& path, const Checkpoint& checkpoint);
/// Throws Error(kBadInput) for anything but a whole file that write_checkpoint() wrote.
Checkpoint read_checkpoint(const std::string& path);

/// The same from and to bytes.
void encode(const Checkpoint& checkpoint, ByteWriter& out);
Checkpoint decode(ByteReader& in);

}  // namespace coronet::search
