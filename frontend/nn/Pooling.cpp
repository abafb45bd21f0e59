// SPDX-License-Identifier: Apache-2.0
#include "sinter/frontend/nn/Pooling.h"

#include "sinter/frontend/nn/Layer.h"
#include "sinter/frontend/nn/Windows.h"

#include <cmath>
#include <functional>
#include <limits>

namespace sinter {

using nn::axesFrom;
using nn::Geometry;
using nn::Layer;

namespace {

/// The number that a maximum never chooses over another.
double lowest(const Layer &layer) {
  if (isFloat(layer.dtype))
    return -std::numeric_limits<double>::infinity();
  if (layer.dtype == boolean)
    layer.fail("needs numbers, not bool", {layer.shape}, "convert it first: .cast(u8)");
  bool isSigned =
      layer.dtype == i8 || layer.dtype == i16 || layer.dtype == i32 || layer.dtype == i64;
  return isSigned ? -std::ldexp(1.0, 8 * static_cast<int>(byteSize(layer.dtype)) - 1) : 0.0;
}

/// The windows of one pooling layer. With ceilMode `geometry.high` reaches over the end, by what
/// `extra` says, and `count` is the number of windows.
struct Pool {
  Pool(const Layer &layer, const std::vector<int64_t> &sizes, const PoolOptions &options) {
    int64_t n = layer.numSpatial();
    if (static_cast<int64_t>(sizes.size()) != n)
      layer.fail("a window of " + std::to_string(sizes.size()) + " sizes for " + std::to_string(n) +
                 " spatial axes");
    std::vector<DimExpr> window(sizes.begin(), sizes.end());
    geometry = nn::makeGeometry(layer, window, options.strides.empty() ? sizes : options.strides,
                                options.dilations, options.padding, Shape(window));
    for (size_t i = 0; i < geometry.rank(); ++i)
      addWindows(i, options.ceilMode);
  }

  /// The windows of x with `value` around it.
  Tensor windows(const Tensor &x, double value) const {
    Tensor all = nn::windowsOf(nn::padSpatial(x, geometry, value), geometry);
    for (size_t i = 0; i < geometry.rank(); ++i) {
      auto axis = x.rank() - static_cast<int64_t>(geometry.rank() - i);
      if (all.shape()[axis] != count[i])
        all = slice(all, axis, 0, count[i]);
    }
    return all;
  }
  std::vector<int64_t> windowAxes(const Tensor &x) const {
    return axesFrom(x.rank(), static_cast<int64_t>(geometry.rank()));
  }
  bool hasPartialWindows() const {
    for (size_t i = 0; i < geometry.rank(); ++i)
      if (extra[i] != DimExpr(0))
        return true;
    return false;
  }

  Geometry geometry;
  std::vector<DimExpr> count, extra;

private:
  void addWindows(size_t i, bool ceilMode) {
    DimExpr stride(geometry.strides[i]), reach = geometry.reach(i);
    DimExpr padded = geometry.size[i] + geometry.low[i] + geometry.high[i];
    DimExpr whole = floorDiv(padded - reach, stride) + DimExpr(1);
    if (!ceilMode) {
      count.push_back(whole);
      extra.push_back(0);
      return;
    }
    // The last window starts in x or before it.
    DimExpr reaching = ceilDiv(padded - reach, stride);
    DimExpr starting = ceilDiv(geometry.size[i] + geometry.low[i], stride) - DimExpr(1);
    DimExpr last = reaching + starting - max(reaching, starting);
    DimExpr over = max(last * stride + reach - padded, DimExpr(0));
    geometry.high[i] += over;
    count.push_back(last + DimExpr(1));
    extra.push_back(over);
  }
};

} // namespace

Tensor maxPool(const Tensor &x, const std::vector<int64_t> &window, const PoolOptions &options,
               std::source_location loc) {
  Layer layer(x, "maxPool", loc);
  Pool pool(layer, window, options);
  return max(pool.windows(x, lowest(layer)), pool.windowAxes(x));
}

std::vector<Tensor> maxPoolWithIndices(const Tensor &x, const std::vector<int64_t> &window,
                                       const PoolOptions &options, std::source_location loc) {
  Layer layer(x, "maxPoolWithIndices", loc);
  Pool pool(layer, window, options);
  Tensor all = pool.windows(x, lowest(layer));
  Tensor values = max(all, pool.windowAxes(x));
  // The place in the window, as one number; then what it is along each axis.
  std::vector<DimExpr> sizes = values.shape().vector();
  DimExpr elements = 1;
  for (const DimExpr &size : pool.geometry.window)
    elements *= size;
  sizes.push_back(elements);
  Tensor place = argmax(reshape(all, Shape(std::move(sizes))), -1);

  Graph graph = layer.graph();
  Shape result = values.shape();
  Tensor index = graph.zeros(i64, result);
  DimExpr step = 1;
  for (int64_t axis = result.rank() - 1; axis >= 0; --axis) {
    Tensor along = graph.iota(i64, result, axis);
    if (axis >= 2) {
      auto i = static_cast<size_t>(axis) - 2;
      Tensor width = graph.dimValue(i64, pool.geometry.window[i]);
      Tensor above = place / width;
      along = along * pool.geometry.strides[i] +
              (place - above * width) * pool.geometry.dilations[i] -
              graph.dimValue(i64, pool.geometry.low[i]);
      place = above;
    }
    index = index + along * graph.dimValue(i64, step);
    step *= layer.shape[axis];
  }
  return {values, index};
}

namespace {

/// How many elements each window counts, as a tensor of the windows' sizes.
Tensor countsOf(const Layer &layer, const Pool &pool, bool includePad, DType dtype) {
  Graph graph = layer.graph();
  const Geometry &geometry = pool.geometry;
  Tensor product;
  for (size_t i = 0; i < geometry.rank(); ++i) {
    Geometry axis{.size = {geometry.size[i]},
                  .window = {geometry.window[i]},
                  .low = {geometry.low[i]},
                  .high = {geometry.high[i]},
                  .strides = {geometry.strides[i]},
                  .dilations = {geometry.dilations[i]}};
    DimExpr counted = geometry.size[i];
    if (includePad) {
      counted = counted + geometry.low[i] + geometry.high[i] - pool.extra[i];
      axis.low[0] = 0;
      axis.high[0] = pool.extra[i];
    }
    Tensor ones = nn::padSpatial(graph.ones(dtype, {counted}), axis, 0);
    Tensor count = slice(sum(nn::windowsOf(ones, axis), 1), 0, 0, pool.count[i]);
    std::vector<DimExpr> along(geometry.rank(), DimExpr(1));
    along[i] = pool.count[i];
    count = reshape(count, Shape(std::move(along)));
    product = product.defined() ? product * count : count;
  }
  return product;
}

} // namespace

Tensor avgPool(const Tensor &x, const std::vector<int64_t> &window, const PoolOptions &options,
               std::source_location loc) {
  Layer layer(x, "avgPool", loc);
  layer.requireFloat();
  Pool pool(layer, window, options);
  Tensor total = sum(pool.windows(layer.widened(x), 0), pool.windowAxes(x));
  bool isWhole =
      !pool.hasPartialWindows() && (options.countIncludePad || !pool.geometry.isPadded());
  if (!isWhole)
    return layer.narrowed(total / countsOf(layer, pool, options.countIncludePad, total.dtype()));
  double elements = 1;
  for (int64_t size : window)
    elements *= static_cast<double>(size);
  return layer.narrowed(total / elements);
}

Tensor lpPool(const Tensor &x, const std::vector<int64_t> &window, double p,
              const PoolOptions &options, std::source_location loc) {
  Layer layer(x, "lpPool", loc);
  layer.requireFloat();
  if (!(p > 0))
    layer.fail("p = " + std::to_string(p) + " is not positive");
  Pool pool(layer, window, options);
  return layer.narrowed(
      nn::rootOfSum(pool.windows(layer.widened(x), 0), pool.windowAxes(x), p, false));
}

// -- Adaptive -------------------------------------------------------------------------------------

namespace {

using Reduce = std::function<Tensor(const Tensor &, const Axes &)>;

/// Reduces one axis to `parts` windows of almost equal sizes, which may overlap.
Tensor alongAxis(const Layer &layer, const Tensor &x, int64_t axis, int64_t parts,
                 const Reduce &reduce) {
  DimExpr size = x.shape()[axis];
  std::vector<DimExpr> sizes = x.shape().vector();
  if (std::optional<DimExpr> each = size.dividedExactlyBy(DimExpr(parts))) {
    sizes[static_cast<size_t>(axis)] = parts;
    sizes.insert(sizes.begin() + axis + 1, *each);
    return reduce(reshape(x, Shape(std::move(sizes))), axis + 1);
  }
  std::optional<int64_t> count = size.constant();
  if (!count)
    layer.fail("size " + size.str() + " of axis " + std::to_string(axis) +
               " must be known, or divide by " + std::to_string(parts));
  std::vector<Tensor> rows;
  sizes[static_cast<size_t>(axis)] = 1;
  for (int64_t i = 0; i < parts; ++i) {
    int64_t begin = i * *count / parts, end = ((i + 1) * *count + parts - 1) / parts;
    rows.push_back(reshape(reduce(slice(x, axis, begin, end), axis), Shape(sizes)));
  }
  return concat(rows, axis);
}

Tensor adaptive(const Layer &layer, const Tensor &x, const std::vector<int64_t> &sizes,
                const Reduce &reduce) {
  int64_t n = layer.numSpatial();
  if (static_cast<int64_t>(sizes.size()) != n)
    layer.fail(std::to_string(sizes.size()) + " sizes for " + std::to_string(n) + " spatial axes");
  Tensor result = x;
  for (int64_t i = 0; i < n; ++i) {
    int64_t parts = sizes[static_cast<size_t>(i)];
    if (parts <= 0 || parts > 65536)
      layer.fail("size " + std::to_string(parts) + " of the result is out of range");
    if (layer.shape[2 + i] == DimExpr(0))
      layer.fail("spatial axis " + std::to_string(i) + " is empty");
    result = alongAxis(layer, result, 2 + i, parts, reduce);
  }
  return result;
}

} // namespace

Tensor adaptiveAvgPool(const Tensor &x, const std::vector<int64_t> &sizes,
                       std::source_location loc) {
  Layer layer(x, "adaptiveAvgPool", loc);
  layer.requireFloat();
  return adaptive(layer, x, sizes,
                  [](const Tensor &part, const Axes &axes) { return mean(part, axes); });
}

Tensor adaptiveMaxPool(const Tensor &x, const std::vector<int64_t> &sizes,
                       std::source_location loc) {
  Layer layer(x, "adaptiveMaxPool", loc);
  return adaptive(layer, x, sizes,
                  [](const Tensor &part, const Axes &axes) { return max(part, axes); });
}

Tensor globalAvgPool(const Tensor &x, std::source_location loc) {
  Layer layer(x, "globalAvgPool", loc);
  return mean(x, axesFrom(2, layer.numSpatial()), true);
}

Tensor globalMaxPool(const Tensor &x, std::source_location loc) {
  Layer layer(x, "globalMaxPool", loc);
  return max(x, axesFrom(2, layer.numSpatial()), true);
}

} // namespace sinter
