// SPDX-License-Identifier: Apache-2.0
// What surrounds an optimizer: counters, schedules of the learning rate, clipping, accumulation,
// loss scaling, averages of parameters. All of it is part of the graph.
#pragma once

#include "sinter/frontend/Optim.h"

#include <string>
#include <string_view>
#include <vector>

#pragma GCC visibility push(default)
namespace sinter::optim {

/// A state that counts steps from 0.
struct Counter {
  Tensor value;  ///< i64, before the step.
  Update update; ///< Goes with the other updates.
};
Counter counter(Graph graph, std::string_view name = "step",
                std::source_location loc = std::source_location::current());

// -- Schedules: a learning rate (f32) from the number of steps before this one, a scalar ----------

struct CosineOptions {
  double peak = 1e-3;
  double floor = 0;
  int64_t warmupSteps = 0; ///< Rises linearly from peak / warmupSteps to the peak.
  int64_t steps = 1000;    ///< Reaches the floor here, and stays.
};
/// Warm-up, then half a cosine down to the floor.
Tensor cosineSchedule(const Tensor &step, const CosineOptions &options = {},
                      std::source_location loc = std::source_location::current());

struct LinearOptions {
  double first = 1e-3;
  double last = 0;
  int64_t steps = 1000; ///< Reaches the last value here, and stays.
};
/// A straight line.
Tensor linearSchedule(const Tensor &step, const LinearOptions &options = {},
                      std::source_location loc = std::source_location::current());

struct ExponentialOptions {
  double first = 1e-3;
  double factor = 0.5;
  int64_t every = 1000; ///< The factor applies once per so many steps,
  bool smooth = true;   ///< bit by bit, or else at once at their end.
};
/// first * factor^(step / every).
Tensor exponentialSchedule(const Tensor &step, const ExponentialOptions &options = {},
                           std::source_location loc = std::source_location::current());

/// values[0] before the first of the increasing steps, values[i] from steps[i - 1] on.
Tensor piecewiseSchedule(const Tensor &step, const std::vector<int64_t> &steps,
                         const std::vector<double> &values,
                         std::source_location loc = std::source_location::current());

// -- Gradients ------------------------------------------------------------------------------------

/// The root of the sum of all squares, f32 (f64 if any tensor is).
Tensor globalNorm(const std::vector<Tensor> &tensors,
                  std::source_location loc = std::source_location::current());
/// The gradients, shrunk together where their global norm exceeds `maxNorm`.
std::vector<Tensor> clipByGlobalNorm(const std::vector<Tensor> &gradients, double maxNorm,
                                     std::source_location loc = std::source_location::current());
/// Every element held within [-limit, limit].
std::vector<Tensor> clipByValue(const std::vector<Tensor> &gradients, double limit,
                                std::source_location loc = std::source_location::current());

// -- Around an optimizer --------------------------------------------------------------------------

/// Takes a step of `inner` every `steps` calls only, with the mean of their gradients.
Optimizer accumulating(const Optimizer &inner, int64_t steps,
                       const std::string &name = "accumulate",
                       std::source_location loc = std::source_location::current());

struct LossScaleOptions {
  double first = 65536;
  double growth = 2;    ///< After `every` steps without an infinite gradient.
  double backoff = 0.5; ///< After a step with one; such a step changes nothing else.
  int64_t every = 2000;
  std::string name = "lossScale";
};
/// Keeps gradients of 16-bit floats from vanishing: multiply the loss by `scale`, and give the
/// gradients of that product to `optimizer`.
struct LossScaling {
  Tensor scale; ///< A scalar, f32.
  Optimizer optimizer;
};
LossScaling lossScaling(Graph graph, const Optimizer &inner, const LossScaleOptions &options = {},
                        std::source_location loc = std::source_location::current());

/// The exponential moving average of what `updates` make of the parameters among their targets, as
/// state "<name>/<parameter>"; the first step copies. Gives the updates of the averages.
Updates movingAverage(const Updates &updates, double decay = 0.999,
                      const std::string &name = "average",
                      std::source_location loc = std::source_location::current());

} // namespace sinter::optim
#pragma GCC visibility pop
