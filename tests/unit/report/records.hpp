// SPDX-License-Identifier: MIT
// Records and a temporary folder for the report tests.
#pragma once

#include <rlvr/report/json_lines_sink.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace report_test {

using namespace rlvr;

struct temporary_folder {
  temporary_folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "rlvr_report_XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw io_error(pattern, "cannot create");
    path = pattern;
  }
  ~temporary_folder() { std::filesystem::remove_all(path); }
  temporary_folder(temporary_folder const&) = delete;
  [[nodiscard]] std::string operator/(std::string_view name) const { return path + "/" + std::string(name); }

  std::string path;
};

inline std::string read(std::string const& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline void write(std::string const& path, std::string const& content, std::ios::openmode mode = std::ios::trunc) {
  std::ofstream(path, std::ios::binary | mode) << content;
}

// Text that tries to leave every context it may be put into.
inline std::string const hostile =
    std::string("</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'`&amp;<!--]]>{\"a\":1}\\\n\r\t") +
    "\x01\x1b[31m\x7f\xff\xfe\xc0\x80\xed\xa0\x80\xf0\x9f\x98" + std::string(1, '\0') + "\xe2\x80\xae\xf0\x9f\x98\x80";

inline train::step_record step_of(std::uint64_t step, std::string_view phase = train::phase::grpo) {
  train::step_record record;
  record.step = step;
  record.phase = phase;
  auto const x = static_cast<double>(step);
  record.set(train::metric::reward, (x - 10) / 10);  // exactly 0 at 10, fused multiply-adds or not
  record.set(train::metric::kl, 1e-7 * x);
  record.set(train::metric::reward_class("correct"), 0.01 * x);
  return record;
}

inline train::completion_record completion_of(std::uint64_t step, std::string_view text, std::string_view kind) {
  train::completion_record record;
  record.step = step;
  record.phase = train::phase::grpo;
  record.prompt_id = "sentence-" + std::to_string(step);
  record.prompt = "Which relation holds?";
  record.completion = text;
  record.token_hash = 0xfedcba9876543210ULL;
  record.gold = "Cause-Effect(e1,e2)";
  record.answer = "Other";
  record.reward = 0.1;
  record.reward_parts = {{"format", 1.0}, {"relation", -1.5}};
  record.reward_class = kind;
  record.advantage = -1.0 / 3.0;
  return record;
}

}  // namespace report_test
