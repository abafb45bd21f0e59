// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/Pipeline.h"
#include "sinter/codegen/cpu/Library.h"

#include <filesystem>
#include <string>
#include <vector>

namespace sinter::codegen {

/// A graph compiled to a library for one target, or for several CPUs of which the library takes the
/// last that the machine can run.
class LibraryBuild {
public:
  /// Runs the whole pipeline on `module` or, for each of several targets, on a copy of it. Throws
  /// Error as runPipeline() does, and Usage for targets that do not go together.
  LibraryBuild(mlir::ModuleOp module, PipelineOptions options,
               const std::vector<TargetInfo> &targets);

  /// Of each target.
  std::vector<Compilation> &compilations() { return compiled; }

  /// The library and its C header, both or neither. `values` are first values of parameters and
  /// state for a CPU's library to carry. Throws Error: FileAccess, Unsupported for a
  /// form that there is not for a GPU, Usage where one file would overwrite the other.
  void write(cpu::LibraryForm form, const std::filesystem::path &path,
             const std::filesystem::path &header, const ArrayMap &values = {}) const;

private:
  std::vector<TargetInfo> targets;
  std::vector<mlir::OwningOpRef<mlir::ModuleOp>> copies;
  std::vector<Compilation> compiled;
};

/// What the program of a library is called that is given no name: the file's name without its
/// ending and without "lib" in front, as a C identifier. "main" where nothing is left.
std::string libraryName(const std::filesystem::path &library);

/// Throws Error(FileAccess) where the library or its header would be no file of its own: a device,
/// a pipe, what a process has open.
void requireFiles(const std::filesystem::path &library, const std::filesystem::path &header);

/// Throws Error(Unsupported) for a form of library that there is not for the target.
void requireLibraryForm(cpu::LibraryForm form, const TargetInfo &target);

} // namespace sinter::codegen
