// SPDX-License-Identifier: MIT
// libFuzzer target: tags, labels and answers of model text, against naive references and the laws of an equivalence.
//
//   tests/fuzz/run --seconds 60 label
//
// The input's first byte is where the rest is cut into two texts, in 256ths.
#include <rlvr/reward/evidence.hpp>
#include <rlvr/reward/exact_match.hpp>
#include <rlvr/reward/numeric_answer.hpp>
#include <rlvr/reward/r1_re.hpp>
#include <rlvr/text/guideline_semeval2010.hpp>
#include <rlvr/text/tags.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace rlvr;

void require(bool holds) {
  if (!holds) std::abort();
}

std::size_t count(std::string_view text, std::string_view tag) {
  std::size_t found = 0;
  for (std::size_t at = text.find(tag); at != text.npos; at = text.find(tag, at + 1)) ++found;
  return found;
}

/// The strict grammar by counting and searching.
std::optional<std::string> strict_answer(std::string const& text) {
  for (std::string_view const tag : {"<think>", "</think>", "<answer>", "</answer>"}) {
    if (count(text, tag) != 1) return std::nullopt;
  }
  std::size_t const a = text.find("<think>"), b = text.find("</think>");
  std::size_t const c = text.find("<answer>"), d = text.find("</answer>");
  if (!(a < b && b < c && c < d)) return std::nullopt;
  std::string const outside = text.substr(0, a) + text.substr(b + 8, c - b - 8) + text.substr(d + 9);
  if (outside.find_first_not_of(" \t\r\n") != outside.npos) return std::nullopt;
  if (!text::has_visible(text.substr(a + 7, b - a - 7))) return std::nullopt;
  return text.substr(c + 8, d - c - 8);
}

/// The lenient contract read from the front: the state after each tag.
std::optional<std::string> lenient_answer(std::string const& text) {
  std::size_t from = 0;
  for (std::size_t at = text.find("</think>"); at != text.npos; at = text.find("</think>", at + 1)) from = at + 8;
  std::optional<std::string> answer;
  std::optional<std::size_t> open;
  for (std::size_t at = from; at < text.size(); ++at) {
    std::string_view const rest = std::string_view(text).substr(at);
    if (rest.starts_with("<think>")) break;
    if (rest.starts_with("<answer>")) {
      open = at + 8;
      answer.reset();
    } else if (open && rest.starts_with("</answer>")) {
      answer = std::string(text::trim(std::string_view(text).substr(*open, at - *open)));
      open.reset();
    }
  }
  if (answer && !text::has_visible(*answer)) answer.reset();
  return answer;
}

std::optional<std::string> own(std::optional<std::string_view> view) {
  return view ? std::optional<std::string>(*view) : std::nullopt;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  if (size == 0) return 0;
  std::string const text(reinterpret_cast<char const*>(data) + 1, size - 1);
  std::size_t const cut = text.size() * data[0] / 256;
  std::string const left = text.substr(0, cut);
  std::string const right = text.substr(cut);

  static text::guideline const guide = text::semeval2010_guideline();
  text::tagged_response const parsed = text::parse_think_answer(text);
  auto const expected = strict_answer(text);
  require(parsed.ok() == expected.has_value());
  if (expected) require(parsed.answer == *expected);
  require(own(text::last_answer_block(text)) == lenient_answer(text));
  if (parsed.ok() && text::has_visible(text::trim(parsed.answer)))
    require(text::last_answer_block(text) == text::trim(parsed.answer));
  text::joined_response const joined(left, right);
  require(joined.view() == text);

  // A label is one of the guideline, and reads as itself.
  auto const label = text::parse_label(guide, text);
  if (label) require(text::parse_label(guide, text::label_text(guide, *label)) == label);
  (void)reward::classify(guide, "Other", text);

  // Equivalence: reflexive for what shows something, symmetric, stable under canonical form.
  reward::answer_policy const policy;
  std::string const left_key = reward::canonical_answer(left, policy);
  require(reward::equivalent_answers(left, left, policy) == !left_key.empty());
  bool const same = reward::equivalent_answers(left, right, policy);
  require(same == reward::equivalent_answers(right, left, policy));
  if (same) require(left_key == reward::canonical_answer(right, policy));
  if (auto const number = reward::detail::read_quantity(left, policy)) {
    require(reward::measures::to_text(*number) == reward::canonical_answer(reward::measures::to_text(*number), policy));
  }
  reward::answer_policy tolerant;
  tolerant.tolerance = 0.5;
  require(reward::equivalent_answers(left, right, tolerant) == reward::equivalent_answers(right, left, tolerant));
  (void)reward::extract_answer(text);

  std::vector<std::string_view> const options{left, right, "True"};
  (void)reward::read_choice(text, 3, options);
  reward::evidence_measure const measure;
  double const overlap = measure(reward::find_quotes(left), right);
  require(overlap >= 0 && overlap <= 1);
  return 0;
}
