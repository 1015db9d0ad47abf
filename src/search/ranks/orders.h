// What an order to search says of the property, as bytes.
#pragma once

#include <cstddef>
#include <vector>

#include "comm/packet.h"
#include "search/spec.h"

namespace coronet::search {

// What is read fits a network of so many inputs and outputs, and numbers are finite, or
// Error(kInternal) is thrown.

void put_boxes(const std::vector<GraphBox>& boxes, comm::Writer& order);
std::vector<GraphBox> get_boxes(comm::Reader& order, std::size_t inputs);

/// Of a property with so many boxes; at least one.
void put_clauses(const std::vector<ClauseRows>& clauses, comm::Writer& order);
std::vector<ClauseRows> get_clauses(comm::Reader& order, std::size_t boxes, std::size_t inputs,
                                    std::size_t outputs);

}  // namespace coronet::search
