// SPDX-License-Identifier: Apache-2.0
#include "tests/cuda/machine/Places.h"

#include <cstdio>
#include <fstream>

namespace sinter::hostgpu {

std::string placeInText(const std::string &image, uintptr_t offset) {
  char address[32];
  std::snprintf(address, sizeof address, "0x%zx", offset);
  std::string command = std::string(SINTER_HOST_SYMBOLIZER) + " --functions=none --obj='" + image +
                        "' " + address + " 2>/dev/null";
  std::string found;
  if (std::FILE *pipe = popen(command.c_str(), "r")) {
    char line[4096];
    while (std::fgets(line, sizeof line, pipe)) {
      std::string text(line);
      while (!text.empty() && text.back() == '\n')
        text.pop_back();
      // file:line:column, of the innermost function first.
      size_t second = text.rfind(':'),
             first = second == std::string::npos ? second : text.rfind(':', second - 1);
      if (first == std::string::npos || text.front() == '?')
        continue;
      std::string file = text.substr(0, first);
      long number = std::strtol(text.c_str() + first + 1, nullptr, 10);
      std::ifstream source(file);
      std::string statement;
      for (long i = 0; i < number && std::getline(source, statement); ++i) {
      }
      size_t start = statement.find_first_not_of(' ');
      found += (found.empty() ? "" : "\n    from ") + file.substr(file.rfind('/') + 1) + ":" +
               std::to_string(number) +
               (start == std::string::npos ? "" : "  " + statement.substr(start));
    }
    pclose(pipe);
  }
  return found.empty() ? address : found;
}

} // namespace sinter::hostgpu
