// SPDX-License-Identifier: Apache-2.0
#include "sinter/frontend/onnx/Exporter.h"

#include "sinter/ir/ShapeRules.h"

namespace sinter::onnx {
namespace {

//===--- Products of matrices ---===//

std::vector<int64_t> freeDims(int64_t rank, llvm::ArrayRef<int64_t> a, llvm::ArrayRef<int64_t> b) {
  std::vector<int64_t> free;
  for (int64_t i = 0; i < rank; ++i)
    if (!llvm::is_contained(a, i) && !llvm::is_contained(b, i))
      free.push_back(i);
  return free;
}

/// An operand with its dims in groups, one after the other, each but the first one dim.
struct Grouped {
  Name name;
  Shape shape;
};

Grouped group(OpExport &op, const Name &x, const Shape &from, llvm::ArrayRef<int64_t> batch,
              llvm::ArrayRef<int64_t> second, llvm::ArrayRef<int64_t> third) {
  std::vector<int64_t> order(batch.begin(), batch.end());
  Shape moved, joined;
  for (int64_t dim : batch)
    joined.push_back(from[dim]);
  for (llvm::ArrayRef<int64_t> dims : {second, third}) {
    DimExpr size = 1;
    for (int64_t dim : dims)
      size *= from[dim];
    joined.push_back(size);
    order.insert(order.end(), dims.begin(), dims.end());
  }
  for (int64_t dim : order)
    moved.push_back(from[dim]);
  return {op.reshape(op.transpose(x, order), moved, joined), joined};
}

/// Integers are multiplied with a sign: the bits are the same, and more programs can do it.
DType multipliedIn(DType operands, DType result) {
  if (isFloat(operands))
    return operands;
  return std::max(byteSize(operands), byteSize(result)) == 8 ? i64 : i32;
}

void exportDotGeneral(OpExport &op) {
  auto dot = op.as<ir::DotGeneralOp>();
  DType inside = multipliedIn(op.dtype(0), op.resultDType());
  Name lhs = op.cast(op.operand(0), op.dtype(0), inside);
  Name rhs = op.cast(op.operand(1), op.dtype(1), inside);
  Shape left = op.shape(0), right = op.shape(1), result = op.resultShape();
  std::vector<int64_t> leftFree = freeDims(left.rank(), dot.getLhsBatch(), dot.getLhsContract());
  std::vector<int64_t> rightFree = freeDims(right.rank(), dot.getRhsBatch(), dot.getRhsContract());
  Grouped b = group(op, rhs, right, dot.getRhsBatch(), dot.getRhsContract(), rightFree);
  Name product;
  Shape shape;
  if (dot.getLhsBatch().empty() && dot.getLhsContract().size() == 1 && !leftFree.empty()) {
    // Leading dims of the left side pass through.
    std::vector<int64_t> order = leftFree;
    order.push_back(dot.getLhsContract()[0]);
    for (int64_t dim : leftFree)
      shape.push_back(left[dim]);
    product = op.node("MatMul", {op.transpose(lhs, order), b.name});
  } else {
    Grouped a = group(op, lhs, left, dot.getLhsBatch(), leftFree, dot.getLhsContract());
    shape = Shape(std::vector<DimExpr>(a.shape.begin(), a.shape.end() - 1));
    product = op.node("MatMul", {a.name, b.name});
  }
  shape.push_back(b.shape[b.shape.rank() - 1]);
  op.result(op.reshape(op.cast(product, inside, op.resultDType()), shape, result));
}

//===--- Convolutions ---===//

/// What a convolution has per spatial dim, with padding as ONNX counts it.
struct Windows {
  std::vector<int64_t> kernel, strides, dilations, low, high, more;

  std::vector<int64_t> pads() const {
    std::vector<int64_t> both = low;
    both.insert(both.end(), high.begin(), high.end());
    return both;
  }
};

/// `floats` are what ONNX convolves.
DType convolvedIn(OpExport &op) {
  if (!isFloat(op.dtype(0)))
    op.unsupported("ONNX convolves floats only", "cast to f32 first");
  return op.dtype(0) == bf16 ? f32 : op.dtype(0);
}

Windows windowsOf(OpExport &op) {
  auto convolution = op.as<ir::ConvolutionOp>();
  Windows windows;
  Shape kernel = convolution.getWType().getShape();
  for (int64_t i = 0; i + 2 < kernel.rank(); ++i) {
    auto at = static_cast<size_t>(i);
    std::optional<DimExpr> low = ir::toDim(convolution.getLow()[static_cast<unsigned>(i)]);
    std::optional<int64_t> known = low ? op.resolve(*low).constant() : std::nullopt;
    std::optional<int64_t> width = op.resolve(kernel[i + 2]).constant();
    if (!known || !width)
      op.unsupported("padding and windows need constant sizes");
    windows.low.push_back(*known);
    windows.kernel.push_back(*width);
    windows.strides.push_back(convolution.getStrides()[at]);
    windows.dilations.push_back(convolution.getDilations()[at]);
  }
  return windows;
}

std::vector<ExportAttribute> attributesOf(OpExport &op, const Windows &windows) {
  return {{"group", static_cast<int64_t>(op.as<ir::ConvolutionOp>().getGroups())},
          {"kernel_shape", windows.kernel},
          {"strides", windows.strides},
          {"dilations", windows.dilations},
          {"pads", windows.pads()}};
}

/// The padding at the end from which as many windows follow as the result has.
int64_t highFor(OpExport &op, const DimExpr &size, const DimExpr &results, const Windows &windows,
                size_t i) {
  int64_t reach = (windows.kernel[i] - 1) * windows.dilations[i] + 1;
  auto gives = [&](int64_t high) {
    return ir::numWindows(size + DimExpr(windows.low[i] + high), DimExpr(windows.kernel[i]),
                          windows.strides[i], windows.dilations[i]) == results;
  };
  for (int64_t high : {windows.low[i], int64_t{0}})
    if (gives(high))
      return high;
  if (std::optional<int64_t> exact =
          ((results - 1) * windows.strides[i] + reach - size - windows.low[i]).constant();
      exact && *exact >= 0)
    return *exact;
  constexpr int64_t most = 4096;
  for (int64_t high = 1; high < std::min(reach + windows.strides[i], most); ++high)
    if (gives(high))
      return high;
  op.unsupported("ONNX has no padding with which as many windows fit");
}

void exportConvolutionForward(OpExport &op) {
  DType inside = convolvedIn(op);
  Windows windows = windowsOf(op);
  for (size_t i = 0; i < windows.kernel.size(); ++i) {
    auto axis = static_cast<int64_t>(i) + 2;
    windows.high.push_back(highFor(op, op.shape(0)[axis], op.resultShape()[axis], windows, i));
  }
  Name y = op.node(
      "Conv",
      {op.cast(op.operand(0), op.dtype(0), inside), op.cast(op.operand(1), op.dtype(1), inside)},
      attributesOf(op, windows));
  op.result(op.cast(y, inside, op.resultDType()));
}

/// Operands: w, y. What reaches further than the result is padding of it; what the result has
/// beyond the last window is added.
void exportConvolutionTransposed(OpExport &op) {
  DType inside = convolvedIn(op);
  Windows windows = windowsOf(op);
  for (size_t i = 0; i < windows.kernel.size(); ++i) {
    auto axis = static_cast<int64_t>(i) + 2;
    int64_t reach = (windows.kernel[i] - 1) * windows.dilations[i] + 1;
    std::optional<int64_t> over = ((op.shape(1)[axis] - 1) * windows.strides[i] + reach -
                                   windows.low[i] - op.resultShape()[axis])
                                      .constant();
    if (!over)
      op.unsupported("the size of the result is not one that ConvTranspose has");
    windows.high.push_back(std::max<int64_t>(*over, 0));
    windows.more.push_back(std::max<int64_t>(-*over, 0));
    if (windows.more.back() >= std::max(windows.strides[i], windows.dilations[i]) &&
        windows.more.back() > 0)
      op.unsupported("the size of the result is not one that ConvTranspose has");
  }
  std::vector<ExportAttribute> attributes = attributesOf(op, windows);
  attributes.push_back({"output_padding", windows.more});
  Name x = op.node(
      "ConvTranspose",
      {op.cast(op.operand(1), op.dtype(1), inside), op.cast(op.operand(0), op.dtype(0), inside)},
      attributes);
  op.result(op.cast(x, inside, op.resultDType()));
}

void exportConvolution(OpExport &op) {
  auto convolution = op.as<ir::ConvolutionOp>();
  if (convolution.makesW())
    op.unsupported("the gradient of a convolution's weights is for training");
  if (convolution.makesY())
    exportConvolutionForward(op);
  else
    exportConvolutionTransposed(op);
}

} // namespace

std::span<const ExportHandler> exportContractionHandlers() {
  static constexpr ExportHandler table[] = {
      {"sinter.dot_general", exportDotGeneral},
      {"sinter.convolution", exportConvolution},
  };
  return table;
}

} // namespace sinter::onnx
