/* SPDX-License-Identifier: Apache-2.0 */
/* Trains a network on Fashion-MNIST in C: forward, backward and AdamW are one function of a library that Sinter
   compiled (Export.cpp). No Sinter, LLVM or C++ here: all memory is this file's, and none of it is on the heap.

     06-c-program [--train N] [--test N] [--epochs N] [--threads N] [--save FILE] [--load FILE] [--min-accuracy PERCENT]
                  [--data FOLDER] */
#include "Batches.h"
#include "fashion_evaluate.h"
#include "fashion_step.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { pixels = 784, batch = 128, mostImages = 60000, mostWorkers = 16, exitUsage = 2, exitFile = 3, exitMismatch = 6 };
#define ALIGNED __attribute__((aligned(FASHION_STEP_ALIGNMENT)))

static ALIGNED unsigned char state[FASHION_STEP_STATE_BYTES];
static ALIGNED unsigned char arena[8 << 20];
static ALIGNED unsigned char threadMemory[SINTER_THREADS_BYTES(mostWorkers)];
static unsigned char trainPixels[mostImages * pixels], trainLabels[mostImages];
static unsigned char testPixels[10000 * pixels], testLabels[10000];
static ALIGNED float images[batch * pixels], answer[16];
static ALIGNED int32_t labels[batch];
static int32_t order[mostImages];

static void check(int32_t code, const SinterReport *report) {
  char text[400];
  if (code == SINTER_OK)
    return;
  fashion_step_error_text(report, text, sizeof text);
  fprintf(stderr, "06-c-program: %s\n", text);
  exit(code >= SINTER_FILE ? exitFile : 1);
}

/* The bytes behind the header of a gzipped IDX file. */
static void readIdx(const char *folder, const char *name, int headerBytes, unsigned char *to, int64_t count) {
  char path[4096];
  unsigned char header[16];
  gzFile file;
  if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path)
    exit(exitUsage);
  file = gzopen(path, "rb");
  if (!file || gzread(file, header, (unsigned)headerBytes) != headerBytes || header[2] != 8 ||
      gzread(file, to, (unsigned)count) != (int)count) {
    fprintf(stderr, "06-c-program: cannot read %s; Debian's package dataset-fashion-mnist has it\n", path);
    exit(exitFile);
  }
  gzclose(file);
}

/* What both programs take: `count` images and their labels. */
typedef struct {
  int64_t imageSizes[2], labelSizes[1];
  SinterTensor inputs[2], output[1];
  SinterCall call;
} Batch;

static void prepare(Batch *made, int64_t count, const SinterThreads *threads) {
  memset(made, 0, sizeof *made);
  made->imageSizes[0] = made->labelSizes[0] = count;
  made->imageSizes[1] = pixels;
  made->inputs[FASHION_STEP_IN_X] = sinterTensor(images, SINTER_F32, made->imageSizes, 2);
  made->inputs[FASHION_STEP_IN_LABEL] = sinterTensor(labels, SINTER_I32, made->labelSizes, 1);
  made->output[0] = sinterTensor(answer, SINTER_F32, NULL, 0);
  made->call.inputs = made->inputs;
  made->call.outputs = made->output;
  made->call.state = state;
  made->call.arena = arena;
  made->call.arenaBytes = sizeof arena;
  made->call.threads = threads;
}

static void gather(const unsigned char *from, const unsigned char *fromLabels, const int32_t *chosen, int64_t count) {
  int64_t i, p;
  for (i = 0; i < count; ++i) {
    for (p = 0; p < pixels; ++p)
      images[i * pixels + p] = ((float)from[(int64_t)chosen[i] * pixels + p] / 255.0f - 0.286f) / 0.353f;
    labels[i] = fromLabels[chosen[i]];
  }
}

static double trainEpoch(int64_t count, uint64_t *random, const SinterThreads *threads) {
  double sum = 0;
  int64_t first, batches = 0;
  SinterReport report;
  Batch made;
  shuffle(order, count, random);
  for (first = 0; first < count; first += batch, ++batches) {
    int64_t size = count - first < batch ? count - first : batch; /* One library serves every size. */
    gather(trainPixels, trainLabels, order + first, size);
    prepare(&made, size, threads);
    made.call.interfaceId = FASHION_STEP_INTERFACE;
    check(fashion_step_call(&made.call, &report), &report);
    sum += answer[0];
  }
  return sum / (double)batches;
}

/* In percent. The other program works on the same state. */
static double accuracy(int64_t count, const SinterThreads *threads) {
  double right = 0;
  int64_t first, i;
  SinterReport report;
  Batch made;
  for (first = 0; first < count; first += batch) {
    int64_t size = count - first < batch ? count - first : batch;
    for (i = 0; i < size; ++i)
      order[i] = (int32_t)(first + i);
    gather(testPixels, testLabels, order, size);
    prepare(&made, size, threads);
    made.call.interfaceId = FASHION_EVALUATE_INTERFACE;
    if (fashion_evaluate_call(&made.call, &report) != SINTER_OK) {
      char text[400];
      fashion_evaluate_error_text(&report, text, sizeof text);
      fprintf(stderr, "06-c-program: %s\n", text);
      exit(1);
    }
    right += answer[0];
  }
  return 100 * right / (double)count;
}

static int64_t number(const char *text, int64_t least, int64_t most) {
  char *end;
  long long value = strtoll(text, &end, 10);
  if (*end || end == text || value < least || value > most) {
    fprintf(stderr, "06-c-program: %s is not from %lld to %lld\n", text, (long long)least, (long long)most);
    exit(exitUsage);
  }
  return value;
}

int main(int argc, char **argv) {
  const char *folder = "/usr/share/datasets/fashion-mnist", *save = NULL, *load = NULL;
  int64_t train = mostImages, test = 10000, epochs = 3, workers = 0, epoch, wanted = 0, dims[FASHION_STEP_NUM_DIMS];
  uint64_t random = 1;
  double reached = 0;
  SinterReport report;
  SinterThreads threads;
  int i;
  for (i = 1; i < argc; i += 2) {
    const char *value = i + 1 < argc ? argv[i + 1] : "";
    if (!strcmp(argv[i], "--train"))
      train = number(value, 1, mostImages);
    else if (!strcmp(argv[i], "--test"))
      test = number(value, 1, 10000);
    else if (!strcmp(argv[i], "--epochs"))
      epochs = number(value, 0, 1000);
    else if (!strcmp(argv[i], "--threads"))
      workers = number(value, 1, mostWorkers);
    else if (!strcmp(argv[i], "--min-accuracy"))
      wanted = number(value, 0, 100);
    else if (!strcmp(argv[i], "--data"))
      folder = value;
    else if (!strcmp(argv[i], "--save"))
      save = value;
    else if (!strcmp(argv[i], "--load"))
      load = value;
    else {
      fprintf(stderr, "06-c-program: unknown option %s\n", argv[i]);
      return exitUsage;
    }
  }

  readIdx(folder, "train-images-idx3-ubyte.gz", 16, trainPixels, train * pixels);
  readIdx(folder, "train-labels-idx1-ubyte.gz", 8, trainLabels, train);
  readIdx(folder, "t10k-images-idx3-ubyte.gz", 16, testPixels, test * pixels);
  readIdx(folder, "t10k-labels-idx1-ubyte.gz", 8, testLabels, test);

  check(fashion_step_check(FASHION_STEP_INTERFACE, &report), &report);
  check(fashion_step_state_init(state, sizeof state, NULL, /*seed=*/1, &report), &report);
  if (load)
    check(fashion_step_state_load(state, load, &report), &report);
  if (workers == 0 && fashion_step_threads_bytes(0) > (int64_t)sizeof threadMemory)
    workers = mostWorkers;
  check(fashion_step_threads_start(&threads, threadMemory, sizeof threadMemory, workers, &report), &report);
  dims[FASHION_STEP_DIM_N] = batch;
  printf("state: %ld bytes, arena: %ld bytes, %ld threads\n", (long)sizeof state,
         (long)fashion_step_arena_need(dims, threads.workers), (long)threads.workers);
  for (epoch = 1; epoch <= epochs; ++epoch) {
    double loss = trainEpoch(train, &random, &threads);
    reached = accuracy(test, &threads);
    printf("epoch %ld  loss %.4f  test accuracy %5.2f%%\n", (long)epoch, loss, reached);
  }
  if (epochs == 0)
    printf("test accuracy %5.2f%%\n", reached = accuracy(test, &threads));
  if (save)
    check(fashion_step_state_save(state, save, &report), &report);
  check(fashion_step_threads_stop(&threads, &report), &report);
  return reached < (double)wanted ? exitMismatch : 0;
}
