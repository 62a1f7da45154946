// SPDX-License-Identifier: MIT
// Training from outside: the same run for any thread count, after a kill, and again.
#include "program.hpp"
#include <cstdlib>
#include <string>
#include <support/catch.hpp>
#include <vector>

namespace {

std::vector<std::string> short_run(std::string const& output, std::string const& threads) {
  return {"train", "--preset",  "embedded", "--label-steps", "1",   "--warm-steps",         "1", "--steps",
          "3",     "--prompts", "2",        "--group-size",  "4",   "--evaluation-prompts", "4", "--checkpoint-every",
          "1",     "--threads", threads,    "--output",      output};
}

/// metrics.jsonl without times, which alone may differ between equal runs.
std::string metrics_of(std::string const& folder) {
  std::string text = cli::read(folder + "/metrics.jsonl");
  for (std::string const name : {"\"step_time\":", "\"time/"})
    for (auto at = text.find(name); at != std::string::npos; at = text.find(name, at))
      text.erase(at, text.find_first_of(",}", at) - at);
  return text;
}

}  // namespace

TEST_CASE("a run has the same bytes with one and two threads, and after a kill and --resume") {
  cli::folder const place;
  std::string const one = place / "one", two = place / "two", killed = place / "killed";
  REQUIRE(cli::run(short_run(one, "1")).code == 0);
  REQUIRE(cli::run(short_run(two, "2")).code == 0);
  std::string const weights = cli::read(one + "/r1_re/model.safetensors");
  REQUIRE_FALSE(weights.empty());
  CHECK(weights == cli::read(two + "/r1_re/model.safetensors"));
  CHECK(metrics_of(one) == metrics_of(two));

#if defined(__SANITIZE_ADDRESS__)  // ten times as slow: one moment, in the midst of the run
  std::vector<std::string> const moments{"15"};
#else
  std::vector<std::string> const moments{"0.4", "1.1"};
#endif
  for (std::string const& after : moments) {
    INFO("killed after " << after << " s");
    std::filesystem::remove_all(killed);
    std::string command = "timeout -s KILL " + after + " '" + RLVR_R1_RE_PROGRAM + "'";
    for (std::string const& argument : short_run(killed, "2")) command += " '" + argument + "'";
    [[maybe_unused]] int const ignored = std::system((command + " >/dev/null 2>&1").c_str());
    auto resume = short_run(killed, "1");
    resume.push_back("--resume");
    REQUIRE(cli::run(resume).code == 0);
    CHECK(weights == cli::read(killed + "/r1_re/model.safetensors"));
    CHECK(metrics_of(one) == metrics_of(killed));
  }
}

TEST_CASE("training refuses what it cannot use, in one line") {
  cli::folder const place;
  std::string const output = place / "out";
  CHECK(cli::run({"train", "--preset", "semeval2010", "--output", output}).failed_clearly(1));
  CHECK(cli::run({"train", "--preset", "semeval2010", "--data", "/no/file", "--output", output}).failed_clearly(1));
  CHECK(cli::run({"train", "--model", "/no/folder", "--output", output}).failed_clearly(1));
  CHECK(cli::run({"train", "--device", "tpu", "--output", output}).failed_clearly(2));
  CHECK(cli::run({"evaluate", "--model", "/no/folder", "--data", "/no/file"}).failed_clearly(1));
  CHECK(
      cli::run({"annotate", "--model", "/no/folder", "--guideline", "/no/file", "--sentence", "x"}).failed_clearly(1));
}

TEST_CASE("train reads options from a file; the command line wins; what is no option is refused") {
  cli::folder const place;
  auto const with = [&](std::string const& content) {
    return std::vector<std::string>{"train", "--config", place.write("run.toml", content), "--output", place / "out"};
  };
  auto const missing = cli::run({"train", "--config", place / "none.toml", "--output", place / "out"});
  CHECK(missing.failed_clearly(1));
  CHECK(missing.err.find("none.toml") != std::string::npos);
  CHECK(cli::run(with("no-such-option = 1\n")).failed_clearly(1));

  auto from_file = with("preset = \"semeval2010\"\ndata = \"/no/file\"\n");
  auto const read = cli::run(from_file);
  CHECK(read.failed_clearly(1));
  CHECK(read.err.find("/no/file") != std::string::npos);  // both options arrived
  from_file.insert(from_file.end(), {"--data", "/no/other"});
  CHECK(cli::run(from_file).err.find("/no/other") != std::string::npos);
}
