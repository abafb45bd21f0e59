// SPDX-License-Identifier: Apache-2.0
// sin, cos and tan: x = q pi/2 + r, then one of two polynomials in r. Moderate x are reduced by
// Cody and Waite's method with several constants, large ones after Payne and Hanek (Radian
// reduction for trigonometric functions, SIGNUM 18, 1983) from a table of 2/pi. Polynomials are our
// own fits.
#include "sinter/codegen/cpu/MathFunctions.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace sinter::cpu {

namespace {
/// x = quadrant * pi/2 + rest, |rest| <= pi/4 or so; only quadrant mod 4 counts.
struct Reduced {
  Num rest;
  Num quadrant; ///< Integer as wide as the float.
};
} // namespace

static constexpr double twoOverPi = 0x1.45f306dc9c883p-1;
/// Up to here the fast reductions are exact enough: quadrants stay below 2^17.
static constexpr double fastLimit = 1e5;

static Reduced reduceFast(Num x) {
  if (x.emitter->options.hasFma) {
    // pi/2 in three parts. The first step is exact, the others round relative to their results.
    Rounded n = roundScaled(x, isSingle(x) ? 0x1.45f306p-1 : twoOverPi);
    auto subtract = [&](Num rest, double single, double wide) {
      return fma(n.value, isSingle(x) ? -single : -wide, rest);
    };
    Num rest = subtract(x, 0x1.921fb6p+0, 0x1.921fb54442d18p+0);
    rest = subtract(rest, -0x1.777a5cp-25, 0x1.1a62633145c07p-54);
    rest = subtract(rest, -0x1.ee59dap-50, -0x1.f1976b7ed8fbcp-110);
    return {rest, n.bits};
  }
  // Without FMA, products must be exact: parts of 33 bits in double precision.
  Builder &b = x.emitter->builder;
  Num wide = convert(x, b.getF64Type());
  Rounded n = roundScaled(wide, twoOverPi);
  Num rest = wide - n.value * 0x1.921fb544p+0;
  if (!isSingle(x)) {
    rest = rest - n.value * 0x1.0b4611a6p-34;
    rest = rest - n.value * 0x1.3198a2ep-69;
    return {rest - n.value * 0x1.b839a252049c1p-104, n.bits};
  }
  rest = rest - n.value * 0x1.0b4611a626331p-34;
  Num quadrant =
      x.emitter->create<arith::TruncIOp>(withElement(x.type(), b.getI32Type()), n.bits.value);
  return {convert(rest, b.getF32Type()), quadrant};
}

/// 64 zero bits, then 2/pi.
static constexpr uint64_t twoOverPiBits[] = {
    0,
    0xa2f9836e4e441529,
    0xfc2757d1f534ddc0,
    0xdb6295993c439041,
    0xfe5163abdebbc561,
    0xb7246e3a424dd2e0,
    0x06492eea09d1921c,
    0xfe1deb1cb129a73e,
    0xe88235f52ebb4484,
    0xe99c7026b45f7e41,
    0x3991d639835339f4,
    0x9c845f8bbdf9283b,
    0x1ff897ffde05980f,
    0xef2f118b5a0a6d1f,
    0x6d367ecf27cb09b7,
    0x4f463f669e5fea2d,
    0x7527bac7ebe5f17b,
    0x3d0739f78a5292ea,
    0x6bfb5fb11f8d5d08,
    0x56033046fc7b6bab,
    0xf0cfbc209af4361d,
};

/// For a scalar f64 with fastLimit <= |x|: the product of the 53-bit significand with those 192
/// bits of 2/pi that decide x * 2/pi mod 4, as a fixed-point number of 2 + 126 bits.
static Reduced reduceLarge(Num x) {
  MathEmitter &e = *x.emitter;
  Num bits = bitsOf(x);
  Num significand =
      (bits & integerLike(x, (uint64_t(1) << 52) - 1)) | integerLike(x, uint64_t(1) << 52);
  // x = significand * 2^(exponent - 1075): the first bit of the window is the one of weight
  // 2^(1076 - exponent), bit exponent - 1013 of the table.
  Num exponent = (bits >> 52) & integerLike(x, 0x7ff);
  Num position = exponent - integerLike(x, 1013);
  Num shift = position & integerLike(x, 63);
  Num index = position >> 6;

  constexpr int64_t entries = std::size(twoOverPiBits);
  auto tableType = VectorType::get({entries}, e.builder.getI64Type());
  auto tableAttribute = DenseElementsAttr::get(tableType, ArrayRef<uint64_t>(twoOverPiBits));
  Value table = arith::ConstantOp::create(e.builder, e.loc, tableAttribute);
  Num words[4];
  for (int i = 0; i < 4; ++i) {
    Num at =
        e.create<arith::IndexCastOp>(e.builder.getIndexType(), (index + integerLike(x, i)).value);
    words[i] = e.create<vector::ExtractOp>(table, at.value);
  }
  Num back = integerLike(x, 63) - shift;
  Num window[3];
  for (int i = 0; i < 3; ++i)
    window[i] = shiftLeft(words[i], shift) | shiftRight(words[i + 1] >> 1, back);

  auto product = [&](Num a, Num b) -> std::pair<Num, Num> { // High and low halves.
    auto op = arith::MulUIExtendedOp::create(e.builder, e.loc, a.value, b.value);
    return {e.wrap(op.getHigh()), e.wrap(op.getLow())};
  };
  auto [middleHigh, middleLow] = product(significand, window[1]);
  Num lowHigh = product(significand, window[2]).first;
  Num low = middleLow + lowHigh;
  Num carry = e.create<arith::ExtUIOp>(
      e.builder.getI64Type(),
      e.create<arith::CmpIOp>(arith::CmpIPredicate::ult, low.value, lowHigh.value).value);
  Num high = significand * window[0] + middleHigh + carry;

  Num quadrant = (high + integerLike(x, uint64_t(1) << 61)) >> 62;
  Num fraction = high - (quadrant << 62); // Signed, in units of 2^-62.
  // Two exact halves: the high one without its last 10 bits, the low one with the next 53.
  auto toFloat = [&](Num i) { return e.create<arith::SIToFPOp>(x.type(), i.value); };
  Num tail = fraction & integerLike(x, 0x3ff);
  Num turnsHigh = toFloat(fraction ^ tail);
  Num turnsLow = toFloat((tail << 53) | (low >> 11)) * 0x1p-53;
  Pair scaled = twoProduct(turnsHigh, floatLike(x, 0x1.921fb54442d18p-62));
  Num correction = fma(turnsLow, 0x1.921fb54442d18p-62, turnsHigh * 0x1.1a62633145c07p-116);
  Num rest = scaled.high + (scaled.low + correction);

  // The table knows |x| only: restore the sign of x. Infinities and NaN give NaN.
  Num negative = x < 0.0;
  rest = select(negative, -rest, rest);
  quadrant = select(negative, integerLike(x, 0) - quadrant, quadrant);
  return {select(abs(x) < infinityLike(x), rest, nanLike(x)), quadrant};
}

/// One lane as f64, reduced, in the formats of x.
static Reduced reduceLargeLane(Num lane, Type floatElement, Type integerElement) {
  MathEmitter &e = *lane.emitter;
  Reduced reduced = reduceLarge(convert(lane, e.builder.getF64Type()));
  Num quadrant = reduced.quadrant;
  if (integerElement.isInteger(32))
    quadrant = e.create<arith::TruncIOp>(integerElement, quadrant.value);
  return {convert(reduced.rest, floatElement), quadrant};
}

/// Replaces the lanes of `fast` whose arguments are too large, one at a time.
static Reduced reduceLargeLanes(Num x, Num large, Reduced fast) {
  MathEmitter &e = *x.emitter;
  OpBuilder &b = e.builder;
  Type integerElement = elementType(fast.quadrant.type());
  auto vectorType = dyn_cast<VectorType>(x.type());
  if (!vectorType)
    return reduceLargeLane(x, x.type(), integerElement);

  auto index = [&](int64_t i) -> Value { return arith::ConstantIndexOp::create(b, e.loc, i); };
  Value zero = index(0), one = index(1), lanes = index(vectorType.getDimSize(0));
  auto loop = scf::ForOp::create(b, e.loc, zero, lanes, one,
                                 ValueRange{fast.rest.value, fast.quadrant.value});
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  Value lane = loop.getInductionVar();
  Value rest = loop.getRegionIterArgs()[0], quadrant = loop.getRegionIterArgs()[1];
  Value isLarge = vector::ExtractOp::create(b, e.loc, large.value, lane);
  auto branch = scf::IfOp::create(b, e.loc, TypeRange{rest.getType(), quadrant.getType()}, isLarge,
                                  /*withElseRegion=*/true);
  {
    OpBuilder::InsertionGuard inner(b);
    b.setInsertionPointToStart(branch.thenBlock());
    Num argument = e.create<vector::ExtractOp>(x.value, lane);
    Reduced reduced = reduceLargeLane(argument, vectorType.getElementType(), integerElement);
    Value newRest = vector::InsertOp::create(b, e.loc, reduced.rest.value, rest, lane);
    Value newQuadrant = vector::InsertOp::create(b, e.loc, reduced.quadrant.value, quadrant, lane);
    scf::YieldOp::create(b, e.loc, ValueRange{newRest, newQuadrant});
    b.setInsertionPointToStart(branch.elseBlock());
    scf::YieldOp::create(b, e.loc, ValueRange{rest, quadrant});
  }
  scf::YieldOp::create(b, e.loc, branch.getResults());
  return {e.wrap(loop.getResult(0)), e.wrap(loop.getResult(1))};
}

static Reduced reduceByHalfPi(Num x) {
  MathEmitter &e = *x.emitter;
  OpBuilder &b = e.builder;
  auto &[sharedRest, sharedQuadrant] = e.cache.reductions[{x.value, b.getInsertionBlock()}];
  if (sharedRest)
    return {e.wrap(sharedRest), e.wrap(sharedQuadrant)};

  Reduced fast = reduceFast(x);
  Num large = abs(x) > fastLimit;
  Value any = large.value;
  if (isa<VectorType>(x.type()))
    any = vector::ReductionOp::create(b, e.loc, vector::CombiningKind::OR, any);
  auto branch = scf::IfOp::create(b, e.loc, TypeRange{fast.rest.type(), fast.quadrant.type()}, any,
                                  /*withElseRegion=*/true);
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(branch.thenBlock());
    Reduced slow = reduceLargeLanes(x, large, fast);
    scf::YieldOp::create(b, e.loc, ValueRange{slow.rest.value, slow.quadrant.value});
    b.setInsertionPointToStart(branch.elseBlock());
    scf::YieldOp::create(b, e.loc, ValueRange{fast.rest.value, fast.quadrant.value});
  }
  sharedRest = branch.getResult(0);
  sharedQuadrant = branch.getResult(1);
  return {e.wrap(sharedRest), e.wrap(sharedQuadrant)};
}

// (sin(r) - r) / r^3 in r^2, relative to sin: f32 2^-28, f64 2^-58.
static Num sinReduced(Num r, Num square) {
  Num tail =
      isSingle(r)
          ? poly(square, {-0x1.555546p-3, 0x1.11077ap-7, -0x1.9954a8p-13})
          : poly(square, {-0x1.5555555555549p-3, 0x1.111111110f895p-7, -0x1.a01a019c1298fp-13,
                          0x1.71de357730ed5p-19, -0x1.ae5e650245bb7p-26, 0x1.5d9276e325e4bp-33});
  return fma(square * tail, r, r);
}

// (cos(r) - 1 + r^2/2) / r^4 in r^2, relative to cos: f32 2^-33, f64 2^-64.
static Num cosReduced(Num square) {
  Num tail =
      isSingle(square)
          ? poly(square, {0x1.55554ap-5, -0x1.6c0c28p-10, 0x1.99e818p-16})
          : poly(square, {0x1.555555555554bp-5, -0x1.6c16c16c1500ap-10, 0x1.a01a019c8d35dp-16,
                          -0x1.27e4f7efa76e9p-22, 0x1.1ee9da35ca9c1p-29, -0x1.8fa58e6752c3ep-37});
  return fma(fma(tail, square, -0.5), square, 1.0);
}

/// sin(rest + quadrant * pi/2).
static Num sinOf(const Reduced &reduced) {
  Num rest = reduced.rest, quadrant = reduced.quadrant;
  Num square = rest * rest;
  Num odd = (quadrant & integerLike(rest, 1)) != integerLike(rest, 0);
  Num value = select(odd, cosReduced(square), sinReduced(rest, square));
  Num sign = (quadrant & integerLike(rest, 2)) << (formatOf(rest).width - 2);
  return floatOf(bitsOf(value) ^ sign);
}

Num expandSin(Num x) {
  return select(x == 0.0, x, sinOf(reduceByHalfPi(x))); // Keeps the sign of zero.
}

Num expandCos(Num x) {
  Reduced reduced = reduceByHalfPi(x);
  return sinOf({reduced.rest, reduced.quadrant + integerLike(x, 1)});
}

Num expandTan(Num x) {
  auto [rest, quadrant] = reduceByHalfPi(x);
  Num square = rest * rest;
  Num sine = sinReduced(rest, square), cosine = cosReduced(square);
  Num odd = (quadrant & integerLike(rest, 1)) != integerLike(rest, 0);
  Num ratio = select(odd, -cosine, sine) / select(odd, sine, cosine);
  return select(x == 0.0, x, ratio);
}

} // namespace sinter::cpu
