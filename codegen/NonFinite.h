// SPDX-License-Identifier: Apache-2.0
// Finds the op that first made a NaN or an infinity, by running ops one by one.
#pragma once

#include "sinter/codegen/BuildProgram.h"
#include "sinter/ir/Ops.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace sinter::codegen {

class InfinityAnalysis;

/// What a kernel reported, and the memory that it left behind.
struct StoredNonFinite {
  ir::FusedOp fused;
  unsigned output = 0;
  int64_t position = 0; ///< Of the element in the output.
  /// The region's inputs, then its outputs. An output in an input's place has its new elements
  /// already, but for those that were not stored.
  std::vector<const void *> buffers;
  DimBinding dims;
  std::string hint; ///< Of the error.
};

/// Error(User) that names the first op, among those that the element comes from, that made a NaN
/// out of numbers, or an infinity that the graph does not say (Infinities.h) out of finite ones;
/// else the input or constant that holds one; else the kernel. Thread-safe.
Error explainNonFinite(const StoredNonFinite &stored);

/// explainNonFinite() for what the kernels of a program reported by their status. The IR of the
/// launches must outlive it.
class NonFiniteExplainer {
public:
  NonFiniteExplainer(std::shared_ptr<const Program> program,
                     const std::vector<PlannedLaunch> &launches);
  /// `bufferAt` finds Program::buffers; null for what is not known, and then only the kernel is.
  Error operator()(const SinterStatus &status, const DimBinding &dims,
                   const std::function<const void *(int buffer)> &bufferAt) const;

private:
  std::string hintOf(size_t step) const;
  /// Whether a region's input was written by what ran after it, or by itself.
  bool isOverwritten(int buffer, mlir::Operation *fused, const DimBinding &dims) const;

  struct Region {
    ir::FusedOp fused;
    int64_t firstSite = 0;
  };
  std::shared_ptr<const Program> program;
  std::map<size_t, Region> regions; ///< By step.
  bool stopsAtOnce = true;          ///< After the kernel that reports; a GPU's steps all run.
};

/// interpret(), after which no float of the results may be a NaN or an infinity that the graph does
/// not say; else it throws what explainNonFinite() says, of all ops of the graph.
class CheckedInterpreter {
public:
  explicit CheckedInterpreter(mlir::func::FuncOp graph);
  ~CheckedInterpreter();
  std::vector<Array> operator()(const std::vector<Array> &arguments, const DimBinding &known) const;

private:
  mlir::func::FuncOp graph;
  std::unique_ptr<const InfinityAnalysis> infinities;
};

} // namespace sinter::codegen
