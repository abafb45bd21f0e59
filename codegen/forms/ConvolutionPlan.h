// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/ConvolutionLayout.h"
#include "sinter/codegen/Schedule.h"

namespace sinter::codegen {

/// How a convolution is cut into units, and where things lie in a worker's scratch: a table of
/// 64-bit words, the patch (the source in padded planes), and what is computed from it.
class ConvolutionPlan {
public:
  ConvolutionPlan(const ConvolutionLayout &layout, const Schedule &schedule)
      : layout(layout), schedule(schedule) {}

  DimExpr units() const;
  DimExpr scratchBytes() const;
  /// Rows of positions that are copied at once.
  DimExpr blockRows() const { return schedule.tiles.nBlock; }
  /// Channels of a group of the result (of y where w is the result), cut into blocks.
  const DimExpr &resultRows() const { return layout.x.spreads ? layout.inputs : layout.outputs; }
  int64_t rowsPerBlock() const { return schedule.tiles.mBlock; }
  DimExpr rowBlocks() const { return ceilDiv(resultRows(), rowsPerBlock()); }

  // Where x or y is the result. A unit: a block of positions by a block of channels.
  /// Elements from one channel's sums to the next one's.
  DimExpr stripSize() const;
  /// Whether the two phases along the last axis are stored together.
  bool joinsPhases() const { return layout.x.numPhases() == 2; }
  DimExpr patchOffset() const;
  DimExpr sumsOffset() const;

  // Where w is the result. A unit: a block of channels of y by `depthBlock()` channels of x, over a
  // chunk of all blocks of positions. A second launch adds up several chunks.
  /// Whether lanes run along channels of y (cpu::convolution::OuterProducts), else along positions.
  bool byChannels() const { return schedule.tiles.form == cpu::ContractionTiles::Form::Tiled; }
  /// By channels, a tile has so many neighbouring taps of so many channels of x.
  int64_t tapsPerTile() const { return tapsPerTile(layout, schedule.tiles.mr); }
  static int64_t tapsPerTile(const ConvolutionLayout &layout, int64_t mr);
  int64_t channelsPerTile() const { return schedule.tiles.mr / tapsPerTile(); }
  /// Channels of the patch, those that only fill a tile included.
  int64_t patchChannels() const;
  int64_t depthBlock() const { return schedule.block; }
  int64_t chunks() const { return schedule.tiles.groupUnits; }
  /// Images of a block.
  int64_t images() const { return schedule.tiles.kc; }
  DimExpr blocks() const;
  DimExpr blocksPerChunk() const { return ceilDiv(blocks(), chunks()); }
  /// Weights of one channel of y.
  DimExpr weightRow() const { return layout.depth() * DimExpr(layout.taps()); }
  /// Elements from one image's copies to the next one's.
  DimExpr patchSize() const {
    return DimExpr(patchChannels()) * layout.channelSize(blockRows(), schedule.lanes);
  }
  DimExpr rowsSize() const { return DimExpr(rowsPerBlock()) * rowSize(); }
  /// Elements of one channel of y.
  DimExpr rowSize() const;
  /// Vectors from one channel's sums to the next one's.
  int64_t weightSumsStride() const;
  int64_t weightSumsSize() const; ///< Elements of all sums of a unit.
  DimExpr weightPatchOffset() const;
  DimExpr rowsOffset() const;
  DimExpr weightSumsOffset() const;

private:
  DimExpr bytes(const DimExpr &elements) const; ///< Rounded up to 64.

  const ConvolutionLayout &layout;
  const Schedule &schedule;
};

} // namespace sinter::codegen
