// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/forms/gpu/Grids.h"

#include "sinter/codegen/forms/FormRules.h"

namespace sinter::codegen {

Grid gridFor(const DimExpr &units, int64_t threads, int64_t perBlock) {
  constexpr int64_t threadsPerProcessor = 2048;
  const DimExpr wanted = ceilDiv(units, DimExpr(perBlock > 0 ? perBlock : threads));
  const DimExpr most = DimExpr::symbol(workersSymbol) * DimExpr(threadsPerProcessor / threads);
  Grid grid;
  grid.blocks = wanted + most - max(wanted, most);
  grid.threads = threads;
  return grid;
}

} // namespace sinter::codegen
