// SPDX-License-Identifier: MIT
/// @file
/// safetensors files: N (8 bytes, little-endian), N bytes of JSON, data.
///
/// A file is mapped read-only and checked as a whole before any tensor is handed out, in this order (codes in
/// brackets): at least 8 bytes [Truncated]; N at most 100,000,000 [HeaderTooLarge]; 8 + N within the file
/// [HeaderLength]; UTF-8 [HeaderUtf8]; JSON [HeaderJson], no key twice [DuplicateKey]; types [HeaderType, Metadata];
/// known element types [Dtype]; ranges that follow each other from 0 without hole or overlap [Offsets]; sizes that do
/// not overflow [Overflow]; whole bytes [Subbyte]; shape times element size equal to the range [SizeMismatch]; the last
/// range ends with the file [Coverage].  Two equal names are refused, as the format's text demands; the reference
/// reader keeps the last.  Data need not be aligned.  NaN and infinities are data.
///
/// The file must not be cut while it is mapped; writers here replace a file by renaming, which leaves a mapped one
/// whole.
#pragma once

#include <rlvr/core/config.hpp>
#include <rlvr/core/dtype.hpp>
#include <rlvr/core/error.hpp>
#include <rlvr/core/file_error.hpp>
#include <rlvr/format/file.hpp>
#include <rlvr/format/json.hpp>
#include <rlvr/text/utf8.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <sys/mman.h>
#include <utility>
#include <vector>

RLVR_NAMESPACE_BEGIN
namespace format {

static_assert(std::endian::native == std::endian::little, "safetensors data is read in place");

/// An element type of the format.
struct safetensors_dtype {
  std::string_view name;
  unsigned bits;
};
inline constexpr std::array<safetensors_dtype, 22> safetensors_dtypes{{
    {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"BOOL", 8},        {"I8", 8},          {"U8", 8},
    {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"I16", 16},
    {"U16", 16},    {"F16", 16},    {"BF16", 16},   {"I32", 32},        {"U32", 32},        {"F32", 32},
    {"I64", 64},    {"U64", 64},    {"F64", 64},    {"C64", 64},
}};

/// A tensor of a file.
struct safetensors_entry {
  std::string name;
  safetensors_dtype type{};
  std::vector<std::uint64_t> shape;
  std::uint64_t begin = 0;  ///< first byte, counted from the data's start
  std::uint64_t end = 0;    ///< one past the last
  std::uint64_t elements = 0;
};

namespace detail {

/// A file in memory, read-only.
class mapped_file {
 public:
  explicit mapped_file(std::string const& path) {
    file_descriptor const file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file.is_open()) throw io_error(path, cannot("open"));
    struct stat status {};
    if (::fstat(file.get(), &status) != 0) throw io_error(path, cannot("stat"));
    if (!S_ISREG(status.st_mode)) throw io_error(path, "cannot map: not a regular file");
    size_ = static_cast<std::size_t>(status.st_size);
    if (size_ == 0) return;
    void* const address = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.get(), 0);
    if (address == MAP_FAILED) throw io_error(path, cannot("map"));
    address_ = static_cast<char const*>(address);
  }
  mapped_file(mapped_file&& other) noexcept
      : address_(std::exchange(other.address_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  mapped_file& operator=(mapped_file&& other) noexcept {
    std::swap(address_, other.address_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~mapped_file() {
    if (address_ != nullptr) ::munmap(const_cast<char*>(address_), size_);
  }

  [[nodiscard]] std::string_view bytes() const noexcept { return {address_, size_}; }

 private:
  char const* address_ = nullptr;
  std::size_t size_ = 0;
};

/// False on overflow.
[[nodiscard]] constexpr bool multiply(std::uint64_t& value, std::uint64_t by) {
  return !__builtin_mul_overflow(value, by, &value);
}

}  // namespace detail

/// A checked file.  Immutable: threads may share it.
class safetensors_file {
 public:
  /// @throws io_error if the system refuses, format_error if the content breaks the format
  explicit safetensors_file(std::string path) : path_(std::move(path)), file_(path_) {
    std::string_view const bytes = file_.bytes();
    if (bytes.size() < 8) fail("Truncated", "file", std::to_string(bytes.size()) + " bytes", "at least 8");
    std::uint64_t length = 0;
    std::memcpy(&length, bytes.data(), 8);
    if (length > max_header_bytes) {
      fail("HeaderTooLarge", "header length", std::to_string(length), "at most " + std::to_string(max_header_bytes));
    }
    if (length > bytes.size() - 8) {
      fail("HeaderLength", "header length", std::to_string(length),
           "at most the " + std::to_string(bytes.size() - 8) + " bytes that follow it");
    }
    std::string_view const header = bytes.substr(8, length);
    data_ = bytes.substr(8 + length);
    if (!text::is_valid_utf8(header)) {
      fail("HeaderUtf8", "header, byte " + std::to_string(text::valid_utf8_prefix(header)), "an invalid byte", "UTF-8");
    }
    parse_header(header);
    check_ranges();
    std::sort(entries_.begin(), entries_.end(), [](auto const& a, auto const& b) { return a.name < b.name; });
  }

  [[nodiscard]] std::string const& path() const noexcept { return path_; }
  /// All tensors, by name.
  [[nodiscard]] std::vector<safetensors_entry> const& entries() const noexcept { return entries_; }
  [[nodiscard]] std::map<std::string, std::string> const& metadata() const noexcept { return metadata_; }

  /// The tensor of that name, or a null pointer.
  [[nodiscard]] safetensors_entry const* find(std::string_view name) const {
    auto const position = std::lower_bound(entries_.begin(), entries_.end(), name,
                                           [](auto const& entry, std::string_view key) { return entry.name < key; });
    return position == entries_.end() || position->name != name ? nullptr : &*position;
  }
  /// The tensor of that name.  @throws format_error MissingTensor
  [[nodiscard]] safetensors_entry const& at(std::string_view name) const {
    safetensors_entry const* const found = find(name);
    if (found == nullptr) fail("MissingTensor", "tensor " + detail::excerpt(name), "no such tensor", "this tensor");
    return *found;
  }
  /// The stored bytes, at any alignment; valid as long as the file object.
  [[nodiscard]] std::span<std::byte const> bytes(safetensors_entry const& entry) const {
    return std::as_bytes(std::span(data_.data() + entry.begin, entry.end - entry.begin));
  }

  /// The values as float, row-major.  F32, BF16 and F16 are exact.
  /// @throws format_error MissingTensor, shape_error if the span has another size, unsupported_error for other types
  void read_f32(std::string_view name, std::span<float> values) const {
    safetensors_entry const& entry = at(name);
    if (entry.elements != values.size()) {
      throw shape_error(path_ + ": tensor " + detail::excerpt(name) + ": found " + std::to_string(entry.elements) +
                        " elements, expected " + std::to_string(values.size()));
    }
    std::byte const* const source = bytes(entry).data();
    if (entry.type.name == "F32") {
      if (!values.empty()) std::memcpy(values.data(), source, values.size_bytes());
    } else if (entry.type.name == "BF16") {
      widen<bf16>(source, values);
    } else if (entry.type.name == "F16") {
      widen<f16>(source, values);
    } else {
      throw unsupported_error(path_ + ": tensor " + detail::excerpt(name) + ": found " + std::string(entry.type.name) +
                              ", expected F32, BF16 or F16");
    }
  }

  /// How many NaN and infinities the F32, BF16 and F16 tensors hold: a check for loaders that want none.
  [[nodiscard]] std::uint64_t count_non_finite() const {
    std::uint64_t count = 0;
    std::vector<float> values;
    for (safetensors_entry const& entry : entries_) {
      if (entry.type.name != "F32" && entry.type.name != "BF16" && entry.type.name != "F16") continue;
      values.resize(entry.elements);
      read_f32(entry.name, values);
      count += static_cast<std::uint64_t>(
          std::count_if(values.begin(), values.end(), [](float value) { return !std::isfinite(value); }));
    }
    return count;
  }

 private:
  static constexpr std::uint64_t max_header_bytes = 100'000'000;
  static constexpr std::size_t max_tensors = 1'000'000;

  [[noreturn]] void fail(std::string_view code, std::string_view where, std::string_view found,
                         std::string_view expected) const {
    throw format_error(code, path_, where, found, expected);
  }

  template <class Stored>
  static void widen(std::byte const* source, std::span<float> values) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      std::uint16_t raw = 0;
      std::memcpy(&raw, source + 2 * i, 2);
      values[i] = static_cast<float>(Stored::from_bits(raw));
    }
  }

  void parse_header(std::string_view text) {
    nlohmann::json const header =
        parse_json(text, path_, {.max_key_bytes = 4096, .syntax_code = "HeaderJson", .place = "header"});
    if (!header.is_object()) fail("HeaderType", "header", json_object::describe(header), "an object");
    if (header.size() > max_tensors) {
      fail("HeaderType", "header", std::to_string(header.size()) + " tensors",
           "at most " + std::to_string(max_tensors));
    }
    for (auto const& [name, value] : header.get_ref<nlohmann::json::object_t const&>()) {
      if (name == "__metadata__") {
        read_metadata(value);
      } else {
        entries_.push_back(read_entry(name, value));
      }
    }
  }

  void read_metadata(nlohmann::json const& value) {
    if (!value.is_object()) fail("Metadata", "__metadata__", json_object::describe(value), "an object of strings");
    for (auto const& [key, item] : value.get_ref<nlohmann::json::object_t const&>()) {
      if (!item.is_string()) {
        fail("Metadata", "__metadata__, key " + detail::excerpt(key), json_object::describe(item), "a string");
      }
      metadata_.emplace(key, item.get<std::string>());
    }
  }

  safetensors_entry read_entry(std::string const& name, nlohmann::json const& value) const {
    std::string const where = "tensor " + detail::excerpt(name);
    if (!value.is_object()) fail("HeaderType", where, json_object::describe(value), "an object");
    auto const field = [&](char const* key) -> nlohmann::json const& {
      auto const position = value.find(key);
      if (position == value.end()) fail("HeaderType", where + "." + key, "nothing", "this field");
      return *position;
    };
    auto const sizes = [&](char const* key) {
      nlohmann::json const& list = field(key);
      if (!list.is_array()) fail("HeaderType", where + "." + key, json_object::describe(list), "an array");
      std::vector<std::uint64_t> result;
      for (nlohmann::json const& item : list) {
        if (!item.is_number_unsigned()) {
          fail("HeaderType", where + "." + key, json_object::describe(item), "an unsigned 64-bit integer");
        }
        result.push_back(item.get<std::uint64_t>());
      }
      return result;
    };
    safetensors_entry entry;
    entry.name = name;
    nlohmann::json const& type = field("dtype");
    if (!type.is_string()) fail("HeaderType", where + ".dtype", json_object::describe(type), "a string");
    entry.shape = sizes("shape");
    std::vector<std::uint64_t> const range = sizes("data_offsets");
    if (range.size() != 2) {
      fail("HeaderType", where + ".data_offsets", std::to_string(range.size()) + " numbers", "2");
    }
    entry.begin = range[0];
    entry.end = range[1];
    auto const known = std::find_if(safetensors_dtypes.begin(), safetensors_dtypes.end(), [&](auto const& candidate) {
      return candidate.name == type.get_ref<std::string const&>();
    });
    if (known == safetensors_dtypes.end()) {
      fail("Dtype", where + ".dtype", json_object::describe(type), "an element type of the format");
    }
    entry.type = *known;
    return entry;
  }

  /// All ranges first, then sizes, as the reference reader does.
  void check_ranges() {
    std::sort(entries_.begin(), entries_.end(),
              [](auto const& a, auto const& b) { return std::pair(a.begin, a.end) < std::pair(b.begin, b.end); });
    std::uint64_t expected = 0;
    for (safetensors_entry const& entry : entries_) {
      std::string const where = "tensor " + detail::excerpt(entry.name);
      if (entry.begin != expected || entry.end < entry.begin) {
        fail("Offsets", where + ".data_offsets",
             "[" + std::to_string(entry.begin) + ", " + std::to_string(entry.end) + "]",
             "a range that begins at " + std::to_string(expected));
      }
      expected = entry.end;
    }
    for (safetensors_entry& entry : entries_) {
      std::string const where = "tensor " + detail::excerpt(entry.name);
      entry.elements = 1;
      bool fits = true;
      for (std::uint64_t const extent : entry.shape) fits = fits && detail::multiply(entry.elements, extent);
      std::uint64_t bits = entry.elements;
      fits = fits && detail::multiply(bits, entry.type.bits);
      if (!fits) fail("Overflow", where + ".shape", "more than 2^64 bits", "a size that fits into memory");
      if (bits % 8 != 0) fail("Subbyte", where + ".shape", std::to_string(bits) + " bits", "whole bytes");
      if (bits / 8 != entry.end - entry.begin) {
        fail("SizeMismatch", where + ".data_offsets", std::to_string(entry.end - entry.begin) + " bytes",
             std::to_string(bits / 8) + " by shape and dtype");
      }
    }
    if (expected != data_.size()) {
      fail("Coverage", "data", std::to_string(data_.size()) + " bytes", std::to_string(expected) + " by the header");
    }
  }

  std::string path_;
  detail::mapped_file file_;
  std::string_view data_;
  std::vector<safetensors_entry> entries_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace format
RLVR_NAMESPACE_END
