// SPDX-License-Identifier: Apache-2.0
// Internal to frontend/onnx: what handlers of several files use.
#pragma once

#include "sinter/frontend/onnx/Node.h"

namespace sinter::onnx {

/// A size as a scalar of an integer dtype.
Tensor sizeValue(Node &node, DType dtype, const DimExpr &size);

/// The given positions along `axis` of x, in their order; each lies in [0, size).
Tensor takePositions(Node &node, const Tensor &x, int64_t axis,
                     const std::vector<int64_t> &positions);

} // namespace sinter::onnx
