// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/cpu/Jit.h"
#include "sinter/ir/base/TargetInfo.h"

#include <cstdint>
#include <optional>
#include <string>

namespace sinter::tools {

/// What to compile around a math op.
struct MathKernelOptions {
  std::string element = "f32"; ///< "f32" or "f64".
  int lanes = 16;              ///< 1 compiles scalar code.
  TargetInfo target = TargetInfo::host();
};

/// A loop that applies one expression to arrays, compiled as the project compiles kernels.
class MathKernel {
public:
  /// `body` is MLIR text that computes %r from %x and %y. In it, TYPE stands for their type, MASK
  /// for the matching i1, ZERO and ONE for constants. Throws sinter::Error when it does not
  /// compile.
  MathKernel(const std::string &body, const MathKernelOptions &options);

  /// A body of one math op with one or two operands, such as "math.exp".
  static std::string unary(const std::string &op) { return "%r = " + op + " %x : TYPE\n"; }
  static std::string binary(const std::string &op) { return "%r = " + op + " %x, %y : TYPE\n"; }
  /// A body of a function of ir/ScalarExpr.h that is more than one op.
  static std::string scalar(const std::string &function) {
    return "%r = arith.addf %x, %y {scalar = \"" + function + "\"} : TYPE\n";
  }

  /// Arrays hold `count` elements, a multiple of the lanes.
  void run(const void *x, const void *y, void *result, int64_t count) const {
    entry(x, y, result, count);
  }
  /// The machine code of what the constructor would compile.
  static std::string assembly(const std::string &body, const MathKernelOptions &options);

private:
  std::optional<cpu::Jit> code;
  void (*entry)(const void *x, const void *y, void *result, int64_t count) = nullptr;
};

} // namespace sinter::tools
