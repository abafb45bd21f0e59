// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/AttentionLayout.h"

#include "sinter/codegen/Program.h"
#include "sinter/codegen/forms/Region.h"

using namespace mlir;
using namespace sinter::ir;

namespace sinter::codegen {

static constexpr int64_t scoreVectors = 2;

int64_t attentionTileVectors(int64_t width, int64_t lanes, int64_t rows) {
  int64_t vectors = (width + lanes - 1) / lanes;
  if (vectors == 1)
    return 1;
  // Three vectors for each of six rows would not leave registers of sixteen.
  return vectors % 2 != 0 && vectors % 3 == 0 && rows == 8 ? 3 : 2;
}

static DimExpr product(llvm::ArrayRef<DimExpr> sizes) {
  DimExpr result = 1;
  for (const DimExpr &size : sizes)
    result *= size;
  return result;
}

AttentionLayout::AttentionLayout(Operation *op, const Schedule &schedule)
    : op(op), lanes(schedule.lanes), rows(schedule.unroll), columns(scoreVectors * lanes),
      queryBlock(schedule.block), keyBlock(schedule.keyBlock) {
  auto fill = [&](auto typed) {
    q.value = typed.getQ();
    k.value = typed.getK();
    v.value = typed.getV();
    mask = typed.getMask();
    scale = typed.getScale().convertToDouble();
    if (typed.getCausal())
      causal = toDim((*typed.getCausal())[0]);
  };
  if (auto attention = dyn_cast<AttentionOp>(op)) {
    fill(attention);
    strictRows = attention.getStrictRows();
  } else {
    auto backward = cast<AttentionBackwardOp>(op);
    fill(backward);
    isBackward = true;
    dout.value = backward.getDout();
  }
  auto queryType = tensorType(q.value), keyType = tensorType(k.value);
  int64_t rank = queryType.getRank();
  for (int64_t d = 0; d < rank - 2; ++d) {
    leading.push_back(queryType.getDim(d));
    served.push_back(keyType.getDim(d));
  }
  queries = queryType.getDim(rank - 2);
  keys = keyType.getDim(rank - 2);
  Type element = queryType.getElementType();
  bool isNarrow = registerType(element) != element;
  elementBytes = registerType(element).getIntOrFloatBitWidth() / 8;

  q.width = *queryType.getDim(rank - 1).constant();
  v.width = *tensorType(v.value).getDim(rank - 1).constant();
  widthVectors = attentionTileVectors(q.width, lanes, rows);
  valueVectors = attentionTileVectors(v.width, lanes, rows);
  paddedWidth = roundUp(q.width, widthVectors * lanes);
  paddedValueWidth = roundUp(v.width, valueVectors * lanes);
  auto place = [&](Matrix &matrix, llvm::ArrayRef<DimExpr> batches, const DimExpr &rows,
                   int64_t width, int64_t padded, bool isVectorOperand) {
    matrix.batches = product(batches);
    matrix.rows = rows;
    matrix.stride = matrix.width = width;
    if (!isNarrow && (!isVectorOperand || width == padded))
      return;
    matrix.stride = padded;
    matrix.copy = numCopies++;
  };
  place(q, leading, queries, q.width, paddedWidth, isBackward);
  place(k, served, keys, q.width, paddedWidth, isBackward);
  place(v, served, keys, v.width, paddedValueWidth, !isBackward);
  if (isBackward)
    place(dout, leading, queries, v.width, paddedValueWidth, true);
  // Enough units for several threads, none of them smaller than a few blocks.
  constexpr int64_t enoughUnits = 8, leastBlocks = 4;
  auto units = product(served).constant(), numKeys = keys.constant();
  if (isBackward && units && numKeys && *units > 0)
    parts = std::clamp<int64_t>(*numKeys / (leastBlocks * keyBlock), 1,
                                std::max<int64_t>(1, enoughUnits / *units));
}

DimExpr AttentionLayout::keysOfPart() const { return ceilDiv(keys, parts * rows) * rows; }

DimExpr AttentionLayout::queryRows() const { return product(leading) * queries; }

/// Two products forward, five backward; half of them where later keys are hidden.
DimExpr AttentionLayout::flops() const {
  const int64_t e = q.width, value = v.width;
  const int64_t perPair = isBackward ? 6 * e + 4 * value : 2 * e + 2 * value;
  return queryRows() * keys * (causal ? perPair / 2 : perPair);
}

llvm::SmallVector<DimExpr> AttentionLayout::workspaces() const {
  llvm::SmallVector<DimExpr> result;
  for (const Matrix *matrix : {&q, &k, &v, &dout})
    if (matrix->copy)
      result.push_back(
          alignedBytes(matrix->batches * matrix->rows * (matrix->stride * elementBytes)));
  auto scratch = [&](const DimExpr &elements) {
    result.push_back(alignedBytes(elements * elementBytes) * DimExpr::symbol(workersSymbol));
  };
  int64_t transposed = q.width + (isBackward ? v.width : 0);
  scratch(transposed * queryBlock);
  scratch(blockElements() * (isBackward ? 2 : 1));
  scratch(queryBlock * (isBackward ? paddedWidth : paddedValueWidth));
  scratch(3 * queryBlock);
  if (isBackward)
    scratch(keysOfPart() * (paddedWidth + paddedValueWidth));
  if (parts > 1)
    result.push_back(alignedBytes(queryRows() * (parts * paddedWidth * elementBytes)));
  return result;
}

DimExpr AttentionLayout::copyExtent() const {
  DimExpr most = 0;
  for (const Matrix *matrix : {&q, &k, &v, &dout})
    if (matrix->copy)
      most = max(most, matrix->batches * matrix->rows);
  return most;
}

DimExpr AttentionLayout::extent() const {
  return isBackward ? product(served) * parts : product(leading) * ceilDiv(queries, queryBlock);
}

} // namespace sinter::codegen
