// SPDX-License-Identifier: MIT
/// @file
/// Records as lines of JSON, and back.
///
///   metrics.jsonl      {"step":3,"phase":"grpo","reward":0.5,"kl":null,...,"non_finite":{"kl":"nan"}}
///   completions.jsonl  {"step":3,"phase":"grpo","prompt_id":...,"completion":...,"rewards":{...},...}
///   run.json           one object
///
/// A number that is not finite is written as null and named in "non_finite" with its kind ("nan", "inf", "-inf"), so
/// that every JSON reader accepts the file and nothing is lost.  Equal records give equal bytes.  The readers are made
/// for what the writers write, skip members that they do not know, and count the lines that they cannot read instead of
/// failing on them: a report over a damaged log is better than none.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/report/file.hpp>
#include <rlvr/report/json_text.hpp>
#include <rlvr/train/metrics.hpp>

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace report {

namespace detail {

/// Builds one object: `"name":value` with commas, and the list of numbers that are not finite.
class json_object_writer {
 public:
  explicit json_object_writer(std::string& out) : out_(out) { out_ += '{'; }

  void name(std::string_view name) {
    if (std::exchange(any_, true)) out_ += ',';
    append_json_string(out_, name);
    out_ += ':';
  }
  void text(std::string_view key, std::string_view value) {
    name(key);
    append_json_string(out_, value);
  }
  template <class Number>
  void number(std::string_view key, Number value) {
    name(key);
    append_json_number(out_, value);
  }
  /// A double under its key; `path` is the name under which a value that is not finite is listed.
  void real(std::string_view key, double value, train::run_record::facts& non_finite, std::string const& path) {
    if (std::isfinite(value)) return number(key, value);
    name(key);
    out_ += "null";
    non_finite.emplace_back(path, std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf");
  }
  void texts(std::string_view key, train::run_record::facts const& values) {
    name(key);
    json_object_writer object(out_);
    for (auto const& [name, value] : values) object.text(name, value);
    object.close();
  }
  void close() { out_ += '}'; }

 private:
  std::string& out_;
  bool any_ = false;
};

/// A number, or null, whose kind "non_finite" tells later.
inline bool read_real(json_cursor& cursor, double& value) {
  value = std::numeric_limits<double>::quiet_NaN();
  return cursor.literal("null") || cursor.number(value);
}

inline bool read_texts(json_cursor& cursor, train::run_record::facts& values) {
  return cursor.object([&](std::string_view name) {
    values.emplace_back(name, std::string());
    return cursor.string(values.back().second);
  });
}

/// "inf" and "-inf"; every other kind is NaN.
[[nodiscard]] inline double value_of_kind(std::string_view kind) noexcept {
  double const infinity = std::numeric_limits<double>::infinity();
  return kind == "inf" ? infinity : kind == "-inf" ? -infinity : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace detail

/// One line of metrics.jsonl, without the newline.
/// @throws argument_error if a scalar has the name of a member ("step", "phase", "non_finite") or occurs twice
[[nodiscard]] inline std::string to_json(train::step_record const& record) {
  std::string line;
  train::run_record::facts non_finite;
  detail::json_object_writer object(line);
  object.number("step", record.step);
  object.text("phase", record.phase);
  for (std::size_t i = 0; i < record.scalars.size(); ++i) {
    auto const& [name, value] = record.scalars[i];
    bool clash = name == "step" || name == "phase" || name == "non_finite";
    for (std::size_t j = 0; j < i; ++j) clash = clash || record.scalars[j].first == name;
    if (clash) throw argument_error(fmt::format("metrics of step {}: two members named {}", record.step, name));
    object.real(name, value, non_finite, name);
  }
  if (!non_finite.empty()) object.texts("non_finite", non_finite);
  object.close();
  return line;
}

/// One line of completions.jsonl, without the newline.  The token hash is hexadecimal text: readers of JSON keep 53
/// bits of a number.
[[nodiscard]] inline std::string to_json(train::completion_record const& record) {
  std::string line;
  train::run_record::facts non_finite;
  detail::json_object_writer object(line);
  object.number("step", record.step);
  object.text("phase", record.phase);
  object.text("prompt_id", record.prompt_id);
  object.text("prompt", record.prompt);
  object.text("completion", record.completion);
  object.text("token_hash", fmt::format("{:016x}", record.token_hash));
  object.text("gold", record.gold);
  object.name("answer");
  if (record.answer) {
    append_json_string(line, *record.answer);
  } else {
    line += "null";
  }
  object.text("reward_class", record.reward_class);
  object.real("reward", record.reward, non_finite, "reward");
  object.name("rewards");
  detail::json_object_writer parts(line);
  for (auto const& [name, value] : record.reward_parts) parts.real(name, value, non_finite, "rewards/" + name);
  parts.close();
  object.real("advantage", record.advantage, non_finite, "advantage");
  object.name("truncated");
  line += record.truncated ? "true" : "false";
  if (!non_finite.empty()) object.texts("non_finite", non_finite);
  object.close();
  return line;
}

/// run.json, with one member a line.
[[nodiscard]] inline std::string to_json(train::run_record const& record) {
  std::string out = "{";
  auto const member = [&](std::string_view name) {
    out += out.size() == 1 ? "\n  " : ",\n  ";
    append_json_string(out, name);
    out += ": ";
  };
  auto const text = [&](std::string_view name, std::string_view value) {
    member(name);
    append_json_string(out, value);
  };
  auto const list = [&](std::string_view name, auto const& values, auto const& append) {
    member(name);
    out += '{';
    bool first = true;
    for (auto const& [key, value] : values) {
      out += std::exchange(first, false) ? "\n    " : ",\n    ";
      append_json_string(out, key);
      out += ": ";
      append(out, value);
    }
    out += first ? "}" : "\n  }";
  };
  auto const append_text = [](std::string& to, std::string const& value) { append_json_string(to, value); };
  text("name", record.name);
  text("command", record.command);
  list("configuration", record.configuration, append_text);
  list("seeds", record.seeds, [](std::string& to, std::uint64_t value) { append_json_number(to, value); });
  text("compiler", record.compiler);
  text("cpu", record.cpu);
  text("library_version", record.library_version);
  list("data_hashes", record.data_hashes, append_text);
  list("extra", record.extra, append_text);
  return out + "\n}\n";
}

/// Reads a line of metrics.jsonl; nothing if it is not one.
[[nodiscard]] inline std::optional<train::step_record> parse_step_record(std::string_view line) {
  json_cursor cursor(line);
  train::step_record record;
  train::run_record::facts non_finite;
  bool has_step = false;
  bool const well_formed = cursor.object([&](std::string_view name) {
    if (name == "step") return has_step = cursor.number(record.step);
    if (name == "phase") return cursor.string(record.phase);
    if (name == "non_finite") return detail::read_texts(cursor, non_finite);
    double value = 0;
    if (!detail::read_real(cursor, value)) return cursor.skip_value();
    record.scalars.emplace_back(name, value);
    return true;
  });
  if (!well_formed || !has_step || !cursor.at_end()) return std::nullopt;
  for (auto const& [name, kind] : non_finite) record.set(name, detail::value_of_kind(kind));
  return record;
}

/// Reads a line of completions.jsonl; nothing if it is not one.
[[nodiscard]] inline std::optional<train::completion_record> parse_completion_record(std::string_view line) {
  json_cursor cursor(line);
  train::completion_record record;
  train::run_record::facts non_finite;
  bool has_step = false;
  bool const well_formed = cursor.object([&](std::string_view name) {
    if (name == "step") return has_step = cursor.number(record.step);
    if (name == "phase") return cursor.string(record.phase);
    if (name == "prompt_id") return cursor.string(record.prompt_id);
    if (name == "prompt") return cursor.string(record.prompt);
    if (name == "completion") return cursor.string(record.completion);
    if (name == "gold") return cursor.string(record.gold);
    if (name == "answer") return cursor.literal("null") || cursor.string(record.answer.emplace());
    if (name == "reward_class") return cursor.string(record.reward_class);
    if (name == "reward") return detail::read_real(cursor, record.reward);
    if (name == "advantage") return detail::read_real(cursor, record.advantage);
    if (name == "truncated") return cursor.boolean(record.truncated);
    if (name == "non_finite") return detail::read_texts(cursor, non_finite);
    if (name == "rewards") {
      return cursor.object([&](std::string_view part) {
        return detail::read_real(cursor, record.reward_parts.emplace_back(part, 0.0).second);
      });
    }
    if (name == "token_hash") {
      std::string digits;
      if (!cursor.string(digits)) return false;
      auto const [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), record.token_hash, 16);
      return code == std::errc{} && end == digits.data() + digits.size();
    }
    return cursor.skip_value();
  });
  if (!well_formed || !has_step || !cursor.at_end()) return std::nullopt;
  for (auto const& [name, kind] : non_finite) {
    double const value = detail::value_of_kind(kind);
    if (name == "reward") record.reward = value;
    if (name == "advantage") record.advantage = value;
    for (auto& [part, part_value] : record.reward_parts) {
      if (name == "rewards/" + part) part_value = value;
    }
  }
  return record;
}

/// What a file of lines holds.
template <class Record>
struct lines_read {
  std::vector<Record> records;
  std::size_t unreadable_lines = 0;  ///< whole lines that are no record
  bool torn_tail = false;            ///< the file does not end in a newline; what follows the last one was dropped
};

namespace detail {

/// Calls f(line, bytes before it) for each whole line until it returns false.  Returns whether a torn tail was met.
template <class F>
bool for_each_line(std::string_view content, F&& f) {
  std::size_t begin = 0;
  while (begin < content.size()) {
    std::size_t const end = content.find('\n', begin);
    if (end == std::string_view::npos) return true;
    if (!f(content.substr(begin, end - begin), begin)) return false;
    begin = end + 1;
  }
  return false;
}

template <class Record, class Parse>
[[nodiscard]] lines_read<Record> read_lines(std::string const& path, Parse parse) {
  lines_read<Record> result;
  std::string const content = read_file(path);
  result.torn_tail = for_each_line(content, [&](std::string_view line, std::size_t) {
    if (auto record = parse(line)) {
      result.records.push_back(std::move(*record));
    } else {
      ++result.unreadable_lines;
    }
    return true;
  });
  return result;
}

}  // namespace detail

/// All records of a metrics.jsonl.  @throws io_error
[[nodiscard]] inline lines_read<train::step_record> read_metrics(std::string const& path) {
  return detail::read_lines<train::step_record>(path, parse_step_record);
}

/// All records of a completions.jsonl.  @throws io_error
[[nodiscard]] inline lines_read<train::completion_record> read_completions(std::string const& path) {
  return detail::read_lines<train::completion_record>(path, parse_completion_record);
}

}  // namespace report
RLVR_NAMESPACE_END
