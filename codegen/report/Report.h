// SPDX-License-Identifier: Apache-2.0
// What a report says, as plain data. Collect.h gathers it, Page.cpp writes it as HTML, Dot.cpp as
// text for Graphviz.
#pragma once

#include "sinter/codegen/report/Text.h"
#include "sinter/ir/base/DimExpr.h"
#include "sinter/ir/base/Error.h"
#include "sinter/ir/base/Trace.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sinter::codegen::report {

/// A box of a picture.
struct GraphNode {
  enum class Kind : uint8_t { Input, Parameter, Op, Kernel, Output };
  Kind kind = Kind::Op;
  std::string name, note; ///< Two lines.
  std::string detail;     ///< More, where a box is pointed at.
  int kernel = -1;        ///< Number of the kernel that it is, or that holds it first.
  std::string form;       ///< Of that kernel.
};
struct GraphEdge {
  size_t from = 0, to = 0;
  std::string label;
};
/// Edges lead from lower to higher numbers.
struct Graph {
  std::vector<GraphNode> nodes;
  std::vector<GraphEdge> edges;
};

struct CodeLine {
  std::string text;
  SourceLoc line;
};

struct Operand {
  std::string name, type;
  DimExpr formula; ///< Bytes.
  std::optional<int64_t> bytes;
  int kernel = -1; ///< Which one makes it, perhaps behind views; -1: none.
};

/// Why two kernels are not one.
struct Split {
  std::string producer, consumer, reason; ///< Names of ops.
  SourceLoc from, to;
  int fromKernel = -1, toKernel = -1; ///< -1: none is left that holds the op.
  std::optional<int64_t> bytes;
};

/// A region, which runs as one launch or several.
struct KernelEntry {
  std::string name;   ///< "reduce_max_sub_exp_reduce_sum_div"
  std::string symbol; ///< Of its machine code; equal regions share it.
  std::string form;
  std::vector<std::string> ops;
  std::vector<std::pair<SourceLoc, int>> lines; ///< With the number of ops of each.
  std::vector<CodeLine> code;
  std::vector<std::pair<std::string, std::string>> schedule;
  std::vector<Operand> inputs, outputs;
  std::vector<size_t> steps;
  std::optional<int64_t> extent, grain; ///< Of the first launch.
  std::optional<int64_t> bytesMoved, flops;
  std::string bytesFormula, flopsFormula; ///< Where they depend on named dims.
  double seconds = -1;                    ///< Per call; negative: not measured.
};

/// A place in the arena from one step to another.
struct MemoryBlock {
  std::string name;
  int kernel = -1; ///< The one that writes it first.
  int64_t offset = 0, bytes = 0;
  size_t first = 0, last = 0;
  bool isScratch = false;
};

struct ArenaPlan {
  bool isKnown = false; ///< Sizes have values.
  int64_t arenaBytes = 0;
  std::string formula;
  std::vector<MemoryBlock> blocks;
  std::vector<int64_t> live; ///< Bytes in use at every step.
  std::vector<std::string> steps;
};

struct Variable {
  std::string name, kind, type;
  std::optional<int64_t> bytes;
  SourceLoc line;
};

/// What the machine can do at best; 0 is not known.
struct Roofs {
  double flopsPerSecond = 0, bytesPerSecond = 0;
  std::string source; ///< "measured on this machine"
};

struct Report {
  std::string title, program, target;
  std::vector<std::pair<std::string, int64_t>> dims; ///< Values that all figures are for.
  bool dimsAreAssumed = false;
  std::vector<std::string> notes;
  bool isCompiled = false; ///< Equal kernels have one symbol.
  int opsWritten = 0; ///< In the graph before differentiation.
  Graph before, after;
  std::vector<KernelEntry> kernels;
  std::vector<Split> splits;
  ArenaPlan memory;
  std::vector<Variable> variables;
  std::optional<int64_t> bytesMoved, bytesNeeded, flops, resultBytes, argumentBytes;
  int64_t launches = 0, copies = 0, workers = 0;
  double copySeconds = 0;  ///< Of the copies between steps, per call.
  double callSeconds = -1; ///< Of a whole call; negative: not measured.
  int64_t runs = 0;
  Roofs roofs;
  double compileSeconds = 0;
  std::string cache; ///< What the object cache gave.
  std::vector<Trace::Event> compileEvents;
  std::vector<std::pair<int, std::string>> threads;
  /// Text of the user's lines, by SourceLoc::str(); empty where it may not be shown.
  std::map<std::string, std::string> sources;
};

/// One file that needs nothing else.
std::string htmlPage(const Report &report);

} // namespace sinter::codegen::report
