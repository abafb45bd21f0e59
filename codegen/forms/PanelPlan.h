// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/ConvolutionLayout.h"
#include "sinter/codegen/Schedule.h"

#include <algorithm>
#include <array>
#include <vector>

namespace sinter::codegen {

/// Which taps of an axis read the source at a position of a result that has one phase; others
/// multiply padding by a weight, and can be left out.
struct TapAxis {
  explicit TapAxis(const ConvolutionAxis &axis);

  struct Range {
    int64_t begin, end;
    bool contains(int64_t k) const { return k >= begin && k < end; }
  };
  /// The taps that read the source at any of the positions [first, last].
  Range within(int64_t first, int64_t last) const;
  /// Those of `positions` at which all taps do.
  Range full(int64_t positions) const;
  bool isFull(int64_t positions) const;
  /// Of all taps, those that read the source where `together` positions are computed alike.
  double share(int64_t positions, int64_t together) const;
  /// Elements of the source from one position to the next, and from one tap to the next.
  int64_t step() const { return spreads ? 1 : stride; }
  int64_t tapStep() const { return spreads ? -dilation : dilation; }
  /// What tap 0 of position 0 reads, which may be before the source.
  int64_t start() const { return spreads ? low : -low; }

  int64_t taps, stride, dilation, low = 0, source = 0;
  bool spreads;
  bool isKnown; ///< Else all taps count everywhere.
};

/// A convolution whose result is y or x with lanes along the channels of the result: the weights
/// lie in panels of `panel()` such channels, [panel][channel of the source][tap][channel], and
/// every element of the source is the factor of a vector, so that no row of positions is too short.
/// A unit is a block of channels at a block of positions of several images. All sizes but the batch
/// are numbers.
///
/// Where the result has several phases they are computed one after the other, each with its own
/// taps; those that are stored together are a step, and the weights of a step follow each other:
/// [panel][step][channel of the source][tap][channel].
class PanelPlan {
public:
  /// Whether it can be computed like this at all.
  static bool applies(const ConvolutionLayout &layout);
  PanelPlan(const ConvolutionLayout &layout, const Schedule &schedule);
  /// The same convolution under another schedule.
  PanelPlan(const PanelPlan &other, const Schedule &schedule);

  int64_t rows, depth; ///< Channels of the result, and of the source, in a group.
  int64_t height, width, pitch;
  int64_t channelSize; ///< That of the layout.
  int64_t taps, groups;
  int64_t phases, together; ///< Of a step: 2 where phases alternate along a row of the result.
  int64_t mostTaps;         ///< Of a step.

  int64_t panel() const { return schedule.tiles.panel; }
  /// Whether units bring the weights into panels; else they lie so in memory.
  bool packs() const { return schedule.tiles.packB == cpu::ContractionTiles::Pack::Always; }
  /// The register tile: positions of so many rows of an image, or of one row of so many images.
  int64_t tileColumns() const { return schedule.tiles.mr; }
  int64_t tileRows() const { return schedule.tiles.packA ? 1 : schedule.tiles.kUnroll; }
  int64_t tileImages() const { return schedule.tiles.packA ? schedule.tiles.kUnroll : 1; }
  int64_t tileSize() const { return tileRows() * tileImages() * tileColumns() * panel(); }
  int64_t tilesX() const { return (width + tileColumns() - 1) / tileColumns(); }
  int64_t tilesY() const { return (blockRows() + tileRows() - 1) / tileRows(); }

  int64_t rowsPerBlock() const { return schedule.tiles.mBlock; }
  int64_t blockRows() const { return schedule.tiles.nBlock; }
  int64_t images() const { return schedule.tiles.groupUnits; } ///< A multiple of tileImages().
  int64_t depthBlock() const { return schedule.tiles.kc; }
  int64_t rowBlocks() const { return (rows + rowsPerBlock() - 1) / rowsPerBlock(); }
  int64_t blocks() const { return (height + blockRows() - 1) / blockRows(); }
  DimExpr units() const;

  /// Whether the results of a tile are stored as soon as its sums are complete, else those of an
  /// image together. Its rows end within a vector, and only with masks are parts of one cheap.
  bool finishesTiles() const {
    return phases == 1 && schedule.lanes * schedule.tiles.elementBytes >= 64;
  }
  bool visitsOnce() const { return depthBlock() >= depth; }
  /// Whether the sums of all tiles are kept, not only those of one.
  bool keepsSums() const { return !finishesTiles() || !visitsOnce(); }

  // A worker's scratch, in elements: the sources of the images, a panel, the sums as the tiles
  // leave them, [image][phase][tile][position][channel], and those of one line or image with its
  // positions innermost. A table of 64-bit words is before them.
  int64_t patchSize() const;
  int64_t panelSize() const;
  int64_t areaSize() const { return tileSize() * (keepsSums() ? tilesX() * tilesY() : 1); }
  int64_t areas() const { return keepsSums() ? images() / tileImages() * together : 1; }
  int64_t sumsSize() const {
    return panel() * (finishesTiles() ? schedule.lanes : together * sumsStride());
  }
  int64_t steps() const { return phases / together; }

  // Taps that read nothing but padding. Lines of a tile leave out rows of a window, and tiles at
  // the ends of rows single positions too: the taps of a row are then code of their own, and so are
  // the first tile of a row, the last one, and those between, which have all positions.
  TapAxis tapsY, tapsX;
  bool skipsRows() const { return phases == 1 && !tapsY.isFull(height); }
  bool skipsColumns() const;
  /// Whether the taps of a row are code of their own: where tiles leave out columns, or are small.
  bool unrollsTaps() const;
  int64_t tileKinds() const { return skipsColumns() ? std::min<int64_t>(3, tilesX()) : 1; }
  /// Where a tile of a kind begins.
  int64_t columnOfKind(int64_t kind) const;
  /// Multiplications that are left, of all of one.
  double share() const {
    const auto together = std::min(static_cast<size_t>(tileRows()), rowShares.size() - 1);
    return (skipsRows() ? rowShares[together] : 1) * (skipsColumns() ? columnShare : 1);
  }
  int64_t sumsStride() const; ///< From one channel to the next.
  int64_t tableBytes() const;
  int64_t scratchBytes() const;

  /// Whether tiles read the source where it lies: no tap of theirs reads padding, nor what is
  /// behind the last row or image.
  bool readsSource() const;
  // Elements of the source, or of its copy, from one channel, line of a tile, row of positions and
  // position to the next.
  int64_t channelStep() const { return readsSource() ? sourceSize() : channelSize; }
  int64_t lineStep() const;
  int64_t rowStep() const { return readsSource() ? tapsY.step() * tapsX.source : pitch; }
  int64_t columnStep() const { return readsSource() ? tapsX.step() : 1; }
  int64_t sourceSize() const { return tapsY.source * tapsX.source; } ///< Of a channel.

private:
  void setChannelSize();

  bool mayReadSource() const; ///< If no column is padding.

  bool isInMemory;          ///< The source, as it is computed with.
  int64_t planes, planeEnd; ///< Of a channel; what a plane has besides its rows of positions.
  std::array<double, 5> rowShares; ///< With so many rows in a tile.
  double columnShare;
  int64_t fullBegin, fullEnd; ///< Positions of a row at which all taps read the source.
  const DimExpr &batch;
  const Schedule &schedule;
};

/// The numbers of the taps that count in each phase.
std::vector<llvm::SmallVector<int64_t>> tapsOfPhases(const ConvolutionLayout &layout);

/// Sets the schedule that takes fewest cycles for a group of an image and returns those, if they
/// are fewer than `otherCost`; else returns that. The weights are `fixed` where they are a constant
/// that nothing else reads.
double choosePanels(Schedule &schedule, const ConvolutionLayout &layout, const TargetInfo &target,
                    bool fixed, double otherCost);

/// The weights of a convolution in panels.
void copyWeightPanels(const ConvolutionLayout &layout, const Schedule &schedule, const char *from,
                      char *to);

} // namespace sinter::codegen
