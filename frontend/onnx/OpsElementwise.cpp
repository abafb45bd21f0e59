// SPDX-License-Identifier: Apache-2.0
#include "sinter/frontend/onnx/Node.h"

namespace sinter::onnx {

// -- Operands -------------------------------------------------------------------------------------

/// The second operand of a binary operator. Before version 7 it broadcast only when asked to, from
/// `axis` on.
static Tensor secondOperand(Node &node, const Tensor &a) {
  Tensor b = node.input(1);
  if (node.opset() >= 7)
    return b;
  node.ignoreAttribute("consumed_inputs");
  bool broadcasts = node.flagAttribute("broadcast", false);
  int64_t axis = node.intAttribute("axis", a.rank() - b.rank());
  if (!broadcasts || b.rank() > a.rank())
    return b;
  axis = node.axis(axis, a.rank() + 1);
  std::vector<DimExpr> sizes = b.shape().vector();
  if (axis + b.rank() > a.rank())
    node.invalid("axis " + std::to_string(axis) + " does not fit the operands");
  sizes.resize(static_cast<size_t>(a.rank() - axis), DimExpr(1));
  return b.reshape(Shape(std::move(sizes)));
}

// -- Unary ----------------------------------------------------------------------------------------

template <auto function> static void importUnary(Node &node) {
  if (node.opset() < 6)
    node.ignoreAttribute("consumed_inputs");
  node.output(0, function(node.input(0), std::source_location::current()));
}

static void importReciprocal(Node &node) {
  Tensor x = node.input(0);
  node.output(0, 1 / x);
}

static void importClip(Node &node) {
  Tensor x = node.input(0);
  if (node.opset() < 11) {
    node.ignoreAttribute("consumed_inputs");
    if (node.hasAttribute("min"))
      x = x.maximum(node.floatAttribute("min"));
    if (node.hasAttribute("max"))
      x = x.minimum(node.floatAttribute("max"));
  } else {
    // Where the limits cross, the upper one wins.
    if (node.has(1))
      x = x.maximum(node.input(1));
    if (node.has(2))
      x = x.minimum(node.input(2));
  }
  node.output(0, x);
}

// -- Binary ---------------------------------------------------------------------------------------

template <auto function> static void importBinary(Node &node) {
  Tensor a = node.input(0);
  Tensor b = secondOperand(node, a);
  node.output(0, function(a, b, std::source_location::current()));
}

/// The result has the dtype of the base, whatever the exponent is.
static void importPow(Node &node) {
  Tensor base = node.input(0);
  Tensor exponent = secondOperand(node, base);
  DType dtype = base.dtype();
  if (isFloat(dtype) && byteSize(dtype) >= byteSize(exponent.dtype()))
    return node.output(0, base.pow(exponent.cast(dtype)));
  if (isFloat(dtype)) // An i64 exponent loses nothing in f64.
    return node.output(0, base.cast(f64).pow(exponent.cast(f64)).cast(dtype));
  if (isFloat(exponent.dtype()))
    return node.output(0, base.cast(f64).pow(exponent.cast(f64)).cast(dtype));
  node.output(0, base.cast(i64).pow(exponent.cast(i64)).cast(dtype));
}

/// `fmod` 0: the sign of the divisor, for integers only; 1: that of the dividend.
static void importMod(Node &node) {
  Tensor a = node.input(0), b = node.input(1);
  bool ofDividend = node.flagAttribute("fmod", false);
  if (isFloat(a.dtype()) && !ofDividend)
    node.invalid("floats need fmod = 1");
  node.output(0, ofDividend ? rem(a, b) : mod(a, b));
}

// -- Variadic -------------------------------------------------------------------------------------

template <auto function> static Tensor foldInputs(Node &node) {
  if (node.opset() < 6)
    node.ignoreAttribute("consumed_inputs");
  std::vector<Tensor> operands = node.inputs();
  if (operands.empty())
    node.invalid("it needs at least one input");
  Tensor total = operands.front();
  for (size_t i = 1; i < operands.size(); ++i)
    total = function(total, operands[i], std::source_location::current());
  return total;
}

template <auto function> static void importVariadic(Node &node) {
  node.output(0, foldInputs<function>(node));
}

static void importMean(Node &node) {
  Tensor sum = foldInputs<sinter::add>(node);
  node.output(0, sum / static_cast<double>(node.numInputs()));
}

// -- Table ----------------------------------------------------------------------------------------

std::span<const OpHandler> elementwiseHandlers() {
  static constexpr OpHandler table[] = {
      {"Abs", 1, importUnary<sinter::abs>},
      {"Acos", 7, importUnary<sinter::acos>},
      {"Acosh", 9, importUnary<sinter::acosh>},
      {"Add", 1, importBinary<sinter::add>},
      {"Asin", 7, importUnary<sinter::asin>},
      {"Asinh", 9, importUnary<sinter::asinh>},
      {"Atan", 7, importUnary<sinter::atan>},
      {"Atanh", 9, importUnary<sinter::atanh>},
      {"Ceil", 1, importUnary<sinter::ceil>},
      {"Clip", 1, importClip},
      {"Cos", 7, importUnary<sinter::cos>},
      {"Cosh", 9, importUnary<sinter::cosh>},
      {"Div", 1, importBinary<sinter::div>},
      {"Erf", 9, importUnary<sinter::erf>},
      {"Exp", 1, importUnary<sinter::exp>},
      {"Floor", 1, importUnary<sinter::floor>},
      {"Log", 1, importUnary<sinter::log>},
      {"Max", 1, importVariadic<sinter::maximum>},
      {"Mean", 1, importMean},
      {"Min", 1, importVariadic<sinter::minimum>},
      {"Mod", 10, importMod},
      {"Mul", 1, importBinary<sinter::mul>},
      {"Neg", 1, importUnary<sinter::neg>},
      {"Pow", 1, importPow},
      {"Reciprocal", 1, importReciprocal},
      {"Relu", 1, importUnary<sinter::relu>},
      {"Round", 11, importUnary<sinter::round>},
      {"Sigmoid", 1, importUnary<sinter::sigmoid>},
      {"Sign", 9, importUnary<sinter::sign>},
      {"Sin", 7, importUnary<sinter::sin>},
      {"Sinh", 9, importUnary<sinter::sinh>},
      {"Sqrt", 1, importUnary<sinter::sqrt>},
      {"Sub", 1, importBinary<sinter::sub>},
      {"Sum", 1, importVariadic<sinter::add>},
      {"Tan", 7, importUnary<sinter::tan>},
      {"Tanh", 1, importUnary<sinter::tanh>},
  };
  return table;
}

} // namespace sinter::onnx
