// SPDX-License-Identifier: MIT
#include <rlvr/format/safetensors_folder.hpp>
#include <rlvr/format/safetensors_writer.hpp>

#include "temporary_folder.hpp"
#include <bit>
#include <cstring>
#include <limits>
#include <support/catch.hpp>
#include <vector>

using namespace rlvr;
using namespace rlvr::format;

namespace {
/// A file from its header and data, as the format's text lays it out.
std::string safetensors_bytes(std::string const& header, std::string const& data) {
  std::string result(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) result[i] = static_cast<char>(header.size() >> (8 * i) & 0xFF);
  return result + header + data;
}
}  // namespace

TEST_CASE("the writer's bytes are those of the format") {
  temporary_folder const folder;
  std::vector<float> const first{1.0F, -2.0F};
  std::vector<float> const second{0.5F};
  write_safetensors(folder / "x", {{"b", {2}, first}, {"a", {1, 1}, second}}, {});
  std::string const header =
      R"({"a":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})";
  std::string padded = header;
  while (padded.size() % 8 != 0) padded += ' ';
  CHECK(get(folder / "x") ==
        safetensors_bytes(padded, std::string("\0\0\0\x3f", 4) + std::string("\0\0\x80\x3f\0\0\0\xc0", 8)));
  CHECK(folder.count() == 1);
}

TEST_CASE("what is written is read back bit by bit, and equal tensors give equal files") {
  temporary_folder const folder;
  std::vector<float> values(1001);
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = std::bit_cast<float>(static_cast<std::uint32_t>(i * 2654435761u));
  }
  values[7] = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> const scalar{-0.0F};
  std::vector<named_tensor> const tensors{
      {"layer \"0\"\n\xC3\xA9", {7, 11, 13}, values}, {"s", {}, scalar}, {"e", {0, 3}, {}}};
  write_safetensors(folder / "one", tensors);
  write_safetensors(folder / "two", {tensors[2], tensors[1], tensors[0]});
  CHECK(get(folder / "one") == get(folder / "two"));

  safetensors_file const file(folder / "one");
  CHECK(file.metadata().at("format") == "pt");
  REQUIRE(file.entries().size() == 3);
  CHECK(file.at("layer \"0\"\n\xC3\xA9").shape == std::vector<std::uint64_t>{7, 11, 13});
  std::vector<float> back(values.size());
  file.read_f32("layer \"0\"\n\xC3\xA9", back);
  CHECK(std::memcmp(back.data(), values.data(), values.size() * 4) == 0);
  CHECK(file.at("s").elements == 1);
  CHECK(file.at("e").elements == 0);
  file.read_f32("e", {});
  CHECK_THROWS_AS(file.read_f32("s", back), shape_error);
  CHECK_THROWS_AS(file.at("t"), format_error);
  CHECK(file.find("t") == nullptr);
}

TEST_CASE("the writer refuses names and shapes that no reader would take") {
  temporary_folder const folder;
  std::vector<float> const one{1.0F};
  CHECK_THROWS_AS(write_safetensors(folder / "x", {{"__metadata__", {1}, one}}), argument_error);
  CHECK_THROWS_AS(write_safetensors(folder / "x", {{"a", {1}, one}, {"a", {1}, one}}), argument_error);
  CHECK_THROWS_AS(write_safetensors(folder / "x", {{"\xff", {1}, one}}), argument_error);
  CHECK_THROWS_AS(write_safetensors(folder / "x", {{"a", {2}, one}}), shape_error);
  CHECK_THROWS_AS(write_safetensors(folder / "x", {{"a", {std::size_t{1} << 63, 2, 1}, one}}), shape_error);
  CHECK(folder.count() == 0);
}

TEST_CASE("BF16 and F16 widen exactly at any alignment") {
  temporary_folder const folder;
  // 1.0, -inf, smallest subnormal; 65504, smallest subnormal 2^-24, -0.
  std::string const data(
      "\x80\x3f\x80\xff\x01\x00"
      "\xff\x7b\x01\x00\x00\x80",
      12);
  put(folder / "x", safetensors_bytes(R"({"b":{"dtype":"BF16","shape":[3],"data_offsets":[0,6]},)"
                                      R"("h":{"dtype":"F16","shape":[3],"data_offsets":[6,12]}})",
                                      data));
  safetensors_file const file(folder / "x");
  std::vector<float> values(3);
  file.read_f32("b", values);
  CHECK(values[0] == 1.0F);
  CHECK(values[1] == -std::numeric_limits<float>::infinity());
  CHECK(values[2] == std::bit_cast<float>(0x00010000u));
  file.read_f32("h", values);
  CHECK(values == std::vector<float>{65504.0F, 0x1p-24F, -0.0F});
  CHECK(std::bit_cast<std::uint32_t>(values[2]) == 0x80000000u);
  CHECK(file.count_non_finite() == 1);
}

TEST_CASE("the order of checks and the reference reader's details") {
  temporary_folder const folder;
  auto const code_of = [&](std::string const& header, std::string const& data = "") -> std::string {
    put(folder / "x", safetensors_bytes(header, data));
    try {
      safetensors_file const file(folder / "x");
      return "";
    } catch (format_error const& reason) {
      return reason.code();
    }
  };
  auto const tensor = [](std::string const& type, std::string const& shape, std::string const& range) {
    return R"({"t":{"dtype":")" + type + R"(","shape":)" + shape + R"(,"data_offsets":)" + range + "}}";
  };
  CHECK(code_of("{}").empty());
  CHECK(code_of(" \n{}").empty());
  CHECK(code_of("") == "HeaderJson");
  CHECK(code_of("\xEF\xBB\xBF{}") == "HeaderJson");
  CHECK(code_of(std::string("{}\0x", 4)) == "HeaderJson");
  CHECK(code_of(R"({"a":1,"\u0061":2})") == "DuplicateKey");
  CHECK(code_of(R"({"__metadata__":{"a":"1","a":"1"}})") == "DuplicateKey");
  CHECK(code_of(R"({"__metadata__":[]})") == "Metadata");
  CHECK(code_of(tensor("F32", "[1.0]", "[0,4]"), "abcd") == "HeaderType");
  CHECK(code_of(tensor("F32", "[18446744073709551616]", "[0,4]"), "abcd") == "HeaderType");
  CHECK(code_of(tensor("F32", "[1]", "[0,4,4]"), "abcd") == "HeaderType");
  CHECK(code_of(tensor("F32", "[1]", "[4,0]"), "abcd") == "Offsets");
  CHECK(code_of(tensor("F32", "[18446744073709551615,2,0]", "[0,0]")) == "Overflow");
  CHECK(code_of(tensor("F32", "[0,18446744073709551615,2]", "[0,0]")).empty());
  CHECK(code_of(tensor("F4", "[3]", "[0,1]"), "a") == "Subbyte");
  CHECK(code_of(tensor("F4", "[4]", "[0,2]"), "ab").empty());
  CHECK(code_of(tensor("F32", "[1]", "[0,4]"), "abcde") == "Coverage");
  CHECK(code_of(R"({"t":{"shape":[],"data_offsets":[0,0]}})") == "HeaderType");
  put(folder / "x", safetensors_bytes(tensor("I64", "[1]", "[0,8]"), "abcdefgh"));
  float value = 0;
  CHECK_THROWS_AS(safetensors_file(folder / "x").read_f32("t", {&value, 1}), unsupported_error);
}

TEST_CASE("shards: tensors are found through the index, and a tensor in two shards is refused") {
  temporary_folder const folder;
  std::vector<float> const one{1.0F};
  std::vector<float> const two{2.0F};
  write_safetensors(folder / "s1", {{"a", {1}, one}});
  write_safetensors(folder / "s2", {{"b", {1}, two}});
  std::string const index = folder / "model.safetensors.index.json";
  put(index, R"({"weight_map":{"a":"s1","b":"s2"}})");
  safetensors_folder const shards(folder.string());
  CHECK(shards.names() == std::vector<std::string>{"a", "b"});
  float value = 0;
  shards.read_f32("b", {&value, 1});
  CHECK(value == 2.0F);
  CHECK_THROWS_AS(shards.read_f32("c", {&value, 1}), format_error);

  auto const code_of = [&](std::string const& content) {
    put(index, content);
    try {
      safetensors_folder const opened(folder.string());
      return std::string();
    } catch (format_error const& reason) {
      return reason.code();
    }
  };
  CHECK(code_of(R"({"weight_map":{"a":"s1","b":".."}})") == "Path");
  CHECK(code_of(R"({"weight_map":{"a":"s1","b":"x\\s2"}})") == "Path");
  CHECK(code_of(R"({"weight_map":{"a":"s1","b":""}})") == "Path");
  CHECK(code_of(R"({"weight_map":{"a":"s1","b":3}})") == "Type");
  CHECK(code_of(R"({"weight_map":{}})") == "Missing");
  CHECK(code_of(R"({})") == "Missing");
  write_safetensors(folder / "s2", {{"a", {1}, two}, {"b", {1}, two}});
  CHECK(code_of(R"({"weight_map":{"a":"s1","b":"s2"}})") == "DuplicateTensor");
}
