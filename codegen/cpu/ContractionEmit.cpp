// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cpu/ContractionEmit.h"

#include "mlir/IR/Matchers.h"

#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace sinter::cpu::contraction {

Emit::Emit(OpBuilder &builder, Location loc, const ContractionSpec &spec,
           const ContractionTiles &tiles)
    : builder(builder), loc(loc), spec(spec), tiles(tiles), elementType(spec.elementType),
      vectorType(VectorType::get({tiles.lanes}, spec.elementType)),
      isFloat(mlir::isa<FloatType>(spec.elementType)) {}

Value Emit::constant(int64_t value) {
  return arith::ConstantIntOp::create(builder, loc, value, 64);
}

std::optional<int64_t> Emit::known(Value value) {
  APInt constant;
  if (value && matchPattern(value, m_ConstantInt(&constant)))
    return constant.getSExtValue();
  return std::nullopt;
}

Value Emit::add(Value a, Value b) { return builder.createOrFold<arith::AddIOp>(loc, a, b); }
Value Emit::sub(Value a, Value b) { return builder.createOrFold<arith::SubIOp>(loc, a, b); }
Value Emit::mul(Value a, Value b) {
  if (known(a) == 0 || known(b) == 0)
    return constant(0);
  return builder.createOrFold<arith::MulIOp>(loc, a, b);
}
Value Emit::div(Value a, Value b) { return builder.createOrFold<arith::DivUIOp>(loc, a, b); }
Value Emit::rem(Value a, Value b) {
  if (known(b) == 1)
    return constant(0);
  return builder.createOrFold<arith::RemUIOp>(loc, a, b);
}
Value Emit::ceilDiv(Value a, Value b) { return div(add(a, sub(b, constant(1))), b); }
Value Emit::min(Value a, Value b) { return builder.createOrFold<arith::MinSIOp>(loc, a, b); }

Value Emit::compare(arith::CmpIPredicate predicate, Value a, Value b) {
  return builder.createOrFold<arith::CmpIOp>(loc, predicate, a, b);
}
Value Emit::select(Value condition, Value a, Value b) {
  return builder.createOrFold<arith::SelectOp>(loc, condition, a, b);
}

Value Emit::step(Value pointer, Value elements) {
  if (auto count = known(elements))
    return step(pointer, *count);
  return LLVM::GEPOp::create(builder, loc, pointer.getType(), elementType, pointer,
                             llvm::ArrayRef<LLVM::GEPArg>{elements});
}
Value Emit::step(Value pointer, int64_t elements) {
  if (elements == 0)
    return pointer;
  if (elements != static_cast<int32_t>(elements)) {
    Value count = constant(elements);
    return LLVM::GEPOp::create(builder, loc, pointer.getType(), elementType, pointer,
                               llvm::ArrayRef<LLVM::GEPArg>{count});
  }
  return LLVM::GEPOp::create(builder, loc, pointer.getType(), elementType, pointer,
                             llvm::ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(elements)});
}

Value Emit::loadScalar(Value pointer) {
  return LLVM::LoadOp::create(builder, loc, elementType, pointer,
                              static_cast<unsigned>(tiles.elementBytes));
}
void Emit::storeScalar(Value pointer, Value value) {
  LLVM::StoreOp::create(builder, loc, value, pointer, static_cast<unsigned>(tiles.elementBytes));
}
Value Emit::load(Value pointer) {
  return LLVM::LoadOp::create(builder, loc, vectorType, pointer,
                              static_cast<unsigned>(tiles.elementBytes));
}
Value Emit::loadMasked(Value pointer, Value mask) {
  if (!mask)
    return load(pointer);
  return LLVM::MaskedLoadOp::create(builder, loc, vectorType, pointer, mask, zero(),
                                    static_cast<unsigned>(tiles.elementBytes));
}
void Emit::store(Value pointer, Value vector) {
  LLVM::StoreOp::create(builder, loc, vector, pointer, static_cast<unsigned>(tiles.elementBytes));
}

void Emit::prefetch(Value pointer) {
  LLVM::Prefetch::create(builder, loc, pointer, /*rw=*/0, /*hint=*/2, /*cache=*/1);
}

Value Emit::splat(Value scalar) {
  return vector::BroadcastOp::create(builder, loc, vectorType, scalar);
}
Value Emit::zero() {
  return arith::ConstantOp::create(builder, loc, builder.getZeroAttr(vectorType));
}
Value Emit::multiplyAdd(Value a, Value b, Value c) {
  if (!isFloat)
    return arith::AddIOp::create(builder, loc, arith::MulIOp::create(builder, loc, a, b), c);
  if (tiles.fma)
    return math::FmaOp::create(builder, loc, a, b, c);
  return arith::AddFOp::create(builder, loc, arith::MulFOp::create(builder, loc, a, b), c);
}
Value Emit::addElements(Value a, Value b) {
  if (!isFloat)
    return arith::AddIOp::create(builder, loc, a, b);
  return arith::AddFOp::create(builder, loc, a, b);
}
Value Emit::shuffle(Value a, Value b, llvm::ArrayRef<int64_t> mask) {
  return vector::ShuffleOp::create(builder, loc, a, b, mask);
}

Value Emit::mask(Value count) {
  // Lane numbers in 32 bits: narrow compares; a block never has 2^31 columns.
  auto laneType = VectorType::get({tiles.lanes}, builder.getI32Type());
  llvm::SmallVector<int32_t> numbers(static_cast<size_t>(tiles.lanes));
  for (auto [index, number] : llvm::enumerate(numbers))
    number = static_cast<int32_t>(index);
  Value lanes =
      arith::ConstantOp::create(builder, loc, DenseElementsAttr::get(laneType, ArrayRef(numbers)));
  Value narrow = arith::TruncIOp::create(builder, loc, builder.getI32Type(),
                                         min(count, constant(tiles.lanes)));
  Value limit = vector::BroadcastOp::create(builder, loc, laneType, narrow);
  return arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::slt, lanes, limit);
}

Values Emit::loop(Value lower, Value upper, Value step, ValueRange carried,
                  llvm::function_ref<Values(Value, ValueRange)> body) {
  auto forOp = scf::ForOp::create(
      builder, loc, lower, upper, step, carried,
      [&](OpBuilder &inner, Location, Value index, ValueRange arguments) {
        OpBuilder::InsertionGuard guard(builder);
        builder.setInsertionPoint(inner.getInsertionBlock(), inner.getInsertionPoint());
        Values results = body(index, arguments);
        scf::YieldOp::create(builder, loc, results);
      });
  return Values(forOp.getResults());
}

void Emit::loop(Value lower, Value upper, int64_t step, llvm::function_ref<void(Value)> body) {
  auto from = known(lower), to = known(upper);
  if (from && to && *from >= *to)
    return;
  if (from && to && *to - *from <= step)
    return body(lower);
  loop(lower, upper, constant(step), {}, [&](Value index, ValueRange) {
    body(index);
    return Values{};
  });
}

void Emit::ifThen(Value condition, llvm::function_ref<void()> body) {
  ifThenElse(condition, body, nullptr);
}

void Emit::ifThenElse(Value condition, llvm::function_ref<void()> yes,
                      llvm::function_ref<void()> no) {
  if (auto value = known(condition)) {
    if (*value)
      yes();
    else if (no)
      no();
    return;
  }
  auto ifOp = scf::IfOp::create(builder, loc, condition, /*withElseRegion=*/static_cast<bool>(no));
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(ifOp.thenBlock());
  yes();
  if (no) {
    builder.setInsertionPointToStart(ifOp.elseBlock());
    no();
  }
}

} // namespace sinter::cpu::contraction
