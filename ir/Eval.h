// SPDX-License-Identifier: Apache-2.0
// The language of the `eval` strings in Ops.td: plain arithmetic for the interpreter. It shares
// nothing with ScalarExpr, so that each checks the other. Floats are computed as double, unsigned
// integers as uint64_t, other integers and booleans as int64_t; the interpreter rounds the result
// to the op's dtype.
#pragma once

#include "sinter/ir/Ops.h"

#include <bit>
#include <cmath>
#include <limits>
#include <type_traits>

namespace sinter::ir::eval {

/// Calls `fn` with a double when any operand is a float, else with a uint64_t when any is unsigned,
/// else with an int64_t.
template <typename Fn> Scalar evaluateAs(llvm::ArrayRef<Scalar> operands, Fn fn) {
  for (const Scalar &operand : operands)
    if (operand.isFloat)
      return fn(double{});
  for (const Scalar &operand : operands)
    if (operand.isUnsigned)
      return fn(uint64_t{});
  return fn(int64_t{});
}

template <typename T> T as(const Scalar &scalar) { return scalar.as<T>(); }

template <typename T> T add(T a, T b) {
  if constexpr (std::is_integral_v<T>)
    return static_cast<T>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
  else
    return a + b;
}

template <typename T> T sub(T a, T b) {
  if constexpr (std::is_integral_v<T>)
    return static_cast<T>(static_cast<uint64_t>(a) - static_cast<uint64_t>(b));
  else
    return a - b;
}

template <typename T> T mul(T a, T b) {
  if constexpr (std::is_integral_v<T>)
    return static_cast<T>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
  else
    return a * b;
}

template <typename T> T neg(T x) {
  if constexpr (std::is_integral_v<T>)
    return sub(T{0}, x);
  else
    return -x;
}

template <typename T> T div(T a, T b) {
  if constexpr (std::is_unsigned_v<T>)
    return b == 0 ? 0 : a / b;
  else if constexpr (std::is_integral_v<T>)
    return b == 0 ? 0 : b == -1 ? neg(a) : a / b;
  else
    return a / b;
}

template <typename T> T magnitude(T x) {
  if constexpr (std::is_unsigned_v<T>)
    return x;
  else if constexpr (std::is_integral_v<T>)
    return x < 0 ? neg(x) : x;
  else
    return std::fabs(x);
}

/// ±0 and NaN stay what they are.
template <typename T> T signum(T x) { return x > 0 ? T(1) : x < 0 ? T(-1) : x; }

template <typename T> double logistic(T value) {
  double x = static_cast<double>(value);
  double e = std::exp(-std::fabs(x));
  return (x >= 0 ? 1.0 : e) / (1.0 + e);
}

template <typename T> T maximum(T a, T b) { return a != a ? a : a > b ? a : b; }
template <typename T> T minimum(T a, T b) { return a != a ? a : a < b ? a : b; }

template <typename T> bool isInfinite(T x) {
  if constexpr (std::is_floating_point_v<T>)
    return std::isinf(x);
  else
    return false;
}

/// Of the sign of a; integers by 0 give a.
template <typename T> T remainderOf(T a, T b) {
  if constexpr (std::is_floating_point_v<T>)
    return std::fmod(a, b);
  else
    return sub(a, mul(div(a, b), b));
}

template <typename T> bool isNegative(T x) {
  if constexpr (std::is_unsigned_v<T>)
    return false;
  else
    return x < 0;
}

/// Of the sign of b, a zero too.
template <typename T> T modulo(T a, T b) {
  T rest = remainderOf(a, b);
  if constexpr (std::is_floating_point_v<T>)
    if (rest == 0)
      return std::copysign(rest, b);
  return rest != 0 && isNegative(rest) != isNegative(b) ? add(rest, b) : rest;
}

template <typename T> T floorDivide(T a, T b) {
  T rest = remainderOf(a, b);
  T down = rest != 0 && isNegative(rest) != isNegative(b) ? T(1) : T(0);
  if constexpr (std::is_floating_point_v<T>) {
    if (b == 0 || a != a || b != b || std::isinf(a))
      return b == 0 ? a / b : std::numeric_limits<T>::quiet_NaN();
    T quotient = std::nearbyint((a - rest) / b) - down;
    return quotient == 0 ? std::copysign(T(0), a / b) : quotient;
  } else {
    return b == 0 ? T(0) : sub(div(a, b), down);
  }
}

/// Floats by IEEE 754; integers wrap, and a negative exponent gives 0 unless the base is ±1.
template <typename T> T power(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    return std::pow(a, b);
  } else {
    if (isNegative(b))
      return a == T(1) || (a == T(-1) && b % 2 == 0) ? T(1) : a == T(-1) ? T(-1) : T(0);
    uint64_t result = 1, base = static_cast<uint64_t>(a);
    for (uint64_t rest = static_cast<uint64_t>(b); rest != 0; rest /= 2, base *= base)
      result *= rest % 2 != 0 ? base : 1;
    return static_cast<T>(result);
  }
}

/// The bits of an integer; ops on bits are for integers only.
template <typename T> uint64_t bits(T x) { return static_cast<uint64_t>(x); }
template <typename T> T bitAnd(T a, T b) { return static_cast<T>(bits(a) & bits(b)); }
template <typename T> T bitOr(T a, T b) { return static_cast<T>(bits(a) | bits(b)); }
template <typename T> T bitXor(T a, T b) { return static_cast<T>(bits(a) ^ bits(b)); }
template <typename T> T bitNot(T x) { return static_cast<T>(~bits(x)); }
/// A count that is negative or not below the width of `type` shifts every bit out.
template <typename T> T shiftLeft(T a, T count, mlir::Type type) {
  bool inside = bits(count) < type.getIntOrFloatBitWidth();
  return static_cast<T>(inside ? bits(a) << bits(count) : 0);
}
template <typename T> T shiftRight(T a, T count, mlir::Type type) {
  bool inside = bits(count) < type.getIntOrFloatBitWidth();
  if constexpr (std::is_signed_v<T> && std::is_integral_v<T>)
    return a >> (inside ? count : 63);
  else
    return static_cast<T>(inside ? bits(a) >> bits(count) : 0);
}

// SpecialEval.cpp
double inverseErf(double x);
double logGamma(double x);
double digamma(double x);
double trigamma(double x);
double logAddExp(double a, double b);

/// Floats truncate and saturate, NaN becomes 0; integers wrap.
template <typename To, typename T> To toInteger(T x) {
  if constexpr (std::is_integral_v<T>) {
    return static_cast<To>(x);
  } else {
    // 2^63 - 1 and 2^64 - 1 round up, to what is too high as well.
    if (x >= static_cast<T>(std::numeric_limits<To>::max()))
      return std::numeric_limits<To>::max();
    if (x <= static_cast<T>(std::numeric_limits<To>::lowest()))
      return std::numeric_limits<To>::lowest();
    return x == x ? static_cast<To>(x) : To(0);
  }
}

/// Rounded once; an integer goes to f16 and bf16 through f64.
template <typename T> Scalar castTo(T x, mlir::Type type) {
  return dispatch(*toDType(type), [&](auto zero) {
    using To = decltype(zero);
    if constexpr (isFloatElement<To>)
      return Scalar(static_cast<double>(static_cast<To>(x)));
    else if constexpr (std::is_same_v<To, bool>)
      return Scalar(static_cast<int64_t>(x != T(0)));
    else if constexpr (std::is_unsigned_v<To>)
      return Scalar(static_cast<uint64_t>(toInteger<To>(x)));
    else
      return Scalar(static_cast<int64_t>(toInteger<To>(x)));
  });
}

/// The bits of an element of type `from` as one of type `to`, which is as wide.
inline Scalar bitcastTo(const Scalar &x, mlir::Type from, mlir::Type to) {
  uint64_t bits = dispatch(*toDType(from), [&](auto zero) -> uint64_t {
    using T = decltype(zero);
    if constexpr (isFloat16<T>)
      return T(x.f).bits();
    else if constexpr (std::is_same_v<T, float>)
      return std::bit_cast<uint32_t>(static_cast<float>(x.f));
    else if constexpr (std::is_same_v<T, double>)
      return std::bit_cast<uint64_t>(x.f);
    else
      return static_cast<uint64_t>(x.i);
  });
  return dispatch(*toDType(to), [&](auto zero) {
    using T = decltype(zero);
    if constexpr (isFloat16<T>)
      return Scalar(static_cast<double>(T::fromBits(static_cast<uint16_t>(bits))));
    else if constexpr (std::is_same_v<T, float>)
      return Scalar(static_cast<double>(std::bit_cast<float>(static_cast<uint32_t>(bits))));
    else if constexpr (std::is_same_v<T, double>)
      return Scalar(std::bit_cast<double>(bits));
    else if constexpr (std::is_unsigned_v<T>)
      return Scalar(static_cast<uint64_t>(static_cast<T>(bits)));
    else
      return Scalar(static_cast<int64_t>(static_cast<T>(bits)));
  });
}

/// Word 0 of Philox4x32-10.
Scalar randomBits(const Scalar &key, const Scalar &counter);

inline Scalar attributeValue(mlir::TypedAttr value) {
  if (auto number = mlir::dyn_cast<mlir::FloatAttr>(value))
    return Scalar(number.getValueAsDouble());
  auto integer = mlir::cast<mlir::IntegerAttr>(value).getValue();
  if (value.getType().isUnsignedInteger())
    return Scalar(integer.getZExtValue());
  return Scalar(integer.getBitWidth() == 1 ? int64_t(integer.getZExtValue())
                                           : integer.getSExtValue());
}

} // namespace sinter::ir::eval
