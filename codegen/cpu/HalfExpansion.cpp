// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cpu/HalfExpansion.h"

#include "sinter/codegen/cpu/MathEmitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;

namespace sinter::cpu {

namespace {

Type integerType(Num like, unsigned width) {
  return withElement(like.type(), IntegerType::get(like.value.getContext(), width));
}

/// For patterns without the sign bit.
Num isBelow(Num pattern, uint64_t bound) {
  Num limit = integerLike(pattern, bound);
  return pattern.emitter->create<arith::CmpIOp>(arith::CmpIPredicate::slt, pattern.value,
                                                limit.value);
}

Num andWith(Num a, uint64_t mask) { return a & integerLike(a, mask); }
Num orWith(Num a, uint64_t bits) { return a | integerLike(a, bits); }
Num plus(Num a, uint64_t number) { return a + integerLike(a, number); }

/// The 16 bits in i32 as a float.
Num extendHalf(Num word) {
  Num sign = andWith(word, 0x8000) << 16;
  Num magnitude = andWith(word, 0x7fff);
  // With the exponent where a float has it the number is 2^-112 times itself, subnormal or not.
  Num shifted = magnitude << 13;
  Num finite = bitsOf(floatOf(shifted) * 0x1p112);
  Num bits = select(isBelow(magnitude, 0x7c00), finite, orWith(shifted, 0x7f800000));
  return floatOf(bits | sign);
}

Num extendBrain(Num word) { return floatOf(word << 16); }

/// bits >> count, to nearest even.
Num shiftRounded(Num bits, int count) {
  Num odd = andWith(bits >> count, 1);
  return plus(bits + odd, (uint64_t{1} << (count - 1)) - 1) >> count;
}

/// A float as 16 bits in i32.
Num roundToHalf(Num x) {
  Num bits = bitsOf(x);
  Num sign = andWith(bits >> 16, 0x8000);
  Num magnitude = andWith(bits, 0x7fffffff);
  Num normal = plus(shiftRounded(magnitude, 13), uint64_t(-(112 << 10)));
  // The last bit of a float in [1/2, 1) is the smallest subnormal: adding 1/2 rounds to it.
  Num half = floatLike(x, 0.5);
  Num subnormal = bitsOf(floatOf(magnitude) + half) - bitsOf(half);
  Num finite = select(isBelow(magnitude, 0x38800000), subnormal, normal);
  Num infinity = integerLike(bits, 0x7c00);
  Num notNan = select(isBelow(magnitude, 0x477ff000), finite, infinity); // Below 65520.
  Num nan = orWith(andWith(magnitude >> 13, 0x3ff), 0x7e00);
  return select(isBelow(magnitude, 0x7f800001), notNan, nan) | sign;
}

Num roundToBrain(Num x) {
  Num bits = bitsOf(x);
  Num nan = orWith(bits >> 16, 0x40);
  return select(isBelow(andWith(bits, 0x7fffffff), 0x7f800001), shiftRounded(bits, 16), nan);
}

/// The value as i16, looking through the bitcast that a load has made.
Num patternOf(MathEmitter &emitter, Value narrow) {
  if (auto cast = narrow.getDefiningOp<arith::BitcastOp>())
    if (elementType(cast.getIn().getType()).isInteger(16))
      return emitter.wrap(cast.getIn());
  Num x = emitter.wrap(narrow);
  return emitter.create<arith::BitcastOp>(integerType(x, 16), narrow);
}

void expandExtension(MathEmitter &emitter, arith::ExtFOp op, bool isHalf) {
  Num pattern = patternOf(emitter, op.getIn());
  Num word = emitter.create<arith::ExtUIOp>(integerType(pattern, 32), pattern.value);
  Num value = isHalf ? extendHalf(word) : extendBrain(word);
  op.replaceAllUsesWith(convert(value, elementType(op.getType())).value);
}

void expandRounding(MathEmitter &emitter, arith::TruncFOp op, bool isHalf) {
  Num x = emitter.wrap(op.getIn());
  Num word = isHalf ? roundToHalf(x) : roundToBrain(x);
  Num pattern = emitter.create<arith::TruncIOp>(integerType(word, 16), word.value);
  for (Operation *user : llvm::make_early_inc_range(op->getUsers()))
    if (auto cast = dyn_cast<arith::BitcastOp>(user); cast && cast.getType() == pattern.type()) {
      cast.replaceAllUsesWith(pattern.value);
      cast.erase();
    }
  if (!op->use_empty())
    op.replaceAllUsesWith(emitter.create<arith::BitcastOp>(op.getType(), pattern.value).value);
}

} // namespace

void expandHalfConversions(ModuleOp module, bool hasF16c) {
  OpBuilder builder(module.getContext());
  const MathOptions options{.hasFma = false, .hasAvx512 = false}; // Nothing here asks for them.
  for (auto function : module.getOps<func::FuncOp>()) {
    if (function.isExternal())
      continue;
    MathCache cache;
    SmallVector<Operation *> work;
    function.walk([&](Operation *op) {
      if (!isa<arith::ExtFOp, arith::TruncFOp>(op))
        return;
      bool extends = isa<arith::ExtFOp>(op);
      Type narrow = elementType(extends ? op->getOperand(0).getType() : op->getResult(0).getType());
      if (narrow.isBF16() || (narrow.isF16() && !hasF16c))
        work.push_back(op);
    });
    // Roundings come before the extensions of what they give.
    for (Operation *op : work) {
      builder.setInsertionPoint(op);
      MathEmitter emitter(builder, op->getLoc(), &function.front(), cache, options);
      if (auto extension = dyn_cast<arith::ExtFOp>(op))
        expandExtension(emitter, extension, elementType(extension.getIn().getType()).isF16());
      else
        expandRounding(emitter, cast<arith::TruncFOp>(op),
                       elementType(op->getResult(0).getType()).isF16());
      op->erase();
    }
  }
}

} // namespace sinter::cpu
