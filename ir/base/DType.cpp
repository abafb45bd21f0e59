// SPDX-License-Identifier: Apache-2.0
#include "sinter/ir/base/DType.h"

namespace sinter {

std::string_view name(DType dtype) {
  switch (dtype) {
  case DType::F32:
    return "f32";
  case DType::F64:
    return "f64";
  case DType::I32:
    return "i32";
  case DType::I64:
    return "i64";
  case DType::Bool:
    break;
  }
  return "bool";
}

std::optional<DType> parseDType(std::string_view text) {
  for (DType dtype : allDTypes)
    if (text == name(dtype))
      return dtype;
  if (text == "i1")
    return boolean;
  return std::nullopt;
}

} // namespace sinter
