// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/ir/base/TargetInfo.h"

#include <cstdint>
#include <memory>
#include <string>

namespace llvm {
class Module;
class TargetMachine;
} // namespace llvm

namespace sinter::cpu {

/// How hard LLVM works on IR whose vectors are already final.
struct ObjectOptions {
  /// LLVM's code generation level, 0 to 3.
  int level = 2;
  /// What a kernel's IR needs and no more: before code generation promote allocas, share address
  /// arithmetic, hoist loop invariants; then leave out passes that do little for kernels.
  bool cleanUp = true;
};

/// Turns LLVM modules into position-independent machine code. Floating-point contraction is
/// off: only explicit fma ops fuse. Not thread-safe: one instance per thread, reused across
/// modules.
class ObjectCompiler {
public:
  /// Throws Error: Unsupported where this build of LLVM lacks the back end, Usage for a CPU or a
  /// feature that LLVM does not know.
  explicit ObjectCompiler(const TargetInfo &target, ObjectOptions options = {});
  ~ObjectCompiler();

  /// A relocatable ELF object. Consumes the module's bodies (passes run in place).
  std::string object(llvm::Module &module);
  std::string assembly(llvm::Module &module);
  /// LLVM IR as it enters code generation.
  std::string ir(llvm::Module &module);

private:
  void prepare(llvm::Module &module);
  void cleanUp(llvm::Module &module);
  ObjectOptions options;
  unsigned vectorBytes;
  std::unique_ptr<llvm::TargetMachine> machine;
  struct Emitter;
  std::unique_ptr<Emitter> emitter; ///< For objects; making one takes as long as a small kernel.
};

} // namespace sinter::cpu
