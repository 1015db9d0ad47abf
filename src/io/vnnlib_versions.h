// The readers of the two versions of VNN-LIB; parse_vnnlib chooses.
#pragma once

#include <string>
#include <vector>

#include "io/lexer.h"
#include "io/vnnlib.h"

namespace coronet {

/// Reads (declare-const ...), (declare-fun ...) and (assert ...) up to the end of the text.
Property parse_vnnlib1(Lexer& lexer, const Signature& signature);

/// Reads one (declare-network ...) and its (assert ...), the version line being read already.
Property parse_vnnlib2(Lexer& lexer, const Signature& signature);

/// Numbers in a tensor of this shape; -1 where a dimension is not positive or they are too many for
/// an int.
int element_count(const std::vector<long long>& shape);

/// "[1,784]".
std::string shape_text(const std::vector<long long>& shape);

}  // namespace coronet
