// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <type_traits>

namespace sinter {

/// Element types. Storage: boolean is one byte holding 0 or 1, the others are native.
enum class DType : uint8_t { F32, F64, I32, I64, Bool };

inline constexpr DType f32 = DType::F32;
inline constexpr DType f64 = DType::F64;
inline constexpr DType i32 = DType::I32;
inline constexpr DType i64 = DType::I64;
inline constexpr DType boolean = DType::Bool;

/// Every element type, in a stable order (for tables and tests).
inline constexpr DType allDTypes[] = {f32, f64, i32, i64, boolean};

/// Bytes per element.
constexpr int64_t byteSize(DType dtype) {
  return dtype == f32 || dtype == i32 ? 4 : dtype == boolean ? 1 : 8;
}
constexpr bool isFloat(DType dtype) { return dtype == f32 || dtype == f64; }
constexpr bool isInteger(DType dtype) { return dtype == i32 || dtype == i64; }

/// "f32", "f64", "i32", "i64", "bool".
std::string_view name(DType dtype);
/// The inverse of name(); also accepts "i1" for bool.
std::optional<DType> parseDType(std::string_view text);

/// The DType of a C++ type; fails to compile for any other type.
template <typename T> constexpr DType dtypeOf() {
  if constexpr (std::is_same_v<T, float>)
    return f32;
  else if constexpr (std::is_same_v<T, double>)
    return f64;
  else if constexpr (std::is_same_v<T, int32_t>)
    return i32;
  else if constexpr (std::is_same_v<T, int64_t>)
    return i64;
  else {
    static_assert(std::is_same_v<T, bool> || std::is_same_v<T, uint8_t>, "no Sinter dtype");
    return boolean;
  }
}

/// Calls `fn` with a value of the storage type of `dtype` (bool for Bool) and returns its result.
template <typename Fn> decltype(auto) dispatch(DType dtype, Fn &&fn) {
  switch (dtype) {
  case DType::F32:
    return fn(float{});
  case DType::F64:
    return fn(double{});
  case DType::I32:
    return fn(int32_t{});
  case DType::I64:
    return fn(int64_t{});
  case DType::Bool:
    break;
  }
  return fn(bool{});
}

} // namespace sinter
