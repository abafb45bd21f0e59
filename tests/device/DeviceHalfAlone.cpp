// SPDX-License-Identifier: Apache-2.0
// This program links the whole device half of the runtime; that it links at all shows that the half needs no
// LLVM or MLIR symbol, and the loaded libraries show that none came in through another library.
#include <gtest/gtest.h>

#include <fstream>
#include <string>

namespace {

TEST(DeviceHalfTest, LoadsNeitherLlvmNorMlir) {
  std::ifstream maps("/proc/self/maps");
  ASSERT_TRUE(maps.is_open());
  int lines = 0;
  for (std::string line; std::getline(maps, line); ++lines) {
    EXPECT_EQ(line.find("libLLVM"), std::string::npos) << line;
    EXPECT_EQ(line.find("libMLIR"), std::string::npos) << line;
  }
  EXPECT_GT(lines, 0);
}

} // namespace
