// SPDX-License-Identifier: Apache-2.0
#include "sinter/frontend/nn/Layer.h"

#include "sinter/frontend/MixedDTypes.h"
#include "sinter/frontend/nn/Windows.h"

#include <numeric>

namespace sinter::nn {

void Layer::requireFloat() const {
  if (!isFloat(dtype))
    fail("needs a float dtype, not " + std::string(name(dtype)), {shape},
         "convert it first: .cast(f32)");
}

void Layer::requireSame(const Tensor &other, const std::string &what) const {
  impl.value(other, call);
  if (other.dtype() == dtype)
    return;
  const MixedDTypes mixed(dtype, other.dtype(), " of the operand and the " + what);
  fail(mixed.message, {shape, other.shape()}, mixed.hint);
}

void Layer::requirePerChannel(const Tensor &other, const std::string &what) const {
  requireSame(other, what);
  if (shape.rank() < 2)
    fail("needs a batch and a channel axis");
  if (other.shape() != Shape{shape[1]})
    fail(what + " needs one number per channel (axis 1)", {shape, other.shape()});
}

int64_t Layer::axis(int64_t axis) const {
  if (axis < -shape.rank() || axis >= shape.rank())
    fail("axis " + std::to_string(axis) + " is out of range for rank " +
         std::to_string(shape.rank()));
  return axis < 0 ? axis + shape.rank() : axis;
}

int64_t Layer::numSpatial() const {
  if (shape.rank() < 3)
    fail("needs [batch, channels, spatial...], so at least rank 3");
  return shape.rank() - 2;
}

std::vector<int64_t> Layer::perAxis(const std::vector<int64_t> &given, int64_t count,
                                    int64_t otherwise, const std::string &what) const {
  auto n = static_cast<size_t>(count);
  std::vector<int64_t> result = given;
  if (given.size() <= 1)
    result.assign(n, given.empty() ? otherwise : given.front());
  if (result.size() != n)
    fail(std::to_string(given.size()) + " " + what + "s for " + std::to_string(count) +
         " spatial axes");
  for (int64_t value : result)
    if (value <= 0 || value > INT32_MAX)
      fail(what + " " + std::to_string(value) +
           (value <= 0 ? " is not positive" : " is too large"));
  return result;
}

Tensor Layer::sizeValue(const DimExpr &size, DType as) const {
  if (std::optional<int64_t> number = size.constant())
    return graph().scalar(as,
                          isFloat(as) ? Operand(static_cast<double>(*number)) : Operand(*number));
  return graph().dimValue(as, size);
}

Tensor Layer::widened(const Tensor &x) const {
  return isFloat(x.dtype()) && byteSize(x.dtype()) == 2 ? x.cast(f32) : x;
}

DimExpr Geometry::reach(size_t i) const {
  return (window[i] - DimExpr(1)) * DimExpr(dilations[i]) + DimExpr(1);
}

bool Geometry::isPadded() const {
  for (size_t i = 0; i < rank(); ++i)
    if (low[i] != DimExpr(0) || high[i] != DimExpr(0))
      return true;
  return false;
}

bool Geometry::isTrivial() const {
  for (size_t i = 0; i < rank(); ++i)
    if (window[i] != DimExpr(1) || strides[i] != 1)
      return false;
  return true;
}

namespace {

/// One entry per axis of an explicit padding.
std::vector<int64_t> paddingOf(const Layer &layer, const std::vector<int64_t> &given, size_t n) {
  std::vector<int64_t> result = given;
  if (given.size() <= 1)
    result.assign(n, given.empty() ? 0 : given.front());
  if (result.size() != n)
    layer.fail(std::to_string(given.size()) + " paddings for " + std::to_string(n) +
               " spatial axes");
  for (int64_t value : result)
    if (value < 0 || value > INT32_MAX)
      layer.fail("padding " + std::to_string(value) +
                 (value < 0 ? " is negative" : " is too large"));
  return result;
}

} // namespace

Geometry makeGeometry(const Layer &layer, std::vector<DimExpr> window,
                      const std::vector<int64_t> &strides, const std::vector<int64_t> &dilations,
                      const Padding &padding, const Shape &other) {
  Geometry result;
  auto n = static_cast<int64_t>(window.size());
  result.strides = layer.perAxis(strides, n, 1, "stride");
  result.dilations = layer.perAxis(dilations, n, 1, "dilation");
  result.window = std::move(window);
  std::vector<int64_t> low, high;
  if (padding.kind() == Padding::Kind::Explicit) {
    low = paddingOf(layer, padding.lows(), result.window.size());
    high = paddingOf(layer, padding.highs(), result.window.size());
  }
  for (size_t i = 0; i < result.window.size(); ++i) {
    DimExpr size = layer.shape[layer.shape.rank() - n + static_cast<int64_t>(i)];
    result.size.push_back(size);
    DimExpr reach = result.reach(i), before = 0, after = 0;
    if (padding.kind() == Padding::Kind::Explicit) {
      before = low[i];
      after = high[i];
    } else {
      DimExpr stride(result.strides[i]);
      DimExpr total = max((ceilDiv(size, stride) - DimExpr(1)) * stride + reach - size, DimExpr(0));
      DimExpr half = floorDiv(total, DimExpr(2));
      bool isLower = padding.kind() == Padding::Kind::SameLower;
      before = isLower ? total - half : half;
      after = total - before;
    }
    result.low.push_back(before);
    result.high.push_back(after);
    if (result.window[i].constant().value_or(1) <= 0)
      layer.fail("a window of " + result.window[i].str() + " elements is empty",
                 {layer.shape, other});
    DimExpr padded = size + before + after;
    if ((padded - reach).constant().value_or(0) < 0)
      layer.fail("a window of " + result.window[i].str() + " elements" +
                     (result.dilations[i] == 1 ? "" : " (reach " + reach.str() + ")") +
                     " is larger than spatial axis " + std::to_string(i) + " (" + size.str() +
                     ", padded " + padded.str() + ")",
                 {layer.shape, other});
  }
  return result;
}

Tensor extend(const Tensor &x, int64_t axis, const DimExpr &low, const DimExpr &high,
              double value) {
  Tensor result = x;
  auto cut = [](const DimExpr &amount) { return amount.constant().value_or(0) < 0; };
  if (cut(low) || cut(high)) {
    DimExpr size = x.shape()[axis];
    result = slice(result, axis, cut(low) ? DimExpr(0) - low : DimExpr(0),
                   cut(high) ? size + high : size);
  }
  DimExpr before = cut(low) ? DimExpr(0) : low, after = cut(high) ? DimExpr(0) : high;
  if (before == DimExpr(0) && after == DimExpr(0))
    return result;
  std::vector<DimExpr> lows(static_cast<size_t>(x.rank()), DimExpr(0)), highs = lows;
  lows[static_cast<size_t>(axis)] = before;
  highs[static_cast<size_t>(axis)] = after;
  return pad(result, Shape(std::move(lows)), Shape(std::move(highs)), value);
}

Tensor padSpatial(const Tensor &x, const Geometry &geometry, double value) {
  if (!geometry.isPadded())
    return x;
  std::vector<DimExpr> low(static_cast<size_t>(x.rank()) - geometry.rank(), DimExpr(0));
  std::vector<DimExpr> high = low;
  low.insert(low.end(), geometry.low.begin(), geometry.low.end());
  high.insert(high.end(), geometry.high.begin(), geometry.high.end());
  return pad(x, Shape(std::move(low)), Shape(std::move(high)), value);
}

std::vector<int64_t> axesFrom(int64_t first, int64_t count) {
  std::vector<int64_t> axes(static_cast<size_t>(count));
  std::iota(axes.begin(), axes.end(), first);
  return axes;
}

Tensor perChannel(const Tensor &x, int64_t rank) {
  std::vector<DimExpr> sizes(static_cast<size_t>(rank) - 1, DimExpr(1));
  sizes[0] = x.shape()[0];
  return reshape(x, Shape(std::move(sizes)));
}

} // namespace sinter::nn
