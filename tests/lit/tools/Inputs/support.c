/* SPDX-License-Identifier: Apache-2.0 */
/* The support code of generated libraries on its own, under sanitizers: `support files FOLDER` loads thousands of
   damaged files, `support threads` launches from several threads at once. */
#include "sinter/codegen/cpu/support/Support.h"

int printf(const char *format, ...);
void exit(int code) __attribute__((noreturn));
int strcmp(const char *a, const char *b);
int fork(void);
int waitpid(int process, int *status, int options);
void _exit(int code) __attribute__((noreturn));

int64_t sinterStateBytes(const Descriptor *program, const int64_t *dims);
int32_t sinterStateInit(const Descriptor *program, void *memory, int64_t bytes, const int64_t *dims, uint64_t seed, SinterReport *report);
int32_t sinterStateLoad(const Descriptor *program, void *memory, const char *path, SinterReport *report);
int32_t sinterStateSave(const Descriptor *program, void *memory, const char *path, SinterReport *report);
int64_t sinterThreadsBytes(int64_t workers);
int64_t sinterErrorText(const Descriptor *program, const SinterReport *report, char *to, int64_t capacity);
int32_t sinterThreadsStart(SinterThreads *threads, void *memory, int64_t bytes, int64_t workers, SinterReport *report);
int32_t sinterThreadsStop(SinterThreads *threads, SinterReport *report);

static void require(int condition, const char *what) {
  if (!condition) {
    printf("not %s\n", what);
    exit(1);
  }
}
#define REQUIRE(condition) require(condition, #condition)

/* -- Files -- */

static int64_t version(void) { return -1; }
static const Axis wAxes[] = {{axisConstant, 5}, {axisConstant, 3}}, bAxes[] = {{axisConstant, 7}};
static const Place variables[] = {
    {.name = "w", .location = "", .axes = wAxes, .dtype = SINTER_F32, .rank = 2, .update = -1, .init = initUniform, .initA = -1, .initB = 1},
    {.name = "b", .location = "", .axes = bAxes, .dtype = SINTER_F16, .rank = 1, .update = -1, .init = initUniform, .initA = -1, .initB = 1},
    {.name = "mask", .location = "", .axes = bAxes, .dtype = SINTER_BOOL, .rank = 1, .update = -1, .init = initZeros},
    {.name = "t", .location = "", .axes = 0, .dtype = SINTER_I64, .rank = 0, .update = -1, .init = initConstant, .pattern = 3}};
static const Descriptor program = {.name = "program", .target = "", .variables = variables, .numVariables = 4, .version = version};

static _Alignas(64) char state[1024], before[1024];
static char bytes[1 << 16], changed[1 << 16];

static int64_t readAll(const char *path) {
  int file = open(path, openRead);
  int64_t size;
  REQUIRE(file >= 0);
  size = lseek(file, 0, maySeekEnd);
  REQUIRE(size > 0 && size < (int64_t)sizeof bytes);
  REQUIRE(sinterReadAt(file, 0, bytes, (uint64_t)size, 0) == SINTER_OK);
  close(file);
  return size;
}

static int32_t tryBytes(const char *path, const char *content, int64_t size) {
  char text[400];
  SinterReport report;
  int32_t code;
  int file;
  unlink(path); /* Truncating makes some file systems write the old one first. */
  file = open(path, openWrite | openCreate, 0666);
  REQUIRE(file >= 0 && write(file, content, (size_t)size) == size);
  close(file);
  code = sinterStateLoad(&program, state, path, &report);
  REQUIRE(code == report.code && sinterErrorText(&program, &report, text, sizeof text) > 0);
  if (code != SINTER_OK)
    REQUIRE(memcmp(state, before, sizeof state) == 0);
  memcpy(state, before, sizeof state);
  return code;
}

/* Every truncation, every byte in several ways, and random damage. */
static void damage(const char *good, const char *bad) {
  static const unsigned char masks[] = {1, 0x10, 0xff};
  uint64_t random = 1;
  int64_t size, at, i, accepted = 0, refused = 0;
  REQUIRE(sinterStateLoad(&program, state, good, 0) == SINTER_OK);
  memcpy(before, state, sizeof state);
  size = readAll(good);
  REQUIRE(tryBytes(bad, bytes, size) == SINTER_OK);
  for (at = 0; at < size; ++at)
    REQUIRE(tryBytes(bad, bytes, at) != SINTER_OK);
  for (at = 0; at < size; ++at)
    for (i = 0; i < (int64_t)sizeof masks; ++i) {
      memcpy(changed, bytes, (size_t)size);
      changed[at] ^= (char)masks[i];
      ++*(tryBytes(bad, changed, size) == SINTER_OK ? &accepted : &refused);
    }
  for (i = 0; i < 1000; ++i) {
    int64_t many;
    memcpy(changed, bytes, (size_t)size);
    for (many = 0; many < 4; ++many) {
      random = random * 6364136223846793005u + 1442695040888963407u;
      changed[(random >> 33) % (uint64_t)size] = (char)(random >> 20);
    }
    ++*(tryBytes(bad, changed, size) == SINTER_OK ? &accepted : &refused);
  }
  /* Values of tensors may be anything; what describes them may not. */
  REQUIRE(refused > accepted);
}

static void files(char **argv) {
  SinterReport report;
  int i;
  REQUIRE(sinterStateBytes(&program, 0) <= (int64_t)sizeof state);
  REQUIRE(sinterStateInit(&program, state, sizeof state, 0, 1, &report) == SINTER_OK);
  REQUIRE(sinterStateSave(&program, state, argv[0], &report) == SINTER_OK);
  for (i = 0; i < 3; ++i)
    damage(argv[i], argv[4]);
  REQUIRE(sinterStateLoad(&program, state, argv[3], &report) == SINTER_COMPRESSED);
  for (i = 5; i < 7; ++i) { /* Types that only NumPy has are another type, and no damage. */
    REQUIRE(sinterStateLoad(&program, state, argv[i], &report) == SINTER_BAD_DTYPE);
    REQUIRE(report.subject == SINTER_VARIABLE && report.index == 0 && report.bound == SINTER_F32);
  }
  REQUIRE(sinterStateLoad(&program, state, argv[7], &report) == SINTER_BAD_FORMAT);
}

/* -- Threads -- */

enum { elements = 1000, callers = 3, launches = 4000 };
typedef struct {
  SinterThreads *threads;
  int64_t counts[elements];
  int64_t shared; /* Worker 0 alone may be seen twice: see `busy`. */
} Caller;

static void kernel(void *const *buffers, const int64_t *table, SinterStatus *status, int64_t begin, int64_t end, int64_t worker) {
  int64_t i, *counts = buffers[0];
  (void)table, (void)status, (void)worker;
  for (i = begin; i < end; ++i)
    ++counts[i]; /* Not atomic: a unit that two threads computed would be a race. */
}

/* Threads that compute cannot be ended. */
static SinterThreads *busyThreads;
static void stopInside(void *const *buffers, const int64_t *table, SinterStatus *status, int64_t begin, int64_t end, int64_t worker) {
  SinterReport report;
  SinterThreads copy = *busyThreads;
  (void)buffers, (void)table, (void)status, (void)end, (void)worker;
  REQUIRE(sinterThreadsStop(&copy, &report) == SINTER_BUSY && report.subject == SINTER_THREADS);
  if (begin == 0) { /* In a child nobody computes. */
    int state = -1, child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      REQUIRE(sinterThreadsStop(&copy, &report) == SINTER_OK);
      _exit(0);
    }
    REQUIRE(waitpid(child, &state, 0) == child && state == 0);
  }
}

static void *launch(void *value) {
  Caller *caller = value;
  void *buffers[] = {caller->counts};
  int64_t i;
  for (i = 0; i < launches; ++i) {
    caller->threads->parallelFor(caller->threads->pool, kernel, buffers, 0, 0, elements - i % 7, 1 + i % 90);
    if (i % 500 == 0) { /* Long enough for the others to fall asleep. */
      int64_t start[2], now[2];
      clock_gettime(monotonicClock, start);
      do
        clock_gettime(monotonicClock, now);
      while ((now[0] - start[0]) * 1000000000 + now[1] - start[1] < 2000000);
    }
  }
  return 0;
}

/* No more threads than the CPUs that the process is held to. */
static void affinity(void) {
  enum { callSetAffinity = callGetAffinity - 1 };
  uint64_t all[128] = {0}, one[128] = {0};
  long bytes = syscall(callGetAffinity, 0L, (unsigned long)sizeof all, all), i;
  REQUIRE(bytes > 0);
  for (i = 0; !one[i]; ++i)
    one[i] = all[i] & (0 - all[i]);
  REQUIRE(syscall(callSetAffinity, 0L, (unsigned long)bytes, one) == 0);
  REQUIRE(sinterThreadsBytes(0) == SINTER_THREADS_BYTES(1));
  REQUIRE(syscall(callSetAffinity, 0L, (unsigned long)bytes, all) == 0);
}

/* A child that is forked off has no threads: it computes alone, and ends nothing. */
static void forked(SinterThreads *made) {
  static Caller caller;
  void *buffers[] = {caller.counts};
  int64_t i;
  int status = -1, child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    made->parallelFor(made->pool, kernel, buffers, 0, 0, elements, 10);
    for (i = 0; i < elements; ++i)
      REQUIRE(caller.counts[i] == 1);
    REQUIRE(sinterThreadsStop(made, 0) == SINTER_OK && !made->parallelFor);
    _exit(0);
  }
  REQUIRE(waitpid(child, &status, 0) == child && status == 0);
}

static void threads(void) {
  static _Alignas(64) char memory[SINTER_THREADS_BYTES(4)];
  static Caller all[callers];
  uintptr_t handles[callers];
  SinterThreads made;
  int64_t i, j, workers;
  affinity();
  for (workers = 1; workers <= 4; ++workers) {
    REQUIRE(sinterThreadsStart(&made, memory, sizeof memory, workers, 0) == SINTER_OK && made.workers == workers);
    memset(all, 0, sizeof all);
    for (i = 0; i < callers; ++i) {
      all[i].threads = &made;
      REQUIRE(pthread_create(&handles[i], 0, launch, &all[i]) == 0);
    }
    for (i = 0; i < callers; ++i)
      pthread_join(handles[i], 0);
    for (i = 0; i < callers; ++i)
      for (j = 0; j < elements - 6; ++j)
        REQUIRE(all[i].counts[j] == launches);
    busyThreads = &made;
    if (workers > 1)
      made.parallelFor(made.pool, stopInside, 0, 0, 0, 100, 1);
    forked(&made);
    REQUIRE(sinterThreadsStop(&made, 0) == SINTER_OK && !made.parallelFor);
  }
}

int main(int argc, char **argv) {
  if (argc == 10 && strcmp(argv[1], "files") == 0)
    files(argv + 2);
  else if (argc == 2 && strcmp(argv[1], "threads") == 0)
    threads();
  else
    return 2;
  printf("ok\n");
  return 0;
}
