// SPDX-License-Identifier: Apache-2.0
#include "sinter/frontend/onnx/OpsCommon.h"
#include "sinter/frontend/onnx/Quantization.h"

namespace sinter::onnx {

Tensor saturated(Node &node, const Tensor &x, DType dtype) {
  switch (dtype) {
  case DType::I8:
    return clamp(x, -128, 127).cast(dtype);
  case DType::U8:
    return clamp(x, 0, 255).cast(dtype);
  case DType::I16:
    return clamp(x, -32768, 32767).cast(dtype);
  case DType::U16:
    return clamp(x, 0, 65535).cast(dtype);
  default:
    node.unsupported("quantization to " + std::string(name(dtype)));
  }
}

Tensor centred(Node &node, const Tensor &x, size_t zeroPoint, int64_t axis) {
  Tensor wide = x.cast(i32);
  if (!node.has(zeroPoint))
    return wide;
  Tensor zero = node.input(zeroPoint).cast(i32);
  if (zero.rank() > 1)
    return wide - zero;
  if (zero.shape().numElements() == DimExpr(1))
    return wide - zero.reshape({});
  return wide - alongAxis(zero, axis, x.rank());
}

namespace {

/// Scale or zero point of x, given per tensor, per index of `axis`, or per block of `block`
/// indices, shaped to broadcast against x.
Tensor spread(Node &node, const Tensor &value, const Tensor &x, int64_t axis, int64_t block) {
  if (value.rank() == 0 || (value.rank() == 1 && value.size(0) == DimExpr(1) && block == 0))
    return value.reshape({});
  axis = node.axis(axis, x.rank());
  if (block == 0) {
    if (value.rank() != 1)
      node.invalid("scale " + value.str() + " for " + x.str());
    return alongAxis(value, axis, x.rank());
  }
  if (block < 0 || value.rank() != x.rank())
    node.invalid("blocks of " + std::to_string(block) + " with scale " + value.str());
  std::vector<DimExpr> merged = value.shape().vector();
  merged[static_cast<size_t>(axis)] *= block;
  std::vector<DimExpr> repeated = value.shape().vector();
  repeated.insert(repeated.begin() + axis + 1, DimExpr(block));
  Tensor all = value.expandDims(axis + 1).broadcastTo(Shape(repeated)).reshape(Shape(merged));
  return all.slice(axis, 0, x.size(axis)); // the last block may be shorter
}

int64_t blockSize(Node &node) {
  return node.opset() >= 21 ? node.intAttribute("block_size", 0) : 0;
}

void importQuantizeLinear(Node &node) {
  Tensor x = node.input(0);
  int64_t axis = node.intAttribute("axis", 1), block = blockSize(node);
  node.ignoreAttribute("saturate"); // only says something about 8-bit floats
  DType dtype = DType::U8;
  if (node.opset() >= 21 && node.intAttribute("output_dtype", 0) != 0)
    dtype = node.dtypeAttribute("output_dtype");
  if (node.has(2)) {
    if (node.opset() >= 21 && node.intAttribute("output_dtype", 0) != 0 &&
        dtype != node.inputDType(2))
      node.invalid("output_dtype and the zero point's dtype disagree");
    dtype = node.inputDType(2);
  }
  Tensor scale = node.input(1);
  // The quotient has the scale's dtype, or the one asked for; integers are taken as f32.
  DType quotient = scale.dtype();
  if (node.opset() >= 23 && node.intAttribute("precision", 0) != 0)
    quotient = node.dtypeAttribute("precision");
  if (!isFloat(quotient))
    node.unsupported("a scale of dtype " + std::string(name(quotient)));
  Tensor q = x.cast(quotient) / spread(node, scale.cast(quotient), x, axis, block);
  // A cast rounds even where a kernel computes wider.
  q = round(q.cast(quotient).cast(computeDType(quotient)));
  if (node.has(2))
    q = q + spread(node, node.input(2), x, axis, block).cast(q.dtype());
  node.output(0, saturated(node, q, dtype));
}

void importDequantizeLinear(Node &node) {
  Tensor x = node.input(0), scale = node.input(1);
  int64_t axis = node.intAttribute("axis", 1), block = blockSize(node);
  DType dtype = scale.dtype();
  if (node.opset() >= 23 && node.intAttribute("output_dtype", 0) != 0)
    dtype = node.dtypeAttribute("output_dtype");
  Tensor wide = x.cast(i32);
  if (node.has(2))
    wide = wide - spread(node, node.input(2), x, axis, block).cast(i32);
  DType compute = computeDType(scale.dtype());
  Tensor y = wide.cast(compute) * spread(node, scale, x, axis, block).cast(compute);
  node.output(0, y.cast(dtype));
}

void importDynamicQuantizeLinear(Node &node) {
  Tensor x = floatInput(node, 0);
  Tensor low = minimum(x.min(), 0), high = maximum(x.max(), 0);
  Tensor range = high - low;
  Tensor scale = where(equal(range, 0), 1, range) / 255; // As ONNX's reference has it.
  Tensor zero = clamp(round(-low / scale), 0, 255);
  node.output(0, saturated(node, round(x / scale) + zero, DType::U8));
  if (node.wants(1))
    node.output(1, scale);
  if (node.wants(2))
    node.output(2, zero.cast(DType::U8));
}

/// Both factors less their zero points, multiplied in i32. A vector of zero points has one per row
/// of the left factor, one per column of the right one.
Tensor integerProduct(Node &node, size_t lhs, size_t lhsZero, size_t rhs, size_t rhsZero) {
  Tensor a = node.input(lhs), b = node.input(rhs);
  requireRank(node, a, 1, "a factor");
  requireRank(node, b, 1, "a factor");
  return matmul(centred(node, a, lhsZero, std::max<int64_t>(a.rank() - 2, 0)),
                centred(node, b, rhsZero, b.rank() - 1));
}

void importMatMulInteger(Node &node) { node.output(0, integerProduct(node, 0, 2, 1, 3)); }

void importQLinearMatMul(Node &node) {
  Tensor product = integerProduct(node, 0, 2, 3, 5);
  // Per row of the left factor, per column of the right one.
  auto scale = [&](size_t i, int64_t axis) {
    Tensor value = node.input(i).cast(f32);
    if (value.shape().numElements() == DimExpr(1))
      return value.reshape({});
    if (value.rank() == 1)
      return alongAxis(value, axis, product.rank());
    return value;
  };
  int64_t rows = std::max<int64_t>(product.rank() - 2, 0), columns = product.rank() - 1;
  // Scales of 16 bits round after each step.
  auto rounded = [&](const Tensor &x) { return x.cast(node.inputDType(1)).cast(f32); };
  Tensor factor = rounded(rounded(scale(1, rows) * scale(4, columns)) / scale(6, rows));
  Tensor y = round(product.cast(f32) * factor + scale(7, rows));
  node.output(0, saturated(node, y, node.inputDType(7)));
}

constexpr OpHandler handlers[] = {
    {"DequantizeLinear", 10, importDequantizeLinear},
    {"DynamicQuantizeLinear", 11, importDynamicQuantizeLinear},
    {"MatMulInteger", 10, importMatMulInteger},
    {"QLinearMatMul", 10, importQLinearMatMul},
    {"QuantizeLinear", 10, importQuantizeLinear},
};

} // namespace

std::span<const OpHandler> quantizeHandlers() { return handlers; }

} // namespace sinter::onnx
