// SPDX-License-Identifier: Apache-2.0
// Row form where rows are reduced in tiles (forms/RowTile.h): a unit is a tile. Every row has
// registers of its own, and nothing but what rows are reduced to is stored.
#include "sinter/codegen/cpu/EmitRow.h"

#include "sinter/codegen/cpu/KernelFunction.h"
#include "sinter/codegen/cpu/Reducer.h"

using namespace mlir;
using namespace sinter::codegen;
using sinter::passes::Role;

namespace sinter::cpu {

namespace {

class RowTileEmitter {
public:
  RowTileEmitter(KernelFunction &kernel, const RowTile &tile)
      : kernel(kernel), analysis(kernel.plan.analysis), lanes(kernel.plan.schedule.lanes),
        tile(tile), vectors(kernel.builder, kernel.loc, kernel.env, lanes),
        scalars(kernel.builder, kernel.loc, kernel.env, 1) {
    const Shape kept = analysis.keptShape();
    outer.assign(kept.begin(), kept.end());
  }

  void run() {
    // Tiles in place of the two last dims.
    llvm::SmallVector<DimExpr> tiles(outer);
    const size_t last = outer.size() - 1;
    tiles[last] = ceilDiv(outer[last], tile.rows);
    if (last > 0)
      tiles[last - 1] = ceilDiv(outer[last - 1], tile.lines);
    kernel.loop(kernel.begin, kernel.end, kernel.constant(1), {}, [&](Value unit, ValueRange) {
      ElementEmitter::Scope vectorScope(vectors), scalarScope(scalars);
      Index first(vectors.math().delinearize(unit, tiles));
      auto places = [&](size_t dim, int64_t count) {
        llvm::SmallVector<LaneIndex> all;
        Value start = kernel.mul(first[dim].base, kernel.constant(count));
        for (int64_t i = 0; i < count; ++i)
          all.push_back({kernel.add(start, kernel.constant(i)), 0, {}});
        return all;
      };
      // Rows that lie on one line share its index, so that what they read is found again.
      llvm::SmallVector<LaneIndex> lines(1), rows = places(last, tile.rows);
      if (last > 0)
        lines = places(last - 1, tile.lines);
      rowIndices.clear();
      for (const LaneIndex &line : lines)
        for (const LaneIndex &row : rows) {
          Index &index = rowIndices.emplace_back(first);
          index[last] = row;
          if (last > 0)
            index[last - 1] = line;
        }
      for (unsigned phase = 0; phase < analysis.numPhases; ++phase) {
        reducePhase(phase);
        computeKept(phase + 1);
      }
      write();
      for (Value value : overridden) {
        vectors.clearOverride(value);
        scalars.clearOverride(value);
      }
      overridden.clear();
      return KernelFunction::Values();
    });
  }

private:
  /// Calls fn() for every row of the tile, which `current` is then.
  void eachRow(llvm::function_ref<void()> fn) {
    for (current = 0; current < rowIndices.size(); ++current)
      fn();
  }

  /// A per-row value is one scalar of every row, wherever that is read.
  void give(Value value, const KernelFunction::Values &ofRows) {
    auto answer = [this, ofRows](llvm::ArrayRef<LaneIndex>) {
      return Element{ofRows[current], true};
    };
    vectors.setOverride(value, answer);
    scalars.setOverride(value, answer);
    overridden.push_back(value);
  }

  void computeKept(unsigned ready) {
    for (Operation &op : kernel.fused.getBody().front().without_terminator()) {
      if (llvm::is_contained(analysis.anchors, &op))
        continue;
      for (Value value : op.getResults()) {
        if (analysis.roles.lookup(value) != Role::Kept || !analysis.roles.contains(value) ||
            analysis.ready.lookup(value) != ready)
          continue;
        KernelFunction::Values ofRows;
        eachRow([&] {
          ofRows.push_back(scalars.emit(value, keptIndex(ir::tensorType(value).getShape())).value);
        });
        give(value, ofRows);
      }
    }
  }

  void reducePhase(unsigned phase) {
    llvm::SmallVector<Operation *> anchors;
    llvm::SmallVector<Reducer> reducers;
    for (Operation *anchor : analysis.anchors)
      if (analysis.phase.lookup(anchor) == phase) {
        anchors.push_back(anchor);
        reducers.push_back(Reducer::of(kernel.builder, anchor, lanes));
      }
    KernelFunction::Values state;
    eachRow([&] {
      for (Reducer &reducer : reducers)
        llvm::append_range(state, reducer.loopInitial());
    });
    state = kernel.vectorLoop(
        kernel.constant(0), kernel.size(analysis.domain[analysis.axes.front()]), lanes, 1, state,
        [&](Value base, Value mask, ValueRange carried) {
          ElementEmitter::Scope scope(vectors);
          vectors.setMask(mask);
          KernelFunction::Values next;
          Value positions;
          size_t at = 0;
          eachRow([&] {
            Index index = rowIndices[current];
            index.push_back({base, 1, {}});
            for (auto [anchor, reducer] : llvm::zip(anchors, reducers)) {
              ValueRange own = carried.slice(at, reducer.numLoopStates());
              at += reducer.numLoopStates();
              auto vector = [&](Value value) {
                return vectors.memory().asVector(vectors.emit(value, index));
              };
              if (Operation *product = Reducer::productOf(anchor, kernel.target)) {
                Value a = vector(product->getOperand(0)), b = vector(product->getOperand(1));
                llvm::append_range(next, reducer.addProduct(own, a, b, mask));
                continue;
              }
              if (reducer.numStates() > 1 && !positions)
                positions = vectors.math().asVector({base, 1, {}});
              llvm::append_range(
                  next, reducer.loopStep(own, vector(anchor->getOperand(0)), positions, mask));
            }
          });
          vectors.setMask({});
          return next;
        });
    llvm::SmallVector<KernelFunction::Values> results(anchors.size());
    size_t at = 0;
    eachRow([&] {
      for (auto [number, reducer] : llvm::enumerate(reducers)) {
        ValueRange own = ValueRange(state).slice(at, reducer.numLoopStates());
        at += reducer.numLoopStates();
        results[number].push_back(
            reducer.finish(reducer.horizontal(reducer.closeLoop(own)),
                           ir::tensorType(anchors[number]->getResult(0)).getElementType()));
      }
    });
    for (auto [anchor, ofRows] : llvm::zip(anchors, results))
      give(anchor->getResult(0), ofRows);
  }

  void write() {
    auto values = kernel.fused.getBody().front().getTerminator()->getOperands();
    eachRow([&] {
      for (auto [value, buffer] : llvm::zip(values, kernel.outputs)) {
        Index index = keptIndex(buffer.shape);
        kernel.store(scalars, buffer, index, scalars.emit(value, index), false);
      }
    });
  }

  /// The row's index in a per-row value, which may have size-1 dims besides.
  Index keptIndex(const Shape &shape) {
    return Index(scalars.math().ofRow(shape, outer, rowIndices[current]));
  }

  KernelFunction &kernel;
  const passes::KernelAnalysis &analysis;
  const int64_t lanes;
  const RowTile tile;
  ElementEmitter vectors, scalars;
  llvm::SmallVector<DimExpr> outer;
  llvm::SmallVector<Index> rowIndices;
  size_t current = 0; ///< The row that is being emitted.
  llvm::SmallVector<Value> overridden;
};

} // namespace

void emitRowTiles(KernelFunction &kernel, const RowTile &tile) {
  RowTileEmitter(kernel, tile).run();
}

} // namespace sinter::cpu
