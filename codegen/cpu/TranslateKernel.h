// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

namespace llvm {
class LLVMContext;
class Module;
} // namespace llvm
namespace mlir {
class ModuleOp;
} // namespace mlir

namespace sinter::cpu {

/// LLVM IR straight from a module of func, scf, arith, math, vector (one dimension) and llvm memory
/// ops: what the conversion to the LLVM dialect and its translation make, in a fifth of their time.
/// Null, with nothing said, where the module holds anything that this does not know: then they
/// must do it. The module stays as it is.
std::unique_ptr<llvm::Module> translateKernel(mlir::ModuleOp module, llvm::LLVMContext &context);

} // namespace sinter::cpu
