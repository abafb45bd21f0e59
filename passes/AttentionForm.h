// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/ir/Ops.h"

namespace sinter::passes {

/// Whether a kernel computes this attention or attention_backward: its widths are known and not too
/// large, and there are queries enough to share what is read.
bool hasAttentionKernel(mlir::Operation *op);

} // namespace sinter::passes
