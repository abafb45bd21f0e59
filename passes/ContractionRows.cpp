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

std::optional<std::string> refusesRows(DotGeneralOp dot, const OpFacts &facts) {
  Shape right = tensorType(dot.getRhs()).getShape();
  DimExpr row = 1, depth = 1;
  for (int64_t d : rowDims(dot))
    row *= right[d];
  for (int64_t d : dot.getRhsContract())
    depth *= right[d];
  const auto size = row.constant();
  if (numRowDims(dot) == 0 || !size || *size < 1)
    return "the rows of its contraction are of no known length";
  const DType dtype = tensorType(dot.getLhs()).getDType(), sum = sumDType(dtype);
  if (facts.forGpu) {
    // Columns of the widest tiles: of tensor cores, of sums of 32 and of 64 bits.
    const int64_t most = byteSize(sum) == 8                       ? 64
                         : byteSize(dtype) == 2 && isFloat(dtype) ? 256
                                                                  : 128;
    if (*size > most)
      return "the rows of its contraction are longer than a block's tile";
    return std::nullopt;
  }
  constexpr int64_t onePanel = 32, nearBytes = 512 << 10;
  const int64_t bytes = byteSize(sum);
  const auto length = depth.constant();
  if (*size > onePanel * 4 / bytes &&
      (!length || *size > nearBytes / bytes / std::max<int64_t>(1, *length)))
    return "the rows of its contraction are made in several pieces, or by several threads";
  return std::nullopt;
}

} // namespace sinter::passes
