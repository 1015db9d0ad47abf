// The program coronet.
#include <unistd.h>

#include <csignal>
#include <exception>
#include <sstream>

#include "base/resources.h"
#include "cli/commands.h"
#include "cli/exit_codes.h"
#include "cli/streams.h"

namespace {

using namespace coronet::cli;  // this file is the program itself

constexpr const char* kFooter = R"(
Examples:
  coronet verify net.onnx property.vnnlib --timeout 60
  coronet verify query.vnnlib --network N=net.onnx --timeout 60   # as the VNN-LIB standard has it
  coronet bounds net.onnx property.vnnlib --method crown --npz bounds.npz
  coronet plan net.onnx property.vnnlib --ranks 8 --memory 40GiB
  coronet explain net.onnx
  coronet supports

Each command has its own --help.
)";

int run(int argc, char** argv) {
  CLI::App app("Coronet proves properties of neural networks, or finds inputs that break them.",
               "coronet");
  int exit_code = kInternal;
  app.set_version_flag("--version", CORONET_VERSION, "print the version, nothing else");
  app.add_flag_callback(
      "--name", [] { throw CLI::CallForVersion("Coronet", 0); }, "print the program's name");
  add_verify(app, exit_code);
  add_bounds(app, exit_code);
  add_explain(app, exit_code);
  add_plan(app, exit_code);
  add_supports(app, exit_code);
  app.require_subcommand(1);
  app.footer(kFooter);
  if (argc <= 1) {
    complain(app.help());
    return kBadInput;
  }
  try {
    app.parse(argc, argv);
    return exit_code;
  } catch (const CLI::ParseError& error) {
    std::ostringstream out;
    std::ostringstream err;
    const int code = app.exit(error, out, err);
    say(out.str());
    complain(err.str());
    return code == 0 ? kDecided : kBadInput;
  }
}

[[noreturn]] void terminated() {
  // Clients take death by a signal for something worse than an error.
  complain(error_text(kInternal, "an exception had nowhere to go"));
  ::_exit(kInternal);
}

}  // namespace

int main(int argc, char** argv) {
  coronet::elapsed_seconds();     // its clock starts at the first call
  std::signal(SIGPIPE, SIG_IGN);  // a reader that went away is an error like any other
  std::set_terminate(terminated);
  return guarded([&] { return run(argc, argv); });
}
