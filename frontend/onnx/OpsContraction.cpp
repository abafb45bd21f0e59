// SPDX-License-Identifier: Apache-2.0
#include "sinter/frontend/onnx/Node.h"
#include "sinter/frontend/onnx/OpsCommon.h"

namespace sinter::onnx {

static void importMatMul(Node &node) { node.output(0, node.input(0).matmul(node.input(1))); }

/// x * factor, where integers take only whole factors.
static Tensor scaled(Node &node, const Tensor &x, double factor) {
  if (factor == 1)
    return x;
  if (isFloat(x.dtype()))
    return x * factor;
  if (factor != static_cast<double>(static_cast<int64_t>(factor)))
    node.unsupported("a fraction as factor of integers");
  return x * static_cast<int64_t>(factor);
}

static void importGemm(Node &node) {
  Tensor a = node.input(0), b = node.input(1);
  if (a.rank() != 2 || b.rank() != 2)
    node.invalid("A and B must be matrices, not " + a.str() + " and " + b.str());
  double alpha = node.floatAttribute("alpha", 1), beta = node.floatAttribute("beta", 1);
  if (node.flagAttribute("transA", false))
    a = a.transpose();
  if (node.flagAttribute("transB", false))
    b = b.transpose();
  if (node.opset() < 7)
    node.ignoreAttribute("broadcast");
  Tensor y = scaled(node, a.matmul(b), alpha);
  if (node.has(2))
    y = y + scaled(node, node.input(2), beta);
  node.output(0, y);
}

static void importEinsum(Node &node) {
  std::string equation = node.stringAttribute("equation");
  node.output(0, einsum(equation, node.inputs()));
}

// -- Determinant ----------------------------------------------------------------------------------

static void importDet(Node &node) {
  Tensor x = floatInput(node, 0);
  requireRank(node, x, 2, "it");
  int64_t n = node.staticSize(x.size(-1), "a matrix");
  if (x.size(-2) != x.size(-1))
    node.invalid("the matrices must be square, not " + x.str());
  if (n < 1 || n > 32)
    node.unsupported("determinants of matrices larger than 32 x 32");
  node.output(0, det(x.cast(computeDType(x.dtype()))).cast(x.dtype()));
}

// -- Table ----------------------------------------------------------------------------------------

std::span<const OpHandler> contractionHandlers() {
  static constexpr OpHandler table[] = {
      {"Det", 11, importDet},
      {"Einsum", 12, importEinsum},
      {"Gemm", 1, importGemm},
      {"MatMul", 1, importMatMul},
  };
  return table;
}

} // namespace sinter::onnx
