// SPDX-License-Identifier: Apache-2.0
// What the rules of the kernel forms ask of a fused region.
#pragma once

#include "sinter/codegen/Schedule.h"

namespace sinter::codegen {

inline constexpr int64_t unknownSize =
    1024; ///< What a symbolic size is taken for when work is estimated.

inline mlir::Block &bodyOf(ir::FusedOp fused) { return fused.getBody().front(); }
inline mlir::ValueRange yields(ir::FusedOp fused) {
  return bodyOf(fused).getTerminator()->getOperands();
}
DimExpr bytesOf(mlir::Value tensor);
/// Of an element in a register, and in scratch that keeps registers.
int64_t registerBytes(mlir::Value tensor);
/// Bytes of a buffer in the arena, rounded up to the alignment of buffers.
DimExpr alignedBytes(const DimExpr &bytes);
inline int64_t ceilDivide(int64_t a, int64_t b) { return (a + b - 1) / b; }
inline int64_t roundUp(int64_t value, int64_t multiple) {
  return ceilDivide(value, multiple) * multiple;
}

/// Flops per point of the domain, roughly.
int64_t regionCost(ir::FusedOp fused);
/// Elements computed together along a dim of size `inner`.
int64_t chooseLanes(ir::FusedOp fused, const TargetInfo &target, const DimExpr &inner);
/// Time in ns of `points` of the domain on one thread.
double pointsTime(ir::FusedOp fused, double points, int64_t lanes);
/// Units of `nanoseconds` each that make a chunk worth handing to a thread.
int64_t grainFor(double nanoseconds);
/// Whether results are so large that they should bypass the cache, and can.
bool shouldStream(ir::FusedOp fused, const TargetInfo &target, const DimExpr &inner,
                  const Shape &domain, int64_t lanes);
/// `wanted`, halved until that many vectors fit into `inner`.
int64_t limitUnroll(int64_t wanted, const DimExpr &inner, int64_t lanes);

} // namespace sinter::codegen
