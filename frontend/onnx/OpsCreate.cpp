// SPDX-License-Identifier: Apache-2.0
// Tensors from nothing: constants and ranges.
#include "sinter/frontend/onnx/Node.h"
#include "sinter/frontend/onnx/OpsCommon.h"

#include <cmath>

namespace sinter::onnx {

// -- Constants ------------------------------------------------------------------------------------

static Array constantValue(Node &node) {
  if (node.hasAttribute("value"))
    return node.tensorAttribute("value");
  if (node.hasAttribute("value_float"))
    return Array::scalar(static_cast<float>(node.floatAttribute("value_float")));
  if (node.hasAttribute("value_int"))
    return Array::scalar(node.intAttribute("value_int"));
  if (node.hasAttribute("value_ints"))
    return Array::from(node.intsAttribute("value_ints"));
  if (node.hasAttribute("value_floats")) {
    std::vector<double> values = node.floatsAttribute("value_floats");
    return Array::from(std::vector<float>(values.begin(), values.end()));
  }
  node.unsupported("a constant that is a string, sparse or without a value");
}

static void importConstant(Node &node) {
  node.output(0, node.graph().constant(constantValue(node)));
}

static void importConstantOfShape(Node &node) {
  Shape shape(node.knownDims(0));
  Array value = node.hasAttribute("value") ? node.tensorAttribute("value") : Array::scalar(0.0f);
  if (value.numElements() != 1)
    node.invalid("its value must have one element");
  node.output(0, node.graph().constant(value.reshape({})).broadcastTo(shape));
}

// -- Ranges ---------------------------------------------------------------------------------------

static void importRange(Node &node) {
  DType dtype = node.inputDType(0);
  if (isInteger(dtype)) {
    std::vector<DimExpr> start = node.knownDims(0), limit = node.knownDims(1);
    int64_t delta = node.knownInt(2);
    if (start.size() != 1 || limit.size() != 1 || delta == 0)
      node.invalid("start, limit and delta must be numbers, delta not 0");
    DimExpr span = delta > 0 ? limit[0] - start[0] : start[0] - limit[0];
    if (std::optional<int64_t> number = span.constant(); number && *number < 0)
      span = 0;
    if (delta == std::numeric_limits<int64_t>::min())
      node.invalid("a step of " + std::to_string(delta));
    DimExpr count = ceilDiv(span, std::abs(delta));
    Tensor steps = node.graph().arange(i64, count) * delta;
    return node.output(0, (steps + node.input(0).cast(i64).reshape({})).cast(dtype));
  }
  double start = node.knownFloat(0), limit = node.knownFloat(1), delta = node.knownFloat(2);
  double count = std::ceil((limit - start) / delta);
  if (!(count <= 1e9))
    node.invalid("a range of " + std::to_string(count) + " elements");
  Tensor steps = node.graph().arange(f64, static_cast<int64_t>(std::max(count, 0.0)));
  node.output(0, (steps * delta + start).cast(dtype));
}

static void importEyeLike(Node &node) {
  Tensor x = node.input(0);
  if (x.rank() != 2)
    node.invalid("the input must be a matrix, not " + x.str());
  int64_t k = node.intAttribute("k", 0);
  Tensor rows = node.graph().iota(i64, x.shape(), 0),
         columns = node.graph().iota(i64, x.shape(), 1);
  node.output(0, (rows + k).equal(columns).cast(node.dtypeAttribute("dtype", x.dtype())));
}

static void importTrilu(Node &node) {
  Tensor x = node.input(0);
  requireRank(node, x, 2, "it");
  bool upper = node.flagAttribute("upper", true);
  Shape matrix{x.size(-2), x.size(-1)};
  Tensor rows = node.graph().iota(i64, matrix, 0), columns = node.graph().iota(i64, matrix, 1);
  if (node.has(1))
    rows = rows + node.input(1).cast(i64).reshape({});
  Tensor kept = upper ? rows <= columns : rows >= columns;
  if (x.dtype() == boolean)
    return node.output(0, x && kept);
  node.output(0, where(kept, x, 0));
}

static void importOneHot(Node &node) {
  Tensor indices = node.input(0), values = node.input(2);
  std::vector<DimExpr> depth = isInteger(node.inputDType(1))
                                   ? node.knownDims(1)
                                   : std::vector<DimExpr>{static_cast<int64_t>(node.knownFloat(1))};
  if (depth.size() != 1 || values.rank() != 1 || values.size(0).constant() != 2)
    node.invalid("depth must be one number, values two");
  int64_t axis = node.axis(node.intAttribute("axis", -1), indices.rank() + 1);
  Tensor at = indices.cast(i64);
  Tensor size = depth[0].isConstant() ? node.graph().scalar(i64, *depth[0].constant())
                                      : node.graph().dimValue(i64, depth[0]);
  at = where(at < 0, at + size, at).expandDims(axis);
  std::vector<DimExpr> classes(static_cast<size_t>(indices.rank() + 1), DimExpr(1));
  classes[static_cast<size_t>(axis)] = depth[0];
  Tensor hot = at.equal(node.graph().iota(i64, Shape(classes), axis));
  Tensor off = values.at(0, 0), on = values.at(0, 1);
  node.output(0, where(hot, on, off));
}

// -- Table ----------------------------------------------------------------------------------------

std::span<const OpHandler> createHandlers() {
  static constexpr OpHandler table[] = {
      {"Constant", 1, importConstant}, {"ConstantOfShape", 9, importConstantOfShape},
      {"EyeLike", 9, importEyeLike},   {"OneHot", 9, importOneHot},
      {"Range", 11, importRange},      {"Trilu", 14, importTrilu},
  };
  return table;
}

} // namespace sinter::onnx
