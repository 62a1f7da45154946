// SPDX-License-Identifier: MIT
/// @file
/// Writes safetensors files: tensors by name, F32, the header padded with blanks to a multiple of 8, the file replaced
/// as a whole.  Equal tensors give equal bytes.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/format/file.hpp>
#include <rlvr/format/json.hpp>
#include <rlvr/text/utf8.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace format {

/// A tensor to be written: row-major values that stay alive until the file is written.
struct named_tensor {
  std::string name;
  std::vector<std::size_t> shape;
  std::span<float const> values;
};

/// @param metadata  Hugging Face's loader demands format = "pt"
/// @throws argument_error for a name that occurs twice, is `__metadata__` or no UTF-8, shape_error if a shape does not
///         fit its values, io_error
inline void write_safetensors(std::string const& path, std::vector<named_tensor> tensors,
                              std::map<std::string, std::string> const& metadata = {{"format", "pt"}},
                              file_operations const& operations = system_files) {
  std::sort(tensors.begin(), tensors.end(), [](auto const& a, auto const& b) { return a.name < b.name; });
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  auto& members = header.get_ref<nlohmann::ordered_json::object_t&>();
  auto const check_text = [&](std::string_view text) {
    if (!text::is_valid_utf8(text))
      throw argument_error(path + ": found a name that is not UTF-8: " + detail::excerpt(text));
  };
  if (!metadata.empty()) {
    nlohmann::ordered_json texts = nlohmann::ordered_json::object();
    for (auto const& [key, value] : metadata) {
      check_text(key);
      check_text(value);
      texts[key] = value;
    }
    members.push_back({"__metadata__", texts});
  }
  std::uint64_t offset = 0;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    named_tensor const& tensor = tensors[i];
    check_text(tensor.name);
    if (tensor.name == "__metadata__") throw argument_error(path + ": __metadata__ is no name for a tensor");
    if (i > 0 && tensor.name == tensors[i - 1].name) {
      throw argument_error(path + ": found the tensor " + detail::excerpt(tensor.name) + " twice, expected once");
    }
    std::size_t elements = 1;
    bool fits = true;
    for (std::size_t const extent : tensor.shape) fits = fits && !__builtin_mul_overflow(elements, extent, &elements);
    if (!fits || elements != tensor.values.size()) {
      throw shape_error(path + ": tensor " + detail::excerpt(tensor.name) + ": found " +
                        std::to_string(tensor.values.size()) + " values, expected the product of the shape");
    }
    std::uint64_t const end = offset + tensor.values.size_bytes();
    nlohmann::ordered_json entry = nlohmann::ordered_json::object();
    entry["dtype"] = "F32";
    entry["shape"] = tensor.shape;
    entry["data_offsets"] = {offset, end};
    members.push_back({tensor.name, entry});  // known to be new: no search through all names before it
    offset = end;
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');
  std::uint64_t const length = text.size();

  atomic_file file(path, operations);
  file.write({reinterpret_cast<char const*>(&length), sizeof length});
  file.write(text);
  for (named_tensor const& tensor : tensors) {
    file.write({reinterpret_cast<char const*>(tensor.values.data()), tensor.values.size_bytes()});
  }
  file.commit();
}

}  // namespace format
RLVR_NAMESPACE_END
