// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/OnThreads.h"
#include "tests/unit/ScarceMemory.h"

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
    onThreads(calls.size(), threads, [&](size_t i, size_t thread) {
      EXPECT_LT(thread, threads);
      ++calls[i];
    });
    for (size_t i = 0; i < calls.size(); ++i)
      EXPECT_EQ(calls[i], 1) << i << " on " << threads;
  }
  onThreads(0, 3, [](size_t, size_t) { FAIL(); });
}

TEST(OnThreads, ThreadsThatCannotStartAreDoneWithout) {
  int refused = 0;
  for (int left = 0; left < 16; ++left) {
    std::vector<std::atomic<int>> calls(50);
    {
      sinter::test::ScarceMemory scarce(left);
      onThreads(calls.size(), 7, [&](size_t i, size_t) { ++calls[i]; });
      refused += scarce.hasFailed();
    }
    for (size_t i = 0; i < calls.size(); ++i)
      ASSERT_EQ(calls[i], 1) << i << " after " << left;
  }
  EXPECT_GE(refused, 6); // At least one for each thread: the trial found something to refuse.
}

TEST(OnThreads, TheLowestProblemIsTheOneReported) {
  for (size_t threads : {1, 2, 3, 7})
    for (int repetition = 0; repetition < 50; ++repetition) {
      std::string what;
      try {
        onThreads(40, threads, [&](size_t i, size_t) {
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
