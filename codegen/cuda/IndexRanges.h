// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/DenseSet.h"

namespace sinter::cuda {

/// Name of the attribute of calls that states the largest number they give; the least is 0.
inline constexpr const char *mostAttribute = "most";

/// The 64-bit values computed at `indexLocation` that are seen to fit 32 bits: from constants, what
/// calls state, and the bounds of loops. Arithmetic of GPUs is twice as fast with those, and
/// divisions several times.
llvm::DenseSet<mlir::Value> narrowIndices(mlir::func::FuncOp kernel, mlir::Location indexLocation);

} // namespace sinter::cuda
