// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/ir/base/Float16.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <type_traits>

#pragma GCC visibility push(default)
namespace sinter {

/// Element types. Storage: boolean is one byte holding 0 or 1, the others are native.
enum class DType : uint8_t { F32, F64, I32, I64, Bool, F16, BF16, I8, I16, U8, U16, U32, U64 };

inline constexpr DType f32 = DType::F32;
inline constexpr DType f64 = DType::F64;
inline constexpr DType i32 = DType::I32;
inline constexpr DType i64 = DType::I64;
inline constexpr DType boolean = DType::Bool;
inline constexpr DType f16 = DType::F16;
inline constexpr DType bf16 = DType::BF16;
inline constexpr DType i8 = DType::I8;
inline constexpr DType i16 = DType::I16;
inline constexpr DType u8 = DType::U8;
inline constexpr DType u16 = DType::U16;
inline constexpr DType u32 = DType::U32;
inline constexpr DType u64 = DType::U64;

/// Every element type, in a stable order (for tables and tests).
inline constexpr DType allDTypes[] = {f32, f64, i32, i64, boolean, f16, bf16,
                                      i8,  i16, u8,  u16, u32,     u64};

/// Calls `fn` with a value of the storage type of `dtype` (bool for Bool) and returns its result.
template <typename Fn> constexpr decltype(auto) dispatch(DType dtype, Fn &&fn) {
  switch (dtype) {
  case DType::F32:
    return fn(float{});
  case DType::F64:
    return fn(double{});
  case DType::I32:
    return fn(int32_t{});
  case DType::I64:
    return fn(int64_t{});
  case DType::F16:
    return fn(Half{});
  case DType::BF16:
    return fn(BFloat16{});
  case DType::I8:
    return fn(int8_t{});
  case DType::I16:
    return fn(int16_t{});
  case DType::U8:
    return fn(uint8_t{});
  case DType::U16:
    return fn(uint16_t{});
  case DType::U32:
    return fn(uint32_t{});
  case DType::U64:
    return fn(uint64_t{});
  case DType::Bool:
    break;
  }
  return fn(bool{});
}

/// Bytes per element.
constexpr int64_t byteSize(DType dtype) {
  return dispatch(dtype, [](auto zero) { return static_cast<int64_t>(sizeof(zero)); });
}
constexpr bool isFloat(DType dtype) {
  return dtype == f32 || dtype == f64 || dtype == f16 || dtype == bf16;
}
/// bool is none.
constexpr bool isInteger(DType dtype) { return !isFloat(dtype) && dtype != boolean; }
constexpr bool isUnsigned(DType dtype) {
  return dtype == u8 || dtype == u16 || dtype == u32 || dtype == u64;
}

/// "f32", "f64", "i32", "i64", "bool", "f16", "bf16", "i8", "i16", "u8", "u16", "u32", "u64".
std::string_view name(DType dtype);
/// The inverse of name(); also accepts "i1" for bool and, as MLIR writes them, "ui8" to "ui64".
std::optional<DType> parseDType(std::string_view text);

/// True when the dtype holds the number exactly (floats: rounded, without becoming infinite).
bool isRepresentable(int64_t number, DType dtype);
bool isRepresentable(double number, DType dtype);

namespace detail {
template <typename T> constexpr std::optional<DType> findDType() {
  for (DType dtype : allDTypes)
    if (dispatch(dtype, [](auto zero) { return std::is_same_v<decltype(zero), T>; }))
      return dtype;
  return std::nullopt;
}
} // namespace detail

/// The DType of a C++ type; fails to compile for any other type.
template <typename T> constexpr DType dtypeOf() {
  constexpr std::optional<DType> dtype = detail::findDType<T>();
  static_assert(dtype.has_value(), "no Sinter dtype");
  return *dtype;
}

} // namespace sinter
#pragma GCC visibility pop
