/* SPDX-License-Identifier: Apache-2.0 */
/* Threads in memory of the caller: fork-join over chunks of an index range, as runtime/ThreadPool
 * does it. The caller takes part as worker 0; each worker owns a contiguous part of the range and
 * takes from the others when its own is done. Threads that wait sleep on a futex. */
#include "sinter/codegen/cpu/support/Support.h"

/* Layout of Pool.state. A thread joins by compare-exchange while `open` is set, so it either counts
 * as joined before the launch closes or never touches the launch's data. */
static const uint64_t countMask = 0xffff;
static const uint64_t openBit = 1 << 16;    /* the launch accepts threads */
static const uint64_t waitingBit = 1 << 17; /* the caller sleeps until the count is zero */
static const uint64_t stopBit = 1 << 18;    /* the threads are to end */
enum { launchShift = 32 };

enum {
  maxWorkers = SINTER_MAX_WORKERS,
  spinNanoseconds = 30000,
  pausesPerLook = 32,
  cacheLine = 64
};

typedef struct {
  _Alignas(cacheLine) int64_t next;
  int64_t end;
} Slot;

typedef struct Pool Pool;
typedef struct {
  _Alignas(cacheLine) Pool *pool;
  int64_t worker;
  uintptr_t thread;
  Slot slot; /* The chunks that this worker has left. */
} Worker;

struct Pool {
  _Alignas(cacheLine) uint64_t state;
  /* The running launch. Not on the line of `state`, which idle threads keep reading. */
  _Alignas(cacheLine) SinterKernel kernel;
  void *const *buffers;
  const int64_t *table;
  SinterStatus *status;
  int64_t extent, grain, participants;
  _Alignas(cacheLine) int64_t busy;
  int64_t sleepers;    /* upper bound of the threads that sleep for a launch */
  uint32_t wake, done; /* futexes: counts of what was woken up for */
  int64_t workers;
  int64_t spin;
  int64_t process; /* in a child that was forked off there are no threads to end */
  Worker all[]; /* one per worker; the caller's comes first */
};

_Static_assert(sizeof(Pool) + sizeof(Worker) == SINTER_THREADS_BYTES(1), "what headers promise");
_Static_assert(sizeof(Pool) + 2 * sizeof(Worker) == SINTER_THREADS_BYTES(2),
               "what headers promise");

static void pauseBriefly(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  __asm__ volatile("yield");
#endif
}

static int64_t nanoseconds(void) {
  int64_t time[2] = {0, 0};
  clock_gettime(monotonicClock, time);
  return time[0] * 1000000000 + time[1];
}

enum { futexWait = 128, futexWake = 129 }; /* of this process alone */

static void sleepWhile(uint32_t *futex, uint32_t value) {
  syscall(callFutex, futex, (long)futexWait, (unsigned long)value, (void *)0, (void *)0, 0L);
}

static void wakeAll(uint32_t *futex) {
  __atomic_fetch_add(futex, 1, __ATOMIC_SEQ_CST);
  syscall(callFutex, futex, (long)futexWake, 0x7fffffffL, (void *)0, (void *)0, 0L);
}

static uint32_t launchOf(uint64_t state) { return (uint32_t)(state >> launchShift); }

static void runChunks(Pool *pool, int64_t worker) {
  int64_t participants = pool->participants, grain = pool->grain, extent = pool->extent;
  for (int64_t i = 0; i < participants; ++i) {
    Slot *slot = &pool->all[(worker + i) % participants].slot;
    int64_t end = slot->end;
    while (__atomic_load_n(&slot->next, __ATOMIC_RELAXED) < end) {
      int64_t chunk = __atomic_fetch_add(&slot->next, 1, __ATOMIC_RELAXED);
      if (chunk >= end)
        break;
      int64_t begin = chunk * grain, rest = extent - begin;
      pool->kernel(pool->buffers, pool->table, pool->status, begin,
                   rest < grain ? extent : begin + grain, worker);
    }
  }
}

static int isReady(Pool *pool, uint32_t seen, int order, uint64_t *now) {
  *now = order == __ATOMIC_SEQ_CST ? __atomic_load_n(&pool->state, __ATOMIC_SEQ_CST)
                                   : __atomic_load_n(&pool->state, __ATOMIC_ACQUIRE);
  return (*now & stopBit) != 0 || ((*now & openBit) != 0 && launchOf(*now) != seen);
}

/* The state of a launch other than `seen` that is open, or of threads that are to end. */
static uint64_t awaitLaunch(Pool *pool, uint32_t seen) {
  uint64_t now;
  int64_t start = nanoseconds();
  do
    for (int i = 0; i < pausesPerLook; ++i) {
      if (isReady(pool, seen, __ATOMIC_ACQUIRE, &now))
        return now;
      pauseBriefly();
    }
  while (nanoseconds() - start < pool->spin);
  for (;;) {
    /* Counts itself, then looks; who launches stores, then counts sleepers: one sees the other. */
    __atomic_fetch_add(&pool->sleepers, 1, __ATOMIC_SEQ_CST);
    uint32_t wake = __atomic_load_n(&pool->wake, __ATOMIC_SEQ_CST);
    int ready = isReady(pool, seen, __ATOMIC_SEQ_CST, &now);
    if (!ready)
      sleepWhile(&pool->wake, wake);
    __atomic_fetch_sub(&pool->sleepers, 1, __ATOMIC_SEQ_CST);
    if (ready)
      return now;
  }
}

static void leave(Pool *pool) {
  uint64_t before = __atomic_fetch_sub(&pool->state, 1, __ATOMIC_ACQ_REL);
  if ((before & countMask) == 1 && (before & waitingBit) != 0)
    wakeAll(&pool->done);
}

static void *work(void *value) {
  Worker *self = value;
  Pool *pool = self->pool;
  uint32_t seen = 0;
  for (;;) {
    uint64_t now = awaitLaunch(pool, seen);
    if (now & stopBit)
      return 0;
    if (!__atomic_compare_exchange_n(&pool->state, &now, now + 1, 0, __ATOMIC_ACQ_REL,
                                     __ATOMIC_RELAXED))
      continue;
    seen = launchOf(now);
    runChunks(pool, self->worker);
    leave(pool);
  }
}

static void publish(Pool *pool) {
  uint32_t launch = launchOf(__atomic_load_n(&pool->state, __ATOMIC_RELAXED)) + 1;
  launch += launch == 0; /* A thread that has seen none says 0. */
  __atomic_store_n(&pool->state, (uint64_t)launch << launchShift | openBit, __ATOMIC_SEQ_CST);
  if (__atomic_load_n(&pool->sleepers, __ATOMIC_SEQ_CST) != 0)
    wakeAll(&pool->wake);
}

static int isJoined(Pool *pool) {
  return (__atomic_load_n(&pool->state, __ATOMIC_ACQUIRE) & countMask) != 0;
}

/* Closes the launch and waits for those that joined it. */
static void finish(Pool *pool) {
  uint64_t now = __atomic_fetch_and(&pool->state, ~openBit, __ATOMIC_ACQ_REL);
  if ((now & countMask) == 0)
    return;
  int64_t start = nanoseconds();
  do
    for (int i = 0; i < pausesPerLook; ++i) {
      if (!isJoined(pool))
        return;
      pauseBriefly();
    }
  while (nanoseconds() - start < pool->spin);
  __atomic_fetch_or(&pool->state, waitingBit, __ATOMIC_ACQ_REL);
  for (;;) {
    uint32_t done = __atomic_load_n(&pool->done, __ATOMIC_SEQ_CST);
    if (!isJoined(pool))
      return;
    sleepWhile(&pool->done, done);
  }
}

/* One launch at a time: a caller that finds the threads busy computes its whole range itself. */
static void parallelFor(void *memory, SinterKernel kernel, void *const *buffers,
                        const int64_t *table, SinterStatus *status, int64_t extent, int64_t grain) {
  Pool *pool = memory;
  if (extent <= 0)
    return;
  grain = grain < 1 ? 1 : grain;
  if (extent <= grain || pool->workers == 1 ||
      __atomic_exchange_n(&pool->busy, 1, __ATOMIC_ACQUIRE) != 0) {
    kernel(buffers, table, status, 0, extent, 0);
    return;
  }
  int64_t chunks = (extent - 1) / grain + 1;
  int64_t participants = chunks < pool->workers ? chunks : pool->workers;
  pool->kernel = kernel;
  pool->buffers = buffers;
  pool->table = table;
  pool->status = status;
  pool->extent = extent;
  pool->grain = grain;
  pool->participants = participants;
  int64_t share = chunks / participants, longer = chunks % participants, next = 0;
  for (int64_t i = 0; i < participants; ++i) {
    __atomic_store_n(&pool->all[i].slot.next, next, __ATOMIC_RELAXED);
    next += share + (i < longer);
    pool->all[i].slot.end = next;
  }
  publish(pool);
  runChunks(pool, 0);
  finish(pool);
  __atomic_store_n(&pool->busy, 0, __ATOMIC_RELEASE);
}

/* CPUs that the calling thread may use. */
static int64_t availableCpus(void) {
  uint64_t mask[128]; /* Of 8192. */
  long bytes = syscall(callGetAffinity, 0L, (unsigned long)sizeof mask, mask);
  int64_t count = 0;
  for (long i = 0; i < bytes / 8; ++i)
    count += __builtin_popcountll(mask[i]);
  if (count == 0)
    count = sysconf(onlineCpus);
  return count < 1 ? 1 : count; /* The system may not say. */
}

static int64_t resolveWorkers(int64_t workers) { return workers == 0 ? availableCpus() : workers; }

static int64_t bytesFor(int64_t workers) { return SINTER_THREADS_BYTES(workers); }

int64_t sinterThreadsBytes(int64_t workers) {
  if (workers < 0 || workers > maxWorkers)
    return -1;
  workers = resolveWorkers(workers);
  return bytesFor(workers > maxWorkers ? maxWorkers : workers);
}

static void stop(Pool *pool, int64_t started) {
  __atomic_fetch_or(&pool->state, stopBit, __ATOMIC_SEQ_CST);
  wakeAll(&pool->wake);
  for (int64_t i = 1; i < started && pool->process == getpid(); ++i)
    pthread_join(pool->all[i].thread, 0);
}

int32_t sinterThreadsStart(SinterThreads *threads, void *memory, int64_t bytes, int64_t workers,
                           SinterReport *report) {
  if (!threads)
    return sinterFail(report, SINTER_NULL, SINTER_NOTHING, 0);
  SinterThreads none = {0, 0, 1};
  *threads = none; /* Calls are serial until there are threads. */
  if (workers < 0 || workers > maxWorkers)
    return sinterFailValue(report, SINTER_BAD_WORKERS, SINTER_THREADS, 0, workers, maxWorkers);
  workers = resolveWorkers(workers);
  workers = workers > maxWorkers ? maxWorkers : workers;
  if (!memory)
    return sinterFail(report, SINTER_NULL, SINTER_THREADS, 0);
  if ((uintptr_t)memory % SINTER_ALIGNMENT != 0)
    return sinterFail(report, SINTER_MISALIGNED, SINTER_THREADS, 0);
  if (bytes < bytesFor(workers))
    return sinterFailValue(report, SINTER_TOO_SMALL, SINTER_THREADS, 0, bytes, bytesFor(workers));
  Pool *pool = memory;
  memset(pool, 0, (size_t)bytesFor(workers));
  pool->workers = workers;
  pool->process = getpid();
  pool->spin = workers > availableCpus() ? 0 : spinNanoseconds;
  /* Signals belong to the program's own threads. */
  uint64_t all[16], before[16];
  sigfillset(all);
  pthread_sigmask(setMask, all, before);
  int error = 0;
  int64_t started = 1;
  for (; started < workers && error == 0; started += error == 0) {
    Worker *worker = &pool->all[started];
    worker->pool = pool;
    worker->worker = started;
    error = pthread_create(&worker->thread, 0, work, worker);
  }
  pthread_sigmask(setMask, before, 0);
  if (error != 0) {
    stop(pool, started);
    return sinterFailValue(report, SINTER_NO_THREAD, SINTER_THREADS, 0, error, 0);
  }
  SinterThreads result = {parallelFor, pool, workers};
  *threads = result;
  return sinterSucceed(report);
}

int32_t sinterThreadsStop(SinterThreads *threads, SinterReport *report) {
  if (!threads)
    return sinterFail(report, SINTER_NULL, SINTER_NOTHING, 0);
  if (threads->parallelFor != parallelFor || !threads->pool) /* Stopped, or never started. */
    return sinterSucceed(report);
  Pool *pool = threads->pool;
  if (__atomic_exchange_n(&pool->busy, 1, __ATOMIC_ACQUIRE) != 0 && pool->process == getpid())
    return sinterFail(report, SINTER_BUSY, SINTER_THREADS, 0);
  stop(pool, pool->workers);
  SinterThreads none = {0, 0, 1};
  *threads = none;
  return sinterSucceed(report);
}
