// SPDX-License-Identifier: MIT
/// @file
/// The checks of the repository can fail: a small tree is clean, and each violation put into it is named.
#include "rules.hpp"

#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <support/catch.hpp>
#include <vector>

namespace {

namespace fs = std::filesystem;

/// A tree of files that is removed with the object.
class tree {
 public:
  tree() : root_(fs::temp_directory_path() / ("rlvr_rules_" + std::to_string(reinterpret_cast<std::uintptr_t>(this)))) {
    fs::remove_all(root_);
    header("core/math.hpp");
    header("core/error.hpp", "#include <string>\n");
    header("rl/kl.hpp", "#include <rlvr/core/math.hpp>\n");
    header("text/tags.hpp", "#include <rlvr/core/error.hpp>\n");
    header("text/tokenizer.hpp",
           "#ifndef PCRE2_CODE_UNIT_WIDTH\n#  define PCRE2_CODE_UNIT_WIDTH 8\n#endif\n"
           "#include <pcre2.h>\n");
    header("kernel/body.hpp", "#include <rlvr/rl/kl.hpp>\n");
    header("ops/op.hpp", "#include <rlvr/kernel/body.hpp>\n");
    header("backend/cpu/matmul.hpp", "#include <rlvr/ops/op.hpp>\n#include <Eigen/Core>\n");
    header("format/json.hpp", "#include <nlohmann/json.hpp>\n");
    header("model/transformer.hpp", "#include <rlvr/ops/op.hpp>\n");
    header("train/grpo.hpp", "#include <rlvr/model/transformer.hpp>\n#include <rlvr/format/json.hpp>\n");
    header("report/html.hpp", "#include <rlvr/train/grpo.hpp>\n#include <fmt/format.h>\n");
    header("backend/cuda/launch.cuh", guard + "inline void launch() { kernel<<<1, 1>>>(); }\n");
    header("cpu.hpp", "#include <rlvr/backend/cpu/matmul.hpp>\n");
  }
  tree(tree const&) = delete;
  tree& operator=(tree const&) = delete;
  ~tree() {
    std::error_code ignored;
    fs::remove_all(root_, ignored);
  }

  void write(std::string const& path, std::string const& text) const {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }
  void header(std::string const& path, std::string const& rest = "") const {
    write("include/rlvr/" + path, "// SPDX-License-Identifier: MIT\n/// @file\n/// What it is.\n#pragma once\n" + rest);
  }

  /// "rule file:line" of each violation.
  [[nodiscard]] std::vector<std::string> violations() const {
    std::vector<std::string> found;
    for (meta::violation const& one : meta::check_repository(root_).violations) {
      CAPTURE(one.message);
      found.push_back(one.rule + " " + one.file + ":" + std::to_string(one.line));
    }
    return found;
  }

  static inline std::string const guard =
      "#ifndef __CUDACC__\n#  error \"needs nvcc; include <rlvr/cpu.hpp> elsewhere\"\n#endif\n";

 private:
  fs::path root_;
};

using names = std::vector<std::string>;

}  // namespace

TEST_CASE("a clean tree has no violations", "[meta]") {
  tree const files;
  CHECK(files.violations() == names{});
}

TEST_CASE("includes against the table of folders are named", "[meta]") {
  tree const files;
  SECTION("a higher rank") {
    files.header("core/math.hpp", "#include <rlvr/ops/unit.hpp>\n");
    files.header("ops/unit.hpp");
    CHECK(files.violations() == names{"rank include/rlvr/core/math.hpp:5"});
  }
  SECTION("an equal rank") {
    files.header("rl/kl.hpp", "#include <rlvr/text/tags.hpp>\n");
    CHECK(files.violations() == names{"rank include/rlvr/rl/kl.hpp:5"});
  }
  SECTION("a lower rank that is not in the row") {
    files.header("model/transformer.hpp", "\n#include <rlvr/rl/kl.hpp>\n");
    CHECK(files.violations() == names{"row include/rlvr/model/transformer.hpp:6"});
  }
  SECTION("the other backend") {
    files.header("backend/cpu/matmul.hpp", "#include <rlvr/backend/cuda/launch.cuh>\n");
    CHECK(files.violations() == names{"hpp-includes-cuh include/rlvr/backend/cpu/matmul.hpp:5",
                                      "rank include/rlvr/backend/cpu/matmul.hpp:5"});
  }
  SECTION("an umbrella") {
    files.header("report/html.hpp", "#include <rlvr/cpu.hpp>\n");
    CHECK(files.violations() == names{"rank include/rlvr/report/html.hpp:5"});
  }
  SECTION("an unknown folder") {
    files.header("utils/misc.hpp");
    CHECK(files.violations() == names{"folder include/rlvr/utils/misc.hpp:0"});
  }
  SECTION("a file that is not there, quotes, std::regex") {
    files.header("data/reader.hpp", "#include <rlvr/data/none.hpp>\n#include \"other.hpp\"\n#include <regex>\n");
    CHECK(files.violations() == names{"include-missing include/rlvr/data/reader.hpp:5",
                                      "include-form include/rlvr/data/reader.hpp:6",
                                      "regex include/rlvr/data/reader.hpp:7"});
  }
  SECTION("a cycle within a folder") {
    files.header("data/a.hpp", "#include <rlvr/data/b.hpp>\n");
    files.header("data/b.hpp", "#include <rlvr/data/a.hpp>\n");
    CHECK(files.violations() == names{"cycle include/rlvr/data/b.hpp:5"});
  }
  SECTION("an include in a comment or a string is none") {
    files.header("core/math.hpp",
                 "// #include <rlvr/ops/op.hpp>\n/*\n#include <rlvr/ops/op.hpp>\n*/\n"
                 "inline auto text = R\"(\n#include <rlvr/ops/op.hpp>\n)\";\n");
    CHECK(files.violations() == names{});
  }
}

TEST_CASE("libraries that nvcc or C++20 alone can't take are found at any depth", "[meta]") {
  tree const files;
  SECTION("directly, in a header for nvcc") {
    files.header("rl/kl.hpp", "#include <range/v3/all.hpp>\n");
    // Whoever includes it is reported too: body, op, model.
    CHECK(files.violations() ==
          names{"nvcc-reaches include/rlvr/kernel/body.hpp:0", "nvcc-reaches include/rlvr/model/transformer.hpp:0",
                "nvcc-reaches include/rlvr/ops/op.hpp:0", "nvcc-reaches include/rlvr/rl/kl.hpp:5"});
  }
  SECTION("<iostream>") {
    files.header("model/transformer.hpp", "#include <iostream>\n");
    CHECK(files.violations() == names{"nvcc-reaches include/rlvr/model/transformer.hpp:5"});
  }
  SECTION("fmt, nlohmann") {
    files.header("ops/other.hpp", "#include <fmt/core.h>\n#include <nlohmann/json.hpp>\n");
    CHECK(files.violations() ==
          names{"nvcc-reaches include/rlvr/ops/other.hpp:5", "nvcc-reaches include/rlvr/ops/other.hpp:6"});
  }
  SECTION("a reward that reaches PCRE2 through the tokenizer") {
    files.header("reward/longest.hpp", "#include <rlvr/text/tokenizer.hpp>\n");
    files.header("reward/measures/longest.hpp", "#include <rlvr/text/tokenizer.hpp>\n");
    CHECK(files.violations() == names{"standard-only include/rlvr/reward/longest.hpp:0",
                                      "standard-only include/rlvr/reward/measures/longest.hpp:0"});
  }
  SECTION("from a .cuh") {
    files.header("backend/cuda/launch.cuh", tree::guard + "#include <iostream>\n");
    CHECK(files.violations() == names{"nvcc-reaches include/rlvr/backend/cuda/launch.cuh:8"});
  }
}

TEST_CASE("what belongs into one file stays there", "[meta]") {
  tree const files;
  SECTION("Eigen") {
    files.header("backend/cpu/norm.hpp", "#include <Eigen/Dense>\n");
    CHECK(files.violations() == names{"one-eigen-include include/rlvr/backend/cpu/norm.hpp:5"});
  }
  SECTION("a launch") {
    files.header("backend/cuda/rows.cuh", tree::guard + "inline void rows() { rows_kernel<<<1, 1>>>(); }\n");
    CHECK(files.violations() == names{"one-kernel-launch include/rlvr/backend/cuda/rows.cuh:8"});
  }
  SECTION("a launch by the runtime's function") {
    files.header("backend/cuda/rows.cuh", tree::guard + "inline void rows() { cudaLaunchKernelEx(a, b, c); }\n");
    CHECK(files.violations() == names{"one-kernel-launch include/rlvr/backend/cuda/rows.cuh:8"});
  }
  SECTION("a launch by a handle, in two places") {
    std::string const launch = tree::guard + "inline void rows() { cudaLaunchKernelExC(a, b, c); }\n";
    files.header("backend/cuda/first.cuh", launch);
    CHECK(files.violations() == names{});
    files.header("backend/cuda/second.cuh", launch);
    CHECK(files.violations() == names{"one-handle-launch include/rlvr/backend/cuda/second.cuh:8"});
  }
  SECTION("a launch in a comment is none") {
    files.header("backend/cuda/rows.cuh", tree::guard + "// kernel<<<1, 1>>>()\n");
    CHECK(files.violations() == names{});
  }
}

TEST_CASE("macros, the top of a header and device headers are checked", "[meta]") {
  tree const files;
  SECTION("a macro without the prefix") {
    files.header("core/math.hpp", "#  define MAX(a, b) a\n#define RLVR_GOOD 1\n");
    CHECK(files.violations() == names{"macro-prefix include/rlvr/core/math.hpp:5"});
  }
  SECTION("PCRE2's macro outside the tokenizer") {
    files.header("core/math.hpp", "#define PCRE2_CODE_UNIT_WIDTH 8\n");
    CHECK(files.violations() == names{"macro-prefix include/rlvr/core/math.hpp:5"});
  }
  SECTION("no SPDX line, no file comment, no pragma") {
    files.write("include/rlvr/core/math.hpp", "#include <cmath>\n");
    CHECK(files.violations() == names{"spdx include/rlvr/core/math.hpp:1", "file-comment include/rlvr/core/math.hpp:2",
                                      "pragma-once include/rlvr/core/math.hpp:0"});
  }
  SECTION("a file comment that says nothing") {
    files.write("include/rlvr/core/math.hpp", "// SPDX-License-Identifier: MIT\n/// @file\n#pragma once\n");
    CHECK(files.violations() == names{"file-comment include/rlvr/core/math.hpp:2"});
  }
  SECTION("a .cuh without its #error") {
    files.header("backend/cuda/rows.cuh");
    CHECK(files.violations() == names{"cuh-error include/rlvr/backend/cuda/rows.cuh:0"});
    files.header("backend/cuda/rows.cuh", "#include <rlvr/backend/cuda/launch.cuh>\n");  // which has one
    CHECK(files.violations().empty());
  }
  SECTION("a .cuh in the wrong folder") {
    files.header("model/fast.cuh", tree::guard);
    CHECK(files.violations() == names{"cuh-place include/rlvr/model/fast.cuh:0"});
  }
  SECTION("another kind of file") {
    files.write("include/rlvr/core/math.inl", "// SPDX-License-Identifier: MIT\n/// @file\n/// Text.\n#pragma once\n");
    CHECK(files.violations() == names{"file-kind include/rlvr/core/math.inl:0"});
  }
}

TEST_CASE("lengths and paths of one machine are checked", "[meta]") {
  tree const files;
  SECTION("500 lines are allowed, 501 are not") {
    std::string text(meta::longest_file - 4, '\n');
    files.header("data/long.hpp", text);
    CHECK(files.violations() == names{});
    files.header("data/long.hpp", text + "\n");
    CHECK(files.violations() == names{"file-length include/rlvr/data/long.hpp:501"});
  }
  SECTION("a test of 501 lines") {
    files.write("tests/unit/core/long.cpp", std::string(501, '\n'));
    CHECK(files.violations() == names{"file-length tests/unit/core/long.cpp:501"});
  }
  SECTION("paths") {
    files.write("docs/guide.md",
                "see `/home/me/data`\nhttps://example.org/home/page is fine, so is docs/wo"
                "rk/x\n");
    files.write("README.md", "cat /tmp/out.txt\n");
    files.write("tests/run",
                "cd /wo"
                "rk/here\n: /tmp/x\n");
    CHECK(files.violations() ==
          names{"machine-path tests/run:1", "machine-path docs/guide.md:1", "machine-path README.md:1"});
  }
}
