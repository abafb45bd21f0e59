// SPDX-License-Identifier: Apache-2.0
// Internal: how a function made of ops begins.
#pragma once

#include "sinter/frontend/GraphImpl.h"

#include <optional>
#include <string>
#include <vector>

namespace sinter {

/// Opens the scope of a composite and checks what it is given: errors name the composite, its
/// shapes and the caller's line.
struct CompositeCall {
  CompositeCall(const Tensor &x, const char *name, std::source_location loc)
      : call{name, loc}, scope(x, name, loc), graph(GraphImpl::of(x, call)), shape(x.shape()),
        dtype(x.dtype()) {}

  [[noreturn]] void fail(const std::string &message, std::vector<Shape> shapes,
                         const std::string &hint = "") const {
    graph.fail(call, message, std::move(shapes), hint);
  }
  [[noreturn]] void fail(const std::string &message) const { fail(message, {shape}); }
  Graph handle() const { return GraphImpl::handle(graph.shared_from_this()); }

  void requireFloat() const {
    if (!isFloat(dtype))
      fail("needs floats, not " + std::string(name(dtype)), {shape},
           "convert it first: .cast(f32)");
  }
  void requireRank(int64_t least) const {
    if (shape.rank() < least)
      fail("needs rank " + std::to_string(least) + " or more");
  }
  /// `other` is defined, of this graph and of the same dtype.
  void requireSameDType(const Tensor &other, const std::string &what) const {
    graph.value(other, call);
    if (other.dtype() != dtype)
      fail(what + " is " + std::string(name(other.dtype())) + ", not " + std::string(name(dtype)),
           {shape, other.shape()}, "convert it: .cast(" + std::string(name(dtype)) + ")");
  }
  void requireInteger(const Tensor &other, const std::string &what) const {
    graph.value(other, call);
    if (!isInteger(other.dtype()))
      fail(what + " are integers, not " + std::string(name(other.dtype())), {shape, other.shape()},
           ".cast(i64)");
  }

  /// A non-negative axis below `rank` (that of x unless given).
  int64_t axis(int64_t axis, std::optional<int64_t> rank = std::nullopt) const {
    int64_t limit = rank.value_or(shape.rank());
    if (axis < -limit || axis >= limit)
      fail("axis " + std::to_string(axis) + " is out of range for rank " + std::to_string(limit));
    return axis < 0 ? axis + limit : axis;
  }
  /// The axes in the order given, non-negative and distinct.
  std::vector<int64_t> axes(const Axes &axes) const {
    std::vector<int64_t> result;
    if (axes.all())
      for (int64_t i = 0; i < shape.rank(); ++i)
        result.push_back(i);
    else
      for (int64_t entry : axes.list())
        result.push_back(axis(entry));
    for (size_t i = 0; i < result.size(); ++i)
      for (size_t j = 0; j < i; ++j)
        if (result[i] == result[j])
          fail("axis " + std::to_string(result[i]) + " is given twice");
    return result;
  }

  /// A size as an operand: a number where it is one, else a scalar of x's dtype or `as`.
  Operand sizeOperand(const DimExpr &size, std::optional<DType> as = std::nullopt) const {
    if (std::optional<int64_t> number = size.constant())
      return isFloat(as.value_or(dtype)) ? Operand(static_cast<double>(*number)) : Operand(*number);
    return handle().dimValue(as.value_or(dtype), size);
  }
  /// x in the dtype for sums of many: f32 for the 16-bit floats, which they would overflow.
  Tensor widened(const Tensor &x) const {
    return isFloat(x.dtype()) && byteSize(x.dtype()) == 2 ? x.cast(f32) : x;
  }
  Tensor narrowed(const Tensor &x) const { return x.cast(dtype); }
  /// Divides by the number of elements along `over`, less `correction`.
  Tensor divideByCount(const Tensor &total, const Axes &over, int64_t correction = 0) const {
    DimExpr count = 1;
    for (int64_t entry : axes(over))
      count *= shape[entry];
    return total / sizeOperand(count - DimExpr(correction), total.dtype());
  }

  Call call;
  Scope scope;
  GraphImpl &graph;
  Shape shape;
  DType dtype;
};

} // namespace sinter
