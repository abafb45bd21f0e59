/* SPDX-License-Identifier: Apache-2.0 */
/* The order of the images: the same numbers in C and in C++. */
#ifndef EXAMPLES_BATCHES_H
#define EXAMPLES_BATCHES_H

#include <stdint.h>

/* Shuffles 0 … count - 1 by Fisher and Yates; `random` is kept from epoch to epoch. */
static inline void shuffle(int32_t *order, int64_t count, uint64_t *random) {
  int64_t i, j;
  for (i = 0; i < count; ++i)
    order[i] = (int32_t)i;
  for (i = count - 1; i > 0; --i) {
    int32_t kept = order[i];
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    j = (int64_t)((*random >> 33) % (uint64_t)(i + 1));
    order[i] = order[j];
    order[j] = kept;
  }
}

#endif
