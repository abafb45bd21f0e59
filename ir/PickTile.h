// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/ir/Ops.h"

namespace sinter::ir {

/// On a pick from x[..., tiles, width], whose indices count the elements of all tiles of a row:
/// from each tile it picks what lies where the index does in its own.
inline constexpr llvm::StringLiteral pickInTilesAttr = "sinter.pick_in_tiles";
/// On a pick from x[..., tiles], the width of a tile: the indices count elements of tiles that
/// wide, and it picks the tile.
inline constexpr llvm::StringLiteral pickTileAttr = "sinter.pick_tile";

/// What the two notes say of a pick: it picks number index / width, or index % width, and an index
/// must be less than `bound`.
struct PickTile {
  enum class Part : uint8_t { All, Tile, Inside } part = Part::All;
  DimExpr bound, width;

  static PickTile of(PickOp op);
};

} // namespace sinter::ir
