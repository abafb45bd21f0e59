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
