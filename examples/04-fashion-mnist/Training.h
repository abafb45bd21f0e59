// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "Idx.h"

#include <chrono>

namespace examples {

using Clock = std::chrono::steady_clock;
inline double secondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

struct Training {
  int64_t epochs = 8, batch = 128, seed = 1;
  double rate = 1e-3; ///< The first; it falls to 0 along a cosine.
  Clock::time_point begin = Clock::now();
};

/// Trains on shuffled batches and tests after each epoch; the last accuracy, in percent.
double train(const sinter::Executable &step, const sinter::Executable &evaluate,
             sinter::State &state, const Images &trainData, const Images &testData,
             const Training &options);

} // namespace examples
