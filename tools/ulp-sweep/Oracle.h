// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace sinter::tools {

/// A function under test beside what it should compute.
struct MathFunction {
  const char *name;
  std::string body;                 ///< For MathKernel.
  double singleBound, doubleBound;  ///< Largest error, in ulp, that docs/math-accuracy.md states.
  double low, high;                 ///< Where f64 samples are most telling.
  double (*exact)(double);          ///< libm in double: the oracle of f32.
  long double (*wide)(long double); ///< libm in long double: the oracle of f64.
  /// Where the result cancels, the size of what cancels, for f64; null where nothing does.
  long double (*cancelled)(long double) = nullptr;
  /// A vectorised oracle within 4 ulp of double, for multiples of eight; null where there is none.
  void (*fast)(const float *x, double *result, int64_t count) = nullptr;
};

/// Stated for math.powf.
inline constexpr double powSingleBound = 0.51, powDoubleBound = 1.5;

/// Every function of one argument that has a stated bound.
std::span<const MathFunction> mathFunctions();

/// The same for two arguments.
struct PairFunction {
  const char *name;
  std::string body;
  double singleBound, doubleBound;
  long double (*wide)(long double, long double);
  /// Where the result cancels, the size of what cancels, for f64.
  long double (*cancelled)(long double, long double) = nullptr;
};
std::span<const PairFunction> pairFunctions();

/// |got - want| in units of the last place of a float (double) near want, at least the smallest
/// subnormal. Infinite when the sign of a zero, a NaN or an infinity is wrong.
double ulpError(float got, double want);
double ulpError(double got, long double want);
/// In units of the larger one's last place.
double ulpErrorBeside(double got, long double want, long double larger);

/// The largest ulpError of `count` results, approximately: fast is off by at most 0.001.
double largestUlpError(const float *got, const double *want, int64_t count);

} // namespace sinter::tools
