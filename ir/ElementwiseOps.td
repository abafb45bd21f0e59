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
def Sinter_StopGradientOp : Sinter_UnaryOp<"stop_gradient", "x", "x", "", Sinter_AnyTensor> {
  let summary = "x, but no gradient flows through it.";
  let cost = 0;
}
def Sinter_NotOp : Sinter_UnaryOp<"not", "!x", "std::int64_t(!x)", "", Sinter_BoolTensor> {
  let summary = "Logical not.";
  let noDerivative = "its result is boolean";
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
def Sinter_PowOp : Sinter_BinaryOp<"pow", "pow(a, b)", "std::pow(a, b)",
    "powGradientBase(a, b, dy)", "powGradientExponent(a, y, dy)", Sinter_FloatTensor> {
  let summary = "a to the b (IEEE 754 pow).";
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
