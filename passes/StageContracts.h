// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Support/LogicalResult.h"

namespace sinter::passes {

/// What each stage promises to the next, checked after it runs. Failures are emitted as
/// diagnostics.

/// No gradients, jvp or with_gradient op is left.
mlir::LogicalResult verifyDifferentiated(mlir::ModuleOp module);
/// Every op but constants and reshapes lies in a fused region of which a back end can make a
/// kernel.
mlir::LogicalResult verifyFused(mlir::ModuleOp module);

} // namespace sinter::passes
