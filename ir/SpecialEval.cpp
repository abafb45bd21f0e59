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
static Wide sinPi(Wide x) { return std::sin(pi * std::remainder(x, Wide{2})); }
static Wide cosPi(Wide x) { return std::cos(pi * std::remainder(x, Wide{2})); }

static Wide logGammaPositive(Wide x) {
  // Where the logarithms cancel, at 1 and 2, the product keeps its digits: Γ(1 + t) = Γ(x).
  Wide product = 1;
  while (x < 30) {
    product *= x;
    x += 1;
  }
  Wide u = 1 / (x * x), series = 0;
  for (Wide c :
       {-1.0L / 360360 * 691, 1.0L / 1188, -1.0L / 1680, 1.0L / 1260, -1.0L / 360, 1.0L / 12})
    series = series * u + c;
  return (x - 0.5L) * std::log(x) - x + 0.5L * std::log(2 * pi) + series / x - std::log(product);
}

/// Near the zeros 1 and 2, by the series Σ ζ(k) (-t)^k / k.
static Wide logGammaOfOnePlus(Wide t) {
  // log Γ(1 + t) = -log(1 + t) + t (1 - γ) + Σ_{k>=2} (-1)^k (ζ(k) - 1) t^k / k.
  Wide sum = 0, power = t;
  for (int k = 2; k < 80; ++k) {
    power *= -t;
    Wide zeta = 0; // ζ(k) - 1.
    for (int n = 40; n >= 2; --n)
      zeta += std::pow(Wide(n), -Wide(k));
    // The terms from 41 on, by the Euler-Maclaurin formula.
    zeta += std::pow(40.5L, 1 - Wide(k)) / (k - 1) - k * std::pow(40.5L, -1 - Wide(k)) / 24 +
            7 * Wide(k) * (k + 1) * (k + 2) * std::pow(40.5L, -3 - Wide(k)) / 5760;
    sum -= zeta * power / k;
  }
  constexpr Wide oneMinusGamma = 0.42278433509846713939348790991759757L;
  return -std::log1p(t) + t * oneMinusGamma + sum;
}

double logGamma(double value) {
  Wide x = value;
  if (x != x)
    return value;
  if (std::isinf(x) || (x <= 0 && x == std::floor(x)))
    return infinity;
  Wide a = std::fabs(x);
  Wide positive = std::fabs(a - 1) < 0.5L   ? logGammaOfOnePlus(a - 1)
                  : std::fabs(a - 2) < 0.5L ? logGammaOfOnePlus(a - 2) + std::log1p(a - 2)
                                            : logGammaPositive(a);
  if (x > 0)
    return static_cast<double>(positive);
  if (a < 1e-18L)
    return static_cast<double>(-std::log(a));
  return static_cast<double>(std::log(pi / (a * std::fabs(sinPi(a)))) - positive);
}

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
