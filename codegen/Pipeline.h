// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/BuildProgram.h"
#include "sinter/codegen/cpu/CompileObject.h"
#include "sinter/codegen/cuda/PrintCuda.h"
#include "sinter/ir/base/CacheOptions.h"
#include "sinter/ir/base/TargetInfo.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace mlir {
class PassManager;
}

namespace sinter {
class Trace;
}

namespace sinter::codegen {

struct Compilation;

/// The stages of a compilation, in order. The graph is IR up to `scheduled`; `planned` adds the
/// program's plain data, `kernels` one module per launch, `program` machine code.
enum class StageId : uint8_t {
  Traced,
  Differentiated,
  Simplified,
  Fused,
  Scheduled,
  Planned,
  Kernels,
  Program
};

struct StageTime {
  std::string name;
  double milliseconds = 0;
};

struct PipelineOptions {
  /// Program::name, and the prefix of everything the program's code exports.
  std::string name = "main";
  TargetInfo target = TargetInfo::host();
  /// Stop when this stage is complete.
  StageId stopAfter = StageId::Program;
  /// Passes to leave out, by the names of passNames().
  std::vector<std::string> disabledPasses;
  /// Round f16 and bf16 after every op, also between the ops of a kernel.
  bool strictRounding = false;
  /// Convolutions of 3 x 3 may use Winograd's algorithm.
  bool winograd = false;
  /// GPU: f32 operands of products may be rounded to tf32, which tensor cores multiply.
  bool tf32 = false;
  /// Note on the graph why kernels that exchange values are not one (passes/FusionReport.h).
  bool explainFusion = false;
  /// 0 to 3: how hard machine code is optimised.
  int optLevel = 2;
  /// Threads that compile kernels; 0: one per hardware thread.
  int threads = 0;
  /// Off unless enabled is true and there is a folder; resolveCache() fills in the defaults.
  CacheOptions cache;
  /// GPU: NVIDIA's run-time compiler; empty: where it is found (codegen/cuda/Nvrtc.h).
  std::filesystem::path nvrtc;
  /// GPU: machine code says which of the user's lines it comes from. Kernels then have to be
  /// compiled anew when lines move.
  bool lineInfo = false;
  /// Kernels test what they store (StoreChecks.h).
  bool checkNan = false;
  /// GPU: the machine code depends on nothing but the graph and these options, so neither on the
  /// number of threads nor on what the cache holds. Else kernels that other programs have are taken
  /// as they come.
  bool reproducible = false;
  /// What to change of the schedules, as scheduleText() writes them, and what its errors call it.
  std::string schedule;
  std::string scheduleFile = "schedule";
  /// Called with the text of every stage that changed something, as it completes.
  std::function<void(std::string_view stage, std::string_view text)> dump;
  /// Called after every stage, before its text is dumped. It may change locations only.
  std::function<void(StageId stage, Compilation &compilation)> observe;
  /// Collects how long stages, passes and kernels take; may be null.
  Trace *trace = nullptr;
  /// Adds MLIR's own flags (printing, timing, crash reproducer) to the pass managers.
  std::function<void(mlir::PassManager &)> configure;
};

/// What has been made so far of one graph.
struct Compilation {
  mlir::ModuleOp module;             ///< Changed in place by the IR stages.
  std::vector<Condition> conditions; ///< Of the graph as written.
  KernelAnalyses analyses;           ///< Between `scheduled` and `planned`.
  PlannedProgram planned;
  std::vector<mlir::OwningOpRef<mlir::ModuleOp>>
      kernels;                               ///< Emitted once for launches of equal regions.
  std::vector<cuda::CudaKernel> cudaKernels; ///< In their place for a GPU.
  std::vector<size_t> kernelOf;              ///< For each launch.
  std::vector<std::string> objects;          ///< One per distinct kernel.
  CacheReport cache;                         ///< Of the objects.
  std::vector<StageTime> times;
  double milliseconds = 0;

  mlir::func::FuncOp graph();
  Program &program() { return planned.program; }
};

/// Runs the stages on `module`, whose function @main is the graph. Throws Error: User for a graph
/// that breaks a stage's contract, Unsupported, Internal.
Compilation runPipeline(mlir::ModuleOp module, const PipelineOptions &options);

/// Names for --stop-after and --disable-pass.
std::vector<std::string> stageNames();
std::vector<std::string> passNames();
/// Throws Error(Usage) with a 'did you mean'.
StageId parseStage(std::string_view name);
/// Throws Error(Usage) unless every name is a pass.
void requirePasses(const std::vector<std::string> &names);

} // namespace sinter::codegen
