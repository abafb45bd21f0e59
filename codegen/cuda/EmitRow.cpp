// SPDX-License-Identifier: Apache-2.0
// Row form: lanes of a warp, a block or a cluster share a row (forms/gpu/Row.cpp). A thread takes
// packs of neighbours, the same ones in every phase, so that it can keep what it has read or
// computed. After the walk of a phase its threads combine what they found; a last walk writes the
// outputs.
//
// With columns (reductions over the rows) a unit is a number of rows that follows from the sizes.
// Each thread adds up the elements that it meets in them; a second launch combines the units in
// order.
#include "sinter/codegen/cuda/EmitRow.h"

#include "sinter/codegen/cpu/Reducer.h"
#include "sinter/codegen/cuda/BlockEmitter.h"
#include "sinter/codegen/cuda/CppPrinter.h"
#include "sinter/codegen/cuda/RowReduction.h"
#include "sinter/codegen/forms/gpu/RowValues.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace sinter::codegen;
using sinter::cpu::Reducer;
using sinter::passes::Role;

namespace sinter::cuda {

namespace {

class RowEmitter : RowThreads {
public:
  explicit RowEmitter(const KernelRequest &request)
      : RowThreads(request), holds(plan.schedule.hold > 0) {
    for (int64_t d = 0; d < analysis.domain.rank(); ++d)
      (analysis.isReduced(d) ? reducedDims : keptDims).push_back(analysis.domain[d]);
    rowSize = product(reducedDims);
    if (holds)
      held = rowValues(fused, analysis).held;
    for (Operation *column : analysis.columns)
      columns.push_back(Reducer::of(builder, column, 1));
    readPoint = [this](BlockArgument argument, const BufferRef &buffer) {
      return readElement(argument, buffer);
    };
  }

  BlockKernel run() {
    size = sizes->get(rowSize);
    placeThread();
    Value rows = sizes->get(product(keptDims));
    if (columns.empty()) {
      eachRow(firstUnit, rows, unitStep);
      return finish();
    }
    Value perUnit = constant(plan.rowsPerUnit);
    loop(firstUnit, sizes->get(ceilDiv(product(keptDims), plan.rowsPerUnit)), unitStep, {},
         [&](Value unit, ValueRange) {
           name(unit, "unit");
           Value low = mul(unit, perUnit);
           Value high = arith::MinSIOp::create(builder, loc, add(low, perUnit), rows);
           partials = mul(unit, size);
           startColumns();
           eachRow(low, high, constant(1));
           leaveColumns();
           return Values();
         });
    return finish();
  }

private:
  // -- Walks --------------------------------------------------------------------------------------

  /// A pack of neighbours in the row, and the element of it that is being computed.
  struct Place {
    Value part;    ///< Which of the thread's packs of a tile.
    Value at;      ///< In the row, of the pack's first element.
    Value k;       ///< Within the pack.
    Value element; ///< In the row.
    Value held;    ///< Among what the thread holds of the row.
  };

  bool guards() const {
    int64_t tile = schedule.unroll * rowThreads * width;
    auto length = rowSize.constant();
    return !length || (holds ? *length != tile : *length % tile != 0);
  }

  /// Every pack of this thread: body(carried) with `place.at`.
  Values eachPack(ValueRange carried, llvm::function_ref<Values(ValueRange)> body) {
    int64_t stride = rowThreads * width;
    auto tile = [&](Value base, ValueRange state) {
      return unrolled(schedule.unroll, "part", state, [&](Value part, ValueRange inner) -> Values {
        place = {};
        place.part = part;
        Value at = add(mul(part, constant(stride)), firstElement);
        place.at = base ? add(base, at) : at;
        if (!guards())
          return body(inner);
        named(place.at, "at");
        Value inside =
            arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::slt, place.at, size);
        auto branch = scf::IfOp::create(builder, loc, inner.getTypes(), inside,
                                        /*withElseRegion=*/!inner.empty());
        OpBuilder::InsertionGuard guard(builder);
        ElementEmitter::Scope scope(*elements);
        if (inner.empty()) {
          builder.setInsertionPointToStart(branch.thenBlock());
          body(inner);
          return {};
        }
        builder.setInsertionPointToEnd(branch.thenBlock());
        scf::YieldOp::create(builder, loc, body(inner));
        builder.setInsertionPointToEnd(branch.elseBlock());
        scf::YieldOp::create(builder, loc, inner);
        return Values(branch.getResults());
      });
    };
    if (holds)
      return tile(Value(), carried);
    return loop(zero, size, constant(schedule.unroll * stride), carried,
                [&](Value base, ValueRange state) {
                  name(base, "tile");
                  return tile(base, state);
                });
  }

  /// Every element of a pack: body(carried) with all of `place`.
  Values eachElement(ValueRange carried, llvm::function_ref<Values(ValueRange)> body) {
    return unrolled(width, "k", carried, [&](Value k, ValueRange state) {
      place.k = k;
      place.element = add(place.at, k);
      place.held = add(mul(place.part, constant(width)), k);
      return body(state);
    });
  }

  /// Visits this thread's points of the row in a phase: body(carried). Packs of inputs that are not
  /// held are read ahead of their elements; afterPack() follows those.
  Values walk(unsigned phase, ValueRange carried, llvm::function_ref<Values(ValueRange)> body,
              llvm::function_ref<void()> beforePack = {},
              llvm::function_ref<void()> afterPack = {}) {
    llvm::SmallVector<BlockArgument> inputs = readInPhase(fused, analysis, phase, plan.cached);
    return eachPack(carried, [&](ValueRange outer) {
      for (BlockArgument argument : inputs)
        loadAhead(argument);
      if (beforePack)
        beforePack();
      Values next = eachElement(outer, [&](ValueRange state) {
        goTo(place.element);
        return body(state);
      });
      setPoint({}, {});
      for (auto &[argument, pack] : packs)
        elements->clearOverride(argument);
      packs.clear();
      if (afterPack)
        afterPack();
      return next;
    });
  }

  /// Makes an element of the row the point that is computed.
  void goTo(Value element) {
    inner = elements->math().delinearize(element, reducedDims);
    Index index;
    size_t nextKept = 0, nextReduced = 0;
    for (int64_t d = 0; d < analysis.domain.rank(); ++d)
      index.push_back(analysis.isReduced(d) ? inner[nextReduced++] : kept[nextKept++]);
    setPoint(index, add(start, element));
    for (auto &[argument, pack] : packs)
      if (isOfColumns(argument))
        elements->setOverride(argument, [this,
                                         argument = argument](llvm::ArrayRef<LaneIndex> index) {
          return followsRow(index, cast<BlockArgument>(argument))
                     ? Element{readElement(cast<BlockArgument>(argument), env.buffers[argument]),
                               true}
                     : Element();
        });
  }

  /// An element at the point, from where it is nearest.
  Value readElement(BlockArgument argument, const BufferRef &buffer) {
    Memory &memory = elements->memory();
    if (auto own = heldArrays.find(argument); own != heldArrays.end())
      return memory.loadScalar(own->second, buffer.elementType, place.held);
    if (auto pack = packs.find(argument); pack != packs.end())
      return memory.loadScalar(pack->second, buffer.elementType, place.k);
    return memory.loadScalar(buffer.pointer, buffer.elementType, add(start, place.element));
  }

  /// An input that has an element per column: the same in all rows.
  bool isOfColumns(Value argument) {
    Shape shape = ir::tensorType(argument).getShape();
    if (shape == analysis.domain)
      return false;
    auto withoutOnes = [](llvm::ArrayRef<DimExpr> dims) {
      return llvm::to_vector(
          llvm::make_filter_range(dims, [](const DimExpr &d) { return d.constant() != 1; }));
    };
    llvm::SmallVector<DimExpr> own(shape.begin(), shape.end());
    return rowSize.constant() != 1 && withoutOnes(own) == withoutOnes(reducedDims);
  }

  /// Whether an index of such an input is that of the point's column.
  bool followsRow(llvm::ArrayRef<LaneIndex> index, BlockArgument argument) {
    Shape shape = ir::tensorType(argument).getShape();
    size_t next = 0;
    for (size_t d = 0; d < index.size(); ++d) {
      if (shape[static_cast<int64_t>(d)].constant() == 1)
        continue;
      while (reducedDims[next].constant() == 1)
        ++next;
      if (index[d].base != inner[next++].base)
        return false;
    }
    return true;
  }

  void loadAhead(BlockArgument argument) {
    const BufferRef &buffer = env.buffers[argument];
    bool ofColumns = isOfColumns(argument);
    if (width == 1 || heldArrays.contains(argument) ||
        (!ofColumns && buffer.shape != analysis.domain))
      return;
    Value pack = array(buffer.elementType, width, bufferNames[argument.getArgNumber()] + "_pack");
    Value from = ofColumns ? place.at : add(start, place.at);
    callTemplate("loadPack", std::to_string(width), {pack, address(buffer, from)}, Type());
    packs[argument] = pack;
  }

  Value address(const BufferRef &buffer, Value offset) {
    return elements->memory().address(buffer.pointer, buffer.elementType, offset);
  }
  int64_t heldCount() const { return schedule.unroll * width; }
  static Type scratchType(Value value) {
    return ir::registerType(ir::tensorType(value).getElementType());
  }

  // -- Rows ---------------------------------------------------------------------------------------

  void eachRow(Value low, Value high, Value step) {
    loop(low, high, step, {}, [&](Value row, ValueRange) {
      name(row, "row");
      kept = elements->math().delinearize(row, keptDims);
      start = named(mul(row, size), "start");
      readHeld();
      if (prefetches())
        prefetchHeld(add(row, step), high);
      for (unsigned phase = 0; phase < analysis.numPhases; ++phase) {
        reducePhase(phase);
        computeKept(phase + 1);
      }
      writeOutputs();
      // With more phases than one the barrier of another lies between two uses of a slot.
      if (rowThreads > warp && analysis.numPhases == 1)
        barrier();
      for (Value value : overridden)
        elements->clearOverride(value);
      overridden.clear();
      heldArrays.clear();
      return Values();
    });
  }

  /// The row's one read.
  void readHeld() {
    if (held.empty())
      return;
    llvm::MapVector<BlockArgument, Value> arrays;
    for (BlockArgument argument : held)
      arrays[argument] = array(env.buffers[argument].elementType, heldCount(),
                               bufferNames[argument.getArgNumber()] + "_row");
    eachPack({}, [&](ValueRange) {
      Value first = mul(place.part, constant(width));
      for (auto &[argument, own] : arrays) {
        const BufferRef &buffer = env.buffers[argument];
        Value to = elements->memory().address(own, buffer.elementType, first);
        callTemplate("loadPack", std::to_string(width), {to, address(buffer, add(start, place.at))},
                     Type());
      }
      return Values();
    });
    for (auto &[argument, own] : arrays)
      heldArrays[argument] = own;
  }

  /// While a block is between two reads, memory would have little to do.
  bool prefetches() const { return rowThreads > warp && !held.empty(); }

  void prefetchHeld(Value row, Value high) {
    Value isRow = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::slt, row, high);
    auto branch = scf::IfOp::create(builder, loc, isRow, /*withElseRegion=*/false);
    OpBuilder::InsertionGuard guard(builder);
    ElementEmitter::Scope scope(*elements);
    builder.setInsertionPointToStart(branch.thenBlock());
    Value next = named(mul(row, size), "next");
    eachPack({}, [&](ValueRange) {
      for (BlockArgument argument : held)
        callTemplate("prefetch", "", {address(env.buffers[argument], add(next, place.at))}, Type());
      return Values();
    });
  }

  void reducePhase(unsigned phase) {
    llvm::SmallVector<Operation *> anchors;
    llvm::SmallVector<Reducer> reducers;
    Values carried;
    for (Operation *anchor : analysis.anchors)
      if (analysis.phase.lookup(anchor) == phase) {
        anchors.push_back(anchor);
        reducers.push_back(Reducer::of(builder, anchor, 1));
        llvm::append_range(carried, reducers.back().initial());
      }
    llvm::SmallVector<std::pair<Value, Value>> kept = startCached(phase);
    carried = walk(phase, carried, [&](ValueRange state) {
      Values next;
      size_t k = 0;
      for (auto [anchor, reducer] : llvm::zip(anchors, reducers)) {
        Value element = elements->emit(anchor->getOperand(0), point).value;
        llvm::append_range(
            next, reducer.step(state.slice(k, reducer.numStates()), element, place.element, {}));
        k += reducer.numStates();
      }
      for (auto [value, own] : kept)
        elements->memory().storeScalar(elements->emit(value, point).value, scratchType(value), own,
                                       place.held);
      return next;
    });
    for (auto [value, own] : kept)
      readFromArray(value, own);
    for (auto [anchor, result] : llvm::zip(anchors, combined(anchors, reducers, carried)))
      give(anchor->getResult(0), result);
  }

  /// Arrays for the values that this phase computes and later ones read.
  llvm::SmallVector<std::pair<Value, Value>> startCached(unsigned phase) {
    llvm::SmallVector<std::pair<Value, Value>> arrays;
    for (Value value : plan.cached)
      if (analysis.ready.lookup(value) == phase)
        arrays.emplace_back(value,
                            array(scratchType(value), heldCount(),
                                  value.getDefiningOp()->getName().stripDialect().str() + "_row"));
    return arrays;
  }

  void readFromArray(Value value, Value own) {
    overridden.push_back(value);
    elements->setOverride(value, [this, value, own](llvm::ArrayRef<LaneIndex> index) -> Element {
      bool isHere = llvm::equal(
          index, point, [](const LaneIndex &a, const LaneIndex &b) { return a.base == b.base; });
      if (!isHere)
        return {};
      return {elements->memory().loadScalar(own, scratchType(value), place.held), true};
    });
  }

  /// A per-row value is one scalar, wherever it is read.
  void give(Value value, Value scalar) {
    elements->setOverride(value, [scalar](llvm::ArrayRef<LaneIndex>) {
      return Element{scalar, true};
    });
    overridden.push_back(value);
  }

  /// What follows from the reductions so far, computed by every thread for itself.
  void computeKept(unsigned ready) {
    for (Operation &op : fused.getBody().front().without_terminator()) {
      if (llvm::is_contained(analysis.anchors, &op) || llvm::is_contained(analysis.columns, &op))
        continue;
      for (Value value : op.getResults())
        if (isKept(value) && analysis.ready.lookup(value) == ready)
          give(value, elements->emit(value, keptIndex(ir::tensorType(value).getShape())).value);
    }
  }

  bool hasRole(Value value, Role role) const {
    auto found = analysis.roles.find(value);
    return found != analysis.roles.end() && found->second == role;
  }

  void writeOutputs() {
    llvm::SmallVector<std::pair<Value, const BufferRef *>> full;
    for (auto [value, buffer] : llvm::zip(outputValues, outputs))
      if (hasRole(value, Role::Full))
        full.emplace_back(value, &buffer);
    if (!full.empty() || !columns.empty())
      writePoints(full);
    if (!llvm::any_of(outputValues, [&](Value value) { return isKept(value); }))
      return;
    OpBuilder::InsertionGuard guard(builder);
    ElementEmitter::Scope scope(*elements);
    if (rowThreads > 1) {
      Value isFirst = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::eq, lane, zero);
      auto branch = scf::IfOp::create(builder, loc, isFirst, /*withElseRegion=*/false);
      builder.setInsertionPointToStart(branch.thenBlock());
    }
    for (auto [value, buffer] : llvm::zip(outputValues, outputs))
      if (isKept(value)) {
        Index index = keptIndex(buffer.shape);
        store(buffer, index, {}, elements->emit(value, index).value);
      }
  }

  /// All reads of a pack come before its first write: an output may share the buffer of an input.
  void writePoints(llvm::ArrayRef<std::pair<Value, const BufferRef *>> full) {
    Memory &memory = elements->memory();
    llvm::SmallVector<Value> written;
    walk(
        analysis.numPhases, {},
        [&](ValueRange) {
          Values values;
          for (auto [value, buffer] : full)
            values.push_back(elements->emit(value, point).value);
          addToColumns();
          for (auto [number, value] : llvm::enumerate(values)) {
            const BufferRef &buffer = *full[number].second;
            if (width > 1)
              memory.storeScalar(value, buffer.elementType, written[number], place.k);
            else
              memory.storeScalar(value, buffer.elementType, buffer.pointer,
                                 add(start, place.element));
          }
          return Values();
        },
        [&] {
          written.clear();
          for (auto [value, buffer] : full)
            if (width > 1)
              written.push_back(array(buffer->elementType, width, nameOf(*buffer) + "_pack"));
        },
        [&] {
          for (auto [number, pack] : llvm::enumerate(written)) {
            const BufferRef &buffer = *full[number].second;
            callTemplate("storePack", std::to_string(width),
                         {address(buffer, add(start, place.at)), pack}, Type());
          }
        });
  }

  std::string nameOf(const BufferRef &output) const {
    return bufferNames[static_cast<size_t>(cast<BlockArgument>(output.pointer).getArgNumber())];
  }

  // -- Columns ------------------------------------------------------------------------------------

  Type sumType(size_t number) { return columns[number].stateTypes().front(); }
  /// Where this unit's sum of a column is: in registers, or where the second launch looks for it.
  Value sumAt(size_t number) { return holds ? sums[number] : workspaces[number]; }
  Value sumIndex() { return holds ? place.held : add(partials, place.element); }

  void startColumns() {
    sums.clear();
    for (size_t number = 0; holds && number < columns.size(); ++number)
      sums.push_back(array(sumType(number), heldCount(), "sums"));
    eachPack({}, [&](ValueRange) {
      return eachElement({}, [&](ValueRange) {
        for (auto [number, reducer] : llvm::enumerate(columns))
          elements->memory().storeScalar(reducer.initial().front(), sumType(number), sumAt(number),
                                         sumIndex());
        return Values();
      });
    });
  }

  void addToColumns() {
    Memory &memory = elements->memory();
    for (auto [number, column] : llvm::enumerate(analysis.columns)) {
      Value element = elements->emit(column->getOperand(0), point).value, at = sumIndex();
      Value sum = memory.loadScalar(sumAt(number), sumType(number), at);
      memory.storeScalar(columns[number].merge(sum, element).front(), sumType(number),
                         sumAt(number), at);
    }
  }

  void leaveColumns() {
    if (!holds)
      return;
    Memory &memory = elements->memory();
    eachPack({}, [&](ValueRange) {
      Value to = add(partials, place.at), from = mul(place.part, constant(width));
      for (size_t number = 0; number < columns.size(); ++number)
        callTemplate("storePack", std::to_string(width),
                     {memory.address(workspaces[number], sumType(number), to),
                      memory.address(sums[number], sumType(number), from)},
                     Type());
      return Values();
    });
  }

  /// The row's index in a per-row value, which may have size-1 dims besides.
  Index keptIndex(const Shape &shape) {
    Index index;
    size_t next = 0;
    for (const DimExpr &dim : shape) {
      if (dim.constant() == 1) {
        index.push_back({zero, 0, {}});
        continue;
      }
      while (keptDims[next].constant() == 1)
        ++next;
      index.push_back(kept[next++]);
    }
    return index;
  }

  bool holds; ///< A thread's packs of a row stay in its registers.
  llvm::SmallVector<BlockArgument> held;
  llvm::SmallVector<DimExpr> keptDims, reducedDims;
  DimExpr rowSize;
  llvm::SmallVector<Reducer> columns; ///< Of analysis.columns.

  Value size;
  Value start;    ///< The flat position of the row's first point.
  Value partials; ///< The first element of this unit's partial results.
  Index kept;     ///< The row's index.
  Index inner;    ///< Where the point is in the row.
  Place place;
  llvm::DenseMap<Value, Value> heldArrays;
  llvm::MapVector<Value, Value> packs;
  llvm::SmallVector<Value> sums;
  llvm::SmallVector<Value> overridden;
};

std::string unitsOf(const KernelPlan &plan) {
  const Schedule &schedule = plan.schedule;
  std::string who = schedule.cluster > 1
                        ? "a cluster of " + std::to_string(schedule.cluster) + " blocks"
                    : schedule.rowThreads > 32 ? "a block"
                    : schedule.rowThreads > 1  ? std::to_string(schedule.rowThreads) + " lanes"
                                               : "a thread";
  std::string what =
      plan.rowsPerUnit > 1 ? "groups of " + std::to_string(plan.rowsPerUnit) + " rows, " : "rows, ";
  return what + who + " each, " + (schedule.hold > 0 ? "read once" : "read in every phase");
}

} // namespace

KernelSource emitRow(const KernelRequest &request) {
  if (request.stage > 0)
    return emitRowColumns(request);
  BlockKernel kernel = RowEmitter(request).run();
  KernelSource source = printKernel(kernel, request, unitsOf(request.plan));
  source.parts.emplace_back(request.plan.schedule.cluster > 1 ? "RowClusters" : "Rows");
  if (request.plan.schedule.rowThreads > 32)
    source.parts.emplace_back("Instructions");
  return source;
}

} // namespace sinter::cuda
