// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/KernelPlan.h"

namespace sinter::codegen {

/// Inputs of a Loop region that lie in memory along another dim of the domain than its last, so
/// that what is read side by side is not computed side by side: they go through tiles in shared
/// memory.
struct LoopTile {
  static constexpr int64_t size = 32; ///< Along both dims.
  struct Input {
    unsigned argument = 0;
    /// Which dim of the domain is each index; -1 where the size is 1.
    llvm::SmallVector<int64_t> dims;
  };
  int64_t fast = 0; ///< The domain's dim that the inputs' last one is.
  llvm::SmallVector<Input> inputs;

  static std::optional<LoopTile> find(ir::FusedOp fused, const passes::KernelAnalysis &analysis);
  /// Blocks of work: the domain's other dims, then tiles along `fast`, then along the last.
  llvm::SmallVector<DimExpr> units(const Shape &domain) const;
};

} // namespace sinter::codegen
