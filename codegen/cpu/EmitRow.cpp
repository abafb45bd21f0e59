// SPDX-License-Identifier: Apache-2.0
// Row form: a unit is one row. Each phase walks the row once and reduces; a last walk writes the
// outputs. The row stays in cache between walks, and values that are dear to compute stay in
// row-local scratch.
//
// With columns (reductions over the rows) a unit is a number of rows that follows from the sizes.
// The last walk takes every row into the unit's partial results, which stay in cache too; a second
// launch combines those of all units in order.
//
// Behind a contraction the rows are those of the product, whose sums lie in the worker's scratch; a
// unit is a strip of them.
#include "sinter/codegen/cpu/EmitRow.h"

#include "sinter/codegen/cpu/KernelFunction.h"
#include "sinter/codegen/cpu/Reducer.h"
#include "sinter/codegen/cpu/RowQuotients.h"
#include "sinter/codegen/cpu/RowsAhead.h"
#include "sinter/codegen/forms/Region.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace sinter::codegen;
using sinter::passes::Role;

namespace sinter::cpu {

namespace {

class RowEmitter {
public:
  RowEmitter(KernelFunction &kernel, const KernelPlan &plan)
      : kernel(kernel), plan(plan), analysis(plan.analysis),
        vectors(kernel.builder, kernel.loc, kernel.env, kernel.plan.schedule.lanes),
        scalars(kernel.builder, kernel.loc, kernel.env, 1), quotients(kernel) {
    const Shape &domain = analysis.domain;
    unsigned rows = analysis.numRowDims();
    outer.assign(domain.begin(), domain.begin() + rows);
    inner.assign(domain.begin() + rows, domain.end());
    for (const DimExpr &size : inner)
      rowSize *= size;
    for (Operation *column : analysis.columns)
      columns.push_back(Reducer::of(kernel.builder, column, plan.schedule.lanes));
    quotients.replaceDivisions(vectors, inner.back());
  }

  void run() {
    chooseAhead();
    if (columns.empty())
      return eachRow(kernel.begin, kernel.end);
    kernel.loop(kernel.begin, kernel.end, kernel.constant(1), {}, [&](Value unit, ValueRange) {
      Value rows = kernel.constant(plan.rowsPerUnit), first = kernel.mul(unit, rows);
      partials = kernel.mul(unit, kernel.size(rowSize));
      startColumns();
      eachRow(first, kernel.minimum(kernel.add(first, rows),
                                    kernel.size(analysis.keptShape().numElements())));
      return KernelFunction::Values();
    });
  }

  /// Rows of the product from `first` on.
  void runBehind(const RowSums &sums) {
    Value product = analysis.source->getResult(0);
    Type held = ir::registerType(ir::tensorType(product).getElementType());
    auto cut = [&, held](Value value, Type type) { // Sums of integers are wider than results.
      return held == sums.type
                 ? value
                 : arith::TruncIOp::create(kernel.builder, kernel.loc, type, value).getResult();
    };
    auto atColumn = [&, held, cut](llvm::ArrayRef<LaneIndex> index) {
      LaneIndex column =
          scalars.math().linearize(index.drop_front(outer.size()), analysis.reducedShape());
      return Element{cut(scalars.memory().loadScalar(rowSums, sums.type, column.base), held), true};
    };
    scalars.setOverride(product, atColumn);
    vectors.setOverride(product, [&, held, cut, atColumn](llvm::ArrayRef<LaneIndex> index) {
      if (!llvm::equal(index, point.index, isSame)) // One that is picked.
        return atColumn(index);
      Value value =
          vectors.memory().loadVector(rowSums, sums.type, point.position, vectors.getMask());
      return Element{cut(value, VectorType::get({plan.schedule.lanes}, held)), false};
    });
    if (!columns.empty()) {
      partials = kernel.mul(sums.unit, kernel.size(rowSize));
      startColumns();
    }
    kernel.loop(kernel.constant(0), sums.rows, kernel.constant(1), {}, [&](Value i, ValueRange) {
      rowSums =
          vectors.memory().address(sums.at, sums.type, kernel.mul(i, kernel.constant(sums.pitch)));
      one(kernel.add(sums.first, kernel.mul(i, sums.step)));
      return KernelFunction::Values();
    });
  }

  /// The second launch: a unit is a vector of columns.
  void combineColumns() {
    int64_t lanes = plan.schedule.lanes;
    kernel.loop(kernel.begin, kernel.end, kernel.constant(1), {}, [&](Value unit, ValueRange) {
      ElementEmitter::Scope scope(vectors);
      Value base = kernel.mul(unit, kernel.constant(lanes)), size = kernel.size(rowSize);
      Value mask = vectors.memory().tailMask(kernel.sub(size, base));
      KernelFunction::Values state;
      for (Reducer &reducer : columns)
        llvm::append_range(state, reducer.initial());
      Value units = kernel.size(plan.columnUnits);
      state = kernel.loop(kernel.constant(0), units, 1, state, [&](Value rows, ValueRange carried) {
        KernelFunction::Values next;
        Value at = kernel.add(kernel.mul(rows, size), base);
        for (auto [number, reducer] : llvm::enumerate(columns))
          llvm::append_range(
              next, reducer.merge(carried.slice(number, 1), loadPartial(number, at, mask)));
        return next;
      });
      writeColumns(state, {base, lanes == 1 ? 0 : 1, {}}, mask);
      return KernelFunction::Values();
    });
  }

private:
  void eachRow(Value low, Value high) {
    kernel.loop(low, high, kernel.constant(1), {}, [&](Value row, ValueRange) {
      one(row);
      return KernelFunction::Values();
    });
  }

  void one(Value row) {
    ElementEmitter::Scope vectorScope(vectors), scalarScope(scalars);
    rowIndex.clear();
    for (const LaneIndex &i : vectors.math().delinearize(row, outer))
      rowIndex.push_back(i);
    emitRow();
  }

  // -- Columns ------------------------------------------------------------------------------------

  Value partialsOf(size_t number) { return kernel.workspaces[plan.cached.size() + number]; }

  Value loadPartial(size_t number, Value at, Value mask) {
    return vectors.memory().loadVector(partialsOf(number), columns[number].stateTypes().front(), at,
                                       mask);
  }

  void storePartial(size_t number, Value value, Value at, Value mask) {
    vectors.memory().storeVector(value, columns[number].stateTypes().front(), partialsOf(number),
                                 at, mask, false);
  }

  void startColumns() {
    kernel.vectorLoop(kernel.constant(0), kernel.size(rowSize), plan.schedule.lanes, 1, {},
                      [&](Value iv, Value mask, ValueRange) {
                        for (auto [number, reducer] : llvm::enumerate(columns))
                          storePartial(number, reducer.initial().front(), kernel.add(partials, iv),
                                       mask);
                        return KernelFunction::Values();
                      });
  }

  /// Takes the elements of one row at `position` in.
  void addToColumns(llvm::ArrayRef<Value> elements, Value position) {
    Value at = kernel.add(partials, position), mask = vectors.getMask();
    for (auto [number, element] : llvm::enumerate(elements)) {
      Value old = loadPartial(number, at, mask);
      storePartial(number, columns[number].merge(old, element).front(), at, mask);
    }
  }

  void writeColumns(ValueRange state, const LaneIndex &flat, Value mask) {
    vectors.setMask(mask);
    for (auto [number, column] : llvm::enumerate(analysis.columns)) {
      Value result = column->getResult(0);
      Value value =
          columns[number].finish(state.slice(number, 1), ir::tensorType(result).getElementType());
      bool uniform = plan.schedule.lanes == 1;
      vectors.setOverride(result, [value, uniform](llvm::ArrayRef<LaneIndex>) {
        return Element{value, uniform};
      });
    }
    Index index(inner.size());
    LaneIndex rest = flat;
    for (size_t d = inner.size(); d-- > 0;) {
      index[d] = d == 0 ? rest : vectors.math().mod(rest, inner[d]);
      rest = d == 0 ? rest : vectors.math().floorDiv(rest, inner[d]);
    }
    auto values = kernel.fused.getBody().front().getTerminator()->getOperands();
    llvm::SmallVector<Element> elements;
    for (Value value : values)
      elements.push_back(analysis.roles.lookup(value) == Role::Column ? vectors.emit(value, index)
                                                                      : Element());
    Memory &memory = vectors.memory();
    for (auto [element, buffer] : llvm::zip(elements, kernel.outputs))
      if (element)
        memory.storeVector(memory.asVector(element), buffer.elementType, buffer.pointer, flat.base,
                           mask, false);
    vectors.setMask({});
  }

  // -- Rows ---------------------------------------------------------------------------------------

  /// Rows that the first walk reads from far away are asked for while the one before is computed
  /// on: else nothing is on its way meanwhile, and every row, often a page of its own, starts with
  /// a wait. What later walks read first arrives beside their work.
  void chooseAhead() {
    constexpr int64_t cachedBytes = 1 << 20, mostBytes = 64 << 10;
    llvm::SmallVector<Value> work;
    for (Operation *anchor : analysis.anchors)
      if (analysis.phase.lookup(anchor) == 0)
        work.push_back(anchor->getOperand(0));
    llvm::DenseSet<Value> seen;
    int64_t bytes = 0;
    while (!work.empty()) {
      Value value = work.pop_back_val();
      if (!seen.insert(value).second)
        continue;
      if (Operation *op = value.getDefiningOp()) {
        llvm::append_range(work, op->getOperands());
        continue;
      }
      ir::TensorType type = ir::tensorType(value);
      auto row = (rowSize * DimExpr(byteSize(type.getDType()))).constant();
      auto all = bytesOf(value).constant();
      if (type.getShape() != analysis.domain || !row || (all && *all < cachedBytes))
        continue;
      ahead.push_back(kernel.env.buffers.find(value)->second);
      bytes += *row;
    }
    if (bytes > mostBytes)
      ahead.clear();
  }

  /// At a point of the first walk that finds the row in the cache.
  void askForNextRow(unsigned walk, llvm::ArrayRef<LaneIndex> index) {
    constexpr int64_t line = 64;
    if (walk != 1)
      return;
    for (const BufferRef &buffer : ahead) {
      Value here = vectors.math().linearize(index, buffer.shape).base;
      prefetch(kernel, buffer, kernel.add(here, kernel.size(rowSize)), line);
    }
  }

  void emitRow() {
    for (unsigned phase = 0; phase < analysis.numPhases; ++phase) {
      reducePhase(phase);
      computeKept(phase + 1);
    }
    writeOutputs();
    for (Value value : overridden) {
      vectors.clearOverride(value);
      scalars.clearOverride(value);
    }
    overridden.clear();
  }

  /// A per-row value is one scalar, wherever it is read.
  void give(Value value, Value scalar) {
    auto answer = [scalar](llvm::ArrayRef<LaneIndex>) { return Element{scalar, true}; };
    vectors.setOverride(value, answer);
    scalars.setOverride(value, answer);
    overridden.push_back(value);
  }

  /// Computes what follows from the reductions so far once per row, outside the walks.
  void computeKept(unsigned ready) {
    for (Operation &op : kernel.fused.getBody().front().without_terminator()) {
      if (llvm::is_contained(analysis.anchors, &op))
        continue;
      for (Value value : op.getResults())
        if (analysis.roles.lookup(value) == Role::Kept && analysis.roles.contains(value) &&
            analysis.ready.lookup(value) == ready)
          give(value, scalars.emit(value, keptIndex(ir::tensorType(value).getShape())).value);
    }
  }

  /// Visits every vector of the row: body(index of the domain, flat position in the row, mask,
  /// carried).
  using Body = llvm::function_ref<KernelFunction::Values(llvm::ArrayRef<LaneIndex>, Value position,
                                                         ValueRange)>;
  KernelFunction::Values walk(int64_t unroll, KernelFunction::Values carried, Body body) {
    Index index = rowIndex;
    return walkDim(0, unroll, kernel.constant(0), index, std::move(carried), body);
  }

  /// Flops of a point that `wanted` take together, but for what rows and scratch hold.
  int64_t costOf(llvm::SmallVector<Value> wanted) const {
    llvm::DenseSet<Value> seen;
    int64_t cost = 0;
    while (!wanted.empty()) {
      Value value = wanted.pop_back_val();
      Operation *op = value.getDefiningOp();
      if (!op || !seen.insert(value).second || llvm::is_contained(overridden, value) ||
          !isa<ir::ElementwiseOpInterface>(op))
        continue;
      cost += passes::elementCost(op);
      llvm::append_range(wanted, op->getOperands());
    }
    return cost;
  }

  /// Sums of little that is computed wait for each other: more of them at once.
  int64_t unrollOf(llvm::ArrayRef<Operation *> anchors) {
    constexpr int64_t cheap = 6, moderate = 16;
    llvm::SmallVector<Value> sums;
    for (Operation *anchor : anchors)
      sums.push_back(anchor->getOperand(0));
    const int64_t cost = costOf(std::move(sums));
    int64_t wanted = cost <= cheap ? 4 : cost <= moderate ? 2 : 1;
    return std::max(plan.schedule.unroll, limitUnroll(wanted, inner.back(), plan.schedule.lanes));
  }

  KernelFunction::Values walkDim(size_t d, int64_t unroll, Value flat, Index &index,
                                 KernelFunction::Values carried, Body body) {
    Value zero = kernel.constant(0), size = kernel.size(inner[d]);
    Value start = kernel.mul(flat, size);
    if (d + 1 < inner.size())
      return kernel.loop(zero, size, 1, carried, [&](Value iv, ValueRange state) {
        Index deeper = index;
        deeper.push_back({iv, 0, {}});
        return walkDim(d + 1, unroll, kernel.add(start, iv), deeper, KernelFunction::Values(state),
                       body);
      });
    int64_t lanes = plan.schedule.lanes;
    return kernel.vectorLoop(zero, size, lanes, unroll, std::move(carried),
                             [&](Value base, Value mask, ValueRange state) {
                               ElementEmitter::Scope scope(vectors);
                               Index full = index;
                               full.push_back({base, lanes == 1 ? 0 : 1, {}});
                               vectors.setMask(mask);
                               point = {full, kernel.add(start, base)};
                               auto next = body(full, point.position, state);
                               point = {};
                               vectors.setMask({});
                               return next;
                             });
  }

  /// What Reducer::productOf() finds, unless it is computed in any case.
  Operation *productOf(Operation *anchor) const {
    Value sum = anchor->getOperand(0);
    return llvm::is_contained(plan.cached, sum) || llvm::is_contained(overridden, sum)
               ? nullptr
               : Reducer::productOf(anchor, kernel.target);
  }

  void reducePhase(unsigned phase) {
    llvm::SmallVector<Operation *> anchors;
    for (Operation *anchor : analysis.anchors)
      if (analysis.phase.lookup(anchor) == phase)
        anchors.push_back(anchor);
    int64_t lanes = plan.schedule.lanes, unroll = unrollOf(anchors);
    llvm::SmallVector<Reducer> reducers;
    KernelFunction::Values carried;
    for (Operation *anchor : anchors)
      reducers.push_back(Reducer::of(kernel.builder, anchor, lanes));
    for (int64_t slot = 0; slot < unroll; ++slot)
      for (Reducer &reducer : reducers)
        llvm::append_range(carried, reducer.loopInitial());

    carried = walk(
        unroll, carried, [&](llvm::ArrayRef<LaneIndex> index, Value position, ValueRange state) {
          KernelFunction::Values next;
          Value positions;
          size_t at = 0;
          askForNextRow(phase, index);
          for (auto [anchor, reducer] : llvm::zip(anchors, reducers)) {
            ValueRange own = state.slice(at, reducer.numLoopStates());
            at += reducer.numLoopStates();
            if (Operation *product = productOf(anchor)) {
              auto factor = [&](unsigned number) {
                return vectors.memory().asVector(vectors.emit(product->getOperand(number), index));
              };
              Value a = factor(0), b = factor(1);
              llvm::append_range(next, reducer.addProduct(own, a, b, vectors.getMask()));
              continue;
            }
            Value element = vectors.memory().asVector(vectors.emit(anchor->getOperand(0), index));
            if (reducer.numStates() > 1 && !positions)
              positions = lanes == 1 ? position : vectors.math().asVector({position, 1, {}});
            llvm::append_range(next, reducer.loopStep(own, element, positions, vectors.getMask()));
          }
          cacheValues(phase, index, position);
          return next;
        });

    // Slots, then lanes, in a fixed order.
    size_t group = carried.size() / static_cast<size_t>(unroll), at = 0;
    for (auto [anchor, reducer] : llvm::zip(anchors, reducers)) {
      size_t count = reducer.numLoopStates();
      auto slotState = [&](int64_t slot) {
        return reducer.closeLoop(
            ValueRange(carried).slice(static_cast<size_t>(slot) * group + at, count));
      };
      Reducer::Values state = slotState(0);
      for (int64_t slot = 1; slot < unroll; ++slot)
        state = reducer.merge(state, slotState(slot));
      at += count;
      Value result = anchor->getResult(0);
      Value scalar =
          reducer.finish(reducer.horizontal(state), ir::tensorType(result).getElementType());
      give(result, scalar);
    }
    // From here on the values of this phase come from scratch.
    for (auto [number, value] : llvm::enumerate(plan.cached))
      if (firstPhase(value) == phase)
        readFromScratch(number, value);
  }

  /// The phase in which a cached value is first computed: as soon as what it needs is ready.
  unsigned firstPhase(Value value) const { return analysis.ready.lookup(value); }

  void cacheValues(unsigned phase, llvm::ArrayRef<LaneIndex> index, Value position) {
    for (auto [number, value] : llvm::enumerate(plan.cached)) {
      if (firstPhase(value) != phase)
        continue;
      Element element = vectors.emit(value, index);
      vectors.memory().storeVector(vectors.memory().asVector(element), scratchType(value),
                                   kernel.workerScratch(number), position, vectors.getMask(),
                                   false);
    }
  }

  /// Scratch holds values as registers do: they are not rounded on the way.
  static Type scratchType(Value value) {
    return ir::registerType(ir::tensorType(value).getElementType());
  }

  /// Scratch stands in at the point that the walk is at; ops that read the value elsewhere
  /// (windows, slices, transposes) have it computed there.
  void readFromScratch(size_t number, Value value) {
    Type elementType = scratchType(value);
    overridden.push_back(value);
    vectors.setOverride(
        value, [this, number, elementType](llvm::ArrayRef<LaneIndex> index) -> Element {
          if (!llvm::equal(index, point.index, isSame))
            return {};
          return {vectors.memory().loadVector(kernel.workerScratch(number), elementType,
                                              point.position, vectors.getMask()),
                  plan.schedule.lanes == 1};
        });
  }

  static bool isSame(const LaneIndex &a, const LaneIndex &b) {
    return a.base == b.base && a.step == b.step && a.vector == b.vector;
  }

  /// Results that bypass the cache are written one after the other, a row of each: two streams of
  /// such stores in turn take up to half as long again. Not where much would be computed twice.
  llvm::SmallVector<llvm::SmallVector<Value>> outputsOfWalks() {
    constexpr int64_t cheap = 24;
    llvm::SmallVector<Value> full, columnSums;
    for (Value value : kernel.fused.getBody().front().getTerminator()->getOperands())
      if (analysis.roles.lookup(value) == Role::Full && !llvm::is_contained(full, value))
        full.push_back(value);
    for (Operation *column : analysis.columns)
      columnSums.push_back(column->getOperand(0));
    auto cost = [&](llvm::ArrayRef<Value> values, bool first) {
      llvm::SmallVector<Value> all(values);
      if (first)
        llvm::append_range(all, columnSums);
      return costOf(std::move(all));
    };
    int64_t twice = -cost(full, true);
    for (auto [number, value] : llvm::enumerate(full))
      twice += cost(value, number == 0);
    llvm::SmallVector<llvm::SmallVector<Value>> walks;
    if (plan.schedule.streamStores && mayWriteApart(kernel.fused, analysis) && twice <= cheap)
      for (Value value : full)
        walks.push_back({value});
    else if (!full.empty() || !columns.empty())
      walks.push_back(full);
    return walks;
  }

  void writeOutputs() {
    auto values = kernel.fused.getBody().front().getTerminator()->getOperands();
    for (const auto &[number, full] : llvm::enumerate(outputsOfWalks()))
      walk(plan.schedule.unroll, {},
           [&](llvm::ArrayRef<LaneIndex> index, Value position, ValueRange) {
             llvm::SmallVector<Element> elements;
             llvm::SmallVector<Value> added;
             askForNextRow(analysis.numPhases + static_cast<unsigned>(number), index);
             for (Value value : values)
               elements.push_back(llvm::is_contained(full, value) ? vectors.emit(value, index)
                                                                  : Element());
             if (number == 0)
               for (Operation *column : analysis.columns)
                 added.push_back(
                     vectors.memory().asVector(vectors.emit(column->getOperand(0), index)));
             for (auto [element, buffer] : llvm::zip(elements, kernel.outputs))
               if (element)
                 kernel.store(vectors, buffer, index, element, plan.schedule.streamStores);
             if (!added.empty())
               addToColumns(added, position);
             return KernelFunction::Values();
           });
    for (auto [value, buffer] : llvm::zip(values, kernel.outputs)) {
      if (analysis.roles.lookup(value) != Role::Kept)
        continue;
      Index index = keptIndex(buffer.shape);
      kernel.store(scalars, buffer, index, scalars.emit(value, index), false);
    }
  }

  /// The row's index in a per-row value, which may have size-1 dims besides.
  Index keptIndex(const Shape &shape) {
    return Index(scalars.math().ofRow(shape, outer, rowIndex));
  }

  KernelFunction &kernel;
  const KernelPlan &plan;
  const passes::KernelAnalysis &analysis;
  ElementEmitter vectors, scalars;
  RowQuotients quotients;
  llvm::SmallVector<BufferRef> ahead; ///< Whose next row is asked for.
  llvm::SmallVector<Reducer> columns; ///< Of analysis.columns.
  llvm::SmallVector<DimExpr> outer, inner;
  DimExpr rowSize = 1;
  Value partials; ///< The first element of this unit's partial results.
  Value rowSums;  ///< Behind a contraction: where the row's sums lie.
  Index rowIndex;
  /// Where a walk is: its index of the domain and flat position in the row.
  struct Point {
    Index index;
    Value position;
  } point;
  llvm::SmallVector<Value> overridden;
};

} // namespace

void emitRowsBehind(KernelFunction &kernel, const RowSums &sums) {
  KernelPlan plan = kernel.plan;
  plan.analysis = kernel.plan.analysis.rowsBehind();
  RowEmitter(kernel, plan).runBehind(sums);
}

void emitColumnsBehind(KernelFunction &kernel) {
  KernelPlan plan = kernel.plan;
  plan.analysis = kernel.plan.analysis.rowsBehind();
  RowEmitter(kernel, plan).combineColumns();
}

void emitRow(KernelFunction &kernel, unsigned stage) {
  if (kernel.plan.schedule.block > 0)
    emitShortRows(kernel);
  else if (RowTile tile = rowTile(kernel.fused, kernel.plan.analysis, kernel.plan.schedule);
           tile.count() > 1)
    emitRowTiles(kernel, tile);
  else if (stage > 0)
    RowEmitter(kernel, kernel.plan).combineColumns();
  else
    RowEmitter(kernel, kernel.plan).run();
}

} // namespace sinter::cpu
