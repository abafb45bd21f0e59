// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/passes/FusionGroups.h"

namespace sinter::passes {

/// Where a kernel reads a large value that a few flops would make from what it reads anyway, or
/// from something smaller, it computes the value itself, and the producer no longer stores it. True
/// when anything changed.
bool recomputeInConsumers(FusionGroups &groups);

/// Ops at the end of a kernel whose results only one other kernel reads move there when fewer bytes
/// are stored then.
bool moveToConsumers(FusionGroups &groups);

} // namespace sinter::passes
