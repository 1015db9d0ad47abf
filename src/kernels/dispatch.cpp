#include <atomic>

#include "kernels/isa.h"

namespace coronet::kernels {
namespace {

// -1: none. The only mutable global of the kernels; tests set it before they start threads.
std::atomic<int> override_isa{-1};

Isa detect() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  // These checks include the operating system's support for the wide registers.
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl")) {
    return Isa::avx512;
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
      __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2")) {
    return Isa::avx2;
  }
#endif
  return Isa::baseline;
}

}  // namespace

Isa best_isa() {
  static const Isa best = detect();
  return best;
}

Isa current_isa() {
  const int chosen = override_isa.load(std::memory_order_relaxed);
  return chosen < 0 ? best_isa() : static_cast<Isa>(chosen);
}

bool set_isa(std::string_view name) {
  if (name == "best") {
    override_isa = -1;
    return true;
  }
  for (const Isa isa : {Isa::baseline, Isa::avx2, Isa::avx512}) {
    if (name == isa_name(isa) && isa <= best_isa()) {
      override_isa = static_cast<int>(isa);
      return true;
    }
  }
  return false;
}

std::string_view isa_name(Isa isa) {
  switch (isa) {
    case Isa::avx512:
      return "avx512";
    case Isa::avx2:
      return "avx2";
    case Isa::baseline:
      break;
  }
  return "baseline";
}

}  // namespace coronet::kernels
