// SPDX-License-Identifier: Apache-2.0
#include "sinter/frontend/Elementwise.h"
#include "sinter/frontend/GraphImpl.h"
#include "sinter/frontend/MixedDTypes.h"

using namespace mlir;

namespace sinter {

// -- Tensor ---------------------------------------------------------------------------------------

static ir::TensorType typeOf(const Tensor &tensor, const Call &call) {
  GraphImpl::of(tensor, call);
  return ir::tensorType(GraphImpl::rawValue(tensor));
}

DType Tensor::dtype(std::source_location loc) const {
  return typeOf(*this, {"dtype", loc}).getDType();
}

Shape Tensor::shape(std::source_location loc) const {
  return typeOf(*this, {"shape", loc}).getShape();
}

int64_t Tensor::rank(std::source_location loc) const {
  return typeOf(*this, {"rank", loc}).getRank();
}

DimExpr Tensor::size(int64_t axis, std::source_location loc) const {
  Call call{"size", loc};
  ir::TensorType type = typeOf(*this, call);
  int64_t index = axis < 0 ? axis + type.getRank() : axis;
  if (index < 0 || index >= type.getRank())
    graph->fail(call, "axis " + std::to_string(axis) + " is out of range", {type.getShape()});
  return type.getDim(index);
}

SourceLoc Tensor::location() const {
  return defined() ? ir::toSourceLoc(GraphImpl::rawValue(*this).getLoc()) : SourceLoc();
}

std::string Tensor::str() const {
  if (!defined())
    return "<empty>";
  ir::TensorType type = ir::tensorType(GraphImpl::rawValue(*this));
  return std::string(name(type.getDType())) + type.getShape().str();
}

// -- Broadcasting ---------------------------------------------------------------------------------

/// What may be meant when sizes `sizeA` and `sizeB` do not match.
static std::string broadcastHint(const Shape &a, const Shape &b, const DimExpr &sizeA,
                                 const DimExpr &sizeB) {
  const Shape &small = a.rank() < b.rank() ? a : b, &large = a.rank() < b.rank() ? b : a;
  bool leading = small.rank() > 0 && small.rank() < large.rank();
  for (int64_t i = 0; leading && i < small.rank(); ++i)
    leading = small[i] == large[i];
  if (leading)
    return "shapes are aligned at their last axis; add trailing axes of size 1 with expandDims(x, "
           "-1)";
  if (!sizeA.isConstant() || !sizeB.isConstant())
    return "a symbolic size never broadcasts: sizes must be equal expressions or the constant 1";
  return "";
}

/// NumPy's rule. A symbolic size matches itself and the constant 1 only.
static Shape broadcastShape(GraphImpl &graph, const Call &call, const Shape &a, const Shape &b) {
  int64_t rank = std::max(a.rank(), b.rank());
  std::vector<DimExpr> sizes(static_cast<size_t>(rank));
  for (int64_t i = 1; i <= rank; ++i) {
    DimExpr sizeA = i <= a.rank() ? a[a.rank() - i] : DimExpr(1);
    DimExpr sizeB = i <= b.rank() ? b[b.rank() - i] : DimExpr(1);
    if (sizeA != sizeB && sizeA != DimExpr(1) && sizeB != DimExpr(1))
      graph.fail(call,
                 "shapes do not broadcast: sizes " + sizeA.str() + " and " + sizeB.str() +
                     " at axis -" + std::to_string(i),
                 {a, b}, broadcastHint(a, b, sizeA, sizeB));
    sizes[static_cast<size_t>(rank - i)] = sizeA == DimExpr(1) ? sizeB : sizeA;
  }
  return Shape(std::move(sizes));
}

Value GraphImpl::broadcast(const Call &call, Value x, const Shape &shape) {
  Shape from = ir::tensorType(x).getShape();
  if (from == shape)
    return x;
  if (from.rank() > shape.rank() || broadcastShape(*this, call, from, shape) != shape)
    fail(call, "the first shape does not broadcast to the second", {from, shape});
  SmallVector<int64_t> dimensions;
  for (int64_t i = 0; i < from.rank(); ++i)
    dimensions.push_back(shape.rank() - from.rank() + i);
  return create(call, "sinter.broadcast", x, named("dimensions", ArrayRef<int64_t>(dimensions)),
                type(call, ir::tensorType(x).getDType(), shape));
}

// -- Elementwise ----------------------------------------------------------------------------------

[[noreturn]] static void failMixed(GraphImpl &graph, const Call &call, DType a, DType b,
                                   const std::vector<Shape> &shapes) {
  const MixedDTypes mixed(a, b);
  graph.fail(call, mixed.message, shapes, mixed.hint);
}

/// The operands of equal dtype, numbers converted, all broadcast to one shape.
static SmallVector<Value> matchOperands(GraphImpl &graph, const Call &call,
                                        std::span<const Operand> operands) {
  std::optional<DType> dtype;
  std::optional<Shape> shape;
  std::vector<Shape> shapes;
  for (const Operand &operand : operands)
    if (operand.isTensor()) {
      ir::TensorType type = ir::tensorType(graph.value(operand.tensor(), call));
      shapes.push_back(type.getShape());
      if (dtype && *dtype != type.getDType())
        failMixed(graph, call, *dtype, type.getDType(), shapes);
      dtype = type.getDType();
      shape = shape ? broadcastShape(graph, call, *shape, type.getShape()) : type.getShape();
    }
  SmallVector<Value> values;
  for (const Operand &operand : operands)
    values.push_back(operand.isTensor()
                         ? graph.broadcast(call, graph.value(operand.tensor(), call), *shape)
                         : graph.full(call, operand.number(), *dtype, *shape));
  return values;
}

Tensor elementwise(const char *op, const char *name, std::initializer_list<Operand> operands,
                   std::source_location loc) {
  Call call{name, loc};
  std::span<const Operand> list(operands.begin(), operands.size());
  GraphImpl &graph = GraphImpl::of(list, call);
  return graph.tensor(graph.create(call, op, matchOperands(graph, call, list)));
}

Tensor select(const Tensor &condition, const Operand &a, const Operand &b,
              std::source_location loc) {
  Call call{"select", loc};
  GraphImpl &graph = GraphImpl::of(condition, call);
  Value mask = graph.value(condition, call);
  if (ir::tensorType(mask).getDType() != boolean)
    graph.fail(call,
               "the condition must be bool, not " +
                   std::string(name(ir::tensorType(mask).getDType())),
               {ir::tensorType(mask).getShape()}, "compare first, e.g. notEqual(x, 0)");
  std::optional<DType> dtype;
  Shape shape = ir::tensorType(mask).getShape();
  std::vector<Shape> shapes = {shape};
  for (const Operand *branch : {&a, &b})
    if (branch->isTensor()) {
      ir::TensorType type = ir::tensorType(graph.value(branch->tensor(), call));
      shapes.push_back(type.getShape());
      if (dtype && *dtype != type.getDType())
        failMixed(graph, call, *dtype, type.getDType(), shapes);
      dtype = type.getDType();
      shape = broadcastShape(graph, call, shape, type.getShape());
    }
  if (!dtype)
    graph.fail(call, "one of the branches must be a tensor, to give the dtype", shapes,
               "Graph::scalar() makes a tensor of a number");
  auto branchValue = [&](const Operand &branch) {
    return branch.isTensor() ? graph.broadcast(call, graph.value(branch.tensor(), call), shape)
                             : graph.full(call, branch.number(), *dtype, shape);
  };
  mask = graph.broadcast(call, mask, shape);
  Value whenTrue = branchValue(a), whenFalse = branchValue(b);
  return graph.tensor(graph.create(call, "sinter.select", {mask, whenTrue, whenFalse}));
}

Tensor where(const Tensor &condition, const Operand &a, const Operand &b,
             std::source_location loc) {
  return select(condition, a, b, loc);
}

// -- Operators ------------------------------------------------------------------------------------

Tensor operator+(const Operand &a, const Operand &b) { return add(a, b, a.location()); }
Tensor operator-(const Operand &a, const Operand &b) { return sub(a, b, a.location()); }
Tensor operator*(const Operand &a, const Operand &b) { return mul(a, b, a.location()); }
Tensor operator/(const Operand &a, const Operand &b) { return div(a, b, a.location()); }
Tensor operator<(const Operand &a, const Operand &b) { return less(a, b, a.location()); }
Tensor operator<=(const Operand &a, const Operand &b) { return lessEqual(a, b, a.location()); }
Tensor operator>(const Operand &a, const Operand &b) { return greater(a, b, a.location()); }
Tensor operator>=(const Operand &a, const Operand &b) { return greaterEqual(a, b, a.location()); }
Tensor operator&&(const Operand &a, const Operand &b) { return logicalAnd(a, b, a.location()); }
Tensor operator||(const Operand &a, const Operand &b) { return logicalOr(a, b, a.location()); }
Tensor operator-(const Operand &x) { return elementwise("sinter.neg", "neg", {x}, x.location()); }
Tensor operator!(const Operand &x) {
  return elementwise("sinter.not", "logicalNot", {x}, x.location());
}

} // namespace sinter
