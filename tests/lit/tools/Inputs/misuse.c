/* SPDX-License-Identifier: Apache-2.0 */
/* Every mistake that a caller of a generated library can make, in C99: each must be answered with its code, and
   change nothing. Built with step.mlir, sizes.mlir, sums.mlir and quotients.mlir (AotInterface.test); `misuse FOLDER`
   writes files there. */
#include "quotients.h"
#include "sizes.h"
#include "step.h"
#include "sums.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define N 37
#define ALIGNED __attribute__((aligned(STEP_ALIGNMENT)))

static ALIGNED float x[N * 8 + 16], loss[16], weights[1 << 12];
static ALIGNED int32_t labels[N + 16];
static ALIGNED char arena[1 << 22], state[4096], threadMemory[SINTER_THREADS_BYTES(4)];
static int64_t xSizes[2] = {N, 8}, labelSizes[1] = {N};
static SinterTensor inputs[STEP_NUM_INPUTS], outputs[STEP_NUM_OUTPUTS];
static SinterCall call;
static SinterReport report;
static char text[500];
static int failures;

static const char *describe(const SinterReport *about) {
  step_error_text(about, text, sizeof text);
  return text;
}

/* The code of an answer, and what its text must contain. */
static void expect(int line, int32_t code, int32_t wanted, const char *part) {
  if (code != wanted || report.code != wanted || !strstr(describe(&report), part)) {
    printf("line %d: code %d (report %d), not %d: %s\n", line, (int)code, (int)report.code, (int)wanted, describe(&report));
    ++failures;
  }
}
#define EXPECT(answer, wanted, part) expect(__LINE__, answer, wanted, part)
#define CHECK(condition) \
  do { \
    if (!(condition)) { \
      printf("line %d: not %s\n", __LINE__, #condition); \
      ++failures; \
    } \
  } while (0)

/* A call that is right; the tests break one thing each. */
static void reset(void) {
  int64_t dims[STEP_NUM_DIMS] = {N};
  int i;
  xSizes[0] = N;
  xSizes[1] = 8;
  labelSizes[0] = N;
  for (i = 0; i < N; ++i)
    labels[i] = i % 3;
  inputs[STEP_IN_X] = sinterTensor(x, SINTER_F32, xSizes, 2);
  inputs[STEP_IN_Y] = sinterTensor(labels, SINTER_I32, labelSizes, 1);
  outputs[STEP_OUT_LOSS] = sinterTensor(loss, SINTER_F32, NULL, 0);
  memset(&call, 0, sizeof call);
  call.interfaceId = STEP_INTERFACE;
  call.inputs = inputs;
  call.outputs = outputs;
  call.state = state;
  call.arena = arena;
  call.arenaBytes = step_arena_need(dims, 1);
}

static void tensors(void) {
  int64_t strides[2] = {8, 1}, zero = 0, hugeSizes[2] = {INT64_MAX / 16, 8};
  reset(), EXPECT(step_call(&call, &report), SINTER_OK, "no error");
  reset(); CHECK(step_call(&call, NULL) == SINTER_OK);
  EXPECT(step_call(NULL, &report), SINTER_NULL, "null");
  reset(), call.interfaceId ^= 1, EXPECT(step_call(&call, &report), SINTER_BAD_INTERFACE, "not made together");
  EXPECT(step_check(STEP_INTERFACE, &report), SINTER_OK, "");
  EXPECT(step_check(STEP_INTERFACE + 1, &report), SINTER_BAD_INTERFACE, "step");
  reset(), call.inputs = NULL, EXPECT(step_call(&call, &report), SINTER_NULL, "input");
  reset(), call.outputs = NULL, EXPECT(step_call(&call, &report), SINTER_NULL, "output");
  reset(), inputs[STEP_IN_X].data = NULL, EXPECT(step_call(&call, &report), SINTER_NULL, "input 'x' is null (declared at ");
  reset(), inputs[STEP_IN_X].sizes = NULL, EXPECT(step_call(&call, &report), SINTER_NULL, "'x'");
  reset(), inputs[STEP_IN_X].dtype = SINTER_F64, EXPECT(step_call(&call, &report), SINTER_BAD_DTYPE, "input 'x' is f64, not f32");
  reset(), inputs[STEP_IN_X].dtype = -7, EXPECT(step_call(&call, &report), SINTER_BAD_DTYPE, "no known type");
  reset(), outputs[STEP_OUT_LOSS].dtype = 99, EXPECT(step_call(&call, &report), SINTER_BAD_DTYPE, "output 'loss'");
  reset(), inputs[STEP_IN_X].rank = 1, EXPECT(step_call(&call, &report), SINTER_BAD_RANK, "input 'x' has 1 axes, not 2");
  reset(), inputs[STEP_IN_X].rank = -1, EXPECT(step_call(&call, &report), SINTER_BAD_RANK, "'x'");
  reset(), xSizes[1] = 9, EXPECT(step_call(&call, &report), SINTER_BAD_SIZE, "input 'x' has size 9 in axis 1, not 8");
  reset(), xSizes[0] = -1, EXPECT(step_call(&call, &report), SINTER_BAD_SIZE, "size -1 in axis 0");
  reset(), labelSizes[0] = N - 1, EXPECT(step_call(&call, &report), SINTER_SIZES_DISAGREE, "input 'y' makes dimension 'N' 36 but it is 37 in input 'x'");
  reset(), inputs[STEP_IN_X].sizes = hugeSizes, EXPECT(step_call(&call, &report), SINTER_TOO_LARGE, "input 'x'");
  reset(), inputs[STEP_IN_X].strides = strides, EXPECT(step_call(&call, &report), SINTER_OK, "");
  reset(), strides[0] = 9, inputs[STEP_IN_X].strides = strides, EXPECT(step_call(&call, &report), SINTER_NOT_DENSE, "not dense");
  reset(), inputs[STEP_IN_X].data = x + 1, EXPECT(step_call(&call, &report), SINTER_MISALIGNED, "input 'x' is not aligned");
  reset(), inputs[STEP_IN_X].data = (void *)((uintptr_t)0 - 64), EXPECT(step_call(&call, &report), SINTER_TOO_LARGE, "'x'");
  /* A batch of nothing is a batch. */
  reset(), xSizes[0] = labelSizes[0] = zero, inputs[STEP_IN_X].data = inputs[STEP_IN_Y].data = NULL;
  EXPECT(step_call(&call, &report), SINTER_OK, "");
}

static void memory(void) {
  int64_t dims[STEP_NUM_DIMS] = {-1}, needed;
  SinterThreads threads = {0};
  reset(), call.arena = NULL, EXPECT(step_call(&call, &report), SINTER_NULL, "the arena is null");
  reset(), call.arena = arena + 32, EXPECT(step_call(&call, &report), SINTER_MISALIGNED, "the arena");
  reset(), needed = call.arenaBytes--;
  EXPECT(step_call(&call, &report), SINTER_TOO_SMALL, "the arena has ");
  CHECK(report.bound == needed && report.value == needed - 1);
  reset(), call.arenaBytes = -5, EXPECT(step_call(&call, &report), SINTER_TOO_SMALL, "-5");
  CHECK(step_arena_need(dims, 1) == -1);
  dims[0] = INT64_MAX / 2;
  CHECK(step_arena_need(dims, 1) == -1);
  dims[0] = N;
  CHECK(step_arena_need(dims, 0) == -1 && step_arena_need(NULL, 1) == -1);
  /* The size is exact: not a byte behind it is touched, not even by more workers. */
  reset();
  memset(arena, 0x5a, sizeof arena);
  EXPECT(step_call(&call, &report), SINTER_OK, "");
  for (needed = call.arenaBytes; needed < (int64_t)sizeof arena && arena[needed] == 0x5a; ++needed)
    ;
  CHECK(needed == (int64_t)sizeof arena);
  reset(), outputs[STEP_OUT_LOSS].data = x, EXPECT(step_call(&call, &report), SINTER_OVERLAP, "input 'x' overlaps output 'loss'");
  reset(), outputs[STEP_OUT_LOSS].data = arena + 64, EXPECT(step_call(&call, &report), SINTER_OVERLAP, "output 'loss' overlaps the arena");
  reset(), outputs[STEP_OUT_LOSS].data = state + 128, EXPECT(step_call(&call, &report), SINTER_OVERLAP, "the state");
  reset(), inputs[STEP_IN_Y].data = state + 64, EXPECT(step_call(&call, &report), SINTER_OVERLAP, "the state");
  reset(), call.threads = &threads, threads.parallelFor = NULL, threads.workers = -3;
  EXPECT(step_call(&call, &report), SINTER_OK, ""); /* No threads: the number does not matter. */
  EXPECT(step_threads_start(&threads, threadMemory, sizeof threadMemory, 2, &report), SINTER_OK, "");
  reset(), call.threads = &threads, threads.workers = 0, EXPECT(step_call(&call, &report), SINTER_BAD_WORKERS, "0 workers");
  threads.workers = INT64_MAX, EXPECT(step_call(&call, &report), SINTER_TOO_LARGE, "overflows");
  threads.workers = 2, call.arenaBytes = sizeof arena, EXPECT(step_call(&call, &report), SINTER_OK, "");
  EXPECT(step_threads_stop(&threads, &report), SINTER_OK, "");
  EXPECT(step_threads_stop(&threads, &report), SINTER_OK, "");
  CHECK(threads.parallelFor == NULL);
}

static void threadMistakes(void) {
  SinterThreads threads;
  CHECK(step_threads_bytes(3) == SINTER_THREADS_BYTES(3));
  CHECK(step_threads_bytes(0) >= SINTER_THREADS_BYTES(1));
  CHECK(step_threads_bytes(-1) == -1 && step_threads_bytes(SINTER_MAX_WORKERS + 1) == -1);
  EXPECT(step_threads_start(NULL, threadMemory, sizeof threadMemory, 2, &report), SINTER_NULL, "null");
  EXPECT(step_threads_start(&threads, NULL, sizeof threadMemory, 2, &report), SINTER_NULL, "memory for threads");
  EXPECT(step_threads_start(&threads, threadMemory + 8, sizeof threadMemory - 8, 2, &report), SINTER_MISALIGNED, "threads");
  EXPECT(step_threads_start(&threads, threadMemory, SINTER_THREADS_BYTES(2) - 1, 2, &report), SINTER_TOO_SMALL, "447 bytes, but needs 448");
  EXPECT(step_threads_start(&threads, threadMemory, sizeof threadMemory, -1, &report), SINTER_BAD_WORKERS, "-1 workers");
  EXPECT(step_threads_start(&threads, threadMemory, sizeof threadMemory, 5000, &report), SINTER_BAD_WORKERS, "5000 workers");
  EXPECT(step_threads_stop(&threads, &report), SINTER_OK, "");
  EXPECT(step_threads_stop(NULL, &report), SINTER_NULL, "");
}

/* A parallelFor that calls the program again with the same state. */
static int32_t inner;
static void nested(void *pool, SinterKernel kernel, void *const *buffers, const int64_t *table, SinterStatus *status,
                   int64_t extent, int64_t grain) {
  static ALIGNED char otherArena[1 << 25];
  SinterCall again = call;
  (void)pool, (void)grain;
  again.arena = otherArena;
  again.arenaBytes = sizeof otherArena;
  again.threads = NULL;
  inner = step_call(&again, NULL);
  kernel(buffers, table, status, 0, extent, 0);
}

static void states(const char *folder) {
  static ALIGNED char other[4096], bigArena[1 << 25], bigX[600000 * 8 * 4], bigY[600000 * 4];
  char path[4096];
  SinterTensor tensor;
  SinterThreads threads = {nested, NULL, 1};
  int64_t dims[1] = {600000};
  CHECK(step_state_bytes(NULL) == STEP_STATE_BYTES && STEP_STATE_BYTES <= (int64_t)sizeof state);
  EXPECT(step_state_init(NULL, sizeof other, NULL, 1, &report), SINTER_NULL, "the state is null");
  EXPECT(step_state_init(other + 8, sizeof other - 8, NULL, 1, &report), SINTER_MISALIGNED, "the state");
  EXPECT(step_state_init(other, STEP_STATE_BYTES - 1, NULL, 1, &report), SINTER_TOO_SMALL, "the state has");
  EXPECT(step_state_tensor(other, STEP_VAR_W, &tensor, &report), SINTER_BAD_STATE, "not made by");
  EXPECT(step_state_init(other, STEP_STATE_BYTES, NULL, 1, &report), SINTER_OK, "");
  EXPECT(step_state_tensor(other, STEP_VAR_W, &tensor, &report), SINTER_OK, "");
  CHECK(tensor.dtype == SINTER_F32 && tensor.rank == 2 && tensor.sizes[0] == 8 && tensor.sizes[1] == 3 && !tensor.strides);
  EXPECT(step_state_tensor(other, 1, &tensor, &report), SINTER_BAD_INDEX, "number 1");
  EXPECT(step_state_tensor(other, -1, &tensor, &report), SINTER_BAD_INDEX, "number -1");
  EXPECT(step_state_tensor(other, 0, NULL, &report), SINTER_NULL, "");
  EXPECT(step_state_tensor(NULL, 0, &tensor, &report), SINTER_NULL, "");
  reset(), call.state = NULL, EXPECT(step_call(&call, &report), SINTER_NULL, "the state is null");
  reset(), call.state = other + 1, EXPECT(step_call(&call, &report), SINTER_MISALIGNED, "the state");
  reset(), call.state = weights, EXPECT(step_call(&call, &report), SINTER_BAD_STATE, "the state was not made");
  other[64] ^= 1; /* A size of w. */
  reset(), call.state = other, EXPECT(step_call(&call, &report), SINTER_BAD_STATE, "damaged");
  EXPECT(step_state_save(other, "unused", &report), SINTER_BAD_STATE, "");
  other[64] ^= 1;
  EXPECT(step_call(&call, &report), SINTER_OK, "");
  other[17] ^= 1; /* Who made it: a pointer, as of another process. */
  EXPECT(step_call(&call, &report), SINTER_BAD_STATE, "the state was not made");
  other[17] ^= 1;

  /* One call updates a state at a time: large sizes, so that there is more than one chunk. */
  reset(), xSizes[0] = labelSizes[0] = dims[0], call.threads = &threads;
  inputs[STEP_IN_X].data = bigX, inputs[STEP_IN_Y].data = bigY, call.arena = bigArena;
  call.arenaBytes = sizeof bigArena, inner = -1;
  CHECK(step_arena_need(dims, 1) <= (int64_t)sizeof bigArena);
  EXPECT(step_call(&call, &report), SINTER_OK, "");
  CHECK(inner == SINTER_BUSY);

  /* Files. */
  CHECK(snprintf(path, sizeof path, "%s/state.safetensors", folder) < (int)sizeof path);
  EXPECT(step_state_save(other, path, &report), SINTER_OK, "");
  EXPECT(step_state_load(other, path, &report), SINTER_OK, "");
  EXPECT(step_state_save(other, NULL, &report), SINTER_NULL, "the file is null");
  EXPECT(step_state_load(other, NULL, &report), SINTER_NULL, "the file is null");
  EXPECT(step_state_load(other, "/no/such/file", &report), SINTER_FILE, "errno 2");
  EXPECT(step_state_save(other, "/no/such/folder/file", &report), SINTER_FILE, "errno 2");
  EXPECT(step_state_save(other, folder, &report), SINTER_FILE, "errno 21");
  EXPECT(step_state_save(other, "/dev/full", &report), SINTER_FILE, "errno 28");
  EXPECT(step_state_load(other, "/dev/null", &report), SINTER_BAD_FORMAT, "ends before");
  EXPECT(step_state_load(other, folder, &report), SINTER_FILE, "errno");
}

static int32_t callSizes(int64_t a, int64_t b, int64_t out) {
  int64_t aSize[1], bSize[1], outSize[1];
  SinterTensor in[SIZES_NUM_INPUTS], result[SIZES_NUM_OUTPUTS];
  SinterCall made = {0};
  aSize[0] = a, bSize[0] = b, outSize[0] = out;
  in[SIZES_IN_A] = sinterTensor(x, SINTER_F32, aSize, 1);
  in[SIZES_IN_B] = sinterTensor(weights, SINTER_F32, bSize, 1);
  result[SIZES_OUT_Y] = sinterTensor(loss, SINTER_F32, outSize, 1);
  made.interfaceId = SIZES_INTERFACE;
  made.inputs = in, made.outputs = result;
  made.arena = arena, made.arenaBytes = sizeof arena;
  return sizes_call(&made, &report);
}

/* a is [N + 2], b is [2 * N], y is [N - 3]: sizes that follow from each other. */
static void sizes(void) {
#define EXPECT_SIZES(answer, wanted, part) \
  do { \
    int32_t code = answer; \
    sizes_error_text(&report, text, sizeof text); \
    if (code != (wanted) || !strstr(text, part)) { \
      printf("line %d: code %d: %s\n", __LINE__, (int)code, text); \
      ++failures; \
    } \
  } while (0)
  EXPECT_SIZES(callSizes(10, 16, 5), SINTER_OK, "");
  EXPECT_SIZES(callSizes(10, 14, 5), SINTER_BAD_SIZE, "input 'b' has size 14 in axis 0, not 16");
  EXPECT_SIZES(callSizes(1, 16, 5), SINTER_BAD_SIZE, "input 'a' has size 1 in axis 0, which cannot be");
  EXPECT_SIZES(callSizes(10, 16, 6), SINTER_BAD_SIZE, "output 'y' has size 6 in axis 0, not 5");
  EXPECT_SIZES(callSizes(4, 4, 0), SINTER_CONDITION, "slice at ");
}

static int32_t callQuotients(int64_t half, int64_t square, int64_t cube, int64_t twice) {
  SinterTensor in[QUOTIENTS_NUM_INPUTS], result[QUOTIENTS_NUM_OUTPUTS];
  SinterCall made = {0};
  int32_t code;
  in[QUOTIENTS_IN_HALF] = sinterTensor(x, SINTER_F32, &half, 1);
  in[QUOTIENTS_IN_SQUARE] = sinterTensor(x, SINTER_F32, &square, 1);
  in[QUOTIENTS_IN_CUBE] = sinterTensor(x, SINTER_F32, &cube, 1);
  in[QUOTIENTS_IN_TWICE] = sinterTensor(x, SINTER_F32, &twice, 1);
  result[QUOTIENTS_OUT_Y] = sinterTensor(weights, SINTER_F32, &half, 1);
  result[QUOTIENTS_OUT_S] = sinterTensor(weights + 1024, SINTER_F32, &square, 1);
  result[QUOTIENTS_OUT_C] = sinterTensor(weights + 2048, SINTER_F32, &cube, 1);
  result[QUOTIENTS_OUT_Z] = sinterTensor(weights + 3072, SINTER_F32, &twice, 1);
  made.interfaceId = QUOTIENTS_INTERFACE;
  made.inputs = in, made.outputs = result;
  made.arena = arena, made.arenaBytes = sizeof arena;
  code = quotients_call(&made, &report);
  quotients_error_text(&report, text, sizeof text);
  return code;
}

/* half is [ceildiv(N, 2)], square [(N - 2)^2] and cube [(N - 1)^3 + 1]: of none N follows. twice is [2 * N]. */
static void quotients(void) {
  CHECK(callQuotients(3, 9, 65, 10) == SINTER_OK);
  CHECK(callQuotients(3, 16, 126, 12) == SINTER_OK);
  CHECK(callQuotients(1, 0, 2, 4) == SINTER_OK);
  CHECK(callQuotients(2, 1, 9, 6) == SINTER_OK); /* Of square, N could be 1 as well. */
  CHECK(callQuotients(3, 25, 217, 14) == SINTER_BAD_SIZE);
  CHECK(strstr(text, "' has size 3 in axis 0, not 4"));
  CHECK(callQuotients(3, 9, 64, 10) == SINTER_BAD_SIZE);
  CHECK(strstr(text, "' has size 64 in axis 0, not 65"));
  CHECK(callQuotients(3, 9, 65, 9) == SINTER_BAD_SIZE);
  CHECK(strstr(text, "input 'twice' has size 9 in axis 0, which cannot be"));
}

static void unknown(void) {
  int64_t size[] = {5};
  SinterTensor in = sinterTensor(x, SINTER_F32, size, 1), out = sinterTensor(weights, SINTER_F32, size, 1);
  SinterCall made = {0};
  made.interfaceId = SUMS_INTERFACE;
  made.inputs = &in, made.outputs = &out, made.arena = arena, made.arenaBytes = sizeof arena;
  CHECK(sums_call(&made, &report) == SINTER_UNKNOWN_SIZE);
  sums_error_text(&report, text, sizeof text);
  CHECK(strstr(text, "does not follow from the tensors") && (strstr(text, "dimension 'N'") || strstr(text, "dimension 'M'")));
}

/* A system that gives no memory for a thread or a file. Sanitizers need more of it than any limit. */
static void scarcity(const char *folder) {
#if !defined(__SANITIZE_ADDRESS__) && !defined(NO_LIMITS)
  struct rlimit before, little;
  SinterThreads threads;
  char path[4096];
  CHECK(snprintf(path, sizeof path, "%s/state.safetensors", folder) < (int)sizeof path);
  CHECK(getrlimit(RLIMIT_AS, &before) == 0);
  little = before;
  little.rlim_cur = 1 << 20;
  CHECK(setrlimit(RLIMIT_AS, &little) == 0);
  EXPECT(step_threads_start(&threads, threadMemory, sizeof threadMemory, 4, &report), SINTER_NO_THREAD, "starts no thread");
  CHECK(!threads.parallelFor && report.value != 0);
  EXPECT(step_state_load(state, path, &report), SINTER_NO_MEMORY, "no memory");
  EXPECT(step_state_save(state, path, &report), SINTER_NO_MEMORY, "no memory");
  CHECK(setrlimit(RLIMIT_AS, &before) == 0);
  EXPECT(step_state_load(state, path, &report), SINTER_OK, "");
#else
  (void)folder;
#endif
}

int main(int argc, char **argv) {
  ALIGNED char small[8];
  if (argc != 2)
    return 2;
  EXPECT(step_state_init(state, sizeof state, NULL, 7, &report), SINTER_OK, "");
  tensors();
  memory();
  threadMistakes();
  states(argv[1]);
  sizes();
  quotients();
  unknown();
  scarcity(argv[1]);
  /* A kernel's own error names the operation and its line. */
  reset(), labels[5] = 7, EXPECT(step_call(&call, &report), SINTER_INDEX_OUT_OF_RANGE, "pick at ");
  CHECK(strstr(text, "step.mlir:") && strstr(text, " 7 is not in [0, 3)"));
  /* Texts are cut, and always end. */
  CHECK(step_error_text(&report, small, sizeof small) == (int64_t)strlen(text) && small[7] == 0 && memcmp(small, text, 7) == 0);
  CHECK(step_error_text(&report, NULL, 0) == (int64_t)strlen(text) && step_error_text(NULL, small, 8) == 0);
  memset(&report, -1, sizeof report); /* A report of nobody's. */
  CHECK(step_error_text(&report, text, sizeof text) > 0);
  for (report.code = 0; report.code < 80; ++report.code)
    for (report.subject = -1; report.subject < 12; ++report.subject)
      CHECK(step_error_text(&report, text, sizeof text) > 0);
  puts(failures ? "failed" : "ok");
  return failures != 0;
}
