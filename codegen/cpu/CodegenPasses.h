// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/OptBisect.h"

namespace llvm {
class LLVMContext;
class Module;
} // namespace llvm

namespace sinter::cpu {

/// What LLVM calls the passes of its pipeline for x86 that find nothing in kernels, and those that
/// find little.
llvm::ArrayRef<llvm::StringLiteral> idlePasses();
llvm::ArrayRef<llvm::StringLiteral> dearPasses();

/// Stands before a pass manager and keeps out what LLVM's code generation does for other programs
/// than kernels: compiling takes half the time without. Everything that code needs in order to be
/// right goes through.
class KernelPasses : public llvm::legacy::PassManagerBase {
public:
  /// With `thorough` only the idle ones stay out.
  KernelPasses(llvm::legacy::PassManagerBase &passes, bool thorough)
      : passes(passes), thorough(thorough) {}
  void add(llvm::Pass *pass) override;

private:
  llvm::legacy::PassManagerBase &passes;
  bool thorough;
};

/// The arguments that LLVM's command line calls passes by that make inner loops faster.
llvm::ArrayRef<llvm::StringLiteral> innerLoopPasses();

/// Keeps innerLoopPasses() from functions that only see to it that others have their
/// operands: a kernel around its tiles, which copies rows, transposes squares, stores sums. While
/// it lives, the module's passes ask it.
class CarrierGate final : public llvm::OptPassGate {
public:
  explicit CarrierGate(llvm::Module &module);
  ~CarrierGate() override;
  bool isEnabled() const override { return !carriers.empty(); }
  bool shouldRunPass(llvm::StringRef pass, llvm::StringRef unit) const override;

private:
  llvm::LLVMContext &context;
  llvm::OptPassGate &before;
  llvm::StringSet<> carriers; ///< As LLVM describes them to a gate.
};

} // namespace sinter::cpu
