// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/cuda/BlockEmitter.h"
#include "sinter/codegen/cuda/CppNames.h"

#include <string>

namespace sinter::cuda {

/// The comment above a kernel: what it computes and, in the words of `units`, how.
std::string describeKernel(const KernelRequest &request, llvm::StringRef units);

/// A function of a kernel's module as a member of a struct (ElementFunctions).
struct MemberText {
  mlir::func::FuncOp function; ///< Returns one value or none.
  std::string head;            ///< `float lhs(long long row)`
  /// What its arguments are called; `table` is the size table.
  std::vector<std::string> arguments;
  std::vector<unsigned> scratch; ///< Arguments that point to elements of no one type.
  bool narrows = false;          ///< Computes with indices of 32 bits where these do.
};
/// `kernel.function` is not looked at.
std::string printMembers(BlockKernel &kernel, const KernelRequest &request,
                         llvm::ArrayRef<MemberText> members);

/// The kernel under a comment that says what it computes and, in the words of `units`, how.
KernelSource printKernel(BlockKernel &kernel, const KernelRequest &request, llvm::StringRef units);

} // namespace sinter::cuda
