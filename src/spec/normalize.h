// An and/or tree multiplied out into the disjunction of clauses that a Property is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "spec/formula.h"
#include "spec/property.h"

namespace coronet {

/// How the query calls an input and where it declares it, for errors.
struct InputReference {
  std::string name;
  std::size_t offset = 0;
};

/// What is refused, loudly, rather than multiplied out.
struct NormalizeLimits {
  std::size_t clauses = 2'000'000;
  std::size_t constraints = 10'000'000;         ///< of all clauses together
  std::size_t box_entries = 128 * 1024 * 1024;  ///< inputs of all boxes together: 2 GiB
  std::uint64_t steps = 100'000'000;            ///< beyond ten for each node of the tree
};

/// Fills `boxes` and `clauses` of `property`, whose `inputs` is set. Clauses follow the text's
/// order of the choices; those with an empty box or a comparison false by arithmetic are left out.
/// Throws LocatedError(kUnsupported) for an input without a bound and where a limit is passed.
void normalize(const Formula& formula, const std::function<InputReference(int)>& input,
               Property& property, const NormalizeLimits& limits = {});

}  // namespace coronet
