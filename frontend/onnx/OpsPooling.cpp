// SPDX-License-Identifier: Apache-2.0
#include "sinter/frontend/nn/Pooling.h"

#include "sinter/frontend/onnx/OpsCommon.h"
#include "sinter/frontend/onnx/SpatialAttributes.h"

namespace sinter::onnx {

namespace {

PoolOptions poolOptions(Node &node, const SpatialAttributes &a) {
  PoolOptions options;
  options.strides = a.strides;
  options.padding = a.padding();
  options.dilations = a.dilations;
  options.ceilMode = node.flagAttribute("ceil_mode", false);
  return options;
}

void importMaxPool(Node &node) {
  Tensor x = node.input(0);
  int64_t axes = spatialAxes(node, x);
  SpatialAttributes a(node, axes);
  PoolOptions options = poolOptions(node, a);
  bool columnMajor = node.flagAttribute("storage_order", false);
  if (!node.wants(1)) {
    node.output(0, maxPool(x, a.kernel, options));
    return;
  }
  std::vector<Tensor> results = maxPoolWithIndices(x, a.kernel, options);
  node.output(0, results[0]);
  Tensor index = results[1];
  if (columnMajor && axes > 1) {
    // From the position in row-major order to the one with the first spatial axis fastest.
    DimExpr spatial = 1;
    for (int64_t i = 0; i < axes; ++i)
      spatial *= x.size(i + 2);
    auto count = [&](const DimExpr &size) { return node.graph().dimValue(i64, size); };
    Tensor image = index / count(spatial), rest = index - image * count(spatial);
    Tensor result = image * count(spatial);
    DimExpr inner = spatial, stride = 1;
    for (int64_t i = 0; i < axes; ++i) {
      inner = *inner.dividedExactlyBy(x.size(i + 2));
      Tensor place = rest / count(inner);
      rest = rest - place * count(inner);
      result = result + place * count(stride);
      stride *= x.size(i + 2);
    }
    index = result;
  }
  node.output(1, index);
}

void importAveragePool(Node &node) {
  Tensor x = floatInput(node, 0);
  SpatialAttributes a(node, spatialAxes(node, x));
  PoolOptions options = poolOptions(node, a);
  options.countIncludePad = node.flagAttribute("count_include_pad", false);
  node.output(0, avgPool(x, a.kernel, options));
}

void importLpPool(Node &node) {
  Tensor x = floatInput(node, 0);
  SpatialAttributes a(node, spatialAxes(node, x));
  int64_t p = node.intAttribute("p", 2);
  if (p < 1)
    node.invalid("p must be positive");
  node.output(0, lpPool(x, a.kernel, static_cast<double>(p), poolOptions(node, a)));
}

void importGlobalAveragePool(Node &node) { node.output(0, globalAvgPool(floatInput(node, 0))); }

void importGlobalMaxPool(Node &node) { node.output(0, globalMaxPool(node.input(0))); }

void importGlobalLpPool(Node &node) {
  Tensor x = floatInput(node, 0);
  double p = static_cast<double>(node.intAttribute("p", 2));
  if (p < 1)
    node.invalid("p must be positive");
  Axes axes = axisRange(2, 2 + spatialAxes(node, x));
  Tensor wide = abs(x.cast(computeDType(x.dtype())));
  node.output(0, pow(pow(wide, p).sum(axes, true), 1 / p).cast(x.dtype()));
}

/// Elements go back to where a pooling with indices found them; all others are 0.
void importMaxUnpool(Node &node) {
  Tensor x = node.input(0), index = node.input(1).cast(i64);
  int64_t axes = spatialAxes(node, x);
  SpatialAttributes a(node, axes);
  std::vector<DimExpr> inferred{x.size(0), x.size(1)};
  for (size_t i = 0; i < a.kernel.size(); ++i)
    inferred.push_back((x.size(static_cast<int64_t>(i) + 2) - DimExpr(1)) * DimExpr(a.strides[i]) -
                       DimExpr(a.low[i] + a.high[i]) + DimExpr(a.kernel[i]));
  Shape shape(inferred);
  Tensor empty = node.graph().zeros(x.dtype(), {shape.numElements()});
  Tensor y = empty.scatter(index.flatten(), x.flatten()).reshape(shape);
  if (node.has(2)) {
    // A larger result is filled up at the ends.
    std::vector<DimExpr> wanted = node.knownDims(2), missing;
    if (static_cast<int64_t>(wanted.size()) != x.rank())
      node.invalid("output_shape has " + std::to_string(wanted.size()) + " entries");
    for (size_t i = 0; i < wanted.size(); ++i) {
      missing.push_back(wanted[i] - inferred[i]);
      if (missing[i].constant() && *missing[i].constant() < 0)
        node.invalid("output_shape is smaller than " + shape.str());
    }
    y = y.pad(Shape(std::vector<DimExpr>(wanted.size(), DimExpr(0))), Shape(missing));
  }
  node.output(0, y);
}

constexpr OpHandler handlers[] = {
    {"AveragePool", 1, importAveragePool},
    {"GlobalAveragePool", 1, importGlobalAveragePool},
    {"GlobalLpPool", 2, importGlobalLpPool},
    {"GlobalMaxPool", 1, importGlobalMaxPool},
    {"LpPool", 2, importLpPool},
    {"MaxPool", 1, importMaxPool},
    {"MaxUnpool", 9, importMaxUnpool},
};

} // namespace

std::span<const OpHandler> poolingHandlers() { return handlers; }

} // namespace sinter::onnx
