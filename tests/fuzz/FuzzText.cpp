// SPDX-License-Identifier: Apache-2.0
// libFuzzer: bytes as a graph in textual form. Anything but a graph or an Error is a finding, and
// what a graph prints must be read again.
#include "sinter/frontend/Graph.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  using namespace sinter;
  std::string printed;
  try {
    printed = Graph::parse(std::string_view(reinterpret_cast<const char *>(data), size)).str();
  } catch (const Error &error) {
    if (error.code() == ErrorCode::Internal)
      __builtin_trap();
    return 0;
  }
  if (Graph::parse(printed).str() != printed)
    __builtin_trap();
  return 0;
}
