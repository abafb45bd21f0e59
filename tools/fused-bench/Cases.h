// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tools/fused-bench/Difference.h"

#include "sinter/frontend/Graph.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace sinter::tools {

/// A graph to measure, and what one call of it must do.
struct Model {
  Graph graph = {};
  /// Of its contractions, as an algorithm without tricks needs them.
  double flops = 0;
  /// What a call cannot do without, where that is less: the multiplications of Winograd's
  /// F(4x4, 3x3). The limit counts these.
  double leastFlops = flops;
  /// The multiplications take bf16: the limit is the peak of those.
  bool multipliesBf16 = false;
  /// Whether it is compiled with CompileOptions::winograd.
  bool winograd = false;
  /// Integer placeholders are below these (10 when not named).
  std::map<std::string, int64_t> ranges = {};
  /// The constants of the graph that other programs need too, to compute the same.
  ArrayMap constants = {};

  /// Adds to both counts; `saved` is by how much an algorithm with tricks may divide.
  void addFlops(double count, double saved = 1) {
    flops += count;
    leastFlops += count / saved;
  }
};

enum class CaseKind { Kernel, ColdCompile, FirstStepCold, FirstStepWarm, EmptyCall };

/// How a case is compared with the interpreter.
struct CheckRow {
  enum class Kind {
    /// The timed program computes all rows, the interpreter the last `rows` of them.
    LastRows,
    /// Both compute a smaller instance of the graph, with `rows` rows: the timed program itself is
    /// not compared. For graphs whose rows depend on each other and that are too much work.
    SmallerInstance,
  };
  using Error = DifferenceKind;
  int64_t rows;
  Kind kind = Kind::LastRows;
  Error error = Error::Largest;
  double tolerance = 1e-3;
  /// SmallerInstance: builds it. Default: as the case is built.
  Model (*make)(int64_t rows) = nullptr;
};

struct CaseRow {
  const char *name;
  const char *doc;
  CaseKind kind;
  /// Builds the graph with this many rows (the leading size of its inputs).
  Model (*make)(int64_t rows);
  int64_t rows;
  CheckRow check;
};

const std::vector<CaseRow> &caseTable();
/// The cases for a GPU: all are compared as smaller instances.
const std::vector<CaseRow> &gpuCaseTable();

} // namespace sinter::tools
