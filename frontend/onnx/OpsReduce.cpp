// SPDX-License-Identifier: Apache-2.0
#include "sinter/frontend/onnx/Node.h"
#include "sinter/frontend/onnx/OpsCommon.h"

#include <functional>

namespace sinter::onnx {
namespace {

// -- Reductions over axes -------------------------------------------------------------------------

/// How a reduction treats its operand; `axes` are never empty, unless the operand is a scalar.
using Reduce = Tensor (*)(const Tensor &x, const Axes &axes, bool keepDims);

Tensor sumOf(const Tensor &x, const Axes &axes, bool keepDims) { return x.sum(axes, keepDims); }
Tensor prodOf(const Tensor &x, const Axes &axes, bool keepDims) { return x.prod(axes, keepDims); }

Tensor maxOf(const Tensor &x, const Axes &axes, bool keepDims) {
  if (x.dtype() == boolean)
    return x.cast(i32).max(axes, keepDims).cast(boolean);
  return x.max(axes, keepDims);
}

Tensor minOf(const Tensor &x, const Axes &axes, bool keepDims) {
  if (x.dtype() == boolean)
    return x.cast(i32).min(axes, keepDims).cast(boolean);
  return x.min(axes, keepDims);
}

Tensor meanOf(const Tensor &x, const Axes &axes, bool keepDims) {
  if (isFloat(x.dtype()))
    return x.mean(axes, keepDims);
  return x.cast(f64).mean(axes, keepDims).cast(x.dtype());
}

Tensor l1Of(const Tensor &x, const Axes &axes, bool keepDims) {
  return x.abs().sum(axes, keepDims);
}

Tensor sumSquareOf(const Tensor &x, const Axes &axes, bool keepDims) {
  return (x * x).sum(axes, keepDims);
}

/// Integers go through f64 where the function needs a float, 16-bit floats through f32.
Tensor throughFloat(const Tensor &x, const std::function<Tensor(const Tensor &)> &function) {
  DType compute = isFloat(x.dtype()) ? computeDType(x.dtype()) : f64;
  return function(x.cast(compute)).cast(x.dtype());
}

Tensor l2Of(const Tensor &x, const Axes &axes, bool keepDims) {
  return throughFloat(x, [&](const Tensor &y) { return (y * y).sum(axes, keepDims).sqrt(); });
}

Tensor logSumOf(const Tensor &x, const Axes &axes, bool keepDims) {
  return throughFloat(x, [&](const Tensor &y) { return y.sum(axes, keepDims).log(); });
}

Tensor logSumExpOf(const Tensor &x, const Axes &axes, bool keepDims) {
  return throughFloat(x, [&](const Tensor &y) { return y.logsumexp(axes, keepDims); });
}

/// Axes are an attribute, and an input from version `inputSince` on. Without axes all are reduced,
/// or none when noop_with_empty_axes says so (what happens to each element alone still does).
template <Reduce reduce, int64_t inputSince> void importReduce(Node &node) {
  Tensor x = node.input(0);
  bool keepDims = node.flagAttribute("keepdims", true);
  std::vector<int64_t> axes;
  bool none = false;
  if (node.opset() >= inputSince) {
    if (node.has(1))
      axes = node.knownInts(1);
    none = axes.empty() && node.flagAttribute("noop_with_empty_axes", false);
    node.ignoreAttribute("noop_with_empty_axes");
  } else {
    axes = node.intsAttribute("axes", std::vector<int64_t>{});
  }
  if (none) { // Reduces a new axis of size 1 instead.
    return node.output(0,
                       reduce(x.expandDims(x.rank()), Axes(std::vector<int64_t>{x.rank()}), false));
  }
  if (x.rank() == 0)
    return node.output(0, reduce(x.reshape({1}), Axes(std::vector<int64_t>{0}), false));
  axes = axes.empty() ? axisRange(0, x.rank()) : node.axes(axes, x.rank());
  node.output(0, reduce(x, Axes(axes), keepDims));
}

// -- Positions ------------------------------------------------------------------------------------

template <bool largest> void importArg(Node &node) {
  Tensor x = node.input(0);
  if (x.rank() == 0)
    node.invalid("the input must not be a scalar");
  int64_t axis = node.axis(node.intAttribute("axis", 0), x.rank());
  bool keepDims = node.flagAttribute("keepdims", true);
  bool last = node.opset() >= 12 && node.flagAttribute("select_last_index", false);
  if (!last) {
    // Inverted bits reverse the order of all integers, without overflow.
    Tensor ordered = largest ? x : isFloat(x.dtype()) ? -x : bitNot(x);
    return node.output(0, ordered.argmax(axis, keepDims));
  }
  std::vector<int64_t> over{axis};
  Tensor extreme = largest ? x.max(Axes(over), true) : x.min(Axes(over), true);
  Tensor positions = node.graph().iota(i64, x.shape(), axis);
  Tensor found = x.equal(extreme);
  if (isFloat(x.dtype()))
    found = found || isNan(x); // Where there is a NaN, it is the extreme.
  node.output(0, where(found, positions, -1).max(Axes(over), keepDims));
}

} // namespace

// -- Table ----------------------------------------------------------------------------------------

std::span<const OpHandler> reduceHandlers() {
  static constexpr OpHandler table[] = {
      {"ArgMax", 1, importArg<true>},
      {"ArgMin", 1, importArg<false>},
      {"ReduceL1", 1, importReduce<l1Of, 18>},
      {"ReduceL2", 1, importReduce<l2Of, 18>},
      {"ReduceLogSum", 1, importReduce<logSumOf, 18>},
      {"ReduceLogSumExp", 1, importReduce<logSumExpOf, 18>},
      {"ReduceMax", 1, importReduce<maxOf, 18>},
      {"ReduceMean", 1, importReduce<meanOf, 18>},
      {"ReduceMin", 1, importReduce<minOf, 18>},
      {"ReduceProd", 1, importReduce<prodOf, 18>},
      {"ReduceSum", 1, importReduce<sumOf, 13>},
      {"ReduceSumSquare", 1, importReduce<sumSquareOf, 18>},
  };
  return table;
}

} // namespace sinter::onnx
