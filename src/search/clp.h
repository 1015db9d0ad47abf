// Clp, which solves linear programmes: its C interface, opened when the first one is to be solved.
// Loaded with the program, it and the linear algebra below it would take more memory of every rank,
// and more time of every start, than the rest of the program.
#pragma once

#include <coin/Clp_C_Interface.h>

#include <memory>

namespace coronet::search {

/// Its functions, as Clp_C_Interface.h describes them.
struct Clp {
  decltype(&Clp_newModel) new_model = nullptr;
  decltype(&Clp_deleteModel) delete_model = nullptr;
  decltype(&Clp_setLogLevel) set_log_level = nullptr;
  decltype(&Clp_loadProblem) load_problem = nullptr;
  decltype(&Clp_setMaximumSeconds) set_maximum_seconds = nullptr;
  decltype(&Clp_dual) dual = nullptr;
  decltype(&Clp_isProvenOptimal) is_proven_optimal = nullptr;
  decltype(&Clp_isProvenPrimalInfeasible) is_proven_primal_infeasible = nullptr;
  decltype(&Clp_infeasibilityRay) infeasibility_ray = nullptr;
  decltype(&Clp_freeRay) free_ray = nullptr;
  decltype(&Clp_getRowPrice) row_price = nullptr;
  decltype(&Clp_getColSolution) column_solution = nullptr;

  /// Throws Error(kUnsupported) where the library is not there. It stays open.
  static Clp open();
  using Model = std::unique_ptr<Clp_Simplex, decltype(&Clp_deleteModel)>;
  [[nodiscard]] Model model() const { return {new_model(), delete_model}; }
};

}  // namespace coronet::search
