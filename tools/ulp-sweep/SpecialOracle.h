// SPDX-License-Identifier: Apache-2.0
// Special functions that the C library lacks, in long double, for tests and sweeps.
#pragma once

#include <cmath>
#include <limits>
#include <numbers>

namespace sinter::tools {

using LongReal = long double;
inline constexpr LongReal widePi = std::numbers::pi_v<LongReal>;

/// By bisection on erf or erfc, then Newton's steps.
inline LongReal erfinvOracle(LongReal x) {
  constexpr LongReal infinity = std::numeric_limits<LongReal>::infinity();
  if (!(std::fabs(x) < 1))
    return std::fabs(x) == 1 ? std::copysign(infinity, x)
                             : std::numeric_limits<LongReal>::quiet_NaN();
  LongReal a = std::fabs(x), rest = 1 - a;
  if (a < 1e-4L) { // The series about 0.
    LongReal z = widePi / 4 * a * a;
    return x * std::sqrt(widePi) / 2 * (1 + z / 3 + 7 * z * z / 30);
  }
  LongReal low = 0, high = 120;
  auto isBelow = [&](LongReal y) { return a < 0.5L ? std::erf(y) < a : std::erfc(y) > rest; };
  for (int i = 0; i < 24; ++i) {
    LongReal middle = (low + high) / 2;
    (isBelow(middle) ? low : high) = middle;
  }
  LongReal y = (low + high) / 2;
  for (int i = 0; i < 4; ++i) {
    LongReal distance = a < 0.5L ? std::erf(y) - a : rest - std::erfc(y);
    y -= distance * std::sqrt(widePi) / 2 * std::exp(y * y);
  }
  return std::copysign(y, x);
}

/// sin and cos of pi x: next to an integer they keep their digits.
inline LongReal sinPi(LongReal x) {
  LongReal whole = std::nearbyint(x), value = std::sin(widePi * (x - whole));
  return std::fmod(whole, 2.0L) == 0 ? value : -value;
}
inline LongReal cosPi(LongReal x) { return sinPi(0.5L - std::fabs(x - 2 * std::nearbyint(x / 2))); }

/// Next to the positive zero of digamma, which is given in two parts: psi(x) - psi(zero) term by
/// term.
inline LongReal digammaNearZero(LongReal x) {
  constexpr LongReal zero = 0x1.762d86356be3fp+0L, zeroLow = 0x1.b86a722197829p-54L;
  LongReal distance = (x - zero) - zeroLow, sum = 0;
  constexpr int terms = 2000;
  for (int k = terms - 1; k >= 0; --k)
    sum += 1 / ((k + x) * (k + zero));
  LongReal a = terms + zero, b = terms + x, aa = a * a, bb = b * b;
  return distance * (sum + 1 / (2 * a * b) + (a + b) / (12 * aa * bb)) + std::log1p(distance / a);
}

inline LongReal digammaOracle(LongReal x) {
  if (x == 0)
    return std::copysign(std::numeric_limits<LongReal>::infinity(), -x);
  if (x != x || (x < 0 && (x == std::floor(x) || std::isinf(x))))
    return std::numeric_limits<LongReal>::quiet_NaN();
  if (std::isinf(x))
    return x;
  if (std::fabs(x - 1.4616L) < 0.05L)
    return digammaNearZero(x);
  LongReal sum = 0;
  if (x < 0) {
    sum = -widePi * cosPi(x) / sinPi(x);
    x = 1 - x;
  }
  for (; x < 60; x += 1)
    sum -= 1 / x;
  LongReal u = 1 / (x * x);
  LongReal series =
      1 / LongReal(12) -
      u * (1 / LongReal(120) - u * (1 / LongReal(252) - u * (1 / LongReal(240) - u / 132)));
  return sum + (std::log(x) - (0.5L / x + u * series));
}

inline LongReal trigammaOracle(LongReal x) {
  if (std::isinf(x))
    return x > 0 ? 0 : std::numeric_limits<LongReal>::quiet_NaN();
  if (x <= 0 && x == std::floor(x))
    return std::numeric_limits<LongReal>::infinity();
  if (x < 0) {
    LongReal cosecant = widePi / sinPi(x);
    return cosecant * cosecant - trigammaOracle(1 - x);
  }
  LongReal sum = 0;
  for (; x < 60; x += 1)
    sum += 1 / (x * x);
  LongReal u = 1 / (x * x);
  LongReal series =
      1 / LongReal(6) -
      u * (1 / LongReal(30) - u * (1 / LongReal(42) - u * (1 / LongReal(30) - u * 5 / 66)));
  return sum + (1 / x + u / 2 + u / x * series);
}

} // namespace sinter::tools
