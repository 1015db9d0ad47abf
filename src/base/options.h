// The settings of a run: a const value that is passed down. The table is options.def.
#pragma once

#include <cstdint>
#include <string>

namespace coronet {

struct Options {
#define OPTION(type, name, default_value, group, help) type name = default_value;
#include "base/options.def"
#undef OPTION
};

}  // namespace coronet
