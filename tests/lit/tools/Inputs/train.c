/* SPDX-License-Identifier: Apache-2.0 */
/* A C99 program that trains with step.mlir as graph-compile made it: `train DATA WANTED` runs one step on
   DATA/{x,y,w}.npy, serially and on two workers, and compares with the bits of WANTED/{loss,w}.npy. */
#include "step.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N 37

static void fail(const char *what) {
  fprintf(stderr, "train: %s\n", what);
  exit(1);
}

/* The data of an .npy file whose size is known. */
static void *load(const char *folder, const char *name, size_t bytes) {
  char path[4096];
  unsigned char start[10];
  void *data = NULL;
  FILE *file;
  if (snprintf(path, sizeof path, "%s/%s.npy", folder, name) >= (int)sizeof path)
    fail("path too long");
  file = fopen(path, "rb");
  if (!file || fread(start, 1, 10, file) != 10 || fseek(file, 10 + start[8] + 256 * start[9], SEEK_SET) != 0)
    fail(path);
  if (posix_memalign(&data, STEP_ALIGNMENT, (bytes + 63) / 64 * 64) != 0 || fread(data, 1, bytes, file) != bytes)
    fail(path);
  fclose(file);
  return data;
}

/* Chunks in reverse order, on two workers in turn: any order must give the same bits. */
static int64_t chunks;
static void backwards(void *pool, SinterKernel kernel, void *const *buffers, const int64_t *table,
                      SinterStatus *status, int64_t extent, int64_t grain) {
  int64_t chunk;
  *(int64_t *)pool += 1;
  for (chunk = (extent + grain - 1) / grain; chunk-- > 0; ++chunks) {
    int64_t end = (chunk + 1) * grain;
    kernel(buffers, table, status, chunk * grain, end < extent ? end : extent, chunk % 2);
  }
}

static SinterStatus step(void **args, int64_t workers, SinterParallelFor parallelFor) {
  int64_t table[STEP_TABLE_SIZE], dims[STEP_NUM_DIMS], calls = 0, bytes;
  SinterContext context;
  void *arena = NULL;
  memset(&context, 0, sizeof context);
  context.parallelFor = parallelFor;
  context.pool = &calls;
  dims[STEP_DIM_N] = N;
  if (step_sizes(dims, workers, table) != 0)
    fail("sizes");
  bytes = step_arena_bytes(table);
  if (bytes < 0 || posix_memalign(&arena, STEP_ALIGNMENT, (size_t)bytes + 64) != 0)
    fail("arena");
  step_run(args, table, arena, &context);
  free(arena);
  return context.status;
}

int main(int argc, char **argv) {
  int64_t dims[STEP_NUM_DIMS] = {-1}, table[STEP_TABLE_SIZE];
  int parallel;
  if (argc != 3)
    fail("usage: train DATA WANTED");
  for (parallel = 0; parallel < 2; ++parallel) {
    void *args[STEP_NUM_ARGS], *loss = load(argv[2], "loss", 4), *w = load(argv[2], "w", 8 * 3 * 4);
    SinterStatus status;
    args[STEP_ARG_X] = load(argv[1], "x", N * 8 * 4);
    args[STEP_ARG_Y] = load(argv[1], "y", N * 4);
    args[STEP_ARG_W] = args[STEP_UPDATE_W] = load(argv[1], "w", 8 * 3 * 4);
    args[STEP_RESULT_LOSS] = load(argv[1], "w", 64);
    status = step(args, parallel ? 2 : 1, parallel ? backwards : NULL);
    if (status.code != SINTER_OK)
      fail("status");
    if (memcmp(args[STEP_RESULT_LOSS], loss, 4) != 0)
      fail("loss differs");
    if (memcmp(args[STEP_ARG_W], w, 8 * 3 * 4) != 0)
      fail("the updated w differs");
    /* A label out of range is reported. */
    ((int32_t *)args[STEP_ARG_Y])[5] = 7;
    status = step(args, 1, NULL);
    if (status.code != SINTER_INDEX_OUT_OF_RANGE || status.value != 7 || status.bound != 3)
      fail("a bad label is not reported");
  }
  if (step_sizes(dims, 1, table) == 0)
    fail("a negative size is accepted");
  if (strncmp(step_program, "sinter-program", 14) != 0)
    fail("no description");
  puts("ok");
  return 0;
}
