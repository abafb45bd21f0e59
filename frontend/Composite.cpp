// SPDX-License-Identifier: Apache-2.0
#include "sinter/frontend/Composite.h"

#include "sinter/frontend/GraphImpl.h"

#include <limits>

namespace sinter {

namespace {

/// Opens the scope of a composite and checks what it is given.
struct Composite {
  Composite(const Tensor &x, const char *name, std::source_location loc)
      : call{name, loc}, scope(x, name, loc), graph(GraphImpl::of(x, call)), shape(x.shape()),
        dtype(x.dtype()) {}

  [[noreturn]] void fail(const std::string &message, std::vector<Shape> shapes,
                         const std::string &hint = "") const {
    graph.fail(call, message, std::move(shapes), hint);
  }
  void requireFloat() const {
    if (!isFloat(dtype))
      fail("needs f32 or f64, not " + std::string(name(dtype)), {shape},
           "convert it first: .cast(f32)");
  }
  int64_t axis(int64_t axis) const {
    if (axis < -shape.rank() || axis >= shape.rank())
      fail("axis " + std::to_string(axis) + " is out of range for rank " +
               std::to_string(shape.rank()),
           {shape});
    return axis < 0 ? axis + shape.rank() : axis;
  }
  /// Divides by the number of elements along `axes`, less `correction`.
  Tensor divideByCount(const Tensor &total, const Axes &axes, int64_t correction = 0) const {
    DimExpr count = 1;
    if (axes.all())
      count = shape.numElements();
    else
      for (int64_t entry : axes.list())
        count *= shape[axis(entry)];
    count = count - DimExpr(correction);
    if (std::optional<int64_t> number = count.constant())
      return total / static_cast<double>(*number);
    return total / GraphImpl::handle(graph.shared_from_this()).dimValue(dtype, count);
  }

  Call call;
  Scope scope;
  GraphImpl &graph;
  Shape shape;
  DType dtype;
};

} // namespace

// -- Arithmetic -----------------------------------------------------------------------------------

Tensor square(const Tensor &x, std::source_location loc) {
  Composite c(x, "square", loc);
  return x * x;
}

Tensor reciprocal(const Tensor &x, std::source_location loc) {
  Composite c(x, "reciprocal", loc);
  c.requireFloat();
  return 1 / x;
}

Tensor clamp(const Tensor &x, const Operand &low, const Operand &high, std::source_location loc) {
  Composite c(x, "clamp", loc);
  return minimum(maximum(x, low), high);
}

// -- Statistics -----------------------------------------------------------------------------------

Tensor mean(const Tensor &x, const Axes &axes, bool keepDims, std::source_location loc) {
  Composite c(x, "mean", loc);
  c.requireFloat();
  return c.divideByCount(x.sum(axes, keepDims), axes);
}

Tensor var(const Tensor &x, const Axes &axes, bool keepDims, int64_t correction,
           std::source_location loc) {
  Composite c(x, "var", loc);
  c.requireFloat();
  Tensor centred = x - c.divideByCount(x.sum(axes, true), axes);
  return c.divideByCount((centred * centred).sum(axes, keepDims), axes, correction);
}

/// The maxima to subtract before exp(): any finite number would do, so no gradient flows through
/// them.
static Tensor shift(const Tensor &x, const Axes &axes) { return x.max(axes, true).stopGradient(); }

Tensor logsumexp(const Tensor &x, const Axes &axes, bool keepDims, std::source_location loc) {
  Composite c(x, "logsumexp", loc);
  c.requireFloat();
  // Of infinite maxima nothing is subtracted: inf - inf would make NaN of what is ±inf.
  Tensor largest = shift(x, axes);
  largest = where(abs(largest) < std::numeric_limits<double>::infinity(), largest, 0);
  Tensor result = log((x - largest).exp().sum(axes, true)) + largest;
  return keepDims ? result : result.reshape(x.sum(axes).shape());
}

// -- Activations ----------------------------------------------------------------------------------

Tensor softmax(const Tensor &x, int64_t axis, std::source_location loc) {
  Composite c(x, "softmax", loc);
  c.requireFloat();
  axis = c.axis(axis);
  Tensor e = exp(x - shift(x, axis));
  return e / e.sum(axis, true);
}

Tensor logSoftmax(const Tensor &x, int64_t axis, std::source_location loc) {
  Composite c(x, "logSoftmax", loc);
  c.requireFloat();
  axis = c.axis(axis);
  Tensor shifted = x - shift(x, axis);
  return shifted - log(shifted.exp().sum(axis, true));
}

Tensor gelu(const Tensor &x, Gelu form, std::source_location loc) {
  Composite c(x, "gelu", loc);
  c.requireFloat();
  if (form == Gelu::Erf)
    return 0.5 * x * (1 + erf(x * 0.70710678118654752));
  return 0.5 * x * (1 + tanh(0.79788456080286536 * (x + 0.044715 * x * x * x)));
}

Tensor silu(const Tensor &x, std::source_location loc) {
  Composite c(x, "silu", loc);
  c.requireFloat();
  return x * sigmoid(x);
}

Tensor softplus(const Tensor &x, std::source_location loc) {
  Composite c(x, "softplus", loc);
  c.requireFloat();
  return maximum(x, 0) + log1p(exp(-abs(x)));
}

Tensor leakyRelu(const Tensor &x, double slope, std::source_location loc) {
  Composite c(x, "leakyRelu", loc);
  c.requireFloat();
  return where(x > 0, x, slope * x);
}

// -- Layers ---------------------------------------------------------------------------------------

Tensor linear(const Tensor &x, const Tensor &weight, const Tensor &bias, std::source_location loc) {
  Composite c(x, "linear", loc);
  return x.matmul(weight) + bias;
}

Tensor embedding(const Tensor &table, const Tensor &indices, std::source_location loc) {
  Composite c(table, "embedding", loc);
  return gatherRows(table, indices);
}

Tensor layerNorm(const Tensor &x, const Tensor &gamma, const Tensor &beta, double epsilon,
                 std::source_location loc) {
  Composite c(x, "layerNorm", loc);
  c.requireFloat();
  c.graph.value(gamma, c.call);
  c.graph.value(beta, c.call);
  Shape scale = gamma.shape();
  if (scale.rank() == 0 || scale.rank() > c.shape.rank())
    c.fail("gamma needs rank 1 to " + std::to_string(c.shape.rank()), {c.shape, scale});
  if (scale != beta.shape())
    c.fail("gamma and beta have different shapes", {scale, beta.shape()});
  std::vector<int64_t> axes;
  for (int64_t i = 0; i < scale.rank(); ++i) {
    int64_t axis = c.shape.rank() - scale.rank() + i;
    if (c.shape[axis] != scale[i])
      c.fail("gamma does not have the sizes of the last axes", {c.shape, scale});
    axes.push_back(axis);
  }
  Tensor centred = x - c.divideByCount(x.sum(axes, true), axes);
  Tensor variance = c.divideByCount((centred * centred).sum(axes, true), axes);
  return centred * rsqrt(variance + epsilon) * gamma + beta;
}

Tensor oneHot(const Tensor &indices, const DimExpr &classes, DType dtype,
              std::source_location loc) {
  Composite c(indices, "oneHot", loc);
  if (!isInteger(c.dtype))
    c.fail("indices are integers, not " + std::string(name(c.dtype)), {c.shape}, ".cast(i64)");
  Graph graph = GraphImpl::handle(c.graph.shared_from_this());
  return equal(indices.expandDims(-1), graph.arange(c.dtype, classes)).cast(dtype);
}

// -- Losses ---------------------------------------------------------------------------------------

Tensor softmaxCrossEntropy(const Tensor &logits, const Tensor &labels, std::source_location loc) {
  Composite c(logits, "softmaxCrossEntropy", loc);
  c.requireFloat();
  c.graph.value(labels, c.call);
  Shape labelShape = labels.shape();
  std::vector<Shape> shapes = {c.shape, labelShape};
  if (!isInteger(labels.dtype()))
    c.fail("labels are integers (i32 or i64), not " + std::string(name(labels.dtype())), shapes,
           "for one-hot rows write -(target * logits.logSoftmax()).sum(-1)");
  if (c.shape.rank() == 0)
    c.fail("logits need at least one axis", shapes);
  std::vector<DimExpr> leading = c.shape.vector();
  leading.pop_back();
  if (Shape(leading) != labelShape)
    c.fail("labels need the sizes of logits without the last", shapes,
           c.shape == labelShape ? "labels are indices, not one-hot rows" : "");
  // As in logSoftmax, but nothing of the logits' size is kept: only the label's entry is read.
  Tensor largest = shift(logits, -1);
  Tensor total = (logits - largest).exp().sum(-1);
  return log(total) - (logits.pick(labels) - largest.reshape(labelShape));
}

Tensor mse(const Tensor &prediction, const Operand &target, std::source_location loc) {
  Composite c(prediction, "mse", loc);
  c.requireFloat();
  if (target.isTensor()) {
    c.graph.value(target.tensor(), c.call);
    if (target.tensor().shape() != c.shape)
      c.fail("prediction and target have different shapes", {c.shape, target.tensor().shape()},
             "broadcasting in a loss is mostly a mistake; use broadcastTo if it is meant");
  }
  Tensor difference = prediction - target;
  return c.divideByCount((difference * difference).sum(), {});
}

} // namespace sinter
