// SPDX-License-Identifier: MIT
/// @file
/// `r1_re`: relation extraction by reinforcement learning with verifiable rewards, and the tools round it.
///
/// Exit codes: 0 success; 1 bad input or a failed write (one line on standard error); 2 wrong usage.
#include <rlvr/core/config.hpp>

#include "command_line.hpp"
#include "commands.hpp"
#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <exception>
#include <new>
#include <string>

namespace {

int fail(int code, std::string const& message) {
  std::fprintf(stderr, "r1_re: %s\n", r1_re::one_line(message).c_str());
  return code;
}

/// The command that was asked for, for the hint at its help.
[[nodiscard]] std::string asked_command(CLI::App const& app) {
  for (CLI::App const* const command : app.get_subcommands()) return " " + command->get_name();
  return "";
}

int run(CLI::App& app, int count, char** arguments) {
  try {
    app.parse(count, arguments);
    return 0;
  } catch (r1_re::exit_request const& request) {
    return request.code;
  } catch (CLI::FileError const& reason) {
    return fail(1, reason.what());
  } catch (CLI::ConfigError const& reason) {
    return fail(1, reason.what());
  } catch (CLI::ParseError const& reason) {
    if (reason.get_exit_code() == 0) return app.exit(reason);  // --help, --version
    return fail(2, std::string(reason.what()) + "; see r1_re" + asked_command(app) + " --help");
  } catch (std::bad_alloc const&) {
    return fail(1, "not enough memory for this input");
  } catch (std::exception const& reason) {
    return fail(1, reason.what());
  }
}

}  // namespace

int main(int count, char** arguments) {
#ifdef SIGPIPE
  std::signal(SIGPIPE, SIG_IGN);  // a closed pipe is a failed write like any other
#endif
  CLI::App app{"Relation extraction by reinforcement learning with verifiable rewards (R1-RE) and the tools round it."};
  app.set_version_flag("--version", "r1_re " + std::to_string(RLVR_VERSION_MAJOR) + "." +
                                        std::to_string(RLVR_VERSION_MINOR) + "." + std::to_string(RLVR_VERSION_PATCH));
  app.require_subcommand(1);
  app.footer(
      "JSON goes to standard output, logs to standard error.\n"
      "Exit codes: 0 success, 1 bad input (one line: what, where, expected), 2 wrong usage.");
  r1_re::add_commands(app);
  int const code = run(app, count, arguments);
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    return code != 0 ? code : fail(1, r1_re::output_error().what());
  }
  return code;
}
