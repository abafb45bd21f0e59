// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/ConvolutionLayout.h"
#include "sinter/codegen/Schedule.h"

namespace sinter::codegen {

/// A convolution that reads x where it lies instead of copying it into padded planes: windows of
/// one element, where all positions of an image are one row, and windows over one channel each
/// (depthwise) or a few (the first layer of a network), where lanes that fall into the padding are
/// not loaded. Its schedule has `block` > 0: positions of a unit (a multiple of `nr`), or rows of
/// positions that are computed together, of `nBlock` rows of a unit. All sizes but the batch are
/// numbers, and what follows treats the last two axes as one.
///
/// Units that follow each other share rows of positions, not channels, while those are long: a
/// thread then reads what it wrote in the layer before, but for the rows at the edge of its part.
class DirectPlan {
public:
  /// Whether the convolution, and what is fused with it, has that form.
  static bool applies(const ConvolutionLayout &layout, int64_t lanes);
  /// Whether lanes that are not loaded cost nothing.
  static bool pays(const TargetInfo &target) { return target.vectorBytes >= 32; }
  /// Of one that it applies to.
  DirectPlan(const ConvolutionLayout &layout, int64_t lanes);
  /// Fills in tile, units and grain. Returns about how many cycles a group of an image
  /// takes.
  double choose(Schedule &schedule, const TargetInfo &target) const;

  /// Whether units of 1x1 windows that follow each other share positions, else channels.
  bool sharesPositions() const;
  bool isDepthwise() const { return !pointwise && inputs == 1; }
  /// Rows of positions that depthwise kernels compute together, of `rows` that a unit has; 0 where
  /// a row has too many vectors.
  int64_t rowsTogether(int64_t rows) const;
  /// Windows over several channels: outputs by vectors of a row whose sums are in registers.
  struct Tile {
    int64_t outputs = 1, vectors = 1;
    double cycles = 0; ///< Of all outputs in one row.
  };
  Tile windowTile() const;
  /// Whether a vector may run over the end of a row into the next one: the rows of x and y match.
  bool isFlat() const { return strideY == 1 && strideX == 1 && width == sourceWidth; }
  int64_t positions() const { return height * width; }
  int64_t vectorsOf(int64_t rows) const;
  /// Whether the windows of a group of rows lie within the source vertically: one piece of code
  /// serves all such groups, while each of the others has its own.
  bool isInner(int64_t row, int64_t rows) const;
  DimExpr units(const Schedule &schedule) const;

  bool pointwise;
  int64_t elementBytes;
  DimExpr batch;
  int64_t groups, inputs, outputs; ///< Channels of a group.
  int64_t height, width, sourceHeight, sourceWidth;
  int64_t tapsY, tapsX, strideY, strideX, dilationY, dilationX, lowY, lowX;
  int64_t lanes;

private:
  int64_t codeSize() const;
  int64_t unitsOfImage(const Schedule &schedule) const;
  // Tiles, and cycles of a group of an image.
  double chooseWindows(Schedule &schedule, const TargetInfo &target) const;
  double choosePositions(Schedule &schedule, const TargetInfo &target) const;
  // Units, of so many `cycles` in all.
  void cutRows(Schedule &schedule, double images, double cycles) const;
  void cutPositions(Schedule &schedule, double images, double cycles,
                    const TargetInfo &target) const;
};

} // namespace sinter::codegen
