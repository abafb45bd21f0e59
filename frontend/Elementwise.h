// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/frontend/Tensor.h"

#include <initializer_list>
#include <source_location>

namespace sinter {

/// Adds an elementwise op: numbers take on the dtype of the tensors, operands broadcast. `name` is
/// what the user called. The functions in Ops.cpp are calls of this one.
Tensor elementwise(const char *op, const char *name, std::initializer_list<Operand> operands,
                   std::source_location loc);

} // namespace sinter
