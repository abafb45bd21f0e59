// SPDX-License-Identifier: Apache-2.0
// Row form where rows are short, as the windows of pooling are: lanes run along the last kept dim,
// and each walks a row of its own. Units are blocks of that dim.
#include "sinter/codegen/cpu/KernelFunction.h"
#include "sinter/codegen/cpu/Reducer.h"

using namespace mlir;
using namespace sinter::codegen;
using sinter::passes::Role;

namespace sinter::cpu {

namespace {

class ShortRowEmitter {
public:
  explicit ShortRowEmitter(KernelFunction &kernel)
      : kernel(kernel), analysis(kernel.plan.analysis), schedule(kernel.plan.schedule),
        vectors(kernel.builder, kernel.loc, kernel.env, schedule.lanes) {
    unsigned rows = analysis.numRowDims();
    for (const DimExpr &size : analysis.domain)
      (outer.size() < rows ? outer : inner).push_back(size);
  }

  void run() {
    const DimExpr last = outer.back(), blocks = ceilDiv(last, schedule.block);
    llvm::ArrayRef<DimExpr> before = llvm::ArrayRef(outer).drop_back();
    kernel.loop(kernel.begin, kernel.end, kernel.constant(1), {}, [&](Value unit, ValueRange) {
      ElementEmitter::Scope scope(vectors);
      IndexMath &math = vectors.math();
      LaneIndex at = math.uniform(unit);
      rowIndex.clear();
      for (const LaneIndex &i : math.delinearize(math.floorDiv(at, blocks).base, before))
        rowIndex.push_back(i);
      Value block = blocks.constant() == 1 ? kernel.constant(0) : math.mod(at, blocks).base;
      Value low = kernel.mul(block, kernel.constant(schedule.block));
      Value high =
          kernel.minimum(kernel.add(low, kernel.constant(schedule.block)), kernel.size(last));
      rowIndex.push_back({});
      kernel.vectorLoop(low, high, schedule.lanes, 1, {}, [&](Value base, Value mask, ValueRange) {
        ElementEmitter::Scope inner(vectors);
        rowIndex.back() = {base, schedule.lanes == 1 ? 0 : 1, {}};
        vectors.setMask(mask);
        emitRows();
        vectors.setMask({});
        return KernelFunction::Values();
      });
      return KernelFunction::Values();
    });
  }

private:
  void emitRows() {
    for (unsigned phase = 0; phase < analysis.numPhases; ++phase) {
      reducePhase(phase);
      computeKept(phase + 1);
    }
    // All reads come before the first write, as in the other forms.
    llvm::SmallVector<Element> elements;
    auto values = kernel.fused.getBody().front().getTerminator()->getOperands();
    for (auto [value, buffer] : llvm::zip(values, kernel.outputs))
      elements.push_back(vectors.emit(value, keptIndex(buffer.shape)));
    for (auto [element, buffer] : llvm::zip(elements, kernel.outputs))
      kernel.store(vectors, buffer, keptIndex(buffer.shape), element, false);
    for (Value value : overridden)
      vectors.clearOverride(value);
    overridden.clear();
  }

  /// A per-row value is the same wherever its row is read.
  void give(Value value, const Element &element) {
    vectors.setOverride(value, [element](llvm::ArrayRef<LaneIndex>) { return element; });
    overridden.push_back(value);
  }

  void computeKept(unsigned ready) {
    for (Operation &op : kernel.fused.getBody().front().without_terminator()) {
      if (llvm::is_contained(analysis.anchors, &op))
        continue;
      for (Value value : op.getResults())
        if (analysis.roles.contains(value) && analysis.roles.lookup(value) == Role::Kept &&
            analysis.ready.lookup(value) == ready)
          give(value, vectors.emit(value, keptIndex(ir::tensorType(value).getShape())));
    }
  }

  void reducePhase(unsigned phase) {
    llvm::SmallVector<Operation *> anchors;
    llvm::SmallVector<Reducer> reducers;
    KernelFunction::Values state;
    for (Operation *anchor : analysis.anchors)
      if (analysis.phase.lookup(anchor) == phase) {
        anchors.push_back(anchor);
        reducers.push_back(Reducer::of(kernel.builder, anchor, schedule.lanes));
        llvm::append_range(state, reducers.back().initial());
      }
    Index index = rowIndex;
    state =
        walk(0, kernel.constant(0), index, std::move(state),
             [&](llvm::ArrayRef<LaneIndex> at, Value position, ValueRange carried) {
               KernelFunction::Values next;
               size_t first = 0;
               for (auto [anchor, reducer] : llvm::zip(anchors, reducers)) {
                 Value element = vectors.memory().asVector(vectors.emit(anchor->getOperand(0), at));
                 Value positions;
                 if (reducer.numStates() > 1)
                   positions = schedule.lanes == 1
                                   ? position
                                   : vectors.math().asVector(vectors.math().uniform(position));
                 llvm::append_range(next, reducer.step(carried.slice(first, reducer.numStates()),
                                                       element, positions, vectors.getMask()));
                 first += reducer.numStates();
               }
               return next;
             });
    size_t first = 0;
    for (auto [anchor, reducer] : llvm::zip(anchors, reducers)) {
      Value result = anchor->getResult(0);
      Value lanes = reducer.finish(ValueRange(state).slice(first, reducer.numStates()),
                                   ir::tensorType(result).getElementType());
      give(result, {lanes, schedule.lanes == 1});
      first += reducer.numStates();
    }
  }

  using Body = llvm::function_ref<KernelFunction::Values(llvm::ArrayRef<LaneIndex>, Value position,
                                                         ValueRange)>;
  /// Visits every element of the rows; the innermost dim without a loop.
  KernelFunction::Values walk(size_t d, Value flat, Index &index, KernelFunction::Values carried,
                              Body body) {
    if (d == inner.size())
      return body(index, flat, carried);
    int64_t size = *inner[d].constant();
    Value start = kernel.mul(flat, kernel.constant(size));
    auto visit = [&](Value iv, ValueRange state) {
      index.push_back({iv, 0, {}});
      auto next = walk(d + 1, kernel.add(start, iv), index, KernelFunction::Values(state), body);
      index.pop_back();
      return next;
    };
    if (d + 1 == inner.size() || size <= fewSteps) {
      for (int64_t i = 0; i < size; ++i)
        carried = visit(kernel.constant(i), carried);
      return carried;
    }
    return kernel.loop(kernel.constant(0), kernel.constant(size), 1, carried,
                       [&](Value iv, ValueRange state) {
                         ElementEmitter::Scope scope(vectors);
                         return visit(iv, state);
                       });
  }

  /// The rows' index in a per-row value, which may have size-1 dims besides.
  Index keptIndex(const Shape &shape) {
    Index index;
    size_t next = 0;
    for (const DimExpr &size : shape) {
      if (size.constant() == 1) {
        index.push_back({kernel.constant(0), 0, {}});
        continue;
      }
      while (outer[next].constant() == 1)
        ++next;
      index.push_back(rowIndex[next++]);
    }
    return index;
  }

  static constexpr int64_t fewSteps = 4;
  KernelFunction &kernel;
  const passes::KernelAnalysis &analysis;
  const Schedule &schedule;
  ElementEmitter vectors;
  llvm::SmallVector<DimExpr> outer, inner;
  Index rowIndex;
  llvm::SmallVector<Value> overridden;
};

} // namespace

void emitShortRows(KernelFunction &kernel) { ShortRowEmitter(kernel).run(); }

} // namespace sinter::cpu
