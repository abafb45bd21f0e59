// SPDX-License-Identifier: Apache-2.0
// Where a kernel computes its values, once it is known what it is built around (KernelAnchors.cpp).
#include "sinter/passes/KernelForm.h"

#include "sinter/passes/ContractionPrologue.h"
#include "sinter/passes/KernelAnalyzer.h"

#include "llvm/ADT/STLExtras.h"

using namespace mlir;
using namespace sinter::ir;

namespace sinter::passes {

static Dims dimsOf(Value value) { return tensorType(value).getDims(); }

/// A view that only adds or drops size-1 dims.
static bool keepsOrder(Operation *op) {
  return isa<ReshapeOp, BroadcastOp>(op) &&
         equalUpToOnes(dimsOf(op->getOperand(0)), dimsOf(op->getResult(0)));
}

// -- An analysis ----------------------------------------------------------------------------------

KernelAnalyzer::Reason KernelAnalyzer::analyze(Ops newOps, llvm::ArrayRef<Value> newOutputs) {
  begin(newOps, newOutputs);
  ++analyses;
  if (Reason reason = chooseForm())
    return reason;
  auto name = [&](const KernelSketch::Ops &entries, Part part) {
    for (const Entry *entry : entries)
      at(*entry).part = part;
  };
  name(result.anchors, Part::Anchor);
  name(result.rows, Part::Row);
  name(result.columns, Part::Column);
  // Without an anchor there is nothing to depend on.
  if (!result.anchors.empty() || !result.columns.empty())
    for (const Entry *entry : ops) {
      ++visits;
      if (Reason reason = visit(*entry))
        return reason;
    }
  for (Value output : outputs)
    if (Reason reason = placeOutput(output))
      return reason;
  return nullptr;
}

void KernelAnalyzer::clear() { begin({}, {}); }

void KernelAnalyzer::begin(Ops newOps, llvm::ArrayRef<Value> newOutputs) {
  ops = newOps;
  outputs = newOutputs;
  result = KernelSketch();
  kept.clear();
  arguments.clear();
  ++round;
}

KernelAnalyzer::Reason KernelAnalyzer::keep(std::optional<std::string> reason) {
  if (!reason)
    return nullptr;
  return reasons.try_emplace(*reason, *reason).first->second.c_str();
}

KernelAnalysis KernelAnalyzer::full() const {
  KernelAnalysis analysis;
  analysis.form = result.form;
  if (result.shaped)
    analysis.domain = facts.shapeOf(result.shaped);
  analysis.axes.assign(result.axes.begin(), result.axes.end());
  auto list = [](const KernelSketch::Ops &entries, llvm::SmallVectorImpl<Operation *> &to) {
    for (const Entry *entry : entries)
      to.push_back(entry->op);
  };
  list(result.anchors, analysis.anchors);
  list(result.rows, analysis.rows);
  list(result.columns, analysis.columns);
  analysis.numPhases = result.numPhases;
  for (const Entry *entry : ops) {
    const Mark *mark = find(entry);
    if (!mark)
      continue;
    if (mark->hasRole)
      for (Value value : entry->op->getResults())
        analysis.roles[value] = mark->role;
    if (mark->hasReady)
      analysis.ready[entry->op->getResult(0)] = mark->ready;
    if (mark->hasPhase)
      analysis.phase[entry->op] = mark->phase;
  }
  for (auto [value, role] : arguments)
    analysis.roles[value] = role;
  return analysis;
}

// -- Ops ------------------------------------------------------------------------------------------

KernelAnalyzer::Reason KernelAnalyzer::visit(const Entry &entry) {
  Operation *op = entry.op;
  switch (Mark &mark = at(entry); mark.part) {
  case Part::Anchor:
    return visitAnchor(entry, mark);
  case Part::Row:
    return visitRow(entry, mark);
  case Part::Column:
    return visitColumn(entry, mark);
  case Part::Other:
    break;
  }
  if (result.reduces() && !entry.elementwise && !keepsOrder(op))
    for (auto [i, operand] : llvm::enumerate(op->getOperands()))
      if (isComputedAtPoints(facts.makerOf(entry, static_cast<unsigned>(i)), operand))
        return "it reads a value that is computed point by point at other points";
  unsigned ready = 0;
  std::optional<Role> role;
  for (unsigned i = 0; i < op->getNumOperands(); ++i) {
    const Mark *maker = markOfMaker(entry, i);
    if (!maker || !maker->hasRole)
      continue;
    ready = std::max(ready, maker->ready);
    if (role && *role != maker->role)
      return "it mixes values of different extent";
    role = maker->role;
  }
  if (!role && result.form == KernelForm::Pairs)
    return staysAtPair(entry);
  if (!role)
    return nullptr; // Does not depend on an anchor: computed wherever it is needed.
  if (result.form == KernelForm::Scatter)
    return "a scatter writes only its own result";
  if (op->getNumResults() != 1)
    return "it has several results";
  if (entry.elementwise)
    return place(at(entry), *role, ready);
  if (result.form == KernelForm::Pairs)
    return "it moves elements of a value that is computed in the kernel";
  if (*role == Role::Full && picksInRow(entry))
    return place(at(entry), Role::Kept, std::max(ready, 1u));
  // Views of per-row values: back to the domain, or with size-1 dims added or dropped.
  if (*role != Role::Kept || op->getNumOperands() != 1)
    return "it moves elements of a value that is computed in the kernel";
  const Dims dims = dimsOf(op->getResult(0));
  if (dims == result.domain && spreadsKept(entry))
    return place(at(entry), Role::Full, ready);
  if (equalUpToOnes(dims, kept) && keepsOrder(op))
    return place(at(entry), Role::Kept, ready);
  return "it moves elements of a value that is computed in the kernel";
}

/// Pairs: what is computed for a pair is read for the same pair only.
KernelAnalyzer::Reason KernelAnalyzer::staysAtPair(const Entry &entry) const {
  if (entry.elementwise)
    return nullptr;
  const Dims domain = result.domain;
  for (const Access &access : entry.indexing->accesses) {
    Dims dims = dimsOf(entry.op->getOperand(access.operand));
    if (dims.size() < domain.size() || dims.take_front(domain.size()) != domain)
      continue;
    for (unsigned d = 0; d < domain.size(); ++d)
      if (access.index[d].asDim() != d)
        return "it reads a value that is computed for another pair";
  }
  return nullptr;
}

/// Made here, at some cost, for each point of the domain that is reduced.
bool KernelAnalyzer::isComputedAtPoints(const Entry *maker, Value value) const {
  return isInside(maker) && !maker->freeToRecompute && dimsOf(value) == result.domain;
}

KernelAnalyzer::Reason KernelAnalyzer::place(Mark &mark, Role role, unsigned ready) {
  if (role == Role::Full && (result.form == KernelForm::Reduce || result.form == KernelForm::Pairs))
    return "a second pass over the reduced tensor would be needed";
  mark.hasRole = mark.hasReady = true;
  mark.role = role;
  mark.ready = ready;
  return nullptr;
}

KernelAnalyzer::Reason KernelAnalyzer::visitAnchor(const Entry &entry, Mark &mark) {
  const bool isPairs = result.form == KernelForm::Pairs;
  if (!result.reduces() && !isPairs) {
    result.numPhases = result.hasRowsBehind() ? 0 : 1;
    return place(mark, Role::Full, result.numPhases);
  }
  const Mark *operand = markOfMaker(entry, 0);
  const bool depends = operand && operand->hasRole;
  if (isPairs && depends)
    return "one reduction needs the result of another";
  if (!isPairs &&
      (dimsOf(entry.op->getOperand(0)) != result.domain || reducedAxes(&entry) != result.axes))
    return "its reductions run over different ranges";
  if (depends && operand->role != Role::Full)
    return "it reduces a value that is already reduced";
  const unsigned phase = depends ? operand->ready : 0;
  if (phase > 0 && result.form != KernelForm::Row)
    return "one reduction needs the result of another";
  mark.hasPhase = true;
  mark.phase = phase;
  result.numPhases = std::max(result.numPhases, phase + 1);
  return place(mark, Role::Kept, phase + 1);
}

KernelAnalyzer::Reason KernelAnalyzer::visitRow(const Entry &entry, Mark &mark) {
  const Mark *operand = markOfMaker(entry, 0);
  if (!operand || !operand->hasRole || dimsOf(entry.op->getOperand(0)) != result.domain ||
      reducedAxes(&entry) != result.axes)
    return "its reductions do not go over the rows of its contraction";
  if (operand->role != Role::Full)
    return "it reduces a value that is already reduced";
  mark.hasPhase = true;
  mark.phase = operand->ready;
  result.numPhases = std::max(result.numPhases, mark.phase + 1);
  return place(mark, Role::Kept, mark.phase + 1);
}

KernelAnalyzer::Reason KernelAnalyzer::visitColumn(const Entry &entry, Mark &mark) {
  const Mark *operand = markOfMaker(entry, 0);
  const bool depends = operand && operand->hasRole;
  if (!depends && result.form == KernelForm::Contraction)
    return "its reductions do not go over the rows of its contraction";
  if (depends && operand->role != Role::Full)
    return "it reduces a value that is already reduced";
  return place(mark, Role::Column, result.numPhases);
}

/// Behind a contraction: takes one element of its row, which is at hand.
bool KernelAnalyzer::picksInRow(const Entry &entry) const {
  const Indexing &indexing = *entry.indexing;
  if (!result.hasRowsBehind() || indexing.accesses.size() != 1 ||
      !indexing.accesses.front().guards.empty() || dimsOf(entry.op->getResult(0)) != Dims(kept) ||
      dimsOf(entry.op->getOperand(indexing.accesses.front().operand)) != result.domain)
    return false;
  for (auto [d, index] :
       llvm::enumerate(llvm::ArrayRef(indexing.accesses.front().index).take_front(kept.size())))
    if (index.asDim() != d)
      return false;
  return true;
}

/// A broadcast of a kept value to the domain, along the dims that were reduced.
bool KernelAnalyzer::spreadsKept(const Entry &entry) const {
  const Indexing &indexing = *entry.indexing;
  if (indexing.accesses.size() != 1 || !indexing.accesses.front().guards.empty())
    return false;
  const Access &access = indexing.accesses.front();
  // Walks the kept dims of the domain that are not of size 1.
  const Dims domain = result.domain;
  int64_t rank = static_cast<int64_t>(domain.size()), axis = 0;
  auto skip = [&] {
    while (axis < rank && (result.isReduced(axis) || isOne(domain[static_cast<size_t>(axis)])))
      ++axis;
  };
  for (auto [dim, index] : llvm::zip_equal(dimsOf(entry.op->getOperand(0)), access.index)) {
    if (isOne(dim))
      continue;
    skip();
    auto d = index.asDim();
    if (!d || static_cast<int64_t>(*d) != axis)
      return false;
    ++axis;
  }
  skip();
  return axis == rank;
}

KernelAnalyzer::Reason KernelAnalyzer::placeOutput(Value output) {
  Operation *op = output.getDefiningOp();
  Mark *mark = op ? &at(facts[op]) : nullptr;
  if (mark && mark->hasRole)
    return nullptr;
  // Not derived from an anchor: some forms have no pass in which it could be written.
  if (result.form == KernelForm::Scatter)
    return "a scatter writes only its own result";
  if (result.form == KernelForm::Sort)
    return "a sort writes only what follows from it";
  if (result.form == KernelForm::Pairs)
    return "only what follows from its reductions is written";
  const Dims dims = dimsOf(output);
  const bool isFull = dims == result.domain;
  if (!isFull && !(result.reduces() && equalUpToOnes(dims, kept)))
    return "its outputs have different shapes";
  const Role role = isFull ? Role::Full : Role::Kept;
  if (mark) {
    mark->hasRole = true;
    mark->role = role;
  } else {
    arguments.push_back({output, role});
  }
  return nullptr;
}

// -- Once -----------------------------------------------------------------------------------------

std::variant<KernelAnalysis, std::string>
analyzeKernel(llvm::ArrayRef<Operation *> ops, llvm::ArrayRef<Value> outputs, OpFacts &facts) {
  llvm::SmallVector<const OpFacts::Entry *> entries;
  for (Operation *op : ops)
    entries.push_back(&facts[op]);
  KernelAnalyzer analyzer(facts);
  if (const char *reason = analyzer.analyze(entries, outputs))
    return std::string(reason);
  return analyzer.full();
}

std::variant<KernelAnalysis, std::string> analyzeKernel(llvm::ArrayRef<Operation *> ops,
                                                        llvm::ArrayRef<Value> outputs) {
  OpFacts facts;
  return analyzeKernel(ops, outputs, facts);
}

std::variant<KernelAnalysis, std::string> analyzeKernel(FusedOp fused) {
  llvm::SmallVector<Operation *> ops;
  for (Operation &op : fused.getBody().front().without_terminator())
    ops.push_back(&op);
  llvm::SmallVector<Value> outputs(fused.getBody().front().getTerminator()->getOperands());
  OpFacts facts;
  facts.forGpu = fused->hasAttr(forGpuAttr);
  return analyzeKernel(ops, outputs, facts);
}

} // namespace sinter::passes
