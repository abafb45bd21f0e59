// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cpu/MathEmitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "llvm/ADT/Sequence.h"
#include "llvm/Support/MathExtras.h"

#include <cmath>

using namespace mlir;

namespace sinter::cpu {

Type elementType(Type type) {
  if (auto vector = dyn_cast<VectorType>(type))
    return vector.getElementType();
  return type;
}

Type withElement(Type type, Type element) {
  if (auto vector = dyn_cast<VectorType>(type))
    return VectorType::get(vector.getShape(), element);
  return element;
}

bool isSingle(Num x) { return elementType(x.type()).isF32(); }

FloatFormat formatOf(Num x) {
  if (elementType(x.type()).getIntOrFloatBitWidth() == 32)
    return {32, 23, 127};
  return {64, 52, 1023};
}

static bool isFloat(Num x) { return isa<FloatType>(elementType(x.type())); }

Num MathEmitter::constant(Type type, Attribute element) {
  TypedAttr attribute = cast<TypedAttr>(element);
  if (auto vector = dyn_cast<VectorType>(type))
    attribute = DenseElementsAttr::get(vector, element);
  Value &slot = cache.constants[attribute];
  if (!slot) {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(entry);
    slot = arith::ConstantOp::create(builder, builder.getUnknownLoc(), attribute);
  }
  return wrap(slot);
}

Num floatLike(Num like, double value) {
  Type element = elementType(like.type());
  return like.emitter->constant(like.type(), FloatAttr::get(element, value));
}

Num integerLike(Num like, uint64_t value) {
  unsigned width = elementType(like.type()).getIntOrFloatBitWidth();
  Type element = IntegerType::get(like.value.getContext(), width);
  APInt bits(64, value);
  return like.emitter->constant(withElement(like.type(), element),
                                IntegerAttr::get(element, bits.trunc(width)));
}

template <typename FloatOp, typename IntegerOp> static Num binary(Num a, Num b) {
  if (isFloat(a))
    return a.emitter->create<FloatOp>(a.value, b.value);
  return a.emitter->create<IntegerOp>(a.value, b.value);
}

Num operator+(Num a, Num b) { return binary<arith::AddFOp, arith::AddIOp>(a, b); }
Num operator-(Num a, Num b) { return binary<arith::SubFOp, arith::SubIOp>(a, b); }
Num operator*(Num a, Num b) { return binary<arith::MulFOp, arith::MulIOp>(a, b); }
Num operator/(Num a, Num b) { return a.emitter->create<arith::DivFOp>(a.value, b.value); }
Num operator-(Num a) { return a.emitter->create<arith::NegFOp>(a.value); }
Num operator+(Num a, double b) { return a + floatLike(a, b); }
Num operator-(Num a, double b) { return a - floatLike(a, b); }
Num operator*(Num a, double b) { return a * floatLike(a, b); }
Num operator+(double a, Num b) { return floatLike(b, a) + b; }
Num operator-(double a, Num b) { return floatLike(b, a) - b; }
Num operator*(double a, Num b) { return floatLike(b, a) * b; }
Num operator/(double a, Num b) { return floatLike(b, a) / b; }

Num operator&(Num a, Num b) { return a.emitter->create<arith::AndIOp>(a.value, b.value); }
Num operator|(Num a, Num b) { return a.emitter->create<arith::OrIOp>(a.value, b.value); }
Num operator^(Num a, Num b) { return a.emitter->create<arith::XOrIOp>(a.value, b.value); }
Num operator<<(Num a, int count) { return shiftLeft(a, integerLike(a, count)); }
Num operator>>(Num a, int count) { return shiftRight(a, integerLike(a, count)); }
Num shiftLeft(Num a, Num count) { return a.emitter->create<arith::ShLIOp>(a.value, count.value); }
Num shiftRight(Num a, Num count) { return a.emitter->create<arith::ShRUIOp>(a.value, count.value); }
Num operator!(Num mask) { return mask ^ integerLike(mask, 1); }

static Num compare(arith::CmpFPredicate predicate, Num a, Num b) {
  return a.emitter->create<arith::CmpFOp>(predicate, a.value, b.value);
}

Num operator<(Num a, Num b) { return compare(arith::CmpFPredicate::OLT, a, b); }
Num operator>(Num a, Num b) { return compare(arith::CmpFPredicate::OGT, a, b); }
Num operator<=(Num a, Num b) { return compare(arith::CmpFPredicate::OLE, a, b); }
Num operator>=(Num a, Num b) { return compare(arith::CmpFPredicate::OGE, a, b); }
Num operator<(Num a, double b) { return a < floatLike(a, b); }
Num operator>(Num a, double b) { return a > floatLike(a, b); }
Num operator<=(Num a, double b) { return a <= floatLike(a, b); }
Num operator>=(Num a, double b) { return a >= floatLike(a, b); }
Num operator==(Num a, double b) { return a == floatLike(a, b); }
Num operator==(Num a, Num b) {
  if (isFloat(a))
    return compare(arith::CmpFPredicate::OEQ, a, b);
  return a.emitter->create<arith::CmpIOp>(arith::CmpIPredicate::eq, a.value, b.value);
}
Num operator!=(Num a, Num b) {
  if (isFloat(a))
    return compare(arith::CmpFPredicate::UNE, a, b);
  return a.emitter->create<arith::CmpIOp>(arith::CmpIPredicate::ne, a.value, b.value);
}

Num select(Num mask, Num a, Num b) {
  return a.emitter->create<arith::SelectOp>(mask.value, a.value, b.value);
}

Num fma(Num a, Num b, Num c) {
  if (a.emitter->options.hasFma)
    return a.emitter->create<math::FmaOp>(a.value, b.value, c.value);
  return a * b + c;
}
Num fma(Num a, double b, Num c) { return fma(a, floatLike(a, b), c); }
Num fma(Num a, Num b, double c) { return fma(a, b, floatLike(a, c)); }
Num fma(Num a, double b, double c) { return fma(a, floatLike(a, b), floatLike(a, c)); }

Num poly(Num x, std::initializer_list<double> coefficients) {
  const double *next = coefficients.end() - 1;
  Num sum = floatLike(x, *next);
  while (next != coefficients.begin())
    sum = fma(sum, x, *--next);
  return sum;
}

Num abs(Num x) { return x.emitter->create<math::AbsFOp>(x.value); }
Num copysign(Num magnitude, Num sign) {
  return magnitude.emitter->create<math::CopySignOp>(magnitude.value, sign.value);
}

// minps and maxps return their second operand when either is NaN.
Num atMost(Num x, double bound) {
  Num limit = floatLike(x, bound);
  return select(limit < x, limit, x);
}
Num atLeast(Num x, double bound) {
  Num limit = floatLike(x, bound);
  return select(limit > x, limit, x);
}

Num bitsOf(Num x) {
  Type element = IntegerType::get(x.value.getContext(), formatOf(x).width);
  return x.emitter->create<arith::BitcastOp>(withElement(x.type(), element), x.value);
}

Num floatOf(Num bits) {
  MLIRContext *context = bits.value.getContext();
  Type element = formatOf(bits).width == 32 ? Type(Float32Type::get(context))
                                            : Type(Float64Type::get(context));
  return bits.emitter->create<arith::BitcastOp>(withElement(bits.type(), element), bits.value);
}

Num convert(Num x, Type element) {
  Type from = elementType(x.type()), to = withElement(x.type(), element);
  if (from == element)
    return x;
  if (from.isF32())
    return x.emitter->create<arith::ExtFOp>(to, x.value);
  return x.emitter->create<arith::TruncFOp>(to, x.value);
}

Num infinityLike(Num x) { return floatLike(x, INFINITY); }
Num nanLike(Num x) { return floatLike(x, NAN); }

// Adding 1.5 * 2^mantissa leaves the rounded integer in the low bits of the sum.
static double roundingMagic(Num x) { return std::ldexp(1.5, formatOf(x).mantissaBits); }

Rounded roundScaled(Num x, double scale) {
  double magic = roundingMagic(x);
  Num sum = fma(x, scale, magic);
  return {sum - magic, bitsOf(sum)};
}

Rounded roundPlain(Num x) {
  double magic = roundingMagic(x);
  Num sum = x + magic;
  return {sum - magic, bitsOf(sum)};
}

Num powerOfTwo(const Rounded &n, int offset) {
  FloatFormat format = formatOf(n.bits);
  uint64_t exponent = uint64_t(format.bias + offset) << format.mantissaBits;
  return floatOf((n.bits << format.mantissaBits) + integerLike(n.bits, exponent));
}

/// vscalef works on whole 512-bit registers; it rounds once, as the two-step product does.
static Value scaleByInstruction(MathEmitter &e, Value p, Value n) {
  auto type = cast<VectorType>(p.getType());
  Type element = type.getElementType();
  bool single = element.isF32();
  int64_t lanes = single ? 16 : 8, size = type.getDimSize(0);
  if (size > lanes) { // By halves: the size is a power of two.
    auto half = [&](Value v, int64_t offset) -> Value {
      auto indices = llvm::to_vector(llvm::seq(offset, offset + size / 2));
      return vector::ShuffleOp::create(e.builder, e.loc, v, v, indices);
    };
    Value low = scaleByInstruction(e, half(p, 0), half(n, 0));
    Value high = scaleByInstruction(e, half(p, size / 2), half(n, size / 2));
    return vector::ShuffleOp::create(e.builder, e.loc, low, high,
                                     llvm::to_vector(llvm::seq<int64_t>(0, size)));
  }
  StringRef name =
      single ? "llvm.x86.avx512.mask.scalef.ps.512" : "llvm.x86.avx512.mask.scalef.pd.512";
  Type maskType = e.builder.getIntegerType(lanes);
  Value source = e.constant(type, FloatAttr::get(element, 0.0)).value;
  Value mask = e.constant(maskType, IntegerAttr::get(maskType, -1)).value;
  Value rounding =
      e.constant(e.builder.getI32Type(), e.builder.getI32IntegerAttr(4)).value; // As in MXCSR.
  return LLVM::CallIntrinsicOp::create(e.builder, e.loc, type, e.builder.getStringAttr(name),
                                       ValueRange{p, n, source, mask, rounding})
      .getResult(0);
}

/// The vector is one or a power of two of whole 512-bit registers.
static bool fillsRegisters(Type type) {
  auto vector = dyn_cast<VectorType>(type);
  if (!vector)
    return false;
  int64_t bits = vector.getDimSize(0) * vector.getElementTypeBitWidth();
  return bits >= 512 && llvm::isPowerOf2_64(bits);
}

bool scalesByInstruction(Num x) {
  return x.emitter->options.hasAvx512 && fillsRegisters(x.type());
}

Num scaleByPowerOfTwo(Num p, const Rounded &n) {
  FloatFormat format = formatOf(p);
  if (scalesByInstruction(p))
    return p.emitter->wrap(scaleByInstruction(*p.emitter, p.value, n.value.value));
  // 2^n need not be a float: multiply by 2^floor(n/2), which is exact, then by the rest.
  int shift = format.mantissaBits;
  Num one = integerLike(n.bits, uint64_t(format.bias) << shift);
  Num half = (n.bits >> 1) << shift;
  Num rest = (n.bits << shift) - half;
  return p * floatOf(half + one) * floatOf(rest + one);
}

Pair twoSum(Num a, Num b) {
  Num sum = a + b;
  Num other = sum - a;
  return {sum, (a - (sum - other)) + (b - other)};
}

Pair fastTwoSum(Num a, Num b) {
  Num sum = a + b;
  return {sum, b - (sum - a)};
}

Pair twoProduct(Num a, Num b) {
  Num product = a * b;
  if (a.emitter->options.hasFma)
    return {product, fma(a, b, -product)};
  auto split = [](Num x) -> Pair { // Veltkamp: the high half fits half the mantissa.
    Num scaled = x * (isSingle(x) ? 0x1.001p12 : 0x1.0000002p27);
    Num high = scaled - (scaled - x);
    return {high, x - high};
  };
  Pair x = split(a), y = split(b);
  Num error = ((x.high * y.high - product) + x.high * y.low) + x.low * y.high;
  return {product, error + x.low * y.low};
}

Pair multiply(Pair a, Pair b) {
  Pair product = twoProduct(a.high, b.high);
  return fastTwoSum(product.high, product.low + (a.high * b.low + a.low * b.high));
}

} // namespace sinter::cpu
