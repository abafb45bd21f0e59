// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/ir/base/Array.h"
#include "sinter/runtime/Session.h"

#include <cstdint>
#include <filesystem>
#include <source_location>
#include <string>

#pragma GCC visibility push(default)
namespace sinter {

struct ReportOptions {
  /// The page's heading. Empty: the file's name.
  std::string title = {};
  /// Values of named dimensions that the figures are for; those missing are taken as 1024, or from
  /// `inputs`.
  DimBinding dims = {};
  /// Runs the program so often, with parameters drawn from seed 0, and tells how long each kernel
  /// takes. 0: the page has no times. Not on a GPU.
  int64_t runs = 0;
  /// What it runs with. Inputs that are missing are made up: zeros for integers, else drawn from
  /// [0, 1).
  ArrayMap inputs = {};
  /// What the machine can do at best, for the roofline; 0: not known.
  double flopsPerSecond = 0, bytesPerSecond = 0;
  /// Where these figures come from, e.g. "data sheet".
  std::string roofSource = "as given";
  /// Shows the lines of your source beside their kernels. Locations say which files are read: only
  /// for graphs that you wrote.
  bool quoteSources = false;
};

/// Compiles the graph and writes a page about it: an .html file that needs nothing else. Kernels
/// with the ops and lines behind them, the graph before and after fusion, the memory plan, bytes
/// and arithmetic, a roofline, and what compiling took. Throws what compile() throws, and
/// Error(FileAccess) where the file cannot be written.
void writeReport(const Graph &graph, const std::filesystem::path &path,
                 const CompileOptions &options = {}, const ReportOptions &report = {},
                 std::source_location loc = std::source_location::current());

} // namespace sinter
#pragma GCC visibility pop
