// SPDX-License-Identifier: Apache-2.0
// Functions made of operators, so that gradients and every back end come with them. Each whose
// first parameter is a tensor is a method as well (GenerateOps.py reads this file).
#pragma once

#include "sinter/frontend/Structural.h"

namespace sinter {

// -- Arithmetic -----------------------------------------------------------------------------------

/// x * x.
Tensor square(const Tensor &x, std::source_location loc = std::source_location::current());
/// 1 / x.
Tensor reciprocal(const Tensor &x, std::source_location loc = std::source_location::current());
/// x held within [low, high].
Tensor clamp(const Tensor &x, const Operand &low, const Operand &high,
             std::source_location loc = std::source_location::current());

// -- Statistics -----------------------------------------------------------------------------------

/// Mean over the axes; NaN when empty.
Tensor mean(const Tensor &x, const Axes &axes = {}, bool keepDims = false,
            std::source_location loc = std::source_location::current());
/// Variance over the axes: mean squared distance from the mean, times n / (n - correction).
Tensor var(const Tensor &x, const Axes &axes = {}, bool keepDims = false, int64_t correction = 0,
           std::source_location loc = std::source_location::current());
/// Logarithm of the sum of exponentials, without overflow.
Tensor logsumexp(const Tensor &x, const Axes &axes = {}, bool keepDims = false,
                 std::source_location loc = std::source_location::current());

// -- Activations ----------------------------------------------------------------------------------

/// exp(x) over its sum along `axis`, without overflow.
Tensor softmax(const Tensor &x, int64_t axis = -1,
               std::source_location loc = std::source_location::current());
/// Logarithm of softmax, without overflow.
Tensor logSoftmax(const Tensor &x, int64_t axis = -1,
                  std::source_location loc = std::source_location::current());
/// x * P(X <= x) for a normal X: exact (erf), or by the usual tanh approximation.
Tensor gelu(const Tensor &x, Gelu form = Gelu::Erf,
            std::source_location loc = std::source_location::current());
/// x * sigmoid(x).
Tensor silu(const Tensor &x, std::source_location loc = std::source_location::current());
/// log(1 + exp(x)), without overflow.
Tensor softplus(const Tensor &x, std::source_location loc = std::source_location::current());
/// x where positive, else slope * x.
Tensor leakyRelu(const Tensor &x, double slope = 0.01,
                 std::source_location loc = std::source_location::current());

// -- Layers ---------------------------------------------------------------------------------------

/// x.matmul(weight) + bias; weight is [in, out].
Tensor linear(const Tensor &x, const Tensor &weight, const Tensor &bias,
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

// -- Losses ---------------------------------------------------------------------------------------

/// Cross entropy of softmax(logits) along the last axis for integer labels; one value per row.
Tensor softmaxCrossEntropy(const Tensor &logits, const Tensor &labels,
                           std::source_location loc = std::source_location::current());
/// Mean squared error over all elements.
Tensor mse(const Tensor &prediction, const Operand &target,
           std::source_location loc = std::source_location::current());

} // namespace sinter
