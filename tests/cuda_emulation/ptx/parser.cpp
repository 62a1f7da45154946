// SPDX-License-Identifier: MIT
/// @file
/// The module level of PTX: directives, variables, functions.
#include "ptx/parser.hpp"

#include "ptx/text.hpp"
#include <cstdlib>
#include <utility>

namespace cuda_emulation::ptx {
namespace {

bool contains(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

std::vector<declaration> parse_parameters(std::string_view list) {
  std::vector<declaration> result;
  for (std::string_view const part : split(list, ',')) result.push_back(parse_declaration(part));
  return result;
}

/// The position behind the bracket that closes the one at `open`.
std::size_t behind_closing(std::string_view text, std::size_t open, char opening, char closing) {
  int depth = 0;
  for (std::size_t at = open; at < text.size(); ++at) {
    if (text[at] == opening) ++depth;
    if (text[at] == closing && --depth == 0) return at + 1;
  }
  return text.size();
}

/// The text within the parentheses that begin at `at`, which moves behind them.
std::string_view take_parentheses(std::string_view text, std::size_t& at) {
  std::size_t const end = behind_closing(text, at, '(', ')');
  std::string_view const inside = text.substr(at + 1, end - at - 2);
  at = end;
  return inside;
}

/// ".func (results) name(parameters) attributes".
function_text parse_function(std::string_view header, std::string_view body) {
  function_text result;
  result.is_kernel = contains(header, ".entry");
  std::size_t at = header.find(result.is_kernel ? ".entry" : ".func");
  at = header.find_first_of(" \t\n(", at);
  for (at = header.find_first_not_of(" \t\n", at); at < header.size() && header[at] == '.';)
    at = header.find_first_not_of(" \t\n", header.find_first_of(" \t\n", at));  // attributes such as .noreturn
  if (header[at] == '(') result.results = parse_parameters(take_parentheses(header, at));
  std::size_t open = header.find('(', at);
  std::size_t const end = std::min(open, header.size());
  result.name = trimmed(header.substr(at, end - at));
  if (std::size_t const space = result.name.find_first_of(" \t\n"); space != std::string::npos)
    result.name.resize(space);  // attributes behind a name without parameters
  if (open != std::string_view::npos) result.parameters = parse_parameters(take_parentheses(header, open));
  result.body = body;
  return result;
}

struct module_parser {
  std::string_view text;
  module_text result;
  std::size_t at = 0;

  void directive_line() {
    std::size_t const end = std::min(text.find('\n', at), text.size());
    auto const parts = words(text.substr(at, end - at));
    if (parts.size() >= 3 && parts[0] == ".file") {
      auto const index = static_cast<std::size_t>(number(parts[1]));
      if (result.files.size() <= index) result.files.resize(index + 1);
      std::size_t const quote = text.find('"', at);
      result.files[index] = text.substr(quote + 1, text.find('"', quote + 1) - quote - 1);
    }
    at = end;
  }

  void variable(std::string_view declared) {
    if (contains(declared, ".func") || contains(declared, ".entry")) return;  // defined elsewhere in the module
    bool const shared = contains(declared, ".shared");
    if (!shared && !contains(declared, ".global") && !contains(declared, ".const")) return;
    declaration parsed = parse_declaration(declared);
    if (shared && starts_with(declared, ".extern"))
      result.dynamic_shared.push_back(std::move(parsed.name));
    else
      (shared ? result.shared_variables : result.device_variables).push_back(std::move(parsed));
  }

  void run() {
    while ((at = text.find_first_not_of(" \t\r\n;", at)) != std::string_view::npos) {
      std::string_view const rest = text.substr(at);
      if (starts_with(rest, ".version") || starts_with(rest, ".target") || starts_with(rest, ".address_size") ||
          starts_with(rest, ".file")) {
        directive_line();
      } else if (starts_with(rest, ".section")) {
        at = behind_closing(text, at, '{', '}');
      } else {
        item();
      }
    }
  }

  void item() {
    std::size_t const mark = std::min(text.find_first_of(";={", at), text.size());
    if (mark < text.size() && text[mark] == '{') {
      std::size_t const end = behind_closing(text, mark, '{', '}');
      function_text function =
          parse_function(trimmed(text.substr(at, mark - at)), text.substr(mark + 1, end - mark - 2));
      std::string name = function.name;
      result.functions.insert_or_assign(std::move(name), std::move(function));
      at = end;
    } else {
      std::size_t const end = std::min(text.find(';', mark), text.size());
      variable(trimmed(text.substr(at, end - at)));
      at = end;
    }
  }
};

}  // namespace

declaration parse_declaration(std::string_view text) {
  declaration result;
  std::size_t const equals = text.find('=');
  if (equals != std::string_view::npos) {
    result.initialiser = trimmed(text.substr(equals + 1));
    text = trimmed(text.substr(0, equals));
  }
  std::size_t const bracket = text.find('[');
  if (bracket != std::string_view::npos) result.elements = number(trimmed(text.substr(bracket + 1)));
  auto const parts = words(text.substr(0, bracket));
  for (std::size_t index = 0; index < parts.size(); ++index) {
    if (parts[index] == ".align" && index + 1 < parts.size()) {
      // ".ptr .align n" is about what the pointer points to
      if (!contains(text, ".ptr")) result.alignment = static_cast<unsigned>(number(parts[index + 1]));
    } else if (parts[index][0] == '.') {
      if (unsigned const bytes = type_bytes(parts[index].substr(1)); bytes != 0) result.element_bytes = bytes;
    }
  }
  if (!parts.empty()) result.name = parts.back();
  result.alignment = std::max(result.alignment, result.element_bytes);
  return result;
}

std::vector<std::string_view> called_names(std::string_view body) {
  std::vector<std::string_view> names;
  for (std::size_t at = body.find("call"); at != std::string_view::npos; at = body.find("call", at + 4)) {
    std::string_view const statement = body.substr(at, body.find(';', at) - at);
    std::size_t const operands = std::min(statement.find_first_of(" \t\n"), statement.size());
    for (std::string_view const operand : split(statement.substr(operands), ',')) names.push_back(operand);
  }
  return names;
}

module_text parse_module(std::string_view text) {
  std::string const clean = without_comments(text);
  module_parser parser{clean, {}, 0};
  parser.run();
  return std::move(parser.result);
}

}  // namespace cuda_emulation::ptx
