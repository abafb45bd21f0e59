// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "mlir/IR/BuiltinOps.h"

#include <string>
#include <vector>

namespace sinter::tools {

/// Gives named dimensions a value throughout the graph @main of `module`: `dims` hold N=32, `shapes`
/// hold NAME=2x3 for an argument. Throws Error(Usage) on unknown names, on a dimension with two
/// values and on sizes that do not fit.
void specialize(mlir::ModuleOp module, const std::vector<std::string> &dims,
                const std::vector<std::string> &shapes);

} // namespace sinter::tools
