// SPDX-License-Identifier: MIT
/// @file
/// What the commands share: JSON lines in and out, one-line messages.
#pragma once

#include <rlvr/core/error.hpp>
#include <rlvr/data/text_file.hpp>
#include <rlvr/format/file.hpp>
#include <rlvr/format/json.hpp>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace r1_re {

inline constexpr std::size_t most_input_bytes = std::size_t{1} << 30;

/// A message on one line: control characters become blanks.
[[nodiscard]] inline std::string one_line(std::string_view message) {
  std::string line;
  for (char const letter : message) {
    bool const control = static_cast<unsigned char>(letter) < 0x20 || letter == 0x7F;
    if (!control) line += letter;
    if (control && !line.empty() && line.back() != ' ') line += ' ';
  }
  while (line.ends_with(' ')) line.pop_back();
  return line;
}

/// The error of a failed write to standard output.
[[nodiscard]] inline rlvr::io_error output_error() {
  int const code = errno;
  return {"standard output", std::string("cannot write: ") + std::strerror(code)};
}

/// Writes a value as one line.  Text that is not UTF-8 gets replacement characters.  @throws rlvr::io_error
inline void print_json(nlohmann::ordered_json const& value) {
  std::string line = value.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  line += '\n';
  if (std::fwrite(line.data(), 1, line.size(), stdout) != line.size()) throw output_error();
}

/// Calls task(json_object) for every JSON object of a file: one per line (blank lines are skipped), or the members of
/// one JSON array.  @throws rlvr::io_error, rlvr::format_error naming file:line (or the member)
template <class Task>
void for_each_object(std::string const& path, Task&& task) {
  std::string const content = rlvr::format::read_file(path, most_input_bytes);
  std::size_t const first = content.find_first_not_of(" \t\r\n");
  if (first != std::string::npos && content[first] == '[') {
    nlohmann::json const list = rlvr::format::parse_json(content, path);
    for (std::size_t i = 0; i < list.size(); ++i)
      task(rlvr::format::json_object(list[i], path, "[" + std::to_string(i) + "]"));
    return;
  }
  rlvr::data::line_reader lines(content);
  while (auto const line = lines.next()) {
    if (line->text.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    std::string const place = path + ":" + std::to_string(line->number);
    nlohmann::json const value = rlvr::format::parse_json(line->text, place);
    task(rlvr::format::json_object(value, place));
  }
}

}  // namespace r1_re
