// SPDX-License-Identifier: Apache-2.0
// Convolutions over [batch, channels, spatial...], with any number of spatial axes. Each function
// whose first parameter is a tensor is a method as well (GenerateOps.py reads this file).
#pragma once

#include "sinter/frontend/Tensor.h"
#include "sinter/frontend/nn/Options.h"

#pragma GCC visibility push(default)
namespace sinter {

// -- Convolution ----------------------------------------------------------------------------------

/// The convolution (correlation) of x [N, C, p...] with weight [M, C / groups, k...]: [N, M, o...].
/// One group per channel makes it depthwise.
Tensor conv(const Tensor &x, const Tensor &weight, const ConvOptions &options = {},
            std::source_location loc = std::source_location::current());
/// conv() plus a bias [M].
Tensor conv(const Tensor &x, const Tensor &weight, const Tensor &bias,
            const ConvOptions &options = {},
            std::source_location loc = std::source_location::current());
/// conv() of [N, C, W].
Tensor conv1d(const Tensor &x, const Tensor &weight, const ConvOptions &options = {},
              std::source_location loc = std::source_location::current());
/// conv() of [N, C, H, W].
Tensor conv2d(const Tensor &x, const Tensor &weight, const ConvOptions &options = {},
              std::source_location loc = std::source_location::current());
/// conv() of [N, C, D, H, W].
Tensor conv3d(const Tensor &x, const Tensor &weight, const ConvOptions &options = {},
              std::source_location loc = std::source_location::current());
/// The transpose of conv(): x [N, C, p...] with weight [C, M / groups, k...] gives [N, M, q...],
/// q = (p - 1) * stride + (k - 1) * dilation + 1 + outputPadding less the padding.
Tensor convTranspose(const Tensor &x, const Tensor &weight,
                     const ConvTransposeOptions &options = {},
                     std::source_location loc = std::source_location::current());
/// convTranspose() plus a bias [M].
Tensor convTranspose(const Tensor &x, const Tensor &weight, const Tensor &bias,
                     const ConvTransposeOptions &options = {},
                     std::source_location loc = std::source_location::current());

} // namespace sinter
#pragma GCC visibility pop
