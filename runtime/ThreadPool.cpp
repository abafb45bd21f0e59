// SPDX-License-Identifier: Apache-2.0
#include "sinter/runtime/ThreadPool.h"
#include "sinter/runtime/Environment.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <exception>
#include <pthread.h>

namespace sinter {
namespace {

// Layout of ThreadPool::state. A thread joins by compare-exchange while `open` is set, so it either
// counts as joined before the launch closes or never touches the launch's data.
constexpr uint64_t countMask = 0xffff;
constexpr uint64_t openBit = 1 << 16;    // the launch accepts threads
constexpr uint64_t waitingBit = 1 << 17; // the caller sleeps until the count is zero
constexpr uint64_t stopBit = 1 << 18;    // the pool is being destroyed
constexpr int launchShift = 32;

constexpr uint32_t launchOf(uint64_t state) { return static_cast<uint32_t>(state >> launchShift); }

constexpr int64_t defaultSpinMicroseconds = 30;
constexpr int64_t leastBudget = 500;           // ns
constexpr int64_t preemptedAfter = 200 * 1000; // ns between two looks at the clock
constexpr int pausesPerLook = 32;

int64_t nanoseconds() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

void pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

} // namespace

ThreadPool::ThreadPool(const ThreadPoolOptions &options) {
  workerCount = options.threads;
  if (workerCount == 0)
    workerCount = environmentInteger("SINTER_NUM_THREADS").value_or(availableCpus());
  if (workerCount < 1 || workerCount > 1024)
    throw Error({.kind = ErrorKind::User, .code = ErrorCode::Usage},
                "a thread pool has 1 to 1024 threads, not " + std::to_string(workerCount));
  int64_t spin = options.spinMicroseconds;
  if (spin < 0)
    spin = environmentInteger("SINTER_SPIN_US").value_or(defaultSpinMicroseconds);
  spinNanoseconds = workerCount > availableCpus() ? 0 : spin * 1000;
  slots = std::make_unique<Slot[]>(static_cast<size_t>(workerCount));

  // Signals belong to the program's own threads.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    threads.reserve(static_cast<size_t>(workerCount - 1));
    for (int64_t worker = 1; worker < workerCount; ++worker)
      threads.emplace_back([this, worker] { work(worker); });
  } catch (const std::exception &error) { // Of the system, or std::bad_alloc.
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    stopThreads();
    throw Error({.kind = ErrorKind::Device}, "cannot start thread " +
                                                 std::to_string(threads.size() + 1) + " of " +
                                                 std::to_string(workerCount) + ": " + error.what());
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

ThreadPool::~ThreadPool() { stopThreads(); }

void ThreadPool::stopThreads() {
  {
    std::lock_guard lock(mutex);
    state.fetch_or(stopBit);
  }
  wake.notify_all();
  for (std::thread &thread : threads)
    thread.join();
}

void ThreadPool::callback(void *pool, SinterKernel kernel, void *const *buffers,
                          const int64_t *table, SinterStatus *status, int64_t extent,
                          int64_t grain) {
  static_cast<ThreadPool *>(pool)->parallelFor(kernel, buffers, table, status, extent, grain);
}

void ThreadPool::parallelFor(SinterKernel kernel, void *const *buffers, const int64_t *table,
                             SinterStatus *status, int64_t extent, int64_t grain) {
  if (extent <= 0)
    return;
  grain = std::max<int64_t>(grain, 1);
  if (extent <= grain || workerCount == 1 || busy.exchange(true, std::memory_order_acquire)) {
    kernel(buffers, table, status, 0, extent, 0);
    return;
  }
  int64_t chunks = (extent - 1) / grain + 1;
  int64_t participants = std::min(workerCount, chunks);
  job = {kernel, buffers, table, status, extent, grain, participants};
  int64_t share = chunks / participants, longer = chunks % participants, next = 0;
  for (int64_t i = 0; i < participants; ++i) {
    slots[i].next.store(next, std::memory_order_relaxed);
    slots[i].end = next += share + (i < longer);
  }
  publish();
  runChunks(0);
  finish();
  busy.store(false, std::memory_order_release);
}

void ThreadPool::publish() {
  uint64_t launch = launchOf(state.load(std::memory_order_relaxed)) + uint64_t{1};
  // Sequentially consistent together with the sleeper's order (count itself, then look at state):
  // either the sleeper sees the launch or this sees the sleeper.
  state.store(launch << launchShift | openBit);
  if (sleepers.load() == 0)
    return;
  {
    std::lock_guard lock(mutex);
    sleepers.store(0);
  }
  wake.notify_all();
}

void ThreadPool::runChunks(int64_t worker) {
  const Job current = job;
  for (int64_t i = 0; i < current.participants; ++i) {
    Slot &slot = slots[(worker + i) % current.participants];
    const int64_t end = slot.end;
    while (slot.next.load(std::memory_order_relaxed) < end) {
      int64_t chunk = slot.next.fetch_add(1, std::memory_order_relaxed);
      if (chunk >= end)
        break;
      int64_t begin = chunk * current.grain;
      current.kernel(current.buffers, current.table, current.status, begin,
                     std::min(current.extent, begin + current.grain), worker);
    }
  }
}

void ThreadPool::finish() {
  uint64_t now = state.fetch_and(~openBit, std::memory_order_acq_rel);
  if ((now & countMask) == 0)
    return;
  auto joined = [&] { return (state.load(std::memory_order_acquire) & countMask) != 0; };
  int64_t start = nanoseconds();
  do
    for (int i = 0; i < pausesPerLook; ++i) {
      if (!joined())
        return;
      pause();
    }
  while (nanoseconds() - start < spinNanoseconds);
  state.fetch_or(waitingBit, std::memory_order_acq_rel);
  std::unique_lock lock(mutex);
  done.wait(lock, [&] { return !joined(); });
}

void ThreadPool::leave() {
  uint64_t before = state.fetch_sub(1, std::memory_order_acq_rel);
  if ((before & countMask) != 1 || !(before & waitingBit))
    return;
  { std::lock_guard lock(mutex); }
  done.notify_all();
}

void ThreadPool::work(int64_t worker) {
  pthread_setname_np(pthread_self(), "sinter-worker");
  uint32_t seen = 0;
  int64_t budget = spinNanoseconds;
  for (;;) {
    uint64_t now = awaitJob(seen, budget);
    if (now & stopBit)
      return;
    if (!state.compare_exchange_strong(now, now + 1, std::memory_order_acq_rel))
      continue;
    seen = launchOf(now);
    runChunks(worker);
    leave();
  }
}

/// The state of a launch other than `seen` that is open, or of a stopping pool. Spins for `budget`
/// nanoseconds, which shrinks when the spinning itself was preempted and recovers otherwise.
uint64_t ThreadPool::awaitJob(uint32_t seen, int64_t &budget) {
  uint64_t now = 0;
  auto ready = [&](std::memory_order order) {
    now = state.load(order);
    return (now & stopBit) || ((now & openBit) && launchOf(now) != seen);
  };
  int64_t start = nanoseconds(), last = start;
  do {
    for (int i = 0; i < pausesPerLook; ++i) {
      if (ready(std::memory_order_acquire)) {
        budget = std::min(spinNanoseconds, budget * 2);
        return now;
      }
      pause();
    }
    int64_t time = nanoseconds();
    if (time - last > preemptedAfter) {
      budget = std::min(spinNanoseconds, std::max(leastBudget, budget / 4));
      break;
    }
    last = time;
  } while (last - start < budget);
  budget = std::min(spinNanoseconds, budget + spinNanoseconds / 16);

  std::unique_lock lock(mutex);
  for (;;) {
    sleepers.fetch_add(1);
    if (ready(std::memory_order_seq_cst)) {
      sleepers.fetch_sub(1);
      return now;
    }
    wake.wait(lock);
  }
}

} // namespace sinter
