#include "search/clp.h"

#include <dlfcn.h>

#include <string>

#include "base/error.h"

namespace coronet::search {

namespace {

/// The version whose header this is built with.
constexpr const char* kLibrary = "libClp.so.1";

template <class Function>
void find(void* library, const char* name, Function*& function) {
  function = reinterpret_cast<Function*>(::dlsym(library, name));
  if (function == nullptr) {
    throw Error(ErrorKind::kUnsupported, std::string(kLibrary) + " has no " + name);
  }
}

}  // namespace

Clp Clp::open() {
  // Left open: the threads of what it is built on may outlive what is done with it.
  void* const library = ::dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (library == nullptr) {
    throw Error(ErrorKind::kUnsupported,
                std::string("a fully split domain is a linear programme, and Clp, which solves it, "
                            "cannot be loaded: ") +
                    ::dlerror() + " (Debian's package is coinor-libclp1)");
  }
  Clp calls;
  find(library, "Clp_newModel", calls.new_model);
  find(library, "Clp_deleteModel", calls.delete_model);
  find(library, "Clp_setLogLevel", calls.set_log_level);
  find(library, "Clp_loadProblem", calls.load_problem);
  find(library, "Clp_setMaximumSeconds", calls.set_maximum_seconds);
  find(library, "Clp_dual", calls.dual);
  find(library, "Clp_isProvenOptimal", calls.is_proven_optimal);
  find(library, "Clp_isProvenPrimalInfeasible", calls.is_proven_primal_infeasible);
  find(library, "Clp_infeasibilityRay", calls.infeasibility_ray);
  find(library, "Clp_freeRay", calls.free_ray);
  find(library, "Clp_getRowPrice", calls.row_price);
  find(library, "Clp_getColSolution", calls.column_solution);
  return calls;
}

}  // namespace coronet::search
