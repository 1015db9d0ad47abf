#include "cli/query_files.h"

#include "base/error.h"

namespace coronet::cli {

namespace {

bool is_network(const std::string& path) {
  return path.ends_with(".onnx") || path.ends_with(".onnx.gz");
}

[[noreturn]] void bad(const std::string& message) { throw Error(ErrorKind::kBadInput, message); }

}  // namespace

QueryFiles query_files(const std::vector<std::string>& files,
                       const std::vector<std::string>& networks) {
  QueryFiles result;
  for (const std::string& word : networks) {
    const std::size_t equals = word.find('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == word.size()) {
      bad("--network " + word + ": expected NAME=MODEL, with the network's name in the query");
    }
    result.networks.push_back({word.substr(0, equals), word.substr(equals + 1)});
  }
  if (!networks.empty()) {
    if (files.size() != 1) bad("with --network, one query is expected and no other file");
    result.property = files[0];
    return result;
  }
  if (files.size() == 1) {
    bad(is_network(files[0])
            ? "a property is missing: coronet verify " + files[0] + " PROPERTY.vnnlib"
            : "a network is missing: coronet verify " + files[0] +
                  " --network NAME=MODEL.onnx, or coronet verify MODEL.onnx " + files[0]);
  }
  if (files.size() != 2) bad("a network and a property are expected");
  const bool first = is_network(files[0]);
  if (first == is_network(files[1])) {
    bad(first ? "both files are networks: a property (.vnnlib) is missing"
              : "neither " + files[0] + " nor " + files[1] +
                    " ends in .onnx or .onnx.gz: which one is the network?");
  }
  result.networks.push_back({"", files[first ? 0 : 1]});
  result.property = files[first ? 1 : 0];
  return result;
}

}  // namespace coronet::cli
