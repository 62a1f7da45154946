// SPDX-License-Identifier: MIT
/// @file
/// The sink that writes metrics.jsonl and completions.jsonl into a run's folder, and continues them after a kill.
///
/// A resumed run repeats the steps after its last checkpoint.  For its files to equal those of an uninterrupted run,
/// everything that was logged after the checkpoint has to go first, together with a line that the kill tore.  There are
/// two ways to say what stays: the number of lines (`position`, saved in the checkpoint; exact, whatever order records
/// come in), or the last step.  Only the times, `step_time` and `time/...`, differ then.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/file_error.hpp>
#include <rlvr/report/json_lines.hpp>

#include <fmt/format.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

RLVR_NAMESPACE_BEGIN
namespace report {

/// How many lines each file held; goes into a checkpoint.
struct json_lines_position {
  std::uint64_t metrics = 0;
  std::uint64_t completions = 0;

  friend constexpr bool operator==(json_lines_position const&, json_lines_position const&) = default;
};

/// The front part of a file that stays.
struct kept_part {
  std::uint64_t bytes = 0;
  std::uint64_t lines = 0;
};

/// The part of a file of lines up to `lines` lines.
/// @throws format_error (code "Truncated") if there are fewer whole lines; io_error
[[nodiscard]] inline kept_part part_of_lines(std::string const& path, std::uint64_t lines) {
  kept_part kept;
  if (lines == 0) return kept;
  std::string const content = read_file(path);
  detail::for_each_line(content, [&](std::string_view line, std::size_t begin) {
    kept.bytes = begin + line.size() + 1;
    return ++kept.lines < lines;
  });
  if (kept.lines < lines) {
    throw format_error("Truncated", path, "end of file", std::to_string(kept.lines) + " whole lines",
                       fmt::format("at least the {} of the checkpoint", lines));
  }
  return kept;
}

/// The part of a file of lines before the first record whose step is greater than `last_step`.  A torn tail goes, as
/// does a last line that is no record.  A missing file has an empty part.
/// @throws format_error (code "BadLine") if a line that others follow is no record: appending does not produce that
[[nodiscard]] inline kept_part part_through_step(std::string const& path, std::uint64_t last_step) {
  kept_part kept;
  if (!std::filesystem::exists(path)) return kept;
  std::string const content = read_file(path);
  detail::for_each_line(content, [&](std::string_view line, std::size_t begin) {
    json_cursor cursor(line);
    std::uint64_t step = 0;
    bool has_step = false;
    bool const well_formed = cursor.object([&](std::string_view name) {
      if (name != "step") return cursor.skip_value();
      has_step = cursor.number(step);
      return has_step;
    });
    if (!well_formed || !has_step || !cursor.at_end()) {
      if (content.find('\n', begin + line.size() + 1) == std::string::npos) return false;
      throw format_error("BadLine", path, fmt::format("line {}", kept.lines + 1), "no record", "an object with a step");
    }
    if (step > last_step) return false;
    kept.bytes = begin + line.size() + 1;
    ++kept.lines;
    return true;
  });
  return kept;
}

/// Appends records to <folder>/metrics.jsonl and <folder>/completions.jsonl.  Messages are for people and not kept.
class json_lines_sink {
 public:
  static constexpr std::string_view metrics_name = "metrics.jsonl";
  static constexpr std::string_view completions_name = "completions.jsonl";

  /// Starts a run: makes the folder where it is missing and empties both files.  @throws io_error
  [[nodiscard]] static json_lines_sink create(std::string const& folder) {
    std::error_code code;
    std::filesystem::create_directories(folder, code);
    if (code) throw io_error(folder, "cannot create the folder: " + code.message());
    return {folder, {}, {}};
  }

  /// Continues a run at the position that its checkpoint holds.  @throws io_error, format_error
  [[nodiscard]] static json_lines_sink resume(std::string const& folder, json_lines_position const& position) {
    return {folder, part_of_lines(path_of(folder, metrics_name), position.metrics),
            part_of_lines(path_of(folder, completions_name), position.completions)};
  }

  /// Continues a run after `last_step`; every record of a later step goes.  @throws io_error, format_error
  [[nodiscard]] static json_lines_sink resume(std::string const& folder, std::uint64_t last_step) {
    return {folder, part_through_step(path_of(folder, metrics_name), last_step),
            part_through_step(path_of(folder, completions_name), last_step)};
  }

  void on_step(train::step_record const& record) {
    metrics_.append(to_json(record));
    ++position_.metrics;
  }

  void on_completion(train::completion_record const& record) {
    completions_.append(to_json(record));
    ++position_.completions;
  }

  void on_message(train::message_level, std::string_view) noexcept {}

  /// Puts everything so far on the disk and says how much it is: to be called just before a checkpoint is written.
  [[nodiscard]] json_lines_position synced_position() {
    metrics_.sync();
    completions_.sync();
    return position_;
  }

  void close() {
    metrics_.close();
    completions_.close();
  }

 private:
  json_lines_sink(std::string const& folder, kept_part metrics, kept_part completions)
      : metrics_(path_of(folder, metrics_name), metrics.bytes),
        completions_(path_of(folder, completions_name), completions.bytes),
        position_{metrics.lines, completions.lines} {}

  [[nodiscard]] static std::string path_of(std::string const& folder, std::string_view name) {
    return (std::filesystem::path(folder) / name).string();
  }

  line_file metrics_;
  line_file completions_;
  json_lines_position position_;
};

static_assert(train::metrics_sink<json_lines_sink>);

/// Writes <folder>/run.json as a whole.  @throws io_error
inline void write_run(std::string const& folder, train::run_record const& record) {
  write_atomic((std::filesystem::path(folder) / "run.json").string(), to_json(record));
}

}  // namespace report
RLVR_NAMESPACE_END
