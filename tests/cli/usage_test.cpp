// SPDX-License-Identifier: MIT
// Exit codes, help, versions, failed writes: what holds for every command.
#include "program.hpp"
#include <support/catch.hpp>

using cli::run;

namespace {
std::vector<std::string> const commands{"train",  "evaluate", "annotate", "score",
                                        "reward", "inspect",  "tokenize", "logprobs"};
std::string const completions = RLVR_TEST_DATA "/adversarial/visible.jsonl";
}  // namespace

TEST_CASE("help lists the commands, and every command has help with an example") {
  auto const help = run({"--help"});
  CHECK(help.code == 0);
  CHECK(help.err.empty());
  for (std::string const& command : commands) {
    INFO(command);
    CHECK(help.out.find("\n  " + command) != std::string::npos);
    auto const own = run({command, "--help"});
    CHECK(own.code == 0);
    CHECK(own.err.empty());
    CHECK(own.out.find("Example: r1_re " + command) != std::string::npos);
  }
}

TEST_CASE("the version is printed") {
  auto const version = run({"--version"});
  CHECK(version.code == 0);
  CHECK(version.out.starts_with("r1_re "));
}

TEST_CASE("wrong usage is exit code 2 and one line") {
  CHECK(run({}).failed_clearly(2));
  CHECK(run({"scores"}).failed_clearly(2));
  CHECK(run({"score"}).failed_clearly(2));
  CHECK(run({"score", "--key", "a", "--predictions", "b", "--more"}).failed_clearly(2));
  CHECK(run({"reward", "--input", completions}).failed_clearly(2));
  CHECK(run({"reward", "--task", "imdb", "--input", completions}).failed_clearly(2));
  CHECK(run({"inspect", "--kind", "zip", "x"}).failed_clearly(2));
  CHECK(run({"logprobs", "--model", "x", "--input", "y", "--threads", "many"}).failed_clearly(2));
}

TEST_CASE("bad input is exit code 1 and one line that names it") {
  for (auto const& arguments :
       std::vector<std::vector<std::string>>{{"score", "--key", "/no/key", "--predictions", "/no/file"},
                                             {"reward", "--task", "semeval2010", "--input", "/no/file"},
                                             {"reward", "--guideline", "/no/file", "--input", completions},
                                             {"tokenize", "--tokenizer", "/no/file", "--input", completions},
                                             {"logprobs", "--model", "/no/file", "--input", "/no/file"}}) {
    auto const found = run(arguments);
    INFO(arguments[0] << ": " << found.err);
    CHECK(found.failed_clearly(1));
    CHECK(found.err.find("/no/") != std::string::npos);
  }
}

TEST_CASE("a failed write is exit code 1") {
  if (std::filesystem::exists("/dev/full")) {
    auto const full = run({"reward", "--task", "semeval2010", "--input", completions}, " > /dev/full");
    CHECK(full.failed_clearly(1));
    CHECK(full.err.find("standard output") != std::string::npos);
  }
  cli::folder const scratch;
  // The reader is gone before the program writes.
  auto const script = scratch.write(
      "pipe.sh", "(sleep 0.2; '" RLVR_R1_RE_PROGRAM "' reward --task semeval2010 --input '" + completions + "' 2> '" +
                     scratch / "err" + "'; echo $? > '" + scratch / "code" + "') | true\n");
  // The subshell outlives `true`; wait for its last file.
  CHECK(std::system(("sh '" + script + "'; i=0; while [ ! -s '" + scratch / "code" +
                     "' ] && [ $i -lt 100 ]; do sleep 0.1; i=$((i+1)); done")
                        .c_str()) == 0);
  CHECK(cli::read(scratch / "code") == "1\n");
  CHECK(cli::read(scratch / "err").starts_with("r1_re: standard output: cannot write"));
}
