// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/IR/LegacyPassManager.h"

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

} // namespace sinter::cpu
