// SPDX-License-Identifier: Apache-2.0
#include "sinter/frontend/Quantize.h"

#include "sinter/frontend/Composite.h"
#include "sinter/frontend/CompositeCall.h"

namespace sinter {

namespace {

struct Range {
  double low, high;
};

Range rangeOf(DType dtype) {
  double span = static_cast<double>(int64_t{1} << (8 * byteSize(dtype)));
  return isUnsigned(dtype) ? Range{0, span - 1} : Range{-span / 2, span / 2 - 1};
}

/// Scale and zero point of one call, ready to broadcast to x.
struct Grid {
  Grid(const CompositeCall &c, const Tensor &scale, const QuantizeOptions &options)
      : c(c), options(options) {
    c.graph.value(scale, c.call);
    if (!isFloat(scale.dtype()))
      c.fail("the scale is " + std::string(name(scale.dtype())) + ", not a float",
             {c.shape, scale.shape()});
    this->scale = placed(scale);
    if (options.zeroPoint.defined()) {
      c.graph.value(options.zeroPoint, c.call);
      if (options.zeroPoint.shape() != scale.shape())
        c.fail("the zero point does not have the scale's shape",
               {options.zeroPoint.shape(), scale.shape()});
      zeroPoint = placed(options.zeroPoint);
    }
  }

  DType quantized() const {
    DType dtype = zeroPoint.defined() ? zeroPoint.dtype() : options.dtype;
    if (!isInteger(dtype) || byteSize(dtype) > 2)
      c.fail("quantizes to i8, u8, i16 or u16, not " + std::string(name(dtype)));
    return dtype;
  }

  /// round(x / scale) + zeroPoint within the range, as a float.
  Tensor steps(const Tensor &x) const {
    Range range = rangeOf(quantized());
    Tensor wide = c.widened(x);
    Tensor result = round(wide / scale.cast(wide.dtype()));
    if (zeroPoint.defined())
      result = result + zeroPoint.cast(wide.dtype());
    return clamp(result, range.low, range.high);
  }

  /// (q - zeroPoint) * scale in the scale's dtype; q may be a float.
  Tensor value(const Tensor &q) const {
    Tensor wide = c.widened(scale);
    Tensor distance = q;
    if (isFloat(q.dtype()))
      distance = zeroPoint.defined() ? q - zeroPoint.cast(q.dtype()) : q;
    else if (zeroPoint.defined())
      distance = q.cast(i32) - zeroPoint.cast(i32);
    return (distance.cast(wide.dtype()) * wide).cast(scale.dtype());
  }

  const CompositeCall &c;
  const QuantizeOptions &options;
  Tensor scale, zeroPoint;

private:
  /// A vector along the axis of x.
  Tensor placed(const Tensor &vector) const {
    Shape given = vector.shape();
    if (given.rank() == 0 || given == Shape{1})
      return given.rank() == 0 ? vector : vector.reshape({});
    int64_t axis = c.axis(options.axis);
    if (given != Shape{c.shape[axis]})
      c.fail("needs a scalar or one number per index of axis " + std::to_string(axis),
             {c.shape, given});
    Shape shape(std::vector<DimExpr>(static_cast<size_t>(c.shape.rank()), DimExpr(1)));
    shape[axis] = given[0];
    return vector.reshape(shape);
  }
};

} // namespace

Tensor quantizeLinear(const Tensor &x, const Tensor &scale, const QuantizeOptions &options,
                      std::source_location loc) {
  CompositeCall c(x, "quantizeLinear", loc);
  c.requireFloat();
  Grid grid(c, scale, options);
  return grid.steps(x).cast(grid.quantized());
}

Tensor dequantizeLinear(const Tensor &q, const Tensor &scale, const QuantizeOptions &options,
                        std::source_location loc) {
  CompositeCall c(q, "dequantizeLinear", loc);
  if (!isInteger(c.dtype))
    c.fail("needs integers, not " + std::string(name(c.dtype)));
  Grid grid(c, scale, options);
  if (grid.zeroPoint.defined() && grid.zeroPoint.dtype() != c.dtype)
    c.fail("the zero point is " + std::string(name(grid.zeroPoint.dtype())) + ", not " +
           std::string(name(c.dtype)));
  return grid.value(q);
}

Tensor fakeQuantize(const Tensor &x, const Tensor &scale, const QuantizeOptions &options,
                    std::source_location loc) {
  CompositeCall c(x, "fakeQuantize", loc);
  c.requireFloat();
  Grid grid(c, scale.stopGradient(), options);
  Range range = rangeOf(grid.quantized());
  Tensor rounded = grid.value(grid.steps(x)).cast(c.dtype).stopGradient();
  auto bound = [&](double end) {
    return grid.value(c.handle().full(c.widened(x).dtype(), {}, end)).cast(c.dtype);
  };
  // Adds exactly 0, with the gradient of x held within the range.
  Tensor held = clamp(x, bound(range.low), bound(range.high));
  return rounded + (held - held.stopGradient());
}

Quantized dynamicQuantize(const Tensor &x, std::source_location loc) {
  CompositeCall c(x, "dynamicQuantize", loc);
  c.requireFloat();
  // 0 lies in the range, so that it is represented exactly.
  Tensor low = minimum(x.min(), 0), high = maximum(x.max(), 0);
  Tensor span = (high - low) / 255;
  Tensor scale = where(equal(span, 0), 1, span);
  Tensor zeroPoint = clamp(round(-low / scale), 0, 255);
  Tensor values = clamp(round(x / scale) + zeroPoint, 0, 255);
  return {values.cast(u8), scale, zeroPoint.cast(u8)};
}

} // namespace sinter
