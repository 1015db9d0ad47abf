// Letters between ranks that are damaged, each field of each kind: what reads them throws.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "bound/ranks/packets.h"
#include "comm/packet.h"
#include "rank_cases.h"
#include "search/ranks/letters.h"
#include "search/ranks/orders.h"

namespace coronet {
namespace {

using comm::Bytes;
using comm::Reader;
using comm::Writer;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

void expect_refused(const std::function<void()>& f) {
  try {
    f();
    ADD_FAILURE() << "no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kInternal) << e.what();
    EXPECT_NE(std::string(e.what()).find("a letter from rank 7 is damaged"), std::string::npos)
        << e.what();
  }
}

template <class T>
struct Damage {
  const char* name;
  std::function<void(T&)> damage;
};

/// Good letters are read; those that end too early, go on, or were damaged are refused.
template <class T>
void expect_checked(const char* what, const T& good,
                    const std::function<void(Writer&, const T&)>& put,
                    const std::function<void(Reader&)>& get,
                    const std::vector<Damage<T>>& damages) {
  SCOPED_TRACE(what);
  const auto written = [&](const T& value) {
    Writer writer;
    put(writer, value);
    return writer.take();
  };
  const auto read = [&](std::span<const std::byte> bytes) {
    Reader reader(bytes, 7);
    get(reader);
    reader.end();
  };
  Bytes bytes = written(good);
  EXPECT_NO_THROW(read(bytes));
  for (std::size_t size = 0; size < bytes.size(); size += size < 64 ? 1 : 13) {
    SCOPED_TRACE("of " + std::to_string(bytes.size()) + " bytes " + std::to_string(size));
    expect_refused([&] { read(std::span(bytes).first(size)); });
  }
  bytes.push_back(std::byte{0});
  expect_refused([&] { read(bytes); });
  for (const Damage<T>& d : damages) {
    SCOPED_TRACE(d.name);
    T bad = good;
    d.damage(bad);
    const Bytes of_it = written(bad);
    expect_refused([&] { read(of_it); });
  }
}

/// A small network with both kinds of elementwise nodes that have lines.
Graph small() {
  test::Builder b(9);
  int u = b.input({1, 1, 3});
  u = b.relu(b.dense(u, 4));
  u = b.tanh(b.dense(u, 3));
  b.dense(u, 2);
  return b.finish();
}

TEST(Letters, OfRows) {
  using bound::Bounds;
  using bound::Root;
  using bound::RowList;
  const Graph graph = small();
  test::Engine engine(graph);
  const std::vector<double> lo(3, -1);
  const std::vector<double> hi(3, 1);
  const Root root = bound_root(engine.context, lo, hi, {bound::Method::kCrown});
  const int last = static_cast<int>(graph.nodes.size()) - 1;
  ASSERT_TRUE(root.relax64.lines[2].relu);
  expect_checked<Root>(
      "root", root, [&](Writer& w, const Root& r) { put_root(w, r, last); },
      [&](Reader& r) { (void)bound::get_root(r, graph, last); },
      {{"too few bounds", [](Root& r) { r.bounds.lo[1].pop_back(); }},
       {"too many bounds", [](Root& r) { r.bounds.hi[3].push_back(0); }},
       {"no bounds", [](Root& r) { r.bounds.lo[0].clear(); }},
       {"bounds the wrong way round", [](Root& r) { r.bounds.lo[1][2] = r.bounds.hi[1][2] + 1; }},
       {"inputs", [](Root& r) { r.relax32.lo.push_back(0); }},
       {"inputs in double", [](Root& r) { r.relax64.hi.clear(); }},
       {"slopes", [](Root& r) { r.relax32.lines[2].sl.pop_back(); }},
       {"intercepts", [](Root& r) { r.relax64.lines[2].tu.push_back(0); }},
       {"a node without lines", [](Root& r) { r.relax64.lines[4] = {}; }},
       {"lines of an affine node", [](Root& r) { r.relax32.lines[1] = r.relax32.lines[2]; }},
       {"neurons that are free", [](Root& r) { r.relax32.lines[2].free.clear(); }},
       {"half free", [](Root& r) { r.relax32.lines[2].free[0] = 0.5F; }},
       {"a free tanh", [](Root& r) { r.relax32.lines[4].free[0] = 1; }},
       {"the count of lines", [](Root& r) { r.relax32.lines[2].size = 1 << 30; }},
       {"a ReLU that is none", [](Root& r) { r.relax64.lines[2].relu = false; }},
       {"a tanh as a ReLU", [](Root& r) { r.relax64.lines[4].relu = true; }},
       {"another floor", [](Root& r) { r.relax64.lines[2].floor = -1; }},
       {"no floor", [](Root& r) { r.relax32.lines[2].floor = std::nanf(""); }},
       {"magnitudes", [](Root& r) { r.magnitude.affine[1].size.pop_back(); }},
       {"no magnitudes", [](Root& r) { r.magnitude.value[2].size.clear(); }},
       {"magnitudes of another kind",
        [](Root& r) { std::swap(r.magnitude.value[3], r.magnitude.affine[3]); }}});
  expect_checked<int>(
      "the root's node", last, [&](Writer& w, int node) { put_root(w, root, node); },
      [&](Reader& r) { (void)bound::get_root(r, graph, last); }, {{"", [](int& v) { --v; }}});
  expect_checked<Bounds>(
      "bounds", root.bounds, [](Writer& w, const Bounds& b) { put_bounds(w, b); },
      [&](Reader& r) { (void)bound::get_bounds(r, graph); },
      {{"too few", [](Bounds& b) { b.hi[2].pop_back(); }},
       {"the wrong way round", [](Bounds& b) { b.hi[4][0] = -9; }}});

  RowList neurons;
  neurons.node = 1;
  neurons.neuron = {0, 3};
  neurons.sign = {1, -1};
  RowList forms;
  forms.node = last;
  forms.dense.assign(6, 0.5);
  forms.input.assign(9, 0.25);
  forms.constant.assign(3, 1);
  const auto put_rows_list = [](Writer& w, const RowList& l) { put_list(w, l); };
  const auto get_rows_list = [&](Reader& r) { (void)bound::get_list(r, graph); };
  const std::vector<Damage<RowList>> any{{"a node below all", [](RowList& l) { l.node = -1; }},
                                         {"a node above all", [](RowList& l) { l.node = 99; }},
                                         {"constants", [](RowList& l) { l.constant.assign(7, 0); }},
                                         {"both forms", [](RowList& l) {
                                            l.neuron.assign(1, 0);
                                            l.sign.assign(1, 1);
                                            l.dense.assign(8, 1);
                                          }}};
  std::vector<Damage<RowList>> damages = any;
  damages.insert(damages.end(),
                 {{"a neuron", [](RowList& l) { l.neuron[1] = 4; }},
                  {"a neuron below all", [](RowList& l) { l.neuron[0] = -1; }},
                  {"no sign", [](RowList& l) { l.sign.pop_back(); }},
                  {"a sign", [](RowList& l) { l.sign[0] = 0; }},
                  {"no number for a sign", [](RowList& l) { l.sign[0] = std::nanf(""); }}});
  expect_checked<RowList>("neurons", neurons, put_rows_list, get_rows_list, damages);
  damages = any;
  damages.insert(damages.end(), {{"half a row", [](RowList& l) { l.dense.pop_back(); }},
                                 {"a row more", [](RowList& l) { l.dense.resize(8); }},
                                 {"inputs", [](RowList& l) { l.input.pop_back(); }},
                                 {"a number", [](RowList& l) { l.dense[2] = kNaN; }},
                                 {"an input", [](RowList& l) { l.input[2] = kInf; }},
                                 {"a constant", [](RowList& l) { l.constant[2] = -kInf; }}});
  expect_checked<RowList>("forms", forms, put_rows_list, get_rows_list, damages);

  using bound::OptimiseSettings;
  expect_checked<OptimiseSettings>(
      "settings", {}, [](Writer& w, const OptimiseSettings& s) { put_settings(w, s); },
      [](Reader& r) { (void)bound::get_settings(r); },
      {{"iterations", [](OptimiseSettings& s) { s.iterations = -1; }},
       {"rate", [](OptimiseSettings& s) { s.lr = kNaN; }},
       {"decay", [](OptimiseSettings& s) { s.decay = kInf; }},
       {"converged", [](OptimiseSettings& s) { s.converged = kNaN; }}});

  using bound::RowBounds;
  RowBounds rows;
  rows.bound = {1, -kInf};
  rows.alpha = {{}, {0, 1, 0.5F, 0.25F}};
  RowBounds all;
  all.bound.assign(5, 0);
  all.alpha = {{}, AlignedVector<float>(10, 0.0F)};
  const auto get_some = [&](int first, int end) {
    return [&all, first, end](Reader& r) {
      RowBounds to = all;
      bound::get_rows(r, first, end, to);
    };
  };
  const auto put_some = [](Writer& w, const RowBounds& r) { put_rows(w, r); };
  expect_checked<RowBounds>("bounds of rows", rows, put_some, get_some(3, 5),
                            {{"too few", [](RowBounds& r) { r.bound.pop_back(); }},
                             {"too many", [](RowBounds& r) { r.bound.push_back(0); }},
                             {"no number", [](RowBounds& r) { r.bound[0] = kNaN; }},
                             {"infinity", [](RowBounds& r) { r.bound[0] = kInf; }},
                             {"nodes", [](RowBounds& r) { r.alpha.pop_back(); }},
                             {"slopes", [](RowBounds& r) { r.alpha[1].pop_back(); }},
                             {"slopes of another", [](RowBounds& r) { r.alpha[0].resize(1); }},
                             {"a slope", [](RowBounds& r) { r.alpha[1][2] = 1.5F; }},
                             {"no slope", [](RowBounds& r) { r.alpha[1][0] = std::nanf(""); }}});
  Writer writer;
  put_some(writer, rows);
  const Bytes bytes = writer.take();
  for (const auto& [first, end] : {std::pair{-1, 1}, {4, 6}, {3, 3}, {4, 2}, {0, 1 << 30}}) {
    expect_refused([&] {
      Reader reader(bytes, 7);
      get_some(first, end)(reader);
    });
  }
}

/// What was told once is not told again, and what never was is not thought known.
TEST(Letters, OfRootsOneAfterTheOther) {
  using bound::Root;
  const Graph graph = small();
  test::Engine engine(graph);
  const Root root = bound_root(engine.context, std::vector<double>(3, -1),
                               std::vector<double>(3, 1), {bound::Method::kCrown});
  const int last = static_cast<int>(graph.nodes.size()) - 1;
  bound::RootTold told;
  bound::RootHeard heard;
  Root next = root;
  const auto tell = [&] {
    Writer writer;
    told.put(writer, next, last);
    const Bytes bytes = writer.take();
    Reader reader(bytes, 7);
    const Root& got = heard.get(reader, graph, last);
    reader.end();
    Writer as_is;
    Writer as_heard;
    put_root(as_is, next, last);
    put_root(as_heard, got, last);
    EXPECT_EQ(as_is.take(), as_heard.take());
    return bytes;
  };
  const std::size_t all = tell().size();
  const Bytes nothing_new = tell();
  EXPECT_LT(nothing_new.size(), all / 4);
  expect_refused([&] {
    Reader reader(nothing_new, 7);
    (void)bound::get_root(reader, graph, last);
  });
  for (const auto& change : std::vector<std::function<void()>>{
           [&] { next.bounds.lo[3][0] -= 1; }, [&] { next.relax64.lines[2].tu[1] += 1; },
           [&] { next.magnitude.affine[1].sum += 1; }, [&] { next.relax32.hi[0] += 1; }}) {
    change();
    (void)tell();
  }
}

TEST(Letters, OfTruthAndCounts) {
  for (int byte = 0; byte < 256; ++byte) {
    Writer writer;
    writer.put(static_cast<std::uint8_t>(byte));
    const Bytes bytes = writer.take();
    Reader reader(bytes, 7);
    if (byte < 2) {
      EXPECT_EQ(reader.get<bool>(), byte == 1);
    } else {
      expect_refused([&] { (void)reader.get<bool>(); });
    }
  }
  for (const std::uint64_t count : {std::uint64_t{2}, ~std::uint64_t{0}, std::uint64_t{1} << 61}) {
    Writer writer;
    writer.put(count);
    writer.put(1.5);
    const Bytes bytes = writer.take();
    Reader reader(bytes, 7);
    expect_refused([&] { (void)reader.get<std::vector<double>>(); });
  }
}

TEST(Letters, OfProperties) {
  using search::ClauseRows;
  using search::GraphBox;
  using Boxes = std::vector<GraphBox>;
  using Clauses = std::vector<ClauseRows>;
  expect_checked<Boxes>(
      "boxes", {{{0, 1}, {1, 1}}, {{-1, -1}, {0, 0}}},
      [](Writer& w, const Boxes& b) { search::put_boxes(b, w); },
      [](Reader& r) { (void)search::get_boxes(r, 2); },
      {{"inputs", [](Boxes& b) { b[1].lower.pop_back(); }},
       {"more inputs", [](Boxes& b) { b[0].upper.push_back(0); }},
       {"no number", [](Boxes& b) { b[0].lower[1] = kNaN; }},
       {"infinity", [](Boxes& b) { b[0].upper[1] = kInf; }},
       {"the wrong way round", [](Boxes& b) { b[0].lower[0] = 2; }}});
  ClauseRows c;
  c.clause = 3;
  c.box = 1;
  c.count = 2;
  c.output.assign(6, 1);
  c.input.assign(4, 1);
  c.constant.assign(2, 0);
  c.strict.assign(2, 0);
  expect_checked<Clauses>(
      "clauses", {c}, [](Writer& w, const Clauses& l) { search::put_clauses(l, w); },
      [](Reader& r) { (void)search::get_clauses(r, 2, 2, 3); },
      {{"none", [](Clauses& l) { l.clear(); }},
       {"its number", [](Clauses& l) { l[0].clause = -1; }},
       {"a large number", [](Clauses& l) { l[0].clause = 1 << 30; }},
       {"its box", [](Clauses& l) { l[0].box = 2; }},
       {"a box below all", [](Clauses& l) { l[0].box = -1; }},
       {"fewer constraints", [](Clauses& l) { l[0].count = 1; }},
       {"negative", [](Clauses& l) { l[0].count = -2; }},
       {"outputs", [](Clauses& l) { l[0].output.pop_back(); }},
       {"inputs", [](Clauses& l) { l[0].input.pop_back(); }},
       {"constants", [](Clauses& l) { l[0].constant.pop_back(); }},
       {"strict", [](Clauses& l) { l[0].strict.push_back(1); }},
       {"no number", [](Clauses& l) { l[0].output[5] = kNaN; }},
       {"infinity", [](Clauses& l) { l[0].input[0] = -kInf; }},
       {"no constant", [](Clauses& l) { l[0].constant[0] = kNaN; }}});
}

template <class Item>
void expect_items_checked(const Item& good, const search::SpaceOf<Item>& space,
                          const std::vector<Damage<Item>>& damages) {
  std::vector<Damage<std::vector<Item>>> of_list;
  for (const Damage<Item>& d : damages) {
    of_list.push_back({d.name, [d](std::vector<Item>& items) { d.damage(items.back()); }});
  }
  const auto get = [&](Reader& r) {
    (void)search::get_items<Item>(r, space);
    r = Reader({}, 7);  // it reads all there is
  };
  const auto put = [](Writer& w, const std::vector<Item>& items) { search::put_items(items, w); };
  expect_checked<std::vector<Item>>("domains", {good, good}, put, get, of_list);
  // Any bit that is another one.
  Writer writer;
  put(writer, {good});
  const Bytes bytes = writer.take();
  for (std::size_t bit = 0; bit < 8 * bytes.size(); bit += 3) {
    SCOPED_TRACE(bit);
    Bytes bad = bytes;
    bad[bit / 8] ^= std::byte{1} << (bit % 8);
    expect_refused([&] {
      Reader reader(bad, 7);
      (void)search::get_items<Item>(reader, space);
    });
  }
}

TEST(Letters, OfDomains) {
  using search::Domain;
  const search::DomainSpace space({1, 2}, {{}, {}, {0, 2, 5}, {}, {1}});
  Domain d;
  d.objective = 1;
  d.bound = -1;
  d.lambda = {0.5F, 0.5F};
  d.decisions = {{2, 5, 1, 0.25F}, {4, 1, -1, 0}};
  d.alpha = {0, 65535, 7, 9};
  d.split_node = 2;
  d.split_neuron = 0;
  EXPECT_EQ(space.misfit(d), nullptr);
  EXPECT_EQ(space.misfit(Domain{}), nullptr);
  expect_items_checked<Domain>(
      d, space,
      {{"its clause", [](Domain& x) { x.objective = 2; }},
       {"a clause below all", [](Domain& x) { x.objective = -1; }},
       {"a clause of one constraint", [](Domain& x) { x.objective = 0; }},
       {"no bound", [](Domain& x) { x.bound = std::nanf(""); }},
       {"multipliers", [](Domain& x) { x.lambda.pop_back(); }},
       {"a negative multiplier", [](Domain& x) { x.lambda[0] = -1; }},
       {"no multiplier", [](Domain& x) { x.lambda[1] = std::nanf(""); }},
       {"a decision's node", [](Domain& x) { x.decisions[0].node = 3; }},
       {"a node that is none", [](Domain& x) { x.decisions[0].node = -1; }},
       {"a node above all", [](Domain& x) { x.decisions[1].node = 1 << 30; }},
       {"a decision's neuron", [](Domain& x) { x.decisions[0].neuron = 1; }},
       {"a decision's sign", [](Domain& x) { x.decisions[0].sign = 0; }},
       {"a multiplier of a decision", [](Domain& x) { x.decisions[0].beta = -1; }},
       {"an infinite one", [](Domain& x) { x.decisions[1].beta = HUGE_VALF; }},
       {"slopes", [](Domain& x) { x.alpha.pop_back(); }},
       {"more slopes", [](Domain& x) { x.alpha.resize(99); }},
       {"its split", [](Domain& x) { x.split_neuron = 4; }},
       {"half a split", [](Domain& x) { x.split_node = -1; }},
       {"a split of a node above all", [](Domain& x) { x.split_node = 77; }}});

  using search::BoxDomain;
  const search::BoxSpace boxes{{0, -1, 1, 0}, {{{0, 0}, {1, 1}}, {{-1, -1}, {0, 0}}}};
  const BoxDomain box{{0, 0.5}, {1, 0.5}, {0, 3}, -1};
  EXPECT_EQ(boxes.misfit(box), nullptr);
  expect_items_checked<BoxDomain>(
      box, boxes,
      {{"no clauses", [](BoxDomain& x) { x.clauses.clear(); }},
       {"a clause that nobody asks for", [](BoxDomain& x) { x.clauses = {1}; }},
       {"a clause of another box",
        [](BoxDomain& x) {
          x.clauses = {0, 2};
        }},
       {"twice",
        [](BoxDomain& x) {
          x.clauses = {0, 0};
        }},
       {"a clause above all", [](BoxDomain& x) { x.clauses = {4}; }},
       {"a clause below all",
        [](BoxDomain& x) {
          x.clauses = {-1, 0};
        }},
       {"no bound", [](BoxDomain& x) { x.bound = kNaN; }},
       {"inputs", [](BoxDomain& x) { x.lower.pop_back(); }},
       {"more inputs", [](BoxDomain& x) { x.upper.push_back(1); }},
       {"outside", [](BoxDomain& x) { x.upper[0] = 1.5; }},
       {"no interval", [](BoxDomain& x) { x.lower[0] = kNaN; }},
       {"the wrong way round", [](BoxDomain& x) { x.upper[1] = 0.25; }}});
}

}  // namespace
}  // namespace coronet
