// SPDX-License-Identifier: Apache-2.0
#include "sinter/frontend/nn/Activation.h"

#include "sinter/frontend/Composite.h"
#include "sinter/frontend/CompositeCall.h"

namespace sinter {

/// The maxima to subtract before exp(): any finite number would do, so no gradient flows through
/// them.
static Tensor shift(const Tensor &x, int64_t axis) { return x.max(axis, true).stopGradient(); }

/// min(x, 0), whose gradient at 0 is that of x: for functions that continue what is left of 0.
static Tensor negativePart(const Tensor &x) { return where(x > 0, 0, x); }

Tensor softmax(const Tensor &x, int64_t axis, std::source_location loc) {
  CompositeCall c(x, "softmax", loc);
  c.requireFloat();
  axis = c.axis(axis);
  Tensor wide = c.widened(x), e = exp(wide - shift(wide, axis));
  return c.narrowed(e / e.sum(axis, true));
}

Tensor logSoftmax(const Tensor &x, int64_t axis, std::source_location loc) {
  CompositeCall c(x, "logSoftmax", loc);
  c.requireFloat();
  axis = c.axis(axis);
  Tensor wide = c.widened(x), shifted = wide - shift(wide, axis);
  return c.narrowed(shifted - log(shifted.exp().sum(axis, true)));
}

Tensor gelu(const Tensor &x, Gelu form, std::source_location loc) {
  CompositeCall c(x, "gelu", loc);
  c.requireFloat();
  if (form == Gelu::Erf)
    return 0.5 * x * (1 + erf(x * 0.70710678118654752));
  return 0.5 * x * (1 + tanh(0.79788456080286536 * (x + 0.044715 * x * x * x)));
}

Tensor silu(const Tensor &x, std::source_location loc) {
  CompositeCall c(x, "silu", loc);
  c.requireFloat();
  return x * sigmoid(x);
}

Tensor swish(const Tensor &x, double beta, std::source_location loc) {
  CompositeCall c(x, "swish", loc);
  c.requireFloat();
  return x * sigmoid(beta * x);
}

Tensor mish(const Tensor &x, std::source_location loc) {
  CompositeCall c(x, "mish", loc);
  c.requireFloat();
  return x * tanh(softplus(x));
}

Tensor softplus(const Tensor &x, std::source_location loc) {
  CompositeCall c(x, "softplus", loc);
  c.requireFloat();
  // Written with choices, not |x| and a maximum: so both derivatives are right at 0 as well.
  Tensor positive = x > 0;
  return where(positive, x, 0) + log1p(exp(where(positive, -x, x)));
}

Tensor logSigmoid(const Tensor &x, std::source_location loc) {
  CompositeCall c(x, "logSigmoid", loc);
  c.requireFloat();
  Tensor positive = x > 0;
  return where(positive, 0, x) - log1p(exp(where(positive, -x, x)));
}

Tensor softsign(const Tensor &x, std::source_location loc) {
  CompositeCall c(x, "softsign", loc);
  c.requireFloat();
  return x / (1 + abs(x));
}

Tensor leakyRelu(const Tensor &x, double slope, std::source_location loc) {
  CompositeCall c(x, "leakyRelu", loc);
  c.requireFloat();
  return where(x > 0, x, slope * x);
}

Tensor prelu(const Tensor &x, const Tensor &slope, std::source_location loc) {
  CompositeCall c(x, "prelu", loc);
  c.requireFloat();
  c.requireSameDType(slope, "the slope");
  // The slope is multiplied with negative parts only, so that its gradient has no inf * 0.
  return where(x > 0, x, 0) + slope.broadcastTo(c.shape) * negativePart(x);
}

Tensor relu6(const Tensor &x, std::source_location loc) {
  CompositeCall c(x, "relu6", loc);
  c.requireFloat();
  return clamp(x, 0, 6);
}

Tensor thresholdedRelu(const Tensor &x, double threshold, std::source_location loc) {
  CompositeCall c(x, "thresholdedRelu", loc);
  c.requireFloat();
  return where(x <= threshold, 0, x);
}

Tensor elu(const Tensor &x, double alpha, std::source_location loc) {
  CompositeCall c(x, "elu", loc);
  c.requireFloat();
  // exp() only sees what is not positive: of what is unused it would be infinite.
  return where(x > 0, x, alpha * expm1(negativePart(x)));
}

Tensor selu(const Tensor &x, std::source_location loc) {
  CompositeCall c(x, "selu", loc);
  c.requireFloat();
  return 1.0507009873554804934193349852946 * elu(x, 1.6732632423543772848170429916717);
}

Tensor celu(const Tensor &x, double alpha, std::source_location loc) {
  CompositeCall c(x, "celu", loc);
  c.requireFloat();
  if (!(alpha > 0))
    c.fail("alpha must be positive, not " + std::to_string(alpha));
  return where(x > 0, x, alpha * expm1(negativePart(x) / alpha));
}

Tensor hardSigmoid(const Tensor &x, double slope, double offset, std::source_location loc) {
  CompositeCall c(x, "hardSigmoid", loc);
  c.requireFloat();
  return clamp(slope * x + offset, 0, 1);
}

Tensor hardSwish(const Tensor &x, std::source_location loc) {
  CompositeCall c(x, "hardSwish", loc);
  c.requireFloat();
  return x * hardSigmoid(x);
}

Tensor hardTanh(const Tensor &x, double low, double high, std::source_location loc) {
  CompositeCall c(x, "hardTanh", loc);
  c.requireFloat();
  if (!(low <= high))
    c.fail("the bounds " + std::to_string(low) + " and " + std::to_string(high) +
           " are in the wrong order");
  return clamp(x, low, high);
}

static void requireThreshold(const CompositeCall &c, double threshold) {
  c.requireFloat();
  if (!(threshold >= 0))
    c.fail("the threshold must not be negative: " + std::to_string(threshold));
}

Tensor softShrink(const Tensor &x, double threshold, std::source_location loc) {
  CompositeCall c(x, "softShrink", loc);
  requireThreshold(c, threshold);
  return where(abs(x) <= threshold, 0, where(x > 0, x - threshold, x + threshold));
}

Tensor hardShrink(const Tensor &x, double threshold, std::source_location loc) {
  CompositeCall c(x, "hardShrink", loc);
  requireThreshold(c, threshold);
  return where(abs(x) <= threshold, 0, x);
}

Tensor glu(const Tensor &x, int64_t axis, std::source_location loc) {
  CompositeCall c(x, "glu", loc);
  c.requireFloat();
  axis = c.axis(axis);
  std::vector<Tensor> halves = split(x, 2, axis);
  return halves[0] * sigmoid(halves[1]);
}

} // namespace sinter
