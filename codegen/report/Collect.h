// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/Pipeline.h"
#include "sinter/codegen/report/Report.h"
#include "sinter/passes/FusionReport.h"

#include "llvm/ADT/DenseMap.h"

#include <set>

namespace sinter::codegen::report {

struct CollectOptions {
  int64_t workers = 1;
  DimBinding dims = {};      ///< Values of named dims; those missing are assumed.
  bool quoteSources = false; ///< Reads the files that locations name.
};

/// Looks on while a graph is compiled: it follows ops through fusion by their locations, which are
/// as before when the stage is over.
class Collector {
public:
  explicit Collector(CollectOptions options) : options(std::move(options)) {}

  /// Sets what it needs of a pipeline's options. The collector must outlive the run, and a trace in
  /// the options take() as well.
  void attach(PipelineOptions &pipeline);
  /// After the run, whose program may have been taken out since.
  Report take();

private:
  void observe(StageId stage, Compilation &compilation);
  void tag(Compilation &compilation);
  void untag(Compilation &compilation);
  void readPlan(Compilation &compilation);
  void readProgram(Compilation &compilation);
  void quote();
  std::optional<int64_t> valueOf(const DimExpr &size) const;
  void chooseDims(const Program &program);

  CollectOptions options;
  DimBinding binding;
  Report report;
  Trace trace;
  Trace *events = nullptr; ///< `trace`, or the one that the pipeline had.
  std::vector<passes::UnfusedEdge> unfused;
  std::vector<std::set<int>> unfusedFrom, unfusedTo; ///< Kernels of its ops.
};

} // namespace sinter::codegen::report
