#include "graph/fingerprint.h"

#include <cstring>
#include <type_traits>
#include <variant>
#include <vector>

namespace coronet {

namespace {

class Mixer {
 public:
  void add(std::uint64_t x) {
    // A multiplication and a shift for each word, the constants of splitmix64.
    state_ = (state_ ^ x) * 0xbf58476d1ce4e5b9U;
    state_ ^= state_ >> 29U;
  }
  void add(int x) { add(static_cast<std::uint64_t>(static_cast<std::int64_t>(x))); }
  void add(double x) {
    std::uint64_t bits = 0;
    std::memcpy(&bits, &x, sizeof bits);
    add(bits);
  }
  template <class T>
  void add(const std::vector<T>& values) {
    static_assert(std::is_arithmetic_v<T>);
    add(static_cast<std::uint64_t>(values.size()));
    const char* at = reinterpret_cast<const char*>(values.data());
    std::size_t left = values.size() * sizeof(T);
    for (; left >= sizeof(std::uint64_t); left -= sizeof(std::uint64_t)) {
      std::uint64_t word = 0;
      std::memcpy(&word, at, sizeof word);
      add(word);
      at += sizeof word;
    }
    std::uint64_t last = 0;
    if (left > 0) std::memcpy(&last, at, left);  // of an empty list there is no address
    add(last);
  }
  void add(const Shape& s) {
    for (const int x : {s.height, s.width, s.channels}) add(x);
  }
  void add(const Weight& w) {
    add(w.f);
    add(w.d);
  }
  void add(const Precision& p) {
    add(p.roundings);
    add(p.hidden);
  }

  void add(const Input&) {}
  void add(const Dense& op) {
    add(op.in);
    add(op.out);
    add(op.weight);
    add(op.bias);
    add(op.precision);
  }
  void add(const Conv& op) {
    add(op.in);
    add(op.out);
    for (const int x : {op.kernel_h, op.kernel_w, op.stride_h, op.stride_w, op.dilation_h,
                        op.dilation_w, op.pad_top, op.pad_left, op.groups}) {
      add(x);
    }
    add(op.weight);
    add(op.bias);
    add(op.precision);
  }
  void add(const Scale& op) {
    add(op.scale);
    add(op.shift);
    add(op.precision);
  }
  void add(const Sum& op) { add(op.coefficient); }
  void add(const Select& op) {
    add(op.index);
    add(op.constant);
    add(op.precision);
  }
  void add(const Sparse& op) {
    add(op.row);
    add(op.column);
    add(op.value);
    add(op.bias);
    add(op.precision);
  }
  void add(const Relu& op) { add(op.negative_slope); }
  void add(const Sigmoid&) {}
  void add(const Tanh&) {}

  [[nodiscard]] std::uint64_t value() const { return state_; }

 private:
  std::uint64_t state_ = 0x9e3779b97f4a7c15U;
};

}  // namespace

std::uint64_t fingerprint(const Graph& graph) {
  Mixer mixer;
  for (const Node& node : graph.nodes) {
    mixer.add(static_cast<int>(node.op.index()));
    mixer.add(node.inputs);
    mixer.add(node.shape);
    std::visit([&](const auto& op) { mixer.add(op); }, node.op);
  }
  mixer.add(graph.input_order);
  mixer.add(graph.output_order);
  return mixer.value();
}

}  // namespace coronet
