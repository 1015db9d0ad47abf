// The rows of one list, bounded in parts: by the workers of a rank, or by its device.
#pragma once

#include <algorithm>
#include <atomic>
#include <memory>

#include "base/parallel.h"
#include "base/resources.h"
#include "bound/optimise.h"
#include "comm/communicator.h"

namespace coronet::bound {

/// Parts may be bounded in any order and by anybody who makes the same of the same root, list and
/// settings. On the CPU a row's bits do not depend on its part; on a device they are the same where
/// all cut the parts as part() says.
class RowParts {
 public:
  virtual ~RowParts() = default;

  /// All ranks that bound parts of the same list call it together, before the first part.
  virtual void meet(comm::Communicator& ranks) {}

  [[nodiscard]] virtual int rows() const = 0;
  /// Rows of a part where so many hands share all parts.
  [[nodiscard]] virtual int part(int hands) const = 0;
  /// How many calls of bound() may run at a time on a rank of so many workers.
  [[nodiscard]] virtual int hands(int workers) const = 0;

  /// Room for `count` rows, of which nothing is known.
  [[nodiscard]] virtual RowBounds room(int count) const = 0;
  /// Bounds rows first .. last - 1 as rows first - origin .. of the result. One call at a time for
  /// each hand.
  virtual void bound(int first, int last, int hand, RowBounds& result, int origin) = 0;
};

/// Of the context's device, which must be there, or of its workers. Refers to all arguments.
std::unique_ptr<RowParts> make_parts(Context& context, const Root& root, const RowList& list,
                                     const OptimiseSettings& settings, const Deadline& deadline,
                                     bool on_device);

/// Calls fn(hand) for each hand at a time; a single one is the caller's.
template <class Fn>
void with_hands(Workers& workers, int hands, const Fn& fn) {
  if (hands == 1) {
    fn(0);
  } else {
    workers.run(hands, [&](int, int worker) { fn(worker); });
  }
}

/// The parts as they are dealt to whoever asks.
class Deal {
 public:
  struct Part {
    int first = 0;  ///< none are left, if last is not larger
    int last = 0;
  };

  Deal(int rows, int part, const Deadline& deadline)
      : rows_(rows), part_(part), deadline_(deadline) {}

  /// Nothing once all are dealt or the time is out.
  Part next() {
    const int first = next_.fetch_add(part_);
    if (first >= rows_ || first < 0) return {};
    if (deadline_.passed()) {
      late_ = true;
      next_ = rows_;
      return {};
    }
    return {first, std::min(rows_, first + part_)};
  }
  /// Did the time run out before all were dealt?
  [[nodiscard]] bool late() const { return late_; }

 private:
  const int rows_;
  const int part_;
  const Deadline& deadline_;
  std::atomic<int> next_{0};
  std::atomic<bool> late_{false};
};

}  // namespace coronet::bound
