// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/AttentionLayout.h"

#include <vector>

namespace sinter::codegen {

/// One launch of attention on a GPU: what its rows are, and which results it gives.
struct AttentionPass {
  bool rowsAreQueries = true;
  /// Forward: the result and lse. Else dq, or dk and dv.
  bool first = true, second = true;
};

/// How a block of a GPU computes attention: the prelude's tiles (GpuTiles: `m` rows that stay, `n`
/// columns at a time), on tensor cores where operands are 16 bits wide.
class AttentionTiles {
public:
  enum class Kernel { Scalar, Matrix };

  AttentionTiles(mlir::Operation *op, const Schedule &schedule)
      : layout(op, schedule), threads(schedule.threads), tiles(schedule.gpu) {}

  Kernel kernel() const { return static_cast<Kernel>(tiles.kernel); }
  /// The launches for the results that `yields` has.
  std::vector<AttentionPass> passes(mlir::ValueRange yields) const;
  DimExpr units(const AttentionPass &pass) const;
  int64_t sharedBytes(const AttentionPass &pass) const;
  /// About how many registers of a thread hold sums and scores, and the scores on their way to the
  /// next product.
  int64_t registers() const;
  /// With more than `mostRegisters`, or with more scores than this beside a mask, whose addresses
  /// take their place, machine code would keep some on a stack.
  int64_t mostRegisters() const { return kernel() == Kernel::Matrix ? 200 : 176; }
  int64_t scoresBesideMask() const {
    return kernel() == Kernel::Matrix && layout.mask ? perGroup() * tiles.n : 0;
  }
  static constexpr int64_t mostScoresBesideMask = 64;
  /// Rows of a warp's sixteens, or of a thread.
  int64_t perGroup() const {
    return tiles.m / (kernel() == Kernel::Matrix ? threads / 2 : threads / 16);
  }
  int64_t groups() const { return threads / (kernel() == Kernel::Matrix ? 32 : 16); }

  AttentionLayout layout;
  int64_t threads;
  GpuTiles tiles;
};

} // namespace sinter::codegen
