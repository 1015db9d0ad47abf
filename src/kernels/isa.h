// Which instruction set the kernels run on: the best that this CPU has, or what a test asks for.
//
// Every file of src/kernels but dispatch.cpp is compiled once per instruction set, in namespace
// coronet::kernels::CORONET_ISA; a table of function pointers per set and current_isa() choose
// among them. All sets give the same bits; only panel widths and speed differ.
#pragma once

#include <string_view>

namespace coronet::kernels {

enum class Isa { baseline, avx2, avx512 };

/// The set in use: the override of set_isa, else best_isa().
[[nodiscard]] Isa current_isa();

/// The best set that this CPU and operating system support.
[[nodiscard]] Isa best_isa();

/// Uses "baseline", "avx2", "avx512" or (default) "best" from now on, for what is packed or called
/// after this; for tests. False, and nothing changes, if the name is unknown or the CPU lacks the
/// set.
bool set_isa(std::string_view name);

[[nodiscard]] std::string_view isa_name(Isa isa);

}  // namespace coronet::kernels
