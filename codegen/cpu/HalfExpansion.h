// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "mlir/IR/BuiltinOps.h"

namespace sinter::cpu {

/// Replaces the conversions between f32 and bf16, and unless the target `hasF16c` those between f32
/// and f16, by integer arithmetic: left to LLVM they would become calls of a run-time library.
void expandHalfConversions(mlir::ModuleOp module, bool hasF16c);

} // namespace sinter::cpu
