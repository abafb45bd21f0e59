// SPDX-License-Identifier: Apache-2.0
// Integers for floats: q = round(x / scale) + zeroPoint, held within the integer's range.
#pragma once

#include "sinter/frontend/Structural.h"

#pragma GCC visibility push(default)
namespace sinter {

/// How a tensor is quantized.
struct QuantizeOptions {
  /// Of the quantized dtype and of the scale's shape; absent: 0.
  Tensor zeroPoint = {};
  /// The axis that a scale of rank 1 runs along.
  int64_t axis = 1;
  /// The quantized dtype when there is no zero point.
  DType dtype = u8;
};

/// What dynamicQuantize() gives.
struct Quantized {
  Tensor values;    ///< u8
  Tensor scale;     ///< A scalar of x's dtype.
  Tensor zeroPoint; ///< A scalar, u8
};

// -- Quantization ---------------------------------------------------------------------------------

/// round(x / scale) + zeroPoint, halves to even, held within the range of the result (i8, u8, i16,
/// u16). The scale is a scalar, or one number per index of an axis.
Tensor quantizeLinear(const Tensor &x, const Tensor &scale, const QuantizeOptions &options = {},
                      std::source_location loc = std::source_location::current());
/// (q - zeroPoint) * scale, in the scale's dtype.
Tensor dequantizeLinear(const Tensor &q, const Tensor &scale, const QuantizeOptions &options = {},
                        std::source_location loc = std::source_location::current());
/// dequantizeLinear() of quantizeLinear(). The gradient is that of x held within the range: it goes
/// through the rounding, and is 0 beyond the range. None goes to the scale.
Tensor fakeQuantize(const Tensor &x, const Tensor &scale, const QuantizeOptions &options = {},
                    std::source_location loc = std::source_location::current());
/// x as u8, with the scale and the zero point that make its range (and 0) fit.
Quantized dynamicQuantize(const Tensor &x,
                          std::source_location loc = std::source_location::current());

} // namespace sinter
#pragma GCC visibility pop
