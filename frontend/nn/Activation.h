// SPDX-License-Identifier: Apache-2.0
// Functions between the layers of a network. Where one has a kink, clamp() and the others made of
// maxima give each side half of the gradient; those written as a choice are as stated.
#pragma once

#include "sinter/frontend/Structural.h"

#pragma GCC visibility push(default)
namespace sinter {

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
/// x * sigmoid(beta * x).
Tensor swish(const Tensor &x, double beta = 1,
             std::source_location loc = std::source_location::current());
/// x * tanh(softplus(x)).
Tensor mish(const Tensor &x, std::source_location loc = std::source_location::current());
/// log(1 + exp(x)), without overflow.
Tensor softplus(const Tensor &x, std::source_location loc = std::source_location::current());
/// log(sigmoid(x)), without overflow.
Tensor logSigmoid(const Tensor &x, std::source_location loc = std::source_location::current());
/// x / (1 + |x|).
Tensor softsign(const Tensor &x, std::source_location loc = std::source_location::current());
/// x where positive, else slope * x.
Tensor leakyRelu(const Tensor &x, double slope = 0.01,
                 std::source_location loc = std::source_location::current());
/// x where positive, else slope * x; the slope is learned and broadcasts to x.
Tensor prelu(const Tensor &x, const Tensor &slope,
             std::source_location loc = std::source_location::current());
/// x held within [0, 6].
Tensor relu6(const Tensor &x, std::source_location loc = std::source_location::current());
/// x above `threshold`, else 0.
Tensor thresholdedRelu(const Tensor &x, double threshold = 1,
                       std::source_location loc = std::source_location::current());
/// x where positive, else alpha * (exp(x) - 1).
Tensor elu(const Tensor &x, double alpha = 1,
           std::source_location loc = std::source_location::current());
/// elu() scaled so that it keeps mean 0 and variance 1 (Klambauer et al. 2017).
Tensor selu(const Tensor &x, std::source_location loc = std::source_location::current());
/// x where positive, else alpha * (exp(x / alpha) - 1).
Tensor celu(const Tensor &x, double alpha = 1,
            std::source_location loc = std::source_location::current());
/// slope * x + offset held within [0, 1].
Tensor hardSigmoid(const Tensor &x, double slope = 1.0 / 6, double offset = 0.5,
                   std::source_location loc = std::source_location::current());
/// x * hardSigmoid(x).
Tensor hardSwish(const Tensor &x, std::source_location loc = std::source_location::current());
/// x held within [low, high].
Tensor hardTanh(const Tensor &x, double low = -1, double high = 1,
                std::source_location loc = std::source_location::current());
/// x moved towards 0 by `threshold`; 0 within it.
Tensor softShrink(const Tensor &x, double threshold = 0.5,
                  std::source_location loc = std::source_location::current());
/// x, but 0 where |x| <= threshold.
Tensor hardShrink(const Tensor &x, double threshold = 0.5,
                  std::source_location loc = std::source_location::current());
/// The first half of x along `axis`, times the sigmoid of the second.
Tensor glu(const Tensor &x, int64_t axis = -1,
           std::source_location loc = std::source_location::current());

} // namespace sinter
#pragma GCC visibility pop
