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
#include "sinter/codegen/cuda/RowWalk.h"
#include "sinter/codegen/forms/gpu/RowValues.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace sinter::codegen;
using sinter::cpu::Reducer;
using sinter::passes::Role;

namespace sinter::cuda {

namespace {

class RowEmitter : RowWalk {
public:
  explicit RowEmitter(const KernelRequest &request) : RowWalk(request) {
    if (holds)
      held = rowValues(fused, analysis).held;
    for (Operation *column : analysis.columns)
      columns.push_back(Reducer::of(builder, column, 1));
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
    loop(firstUnit, sizes->get(plan.columnUnits), unitStep, {}, [&](Value unit, ValueRange) {
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

  /// Rows behind a contraction whose sums are `parts` parts in the last workspace.
  BlockKernel runOnParts(const RowsOfParts &sums) {
    startOfSums = [&](Value) { return start; };
    loadSums = [&, count = sizes->get(product(keptDims) * rowSize)] {
      Value from =
          elements->memory().address(workspaces.back(), sums.type, add(sumStart, place.at));
      callTemplate("loadParts", std::to_string(width) + ", " + std::to_string(sums.parts),
                   {startPack(sums.type), from, count}, Type());
    };
    sumAtColumn = [&, count = sizes->get(product(keptDims) * rowSize)](Value column) {
      Value one = array(sums.type, 1, "sum");
      callTemplate("loadParts", "1, " + std::to_string(sums.parts),
                   {one,
                    elements->memory().address(workspaces.back(), sums.type, add(sumStart, column)),
                    count},
                   Type());
      return asProduct(elements->memory().loadScalar(one, sums.type, zero), sums.type);
    };
    return run();
  }

  /// A member: void (unit, first row, number of rows, sums, their distance from row to row).
  BlockKernel runBehind(Type sum) {
    Block &entry = function.getBody().front();
    Type index = builder.getI64Type();
    Value unit = entry.addArgument(index, loc), first = entry.addArgument(index, loc),
          count = entry.addArgument(index, loc),
          sums = entry.addArgument(LLVM::LLVMPointerType::get(builder.getContext()), loc),
          pitch = entry.addArgument(index, loc);
    function.setFunctionType(builder.getFunctionType(entry.getArgumentTypes(), {}));
    size = sizes->get(rowSize);
    placeThread();
    startOfSums = [&](Value row) {
      return columns.empty()
                 ? zero
                 : mul(arith::SubIOp::create(builder, loc, row, first).getResult(), pitch);
    };
    loadSums = [&, sum] {
      Value from = elements->memory().address(sums, sum, add(sumStart, place.at));
      callTemplate("loadPack", std::to_string(width), {startPack(sum), from}, Type());
    };
    sumAtColumn = [&, sum](Value column) {
      return asProduct(elements->memory().loadScalar(sums, sum, add(sumStart, column)), sum);
    };
    if (columns.empty()) {
      one(first);
      return finish();
    }
    partials = mul(unit, size);
    startColumns();
    eachRow(first, add(first, count), constant(1));
    leaveColumns();
    return finish();
  }

private:
  /// The sums of a pack, from which its points start.
  Value startPack(Type sum) {
    Value pack = array(sum, width, "sums_pack");
    sumAtPoint = [this, pack, sum] {
      return asProduct(elements->memory().loadScalar(pack, sum, place.k), sum);
    };
    return pack;
  }

  bool isProduct(Value value) const { return value.getDefiningOp() == analysis.source; }
  /// Sums of integers are wider than what they are stored as.
  Value asProduct(Value value, Type sum) {
    Type held = scratchType(analysis.source->getResult(0));
    return held == sum ? value : arith::TruncIOp::create(builder, loc, held, value).getResult();
  }

  int64_t heldCount() const { return schedule.unroll * width; }
  static Type scratchType(Value value) {
    return ir::registerType(ir::tensorType(value).getElementType());
  }

  // -- Rows ---------------------------------------------------------------------------------------

  void eachRow(Value low, Value high, Value step) {
    loop(low, high, step, {}, [&](Value row, ValueRange) {
      name(row, "row");
      one(row, [&] {
        if (prefetches())
          prefetchHeld(add(row, step), high);
      });
      return Values();
    });
  }

  void one(Value row, llvm::function_ref<void()> afterRead = {}) {
    kept = elements->math().delinearize(row, keptDims);
    start = named(mul(row, size), "start");
    if (startOfSums)
      sumStart = startOfSums(row);
    readHeld();
    if (afterRead)
      afterRead();
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
        return isProduct(value) ? pickedSum(index) : Element();
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
    return Index(elements->math().ofRow(shape, keptDims, kept));
  }

  llvm::SmallVector<BlockArgument> held;
  llvm::SmallVector<Reducer> columns;      ///< Of analysis.columns.
  Value partials;                          ///< The first element of this unit's partial results.
  std::function<Value(Value)> startOfSums; ///< Behind a contraction: of a row.
  Value sumStart;
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

KernelSource emitRowsOfParts(const KernelRequest &request, const RowsOfParts &sums) {
  BlockKernel kernel = RowEmitter(request).runOnParts(sums);
  KernelSource source = printKernel(kernel, request,
                                    "rows of sums whose " + std::to_string(sums.parts) +
                                        " parts are added up, then " + unitsOf(request.plan));
  source.parts.emplace_back("GemmRows");
  return source;
}

BlockKernel emitRowsBehind(const KernelRequest &request, Type sum) {
  return RowEmitter(request).runBehind(sum);
}

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
