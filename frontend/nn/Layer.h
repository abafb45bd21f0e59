// SPDX-License-Identifier: Apache-2.0
// Internal: what the functions of frontend/nn check and share.
#pragma once

#include "sinter/frontend/Composite.h"
#include "sinter/frontend/GraphImpl.h"
#include "sinter/frontend/nn/Options.h"

#include <string>
#include <vector>

namespace sinter::nn {

/// The first operand of a function made of operators: opens its scope and checks what it is given.
struct Layer {
  Layer(const Tensor &x, const char *name, std::source_location loc)
      : call{name, loc}, scope(x, name, loc), impl(GraphImpl::of(x, call)), shape(x.shape()),
        dtype(x.dtype()) {}

  [[noreturn]] void fail(const std::string &message, std::vector<Shape> shapes,
                         const std::string &hint = "") const {
    impl.fail(call, message, std::move(shapes), hint);
  }
  [[noreturn]] void fail(const std::string &message) const { fail(message, {shape}); }
  Graph graph() const { return GraphImpl::handle(impl.shared_from_this()); }
  void requireFloat() const;
  /// The other operand is of the same graph and dtype.
  void requireSame(const Tensor &other, const std::string &what) const;
  /// The other operand is one number per channel.
  void requirePerChannel(const Tensor &other, const std::string &what) const;
  int64_t axis(int64_t axis) const;
  /// [N, C, p...] with at least one p.
  int64_t numSpatial() const;
  /// One positive number per spatial axis: none given means `otherwise`, a single one serves all.
  std::vector<int64_t> perAxis(const std::vector<int64_t> &given, int64_t count, int64_t otherwise,
                               const std::string &what) const;
  /// A size as a scalar of that dtype.
  Tensor sizeValue(const DimExpr &size, DType as) const;
  /// x in the dtype for sums of many: f32 for the 16-bit floats, which they would overflow.
  Tensor widened(const Tensor &x) const;
  Tensor narrowed(const Tensor &x) const { return x.cast(dtype); }

  Call call;
  Scope scope;
  GraphImpl &impl;
  Shape shape;
  DType dtype;
};

/// The windows of one layer over its spatial axes, with the padding that they need.
struct Geometry {
  std::vector<DimExpr> size, window, low, high;
  std::vector<int64_t> strides, dilations;

  size_t rank() const { return size.size(); }
  /// The extent of a window.
  DimExpr reach(size_t i) const;
  bool isPadded() const;
  /// Every window is one element, and windows touch.
  bool isTrivial() const;
  WindowOptions options() const { return {.strides = strides, .dilations = dilations}; }
};

/// Checks strides, dilations and padding, and that a window fits; `other` is the shape that an
/// error shows beside the operand's.
Geometry makeGeometry(const Layer &layer, std::vector<DimExpr> window,
                      const std::vector<int64_t> &strides, const std::vector<int64_t> &dilations,
                      const Padding &padding, const Shape &other);
/// x with the padding of its spatial axes (the last ones) around it.
Tensor padSpatial(const Tensor &x, const Geometry &geometry, double value);
/// The windows of x, which is padded.
Tensor windowsOf(const Tensor &x, const Geometry &geometry);
/// `count` axes from `first` on.
std::vector<int64_t> axesFrom(int64_t first, int64_t count);
/// One number per channel, ready to broadcast to [N, C, p...].
Tensor perChannel(const Tensor &x, int64_t rank);
/// x at the positions of `index` (i64) along one axis; further axes of `index` become the last
/// ones.
Tensor gatherAlong(const Layer &layer, const Tensor &x, int64_t axis, const Tensor &index);
/// (sum of |x|^p)^(1/p); where all is 0 it is 0, and so is the gradient.
Tensor rootOfSum(const Tensor &x, const Axes &axes, double p, bool keepDims);
/// x with `low` and `high` more elements (fewer where negative) along one axis.
Tensor extend(const Tensor &x, int64_t axis, const DimExpr &low, const DimExpr &high,
              double value = 0);

} // namespace sinter::nn
