// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/OnThreads.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <string>
#include <vector>

using sinter::codegen::onThreads;

namespace {

TEST(OnThreads, EveryItemOnce) {
  for (size_t threads : {1, 2, 3, 7}) {
    std::vector<std::atomic<int>> calls(50);
    onThreads(calls.size(), threads, [&](size_t i) { ++calls[i]; });
    for (size_t i = 0; i < calls.size(); ++i)
      EXPECT_EQ(calls[i], 1) << i << " on " << threads;
  }
  onThreads(0, 3, [](size_t) { FAIL(); });
}

TEST(OnThreads, TheLowestProblemIsTheOneReported) {
  for (size_t threads : {1, 2, 3, 7})
    for (int repetition = 0; repetition < 50; ++repetition) {
      std::string what;
      try {
        onThreads(40, threads, [&](size_t i) {
          if (i % 10 == 7)
            throw std::runtime_error(std::to_string(i));
        });
      } catch (const std::runtime_error &error) {
        what = error.what();
      }
      EXPECT_EQ(what, "7") << threads;
    }
}

} // namespace
