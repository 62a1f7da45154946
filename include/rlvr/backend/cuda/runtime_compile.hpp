// SPDX-License-Identifier: MIT
/// @file
/// A token objective compiled while the program runs: from a string in a configuration, without a build.
///
///     auto const code = rlvr::cuda::compile_objective(R"(
///       struct soft_clip {
///         template <class T>
///         T operator()(rlvr::token_sample<T> s) const {
///           return -s.advantage * tanh(s.log_prob - s.old_log_prob);
///         }
///       };)", "rlvr::differentiated<soft_clip>");
///
/// NVRTC compiles the fused loss (kernel/token_loss.hpp) over the objective; runtime_objective.cuh loads the code and
/// launches it.  Compiling needs neither a GPU nor its driver, takes some tenths of a second, and needs this library's
/// headers on the machine where the program runs: rl/, kernel/, and nothing of the standard library or of the toolkit.
///
/// Values of the objective are literals of its source, or members that a launch fills (`parameter_bytes`).
///
/// Needs <nvrtc.h> and libnvrtc (CMake: rlvr::nvrtc), CUDA 12.4 or newer; any host compiler.
#pragma once

#include <rlvr/backend/cuda/runtime_standard.hpp>
#include <rlvr/core/error.hpp>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <iterator>
#include <nvrtc.h>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace cuda {

/// The source does not compile.  `what()` ends with what the compiler said; lines are those of the source.
class runtime_compile_error : public error {
 public:
  runtime_compile_error(std::string const& message, std::string log, source_place where = source_place::current())
      : error(message + (log.empty() ? "" : "\n" + log), where), log_(std::move(log)) {}

  /// The compiler's messages.
  [[nodiscard]] std::string const& log() const noexcept { return log_; }

 private:
  std::string log_;
};

/// The folder that has rlvr/ in it, as the compiler found this header: RLVR_INCLUDE_FOLDER where that is defined
/// (rlvr::nvrtc does so), else a part of this file's name, which may be relative to where the program was built.
[[nodiscard]] inline std::string default_include_folder() {
#if defined(RLVR_INCLUDE_FOLDER)
  return RLVR_INCLUDE_FOLDER;
#else
  return std::filesystem::path(__FILE__).parent_path().parent_path().parent_path().parent_path().string();
#endif
}

/// How to compile.
struct runtime_options {
  /// "compute_90": PTX, which the driver compiles for the device that it finds, of this or a later kind.
  /// "sm_90": code for that kind of device, nothing left to do when it is loaded.  `device_architecture()` has the
  /// name.
  std::string architecture = "compute_80";
  /// Where <rlvr/...> is.
  std::string include_folder = default_include_folder();
  /// Size of the objective whose members a launch fills; 0: every launch has a default-constructed one.
  std::size_t parameter_bytes = 0;
  /// The source's name in messages.
  std::string source_name = "objective";
  /// Further options of NVRTC, e.g. "-I/opt/mine" for an `#include` in the source.
  std::vector<std::string> compiler_options{};
};

/// What the compiler made.
struct device_code {
  std::string code;  ///< PTX's text, or a cubin
  std::string log;   ///< warnings; for a cubin registers and spills as well
  bool is_ptx = true;
};

/// A compiled objective.
struct compiled_objective : device_code {
  std::size_t parameter_bytes = 0;
};

namespace detail {

/// Names of the kernels in the code.
inline constexpr char const* runtime_warp_kernel = "rlvr_loss_of_warps";
inline constexpr char const* runtime_small_block_kernel = "rlvr_loss_of_blocks";
inline constexpr char const* runtime_large_block_kernel = "rlvr_loss_of_large_blocks";

inline void check_nvrtc(nvrtcResult result, char const* call, source_place where = source_place::current()) {
  if (result != NVRTC_SUCCESS)
    throw runtime_compile_error(std::string(call) + ": " + nvrtcGetErrorString(result), {}, where);
}

/// NVRTC's program.
class runtime_program {
 public:
  explicit runtime_program(std::string const& source) {
    std::vector<char const*> texts, names;
    for (runtime_header const& header : runtime_headers) {
      texts.push_back(header.text);
      names.push_back(header.name);
    }
    // The name must be none that a source includes.
    check_nvrtc(nvrtcCreateProgram(&program_, source.c_str(), "objective at run time", static_cast<int>(names.size()),
                                   texts.data(), names.data()),
                "nvrtcCreateProgram");
  }
  ~runtime_program() { (void)nvrtcDestroyProgram(&program_); }
  runtime_program(runtime_program const&) = delete;
  runtime_program& operator=(runtime_program const&) = delete;

  [[nodiscard]] nvrtcResult compile(std::vector<std::string> const& options) {
    std::vector<char const*> words;
    for (std::string const& option : options) words.push_back(option.c_str());
    return nvrtcCompileProgram(program_, static_cast<int>(words.size()), words.data());
  }
  [[nodiscard]] std::string log() const {
    std::string text = read(nvrtcGetProgramLogSize, nvrtcGetProgramLog, "nvrtcGetProgramLog");
    while (!text.empty() && (text.back() == '\0' || text.back() == '\n')) text.pop_back();
    return text;
  }
  [[nodiscard]] std::string ptx() const {
    std::string text = read(nvrtcGetPTXSize, nvrtcGetPTX, "nvrtcGetPTX");
    while (!text.empty() && text.back() == '\0') text.pop_back();
    return text;
  }
  [[nodiscard]] std::string cubin() const { return read(nvrtcGetCUBINSize, nvrtcGetCUBIN, "nvrtcGetCUBIN"); }

 private:
  std::string read(nvrtcResult (*size)(nvrtcProgram, std::size_t*), nvrtcResult (*copy)(nvrtcProgram, char*),
                   char const* call) const {
    std::size_t bytes = 0;
    check_nvrtc(size(program_, &bytes), call);
    std::string text(bytes, '\0');
    if (bytes != 0) check_nvrtc(copy(program_, text.data()), call);
    return text;
  }

  nvrtcProgram program_ = nullptr;
};

/// The architectures' numbers that this NVRTC compiles for, ascending.
[[nodiscard]] inline std::vector<int> supported_architectures() {
  int count = 0;
  check_nvrtc(nvrtcGetNumSupportedArchs(&count), "nvrtcGetNumSupportedArchs");
  std::vector<int> numbers(static_cast<std::size_t>(count));
  if (count != 0) check_nvrtc(nvrtcGetSupportedArchs(numbers.data()), "nvrtcGetSupportedArchs");
  return numbers;
}

/// Throws argument_error unless it is compute_N or sm_N of a known N; a letter may follow, which NVRTC judges.
inline void validate_architecture(std::string_view name) {
  std::string_view digits = name;
  if (name.starts_with("compute_"))
    digits.remove_prefix(8);
  else if (name.starts_with("sm_"))
    digits.remove_prefix(3);
  if (!digits.empty() && (digits.back() == 'a' || digits.back() == 'f')) digits.remove_suffix(1);
  std::vector<int> const numbers = supported_architectures();
  bool const known = digits.size() < name.size() && std::any_of(numbers.begin(), numbers.end(), [&](int number) {
                       return digits == std::to_string(number);
                     });
  if (known) return;
  std::string text = "architecture \"" + std::string(name) + "\": expected compute_N or sm_N with N one of";
  for (int const number : numbers) text += " " + std::to_string(number);
  throw argument_error(text);
}

/// Lines that follow are counted from 1 and belong to `name`.
[[nodiscard]] inline std::string line_directive(std::string_view name) {
  std::string text = "#line 1 \"";
  for (char const c : name) {
    if (c == '"' || c == '\\') text += '\\';
    text += c == '\n' ? ' ' : c;
  }
  return text + "\"\n";
}

/// The objective's source as a program: what it may use before it, the kernels behind it.  Every part begins with a
/// line number of its own, so that messages have the user's.
[[nodiscard]] inline std::string program_of(std::string_view source, std::string_view type,
                                            runtime_options const& options) {
  bool const filled = options.parameter_bytes != 0;
  std::string text =
      "#include <rlvr/backend/cuda/runtime_kernels.cuh>\n"
      "#include <rlvr/rl/differentiate.hpp>\n"
      "#include <rlvr/rl/objective.hpp>\n";
  text += line_directive(options.source_name) + std::string(source) + "\n";
  text += line_directive("type of " + options.source_name);
  text += "using rlvr_runtime_objective = " + std::string(type) + ";\n";
  text += line_directive("rlvr");
  text +=
      "static_assert(rlvr::token_objective<rlvr_runtime_objective>, \"this type is no token objective: it must be "
      "trivially copyable, with loss_value<float> operator()(token_sample<float>) const, or in "
      "rlvr::differentiated<...>\");\n";
  if (filled)
    text += "static_assert(sizeof(rlvr_runtime_objective) == " + std::to_string(options.parameter_bytes) +
            ", \"the objective's size differs from parameter_bytes\");\n";
  auto const add_kernel = [&](std::string const& name, std::string const& threads, std::string const& body) {
    text += "extern \"C\" __global__ void __launch_bounds__(rlvr::cuda::" + threads + ") " + name +
            "(__grid_constant__ rlvr::cuda::runtime_loss_rows const rows";
    text += filled ? ", __grid_constant__ rlvr_runtime_objective const objective) {\n"
                   : ") {\n  rlvr_runtime_objective const objective{};\n";
    text += "  rlvr::cuda::detail::" + body + "(rows, objective);\n}\n";
  };
  add_kernel(runtime_warp_kernel, "small_block", "runtime_warp_loss");
  add_kernel(runtime_small_block_kernel, "small_block", "runtime_block_loss<rlvr::cuda::small_block>");
  add_kernel(runtime_large_block_kernel, "large_block", "runtime_block_loss<rlvr::cuda::large_block>");
  return text;
}

/// Compiles the text as it is.
[[nodiscard]] inline device_code compile_text(std::string const& text, runtime_options const& options) {
  validate_architecture(options.architecture);
  if (!std::filesystem::exists(std::filesystem::path(options.include_folder) / "rlvr" / "core" / "config.hpp"))
    throw argument_error("include_folder: there is no rlvr/core/config.hpp in \"" + options.include_folder + "\"");
  bool const ptx = options.architecture.starts_with("compute_");
  std::vector<std::string> words{"--std=c++20", "--device-as-default-execution-space",
                                 "--gpu-architecture=" + options.architecture,
                                 "--include-path=" + options.include_folder};
  if (!ptx) words.push_back("--ptxas-options=--verbose");
  words.insert(words.end(), options.compiler_options.begin(), options.compiler_options.end());

  runtime_program program(text);
  nvrtcResult const result = program.compile(words);
  device_code made;
  made.log = program.log();
  if (result != NVRTC_SUCCESS)
    throw runtime_compile_error(options.source_name + ": " + nvrtcGetErrorString(result), made.log);
  made.is_ptx = ptx;
  made.code = ptx ? program.ptx() : program.cubin();
  return made;
}

}  // namespace detail

/// Compiles a program of device code that may include the headers of rl/ and kernel/.
/// @throws argument_error for an unknown architecture or a folder without the headers, runtime_compile_error
[[nodiscard]] inline device_code compile_device_code(std::string_view source, runtime_options const& options = {}) {
  return detail::compile_text(detail::line_directive(options.source_name) + std::string(source), options);
}

/// Compiles loss and gradient of an objective.
/// @param source  defines the objective; it may include headers of rl/, and attributes such as RLVR_HD are not needed
/// @param type    the objective's type: "my_objective", or "rlvr::differentiated<my_function>" for plain arithmetic
/// @throws argument_error for an empty source or type and as compile_device_code; runtime_compile_error
[[nodiscard]] inline compiled_objective compile_objective(std::string_view source, std::string_view type,
                                                          runtime_options const& options = {}) {
  constexpr std::string_view blank = " \t\r\n";
  if (source.find_first_not_of(blank) == std::string_view::npos)
    throw argument_error(options.source_name + ": the source is empty");
  if (type.find_first_not_of(blank) == std::string_view::npos || type.find_first_of(";{}#\n") != std::string_view::npos)
    throw argument_error(options.source_name + ": \"" + std::string(type) + "\" is not the name of a type");
  compiled_objective made;
  static_cast<device_code&>(made) = detail::compile_text(detail::program_of(source, type, options), options);
  made.parameter_bytes = options.parameter_bytes;
  return made;
}

}  // namespace cuda
RLVR_NAMESPACE_END
