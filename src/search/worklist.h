// Where domains come from and go to while they are bounded batch by batch.
#pragma once

#include <cstddef>
#include <vector>

#include "search/bounded.h"
#include "search/domain.h"

namespace coronet::search {

class Worklist {
 public:
  virtual ~Worklist() = default;
  /// How many wait to be taken.
  [[nodiscard]] virtual std::size_t waiting() const = 0;
  /// At most so many of them; some where some wait.
  virtual std::vector<Domain> take_batch(std::size_t most) = 0;
  /// What became of some of those taken.
  virtual void take_back(Bounded bounded) = 0;
};

}  // namespace coronet::search
