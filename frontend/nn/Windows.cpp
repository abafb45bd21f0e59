// SPDX-License-Identifier: Apache-2.0
#include "sinter/frontend/nn/Windows.h"

#include "sinter/frontend/nn/Layer.h"

#include <algorithm>

namespace sinter {

namespace nn {

Tensor windowsOf(const Tensor &x, const Geometry &geometry) {
  Call call{"windows", std::source_location::current()};
  GraphImpl &graph = GraphImpl::of(x, call);
  mlir::Value value = GraphImpl::rawValue(x);
  Shape shape = x.shape();
  std::vector<int64_t> dimensions = axesFrom(0, shape.rank());
  for (const DimExpr &size : geometry.window)
    shape.push_back(size);
  mlir::Value repeated =
      graph.create(call, "sinter.broadcast", value,
                   graph.named("dimensions", llvm::ArrayRef<int64_t>(dimensions)),
                   graph.type(call, x.dtype(), shape));
  return graph.tensor(
      graph.create(call, "sinter.window_read", repeated,
                   {graph.named("strides", llvm::ArrayRef<int64_t>(geometry.strides)),
                    graph.named("dilations", llvm::ArrayRef<int64_t>(geometry.dilations))}));
}

} // namespace nn

using nn::Layer;

Tensor windows(const Tensor &x, const std::vector<int64_t> &sizes, const WindowOptions &options,
               std::source_location loc) {
  Layer layer(x, "windows", loc);
  if (sizes.empty() || static_cast<int64_t>(sizes.size()) > layer.shape.rank())
    layer.fail("needs one size for each of the last axes, not " + std::to_string(sizes.size()));
  std::vector<DimExpr> window(sizes.begin(), sizes.end());
  return nn::windowsOf(
      x, nn::makeGeometry(layer, window, options.strides, options.dilations, {}, Shape(window)));
}

Tensor overlapAdd(const Tensor &y, const Shape &sizes, const WindowOptions &options,
                  std::source_location loc) {
  Layer layer(y, "overlapAdd", loc);
  int64_t n = sizes.rank(), first = layer.shape.rank() - 2 * n;
  if (n == 0 || first < 0)
    layer.fail("needs one size for each axis of windows, at most half of the rank",
               {layer.shape, sizes});
  std::vector<int64_t> strides = layer.perAxis(options.strides, n, 1, "stride");
  std::vector<int64_t> dilations = layer.perAxis(options.dilations, n, 1, "dilation");
  Shape result = layer.shape;
  for (int64_t i = 0; i < n; ++i)
    result[first + i] = sizes[i];
  Tensor written = layer.impl.tensor(
      layer.impl.create(layer.call, "sinter.window_write", GraphImpl::rawValue(y),
                        {layer.impl.named("strides", llvm::ArrayRef<int64_t>(strides)),
                         layer.impl.named("dilations", llvm::ArrayRef<int64_t>(dilations))},
                        layer.impl.type(layer.call, layer.dtype, result)));
  return sum(written, nn::axesFrom(first + n, n));
}

// -- Padding --------------------------------------------------------------------------------------

namespace {

/// x at positions along one axis that run from -low to size + high, brought back into it by `mode`.
Tensor surround(const Layer &layer, const Tensor &x, int64_t axis, int64_t low, int64_t high,
                PadMode mode) {
  DimExpr size = x.shape()[axis];
  if (std::optional<int64_t> count = size.constant()) {
    int64_t need = std::max(low, high) + (mode == PadMode::Reflect ? 1 : 0);
    if (mode == PadMode::Edge)
      need = 1;
    if (*count < need)
      layer.fail("padding (" + std::to_string(low) + ", " + std::to_string(high) + ") of axis " +
                     std::to_string(axis) + " needs at least " + std::to_string(need) +
                     " elements, not " + size.str(),
                 {layer.shape});
    std::vector<Tensor> parts;
    auto repeat = [&](int64_t from, int64_t times) {
      std::vector<DimExpr> sizes = x.shape().vector();
      sizes[static_cast<size_t>(axis)] = times;
      parts.push_back(broadcastTo(slice(x, axis, from, from + 1), Shape(std::move(sizes))));
    };
    constexpr int64_t fewSlices = 8;
    bool isShort = mode != PadMode::Reflect || low + high <= fewSlices;
    if (isShort) {
      if (low > 0 && mode == PadMode::Edge)
        repeat(0, low);
      if (low > 0 && mode == PadMode::Wrap)
        parts.push_back(slice(x, axis, *count - low, *count));
      if (mode == PadMode::Reflect)
        for (int64_t i = low; i > 0; --i)
          parts.push_back(slice(x, axis, i, i + 1));
      parts.push_back(x);
      if (high > 0 && mode == PadMode::Edge)
        repeat(*count - 1, high);
      if (high > 0 && mode == PadMode::Wrap)
        parts.push_back(slice(x, axis, 0, high));
      if (mode == PadMode::Reflect)
        for (int64_t i = 1; i <= high; ++i)
          parts.push_back(slice(x, axis, *count - 1 - i, *count - i));
      return concat(parts, axis);
    }
  }
  // By a computed index; one that is still out of range is reported when it is read.
  Graph graph = layer.graph();
  Tensor last = graph.dimValue(i64, size) - 1;
  Tensor index = graph.arange(i64, size + DimExpr(low + high)) - low;
  if (mode == PadMode::Edge)
    index = minimum(maximum(index, 0), last);
  else if (mode == PadMode::Reflect)
    index = last - abs(last - abs(index));
  else
    index = where(index < 0, index + last + 1, where(index > last, index - last - 1, index));
  return nn::gatherAlong(layer, x, axis, index);
}

} // namespace

Tensor pad(const Tensor &x, const std::vector<int64_t> &low, const std::vector<int64_t> &high,
           PadMode mode, std::source_location loc) {
  Layer layer(x, "pad", loc);
  auto rank = static_cast<size_t>(layer.shape.rank());
  if (low.size() != rank || high.size() != rank)
    layer.fail("needs one entry of low and high per axis, not " + std::to_string(low.size()) +
               " and " + std::to_string(high.size()));
  Tensor result = x;
  for (size_t i = 0; i < rank; ++i) {
    auto axis = static_cast<int64_t>(i);
    if (std::max(std::abs(low[i]), std::abs(high[i])) > INT32_MAX)
      layer.fail("padding (" + std::to_string(low[i]) + ", " + std::to_string(high[i]) +
                 ") is too large");
    int64_t before = std::max<int64_t>(low[i], 0), after = std::max<int64_t>(high[i], 0);
    if (mode != PadMode::Constant && (before > 0 || after > 0))
      result = surround(layer, result, axis, before, after, mode);
    else
      result = nn::extend(result, axis, before, after);
    result = nn::extend(result, axis, low[i] - before, high[i] - after);
  }
  return result;
}

} // namespace sinter
