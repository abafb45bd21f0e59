// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/ir/base/Array.h"

#include <optional>
#include <string>

namespace sinter::tools {

/// An element passes when |got - expected| <= atol + rtol * |expected|. NaN equals NaN, infinities
/// equal themselves. Without a value the dtype gives it: f32 1.3e-6 and 1e-5, f64 1e-7 and 1e-7,
/// integers and bool 0.
struct Tolerance {
  std::optional<double> rtol, atol;
};

/// Why `got` is not `expected`, with the worst element; empty when it is.
std::string compare(const Array &got, const Array &expected, const Tolerance &tolerance);

} // namespace sinter::tools
