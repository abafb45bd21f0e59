// SPDX-License-Identifier: Apache-2.0
#include "sinter/passes/KernelForm.h"

#include "sinter/passes/AttentionForm.h"
#include "sinter/passes/ContractionPrologue.h"
#include "sinter/passes/ContractionRows.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/SmallPtrSet.h"

#include <set>

using namespace mlir;
using namespace sinter::ir;

namespace sinter::passes {

static Dims dimsOf(Value value) { return tensorType(value).getDims(); }

/// Elements over which a reduction is computed in place.
static constexpr int64_t maxInPlace = 16;

/// Whether `dims` are `lead` and then others; constant ones of at most `atMost` elements if given.
static bool extendsBy(Dims dims, Dims lead, std::optional<int64_t> atMost) {
  if (dims.size() < lead.size() || dims.take_front(lead.size()) != lead)
    return false;
  int64_t rest = 1;
  for (Attribute dim : dims.drop_front(lead.size())) {
    auto size = dyn_cast<IntegerAttr>(dim);
    if (atMost && (!size || size.getInt() > *atMost))
      return false;
    rest *= size ? size.getInt() : 1;
  }
  return !atMost || rest <= *atMost;
}

/// With a number in place of named sizes.
static double roughSize(const Shape &shape) {
  constexpr int64_t assumedSize = 1024;
  double count = 1;
  for (const DimExpr &dim : shape) {
    std::set<std::string> symbols;
    dim.collectSymbols(symbols);
    DimBinding binding;
    for (const std::string &symbol : symbols)
      binding[symbol] = assumedSize;
    count *= static_cast<double>(dim.evaluate(binding).value_or(assumedSize));
  }
  return count;
}

bool isSmallReduction(Operation *op) {
  auto indexed = dyn_cast<IndexedOpInterface>(op);
  if (!indexed || op->getNumOperands() != 1 ||
      !isa<FloatType>(tensorType(op->getOperand(0)).getElementType()))
    return false;
  Dims operand = dimsOf(op->getOperand(0)), kept = dimsOf(op->getResult(0));
  if (kept.empty() || operand.size() <= kept.size() || !extendsBy(operand, kept, maxInPlace))
    return false;
  Indexing indexing = indexed.getIndexing();
  bool combines = indexing.combiner == Combiner::Sum || indexing.combiner == Combiner::Product ||
                  indexing.combiner == Combiner::Max || indexing.combiner == Combiner::Min;
  return combines && !indexing.cumulative && indexing.numReductions > 0 &&
         operand.size() == kept.size() + indexing.numReductions &&
         llvm::all_of(llvm::enumerate(indexing.accesses.front().index),
                      [](auto entry) { return entry.value().asDim() == entry.index(); });
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
      if (kind == AnchorKind::Contraction && entry.anchor == AnchorKind::Reduction) {
        result.rows.push_back(op);
        continue;
      }
      if (kind == AnchorKind::Reduction && entry.anchor == AnchorKind::Contraction)
        return "a contraction reads what a reduction comes to";
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
      if (llvm::SmallVector<Operation *> small = smallReductions(); !small.empty()) {
        llvm::SmallVector<Operation *> anchors = result.anchors;
        if (!choosePairs(small))
          return std::nullopt;
        result = KernelAnalysis(); // They may still be phases of rows.
        result.anchors = std::move(anchors);
      }
      chooseReduction();
      return std::nullopt;
    case AnchorKind::Cumulative:
      return chooseCumulative();
    case AnchorKind::Contraction:
      result.form = KernelForm::Contraction;
      if (Reason reason = refusesPrologue(cast<DotGeneralOp>(result.anchors.front()), ops, facts))
        return reason;
      if (!result.rows.empty())
        return chooseRowsBehind();
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

  /// Reductions behind a contraction: of whole rows, or of the columns.
  Reason chooseRowsBehind() {
    auto dot = cast<DotGeneralOp>(result.anchors.front());
    setDomain(dot.getResult());
    if (Reason reason = refusesRows(dot, facts))
      return reason;
    auto rank = result.domain.rank(), first = rank - static_cast<int64_t>(numRowDims(dot));
    for (int64_t d = first; d < rank; ++d)
      result.axes.push_back(d);
    kept.assign(domain.begin(), domain.begin() + first);
    takeColumns(result.rows);
    // Partial results of a few rows each are not much less than the product, which is near.
    constexpr int64_t shortRow = 64;
    const bool isShort = result.reducedShape().numElements().constant().value_or(0) <= shortRow;
    if (!facts.forGpu && !result.columns.empty() && (result.rows.empty() || !isShort))
      return "columns of a product are added up faster from memory";
    return std::nullopt;
  }

  /// Reductions over the rows become columns.
  void takeColumns(llvm::SmallVectorImpl<Operation *> &reductions) {
    llvm::erase_if(reductions, [&](Operation *op) {
      bool isColumn = reducesOthers(op);
      if (isColumn)
        result.columns.push_back(op);
      return isColumn;
    });
  }

  void chooseReduction() {
    Operation *first = result.anchors.front();
    for (Operation *op : result.anchors)
      if (reducesLast(op)) {
        first = op;
        break;
      }
    setDomain(first->getOperand(0));
    result.axes = reducedAxes(first);
    result.form = KernelForm::Row;
    for (auto [i, axis] : llvm::enumerate(result.axes))
      if (axis != result.domain.rank() - static_cast<int64_t>(result.axes.size() - i))
        result.form = KernelForm::Reduce;
    for (int64_t d = 0; d < static_cast<int64_t>(domain.size()); ++d)
      if (!result.isReduced(d))
        kept.push_back(domain[static_cast<size_t>(d)]);
    if (result.form != KernelForm::Row)
      return;
    takeColumns(result.anchors);
    if (result.columns.empty() && result.hasFewLongRows() && !dependentReductions())
      result.form = KernelForm::Reduce;
  }

  /// Whether a reduction goes over the last dims of its operand.
  bool reducesLast(Operation *op) {
    llvm::SmallVector<int64_t> axes = reducedAxes(op);
    auto rank = static_cast<int64_t>(dimsOf(op->getOperand(0)).size());
    return !axes.empty() && axes.front() == rank - static_cast<int64_t>(axes.size());
  }

  /// Row: whether a reduction goes over exactly the dims that are kept.
  bool reducesOthers(Operation *op) {
    constexpr double cached = 1 << 15; // Elements of partial results that stay near.
    if (roughSize(result.reducedShape()) > cached)
      return false;
    llvm::SmallVector<int64_t> axes = reducedAxes(op);
    return dimsOf(op->getOperand(0)) == domain && axes.size() == kept.size() && !axes.empty() &&
           axes.back() < result.axes.front() && facts[op].indexing->combiner != Combiner::ArgMax;
  }

  /// Reductions over a few last elements whose results go into reductions that are not.
  llvm::SmallVector<Operation *> smallReductions() {
    llvm::SmallVector<Operation *> small;
    if (result.anchors.size() < 2)
      return small;
    llvm::SmallPtrSet<Operation *, 8> feeding;
    for (Operation *op : llvm::reverse(ops))
      for (Operation *user : op->getUsers())
        if (feeding.contains(user) || (facts[user].anchor == AnchorKind::Reduction &&
                                       !isSmallReduction(user) && llvm::is_contained(ops, user)))
          feeding.insert(op);
    for (Operation *anchor : result.anchors)
      if (feeding.contains(anchor) && isSmallReduction(anchor))
        small.push_back(anchor);
    return small;
  }

  /// A point of the domain is a pair: what is reduced is made of values that have one of the two
  /// only, so that any dim can lie along the lanes.
  Reason choosePairs(llvm::ArrayRef<Operation *> small) {
    llvm::erase_if(result.anchors, [&](Operation *op) { return llvm::is_contained(small, op); });
    setDomain(small.front()->getResult(0));
    result.form = KernelForm::Pairs;
    result.axes = reducedAxes(result.anchors.front());
    for (Operation *op : small)
      if (dimsOf(op->getResult(0)) != domain)
        return "its small reductions have different shapes";
    for (Operation *op : result.anchors)
      if (!extendsBy(dimsOf(op->getOperand(0)), domain, maxInPlace) ||
          reducedAxes(op) != result.axes || result.axes.back() >= result.domain.rank())
        return "its reductions run over different ranges";
    Shape keptSizes = result.keptShape();
    constexpr int64_t fewLanes = 8, fewPoints = 256, muchWork = 1 << 16;
    if (keptSizes.rank() == 0 ||
        keptSizes[keptSizes.rank() - 1].constant().value_or(fewLanes) < fewLanes)
      return "too few of its points lie side by side";
    if (keptSizes.numElements().constant().value_or(fewPoints) < fewPoints &&
        result.domain.numElements().constant().value_or(0) > muchWork)
      return "its points are too few for threads to share";
    constexpr double muchReuse = 8; // Else the lanes read neighbours in other rows too often.
    double pairs = roughSize(result.domain);
    for (Operation *op : ops)
      for (Value operand : op->getOperands())
        if (!llvm::is_contained(ops, operand.getDefiningOp()) &&
            roughSize(tensorType(operand).getShape()) * muchReuse > pairs)
          return "it reads a value per pair from memory";
    return std::nullopt;
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
    result.domain = facts.shapeOf(value);
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
    if (llvm::is_contained(result.rows, op))
      return visitRow(op);
    if (llvm::is_contained(result.columns, op))
      return visitColumn(op);
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
    if (!role && result.form == KernelForm::Pairs)
      return staysAtPair(op);
    if (!role)
      return std::nullopt; // Does not depend on an anchor: computed wherever it is needed.
    if (result.form == KernelForm::Scatter)
      return "a scatter writes only its own result";
    if (op->getNumResults() != 1)
      return "it has several results";
    Value value = op->getResult(0);
    if (facts[op].elementwise)
      return place(value, *role, ready);
    if (result.form == KernelForm::Pairs)
      return "it moves elements of a value that is computed in the kernel";
    if (*role == Role::Full && picksInRow(op))
      return place(value, Role::Kept, std::max(ready, 1u));
    // Views of per-row values: back to the domain, or with size-1 dims added or dropped.
    if (*role != Role::Kept || op->getNumOperands() != 1)
      return "it moves elements of a value that is computed in the kernel";
    if (dimsOf(value) == domain && spreadsKept(op))
      return place(value, Role::Full, ready);
    if (equalUpToOnes(dimsOf(value), kept) && keepsOrder(op))
      return place(value, Role::Kept, ready);
    return "it moves elements of a value that is computed in the kernel";
  }

  /// Pairs: what is computed for a pair is read for the same pair only.
  Reason staysAtPair(Operation *op) {
    if (facts[op].elementwise)
      return std::nullopt;
    const Indexing &indexing = *facts[op].indexing;
    for (const Access &access : indexing.accesses) {
      Value operand = op->getOperand(access.operand);
      if (!extendsBy(dimsOf(operand), domain, std::nullopt))
        continue;
      for (unsigned d = 0; d < domain.size(); ++d)
        if (access.index[d].asDim() != d)
          return "it reads a value that is computed for another pair";
    }
    return std::nullopt;
  }

  /// Made here, at some cost, for each point of the domain that is reduced.
  bool isComputedAtPoints(Value value) const {
    Operation *op = value.getDefiningOp();
    return op && llvm::is_contained(ops, op) && !facts[op].freeToRecompute &&
           dimsOf(value) == domain;
  }

  Reason place(Value value, Role role, unsigned ready) {
    if (role == Role::Full &&
        (result.form == KernelForm::Reduce || result.form == KernelForm::Pairs))
      return "a second pass over the reduced tensor would be needed";
    result.roles[value] = role;
    result.ready[value] = ready;
    return std::nullopt;
  }

  Reason visitAnchor(Operation *op) {
    Value value = op->getResult(0);
    if (result.form == KernelForm::Pairs) {
      if (result.roles.contains(op->getOperand(0)))
        return "one reduction needs the result of another";
      result.numPhases = 1;
      result.phase[op] = 0;
      return place(value, Role::Kept, 1);
    }
    if (!result.reduces()) {
      result.numPhases = result.hasRowsBehind() ? 0 : 1;
      return place(value, Role::Full, result.numPhases);
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

  Reason visitRow(Operation *op) {
    Value operand = op->getOperand(0);
    auto it = result.roles.find(operand);
    if (it == result.roles.end() || dimsOf(operand) != domain || reducedAxes(op) != result.axes)
      return "its reductions do not go over the rows of its contraction";
    if (it->second != Role::Full)
      return "it reduces a value that is already reduced";
    unsigned phase = result.ready.lookup(operand);
    result.phase[op] = phase;
    result.numPhases = std::max(result.numPhases, phase + 1);
    return place(op->getResult(0), Role::Kept, phase + 1);
  }

  Reason visitColumn(Operation *op) {
    auto it = result.roles.find(op->getOperand(0));
    if (it == result.roles.end() && result.form == KernelForm::Contraction)
      return "its reductions do not go over the rows of its contraction";
    if (it != result.roles.end() && it->second != Role::Full)
      return "it reduces a value that is already reduced";
    return place(op->getResult(0), Role::Column, result.numPhases);
  }

  /// Behind a contraction: takes one element of its row, which is at hand.
  bool picksInRow(Operation *op) const {
    const Indexing &indexing = *facts[op].indexing;
    if (!result.hasRowsBehind() || indexing.accesses.size() != 1 ||
        !indexing.accesses.front().guards.empty() || dimsOf(op->getResult(0)) != Dims(kept) ||
        dimsOf(op->getOperand(indexing.accesses.front().operand)) != domain)
      return false;
    for (auto [d, index] :
         llvm::enumerate(llvm::ArrayRef(indexing.accesses.front().index).take_front(kept.size())))
      if (index.asDim() != d)
        return false;
    return true;
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
    if (result.form == KernelForm::Pairs)
      return "only what follows from its reductions is written";
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
  OpFacts facts;
  facts.forGpu = fused->hasAttr(forGpuAttr);
  return analyzeKernel(ops, outputs, facts);
}

} // namespace sinter::passes
