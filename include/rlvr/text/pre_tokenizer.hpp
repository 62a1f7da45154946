// SPDX-License-Identifier: MIT
/// @file
/// Cuts text into the pieces that byte pair encoding works on, by regular expressions in Hugging Face's notation
/// (Oniguruma), run by PCRE2.  A piece of one step is the whole subject of the next, as there.
///
/// `\s` is Unicode's White_Space in both engines but for U+180E, hence it is passed on as that property.  Matching is
/// limited: an expression that explodes gives an error, not a hang.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>

#ifndef PCRE2_CODE_UNIT_WIDTH
#  define PCRE2_CODE_UNIT_WIDTH 8
#endif
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <new>
#include <optional>
#include <pcre2.h>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace text {

/// A compiled expression.  Immutable: threads may share it; each uses a matcher of its own.
class pattern {
 public:
  /// @throws argument_error if the expression does not compile
  explicit pattern(std::string_view expression) : source_(expression) {
    std::string const translated = with_white_space(expression);
    int code = 0;
    PCRE2_SIZE offset = 0;
    code_.reset(pcre2_compile_8(reinterpret_cast<PCRE2_SPTR8>(translated.data()), translated.size(),
                                PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &code, &offset, nullptr),
                pcre2_code_free_8);
    if (code_ == nullptr) {
      throw argument_error("regular expression, byte " + std::to_string(offset) + ": " + message(code));
    }
    // Without it PCRE2's interpreter does the same, only slower.
    static_cast<void>(pcre2_jit_compile_8(code_.get(), PCRE2_JIT_COMPLETE));
  }

  [[nodiscard]] std::string const& source() const noexcept { return source_; }
  [[nodiscard]] pcre2_code_8 const* code() const noexcept { return code_.get(); }

  /// PCRE2's words for an error number.
  [[nodiscard]] static std::string message(int code) {
    PCRE2_UCHAR8 text[256] = {};
    pcre2_get_error_message_8(code, text, sizeof text);
    return reinterpret_cast<char const*>(text);
  }

 private:
  /// \s and \S as the property, in and outside of classes.
  [[nodiscard]] static std::string with_white_space(std::string_view expression) {
    std::string result;
    for (std::size_t i = 0; i < expression.size(); ++i) {
      result += expression[i];
      if (expression[i] != '\\' || i + 1 == expression.size()) continue;
      char const escaped = expression[++i];
      if (escaped == 's' || escaped == 'S') {
        result += escaped == 's' ? "p{White_Space}" : "P{White_Space}";
      } else {
        result += escaped;
      }
    }
    return result;
  }

  std::string source_;
  std::shared_ptr<pcre2_code_8> code_;
};

/// Buffers to run a pattern with; one per thread.
class matcher {
 public:
  explicit matcher(pattern const& expression)
      : code_(expression.code()),
        data_(pcre2_match_data_create_from_pattern_8(code_, nullptr), pcre2_match_data_free_8),
        limits_(pcre2_match_context_create_8(nullptr), pcre2_match_context_free_8) {
    if (data_ == nullptr || limits_ == nullptr) throw std::bad_alloc();
    pcre2_set_match_limit_8(limits_.get(), 50'000'000);
    pcre2_set_heap_limit_8(limits_.get(), 1U << 18);  // KiB
  }

  /// The first match at or behind an offset: its range, or (npos, npos).
  /// @pre subject is UTF-8 and offset a boundary in it  @throws unsupported_error if the match exceeds the limits
  [[nodiscard]] std::pair<std::size_t, std::size_t> find(std::string_view subject, std::size_t offset) {
    auto const run = [&](std::uint32_t options) {
      return pcre2_match_8(code_, reinterpret_cast<PCRE2_SPTR8>(subject.data()), subject.size(), offset,
                           options | PCRE2_NO_UTF_CHECK, data_.get(), limits_.get());
    };
    int code = run(0);
    // Compiled code matches on a small stack; the interpreter takes the heap.
    if (code == PCRE2_ERROR_JIT_STACKLIMIT) code = run(PCRE2_NO_JIT);
    if (code == PCRE2_ERROR_NOMATCH) return {std::string_view::npos, std::string_view::npos};
    if (code < 0)
      throw unsupported_error("pre-tokenizer: expression too costly for this text: " + pattern::message(code));
    PCRE2_SIZE const* const range = pcre2_get_ovector_pointer_8(data_.get());
    return {range[0], range[1]};
  }

 private:
  pcre2_code_8 const* code_;
  std::unique_ptr<pcre2_match_data_8, void (*)(pcre2_match_data_8*)> data_;
  std::unique_ptr<pcre2_match_context_8, void (*)(pcre2_match_context_8*)> limits_;
};

/// A step of cutting.
struct pre_tokenizer_step {
  enum class kind : std::uint8_t {
    split,      ///< at the matches of `expression`; matches and what lies between them are pieces
    digits,     ///< at each digit (\p{N}), or at runs of them
    byte_level  ///< into bytes; before that by GPT-2's expression if use_regex
  };
  kind type = kind::byte_level;
  std::string expression{};       ///< split
  bool is_literal = false;        ///< split: the expression is plain text
  bool individual_digits = true;  ///< digits
  bool use_regex = true;          ///< byte_level
  bool add_prefix_space = false;  ///< byte_level: a blank before a text that begins with none

  friend bool operator==(pre_tokenizer_step const&, pre_tokenizer_step const&) = default;
};

/// GPT-2's expression, which ByteLevel with use_regex stands for.
inline constexpr std::string_view gpt2_expression =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
/// Qwen2's expression: one digit a piece, line ends apart.
inline constexpr std::string_view qwen2_expression =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

/// The steps, compiled.  Immutable: threads may share it.
class pre_tokenizer {
  struct stage {
    std::optional<pattern> expression;
    bool add_prefix_space = false;
  };

 public:
  pre_tokenizer() = default;
  /// @throws argument_error if an expression does not compile
  explicit pre_tokenizer(std::vector<pre_tokenizer_step> steps) : steps_(std::move(steps)) {
    using enum pre_tokenizer_step::kind;
    for (pre_tokenizer_step const& step : steps_) {
      stage& added = stages_.emplace_back();
      if (step.type == split) {
        added.expression.emplace(step.is_literal ? escaped(step.expression) : step.expression);
      } else if (step.type == digits) {
        added.expression.emplace(step.individual_digits ? R"(\p{N})" : R"(\p{N}+)");
      } else {
        if (step.use_regex) added.expression.emplace(gpt2_expression);
        added.add_prefix_space = step.add_prefix_space;
      }
    }
  }

  [[nodiscard]] std::vector<pre_tokenizer_step> const& steps() const noexcept { return steps_; }

  /// Runs the steps; one per thread.
  class cutter {
   public:
    explicit cutter(pre_tokenizer const& owner) {
      for (stage const& step : owner.stages_) {
        stages_.push_back({step.expression ? std::optional<matcher>(std::in_place, *step.expression) : std::nullopt,
                           step.add_prefix_space});
      }
    }

    /// The pieces of a text, in order; together they are the text, but for blanks that a step adds.  Valid until the
    /// next call and as long as the text.  @pre text is UTF-8
    [[nodiscard]] std::vector<std::string_view> const& operator()(std::string_view text) {
      pieces_.assign(text.empty() ? 0 : 1, text);
      prefixed_.clear();
      for (running_stage& step : stages_) {
        if (step.add_prefix_space) {
          for (std::string_view& piece : pieces_) {
            if (!piece.starts_with(' ')) piece = prefixed_.emplace_back(1, ' ').append(piece);
          }
        }
        if (!step.expression) continue;
        next_.clear();
        for (std::string_view const piece : pieces_) cut(*step.expression, piece);
        pieces_.swap(next_);
      }
      return pieces_;
    }

   private:
    struct running_stage {
      std::optional<matcher> expression;
      bool add_prefix_space;
    };

    void cut(matcher& step, std::string_view piece) {
      std::size_t done = 0;
      std::size_t offset = 0;
      while (offset < piece.size()) {
        auto const [begin, end] = step.find(piece, offset);
        if (begin == std::string_view::npos) break;
        if (begin == end) {  // an empty match cuts nothing; go on behind the next code point
          offset = end + 1;
          while (offset < piece.size() && (static_cast<unsigned char>(piece[offset]) & 0xC0U) == 0x80U) ++offset;
          continue;
        }
        if (begin > done) next_.push_back(piece.substr(done, begin - done));
        next_.push_back(piece.substr(begin, end - begin));
        done = offset = end;
      }
      if (done < piece.size()) next_.push_back(piece.substr(done));
    }

    std::vector<running_stage> stages_;
    std::vector<std::string_view> pieces_;
    std::vector<std::string_view> next_;
    std::deque<std::string> prefixed_;
  };

 private:
  [[nodiscard]] static std::string escaped(std::string_view text) {
    std::string result;
    for (char const c : text) {
      bool const is_special = std::string_view(R"(\^$.|?*+()[]{}-#/)").find(c) != std::string_view::npos;
      if (is_special) result += '\\';
      result += c;
    }
    return result;
  }

  std::vector<pre_tokenizer_step> steps_;
  std::vector<stage> stages_;
};

}  // namespace text
RLVR_NAMESPACE_END
