// SPDX-License-Identifier: MIT
/// @file
/// The container has a header that gives its length; modules are found by the directive that every module begins with,
/// and end with a zero byte.
#include "ptx/fatbin.hpp"

#include <cstdint>
#include <cstring>
#include <string_view>

namespace cuda_emulation::ptx {
namespace {

/// What __cudaRegisterFatBinary gets.
struct fat_binary_wrapper {
  int magic, version;
  char const* data;
  void const* unused;
};

/// The beginning of the container.
struct fat_binary_header {
  std::uint32_t magic;
  std::uint16_t version, header_bytes;
  std::uint64_t content_bytes;
};

}  // namespace

std::vector<std::string> modules_of(void const* wrapper) {
  char const* const data = static_cast<fat_binary_wrapper const*>(wrapper)->data;
  fat_binary_header header{};
  std::memcpy(&header, data, sizeof header);
  std::string_view const content(data + header.header_bytes, header.content_bytes);
  std::vector<std::string> modules;
  for (std::size_t at = content.find(".version"); at < content.size(); at = content.find(".version", at)) {
    std::size_t const end = std::min(content.find('\0', at), content.size());
    modules.emplace_back(content.substr(at, end - at));
    at = end;
  }
  return modules;
}

}  // namespace cuda_emulation::ptx
