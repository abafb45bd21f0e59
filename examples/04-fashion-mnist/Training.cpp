// SPDX-License-Identifier: Apache-2.0
#include "Training.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <numbers>
#include <numeric>
#include <random>

using namespace sinter;

namespace examples {
namespace {

/// A bar on a terminal; silent elsewhere.
void progress(int64_t done, int64_t total, double loss) {
  static const bool terminal = isatty(1) != 0;
  if (!terminal || (done % 20 != 0 && done != total))
    return;
  const auto filled = static_cast<int>(30 * done / std::max<int64_t>(total, 1));
  std::printf("\r  [%-30.*s] %4lld/%lld  loss %.4f ", filled,
              "==============================", static_cast<long long>(done),
              static_cast<long long>(total), loss);
  if (done == total)
    std::printf("\r%72s\r", "");
  std::fflush(stdout);
}

/// Copies the images that `order` names into the batch.
void gather(const Images &data, const int64_t *order, int64_t count, Array &pixels, Array &labels) {
  for (int64_t i = 0; i < count; ++i) {
    std::memcpy(pixels.as<float>() + i * 784, data.pixels.as<float>() + order[i] * 784,
                784 * sizeof(float));
    labels.as<int32_t>()[i] = data.labels.as<int32_t>()[order[i]];
  }
}

} // namespace

double train(const Executable &step, const Executable &evaluate, State &state,
             const Images &trainData, const Images &testData, const Training &options) {
  std::vector<int64_t> order(static_cast<size_t>(trainData.count()));
  std::iota(order.begin(), order.end(), 0);
  std::mt19937_64 random(static_cast<uint64_t>(options.seed));

  const int64_t batch = std::min(options.batch, std::max<int64_t>(trainData.count(), 1));
  Array pixels(f32, {batch, 784}), labels(i32, {batch}), rateNow(f32, {});
  BoundCall fullBatch = step.bind(
      state, {{"x", pixels}, {"label", labels}, {"rate", rateNow}}); // No look-ups in the loop.
  int64_t batches = (trainData.count() + batch - 1) / batch;
  double accuracy = 0, trainingTime = 0;
  for (int64_t epoch = 1; epoch <= options.epochs; ++epoch) {
    std::shuffle(order.begin(), order.end(), random);
    auto start = Clock::now();
    double lossSum = 0;
    for (int64_t b = 0; b < batches; ++b) {
      int64_t first = b * batch, count = std::min(batch, trainData.count() - first);
      gather(trainData, order.data() + first, count, pixels, labels);
      double progressed = static_cast<double>((epoch - 1) * batches + b) /
                          static_cast<double>(options.epochs * batches);
      rateNow.as<float>()[0] =
          static_cast<float>(options.rate * 0.5 * (1 + std::cos(std::numbers::pi * progressed)));
      double loss = 0;
      if (count == batch) {
        fullBatch();
        loss = fullBatch.outputs()[0].item();
      } else { // The last, smaller batch runs in the same code.
        loss = step(state, {{"x", pixels.slice(0, 0, count)},
                            {"label", labels.slice(0, 0, count)},
                            {"rate", rateNow}})
                   .at(0)
                   .item();
      }
      if (epoch == 1 && b == 0)
        std::printf("first training step %.2f s after the start\n", secondsSince(options.begin));
      lossSum += loss;
      progress(b + 1, batches, loss);
    }
    double epochTime = secondsSince(start);
    trainingTime += epochTime;
    double correct =
        evaluate(state, {{"x", testData.pixels}, {"label", testData.labels}}).at(0).item();
    accuracy = 100 * correct / static_cast<double>(std::max<int64_t>(testData.count(), 1));
    std::printf("epoch %2lld  loss %.4f  test accuracy %5.2f%%  %.2f s (%.0f images/s)\n",
                static_cast<long long>(epoch),
                lossSum / static_cast<double>(std::max<int64_t>(batches, 1)), accuracy, epochTime,
                static_cast<double>(trainData.count()) / epochTime);
  }
  std::printf("trained in %.1f s; test accuracy %.2f%%\n", trainingTime, accuracy);
  return accuracy;
}

} // namespace examples
