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

/// What a value outside of kernels is called, and which kernel makes it (-1: none).
struct ValueName {
  std::string text;
  int kernel = -1;
};
using ValueNames = llvm::DenseMap<mlir::Value, ValueName>;

/// What the region alone says: name, form, ops, lines, code, schedule, operands. `names` are those
/// of the values outside.
KernelEntry describeRegion(ir::FusedOp fused, const ValueNames &names);

} // namespace sinter::codegen::report
