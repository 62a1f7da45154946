// SPDX-License-Identifier: MIT
// A log continued after a kill at any byte equals the log of an uninterrupted run.
#include "records.hpp"
#include <support/catch.hpp>

using namespace report_test;

namespace {

void log_steps(report::json_lines_sink& sink, std::uint64_t first, std::uint64_t last) {
  for (std::uint64_t step = first; step <= last; ++step) {
    sink.on_completion(completion_of(step, hostile, "correct"));
    sink.on_completion(completion_of(step, "fine", "wrong_label"));
    sink.on_step(step_of(step));
    if (step % 3 == 0) sink.on_step(step_of(step, train::phase::evaluate));
  }
}

}  // namespace

TEST_CASE("a kill at any byte of the log, then resume") {
  temporary_folder whole;
  auto sink = report::json_lines_sink::create(whole / "deep/run");
  log_steps(sink, 1, 3);
  report::json_lines_position const checkpoint = sink.synced_position();
  CHECK(checkpoint == report::json_lines_position{4, 6});
  std::string const base = whole / "deep/run/";
  std::size_t const safe_metrics = read(base + "metrics.jsonl").size();
  std::size_t const safe_completions = read(base + "completions.jsonl").size();
  log_steps(sink, 4, 6);
  sink.close();
  std::string const metrics = read(base + "metrics.jsonl");
  std::string const completions = read(base + "completions.jsonl");
  REQUIRE(report::read_metrics(base + "metrics.jsonl").records.size() == 8);

  temporary_folder killed;
  for (std::size_t cut = 0; cut <= metrics.size() - safe_metrics; cut += 5) {
    for (bool const by_step : {false, true}) {
      write(killed / "metrics.jsonl", metrics.substr(0, safe_metrics + cut));
      write(killed / "completions.jsonl",
            completions.substr(0, std::min(completions.size(), safe_completions + 3 * cut)));
      auto resumed = by_step ? report::json_lines_sink::resume(killed.path, 3)
                             : report::json_lines_sink::resume(killed.path, checkpoint);
      log_steps(resumed, 4, 6);
      CHECK(resumed.synced_position() == report::json_lines_position{8, 12});
      resumed.close();
      REQUIRE(read(killed / "metrics.jsonl") == metrics);
      REQUIRE(read(killed / "completions.jsonl") == completions);
    }
  }
}

TEST_CASE("a torn tail is told from a whole last line") {
  temporary_folder folder;
  auto sink = report::json_lines_sink::create(folder.path);
  log_steps(sink, 1, 2);
  sink.close();
  std::string const path = folder / "metrics.jsonl";
  CHECK_FALSE(report::read_metrics(path).torn_tail);
  write(path, "{\"step\":3,\"phase\":\"gr", std::ios::app);
  auto const torn = report::read_metrics(path);
  CHECK(torn.torn_tail);
  CHECK(torn.records.size() == 2);
  CHECK(torn.unreadable_lines == 0);
  // Even a tail that would parse is torn as long as its newline is missing.
  write(path, report::to_json(step_of(3)), std::ios::trunc);
  CHECK(report::read_metrics(path).records.empty());
  CHECK(report::part_through_step(path, 9).bytes == 0);
}

TEST_CASE("a damaged log is read as far as possible, and not continued blindly") {
  temporary_folder folder;
  std::string const path = folder / "metrics.jsonl";
  std::string const one = report::to_json(step_of(1)) + "\n";
  write(path, one + "garbage\n" + report::to_json(step_of(2)) + "\n");
  auto const result = report::read_metrics(path);
  CHECK(result.records.size() == 2);
  CHECK(result.unreadable_lines == 1);
  CHECK_THROWS_WITH(report::part_through_step(path, 9),
                    path + ": line 2: found no record, expected an object with a step");
  write(path, one + "garbage\n");
  CHECK(report::part_through_step(path, 9).bytes == one.size());
}

TEST_CASE("a log shorter than the checkpoint says so") {
  temporary_folder folder;
  write(folder / "metrics.jsonl", report::to_json(step_of(1)) + "\n{\"st");
  CHECK_THROWS_WITH(
      report::json_lines_sink::resume(folder.path, report::json_lines_position{2, 0}),
      folder / "metrics.jsonl" + ": end of file: found 1 whole lines, expected at least the 2 of the checkpoint");
  CHECK_THROWS_AS(report::json_lines_sink::resume(folder.path, report::json_lines_position{1, 1}), io_error);
}

TEST_CASE("a full disk throws once and leaves whole lines") {
  if (!std::filesystem::exists("/dev/full")) {
    WARN("no /dev/full here: not tested");
    return;
  }
  report::line_file full("/dev/full", 0);
  CHECK_THROWS_WITH(full.append("line"), "/dev/full: cannot write: No space left on device");
}
