// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/forms/gpu/Grids.h"

#include "sinter/codegen/forms/FormRules.h"

namespace sinter::codegen {

Grid gridFor(const DimExpr &units, int64_t threads, int64_t perBlock) {
  // Few registers let that many run at once; several times as many start as others end.
  constexpr int64_t threadsPerProcessor = 2048, rounds = 32;
  const DimExpr wanted = ceilDiv(units, DimExpr(perBlock > 0 ? perBlock : threads));
  const DimExpr most =
      DimExpr::symbol(workersSymbol) * DimExpr(rounds * (threadsPerProcessor / threads));
  Grid grid;
  grid.blocks = least(wanted, most);
  grid.threads = threads;
  return grid;
}

Packs Packs::of(const DimExpr &elements, int64_t width) {
  if (width == 1)
    return {elements, elements, true};
  Packs packs;
  if (auto exact = elements.dividedExactlyBy(width))
    return {*exact, *exact, true};
  packs.even = false;
  packs.whole = floorDiv(elements, DimExpr(width));
  packs.units = elements - packs.whole * DimExpr(width - 1);
  return packs;
}

void limitToInts(mlir::Operation *op, KernelPlan &plan, llvm::ArrayRef<DimExpr> sizes,
                 int64_t margin) {
  for (const DimExpr &size : sizes) {
    const DimExpr left = DimExpr(INT32_MAX - margin) - size;
    if (!left.isConstant())
      plan.nonNegative.push_back(left);
    else if (*left.constant() < 0)
      throw Error({.kind = ErrorKind::Unsupported,
                   .op = op->getName().stripDialect().str(),
                   .location = ir::toSourceLoc(op->getLoc()),
                   .hint = "--target=cpu runs it"},
                  "it is too large for a GPU's kernel, which counts " + size.str() +
                      " elements in 32 bits");
  }
}

} // namespace sinter::codegen
