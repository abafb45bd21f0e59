// SPDX-License-Identifier: Apache-2.0
// Reduce form, in two launches. The first: a unit is one chunk of the outermost reduced dim, for
// one point of the kept dims before it; it writes partial results for all kept points behind it.
// The second combines the partials in order and computes what follows. Chunks do not depend on the
// number of threads, so neither do the bits.
#include "sinter/codegen/cpu/KernelFunction.h"
#include "sinter/codegen/cpu/Reducer.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace sinter::codegen;
using sinter::passes::Role;

namespace sinter::cpu {

namespace {

class ReduceEmitter {
public:
  explicit ReduceEmitter(KernelFunction &kernel)
      : kernel(kernel), analysis(kernel.plan.analysis), schedule(kernel.plan.schedule),
        vectors(kernel.builder, kernel.loc, kernel.env, schedule.lanes) {
    const Shape &domain = analysis.domain;
    first = analysis.axes.front();
    chunks = ceilDiv(domain[first], schedule.block);
    for (int64_t d = 0; d < first; ++d)
      outerKept.push_back(domain[d]);
    for (int64_t d = first + 1; d < domain.rank(); ++d)
      if (!analysis.isReduced(d)) {
        innerKept.push_back(domain[d]);
        innerKeptCount *= domain[d];
      }
    for (const DimExpr &size : outerKept)
      outerKeptCount *= size;
    lastReduced = analysis.isReduced(domain.rank() - 1);
    for (Operation *anchor : analysis.anchors)
      reducers.push_back(Reducer::of(kernel.builder, anchor, schedule.lanes));
  }

  void partial() {
    kernel.loop(kernel.begin, kernel.end, kernel.constant(1), {}, [&](Value unit, ValueRange) {
      ElementEmitter::Scope scope(vectors);
      IndexMath &math = vectors.math();
      LaneIndex at = math.uniform(unit);
      Value chunk = math.mod(at, chunks).base;
      if (chunks.constant() == 1)
        chunk = kernel.constant(0);
      Value outer = math.floorDiv(at, chunks).base;
      Index index(static_cast<size_t>(analysis.domain.rank()));
      for (auto [d, i] : llvm::enumerate(math.delinearize(outer, outerKept)))
        index[d] = i;
      Value low = kernel.mul(chunk, kernel.constant(schedule.block));
      Value high = kernel.minimum(kernel.add(low, kernel.constant(schedule.block)),
                                  kernel.size(analysis.domain[first]));
      Value base = kernel.mul(unit, kernel.size(innerKeptCount)); // Of this unit's partials.
      if (lastReduced)
        reduceLanes(index, low, high, base);
      else
        reduceColumns(index, low, high, base);
      return KernelFunction::Values();
    });
  }

  /// The innermost dim is reduced: lanes run along it, one state in registers per kept point.
  void reduceLanes(Index index, Value low, Value high, Value base) {
    eachInnerKept(first + 1, kernel.constant(0), index, [&](Index &at, Value kept) {
      KernelFunction::Values state;
      for (int64_t slot = 0; slot < schedule.unroll; ++slot)
        for (Reducer &reducer : reducers)
          llvm::append_range(state, reducer.initial());
      state = eachReduced(first, low, high, at, state);
      size_t group = state.size() / static_cast<size_t>(schedule.unroll), k = 0, number = 0;
      for (Reducer &reducer : reducers) {
        Reducer::Values lanes(ValueRange(state).slice(k, reducer.numStates()));
        for (int64_t slot = 1; slot < schedule.unroll; ++slot)
          lanes =
              reducer.merge(lanes, ValueRange(state).slice(static_cast<size_t>(slot) * group + k,
                                                           reducer.numStates()));
        k += reducer.numStates();
        for (Value scalar : reducer.horizontal(lanes))
          vectors.memory().storeScalar(scalar, scalar.getType(), kernel.workspaces[number++],
                                       kernel.add(base, kept));
      }
    });
  }

  /// Loops over the kept dims behind the first reduced one; `kept` is their flat index.
  void eachInnerKept(int64_t d, Value kept, Index &index,
                     llvm::function_ref<void(Index &, Value)> body) {
    if (d == analysis.domain.rank())
      return body(index, kept);
    if (analysis.isReduced(d))
      return eachInnerKept(d + 1, kept, index, body);
    Value size = kernel.size(analysis.domain[d]);
    kernel.loop(kernel.constant(0), size, 1, {}, [&](Value iv, ValueRange) {
      index[static_cast<size_t>(d)] = {iv, 0, {}};
      eachInnerKept(d + 1, kernel.add(kernel.mul(kept, size), iv), index, body);
      return KernelFunction::Values();
    });
  }

  /// Loops over the reduced dims from `d` on, the last of them in vectors.
  KernelFunction::Values eachReduced(int64_t d, Value low, Value high, Index &index,
                                     KernelFunction::Values state) {
    if (!analysis.isReduced(d))
      return eachReduced(d + 1, kernel.constant(0),
                         d + 1 < analysis.domain.rank() ? kernel.size(analysis.domain[d + 1])
                                                        : Value(),
                         index, state);
    if (d + 1 < analysis.domain.rank())
      return kernel.loop(low, high, 1, state, [&](Value iv, ValueRange carried) {
        index[static_cast<size_t>(d)] = {iv, 0, {}};
        return eachReduced(d + 1, kernel.constant(0), kernel.size(analysis.domain[d + 1]), index,
                           KernelFunction::Values(carried));
      });
    return kernel.vectorLoop(
        low, high, schedule.lanes, schedule.unroll, state,
        [&](Value iv, Value mask, ValueRange group) {
          ElementEmitter::Scope scope(vectors);
          index[static_cast<size_t>(d)] = {iv, schedule.lanes == 1 ? 0 : 1, {}};
          vectors.setMask(mask);
          auto next = step(index, group);
          writeFree(index);
          vectors.setMask({});
          return next;
        });
  }

  KernelFunction::Values step(Index &index, ValueRange state) {
    KernelFunction::Values next;
    size_t k = 0;
    for (auto [anchor, reducer] : llvm::zip(analysis.anchors, reducers)) {
      Value element = vectors.memory().asVector(vectors.emit(anchor->getOperand(0), index));
      Value position = reducer.numStates() > 1 ? reducedPosition(index) : Value();
      llvm::append_range(next, reducer.step(state.slice(k, reducer.numStates()), element, position,
                                            vectors.getMask()));
      k += reducer.numStates();
    }
    return next;
  }

  /// The flat index in the reduced dims, for argmax.
  Value reducedPosition(Index &index) {
    LaneIndex flat = vectors.math().uniform(kernel.constant(0));
    for (int64_t axis : analysis.axes)
      flat = vectors.math().add(vectors.math().mul(flat, analysis.domain[axis]),
                                index[static_cast<size_t>(axis)]);
    return schedule.lanes == 1 ? flat.base : vectors.math().asVector(flat);
  }

  /// The innermost dim is kept: lanes run along it, and the states live in the partials themselves
  /// (in L1).
  void reduceColumns(Index index, Value low, Value high, Value base) {
    int64_t last = analysis.domain.rank() - 1;
    // Start from the neutral state, then take the points of the chunk in order, `unroll` of them
    // per pass.
    Value columns = kernel.size(innerKeptCount);
    kernel.vectorLoop(
        kernel.constant(0), columns, schedule.lanes, 1, {}, [&](Value iv, Value mask, ValueRange) {
          size_t number = 0;
          for (Reducer &reducer : reducers)
            for (auto [neutral, type] : llvm::zip(reducer.initial(), reducer.stateTypes()))
              vectors.memory().storeVector(neutral, type, kernel.workspaces[number++],
                                           kernel.add(base, iv), mask, false);
          return KernelFunction::Values();
        });
    eachOuterReduced(first, low, high, index, [&](Index &at, int64_t d, Value iv, int64_t count) {
      eachColumn(first + 1, last, kernel.constant(0), at,
                 [&](Index &point, Value kept, Value mask) {
                   ElementEmitter::Scope scope(vectors);
                   vectors.setMask(mask);
                   Value offset = kernel.add(base, kept);
                   KernelFunction::Values state;
                   size_t number = 0;
                   for (Reducer &reducer : reducers)
                     for (Type type : reducer.stateTypes())
                       state.push_back(vectors.memory().loadVector(kernel.workspaces[number++],
                                                                   type, offset, mask));
                   for (int64_t k = 0; k < count; ++k) {
                     point[static_cast<size_t>(d)] = {kernel.add(iv, kernel.constant(k)), 0, {}};
                     state = step(point, state);
                     writeFree(point);
                   }
                   number = 0;
                   for (Value value : state)
                     vectors.memory().storeVector(value, getElementTypeOrSelf(value.getType()),
                                                  kernel.workspaces[number++], offset, mask, false);
                   vectors.setMask({});
                 });
    });
  }

  /// Loops over the reduced dims; the innermost of them advances by `unroll`, then by one.
  void eachOuterReduced(int64_t d, Value low, Value high, Index &index,
                        llvm::function_ref<void(Index &, int64_t, Value, int64_t)> body) {
    int64_t next = d + 1;
    while (next < analysis.domain.rank() && !analysis.isReduced(next))
      ++next;
    if (next < analysis.domain.rank()) {
      kernel.loop(low, high, 1, {}, [&](Value iv, ValueRange) {
        index[static_cast<size_t>(d)] = {iv, 0, {}};
        eachOuterReduced(next, kernel.constant(0), kernel.size(analysis.domain[next]), index, body);
        return KernelFunction::Values();
      });
      return;
    }
    int64_t unroll = schedule.unroll;
    Value trips = kernel.builder.createOrFold<arith::DivUIOp>(kernel.loc, kernel.sub(high, low),
                                                              kernel.constant(unroll));
    Value middle = kernel.add(low, kernel.mul(trips, kernel.constant(unroll)));
    kernel.loop(low, middle, unroll, {}, [&](Value iv, ValueRange) {
      body(index, d, iv, unroll);
      return KernelFunction::Values();
    });
    kernel.loop(middle, high, 1, {}, [&](Value iv, ValueRange) {
      body(index, d, iv, 1);
      return KernelFunction::Values();
    });
  }

  /// Loops over the kept dims from `d` on, the last in vectors; `kept` is the flat index of the
  /// first lane.
  void eachColumn(int64_t d, int64_t last, Value kept, Index &index,
                  llvm::function_ref<void(Index &, Value, Value)> body) {
    if (analysis.isReduced(d))
      return eachColumn(d + 1, last, kept, index, body);
    Value size = kernel.size(analysis.domain[d]);
    Value start = kernel.mul(kept, size);
    if (d < last) {
      kernel.loop(kernel.constant(0), size, 1, {}, [&](Value iv, ValueRange) {
        index[static_cast<size_t>(d)] = {iv, 0, {}};
        eachColumn(d + 1, last, kernel.add(start, iv), index, body);
        return KernelFunction::Values();
      });
      return;
    }
    kernel.vectorLoop(kernel.constant(0), size, schedule.lanes, 1, {},
                      [&](Value iv, Value mask, ValueRange) {
                        index[static_cast<size_t>(d)] = {iv, schedule.lanes == 1 ? 0 : 1, {}};
                        body(index, kernel.add(start, iv), mask);
                        return KernelFunction::Values();
                      });
  }

  /// Outputs of the domain's shape do not depend on the reductions: written as they are read.
  void writeFree(Index &index) {
    auto values = kernel.fused.getBody().front().getTerminator()->getOperands();
    for (auto [value, buffer] : llvm::zip(values, kernel.outputs))
      if (analysis.roles.lookup(value) == Role::Full)
        kernel.store(vectors, buffer, index, vectors.emit(value, index), false);
  }

  /// The second launch: a unit is a block of `schedule.lanes` kept points.
  void combine() {
    Value total = kernel.size(outerKeptCount * innerKeptCount);
    int64_t lanes = schedule.lanes;
    Memory &memory = vectors.memory();
    kernel.loop(kernel.begin, kernel.end, kernel.constant(1), {}, [&](Value unit, ValueRange) {
      ElementEmitter::Scope scope(vectors);
      Value base = kernel.mul(unit, kernel.constant(lanes));
      Value mask = memory.tailMask(kernel.sub(total, base));
      LaneIndex flat{base, lanes == 1 ? 0 : 1, {}};
      IndexMath &math = vectors.math();
      // Partials lie as [outer kept][chunk][inner kept].
      LaneIndex outer = math.floorDiv(flat, innerKeptCount), inner = math.mod(flat, innerKeptCount);
      if (outerKeptCount.constant() == 1) {
        outer = math.uniform(kernel.constant(0));
        inner = flat;
      }
      LaneIndex start = math.add(math.mul(outer, chunks * innerKeptCount), inner);
      KernelFunction::Values state;
      for (Reducer &reducer : reducers)
        llvm::append_range(state, reducer.initial());
      state = kernel.loop(
          kernel.constant(0), kernel.size(chunks), 1, state, [&](Value chunk, ValueRange carried) {
            LaneIndex at = math.add(start, math.mul(math.uniform(chunk), innerKeptCount));
            KernelFunction::Values next;
            size_t number = 0, k = 0;
            for (Reducer &reducer : reducers) {
              Reducer::Values partial;
              for (Type type : reducer.stateTypes()) {
                Value pointer = kernel.workspaces[number++];
                partial.push_back(!at.vector && (at.step == 1 || lanes == 1)
                                      ? memory.loadVector(pointer, type, at.base, mask)
                                      : memory.gather(pointer, type, math.asVector(at), mask));
              }
              llvm::append_range(next,
                                 reducer.merge(carried.slice(k, reducer.numStates()), partial));
              k += reducer.numStates();
            }
            return next;
          });
      finish(state, flat, mask);
      return KernelFunction::Values();
    });
  }

  void finish(ValueRange state, const LaneIndex &flat, Value mask) {
    vectors.setMask(mask);
    size_t k = 0;
    for (auto [anchor, reducer] : llvm::zip(analysis.anchors, reducers)) {
      Value result = anchor->getResult(0);
      Value value = reducer.finish(state.slice(k, reducer.numStates()),
                                   ir::tensorType(result).getElementType());
      k += reducer.numStates();
      vectors.setOverride(result, [value, this](llvm::ArrayRef<LaneIndex>) {
        return Element{value, schedule.lanes == 1};
      });
    }
    auto values = kernel.fused.getBody().front().getTerminator()->getOperands();
    llvm::SmallVector<Element> elements;
    Index index = keptIndex(flat);
    auto at = [&](const Shape &shape) { return spread(index, shape); };
    for (auto [value, buffer] : llvm::zip(values, kernel.outputs))
      elements.push_back(analysis.roles.lookup(value) == Role::Kept
                             ? vectors.emit(value, at(buffer.shape))
                             : Element());
    for (auto [element, buffer] : llvm::zip(elements, kernel.outputs))
      if (element)
        vectors.memory().storeVector(vectors.memory().asVector(element), buffer.elementType,
                                     buffer.pointer, flat.base, mask, false);
    vectors.setMask({});
    for (Operation *anchor : analysis.anchors)
      vectors.clearOverride(anchor->getResult(0));
  }

  /// One index per kept dim of the domain.
  Index keptIndex(const LaneIndex &flat) {
    Shape kept = analysis.keptShape();
    Index index(static_cast<size_t>(kept.rank()));
    LaneIndex rest = flat;
    for (size_t d = index.size(); d-- > 0;) {
      index[d] = d == 0 ? rest : vectors.math().mod(rest, kept[static_cast<int64_t>(d)]);
      rest = vectors.math().floorDiv(rest, kept[static_cast<int64_t>(d)]);
    }
    return index;
  }

  /// The index of a kept value whose shape has size-1 dims besides.
  Index spread(const Index &kept, const Shape &shape) {
    Index index;
    Shape sizes = analysis.keptShape();
    int64_t next = 0;
    for (const DimExpr &size : shape) {
      if (size.constant() == 1) {
        index.push_back(vectors.math().uniform(kernel.constant(0)));
        continue;
      }
      while (sizes[next].constant() == 1)
        ++next;
      index.push_back(kept[static_cast<size_t>(next++)]);
    }
    return index;
  }

private:
  KernelFunction &kernel;
  const passes::KernelAnalysis &analysis;
  const Schedule &schedule;
  ElementEmitter vectors;
  llvm::SmallVector<Reducer> reducers;
  int64_t first = 0;
  DimExpr chunks, outerKeptCount = 1, innerKeptCount = 1;
  llvm::SmallVector<DimExpr> outerKept, innerKept;
  bool lastReduced = false;
};

} // namespace

void emitReduce(KernelFunction &kernel, unsigned stage) {
  ReduceEmitter emitter(kernel);
  if (stage == 0)
    emitter.partial();
  else
    emitter.combine();
}

} // namespace sinter::cpu
