// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/cpu/CompileObject.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <string>
#include <vector>

namespace sinter {
class Trace;
}

namespace sinter::cpu {

class ObjectCache;

/// Milliseconds per phase. The per-kernel phases are summed over threads; `wall` is elapsed time.
struct CompileTimes {
  double deduplicate = 0;
  double lower = 0;     ///< MLIR to the LLVM dialect, math expansion included.
  double translate = 0; ///< To LLVM IR.
  double codegen = 0;   ///< To machine code.
  double cache = 0;     ///< Looking up and storing.
  double wall = 0;
};

struct CompileKernelsOptions {
  ObjectOptions object;
  /// Unique kernels are called <prefix>0, <prefix>1, …
  std::string symbolPrefix = "kernel";
  /// 0: one per hardware thread, at most one per kernel.
  int threads = 0;
  /// Where objects are looked up and stored; may be null.
  ObjectCache *cache = nullptr;
  /// Collects what every thread did for which kernel; may be null.
  Trace *trace = nullptr;
};

struct CompiledKernels {
  /// One relocatable object per unique kernel; symbols are hidden, so they stay inside what is
  /// linked.
  std::vector<std::string> objects;
  std::vector<std::string> symbols;
  /// For each input module, the number of its unique kernel.
  std::vector<int> mapping;
  /// How many LLVM compiled; the others came out of the cache.
  size_t numCompiled = 0;
  CompileTimes times;
};

/// Compiles kernel modules: each holds one public func.func (plus private helpers). Modules that
/// differ only in locations and in the name of that function become one. Consumes the modules'
/// bodies (they are lowered in place). All modules belong to one context; with its multithreading
/// enabled, kernels compile in parallel. Throws Error(Internal) with the diagnostics on failure.
CompiledKernels compileKernels(const std::vector<mlir::ModuleOp> &modules, const TargetInfo &target,
                               const CompileKernelsOptions &options = {});

/// What the text stages of graph-compile print for one kernel module, consumed in the same way.
enum class KernelText { Llvm, Assembly };
std::string kernelText(mlir::ModuleOp module, const TargetInfo &target, KernelText form,
                       ObjectOptions options = {});

} // namespace sinter::cpu
