#include "search/ranks/orders.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace coronet::search {

namespace {

/// More clauses than any property has.
constexpr int kMostClauses = 1 << 24;

/// fn(fields...) of what an order holds: to write them, and to read them.
void with_fields(auto& c, const auto& fn) requires requires { c.strict; }
{ fn(c.clause, c.box, c.count, c.output, c.input, c.constant, c.strict); }
void with_fields(auto& box, const auto& fn) requires requires { box.upper; }
{ fn(box.lower, box.upper); }

template <class T>
void put_list(const std::vector<T>& list, comm::Writer& order) {
  order.put(static_cast<std::uint64_t>(list.size()));
  for (const T& item : list) {
    with_fields(item, [&](const auto&... field) { (order.put(field), ...); });
  }
}

template <class T>
std::vector<T> get_list(comm::Reader& order) {
  std::vector<T> list(order.get_count(sizeof(std::uint64_t)));
  for (T& item : list) {
    with_fields(item, [&](auto&... field) { (order.get(field), ...); });
  }
  return list;
}

bool all_finite(const auto& values) {
  return std::all_of(values.begin(), values.end(), [](double x) { return std::isfinite(x); });
}

}  // namespace

void put_boxes(const std::vector<GraphBox>& boxes, comm::Writer& order) { put_list(boxes, order); }

std::vector<GraphBox> get_boxes(comm::Reader& order, std::size_t inputs) {
  std::vector<GraphBox> boxes = get_list<GraphBox>(order);
  for (const GraphBox& box : boxes) {
    order.require(box.lower.size() == inputs && box.upper.size() == inputs,
                  "a box has an interval for each input");
    for (std::size_t i = 0; i < inputs; ++i) {
      order.require(box.lower[i] <= box.upper[i] && std::isfinite(box.lower[i]) &&
                        std::isfinite(box.upper[i]),
                    "a box");
    }
  }
  return boxes;
}

void put_clauses(const std::vector<ClauseRows>& clauses, comm::Writer& order) {
  put_list(clauses, order);
}

std::vector<ClauseRows> get_clauses(comm::Reader& order, std::size_t boxes, std::size_t inputs,
                                    std::size_t outputs) {
  std::vector<ClauseRows> clauses = get_list<ClauseRows>(order);
  order.require(!clauses.empty(), "no clause");
  for (const ClauseRows& c : clauses) {
    order.require(c.clause >= 0 && c.clause < kMostClauses, "a clause's number");
    order.require(c.box >= 0 && static_cast<std::size_t>(c.box) < boxes, "a clause's box");
    order.require(c.count >= 0, "a clause's constraints");
    const auto count = static_cast<std::size_t>(c.count);
    order.require(c.output.size() == count * outputs && all_finite(c.output) &&
                      (c.input.empty() || c.input.size() == count * inputs) &&
                      all_finite(c.input) && c.constant.size() == count && all_finite(c.constant) &&
                      c.strict.size() == count,
                  "a clause's constraints");
  }
  return clauses;
}

}  // namespace coronet::search
