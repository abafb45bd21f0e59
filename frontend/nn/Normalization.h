// SPDX-License-Identifier: Apache-2.0
// Normalisation layers over [batch, channels, spatial...]. Each function whose first parameter is a
// tensor and that returns one is a method as well (GenerateOps.py reads this file). layerNorm() is
// in Composite.h.
#pragma once

#include "sinter/frontend/Tensor.h"
#include "sinter/frontend/nn/Options.h"

#pragma GCC visibility push(default)
namespace sinter {

// -- Normalisation --------------------------------------------------------------------------------

/// (x - mean) / sqrt(variance + epsilon) * gamma + beta, with one number each per channel (axis 1).
Tensor batchNorm(const Tensor &x, const Tensor &gamma, const Tensor &beta, const Tensor &mean,
                 const Tensor &variance, double epsilon = 1e-5,
                 std::source_location loc = std::source_location::current());

/// What batchNormTraining() computes. The running values are for Graph::update().
struct BatchNormResult {
  Tensor y, mean, variance, runningMean, runningVariance;
};
/// batchNorm() with the mean and variance of the batch itself (gradients flow through them), and
/// the running values brought up to date (no gradient).
BatchNormResult batchNormTraining(const Tensor &x, const Tensor &gamma, const Tensor &beta,
                                  const Tensor &runningMean, const Tensor &runningVariance,
                                  const BatchNormOptions &options = {},
                                  std::source_location loc = std::source_location::current());

/// Normalises each of `groups` groups of channels of each sample, then scales and shifts per
/// channel.
Tensor groupNorm(const Tensor &x, int64_t groups, const Tensor &gamma, const Tensor &beta,
                 double epsilon = 1e-5, std::source_location loc = std::source_location::current());
/// Normalises each channel of each sample, then scales and shifts per channel.
Tensor instanceNorm(const Tensor &x, const Tensor &gamma, const Tensor &beta, double epsilon = 1e-5,
                    std::source_location loc = std::source_location::current());
/// x / sqrt(mean of squares + epsilon) * gamma, over the last axes (those of gamma).
Tensor rmsNorm(const Tensor &x, const Tensor &gamma, double epsilon = 1e-5,
               std::source_location loc = std::source_location::current());
/// x over its p-norm along `axis`; 0 where that is 0, and so is the gradient.
Tensor lpNormalize(const Tensor &x, double p = 2, int64_t axis = -1,
                   std::source_location loc = std::source_location::current());
/// x / (bias + alpha / size * sum of squares over `size` neighbouring channels)^beta.
Tensor localResponseNorm(const Tensor &x, const LocalResponseOptions &options = {},
                         std::source_location loc = std::source_location::current());

} // namespace sinter
#pragma GCC visibility pop
