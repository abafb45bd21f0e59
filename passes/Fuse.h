// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/passes/FusionGroups.h"

namespace sinter::passes {

/// What the pass is asked for (Passes.td).
struct FusionChoices {
  bool gpu = false;
  bool fusion = true;
  bool explain = false;
};

/// The pass, for a function that has no regions yet.
FusionWork fuseOps(mlir::func::FuncOp func, const FusionChoices &choices);

} // namespace sinter::passes
