// SPDX-License-Identifier: Apache-2.0
// Forward derivatives of the ops with an index map of their own. Each rule is made of ops that are
// differentiable themselves.
#include "sinter/ir/StructuralRules.h"

using namespace mlir;

namespace sinter::ir {

using namespace rules;
using tensor::Expr;
using Tangents = SmallVector<Value>;

namespace {

/// The op once more with tangents in place of the operands in which it is linear, all others kept.
Tangents linearTangent(Operation *op, OpBuilder &builder, Location loc, ValueRange tangents,
                       ArrayRef<unsigned> linearOperands) {
  IRMapping mapping;
  SmallVector<Value> operands(op->getOperands());
  bool moves = false;
  for (unsigned i : linearOperands) {
    moves |= static_cast<bool>(tangents[i]);
    Expr operand(builder, loc, operands[i]);
    operands[i] = tangents[i] ? tangents[i] : zeroLike(operand).value();
  }
  if (!moves)
    return {Value()};
  Operation *copy = builder.clone(*op, mapping);
  copy->setLoc(loc);
  copy->setOperands(operands);
  return {copy->getResult(0)};
}

/// The share of each element in its extremum times its tangent, summed.
Tangents extremumTangent(Expr x, Expr y, Value tangent, ArrayRef<int64_t> axes) {
  if (!tangent)
    return {Value()};
  Expr one = y.like(1);
  Expr share = extremumGradient(x, y, one, axes);
  return {reduceSum(share * x.with(tangent), axes).value()};
}

} // namespace

// -- Creation -------------------------------------------------------------------------------------

Tangents ConstantOp::buildJvp(OpBuilder &, Location, ValueRange) { return {Value()}; }
Tangents IotaOp::buildJvp(OpBuilder &, Location, ValueRange) { return {Value()}; }
Tangents DimValueOp::buildJvp(OpBuilder &, Location, ValueRange) { return {Value()}; }

// -- Linear ops -----------------------------------------------------------------------------------

#define SINTER_LINEAR_IN_OPERAND(OpTy, operand)                                                    \
  Tangents OpTy::buildJvp(OpBuilder &builder, Location loc, ValueRange tangents) {                 \
    return linearTangent(*this, builder, loc, tangents, {operand});                                \
  }
SINTER_LINEAR_IN_OPERAND(BroadcastOp, 0)
SINTER_LINEAR_IN_OPERAND(ReshapeOp, 0)
SINTER_LINEAR_IN_OPERAND(TransposeOp, 0)
SINTER_LINEAR_IN_OPERAND(SliceOp, 0)
SINTER_LINEAR_IN_OPERAND(WindowReadOp, 0)
SINTER_LINEAR_IN_OPERAND(WindowWriteOp, 0)
SINTER_LINEAR_IN_OPERAND(ReduceSumOp, 0)
SINTER_LINEAR_IN_OPERAND(CumsumOp, 0)
SINTER_LINEAR_IN_OPERAND(GatherOp, 0)
SINTER_LINEAR_IN_OPERAND(GatherRowsOp, 0)
SINTER_LINEAR_IN_OPERAND(PickOp, 0)
SINTER_LINEAR_IN_OPERAND(ScatterAddRowsOp, 1)
#undef SINTER_LINEAR_IN_OPERAND

Tangents ConcatOp::buildJvp(OpBuilder &builder, Location loc, ValueRange tangents) {
  return linearTangent(*this, builder, loc, tangents,
                       llvm::to_vector(llvm::seq<unsigned>(0, getNumOperands())));
}

Tangents PadOp::buildJvp(OpBuilder &builder, Location loc, ValueRange tangents) {
  Tangents result = linearTangent(*this, builder, loc, tangents, {0});
  if (result[0])
    result[0].getDefiningOp<PadOp>().setValue(llvm::APFloat(0.0));
  return result;
}

// -- Reductions -----------------------------------------------------------------------------------

Tangents ReduceProdOp::buildJvp(OpBuilder &builder, Location loc, ValueRange tangents) {
  if (!tangents[0])
    return {Value()};
  Expr x(builder, loc, getX());
  Expr one = x.with(getResult()).like(1);
  Expr others = productGradient(x, one, getAxes());
  return {reduceSum(others * x.with(tangents[0]), getAxes()).value()};
}

Tangents ReduceMaxOp::buildJvp(OpBuilder &builder, Location loc, ValueRange tangents) {
  Expr x(builder, loc, getX());
  return extremumTangent(x, x.with(getResult()), tangents[0], getAxes());
}

Tangents ReduceMinOp::buildJvp(OpBuilder &builder, Location loc, ValueRange tangents) {
  Expr x(builder, loc, getX());
  return extremumTangent(x, x.with(getResult()), tangents[0], getAxes());
}

Tangents ArgmaxOp::buildJvp(OpBuilder &, Location, ValueRange) { return {Value()}; }
Tangents ArgsortOp::buildJvp(OpBuilder &, Location, ValueRange) { return {Value()}; }

// -- Contraction ----------------------------------------------------------------------------------

Tangents DotGeneralOp::buildJvp(OpBuilder &builder, Location loc, ValueRange tangents) {
  Value sum;
  for (unsigned i : {0u, 1u}) {
    if (!tangents[i])
      continue;
    Value term = linearTangent(*this, builder, loc, tangents, {i})[0];
    sum = sum ? (Expr(builder, loc, sum) + Expr(builder, loc, term)).value() : term;
  }
  return {sum};
}

// -- Custom gradients -----------------------------------------------------------------------------

Tangents WithGradientOp::buildJvp(OpBuilder &, Location, ValueRange) { return {Value()}; }

} // namespace sinter::ir
