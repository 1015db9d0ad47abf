// Numbers of initializers that stay in their file until they are read: large ones, in the model's
// own file or beside it.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>

#include "io/file.h"

namespace coronet::importer {

/// From so many bytes on, a tensor's numbers are not copied into the message.
inline constexpr std::size_t kPlacedBytes = std::size_t{1} << 20;

struct PlacedData {
  std::shared_ptr<const MappedFile> file;
  const char* data = nullptr;
  std::size_t size = 0;
};
/// By the initializer's number in the graph.
using Placed = std::map<int, PlacedData>;

/// The message in a file, without the large numbers of its initializers, which `placed` tells. What
/// is no such message is given as it is, for the parser to say what is wrong.
std::string without_large_data(const std::shared_ptr<const MappedFile>& file, Placed& placed);

}  // namespace coronet::importer
