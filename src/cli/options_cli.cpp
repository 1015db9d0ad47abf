#include "cli/options_cli.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>

namespace coronet::cli {

namespace {

std::string flag_of(std::string name) {
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

std::string heading(const std::string& group) {
  if (group == "limits") return "Limits: what the run may use";
  if (group == "bounds") return "Bounds: how tight, at which price";
  if (group == "search") return "Search: attack and branch and bound";
  return group;
}

/// The words that an option takes, where it takes words: a typing error is to be told before any
/// work, not when the word is first needed.
std::vector<std::string> words(const std::string& name) {
  if (name == "method") return {"auto", "interval", "crown", "alpha"};
  if (name == "precision") return {"fp32", "tf32", "bf16"};
  if (name == "slope") return {"adaptive", "parallel", "zero"};
  if (name == "branch") return {"auto", "relu", "input", "none"};
  return {};
}

// No option has a meaning for negative numbers, NaN or infinity.
std::string check_number(std::string& text) {
  double value = 0;
  if (!CLI::detail::lexical_cast(text, value) || !std::isfinite(value) || value < 0) {
    return "'" + text + "' is not a number from 0 up";
  }
  return {};
}

/// "512MiB" becomes "0.5"; what has no such unit stays.
std::string in_gib(std::string& text) {
  const std::array<std::pair<std::string_view, double>, 3> units{
      {{"TiB", 0x1p10}, {"GiB", 1}, {"MiB", 0x1p-10}}};
  for (const auto& [unit, gib] : units) {
    if (!text.ends_with(unit)) continue;
    double value = 0;
    if (!CLI::detail::lexical_cast(text.substr(0, text.size() - unit.size()), value)) break;
    text = fmt::format("{}", value * gib);
    break;
  }
  return {};
}

CLI::Option* add(CLI::App& app, const std::string& name, bool& value, const std::string& help) {
  const std::string flag = flag_of(name);
  return app.add_flag("--" + flag + ",!--no-" + flag, value,
                      help + (value ? "; on unless --no-" + flag : ""));
}

CLI::Option* add(CLI::App& app, const std::string& name, std::string& value,
                 const std::string& help) {
  CLI::Option* option = app.add_option("--" + flag_of(name), value, help)->type_name("WORD");
  const std::vector<std::string> allowed = words(name);
  if (!allowed.empty()) {
    option->check([allowed, name](const std::string& word) {
      if (std::find(allowed.begin(), allowed.end(), word) != allowed.end()) return std::string();
      std::string message = "'" + word + "' is not one of";
      for (const std::string& a : allowed) message += " " + a;
      return message;
    });
  }
  return option->capture_default_str();
}

template <class Number>
CLI::Option* add(CLI::App& app, const std::string& name, Number& value, const std::string& help) {
  // The flag that every tool has, beside the one with the unit in its name.
  const bool memory = name == "memory_gib";
  CLI::Option* option =
      app.add_option("--" + flag_of(name) + (memory ? ",--memory" : ""), value,
                     memory ? help + "; 40GiB and 512MiB are understood too" : help)
          ->type_name("N")
          ->check(CLI::Validator(check_number, ""))
          ->capture_default_str();
  if (memory) option->transform(CLI::Validator(in_gib, ""));
  return option;
}

}  // namespace

void add_options(CLI::App& app, Options& options, const std::vector<std::string_view>& groups) {
  const auto wanted = [&](std::string_view group) {
    return std::find(groups.begin(), groups.end(), group) != groups.end();
  };
  const auto place = [](CLI::Option* option, std::string_view under) {
    option->group(heading(std::string(under)));
  };
#define OPTION(type, name, default_value, group, help) \
  if (wanted(group)) place(add(app, #name, options.name, help), group);
#include "base/options.def"
#undef OPTION
}

}  // namespace coronet::cli
