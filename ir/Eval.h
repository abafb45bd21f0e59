// SPDX-License-Identifier: Apache-2.0
// The language of the `eval` strings in Ops.td: plain arithmetic for the interpreter. It shares
// nothing with ScalarExpr, so that each checks the other. Floats are computed as double, integers
// and booleans as int64_t; the interpreter rounds the result to the op's dtype.
#pragma once

#include "sinter/ir/Ops.h"

#include <cmath>
#include <limits>
#include <type_traits>

namespace sinter::ir::eval {

/// Calls `fn` with a double when any operand is a float, else with an int64_t.
template <typename Fn> Scalar evaluateAs(llvm::ArrayRef<Scalar> operands, Fn fn) {
  for (const Scalar &operand : operands)
    if (operand.isFloat)
      return fn(double{});
  return fn(int64_t{});
}

template <typename T> T as(const Scalar &scalar) {
  return scalar.isFloat ? static_cast<T>(scalar.f) : static_cast<T>(scalar.i);
}

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
  if constexpr (std::is_integral_v<T>)
    return b == 0 ? 0 : b == -1 ? neg(a) : a / b;
  else
    return a / b;
}

template <typename T> T magnitude(T x) {
  if constexpr (std::is_integral_v<T>)
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

template <typename T> int64_t toInteger(T x, int64_t lowest, int64_t highest) {
  if constexpr (std::is_integral_v<T>) {
    return x;
  } else {
    if (x != x)
      return 0;
    if (x >= static_cast<T>(highest)) // 2^63 - 1 rounds up to 2^63, which is too high as well
      return highest;
    return x <= static_cast<T>(lowest) ? lowest : static_cast<int64_t>(x);
  }
}

template <typename T> Scalar castTo(T x, mlir::Type type) {
  if (type.isInteger(1))
    return Scalar(static_cast<int64_t>(x != T(0)));
  if (type.isInteger(32))
    return Scalar(static_cast<int64_t>(static_cast<int32_t>(
        toInteger(x, std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max()))));
  if (type.isInteger(64))
    return Scalar(
        toInteger(x, std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max()));
  if (type.isF32())
    return Scalar(static_cast<double>(static_cast<float>(x))); // an i64 is rounded once
  return Scalar(static_cast<double>(x));
}

inline Scalar attributeValue(mlir::TypedAttr value) {
  if (auto number = mlir::dyn_cast<mlir::FloatAttr>(value))
    return Scalar(number.getValueAsDouble());
  auto integer = mlir::cast<mlir::IntegerAttr>(value).getValue();
  return Scalar(integer.getBitWidth() == 1 ? int64_t(integer.getZExtValue())
                                           : integer.getSExtValue());
}

} // namespace sinter::ir::eval
