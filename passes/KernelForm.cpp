// SPDX-License-Identifier: Apache-2.0
#include "sinter/passes/KernelForm.h"

#include "sinter/passes/AttentionForm.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace sinter::ir;

namespace sinter::passes {

llvm::StringRef stringify(KernelForm form) {
  static constexpr llvm::StringLiteral names[numKernelForms] = {
      "loop", "row", "reduce", "contraction", "scatter", "cumulative", "sort",
      "attention", "convolution"};
  return names[static_cast<size_t>(form)];
}

bool KernelAnalysis::isReduced(int64_t axis) const { return llvm::is_contained(axes, axis); }

Shape KernelAnalysis::keptShape() const {
  Shape kept;
  for (int64_t i = 0; i < domain.rank(); ++i)
    if (!isReduced(i))
      kept.push_back(domain[i]);
  return kept;
}

static Dims dimsOf(Value value) { return tensorType(value).getDims(); }

bool KernelAnalysis::hasFewLongRows() const {
  constexpr int64_t fewRows = 16, longRow = 4096;
  auto count = [&](bool reduced) -> std::optional<int64_t> {
    int64_t product = 1;
    for (int64_t d = 0; d < domain.rank(); ++d) {
      if (isReduced(d) != reduced)
        continue;
      auto size = domain[d].constant();
      if (!size)
        return std::nullopt;
      product *= *size;
    }
    return product;
  };
  return count(false).value_or(fewRows) < fewRows && count(true).value_or(longRow) >= longRow;
}

namespace {

class Analyzer {
public:
  Analyzer(llvm::ArrayRef<Operation *> ops, llvm::ArrayRef<Value> outputs, OpFacts &facts)
      : ops(ops), outputs(outputs), facts(facts) {}

  std::variant<KernelAnalysis, std::string> run() {
    if (auto reason = chooseForm())
      return *reason;
    for (Operation *op : ops)
      if (auto reason = visit(op))
        return *reason;
    for (Value output : outputs)
      if (auto reason = placeOutput(output))
        return *reason;
    return std::move(result);
  }

private:
  using Reason = std::optional<std::string>;

  /// Finds the anchors; they decide form, domain and axes.
  Reason chooseForm() {
    AnchorKind kind = AnchorKind::None;
    for (Operation *op : ops) {
      const OpFacts::Entry &entry = facts[op];
      if (!entry.indexing)
        return "it cannot be part of a kernel";
      if (isRegrouping(op))
        return "a view that regroups dims stays outside of kernels";
      if (entry.anchor == AnchorKind::None)
        continue;
      if (kind != AnchorKind::None && (kind != entry.anchor || standsAlone(kind)))
        return "a kernel holds one contraction, scatter or sort, or reductions of one kind";
      kind = entry.anchor;
      result.anchors.push_back(op);
    }
    switch (kind) {
    case AnchorKind::None:
      result.form = KernelForm::Loop;
      if (outputs.empty())
        return "it has no output";
      setDomain(outputs.front());
      return std::nullopt;
    case AnchorKind::Reduction:
      chooseReduction();
      return std::nullopt;
    case AnchorKind::Cumulative:
      return chooseCumulative();
    case AnchorKind::Contraction:
      result.form = KernelForm::Contraction;
      for (Value operand : result.anchors.front()->getOperands())
        if (llvm::is_contained(ops, operand.getDefiningOp()))
          return "a contraction reads its operands from memory";
      break;
    case AnchorKind::Convolution:
      result.form = KernelForm::Convolution;
      for (Value operand : result.anchors.front()->getOperands())
        if (llvm::is_contained(ops, operand.getDefiningOp()))
          return "a convolution reads its operands from memory";
      break;
    case AnchorKind::Scatter:
      result.form = KernelForm::Scatter;
      break;
    case AnchorKind::Attention:
      if (ops.size() != 1 || !hasAttentionKernel(ops.front()))
        return "attention is a kernel of its own, for some shapes";
      result.form = KernelForm::Attention;
      for (Value value : ops.front()->getResults())
        result.roles[value] = Role::Full;
      break;
    case AnchorKind::Sort:
      result.form = KernelForm::Sort;
      result.axes = {facts[result.anchors.front()].indexing->order->axis};
      break;
    }
    setDomain(result.anchors.front()->getResult(0));
    return std::nullopt;
  }

  void chooseReduction() {
    Operation *first = result.anchors.front();
    setDomain(first->getOperand(0));
    result.axes = reducedAxes(first);
    result.form = KernelForm::Row;
    for (auto [i, axis] : llvm::enumerate(result.axes))
      if (axis != result.domain.rank() - static_cast<int64_t>(result.axes.size() - i))
        result.form = KernelForm::Reduce;
    for (int64_t d = 0; d < static_cast<int64_t>(domain.size()); ++d)
      if (!result.isReduced(d))
        kept.push_back(domain[static_cast<size_t>(d)]);
    if (result.form == KernelForm::Row && result.hasFewLongRows() && !dependentReductions())
      result.form = KernelForm::Reduce;
  }

  /// All of them advance together: a later one may take in what an earlier one has come to.
  Reason chooseCumulative() {
    setDomain(result.anchors.front()->getResult(0));
    const Cumulative &first = *facts[result.anchors.front()].indexing->cumulative;
    for (Operation *anchor : result.anchors) {
      const Cumulative &other = *facts[anchor].indexing->cumulative;
      if (dimsOf(anchor->getResult(0)) != domain || other.axis != first.axis ||
          other.reverse != first.reverse)
        return "its running reductions go over different ranges";
    }
    result.form = KernelForm::Cumulative;
    result.axes = {first.axis};
    return std::nullopt;
  }

  void setDomain(Value value) {
    domain = dimsOf(value);
    result.domain = tensorType(value).getShape();
  }

  llvm::SmallVector<int64_t> reducedAxes(Operation *op) const {
    const Indexing &indexing = *facts[op].indexing;
    llvm::SmallVector<int64_t> axes;
    for (auto [axis, index] : llvm::enumerate(indexing.accesses.front().index))
      if (auto d = index.asDim(); d && *d >= indexing.numParallel())
        axes.push_back(static_cast<int64_t>(axis));
    return axes;
  }

  /// Whether a reduction, or an output of the domain's shape, needs the result of another
  /// reduction.
  bool dependentReductions() const {
    llvm::DenseSet<Value> tainted;
    for (Operation *op : ops) {
      bool dependent =
          llvm::any_of(op->getOperands(), [&](Value v) { return tainted.contains(v); });
      bool anchor = llvm::is_contained(result.anchors, op);
      if (dependent && anchor)
        return true;
      if (!dependent && !anchor)
        continue;
      for (Value v : op->getResults()) {
        tainted.insert(v);
        if (!anchor && dimsOf(v) == domain && !equalUpToOnes(domain, kept))
          return true;
      }
    }
    return false;
  }

  Reason visit(Operation *op) {
    if (llvm::is_contained(result.anchors, op))
      return visitAnchor(op);
    if (result.reduces() && !facts[op].elementwise && !keepsOrder(op))
      for (Value operand : op->getOperands())
        if (isComputedAtPoints(operand))
          return "it reads a value that is computed point by point at other points";
    unsigned ready = 0;
    std::optional<Role> role;
    for (Value operand : op->getOperands()) {
      auto it = result.roles.find(operand);
      if (it == result.roles.end())
        continue;
      ready = std::max(ready, result.ready.lookup(operand));
      if (role && *role != it->second)
        return "it mixes values of different extent";
      role = it->second;
    }
    if (!role)
      return std::nullopt; // Does not depend on an anchor: computed wherever it is needed.
    if (result.form == KernelForm::Scatter)
      return "a scatter writes only its own result";
    if (op->getNumResults() != 1)
      return "it has several results";
    Value value = op->getResult(0);
    if (facts[op].elementwise)
      return place(value, *role, ready);
    // Views of per-row values: back to the domain, or with size-1 dims added or dropped.
    if (*role != Role::Kept || op->getNumOperands() != 1)
      return "it moves elements of a value that is computed in the kernel";
    if (dimsOf(value) == domain && spreadsKept(op))
      return place(value, Role::Full, ready);
    if (equalUpToOnes(dimsOf(value), kept) && keepsOrder(op))
      return place(value, Role::Kept, ready);
    return "it moves elements of a value that is computed in the kernel";
  }

  /// Made here, at some cost, for each point of the domain that is reduced.
  bool isComputedAtPoints(Value value) const {
    Operation *op = value.getDefiningOp();
    return op && llvm::is_contained(ops, op) && !facts[op].freeToRecompute &&
           dimsOf(value) == domain;
  }

  Reason place(Value value, Role role, unsigned ready) {
    if (role == Role::Full && result.form == KernelForm::Reduce)
      return "a second pass over the reduced tensor would be needed";
    result.roles[value] = role;
    result.ready[value] = ready;
    return std::nullopt;
  }

  Reason visitAnchor(Operation *op) {
    Value value = op->getResult(0);
    if (!result.reduces()) {
      result.numPhases = 1;
      return place(value, Role::Full, 1);
    }
    Value operand = op->getOperand(0);
    if (dimsOf(operand) != domain || reducedAxes(op) != result.axes)
      return "its reductions run over different ranges";
    unsigned phase = 0;
    auto it = result.roles.find(operand);
    if (it != result.roles.end()) {
      if (it->second != Role::Full)
        return "it reduces a value that is already reduced";
      phase = result.ready.lookup(operand);
    }
    if (phase > 0 && result.form != KernelForm::Row)
      return "one reduction needs the result of another";
    result.phase[op] = phase;
    result.numPhases = std::max(result.numPhases, phase + 1);
    return place(value, Role::Kept, phase + 1);
  }

  /// A broadcast of a kept value to the domain, along the dims that were reduced.
  bool spreadsKept(Operation *op) const {
    const Indexing &indexing = *facts[op].indexing;
    if (indexing.accesses.size() != 1 || !indexing.accesses.front().guards.empty())
      return false;
    const Access &access = indexing.accesses.front();
    // Walks the kept dims of the domain that are not of size 1.
    int64_t rank = static_cast<int64_t>(domain.size()), axis = 0;
    auto skip = [&] {
      while (axis < rank && (result.isReduced(axis) || isOne(domain[static_cast<size_t>(axis)])))
        ++axis;
    };
    for (auto [dim, index] : llvm::zip_equal(dimsOf(op->getOperand(0)), access.index)) {
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

  /// A view that only adds or drops size-1 dims.
  static bool keepsOrder(Operation *op) {
    return isa<ReshapeOp, BroadcastOp>(op) &&
           equalUpToOnes(dimsOf(op->getOperand(0)), dimsOf(op->getResult(0)));
  }

  Reason placeOutput(Value output) {
    auto it = result.roles.find(output);
    if (it != result.roles.end())
      return std::nullopt;
    // Not derived from an anchor: some forms have no pass in which it could be written.
    if (result.form == KernelForm::Scatter)
      return "a scatter writes only its own result";
    if (result.form == KernelForm::Sort)
      return "a sort writes only what follows from it";
    if (dimsOf(output) == domain) {
      result.roles[output] = Role::Full;
      return std::nullopt;
    }
    if (result.reduces() && equalUpToOnes(dimsOf(output), kept)) {
      result.roles[output] = Role::Kept;
      return std::nullopt;
    }
    return "its outputs have different shapes";
  }

  llvm::ArrayRef<Operation *> ops;
  llvm::ArrayRef<Value> outputs;
  OpFacts &facts;
  KernelAnalysis result;
  Dims domain;                       ///< Those of result.domain.
  llvm::SmallVector<Attribute> kept; ///< Row, Reduce: those of the dims that are not reduced.
};

} // namespace

std::variant<KernelAnalysis, std::string>
analyzeKernel(llvm::ArrayRef<Operation *> ops, llvm::ArrayRef<Value> outputs, OpFacts &facts) {
  return Analyzer(ops, outputs, facts).run();
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
  return analyzeKernel(ops, outputs);
}

} // namespace sinter::passes
