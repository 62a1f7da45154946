// SPDX-License-Identifier: MIT
// What a terminal would show, what a pipe gets, tables, and several sinks at once.
#include <rlvr/report/console.hpp>
#include <rlvr/report/sinks.hpp>

#include "records.hpp"
#include <stdexcept>
#include <support/catch.hpp>

using namespace report_test;

namespace {

// A clock that the test moves and a stream that it reads.
struct fake_terminal {
  double time = 0;
  std::string bytes;

  report::console_options options(bool terminal) {
    report::console_options result;
    result.terminal = terminal;
    result.width = 78;
    result.write = [this](std::string_view text) { bytes += text; };
    result.now = [this] { return time; };
    return result;
  }

  // The lines on the screen: carriage return goes back, ESC [ K clears to the end of the line.
  [[nodiscard]] std::vector<std::string> screen() const {
    std::vector<std::string> lines(1);
    std::size_t column = 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      if (bytes[i] == '\n') {
        lines.emplace_back();
        column = 0;
      } else if (bytes[i] == '\r') {
        column = 0;
      } else if (bytes.compare(i, 3, "\x1b[K") == 0) {
        lines.back().resize(column);
        i += 2;
      } else {
        lines.back().resize(std::max(lines.back().size(), column + 1), ' ');
        lines.back()[column++] = bytes[i];
      }
    }
    return lines;
  }
};

train::step_record planned(std::uint64_t step, std::uint64_t first, std::uint64_t last,
                           std::string_view phase = "grpo") {
  train::step_record record = step_of(step, phase);
  record.phase_first_step = first;
  record.phase_last_step = last;
  return record;
}

}  // namespace

TEST_CASE("a terminal has one line per phase, messages above it") {
  fake_terminal terminal;
  report::console_sink console(terminal.options(true));
  for (std::uint64_t step = 101; step <= 150; ++step) {
    terminal.time += 0.5;
    console.on_step(planned(step, 101, 200));
    if (step == 120) console.on_message(train::message_level::warning, "slow\x1b[2Jdown");
  }
  auto lines = terminal.screen();
  REQUIRE(lines.size() == 2);
  CHECK(lines[0] == "warning: slow\u241b[2Jdown");
  CHECK(lines[1] == "grpo  ============............   50/100  2.0 steps/s  0:25 left  reward 14");
  CHECK(lines[1].size() < 78);
  terminal.time += 0.001;  // too early to draw again
  std::size_t const before = terminal.bytes.size();
  console.on_step(planned(151, 101, 200));
  CHECK(terminal.bytes.size() == before);
  for (std::uint64_t step = 152; step <= 200; ++step) console.on_step(planned(step, 101, 200));  // the last is drawn
  console.close();
  console.close();
  lines = terminal.screen();
  REQUIRE(lines.size() == 3);
  CHECK(lines[1].find("========================  100/100") != std::string::npos);
  CHECK(lines[2].empty());
}

TEST_CASE("a pipe gets plain lines, first, last and by the clock") {
  fake_terminal pipe;
  report::console_sink console(pipe.options(false));
  for (std::uint64_t step = 1; step <= 10; ++step) {
    pipe.time += 2;
    console.on_step(planned(step, 1, 10, "sft"));
  }
  train::step_record evaluation;
  evaluation.step = 10;
  evaluation.phase = train::phase::evaluate;
  evaluation.set(train::metric::evaluation("in_domain", train::metric::avg_at_k), 0.93);
  evaluation.set(train::metric::step_time, 3);
  console.on_step(evaluation);
  console.on_message(train::message_level::info, "done");
  console.close();
  CHECK(pipe.bytes ==
        "sft 1/10  reward -0.9  KL 1e-07\n"
        "sft 4/10  2.0 s/step  0:12 left  reward -0.6  KL 4e-07\n"
        "sft 7/10  2.0 s/step  0:06 left  reward -0.3  KL 7e-07\n"
        "sft 10/10  2.0 s/step  0:00 left  reward 0  KL 1e-06\n"
        "evaluate at step 10:  in_domain/avg_at_k 0.93\n"
        "done\n");
}

TEST_CASE("colour only where it is wanted") {
  fake_terminal terminal;
  auto options = terminal.options(true);
  options.colour = true;
  report::console_sink(options).on_message(train::message_level::error, "x");
  CHECK(terminal.bytes == "\x1b[31merror: \x1b[0mx\n");
}

TEST_CASE("a file is no terminal, and NO_COLOR is respected") {
  temporary_folder folder;
  std::FILE* const file = std::fopen((folder / "log").c_str(), "w");
  REQUIRE(file != nullptr);
  auto const options = report::console_options::detect(file);
  CHECK_FALSE(options.terminal);
  CHECK_FALSE(options.colour);
  options.write("text");
  std::fclose(file);
  CHECK(read(folder / "log") == "text");
}

TEST_CASE("durations") {
  CHECK(report::format_duration(0) == "0:00");
  CHECK(report::format_duration(59.2) == "1:00");
  CHECK(report::format_duration(3723) == "1:02:03");
  CHECK(report::format_duration(INFINITY) == "?");
}

TEST_CASE("the comparison as text") {
  report::comparison_table table{
      "Avg@4", {"In domain", "Out"}, {{"Start", {{0.052, 0.014}, {}}}, {"R1-R\u00c9", {{0.934}}}}};
  CHECK(report::format_table(table, false) ==
        "Avg@4\n"
        "Model     In domain  Out\n"
        "-----  ------------  ---\n"
        "Start  5.2 +- 1.4 %    -\n"
        "R1-R\u00c9        93.4 %    -\n");
  CHECK(table.best_row(0) == 1);
  CHECK(table.best_row(1) == std::string::npos);
  CHECK_THROWS_AS(report::format_table({"a", "b"}, {{"only one"}}), argument_error);
  CHECK(report::format_table({"a"}, {}, false) == "a\n-\n");
}

TEST_CASE("a confusion matrix counts and grows") {
  report::confusion_matrix matrix({"a", "b"});
  matrix.add("a", "a");
  matrix.add("a", "none", 2);
  matrix.add("c", "b");
  CHECK(matrix.gold_labels() == std::vector<std::string>{"a", "b", "c"});
  CHECK(matrix.predicted_labels() == std::vector<std::string>{"a", "b", "none"});
  CHECK(matrix.count(0, 2) == 2);
  CHECK(matrix.count(2, 1) == 1);
  CHECK(matrix.row_total(1) == 0);
  CHECK(matrix.total() == 4);
}

TEST_CASE("a tee reaches everyone, even past one that throws") {
  struct failing : report::null_sink {
    void on_step(train::step_record const&) { throw std::runtime_error("disk full"); }
    void close() { throw std::runtime_error("late"); }
  };
  report::memory_sink first;
  report::memory_sink last;
  auto sink = report::tee(first, failing{}, last);
  static_assert(train::metrics_sink<decltype(sink)>);
  CHECK_THROWS_WITH(sink.on_step(step_of(1)), "disk full");
  sink.on_completion(completion_of(1, "x", "correct"));
  sink.on_message(train::message_level::info, "hello");
  CHECK_THROWS_WITH(sink.close(), "late");
  for (auto const* memory : {&first, &last}) {
    CHECK(memory->steps.size() == 1);
    CHECK(memory->completions.size() == 1);
    CHECK(memory->messages.size() == 1);
  }
}
