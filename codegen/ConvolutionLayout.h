// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/ir/Ops.h"
#include "sinter/ir/base/TargetInfo.h"

namespace sinter::codegen {

/// On a convolution that may be computed by Winograd's algorithm, at the cost of accuracy.
inline constexpr llvm::StringLiteral winogradAttr = "sinter.winograd";

/// A spatial axis of a convolution. Kernels walk a grid of positions; the source (x, or y where x
/// is the result) is copied into planes that are padded with zeros, so that at every position a tap
/// reads the plane it belongs to at the position plus a shift.
struct ConvolutionAxis {
  DimExpr source, result; ///< Sizes of the tensors that are read and written (y: where w is).
  int64_t taps = 1, stride = 1, dilation = 1;
  DimExpr low = 0;
  bool spreads = false; ///< The result is x: positions have `stride` phases each.

  struct Tap {
    int64_t plane, shift;
  };
  /// Whether no two taps read the same element of a row: each has a plane of its own then, which
  /// has nothing of the gaps between them.
  bool isApart() const;
  /// Taps of one class read the same elements of the source at other positions.
  int64_t classes() const;
  int64_t numPlanes() const { return isApart() ? taps : spreads ? 1 : std::min(classes(), taps); }
  int64_t numPhases() const { return spreads ? stride : 1; }
  /// The only phase in which a tap counts.
  int64_t phaseOf(int64_t k) const { return spreads ? (k * dilation + lead()) % stride : 0; }
  /// Where the result is spread: the phase of tap 0, so that position 0 of phase 0 is element 0 of
  /// the result. 0 where `low` is not a number: the result may then begin within position 0.
  int64_t lead() const;
  /// So many elements of the source before tap 0's is what tap `k` reads, where both count.
  int64_t steps(int64_t k) const { return (k * dilation + lead()) / stride; }
  /// Whether a tap counts in a phase, and where it reads.
  std::optional<Tap> tap(int64_t k, int64_t phase) const;
  /// The largest shift.
  int64_t reach() const;
  DimExpr positions() const;
  /// Element i of a plane is element i * sourceStep() + sourceOffset(plane) of the source.
  int64_t sourceStep() const { return spreads ? 1 : stride; }
  DimExpr sourceOffset(int64_t plane) const;
  /// Position q of a phase is element q * numPhases() + resultOffset() + phase of the result.
  DimExpr resultOffset() const;
};

/// A convolution as kernels see it: the last two spatial axes (the first of them may be missing:
/// size 1), and the ones before them, whose taps count as channels.
struct ConvolutionLayout {
  explicit ConvolutionLayout(ir::ConvolutionOp op);

  ir::ConvolutionOp op;
  DimExpr batch, groups = 1;
  DimExpr inputs, outputs; ///< Channels of x and of y in a group.
  llvm::SmallVector<ConvolutionAxis> leading;
  ConvolutionAxis y, x;
  bool hasY = true;      ///< False: there is one spatial axis.
  bool ofWeight = false; ///< The result is w.

  /// Channels of the source in a group, one for each tap of the leading axes.
  DimExpr depth() const;
  int64_t leadingTaps() const;
  /// Taps of the last two axes.
  int64_t taps() const { return y.taps * x.taps; }
  /// Elements from one row of a plane to the next: the zeros behind a row may be those before the
  /// next one.
  DimExpr pitch() const;
  /// Elements of a plane for `rows` rows of positions, and of all planes of one channel.
  DimExpr planeSize(const DimExpr &rows) const;
  DimExpr channelSize(const DimExpr &rows, int64_t lanes) const;
  /// That of planes of a known size.
  static int64_t spacedSize(int64_t planes, int64_t lanes);
  /// Elements from the first position of a block of `rows` rows to behind its last one.
  DimExpr span(const DimExpr &rows) const;
  /// Results per position of the grid.
  int64_t phases() const { return y.numPhases() * x.numPhases(); }
};

} // namespace sinter::codegen
