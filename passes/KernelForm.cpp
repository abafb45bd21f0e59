// SPDX-License-Identifier: Apache-2.0
#include "sinter/passes/KernelForm.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace sinter::ir;

namespace sinter::passes {

llvm::StringRef stringify(KernelForm form) {
  static constexpr llvm::StringLiteral names[] = {"loop", "row", "reduce", "contraction", "scatter"};
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

int64_t elementCost(Operation *op) {
  if (auto elementwise = dyn_cast<ElementwiseOpInterface>(op))
    return elementwise.getElementCost();
  return 1;
}

bool isFreeToRecompute(Operation *op) {
  auto indexed = dyn_cast<IndexedOpInterface>(op);
  if (!indexed)
    return false;
  if (isa<ElementwiseOpInterface>(op))
    return op->getNumOperands() == 0;
  Indexing indexing = indexed.getIndexing();
  if (indexing.combiner != Combiner::None || indexing.accesses.size() > 1)
    return false;
  // Unit-stride views and generators; a gather or a permuted read is real work.
  for (const Access &access : indexing.accesses) {
    if (!access.guards.empty())
      return false;
    unsigned next = 0;
    for (const IndexExpr &index : access.index) {
      if (index.kind() == IndexExpr::Kind::Load)
        return false;
      if (auto d = index.asDim()) {
        if (*d < next)
          return false;
        next = *d + 1;
      }
    }
  }
  return true;
}

namespace {

/// Equal after dropping dims of constant size 1.
bool equalUpToOnes(const Shape &a, const Shape &b) {
  auto squeeze = [](const Shape &shape) {
    std::vector<DimExpr> dims;
    for (const DimExpr &dim : shape)
      if (dim.constant() != 1)
        dims.push_back(dim);
    return dims;
  };
  return squeeze(a) == squeeze(b);
}

class Analyzer {
public:
  Analyzer(llvm::ArrayRef<Operation *> ops, llvm::ArrayRef<Value> outputs)
      : ops(ops), outputs(outputs) {}

  std::variant<KernelAnalysis, std::string> run() {
    for (Operation *op : ops)
      inside.insert(op);
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
    llvm::SmallVector<Operation *> contractions, scatters, reductions;
    for (Operation *op : ops) {
      auto indexed = dyn_cast<IndexedOpInterface>(op);
      if (!indexed)
        return "it cannot be part of a kernel";
      Indexing indexing = indexed.getIndexing();
      switch (indexing.combiner) {
      case Combiner::None:
        continue;
      case Combiner::Contract:
        contractions.push_back(op);
        continue;
      case Combiner::ScatterAdd:
        scatters.push_back(op);
        continue;
      default:
        reductions.push_back(op);
      }
    }
    if (!scatters.empty())
      return single(scatters, KernelForm::Scatter, contractions.size() + reductions.size());
    if (!contractions.empty())
      return single(contractions, KernelForm::Contraction, reductions.size());
    if (reductions.empty()) {
      result.form = KernelForm::Loop;
      if (outputs.empty())
        return "it has no output";
      result.domain = tensorType(outputs.front()).getShape();
      return std::nullopt;
    }
    result.anchors.assign(reductions.begin(), reductions.end());
    result.domain = tensorType(reductions.front()->getOperand(0)).getShape();
    result.axes = reducedAxes(reductions.front());
    result.form = KernelForm::Row;
    for (auto [i, axis] : llvm::enumerate(result.axes))
      if (axis != result.domain.rank() - static_cast<int64_t>(result.axes.size() - i))
        result.form = KernelForm::Reduce;
    if (result.form == KernelForm::Row && tooFewRows())
      result.form = dependentReductions() ? KernelForm::Row : KernelForm::Reduce;
    return std::nullopt;
  }

  Reason single(llvm::ArrayRef<Operation *> anchors, KernelForm form, size_t others) {
    if (anchors.size() > 1 || others > 0)
      return "a kernel holds one contraction or scatter and no other reduction";
    result.form = form;
    result.anchors.assign(anchors.begin(), anchors.end());
    result.domain = tensorType(anchors.front()->getResult(0)).getShape();
    for (Value operand : anchors.front()->getOperands())
      if (form == KernelForm::Contraction && inside.contains(operand.getDefiningOp()))
        return "a contraction reads its operands from memory";
    return std::nullopt;
  }

  static llvm::SmallVector<int64_t> reducedAxes(Operation *op) {
    Indexing indexing = cast<IndexedOpInterface>(op).getIndexing();
    llvm::SmallVector<int64_t> axes;
    for (auto [axis, index] : llvm::enumerate(indexing.accesses.front().index))
      if (auto d = index.asDim(); d && *d >= indexing.numParallel())
        axes.push_back(static_cast<int64_t>(axis));
    return axes;
  }

  /// Whole rows are the unit of parallel work; a handful of them would leave threads idle.
  bool tooFewRows() const {
    auto rows = result.keptShape().numElements().constant();
    auto all = result.domain.numElements().constant();
    return rows && *rows < 16 && (!all || *all / std::max<int64_t>(*rows, 1) >= 4096);
  }

  /// Whether a reduction, or an output of the domain's shape, needs the result of another reduction.
  bool dependentReductions() const {
    llvm::DenseSet<Value> tainted;
    for (Operation *op : ops) {
      bool dependent = llvm::any_of(op->getOperands(), [&](Value v) { return tainted.contains(v); });
      bool anchor = llvm::is_contained(result.anchors, op);
      if (dependent && anchor)
        return true;
      if (!dependent && !anchor)
        continue;
      for (Value v : op->getResults()) {
        tainted.insert(v);
        if (!anchor && tensorType(v).getShape() == result.domain && !equalUpToOnes(result.domain, result.keptShape()))
          return true;
      }
    }
    return false;
  }

  Reason visit(Operation *op) {
    if (llvm::is_contained(result.anchors, op))
      return visitAnchor(op);
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
    if (isa<ElementwiseOpInterface>(op))
      return place(value, *role, ready);
    // Views of per-row values: back to the domain, or with size-1 dims added or dropped.
    if (*role != Role::Kept || op->getNumOperands() != 1)
      return "it moves elements of a value that is computed in the kernel";
    const Shape shape = tensorType(value).getShape();
    if (shape == result.domain && spreadsKept(op))
      return place(value, Role::Full, ready);
    if (equalUpToOnes(shape, result.keptShape()) && keepsOrder(op))
      return place(value, Role::Kept, ready);
    return "it moves elements of a value that is computed in the kernel";
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
    if (result.form == KernelForm::Contraction || result.form == KernelForm::Scatter) {
      result.numPhases = 1;
      return place(value, Role::Full, 1);
    }
    Value operand = op->getOperand(0);
    if (tensorType(operand).getShape() != result.domain || reducedAxes(op) != result.axes)
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
    Indexing indexing = cast<IndexedOpInterface>(op).getIndexing();
    if (indexing.accesses.size() != 1 || !indexing.accesses.front().guards.empty())
      return false;
    const Access &access = indexing.accesses.front();
    Shape operand = tensorType(op->getOperand(0)).getShape();
    int64_t axis = 0; // Walks the kept dims of the domain that are not of size 1.
    auto skip = [&] {
      while (axis < result.domain.rank() && (result.isReduced(axis) || result.domain[axis].constant() == 1))
        ++axis;
    };
    for (int64_t i = 0; i < operand.rank(); ++i) {
      if (operand[i].constant() == 1)
        continue;
      skip();
      auto d = access.index[static_cast<size_t>(i)].asDim();
      if (!d || static_cast<int64_t>(*d) != axis)
        return false;
      ++axis;
    }
    skip();
    return axis == result.domain.rank();
  }

  /// A view that only adds or drops size-1 dims.
  static bool keepsOrder(Operation *op) {
    return isa<ReshapeOp, BroadcastOp>(op) &&
           equalUpToOnes(tensorType(op->getOperand(0)).getShape(), tensorType(op->getResult(0)).getShape());
  }

  Reason placeOutput(Value output) {
    auto it = result.roles.find(output);
    Shape shape = tensorType(output).getShape();
    if (it != result.roles.end())
      return std::nullopt;
    // Not derived from an anchor. A scatter has no pass in which other values could be written.
    if (result.form == KernelForm::Scatter)
      return "a scatter writes only its own result";
    if (shape == result.domain) {
      result.roles[output] = Role::Full;
      return std::nullopt;
    }
    if (!result.axes.empty() && equalUpToOnes(shape, result.keptShape())) {
      result.roles[output] = Role::Kept;
      return std::nullopt;
    }
    return "its outputs have different shapes";
  }

  llvm::ArrayRef<Operation *> ops;
  llvm::ArrayRef<Value> outputs;
  llvm::DenseSet<Operation *> inside;
  KernelAnalysis result;
};

} // namespace

std::variant<KernelAnalysis, std::string> analyzeKernel(llvm::ArrayRef<Operation *> ops,
                                                        llvm::ArrayRef<Value> outputs) {
  return Analyzer(ops, outputs).run();
}

std::variant<KernelAnalysis, std::string> analyzeKernel(FusedOp fused) {
  llvm::SmallVector<Operation *> ops;
  for (Operation &op : fused.getBody().front().without_terminator())
    ops.push_back(&op);
  llvm::SmallVector<Value> outputs(fused.getBody().front().getTerminator()->getOperands());
  return analyzeKernel(ops, outputs);
}

} // namespace sinter::passes
