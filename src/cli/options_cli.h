// Flags of options.def.
#pragma once

#include <CLI/CLI.hpp>
#include <string_view>
#include <vector>

#include "base/options.h"

namespace coronet::cli {

/// Adds a flag for every option of the groups (names with dashes; switches as --name and
/// --no-name), with the help text of the table, under a heading for each group.
void add_options(CLI::App& app, Options& options, const std::vector<std::string_view>& groups);

}  // namespace coronet::cli
