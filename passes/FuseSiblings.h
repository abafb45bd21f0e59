// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/passes/FusionGroups.h"

namespace sinter::passes {

/// Independent reductions over the same ranges become one kernel when they read something in
/// common, or little.
void mergeTwins(FusionGroups &groups);

/// Kernels that read the same large tensor become one, when one of them already has the form of
/// both.
void mergeSiblings(FusionGroups &groups);

} // namespace sinter::passes
