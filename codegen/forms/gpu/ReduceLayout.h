// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/forms/gpu/Grids.h"

namespace sinter::codegen {

/// How the points of a Reduce region are shared out on a GPU. All of it follows from the sizes and
/// the schedule, so that results do not depend on the device.
///
/// Rows: where the last dim is reduced. A block goes through a chunk of the reduced points of a
/// kept point, its threads side by side along memory. Columns: where it is kept. A thread goes down
/// some columns (a pack of neighbours), `across` of them side by side; the threads below each other
/// in a block, `down` of them, share the rows.
///
/// A chunk's partial results lie as [kept point][chunk] (rows) or [chunk][kept point] (columns).
/// Where there is one chunk only, the first launch writes the results itself and the second is
/// empty.
struct ReduceLayout {
  bool columns = false;
  DimExpr kept = 1, reduced = 1; ///< Points.
  Packs packs;                   ///< Rows: of a kept point's reduced points.
  DimExpr inner = 1;             ///< Columns: kept points behind the last reduced dim.
  DimExpr tiles = 1;             ///< Columns: blocks side by side along `inner`.
  DimExpr columnTiles = 1;       ///< Columns: the same for all kept points.
  int64_t across = 1, down = 1;
  DimExpr chunk = 1;  ///< Units (packs of rows, or rows) of a chunk.
  DimExpr chunks = 1; ///< At least 1.

  static ReduceLayout of(const passes::KernelAnalysis &analysis, const Schedule &schedule);
  /// Columns: that many of the combining launch, which has packs of 1.
  static int64_t combineAcross(const DimExpr &kept);
};

/// The widest packs, up to `most`, that reduced or kept points can be read in.
int64_t reducePackWidth(const passes::KernelAnalysis &analysis, int64_t most);

} // namespace sinter::codegen
