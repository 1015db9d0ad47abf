#include "search/tensor_rounds.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace coronet::search {

TensorRounds::TensorRounds(bound::TensorRun& run, bound::Context& whole,
                           const std::vector<ClauseRows>& clauses,
                           const std::vector<GraphBox>& boxes, InputTree& tree, Judge& judge,
                           const Deadline& deadline)
    : Rounds(tree.open),
      run_(run),
      whole_(whole),
      judge_(judge),
      deadline_(deadline),
      inputs_(whole.net64.size(0)),
      splitter_(whole.options, clauses, boxes, inputs_) {}

void TensorRounds::round() {
  std::vector<BoxDomain> round = take(static_cast<std::size_t>(run_.boxes_at_once()));
  bound::BoxQuery query;
  query.boxes = static_cast<int>(round.size());
  for (const BoxDomain& box : round) {
    query.lower.insert(query.lower.end(), box.lower.begin(), box.lower.end());
    query.upper.insert(query.upper.end(), box.upper.begin(), box.upper.end());
  }
  query.forms = splitter_.rows(round, 0, query.boxes, whole_.net64.nodes() - 1, query.box);
  query.seconds = deadline_.left();
  run_.more(true);
  bound::BoxBounds found = run_.bound(query);
  ranks_ = std::move(found.ranks);
  if (found.timed_out) {  // some boxes have no bounds
    add(std::move(round));
    return;
  }
  std::vector<BoxDomain> open;
  BoxPoints points;
  std::size_t r = 0;
  for (const BoxDomain& box : round) {
    splitter_.split(box,
                    {found.value.data() + r, found.error.data() + r, found.a.data() + r * inputs_},
                    {}, open, points);
    r += static_cast<std::size_t>(splitter_.rows(box));
  }
  count_bounded(query.boxes);
  add(std::move(open));
  splitter_.try_points(whole_, points, judge_, 0);
}

std::string TensorRounds::stuck() const { return splitter_.stuck() ? kStuckBox : ""; }

Standing TensorRounds::standing() const {
  Standing s;
  for (const BoxDomain& d : open()) s.bound = std::min(s.bound, d.bound);
  return s;
}

}  // namespace coronet::search
