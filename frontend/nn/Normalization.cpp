// SPDX-License-Identifier: Apache-2.0
#include "sinter/frontend/nn/Normalization.h"

#include "sinter/frontend/nn/Layer.h"
#include "sinter/frontend/nn/Windows.h"

#include <cmath>

namespace sinter {

using nn::axesFrom;
using nn::Layer;
using nn::perChannel;

namespace nn {

Tensor rootOfSum(const Tensor &x, const Axes &axes, double p, bool keepDims) {
  if (p == 1)
    return sum(abs(x), axes, keepDims);
  Tensor zero = zerosLike(x), total;
  if (p == 2) {
    total = sum(x * x, axes, keepDims);
  } else {
    // Where x is 0 the power has no use for its derivative, which may be infinite.
    Tensor isZero = equal(x, 0);
    total = sum(where(isZero, zero, pow(where(isZero, 1, abs(x)), p)), axes, keepDims);
  }
  Tensor isEmpty = equal(total, 0);
  Tensor safe = where(isEmpty, 1, total);
  return where(isEmpty, 0, p == 2 ? sqrt(safe) : pow(safe, 1 / p));
}

} // namespace nn

namespace {

/// Axis 0 and the spatial axes: all but the channels.
std::vector<int64_t> batchAxes(const Layer &layer) {
  std::vector<int64_t> axes = axesFrom(1, layer.shape.rank() - 1);
  axes[0] = 0;
  for (size_t i = 1; i < axes.size(); ++i)
    axes[i] = static_cast<int64_t>(i) + 1;
  return axes;
}

void checkEpsilon(const Layer &layer, double epsilon) {
  if (!(epsilon >= 0) || !std::isfinite(epsilon))
    layer.fail("epsilon " + std::to_string(epsilon) + " is not a small positive number");
}

/// x less its mean over the axes, over its deviation.
Tensor normalised(const Layer &layer, const Tensor &x, const Axes &axes, double epsilon) {
  Tensor wide = layer.widened(x);
  Tensor centred = wide - mean(wide, axes, true);
  return layer.narrowed(centred * rsqrt(mean(centred * centred, axes, true) + epsilon));
}

} // namespace

Tensor batchNorm(const Tensor &x, const Tensor &gamma, const Tensor &beta, const Tensor &mean,
                 const Tensor &variance, double epsilon, std::source_location loc) {
  Layer layer(x, "batchNorm", loc);
  layer.requireFloat();
  checkEpsilon(layer, epsilon);
  layer.requirePerChannel(gamma, "gamma");
  layer.requirePerChannel(beta, "beta");
  layer.requirePerChannel(mean, "the mean");
  layer.requirePerChannel(variance, "the variance");
  int64_t rank = layer.shape.rank();
  Tensor scale = gamma * rsqrt(variance + epsilon);
  return (x - perChannel(mean, rank)) * perChannel(scale, rank) + perChannel(beta, rank);
}

BatchNormResult batchNormTraining(const Tensor &x, const Tensor &gamma, const Tensor &beta,
                                  const Tensor &runningMean, const Tensor &runningVariance,
                                  const BatchNormOptions &options, std::source_location loc) {
  Layer layer(x, "batchNormTraining", loc);
  layer.requireFloat();
  checkEpsilon(layer, options.epsilon);
  layer.requirePerChannel(gamma, "gamma");
  layer.requirePerChannel(beta, "beta");
  layer.requirePerChannel(runningMean, "the running mean");
  layer.requirePerChannel(runningVariance, "the running variance");
  int64_t rank = layer.shape.rank();
  std::vector<int64_t> axes = batchAxes(layer);
  BatchNormResult result;
  Tensor wide = layer.widened(x), batchMean = mean(wide, axes);
  Tensor centred = wide - perChannel(batchMean, rank);
  Tensor variance = mean(centred * centred, axes);
  Tensor scale = layer.widened(gamma) * rsqrt(variance + options.epsilon);
  result.y =
      layer.narrowed(centred * perChannel(scale, rank) + perChannel(layer.widened(beta), rank));
  result.mean = layer.narrowed(batchMean);
  result.variance = layer.narrowed(variance);

  Tensor newVariance = variance.stopGradient();
  if (options.unbiased) {
    DimExpr count = 1;
    for (int64_t axis : axes)
      count *= layer.shape[axis];
    DType dtype = variance.dtype();
    newVariance =
        newVariance * layer.sizeValue(count, dtype) / layer.sizeValue(count - DimExpr(1), dtype);
  }
  double old = options.momentum;
  auto moved = [&](const Tensor &running, const Tensor &batch) {
    return layer.narrowed(old * layer.widened(running) + (1 - old) * batch);
  };
  result.runningMean = moved(runningMean, batchMean.stopGradient());
  result.runningVariance = moved(runningVariance, newVariance);
  return result;
}

Tensor groupNorm(const Tensor &x, int64_t groups, const Tensor &gamma, const Tensor &beta,
                 double epsilon, std::source_location loc) {
  Layer layer(x, "groupNorm", loc);
  layer.requireFloat();
  checkEpsilon(layer, epsilon);
  layer.requirePerChannel(gamma, "gamma");
  layer.requirePerChannel(beta, "beta");
  std::optional<DimExpr> each;
  if (groups > 0)
    each = layer.shape[1].dividedExactlyBy(DimExpr(groups));
  if (!each)
    layer.fail(layer.shape[1].str() + " channels do not divide into " + std::to_string(groups) +
               " groups");
  int64_t rank = layer.shape.rank();
  std::vector<DimExpr> sizes = layer.shape.vector();
  sizes[1] = groups;
  sizes.insert(sizes.begin() + 2, *each);
  Tensor y = normalised(layer, reshape(x, Shape(std::move(sizes))), axesFrom(2, rank - 1), epsilon);
  return reshape(y, layer.shape) * perChannel(gamma, rank) + perChannel(beta, rank);
}

Tensor instanceNorm(const Tensor &x, const Tensor &gamma, const Tensor &beta, double epsilon,
                    std::source_location loc) {
  Layer layer(x, "instanceNorm", loc);
  layer.requireFloat();
  checkEpsilon(layer, epsilon);
  layer.requirePerChannel(gamma, "gamma");
  layer.requirePerChannel(beta, "beta");
  int64_t n = layer.numSpatial();
  return normalised(layer, x, axesFrom(2, n), epsilon) * perChannel(gamma, n + 2) +
         perChannel(beta, n + 2);
}

Tensor rmsNorm(const Tensor &x, const Tensor &gamma, double epsilon, std::source_location loc) {
  Layer layer(x, "rmsNorm", loc);
  layer.requireFloat();
  checkEpsilon(layer, epsilon);
  layer.requireSame(gamma, "gamma");
  Shape scale = gamma.shape();
  int64_t first = layer.shape.rank() - scale.rank();
  if (scale.rank() == 0 || first < 0)
    layer.fail("gamma needs rank 1 to " + std::to_string(layer.shape.rank()), {layer.shape, scale});
  for (int64_t i = 0; i < scale.rank(); ++i)
    if (scale[i] != layer.shape[first + i])
      layer.fail("gamma does not have the sizes of the last axes", {layer.shape, scale});
  Tensor wide = layer.widened(x);
  Tensor square = mean(wide * wide, axesFrom(first, scale.rank()), true);
  return layer.narrowed(wide * rsqrt(square + epsilon)) * gamma;
}

Tensor lpNormalize(const Tensor &x, double p, int64_t axis, std::source_location loc) {
  Layer layer(x, "lpNormalize", loc);
  layer.requireFloat();
  if (!(p > 0))
    layer.fail("p = " + std::to_string(p) + " is not positive");
  Tensor wide = layer.widened(x), norm = nn::rootOfSum(wide, layer.axis(axis), p, true);
  Tensor isZero = equal(norm, 0);
  return layer.narrowed(where(isZero, 0, wide / where(isZero, 1, norm)));
}

Tensor localResponseNorm(const Tensor &x, const LocalResponseOptions &options,
                         std::source_location loc) {
  Layer layer(x, "localResponseNorm", loc);
  layer.requireFloat();
  if (layer.shape.rank() < 2)
    layer.fail("needs a batch and a channel axis");
  if (options.size <= 0 || options.size > INT32_MAX)
    layer.fail("size " + std::to_string(options.size) + " is out of range");
  int64_t before = (options.size - 1) / 2;
  // Windows lie over last axes, so the channels go there and come back.
  Tensor wide = layer.widened(x);
  Tensor squares = nn::extend(swapAxes(wide * wide, 1, -1), layer.shape.rank() - 1, before,
                              options.size - 1 - before);
  Tensor total = swapAxes(sum(windows(squares, {options.size}), -1), 1, -1);
  Tensor base = options.bias + options.alpha / static_cast<double>(options.size) * total;
  return layer.narrowed(wide / pow(base, options.beta));
}

} // namespace sinter
