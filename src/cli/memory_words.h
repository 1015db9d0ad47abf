// What ranks hold in memory, for reading.
#pragma once

#include <string>
#include <vector>

#include "base/memory_ledger.h"

namespace coronet::cli {

/// "12.3": bytes in MiB.
std::string mib_words(std::uint64_t bytes);

/// A table of the classes that any rank counted something of, in MiB: at rest (held at the end) and
/// at most; "1.0 to 2.0" where ranks differ. Empty where nothing was counted.
std::string memory_table(const std::vector<MemoryUsage>& ranks);

}  // namespace coronet::cli
