/* SPDX-License-Identifier: Apache-2.0 */
/* Prints what a library of step.mlir or checked.mlir answers to a call whose x holds one NaN. */
#include "step.h"

#include <stdio.h>

#define N 37
static __attribute__((aligned(STEP_ALIGNMENT))) float x[N * 8], loss[16], z[N * 8];
#ifdef STEP_IN_Y
static __attribute__((aligned(STEP_ALIGNMENT))) int32_t labels[N + 11];
#endif
static __attribute__((aligned(STEP_ALIGNMENT))) char arena[1 << 22], state[STEP_STATE_BYTES];

int main(void) {
  const int64_t xSizes[] = {N, 8};
  SinterTensor inputs[STEP_NUM_INPUTS], outputs[2];
  SinterReport report;
  SinterCall call = {0};
  char text[500];
  int i;
  for (i = 0; i < N * 8; ++i)
    x[i] = (float)i / 100;
  x[100] /= 0 * x[0];
  x[100] -= x[100];
  inputs[STEP_IN_X] = sinterTensor(x, SINTER_F32, xSizes, 2);
#ifdef STEP_IN_Y
  inputs[STEP_IN_Y] = sinterTensor(labels, SINTER_I32, (const int64_t[]){N}, 1);
#endif
  outputs[STEP_OUT_LOSS] = sinterTensor(loss, SINTER_F32, NULL, 0);
  outputs[1 - STEP_OUT_LOSS] = sinterTensor(z, SINTER_F32, xSizes, 2);
  if (step_state_init(state, sizeof state, NULL, 1, &report) != SINTER_OK)
    return 1;
  call.interfaceId = STEP_INTERFACE;
  call.inputs = inputs;
  call.outputs = outputs;
  call.state = state;
  call.arena = arena;
  call.arenaBytes = sizeof arena;
  i = step_call(&call, &report);
  step_error_text(&report, text, sizeof text);
  printf("%d: %s\n", i, text);
  return 0;
}
