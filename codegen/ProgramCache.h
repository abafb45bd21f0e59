// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/Pipeline.h"
#include "sinter/codegen/cpu/ObjectCache.h"

#include <optional>
#include <string>
#include <vector>

namespace sinter::codegen {

/// A program for the CPU with all of its machine code, not yet linked.
struct ObjectProgram {
  Program program;
  std::vector<std::string> objects; ///< Its kernels', then that of NAME_run.
  /// Whether the objects refer to nothing of this process; else NAME_run refers to the memory of
  /// the program's constants, which must outlive the code.
  bool isPortable = false;

  /// What runPipeline() made, without its IR.
  static ObjectProgram take(Compilation &compilation, const TargetInfo &target);
};

/// Whole programs in the cache of kernels, so that a process that compiles what another one has
/// compiled runs no pass and no code generator. A program is found by the graph as it was written,
/// lines of the user included, the options, and the state of all that compiles.
class ProgramCache {
public:
  /// `module` is the graph before the pipeline changes it. Finds and keeps nothing where somebody
  /// looks at the stages, where the IR is needed afterwards, and for a GPU.
  ProgramCache(mlir::ModuleOp module, const PipelineOptions &options);

  /// The program, if it is there and sound.
  std::optional<ObjectProgram> load();
  /// Removes what load() gave, because it does not link.
  void drop();
  /// Keeps a program that is portable.
  void store(const ObjectProgram &program);

private:
  std::optional<cpu::ObjectCache> cache;
  cpu::KernelKey key{};
};

} // namespace sinter::codegen
