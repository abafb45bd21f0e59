// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/cpu/KernelFunction.h"

namespace sinter::cpu {

/// Quotients by what is one number for a whole row (a softmax's sum, a norm's deviation): its
/// reciprocal is computed once, in two parts, and every element multiplied. That is within 0.50001
/// ulp of the quotient (1 ulp where it is subnormal), the same for zeros, infinities and NaNs, and
/// a third of the time of a division.
class RowQuotients {
public:
  explicit RowQuotients(KernelFunction &kernel) : kernel(kernel) {}

  /// Has `vectors` emit divisions of the region's floats that way, where `row`, the size of the dim
  /// along the lanes, is worth it and the target multiplies and adds in one.
  void replaceDivisions(ElementEmitter &vectors, const DimExpr &row);

private:
  /// 1 / (divisor * scale) as the sum of two numbers of one sign, the second below an ulp of the
  /// first and never zero unless the first is: infinities then stay what they are.
  struct Reciprocal {
    mlir::Value scale, high, low;
  };
  const Reciprocal &reciprocalOf(mlir::Value divisor);
  Element divide(ElementEmitter &vectors, mlir::Operation *op, llvm::ArrayRef<LaneIndex> index);

  KernelFunction &kernel;
  llvm::DenseMap<mlir::Value, Reciprocal> reciprocals;
};

} // namespace sinter::cpu
