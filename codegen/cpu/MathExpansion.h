// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "llvm/Support/LogicalResult.h"

namespace mlir {
class Operation;
}

namespace sinter::cpu {

/// What the target offers. Results depend on these options, never on vector length: a lane of a
/// vector and a scalar with the same value get the same bits.
struct MathOptions {
  bool hasFma;    ///< FMA3 (and with it SSE4.1 rounding): math.fma and rounding ops are kept.
  bool hasAvx512; ///< AVX-512F and DQ: 512-bit scaling instructions may be used.
};

/// Replaces arith.remf and every math dialect op under `root` that LLVM would lower to a library call by inlined
/// arithmetic, on f32, f64 and one-dimensional vectors of them. Ops that are one instruction or a
/// short fixed sequence on x86-64 (sqrt, absf, copysign; fma and roundings with hasFma) stay.
/// Fails with a diagnostic on a math op it has no expansion for. Must run before SCF is lowered:
/// arguments of sin and cos too large for the fast reduction take an scf.if. Bounds on the error:
/// docs/math-accuracy.md.
llvm::LogicalResult expandMath(mlir::Operation *root, const MathOptions &options);

} // namespace sinter::cpu
