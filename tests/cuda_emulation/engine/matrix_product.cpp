// SPDX-License-Identifier: MIT
/// @file
/// Fragments become matrices, are multiplied and handed back.
#include <cuda_emulation/engine.hpp>
#include <cuda_emulation/mma.hpp>

#include <bit>
#include <cstddef>
#include <cstring>

namespace cuda_emulation {
namespace {

constexpr std::size_t rows = 16, columns = 8, depth = 16;

/// The elements of a word.
float first_of(std::uint32_t pair) { return std::bit_cast<float>(pair << 16); }
float second_of(std::uint32_t pair) { return std::bit_cast<float>(pair & 0xffff0000u); }

}  // namespace

void multiply_fragments(product_fragments* const (&lanes)[32]) {
  float left[rows][depth], right[depth][columns], sums[rows][columns];
  for (std::size_t lane = 0; lane < 32; ++lane) {
    product_fragments const& mine = *lanes[lane];
    std::size_t const group = lane / 4, pair = lane % 4 * 2;
    for (std::size_t word = 0; word < 4; ++word) {
      std::size_t const row = group + word % 2 * 8, column = pair + word / 2 * 8;
      left[row][column] = first_of(mine.left[word]);
      left[row][column + 1] = second_of(mine.left[word]);
    }
    for (std::size_t word = 0; word < 2; ++word) {
      right[pair + word * 8][group] = first_of(mine.right[word]);
      right[pair + word * 8 + 1][group] = second_of(mine.right[word]);
    }
    for (std::size_t i = 0; i < 4; ++i) sums[group + i / 2 * 8][pair + i % 2] = mine.sums[i];
  }
  for (std::size_t row = 0; row < rows; ++row)
    for (std::size_t k = 0; k < depth; ++k)
      for (std::size_t column = 0; column < columns; ++column) sums[row][column] += left[row][k] * right[k][column];
  for (std::size_t lane = 0; lane < 32; ++lane)
    for (std::size_t i = 0; i < 4; ++i) lanes[lane]->sums[i] = sums[lane / 4 + i / 2 * 8][lane % 4 * 2 + i % 2];
}

}  // namespace cuda_emulation

void rlvr_emulated_matrix_product(float* sums, std::uint32_t const* left, std::uint32_t const* right, char const* file,
                                  int line) {
  using namespace cuda_emulation;
  product_fragments mine;
  std::memcpy(mine.left, left, sizeof mine.left);
  std::memcpy(mine.right, right, sizeof mine.right);
  std::memcpy(mine.sums, sums, sizeof mine.sums);
  // The lane that arrives last reads and writes the others' fragments, whose frames wait for it.
  warp_collective(warp_operation::matrix_product, 0xffffffffu, reinterpret_cast<std::uintptr_t>(&mine), 0, 32, file,
                  line);
  std::memcpy(sums, mine.sums, sizeof mine.sums);
}
