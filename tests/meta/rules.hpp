// SPDX-License-Identifier: MIT
/// @file
/// The rules of the repository that a program can see: who may include whom, what nvcc and C++20 alone must be able to
/// compile, one place for Eigen and for kernel launches, macro names, the top of a header, file lengths, texts that
/// speak of one machine.  `check_repository` returns what breaks them.
#pragma once

#include "text.hpp"
#include <algorithm>
#include <cstddef>
#include <deque>
#include <filesystem>
#include <initializer_list>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace meta {

/// One broken rule.
struct violation {
  std::string file;  ///< relative to the repository
  std::size_t line;  ///< 0: the file as a whole
  std::string rule;  ///< short name
  std::string message;
};

/// A row of the folder table: a folder of include/rlvr and the folders that its headers may include beside itself.
struct folder_row {
  std::string_view folder;
  int rank;
  std::vector<std::string_view> may_include;
};

inline std::vector<folder_row> const& folder_table() {
  static std::vector<folder_row> const table{
      {"core", 0, {}},
      {"rl", 1, {"core"}},
      {"text", 1, {"core"}},
      {"kernel", 2, {"rl", "core"}},
      {"reward", 2, {"rl", "text", "core"}},
      {"data", 3, {"rl", "format", "text", "core"}},
      {"format", 2, {"text", "core"}},
      {"ops", 3, {"kernel", "rl", "core"}},
      {"backend/cpu", 4, {"ops", "kernel", "core"}},
      {"backend/cuda", 4, {"ops", "kernel", "core"}},
      {"model", 4, {"ops", "core"}},
      {"train", 5, {"model", "reward", "format", "rl", "ops", "text", "core"}},
      {"dist", 5, {"core"}},
      {"report", 6, {"train", "text", "core"}},
  };
  return table;
}

inline constexpr std::size_t longest_file = 500;

namespace detail {

struct include_line {
  std::string target;  ///< with its brackets or quotes
  std::size_t line;
};

struct header {
  std::string path;    ///< relative to include/, e.g. rlvr/core/math.hpp
  std::string folder;  ///< row of the table; empty for an umbrella
  std::vector<std::string> raw;
  std::vector<std::string> code;  ///< without comments and literals
  std::vector<include_line> includes;
};

inline bool starts_with_any(std::string_view text, std::initializer_list<std::string_view> prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(), [&](auto prefix) { return text.starts_with(prefix); });
}

inline std::string folder_of(std::string_view path) {
  std::string_view const inside = path.substr(std::string_view("rlvr/").size());
  std::size_t const slash = inside.rfind('/');
  return slash == std::string_view::npos ? std::string() : std::string(inside.substr(0, slash));
}

inline folder_row const* row_of(std::string_view folder) {
  // A folder below one of the table belongs to it.
  for (folder_row const& row : folder_table())
    if (folder == row.folder || folder.starts_with(std::string(row.folder) + "/")) return &row;
  return nullptr;
}

inline bool needs_tokenizer_libraries(std::string_view path) {
  return starts_with_any(path, {"rlvr/text/tokenizer", "rlvr/text/bpe_trainer", "rlvr/text/pre_tokenizer"});
}

/// Whether the header lies in one of the folders, or below one.
inline bool lies_in(header const& file, std::initializer_list<std::string_view> folders) {
  return std::any_of(folders.begin(), folders.end(), [&](std::string_view folder) {
    return file.folder == folder || file.folder.starts_with(std::string(folder) + "/");
  });
}

/// nvcc compiles these.
inline bool is_for_nvcc(header const& file) {
  return file.path.ends_with(".cuh") || lies_in(file, {"core", "rl", "kernel", "ops", "model"});
}

/// C++20 alone compiles these: the target rlvr::rlvr.
inline bool needs_only_the_standard(header const& file) {
  if (file.path.ends_with(".cuh")) return false;
  return lies_in(file, {"core", "rl", "text", "kernel", "reward", "ops", "model"}) &&
         !needs_tokenizer_libraries(file.path);
}

inline bool is_third_party(std::string_view target) {
  return starts_with_any(target, {"<fmt/", "<range/", "<Eigen/", "<nlohmann/", "<pcre2", "<utf8proc", "<unsupported/"});
}

inline std::vector<header> read_headers(std::filesystem::path const& include) {
  namespace fs = std::filesystem;
  std::vector<header> headers;
  if (!fs::is_directory(include)) return headers;
  for (auto const& entry : fs::recursive_directory_iterator(include)) {
    if (!entry.is_regular_file()) continue;
    header file;
    file.path = fs::relative(entry.path(), include).generic_string();
    if (!file.path.starts_with("rlvr/")) continue;
    file.folder = folder_of(file.path);
    std::string const text = read_file(entry.path());
    file.raw = lines_of(text);
    file.code = lines_of(without_comments(text));
    for (std::size_t i = 0; i < file.code.size(); ++i)
      if (auto const found = directive_of(file.code[i]); found && found->name == "include")
        file.includes.push_back({found->rest, i + 1});
    headers.push_back(std::move(file));
  }
  std::sort(headers.begin(), headers.end(), [](header const& a, header const& b) { return a.path < b.path; });
  return headers;
}

/// The headers of one tree, and what breaks a rule.
class checker {
 public:
  explicit checker(std::filesystem::path root) : root_(std::move(root)), headers_(read_headers(root_ / "include")) {
    for (header const& file : headers_) by_path_.emplace(file.path, &file);
  }

  std::vector<violation> run() {
    for (header const& file : headers_) {
      check_place(file);
      check_top(file);
      check_includes(file);
      check_macros(file);
      check_device_header(file);
    }
    check_reachable();
    check_cycles();
    check_single_place("one-eigen-include", "Eigen is included", [](std::string_view line) {
      return line.find("<Eigen/") != std::string_view::npos ||
             line.find("<unsupported/Eigen") != std::string_view::npos;
    });
    check_single_place("one-kernel-launch", "a kernel is launched", [](std::string_view line) {
      return line.find("<<<") != std::string_view::npos ||
             (line.find("cudaLaunchKernel") != std::string_view::npos && !launches_a_handle(line));
    });
    check_single_place("one-handle-launch", "a kernel is launched by its handle", launches_a_handle);
    check_texts();
    return std::move(found_);
  }

  [[nodiscard]] std::size_t header_count() const { return headers_.size(); }

 private:
  /// Kernels that were compiled at run time (backend/cuda/runtime_objective.cuh) have no name in the program.
  static bool launches_a_handle(std::string_view line) {
    return line.find("cudaLaunchKernelExC") != std::string_view::npos;
  }

  void report(header const& file, std::size_t line, std::string rule, std::string message) {
    found_.push_back({"include/" + file.path, line, std::move(rule), std::move(message)});
  }

  [[nodiscard]] header const* resolve(std::string_view target) const {
    if (!target.starts_with("<rlvr/") || !target.ends_with(">")) return nullptr;
    auto const found = by_path_.find(std::string(target.substr(1, target.size() - 2)));
    return found == by_path_.end() ? nullptr : found->second;
  }

  void check_place(header const& file) {
    if (!file.path.ends_with(".hpp") && !file.path.ends_with(".cuh"))
      report(file, 0, "file-kind", "include/ holds .hpp and .cuh files only");
    if (!file.folder.empty() && row_of(file.folder) == nullptr)
      report(file, 0, "folder", "the folder " + file.folder + " is not in the table of folders");
  }

  void check_top(header const& file) {
    if (file.raw.empty() || file.raw.front() != "// SPDX-License-Identifier: MIT")
      report(file, 1, "spdx", "the first line must be '// SPDX-License-Identifier: MIT'");
    if (file.raw.size() < 3 || !file.raw[1].starts_with("/// @file") || !file.raw[2].starts_with("/// "))
      report(file, 2, "file-comment", "the second line must be '/// @file', followed by what the file is");
    auto const is_directive = [](std::string const& line) { return directive_of(line).has_value(); };
    auto const first = std::find_if(file.code.begin(), file.code.end(), is_directive);
    auto const parsed = first == file.code.end() ? std::nullopt : directive_of(*first);
    if (!parsed || parsed->name != "pragma" || parsed->rest != "once")
      report(file, 0, "pragma-once", "'#pragma once' must be the first directive");
  }

  void check_includes(header const& file) {
    folder_row const* const row = file.folder.empty() ? nullptr : row_of(file.folder);
    for (auto const& [target, line] : file.includes) {
      if (target.starts_with("\"")) {
        report(file, line, "include-form", "own headers are included as <rlvr/...>, not " + target);
        continue;
      }
      if (target == "<regex>") report(file, line, "regex", "std::regex overflows the stack on long text");
      if (!target.starts_with("<rlvr/")) continue;
      header const* const included = resolve(target);
      if (included == nullptr) {
        report(file, line, "include-missing", target + " does not exist");
        continue;
      }
      if (file.path.ends_with(".hpp") && included->path.ends_with(".cuh"))
        report(file, line, "hpp-includes-cuh", "a .hpp compiles without nvcc, so it may not include " + target);
      check_rank(file, row, *included, line);
    }
  }

  void check_rank(header const& file, folder_row const* row, header const& included, std::size_t line) {
    if (row == nullptr) return;  // an umbrella may include all
    if (included.folder.empty()) {
      report(file, line, "rank", "umbrella headers are for users: include what is needed from " + included.path);
      return;
    }
    folder_row const* const other = row_of(included.folder);
    if (other == row || other == nullptr) return;
    std::string const pair = std::string(row->folder) + " (rank " + std::to_string(row->rank) + ") may not include " +
                             std::string(other->folder) + " (rank " + std::to_string(other->rank) + ")";
    if (other->rank >= row->rank) {
      report(file, line, "rank", pair);
    } else if (std::find(row->may_include.begin(), row->may_include.end(), other->folder) == row->may_include.end()) {
      report(file, line, "row", pair);
    }
  }

  void check_macros(header const& file) {
    // PCRE2 wants this name before its header; there is no other way to choose the width.
    static constexpr std::string_view demanded = "PCRE2_CODE_UNIT_WIDTH";
    for (std::size_t i = 0; i < file.code.size(); ++i) {
      auto const found = directive_of(file.code[i]);
      if (!found || found->name != "define" || found->rest.starts_with("RLVR_")) continue;
      if (found->rest.starts_with(demanded) && needs_tokenizer_libraries(file.path)) continue;
      report(file, i + 1, "macro-prefix", "the macro " + found->rest + " lacks the prefix RLVR_");
    }
  }

  /// Whether the header turns away compilers that know no kernels, and says what to include instead.
  static bool refuses_host_compilers(header const& file) {
    auto const says = [&](std::string_view name, std::string_view word) {
      return std::any_of(file.raw.begin(), file.raw.end(), [&](std::string const& line) {
        auto const found = directive_of(line);
        return found && found->name.starts_with(name) && found->rest.find(word) != std::string::npos;
      });
    };
    return says("error", "include") && says("if", "__CUDACC__");
  }

  /// Itself, or through a .cuh that it includes.
  bool reaches_refusal(header const& file, std::set<std::string>& visited) const {
    if (!visited.insert(file.path).second) return false;
    if (refuses_host_compilers(file)) return true;
    return std::any_of(file.includes.begin(), file.includes.end(), [&](include_line const& one) {
      if (!one.target.ends_with(".cuh>")) return false;
      auto const found = by_path_.find(one.target.substr(1, one.target.size() - 2));
      return found != by_path_.end() && reaches_refusal(*found->second, visited);
    });
  }

  void check_device_header(header const& file) {
    if (!file.path.ends_with(".cuh")) return;
    std::set<std::string> visited;
    if (!reaches_refusal(file, visited))
      report(file, 0, "cuh-error",
             "a .cuh, or one that it includes, needs '#if !defined(__CUDACC__)' and an #error that names what to "
             "include instead");
    if (file.folder != "backend/cuda" && !file.folder.starts_with("backend/cuda/") && !file.folder.empty() &&
        file.folder != "kernel")
      report(file, 0, "cuh-place", "a .cuh belongs into backend/cuda, kernel or beside the umbrellas");
  }

  /// Follows includes from every header that some compilers must take alone, and names the chain to what they can't.
  void check_reachable() {
    for (header const& file : headers_) {
      bool const nvcc = is_for_nvcc(file);
      bool const alone = needs_only_the_standard(file);
      if (!nvcc && !alone) continue;
      std::map<header const*, header const*> came_from{{&file, nullptr}};
      std::deque<header const*> open{&file};
      for (; !open.empty(); open.pop_front()) {
        header const& current = *open.front();
        for (auto const& [target, line] : current.includes) {
          bool const stream = nvcc && target == "<iostream>";
          if (is_third_party(target) || stream) {
            report(file, current.path == file.path ? line : 0, nvcc ? "nvcc-reaches" : "standard-only",
                   target + " is reached " + chain(came_from, &current) + ", but " +
                       (nvcc ? "nvcc compiles this header" : "this header must need C++20 alone"));
          }
          if (header const* const next = resolve(target); next != nullptr && came_from.emplace(next, &current).second)
            open.push_back(next);
        }
      }
    }
  }

  static std::string chain(std::map<header const*, header const*> const& came_from, header const* last) {
    std::string text;
    for (; came_from.at(last) != nullptr; last = came_from.at(last)) text = " -> " + last->path + text;
    return text.empty() ? "directly" : "by" + text.substr(3);
  }

  void check_cycles() {
    std::map<header const*, int> state;  // 1: on the path, 2: done
    for (header const& file : headers_) visit(file, state);
  }

  void visit(header const& file, std::map<header const*, int>& state) {
    if (state[&file] != 0) return;
    state[&file] = 1;
    for (auto const& [target, line] : file.includes) {
      header const* const next = resolve(target);
      if (next == nullptr) continue;
      if (state[next] == 1) report(file, line, "cycle", target + " includes this header in turn");
      visit(*next, state);
    }
    state[&file] = 2;
  }

  template <class Predicate>
  void check_single_place(std::string const& rule, std::string const& what, Predicate predicate) {
    header const* first = nullptr;
    for (header const& file : headers_) {
      auto const found = std::find_if(file.code.begin(), file.code.end(), predicate);
      if (found == file.code.end()) continue;
      if (first != nullptr) {
        report(file, static_cast<std::size_t>(found - file.code.begin()) + 1, rule,
               what + " here and in include/" + first->path + "; one file only");
      } else {
        first = &file;
      }
    }
  }

  /// Length of sources, and words that are true on one machine only.
  void check_texts() {
    namespace fs = std::filesystem;
    static std::set<std::string> const kinds{".hpp", ".cuh", ".cpp", ".cu", ".cmake", ".md", ".sh", ".in", ".json"};
    static std::set<std::string> const sources{".hpp", ".cuh", ".cpp", ".cu"};
    for (std::string const top :
         {"include", "examples", "benchmarks", "tests", "docs", "cmake", ".ci", "README.md", "CMakeLists.txt"}) {
      if (!fs::exists(root_ / top)) continue;
      std::vector<fs::path> paths;
      if (fs::is_directory(root_ / top)) {
        for (auto const& entry : fs::recursive_directory_iterator(root_ / top))
          if (entry.is_regular_file()) paths.push_back(entry.path());
      } else {
        paths.push_back(root_ / top);
      }
      std::sort(paths.begin(), paths.end());
      for (fs::path const& path : paths) {
        std::string const name = fs::relative(path, root_).generic_string();
        if (name.starts_with("tests/meta/")) continue;  // this folder names what it forbids
        bool const script = path.filename() == "run" || path.filename() == "CMakeLists.txt";
        if (!script && kinds.count(path.extension().string()) == 0) continue;
        if (path.extension() == ".json" && fs::file_size(path) > 100'000) continue;
        check_text(name, lines_of(read_file(path)), sources.count(path.extension().string()) != 0);
      }
    }
  }

  void check_text(std::string const& name, std::vector<std::string> const& lines, bool source) {
    if (source && lines.size() > longest_file)
      found_.push_back({name, lines.size(), "file-length",
                        std::to_string(lines.size()) + " lines; at most " + std::to_string(longest_file)});
    bool const forbids_temporary = !name.starts_with("tests/");
    for (std::size_t i = 0; i < lines.size(); ++i) {
      for (std::string_view const word : {"/wo"
                                          "rk/",
                                          "/home/", "/root/", "/tmp/"}) {
        if (word == "/tmp/" && !forbids_temporary) continue;
        std::size_t const at = lines[i].find(word);
        if (at == std::string::npos) continue;
        char const before = at == 0 ? ' ' : lines[i][at - 1];
        bool const absolute = std::string_view(" \t\"'`(<=:,").find(before) != std::string_view::npos;
        if (absolute) found_.push_back({name, i + 1, "machine-path", std::string(word) + " is a path of one machine"});
      }
    }
  }

  std::filesystem::path root_;
  std::vector<header> headers_;
  std::map<std::string, header const*> by_path_;
  std::vector<violation> found_;
};

}  // namespace detail

/// What a walk over a tree found.
struct report {
  std::vector<violation> violations;
  std::size_t headers = 0;
};

inline report check_repository(std::filesystem::path const& root) {
  detail::checker checker(root);
  report result;
  result.violations = checker.run();
  result.headers = checker.header_count();
  return result;
}

}  // namespace meta
