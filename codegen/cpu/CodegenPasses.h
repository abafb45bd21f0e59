// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "llvm/IR/LegacyPassManager.h"

namespace sinter::cpu {

/// Stands before a pass manager and keeps out what LLVM's code generation does for other programs
/// than kernels: compiling takes half the time without. Everything that code needs in order to be
/// right goes through.
class KernelPasses : public llvm::legacy::PassManagerBase {
public:
  /// With `thorough` only passes stay out that find nothing in a kernel.
  KernelPasses(llvm::legacy::PassManagerBase &passes, bool thorough)
      : passes(passes), thorough(thorough) {}
  void add(llvm::Pass *pass) override;

private:
  llvm::legacy::PassManagerBase &passes;
  bool thorough;
};

} // namespace sinter::cpu
