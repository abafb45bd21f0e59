/* SPDX-License-Identifier: Apache-2.0 */
/* Trains with the library that the build made of step.mlir: no Sinter, no C++ in this program. */
#include "step.h"

#include <stdio.h>

#define POINTS 64

static _Alignas(64) float x[POINTS * 2], y[POINTS], loss;
static _Alignas(64) unsigned char state[STEP_STATE_BYTES], arena[1 << 21];

static int failed(const SinterReport *report) {
  char text[400];
  step_error_text(report, text, sizeof text);
  fprintf(stderr, "%s\n", text);
  return 3;
}

int main(void) {
  const int64_t dims[STEP_NUM_DIMS] = {POINTS}, sizes[2] = {POINTS, 2};
  SinterTensor inputs[STEP_NUM_INPUTS], outputs[STEP_NUM_OUTPUTS];
  SinterCall call = {STEP_INTERFACE, inputs, outputs, state, arena, step_arena_need(dims, 1), 0};
  SinterReport report;
  int i;
  for (i = 0; i < POINTS; ++i) {
    x[2 * i] = (float)((i * 37) % 101) / 101 - 0.5f;
    x[2 * i + 1] = (float)((i * 53) % 97) / 97 - 0.5f;
    y[i] = 3 * x[2 * i] - 2 * x[2 * i + 1];
  }
  inputs[STEP_IN_X] = sinterTensor(x, SINTER_F32, sizes, 2);
  inputs[STEP_IN_Y] = sinterTensor(y, SINTER_F32, sizes, 1);
  outputs[STEP_OUT_LOSS] = sinterTensor(&loss, SINTER_F32, 0, 0);
  if (call.arenaBytes < 0 || call.arenaBytes > (int64_t)sizeof arena) {
    fprintf(stderr, "the arena would need %lld bytes\n", (long long)call.arenaBytes);
    return 2;
  }
  if (step_state_init(state, sizeof state, dims, 1, &report) != SINTER_OK)
    return failed(&report);
  for (i = 0; i < 200; ++i)
    if (step_call(&call, &report) != SINTER_OK)
      return failed(&report);
  printf("loss %g\n", loss);
  call.arenaBytes = 0;
  return loss < 1e-6f && step_call(&call, &report) == SINTER_TOO_SMALL ? 0 : 1;
}
