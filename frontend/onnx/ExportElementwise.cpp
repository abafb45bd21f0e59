// SPDX-License-Identifier: Apache-2.0
#include "sinter/frontend/onnx/Exporter.h"

#include <cmath>
#include <limits>
#include <numbers>

namespace sinter::onnx {
namespace {

using Names = std::vector<Name>;

/// What an operator of ONNX is defined for.
enum class Takes { Numbers, NoBFloat16 };

/// The dtype in which an operator is computed that is not defined for `dtype`.
DType computedIn(DType dtype, Takes takes) {
  return takes == Takes::NoBFloat16 && dtype == bf16 ? f32 : dtype;
}

/// One operator over the op's operands; `compute` makes the nodes from operands in `dtype`.
template <typename Fn> void computeIn(OpExport &op, DType dtype, Fn compute) {
  Names in = op.elements();
  for (unsigned i = 0; i < in.size(); ++i)
    in[i] = op.cast(in[i], op.dtype(i), dtype);
  op.result(op.cast(compute(in), dtype, op.resultDType()));
}

/// The operator `type`, as it is.
template <const char *type, Takes takes = Takes::Numbers> void exportAs(OpExport &op) {
  computeIn(op, computedIn(op.dtype(0), takes), [&](const Names &in) { return op.node(type, in); });
}

/// The operator `type`, whose result is bool, or its negation.
template <const char *type, bool negated = false> void exportTest(OpExport &op) {
  Name result = op.node(type, op.elements());
  op.result(negated ? op.node("Not", {result}) : result);
}

//===--- Unary ---===//

void exportNeg(OpExport &op) {
  Name x = op.operand(0);
  op.result(isUnsigned(op.dtype(0)) ? op.node("Sub", {op.scalar(op.dtype(0), 0), x})
                                    : op.node("Neg", {x}));
}

void exportRelu(OpExport &op) {
  Name x = op.operand(0);
  op.result(isUnsigned(op.dtype(0)) ? x : op.node("Relu", {x}));
}

/// Near 0 by way of tanh, which keeps the digits that exp(x) - 1 loses.
Name expm1(OpExport &op, const Name &x, DType dtype) {
  Name one = op.scalar(dtype, 1);
  Name half = op.node("Tanh", {op.node("Mul", {x, op.scalar(dtype, 0.5)})});
  Name near = op.node("Div", {op.node("Add", {half, half}), op.node("Sub", {one, half})});
  Name far = op.node("Sub", {op.node("Exp", {x}), one});
  Name isNear = op.node("Less", {op.node("Abs", {x}), one});
  return op.select(isNear, near, far);
}

/// Near 0 by way of atanh.
Name log1p(OpExport &op, const Name &x, DType dtype) {
  Name part = op.node("Div", {x, op.node("Add", {x, op.scalar(dtype, 2)})});
  Name half = op.node("Atanh", {part});
  Name far = op.node("Log", {op.node("Add", {x, op.scalar(dtype, 1)})});
  Name isNear = op.node("Less", {op.node("Abs", {x}), op.scalar(dtype, 0.5)});
  return op.select(isNear, op.node("Add", {half, half}), far);
}

/// Composites are computed in f32 where the dtype is narrower.
DType wide(DType dtype) { return isFloat(dtype) && byteSize(dtype) == 2 ? f32 : dtype; }

template <Name (*function)(OpExport &, const Name &, DType)> void exportUnary(OpExport &op) {
  DType dtype = wide(op.dtype(0));
  computeIn(op, dtype, [&](const Names &in) { return function(op, in[0], dtype); });
}

Name rsqrt(OpExport &op, const Name &x, DType) {
  return op.node("Reciprocal", {op.node("Sqrt", {x})});
}
Name exp2(OpExport &op, const Name &x, DType dtype) {
  return op.node("Pow", {op.scalar(dtype, 2), x});
}
Name log2(OpExport &op, const Name &x, DType dtype) {
  return op.node("Div", {op.node("Log", {x}), op.scalar(dtype, std::numbers::ln2)});
}
Name log10(OpExport &op, const Name &x, DType dtype) {
  return op.node("Div", {op.node("Log", {x}), op.scalar(dtype, std::numbers::ln10)});
}
Name cbrt(OpExport &op, const Name &x, DType dtype) {
  Name root = op.node("Pow", {op.node("Abs", {x}), op.scalar(dtype, 1.0 / 3)});
  // One step of Newton's method takes back the rounding of 1/3; it has no say at 0 and infinity.
  Name square = op.node("Mul", {root, root});
  Name off = op.node("Sub", {root, op.node("Div", {op.node("Abs", {x}), square})});
  Name better = op.node("Sub", {root, op.node("Div", {off, op.scalar(dtype, 3)})});
  Name isPlain = op.node("And", {op.node("Greater", {root, op.scalar(dtype, 0)}),
                                 op.node("Not", {op.node("IsInf", {root})})});
  return op.node("Mul", {op.node("Sign", {x}), op.select(isPlain, better, root)});
}
Name trunc(OpExport &op, const Name &x, DType) {
  return op.node("Mul", {op.node("Sign", {x}), op.node("Floor", {op.node("Abs", {x})})});
}

/// Integers are neither NaN nor infinite.
template <const char *type> void exportClass(OpExport &op) {
  if (!isFloat(op.dtype(0)))
    return op.result(op.node("Not", {op.node("Equal", {op.operand(0), op.operand(0)})}));
  op.result(op.node(type, {op.operand(0)}));
}

void exportIsFinite(OpExport &op) {
  Name x = op.operand(0);
  if (!isFloat(op.dtype(0)))
    return op.result(op.node("Equal", {x, x}));
  op.result(op.node("Not", {op.node("Or", {op.node("IsNaN", {x}), op.node("IsInf", {x})})}));
}

//===--- Binary ---===//

/// A divisor for which ONNX defines the quotient of integers, and where it is not the op's own.
struct SafeDivisor {
  Name divisor, isZero, isMinusOne; ///< Empty: it never is.
};

SafeDivisor safeDivisor(OpExport &op, const Name &b) {
  DType dtype = op.dtype(1);
  SafeDivisor safe{b, "", ""};
  std::optional<double> known = op.uniform(1);
  if (!known || *known == 0)
    safe.isZero = op.node("Equal", {b, op.scalar(dtype, 0)});
  if (!isUnsigned(dtype) && (!known || *known == -1))
    safe.isMinusOne = op.node("Equal", {b, op.scalar(dtype, -1)});
  for (const Name &avoid : {safe.isZero, safe.isMinusOne})
    if (!avoid.empty())
      safe.divisor = op.select(avoid, op.scalar(dtype, 1), safe.divisor);
  return safe;
}

/// Rounded towards 0; x / 0 is 0, and the lowest number divided by -1 wraps.
Name quotient(OpExport &op, const Name &a, const SafeDivisor &by) {
  DType dtype = op.dtype(0);
  Name result = op.node("Div", {a, by.divisor});
  if (!by.isMinusOne.empty())
    result = op.select(by.isMinusOne, op.node("Sub", {op.scalar(dtype, 0), a}), result);
  return by.isZero.empty() ? result : op.select(by.isZero, op.scalar(dtype, 0), result);
}

/// Of the dividend's sign; x rem 0 is x.
Name remainder(OpExport &op, const Name &a, const SafeDivisor &by) {
  Name result = op.node("Mod", {a, by.divisor}, {{"fmod", int64_t{1}}});
  return by.isZero.empty() ? result : op.select(by.isZero, a, result);
}

/// Where a remainder is not 0 and its sign not the divisor's.
Name isAcross(OpExport &op, const Name &rest, const Name &b, DType dtype) {
  Name zero = op.scalar(dtype, 0);
  Name differs = op.node("Xor", {op.node("Less", {rest, zero}), op.node("Less", {b, zero})});
  return op.node("And", {differs, op.node("Not", {op.node("Equal", {rest, zero})})});
}

void exportDiv(OpExport &op) {
  Names in = op.elements();
  op.result(isFloat(op.dtype(0)) ? op.node("Div", in)
                                 : quotient(op, in[0], safeDivisor(op, in[1])));
}

void exportRem(OpExport &op) {
  Names in = op.elements();
  op.result(isFloat(op.dtype(0)) ? op.node("Mod", in, {{"fmod", int64_t{1}}})
                                 : remainder(op, in[0], safeDivisor(op, in[1])));
}

void exportMod(OpExport &op) {
  Names in = op.elements();
  DType dtype = op.dtype(0);
  bool real = isFloat(dtype);
  Name rest = real ? op.node("Mod", in, {{"fmod", int64_t{1}}})
                   : remainder(op, in[0], safeDivisor(op, in[1]));
  if (isUnsigned(dtype))
    return op.result(rest);
  Name across = isAcross(op, rest, in[1], dtype);
  if (!real) // x mod 0 is x.
    across =
        op.node("And", {across, op.node("Not", {op.node("Equal", {in[1], op.scalar(dtype, 0)})})});
  op.result(op.select(across, op.node("Add", {rest, in[1]}), rest));
}

void exportFloorDiv(OpExport &op) {
  Names in = op.elements();
  DType dtype = op.dtype(0);
  if (isFloat(dtype)) {
    // (a - rest) / b is whole but for its rounding.
    Name rest = op.node("Mod", in, {{"fmod", int64_t{1}}});
    Name down = op.cast(isAcross(op, rest, in[1], dtype), dtype);
    Name exact = op.node("Div", {op.node("Sub", {in[0], rest}), in[1]});
    if (dtype == bf16)
      exact = op.cast(op.node("Round", {op.cast(exact, f32)}), bf16);
    else
      exact = op.node("Round", {exact});
    Name isZero = op.node("Equal", {in[1], op.scalar(dtype, 0)});
    return op.result(op.select(isZero, op.node("Div", in), op.node("Sub", {exact, down})));
  }
  SafeDivisor by = safeDivisor(op, in[1]);
  Name down = quotient(op, in[0], by);
  if (isUnsigned(dtype))
    return op.result(down);
  Name across = isAcross(op, remainder(op, in[0], by), in[1], dtype);
  Name less = op.node("Sub", {down, op.scalar(dtype, 1)});
  Name result = op.select(across, less, down);
  op.result(by.isZero.empty() ? result : op.select(by.isZero, op.scalar(dtype, 0), result));
}

void exportPow(OpExport &op) {
  if (!isFloat(op.dtype(0)))
    op.unsupported("ONNX does not say how powers of integers overflow");
  op.result(op.node("Pow", op.elements()));
}

/// Scaled, so that squares do not overflow.
void exportHypot(OpExport &op) {
  DType dtype = wide(op.dtype(0));
  computeIn(op, dtype, [&](const Names &in) {
    Name a = op.node("Abs", {in[0]}), b = op.node("Abs", {in[1]});
    Name large = op.node("Max", {a, b}), small = op.node("Min", {a, b});
    Name ratio = op.node("Div", {small, large});
    Name root =
        op.node("Sqrt", {op.node("Add", {op.node("Mul", {ratio, ratio}), op.scalar(dtype, 1)})});
    // At 0 and at infinity, which wins over NaN, the ratio says nothing.
    Name length = op.select(op.node("Equal", {large, op.scalar(dtype, 0)}), large,
                            op.node("Mul", {large, root}));
    Name infinite = op.node("Or", {op.node("IsInf", {a}), op.node("IsInf", {b})});
    return op.select(infinite, op.scalar(dtype, std::numeric_limits<double>::infinity()), length);
  });
}

/// The angle in the first quadrant, reflected by the signs, which zeros have too.
void exportAtan2(OpExport &op) {
  DType dtype = wide(op.dtype(0));
  computeIn(op, dtype, [&](const Names &in) {
    Name zero = op.scalar(dtype, 0);
    auto isNegative = [&](const Name &x) {
      Name inverse = op.node("Reciprocal", {x});
      return op.node("Or", {op.node("Less", {x, zero}), op.node("Less", {inverse, zero})});
    };
    Name y = op.node("Abs", {in[0]}), x = op.node("Abs", {in[1]});
    Name angle = op.node("Atan", {op.node("Div", {y, x})});
    Name origin = op.node("Equal", {op.node("Max", {y, x}), zero});
    Name infinite = op.node("And", {op.node("IsInf", {y}), op.node("IsInf", {x})});
    angle = op.select(infinite, op.scalar(dtype, std::numbers::pi / 4), angle);
    angle = op.select(origin, zero, angle);
    Name left = op.node("Sub", {op.scalar(dtype, std::numbers::pi), angle});
    angle = op.select(isNegative(in[1]), left, angle);
    return op.select(isNegative(in[0]), op.node("Neg", {angle}), angle);
  });
}

void exportLogaddexp(OpExport &op) {
  DType dtype = wide(op.dtype(0));
  computeIn(op, dtype, [&](const Names &in) {
    Name apart = op.node("Neg", {op.node("Abs", {op.node("Sub", in)})});
    Name more = log1p(op, op.node("Exp", {apart}), dtype);
    Name sum = op.node("Add", {op.node("Max", in), more});
    // Equal infinities have no difference.
    Name twice = op.node("Add", {in[0], op.scalar(dtype, std::numbers::ln2)});
    return op.select(op.node("Equal", in), twice, sum);
  });
}

//===--- Bits ---===//

DType unsignedOf(DType dtype) {
  for (DType other : {u8, u16, u32, u64})
    if (byteSize(other) == byteSize(dtype))
      return other;
  return dtype;
}

/// ONNX shifts unsigned integers, by less than their width.
template <bool left> void exportShift(OpExport &op) {
  DType dtype = op.dtype(0), bits = unsignedOf(dtype);
  if (!left && dtype != bits)
    op.unsupported("ONNX shifts unsigned integers only", "cast to an unsigned dtype first");
  Names in = op.elements();
  Name width = op.scalar(bits, static_cast<double>(8 * byteSize(dtype)));
  Name count = op.cast(in[1], dtype, bits); // A negative count becomes one that is too large.
  Name fits = op.node("Less", {count, width});
  Name zero = op.scalar(bits, 0);
  Name shifted = op.node("BitShift", {op.cast(in[0], dtype, bits), op.select(fits, count, zero)},
                         {{"direction", std::string(left ? "LEFT" : "RIGHT")}});
  op.result(op.cast(op.select(fits, shifted, zero), bits, dtype));
}

//===--- Comparisons ---===//

/// Bools compare as 0 and 1.
template <const char *type> void exportOrder(OpExport &op) {
  Names in = op.elements();
  if (op.dtype(0) == boolean)
    in = {op.cast(in[0], u8), op.cast(in[1], u8)};
  op.result(op.node(type, in));
}

void exportSelect(OpExport &op) { op.result(op.node("Where", op.elements())); }

void exportCast(OpExport &op) {
  auto [x, shape] = op.unrepeated(0);
  op.resultRepeats(op.cast(x, op.dtype(0), op.resultDType()), shape);
}

void exportIdentity(OpExport &op) {
  auto [x, shape] = op.unrepeated(0);
  op.resultRepeats(x, shape);
}

constexpr char absType[] = "Abs", signType[] = "Sign", expType[] = "Exp", logType[] = "Log",
               sqrtType[] = "Sqrt", sinType[] = "Sin", cosType[] = "Cos", tanType[] = "Tan",
               asinType[] = "Asin", acosType[] = "Acos", atanType[] = "Atan", sinhType[] = "Sinh",
               coshType[] = "Cosh", asinhType[] = "Asinh", acoshType[] = "Acosh",
               atanhType[] = "Atanh", tanhType[] = "Tanh", sigmoidType[] = "Sigmoid",
               erfType[] = "Erf", floorType[] = "Floor", ceilType[] = "Ceil", roundType[] = "Round",
               notType[] = "Not", isNanType[] = "IsNaN", isInfType[] = "IsInf", addType[] = "Add",
               subType[] = "Sub", mulType[] = "Mul", maxType[] = "Max", minType[] = "Min",
               andType[] = "And", orType[] = "Or", xorType[] = "Xor", bitNotType[] = "BitwiseNot",
               bitAndType[] = "BitwiseAnd", bitOrType[] = "BitwiseOr", bitXorType[] = "BitwiseXor",
               equalType[] = "Equal", lessType[] = "Less", lessEqualType[] = "LessOrEqual",
               greaterType[] = "Greater", greaterEqualType[] = "GreaterOrEqual";

} // namespace

std::span<const ExportHandler> exportElementwiseHandlers() {
  constexpr Takes no16 = Takes::NoBFloat16;
  static constexpr ExportHandler table[] = {
      {"sinter.neg", exportNeg},
      {"sinter.abs", exportAs<absType>},
      {"sinter.sign", exportAs<signType>},
      {"sinter.exp", exportAs<expType>},
      {"sinter.expm1", exportUnary<expm1>},
      {"sinter.log", exportAs<logType>},
      {"sinter.log1p", exportUnary<log1p>},
      {"sinter.sqrt", exportAs<sqrtType>},
      {"sinter.rsqrt", exportUnary<rsqrt>},
      {"sinter.sin", exportAs<sinType, no16>},
      {"sinter.cos", exportAs<cosType, no16>},
      {"sinter.tan", exportAs<tanType, no16>},
      {"sinter.asin", exportAs<asinType, no16>},
      {"sinter.acos", exportAs<acosType, no16>},
      {"sinter.atan", exportAs<atanType, no16>},
      {"sinter.sinh", exportAs<sinhType, no16>},
      {"sinter.cosh", exportAs<coshType, no16>},
      {"sinter.asinh", exportAs<asinhType, no16>},
      {"sinter.acosh", exportAs<acoshType, no16>},
      {"sinter.atanh", exportAs<atanhType, no16>},
      {"sinter.exp2", exportUnary<exp2>},
      {"sinter.log2", exportUnary<log2>},
      {"sinter.log10", exportUnary<log10>},
      {"sinter.cbrt", exportUnary<cbrt>},
      {"sinter.tanh", exportAs<tanhType>},
      {"sinter.sigmoid", exportAs<sigmoidType>},
      {"sinter.erf", exportAs<erfType>},
      {"sinter.relu", exportRelu},
      {"sinter.floor", exportAs<floorType>},
      {"sinter.ceil", exportAs<ceilType>},
      {"sinter.round", exportAs<roundType, no16>},
      {"sinter.trunc", exportUnary<trunc>},
      {"sinter.stop_gradient", exportIdentity},
      {"sinter.with_gradient", exportIdentity},
      {"sinter.not", exportTest<notType>},
      {"sinter.bit_not", exportAs<bitNotType>},
      {"sinter.is_nan", exportClass<isNanType>},
      {"sinter.is_inf", exportClass<isInfType>},
      {"sinter.is_finite", exportIsFinite},
      {"sinter.add", exportAs<addType>},
      {"sinter.sub", exportAs<subType>},
      {"sinter.mul", exportAs<mulType>},
      {"sinter.div", exportDiv},
      {"sinter.pow", exportPow},
      {"sinter.max", exportAs<maxType>},
      {"sinter.min", exportAs<minType>},
      {"sinter.rem", exportRem},
      {"sinter.mod", exportMod},
      {"sinter.floor_div", exportFloorDiv},
      {"sinter.atan2", exportAtan2},
      {"sinter.hypot", exportHypot},
      {"sinter.logaddexp", exportLogaddexp},
      {"sinter.bit_and", exportAs<bitAndType>},
      {"sinter.bit_or", exportAs<bitOrType>},
      {"sinter.bit_xor", exportAs<bitXorType>},
      {"sinter.shift_left", exportShift<true>},
      {"sinter.shift_right", exportShift<false>},
      {"sinter.and", exportTest<andType>},
      {"sinter.or", exportTest<orType>},
      {"sinter.xor", exportTest<xorType>},
      {"sinter.equal", exportTest<equalType>},
      {"sinter.not_equal", exportTest<equalType, true>},
      {"sinter.less", exportOrder<lessType>},
      {"sinter.less_equal", exportOrder<lessEqualType>},
      {"sinter.greater", exportOrder<greaterType>},
      {"sinter.greater_equal", exportOrder<greaterEqualType>},
      {"sinter.select", exportSelect},
      {"sinter.cast", exportCast},
  };
  return table;
}

} // namespace sinter::onnx
