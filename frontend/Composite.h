// SPDX-License-Identifier: Apache-2.0
// Functions made of operators, so that gradients and every back end come with them: arithmetic,
// statistics and plain layers. The other families are in Functions.h. Each whose first parameter is
// a tensor is a method as well (GenerateOps.py reads this file).
#pragma once

#include "sinter/frontend/Structural.h"

#pragma GCC visibility push(default)
namespace sinter {

// -- Arithmetic -----------------------------------------------------------------------------------

/// x * x.
Tensor square(const Tensor &x, std::source_location loc = std::source_location::current());
/// 1 / x.
Tensor reciprocal(const Tensor &x, std::source_location loc = std::source_location::current());
/// x held within [low, high]; at a bound x gets half of the gradient.
Tensor clamp(const Tensor &x, const Operand &low, const Operand &high,
             std::source_location loc = std::source_location::current());
/// a + weight * (b - a), exact at weights 0 and 1.
Tensor lerp(const Tensor &a, const Operand &b, const Operand &weight,
            std::source_location loc = std::source_location::current());
/// Whether |a - b| <= absolute + relative * |b|, or a == b (infinities); NaN is close to nothing.
Tensor isClose(const Tensor &a, const Operand &b, double relative = 1e-5, double absolute = 1e-8,
               std::source_location loc = std::source_location::current());

// -- Statistics -----------------------------------------------------------------------------------

/// Mean over the axes; NaN when empty.
Tensor mean(const Tensor &x, const Axes &axes = {}, bool keepDims = false,
            std::source_location loc = std::source_location::current());
/// Variance over the axes: mean squared distance from the mean, times n / (n - correction).
Tensor var(const Tensor &x, const Axes &axes = {}, bool keepDims = false, int64_t correction = 0,
           std::source_location loc = std::source_location::current());
/// Standard deviation over the axes: the root of var(). Its gradient at 0 is 0.
Tensor stdDev(const Tensor &x, const Axes &axes = {}, bool keepDims = false, int64_t correction = 0,
              std::source_location loc = std::source_location::current());
/// Logarithm of the sum of exponentials, without overflow.
Tensor logsumexp(const Tensor &x, const Axes &axes = {}, bool keepDims = false,
                 std::source_location loc = std::source_location::current());
/// Sum of squares over the axes.
Tensor sumOfSquares(const Tensor &x, const Axes &axes = {}, bool keepDims = false,
                    std::source_location loc = std::source_location::current());
/// (sum |x|^p)^(1/p) over the axes; p may be infinite (largest |x|), and 0 counts what is not 0.
/// The gradient of an element that is 0, and of a norm that is 0, is 0.
Tensor norm(const Tensor &x, double p = 2, const Axes &axes = {}, bool keepDims = false,
            std::source_location loc = std::source_location::current());
/// Cosine of the angle between a and b along `axis`; each norm counts at least epsilon.
Tensor cosineSimilarity(const Tensor &a, const Tensor &b, int64_t axis = -1, double epsilon = 1e-8,
                        std::source_location loc = std::source_location::current());
/// Whether any element over the axes is not 0; false when empty.
Tensor any(const Tensor &x, const Axes &axes = {}, bool keepDims = false,
           std::source_location loc = std::source_location::current());
/// Whether all elements over the axes are not 0; true when empty.
Tensor all(const Tensor &x, const Axes &axes = {}, bool keepDims = false,
           std::source_location loc = std::source_location::current());
/// How many elements (i64) over the axes are not 0.
Tensor countNonzero(const Tensor &x, const Axes &axes = {}, bool keepDims = false,
                    std::source_location loc = std::source_location::current());

// -- Layers ---------------------------------------------------------------------------------------

/// x.matmul(weight) + bias; weight is [in, out].
Tensor linear(const Tensor &x, const Tensor &weight, const Tensor &bias,
              std::source_location loc = std::source_location::current());
/// x1 * weight[o] * x2 summed over both, for each output o; weight is [out, in1, in2]. An empty
/// bias adds nothing.
Tensor bilinear(const Tensor &x1, const Tensor &x2, const Tensor &weight, const Tensor &bias,
                std::source_location loc = std::source_location::current());
/// Rows of `table` for integer `indices`: [indices..., width].
Tensor embedding(const Tensor &table, const Tensor &indices,
                 std::source_location loc = std::source_location::current());
/// Normalises over the last axes (those of gamma) to mean 0 and variance 1, then scales and shifts.
Tensor layerNorm(const Tensor &x, const Tensor &gamma, const Tensor &beta, double epsilon = 1e-5,
                 std::source_location loc = std::source_location::current());
/// 1 where the index equals the position along the new last axis of size `classes`, else 0.
Tensor oneHot(const Tensor &indices, const DimExpr &classes, DType dtype = f32,
              std::source_location loc = std::source_location::current());

} // namespace sinter
#pragma GCC visibility pop
