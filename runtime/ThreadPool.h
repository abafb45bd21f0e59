// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/Program.h"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#pragma GCC visibility push(default)
namespace sinter {

struct ThreadPoolOptions {
  /// The caller included; 0 means SINTER_NUM_THREADS, else the available CPUs.
  int64_t threads = 0;
  /// How long an idle thread spins before it sleeps; negative means SINTER_SPIN_US, else 30. Pools
  /// with more threads than available CPUs do not spin, and a thread that notices that it was
  /// preempted while spinning spins less for a while.
  int64_t spinMicroseconds = -1;
};

/// Fork-join over chunks of an index range. The caller takes part as worker 0. Each worker owns a
/// contiguous part of the range, so that successive launches over the same data stay in its cache,
/// and takes from the others when its own is done. A launch waits only for threads that joined it,
/// so a sleeping thread never delays a short one. Nothing is allocated per launch.
///
/// One launch runs at a time; a caller that finds the pool busy (another thread's launch, or one
/// from inside a kernel) runs its whole range itself, as worker 0.
class ThreadPool {
public:
  explicit ThreadPool(const ThreadPoolOptions &options = {});
  ~ThreadPool();
  ThreadPool(const ThreadPool &) = delete;
  ThreadPool &operator=(const ThreadPool &) = delete;

  /// Threads that may run chunks, the caller included. Worker numbers are below it.
  int64_t workers() const { return workerCount; }
  void parallelFor(SinterKernel kernel, void *const *buffers, const int64_t *table,
                   SinterStatus *status, int64_t extent, int64_t grain);
  /// parallelFor() as SinterContext wants it; `pool` is a ThreadPool.
  static void callback(void *pool, SinterKernel kernel, void *const *buffers, const int64_t *table,
                       SinterStatus *status, int64_t extent, int64_t grain);

private:
  /// The running launch. Not on the line of `state`, which idle threads keep reading.
  struct alignas(64) Job {
    SinterKernel kernel = nullptr;
    void *const *buffers = nullptr;
    const int64_t *table = nullptr;
    SinterStatus *status = nullptr;
    int64_t extent = 0;
    int64_t grain = 0;
    int64_t participants = 0;
  };
  /// The chunks [next, end) one worker has left.
  struct alignas(64) Slot {
    std::atomic<int64_t> next{0};
    int64_t end = 0;
  };

  void work(int64_t worker);
  uint64_t awaitJob(uint32_t seen, int64_t &budget);
  void runChunks(int64_t worker);
  void publish();
  void finish();
  void leave();
  void stopThreads();

  /// Launch number (high half), flags, and how many threads have joined; see ThreadPool.cpp.
  alignas(64) std::atomic<uint64_t> state{0};
  Job job;
  alignas(64) std::atomic<bool> busy{false};
  std::atomic<int64_t> sleepers{0}; ///< Upper bound of the threads waiting on `wake`.
  std::mutex mutex;
  std::condition_variable wake, done;
  int64_t workerCount = 1;
  int64_t spinNanoseconds = 0;
  std::unique_ptr<Slot[]> slots;
  std::vector<std::thread> threads;
};

} // namespace sinter
#pragma GCC visibility pop
