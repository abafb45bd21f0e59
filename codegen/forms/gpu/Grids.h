// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/KernelPlan.h"

namespace sinter::codegen {

/// Blocks of `threads` threads for `units` units of work of which a block takes `perBlock` at once.
/// Kernels stride by the grid, so that its size never changes a result: `$workers` (the number of
/// multiprocessors) times a few blocks at most.
Grid gridFor(const DimExpr &units, int64_t threads, int64_t perBlock = 0);

} // namespace sinter::codegen
