// SPDX-License-Identifier: MIT
/// @file
/// The program's commands.  Each lives in NAME_command.cpp and adds itself; its callback does the work and throws what
/// main.cpp turns into an exit code: an exception (1), a CLI::ParseError (2) or an `exit_request`.
#pragma once

namespace CLI {
class App;
}

namespace r1_re {

/// Thrown by a command that has said all there is to say.
struct exit_request {
  int code = 0;
};

/// Every command that was built, in the order of `--help`.
void add_commands(CLI::App& app);

void add_train(CLI::App& app);
void add_evaluate(CLI::App& app);
void add_annotate(CLI::App& app);
void add_score(CLI::App& app);
void add_reward(CLI::App& app);
void add_inspect(CLI::App& app);
void add_tokenize(CLI::App& app);
void add_logprobs(CLI::App& app);

}  // namespace r1_re
