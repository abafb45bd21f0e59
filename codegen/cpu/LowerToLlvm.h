// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

namespace llvm {
class LLVMContext;
class Module;
} // namespace llvm
namespace mlir {
class DialectRegistry;
class MLIRContext;
class ModuleOp;
} // namespace mlir

namespace sinter {
struct TargetInfo;
}

namespace sinter::cpu {

/// Loads every dialect that lowering creates ops of and registers the translation to LLVM IR. Must
/// run once per context before its kernels are lowered, which several threads may then do.
void prepareContext(mlir::MLIRContext &context);

/// Lowers kernel modules of one context (func, scf, cf, arith, math, vector, ub + llvm memory ops)
/// in place. Not thread-safe: one instance per thread, reused across modules. Failures have emitted
/// a diagnostic.
class LlvmLowering {
public:
  LlvmLowering(mlir::MLIRContext &context, const TargetInfo &target);
  ~LlvmLowering();
  /// Writes out what has no instruction: functions of math, conversions of small floats, vectors of
  /// several dimensions. What translateKernel() takes.
  bool expand(mlir::ModuleOp module);
  /// The rest, to the LLVM dialect.
  bool convert(mlir::ModuleOp module);

private:
  struct Conversion;
  mlir::MLIRContext &context;
  const TargetInfo &target;
  std::unique_ptr<Conversion> conversion; ///< Takes its time to make, and few kernels need it.
};

/// The LLVM module of a module in the LLVM dialect, or null (diagnostic emitted). `context` must
/// not be in use by another thread.
std::unique_ptr<llvm::Module> translateToLlvm(mlir::ModuleOp module, llvm::LLVMContext &context);

} // namespace sinter::cpu
