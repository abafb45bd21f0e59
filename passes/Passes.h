// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/ir/Ops.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/Pass.h"

#include <memory>

namespace sinter::passes {

#define GEN_PASS_DECL
#include "sinter/passes/Passes.h.inc"

/// Makes the passes known by name to mlir-opt-like tools.
void registerPasses();

} // namespace sinter::passes
