// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cpu/Reducer.h"

#include "sinter/codegen/StrictRounding.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/TypeUtilities.h"

#include <limits>
#include <numeric>

using namespace mlir;
using namespace sinter::ir;

namespace sinter::cpu {

Reducer::Reducer(OpBuilder &builder, Location loc, Combiner combiner, Type elementType,
                 int64_t lanes)
    : builder(builder), loc(loc), combiner(combiner), elementType(elementType), lanes(lanes) {}

Reducer Reducer::of(OpBuilder &builder, Operation *anchor, int64_t lanes) {
  Combiner combiner = cast<IndexedOpInterface>(anchor).getIndexing().combiner;
  return Reducer(builder, anchor->getLoc(), combiner,
                 tensorType(anchor->getOperand(0)).getElementType(), lanes);
}

llvm::SmallVector<Type, 2> Reducer::stateTypes() const {
  llvm::SmallVector<Type, 2> types{registerType(elementType)};
  if (combiner == Combiner::ArgMax)
    types.push_back(IntegerType::get(elementType.getContext(), 64));
  return types;
}

TypedAttr Reducer::neutral() const {
  Builder b(elementType.getContext());
  bool lowest = combiner == Combiner::Max || combiner == Combiner::ArgMax;
  double number = combiner == Combiner::Product ? 1 : 0;
  if (auto type = dyn_cast<FloatType>(elementType)) {
    if (lowest || combiner == Combiner::Min)
      number = lowest ? -std::numeric_limits<double>::infinity()
                      : std::numeric_limits<double>::infinity();
    return b.getFloatAttr(cast<FloatType>(registerType(type)), number);
  }
  unsigned width = elementType.getIntOrFloatBitWidth();
  llvm::APInt value(width, static_cast<uint64_t>(number));
  bool isUnsigned = elementType.isUnsignedInteger();
  if (lowest)
    value = isUnsigned ? llvm::APInt::getMinValue(width) : llvm::APInt::getSignedMinValue(width);
  if (combiner == Combiner::Min)
    value = isUnsigned ? llvm::APInt::getMaxValue(width) : llvm::APInt::getSignedMaxValue(width);
  return b.getIntegerAttr(registerType(elementType), value);
}

Reducer::Values Reducer::initialScalars() {
  Values state{arith::ConstantOp::create(builder, loc, neutral())};
  if (combiner == Combiner::ArgMax)
    state.push_back(
        arith::ConstantIntOp::create(builder, loc, std::numeric_limits<int64_t>::max(), 64));
  return state;
}

Reducer::Values Reducer::initial() {
  codegen::Memory memory(builder, loc, lanes);
  Values state = initialScalars();
  for (Value &value : state)
    value = memory.splat(value);
  return state;
}

Value Reducer::combine(Value a, Value b) {
  bool isFloat = isa<FloatType>(elementType);
  switch (combiner) {
  case Combiner::Sum:
    return isFloat ? Value(arith::AddFOp::create(builder, loc, a, b))
                   : Value(arith::AddIOp::create(builder, loc, a, b));
  case Combiner::Product:
    return isFloat ? Value(arith::MulFOp::create(builder, loc, a, b))
                   : Value(arith::MulIOp::create(builder, loc, a, b));
  default:
    break;
  }
  bool max = combiner == Combiner::Max;
  if (elementType.isUnsignedInteger())
    return max ? Value(arith::MaxUIOp::create(builder, loc, a, b))
               : Value(arith::MinUIOp::create(builder, loc, a, b));
  if (!isFloat)
    return max ? Value(arith::MaxSIOp::create(builder, loc, a, b))
               : Value(arith::MinSIOp::create(builder, loc, a, b));
  // The new value wins when it is better or NaN; a NaN in the state is never better than nothing.
  Value better = arith::CmpFOp::create(
      builder, loc, max ? arith::CmpFPredicate::OGT : arith::CmpFPredicate::OLT, b, a);
  Value nan = arith::CmpFOp::create(builder, loc, arith::CmpFPredicate::UNO, b, b);
  return arith::SelectOp::create(builder, loc, arith::OrIOp::create(builder, loc, better, nan), b,
                                 a);
}

bool Reducer::tracksNan() const {
  return (combiner == Combiner::Max || combiner == Combiner::Min) && isa<FloatType>(elementType);
}

/// One instruction on x86; a NaN in `b` is overlooked.
Value Reducer::better(Value a, Value b) {
  auto predicate =
      combiner == Combiner::Max ? arith::CmpFPredicate::OGT : arith::CmpFPredicate::OLT;
  Value wins = arith::CmpFOp::create(builder, loc, predicate, b, a);
  return arith::SelectOp::create(builder, loc, wins, b, a);
}

Value Reducer::asFlags(Value comparison) {
  unsigned width = registerType(elementType).getIntOrFloatBitWidth();
  constexpr int64_t maskedBits = 512;
  if (lanes == 1 || lanes * width == maskedBits)
    return comparison;
  auto type = VectorType::get({lanes}, builder.getIntegerType(width));
  return arith::ExtSIOp::create(builder, loc, type, comparison);
}

Reducer::Values Reducer::loopInitial() {
  Values state = initial();
  if (tracksNan()) {
    codegen::Memory memory(builder, loc, lanes);
    Value none = arith::ConstantIntOp::create(builder, loc, 0, 1);
    state.push_back(asFlags(memory.splat(none)));
  }
  return state;
}

Reducer::Values Reducer::loopStep(ValueRange state, Value element, Value position, Value mask) {
  if (!tracksNan())
    return step(state, element, position, mask);
  Value isNan = arith::CmpFOp::create(builder, loc, arith::CmpFPredicate::UNO, element, element);
  Value next = better(state[0], element);
  if (mask) {
    isNan = arith::AndIOp::create(builder, loc, isNan, mask);
    next = arith::SelectOp::create(builder, loc, mask, next, state[0]);
  }
  return {next, arith::OrIOp::create(builder, loc, state[1], asFlags(isNan))};
}

Operation *Reducer::productOf(Operation *anchor, const TargetInfo &target) {
  Value sum = anchor->getOperand(0);
  Operation *product = sum.getDefiningOp();
  const bool adds = cast<IndexedOpInterface>(anchor).getIndexing().combiner == Combiner::Sum;
  return adds && !anchor->hasAttr(codegen::strictAttr) && target.hasFma &&
                 isa<FloatType>(tensorType(sum).getElementType()) && isa_and_nonnull<MulOp>(product)
             ? product
             : nullptr;
}

Reducer::Values Reducer::addProduct(ValueRange state, Value a, Value b, Value mask) {
  Value next = math::FmaOp::create(builder, loc, a, b, state[0]);
  if (mask)
    next = arith::SelectOp::create(builder, loc, mask, next, state[0]);
  return {next};
}

Reducer::Values Reducer::closeLoop(ValueRange state) {
  if (!tracksNan())
    return Values(state.begin(), state.end());
  codegen::Memory memory(builder, loc, lanes);
  auto type = cast<FloatType>(registerType(elementType));
  Value nan = memory.splat(arith::ConstantOp::create(
      builder, loc, builder.getFloatAttr(type, llvm::APFloat::getQNaN(type.getFloatSemantics()))));
  Value flags = state[1];
  if (!getElementTypeOrSelf(flags.getType()).isInteger(1)) {
    Value none = arith::ConstantOp::create(builder, loc, builder.getZeroAttr(flags.getType()));
    flags = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::ne, flags, none);
  }
  return {arith::SelectOp::create(builder, loc, flags, nan, state[0])};
}

Reducer::Values Reducer::merge(ValueRange a, ValueRange b) {
  if (combiner != Combiner::ArgMax)
    return {combine(a[0], b[0])};
  Value earlier = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::slt, b[1], a[1]);
  Value better, equal;
  if (isa<FloatType>(elementType)) {
    Value nan = arith::CmpFOp::create(builder, loc, arith::CmpFPredicate::UNO, b[0], b[0]);
    Value stateNan = arith::CmpFOp::create(builder, loc, arith::CmpFPredicate::UNO, a[0], a[0]);
    Value ordered = arith::CmpFOp::create(builder, loc, arith::CmpFPredicate::ORD, a[0], a[0]);
    Value greater = arith::CmpFOp::create(builder, loc, arith::CmpFPredicate::OGT, b[0], a[0]);
    better = arith::OrIOp::create(builder, loc, greater,
                                  arith::AndIOp::create(builder, loc, nan, ordered));
    Value same = arith::CmpFOp::create(builder, loc, arith::CmpFPredicate::OEQ, b[0], a[0]);
    equal = arith::OrIOp::create(builder, loc, same,
                                 arith::AndIOp::create(builder, loc, nan, stateNan));
  } else {
    auto greater =
        elementType.isUnsignedInteger() ? arith::CmpIPredicate::ugt : arith::CmpIPredicate::sgt;
    better = arith::CmpIOp::create(builder, loc, greater, b[0], a[0]);
    equal = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::eq, b[0], a[0]);
  }
  Value wins = arith::OrIOp::create(builder, loc, better,
                                    arith::AndIOp::create(builder, loc, equal, earlier));
  return {arith::SelectOp::create(builder, loc, wins, b[0], a[0]),
          arith::SelectOp::create(builder, loc, wins, b[1], a[1])};
}

Reducer::Values Reducer::step(ValueRange state, Value element, Value position, Value mask) {
  Values incoming{element};
  if (combiner == Combiner::ArgMax)
    incoming.push_back(position);
  Values next = merge(state, incoming);
  if (mask)
    for (auto [value, old] : llvm::zip(next, state))
      value = arith::SelectOp::create(builder, loc, mask, value, old);
  return next;
}

Reducer::Values Reducer::horizontal(ValueRange state) {
  Values current(state.begin(), state.end());
  for (int64_t width = lanes; width > 1; width /= 2) {
    Values low, high;
    // Shuffles, because the lowering to LLVM knows no strided slices.
    for (Value value : current)
      for (auto [part, offset] : {std::pair(&low, int64_t{0}), std::pair(&high, width / 2)}) {
        llvm::SmallVector<int64_t> picked(static_cast<size_t>(width / 2));
        std::iota(picked.begin(), picked.end(), offset);
        part->push_back(vector::ShuffleOp::create(builder, loc, value, value, picked));
      }
    current = merge(low, high);
  }
  if (lanes > 1)
    for (Value &value : current)
      value = vector::ExtractOp::create(builder, loc, value, llvm::ArrayRef<int64_t>{0});
  return current;
}

Value Reducer::finish(ValueRange state, Type resultElementType) {
  if (combiner != Combiner::ArgMax)
    return state[0];
  // An empty range leaves the neutral index behind.
  Value index = state[1];
  auto like = [&](int64_t number) -> Value {
    auto attr = builder.getIntegerAttr(getElementTypeOrSelf(index.getType()), number);
    if (auto vector = dyn_cast<VectorType>(index.getType()))
      return arith::ConstantOp::create(builder, loc, DenseElementsAttr::get(vector, attr));
    return arith::ConstantOp::create(builder, loc, attr);
  };
  Value none = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::eq, index,
                                     like(std::numeric_limits<int64_t>::max()));
  index = arith::SelectOp::create(builder, loc, none, like(0), index);
  if (resultElementType.isInteger(32)) {
    Type narrow = resultElementType;
    if (auto vector = dyn_cast<VectorType>(index.getType()))
      narrow = vector.clone(narrow);
    index = arith::TruncIOp::create(builder, loc, narrow, index);
  }
  return index;
}

} // namespace sinter::cpu
