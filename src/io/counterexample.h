// A counterexample in the words of the query it answers.
#pragma once

#include <string>

#include "spec/property.h"
#include "spec/result.h"

namespace coronet {

/// The competition's form ((X_0 v) ... (Y_0 v)) for VNN-LIB 1.0; the standard's assignment (a
/// header NAME TYPE [shape], then one value a line in row-major order) for 2.x. Every value is
/// written with the digits that give back the very same double, so that a reader in float32 and one
/// in double agree on a float32 point. Ends with a newline.
std::string format_counterexample(const Property& property, const Counterexample& counterexample);

}  // namespace coronet
