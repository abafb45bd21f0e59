// SPDX-License-Identifier: Apache-2.0
// One row per elementwise op. A row of its own where integers differ from floats.
#include "tests/ops/Row.h"

namespace sinter::ops {

static Real propagateNan(Real a, Real b, Real otherwise) {
  return a != a ? a : b != b ? b : otherwise;
}

/// Halves to even, without the rounding mode of the machine.
static Real roundHalfEven(Real x) {
  Real low = std::floor(x), rest = x - low;
  if (!(rest == rest) || rest == 0)
    return x;
  bool up = rest > 0.5L || (rest == 0.5L && std::fmod(low, 2.0L) != 0);
  return std::copysign(up ? low + 1 : low, x);
}

static Real quotient(Real a, Real b) { return b == 0 ? 0 : std::trunc(a / b); }

std::vector<Row> elementwiseRows() {
  std::vector<Row> rows = {
      OP(neg, -x, -x, In(-4, 4)).on(numbers).smooth(),
      OP(abs, abs(x), std::fabs(x), In(-4, 4, {0})).on(numbers).smooth(),
      OP(sign, sign(x),
         x > 0   ? 1
         : x < 0 ? -1
                 : x,
         In(-4, 4, {0}))
          .on(numbers)
          .smooth(),
      OP(exp, exp(x), std::exp(x), In(-20, 20)).smooth(),
      OP(expm1, expm1(x), std::expm1(x), In(-4, 4)).smooth(),
      OP(log, log(x), std::log(x), In(0.01, 50)).smooth(),
      OP(log1p, log1p(x), std::log1p(x), In(-0.9, 5)).smooth(),
      OP(sqrt, sqrt(x), std::sqrt(x), In(0.01, 50)).smooth(),
      OP(rsqrt, rsqrt(x), 1 / std::sqrt(x), In(0.05, 50)).smooth(),
      OP(sin, sin(x), std::sin(x), In(-4, 4)).smooth(),
      OP(cos, cos(x), std::cos(x), In(-4, 4)).smooth(),
      OP(tanh, tanh(x), std::tanh(x), In(-4, 4)).smooth(),
      OP(sigmoid, sigmoid(x), 1 / (1 + std::exp(-x)), In(-20, 20)).smooth(),
      OP(erf, erf(x), std::erf(x), In(-3, 3)).smooth(),
      OP(relu, relu(x), x < 0 ? 0 : x, In(-4, 4, {0})).on(numbers).smooth(),
      OP(floor, floor(x), std::floor(x), In(-4, 4, {-4, -3, -2, -1, 0, 1, 2, 3, 4})).smooth(),
      OP(ceil, ceil(x), std::ceil(x), In(-4, 4, {-4, -3, -2, -1, 0, 1, 2, 3, 4})).smooth(),
      OP(round, round(x), roundHalfEven(x), In(-2, 2, {-1.5, -.5, .5, 1.5})).smooth(),
      OP(not, !x, x == 0, Mask()).on(bools),

      OP2(add, a + b, a + b, Wide(), Wide()).on(numbers).smooth(),
      OP2(sub, a - b, a - b, Wide(), Wide()).on(numbers).smooth(),
      OP2(mul, a * b, a * b, Wide(), Wide()).on(numbers).smooth(),
      OP2(div, a / b, a / b, In(-4, 4), In(0.5, 4)).smooth(),
      OP2(divIntegers, a / b, quotient(a, b), Wide(), Ints(-3, 3)).on(ints).of("div"),
      OP2(pow, pow(a, b), std::pow(a, b), In(0.1, 4), In(-3, 3)).smooth(),
      OP2(max, maximum(a, b), propagateNan(a, b, std::max(a, b)), In(-4, 0), In(0.1, 4))
          .on(numbers)
          .smooth()
          .anyZero(),
      OP2(maxMixed, maximum(a, b), propagateNan(a, b, std::max(a, b)), Ints(-3, 3), Ints(-3, 3))
          .on(numbers)
          .of("max")
          .anyZero(),
      OP2(min, minimum(a, b), propagateNan(a, b, std::min(a, b)), In(-4, 0), In(0.1, 4))
          .on(numbers)
          .smooth()
          .anyZero(),
      OP2(minMixed, minimum(a, b), propagateNan(a, b, std::min(a, b)), Ints(-3, 3), Ints(-3, 3))
          .on(numbers)
          .of("min")
          .anyZero(),
      OP2(and, a && b, a != 0 && b != 0, Mask(), Mask()).on(bools),
      OP2(or, a || b, a != 0 || b != 0, Mask(), Mask()).on(bools),
      OP2(equal, equal(a, b), a == b, Ints(-2, 2), Ints(-2, 2)).on(everything),
      OP2(not_equal, notEqual(a, b), a != b, Ints(-2, 2), Ints(-2, 2)).on(everything),
      OP2(less, a < b, a < b, Ints(-2, 2), Ints(-2, 2)).on(everything),
      OP2(less_equal, a <= b, a <= b, Ints(-2, 2), Ints(-2, 2)).on(everything),
      OP2(greater, a > b, a > b, Ints(-2, 2), Ints(-2, 2)).on(everything),
      OP2(greater_equal, a >= b, a >= b, Ints(-2, 2), Ints(-2, 2)).on(everything),
      elementwise(
          "select", {Mask(), In(-4, 4), In(-4, 4)},
          [](Graph &, const Tensors &t) { return where(t[0], t[1], t[2]); },
          [](const std::vector<Real> &v) { return v[0] != 0 ? v[1] : v[2]; })
          .on(everything)
          .smooth()
          .plain(),
  };
  // The gradient of stop_gradient is zero by definition, which finite differences contradict.
  rows.push_back(OP(stop_gradient, stopGradient(x), x, In(-4, 4)).on(everything));

  // Casts: every pair of dtypes, in range. What lies outside is in BoundaryTest.cpp.
  for (DType to : allDTypes) {
    auto graph = [to](Graph &, const Tensors &t) { return cast(t[0], to); };
    auto oracle = [to](const std::vector<Real> &v) -> Real {
      return to == boolean ? Real(v[0] != 0) : isFloat(to) ? v[0] : std::trunc(v[0]);
    };
    Input input = isUnsigned(to) ? Input{.low = 0, .high = 100, .intLow = 0}
                                 : Input{.low = -100, .high = 100};
    Row row = elementwise("castTo_" + std::string(name(to)), {input}, graph, oracle)
                  .on(everything)
                  .of("cast")
                  .plain()
                  .anyZero();
    if (to == f64)
      row.derivative = Derivative::Second;
    rows.push_back(std::move(row));
  }
  return rows;
}

} // namespace sinter::ops
