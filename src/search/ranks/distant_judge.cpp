#include "search/ranks/distant_judge.h"

#include <vector>

#include "base/resources.h"
#include "comm/packet.h"
#include "search/ranks/letters.h"

namespace coronet::search {

bool DistantJudge::offer(int clause, const float* x) {
  const std::lock_guard lock(mutex_);
  if (found_) return true;
  comm::Writer point;
  point.put(News::kPoint);
  point.put(clause);
  point.put(std::vector<float>(x, x + inputs_));
  group_.send(0, kNewsTag, kNewsWords, point.take());
  const comm::Letter letter = group_.receive(0, kVerdictTag, kVerdictWords);
  comm::Reader reader(letter.bytes, 0);
  const bool found = reader.get<bool>();
  if (reader.get<bool>()) known_ = true;
  reader.end();
  if (found) found_ = true;
  return found;
}

/// Asked for between the steps of every batch: the letters are looked at now and then only.
bool DistantJudge::found() const {
  constexpr double kEvery = 1e-3;
  if (found_ || over_) return true;
  const double now = elapsed_seconds();
  if (now < next_look_) return false;
  next_look_ = now + kEvery;
  if (group_.receive(0, kHurryTag, kHurryWords, 0)) over_ = true;
  return over_;
}

void DistantJudge::settle() {
  if (!over_.exchange(true)) (void)group_.receive(0, kHurryTag, kHurryWords);
}

}  // namespace coronet::search
