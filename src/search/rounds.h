// A search as rounds over what is open: domains of branch and bound over neurons, or boxes of input
// splitting. Who drives the rounds, one rank alone or several together, is another matter
// (turn.h, ranks/).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace coronet::search {

template <class Item>
std::size_t bytes_of(const std::vector<Item>& items) {
  std::size_t total = 0;
  for (const Item& item : items) total += item.bytes();
  return total;
}

/// How a search stands, for whoever watches it.
struct Standing {
  double bound = HUGE_VAL;  ///< least one of an open item
  int worst_row = -1;       ///< its clause
  double best_attack = 0;   ///< least value that an attack reached
};

/// What rounds find out beside what stays open.
struct Findings {
  std::vector<char> undecided;      ///< [clauses] fully split domains were left undecided
  std::vector<double> best_attack;  ///< [clauses] least value that an attack reached
  std::uint64_t attacks = 0;        ///< the number of the last attack made
};

template <class Item>
class Rounds {
 public:
  /// Refers to the list, which only this changes while it lives.
  explicit Rounds(std::vector<Item>& open) : open_(open), bytes_(bytes_of(open)) {}
  virtual ~Rounds() = default;
  Rounds(const Rounds&) = delete;
  Rounds& operator=(const Rounds&) = delete;

  /// Takes up some of what is open; what is left to be done of it is open again afterwards.
  virtual void round() = 0;
  /// Why no round gets on, though something is open; empty: they do.
  [[nodiscard]] virtual std::string stuck() const { return ""; }
  /// Looks through all that is open.
  [[nodiscard]] virtual Standing standing() const = 0;
  [[nodiscard]] virtual Findings findings() const { return {}; }

  [[nodiscard]] std::int64_t bounded() const { return bounded_; }  ///< items so far
  [[nodiscard]] std::size_t count() const { return open_.size(); }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

  void add(std::vector<Item> items) {
    bytes_ += bytes_of(items);
    std::move(items.begin(), items.end(), std::back_inserter(open_));
  }
  /// All but every parts-th item (so that each of `parts` gets old ones, with much below them, and
  /// new ones), as far as they take no more than these bytes.
  std::vector<Item> give(int parts, std::size_t most_bytes) {
    std::vector<Item> given;
    std::vector<Item> kept;
    std::size_t given_bytes = 0;
    for (std::size_t i = 0; i < open_.size(); ++i) {
      const bool keep = i % parts == 0 || given_bytes >= most_bytes;
      if (!keep) given_bytes += open_[i].bytes();
      (keep ? kept : given).push_back(std::move(open_[i]));
    }
    open_ = std::move(kept);
    bytes_ -= given_bytes;
    return given;
  }
  /// Of each clause that something is open for, a copy of the item of least bound: these stand for
  /// all where only what is said of them is still wanted.
  [[nodiscard]] std::vector<Item> witnesses() const {
    std::map<int, std::size_t> least;
    for (std::size_t i = 0; i < open_.size(); ++i) {
      for (const int clause : clauses_of(open_[i])) {
        std::size_t& best = least.try_emplace(clause, i).first->second;
        if (open_[i].bound < open_[best].bound) best = i;
      }
    }
    std::set<std::size_t> chosen;
    for (const auto& [clause, i] : least) chosen.insert(i);
    std::vector<Item> copies;
    for (const std::size_t i : chosen) copies.push_back(open_[i]);
    return copies;
  }
  std::vector<Item> give_all() {
    bytes_ = 0;
    return std::exchange(open_, {});
  }

 protected:
  /// The newest, at most so many: what is open stays little, and children are bounded while what
  /// their parents found is fresh.
  std::vector<Item> take(std::size_t most) {
    const auto from = open_.end() - static_cast<std::ptrdiff_t>(std::min(most, open_.size()));
    std::vector<Item> taken(std::make_move_iterator(from), std::make_move_iterator(open_.end()));
    open_.erase(from, open_.end());
    bytes_ -= bytes_of(taken);
    return taken;
  }
  [[nodiscard]] const std::vector<Item>& open() const { return open_; }
  void count_bounded(std::int64_t items) { bounded_ += items; }

 private:
  std::vector<Item>& open_;
  std::size_t bytes_;
  std::int64_t bounded_ = 0;
};

}  // namespace coronet::search
