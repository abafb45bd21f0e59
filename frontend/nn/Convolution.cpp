// SPDX-License-Identifier: Apache-2.0
// A convolution and its transpose are two of the three products of the op convolution; the third is
// the gradient of the weight. Where the window's size is not known, windows are read or added up by
// the pair window_read and window_write instead.
#include "sinter/frontend/nn/Convolution.h"

#include "sinter/frontend/nn/Layer.h"
#include "sinter/frontend/nn/Windows.h"

namespace sinter {

using nn::axesFrom;
using nn::Geometry;
using nn::Layer;

namespace {

using Dims = std::vector<DimExpr>;

void append(Dims &dims, const Shape &from, int64_t first, int64_t count) {
  for (int64_t i = first; i < first + count; ++i)
    dims.push_back(from[i]);
}

std::vector<int64_t> joined(std::vector<int64_t> a, const std::vector<int64_t> &b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

/// What conv() and convTranspose() check alike.
void checkOperands(const Layer &layer, const Tensor &weight, int64_t groups) {
  layer.numSpatial();
  layer.requireSame(weight, "weight");
  if (weight.rank() != layer.shape.rank())
    layer.fail("the weight needs the rank of the operand", {layer.shape, weight.shape()});
  if (groups <= 0)
    layer.fail(std::to_string(groups) + " groups: needs at least 1", {layer.shape, weight.shape()});
}

/// size / groups, which must be whole.
DimExpr share(const Layer &layer, const Tensor &weight, const DimExpr &size, int64_t groups,
              const std::string &what) {
  std::optional<DimExpr> result = size.dividedExactlyBy(DimExpr(groups));
  if (!result)
    layer.fail(size.str() + " " + what + " do not divide into " + std::to_string(groups) +
                   " groups",
               {layer.shape, weight.shape()});
  return *result;
}

Tensor addBias(const Layer &layer, const Tensor &y, const Tensor &bias, const Tensor &weight,
               const DimExpr &channels) {
  layer.requireSame(bias, "bias");
  if (bias.shape() != Shape{channels})
    layer.fail("the bias " + bias.shape().str() + " needs one number for each of " +
                   channels.str() + " output channels",
               {layer.shape, weight.shape()});
  return y + nn::perChannel(bias, layer.shape.rank());
}

/// Kernels know the number of taps.
bool hasKnownWindow(const Shape &weight) {
  for (int64_t i = 2; i < weight.rank(); ++i)
    if (!weight[i].isConstant())
      return false;
  return true;
}

/// The op convolution, whose result is `part`.
Tensor product(const Layer &layer, const Tensor &a, const Tensor &b, const char *part,
               const Shape &result, const Dims &low, const std::vector<int64_t> &strides,
               const std::vector<int64_t> &dilations, int64_t groups) {
  GraphImpl &graph = layer.impl;
  mlir::Builder builder(&graph.mlirContext());
  return graph.tensor(graph.create(
      layer.call, "sinter.convolution", {GraphImpl::rawValue(a), GraphImpl::rawValue(b)},
      {graph.named("part", builder.getStringAttr(part)),
       graph.named("low", ir::toAttribute(builder.getContext(), Shape(low))),
       graph.named("strides", llvm::ArrayRef<int64_t>(strides)),
       graph.named("dilations", llvm::ArrayRef<int64_t>(dilations)),
       graph.named("groups", builder.getI64IntegerAttr(groups))},
      graph.type(layer.call, layer.dtype, result)));
}

/// The windows [N, C, o..., k...] times the weight, by one contraction per group.
Tensor contract(const Layer &layer, const Tensor &windows, const Tensor &weight, int64_t groups,
                const DimExpr &perGroup) {
  int64_t n = layer.numSpatial();
  Shape all = windows.shape(), kernel = weight.shape();
  if (groups == 1) {
    Tensor y = dotGeneral(weight, windows,
                          {.lhsContract = axesFrom(1, n + 1),
                           .rhsContract = joined({1}, axesFrom(2 + n, n))}); // [M, N, o...]
    return swapAxes(y, 0, 1);
  }
  Dims left = {groups, perGroup}, right = {all[0], groups, kernel[1]};
  append(left, kernel, 1, n + 1);
  append(right, all, 2, 2 * n);
  Tensor y = dotGeneral(reshape(weight, Shape(left)), reshape(windows, Shape(right)),
                        {.lhsBatch = {0},
                         .rhsBatch = {1},
                         .lhsContract = axesFrom(2, n + 1),
                         .rhsContract = joined({2}, axesFrom(3 + n, n))}); // [G, M/G, N, o...]
  Dims result = {all[0], kernel[0]};
  append(result, all, 2, n);
  return reshape(transpose(y, joined({2, 0, 1}, axesFrom(3, n))), Shape(result));
}

Tensor convolve(const Layer &layer, const Tensor &x, const Tensor &weight,
                const ConvOptions &options) {
  checkOperands(layer, weight, options.groups);
  int64_t n = layer.numSpatial(), groups = options.groups;
  Shape kernel = weight.shape();
  share(layer, weight, layer.shape[1], groups, "channels");
  DimExpr perGroup = share(layer, weight, kernel[0], groups, "output channels");
  if (kernel[1] * DimExpr(groups) != layer.shape[1])
    layer.fail("the weight has " + kernel[1].str() + " input channels" +
                   (groups == 1 ? "" : " in each of " + std::to_string(groups) + " groups") +
                   ", the operand " + layer.shape[1].str(),
               {layer.shape, kernel});
  Dims window;
  append(window, kernel, 2, n);
  Geometry geometry =
      nn::makeGeometry(layer, window, options.strides, options.dilations, options.padding, kernel);
  if (!hasKnownWindow(kernel))
    return contract(layer, nn::windowsOf(nn::padSpatial(x, geometry, 0), geometry), weight, groups,
                    perGroup);
  Dims result = {layer.shape[0], kernel[0]};
  for (size_t i = 0; i < geometry.rank(); ++i) {
    DimExpr room = geometry.size[i] + geometry.low[i] + geometry.high[i] - geometry.reach(i);
    result.push_back(floorDiv(room, DimExpr(geometry.strides[i])) + DimExpr(1));
  }
  return product(layer, x, weight, "y", Shape(result), geometry.low, geometry.strides,
                 geometry.dilations, groups);
}

} // namespace

Tensor conv(const Tensor &x, const Tensor &weight, const ConvOptions &options,
            std::source_location loc) {
  Layer layer(x, "conv", loc);
  return convolve(layer, x, weight, options);
}

Tensor conv(const Tensor &x, const Tensor &weight, const Tensor &bias, const ConvOptions &options,
            std::source_location loc) {
  Layer layer(x, "conv", loc);
  Tensor y = convolve(layer, x, weight, options);
  return addBias(layer, y, bias, weight, weight.shape()[0]);
}

static Tensor convOfRank(const Tensor &x, const Tensor &weight, const ConvOptions &options,
                         const char *name, int64_t rank, std::source_location loc) {
  Layer layer(x, name, loc);
  if (layer.shape.rank() != rank)
    layer.fail("needs an operand of rank " + std::to_string(rank), {layer.shape, weight.shape()});
  return convolve(layer, x, weight, options);
}

Tensor conv1d(const Tensor &x, const Tensor &weight, const ConvOptions &options,
              std::source_location loc) {
  return convOfRank(x, weight, options, "conv1d", 3, loc);
}
Tensor conv2d(const Tensor &x, const Tensor &weight, const ConvOptions &options,
              std::source_location loc) {
  return convOfRank(x, weight, options, "conv2d", 4, loc);
}
Tensor conv3d(const Tensor &x, const Tensor &weight, const ConvOptions &options,
              std::source_location loc) {
  return convOfRank(x, weight, options, "conv3d", 5, loc);
}

// -- Transposed -----------------------------------------------------------------------------------

namespace {

/// Every element of x times its group's weights: [N, M, p..., k...].
Tensor spreadOut(const Layer &layer, const Tensor &x, const Tensor &weight, int64_t groups,
                 const DimExpr &inputs) {
  int64_t n = layer.numSpatial();
  Shape kernel = weight.shape();
  DimExpr batch = layer.shape[0], perGroup = kernel[1];
  Dims result = {batch, perGroup * DimExpr(groups)};
  append(result, layer.shape, 2, n);
  append(result, kernel, 2, n);
  Dims left = {groups, inputs, perGroup}, right = {batch, groups, inputs};
  if (inputs == DimExpr(1)) {
    append(right, layer.shape, 2, n);
    right.insert(right.end(), static_cast<size_t>(n), DimExpr(1));
    left = {groups, perGroup};
    left.insert(left.end(), static_cast<size_t>(n), DimExpr(1));
    append(left, kernel, 2, n);
    return reshape(reshape(x, Shape(right)) * reshape(weight, Shape(left)), Shape(result));
  }
  append(left, kernel, 2, n);
  append(right, layer.shape, 2, n);
  if (groups == 1) {
    Tensor y =
        dotGeneral(weight, x, {.lhsContract = {0}, .rhsContract = {1}}); // [M, k..., N, p...]
    return transpose(y, joined(joined({1 + n, 0}, axesFrom(2 + n, n)), axesFrom(1, n)));
  }
  Tensor y = dotGeneral(reshape(weight, Shape(left)), reshape(x, Shape(right)),
                        {.lhsBatch = {0},
                         .rhsBatch = {1},
                         .lhsContract = {1},
                         .rhsContract = {2}}); // [G, M/G, k..., N, p...]
  return reshape(transpose(y, joined(joined({2 + n, 0, 1}, axesFrom(3 + n, n)), axesFrom(2, n))),
                 Shape(result));
}

/// What is cut off before and after axis i of a result of `full` elements; negative: added.
std::pair<DimExpr, DimExpr> cuts(const Layer &layer, const ConvTransposeOptions &options, size_t i,
                                 const DimExpr &size, int64_t stride, const DimExpr &full,
                                 int64_t extra) {
  auto entry = [&](const std::vector<int64_t> &given) -> int64_t {
    if (given.size() > 1 && given.size() != static_cast<size_t>(layer.numSpatial()))
      layer.fail(std::to_string(given.size()) + " paddings for " +
                 std::to_string(layer.numSpatial()) + " spatial axes");
    return given.empty() ? 0 : given[given.size() == 1 ? 0 : i];
  };
  if (options.padding.kind() == Padding::Kind::Explicit)
    return {entry(options.padding.lows()), entry(options.padding.highs()) - extra};
  DimExpr total = full + DimExpr(extra) - size * DimExpr(stride);
  DimExpr half = floorDiv(total, DimExpr(2));
  bool isLower = options.padding.kind() == Padding::Kind::SameLower;
  DimExpr before = isLower ? total - half : half;
  return {before, total - before - DimExpr(extra)};
}

Tensor convolveTransposed(const Layer &layer, const Tensor &x, const Tensor &weight,
                          const ConvTransposeOptions &options) {
  checkOperands(layer, weight, options.groups);
  int64_t n = layer.numSpatial(), groups = options.groups;
  Shape kernel = weight.shape();
  if (kernel[0] != layer.shape[1])
    layer.fail("the weight has " + kernel[0].str() + " input channels, the operand " +
                   layer.shape[1].str(),
               {layer.shape, kernel});
  DimExpr inputs = share(layer, weight, layer.shape[1], groups, "channels");
  std::vector<int64_t> strides = layer.perAxis(options.strides, n, 1, "stride");
  std::vector<int64_t> dilations = layer.perAxis(options.dilations, n, 1, "dilation");
  std::vector<int64_t> extras = options.outputPadding;
  if (extras.size() <= 1)
    extras.assign(static_cast<size_t>(n), extras.empty() ? 0 : extras[0]);
  if (static_cast<int64_t>(extras.size()) != n)
    layer.fail(std::to_string(extras.size()) + " output paddings for " + std::to_string(n) +
               " spatial axes");

  Shape full;
  for (int64_t i = 0; i < n; ++i) {
    auto k = static_cast<size_t>(i);
    if (kernel[2 + i].constant().value_or(1) <= 0)
      layer.fail("a window of " + kernel[2 + i].str() + " elements is empty",
                 {layer.shape, kernel});
    if (layer.shape[2 + i] == DimExpr(0))
      layer.fail("spatial axis " + std::to_string(i) + " is empty", {layer.shape, kernel});
    if (extras[k] < 0 || extras[k] > INT32_MAX)
      layer.fail("output padding " + std::to_string(extras[k]) + " is out of range",
                 {layer.shape, kernel});
    full.push_back((layer.shape[2 + i] - DimExpr(1)) * DimExpr(strides[k]) +
                   (kernel[2 + i] - DimExpr(1)) * DimExpr(dilations[k]) + DimExpr(1));
  }
  Dims low, high, result = {layer.shape[0], kernel[1] * DimExpr(groups)};
  bool isProduct = hasKnownWindow(kernel);
  for (int64_t i = 0; i < n; ++i) {
    auto k = static_cast<size_t>(i);
    auto [before, after] =
        cuts(layer, options, k, layer.shape[2 + i], strides[k], full[i], extras[k]);
    result.push_back(full[i] - before - after);
    if (result.back().constant().value_or(1) <= 0)
      layer.fail("the padding leaves nothing of spatial axis " + std::to_string(i) + " (" +
                     full[i].str() + ")",
                 {layer.shape, kernel});
    isProduct &= before.constant().value_or(-1) >= 0;
    low.push_back(before);
    high.push_back(after);
  }
  if (isProduct)
    return product(layer, weight, x, "x", Shape(result), low, strides, dilations, groups);
  Tensor y = overlapAdd(spreadOut(layer, x, weight, groups, inputs), full,
                        {.strides = strides, .dilations = dilations});
  for (int64_t i = 0; i < n; ++i)
    y = nn::extend(y, 2 + i, DimExpr(0) - low[static_cast<size_t>(i)],
                   DimExpr(0) - high[static_cast<size_t>(i)]);
  return y;
}

} // namespace

Tensor convTranspose(const Tensor &x, const Tensor &weight, const ConvTransposeOptions &options,
                     std::source_location loc) {
  Layer layer(x, "convTranspose", loc);
  return convolveTransposed(layer, x, weight, options);
}

Tensor convTranspose(const Tensor &x, const Tensor &weight, const Tensor &bias,
                     const ConvTransposeOptions &options, std::source_location loc) {
  Layer layer(x, "convTranspose", loc);
  Tensor y = convolveTransposed(layer, x, weight, options);
  return addBias(layer, y, bias, weight, weight.shape()[1] * DimExpr(options.groups));
}

} // namespace sinter
