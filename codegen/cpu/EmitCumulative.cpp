// SPDX-License-Identifier: Apache-2.0
// Cumulative form: a unit walks the axis. Along the innermost dim it goes a vector at a time, each
// scanned by a tree of shifts; a long row is cut into chunks, whose totals an earlier launch finds.
// Along another dim the lanes run over the innermost one, and the states of a block of columns stay
// in the worker's scratch (in L1). Chunks do not depend on the number of threads, so neither do the
// bits.
#include "sinter/codegen/Program.h"
#include "sinter/codegen/cpu/KernelFunction.h"
#include "sinter/codegen/cpu/Reducer.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace sinter::codegen;

namespace sinter::cpu {

namespace {

class CumulativeEmitter {
public:
  explicit CumulativeEmitter(KernelFunction &kernel)
      : kernel(kernel), builder(kernel.builder), loc(kernel.loc), analysis(kernel.plan.analysis),
        lanes(kernel.plan.schedule.lanes), emitter(builder, loc, kernel.env, lanes),
        axis(analysis.axes.front()), last(analysis.domain.rank() - 1) {
    for (Operation *anchor : analysis.anchors) {
      ir::Indexing indexing = cast<ir::IndexedOpInterface>(anchor).getIndexing();
      runs.push_back({anchor, Reducer::of(builder, anchor, lanes), indexing.cumulative->exclusive});
      reverse = indexing.cumulative->reverse;
    }
    for (int64_t d = 0; d < last; ++d)
      if (d != axis)
        outer.push_back(analysis.domain[d]);
  }

  /// A long row is cut into chunks.
  bool isCut() const { return axis == last && kernel.plan.schedule.block > 0; }

  void run() {
    kernel.loop(kernel.begin, kernel.end, kernel.constant(1), {}, [&](Value unit, ValueRange) {
      ElementEmitter::Scope scope(emitter);
      if (axis == last)
        alongLanes(unit);
      else
        acrossLanes(unit);
      return KernelFunction::Values();
    });
  }

  /// The launch before: the total of each chunk.
  void total() {
    kernel.loop(kernel.begin, kernel.end, kernel.constant(1), {}, [&](Value unit, ValueRange) {
      ElementEmitter::Scope scope(emitter);
      Run &run = runs.front();
      Part part = partOf(unit);
      constexpr int64_t unroll = 4;
      KernelFunction::Values states;
      for (int64_t slot = 0; slot < unroll; ++slot)
        llvm::append_range(states, run.reducer.initial());
      states = kernel.vectorLoop(
          part.low, part.high, lanes, unroll, states,
          [&](Value base, Value mask, ValueRange state) -> KernelFunction::Values {
            ElementEmitter::Scope inner(emitter);
            part.index.back() = {base, lanes == 1 ? 0 : 1, {}};
            emitter.setMask(mask);
            Value element = elementOf(run, part.index);
            emitter.setMask({});
            auto next = run.reducer.step(state, element, {}, mask);
            return KernelFunction::Values(next.begin(), next.end());
          });
      Reducer::Values sum{states[0]};
      for (int64_t slot = 1; slot < unroll; ++slot)
        sum = run.reducer.merge(sum, states[static_cast<size_t>(slot)]);
      emitter.memory().storeScalar(run.reducer.horizontal(sum)[0], run.reducer.stateTypes()[0],
                                   kernel.workspaces[0], unit);
      return KernelFunction::Values();
    });
  }

private:
  /// A running reduction of the kernel.
  struct Run {
    Operation *anchor;
    Reducer reducer;
    bool exclusive;
  };

  void setOuter(Index &index, Value flat) {
    llvm::SmallVector<LaneIndex> position = emitter.math().delinearize(flat, outer);
    size_t next = 0;
    for (int64_t d = 0; d < last; ++d)
      if (d != axis)
        index[static_cast<size_t>(d)] = position[next++];
  }

  // -- The axis is the innermost dim --

  /// What a unit walks: [low, high) of the axis, from the other dims' index on.
  struct Part {
    Index index;
    Value chunk, low, high;
  };

  Part partOf(Value unit) {
    Part part;
    part.index.resize(static_cast<size_t>(last) + 1);
    Value size = kernel.size(analysis.domain[axis]);
    if (!isCut()) {
      setOuter(part.index, unit);
      part.low = kernel.constant(0);
      part.high = size;
      return part;
    }
    IndexMath &math = emitter.math();
    Value block = kernel.constant(kernel.plan.schedule.block);
    part.chunk =
        chunks().constant() == 1 ? kernel.constant(0) : math.mod(math.uniform(unit), chunks()).base;
    setOuter(part.index, math.floorDiv(math.uniform(unit), chunks()).base);
    part.low = kernel.mul(part.chunk, block);
    part.high = kernel.minimum(kernel.add(part.low, block), size);
    return part;
  }
  DimExpr chunks() const { return ceilDiv(analysis.domain[axis], kernel.plan.schedule.block); }

  /// What the chunks before this one come to, in every lane.
  Value carriedInto(Run &run, const Part &part, Value unit) {
    KernelFunction::Values state;
    llvm::append_range(state, run.reducer.initialScalars());
    Value one = kernel.constant(1), count = part.chunk;
    if (reverse)
      count = kernel.sub(kernel.sub(kernel.size(chunks()), one), part.chunk);
    state = kernel.loop(kernel.constant(0), count, one, state, [&](Value number, ValueRange sum) {
      Value ahead = kernel.sub(count, number); // From the one farthest away.
      Value at = reverse ? kernel.add(unit, ahead) : kernel.sub(unit, ahead);
      Value next =
          emitter.memory().loadScalar(kernel.workspaces[0], run.reducer.stateTypes()[0], at);
      return KernelFunction::Values{run.reducer.merge(sum, next)[0]};
    });
    return emitter.memory().splat(state[0]);
  }

  void alongLanes(Value unit) {
    Part part = partOf(unit);
    KernelFunction::Values carried;
    for (Run &run : runs)
      if (isCut())
        carried.push_back(carriedInto(run, part, unit));
      else
        llvm::append_range(carried, run.reducer.initial());
    Value width = kernel.constant(lanes), size = kernel.sub(part.high, part.low);
    Value whole = builder.createOrFold<arith::DivUIOp>(loc, size, width);
    carried =
        kernel.loop(kernel.constant(0), whole, 1, carried, [&](Value number, ValueRange state) {
          Value next = kernel.add(number, kernel.constant(1));
          Value base = reverse ? kernel.sub(part.high, kernel.mul(next, width))
                               : kernel.add(part.low, kernel.mul(number, width));
          return vectorAt(part.index, base, {}, state);
        });
    Value done = kernel.mul(whole, width), rest = kernel.sub(size, done);
    Value base = reverse ? part.low : kernel.add(part.low, done);
    kernel.loop(kernel.constant(0), rest, lanes, carried, [&](Value, ValueRange state) {
      return vectorAt(part.index, base, emitter.memory().tailMask(rest), state);
    });
  }

  KernelFunction::Values vectorAt(Index &index, Value base, Value mask, ValueRange state) {
    ElementEmitter::Scope scope(emitter);
    index.back() = {base, lanes == 1 ? 0 : 1, {}};
    emitter.setMask(mask);
    KernelFunction::Values next;
    for (auto [run, carry] : llvm::zip_equal(runs, state)) {
      Value element = elementOf(run, index);
      if (mask)
        element = arith::SelectOp::create(builder, loc, mask, element, run.reducer.initial()[0]);
      Value inside = scanned(run, element);
      Value inclusive = run.reducer.merge(carry, inside)[0];
      give(run, run.exclusive ? behind(inclusive, carry) : inclusive);
      next.push_back(run.reducer.merge(carry, allLanes(inside))[0]);
    }
    writeOutputs(index);
    return next;
  }

  Value shuffle(Value a, Value b, llvm::function_ref<int64_t(int64_t)> lane) {
    llvm::SmallVector<int64_t> picked;
    for (int64_t i = 0; i < lanes; ++i)
      picked.push_back(lane(i));
    return vector::ShuffleOp::create(builder, loc, a, b, picked);
  }

  /// Every lane combined with those before it in the direction of the run.
  Value scanned(Run &run, Value vector) {
    for (int64_t step = 1; step < lanes; step *= 2) {
      Value shifted = shuffle(run.reducer.initial()[0], vector, [&](int64_t i) {
        int64_t from = reverse ? i + step : i - step;
        return from < 0 || from >= lanes ? i : lanes + from;
      });
      vector = run.reducer.merge(shifted, vector)[0];
    }
    return vector;
  }

  /// What the run came to before each lane.
  Value behind(Value inclusive, Value carry) {
    if (lanes == 1)
      return carry;
    return shuffle(carry, inclusive, [&](int64_t i) {
      int64_t from = reverse ? i + 1 : i - 1;
      return from < 0 || from >= lanes ? i : lanes + from;
    });
  }

  /// The last lane of the run in every lane.
  Value allLanes(Value scanned) {
    if (lanes == 1)
      return scanned;
    return shuffle(scanned, scanned, [&](int64_t) { return reverse ? 0 : lanes - 1; });
  }

  // -- The axis is another dim --

  void acrossLanes(Value unit) {
    const Schedule &schedule = kernel.plan.schedule;
    IndexMath &math = emitter.math();
    Index index(static_cast<size_t>(last) + 1);
    DimExpr blocks = ceilDiv(analysis.domain[last], schedule.block);
    LaneIndex at = math.uniform(unit);
    Value block = blocks.constant() == 1 ? kernel.constant(0) : math.mod(at, blocks).base;
    setOuter(index, math.floorDiv(at, blocks).base);
    Value low = kernel.mul(block, kernel.constant(schedule.block));
    Value high = kernel.minimum(kernel.add(low, kernel.constant(schedule.block)),
                                kernel.size(analysis.domain[last]));
    llvm::SmallVector<Value> states;
    for (size_t k = 0; k < runs.size(); ++k)
      states.push_back(kernel.workerScratch(k));
    eachColumn(low, high, index, [&](Value column, Value mask) {
      for (auto [run, state] : llvm::zip_equal(runs, states))
        emitter.memory().storeVector(run.reducer.initial()[0], run.reducer.stateTypes()[0], state,
                                     column, mask, false);
    });
    Value size = kernel.size(analysis.domain[axis]);
    kernel.loop(kernel.constant(0), size, 1, {}, [&](Value number, ValueRange) {
      Value position = reverse ? kernel.sub(kernel.sub(size, kernel.constant(1)), number) : number;
      index[static_cast<size_t>(axis)] = {position, 0, {}};
      eachColumn(low, high, index, [&](Value column, Value mask) {
        ElementEmitter::Scope scope(emitter);
        emitter.setMask(mask);
        for (auto [run, state] : llvm::zip_equal(runs, states)) {
          Type type = run.reducer.stateTypes()[0];
          Value element = elementOf(run, index);
          Value before = emitter.memory().loadVector(state, type, column, mask);
          Value after = run.reducer.merge(before, element)[0];
          emitter.memory().storeVector(after, type, state, column, mask, false);
          give(run, run.exclusive ? before : after);
        }
        writeOutputs(index);
      });
      return KernelFunction::Values();
    });
  }

  /// Vectors of the columns [low, high); `column` counts from `low`.
  void eachColumn(Value low, Value high, Index &index,
                  llvm::function_ref<void(Value column, Value mask)> body) {
    kernel.vectorLoop(low, high, lanes, 1, {}, [&](Value base, Value mask, ValueRange) {
      index.back() = {base, lanes == 1 ? 0 : 1, {}};
      body(kernel.sub(base, low), mask);
      return KernelFunction::Values();
    });
  }

  // -- Elements --

  Value elementOf(Run &run, llvm::ArrayRef<LaneIndex> index) {
    return emitter.memory().asVector(emitter.emit(run.anchor->getOperand(0), index));
  }

  void give(Run &run, Value value) {
    emitter.setOverride(run.anchor->getResult(0), [this, value](llvm::ArrayRef<LaneIndex>) {
      return Element{value, lanes == 1};
    });
  }

  void writeOutputs(llvm::ArrayRef<LaneIndex> index) {
    auto values = kernel.fused.getBody().front().getTerminator()->getOperands();
    // All reads come before the first write: an output may share the buffer of an input.
    llvm::SmallVector<Element> elements;
    for (Value value : values)
      elements.push_back(emitter.emit(value, index));
    for (auto [element, buffer] : llvm::zip(elements, kernel.outputs))
      kernel.store(emitter, buffer, index, element, kernel.plan.schedule.streamStores);
    for (Run &run : runs)
      emitter.clearOverride(run.anchor->getResult(0));
    emitter.setMask({});
  }

  KernelFunction &kernel;
  OpBuilder &builder;
  Location loc;
  const passes::KernelAnalysis &analysis;
  int64_t lanes;
  ElementEmitter emitter;
  int64_t axis, last;
  bool reverse = false;
  llvm::SmallVector<Run> runs;
  llvm::SmallVector<DimExpr> outer; ///< Sizes of the dims but the axis and the last.
};

} // namespace

void emitCumulative(KernelFunction &kernel, unsigned stage) {
  CumulativeEmitter emitter(kernel);
  if (emitter.isCut() && stage == 0)
    emitter.total();
  else
    emitter.run();
}

} // namespace sinter::cpu
