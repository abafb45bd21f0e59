// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/report/Report.h"
#include "sinter/ir/Ops.h"

#include "llvm/ADT/DenseMap.h"

namespace sinter::codegen::report {

/// "k3"
std::string kernelName(int number);
/// "f32[128, 784]"
std::string typeText(DType dtype, const Shape &shape);
std::string typeText(mlir::Value value);

/// What the region alone says: name, form, ops, lines, code, schedule, operands. `names` are those
/// of the values outside.
KernelEntry describeRegion(ir::FusedOp fused,
                           const llvm::DenseMap<mlir::Value, std::string> &names);

} // namespace sinter::codegen::report
