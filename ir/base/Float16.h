// SPDX-License-Identifier: Apache-2.0
// The 16-bit floats as storage types: they are loaded, stored and converted; arithmetic happens in
// float or double.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>
#include <type_traits>

#pragma GCC visibility push(default)
namespace sinter {

namespace detail {

/// The nearest number with `mantissaBits` and 15 - mantissaBits bits of exponent, ties to even: the
/// upper bits of a NaN are kept and made quiet.
template <int mantissaBits> constexpr uint16_t roundTo16(double value) {
  constexpr int exponentBits = 15 - mantissaBits, bias = (1 << (exponentBits - 1)) - 1;
  constexpr int dropped = 52 - mantissaBits;
  constexpr auto infinity = static_cast<uint64_t>((1 << exponentBits) - 1) << mantissaBits;
  auto bits = std::bit_cast<uint64_t>(value);
  uint64_t sign = bits >> 63 << 15, magnitude = bits << 1 >> 1;
  uint64_t mantissa = magnitude & ((uint64_t{1} << 52) - 1);
  int exponent = static_cast<int>(magnitude >> 52) - 1023;
  if (exponent == 1024 && mantissa != 0)
    return static_cast<uint16_t>(sign | infinity | uint64_t{1} << (mantissaBits - 1) |
                                 mantissa >> dropped);
  if (exponent > bias)
    return static_cast<uint16_t>(sign | infinity);
  // Subnormal results have fewer bits. Subnormal doubles are far below half of the smallest one.
  bool isNormal = exponent >= 1 - bias;
  int shift = isNormal ? dropped : dropped + 1 - bias - exponent;
  if (shift > 53)
    return static_cast<uint16_t>(sign);
  uint64_t significand = mantissa | uint64_t{1} << 52;
  uint64_t kept = significand >> shift, rest = significand & ((uint64_t{1} << shift) - 1);
  uint64_t half = uint64_t{1} << (shift - 1);
  kept += rest > half || (rest == half && kept % 2 != 0);
  if (isNormal) // A carry moves on to the next exponent, and at last to infinity.
    kept += static_cast<uint64_t>(exponent + bias - 1) << mantissaBits;
  return static_cast<uint16_t>(sign | kept);
}

template <int mantissaBits> constexpr float extendFrom16(uint16_t bits) {
  constexpr int exponentBits = 15 - mantissaBits, bias = (1 << (exponentBits - 1)) - 1;
  uint32_t sign = static_cast<uint32_t>(bits >> 15) << 31;
  uint32_t exponent = bits >> mantissaBits & ((1 << exponentBits) - 1);
  uint32_t mantissa = bits & ((1 << mantissaBits) - 1);
  if (exponent == (1 << exponentBits) - 1)
    return std::bit_cast<float>(sign | 0x7f800000 | mantissa << (23 - mantissaBits));
  if (exponent == 0 && bias < 127) { // Normal as a float: 2^(1 - bias - mantissaBits) times it.
    auto unit = std::bit_cast<float>(static_cast<uint32_t>(128 - bias - mantissaBits) << 23);
    float value = static_cast<float>(mantissa) * unit;
    return sign != 0 ? -value : value;
  }
  return std::bit_cast<float>(sign | (exponent + (127 - bias)) << 23 |
                              mantissa << (23 - mantissaBits));
}

/// A float of 16 bits. Every value is a float; converting to it rounds once, to nearest even
/// (integers go through double).
template <int mantissaBits> class Float16 {
public:
  Float16() = default;
  template <typename T>
  requires(std::is_convertible_v<T, double> &&
           !std::is_same_v<T, Float16>) constexpr explicit Float16(T value)
      : pattern(roundTo16<mantissaBits>(static_cast<double>(value))) {}
  constexpr operator float() const { return extendFrom16<mantissaBits>(pattern); }

  static constexpr Float16 fromBits(uint16_t bits) {
    Float16 value;
    value.pattern = bits;
    return value;
  }
  constexpr uint16_t bits() const { return pattern; }

private:
  uint16_t pattern;
};

} // namespace detail

/// IEEE 754 binary16: 11 significant bits, up to 65504.
using Half = detail::Float16<10>;
/// The upper half of a float: 8 significant bits, the range of float.
using BFloat16 = detail::Float16<7>;

template <typename T> inline constexpr bool isFloat16 = false;
template <int bits> inline constexpr bool isFloat16<detail::Float16<bits>> = true;
/// Floats of every width.
template <typename T>
inline constexpr bool isFloatElement = std::is_floating_point_v<T> || isFloat16<T>;

} // namespace sinter
#pragma GCC visibility pop

template <int mantissaBits> class std::numeric_limits<sinter::detail::Float16<mantissaBits>> {
  using T = sinter::detail::Float16<mantissaBits>;
  static constexpr int exponentBits = 15 - mantissaBits;
  static constexpr uint16_t infinityBits = ((1 << exponentBits) - 1) << mantissaBits;

public:
  static constexpr bool is_specialized = true, is_signed = true, is_integer = false;
  static constexpr bool is_exact = false, is_bounded = true, is_modulo = false, is_iec559 = true;
  static constexpr bool has_infinity = true, has_quiet_NaN = true, has_signaling_NaN = true;
  static constexpr int radix = 2, digits = mantissaBits + 1, digits10 = mantissaBits * 3 / 10;
  static constexpr int max_digits10 = digits10 + 2;
  static constexpr int max_exponent = 1 << (exponentBits - 1), min_exponent = 3 - max_exponent;
  static constexpr T min() { return T::fromBits(1 << mantissaBits); }
  static constexpr T max() { return T::fromBits(infinityBits - 1); }
  static constexpr T lowest() { return T::fromBits(0x8000 | (infinityBits - 1)); }
  static constexpr T epsilon() { return T(1.0 / (1 << mantissaBits)); }
  static constexpr T infinity() { return T::fromBits(infinityBits); }
  static constexpr T quiet_NaN() { return T::fromBits(infinityBits | 1 << (mantissaBits - 1)); }
  static constexpr T denorm_min() { return T::fromBits(1); }
};
