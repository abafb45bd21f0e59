// SPDX-License-Identifier: Apache-2.0
#include "sinter/runtime/ThreadPool.h"

#include "sinter/ir/base/Error.h"
#include "tests/unit/ScarceMemory.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <new>
#include <random>
#include <string>
#include <thread>
#include <vector>

using namespace sinter;

namespace {

/// buffers[0]: int32 counts, one per unit. table[0]: the number of workers.
void countUnits(void *const *buffers, const int64_t *table, SinterStatus *status, int64_t begin,
                int64_t end, int64_t worker) {
  auto *counts = static_cast<std::atomic<int32_t> *>(buffers[0]);
  if (worker < 0 || worker >= table[0])
    status->code = 1;
  for (int64_t i = begin; i < end; ++i)
    counts[i].fetch_add(1, std::memory_order_relaxed);
}

void checkLaunch(ThreadPool &pool, int64_t extent, int64_t grain) {
  std::vector<std::atomic<int32_t>> counts(static_cast<size_t>(extent));
  void *buffers[] = {counts.data()};
  int64_t table[] = {pool.workers()};
  SinterStatus status{};
  pool.parallelFor(countUnits, buffers, table, &status, extent, grain);
  EXPECT_EQ(status.code, 0);
  for (int64_t i = 0; i < extent; ++i)
    ASSERT_EQ(counts[static_cast<size_t>(i)].load(), 1) << "unit " << i << " of " << extent;
}

TEST(ThreadPoolTest, RunsEveryUnitOnce) {
  for (int64_t threads : {1, 2, 3, 7}) {
    ThreadPool pool({.threads = threads});
    EXPECT_EQ(pool.workers(), threads);
    for (int64_t extent : {0, 1, 2, 5, 16, 17, 1000})
      for (int64_t grain : {0, 1, 3, 16, 5000})
        checkLaunch(pool, extent, grain);
  }
}

TEST(ThreadPoolTest, ManyShortLaunches) {
  for (int64_t spin : {0, 5, 1000}) {
    ThreadPool pool({.threads = 3, .spinMicroseconds = spin});
    for (int i = 0; i < 2000; ++i)
      checkLaunch(pool, 1 + i % 13, 1);
  }
}

TEST(ThreadPoolTest, LaunchesAfterSleep) {
  ThreadPool pool({.threads = 4, .spinMicroseconds = 1});
  for (int i = 0; i < 50; ++i) {
    std::this_thread::sleep_for(std::chrono::microseconds(i * 20));
    checkLaunch(pool, 64, 1);
  }
}

TEST(ThreadPoolTest, SeveralThreadsLaunchAtOnce) {
  ThreadPool pool({.threads = 3});
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 4; ++caller)
    callers.emplace_back([&] {
      for (int i = 0; i < 300; ++i)
        checkLaunch(pool, 40, 1);
    });
  for (std::thread &caller : callers)
    caller.join();
}

struct Nested {
  ThreadPool *pool;
  std::atomic<int64_t> units{0};
};

TEST(ThreadPoolTest, NestedLaunchRunsSerially) {
  ThreadPool pool({.threads = 3});
  Nested nested{.pool = &pool};
  auto inner = [](void *const *buffers, const int64_t *, SinterStatus *, int64_t begin, int64_t end,
                  int64_t worker) {
    EXPECT_EQ(worker, 0);
    static_cast<Nested *>(buffers[0])->units += end - begin;
  };
  static SinterKernel innerKernel = inner;
  auto outer = [](void *const *buffers, const int64_t *table, SinterStatus *status, int64_t begin,
                  int64_t end, int64_t) {
    auto *state = static_cast<Nested *>(buffers[0]);
    for (int64_t i = begin; i < end; ++i)
      state->pool->parallelFor(innerKernel, buffers, table, status, 10, 1);
  };
  void *buffers[] = {&nested};
  SinterStatus status{};
  pool.parallelFor(outer, buffers, nullptr, &status, 20, 1);
  EXPECT_EQ(nested.units.load(), 200);
}

TEST(ThreadPoolTest, UnevenChunksAreTakenOver) {
  // Unit 0 blocks its worker until the others have run everything else.
  ThreadPool pool({.threads = 2, .spinMicroseconds = 1000});
  struct Shared {
    std::atomic<int64_t> finished{0};
  } shared;
  auto kernel = [](void *const *buffers, const int64_t *, SinterStatus *, int64_t begin, int64_t,
                   int64_t) {
    auto *shared = static_cast<Shared *>(buffers[0]);
    if (begin == 0)
      while (shared->finished.load() != 63)
        std::this_thread::yield();
    shared->finished.fetch_add(1);
  };
  void *buffers[] = {&shared};
  SinterStatus status{};
  pool.parallelFor(kernel, buffers, nullptr, &status, 64, 1);
  EXPECT_EQ(shared.finished.load(), 64);
}

TEST(ThreadPoolTest, RandomLaunchesFromRandomThreadCounts) {
  std::mt19937 random(42);
  for (int i = 0; i < 30; ++i) {
    ThreadPool pool({.threads = 1 + static_cast<int64_t>(random() % 6),
                     .spinMicroseconds = static_cast<int64_t>(random() % 50)});
    for (int j = 0; j < 20; ++j)
      checkLaunch(pool, random() % 300, random() % 7);
  }
}

TEST(ThreadPoolTest, RefusesBadThreadCounts) {
  for (int64_t threads : {-1, 1025}) {
    try {
      ThreadPool pool({.threads = threads});
      FAIL() << threads;
    } catch (const Error &error) {
      EXPECT_EQ(error.code(), ErrorCode::Usage);
    }
  }
}

TEST(ThreadPoolTest, EndsWhatItStartedWhenMemoryIsLacking) {
  sigset_t before, after;
  pthread_sigmask(SIG_SETMASK, nullptr, &before);
  std::string texts;
  for (int left = 0; left < 20; ++left) {
    try {
      test::ScarceMemory scarce(left);
      ThreadPool pool({.threads = 7});
      checkLaunch(pool, 64, 1);
    } catch (const std::bad_alloc &) { // Before any thread.
    } catch (const Error &error) {
      texts += error.what();
    }
    pthread_sigmask(SIG_SETMASK, nullptr, &after);
    EXPECT_EQ(sigismember(&before, SIGINT), sigismember(&after, SIGINT)) << left;
  }
  EXPECT_NE(texts.find("cannot start thread 2 of 7: "), texts.npos) << texts;
  EXPECT_NE(texts.find("cannot start thread 6 of 7: "), texts.npos) << texts;
}

TEST(ThreadPoolTest, ReadsTheEnvironment) {
  setenv("SINTER_NUM_THREADS", "5", 1);
  EXPECT_EQ(ThreadPool().workers(), 5);
  for (const char *text : {"0", "-3", "two", "3x", "99999999999999999999"}) {
    setenv("SINTER_NUM_THREADS", text, 1);
    try {
      ThreadPool pool;
      FAIL() << text;
    } catch (const Error &error) {
      EXPECT_EQ(error.kind(), ErrorKind::User);
      EXPECT_NE(std::string(error.what()).find("SINTER_NUM_THREADS"), std::string::npos);
    }
  }
  unsetenv("SINTER_NUM_THREADS");
}

} // namespace
