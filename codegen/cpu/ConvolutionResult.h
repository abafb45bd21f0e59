// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/cpu/ConvolutionEmit.h"

// Private to the emitters of convolutions.

namespace sinter::cpu::convolution {

/// What emitters share whose result is y or x: where each tap reads, and what follows from sums
/// whose positions are innermost.
class ResultEmitter {
protected:
  explicit ResultEmitter(KernelFunction &kernel);

  /// The pointer to [begin, count] of each phase, then [number, offset into the patch] of its taps.
  void fillTable(Patch &patch, Value table);

  /// Sums of one image's block of positions, of channels from `channel` on. Both phases along the
  /// last axis, where those are stored together, each in an area.
  struct Sums {
    Value pointer, channel, stride, areaSize;
  };
  /// Stores the results of channels [low, high), from phase `phase` on.
  void storePhase(const Sums &sums, Value phase, Value low, Value high);

  /// A line of a tile: sums of neighbouring positions, [position][channel].
  struct TileLine {
    Value sums;
    int64_t positions, channels;
    Value channel;       ///< Its first one.
    Value low, high;     ///< Channels whose results are stored.
    Value row, column;   ///< Of the first position, in the block; columns are those of the grid.
    Value firstColumn;   ///< Columns before it belong to another tile.
    Value staging;       ///< Room for a vector per channel.
    bool hasAllChannels; ///< All are stored.
  };
  /// Turns a line, positions innermost, and stores its results. There is one phase.
  void storeLine(const TileLine &line);
  /// Asks for the memory that storeLine() will write, which takes as long as a tile's sums.
  void askForLine(const TileLine &line);

  bool joinsPhases() const { return layout.x.numPhases() == 2; }
  const DimExpr &resultRows() const { return spreads ? layout.inputs : layout.outputs; }

  KernelFunction &kernel;
  ir::ConvolutionOp op;
  const ConvolutionLayout layout;
  const bool spreads;
  Value source, weights;
  Vectors vectors;
  Arithmetic math;
  // Of the unit.
  Value batch, group, row, rows;
  Values leading;

private:
  void joinedRow(ElementEmitter &emitter, Index at, Value from, Value other, Value offset);
};

void emitConvolutionPanels(KernelFunction &kernel);

} // namespace sinter::cpu::convolution
