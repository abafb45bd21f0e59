// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "llvm/ADT/STLFunctionalExtras.h"

#include <cstddef>

namespace mlir {
class MLIRContext;
}

namespace sinter::codegen {

/// How many threads share `items` pieces of work on ops of `context`. `wanted` 0: one per hardware
/// thread.
size_t threadsFor(size_t items, int wanted, mlir::MLIRContext &context);

/// Calls body(item, thread) for each item below `items`, begun in this order by `threads` threads,
/// of which the caller is one; `thread` is below `threads`. Fewer where no more can be started.
/// Rethrows what the lowest of them threw; after an exception none is begun.
void onThreads(size_t items, size_t threads, llvm::function_ref<void(size_t, size_t)> body);

} // namespace sinter::codegen
