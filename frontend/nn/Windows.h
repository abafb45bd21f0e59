// SPDX-License-Identifier: Apache-2.0
// Windows over the last axes of a tensor: what convolutions and pooling are made of. Each function
// whose first parameter is a tensor is a method as well (GenerateOps.py reads this file).
#pragma once

#include "sinter/frontend/Tensor.h"
#include "sinter/frontend/nn/Options.h"

#pragma GCC visibility push(default)
namespace sinter {

// -- Windows --------------------------------------------------------------------------------------

/// All windows of the given sizes over the last axes of x, as a view: [..., o..., k...], where
/// element o, k of an axis is element o * stride + k * dilation of x. Sum, max … over the last axes
/// follow.
Tensor windows(const Tensor &x, const std::vector<int64_t> &sizes,
               const WindowOptions &options = {},
               std::source_location loc = std::source_location::current());
/// The transpose of windows(): y is [..., o..., k...], and element o, k is added to element
/// o * stride + k * dilation of the result, whose last axes have the given sizes.
Tensor overlapAdd(const Tensor &y, const Shape &sizes, const WindowOptions &options = {},
                  std::source_location loc = std::source_location::current());

// -- Padding --------------------------------------------------------------------------------------

/// Surrounds x by elements of its own: low[i] before and high[i] after axis i; negative numbers cut
/// off. Reflect and Wrap need at least as many elements (Reflect: one more). Constant: zeros.
Tensor pad(const Tensor &x, const std::vector<int64_t> &low, const std::vector<int64_t> &high,
           PadMode mode, std::source_location loc = std::source_location::current());

} // namespace sinter
#pragma GCC visibility pop
