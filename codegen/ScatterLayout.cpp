// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/ScatterLayout.h"

#include "sinter/codegen/Program.h"

#include "llvm/ADT/STLExtras.h"

using namespace mlir;
using namespace sinter::ir;

namespace sinter::codegen {

DimExpr ScatterLayout::parts(int64_t block) const {
  constexpr int64_t enoughUnits = 16, worthSplitting = 1 << 16, enoughColumns = 8;
  // With few columns it is the scan that takes time, and every unit scans.
  bool isLarge = (updates * columns).constant().value_or(worthSplitting) >= worthSplitting &&
                 columns.constant().value_or(enoughColumns) >= enoughColumns;
  bool hasFewUnits =
      (outerCount * ceilDiv(columns, block)).constant().value_or(enoughUnits) < enoughUnits;
  return isLarge && hasFewUnits && !indexed.empty() ? DimExpr::symbol(workersSymbol) : DimExpr(1);
}

bool ScatterLayout::isSegmented(Type elementType) const {
  if (isa<FloatType>(elementType) && registerType(elementType) != elementType)
    return false;
  int64_t elementBytes = byteSize(*toDType(elementType));
  constexpr int64_t cachedBytes = 8 << 20, longRow = 256, manyUpdates = 1024;
  // Update numbers and their counts are 32 bits wide.
  auto all = (places * columns * elementBytes).constant(), count = updates.constant(),
       row = (columns * elementBytes).constant();
  return indexed.size() == 1 && outer.empty() && sameForAllColumns && numColumns > 0 && all &&
         count && row && *all >= cachedBytes && *row >= longRow && *count >= manyUpdates &&
         *count <= INT32_MAX;
}

bool variesAlong(Value value, unsigned dim) {
  if (tensorType(value).getDim(dim).constant() == 1)
    return false;
  Operation *op = value.getDefiningOp();
  if (op && isa<ElementwiseOpInterface>(op))
    return llvm::any_of(op->getOperands(), [&](Value x) { return variesAlong(x, dim); });
  auto broadcast = dyn_cast_or_null<BroadcastOp>(op);
  if (!broadcast)
    return true;
  for (auto [from, to] : llvm::enumerate(broadcast.getDimensions()))
    if (to == static_cast<int64_t>(dim))
      return variesAlong(broadcast.getX(), static_cast<unsigned>(from));
  return false;
}

/// Whether a looked-up index depends on dim `dim` of the updates.
static bool dependsOn(Operation *scatter, const IndexExpr &load, unsigned dim) {
  for (auto [at, inner] : llvm::enumerate(load.indices()))
    if (inner.asDim() == dim &&
        variesAlong(scatter->getOperand(load.dimOrOperand()), static_cast<unsigned>(at)))
      return true;
  return false;
}

ScatterLayout scatterLayout(Operation *scatter) {
  Indexing indexing = cast<IndexedOpInterface>(scatter).getIndexing();
  Shape result = tensorType(scatter->getResult(0)).getShape();
  auto rank = static_cast<unsigned>(result.rank());
  auto numUpdateDims = static_cast<unsigned>(indexing.ranges.size());
  ScatterLayout layout;
  constexpr int64_t enoughColumns = 16; // For vectors; more dims would cost divisions.
  while (layout.numColumns < rank && layout.numColumns < numUpdateDims &&
         layout.columns.constant().value_or(enoughColumns) < enoughColumns &&
         indexing.scatter[rank - 1 - layout.numColumns].asDim() ==
             numUpdateDims - 1 - layout.numColumns)
    layout.columns *= result[rank - 1 - layout.numColumns++];
  llvm::SmallVector<bool> isParallel(numUpdateDims, false);
  for (unsigned d = 0; d < rank; ++d) {
    std::optional<unsigned> follows = indexing.scatter[d].asDim();
    if (follows)
      isParallel[*follows] = true;
    if (d >= rank - layout.numColumns)
      continue;
    if (follows) {
      layout.outer.push_back(d);
      layout.outerUpdates.push_back(*follows);
      layout.outerCount *= result[d];
    } else {
      layout.indexed.push_back(d);
      layout.places *= result[d];
      for (unsigned column = 0; column < layout.numColumns; ++column)
        layout.sameForAllColumns &=
            !dependsOn(scatter, indexing.scatter[d], numUpdateDims - 1 - column);
    }
  }
  for (unsigned d = 0; d < numUpdateDims; ++d)
    if (!isParallel[d]) {
      layout.scanned.push_back(d);
      layout.updates *= indexing.ranges[d];
    }
  return layout;
}

} // namespace sinter::codegen
