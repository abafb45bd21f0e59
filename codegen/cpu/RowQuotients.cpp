// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cpu/RowQuotients.h"

#include "sinter/codegen/StrictRounding.h"
#include "sinter/codegen/forms/Region.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

#include <cmath>

using namespace mlir;
using namespace sinter::codegen;

namespace sinter::cpu {

void RowQuotients::replaceDivisions(ElementEmitter &vectors, const DimExpr &row) {
  constexpr int64_t fewestVectors = 8; // Of a row, to make up for its reciprocal.
  const int64_t lanes = kernel.plan.schedule.lanes;
  if (!kernel.target.hasFma || lanes == 1 ||
      row.constant().value_or(unknownSize) < fewestVectors * lanes)
    return;
  for (Operation &op : kernel.fused.getBody().front().without_terminator())
    if (isa<ir::DivOp>(op) && !op.hasAttr(strictAttr) &&
        isa<FloatType>(ir::tensorType(op.getResult(0)).getElementType()))
      vectors.setOverride(op.getResult(0), [this, &vectors, &op](llvm::ArrayRef<LaneIndex> index) {
        return divide(vectors, &op, index);
      });
}

Element RowQuotients::divide(ElementEmitter &vectors, Operation *op,
                             llvm::ArrayRef<LaneIndex> index) {
  Element dividend = vectors.emit(op->getOperand(0), index);
  Element divisor = vectors.emit(op->getOperand(1), index);
  if (!divisor.uniform || dividend.uniform)
    return {};
  const Reciprocal &by = reciprocalOf(divisor.value);
  OpBuilder &builder = kernel.builder;
  Memory &memory = vectors.memory();
  auto times = [&](Value a, Value b) {
    return arith::MulFOp::create(builder, kernel.loc, a, memory.splat(b)).getResult();
  };
  Value scaled = times(dividend.value, by.scale);
  return {math::FmaOp::create(builder, kernel.loc, scaled, memory.splat(by.high),
                              times(scaled, by.low)),
          false};
}

const RowQuotients::Reciprocal &RowQuotients::reciprocalOf(Value divisor) {
  auto [known, isNew] = reciprocals.try_emplace(divisor);
  if (!isNew)
    return known->second;
  OpBuilder &builder = kernel.builder;
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointAfterValue(divisor); // Wherever it is known, so is its reciprocal.
  Location loc = kernel.loc;
  auto type = cast<FloatType>(divisor.getType());
  auto power = [&](int exponent) -> Value {
    return arith::ConstantOp::create(builder, loc,
                                     builder.getFloatAttr(type, std::ldexp(1.0, exponent)));
  };
  auto times = [&](Value a, Value b) -> Value { return arith::MulFOp::create(builder, loc, a, b); };
  auto choose = [&](arith::CmpFPredicate predicate, Value a, Value b, Value then,
                    Value otherwise) -> Value {
    Value holds = arith::CmpFOp::create(builder, loc, predicate, a, b);
    return arith::SelectOp::create(builder, loc, holds, then, otherwise);
  };
  // Scaled by a power of two, so that neither part of the reciprocal leaves the normal numbers.
  // With it dividends leave them only where their quotients do.
  const int far = type.isF32() ? 64 : 512;
  Value one = power(0), size = math::AbsFOp::create(builder, loc, divisor);
  Value scale = choose(arith::CmpFPredicate::OGT, size, power(far), power(-far),
                       choose(arith::CmpFPredicate::OLT, size, power(-far), power(far), one));
  Value scaled = times(divisor, scale);
  Value negated = arith::NegFOp::create(builder, loc, scaled);
  auto missing = [&](Value reciprocal) -> Value {
    return math::FmaOp::create(builder, loc, negated, reciprocal, one);
  };
  // Rounded towards zero: what is missing then has its sign.
  Value nearest = arith::DivFOp::create(builder, loc, one, scaled);
  Type word = builder.getIntegerType(type.getWidth());
  Value bits = arith::BitcastOp::create(builder, loc, word, nearest);
  Value below = arith::BitcastOp::create(
      builder, loc, type,
      arith::SubIOp::create(
          builder, loc, bits,
          arith::ConstantOp::create(builder, loc, builder.getIntegerAttr(word, 1))));
  Value zero = arith::ConstantOp::create(builder, loc, builder.getZeroAttr(type));
  Value high = choose(arith::CmpFPredicate::OLT, missing(nearest), zero, below, nearest);
  // Of powers of two nothing is missing; of zero and infinities nothing is known.
  Value rest = missing(high);
  const int negligible = -2 * static_cast<int>(type.getFPMantissaWidth());
  Value low = choose(arith::CmpFPredicate::OGT, rest, zero, times(rest, high),
                     times(high, power(negligible)));
  known->second = {scale, high, low};
  return known->second;
}

} // namespace sinter::cpu
