// SPDX-License-Identifier: Apache-2.0
// Images of other sizes. Each function whose first parameter is a tensor is a method as well
// (GenerateOps.py reads this file).
#pragma once

#include "sinter/frontend/Tensor.h"
#include "sinter/frontend/nn/Options.h"

#pragma GCC visibility push(default)
namespace sinter {

// -- Resize ---------------------------------------------------------------------------------------

/// x with `sizes` along `axes` (in the same order), by the nearest element or by linear or cubic
/// interpolation along each. Sizes of those axes must be known.
Tensor resize(const Tensor &x, const std::vector<int64_t> &sizes, const std::vector<int64_t> &axes,
              const ResizeOptions &options = {},
              std::source_location loc = std::source_location::current());
/// Repeats each element `factor` times along each of the axes.
Tensor upsampleNearest(const Tensor &x, int64_t factor, const std::vector<int64_t> &axes,
                       std::source_location loc = std::source_location::current());

} // namespace sinter
#pragma GCC visibility pop
