// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/ir/base/Array.h"

namespace sinter::tools {

enum class DifferenceKind {
  Largest, ///< The largest difference of an element.
  Norm,    ///< That of whole tensors, where rounding decides the sign of single elements.
};

/// The largest difference, relative to the expected value or to the root mean square of all where
/// that is larger; or the norm of the differences over that of the expected values. Infinite for
/// NaNs and for other sizes.
double difference(const Array &got, const Array &expected, DifferenceKind kind);

} // namespace sinter::tools
