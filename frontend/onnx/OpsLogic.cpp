// SPDX-License-Identifier: Apache-2.0
// Logic, comparison, bits and casts.
#include "sinter/frontend/onnx/Node.h"

#include <limits>

namespace sinter::onnx {

template <auto function> static void importBinary(Node &node) {
  Tensor a = node.input(0), b = node.input(1);
  if (node.opset() < 7 && (node.hasAttribute("broadcast") || node.hasAttribute("axis")))
    node.unsupported("the broadcasting of versions before 7");
  node.output(0, function(a, b, std::source_location::current()));
}

static void importNot(Node &node) { node.output(0, !node.input(0)); }

/// Of booleans or numbers.
static void importEqual(Node &node) {
  Tensor a = node.input(0), b = node.input(1);
  node.output(0, a.dtype() == boolean ? a.cast(i32).equal(b.cast(i32)) : a.equal(b));
}

static void importXor(Node &node) {
  node.output(0, logicalXor(node.input(0), node.input(1)));
}

static void importIsNaN(Node &node) {
  Tensor x = node.input(0);
  node.output(0, x.notEqual(x));
}

static void importIsInf(Node &node) {
  Tensor x = node.input(0);
  constexpr double infinity = std::numeric_limits<double>::infinity();
  bool positive = node.flagAttribute("detect_positive", true);
  bool negative = node.flagAttribute("detect_negative", true);
  if (positive && negative)
    node.output(0, x.equal(infinity) || x.equal(-infinity));
  else if (positive || negative)
    node.output(0, x.equal(positive ? infinity : -infinity));
  else
    node.output(0, node.graph().full(boolean, x.shape(), false));
}

// -- Bits -----------------------------------------------------------------------------------------

static void importBitNot(Node &node) { node.output(0, bitNot(node.input(0))); }

static void importBitShift(Node &node) {
  Tensor a = node.input(0), b = node.input(1);
  static constexpr std::string_view directions[] = {"LEFT", "RIGHT"};
  bool left = node.choiceAttribute("direction", directions, "") == 0;
  node.output(0, left ? shiftLeft(a, b) : shiftRight(a, b));
}

static void importBitCast(Node &node) {
  Tensor x = node.input(0);
  DType to = node.dtypeAttribute("to");
  if (byteSize(x.dtype()) != byteSize(to))
    node.invalid("the widths differ: " + x.str() + " to " + std::string(name(to)));
  if (to == x.dtype())
    return node.output(0, x);
  if (x.dtype() == boolean) // Its byte is 0 or 1.
    return node.output(0, to == u8 ? x.cast(u8) : bitcast(x.cast(u8), to));
  if (to == boolean)
    return node.output(0, x.cast(boolean));
  node.output(0, bitcast(x, to));
}

// -- Casts ----------------------------------------------------------------------------------------

static void importCast(Node &node) {
  Tensor x = node.input(0);
  // These say how to round to 8-bit floats.
  node.ignoreAttribute("saturate");
  node.ignoreAttribute("round_mode");
  node.output(0, x.cast(node.dtypeAttribute("to")));
}

static void importCastLike(Node &node) {
  Tensor x = node.input(0);
  node.ignoreAttribute("saturate");
  node.ignoreAttribute("round_mode");
  node.output(0, x.cast(node.inputDType(1)));
}

// -- Table ----------------------------------------------------------------------------------------

std::span<const OpHandler> logicHandlers() {
  static constexpr OpHandler table[] = {
      {"And", 1, importBinary<sinter::logicalAnd>},
      {"BitCast", 26, importBitCast},
      {"BitShift", 11, importBitShift},
      {"BitwiseAnd", 18, importBinary<sinter::bitAnd>},
      {"BitwiseNot", 18, importBitNot},
      {"BitwiseOr", 18, importBinary<sinter::bitOr>},
      {"BitwiseXor", 18, importBinary<sinter::bitXor>},
      {"Cast", 6, importCast},
      {"CastLike", 15, importCastLike},
      {"Equal", 7, importEqual},
      {"Greater", 7, importBinary<sinter::greater>},
      {"GreaterOrEqual", 12, importBinary<sinter::greaterEqual>},
      {"IsInf", 10, importIsInf},
      {"IsNaN", 9, importIsNaN},
      {"Less", 7, importBinary<sinter::less>},
      {"LessOrEqual", 12, importBinary<sinter::lessEqual>},
      {"Not", 1, importNot},
      {"Or", 1, importBinary<sinter::logicalOr>},
      {"Xor", 7, importXor},
  };
  return table;
}

} // namespace sinter::onnx
