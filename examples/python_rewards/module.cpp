// SPDX-License-Identifier: MIT
/// @file
/// The Python module rlvr_rewards._core.  Python objects become views and plain values first; then the interpreter lock
/// is released and C++ threads score; then results become Python objects.  What the scoring reads are the bytes of str
/// and bytes objects, which never change, and which this call holds a reference to.
#include <rlvr/core/error.hpp>
#include <rlvr/reward/outcome.hpp>
#include <rlvr/text/guideline.hpp>
#include <rlvr/text/tags.hpp>

#include "rewards.hpp"
#include <array>
#include <cstddef>
#include <exception>
#include <memory>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace python_rewards {
namespace {

namespace py = pybind11;
namespace reward = rlvr::reward;
namespace text = rlvr::text;

/// The bytes of Python texts, for as long as this object lives.
class text_views {
 public:
  /// UTF-8.  A surrogate that stands for a byte ("surrogateescape") becomes that byte, any other one its three bytes;
  /// neither is well-formed, and rewards take any bytes.
  [[nodiscard]] std::string_view add(py::handle value, std::string const& what) {
    if (PyBytes_Check(value.ptr())) return keep(py::reinterpret_borrow<py::object>(value));
    if (!PyUnicode_Check(value.ptr())) {
      throw py::type_error(what + " is a " + std::string(Py_TYPE(value.ptr())->tp_name) + ", expected str or bytes");
    }
    if (PyUnicode_IS_COMPACT_ASCII(value.ptr())) {  // its own bytes are UTF-8
      owners_.push_back(py::reinterpret_borrow<py::object>(value));
      return {static_cast<char const*>(PyUnicode_DATA(value.ptr())),
              static_cast<std::size_t>(PyUnicode_GET_LENGTH(value.ptr()))};
    }
    for (char const* const errors : {"surrogateescape", "surrogatepass"}) {
      PyObject* const encoded = PyUnicode_AsEncodedString(value.ptr(), "utf-8", errors);
      if (encoded != nullptr) return keep(py::reinterpret_steal<py::object>(encoded));
      if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) break;
      if (std::string_view(errors) == "surrogateescape") PyErr_Clear();
    }
    throw py::error_already_set();
  }

 private:
  [[nodiscard]] std::string_view keep(py::object bytes) {
    owners_.push_back(std::move(bytes));
    PyObject* const object = owners_.back().ptr();
    return {PyBytes_AS_STRING(object), static_cast<std::size_t>(PyBytes_GET_SIZE(object))};
  }

  std::vector<py::object> owners_;
};

/// A text of ours; bytes that are not UTF-8 (of a name or guideline) are replaced.
[[nodiscard]] py::str to_python(std::string_view value) {
  PyObject* const decoded = PyUnicode_DecodeUTF8(value.data(), static_cast<Py_ssize_t>(value.size()), "replace");
  if (decoded == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<py::str>(decoded);
}

[[nodiscard]] reward::triple triple_of(py::handle value, std::string const& what) {
  std::vector<std::string> fields;
  text_views views;
  if (py::isinstance<py::dict>(value)) {
    for (char const* const key : {"subject", "relation", "object"}) {
      if (!value.attr("__contains__")(key).cast<bool>()) {
        throw py::value_error(what + " has no key '" + key + "', expected subject, relation and object");
      }
      fields.emplace_back(views.add(value[key], what));
    }
  } else {
    for (py::handle const field : value) fields.emplace_back(views.add(field, what));
  }
  if (fields.size() != 3) {
    throw py::value_error(what + " has " + std::to_string(fields.size()) +
                          " fields, expected subject, relation and object");
  }
  return {std::move(fields[0]), std::move(fields[1]), std::move(fields[2])};
}

/// None, a text, or any iterable of triples.
[[nodiscard]] gold_answer gold_of(py::handle value, text_views& views, std::string const& what) {
  if (value.is_none()) return {};
  if (PyUnicode_Check(value.ptr()) || PyBytes_Check(value.ptr())) return views.add(value, what);
  if (!py::isinstance<py::iterable>(value)) {
    throw py::type_error(what + " is a " + std::string(Py_TYPE(value.ptr())->tp_name) +
                         ", expected None, a text or a list of triples");
  }
  std::vector<reward::triple> triples;
  for (py::handle const each : value) triples.push_back(triple_of(each, what));
  return triples;
}

/// Scores without the interpreter lock, a portion at a time: between portions Python may raise KeyboardInterrupt.
[[nodiscard]] std::vector<reward::outcome> score_unlocked(any_reward const& scorer, std::vector<sample> const& samples,
                                                          unsigned threads) {
  constexpr std::size_t portion_bytes = std::size_t{1} << 26;
  std::vector<reward::outcome> outcomes;
  outcomes.reserve(samples.size());
  for (std::size_t begin = 0; begin < samples.size();) {
    if (begin > 0 && PyErr_CheckSignals() != 0) throw py::error_already_set();
    py::gil_scoped_release const unlocked;
    std::size_t end = begin;
    for (std::size_t bytes = 0; end < samples.size() && bytes < portion_bytes; ++end)
      bytes += samples[end].completion.size() + 256;
    std::span<sample const> const portion = std::span(samples).subspan(begin, end - begin);
    for (reward::outcome& each : score(scorer, portion, threads)) outcomes.push_back(std::move(each));
    begin = end;
  }
  return outcomes;
}

/// completions, golds and prefills are sequences of one length.
[[nodiscard]] std::vector<reward::outcome> score_python(any_reward const& scorer, py::sequence const& completions,
                                                        py::sequence const& golds, py::sequence const& prefills,
                                                        unsigned threads) {
  std::size_t const count = completions.size();
  for (auto const& [name, list] : {std::pair("gold answers", &golds), std::pair("prefills", &prefills)}) {
    if (list->size() == count) continue;
    throw py::value_error(std::to_string(count) + " completions and " + std::to_string(list->size()) + " " + name +
                          ", expected as many");
  }
  text_views views;
  std::vector<sample> samples;
  samples.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    std::string const place = "[" + std::to_string(i) + "]";
    // Items of a sequence that is no list may be fresh objects: they are held while they are read.
    py::object const completion = completions[i], gold = golds[i], prefill = prefills[i];
    samples.push_back({.completion = views.add(completion, "completions" + place),
                       .prefill = views.add(prefill, "prefill" + place),
                       .gold = gold_of(gold, views, "gold" + place)});
  }
  return score_unlocked(scorer, samples, threads);
}

[[nodiscard]] char const* status_name(reward::outcome_status status) noexcept {
  switch (status) {
    case reward::outcome_status::value:
      return "value";
    case reward::outcome_status::not_applicable:
      return "not_applicable";
    case reward::outcome_status::timed_out:
      return "timed_out";
    case reward::outcome_status::error:
      break;
  }
  return "error";
}

[[nodiscard]] py::object value_of(reward::outcome const& result) {
  return result.has_value() ? py::object(py::float_(result.value)) : py::object(py::none());
}

[[nodiscard]] py::dict to_python(reward::outcome const& result) {
  py::dict parts;
  for (reward::outcome_part const& part : result.parts) parts[to_python(part.name)] = part.value;
  py::dict row;
  row["reward"] = value_of(result);
  row["status"] = status_name(result.status);
  row["class"] = to_python(reward::class_name(result.kind));
  row["passed"] = result.passed;
  row["parts"] = parts;
  row["diagnosis"] = to_python(result.diagnosis);
  return row;
}

void bind_texts(py::module_& module) {
  py::class_<text::guideline, std::shared_ptr<text::guideline>>(module, "Guideline")
      .def_property_readonly("title", [](text::guideline const& guide) { return to_python(guide.title); })
      .def_property_readonly("labels", [](text::guideline const& guide) {
        py::list labels;
        for (std::string const& label : text::label_texts(guide)) labels.append(to_python(label));
        return labels;
      });
  // pybind11 holds pointers to non-const values; nothing here changes one.
  auto const held = [](guideline_pointer guide) { return std::const_pointer_cast<text::guideline>(guide); };
  module.def("guideline_of_semeval2010", [held] { return held(guideline_of_semeval2010()); });
  module.def("guideline_from_json", [held](std::string const& json, std::string const& name) {
    return held(guideline_from_json(json, name));
  });
  py::class_<owned_policy, std::shared_ptr<owned_policy>>(module, "Policy")
      .def(py::init([](bool text_outside_allowed, bool empty_think_allowed, bool think_optional,
                       std::array<std::string, 4> tags) {
             text::response_policy switches;
             switches.text_outside_allowed = text_outside_allowed;
             switches.empty_think_allowed = empty_think_allowed;
             switches.think_optional = think_optional;
             return std::make_shared<owned_policy>(switches, std::move(tags));
           }),
           py::arg("text_outside_allowed"), py::arg("empty_think_allowed"), py::arg("think_optional"), py::arg("tags"));
}

void bind_rewards(py::module_& module) {
  using py::arg;
  using shared_guide = std::shared_ptr<text::guideline>;
  using shared_policy = std::shared_ptr<owned_policy>;
  module.def(
      "r1_re",
      [](shared_guide guide, shared_policy policy, double format_right, double format_wrong, double metric_right,
         double metric_wrong, bool invalid_label_is_format_failure, bool directed) {
        return make_r1_re(
            std::move(guide), std::move(policy),
            {format_right, format_wrong, metric_right, metric_wrong, invalid_label_is_format_failure, directed});
      },
      arg("guide"), arg("policy"), arg("format_right"), arg("format_wrong"), arg("metric_right"), arg("metric_wrong"),
      arg("invalid_label_is_format_failure"), arg("directed"));
  module.def(
      "format",
      [](shared_policy policy, double right, double wrong) { return make_format(std::move(policy), right, wrong); },
      arg("policy"), arg("right"), arg("wrong"));
  module.def(
      "relation_format",
      [](shared_guide guide, shared_policy policy, double right, double wrong) {
        return make_relation_format(std::move(guide), std::move(policy), right, wrong);
      },
      arg("guide"), arg("policy"), arg("right"), arg("wrong"));
  module.def(
      "relation_match",
      [](shared_guide guide, shared_policy policy, double right, double wrong, bool directed) {
        return make_relation_match(std::move(guide), std::move(policy), right, wrong, directed);
      },
      arg("guide"), arg("policy"), arg("right"), arg("wrong"), arg("directed"));
  module.def(
      "triples",
      [](shared_guide guide, shared_policy policy, double format_right, double format_wrong, double scale,
         double entity_weight, double triple_weight) {
        return make_triples(std::move(guide), std::move(policy),
                            {format_right, format_wrong, scale, entity_weight, triple_weight});
      },
      arg("guide"), arg("policy"), arg("format_right"), arg("format_wrong"), arg("scale"), arg("entity_weight"),
      arg("triple_weight"));
  module.def("sum", &make_sum);
  module.def("stages", &make_stages);
  module.def("only_if", &make_only_if);
  module.def("clamp", &make_clamp);
  module.def("scale", &make_scale);
  module.def("piecewise", &make_piecewise);
  module.def("named", &make_named);
}

}  // namespace
}  // namespace python_rewards

PYBIND11_MODULE(_core, module) {
  using namespace python_rewards;
  module.doc() = "The compiled part of rlvr_rewards.";
  py::register_exception_translator([](std::exception_ptr problem) {
    try {
      if (problem) std::rethrow_exception(problem);
    } catch (rlvr::error const& error) {
      PyErr_SetString(PyExc_ValueError, error.what());
    }
  });
  bind_texts(module);
  py::class_<any_reward>(module, "Reward")
      .def_property_readonly("name", [](any_reward const& self) { return to_python(self.name); })
      // (values, how many failed, why the first one did)
      .def("score",
           [](any_reward const& self, py::sequence const& completions, py::sequence const& golds,
              py::sequence const& prefills, unsigned threads) {
             py::list values;
             std::size_t failures = 0;
             std::string diagnosis;
             for (auto const& each : score_python(self, completions, golds, prefills, threads)) {
               values.append(value_of(each));
               if (each.has_value() || each.status == reward::outcome_status::not_applicable) continue;
               if (failures++ == 0) diagnosis = each.diagnosis;
             }
             return py::make_tuple(values, failures, to_python(diagnosis));
           })
      .def("breakdown", [](any_reward const& self, py::sequence const& completions, py::sequence const& golds,
                           py::sequence const& prefills, unsigned threads) {
        py::list rows;
        for (auto const& each : score_python(self, completions, golds, prefills, threads)) rows.append(to_python(each));
        return rows;
      });
  bind_rewards(module);
}
