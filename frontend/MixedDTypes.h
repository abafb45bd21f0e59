// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/ir/base/DType.h"

#include <string>

namespace sinter {

/// What is said where two dtypes meet, since nothing is converted by itself. The hint names the one
/// that the other loses least in: a float before an integer, the wider of two.
struct MixedDTypes {
  MixedDTypes(DType a, DType b, const std::string &whose = "");
  std::string message, hint;
};

} // namespace sinter
