// SPDX-License-Identifier: Apache-2.0
#include "sinter/frontend/nn/Normalization.h"

#include "sinter/frontend/onnx/OpsCommon.h"

namespace sinter::onnx {

namespace {

/// The mean and the inverse standard deviation of x over `axes`, which stay with size 1.
struct Moments {
  Moments(const Tensor &x, const Axes &axes, double epsilon)
      : mean(x.mean(axes, true)), centred(x - mean),
        inverse(rsqrt(square(centred).mean(axes, true) + epsilon)) {}
  Tensor normalized() const { return centred * inverse; }

  Tensor mean, centred, inverse;
};

/// Attribute stash_type: the dtype of the first, normalizing stage.
DType stashDType(Node &node) {
  DType dtype = node.dtypeAttribute("stash_type", f32);
  if (!isFloat(dtype))
    node.invalid("stash_type must be a float dtype");
  return dtype;
}

void importBatchNormalization(Node &node) {
  Tensor x = floatInput(node, 0);
  requireRank(node, x, 2, "batch normalization");
  double epsilon = node.floatAttribute("epsilon", 1e-5);
  double momentum = node.floatAttribute("momentum", 0.9);
  if (node.opset() < 9 && node.intAttribute("spatial", 1) != 1)
    node.unsupported("statistics of every activation (spatial = 0)");
  bool training = node.opset() >= 14 ? node.flagAttribute("training_mode", false) : false;
  if (!training && node.numOutputs() > 1)
    node.unsupported("more than one output outside training mode");

  // The statistics may have a wider dtype than x.
  DType compute = node.input(3).dtype();
  if (byteSize(compute) < byteSize(x.dtype()))
    compute = x.dtype();
  compute = computeDType(compute);
  auto channels = [&](size_t i) { return alongAxis(node.input(i).cast(compute), 1, x.rank()); };
  Tensor wide = x.cast(compute);
  Tensor mean = channels(3), var = channels(4);
  if (training) {
    std::vector<int64_t> axes = axisRange(2, x.rank());
    axes.insert(axes.begin(), 0);
    Tensor batchMean = wide.mean(axes, true), batchVar = wide.var(axes, true);
    auto running = [&](size_t i, const Tensor &old, const Tensor &batch) {
      Tensor value = momentum * old + (1 - momentum) * batch;
      return value.reshape(node.input(i).shape()).cast(node.input(i).dtype());
    };
    if (node.wants(1))
      node.output(1, running(3, mean, batchMean));
    if (node.wants(2))
      node.output(2, running(4, var, batchVar));
    mean = batchMean;
    var = batchVar;
  }
  Tensor y = (wide - mean) * rsqrt(var + epsilon) * channels(1) + channels(2);
  node.output(0, y.cast(x.dtype()));
}

void importLayerNormalization(Node &node) {
  Tensor x = floatInput(node, 0);
  Axes axes = axisRange(node.axis(node.intAttribute("axis", -1), x.rank()), x.rank());
  Moments moments(x.cast(stashDType(node)), axes, node.floatAttribute("epsilon", 1e-5));
  Tensor y = moments.normalized().cast(x.dtype()) * node.input(1);
  if (node.has(2))
    y = y + node.input(2);
  node.output(0, y);
  if (node.wants(1))
    node.output(1, moments.mean);
  if (node.wants(2))
    node.output(2, moments.inverse);
}

void importRMSNormalization(Node &node) {
  Tensor x = floatInput(node, 0);
  Axes axes = axisRange(node.axis(node.intAttribute("axis", -1), x.rank()), x.rank());
  Tensor wide = x.cast(stashDType(node));
  Tensor inverse = rsqrt(square(wide).mean(axes, true) + node.floatAttribute("epsilon", 1e-5));
  node.output(0, (wide * inverse).cast(x.dtype()) * node.input(1));
}

void importGroupNormalization(Node &node) {
  Tensor x = floatInput(node, 0);
  requireRank(node, x, 3, "group normalization");
  int64_t groups = node.intAttribute("num_groups");
  double epsilon = node.floatAttribute("epsilon", 1e-5);
  int64_t channels = node.staticSize(x.size(1), "channels");
  if (groups < 1 || channels % groups != 0)
    node.invalid("num_groups must divide the number of channels");
  // Version 18 scales by group and computes in x's dtype; 21 scales by channel.
  DType compute = node.opset() >= 21 ? stashDType(node) : computeDType(x.dtype());
  DimExpr perGroup = channels / groups;
  for (int64_t i = 2; i < x.rank(); ++i)
    perGroup *= x.size(i);
  Tensor grouped = x.cast(compute).reshape({x.size(0), groups, perGroup});
  Tensor y = Moments(grouped, 2, epsilon).normalized();
  auto scaled = [&](const Tensor &value, int64_t rank) {
    return value * alongAxis(node.input(1), 1, rank) + alongAxis(node.input(2), 1, rank);
  };
  if (node.opset() >= 21)
    y = scaled(y.reshape(x.shape()).cast(x.dtype()), x.rank());
  else
    y = scaled(y.cast(x.dtype()), 3).reshape(x.shape());
  node.output(0, y);
}

void importInstanceNormalization(Node &node) {
  Tensor x = floatInput(node, 0);
  requireRank(node, x, 3, "instance normalization");
  DType compute = computeDType(x.dtype());
  auto channels = [&](size_t i) { return alongAxis(node.input(i).cast(compute), 1, x.rank()); };
  Moments moments(x.cast(compute), axisRange(2, x.rank()), node.floatAttribute("epsilon", 1e-5));
  node.output(0, (moments.normalized() * channels(1) + channels(2)).cast(x.dtype()));
}

void importLRN(Node &node) {
  Tensor x = floatInput(node, 0);
  LocalResponseOptions options;
  options.size = node.intAttribute("size");
  options.alpha = node.floatAttribute("alpha", 1e-4);
  options.beta = node.floatAttribute("beta", 0.75);
  options.bias = node.floatAttribute("bias", 1.0);
  Tensor y = localResponseNorm(x.cast(computeDType(x.dtype())), options);
  node.output(0, y.cast(x.dtype()));
}

void importLpNormalization(Node &node) {
  Tensor x = floatInput(node, 0);
  int64_t axis = node.axis(node.intAttribute("axis", -1), x.rank());
  int64_t p = node.intAttribute("p", 2);
  if (p != 1 && p != 2)
    node.invalid("p must be 1 or 2");
  Tensor wide = x.cast(computeDType(x.dtype()));
  Tensor norm = p == 1 ? abs(wide).sum(axis, true) : sqrt(square(wide).sum(axis, true));
  node.output(0, where(equal(norm, 0), 0, wide / norm).cast(x.dtype()));
}

void importMeanVarianceNormalization(Node &node) {
  Tensor x = floatInput(node, 0);
  Axes axes = node.axes(node.intsAttribute("axes", std::vector<int64_t>{0, 2, 3}), x.rank());
  Tensor wide = x.cast(computeDType(x.dtype()));
  Tensor centred = wide - wide.mean(axes, true);
  // The epsilon is the one of the operator's definition as a function.
  Tensor deviation = sqrt(square(centred).mean(axes, true)) + 1e-9;
  node.output(0, (centred / deviation).cast(x.dtype()));
}

constexpr OpHandler handlers[] = {
    {"BatchNormalization", 7, importBatchNormalization},
    {"GroupNormalization", 18, importGroupNormalization},
    {"InstanceNormalization", 6, importInstanceNormalization},
    {"LRN", 1, importLRN},
    {"LayerNormalization", 17, importLayerNormalization},
    {"LpNormalization", 1, importLpNormalization},
    {"MeanVarianceNormalization", 9, importMeanVarianceNormalization},
    {"RMSNormalization", 23, importRMSNormalization},
};

} // namespace

std::span<const OpHandler> normalizationHandlers() { return handlers; }

} // namespace sinter::onnx
