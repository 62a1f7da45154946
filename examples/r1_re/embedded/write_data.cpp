// SPDX-License-Identifier: MIT
// Writes the committed data files of the embedded task into the folder named on the command line.
#include "corpus.hpp"
#include <cstdio>
#include <fstream>
#include <string>

int main(int argument_count, char** arguments) {
  if (argument_count != 2) {
    std::fputs("usage: write_data FOLDER\n", stderr);
    return 2;
  }
  for (auto const& file : r1_re::embedded::committed_files()) {
    std::ofstream out(std::string(arguments[1]) + "/" + file.name, std::ios::binary);
    if (!(out << file.content).flush()) {
      std::fprintf(stderr, "%s: cannot write into this folder\n", arguments[1]);
      return 1;
    }
  }
  return 0;
}
