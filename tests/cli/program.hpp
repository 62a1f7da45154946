// SPDX-License-Identifier: MIT
/// @file
/// Runs the program as a user does: arguments in; exit code, standard output and standard error out.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace cli {

/// What a run left behind.
struct result {
  int code = -1;
  std::string out;
  std::string err;

  /// Every line of standard output as JSON.
  [[nodiscard]] std::vector<nlohmann::json> lines() const {
    std::vector<nlohmann::json> values;
    std::istringstream in(out);
    for (std::string line; std::getline(in, line);) values.push_back(nlohmann::json::parse(line));
    return values;
  }
  /// Failed with this code, nothing on standard output, one line on standard error that names the program.
  [[nodiscard]] bool failed_clearly(int expected) const {
    return code == expected && out.empty() && err.starts_with("r1_re: ") && err.find('\n') + 1 == err.size();
  }
};

/// A folder for the files of one test.
class folder {
 public:
  folder() {
    static int count = 0;
    path_ = std::filesystem::temp_directory_path() /
            ("rlvr_cli_" + std::to_string(::getpid()) + "_" + std::to_string(count++));
    std::filesystem::create_directories(path_);
  }
  folder(folder const&) = delete;
  folder& operator=(folder const&) = delete;
  ~folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  [[nodiscard]] std::string operator/(std::string const& name) const { return (path_ / name).string(); }
  /// Writes a file and returns its path.
  [[nodiscard]] std::string write(std::string const& name, std::string const& content) const {
    std::ofstream(path_ / name, std::ios::binary) << content;
    return *this / name;
  }

 private:
  std::filesystem::path path_;
};

[[nodiscard]] inline std::string read(std::string const& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// @param redirect  where standard output goes instead, e.g. "> /dev/full"
[[nodiscard]] inline result run(std::vector<std::string> const& arguments, std::string const& redirect = {}) {
  folder const scratch;
  std::string command = "'" RLVR_R1_RE_PROGRAM "'";
  for (std::string const& argument : arguments) command += " '" + argument + "'";
  command += redirect.empty() ? " > '" + scratch / "out" + "'" : redirect;
  command += " 2> '" + scratch / "err" + "'";
  int const status = std::system(command.c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read(scratch / "out"), read(scratch / "err")};
}

/// The folder of data that does not belong to this repository, if it is there.
[[nodiscard]] inline std::optional<std::string> shared_data(std::string const& name) {
  char const* const chosen = std::getenv("RLVR_SHARED_DIR");
  std::string const root = chosen != nullptr ? chosen : RLVR_TEST_DATA "/../../shared";
  if (!std::filesystem::exists(root + "/" + name)) return std::nullopt;
  return root + "/" + name;
}

}  // namespace cli
