// The sub-commands: each adds itself to the command line and says its exit code.
#pragma once

#include <CLI/CLI.hpp>

namespace coronet::cli {

/// Each registers one sub-command; when it is chosen, parsing runs it and stores its exit code.
void add_verify(CLI::App& app, int& exit_code);
void add_bounds(CLI::App& app, int& exit_code);
void add_explain(CLI::App& app, int& exit_code);
void add_plan(CLI::App& app, int& exit_code);
void add_supports(CLI::App& app, int& exit_code);

}  // namespace coronet::cli
