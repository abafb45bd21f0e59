// SPDX-License-Identifier: Apache-2.0
#include "sinter/frontend/MixedDTypes.h"

#include <utility>

namespace sinter {

static std::pair<int, int64_t> rankOf(DType dtype) {
  return {isFloat(dtype) ? 2 : dtype == boolean ? 0 : 1, byteSize(dtype)};
}

MixedDTypes::MixedDTypes(DType a, DType b, const std::string &whose)
    : message("dtypes " + std::string(name(a)) + " and " + std::string(name(b)) + whose +
              " do not mix"),
      hint("convert one of them: .cast(" + std::string(name(rankOf(a) < rankOf(b) ? b : a)) + ")") {
}

} // namespace sinter
