// Domains and boxes as bytes: in checkpoints, and between ranks.
#pragma once

#include <vector>

#include "io/bytes.h"
#include "search/domain.h"
#include "search/input_tree.h"

namespace coronet::search {

/// Item: Domain or BoxDomain.
template <class Item>
void put_items(const std::vector<Item>& items, ByteWriter& out);
template <class Item>
std::vector<Item> get_items(ByteReader& in);

}  // namespace coronet::search
