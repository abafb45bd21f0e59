// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/Infinities.h"

#include "sinter/codegen/Interpretation.h"

#include <cmath>
#include <functional>
#include <limits>

using namespace mlir;
using namespace sinter::ir;

namespace sinter::codegen {

namespace {

constexpr const char *checksAttr = "sinter.may_hold_infinities";
constexpr double infinity = std::numeric_limits<double>::infinity();

bool holdsFloats(Value value) {
  auto type = dyn_cast<ir::TensorType>(value.getType());
  return type && isa<FloatType>(type.getElementType());
}

Infinities infinitiesIn(const Array &array) {
  Infinities found;
  dispatch(array.dtype(), [&](auto zero) {
    using T = decltype(zero);
    if constexpr (isFloatElement<T>)
      for (int64_t i = 0, n = array.numElements(); i < n; ++i) {
        auto value = static_cast<double>(array.as<T>()[i]);
        found.positive |= value == infinity;
        found.negative |= value == -infinity;
      }
  });
  return found;
}

/// Finite values that stand for all others of an operand.
llvm::SmallVector<Scalar> samplesOf(Type elementType) {
  if (isa<FloatType>(elementType))
    return {Scalar(-3.0), Scalar(-0.5), Scalar(0.0), Scalar(0.5), Scalar(3.0)};
  if (elementType.isInteger(1))
    return {Scalar(int64_t{0}), Scalar(int64_t{1})};
  if (elementType.isUnsignedInteger())
    return {Scalar(uint64_t{0}), Scalar(uint64_t{1}), Scalar(uint64_t{2})};
  return {Scalar(int64_t{-1}), Scalar(int64_t{0}), Scalar(int64_t{1}), Scalar(int64_t{2})};
}

} // namespace

InfinityAnalysis::InfinityAnalysis(func::FuncOp graph) {
  attachInterpretations(*graph.getContext());
  add(graph.getBody().front());
}

void InfinityAnalysis::add(Block &block) {
  auto set = [&](Value value, Infinities infinities) {
    if (infinities.any())
      known[value] = infinities;
  };
  for (Operation &op : block.without_terminator()) {
    if (auto fused = dyn_cast<FusedOp>(op)) {
      Block &body = fused.getBody().front();
      for (auto [argument, operand] : llvm::zip_equal(body.getArguments(), fused.getInputs()))
        set(argument, of(operand));
      add(body);
      for (auto [result, value] :
           llvm::zip_equal(fused.getOutputs(), body.getTerminator()->getOperands()))
        set(result, of(value));
      continue;
    }
    for (OpResult result : op.getResults())
      if (holdsFloats(result))
        set(result, resultOf(&op, result.getResultNumber()));
  }
}

Infinities InfinityAnalysis::resultOf(Operation *op, unsigned number) const {
  if (auto constant = dyn_cast<ConstantOp>(op)) {
    Interpretation state{DimBinding()};
    cast<InterpretableOpInterface>(op).interpret(state);
    return infinitiesIn(state.get(constant.getResult()));
  }
  // The sum of the softmax of a query that sees nothing: see the op.
  if (isa<AttentionOp>(op))
    return number == 1 ? Infinities{true, true} : of(cast<AttentionOp>(op).getV());
  return isa<ElementwiseOpInterface>(op) ? elementwise(op) : structural(op);
}

Value InfinityAnalysis::origin(Value value) const {
  if (auto argument = dyn_cast<BlockArgument>(value))
    if (auto fused = dyn_cast<FusedOp>(argument.getOwner()->getParentOp()))
      return origin(fused.getInputs()[argument.getArgNumber()]);
  if (auto fused = value.getDefiningOp<FusedOp>())
    return origin(fused.getBody().front().getTerminator()->getOperand(
        cast<OpResult>(value).getResultNumber()));
  return value;
}

bool InfinityAnalysis::isMaximumOf(Value maximum, Value value) const {
  for (maximum = origin(maximum);
       maximum.getDefiningOp<BroadcastOp>() || maximum.getDefiningOp<ReshapeOp>();)
    maximum = origin(maximum.getDefiningOp()->getOperand(0));
  auto reduction = maximum.getDefiningOp<ReduceMaxOp>();
  return reduction && origin(reduction->getOperand(0)) == origin(value);
}

Infinities InfinityAnalysis::elementwise(Operation *op) const {
  auto elements = cast<ElementwiseOpInterface>(op);
  constexpr unsigned mostOperands = 4;
  llvm::SmallVector<llvm::SmallVector<Scalar>> choices;
  Infinities given;
  for (Value operand : op->getOperands()) {
    choices.push_back(samplesOf(tensorType(operand).getElementType()));
    Infinities infinities = of(operand);
    given = given | infinities;
    if (infinities.negative)
      choices.back().push_back(Scalar(-infinity));
    if (infinities.positive)
      choices.back().push_back(Scalar(infinity));
  }
  if (op->getNumOperands() > 0 && !given.any())
    return {};
  if (op->getNumOperands() > mostOperands)
    return {true, true};
  if (isa<SubOp>(op) && isMaximumOf(op->getOperand(1), op->getOperand(0)))
    return {.negative = true, .positive = false}; // No element is above the maximum.
  // All choices with an infinite operand; what has none was not made of an infinity.
  Infinities made;
  llvm::SmallVector<Scalar> scalars(choices.size());
  std::function<void(size_t, bool)> choose = [&](size_t at, bool isInfinite) {
    if (at == choices.size()) {
      if (!isInfinite && at > 0)
        return;
      double value = elements.evaluate(scalars).as<double>();
      made.negative |= value == -infinity;
      made.positive |= value == infinity;
      return;
    }
    for (const Scalar &choice : choices[at]) {
      scalars[at] = choice;
      choose(at + 1, isInfinite || (choice.isFloat && std::isinf(choice.f)));
    }
  };
  choose(0, false);
  return made;
}

Infinities InfinityAnalysis::structural(Operation *op) const {
  Infinities given;
  for (Value operand : op->getOperands())
    given = given | of(operand);
  auto indexed = dyn_cast<IndexedOpInterface>(op);
  if (!indexed)
    return given.any() ? Infinities{true, true} : Infinities();
  Indexing indexing = indexed.getIndexing();
  switch (indexing.combiner) {
  case Combiner::None:
    if (indexing.otherwise == infinity)
      given.positive = true;
    if (indexing.otherwise == -infinity)
      given.negative = true;
    return given;
  case Combiner::Max:
  case Combiner::Min:
    // Of nothing at all.
    if (llvm::any_of(llvm::ArrayRef(indexing.ranges).drop_front(indexing.numParallel()),
                     [](const DimExpr &range) { return range.constant().value_or(0) == 0; }))
      (indexing.combiner == Combiner::Max ? given.negative : given.positive) = true;
    return given;
  case Combiner::Sum:
  case Combiner::ScatterAdd:
    return given;
  default:
    return given.any() ? Infinities{true, true} : Infinities();
  }
}

// -- Notes on regions -----------------------------------------------------------------------------

void markStoreChecks(func::FuncOp graph) {
  InfinityAnalysis analysis(graph);
  graph.walk([&](FusedOp fused) {
    llvm::SmallVector<int32_t> flags;
    for (Value value : fused.getBody().front().getTerminator()->getOperands()) {
      Infinities infinities = analysis.of(value);
      flags.push_back((infinities.negative ? 1 : 0) + (infinities.positive ? 2 : 0));
    }
    fused->setDiscardableAttr(checksAttr, DenseI32ArrayAttr::get(fused.getContext(), flags));
  });
}

bool checksStores(Operation *fused) { return fused->hasAttr(checksAttr); }

Infinities storedInfinities(Operation *fused, unsigned output) {
  int32_t flags = fused->getAttrOfType<DenseI32ArrayAttr>(checksAttr)[output];
  return {(flags & 1) != 0, (flags & 2) != 0};
}

} // namespace sinter::codegen
