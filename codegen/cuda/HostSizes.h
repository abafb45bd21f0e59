// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/cuda/KernelSource.h"

namespace sinter::cuda {

/// On a division of an index by a size that only a call knows: the entry of the size table that
/// stands for the size's inverse (prelude/Base.cuh).
inline constexpr llvm::StringLiteral inverseAttribute = "inverse";

/// Sizes that a kernel derives from named dims become entries of the size table, so that the host
/// computes them once a call; indices are divided by multiplying with entries that stand for the
/// divisors' inverses. Functions have the table behind the launch's buffers.
void handOverSizes(mlir::ModuleOp module, const KernelRequest &request);

} // namespace sinter::cuda
