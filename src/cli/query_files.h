// Which files a command line means.
#pragma once

#include <string>
#include <vector>

namespace coronet::cli {

/// NAME=MODEL of --network, split at the first '='.
struct NamedModel {
  std::string name;
  std::string path;
};

struct QueryFiles {
  std::string property;
  std::vector<NamedModel> networks;  ///< one with an empty name in the short form
};

/// The standard's form (QUERY --network NAME=MODEL...) or the short one (a network and a property,
/// in either order). Throws Error(kBadInput) saying what is missing or too much.
QueryFiles query_files(const std::vector<std::string>& files,
                       const std::vector<std::string>& networks);

}  // namespace coronet::cli
