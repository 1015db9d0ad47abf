// Pull and push: sound, the same in every form and every batch, and each other's derivative.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "bound/engine.h"
#include "bound/plan.h"
#include "bound/rows.h"
#include "bound/workspace.h"
#include "graphs.h"
#include "kernels/noting.h"

namespace coronet::bound {
namespace {

using test::Draw;
using test::Named;
using test::Reference;
using test::Relaxed;
using test::TestBox;

/// A row of each sign for neurons of node v: all of them, or some where there are many.
template <class T>
Rows<T> neuron_rows(const Network<T>& net, int v, bool patches, int most = 40) {
  Rows<T> rows;
  rows.selection = true;
  const Shape& shape = net.shape(v);
  const int step = std::max(1, net.size(v) / most);
  for (int j = 0; j < net.size(v); j += step) {
    for (const T sign : {T(1), T(-1)}) {
      rows.neuron.push_back(j);
      rows.sign.push_back(sign);
      if (patches) {
        rows.start_y.push_back(j / shape.channels / shape.width);
        rows.start_x.push_back(j / shape.channels % shape.width);
      }
    }
  }
  rows.count = static_cast<int>(rows.neuron.size());
  return rows;
}

template <class T>
Rows<T> as_dense(const Network<T>& net, int v, const Rows<T>& selection) {
  Rows<T> rows;
  rows.count = selection.count;
  const auto n = static_cast<std::size_t>(net.size(v));
  rows.dense.assign(static_cast<std::size_t>(rows.count) * n, T(0));
  for (std::size_t r = 0; r < selection.neuron.size(); ++r) {
    rows.dense[r * n + static_cast<std::size_t>(selection.neuron[r])] = selection.sign[r];
  }
  return rows;
}

/// Random forms of the output, with input terms and constants, over the domains by turns.
template <class T>
Rows<T> output_rows(const Network<T>& net, int count, int domains, Draw& draw) {
  Rows<T> rows;
  rows.count = count;
  const auto floats = [&](int n) {
    AlignedVector<T> all;
    for (int i = 0; i < n; ++i) all.push_back(static_cast<T>(static_cast<float>(draw.real(-1, 1))));
    return all;
  };
  rows.dense = floats(count * net.size(net.nodes() - 1));
  rows.input = floats(count * net.size(0));
  for (int r = 0; r < count; ++r) {
    rows.constant.push_back(static_cast<float>(draw.real(-1, 1)));
    rows.domain.push_back(r % domains);
    rows.id.push_back(r);
  }
  return rows;
}

/// Random slopes for every free neuron, the lines' own elsewhere, with Adam's moments.
template <class T>
void random_alpha(const Network<T>& net, const Relaxation<T>& relax, const Plan& plan,
                  Rows<T>& rows, Draw& draw) {
  rows.alpha.resize(static_cast<std::size_t>(plan.start) + 1);
  for (const int v : plan.elementwise) {
    const auto at = static_cast<std::size_t>(v);
    const Lines<T>& lines = relax.lines[at];
    if (!lines.relu) continue;
    const auto n = static_cast<std::size_t>(plan.extent[at].size());
    auto& alpha = rows.alpha[at];
    alpha.value.assign(n * static_cast<std::size_t>(rows.count), T(0));
    alpha.m.assign(alpha.value.size(), T(0));
    alpha.v.assign(alpha.value.size(), T(0));
    for (int r = 0; r < rows.count; ++r) {
      const int domain = rows.domain.empty() ? 0 : rows.domain[static_cast<std::size_t>(r)];
      for_each_run(
          plan.extent[at], rows.set(), r,
          [&](int offset, int node, int count) {
            for (int i = 0; i < count; ++i) {
              const std::size_t line = lines.at(domain) + static_cast<std::size_t>(node + i);
              T& a = alpha.value[static_cast<std::size_t>(r) * n +
                                 static_cast<std::size_t>(offset + i)];
              const T random = static_cast<T>(draw.real(0.2, 0.8));
              a = lines.free[line] > 0 ? std::max(lines.floor, random) : lines.sl[line];
            }
          },
          [](int, int) {});
    }
  }
}

/// Splits a few free neurons of every row.
template <class T>
void random_splits(const Relaxation<T>& relax, const Plan& plan, Rows<T>& rows, Draw& draw) {
  rows.splits.resize(static_cast<std::size_t>(plan.start) + 1);
  for (const int v : plan.elementwise) {
    const auto at = static_cast<std::size_t>(v);
    const Lines<T>& lines = relax.lines[at];
    rows.splits[at].resize(static_cast<std::size_t>(rows.count));
    if (!lines.relu) continue;
    for (int r = 0; r < rows.count; ++r) {
      const int domain = rows.domain.empty() ? 0 : rows.domain[static_cast<std::size_t>(r)];
      for (int j = 0; j < lines.size; ++j) {
        if (lines.free[lines.at(domain) + static_cast<std::size_t>(j)] == 0 ||
            draw.real(0, 1) > 0.3)
          continue;
        rows.splits[at][static_cast<std::size_t>(r)].push_back(
            {j, draw.real(0, 1) < 0.5 ? T(1) : T(-1), static_cast<T>(draw.real(0.05, 0.6)), T(0),
             T(0)});
      }
    }
  }
}

std::vector<TestBox> boxes_of(const Graph& graph, int count, double radius, std::uint64_t seed) {
  Draw draw(seed);
  std::vector<TestBox> boxes;
  for (int i = 0; i < count; ++i) boxes.emplace_back(draw, graph.inputs(), radius);
  return boxes;
}

/// A step that changes nothing and leaves the gradient in m.
template <class T>
Step<T> gradient_step() {
  Step<T> step;
  step.alpha.beta1 = 0;
  step.beta.beta1 = 0;
  return step;
}

TEST(Pass, BoundsEveryNeuronSoundlyInEveryForm) {
  for (const Named& n : test::random_networks(4)) {
    SCOPED_TRACE(n.name);
    const Network<float> net32(n.graph, 1 << 20);
    const Network<double> net64(n.graph, 1 << 20);
    const Reference reference(n.graph);
    Workspace<float> space32;
    Workspace<double> space64;
    Draw draw(9);
    for (const double radius : {0.02, 0.4}) {
      const std::vector<TestBox> boxes = boxes_of(n.graph, 1, radius, 8);
      const Relaxed relaxed(net64, boxes, radius > 0.1 ? Slope::kAdaptive : Slope::kParallel);
      std::vector<std::vector<std::vector<long double>>> samples;
      for (int s = 0; s < 12; ++s) samples.push_back(reference.values(boxes[0].point(draw)));
      for (int v = 1; v < net64.nodes(); ++v) {
        SCOPED_TRACE(v);
        std::vector<double> whole;
        for (const bool patches : {false, true}) {
          if (patches && !net64.shape(v).image()) continue;
          const Plan plan = make_plan(net64, v, patches);
          const Rows<double> rows = neuron_rows(net64, v, patches);
          std::vector<double> bound;
          std::vector<double> error;
          Pass<double> pass(net64, relaxed.relax64, plan, space64);
          pass.pull(rows, false, bound, &relaxed.magnitude, &error);
          const Plan plan32 = make_plan(net32, v, patches);
          std::vector<float> bound32;
          Pass<float> pass32(net32, relaxed.relax32, plan32, space32);
          pass32.pull(neuron_rows(net32, v, patches), false, bound32);
          std::vector<double> dense;
          if (!patches) {
            Pass<double> third(net64, relaxed.relax64, plan, space64);
            third.pull(as_dense(net64, v, rows), false, dense);
            whole = bound;
          }
          for (std::size_t r = 0; r < bound.size(); ++r) {
            const auto j = static_cast<std::size_t>(rows.neuron[r]);
            double magnitude = 1;
            for (const auto& values : samples) {
              const long double value = rows.sign[r] * values[static_cast<std::size_t>(v)][j];
              magnitude = std::max(magnitude, std::fabs(static_cast<double>(value)));
              ASSERT_LE(static_cast<long double>(bound[r]) - error[r], value)
                  << "neuron " << j << " patches " << patches;
            }
            magnitude = std::max(magnitude, std::fabs(bound[r]));
            ASSERT_GE(error[r], 0);
            ASSERT_LT(error[r], 1e-8 * magnitude);
            ASSERT_NEAR(bound32[r], bound[r], 2e-4 * magnitude);
            ASSERT_NEAR(whole[r], bound[r], 1e-10 * magnitude);
            ASSERT_NEAR(patches ? bound[r] : dense[r], bound[r], 1e-10 * magnitude);
          }
        }
      }
    }
  }
}

TEST(Pass, PlansReachWhatTheyNeed) {
  int joined = 0;
  for (const Named& n : test::random_networks(2)) {
    const Network<double> net(n.graph, 0);
    for (int v = 1; v < net.nodes(); ++v) {
      for (const bool patches : {false, true}) {
        const Plan plan = make_plan(net, v, patches);
        EXPECT_EQ(plan.start, v);
        EXPECT_EQ(plan.order.front(), v);
        EXPECT_TRUE(std::is_sorted(plan.order.rbegin(), plan.order.rend()));
        for (const int w : plan.order) {
          EXPECT_TRUE(plan.reached[static_cast<std::size_t>(w)]);
          const Extent& e = plan.extent[static_cast<std::size_t>(w)];
          EXPECT_EQ(e.shape, net.shape(w));
          EXPECT_LE(e.size(), net.size(w));
          EXPECT_TRUE(patches || e.whole);
          for (const int u : net.inputs(w)) EXPECT_TRUE(plan.reached[static_cast<std::size_t>(u)]);
          if (const auto* sum = std::get_if<Sum>(&n.graph.nodes[static_cast<std::size_t>(w)].op)) {
            joined += sum->coefficient.size() > 1 && !e.whole;
          }
        }
      }
    }
  }
  EXPECT_GT(joined, 0);
}

TEST(Pass, InputTermsConstantsAndDomainsCount) {
  for (const Named& n : test::random_networks(2)) {
    SCOPED_TRACE(n.name);
    const Network<double> net(n.graph, 1 << 20);
    const Reference reference(n.graph);
    Workspace<double> space;
    Draw draw(31);
    const std::vector<TestBox> boxes = boxes_of(n.graph, 3, 0.2, 32);
    const Relaxed relaxed(net, boxes);
    const Plan plan = make_plan(net, net.nodes() - 1, false);
    Rows<double> rows = output_rows(net, 12, 3, draw);
    random_alpha(net, relaxed.relax64, plan, rows, draw);
    std::vector<double> bound;
    std::vector<double> error;
    Pass<double> pass(net, relaxed.relax64, plan, space);
    pass.pull(rows, true, bound, &relaxed.magnitude, &error);
    const auto outputs = static_cast<std::size_t>(n.graph.outputs());
    const auto inputs = static_cast<std::size_t>(n.graph.inputs());
    for (std::size_t r = 0; r < 12; ++r) {
      const TestBox& box = boxes[r % 3];
      const auto form = [&](const std::vector<double>& x) {
        const auto y = reference.values(x).back();
        long double f = rows.constant[r];
        for (std::size_t j = 0; j < outputs; ++j) f += rows.dense[r * outputs + j] * y[j];
        for (std::size_t j = 0; j < inputs; ++j)
          f += static_cast<long double>(rows.input[r * inputs + j]) * x[j];
        return f;
      };
      for (int s = 0; s < 30; ++s)
        ASSERT_LE(static_cast<long double>(bound[r]) - error[r], form(box.point(draw)));
      std::vector<double> x(inputs);
      pass.minimizer(rows, static_cast<int>(r), x.data());
      for (std::size_t j = 0; j < inputs; ++j) {
        const double a = pass.input_a(static_cast<int>(r))[j];
        EXPECT_EQ(x[j], a > 0   ? box.lower[j]
                        : a < 0 ? box.upper[j]
                                : (box.lower[j] + box.upper[j]) / 2);
      }
      EXPECT_LE(static_cast<long double>(bound[r]) - error[r], form(x));
    }
  }
}

TEST(Pass, PushIsTheDerivativeOfPull) {
  int slopes = 0;
  int betas = 0;
  for (const Named& n : test::random_networks(4)) {
    SCOPED_TRACE(n.name);
    const Network<double> net(n.graph, 1 << 20);
    Workspace<double> space;
    Draw draw(12);
    const std::vector<TestBox> boxes = boxes_of(n.graph, 2, 0.3, 13);
    const Relaxed relaxed(net, boxes);
    for (int v = net.nodes() - 1; v > 0; --v) {
      const bool last = v == net.nodes() - 1;
      const bool patches = !last && net.shape(v).image();
      if (!last && (net.elementwise(v) || draw.real(0, 1) < 0.4)) continue;
      SCOPED_TRACE(v);
      const Plan plan = make_plan(net, v, patches);
      Rows<double> rows = last ? output_rows(net, 4, 2, draw) : neuron_rows(net, v, patches, 3);
      random_alpha(net, relaxed.relax64, plan, rows, draw);
      if (last) random_splits(relaxed.relax64, plan, rows, draw);
      std::vector<double> bound;
      Pass<double> pass(net, relaxed.relax64, plan, space);
      pass.pull(rows, true, bound);
      const Step<double> step = gradient_step<double>();
      const Rows<double> before = rows;
      pass.push(rows, &step);
      pass.end();
      constexpr double kStep = 1e-6;
      Rows<double> moved = before;
      std::vector<double> up;
      std::vector<double> down;
      // The difference quotient counts only where both halves agree: the bound has kinks.
      const auto check = [&](double& parameter, std::size_t r, double gradient, int& count) {
        const double was = parameter;
        parameter = was + kStep;
        Pass<double> third(net, relaxed.relax64, plan, space);
        third.pull(moved, false, up);
        parameter = was - kStep;
        third.pull(moved, false, down);
        parameter = was;
        const double right = (up[r] - bound[r]) / kStep;
        const double left = (bound[r] - down[r]) / kStep;
        const double tolerance = 1e-6 + 1e-7 * std::fabs(bound[r]);
        if (std::fabs(right - left) > tolerance) return;
        ASSERT_NEAR(gradient, (right + left) / 2, 10 * tolerance);
        count += gradient != 0;
      };
      for (const int w : plan.elementwise) {
        const auto at = static_cast<std::size_t>(w);
        if (rows.alpha[at].value.empty()) continue;
        EXPECT_EQ(rows.alpha[at].value, before.alpha[at].value);  // a rate of 0
        const auto width = static_cast<std::size_t>(plan.extent[at].size());
        const Lines<double>& lines = relaxed.relax64.lines[at];
        for (std::size_t r = 0; r < static_cast<std::size_t>(rows.count); ++r) {
          const int domain = rows.domain.empty() ? 0 : rows.domain[r];
          for_each_run(
              plan.extent[at], rows.set(), static_cast<int>(r),
              [&](int offset, int node, int count) {
                for (int i = 0; i < count; ++i) {
                  if (lines.free[lines.at(domain) + static_cast<std::size_t>(node + i)] == 0) {
                    EXPECT_EQ(rows.alpha[at].m[r * width + static_cast<std::size_t>(offset + i)],
                              0);
                    continue;
                  }
                  if (draw.real(0, 1) < 0.7) continue;
                  if (!rows.splits.empty()) {  // a split neuron takes no line
                    const auto& s = rows.splits[at][r];
                    if (std::any_of(s.begin(), s.end(),
                                    [&](const auto& p) { return p.neuron == node + i; }))
                      continue;
                  }
                  const std::size_t k = r * width + static_cast<std::size_t>(offset + i);
                  check(moved.alpha[at].value[k], r, rows.alpha[at].m[k], slopes);
                }
              },
              [](int, int) {});
          if (rows.splits.empty()) continue;
          for (std::size_t s = 0; s < rows.splits[at][r].size(); ++s) {
            EXPECT_EQ(rows.splits[at][r][s].beta, before.splits[at][r][s].beta);
            check(moved.splits[at][r][s].beta, r, rows.splits[at][r][s].m, betas);
          }
        }
        if (HasFatalFailure()) return;
      }
    }
  }
  EXPECT_GT(slopes, 300);
  EXPECT_GT(betas, 60);
}

// d bound / d c_j of a form c . y is y_j of the relaxed network at the minimiser: what multipliers
// climb along.
TEST(Pass, PushedStartIsTheDerivativeByTheForm) {
  for (const Named& n : test::random_networks(2)) {
    SCOPED_TRACE(n.name);
    const Network<double> net(n.graph, 1 << 20);
    Workspace<double> space;
    Draw draw(14);
    const Relaxed relaxed(net, boxes_of(n.graph, 1, 0.3, 15));
    const Plan plan = make_plan(net, net.nodes() - 1, false, true);
    Rows<double> rows = output_rows(net, 3, 1, draw);
    Pass<double> pass(net, relaxed.relax64, plan, space);
    std::vector<double> bound;
    pass.pull(rows, true, bound);
    AlignedVector<double> value;
    pass.push(rows, nullptr, &value);
    pass.end();
    ASSERT_EQ(value.size(), rows.dense.size());
    const auto outputs = static_cast<std::size_t>(n.graph.outputs());
    for (std::size_t k = 0; k < rows.dense.size(); ++k) {
      Rows<double> moved = rows;
      std::vector<double> up;
      std::vector<double> down;
      moved.dense[k] += 1e-6;
      pass.pull(moved, false, up);
      moved.dense[k] -= 2e-6;
      pass.pull(moved, false, down);
      const std::size_t r = k / outputs;
      const double right = (up[r] - bound[r]) / 1e-6;
      const double left = (bound[r] - down[r]) / 1e-6;
      if (std::fabs(right - left) > 1e-6) continue;
      EXPECT_NEAR(value[k], (right + left) / 2, 1e-5);
    }
  }
}

TEST(Pass, StepsClimb) {
  for (const Named& n : test::random_networks(2)) {
    SCOPED_TRACE(n.name);
    const Network<float> net(n.graph, 1 << 20);
    const Network<double> net64(n.graph, 0);
    Workspace<float> space;
    Draw draw(16);
    const Relaxed relaxed(net64, boxes_of(n.graph, 1, 0.3, 17));
    const Plan plan = make_plan(net, net.nodes() - 1, false);
    Rows<float> rows = output_rows(net, 3, 1, draw);
    random_alpha(net, relaxed.relax32, plan, rows, draw);
    Pass<float> pass(net, relaxed.relax32, plan, space);
    std::vector<float> bound;
    pass.pull(rows, true, bound);
    const std::vector<float> first = bound;
    std::vector<float> best = bound;
    for (int t = 0; t < 30; ++t) {
      const Step<float> step = adam_step<float>(t, 0.1 * std::pow(0.95, t), 0.05);
      pass.push(rows, &step);
      pass.pull(rows, true, bound);
      for (std::size_t r = 0; r < bound.size(); ++r) best[r] = std::max(best[r], bound[r]);
      for (const int v : plan.elementwise) {
        const auto at = static_cast<std::size_t>(v);
        for (const float a : rows.alpha[at].value) {
          ASSERT_GE(a, relaxed.relax32.lines[at].floor);
          ASSERT_LE(a, 1);
        }
      }
    }
    for (std::size_t r = 0; r < best.size(); ++r)
      EXPECT_GE(best[r], first[r] - 1e-5F * std::fabs(first[r]));
  }
}

// A rate of 1 is that of the step, 0 leaves the slopes alone, and half a rate goes half the way.
TEST(Pass, RowsStepAtTheirOwnRates) {
  const Graph graph = test::mlp(3, 4, 2, 16, 2);
  const Network<float> net(graph, 1 << 20);
  const Network<double> net64(graph, 0);
  Workspace<float> space;
  Draw draw(31);
  const Relaxed relaxed(net64, boxes_of(graph, 1, 0.3, 32));
  const Plan plan = make_plan(net, net.nodes() - 1, false);
  Rows<float> rows = output_rows(net, 3, 1, draw);
  for (int r = 1; r < 3; ++r) {
    std::copy_n(rows.dense.begin(), 2, rows.dense.begin() + 2 * r);
    std::copy_n(rows.input.begin(), 4, rows.input.begin() + 4 * r);
  }
  rows.alpha.resize(static_cast<std::size_t>(net.nodes()));
  for (const int v : plan.elementwise) {
    auto& alpha = rows.alpha[static_cast<std::size_t>(v)];
    for (auto* part : {&alpha.value, &alpha.m, &alpha.v}) part->assign(3 * 16, 0.0F);
    std::fill(alpha.value.begin(), alpha.value.end(), 0.5F);
  }
  Rows<float> rated = rows;
  rated.rate = {1.0F, 0.0F, 0.5F};
  const Step<float> step = adam_step<float>(0, 0.1, 0);
  std::vector<float> bound;
  for (Rows<float>* each : {&rows, &rated}) {
    Pass<float> pass(net, relaxed.relax32, plan, space);
    pass.pull(*each, true, bound);
    pass.push(*each, &step);
  }
  int moved = 0;
  for (const int v : plan.elementwise) {
    const auto& plain = rows.alpha[static_cast<std::size_t>(v)].value;
    const auto& own = rated.alpha[static_cast<std::size_t>(v)].value;
    for (std::size_t i = 0; i < 16; ++i) {
      moved += plain[i] != 0.5F;
      EXPECT_EQ(own[i], plain[i]);
      EXPECT_EQ(own[16 + i], 0.5F);
      EXPECT_NEAR(own[32 + i], 0.25F + plain[i] / 2, 1e-6F);
    }
  }
  EXPECT_GT(moved, 0);
}

TEST(Pass, SplitsAreSoundOnTheirSubDomain) {
  int tried = 0;
  for (const Named& n : test::random_networks(4)) {
    SCOPED_TRACE(n.name);
    const Network<double> net(n.graph, 1 << 20);
    const Reference reference(n.graph);
    Workspace<double> space;
    Draw draw(18);
    const std::vector<TestBox> boxes = boxes_of(n.graph, 1, 0.4, 19);
    const Relaxed relaxed(net, boxes);
    const Plan plan = make_plan(net, net.nodes() - 1, false);
    for (int repeat = 0; repeat < 20; ++repeat) {
      const std::vector<double> x = boxes[0].point(draw);
      const auto values = reference.values(x);
      Rows<double> rows = output_rows(net, 2, 1, draw);
      random_alpha(net, relaxed.relax64, plan, rows, draw);
      random_splits(relaxed.relax64, plan, rows, draw);
      // The sub-domain of the neurons' phases at x.
      for (const int v : plan.elementwise) {
        for (auto& row : rows.splits[static_cast<std::size_t>(v)]) {
          for (auto& s : row) {
            const auto u = static_cast<std::size_t>(net.inputs(v)[0]);
            s.sign = values[u][static_cast<std::size_t>(s.neuron)] >= 0 ? 1 : -1;
            ++tried;
          }
        }
      }
      std::vector<double> bound;
      std::vector<double> error;
      Pass<double> pass(net, relaxed.relax64, plan, space);
      pass.pull(rows, false, bound, &relaxed.magnitude, &error);
      const auto outputs = static_cast<std::size_t>(n.graph.outputs());
      const auto inputs = static_cast<std::size_t>(n.graph.inputs());
      for (std::size_t r = 0; r < 2; ++r) {
        long double f = rows.constant[r];
        for (std::size_t j = 0; j < outputs; ++j)
          f += rows.dense[r * outputs + j] * values.back()[j];
        for (std::size_t j = 0; j < inputs; ++j)
          f += static_cast<long double>(rows.input[r * inputs + j]) * x[j];
        ASSERT_LE(static_cast<long double>(bound[r]) - error[r], f);
      }
    }
  }
  EXPECT_GT(tried, 1000);
}

/// A batch with everything in it, after a few steps in float.
struct Stepped {
  Rows<float> rows;
  std::vector<float> bound;
};
Stepped stepped(const Network<float>& net, const Relaxation<float>& relax, const Plan& plan,
                Rows<float> rows, int steps) {
  Workspace<float> space;
  Stepped s;
  Pass<float> pass(net, relax, plan, space);
  pass.pull(rows, true, s.bound);
  for (int t = 0; t < steps; ++t) {
    const Step<float> step = adam_step<float>(t, 0.1, 0.05);
    pass.push(rows, &step);
    pass.pull(rows, true, s.bound);
  }
  pass.end();
  s.rows = std::move(rows);
  return s;
}

/// Row a of one batch has the bits of row b of another.
void expect_same_row(const Plan& plan, const Stepped& x, std::size_t a, const Stepped& y,
                     std::size_t b) {
  ASSERT_EQ(x.bound[a], y.bound[b]);
  for (const int v : plan.elementwise) {
    const auto at = static_cast<std::size_t>(v);
    const auto n = static_cast<std::size_t>(plan.extent[at].size());
    if (!x.rows.alpha.empty() && !x.rows.alpha[at].value.empty()) {
      for (std::size_t i = 0; i < n; ++i) {
        ASSERT_EQ(x.rows.alpha[at].value[a * n + i], y.rows.alpha[at].value[b * n + i]);
        ASSERT_EQ(x.rows.alpha[at].m[a * n + i], y.rows.alpha[at].m[b * n + i]);
        ASSERT_EQ(x.rows.alpha[at].v[a * n + i], y.rows.alpha[at].v[b * n + i]);
      }
    }
    if (x.rows.splits.empty()) continue;
    ASSERT_EQ(x.rows.splits[at][a].size(), y.rows.splits[at][b].size());
    for (std::size_t i = 0; i < x.rows.splits[at][a].size(); ++i) {
      ASSERT_EQ(x.rows.splits[at][a][i].beta, y.rows.splits[at][b][i].beta);
      ASSERT_EQ(x.rows.splits[at][a][i].neuron, y.rows.splits[at][b][i].neuron);
    }
  }
}

TEST(Pass, RowsDoNotDependOnTheirBatch) {
  for (const Named& n : test::random_networks(3)) {
    SCOPED_TRACE(n.name);
    const Network<float> net(n.graph, 1 << 20);
    const Network<double> net64(n.graph, 0);
    const Relaxed relaxed(net64, boxes_of(n.graph, 3, 0.3, 20));
    for (int v = net.nodes() - 1; v > 0; --v) {
      const bool last = v == net.nodes() - 1;
      const bool patches = net.shape(v).image();
      if (!last && (net.elementwise(v) || v % 2 == 0)) continue;
      SCOPED_TRACE(v);
      Draw draw(21);
      const Plan plan = make_plan(net, v, patches);
      Rows<float> rows = last ? output_rows(net, 13, 3, draw) : neuron_rows(net, v, patches, 6);
      random_alpha(net, relaxed.relax32, plan, rows, draw);
      if (last) random_splits(relaxed.relax32, plan, rows, draw);
      const Stepped all = stepped(net, relaxed.relax32, plan, rows, 3);
      const auto count = static_cast<std::size_t>(rows.count);
      for (const std::size_t size : {std::size_t{1}, std::size_t{2}, std::size_t{5}, count - 1}) {
        for (std::size_t first = 0; first < count; first += size) {
          if (size == 1 && first % 3 != 0) continue;
          std::vector<char> keep(count, 0);
          for (std::size_t r = first; r < std::min(count, first + size); ++r) keep[r] = 1;
          Rows<float> part = rows;
          part.compact(device::Cpu(), keep, plan);
          const Stepped some = stepped(net, relaxed.relax32, plan, part, 3);
          for (std::size_t r = 0; r < some.bound.size(); ++r) {
            expect_same_row(plan, some, r, all, first + r);
            if (HasFatalFailure()) return;
          }
        }
      }
    }
  }
}

TEST(Pass, CompactionInTheMiddleKeepsTheBits) {
  for (const Named& n : test::random_networks(2)) {
    SCOPED_TRACE(n.name);
    const Network<float> net(n.graph, 1 << 20);
    const Network<double> net64(n.graph, 0);
    const Relaxed relaxed(net64, boxes_of(n.graph, 2, 0.3, 22));
    Draw draw(23);
    const Plan plan = make_plan(net, net.nodes() - 1, false);
    Rows<float> rows = output_rows(net, 11, 2, draw);
    random_alpha(net, relaxed.relax32, plan, rows, draw);
    random_splits(relaxed.relax32, plan, rows, draw);
    const Stepped half = stepped(net, relaxed.relax32, plan, rows, 2);
    Rows<float> compacted = half.rows;
    std::vector<char> keep(11);
    std::vector<std::size_t> kept;
    for (std::size_t r = 0; r < 11; ++r) {
      keep[r] = r % 3 != 1;
      if (keep[r]) kept.push_back(r);
    }
    compacted.compact(device::Cpu(), keep, plan);
    ASSERT_EQ(compacted.count, static_cast<int>(kept.size()));
    const Stepped whole = stepped(net, relaxed.relax32, plan, half.rows, 2);
    const Stepped part = stepped(net, relaxed.relax32, plan, compacted, 2);
    for (std::size_t i = 0; i < kept.size(); ++i) {
      EXPECT_EQ(part.rows.id[i], static_cast<int>(kept[i]));
      EXPECT_EQ(part.rows.domain[i], static_cast<int>(kept[i] % 2));
      EXPECT_EQ(part.rows.constant[i], rows.constant[kept[i]]);
      expect_same_row(plan, part, i, whole, kept[i]);
      if (HasFatalFailure()) return;
    }
  }
}

TEST(Pass, SeveralDomainsAreEachItsOwn) {
  for (const Named& n : test::random_networks(2)) {
    SCOPED_TRACE(n.name);
    const Network<float> net(n.graph, 1 << 20);
    const Network<double> net64(n.graph, 0);
    const std::vector<TestBox> boxes = boxes_of(n.graph, 3, 0.3, 24);
    const Relaxed together(net64, boxes);
    Draw draw(25);
    const Plan plan = make_plan(net, net.nodes() - 1, false);
    const Rows<float> rows = output_rows(net, 9, 3, draw);
    const Stepped all = stepped(net, together.relax32, plan, rows, 0);
    for (int d = 0; d < 3; ++d) {
      const Relaxed alone(net64, {boxes[static_cast<std::size_t>(d)]});
      std::vector<char> keep;
      for (const int domain : rows.domain) keep.push_back(domain == d);
      Rows<float> part = rows;
      part.compact(device::Cpu(), keep, plan);
      for (const bool without : {false, true}) {  // an empty list means domain 0
        std::fill(part.domain.begin(), part.domain.end(), 0);
        if (without) part.domain.clear();
        const Stepped one = stepped(net, alone.relax32, plan, part, 0);
        for (std::size_t i = 0; i < one.bound.size(); ++i) {
          EXPECT_EQ(one.bound[i], all.bound[i * 3 + static_cast<std::size_t>(d)]);
        }
      }
    }
  }
}

/// A bound that stands still but for its rounding decides nothing: the rate of its row is nearly
/// the same on both sides of no gain.
TEST(Descent, RatesDoNotJumpWhereABoundStandsStill) {
  kernels::Noting<float> how;
  how.settled = true;
  how.shorter = 0.9F;
  how.slight = 3e-3F;
  const auto rate_after = [&](float gain) {
    int place = 0;
    float rate = 1;
    float first = -3;
    float best = -2;
    float mark = -2;
    float saved = -2;
    char save = 0;
    char out = 0;
    const float bound = best + gain;
    kernels::note_row(how, {&place, &rate, &first, &best, &mark, &saved, &save, &out}, &bound, 0,
                      1);
    return rate;
  };
  EXPECT_EQ(rate_after(-1), 0.9F);
  EXPECT_EQ(rate_after(0), 0.9F);
  EXPECT_NEAR(rate_after(1e-6F), rate_after(-1e-6F), 1e-4);
  EXPECT_NEAR(rate_after(1.5e-3F), 0.95F, 1e-4);
  EXPECT_EQ(rate_after(3.1e-3F), 1);
  EXPECT_EQ(rate_after(1), 1);
}

}  // namespace
}  // namespace coronet::bound
