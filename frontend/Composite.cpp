// SPDX-License-Identifier: Apache-2.0
#include "sinter/frontend/Composite.h"

#include "sinter/frontend/CompositeCall.h"
#include "sinter/frontend/Einsum.h"

#include <cmath>
#include <limits>

namespace sinter {

static constexpr double infinity = std::numeric_limits<double>::infinity();

// -- Arithmetic -----------------------------------------------------------------------------------

Tensor square(const Tensor &x, std::source_location loc) {
  CompositeCall c(x, "square", loc);
  return x * x;
}

Tensor reciprocal(const Tensor &x, std::source_location loc) {
  CompositeCall c(x, "reciprocal", loc);
  c.requireFloat();
  return 1 / x;
}

Tensor clamp(const Tensor &x, const Operand &low, const Operand &high, std::source_location loc) {
  CompositeCall c(x, "clamp", loc);
  return minimum(maximum(x, low), high);
}

Tensor lerp(const Tensor &a, const Operand &b, const Operand &weight, std::source_location loc) {
  CompositeCall c(a, "lerp", loc);
  c.requireFloat();
  Tensor difference = b - a;
  if (!weight.isTensor()) {
    double w = std::visit([](auto number) { return static_cast<double>(number); }, weight.number());
    return w < 0.5 ? a + w * difference : b - (1 - w) * difference;
  }
  return where(weight < 0.5, a + weight * difference, b - (1 - weight) * difference);
}

Tensor isClose(const Tensor &a, const Operand &b, double relative, double absolute,
               std::source_location loc) {
  CompositeCall c(a, "isClose", loc);
  c.requireFloat();
  if (!(relative >= 0) || !(absolute >= 0))
    c.fail("tolerances must not be negative");
  // An infinite b would be close to everything.
  Tensor size = b.isTensor() ? abs(b.tensor()) : fullLike(a, b, a.shape()).abs();
  Tensor near = abs(a - b) <= absolute + relative * where(size < infinity, size, 0);
  return equal(a, b) || near;
}

// -- Statistics -----------------------------------------------------------------------------------

Tensor mean(const Tensor &x, const Axes &axes, bool keepDims, std::source_location loc) {
  CompositeCall c(x, "mean", loc);
  c.requireFloat();
  return c.narrowed(c.divideByCount(c.widened(x).sum(axes, keepDims), axes));
}

/// The variance in the dtype of sums.
static Tensor variance(const CompositeCall &c, const Tensor &x, const Axes &axes, bool keepDims,
                       int64_t correction) {
  Tensor wide = c.widened(x);
  Tensor centred = wide - c.divideByCount(wide.sum(axes, true), axes);
  return c.divideByCount((centred * centred).sum(axes, keepDims), axes, correction);
}

/// sqrt(x), but with gradient 0 at 0.
static Tensor rootWithoutPole(const Tensor &x) {
  Tensor positive = x > 0;
  return where(positive, sqrt(where(positive, x, 1)), x.stopGradient());
}

Tensor var(const Tensor &x, const Axes &axes, bool keepDims, int64_t correction,
           std::source_location loc) {
  CompositeCall c(x, "var", loc);
  c.requireFloat();
  return c.narrowed(variance(c, x, axes, keepDims, correction));
}

Tensor stdDev(const Tensor &x, const Axes &axes, bool keepDims, int64_t correction,
              std::source_location loc) {
  CompositeCall c(x, "stdDev", loc);
  c.requireFloat();
  return c.narrowed(rootWithoutPole(variance(c, x, axes, keepDims, correction)));
}

Tensor logsumexp(const Tensor &x, const Axes &axes, bool keepDims, std::source_location loc) {
  CompositeCall c(x, "logsumexp", loc);
  c.requireFloat();
  // Any finite number may be subtracted, so no gradient flows through it. Of infinite maxima
  // nothing is: inf - inf would make NaN of what is ±inf.
  Tensor wide = c.widened(x), largest = wide.max(axes, true).stopGradient();
  largest = where(abs(largest) < infinity, largest, 0);
  Tensor result = c.narrowed(log((wide - largest).exp().sum(axes, true)) + largest);
  return keepDims ? result : result.reshape(x.sum(axes).shape());
}

Tensor sumOfSquares(const Tensor &x, const Axes &axes, bool keepDims, std::source_location loc) {
  CompositeCall c(x, "sumOfSquares", loc);
  Tensor wide = c.widened(x);
  return c.narrowed((wide * wide).sum(axes, keepDims));
}

Tensor norm(const Tensor &x, double p, const Axes &axes, bool keepDims, std::source_location loc) {
  CompositeCall c(x, "norm", loc);
  c.requireFloat();
  if (!(p >= 0))
    c.fail("p must not be negative, not " + std::to_string(p));
  if (p == 0)
    return countNonzero(x, axes, keepDims).cast(c.dtype);
  if (p == infinity)
    return abs(x).max(axes, keepDims);
  Tensor wide = c.widened(x);
  if (p == 1)
    return c.narrowed(abs(wide).sum(axes, keepDims));
  if (p == 2)
    return c.narrowed(rootWithoutPole((wide * wide).sum(axes, keepDims)));
  Tensor size = abs(wide);
  Tensor nothing = equal(size, 0);
  Tensor total = where(nothing, 0, pow(where(nothing, 1, size), p)).sum(axes, keepDims);
  Tensor none = equal(total, 0);
  return c.narrowed(where(none, 0, pow(where(none, 1, total), 1 / p)));
}

Tensor cosineSimilarity(const Tensor &a, const Tensor &b, int64_t axis, double epsilon,
                        std::source_location loc) {
  CompositeCall c(a, "cosineSimilarity", loc);
  c.requireFloat();
  c.requireSameDType(b, "the second tensor");
  if (b.shape() != c.shape)
    c.fail("the tensors have different shapes", {c.shape, b.shape()});
  axis = c.axis(axis);
  Tensor x = c.widened(a), y = c.widened(b);
  Tensor sizes = maximum(norm(x, 2, axis), epsilon) * maximum(norm(y, 2, axis), epsilon);
  return c.narrowed((x * y).sum(axis) / sizes);
}

/// 1 where x is not 0, else 0.
static Tensor truth(const Tensor &x, DType dtype) {
  return (x.dtype() == boolean ? x : notEqual(x, 0)).cast(dtype);
}

// Of nothing the maximum is the lowest integer and the minimum the highest.
Tensor any(const Tensor &x, const Axes &axes, bool keepDims, std::source_location loc) {
  CompositeCall c(x, "any", loc);
  return truth(x, i32).max(axes, keepDims) > 0;
}

Tensor all(const Tensor &x, const Axes &axes, bool keepDims, std::source_location loc) {
  CompositeCall c(x, "all", loc);
  return truth(x, i32).min(axes, keepDims) > 0;
}

Tensor countNonzero(const Tensor &x, const Axes &axes, bool keepDims, std::source_location loc) {
  CompositeCall c(x, "countNonzero", loc);
  return truth(x, i64).sum(axes, keepDims);
}

// -- Layers ---------------------------------------------------------------------------------------

Tensor linear(const Tensor &x, const Tensor &weight, const Tensor &bias, std::source_location loc) {
  CompositeCall c(x, "linear", loc);
  return x.matmul(weight) + bias;
}

Tensor bilinear(const Tensor &x1, const Tensor &x2, const Tensor &weight, const Tensor &bias,
                std::source_location loc) {
  CompositeCall c(x1, "bilinear", loc);
  Tensor result = einsum("...i,oij,...j->...o", {x1, weight, x2});
  return bias.defined() ? result + bias : result;
}

Tensor embedding(const Tensor &table, const Tensor &indices, std::source_location loc) {
  CompositeCall c(table, "embedding", loc);
  return gatherRows(table, indices);
}

Tensor layerNorm(const Tensor &x, const Tensor &gamma, const Tensor &beta, double epsilon,
                 std::source_location loc) {
  CompositeCall c(x, "layerNorm", loc);
  c.requireFloat();
  c.graph.value(gamma, c.call);
  c.graph.value(beta, c.call);
  Shape scale = gamma.shape();
  if (scale.rank() == 0 || scale.rank() > c.shape.rank())
    c.fail("gamma needs rank 1 to " + std::to_string(c.shape.rank()), {c.shape, scale});
  if (scale != beta.shape())
    c.fail("gamma and beta have different shapes", {scale, beta.shape()});
  std::vector<int64_t> axes;
  for (int64_t i = 0; i < scale.rank(); ++i) {
    int64_t axis = c.shape.rank() - scale.rank() + i;
    if (c.shape[axis] != scale[i])
      c.fail("gamma does not have the sizes of the last axes", {c.shape, scale});
    axes.push_back(axis);
  }
  Tensor wide = c.widened(x);
  Tensor centred = wide - c.divideByCount(wide.sum(axes, true), axes);
  Tensor variance = c.divideByCount((centred * centred).sum(axes, true), axes);
  return c.narrowed(centred * rsqrt(variance + epsilon)) * gamma + beta;
}

Tensor oneHot(const Tensor &indices, const DimExpr &classes, DType dtype,
              std::source_location loc) {
  CompositeCall c(indices, "oneHot", loc);
  if (!isInteger(c.dtype))
    c.fail("indices are integers, not " + std::string(name(c.dtype)), {c.shape}, ".cast(i64)");
  return equal(indices.expandDims(-1), c.handle().arange(c.dtype, classes)).cast(dtype);
}

} // namespace sinter
