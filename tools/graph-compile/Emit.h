// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/ir/base/CacheOptions.h"

#include <filesystem>
#include <string>
#include <vector>

namespace sinter::tools {

/// The command line of graph-compile as given.
struct CompileRequest {
  std::string input, output, emit, stopAfter, name;
  std::string target = "cpu:native";
  std::string grad, seed;
  std::vector<std::string> wrt, shapes, dims, inputs, disabledPasses;
  int optLevel = 2;
  bool strict = false;   ///< PipelineOptions::strictRounding
  bool winograd = false; ///< PipelineOptions::winograd
  bool tf32 = false;     ///< PipelineOptions::tf32
  std::string stats, memBudget, dumpDir;
  bool lineInfo = false; ///< PipelineOptions::lineInfo
  bool printIr = false, timing = false;
  std::string crashReproducer;
  std::string schedule; ///< A file of schedules.
  bool checkNan = false;
  std::string params;   ///< A file of values for parameters and state,
  bool embed = false;   ///< which the library is to carry.
  std::string trace;    ///< Where a trace of the compilation goes.
  std::string report;   ///< Where the page about the compilation goes.
  std::string roofline; ///< The machine's figures for it.
  bool quoteSources = false;
  CacheOptions cache;
};

/// Names the forms that --emit takes.
std::string emitHelp();

/// Returns the exit code; throws Error.
int compileAndEmit(const CompileRequest &request);
/// Refuses to write `written` over a file that the request reads; such a command line is a slip.
void requireInputsKept(const CompileRequest &request, const std::filesystem::path &written);

} // namespace sinter::tools
