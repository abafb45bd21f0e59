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
      isFloat(mlir::isa<FloatType>(spec.elementType)) {
  auto operand = [&](Type type, bool isUnsigned) {
    Operand result{type ? type : elementType, isUnsigned, false};
    result.isNarrow = result.type != elementType;
    return result;
  };
  a = operand(spec.aType, spec.aUnsigned);
  b = operand(spec.bType, spec.bUnsigned);
  wordType = tiles.depth == 1 ? elementType : Type(builder.getI32Type());
  wordVector = VectorType::get({tiles.lanes}, wordType);
  kWords = ceilDiv(spec.k, constant(tiles.depth));
}

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

Value Emit::step(Value pointer, Value elements, Type type) {
  if (auto count = known(elements))
    return step(pointer, *count, type);
  return LLVM::GEPOp::create(builder, loc, pointer.getType(), type ? type : elementType, pointer,
                             llvm::ArrayRef<LLVM::GEPArg>{elements});
}
Value Emit::step(Value pointer, int64_t elements, Type type) {
  if (elements == 0)
    return pointer;
  if (!type)
    type = elementType;
  if (elements != static_cast<int32_t>(elements)) {
    Value count = constant(elements);
    return LLVM::GEPOp::create(builder, loc, pointer.getType(), type, pointer,
                               llvm::ArrayRef<LLVM::GEPArg>{count});
  }
  return LLVM::GEPOp::create(builder, loc, pointer.getType(), type, pointer,
                             llvm::ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(elements)});
}

static unsigned bytesOf(Type type) {
  return static_cast<unsigned>(getElementTypeOrSelf(type).getIntOrFloatBitWidth() / 8);
}

Value Emit::loadScalar(Value pointer, Type type, int64_t alignment) {
  if (!type)
    type = elementType;
  return LLVM::LoadOp::create(builder, loc, type, pointer,
                              alignment ? static_cast<unsigned>(alignment) : bytesOf(type));
}
void Emit::storeScalar(Value pointer, Value value) {
  LLVM::StoreOp::create(builder, loc, value, pointer, bytesOf(value.getType()));
}
Value Emit::load(Value pointer) {
  return LLVM::LoadOp::create(builder, loc, vectorType, pointer, bytesOf(vectorType));
}
Value Emit::loadMasked(Value pointer, Value mask) {
  return loadPlain(pointer, elementType, tiles.lanes, mask);
}

// -- Operands -------------------------------------------------------------------------------------

Value Emit::loadPlain(Value pointer, Type type, int64_t count, Value mask) {
  auto vector = VectorType::get({count}, type);
  if (!mask)
    return LLVM::LoadOp::create(builder, loc, vector, pointer, bytesOf(type));
  Value zero = arith::ConstantOp::create(builder, loc, builder.getZeroAttr(vector));
  return LLVM::MaskedLoadOp::create(builder, loc, vector, pointer, mask, zero, bytesOf(type));
}

/// 16-bit floats move as integers: most targets have no loads of them.
static Type storedType(Type type) {
  return type.isF16() || type.isBF16() ? Type(IntegerType::get(type.getContext(), 16)) : type;
}

static Type likeVector(Value value, Type element) {
  auto vector = mlir::dyn_cast<VectorType>(value.getType());
  return vector ? Type(vector.clone(element)) : element;
}

Value Emit::loadElement(Value pointer, const Operand &operand) {
  return widened(loadScalar(pointer, storedType(operand.type)), operand);
}
Value Emit::loadElements(Value pointer, const Operand &operand, Value mask, int64_t count) {
  if (count == 0)
    count = tiles.lanes;
  return widened(loadPlain(pointer, storedType(operand.type), count, mask), operand);
}

Value Emit::widened(Value value, const Operand &operand) {
  if (!operand.isNarrow)
    return value;
  if (mlir::isa<FloatType>(operand.type)) {
    Value narrow = arith::BitcastOp::create(builder, loc, likeVector(value, operand.type), value);
    return arith::ExtFOp::create(builder, loc, likeVector(value, elementType), narrow);
  }
  Type wide = likeVector(value, elementType);
  if (isFloat)
    return operand.isUnsigned ? Value(arith::UIToFPOp::create(builder, loc, wide, value))
                              : Value(arith::SIToFPOp::create(builder, loc, wide, value));
  return operand.isUnsigned ? Value(arith::ExtUIOp::create(builder, loc, wide, value))
                            : Value(arith::ExtSIOp::create(builder, loc, wide, value));
}

Value Emit::halfWords(Value value, const Operand &operand) {
  Type half = likeVector(value, builder.getI16Type());
  if (value.getType() == half)
    return value;
  return operand.isUnsigned ? Value(arith::ExtUIOp::create(builder, loc, half, value))
                            : Value(arith::ExtSIOp::create(builder, loc, half, value));
}

void Emit::store(Value pointer, Value vector) {
  LLVM::StoreOp::create(builder, loc, vector, pointer, bytesOf(vector.getType()));
}

void Emit::prefetch(Value pointer) {
  LLVM::Prefetch::create(builder, loc, pointer, /*rw=*/0, /*hint=*/2, /*cache=*/1);
}

Value Emit::splat(Value scalar) {
  return vector::BroadcastOp::create(builder, loc, VectorType::get({tiles.lanes}, scalar.getType()),
                                     scalar);
}
Value Emit::zero() {
  return arith::ConstantOp::create(builder, loc, builder.getZeroAttr(vectorType));
}
Value Emit::multiplyAdd(Value a, Value b, Value c) {
  if (tiles.depth > 1)
    return multiplyAddPairs(a, b, c);
  if (!isFloat)
    return arith::AddIOp::create(builder, loc, arith::MulIOp::create(builder, loc, a, b), c);
  if (tiles.fma)
    return math::FmaOp::create(builder, loc, a, b, c);
  return arith::AddFOp::create(builder, loc, arith::MulFOp::create(builder, loc, a, b), c);
}
Value Emit::pairs(Value words) {
  if (tiles.depth == 1)
    return words;
  Type half = isFloat ? Type(builder.getBF16Type()) : Type(builder.getI16Type());
  return vector::BitCastOp::create(builder, loc, VectorType::get({2 * tiles.lanes}, half), words);
}

Value Emit::multiplyAddPairs(Value a, Value b, Value c) {
  auto call = [&](llvm::StringRef name, ValueRange arguments) {
    return LLVM::CallIntrinsicOp::create(builder, loc, vectorType, builder.getStringAttr(name),
                                         arguments)
        .getResult(0);
  };
  if (isFloat)
    return call("llvm.x86.avx512bf16.dpbf16ps.512", {c, a, b});
  llvm::StringRef name = tiles.lanes == 16  ? "llvm.x86.avx512.pmaddw.d.512"
                         : tiles.lanes == 8 ? "llvm.x86.avx2.pmadd.wd"
                                            : "llvm.x86.sse2.pmadd.wd";
  return arith::AddIOp::create(builder, loc, call(name, {a, b}), c);
}
Value Emit::addElements(Value a, Value b) {
  if (!isFloat)
    return arith::AddIOp::create(builder, loc, a, b);
  return arith::AddFOp::create(builder, loc, a, b);
}
Value Emit::shuffle(Value a, Value b, llvm::ArrayRef<int64_t> mask) {
  return vector::ShuffleOp::create(builder, loc, a, b, mask);
}

Value Emit::mask(Value count, int64_t lanes) {
  if (lanes == 0)
    lanes = tiles.lanes;
  // Lane numbers in 32 bits: narrow compares; a block never has 2^31 columns.
  auto laneType = VectorType::get({lanes}, builder.getI32Type());
  llvm::SmallVector<int32_t> numbers(static_cast<size_t>(lanes));
  for (auto [index, number] : llvm::enumerate(numbers))
    number = static_cast<int32_t>(index);
  Value numbered =
      arith::ConstantOp::create(builder, loc, DenseElementsAttr::get(laneType, ArrayRef(numbers)));
  Value narrow =
      arith::TruncIOp::create(builder, loc, builder.getI32Type(), min(count, constant(lanes)));
  Value limit = vector::BroadcastOp::create(builder, loc, laneType, narrow);
  return arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::slt, numbered, limit);
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
