// SPDX-License-Identifier: Apache-2.0
// Elementwise ops: one def each. See OpBase.td for what the strings mean.
#ifndef SINTER_IR_ELEMENTWISEOPS_TD
#define SINTER_IR_ELEMENTWISEOPS_TD

include "sinter/ir/OpBase.td"

// -- Unary ----------------------------------------------------------------------------------------

def Sinter_NegOp : Sinter_UnaryOp<"neg", "-x", "neg(x)", "-dy", Sinter_NumericTensor> {
  let summary = "-x.";
}
def Sinter_AbsOp : Sinter_UnaryOp<"abs", "abs(x)", "magnitude(x)", "dy * sign(x)", Sinter_NumericTensor> {
  let summary = "|x|; the gradient at 0 is 0.";
}
def Sinter_SignOp : Sinter_UnaryOp<"sign", "sign(x)", "signum(x)", "", Sinter_NumericTensor> {
  let summary = "-1, 0 or 1; keeps ±0 and NaN. Its gradient is zero.";
}
def Sinter_ExpOp : Sinter_UnaryOp<"exp", "exp(x)", "std::exp(x)", "dy * y"> {
  let summary = "e to the x.";
  let cost = 12;
}
def Sinter_Expm1Op : Sinter_UnaryOp<"expm1", "expm1(x)", "std::expm1(x)", "dy * (y + 1.0)"> {
  let summary = "exp(x) - 1, accurate near 0.";
  let cost = 16;
}
def Sinter_LogOp : Sinter_UnaryOp<"log", "log(x)", "std::log(x)", "dy / x"> {
  let summary = "Natural logarithm; log(0) is -inf, of a negative number NaN.";
  let cost = 14;
}
def Sinter_Log1pOp : Sinter_UnaryOp<"log1p", "log1p(x)", "std::log1p(x)", "dy / (x + 1.0)"> {
  let summary = "log(1 + x), accurate near 0.";
  let cost = 16;
}
def Sinter_SqrtOp : Sinter_UnaryOp<"sqrt", "sqrt(x)", "std::sqrt(x)", "dy * 0.5 / y"> {
  let summary = "Square root; the gradient at 0 is infinite.";
  let cost = 8;
}
def Sinter_RsqrtOp : Sinter_UnaryOp<"rsqrt", "1.0 / sqrt(x)", "1.0 / std::sqrt(x)", "dy * -0.5 * y / x"> {
  let summary = "1 / sqrt(x).";
  let cost = 12;
}
def Sinter_SinOp : Sinter_UnaryOp<"sin", "sin(x)", "std::sin(x)", "dy * cos(x)"> {
  let summary = "Sine of x in radians.";
  let cost = 20;
}
def Sinter_CosOp : Sinter_UnaryOp<"cos", "cos(x)", "std::cos(x)", "-dy * sin(x)"> {
  let summary = "Cosine of x in radians.";
  let cost = 20;
}
def Sinter_Exp2Op : Sinter_UnaryOp<"exp2", "exp2(x)", "std::exp2(x)", "dy * y * ln2"> {
  let summary = "2 to the x.";
  let cost = 12;
}
def Sinter_Log2Op : Sinter_UnaryOp<"log2", "log2(x)", "std::log2(x)", "dy / (x * ln2)"> {
  let summary = "Logarithm to base 2; exact for powers of two.";
  let cost = 14;
}
def Sinter_Log10Op : Sinter_UnaryOp<"log10", "log10(x)", "std::log10(x)", "dy / (x * ln10)"> {
  let summary = "Logarithm to base 10.";
  let cost = 14;
}
def Sinter_CbrtOp : Sinter_UnaryOp<"cbrt", "cbrt(x)", "std::cbrt(x)", "dy / (y * y * 3.0)"> {
  let summary = "Cube root, also of negative numbers; the gradient at 0 is infinite.";
  let cost = 20;
}
def Sinter_TanOp : Sinter_UnaryOp<"tan", "tan(x)", "std::tan(x)", "dy * (y * y + 1.0)"> {
  let summary = "Tangent of x in radians.";
  let cost = 28;
}
def Sinter_AsinOp : Sinter_UnaryOp<"asin", "asin(x)", "std::asin(x)",
    "dy / sqrt((1.0 - x) * (x + 1.0))"> {
  let summary = "The angle in [-pi/2, pi/2] whose sine is x; NaN outside [-1, 1]. The gradient at ±1 is infinite.";
  let cost = 24;
}
def Sinter_AcosOp : Sinter_UnaryOp<"acos", "acos(x)", "std::acos(x)",
    "-dy / sqrt((1.0 - x) * (x + 1.0))"> {
  let summary = "The angle in [0, pi] whose cosine is x; NaN outside [-1, 1]. The gradient at ±1 is infinite.";
  let cost = 24;
}
def Sinter_AtanOp : Sinter_UnaryOp<"atan", "atan(x)", "std::atan(x)", "dy / (x * x + 1.0)"> {
  let summary = "The angle in [-pi/2, pi/2] whose tangent is x.";
  let cost = 20;
}
def Sinter_SinhOp : Sinter_UnaryOp<"sinh", "sinh(x)", "std::sinh(x)", "dy * cosh(x)"> {
  let summary = "Hyperbolic sine.";
  let cost = 24;
}
def Sinter_CoshOp : Sinter_UnaryOp<"cosh", "cosh(x)", "std::cosh(x)", "dy * sinh(x)"> {
  let summary = "Hyperbolic cosine.";
  let cost = 20;
}
def Sinter_AsinhOp : Sinter_UnaryOp<"asinh", "asinh(x)", "std::asinh(x)", "dy / hypot(x, x.like(1))"> {
  let summary = "Inverse of sinh.";
  let cost = 30;
}
def Sinter_AcoshOp : Sinter_UnaryOp<"acosh", "acosh(x)", "std::acosh(x)",
    "dy / (sqrt(x - 1.0) * sqrt(x + 1.0))"> {
  let summary = "The y >= 0 whose cosh is x; NaN below 1. The gradient at 1 is infinite.";
  let cost = 30;
}
def Sinter_AtanhOp : Sinter_UnaryOp<"atanh", "atanh(x)", "std::atanh(x)",
    "dy / ((1.0 - x) * (x + 1.0))"> {
  let summary = "Inverse of tanh: ±inf at ±1, NaN beyond; the gradient at ±1 is infinite.";
  let cost = 24;
}
def Sinter_TanhOp : Sinter_UnaryOp<"tanh", "tanh(x)", "std::tanh(x)", "dy * (1.0 - y * y)"> {
  let summary = "Hyperbolic tangent.";
  let cost = 18;
}
def Sinter_SigmoidOp : Sinter_UnaryOp<"sigmoid", "sigmoid(x)", "logistic(x)", "dy * y * (1.0 - y)"> {
  let summary = "1 / (1 + exp(-x)).";
  let cost = 18;
}
def Sinter_ErfOp : Sinter_UnaryOp<"erf", "erf(x)", "std::erf(x)",
    "dy * (2.0 / sqrtPi) * exp(-(x * x))"> {
  let summary = "Error function.";
  let cost = 22;
}
def Sinter_ErfinvOp : Sinter_UnaryOp<"erfinv", "erfinv(x)", "inverseErf(double(x))",
    "dy * (sqrtPi / 2.0) * exp(y * y)"> {
  let summary = "Inverse of erf: ±inf at ±1, where the gradient is infinite, NaN beyond.";
  let cost = 30;
}
def Sinter_LgammaOp : Sinter_UnaryOp<"lgamma", "lgamma(x)", "logGamma(double(x))", "dy * digamma(x)"> {
  let summary = "Logarithm of |gamma(x)|; +inf at 0 and the negative integers.";
  let cost = 80;
}
def Sinter_DigammaOp : Sinter_UnaryOp<"digamma", "digamma(x)", "digamma(double(x))", "dy * trigamma(x)"> {
  let summary = "Derivative of lgamma; -inf at 0 (+inf at -0), NaN at the negative integers.";
  let cost = 80;
}
def Sinter_TrigammaOp : Sinter_UnaryOp<"trigamma", "trigamma(x)", "trigamma(double(x))", ""> {
  let summary = "Derivative of digamma; +inf at 0 and the negative integers.";
  let noDerivative = "polygamma functions of higher order are not operators";
  let cost = 80;
}
def Sinter_ReluOp : Sinter_UnaryOp<"relu", "select(x < 0.0, zeroLike(x), x)", "x < 0 ? T(0) : x",
    "select(x > 0.0, dy, zeroLike(dy))", Sinter_NumericTensor> {
  let summary = "max(x, 0), keeping NaN; the gradient at 0 is 0.";
}
def Sinter_FloorOp : Sinter_UnaryOp<"floor", "floor(x)", "std::floor(x)", ""> {
  let summary = "The largest integer not above x. Its gradient is zero.";
}
def Sinter_CeilOp : Sinter_UnaryOp<"ceil", "ceil(x)", "std::ceil(x)", ""> {
  let summary = "The smallest integer not below x. Its gradient is zero.";
}
def Sinter_RoundOp : Sinter_UnaryOp<"round", "roundEven(x)", "std::nearbyint(x)", ""> {
  let summary = "The nearest integer, halves to even. Its gradient is zero.";
}
def Sinter_TruncOp : Sinter_UnaryOp<"trunc", "trunc(x)", "std::trunc(x)", ""> {
  let summary = "x without its fraction. Its gradient is zero.";
}
def Sinter_StopGradientOp : Sinter_UnaryOp<"stop_gradient", "x", "x", "", Sinter_AnyTensor> {
  let summary = "x, but no gradient flows through it.";
  let cost = 0;
}
def Sinter_NotOp : Sinter_UnaryOp<"not", "!x", "std::int64_t(!x)", "", Sinter_BoolTensor> {
  let summary = "Logical not.";
  let noDerivative = "its result is boolean";
}

def Sinter_BitNotOp : Sinter_UnaryOp<"bit_not", "bitNot(x)", "bitNot(x)", "", Sinter_IntegerTensor> {
  let summary = "Every bit the other way: -x - 1 where there is a sign.";
  let noDerivative = "its result is an integer";
}

class Sinter_ClassOp<string mnemonic, string scalarExpr, string evalExpr>
    : Sinter_InferredElementwiseOp<mnemonic, "inferCompare"> {
  let arguments = (ins Sinter_AnyTensor:$x);
  let results = (outs Sinter_BoolTensor:$result);
  let names = ["x"];
  let scalar = scalarExpr;
  let eval = evalExpr;
  let vjp = [""];
  let noDerivative = "its result is boolean";
}
def Sinter_IsNanOp : Sinter_ClassOp<"is_nan", "isNan(x)", "std::int64_t(x != x)"> {
  let summary = "Whether x is NaN; false for integers.";
}
def Sinter_IsInfOp : Sinter_ClassOp<"is_inf", "isInf(x)", "std::int64_t(isInfinite(x))"> {
  let summary = "Whether x is infinite; false for integers.";
}
def Sinter_IsFiniteOp : Sinter_ClassOp<"is_finite", "isFinite(x)", "std::int64_t(x == x && !isInfinite(x))"> {
  let summary = "Whether x is neither infinite nor NaN; true for integers.";
}

// -- Binary ---------------------------------------------------------------------------------------

def Sinter_AddOp : Sinter_BinaryOp<"add", "a + b", "add(a, b)", "dy", "dy"> {
  let summary = "a + b.";
}
def Sinter_SubOp : Sinter_BinaryOp<"sub", "a - b", "sub(a, b)", "dy", "-dy"> {
  let summary = "a - b.";
}
def Sinter_MulOp : Sinter_BinaryOp<"mul", "a * b", "mul(a, b)", "dy * b", "dy * a"> {
  let summary = "a * b.";
}
def Sinter_DivOp : Sinter_BinaryOp<"div", "a / b", "div(a, b)", "dy / b", "-dy * y / b"> {
  let summary = "a / b; integers truncate, and x / 0 is 0.";
  let cost = 6;
}
def Sinter_PowOp : Sinter_BinaryOp<"pow", "pow(a, b)", "power(a, b)",
    "powGradientBase(a, b, dy)", "powGradientExponent(a, y, dy)"> {
  let summary = "a to the b (IEEE 754 pow: x^0 is 1). Integers wrap; a negative exponent gives 0, or ±1 of a base ±1.";
  let cost = 40;
}
def Sinter_MaxOp : Sinter_BinaryOp<"max", "maximum(a, b)", "maximum(a, b)",
    "shareOfMax(a, b, dy)", "shareOfMax(b, a, dy)"> {
  let summary = "The larger; NaN if either is. A tie shares the gradient equally.";
}
def Sinter_MinOp : Sinter_BinaryOp<"min", "minimum(a, b)", "minimum(a, b)",
    "shareOfMin(a, b, dy)", "shareOfMin(b, a, dy)"> {
  let summary = "The smaller; NaN if either is. A tie shares the gradient equally.";
}

// Integer remainders are total: x rem 0 and x mod 0 are x, so that a == (a / b) * b + rem(a, b); INT_MIN by -1 gives 0.
def Sinter_RemOp : Sinter_BinaryOp<"rem", "rem(a, b)", "remainderOf(a, b)", "dy", "-dy * ((a - y) / b)"> {
  let summary = "a - trunc(a / b) * b, with the sign of a (C's % and fmod): exact. Of floats by 0 NaN; of integers by 0 a.";
  let cost = 30;
}
def Sinter_ModOp : Sinter_BinaryOp<"mod", "mod(a, b)", "modulo(a, b)", "dy", "-dy * ((a - y) / b)"> {
  let summary = "a - floor(a / b) * b, with the sign of b (Python's %). Of floats by 0 NaN; of integers by 0 a.";
  let cost = 32;
}
def Sinter_FloorDivOp : Sinter_BinaryOp<"floor_div", "floorDiv(a, b)", "floorDivide(a, b)", "", ""> {
  let summary = "floor(a / b), as Python's //; integers by 0 give 0, INT_MIN // -1 is INT_MIN. Its gradient is zero.";
  let cost = 34;
}
def Sinter_Atan2Op : Sinter_BinaryOp<"atan2", "atan2(a, b)", "std::atan2(double(a), double(b))",
    "angleGradient(b, a, b, dy)", "-angleGradient(a, a, b, dy)", Sinter_FloatTensor> {
  let summary = "The angle of the point (x, y) = (b, a), in [-pi, pi]; its gradient at (0, 0) is 0.";
  let cost = 30;
}
def Sinter_HypotOp : Sinter_BinaryOp<"hypot", "hypot(a, b)", "std::hypot(double(a), double(b))",
    "dy * shareOfLength(a, y)", "dy * shareOfLength(b, y)", Sinter_FloatTensor> {
  let summary = "sqrt(a^2 + b^2) without overflow on the way; its gradient at (0, 0) is 0. Infinite even beside NaN.";
  let cost = 20;
}
def Sinter_LogaddexpOp : Sinter_BinaryOp<"logaddexp", "logaddexp(a, b)", "logAddExp(double(a), double(b))",
    "dy * sigmoid(logRatio(a, b))", "dy * sigmoid(logRatio(b, a))", Sinter_FloatTensor> {
  let summary = "log(exp(a) + exp(b)) without overflow; equal operands, also infinite, share the gradient equally.";
  let cost = 40;
}

class Sinter_BitsOp<string mnemonic, string scalarExpr, string evalExpr>
    : Sinter_BinaryOp<mnemonic, scalarExpr, evalExpr, "", "", Sinter_IntegerTensor> {
  let noDerivative = "its result is an integer";
}
def Sinter_BitAndOp : Sinter_BitsOp<"bit_and", "bitAnd(a, b)", "bitAnd(a, b)"> {
  let summary = "Bitwise and.";
}
def Sinter_BitOrOp : Sinter_BitsOp<"bit_or", "bitOr(a, b)", "bitOr(a, b)"> {
  let summary = "Bitwise or.";
}
def Sinter_BitXorOp : Sinter_BitsOp<"bit_xor", "bitXor(a, b)", "bitXor(a, b)"> {
  let summary = "Bitwise exclusive or.";
}
def Sinter_ShiftLeftOp : Sinter_BitsOp<"shift_left", "shiftLeft(a, b)", "shiftLeft(a, b, type)"> {
  let summary = "a * 2^b, wrapped. A count that is negative or not below the width shifts every bit out: 0.";
}
def Sinter_ShiftRightOp : Sinter_BitsOp<"shift_right", "shiftRight(a, b)", "shiftRight(a, b, type)"> {
  let summary = "a / 2^b rounded down: copies of the sign come in (zeros where unsigned). A count that is negative or not below the width leaves only those.";
}

class Sinter_LogicalOp<string mnemonic, string scalarExpr, string evalExpr>
    : Sinter_BinaryOp<mnemonic, scalarExpr, evalExpr, "", "", Sinter_BoolTensor> {
  let noDerivative = "its result is boolean";
}
def Sinter_AndOp : Sinter_LogicalOp<"and", "a && b", "std::int64_t(a && b)"> {
  let summary = "Logical and.";
}
def Sinter_OrOp : Sinter_LogicalOp<"or", "a || b", "std::int64_t(a || b)"> {
  let summary = "Logical or.";
}
def Sinter_XorOp : Sinter_LogicalOp<"xor", "a != b", "std::int64_t(a != b)"> {
  let summary = "Whether exactly one holds.";
}

def Sinter_EqualOp : Sinter_CompareOp<"equal", "a == b", "std::int64_t(a == b)"> {
  let summary = "a == b; false when either is NaN.";
}
def Sinter_NotEqualOp : Sinter_CompareOp<"not_equal", "a != b", "std::int64_t(a != b)"> {
  let summary = "a != b; true when either is NaN.";
}
def Sinter_LessOp : Sinter_CompareOp<"less", "a < b", "std::int64_t(a < b)"> {
  let summary = "a < b; false when either is NaN.";
}
def Sinter_LessEqualOp : Sinter_CompareOp<"less_equal", "a <= b", "std::int64_t(a <= b)"> {
  let summary = "a <= b; false when either is NaN.";
}
def Sinter_GreaterOp : Sinter_CompareOp<"greater", "a > b", "std::int64_t(a > b)"> {
  let summary = "a > b; false when either is NaN.";
}
def Sinter_GreaterEqualOp : Sinter_CompareOp<"greater_equal", "a >= b", "std::int64_t(a >= b)"> {
  let summary = "a >= b; false when either is NaN.";
}

// -- Others ---------------------------------------------------------------------------------------

def Sinter_SelectOp : Sinter_InferredElementwiseOp<"select", "inferSelect"> {
  let summary = "a where condition holds, else b. No gradient leaks from the branch not taken.";
  let frontend = "manual";
  let arguments = (ins Sinter_BoolTensor:$condition, Sinter_AnyTensor:$a, Sinter_AnyTensor:$b);
  let results = (outs Sinter_AnyTensor:$result);
  let names = ["condition", "a", "b"];
  let scalar = "select(condition, a, b)";
  let eval = "condition ? a : b";
  let vjp = ["", "select(condition, dy, zeroLike(dy))", "select(condition, zeroLike(dy), dy)"];
}

def Sinter_CastOp : Sinter_ElementwiseOp<"cast"> {
  let summary = "Converts elements to the result's dtype (rules in the dialect's description).";
  let description = "[cast_c1] operand and result have equal sizes.";
  let frontend = "manual";
  let arguments = (ins Sinter_AnyTensor:$x);
  let results = (outs Sinter_AnyTensor:$result);
  let names = ["x"];
  let scalar = "cast(x, type)";
  let eval = "castTo(x, type)";
  let vjp = ["castGradient(dy, x)"];
  let jvp = ["castGradient(dy, y)"];
  let hasVerifier = 1;
}

def Sinter_BitcastOp : Sinter_ElementwiseOp<"bitcast"> {
  let summary = "The same bits under another dtype of equal width.";
  let description = "[bitcast_c1] equal sizes. [bitcast_c2] dtypes of equal width, not bool.";
  let frontend = "manual";
  let noDerivative = "it looks at bits";
  let arguments = (ins Sinter_NumericTensor:$x);
  let results = (outs Sinter_NumericTensor:$result);
  let names = ["x"];
  let scalar = "bitcast(x, type)";
  let eval = "bitcastTo(operands[0], tensorType((*this)->getOperand(0)).getElementType(), type)";
  let vjp = [""];
  let hasVerifier = 1;
}

def Sinter_RandomBitsOp : Sinter_InferredElementwiseOp<"random_bits", "inferRandomBits"> {
  let summary = "32 random bits: word 0 of Philox4x32-10 (Salmon et al. 2011) of a key and a counter.";
  let description = [{
    Equal keys and counters give equal bits on every machine. The low and high halves of the counter are the
    first two words of the block's counter, the others are 0. [random_bits_c1] key and counter are u64.
  }];
  let frontend = "manual";
  let noDerivative = "it has no float operand";
  let arguments = (ins Sinter_NumericTensor:$key, Sinter_NumericTensor:$counter);
  let results = (outs Sinter_NumericTensor:$result);
  let names = ["key", "counter"];
  let scalar = "randomBits(key, counter)";
  let eval = "randomBits(operands[0], operands[1])";
  let vjp = ["", ""];
  let cost = 60;
}

def Sinter_FullOp : Sinter_ElementwiseOp<"full"> {
  let summary = "Every element is `value`. Sizes may be symbolic.";
  let description = "[full_c1] `value` has the result's element type.";
  let frontend = "manual";
  let arguments = (ins TypedAttrInterface:$value);
  let results = (outs Sinter_AnyTensor:$result);
  let scalar = "constant(builder, loc, getValue(), lanes)";
  let eval = "attributeValue(getValue())";
  let vjp = [];
  let cost = 0;
  let hasVerifier = 1;
  let hasFolder = 0;
  let assemblyFormat = "$value attr-dict `:` qualified(type($result))";
}

#endif
