// SPDX-License-Identifier: Apache-2.0
#include "Oracle.h"

#include "MathKernel.h"
#include "SpecialOracle.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

namespace sinter::tools {

static constexpr double infinity = std::numeric_limits<double>::infinity();

#if SINTER_HAVE_LIBMVEC
// glibc's vector functions by their names in the x86-64 vector ABI: 'e' is AVX-512, N8 eight lanes.
using Doubles = double __attribute__((vector_size(64)));
using Floats = float __attribute__((vector_size(32)));
// Arguments are clamped to where f32 results have saturated: libmvec is slow beyond its own range.
#define SINTER_LIBMVEC(name, low, high)                                                            \
  extern "C" __attribute__((target("avx512f"))) Doubles _ZGVeN8v_##name(Doubles);                  \
  __attribute__((target("avx512f"))) static void fast_##name(const float *x, double *result,       \
                                                             int64_t count) {                      \
    const Doubles lowest = Doubles{} + (low), highest = Doubles{} + (high);                        \
    for (int64_t i = 0; i + 8 <= count; i += 8) {                                                  \
      Floats in;                                                                                   \
      __builtin_memcpy(&in, x + i, sizeof in);                                                     \
      Doubles v = __builtin_convertvector(in, Doubles);                                            \
      v = v < lowest ? lowest : v;                                                                 \
      v = v > highest ? highest : v;                                                               \
      Doubles out = _ZGVeN8v_##name(v);                                                            \
      __builtin_memcpy(result + i, &out, sizeof out);                                              \
    }                                                                                              \
  }
#define SINTER_FAST(name) (__builtin_cpu_supports("avx512f") ? fast_##name : nullptr)
SINTER_LIBMVEC(exp, -120, 100)
SINTER_LIBMVEC(expm1, -60, 100)
SINTER_LIBMVEC(log, -infinity, infinity)
SINTER_LIBMVEC(log1p, -infinity, infinity)
SINTER_LIBMVEC(sin, -infinity, infinity)
SINTER_LIBMVEC(cos, -infinity, infinity)
SINTER_LIBMVEC(tanh, -40, 40)
SINTER_LIBMVEC(erf, -6, 6)
SINTER_LIBMVEC(exp2, -160, 140)
SINTER_LIBMVEC(log2, -infinity, infinity)
SINTER_LIBMVEC(log10, -infinity, infinity)
SINTER_LIBMVEC(cbrt, -infinity, infinity)
SINTER_LIBMVEC(tan, -infinity, infinity)
SINTER_LIBMVEC(asin, -2, 2)
SINTER_LIBMVEC(acos, -2, 2)
SINTER_LIBMVEC(atan, -infinity, infinity)
SINTER_LIBMVEC(sinh, -100, 100)
SINTER_LIBMVEC(cosh, -100, 100)
SINTER_LIBMVEC(asinh, -infinity, infinity)
SINTER_LIBMVEC(acosh, -2, infinity)
SINTER_LIBMVEC(atanh, -2, 2)
#else
#define SINTER_FAST(name) nullptr
#endif

template <typename T> static T sigmoid(T x) {
  T e = std::exp(-std::fabs(x));
  return x < 0 ? e / (1 + e) : 1 / (1 + e);
}

template <typename T> static T inverseRoot(T x) { return 1 / std::sqrt(x); }

/// One function in a loop that the compiler vectorises.
#define SINTER_LOOP(name, expression)                                                              \
  __attribute__((target_clones("avx512f", "default"))) static void loop_##name(                    \
      const float *x, double *result, int64_t count) {                                             \
    for (int64_t i = 0; i < count; ++i) {                                                          \
      double v = x[i];                                                                             \
      result[i] = expression;                                                                      \
    }                                                                                              \
  }
SINTER_LOOP(rsqrt, 1 / std::sqrt(v))
SINTER_LOOP(sqrt, std::sqrt(v))
SINTER_LOOP(floor, std::floor(v))
SINTER_LOOP(ceil, std::ceil(v))
SINTER_LOOP(trunc, std::trunc(v))
SINTER_LOOP(roundeven, __builtin_roundeven(v))
SINTER_LOOP(round, std::copysign(std::floor(std::fabs(v) + 0.5), v)) // Exact in double.

#if SINTER_HAVE_LIBMVEC
__attribute__((target("avx512f"))) static void fast_sigmoid(const float *x, double *result,
                                                            int64_t count) {
  for (int64_t i = 0; i + 8 <= count; i += 8) {
    Floats in;
    __builtin_memcpy(&in, x + i, sizeof in);
    Doubles v = __builtin_convertvector(in, Doubles);
    Doubles a = v < 0 ? v : -v;
    Doubles e = _ZGVeN8v_exp(a < -120.0 ? Doubles{} - 120.0 : a);
    Doubles out = (v < 0 ? e : e * 0 + 1) / (1 + e);
    __builtin_memcpy(result + i, &out, sizeof out);
  }
}
#endif

/// The project's lowering of sigmoid.
static constexpr const char *sigmoidBody = R"(
    %zero = arith.constant ZERO : TYPE
    %one = arith.constant ONE : TYPE
    %magnitude = math.absf %x : TYPE
    %negative = arith.negf %magnitude : TYPE
    %e = math.exp %negative : TYPE
    %sum = arith.addf %one, %e : TYPE
    %right = arith.divf %one, %sum : TYPE
    %left = arith.divf %e, %sum : TYPE
    %isRight = arith.cmpf oge, %x, %zero : TYPE
    %r = arith.select %isRight, %right, %left : MASK, TYPE
)";

template <long double function(long double)> static double narrow(double x) {
  return static_cast<double>(function(x));
}

// What the reflections of negative arguments subtract.
static long double lgammaTerms(long double x) {
  return x < 0 ? std::max(1.0L, std::lgamma(-x)) : 0;
}
static long double digammaTerms(long double x) {
  return x < 0 ? std::max(std::fabs(digammaOracle(1 - x)), std::fabs(widePi * cosPi(x) / sinPi(x)))
               : 0;
}

static long double logAddExp(long double a, long double b) {
  if (a != a || b != b)
    return a + b;
  if (a == b)
    return a + std::log(2.0L);
  return std::fmax(a, b) + std::log1p(std::exp(-std::fabs(a - b)));
}
static long double largerOf(long double a, long double b) {
  return std::fmax(std::fabs(a), std::fabs(b));
}

std::span<const PairFunction> pairFunctions() {
  static const std::vector<PairFunction> table = {
      {"atan2", MathKernel::binary("math.atan2"), 1.75, 1.75, std::atan2},
      {"hypot", MathKernel::scalar("hypot"), 0.51, 1.25, std::hypot},
      {"logaddexp", MathKernel::scalar("logaddexp"), 0.51, 3, logAddExp, largerOf},
      {"rem", MathKernel::binary("arith.remf"), 0, 0, std::fmod},
  };
  return table;
}

std::span<const MathFunction> mathFunctions() {
#define SINTER_FUNCTION(name, fast, ...)                                                           \
  MathFunction {                                                                                   \
#name, MathKernel::unary("math." #name), __VA_ARGS__,                                          \
        static_cast < double (*)(double)>(std::name),                                              \
        static_cast < long double (*)(long double)>(std::name), nullptr, fast                      \
  }
  static const std::vector<MathFunction> table = {
      SINTER_FUNCTION(exp, SINTER_FAST(exp), 1.25, 1.25, -760, 720),
      SINTER_FUNCTION(expm1, SINTER_FAST(expm1), 1.75, 2, -45, 720),
      SINTER_FUNCTION(log, SINTER_FAST(log), 1, 1, 0, 10),
      SINTER_FUNCTION(log1p, SINTER_FAST(log1p), 1.5, 1.5, -1, 3),
      SINTER_FUNCTION(sin, SINTER_FAST(sin), 1.75, 2.25, -200, 200),
      SINTER_FUNCTION(cos, SINTER_FAST(cos), 1.75, 2.25, -200, 200),
      SINTER_FUNCTION(tanh, SINTER_FAST(tanh), 2.6, 2.6, -21, 21),
      SINTER_FUNCTION(erf, SINTER_FAST(erf), 1.5, 1.5, -7, 7),
      {"rsqrt", MathKernel::unary("math.rsqrt"), 1.5, 1.5, 0, 100, inverseRoot<double>,
       inverseRoot<long double>, nullptr, loop_rsqrt},
      {"sigmoid", sigmoidBody, 2.5, 2.5, -740, 40, sigmoid<double>, sigmoid<long double>, nullptr,
       SINTER_FAST(sigmoid)},
      {"sqrt", MathKernel::unary("math.sqrt"), 0.501, 0.501, 0, 100, std::sqrt, std::sqrt, nullptr,
       loop_sqrt},
      SINTER_FUNCTION(floor, loop_floor, 0, 0, -9, 9),
      SINTER_FUNCTION(ceil, loop_ceil, 0, 0, -9, 9),
      SINTER_FUNCTION(trunc, loop_trunc, 0, 0, -9, 9),
      SINTER_FUNCTION(round, loop_round, 0, 0, -9, 9),
      {"roundeven", MathKernel::unary("math.roundeven"), 0, 0, -9, 9, std::nearbyint,
       std::nearbyint, nullptr, loop_roundeven},
      SINTER_FUNCTION(exp2, SINTER_FAST(exp2), 1.25, 1.25, -1080, 1030),
      SINTER_FUNCTION(log2, SINTER_FAST(log2), 2, 2, 0, 10),
      SINTER_FUNCTION(log10, SINTER_FAST(log10), 2, 2, 0, 10),
      SINTER_FUNCTION(cbrt, SINTER_FAST(cbrt), 1, 1, -10, 10),
      SINTER_FUNCTION(tan, SINTER_FAST(tan), 3.75, 3.75, -200, 200),
      SINTER_FUNCTION(asin, SINTER_FAST(asin), 2.5, 2.5, -1, 1),
      SINTER_FUNCTION(acos, SINTER_FAST(acos), 1.5, 1.5, -1, 1),
      SINTER_FUNCTION(atan, SINTER_FAST(atan), 1.75, 1.75, -10, 10),
      SINTER_FUNCTION(sinh, SINTER_FAST(sinh), 1.75, 1.75, -720, 720),
      SINTER_FUNCTION(cosh, SINTER_FAST(cosh), 1.75, 1.75, -720, 720),
      SINTER_FUNCTION(asinh, SINTER_FAST(asinh), 2, 2, -100, 100),
      SINTER_FUNCTION(acosh, SINTER_FAST(acosh), 2.25, 2.5, 1, 100),
      SINTER_FUNCTION(atanh, SINTER_FAST(atanh), 2.25, 2.25, -1, 1),
      {"erfinv", MathKernel::scalar("erfinv"), 2.5, 2.75, -1, 1, narrow<erfinvOracle>,
       erfinvOracle},
      {"lgamma", MathKernel::scalar("lgamma"), 0.75, 4, -10, 20, narrow<std::lgamma>, std::lgamma,
       lgammaTerms},
      {"digamma", MathKernel::scalar("digamma"), 0.75, 5, -10, 20, narrow<digammaOracle>,
       digammaOracle, digammaTerms},
      {"trigamma", MathKernel::scalar("trigamma"), 0.75, 4, -10, 20, narrow<trigammaOracle>,
       trigammaOracle},
  };
#undef SINTER_FUNCTION
  return table;
}

/// One unit in the last place of a format with the given digits, at x.
template <typename T> static T unit(T x, int digits, int smallestExponent) {
  int exponent;
  std::frexp(x, &exponent);
  return std::ldexp(T(1), std::max(exponent - digits, smallestExponent));
}

template <typename Result, typename Wide> static double error(Result got, Wide want) {
  using Limits = std::numeric_limits<Result>;
  if (std::isnan(want) || std::isnan(got))
    return std::isnan(want) && std::isnan(got) ? 0 : infinity;
  if (std::signbit(got) != std::signbit(want))
    return infinity;
  // Overflow starts where the next float would be: infinity counts as that number.
  Wide overflow = std::ldexp(Wide(1), Limits::max_exponent);
  Wide g = std::min<Wide>(std::fabs(Wide(got)), overflow);
  Wide w = std::min<Wide>(std::fabs(want), overflow);
  if (w == 0)
    return g == 0 ? 0 : infinity;
  return double(std::fabs(g - w) / unit(w, Limits::digits, Limits::min_exponent - Limits::digits));
}

double ulpError(float got, double want) { return error(got, want); }
double ulpError(double got, long double want) { return error(got, want); }

double ulpErrorBeside(double got, long double want, long double larger) {
  double plain = error(got, want);
  if (!std::isfinite(want) || !std::isfinite(larger) || std::fabs(larger) <= std::fabs(want))
    return plain;
  return double(std::fabs(got - want) / unit(larger, 53, -1074));
}

__attribute__((target_clones("avx512f", "default"))) double
largestUlpError(const float *got, const double *want, int64_t count) {
  double largest = 0;
  constexpr uint64_t sign = uint64_t(1) << 63;
  for (int64_t i = 0; i < count; ++i) {
    double w = want[i], g = got[i];
    uint64_t wBits = std::bit_cast<uint64_t>(w), gBits = std::bit_cast<uint64_t>(g);
    double a = std::min(std::fabs(w), 0x1p128), b = std::min(std::fabs(g), 0x1p128);
    double scale = std::bit_cast<double>(std::bit_cast<uint64_t>(a) & (uint64_t(0x7ff) << 52));
    double ulp = std::max(scale * 0x1p-23, 0x1p-149);
    double e = std::fabs(a - b) / ulp;
    e = (wBits ^ gBits) & sign ? infinity : e;
    bool wantNan = w != w, gotNan = g != g;
    e = wantNan != gotNan ? infinity : wantNan ? 0.0 : e;
    largest = e > largest ? e : largest;
  }
  return largest;
}

} // namespace sinter::tools
