// SPDX-License-Identifier: Apache-2.0
#include "sinter/passes/ContractionRows.h"

#include "sinter/passes/ContractionDims.h"

#include <algorithm>

using namespace mlir;
using namespace sinter::ir;

namespace sinter::passes {

static llvm::SmallVector<int64_t> rowDims(DotGeneralOp dot) {
  return freeDims(tensorType(dot.getRhs()).getRank(), dot.getRhsBatch(), dot.getRhsContract());
}

unsigned numRowDims(DotGeneralOp dot) { return static_cast<unsigned>(rowDims(dot).size()); }

static DimExpr sizeOf(const Shape &shape, llvm::ArrayRef<int64_t> dims) {
  DimExpr size = 1;
  for (int64_t d : dims)
    size *= shape[d];
  return size;
}

/// What a GPU's tensor cores may multiply.
static bool isNarrowFloat(DType dtype) { return byteSize(dtype) == 2 && isFloat(dtype); }

/// Columns of a GPU's widest tiles: of tensor cores, of sums of 32 and of 64 bits.
static int64_t widestTile(DType dtype) {
  return byteSize(sumDType(dtype)) == 8 ? 64 : isNarrowFloat(dtype) ? 256 : 128;
}

/// Why tiles of `width` columns are no tiles of the kernels, which have all columns of them.
static std::optional<std::string> refusesTile(DimExpr tiles, int64_t width, DType dtype,
                                              const OpFacts &facts) {
  constexpr int64_t narrowest = 64, widest = 512, vectors = 16;
  const bool isTile =
      facts.forGpu ? width >= narrowest && width <= widestTile(dtype) && (width & (width - 1)) == 0
                   : width % vectors == 0 && width <= widest;
  if (!tiles.constant() || !isTile)
    return "the rows of its contraction are no tiles of a kernel";
  return std::nullopt;
}

std::optional<std::string> refusesRows(DotGeneralOp dot, unsigned numDims, const OpFacts &facts) {
  Shape right = tensorType(dot.getRhs()).getShape();
  llvm::SmallVector<int64_t> dims = rowDims(dot);
  const auto outer = dims.size() - numDims;
  const auto size = sizeOf(right, llvm::ArrayRef(dims).drop_front(outer)).constant(),
             length = sizeOf(right, dot.getRhsContract()).constant();
  if (numDims == 0 || !size || *size < 1)
    return "the rows of its contraction are of no known length";
  const DType dtype = tensorType(dot.getLhs()).getDType(), sum = sumDType(dtype);
  if (outer > 0)
    return refusesTile(sizeOf(right, llvm::ArrayRef(dims).take_front(outer)), *size, dtype, facts);
  if (facts.forGpu) {
    if (*size > widestTile(dtype))
      return "the rows of its contraction are longer than a block's tile";
    return std::nullopt;
  }
  constexpr int64_t onePanel = 32, nearBytes = 512 << 10;
  const int64_t bytes = byteSize(sum);
  if (*size > onePanel * 4 / bytes &&
      (!length || *size > nearBytes / bytes / std::max<int64_t>(1, *length)))
    return "the rows of its contraction are made in several pieces, or by several threads";
  return std::nullopt;
}

/// The widest tile, up to `most`, that divides a row and is a multiple of `step`.
static std::optional<int64_t> widthThatDivides(int64_t row, int64_t most, int64_t step) {
  constexpr int64_t least = 64;
  for (int64_t width = most / step * step; width >= least; width -= step)
    if (row % width == 0)
      return width;
  return std::nullopt;
}

/// Whether a product is large, found out from the attributes alone: most are not.
static bool isLarge(DotGeneralOp dot) {
  constexpr int64_t large = 1 << 20, assumedSize = 1024;
  Dims dims = tensorType(dot.getResult()).getDims();
  if (dims.empty() || !isa<IntegerAttr>(dims.back()))
    return false;
  double elements = 1;
  for (Attribute dim : dims) {
    auto size = dyn_cast<IntegerAttr>(dim);
    elements *= static_cast<double>(size ? size.getInt() : assumedSize);
  }
  return elements >= large;
}

std::optional<int64_t> rowTile(DotGeneralOp dot, const RowReads &reads, const OpFacts &facts) {
  if (!isLarge(dot))
    return std::nullopt;
  const Shape right = tensorType(dot.getRhs()).getShape(),
              product = tensorType(dot.getResult()).getShape();
  const auto row = sizeOf(right, rowDims(dot)).constant(),
             depth = sizeOf(right, dot.getRhsContract()).constant();
  if (numRowDims(dot) != 1 || !row || !depth || !refusesRows(dot, 1, facts))
    return std::nullopt;
  // Few rows are little beside the operand that makes them.
  constexpr int64_t someRows = 1024, fewRows = 64;
  DimExpr all = 1;
  for (const DimExpr &dim : llvm::drop_end(product))
    all *= dim;
  const int64_t rows = all.constant().value_or(someRows);
  const DType dtype = tensorType(dot.getLhs()).getDType();
  const int64_t bytes = byteSize(sumDType(dtype));
  if (rows <= fewRows)
    return std::nullopt;
  if (facts.forGpu) {
    // Tensor cores lose a tenth to a quarter of their speed to narrower tiles and to what follows
    // in them: that is to be less than what the product's way through memory takes. Fewer tiles
    // than processors would be cut along k, and their parts stored.
    constexpr int64_t enoughTiles = 120;
    const int64_t deepest = !isNarrowFloat(dtype) ? 4096 : reads.isStored ? 1024 : 2048;
    const int64_t width = bytes == 8 ? 64 : 128;
    if (reads.hasArgmax && isNarrowFloat(dtype)) // Tensor cores leave no registers for a place.
      return std::nullopt;
    if (*depth > deepest || rows <= enoughTiles * width * width / *row)
      return std::nullopt;
    return widthThatDivides(*row, width, width);
  }
  // The shared cache hides the way of a smaller product, and of one that is stored and read once
  // more. Finding the place of the largest costs each tile more than a walk over the product.
  constexpr int64_t farBytes = 16 << 20, widest = 256, panelBytes = 512 << 10;
  if (reads.isStored || reads.hasArgmax || rows < farBytes / bytes / *row)
    return std::nullopt;
  return widthThatDivides(
      *row, std::clamp<int64_t>(panelBytes / bytes / std::max<int64_t>(1, *depth), 64, widest), 32);
}

} // namespace sinter::passes
