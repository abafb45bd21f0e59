// SPDX-License-Identifier: Apache-2.0
// Internal to frontend/onnx: integers that stand for numbers.
#pragma once

#include "sinter/frontend/onnx/Node.h"

namespace sinter::onnx {

/// Whole floats held within the limits of an 8- or 16-bit dtype, in that dtype.
Tensor saturated(Node &node, const Tensor &x, DType dtype);

/// x in i32 less the zero point in input `zeroPoint`: one for all, one per index of `axis`, or a
/// tensor that broadcasts; 0 when omitted.
Tensor centred(Node &node, const Tensor &x, size_t zeroPoint, int64_t axis);

} // namespace sinter::onnx
