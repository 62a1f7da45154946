// SPDX-License-Identifier: MIT
/// @file
/// Bodies become instructions here: declarations give slots and addresses, statements are decoded, calls linked.
#include "ptx/linker.hpp"

#include "engine/state.hpp"
#include "ptx/decoder.hpp"
#include "ptx/scopes.hpp"
#include "ptx/text.hpp"
#include <algorithm>
#include <utility>
#include <vector>

namespace cuda_emulation::ptx {
namespace {

struct location {
  std::uint32_t offset, bytes;
};

/// A device function in the program.  Its frame is static: PTX functions that call themselves are refused.
struct linked_function {
  std::uint32_t entry = 0;
  slot return_counter = 0;
  std::vector<location> results, parameters;  ///< in local memory
};

/// Rounds up to a power of two's multiple.
template <class T>
T aligned(T value, unsigned alignment) {
  return (value + alignment - 1) / alignment * alignment;
}

class linker {
 public:
  linker(loaded_module const& module, std::string_view kernel) : module_(module) {
    result_.name = kernel;
    result_.files = module.text.files;
  }

  program link() {
    function_text const& kernel = find_function(result_.name);
    link_callees(kernel);
    scopes_.push();
    for (declaration const& parameter : kernel.parameters) {
      result_.parameter_bytes = aligned(result_.parameter_bytes, parameter.alignment);
      auto const bytes = static_cast<unsigned>(parameter.bytes());
      scopes_.add_variable(parameter.name, {memory_space::parameter, result_.parameter_bytes});
      result_.parameters.push_back({parameter.name, result_.parameter_bytes, bytes});
      result_.parameter_bytes += bytes;
    }
    in_kernel_ = true;
    result_.entry = next();
    link_body(kernel.body);
    emit_exit();
    scopes_.pop();
    result_.shared_bytes = aligned(result_.shared_bytes, 16);
    result_.local_bytes = aligned(result_.local_bytes, 16);
    if (dynamic_shared_ != 0) result_.constants.emplace_back(dynamic_shared_, result_.shared_bytes);
    for (auto const& [value, index] : constants_) result_.constants.emplace_back(index, value);
    return std::move(result_);
  }

 private:
  [[nodiscard]] std::uint32_t next() const { return static_cast<std::uint32_t>(result_.code.size()); }

  [[noreturn]] void reject(std::string const& what) const { throw failure("PTX of " + result_.name + ": " + what); }

  function_text const& find_function(std::string_view name) const {
    auto const found = module_.text.functions.find(name);
    if (found == module_.text.functions.end()) reject("no function " + std::string(name));
    return found->second;
  }

  // --- functions -----------------------------------------------------------------------------------------------------

  /// Links the functions that a body calls: what is called stands ahead of what calls it.
  void link_callees(function_text const& caller) {
    for (std::string_view const name : called_names(caller.body))
      if (auto const found = module_.text.functions.find(name); found != module_.text.functions.end())
        link_function(found->second);
  }

  void link_function(function_text const& function) {
    if (functions_.count(function.name) != 0) return;
    if (std::find(active_.begin(), active_.end(), function.name) != active_.end())
      reject(function.name + " calls itself, which is not emulated");
    active_.push_back(function.name);
    link_callees(function);
    linked_function linked;
    scopes_.push();
    for (declaration const& result : function.results) linked.results.push_back(add_local(result));
    for (declaration const& parameter : function.parameters) linked.parameters.push_back(add_local(parameter));
    linked.return_counter = new_slot();
    linked.entry = next();
    return_counter_ = linked.return_counter;
    link_body(function.body);
    emit_leave();
    scopes_.pop();
    active_.pop_back();
    functions_.emplace(function.name, std::move(linked));
  }

  // --- declarations --------------------------------------------------------------------------------------------------

  slot new_slot() { return result_.slots++; }

  slot constant(std::uint64_t value) {
    auto const [found, added] = constants_.try_emplace(value, 0u);
    if (added) found->second = new_slot();
    return found->second;
  }

  location add_local(declaration const& variable) {
    result_.local_bytes = aligned(result_.local_bytes, variable.alignment);
    location const at{result_.local_bytes, static_cast<std::uint32_t>(variable.bytes())};
    scopes_.add_variable(variable.name, {memory_space::local, at.offset});
    result_.local_bytes += at.bytes;
    return at;
  }

  symbol add_shared(declaration const& variable) {
    result_.shared_bytes = aligned(result_.shared_bytes, variable.alignment);
    symbol const at{memory_space::shared, result_.shared_bytes};
    result_.shared_bytes += static_cast<unsigned>(variable.bytes());
    return at;
  }

  void add_registers(std::string_view list) {
    for (std::string_view const item : split(list, ',')) {
      std::size_t const bracket = item.find('<');
      if (bracket == std::string_view::npos) {
        scopes_.add_register(item, new_slot());
        continue;
      }
      std::uint64_t const count = number(item.substr(bracket + 1));
      for (std::uint64_t index = 0; index < count; ++index)
        scopes_.add_register(std::string(item.substr(0, bracket)) + std::to_string(index), new_slot());
    }
  }

  void declare(std::string_view statement) {
    if (starts_with(statement, ".reg")) {
      std::size_t const type = statement.find('.', 4);
      add_registers(statement.substr(statement.find_first_of(" \t", type)));
    } else if (starts_with(statement, ".local") || starts_with(statement, ".param")) {
      (void)add_local(parse_declaration(statement));
    } else if (starts_with(statement, ".shared")) {
      declaration const variable = parse_declaration(statement);
      scopes_.add_variable(variable.name, add_shared(variable));
    }  // others, such as .pragma, change no result
  }

  symbol find_symbol(std::string_view name) {
    if (auto const found = scopes_.find_variable(name)) return *found;
    if (auto const found = shared_.find(name); found != shared_.end()) return found->second;
    if (auto const found = module_.addresses.find(name); found != module_.addresses.end())
      return {memory_space::global, found->second};
    for (declaration const& variable : module_.text.shared_variables)
      if (variable.name == name) return shared_.emplace(name, add_shared(variable)).first->second;
    auto const& dynamic = module_.text.dynamic_shared;
    if (std::find(dynamic.begin(), dynamic.end(), name) == dynamic.end()) reject("unknown name " + std::string(name));
    return {memory_space::shared, 0, true};
  }

  slot slot_of(symbol const& variable) {
    if (!variable.dynamic) return constant(variable.address);
    if (dynamic_shared_ == 0) dynamic_shared_ = new_slot();
    return dynamic_shared_;
  }

  // --- bodies --------------------------------------------------------------------------------------------------------

  void link_body(std::string_view text) {
    scopes_.push();
    for (std::size_t at = 0; (at = text.find_first_not_of(" \t\r\n;", at)) < text.size();) {
      if (text[at] == '{') {
        scopes_.push();
        ++at;
      } else if (text[at] == '}') {
        scopes_.pop();
        ++at;
      } else if (text.compare(at, 4, ".loc") == 0 && text.compare(at, 6, ".local") != 0) {
        std::size_t const end = std::min(text.find('\n', at), text.size());
        auto const parts = words(text.substr(at, end - at));
        file_ = static_cast<std::uint32_t>(number(parts.at(1)));
        line_ = static_cast<std::uint32_t>(number(parts.at(2)));
        at = end;
      } else {
        at = link_item(text, at);
      }
    }
    scopes_.pop();
  }

  /// A label or a statement; returns the position behind it.
  std::size_t link_item(std::string_view text, std::size_t at) {
    std::size_t const name_end = text.find_first_of(" \t\r\n:;", at);
    std::size_t const colon = text.find_first_not_of(" \t\r\n", name_end);
    if (colon < text.size() && text[colon] == ':' && text[colon + 1] != ':') {
      label_ = text.substr(at, name_end - at);
      scopes_.add_label(label_, next());
      return colon + 1;
    }
    std::size_t const end = std::min(text.find(';', at), text.size());
    std::string_view const statement = trimmed(text.substr(at, end - at));
    if (starts_with(statement, ".branchtargets"))
      add_branch_table(statement.substr(14));
    else if (statement[0] == '.')
      declare(statement);
    else
      link_statement(statement);
    return end;
  }

  void add_branch_table(std::string_view targets) {
    auto const table = static_cast<std::uint32_t>(result_.branch_tables.size());
    auto const labels = split(targets, ',');
    result_.branch_tables.emplace_back(labels.size());
    for (std::size_t index = 0; index < labels.size(); ++index)
      scopes_.on_label(labels[index],
                       [this, table, index](std::uint32_t at) { result_.branch_tables[table][index] = at; });
    tables_[label_] = table;
  }

  void emit(instruction at, std::string_view text) {
    at.file = file_;
    at.line = line_;
    result_.code.push_back(at);
    result_.text.emplace_back(text);
  }

  void emit_exit() {
    instruction at;
    at.kind = flow::exit;
    emit(at, "exit");
  }

  void emit_leave() {
    instruction at;
    at.kind = flow::leave;
    at.source[0] = return_counter_;
    emit(at, "ret");
  }

  // --- statements ----------------------------------------------------------------------------------------------------

  slot find_register(std::string_view name) {
    if (name == "_") return sink_slot;
    if (auto const found = scopes_.find_register(name)) return *found;
    reject("unknown register " + std::string(name));
  }

  slot inverted(std::string_view predicate) {
    instruction at;
    at.execute = invert_predicate;
    at.source[0] = find_register(predicate);
    at.destination[0] = new_slot();
    emit(at, "not.pred");
    return at.destination[0];
  }

  slot value_operand(std::string_view operand) {
    if (operand[0] == '!') return inverted(trimmed(operand.substr(1)));
    if (is_number(operand)) return constant(number(operand));
    if (operand == "WARP_SZ") return constant(warp_lanes);
    if (operand == "_") return zero_slot;
    if (auto const found = scopes_.find_register(operand)) return *found;
    std::size_t const plus = operand.find('+');
    symbol variable = find_symbol(trimmed(operand.substr(0, plus)));
    if (plus != std::string_view::npos) variable.address += number(trimmed(operand.substr(plus + 1)));
    return slot_of(variable);
  }

  void address_operand(instruction& at, std::string_view operand) {
    std::size_t const plus = operand.find('+');
    std::string_view const base = trimmed(operand.substr(0, plus));
    if (plus != std::string_view::npos)
      at.offset = static_cast<std::int64_t>(number(trimmed(operand.substr(plus + 1))));
    slot& source = at.source[at.sources++];
    if (is_number(base)) {
      source = constant(number(base));
    } else if (auto const found = scopes_.find_register(base)) {
      source = *found;
      if (at.space == memory_space::parameter && !in_kernel_) at.space = memory_space::local;
    } else {
      symbol const variable = find_symbol(base);
      if (at.space == memory_space::parameter) at.space = variable.space;
      source = slot_of(variable);
    }
  }

  void add_source(instruction& at, std::string_view operand) {
    if (operand.empty()) return;
    if (operand[0] == '[') {
      address_operand(at, trimmed(operand.substr(1, operand.size() - 2)));
      return;
    }
    if (operand[0] == '{') {
      for (std::string_view const part : split(operand.substr(1, operand.size() - 2), ',')) add_source(at, part);
      return;
    }
    if (at.sources == std::size(at.source)) reject("too many operands");
    at.source[at.sources] = value_operand(operand);
    ++at.sources;
  }

  void add_destinations(instruction& at, std::string_view operand) {
    bool const list = operand[0] == '{';
    if (list) operand = operand.substr(1, operand.size() - 2);
    for (std::string_view const part : split(operand, list ? ',' : '|')) {
      if (at.destinations == std::size(at.destination)) reject("too many results");
      at.destination[at.destinations++] = find_register(part);
    }
  }

  /// Takes "@%p1" or "@!%p1" off a statement.
  void take_guard(instruction& at, std::string_view& statement) {
    if (statement[0] != '@') return;
    std::size_t const end = statement.find_first_of(" \t\n");
    std::string_view name = statement.substr(1, end - 1);
    at.guarded = true;
    at.guard_inverted = name[0] == '!';
    if (at.guard_inverted) name.remove_prefix(1);
    at.guard = find_register(name);
    statement = trimmed(statement.substr(end));
  }

  void link_statement(std::string_view statement) {
    std::string_view const text = statement;
    instruction at;
    take_guard(at, statement);
    std::size_t const end = std::min(statement.find_first_of(" \t\n"), statement.size());
    auto parts = split(statement.substr(0, end), '.');
    opcode const op{parts[0], {parts.begin() + 1, parts.end()}};
    auto const operands = split(statement.substr(end), ',');
    if (op.name == "call") return link_call(at, operands, text);
    if ((op.name == "ret" || op.name == "exit") && (in_kernel_ || op.name == "exit")) {
      at.kind = flow::exit;
      return emit(at, text);
    }
    if (op.name == "ret") {
      at.kind = flow::leave;
      at.source[0] = return_counter_;
      return emit(at, text);
    }
    if (op.name == "bra" || op.name == "brx") return link_branch(at, op, operands, text);
    at.execute = decode(op, at);
    if (at.execute == nullptr) {
      at.execute = unknown_instruction;
      at.kind = flow::next;
      return emit(at, text);
    }
    std::size_t first = 0;
    if (has_destination(op) && !operands.empty()) add_destinations(at, operands[first++]);
    for (; first < operands.size(); ++first) add_source(at, operands[first]);
    emit(at, text);
  }

  void link_branch(instruction at, opcode const& op, std::vector<std::string_view> const& operands,
                   std::string_view text) {
    if (op.name == "bra") {
      at.kind = flow::branch;
      std::uint32_t const index = next();
      scopes_.on_label(operands.at(0), [this, index](std::uint32_t target) { result_.code[index].target = target; });
    } else {
      at.kind = flow::indexed_branch;
      at.source[0] = value_operand(operands.at(0));
      auto const table = tables_.find(operands.at(1));
      if (table == tables_.end()) reject("no branch targets " + std::string(operands.at(1)));
      at.target = table->second;
    }
    emit(at, text);
  }

  // --- calls ---------------------------------------------------------------------------------------------------------

  /// The arguments "(param0, param1)" as offsets in local memory.
  std::vector<std::uint32_t> arguments(std::string_view list) {
    std::vector<std::uint32_t> result;
    if (list.size() < 2 || list[0] != '(') return result;
    for (std::string_view const name : split(list.substr(1, list.size() - 2), ','))
      result.push_back(static_cast<std::uint32_t>(find_symbol(name).address));
    return result;
  }

  void emit_copy(instruction at, std::uint32_t from, std::uint32_t to, std::uint32_t bytes, std::string_view text) {
    at.execute = copy_local;
    at.offset = from;
    at.target = to;
    at.length = bytes;
    emit(at, text);
  }

  void link_call(instruction at, std::vector<std::string_view> const& operands, std::string_view text) {
    bool const returns = !operands.empty() && operands[0][0] == '(';
    std::size_t const position = returns ? 1 : 0;
    std::string_view const name = operands.at(position);
    auto const passed =
        operands.size() > position + 1 ? arguments(operands[position + 1]) : std::vector<std::uint32_t>{};
    auto const received = returns ? arguments(operands[0]) : std::vector<std::uint32_t>{};
    auto const found = functions_.find(name);
    if (found == functions_.end()) return link_external(at, name, passed, text);
    linked_function const& function = found->second;
    for (std::size_t index = 0; index < std::min(passed.size(), function.parameters.size()); ++index)
      emit_copy(at, passed[index], function.parameters[index].offset, function.parameters[index].bytes, text);
    at.kind = flow::call;
    at.target = function.entry;
    at.destination[0] = function.return_counter;
    emit(at, text);
    at.kind = flow::next;
    for (std::size_t index = 0; index < std::min(received.size(), function.results.size()); ++index)
      emit_copy(at, function.results[index].offset, received[index], function.results[index].bytes, text);
  }

  /// Functions of the device's own library.  What kernels print is dropped.
  void link_external(instruction at, std::string_view name, std::vector<std::uint32_t> const& passed,
                     std::string_view text) {
    if (name == "vprintf") {
      at.execute = do_nothing;
    } else if (name == "__assertfail" && !passed.empty()) {
      at.execute = assertion_failed;
      at.offset = passed[0];
    } else {
      at.execute = unknown_instruction;
    }
    emit(at, text);
  }

  loaded_module const& module_;
  program result_;
  scope_stack scopes_;
  std::map<std::uint64_t, slot> constants_;
  std::map<std::string, linked_function, std::less<>> functions_;
  std::map<std::string, symbol, std::less<>> shared_;
  std::map<std::string, std::uint32_t, std::less<>> tables_;
  std::vector<std::string> active_;
  std::string label_;
  slot dynamic_shared_ = 0;
  slot return_counter_ = 0;
  bool in_kernel_ = false;
  std::uint32_t file_ = 0, line_ = 0;
};

}  // namespace

program link_kernel(loaded_module const& module, std::string_view kernel) { return linker(module, kernel).link(); }

}  // namespace cuda_emulation::ptx
