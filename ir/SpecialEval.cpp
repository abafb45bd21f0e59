// SPDX-License-Identifier: Apache-2.0
// Special functions of the interpreter, by other methods than SpecialExpr.cpp: recurrences,
// asymptotic series and Newton's method in extended precision.
#include "sinter/ir/Eval.h"

#include <cmath>
#include <limits>
#include <numbers>

namespace sinter::ir::eval {

using Wide = long double;

static constexpr Wide pi = std::numbers::pi_v<Wide>;
static constexpr double infinity = std::numeric_limits<double>::infinity();
static constexpr double nan = std::numeric_limits<double>::quiet_NaN();

double inverseErf(double x) {
  if (!(std::fabs(x) < 1))
    return std::fabs(x) == 1 ? std::copysign(infinity, x) : nan;
  if (std::fabs(x) < 1e-8) // The next term is smaller by x².
    return static_cast<double>(x * std::sqrt(pi) / 2);
  // Solve log(erfc(y)) = log(1 - |x|): nearly a parabola, so Newton's steps converge from anywhere.
  Wide rest = 1 - static_cast<Wide>(std::fabs(x));
  Wide y = std::sqrt(-std::log(rest * (2 - rest))) * 0.9L;
  for (int i = 0; i < 50; ++i) {
    Wide tail = std::erfc(y);
    Wide step = rest > 0.5L ? (std::erf(y) - (1 - rest)) * std::exp(y * y) * std::sqrt(pi) / 2
                            : std::log(rest / tail) * tail * std::exp(y * y) * std::sqrt(pi) / 2;
    y -= step;
    if (std::fabs(step) <= 1e-19L * std::fabs(y))
      break;
  }
  return static_cast<double>(std::copysign(y, static_cast<Wide>(x)));
}

/// sin(pi x) and cos(pi x).
static Wide sinPi(Wide x) {
  Wide rest = std::remainder(x, Wide{2}); // Beyond 1/2, mirrored: pi itself is rounded.
  return std::sin(pi * (std::fabs(rest) > 0.5L ? std::copysign(Wide{1}, rest) - rest : rest));
}
static Wide cosPi(Wide x) { return sinPi(0.5L - std::fabs(std::remainder(x, Wide{2}))); }

double logGamma(double x) {
  int sign; // Of the gamma function; std::lgamma keeps it in a global variable.
  return static_cast<double>(lgammal_r(x, &sign));
}

/// Where digamma is 0, in two parts.
static constexpr Wide digammaZero = 0x1.762d86356be3fp+0L, digammaZeroLow = 0x1.b86a722197829p-54L;

double digamma(double value) {
  Wide x = value;
  if (x == 0)
    return std::signbit(value) ? infinity : -infinity;
  if (std::isinf(value) && value > 0)
    return value;
  if (x != x || (x < 0 && x == std::floor(x)))
    return nan;
  Wide result = 0;
  if (x < 0) {
    result = -pi * cosPi(x) / sinPi(x);
    x = 1 - x;
  } else if (std::fabs(x - digammaZero) < 1e-3L) { // The sums below would cancel.
    Wide d = (x - digammaZero) - digammaZeroLow;
    Wide series = 0; // Taylor's.
    for (Wide c : {0.10782405069126236576L, -0.16394270544240652750L, 0.25849976095565101062L,
                   -0.44276316898359210609L, 0.96767224544762117043L})
      series = series * d + c;
    return static_cast<double>(d * series);
  }
  while (x < 30) {
    result -= 1 / x;
    x += 1;
  }
  Wide u = 1 / (x * x), series = 0;
  for (Wide c : {-691.0L / 32760, 1.0L / 132, -1.0L / 240, 1.0L / 252, -1.0L / 120, 1.0L / 12})
    series = series * u + c;
  return static_cast<double>(result + std::log(x) - 0.5L / x - u * series);
}

double trigamma(double value) {
  Wide x = value;
  if (std::isinf(value))
    return value > 0 ? 0 : nan;
  if (x <= 0 && x == std::floor(x))
    return infinity;
  Wide sign = 1, offset = 0, result = 0;
  if (x < 0) { // ψ'(x) = (π / sin πx)² - ψ'(1 - x)
    sign = -1;
    offset = pi * pi / (sinPi(x) * sinPi(x));
    x = 1 - x;
  }
  while (x < 30) {
    result += 1 / (x * x);
    x += 1;
  }
  Wide u = 1 / (x * x), series = 0;
  for (Wide c : {5.0L / 66, -1.0L / 30, 1.0L / 42, -1.0L / 30, 1.0L / 6})
    series = series * u + c;
  result += 1 / x + u / 2 + series * u / x;
  return static_cast<double>(offset + sign * result);
}

double logAddExp(double a, double b) {
  if (a == b)
    return a + std::numbers::ln2;
  return a != a || b != b ? nan : std::fmax(a, b) + std::log1p(std::exp(-std::fabs(a - b)));
}

} // namespace sinter::ir::eval
