// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/passes/KernelForm.h"

#include <algorithm>
#include <map>
#include <vector>

namespace sinter::passes {

/// What fusion asks of a kernel: a KernelAnalysis without the tables that only back ends read.
struct KernelSketch {
  using Ops = llvm::SmallVector<const OpFacts::Entry *, 2>;

  KernelForm form = KernelForm::Loop;
  mlir::Value shaped; ///< It has the domain's shape, or more dims; null: the domain has no dims.
  Dims domain;
  llvm::SmallVector<int64_t, 4> axes;
  Ops anchors, rows, columns;
  unsigned numPhases = 0;

  bool isReduced(int64_t axis) const { return llvm::is_contained(axes, axis); }
  bool reduces() const { return form == KernelForm::Row || form == KernelForm::Reduce; }
  bool hasRowsBehind() const { return form == KernelForm::Contraction && !axes.empty(); }
  bool hasFewLongRows() const;
};

/// Analyses many sets of ops. An analysis looks at each op once and allocates next to nothing: what
/// it notes on ops lies in a table by their numbers, which the next one takes over.
class KernelAnalyzer {
public:
  using Entry = OpFacts::Entry;
  using Ops = llvm::ArrayRef<const Entry *>; ///< In program order.
  using Reason = const char *;               ///< Null: there is none.

  explicit KernelAnalyzer(OpFacts &facts) : facts(facts) {}

  /// Why no back end could make one kernel of these ops, of which `outputs` are needed outside;
  /// null when one can. What was found holds until the next analysis.
  Reason analyze(Ops ops, llvm::ArrayRef<mlir::Value> outputs);
  /// Forgets the last analysis: of no ops there is nothing to know.
  void clear();
  const KernelSketch &sketch() const { return result; }
  /// How the op's result lies in the domain, if it depends on an anchor or is an output.
  std::optional<Role> roleOf(const Entry &entry) const {
    const Mark *mark = find(&entry);
    return mark && mark->hasRole ? std::optional(mark->role) : std::nullopt;
  }
  /// All of it, for the back ends.
  KernelAnalysis full() const;
  size_t numAnalyses() const { return analyses; }
  size_t numVisits() const { return visits; } ///< Of ops, in all analyses.

private:
  /// What an op is to the kernel.
  enum class Part : uint8_t { Other, Anchor, Row, Column };
  /// What is known of an op in this analysis.
  struct Mark {
    unsigned round = 0; ///< Of an earlier one: nothing.
    Part part = Part::Other;
    Role role = Role::Full;
    bool isInside = false, hasRole = false, hasReady = false, hasPhase = false;
    bool isTainted = false; ///< Of dependentReductions() and smallReductions().
    unsigned ready = 0, phase = 0;
  };

  // KernelAnchors.cpp: what the kernel is built around.
  Reason chooseForm();
  Reason chooseRowsBehind();
  unsigned rowDimsBehind(ir::DotGeneralOp dot);
  Reason chooseCumulative();
  Reason choosePairs(llvm::ArrayRef<const Entry *> small);
  void chooseReduction();
  void takeColumns(KernelSketch::Ops &reductions);
  bool reducesLast(const Entry *reduction) const;
  bool reducesOthers(const Entry *reduction) const;
  KernelSketch::Ops smallReductions();
  bool dependentReductions();
  llvm::SmallVector<int64_t, 4> reducedAxes(const Entry *reduction) const;
  void setDomain(mlir::Value value);

  // KernelForm.cpp: where its values are computed.
  Reason visit(const Entry &entry);
  Reason visitAnchor(const Entry &entry, Mark &mark);
  Reason visitRow(const Entry &entry, Mark &mark);
  Reason visitColumn(const Entry &entry, Mark &mark);
  Reason staysAtPair(const Entry &entry) const;
  bool isComputedAtPoints(const Entry *maker, mlir::Value value) const;
  Reason place(Mark &mark, Role role, unsigned ready);
  Reason placeOutput(mlir::Value output);
  bool picksInRow(const Entry &entry) const;
  bool spreadsKept(const Entry &entry) const;

  void begin(Ops newOps, llvm::ArrayRef<mlir::Value> newOutputs);
  Mark &at(const Entry &entry) {
    if (entry.number >= marks.size())
      marks.resize(std::max<size_t>(facts.size(), entry.number + 1));
    Mark &mark = marks[entry.number];
    if (mark.round != round)
      mark = Mark{.round = round};
    return mark;
  }
  const Mark *find(const Entry *entry) const {
    const bool known = entry && entry->number < marks.size() && marks[entry->number].round == round;
    return known ? &marks[entry->number] : nullptr;
  }
  bool isInside(const Entry *entry) const {
    const Mark *mark = find(entry);
    return mark && mark->isInside;
  }
  const Mark *markOfMaker(const Entry &entry, unsigned operand) const {
    return find(facts.makerOf(entry, operand));
  }
  /// Keeps the text for as long as the analyzer lives.
  Reason keep(std::optional<std::string> reason);

  OpFacts &facts;
  Ops ops;
  llvm::ArrayRef<mlir::Value> outputs;
  KernelSketch result;
  llvm::SmallVector<mlir::Attribute>
      kept;                ///< Row, Reduce: dims of the domain that are not reduced.
  std::vector<Mark> marks; ///< By Entry::number.
  llvm::SmallVector<std::pair<mlir::Value, Role>, 1> arguments; ///< Outputs that no op makes.
  unsigned round = 0;
  std::map<std::pair<unsigned, unsigned>, Reason> rowsRefused; ///< By contraction and row dims.
  std::map<std::string, std::string> reasons;
  size_t analyses = 0, visits = 0;
};

} // namespace sinter::passes
