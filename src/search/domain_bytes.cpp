#include "search/domain_bytes.h"

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace coronet::search {

namespace {

// Node, neuron, sign and multiplier, one behind the other, are written as they lie in memory.
static_assert(std::is_trivially_copyable_v<Decision> && sizeof(Decision) == 4 * sizeof(int));

/// Bytes that an item takes at least: no count may announce more of them than fit.
template <class Item>
constexpr std::size_t kLeast = 0;
template <>
constexpr std::size_t kLeast<Domain> = 40;
template <>
constexpr std::size_t kLeast<BoxDomain> = 32;

void put(ByteWriter& out, const Domain& d) {
  out.put(d.objective);
  out.put(d.bound);
  out.put(d.lambda);
  out.put(std::uint64_t{d.decisions.size()});
  out.append(d.decisions.data(), d.decisions.size() * sizeof(Decision));
  out.put(d.alpha);
  out.put(d.split_node);
  out.put(d.split_neuron);
}

void get(ByteReader& in, Domain& d) {
  d.objective = in.get<int>();
  d.bound = in.get<float>();
  d.lambda = in.get_all<float>();
  d.decisions.resize(in.get_count(sizeof(Decision)));
  in.take(d.decisions.data(), d.decisions.size() * sizeof(Decision));
  d.alpha = in.get_all<std::uint16_t>();
  d.split_node = in.get<int>();
  d.split_neuron = in.get<int>();
}

void put(ByteWriter& out, const BoxDomain& d) {
  out.put(d.lower);
  out.put(d.upper);
  out.put(d.clauses);
  out.put(d.bound);
}

void get(ByteReader& in, BoxDomain& d) {
  d.lower = in.get_all<double>();
  d.upper = in.get_all<double>();
  d.clauses = in.get_all<int>();
  d.bound = in.get<double>();
}

}  // namespace

template <class Item>
void put_items(const std::vector<Item>& items, ByteWriter& out) {
  out.put(std::uint64_t{items.size()});
  for (const Item& item : items) put(out, item);
}

template <class Item>
std::vector<Item> get_items(ByteReader& in) {
  std::vector<Item> items;
  const std::size_t count = in.get_count(kLeast<Item>);
  items.reserve(count);
  for (std::size_t i = 0; i < count; ++i) get(in, items.emplace_back());
  return items;
}

template void put_items(const std::vector<Domain>&, ByteWriter&);
template void put_items(const std::vector<BoxDomain>&, ByteWriter&);
template std::vector<Domain> get_items(ByteReader&);
template std::vector<BoxDomain> get_items(ByteReader&);

}  // namespace coronet::search
