// SPDX-License-Identifier: Apache-2.0
#include "sinter/ir/base/DType.h"

#include <cmath>
#include <limits>

namespace sinter {

std::string_view name(DType dtype) {
  static constexpr std::string_view names[] = {"f32", "f64", "i32", "i64", "bool", "f16", "bf16",
                                               "i8",  "i16", "u8",  "u16", "u32",  "u64"};
  static_assert(std::size(names) == std::size(allDTypes));
  return names[static_cast<size_t>(dtype)];
}

std::optional<DType> parseDType(std::string_view text) {
  for (DType dtype : allDTypes)
    if (text == name(dtype) ||
        (isUnsigned(dtype) && text.starts_with("ui") && text.substr(2) == name(dtype).substr(1)))
      return dtype;
  if (text == "i1")
    return boolean;
  return std::nullopt;
}

bool isRepresentable(int64_t number, DType dtype) {
  return dispatch(dtype, [&](auto zero) {
    using T = decltype(zero);
    if constexpr (isFloatElement<T>)
      return std::isfinite(static_cast<double>(static_cast<T>(number)));
    else if constexpr (std::is_same_v<T, uint64_t>)
      return number >= 0;
    else
      return static_cast<int64_t>(static_cast<T>(number)) == number;
  });
}

bool isRepresentable(double number, DType dtype) {
  return dispatch(dtype, [&](auto zero) {
    using T = decltype(zero);
    if constexpr (isFloatElement<T>)
      return !std::isfinite(number) || std::isfinite(static_cast<double>(static_cast<T>(number)));
    // The limits are powers of two, or one less.
    double low = static_cast<double>(std::numeric_limits<T>::lowest());
    double end = std::ldexp(1.0, std::numeric_limits<T>::digits);
    return number == std::trunc(number) && number >= low && number < end;
  });
}

} // namespace sinter
