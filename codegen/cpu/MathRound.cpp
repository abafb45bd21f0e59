// SPDX-License-Identifier: Apache-2.0
// Rounding to integers: SSE4.1's instructions where they exist, else by adding and subtracting
// 2^mantissaBits.
#include "sinter/codegen/cpu/MathFunctions.h"

#include "mlir/Dialect/Math/IR/Math.h"

#include <cmath>

namespace sinter::cpu {

Num expandRoundEven(Num x) {
  if (x.emitter->options.hasFma)
    return x.emitter->create<mlir::math::RoundEvenOp>(x.value);
  double limit = std::ldexp(1.0, formatOf(x).mantissaBits);
  Num a = abs(x);
  Num rounded = (a + limit) - limit;
  return copysign(select(a < limit, rounded, a), x); // Large numbers are integers already.
}

Num expandFloor(Num x) {
  if (x.emitter->options.hasFma)
    return x.emitter->create<mlir::math::FloorOp>(x.value);
  Num rounded = expandRoundEven(x);
  return copysign(select(rounded > x, rounded - 1.0, rounded), x);
}

Num expandCeil(Num x) {
  if (x.emitter->options.hasFma)
    return x.emitter->create<mlir::math::CeilOp>(x.value);
  Num rounded = expandRoundEven(x);
  return copysign(select(rounded < x, rounded + 1.0, rounded), x);
}

Num expandTrunc(Num x) {
  if (x.emitter->options.hasFma)
    return x.emitter->create<mlir::math::TruncOp>(x.value);
  return copysign(expandFloor(abs(x)), x);
}

Num expandRound(Num x) {
  Num a = abs(x);
  Num whole = expandFloor(a);
  return copysign(select(a - whole >= 0.5, whole + 1.0, whole), x);
}

} // namespace sinter::cpu
