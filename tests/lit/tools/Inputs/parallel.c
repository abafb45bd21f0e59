/* SPDX-License-Identifier: Apache-2.0 */
/* Libraries that several threads call at once: states of their own, one that all read, and one that all want to
   update. Built with step.mlir and layer.mlir, whose parameter is called the same (AotParallel.test). */
#include "layer.h"
#include "step.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define N 64
#define STEPS 60
#define ALIGNED __attribute__((aligned(STEP_ALIGNMENT)))

typedef struct {
  ALIGNED char arena[1 << 20];
  ALIGNED char state[STEP_STATE_BYTES];
  ALIGNED float rows[N], loss[16];
  SinterThreads *threads;
  void *shared;
  int64_t steps, ran, busy, other;
} Caller;

static ALIGNED float x[N * 8];
static ALIGNED int32_t labels[N];
static const int64_t xSizes[] = {N, 8}, labelSizes[] = {N};
static Caller callers[6], alone;
static ALIGNED char shared[STEP_STATE_BYTES], pool[SINTER_THREADS_BYTES(3)];

static void count(Caller *self, int32_t code) { ++*(code == SINTER_OK ? &self->ran : code == SINTER_BUSY ? &self->busy : &self->other); }

static void *train(void *value) {
  Caller *self = value;
  SinterTensor inputs[STEP_NUM_INPUTS], output = sinterTensor(self->loss, SINTER_F32, NULL, 0);
  SinterCall call = {0};
  int i;
  inputs[STEP_IN_X] = sinterTensor(x, SINTER_F32, xSizes, 2);
  inputs[STEP_IN_Y] = sinterTensor(labels, SINTER_I32, labelSizes, 1);
  call.interfaceId = STEP_INTERFACE;
  call.inputs = inputs, call.outputs = &output;
  call.state = self->shared ? self->shared : self->state;
  call.arena = self->arena, call.arenaBytes = sizeof self->arena;
  call.threads = self->threads;
  for (i = 0; i < self->steps; ++i)
    count(self, step_call(&call, NULL));
  return NULL;
}

static void *evaluate(void *value) {
  Caller *self = value;
  SinterTensor input = sinterTensor(x, SINTER_F32, xSizes, 2), outputs[LAYER_NUM_OUTPUTS];
  SinterCall call = {0};
  int i;
  outputs[LAYER_OUT_ROWS] = sinterTensor(self->rows, SINTER_F32, labelSizes, 1);
  outputs[LAYER_OUT_LOSS] = sinterTensor(self->loss, SINTER_F32, NULL, 0);
  call.interfaceId = LAYER_INTERFACE;
  call.inputs = &input, call.outputs = outputs;
  call.state = self->shared;
  call.arena = self->arena, call.arenaBytes = sizeof self->arena;
  call.threads = self->threads;
  for (i = 0; i < self->steps; ++i)
    count(self, layer_call(&call, NULL));
  return NULL;
}

/* The weights after so many steps of one caller. */
static const void *weights(void *state) {
  SinterTensor tensor = {0};
  step_state_tensor(state, STEP_VAR_W, &tensor, NULL);
  return tensor.data;
}
static const void *trainAlone(int64_t steps) {
  step_state_init(alone.state, STEP_STATE_BYTES, NULL, 1, NULL);
  alone.steps = steps;
  train(&alone);
  return weights(alone.state);
}

static void runAll(void *(*body)(void *), int from, int to) {
  pthread_t handles[6];
  int i;
  for (i = from; i < to; ++i)
    pthread_create(&handles[i], NULL, body, &callers[i]);
  for (i = from; i < to; ++i)
    pthread_join(handles[i], NULL);
}

int main(void) {
  SinterThreads threads;
  const size_t weightBytes = 8 * 3 * sizeof(float);
  int64_t ran = 0, all = 0, i;
  int failures = 0;
  for (i = 0; i < N * 8; ++i)
    x[i] = (float)(i * 37 % 101) / 50 - 1;
  for (i = 0; i < N; ++i)
    labels[i] = (int32_t)(i % 3);
  failures += step_threads_start(&threads, pool, sizeof pool, 3, NULL) != SINTER_OK;
  trainAlone(STEPS);
  /* States of their own: the same bits as alone. */
  for (i = 0; i < 3; ++i) {
    callers[i].threads = &threads;
    failures += step_state_init(callers[i].state, STEP_STATE_BYTES, NULL, 1, NULL) != SINTER_OK;
  }
  /* One state that three read, which another program made. */
  failures += step_state_init(shared, sizeof shared, NULL, 1, NULL) != SINTER_OK;
  for (i = 3; i < 6; ++i)
    callers[i].threads = &threads, callers[i].shared = shared;
  for (i = 0; i < 6; ++i)
    callers[i].steps = STEPS;
  runAll(train, 0, 3);
  runAll(evaluate, 3, 6);
  for (i = 0; i < 3; ++i) {
    failures += callers[i].ran != STEPS || memcmp(weights(callers[i].state), weights(alone.state), weightBytes) != 0;
    failures += callers[3 + i].ran != STEPS || memcmp(callers[3 + i].rows, callers[3].rows, sizeof callers[3].rows) != 0;
  }
  /* One state that all want to update: whoever is later is told so, and nobody else's bits change. */
  memset(callers, 0, sizeof callers);
  for (i = 0; i < 6; ++i)
    callers[i].shared = shared, callers[i].steps = STEPS;
  runAll(train, 0, 6);
  for (i = 0; i < 6; ++i) {
    ran += callers[i].ran;
    all += callers[i].ran + callers[i].busy;
    failures += callers[i].other != 0;
  }
  failures += all != 6 * STEPS || ran == 0;
  failures += memcmp(weights(shared), trainAlone(ran), weightBytes) != 0;
  failures += step_threads_stop(&threads, NULL) != SINTER_OK;
  puts(failures ? "failed" : "ok");
  return failures != 0;
}
