// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/ConvolutionLayout.h"
#include "sinter/codegen/Schedule.h"

namespace sinter::codegen {

/// Which kernel a convolution runs as on a GPU, in GpuTiles::kernel (prelude/Convolution*.cuh).
enum class GpuConvolution : int64_t {
  Direct,  ///< Few channels in a group: a thread per element; for the weights a block per element.
  Tiles,   ///< A product of matrices on ordinary units.
  Matrix,  ///< The same on units for products of matrices of 16-bit elements.
  Patches, ///< The same, of what taps of neighbouring places read together: places are known.
  Product, ///< One tap that moves nothing: the matrix product of prelude/GemmMatrix.cuh, a batch
           ///< per image.
};

/// Channels of a slice of a patch, columns of a tile of it, and places of y that a step of it adds
/// up where w is the result.
inline constexpr int64_t patchSlice = 32, patchColumns = 128, patchDepth = 64;

/// The places that the taps of a tile of neighbours read, in shared memory.
struct ConvolutionPatch {
  int64_t positions; ///< A power of two.
  int64_t before;    ///< Of them, those before what the first tap of the first neighbour reads.
  bool pairs;        ///< Two places from an even one on lie in one image, at an aligned address.
};

/// A convolution as a product of matrices: see prelude/Convolution.cuh.
struct ConvolutionProblem {
  explicit ConvolutionProblem(ir::ConvolutionOp op);

  ir::ConvolutionOp op;
  int64_t rank;
  DimExpr batch, groups, inputs, outputs; ///< Channels are those of a group.
  struct Axis {
    DimExpr x, y, low;
    int64_t taps, stride, dilation;
  };
  llvm::SmallVector<Axis> axes;
  int64_t allTaps = 1;
  int64_t phases = 1; ///< Classes of places that have taps of their own: where x is the result.
  DimExpr xPlane = 1, yPlane = 1;
  DimExpr rows, columns, depth; ///< Columns and depth: of a phase, at most.
  /// The result as images of channels of places; a weight is a place.
  DimExpr images, channels, places;
  DimExpr elements() const { return images * channels * places; }
  /// Blocks of the main launch.
  DimExpr units(const GpuTiles &tiles) const;
  /// Whether it is a product of the weights with every image whose rows begin at 16 bytes.
  bool isProduct() const;
  /// Of Patches; nullopt: they cannot be told, or there are too many.
  std::optional<ConvolutionPatch> patch() const;
  /// Channels that a patch holds are those of x, or of y where x is the result.
  const DimExpr &patchChannels() const { return ir::ConvolutionOp(op).makesX() ? outputs : inputs; }
  /// Bytes of shared memory that Patches takes, and of the reordered weights, which a launch of
  /// its own makes; those only where the result is not w.
  int64_t patchBytes(const GpuTiles &tiles) const;
  std::optional<DimExpr> preparedBytes() const;
  /// Taps that a block of the direct kernel for weights takes.
  int64_t tapParts() const;
};

} // namespace sinter::codegen
