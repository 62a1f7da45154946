// SPDX-License-Identifier: MIT
// The texts and the measurements of hostile_text.hpp.
#include "hostile_text.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <exception>
#include <limits>
#include <pthread.h>
#include <stdexcept>
#include <support/time_limit.hpp>
#include <sys/mman.h>
#include <utility>

namespace test {

namespace {

/// The unit as often as it fits.
std::string repeated(std::string_view unit, std::size_t size) {
  std::string text(unit.substr(0, size < unit.size() ? 0 : unit.size()));
  std::size_t const whole = size / unit.size() * unit.size();
  while (text.size() < whole) text.append(text, 0, whole - text.size());
  return text;
}

/// open, open, ..., close, close.
std::string nested(std::string_view open, std::string_view close, std::size_t size) {
  std::size_t const depth = size / (open.size() + close.size());
  return repeated(open, depth * open.size()) + repeated(close, depth * close.size());
}

/// before 0 after before 1 after ...: no unit twice.
std::string numbered(std::string_view before, std::string_view after, std::size_t size) {
  std::string text;
  text.reserve(size + 64);
  for (std::size_t i = 0; text.size() < size; ++i) ((text += before) += std::to_string(i)) += after;
  return text;
}

std::string random_bytes(std::size_t size, unsigned most) {
  std::string text;
  std::uint64_t state = 1;
  while (text.size() < size) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    text += static_cast<char>((state >> 40) % most);
  }
  return text;
}

double thread_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

/// Slope of log seconds over log sizes.
double fitted_exponent(std::span<std::size_t const> sizes, std::span<double const> seconds) {
  double mean_x = 0;
  double mean_y = 0;
  auto const count = static_cast<double>(sizes.size());
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    mean_x += std::log(static_cast<double>(sizes[i])) / count;
    mean_y += std::log(seconds[i]) / count;
  }
  double above = 0;
  double below = 0;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    double const x = std::log(static_cast<double>(sizes[i])) - mean_x;
    above += x * (std::log(seconds[i]) - mean_y);
    below += x * x;
  }
  return above / below;
}

/// Runs the work on a thread of 1 MiB of stack and tells how many bytes of it were touched, beyond what a thread that
/// does nothing touches.  A deeper call ends the program at the guard page.
std::size_t stack_of(std::function<void()> const& work) {
  constexpr std::size_t guard = 1 << 16;
  constexpr std::size_t size = guard + (1 << 20);
  constexpr unsigned char paint = 0xA5;
  auto const touched = [](std::function<void()> const& task) {
    void* const memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::runtime_error("no memory for a stack");
    auto* const bottom = static_cast<unsigned char*>(memory) + guard;
    mprotect(memory, guard, PROT_NONE);
    std::memset(bottom, paint, size - guard);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstack(&attributes, bottom, size - guard);
    pthread_t thread{};
    auto* const start = +[](void* argument) -> void* {
      (*static_cast<std::function<void()> const*>(argument))();
      return nullptr;
    };
    bool const started = pthread_create(&thread, &attributes, start, const_cast<std::function<void()>*>(&task)) == 0;
    if (started) pthread_join(thread, nullptr);
    pthread_attr_destroy(&attributes);
    auto const* const deepest =
        std::find_if(bottom, bottom + (size - guard), [](unsigned char byte) { return byte != paint; });
    auto const depth = static_cast<std::size_t>(bottom + (size - guard) - deepest);
    munmap(memory, size);
    if (!started) throw std::runtime_error("no thread with a stack of its own");
    return depth;
  };
  static std::size_t const idle = touched([] {});
  std::size_t const used = touched(work);
  return used > idle ? used - idle : 0;
}

/// Whether copying all that was read for each piece shows in long texts alone.
bool is_worth_length(std::string_view name) {
  constexpr std::array others{"all different words", "all different triples", "JSON object of different keys",
                              "unfinished tags",     "empty boxes",           "unbalanced quotes"};
  return name.starts_with("nested") || std::find(others.begin(), others.end(), name) != others.end();
}

bool may_be_right(hostile_text const& text, hostile_place const& place) {
  using enum hostile_place::right;
  using space = hostile_text::space;
  return place.correct == maybe || (place.correct == if_blank && text.blank == space::ascii) ||
         (place.correct == if_space && text.blank != space::none);
}

/// Reads one response and tells the seconds.  @throws std::runtime_error if the outcome is not what it should be
double seconds_of(verifier const& reader, hostile_text const& text, hostile_place const& place,
                  std::string const& response) {
  using rlvr::reward::reward_class;
  double const start = thread_seconds();
  reward_class const kind = reader.read(response);
  double const seconds = std::max(thread_seconds() - start, 1e-9);
  if (kind == reward_class::error || kind == reward_class::timed_out || kind == reward_class::not_applicable ||
      (kind == reward_class::correct && !may_be_right(text, place))) {
    throw std::runtime_error("came out as " + std::string(class_name(kind)));
  }
  return seconds;
}

/// One verifier, one kind of text, one place.
void examine_pair(verifier const& reader, hostile_text const& text, hostile_place const& place,
                  hostile_plan const& plan, hostile_report& report) {
  std::string const what = std::string(reader.name) + " / " + std::string(place.name) + " / " + std::string(text.name);
  auto const respond = [&](std::size_t size) {
    return std::string(place.before) + text.make(size) + std::string(place.after);
  };
  std::vector<std::size_t> sizes;
  std::vector<std::string> responses;
  std::size_t const divisor = plan.hasty ? reader.divisor : 1;
  for (std::size_t const size : plan.sizes) {
    sizes.push_back(size / divisor);
    responses.push_back(respond(sizes.back()));
  }
  std::vector<double> seconds(sizes.size());
  auto const measure = [&] {
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      seconds[i] = std::min(seconds[i], seconds_of(reader, text, place, responses[i]));
    }
  };
  try {
    double exponent = 0;
    double per_byte = 0;
    // What takes no more than a nanosecond a byte is as fast as reading; its times say nothing about an exponent.
    auto const too_slow = [&] {
      exponent = sizes.size() > 1 ? fitted_exponent(sizes, seconds) : 0;
      per_byte = seconds.back() / static_cast<double>(sizes.back());
      return per_byte > time_limit(1e-9) &&
             (exponent >= plan.exponent || per_byte * 1e3 * (1 << 20) >= time_limit(plan.limit * reader.slack));
    };
    // Afresh each time: a clock that jumps must not spoil the minimum for good.
    for (int round = 0; round == 0 || (round < 5 && seconds.back() < 1 && too_slow()); ++round) {
      std::fill(seconds.begin(), seconds.end(), std::numeric_limits<double>::infinity());
      for (int i = 0; i < plan.repetitions + round; ++i) measure();
    }
    bool const slow = too_slow();
    double const milliseconds = per_byte * 1e3 * (1 << 20);
    if (per_byte > time_limit(1e-9) && exponent > report.steepest) {
      report.steepest = exponent;
      report.steepest_pair = what;
    }
    if (milliseconds > report.slowest) {
      report.slowest = milliseconds;
      report.slowest_pair = what;
    }
    if (slow) {
      report.faults.push_back(what + ": exponent " + std::to_string(exponent) + ", " + std::to_string(milliseconds) +
                              " ms for 2^20 bytes");
    }
    if (plan.long_size != 0 && &place == &reader.places.back() && is_worth_length(text.name)) {
      double const once = seconds_of(reader, text, place, respond(plan.long_size / divisor));
      if (once * 1e3 > time_limit(plan.limit * reader.slack)) {
        report.faults.push_back(what + ": " + std::to_string(once * 1e3) + " ms for a long text");
      }
    }
  } catch (std::exception const& problem) {
    report.faults.push_back(what + ": " + problem.what());
  }
  ++report.readings;
}

}  // namespace

std::vector<hostile_text> hostile_texts() {
  std::vector<hostile_text> all{
      {"blanks", [](std::size_t size) { return repeated(" ", size); }, hostile_text::space::ascii},
      {"line feeds", [](std::size_t size) { return repeated("\n", size); }, hostile_text::space::ascii},
      {"CR, LF and tabs", [](std::size_t size) { return repeated("\r\n\t", size); }, hostile_text::space::ascii},
      {"all different words", [](std::size_t size) { return numbered("w", " ", size); }},
      {"all different lines", [](std::size_t size) { return numbered("smoke | r", " | fire\n", size); }},
      {"all different triples", [](std::size_t size) { return numbered("smoke", " | Cause-Effect | fire\n", size); }},
      {"JSON object of different keys",
       [](std::size_t size) { return "{\"scores\":{" + numbered("\"k", "\":1,", size) + "\"z\":1}}"; }},
      {"JSON numbers", [](std::size_t size) { return "[" + repeated("1e5,", size) + "1]"; }},
      {"JSON text of escapes", [](std::size_t size) { return "[\"" + repeated("\\u0000\\ud800", size) + "\"]"; }},
      {"nested JSON arrays", [](std::size_t size) { return nested("[", "]", size); }},
      {"nested JSON objects", [](std::size_t size) { return nested("{\"a\":", "}", size); }},
      {"nested round brackets", [](std::size_t size) { return nested("(", ")", size); }},
      {"nested braces", [](std::size_t size) { return nested("{", "}", size); }},
      {"nested boxes", [](std::size_t size) { return nested("\\boxed{", "}", size); }},
      {"nested fractions", [](std::size_t size) { return nested("\\frac{1}{", "}", size); }},
      {"nested roots", [](std::size_t size) { return nested("\\sqrt{", "}", size); }},
      {"nested tags", [](std::size_t size) { return nested("<think>", "</think>", size); }},
      {"random bytes",
       [](std::size_t size) {  // without braces, whose balance would make the work jump
         std::string text = random_bytes(size, 256);
         std::replace_if(
             text.begin(), text.end(), [](char byte) { return byte == '{' || byte == '}'; }, '?');
         return text;
       }},
      {"random letters", [](std::size_t size) {
         std::string text = random_bytes(size, 3);
         for (char& byte : text) byte = " ab"[static_cast<unsigned char>(byte)];
         return text;
       }}};
  using pair = std::pair<std::string_view, std::string_view>;
  using namespace std::string_view_literals;
  for (auto const& [name, unit] :
       {pair{"no-break blanks", "\u00A0"}, pair{"ideographic blanks", "\u3000"}, pair{"line separators", "\u2028"}}) {
    all.push_back(
        {name, [unit = unit](std::size_t size) { return repeated(unit, size); }, hostile_text::space::unicode});
  }
  for (auto const& [name, unit] : {
           pair{"less-than signs", "<"},
           pair{"unfinished tags", "<answer"},
           pair{"unfinished closing tags", "</"},
           pair{"opening think tags", "<think>"},
           pair{"closing think tags", "</think>"},
           pair{"empty answer blocks", "<answer></answer>"},
           pair{"answer blocks", "<answer>Cause-Effect(e2,e1)</answer>"},
           pair{"other verdicts", "<answer>[[A]]</answer>"},
           pair{"unfinished verdicts", "[[A]"},
           pair{"one long word", "a"},
           pair{"equal words", "the "},
           pair{"words that a stemmer cuts", "ational"},
           pair{"vowels and y", "yyay"},
           pair{"a period of the sentence", "the smoke "},
           pair{"bytes that are no UTF-8", "\xFF"},
           pair{"continuation bytes", "\x80"},
           pair{"cut sequences", "\xF0\x9F\x98"},
           pair{"overlong forms", "\xC0\xAF"},
           pair{"lone surrogates", "\xED\xA0\x80"},
           pair{"beyond the last code point", "\xF4\x90\x80\x80"},
           pair{"NUL bytes", "\0"sv},
           pair{"escape bytes", "\x1B[31m"},
           pair{"right-to-left marks", "\u200F"},
           pair{"right-to-left overrides", "\u202E"},
           pair{"zero-width blanks", "\u200B"},
           pair{"byte order marks", "\uFEFF"},
           pair{"combining marks", "\u0301"},
           pair{"emoji", "\U0001F600"},
           pair{"Cyrillic look-alikes", "\u0421ause-Effect(e1,e2)"},
           pair{"fullwidth look-alikes", "\uFF23ause-Effect\uFF08e1,e2\uFF09"},
           pair{"near misses of a label", "Cause-Effect(e1,e1) "},
           pair{"beginnings of a label", "Cause-Effect("},
           pair{"equal triples", "a | b | c\n"},
           pair{"bars", "|"},
           pair{"lines of bars", " | | \n"},
           pair{"unfinished boxes", "\\boxed{"},
           pair{"empty boxes", "\\boxed{}"},
           pair{"backslashes", "\\"},
           pair{"closing braces", "}"},
           pair{"opening brackets", "["},
           pair{"opening JSON", "{\"a\":["},
           pair{"opening braces and quotes", "{\""},
           pair{"JSON objects side by side", "{\"a\":1}"},
           pair{"code fences", "```json\n"},
           pair{"single quotes", "'a "},
           pair{"unbalanced quotes", "\"the smoke "},
           pair{"typographic quotes", "\u201Cthe smoke "},
           pair{"short quotes", "\"the smoke\" "},
           pair{"digits", "1"},
           pair{"zeros", "0"},
           pair{"slashes between digits", "1/"},
           pair{"commas between digits", "1,"},
           pair{"points between digits", "1."},
           pair{"minus signs", "-"},
           pair{"hash marks", "#"},
           pair{"hash answers", "#### 41\n"},
           pair{"dollars and percents", "$%"},
           pair{"punctuation", ".,;:!?"},
           pair{"entities", "&lt;&#x3c;"},
           pair{"special tokens", "<|im_end|>"},
           pair{"bracket tokens", "[INST]"},
           pair{"verdict questions", "Verification: Is the step correct (Yes/No)? "},
           pair{"steps", "x\n\n"},
       }) {
    all.push_back({name, [unit = unit](std::size_t size) { return repeated(unit, size); }});
  }
  return all;
}

hostile_report examine(std::span<verifier const> verifiers, hostile_plan const& plan) {
  std::size_t const stack_limit = static_cast<std::size_t>(time_limit(32 * 1024));  // sanitizers need more here too
  auto const texts = hostile_texts();
  hostile_report report;
  for (verifier const& reader : verifiers) {
    std::size_t const depth = stack_of([&] {
      for (hostile_text const& text : texts) {
        for (hostile_place const& place : reader.places) {
          examine_pair(reader, text, place, plan, report);
        }
      }
    });
    report.deepest = std::max(report.deepest, depth);
    if (depth > stack_limit) {
      report.faults.push_back(std::string(reader.name) + ": " + std::to_string(depth) + " bytes of stack");
    }
  }
  return report;
}

std::string summary(hostile_report const& report) {
  return std::to_string(report.readings) + " pairs; stack " + std::to_string(report.deepest) + " bytes; steepest " +
         std::to_string(report.steepest) + " (" + report.steepest_pair + "); slowest " +
         std::to_string(report.slowest) + " ms for 2^20 bytes (" + report.slowest_pair + ")";
}

}  // namespace test
