// SPDX-License-Identifier: MIT
/// @file
/// The sink for people: a progress bar on a terminal, plain lines elsewhere.
///
/// On a terminal the last line is redrawn at most ten times a second,
///     grpo  ━━━━━━━━━━━━━━╌╌╌╌╌╌  142/200   3.1 steps/s  0:19 left   reward 1.212  format ok 0.984
/// Elsewhere (a pipe, a file, TERM=dumb) a line is printed for the first step, the last, and at most one per interval.
/// Steps of a phase without a planned end, such as evaluations, are printed as lines of their own.  Colour is used on
/// terminals unless NO_COLOR is set to anything but the empty string (no-color.org).  Control characters in messages
/// are made visible, so that model text can't drive the terminal.
///
/// Rate: an exponential mean over the steps of a phase, each step weighing 1/10, started anew with each phase; time
/// left is the number of steps to the phase's end over this rate.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/report/tables.hpp>
#include <rlvr/report/utf8.hpp>
#include <rlvr/train/metrics.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <string_view>
#include <sys/ioctl.h>
#include <unistd.h>
#include <utility>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace report {

/// How a console writes.  `console_options::detect` asks the environment; tests say it themselves.
struct console_options {
  bool terminal = false;                        ///< redraw one line; else plain lines
  bool colour = false;                          ///< ANSI colours
  bool unicode = false;                         ///< line-drawing characters; else ASCII
  std::size_t width = 100;                      ///< columns of the terminal
  double redraw_seconds = 0.1;                  ///< least time between two redraws of the bar
  double line_seconds = 5;                      ///< least time between two plain lines of a phase
  std::function<void(std::string_view)> write;  ///< receives the bytes
  std::function<double()> now;                  ///< seconds of a steady clock
  /// The scalars to show, in order, with their short names; those that a step lacks are left out.
  std::vector<std::pair<std::string, std::string>> shown{
      {std::string(train::metric::loss), "loss"},           {std::string(train::metric::reward), "reward"},
      {std::string(train::metric::format_ok), "format ok"}, {std::string(train::metric::accuracy), "accuracy"},
      {std::string(train::metric::mean_length), "length"},  {std::string(train::metric::kl), "KL"},
  };

  /// Looks at the stream's descriptor and at TERM, NO_COLOR, LC_ALL, LC_CTYPE and LANG.  Writes to the stream.
  [[nodiscard]] static console_options detect(std::FILE* stream = stderr) {
    auto const variable = [](char const* name) {
      char const* const value = std::getenv(name);
      return std::string_view(value == nullptr ? "" : value);
    };
    console_options options;
    int const descriptor = ::fileno(stream);
    options.terminal = descriptor >= 0 && ::isatty(descriptor) == 1 && variable("TERM") != "dumb";
    options.colour = options.terminal && variable("NO_COLOR").empty();
    std::string locale;
    for (char const* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
      if (locale.empty()) locale = variable(name);
    }
    options.unicode = locale.find("UTF-8") != std::string::npos || locale.find("utf8") != std::string::npos;
    struct winsize size {};
    if (options.terminal && ::ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) options.width = size.ws_col;
    options.write = [stream](std::string_view bytes) {
      std::fwrite(bytes.data(), 1, bytes.size(), stream);
      std::fflush(stream);
    };
    options.now = [] {
      return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
    };
    return options;
  }
};

/// "0:07", "12:30", "1:02:03".  @pre seconds is not negative; what is not finite shows as "?"
[[nodiscard]] inline std::string format_duration(double seconds) {
  if (!std::isfinite(seconds) || seconds > 1e9) return "?";
  auto const whole = static_cast<std::uint64_t>(std::ceil(seconds));
  if (whole >= 3600) return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

/// Four significant digits without a useless exponent: "1.212", "128.5", "3.1e-05", "nan".
[[nodiscard]] inline std::string format_value(double value) { return fmt::format("{:.4g}", value); }

/// Prints progress and messages.
class console_sink {
 public:
  explicit console_sink(console_options options = console_options::detect()) : options_(std::move(options)) {}

  void on_step(train::step_record const& record) {
    double const now = options_.now();
    if (record.phase_last_step == 0) return print_line(describe_all(record));
    bool const first = record.phase != phase_;
    if (first) {
      finish_bar();
      phase_ = record.phase;
      seconds_per_step_ = record.find(train::metric::step_time).value_or(0.0);
    } else if (record.step > last_step_) {
      double const seconds = (now - last_time_) / static_cast<double>(record.step - last_step_);
      seconds_per_step_ = seconds_per_step_ > 0 ? 0.9 * seconds_per_step_ + 0.1 * seconds : seconds;
    }
    last_step_ = record.step;
    last_time_ = now;
    bool const last = record.step >= record.phase_last_step;
    double const interval = options_.terminal ? options_.redraw_seconds : options_.line_seconds;
    if (!first && !last && now - last_print_ < interval) return;
    last_print_ = now;
    if (options_.terminal) {
      bar_ = bar(record);
      options_.write("\r" + bar_ + "\x1b[K");
      if (last) finish_bar();
    } else {
      options_.write(plain(record) + "\n");
    }
  }

  void on_completion(train::completion_record const&) noexcept {}

  void on_message(train::message_level level, std::string_view text) {
    std::string line;
    if (level != train::message_level::info) {
      bool const error = level == train::message_level::error;
      line += paint(error ? "31" : "33", error ? "error: " : "warning: ");
    }
    for_each_code_point(text, [&line](char32_t code_point) { append_visible(line, code_point); });
    print_line(line);
  }

  void close() { finish_bar(); }

 private:
  /// A line of its own; a bar in progress continues below it.
  void print_line(std::string const& line) {
    if (bar_.empty()) return options_.write(line + "\n");
    options_.write("\r" + line + "\x1b[K\n" + bar_ + "\x1b[K");
  }

  void finish_bar() {
    if (!bar_.empty()) options_.write("\n");
    bar_.clear();
  }

  [[nodiscard]] std::string paint(std::string_view code, std::string_view text) const {
    if (!options_.colour) return std::string(text);
    return fmt::format("\x1b[{}m{}\x1b[0m", code, text);
  }

  /// Steps done and planned in this phase.
  [[nodiscard]] static std::pair<std::uint64_t, std::uint64_t> progress(train::step_record const& record) {
    std::uint64_t const before = record.phase_first_step == 0 ? 0 : record.phase_first_step - 1;
    std::uint64_t const planned = std::max(record.phase_last_step, before + 1) - before;
    return {std::min(record.step > before ? record.step - before : 0, planned), planned};
  }

  [[nodiscard]] std::string rate(std::uint64_t left) const {
    if (seconds_per_step_ <= 0) return {};
    double const per_second = 1 / seconds_per_step_;
    std::string const speed =
        per_second >= 1 ? fmt::format("{:.1f} steps/s", per_second) : fmt::format("{:.1f} s/step", seconds_per_step_);
    return fmt::format("{}  {} left", speed, format_duration(static_cast<double>(left) * seconds_per_step_));
  }

  [[nodiscard]] std::string plain(train::step_record const& record) const {
    auto const [done, planned] = progress(record);
    std::string line = fmt::format("{} {}/{}", record.phase, done, planned);
    if (auto const text = rate(planned - done); !text.empty()) line += "  " + text;
    for (auto const& [name, label] : options_.shown) {
      if (auto const value = record.find(name)) line += fmt::format("  {} {}", label, format_value(*value));
    }
    return line;
  }

  [[nodiscard]] std::string bar(train::step_record const& record) const {
    constexpr std::size_t cells = 24;
    auto const [done, planned] = progress(record);
    std::size_t const filled = static_cast<std::size_t>(done * cells / planned);
    std::string full;
    std::string open;
    for (std::size_t i = 0; i < cells; ++i) {
      if (i < filled) full += options_.unicode ? "\u2501" : "=";
      if (i >= filled) open += options_.unicode ? "\u254c" : ".";
    }
    std::string const count = fmt::format("{:>{}}/{}", done, std::to_string(planned).size(), planned);
    std::string const speed = rate(planned - done);
    std::string line =
        fmt::format("{}  {}{}  {}  {}", paint("1", record.phase), paint("32", full), paint("2", open), count, speed);
    // The last column stays free: some terminals wrap as soon as it is written.
    std::size_t used = record.phase.size() + cells + count.size() + speed.size() + 6;
    for (auto const& [name, label] : options_.shown) {
      auto const value = record.find(name);
      if (!value) continue;
      std::string const text = format_value(*value);
      used += 3 + label.size() + text.size();
      if (used >= options_.width) break;
      line += fmt::format("  {} {}", paint("2", label), text);
    }
    return line;
  }

  [[nodiscard]] std::string describe_all(train::step_record const& record) const {
    std::string line = fmt::format("{} at step {}:", paint("1", record.phase), record.step);
    for (auto const& [name, value] : record.scalars) {
      if (train::metric::is_time(name)) continue;
      std::string_view label = name;
      if (label.starts_with(train::metric::evaluation_prefix))
        label.remove_prefix(train::metric::evaluation_prefix.size());
      line += fmt::format("  {} {}", paint("2", label), format_value(value));
    }
    return line;
  }

  console_options options_;
  std::string phase_;
  std::string bar_;
  std::uint64_t last_step_ = 0;
  double last_time_ = 0;
  double last_print_ = 0;
  double seconds_per_step_ = 0;
};

static_assert(train::metrics_sink<console_sink>);

}  // namespace report
RLVR_NAMESPACE_END
