// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/Program.h"

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace llvm {
class LLVMContext;
class Module;
} // namespace llvm

namespace sinter::cpu {

/// The exported symbols of a generated program called NAME.
struct ProgramSymbols {
  explicit ProgramSymbols(const std::string &name);
  std::string run;        ///< SinterRun
  std::string sizes;      ///< int64_t (const int64_t *dims, int64_t workers, int64_t *table)
  std::string arenaBytes; ///< int64_t (const int64_t *table)
  std::string program;    ///< const char[]: programText()
  std::string data;       ///< const unsigned char[]: programData(), for a GPU
  /// int64_t (void), of a library of several versions: which of them this machine runs, -1: none.
  std::string version;
  std::string programs; ///< Its descriptions of all versions, one after the other.
};

struct RunFunctionOptions {
  /// True: constants become data of the module. False: the code refers to the memory of
  /// Program::constants, which must then outlive the code and be contiguous and aligned.
  bool embedConstants = true;
  /// Adds sizes, arenaBytes and the program description; for code that leaves the process.
  bool exportInterface = true;
  /// What the symbols begin with; empty: Program::name. Others are hidden, and without a
  /// description: one version of several.
  std::string symbolName = {};
  /// With embedConstants, hidden data of another module, one for each constant; empty: each is data
  /// of this one.
  std::vector<std::string> constantSymbols = {};
  /// Of launches that test what they store, by step: the site of the first output. Their kernels,
  /// which equal launches share, report NonFinite with the output's number as site.
  std::map<size_t, int64_t> firstSites = {};
};

/// `name` as a C identifier: other characters become '_'. What C keeps for itself, a '_' in front,
/// and a digit get "sinter" before them; of names over 200 characters the end becomes a hash.
std::string toIdentifier(std::string_view name);

/// The host side of a program: NAME_run launches its steps in order, each through ctx->parallelFor
/// unless its extent fits one grain or there is none, and returns after the first step that leaves
/// an error in ctx->status (which it clears on entry). The kernels are hidden symbols of other
/// modules.
std::unique_ptr<llvm::Module> buildRunModule(const Program &program, llvm::LLVMContext &context,
                                             RunFunctionOptions options = {});

} // namespace sinter::cpu
