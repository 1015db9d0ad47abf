// Rounds of input splitting: boxes bounded, clipped and halved.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "bound/context.h"
#include "search/input_tree.h"
#include "search/judge.h"
#include "search/rounds.h"
#include "search/spec.h"

namespace coronet::search {

class InputRounds final : public Rounds<BoxDomain> {
 public:
  /// Refers to all of it; gives boxes back as they came once the deadline has passed.
  InputRounds(bound::Context& context, const std::vector<ClauseRows>& clauses,
              const std::vector<GraphBox>& boxes, InputTree& tree, Judge& judge,
              const Deadline& deadline);
  ~InputRounds() override;

  void round() override;
  [[nodiscard]] std::string stuck() const override;
  [[nodiscard]] Standing standing() const override;

 private:
  class Splitter;

  bound::Context& context_;
  std::unique_ptr<Splitter> splitter_;
  int chunk_;  // boxes that a worker bounds at once
};

}  // namespace coronet::search
