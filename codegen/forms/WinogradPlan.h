// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/ConvolutionLayout.h"
#include "sinter/codegen/Schedule.h"

namespace sinter::codegen {

/// How Winograd's F(4x4, 3x3) runs. A line is one row of tiles of one image; a unit is a block of
/// lines by a block of channels of the result. All sizes but the batch are numbers.
class WinogradPlan {
public:
  static constexpr int64_t results = 4, side = 6, elements = side * side;

  /// Whether the algorithm applies at all.
  static bool applies(const ConvolutionLayout &layout);
  WinogradPlan(const ConvolutionLayout &layout, const Schedule &schedule);

  int64_t rows, depth; ///< Channels of the result, and of the source.
  int64_t resultY, resultX, sourceY, sourceX;
  int64_t startY, startX; ///< Element of the source where tile 0 starts.
  int64_t tilesY, tilesX;

  DimExpr lines() const { return batch * DimExpr(tilesY); }
  int64_t linesPerBlock() const { return schedule.tiles.nBlock; }
  int64_t rowsPerBlock() const { return schedule.tiles.mBlock; }
  int64_t rowBlocks() const { return (rows + rowsPerBlock() - 1) / rowsPerBlock(); }
  DimExpr units() const { return ceilDiv(lines(), linesPerBlock()) * DimExpr(rowBlocks()); }

  // Elements in memory. Transformed weights are [36][rows][depthPitch].
  int64_t depthPitch() const;
  int64_t weightSize() const { return rows * depthPitch(); }
  int64_t weightBytes() const { return elements * weightSize() * schedule.tiles.elementBytes; }
  // A worker's scratch: input [36][depth][tilePitch], products [36][mr][tilePitch], staging.
  int64_t tilePitch() const;
  int64_t inputElement() const { return depth * tilePitch(); }
  int64_t inputSize() const { return elements * inputElement(); }
  int64_t productsSize() const { return elements * schedule.tiles.mr * tilePitch(); }
  int64_t scratchBytes() const;

private:
  DimExpr batch;
  const Schedule &schedule;
};

/// Fills in the schedule if the algorithm is faster than `directCost` cycles; else leaves it.
bool chooseWinograd(Schedule &schedule, const ConvolutionLayout &layout, const TargetInfo &target,
                    double directCost);

} // namespace sinter::codegen
