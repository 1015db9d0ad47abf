// Domains bounded on a GPU against the same domains bounded on the CPU, over networks of every
// kind: clauses over whole nodes, and single neurons over windows of images.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "bound/root.h"
#include "on_gpu.h"
#include "search/bounder.h"
#include "search/device_bounder.h"

namespace coronet::search {
namespace {

using bound::Root;
using test::Draw;
using test::Engine;
using test::Named;
using test::OnGpu;
using test::TestBox;

/// A network's root, and what to bound over it.
struct Question {
  std::string name;
  Graph graph;
  TestBox box;
  int node = 0;  ///< the objectives': the output's clauses, or single neurons below it
};

/// Over the output, and over the inputs of two of the elementwise nodes.
std::vector<Question> questions(int of_each) {
  std::vector<Question> all;
  for (Named& n : test::random_networks(of_each)) {
    const int last = static_cast<int>(n.graph.nodes.size()) - 1;
    std::vector<int> nodes = {last};
    for (int v = last; v > 0 && nodes.size() < 3; --v) {
      if (bound::elementwise(n.graph.nodes[v].op)) nodes.push_back(n.graph.nodes[v].inputs[0]);
    }
    for (int node : nodes) {
      Draw draw(17);
      const TestBox box(draw, n.graph.inputs(), 0.5);
      all.push_back({n.name + " node " + std::to_string(node), n.graph, box, node});
    }
  }
  return all;
}

Root root_of(Engine& engine, const Question& q) {
  bound::RootSettings settings;
  settings.method = bound::Method::kCrown;
  return bound_root(engine.context, q.box.lower, q.box.upper, settings);
}

/// y_j - (a value that it takes in most of the box), or the neuron itself, in both directions.
Objectives objectives_of(const Engine& engine, const Root& root, const Question& q) {
  Objectives objectives;
  objectives.node = q.node;
  const int size = engine.net32.size(q.node);
  for (int j = 0; j < std::min(size, 6); ++j) {
    for (const float sign : {1.0F, -1.0F}) {
      if (q.node + 1 < engine.net32.nodes()) {
        objectives.neuron.push_back(j * size / std::min(size, 6));
        objectives.sign.push_back(sign);
        continue;
      }
      ClauseRows clause;
      clause.count = 1;
      clause.output.assign(size, 0.0);
      clause.output[j] = sign;
      const double bound = sign > 0 ? root.bounds.lo[q.node][j] : -root.bounds.hi[q.node][j];
      clause.constant = {-0.6 * bound};
      clause.strict = {0};
      objectives.clauses.push_back(clause);
    }
  }
  return objectives;
}

const std::function<bool()> kNever = [] { return false; };

/// The open domains after some rounds on the CPU, with several decisions each.
std::vector<Domain> some_domains(Bounder& cpu, const Objectives& objectives, int rounds) {
  std::vector<Domain> open;
  for (int k = 0; k < objectives.count(); ++k) {
    open.push_back(cpu.layout().root_domain(k, -HUGE_VAL, {}, {}));
  }
  for (int i = 0; i < rounds; ++i) {
    std::vector<Domain> next = cpu.run(open, 3, kNever, nullptr).open;
    if (next.empty()) break;
    if (next.size() > 300) next.resize(300);
    open = std::move(next);
  }
  return open;
}

using Key = std::tuple<int, std::vector<std::tuple<int, int, float>>>;
Key key_of(const Domain& d) {
  std::vector<std::tuple<int, int, float>> decisions;
  for (const Decision& s : d.decisions) decisions.emplace_back(s.node, s.neuron, s.sign);
  std::sort(decisions.begin(), decisions.end());
  return {d.objective, decisions};
}
std::map<Key, Domain> by_key(const Bounded& bounded) {
  std::map<Key, Domain> all;
  for (const auto* list : {&bounded.open, &bounded.exhausted}) {
    for (const Domain& d : *list) EXPECT_TRUE(all.emplace(key_of(d), d).second);
  }
  return all;
}

/// Both devices over one root.
struct Pair {
  explicit Pair(const Question& q, double chunk_mib = 64, int threads = 1)
      : here(q.graph),
        there(q.graph, "fp32", chunk_mib, threads),
        root(root_of(here, q)),
        objectives(objectives_of(here, root, q)),
        cpu(here.context, root, objectives),
        layout(there.engine.context, root, objectives) {}
  Engine here;
  OnGpu there;
  Root root;
  Objectives objectives;
  Bounder cpu;
  Layout layout;
};

// One iteration is a pull: bounds agree to float32's rounding, and so does what is split next, but
// where two scores are as good as equal. A bound that is positive on one side only is near zero.
TEST(CudaDomains, OnePullIsThatOfTheCpu) {
  SKIP_WITHOUT_DEVICE();
  int compared = 0;
  int windows = 0;
  int same_split = 0;
  std::size_t deepest = 0;
  for (const Question& q : questions(4)) {
    SCOPED_TRACE(q.name);
    Pair pair(q);
    if (pair.layout.relus().empty()) continue;
    DeviceBounder gpu(pair.there.engine.context, pair.layout);
    const std::vector<Domain> domains = some_domains(pair.cpu, pair.objectives, 5);
    const Bounded here = pair.cpu.run(domains, 1, kNever, nullptr);
    const Bounded there = gpu.run(domains, 1, kNever, nullptr);
    EXPECT_EQ(here.count, there.count);
    const std::map<Key, Domain> a = by_key(here);
    const std::map<Key, Domain> b = by_key(there);
    for (const auto& [key, d] : a) {
      const auto other = b.find(key);
      if (other == b.end()) {
        EXPECT_NEAR(d.bound, 0, 1e-3);
        continue;
      }
      EXPECT_NEAR(d.bound, other->second.bound, 2e-4 * (1 + std::fabs(d.bound)));
      EXPECT_EQ(d.alpha, other->second.alpha);
      ++compared;
      windows += pair.layout.whole() ? 0 : 1;
      same_split +=
          d.split_node == other->second.split_node && d.split_neuron == other->second.split_neuron;
      deepest = std::max(deepest, d.decisions.size());
    }
    for (const auto& [key, d] : b) {
      if (!a.contains(key)) {
        EXPECT_NEAR(d.bound, 0, 1e-3);
      }
    }
  }
  EXPECT_GT(compared, 1000);
  EXPECT_GT(windows, 100);
  EXPECT_GE(deepest, 4U);
  EXPECT_GT(same_split, 0.97 * compared);
}

// Many steps of Adam follow the signs of gradients, so that single bounds drift apart; on the whole
// neither side may be better.
TEST(CudaDomains, IterationsBringWhatTheyBringOnTheCpu) {
  SKIP_WITHOUT_DEVICE();
  double gained_here = 0;
  double gained_there = 0;
  int count = 0;
  for (const Question& q : questions(4)) {
    SCOPED_TRACE(q.name);
    Pair pair(q);
    if (pair.layout.relus().empty()) continue;
    DeviceBounder gpu(pair.there.engine.context, pair.layout);
    const std::vector<Domain> domains = some_domains(pair.cpu, pair.objectives, 4);
    const auto before = by_key(pair.cpu.run(domains, 1, kNever, nullptr));
    const auto a = by_key(pair.cpu.run(domains, 12, kNever, nullptr));
    const auto b = by_key(gpu.run(domains, 12, kNever, nullptr));
    const auto gain = [](float from, const std::map<Key, Domain>& after, const Key& key) {
      const auto d = after.find(key);
      return (d == after.end() ? std::max(0.0F, -from) : d->second.bound - from) /
             (1 + std::fabs(from));
    };
    for (const auto& [key, d] : before) {
      gained_here += gain(d.bound, a, key);
      gained_there += gain(d.bound, b, key);
      ++count;
    }
  }
  EXPECT_GT(count, 500);
  EXPECT_GT(gained_here, 0.01 * count);
  EXPECT_NEAR(gained_there, gained_here, 0.02 * gained_here);
}

// In double, the bounds that count are the CPU's up to rounding, whatever the slopes.
TEST(CudaDomains, BoundsThatCountAreThoseOfTheCpu) {
  SKIP_WITHOUT_DEVICE();
  int compared = 0;
  for (const Question& q : questions(4)) {
    SCOPED_TRACE(q.name);
    Pair pair(q);
    if (pair.layout.relus().empty()) continue;
    DeviceBounder gpu(pair.there.engine.context, pair.layout);
    std::vector<Domain> domains =
        gpu.run(some_domains(pair.cpu, pair.objectives, 4), 6, kNever, nullptr).open;
    const std::vector<double> a = pair.cpu.rigorous(domains);
    const std::vector<double> b = gpu.rigorous(domains);
    ASSERT_EQ(a.size(), b.size());
    for (std::size_t i = 0; i < a.size(); ++i) {
      // The lines' own slopes are rounded to float32 by one side.
      ASSERT_NEAR(a[i], b[i], 1e-6 * (1 + std::fabs(a[i])));
      ++compared;
    }
  }
  EXPECT_GT(compared, 500);
}

// The bound of a domain holds at every point of it, with all that became of slopes and betas.
TEST(CudaDomains, BoundsHoldAtPoints) {
  SKIP_WITHOUT_DEVICE();
  int checked = 0;
  for (const Question& q : questions(3)) {
    SCOPED_TRACE(q.name);
    Pair pair(q);
    if (pair.layout.relus().empty()) continue;
    DeviceBounder gpu(pair.there.engine.context, pair.layout);
    const std::vector<Domain> open =
        gpu.run(some_domains(pair.cpu, pair.objectives, 3), 8, kNever, nullptr).open;
    const std::vector<double> bound = gpu.rigorous(open);
    const test::Reference reference(q.graph);
    Draw draw(23);
    for (int s = 0; s < 200; ++s) {
      const auto values = reference.values(q.box.point(draw));
      for (std::size_t i = 0; i < open.size(); ++i) {
        const Domain& d = open[i];
        const bool inside =
            std::all_of(d.decisions.begin(), d.decisions.end(), [&](const Decision& c) {
              return c.sign * values[q.graph.nodes[c.node].inputs[0]][c.neuron] >= 0;
            });
        if (!inside) continue;
        const int k = d.objective;
        long double f = 0;
        if (pair.objectives.selection()) {
          f = pair.objectives.sign[k] * values[q.node][pair.objectives.neuron[k]];
        } else {
          const ClauseRows& clause = pair.objectives.clauses[k];
          f = clause.constant[0];
          for (std::size_t j = 0; j < clause.output.size(); ++j) {
            f += clause.output[j] * values[q.node][j];
          }
        }
        ASSERT_LE(bound[i], f);
        ++checked;
      }
    }
  }
  EXPECT_GT(checked, 1000);
}

// Batches of other sizes and other numbers of workers change nothing but the last bits of products.
TEST(CudaDomains, TwoRunsHaveTheSameBits) {
  SKIP_WITHOUT_DEVICE();
  for (const Question& q : questions(2)) {
    SCOPED_TRACE(q.name);
    Pair one(q);
    Pair two(q, 64, 3);
    if (one.layout.relus().empty()) continue;
    DeviceBounder first(one.there.engine.context, one.layout);
    DeviceBounder second(two.there.engine.context, two.layout);
    const std::vector<Domain> domains = some_domains(one.cpu, one.objectives, 4);
    std::vector<Bounded> results = {first.run(domains, 9, kNever, nullptr),
                                    second.run(domains, 9, kNever, nullptr),
                                    first.run(domains, 9, kNever, nullptr)};
    for (const Bounded& r : results) {
      ASSERT_EQ(r.open.size(), results[0].open.size());
      for (std::size_t i = 0; i < r.open.size(); ++i) {
        const Domain& a = r.open[i];
        const Domain& b = results[0].open[i];
        EXPECT_EQ(key_of(a), key_of(b));
        EXPECT_EQ(a.bound, b.bound);
        EXPECT_EQ(a.alpha, b.alpha);
        EXPECT_EQ(std::pair(a.split_node, a.split_neuron), std::pair(b.split_node, b.split_neuron));
        for (std::size_t k = 0; k < a.decisions.size(); ++k) {
          EXPECT_EQ(a.decisions[k].beta, b.decisions[k].beta);
        }
      }
    }
  }
}

// What is looked at are minimisers in the box, of objectives that are open.
TEST(CudaDomains, LooksAtPointsOfTheBox) {
  SKIP_WITHOUT_DEVICE();
  int looked = 0;
  for (const Question& q : questions(6)) {
    if (q.node + 1 < static_cast<int>(q.graph.nodes.size())) continue;
    SCOPED_TRACE(q.name);
    Pair pair(q);
    if (pair.layout.relus().empty()) continue;
    DeviceBounder gpu(pair.there.engine.context, pair.layout);
    const auto look = [&](const std::vector<int>& objective, const std::vector<float>& x, int) {
      ASSERT_LE(objective.size(), static_cast<std::size_t>(kLooks));
      ASSERT_EQ(x.size(), objective.size() * q.box.lower.size());
      for (std::size_t i = 0; i < x.size(); ++i) {
        const std::size_t j = i % q.box.lower.size();
        ASSERT_GE(x[i], static_cast<float>(q.box.lower[j]));
        ASSERT_LE(x[i], static_cast<float>(q.box.upper[j]));
      }
      looked += static_cast<int>(objective.size());
    };
    gpu.run(some_domains(pair.cpu, pair.objectives, 4), 2, kNever, look);
  }
  EXPECT_GT(looked, 50);
}

TEST(CudaDomains, WhatWasStoppedComesBack) {
  SKIP_WITHOUT_DEVICE();
  for (const Question& q : questions(1)) {
    SCOPED_TRACE(q.name);
    Pair pair(q);
    if (pair.layout.relus().empty()) continue;
    DeviceBounder gpu(pair.there.engine.context, pair.layout);
    const std::vector<Domain> domains = some_domains(pair.cpu, pair.objectives, 3);
    int calls = 0;
    const Bounded bounded = gpu.run(
        domains, 9, [&] { return ++calls > 4; }, nullptr);
    EXPECT_EQ(bounded.count, 0);
    ASSERT_EQ(bounded.open.size(), domains.size());
    for (std::size_t i = 0; i < domains.size(); ++i) {
      EXPECT_EQ(bounded.open[i].alpha, domains[i].alpha);
      EXPECT_EQ(bounded.open[i].bound, domains[i].bound);
    }
  }
}

// The whole of branch and bound: what is refuted is the same on both sides.
TEST(CudaDomains, SearchesEndAlike) {
  SKIP_WITHOUT_DEVICE();
  int refuted = 0;
  for (const Question& q : questions(8)) {
    // Few neurons, so that every tree ends.
    if (q.node + 1 < static_cast<int>(q.graph.nodes.size()) || !q.name.starts_with("mlp")) continue;
    SCOPED_TRACE(q.name);
    Pair pair(q);
    if (pair.layout.relus().empty()) continue;
    DeviceBounder gpu(pair.there.engine.context, pair.layout);
    // Which objectives are left with a domain that is fully split and open.
    const auto search = [&](const auto& bound) {
      std::vector<char> left(pair.objectives.count(), 0);
      std::vector<Domain> open;
      for (int k = 0; k < pair.objectives.count(); ++k) {
        open.push_back(pair.cpu.layout().root_domain(k, -HUGE_VAL, {}, {}));
      }
      for (int round = 0; round < 500 && !open.empty(); ++round) {
        const auto newest = open.end() - std::min<std::ptrdiff_t>(open.size(), 1000);
        const std::vector<Domain> taken(newest, open.end());
        open.erase(newest, open.end());
        const Bounded bounded = bound(taken);
        for (const Domain& d : bounded.exhausted) left[d.objective] = 1;
        for (const Domain& d : bounded.open) {
          if (left[d.objective] == 0) open.push_back(d);
        }
      }
      EXPECT_TRUE(open.empty());
      return left;
    };
    const auto here =
        search([&](const std::vector<Domain>& d) { return pair.cpu.run(d, 10, kNever, nullptr); });
    const auto there =
        search([&](const std::vector<Domain>& d) { return gpu.run(d, 10, kNever, nullptr); });
    EXPECT_EQ(here, there);
    refuted += static_cast<int>(std::count(there.begin(), there.end(), 0));
  }
  EXPECT_GT(refuted, 10);
}

}  // namespace
}  // namespace coronet::search
