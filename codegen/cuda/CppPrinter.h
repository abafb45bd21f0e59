// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/cuda/BlockEmitter.h"

#include <string>

namespace sinter::cuda {

/// Turns any text into an identifier of C++.
std::string toName(llvm::StringRef text);
/// The kernel under a comment that says what it computes and, in the words of `units`, how.
KernelSource printKernel(BlockKernel &kernel, const KernelRequest &request, llvm::StringRef units);

} // namespace sinter::cuda
