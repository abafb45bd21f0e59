// SPDX-License-Identifier: Apache-2.0
// Cumulative form (forms/gpu/Cumulative.cpp). Positions along the axis count in the direction of
// the run. Chunks do not depend on the grid, so neither do the bits.
#include "sinter/codegen/cpu/Reducer.h"
#include "sinter/codegen/cuda/BlockEmitter.h"
#include "sinter/codegen/cuda/CppPrinter.h"
#include "sinter/codegen/cuda/RowReduction.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace sinter::codegen;
using sinter::cpu::Reducer;

namespace sinter::cuda {

namespace {

class CumulativeEmitter : BlockEmitter {
public:
  explicit CumulativeEmitter(const KernelRequest &request)
      : BlockEmitter(request), schedule(plan.schedule), stage(request.stage),
        axis(analysis.axes.front()), count(schedule.lanes), isCut(schedule.block > 0) {
    const Shape &domain = analysis.domain;
    for (Operation *anchor : analysis.anchors) {
      ir::Indexing indexing = cast<ir::IndexedOpInterface>(anchor).getIndexing();
      runs.push_back({anchor, Reducer::of(builder, anchor, 1), indexing.cumulative->exclusive});
      reverse = indexing.cumulative->reverse;
    }
    for (int64_t d = 0; d < domain.rank(); ++d) {
      if (d < axis)
        outerDims.push_back(domain[d]);
      if (d > axis)
        innerDims.push_back(domain[d]);
    }
    size = sizes->get(domain[axis]);
    chunks = isCut ? ceilDiv(domain[axis], schedule.block) : DimExpr(1);
  }

  BlockKernel run() {
    if (axis == analysis.domain.rank() - 1)
      alongRows();
    else
      alongColumns();
    return finish();
  }

private:
  static constexpr int64_t warp = 32, totalsInFlight = 4;
  /// A running reduction of the kernel.
  struct Run {
    Operation *anchor;
    Reducer reducer;
    bool exclusive;
    Type type() { return reducer.stateTypes().front(); }
    Value neutral() { return reducer.initial().front(); }
    Value merge(Value a, Value b) { return reducer.merge({a}, {b}).front(); }
  };

  Value constant(int64_t value) { return elements->math().constant(value); }
  Value sub(Value a, Value b) { return builder.createOrFold<arith::SubIOp>(loc, a, b); }
  Value divide(Value a, Value b) { return builder.createOrFold<arith::DivUIOp>(loc, a, b); }
  Value modulo(Value a, Value b) { return builder.createOrFold<arith::RemUIOp>(loc, a, b); }
  Value least(Value a, Value b) { return builder.createOrFold<arith::MinSIOp>(loc, a, b); }
  Value isLess(Value a, Value b) {
    return arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::slt, a, b);
  }
  static void name(Value index, llvm::StringRef hint) {
    Operation *loop = cast<BlockArgument>(index).getOwner()->getParentOp();
    loop->setAttr("hint", StringAttr::get(loop->getContext(), hint));
  }
  /// Where an element of the run lies along the axis.
  Value placeOf(Value step) { return reverse ? sub(sub(size, constant(1)), step) : step; }

  /// body() where `condition` (null: always) holds.
  void when(Value condition, llvm::function_ref<void()> body) {
    if (!condition)
      return body();
    auto branch = scf::IfOp::create(builder, loc, condition, /*withElseRegion=*/false);
    OpBuilder::InsertionGuard guard(builder);
    ElementEmitter::Scope scope(*elements);
    builder.setInsertionPointToStart(branch.thenBlock());
    body();
  }

  /// A run's result at the point.
  void give(Run &run, Value value) {
    elements->setOverride(run.anchor->getResult(0), [value](llvm::ArrayRef<LaneIndex>) {
      return Element{value, true};
    });
  }
  void clear() {
    for (Run &run : runs)
      elements->clearOverride(run.anchor->getResult(0));
    setPoint({}, {});
  }

  // -- Rows: the axis is the innermost dim --------------------------------------------------------

  /// What a unit goes along: steps [low, high) of the run in a row.
  struct Part {
    Value unit, chunk, low, high;
  };

  void alongRows() {
    rowThreads = schedule.rowThreads;
    Value thread = position("thread"), sharing = constant(rowThreads);
    bool isBlock = rowThreads == schedule.threads;
    Value perBlock = constant(schedule.threads / rowThreads);
    lane = isBlock ? thread : rowThreads == 1 ? zero : modulo(thread, sharing);
    Value first = isBlock ? position("block")
                          : add(mul(position("block"), perBlock), divide(thread, sharing));
    Value step = isBlock ? position("blocks") : mul(position("blocks"), perBlock);
    firstStep = mul(lane, constant(count));
    if (rowThreads > warp)
      for (Run &run : runs)
        slots.push_back(array(slotType(TypeRange(run.type())), rowThreads / warp, "slots",
                              /*isShared=*/true));
    readPoint = [this](BlockArgument argument, const BufferRef &buffer) {
      return elements->memory().loadScalar(packs.lookup(argument), buffer.elementType, slot);
    };
    DimExpr units = product(outerDims) * chunks;
    loop(first, sizes->get(units), step, {}, [&](Value unit, ValueRange) {
      name(unit, isCut ? "chunk" : "row");
      Value row = unit;
      Part part{unit, zero, zero, size};
      if (isCut) {
        Value all = sizes->get(chunks), block = constant(schedule.block);
        row = divide(unit, all);
        part.chunk = modulo(unit, all);
        part.low = mul(part.chunk, block);
        part.high = least(add(part.low, block), size);
      }
      outer = elements->math().delinearize(row, outerDims);
      start = mul(row, size);
      if (isCut && stage == 0)
        findTotal(part);
      else
        runAlong(part);
      return Values();
    });
  }

  /// The packs of neighbours that this thread takes of a tile; inside (null: surely) tells whether
  /// it has one.
  void eachTile(const Part &part, ValueRange carried, bool always,
                llvm::function_ref<Values(Value inside, ValueRange)> body,
                Values *results = nullptr) {
    int64_t tile = rowThreads * count;
    Values last =
        loop(part.low, part.high, constant(tile), carried, [&](Value base, ValueRange state) {
          name(base, "tile");
          if (results) // No barriers: only the next packs to wait for.
            overlap(base, totalsInFlight);
          at = add(base, firstStep);
          return body(always ? Value() : isLess(at, part.high), state);
        });
    if (results)
      *results = last;
  }

  bool tilesAreFull() const {
    auto length = analysis.domain[axis].constant();
    int64_t tile = rowThreads * count;
    return length && *length % tile == 0 && schedule.block % tile == 0;
  }

  void declarePacks() {
    packs.clear();
    for (BlockArgument argument : fused.getBody().front().getArguments())
      if (const BufferRef &buffer = env.buffers[argument]; buffer.shape == analysis.domain)
        packs[argument] =
            array(buffer.elementType, count, bufferNames[argument.getArgNumber()] + "_pack");
  }

  /// The flat position of the pack's first element in memory.
  Value packStart() { return add(start, reverse ? sub(sub(size, at), constant(count)) : at); }

  void loadPacks() {
    Value from = packStart();
    for (auto &[argument, pack] : packs) {
      const BufferRef &buffer = env.buffers[argument];
      move("loadPack", pack, elements->memory().address(buffer.pointer, buffer.elementType, from));
    }
  }
  void move(llvm::StringRef how, Value to, Value from) {
    callTemplate(how, std::to_string(count), {to, from}, Type());
  }

  /// Every element of the pack, in the direction of the run: body(k, carried); `slot` is its place.
  Values eachElement(ValueRange carried, llvm::function_ref<Values(Value, ValueRange)> body) {
    return unrolled(count, "k", carried, [&](Value k, ValueRange state) {
      slot = reverse ? sub(constant(count - 1), k) : k;
      Value element = placeOf(add(at, k));
      Index index = outer;
      index.push_back({element, 0, {}});
      setPoint(index, add(start, element));
      return body(k, state);
    });
  }

  void findTotal(const Part &part) {
    Run &run = runs.front();
    Values total;
    eachTile(
        part, {run.neutral()}, tilesAreFull(),
        [&](Value inside, ValueRange state) -> Values {
          auto addPack = [&](ValueRange before) {
            declarePacks();
            loadPacks();
            return eachElement(before, [&](Value, ValueRange sum) -> Values {
              return {run.merge(sum[0], elements->emit(run.anchor->getOperand(0), point).value)};
            });
          };
          if (!inside)
            return addPack(state);
          auto branch = scf::IfOp::create(builder, loc, state.getTypes(), inside, true);
          OpBuilder::InsertionGuard guard(builder);
          ElementEmitter::Scope scope(*elements);
          builder.setInsertionPointToEnd(branch.thenBlock());
          scf::YieldOp::create(builder, loc, addPack(state));
          builder.setInsertionPointToEnd(branch.elseBlock());
          scf::YieldOp::create(builder, loc, state);
          return Values(branch.getResults());
        },
        &total);
    setPoint({}, {});
    Value sum = combined(run, total.front());
    when(arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::eq, lane, zero),
         [&] { elements->memory().storeScalar(sum, run.type(), workspaces[0], part.unit); });
    barrier(); // The slots have been read.
  }

  void barrier() { callTemplate("__syncthreads", "", {}, Type()); }

  Value combined(Run &run, Value mine) {
    std::string merge = mergeName(run.anchor);
    callTemplate("leave", merge, {slots.front(), mine}, Type());
    barrier();
    return callTemplate("take", std::to_string(rowThreads / warp) + ", " + merge, {slots.front()},
                        run.type(), "total");
  }

  /// What the chunks before this one come to.
  Value carriedInto(Run &run, const Part &part) {
    Value before = sub(part.unit, part.chunk);
    Values mine = loop(lane, part.chunk, constant(rowThreads), {run.neutral()},
                       [&](Value chunk, ValueRange state) -> Values {
                         overlap(chunk, totalsInFlight);
                         Value total = elements->memory().loadScalar(workspaces[0], run.type(),
                                                                     add(before, chunk));
                         return {run.merge(state[0], total)};
                       });
    Value all = combined(run, mine.front());
    barrier(); // The slots have been read.
    return all;
  }

  void runAlong(const Part &part) {
    Values carries;
    for (Run &run : runs) {
      Value carry = array(run.type(), 1, "carry");
      elements->memory().storeScalar(isCut ? carriedInto(run, part) : run.neutral(), run.type(),
                                     carry, zero);
      carries.push_back(carry);
    }
    eachTile(part, {}, tilesAreFull(), [&](Value inside, ValueRange) {
      declarePacks();
      for (auto [number, run] : llvm::enumerate(runs)) {
        Value own = array(run.type(), count, "run");
        collect(run, own, inside, number == 0);
        scan(run, own, number, carries[number]);
      }
      when(inside, [&] { writePack(); });
      clear();
      return Values();
    });
  }

  /// This thread's elements, as they lie in memory; outside of the row they are neutral.
  void collect(Run &run, Value own, Value inside, bool loads) {
    Memory &memory = elements->memory();
    if (inside)
      unrolled(count, "k", {}, [&](Value k, ValueRange) {
        memory.storeScalar(run.neutral(), run.type(), own, k);
        return Values();
      });
    when(inside, [&] {
      if (loads)
        loadPacks();
      eachElement({}, [&](Value, ValueRange) {
        Value element = elements->emit(run.anchor->getOperand(0), point).value;
        memory.storeScalar(element, run.type(), own, slot);
        return Values();
      });
      setPoint({}, {});
    });
  }

  /// Makes the elements what the run comes to at them.
  void scan(Run &run, Value own, size_t number, Value carry) {
    Memory &memory = elements->memory();
    auto place = [&](Value k) { return reverse ? sub(constant(count - 1), k) : k; };
    Values total = unrolled(count, "k", {run.neutral()}, [&](Value k, ValueRange sum) -> Values {
      return {run.merge(sum[0], memory.loadScalar(own, run.type(), place(k)))};
    });
    std::string merge = mergeName(run.anchor);
    Value before = total.front();
    if (rowThreads > warp)
      before = callTemplate("scanBlock", std::to_string(rowThreads / warp) + ", " + merge,
                            {before, carry, slots[number]}, run.type(), "before");
    else
      before = callTemplate("scanLanes", std::to_string(rowThreads) + ", " + merge, {before, carry},
                            run.type(), "before");
    unrolled(count, "k", {before}, [&](Value k, ValueRange sum) -> Values {
      Value at = place(k);
      Value next = run.merge(sum[0], memory.loadScalar(own, run.type(), at));
      memory.storeScalar(run.exclusive ? sum[0] : next, run.type(), own, at);
      return {next};
    });
    elements->setOverride(run.anchor->getResult(0), [this, &run, own](llvm::ArrayRef<LaneIndex>) {
      return Element{elements->memory().loadScalar(own, run.type(), slot), true};
    });
  }

  void writePack() {
    llvm::SmallVector<Value> written;
    for (const BufferRef &buffer : outputs)
      written.push_back(
          array(buffer.elementType, count,
                bufferNames[cast<BlockArgument>(buffer.pointer).getArgNumber()] + "_pack"));
    eachElement({}, [&](Value, ValueRange) {
      Values values;
      for (Value value : outputValues)
        values.push_back(elements->emit(value, point).value);
      for (auto [value, buffer, pack] : llvm::zip(values, outputs, written))
        elements->memory().storeScalar(value, buffer.elementType, pack, slot);
      return Values();
    });
    setPoint({}, {});
    Value to = packStart();
    for (auto [buffer, pack] : llvm::zip(outputs, written))
      move("storePack", elements->memory().address(buffer.pointer, buffer.elementType, to), pack);
  }

  // -- Columns: the axis is another dim, a thread goes along it -----------------------------------

  void alongColumns() {
    Value threads = position("threads"), columns = sizes->get(product(innerDims));
    Value first = add(mul(position("block"), threads), position("thread"));
    Value lines = sizes->get(product(outerDims) * product(innerDims));
    loop(first, sizes->get(product(outerDims) * product(innerDims) * chunks),
         mul(position("blocks"), threads), {}, [&](Value unit, ValueRange) {
           name(unit, "column");
           Value line = unit;
           Part part{unit, zero, zero, size};
           if (isCut) {
             Value block = constant(schedule.block);
             part.chunk = divide(unit, lines);
             line = modulo(unit, lines);
             part.low = mul(part.chunk, block);
             part.high = least(add(part.low, block), size);
           }
           bool isOneRow = product(outerDims).constant() == 1;
           Value row = isOneRow ? zero : divide(line, columns);
           Value column = isOneRow ? line : modulo(line, columns);
           outer = elements->math().delinearize(row, outerDims);
           inner = elements->math().delinearize(column, innerDims);
           start = add(mul(mul(row, size), columns), column);
           if (isCut && stage == 0) {
             Values total = goAlong(part, columns, {runs.front().neutral()}, /*writes=*/false);
             elements->memory().storeScalar(total.front(), runs.front().type(), workspaces[0],
                                            unit);
             return Values();
           }
           Values carried;
           for (Run &run : runs)
             carried.push_back(run.neutral());
           if (isCut) // The totals of the chunks before this one, in their order.
             carried = loop(zero, part.chunk, constant(1), carried,
                            [&](Value chunk, ValueRange sum) -> Values {
                              overlap(chunk, totalsInFlight);
                              Value total = elements->memory().loadScalar(
                                  workspaces[0], runs.front().type(), add(mul(chunk, lines), line));
                              return {runs.front().merge(sum[0], total)};
                            });
           goAlong(part, columns, carried, /*writes=*/true);
           return Values();
         });
  }

  /// Steps [low, high) of the run; a few of them are read ahead where all of them are there.
  Values goAlong(const Part &part, Value columns, ValueRange carried, bool writes) {
    Value ahead = constant(count);
    Value whole = sub(part.high, modulo(sub(part.high, part.low), ahead));
    Values state = loop(part.low, whole, ahead, carried, [&](Value base, ValueRange before) {
      declarePacks();
      unrolled(count, "k", {}, [&](Value k, ValueRange) {
        Value from = add(start, mul(placeOf(add(base, k)), columns));
        for (auto &[argument, pack] : packs) {
          const BufferRef &buffer = env.buffers[argument];
          Value element = elements->memory().loadScalar(buffer.pointer, buffer.elementType, from);
          elements->memory().storeScalar(element, buffer.elementType, pack, k);
        }
        return Values();
      });
      readPoint = [this](BlockArgument argument, const BufferRef &buffer) {
        return elements->memory().loadScalar(packs.lookup(argument), buffer.elementType, slot);
      };
      return unrolled(count, "k", before, [&](Value k, ValueRange sum) {
        slot = k;
        return takeStep(add(base, k), columns, sum, writes);
      });
    });
    readPoint = {};
    auto length = analysis.domain[axis].constant();
    if (length && *length % count == 0 && schedule.block % count == 0)
      return state;
    return loop(whole, part.high, constant(1), state,
                [&](Value step, ValueRange sum) { return takeStep(step, columns, sum, writes); });
  }

  Values takeStep(Value step, Value columns, ValueRange state, bool writes) {
    Value element = placeOf(step), flat = add(start, mul(element, columns));
    Index index = outer;
    index.push_back({element, 0, {}});
    llvm::append_range(index, inner);
    setPoint(index, flat);
    Values next;
    for (auto [run, before] : llvm::zip(runs, state)) {
      Value after = run.merge(before, elements->emit(run.anchor->getOperand(0), point).value);
      give(run, run.exclusive ? before : after);
      next.push_back(after);
    }
    if (writes)
      storeFull(flat);
    clear();
    return next;
  }

  const Schedule &schedule;
  unsigned stage;
  int64_t axis;
  int64_t count; ///< Elements that a thread takes at once.
  bool isCut, reverse = false;
  int64_t rowThreads = 1;
  llvm::SmallVector<Run> runs;
  llvm::SmallVector<DimExpr> outerDims, innerDims; ///< Before and behind the axis.
  DimExpr chunks;                                  ///< Of a row or column.

  Value size, lane, firstStep;
  Value start; ///< The flat position of the row's, or column's, first element.
  Value at;    ///< The pack's first step of the run.
  Value slot;  ///< The point's place in packs.
  Index outer, inner;
  llvm::SmallVector<Value> slots; ///< A run's, in shared memory.
  llvm::MapVector<Value, Value> packs;
};

} // namespace

KernelSource emitCumulative(const KernelRequest &request) {
  BlockKernel kernel = CumulativeEmitter(request).run();
  const KernelPlan &plan = request.plan;
  bool isCut = plan.schedule.block > 0;
  std::string units = !isCut               ? "rows or columns"
                      : request.stage == 0 ? "chunks of which the totals are found"
                                           : "chunks that go on from the totals before them";
  KernelSource source = printKernel(kernel, request, units);
  source.parts.emplace_back("Scans");
  return source;
}

} // namespace sinter::cuda
