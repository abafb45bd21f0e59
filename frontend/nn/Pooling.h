// SPDX-License-Identifier: Apache-2.0
// Pooling over [batch, channels, spatial...], with any number of spatial axes. Each function whose
// first parameter is a tensor is a method as well (GenerateOps.py reads this file).
#pragma once

#include "sinter/frontend/Tensor.h"
#include "sinter/frontend/nn/Options.h"

#pragma GCC visibility push(default)
namespace sinter {

// -- Pooling --------------------------------------------------------------------------------------

/// The largest element of each window; padding counts as -inf (the lowest integer). NaN if any is.
Tensor maxPool(const Tensor &x, const std::vector<int64_t> &window, const PoolOptions &options = {},
               std::source_location loc = std::source_location::current());
/// maxPool() and where each element comes from: its index (i64) in the flattened x, the first of
/// equals.
std::vector<Tensor> maxPoolWithIndices(const Tensor &x, const std::vector<int64_t> &window,
                                       const PoolOptions &options = {},
                                       std::source_location loc = std::source_location::current());
/// The mean of each window, over the elements of x alone unless countIncludePad.
Tensor avgPool(const Tensor &x, const std::vector<int64_t> &window, const PoolOptions &options = {},
               std::source_location loc = std::source_location::current());
/// (sum of |x|^p)^(1/p) of each window; the gradient is 0 where all of it is.
Tensor lpPool(const Tensor &x, const std::vector<int64_t> &window, double p,
              const PoolOptions &options = {},
              std::source_location loc = std::source_location::current());
/// The mean over a grid of `sizes` windows: number i of an axis goes from floor(i * size / n) to
/// ceil((i + 1) * size / n).
Tensor adaptiveAvgPool(const Tensor &x, const std::vector<int64_t> &sizes,
                       std::source_location loc = std::source_location::current());
/// The largest over the windows of adaptiveAvgPool().
Tensor adaptiveMaxPool(const Tensor &x, const std::vector<int64_t> &sizes,
                       std::source_location loc = std::source_location::current());
/// The mean over all spatial axes, which keep size 1.
Tensor globalAvgPool(const Tensor &x, std::source_location loc = std::source_location::current());
/// The largest over all spatial axes, which keep size 1.
Tensor globalMaxPool(const Tensor &x, std::source_location loc = std::source_location::current());

} // namespace sinter
#pragma GCC visibility pop
