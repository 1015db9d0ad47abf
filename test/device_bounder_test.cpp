// What goes on beside a device that bounds domains: batches are made while it works, nothing is
// lost or done twice, and the order is always the same.
#include "search/device_bounder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <iterator>
#include <thread>
#include <utility>
#include <vector>

#include "bound/root.h"
#include "graphs.h"
#include "played_device.h"

namespace coronet::search {
namespace {

const std::function<bool()> kNever = [] { return false; };

/// A list as branch and bound has it: the newest are taken first.
class Stack final : public Worklist {
 public:
  std::vector<Domain> open;
  std::int64_t bounded = 0;
  std::atomic<int> batches_back{0};
  std::vector<std::size_t> taken;  ///< of each batch

  [[nodiscard]] std::size_t waiting() const override { return open.size(); }
  std::vector<Domain> take_batch(std::size_t most) override {
    const auto from = open.end() - static_cast<std::ptrdiff_t>(std::min(most, open.size()));
    std::vector<Domain> batch(std::make_move_iterator(from), std::make_move_iterator(open.end()));
    open.erase(from, open.end());
    taken.push_back(batch.size());
    return batch;
  }
  void take_back(Bounded back) override {
    EXPECT_TRUE(back.exhausted.empty());
    bounded += back.count;
    std::move(back.open.begin(), back.open.end(), std::back_inserter(open));
    ++batches_back;
  }

  /// The share of the box that is open.
  [[nodiscard]] double open_share() const {
    double share = 0;
    for (const Domain& d : open) share += std::ldexp(1.0, -static_cast<int>(d.decisions.size()));
    return share;
  }
};

struct Game {
  explicit Game(int threads)
      : graph(test::mlp(3, 6, 3, 24, 2)),
        engine(graph, threads),
        root(root_of()),
        layout(engine.context, root, objectives()) {
    engine.context.device = &device;
  }

  bound::Root root_of() {
    test::Draw draw(5);
    const test::TestBox box(draw, graph.inputs(), 0.5);
    return bound_root(engine.context, box.lower, box.upper, {bound::Method::kInterval});
  }
  Objectives objectives() {
    ClauseRows clause;
    clause.count = 1;
    clause.output.assign(graph.outputs(), 1.0);
    clause.constant = {0};
    clause.strict = {0};
    Objectives objectives;
    objectives.node = engine.net64.nodes() - 1;
    objectives.clauses = {clause};
    return objectives;
  }
  void plant(Stack& stack) const { stack.open.push_back(layout.root_domain(0, -HUGE_VAL, {}, {})); }

  Graph graph;
  test::Engine engine;
  bound::Root root;
  Layout layout;
  test::PlayedDevice device;
};

TEST(DeviceBounder, ATreeEndsWithEachDomainBoundedOnce) {
  for (const int most : {2, 64, 100000}) {
    std::vector<std::size_t> batches;
    for (const int threads : {1, 3}) {
      Game game(threads);
      game.device.rules = {most, 11};
      DeviceBounder bounder(game.engine.context, game.layout);
      Stack stack;
      game.plant(stack);
      while (stack.waiting() > 0) bounder.run(stack, 3, kNever, nullptr);
      EXPECT_EQ(stack.bounded, (1 << 12) - 1);
      EXPECT_TRUE(game.device.rows->right());
      for (std::size_t n : stack.taken) EXPECT_LE(n, static_cast<std::size_t>(most / 2));
      if (batches.empty()) batches = stack.taken;
      EXPECT_EQ(stack.taken, batches);  // whatever the threads
    }
  }
}

// Batch i waits until what batch i - 1 left is in the list again: that comes to pass only where the
// workers take it out meanwhile.
TEST(DeviceBounder, TheWorkersGoOnBesideTheDevice) {
  Game game(2);
  Stack stack;
  int late = 0;
  int overlapped = 0;
  int most_of_a_call = 0;
  int first = 0;
  game.device.rules = {32, 12, [&](int batch, int) {
                         most_of_a_call = std::max(most_of_a_call, batch - first + 1);
                         if (batch == first) return;
                         ++overlapped;
                         for (int tries = 0; stack.batches_back < batch; ++tries) {
                           if (tries == 10000) {
                             ++late;
                             return;
                           }
                           std::this_thread::sleep_for(std::chrono::milliseconds(1));
                         }
                       }};
  DeviceBounder bounder(game.engine.context, game.layout);
  game.plant(stack);
  while (stack.waiting() > 0 && late == 0) {
    bounder.run(stack, 1, kNever, nullptr);
    first = stack.batches_back;
  }
  EXPECT_EQ(late, 0);
  EXPECT_GT(overlapped, 100);
  EXPECT_GE(most_of_a_call, 8);
}

TEST(DeviceBounder, WhatWasStoppedIsOpenAsItCame) {
  for (const int calls : {0, 1, 20, 50, 51}) {
    Game game(2);
    game.device.rules = {16, 10};
    DeviceBounder bounder(game.engine.context, game.layout);
    Stack stack;
    game.plant(stack);
    for (int i = 0; i < 6; ++i) bounder.run(stack, 1, kNever, nullptr);
    const double share = stack.open_share();
    game.device.rules.depth = 100;  // nothing is refuted
    int asked = 0;
    const auto stop = [&] { return asked++ >= calls; };
    bounder.run(stack, 3, stop, nullptr);
    EXPECT_EQ(stack.open_share(), share) << calls;
    // They are what they were: the search goes on with them.
    game.device.rules.depth = 10;
    while (stack.waiting() > 0) bounder.run(stack, 1, kNever, nullptr);
    EXPECT_TRUE(game.device.rows->right());
  }
}

TEST(DeviceBounder, AListIsBoundedOnce) {
  for (const int count : {1, 7, 100, 1000}) {
    for (const int most : {2, 64, 100000}) {
      Game game(2);
      game.device.rules = {100000, 30};
      DeviceBounder bounder(game.engine.context, game.layout);
      Stack stack;
      game.plant(stack);
      while (stack.waiting() < static_cast<std::size_t>(count)) {
        bounder.run(stack, 1, kNever, nullptr);
        ASSERT_GT(stack.waiting(), 0U);
      }
      game.device.rules.most = most;
      std::vector<Domain> domains = stack.open;
      const auto unsplit =
          std::count_if(domains.begin(), domains.end(), [](auto& d) { return d.split_node < 0; });
      const Bounded bounded = bounder.run(domains, 1, kNever, nullptr);
      EXPECT_EQ(bounded.count, 2 * static_cast<std::int64_t>(domains.size()) - unsplit);
      EXPECT_TRUE(bounded.exhausted.empty());
      EXPECT_TRUE(game.device.rows->right());
      // Where it is stopped at once, all come back in their order.
      const Bounded same = bounder.run(
          domains, 1, [] { return true; }, nullptr);
      ASSERT_EQ(same.open.size(), domains.size());
      for (std::size_t i = 0; i < domains.size(); ++i) {
        EXPECT_EQ(same.open[i].decisions.size(), domains[i].decisions.size());
        EXPECT_EQ(same.open[i].split_neuron, domains[i].split_neuron);
      }
    }
  }
}

TEST(DeviceBounder, OpenDomainsTakeLittleMoreThanTheyNeed) {
  Game game(2);
  game.device.rules = {64, 100};
  DeviceBounder bounder(game.engine.context, game.layout);
  Stack stack;
  game.plant(stack);
  for (int i = 0; i < 10; ++i) bounder.run(stack, 1, kNever, nullptr);
  EXPECT_GT(stack.open.size(), 100U);
  for (const Domain& d : stack.open) {
    EXPECT_EQ(d.alpha.capacity(), d.alpha.size());
    EXPECT_LT(d.decisions.capacity(), d.decisions.size() + 8);
  }
}

TEST(DeviceBounder, FlatDomainsAreInTheDevicesMemory) {
  test::CountingMemory memory;
  {
    Game game(2);
    game.device.rules.memory = &memory;
    DeviceBounder bounder(game.engine.context, game.layout);
    Stack stack;
    game.plant(stack);
    while (stack.waiting() > 0) bounder.run(stack, 1, kNever, nullptr);
    // Two batches of slopes at least.
    EXPECT_GE(memory.most, 2 * 64 * game.layout.slopes() / 2 * sizeof(std::uint16_t));
  }
  EXPECT_EQ(memory.bytes, 0U);
}

}  // namespace
}  // namespace coronet::search
