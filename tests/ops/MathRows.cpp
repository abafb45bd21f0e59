// SPDX-License-Identifier: Apache-2.0
// Rows of the elementwise ops beyond arithmetic: special functions, remainders, bits, classes.
#include "sinter/frontend/Elementwise.h"
#include "tests/ops/Row.h"
#include "tools/ulp-sweep/SpecialOracle.h"

namespace sinter::ops {

using namespace sinter::tools;

static Real logOfSum(Real a, Real b) {
  if (a != a || b != b)
    return a + b;
  return a == b ? a + std::log(2.0L) : std::fmax(a, b) + std::log1p(std::exp(-std::fabs(a - b)));
}

// -- Remainders -----------------------------------------------------------------------------------

static Real remainderOf(const std::vector<Real> &v, bool isInteger) {
  return isInteger && v[1] == 0 ? v[0] : std::fmod(v[0], v[1]);
}

static Real modulo(Real a, Real b, bool isInteger) {
  Real rest = remainderOf({a, b}, isInteger);
  if (rest == 0)
    return std::copysign(rest, b);
  return (rest < 0) != (b < 0) && !(isInteger && b == 0) ? rest + b : rest;
}

static Real floorQuotient(Real a, Real b) {
  if (b == 0)
    return a / b;
  Real rest = std::fmod(a, b);
  Real quotient = std::floor((a - rest) / b + 0.5L) - (rest != 0 && (rest < 0) != (b < 0) ? 1 : 0);
  return quotient == 0 ? std::copysign(Real(0), a / b) : quotient;
}

static Real floorQuotientOfIntegers(Real a, Real b) {
  if (b == 0)
    return 0;
  Real rest = std::fmod(a, b);
  return (a - rest) / b - (rest != 0 && (rest < 0) != (b < 0) ? 1 : 0);
}

// -- Bits -----------------------------------------------------------------------------------------

/// Of a number of any integer dtype, extended to 64 bits; what is too long wraps in the table.
static uint64_t bits(Real x) {
  return x < 0 ? static_cast<uint64_t>(static_cast<int64_t>(x)) : static_cast<uint64_t>(x);
}
static Real number(uint64_t bits) { return Real(static_cast<int64_t>(bits)); }

static Real integerPower(Real a, Real b) {
  if (b < 0)
    return a == 1 ? 1 : a == -1 ? (std::fmod(b, 2.0L) == 0 ? 1 : -1) : 0;
  uint64_t result = 1;
  for (Real i = 0; i < b; ++i)
    result *= bits(a);
  return number(result);
}

/// Philox4x32-10, a round at a time on whole 64-bit halves.
static Real philoxWord(uint64_t key, uint64_t counter) {
  uint64_t low = counter, high = 0; // Words 0, 1 and 2, 3.
  for (int round = 0; round < 10; ++round) {
    uint64_t first = (low & 0xffffffff) * 0xD2511F53, second = (high & 0xffffffff) * 0xCD9E8D57;
    uint64_t newLow = (second >> 32 ^ low >> 32 ^ (key & 0xffffffff)) | second << 32;
    high = (first >> 32 ^ high >> 32 ^ key >> 32) | first << 32;
    low = newLow;
    key = ((key + 0x9E3779B9) & 0xffffffff) | ((key >> 32) + 0xBB67AE85) << 32;
  }
  return Real(low & 0xffffffff);
}

std::vector<Row> mathRows() {
  std::vector<Row> rows = {
      OP(exp2, exp2(x), std::exp2(x), In(-12, 12)).smooth(),
      OP(log2, log2(x), std::log2(x), In(0.05, 50)).smooth(),
      OP(log10, log10(x), std::log10(x), In(0.05, 50)).smooth(),
      OP(cbrt, cbrt(x), std::cbrt(x), In(0.2, 50)).smooth(),
      OP(cbrtOfNegatives, cbrt(x), std::cbrt(x), In(-50, 50, {0})).of("cbrt"),
      OP(tan, tan(x), std::tan(x), In(-1.4, 1.4)).smooth(),
      OP(tanFar, tan(x), std::tan(x), In(-1e6, 1e6)).on(wideFloats).of("tan"),
      OP(asin, asin(x), std::asin(x), In(-0.95, 0.95)).smooth(),
      OP(acos, acos(x), std::acos(x), In(-0.95, 0.95)).smooth(),
      OP(atan, atan(x), std::atan(x), In(-5, 5)).smooth(),
      OP(sinh, sinh(x), std::sinh(x), In(-5, 5)).smooth(),
      OP(cosh, cosh(x), std::cosh(x), In(-5, 5)).smooth(),
      OP(asinh, asinh(x), std::asinh(x), In(-9, 9)).smooth(),
      OP(acosh, acosh(x), std::acosh(x), In(1.1, 9)).smooth(),
      OP(atanh, atanh(x), std::atanh(x), In(-0.95, 0.95)).smooth(),
      OP(erfinv, erfinv(x), erfinvOracle(x), In(-0.97, 0.97)).smooth(),
      OP(lgamma, lgamma(x), std::lgamma(x), In(0.2, 12)).plain().smooth(),
      OP(lgammaReflected, lgamma(x), std::lgamma(x), In(-0.9, -0.1))
          .of("lgamma")
          .within(4, 4)
          .smooth(),
      OP(digamma, digamma(x), digammaOracle(x), In(0.2, 12)).once(),
      OP(digammaReflected, digamma(x), digammaOracle(x), In(-0.9, -0.6)).of("digamma").once(),
      OP(trigamma, trigamma(x), trigammaOracle(x), In(0.2, 12)),
      OP(trigammaReflected, trigamma(x), trigammaOracle(x), In(-2.9, -2.1)).of("trigamma"),
      OP(trunc, trunc(x), std::trunc(x), In(-4, 4, {-3, -2, -1, 1, 2, 3})).smooth(),
      OP(is_nan, isNan(x), std::isnan(x), In(-4, 4)).on(everything),
      OP(is_inf, isInf(x), std::isinf(x), In(-4, 4)).on(everything),
      OP(is_finite, isFinite(x), std::isfinite(x), In(-4, 4)).on(everything),

      OP2(atan2, atan2(a, b), std::atan2(a, b), In(-4, 4, {0}), In(-4, 4, {0})).smooth(),
      OP2(hypot, hypot(a, b), std::hypot(a, b), In(-4, 4, {0}), In(-4, 4, {0})).smooth(),
      OP2(logaddexp, logaddexp(a, b), logOfSum(a, b), In(-4, 4), In(-4, 4))
          .within(4, 4) // The operands' ulps: it cancels near 0.
          .smooth(),
      OP2(rem, rem(a, b), remainderOf(v, false), In(-9, 9), In(0.7, 3)).smooth(),
      OP2(remIntegers, rem(a, b), remainderOf(v, true), Wide(), Ints(-5, 5)).on(ints).of("rem"),
      OP2(mod, mod(a, b), modulo(a, b, false), In(-9, 9), In(0.7, 3)).smooth(),
      OP2(modIntegers, mod(a, b), modulo(a, b, true), Wide(), Ints(-5, 5)).on(ints).of("mod"),
      OP2(floor_div, floorDiv(a, b), floorQuotient(a, b), In(-9, 9), In(0.7, 3)).smooth(),
      OP2(floorDivIntegers, floorDiv(a, b), floorQuotientOfIntegers(a, b), Wide(), Ints(-5, 5))
          .on(ints)
          .of("floor_div"),
      OP2(powIntegers, pow(a, b), integerPower(a, b), Ints(-3, 3), Ints(-4, 45)).on(ints).of("pow"),

      OP2(xor, logicalXor(a, b), (a != 0) != (b != 0), Mask(), Mask()).on(bools),
      OP(bit_not, bitNot(x), number(~bits(x)), Wide()).on(ints),
      OP2(bit_and, bitAnd(a, b), number(bits(a) & bits(b)), Wide(), Wide()).on(ints),
      OP2(bit_or, bitOr(a, b), number(bits(a) | bits(b)), Wide(), Wide()).on(ints),
      OP2(bit_xor, bitXor(a, b), number(bits(a) ^ bits(b)), Wide(), Wide()).on(ints),
      OP2(shift_left, shiftLeft(a, b), std::ldexp(a, int(b)), Wide(), Ints(0, 7)).on(ints),
      OP2(shift_right, shiftRight(a, b), std::floor(std::ldexp(a, -int(b))), Wide(), Ints(0, 7))
          .on(ints),
      elementwise(
          "random_bits", {Ints(0, INT64_MAX), Ints(0, INT64_MAX)},
          [](Graph &, const Tensors &t) {
            return sinter::elementwise("sinter.random_bits", "randomBits", {t[0], t[1]},
                                       std::source_location::current());
          },
          [](const std::vector<Real> &v) {
            return philoxWord(static_cast<uint64_t>(v[0]), static_cast<uint64_t>(v[1]));
          })
          .on({u64}),
  };

  // Bits of a number and back, by way of the unsigned integer of the same width.
  for (DType dtype : {f32, f64, f16, bf16, i8, i16, u32, i64}) {
    static constexpr DType unsignedOf[] = {u8, u16, u32, u64};
    int64_t width = byteSize(dtype);
    DType word = unsignedOf[width == 1 ? 0 : width == 2 ? 1 : width == 4 ? 2 : 3];
    auto oneBit = [dtype, word](Graph &, const Tensors &t) {
      return bitcast(bitXor(bitcast(t[0], word), 1), dtype);
    };
    auto oracle = [dtype](const std::vector<Real> &v) {
      return dispatch(dtype, [&](auto zero) -> Real {
        using T = decltype(zero);
        T value = static_cast<T>(v[0]);
        unsigned char bytes[sizeof(T)];
        __builtin_memcpy(bytes, &value, sizeof(T));
        bytes[0] ^= 1;
        __builtin_memcpy(&value, bytes, sizeof(T));
        return static_cast<Real>(value);
      });
    };
    rows.push_back(elementwise("bitcast_" + std::string(name(dtype)), {In(-50, 50)}, oneBit, oracle)
                       .on({dtype})
                       .of("bitcast")
                       .within(0));
  }
  return rows;
}

} // namespace sinter::ops
