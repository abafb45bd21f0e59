// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cpu/ContractionEmit.h"

using namespace mlir;

// The two forms without a register tile: bound by memory, not by arithmetic.

namespace sinter::cpu::contraction {

void emitStreamUnit(Emit &emit, const BlockPosition &at, Value row, Value rowCount, Value sums) {
  const ContractionTiles &tiles = emit.tiles;
  const int64_t lanes = tiles.lanes, unroll = tiles.kUnroll;
  Value zero = emit.constant(0), lanesValue = emit.constant(lanes);
  Value fullEnd = emit.mul(emit.div(at.columns, lanesValue), lanes);
  Value rest = emit.sub(at.columns, fullEnd);
  Value hasRest = emit.compare(arith::CmpIPredicate::ne, rest, zero);
  Value restMask;
  if (Emit::known(hasRest) != 0)
    restMask = emit.mask(rest);
  Value aBlock = emit.stepA(at.aBase, emit.mul(row, emit.spec.aStrideM));
  Value bBlock = emit.stepB(at.bBase, at.n0);

  emit.loop(zero, rowCount, 1, [&](Value r) {
    Value target = emit.step(sums, emit.mul(r, tiles.nBlock));
    emit.loop(zero, at.columns, lanes,
              [&](Value column) { emit.store(emit.step(target, column), emit.zero()); });
  });
  // `count` rows of B at once: long sequential streams, and one visit of the sums for all of them.
  auto addRows = [&](Value k, int64_t count) {
    Values steps, sources, factors;
    for (int64_t u = 0; u < count; ++u) {
      steps.push_back(emit.mul(emit.add(k, u), emit.spec.aStrideK));
      sources.push_back(emit.stepB(bBlock, emit.mul(emit.add(k, u), emit.spec.bStrideK)));
    }
    auto factorsOf = [&](Value aRow) {
      factors.clear();
      for (Value step : steps)
        factors.push_back(emit.splat(emit.loadElement(emit.stepA(aRow, step), emit.a)));
    };
    const bool oneRow = Emit::known(rowCount) == 1;
    if (oneRow) // They stay in registers for the whole block.
      factorsOf(aBlock);
    auto addAt = [&](Value column, Value mask) {
      Values vectors;
      for (Value source : sources) {
        vectors.push_back(emit.loadElements(emit.stepB(source, column), emit.b, mask));
        if (tiles.prefetchB) // The same columns of the next rows.
          emit.prefetch(emit.stepB(source, emit.add(column, emit.mul(emit.spec.bStrideK, count))));
      }
      emit.loop(zero, rowCount, 1, [&](Value r) {
        if (!oneRow)
          factorsOf(emit.stepA(aBlock, emit.mul(r, emit.spec.aStrideM)));
        Value target = emit.step(sums, emit.add(emit.mul(r, tiles.nBlock), column));
        Value sum = emit.load(target);
        for (auto [factor, vector] : llvm::zip(factors, vectors))
          sum = emit.multiplyAdd(factor, vector, sum);
        emit.store(target, sum);
      });
    };
    emit.loop(zero, fullEnd, lanes, [&](Value column) { addAt(column, nullptr); });
    emit.ifThen(hasRest, [&] { addAt(fullEnd, restMask); });
  };
  Value unrolledEnd = emit.mul(emit.div(at.kLength, emit.constant(unroll)), unroll);
  emit.loop(zero, unrolledEnd, unroll, [&](Value k) { addRows(k, unroll); });
  emit.loop(unrolledEnd, at.kLength, 1, [&](Value k) { addRows(k, 1); });
}

void emitDotUnit(Emit &emit, const BlockPosition &at, Value row, Value rowCount, Value sums) {
  const ContractionTiles &tiles = emit.tiles;
  const int64_t lanes = tiles.lanes, mr = tiles.mr, nr = tiles.nr;
  Value zero = emit.constant(0);
  Value fullEnd = emit.mul(emit.div(at.kLength, emit.constant(lanes)), lanes);
  Value rest = emit.sub(at.kLength, fullEnd);
  Value hasRest = emit.compare(arith::CmpIPredicate::ne, rest, zero);
  Value restMask;
  if (Emit::known(hasRest) != 0)
    restMask = emit.mask(rest);

  auto sumLanes = [&](Value vector) {
    for (int64_t width = lanes / 2; width >= 1; width /= 2) {
      llvm::SmallVector<int64_t> mask;
      for (int64_t i = 0; i < lanes; ++i)
        mask.push_back((i + width) % lanes);
      vector = emit.addElements(vector, emit.shuffle(vector, vector, mask));
    }
    return vector::ExtractOp::create(emit.builder, emit.loc, vector, llvm::ArrayRef<int64_t>{0})
        .getResult();
  };

  emit.loop(zero, rowCount, mr, [&](Value firstRow) {
    Values aRows; // Past the end, the last row again: its sums fall into padding.
    for (int64_t i = 0; i < mr; ++i) {
      Value r = emit.min(emit.add(firstRow, i), emit.add(rowCount, -1));
      aRows.push_back(emit.stepA(at.aBase, emit.mul(emit.add(row, r), emit.spec.aStrideM)));
    }
    emit.loop(zero, at.columns, nr, [&](Value firstColumn) {
      Values bColumns;
      for (int64_t j = 0; j < nr; ++j) {
        Value column = emit.min(emit.add(firstColumn, j), emit.add(at.columns, -1));
        bColumns.push_back(
            emit.stepB(at.bBase, emit.mul(emit.add(at.n0, column), emit.spec.bStrideN)));
      }
      auto addProducts = [&](Value k, ValueRange totals, Value mask) {
        Values result;
        Values bVectors;
        for (Value column : bColumns)
          bVectors.push_back(emit.loadElements(emit.stepB(column, k), emit.b, mask));
        size_t index = 0;
        for (Value aRow : aRows) {
          Value aVector = emit.loadElements(emit.stepA(aRow, k), emit.a, mask);
          for (Value bVector : bVectors)
            result.push_back(emit.multiplyAdd(aVector, bVector, totals[index++]));
        }
        return result;
      };
      Values totals(static_cast<size_t>(mr * nr), emit.zero());
      totals =
          emit.loop(zero, fullEnd, emit.constant(lanes), totals,
                    [&](Value k, ValueRange carried) { return addProducts(k, carried, nullptr); });
      if (restMask) {
        // One pass or none, so that the totals need no branch of their own.
        totals = emit.loop(
            fullEnd, at.kLength, emit.constant(lanes), totals,
            [&](Value k, ValueRange carried) { return addProducts(k, carried, restMask); });
      }
      Value target = emit.step(sums, emit.add(emit.mul(firstRow, tiles.nBlock), firstColumn));
      for (int64_t i = 0; i < mr; ++i)
        for (int64_t j = 0; j < nr; ++j)
          emit.storeScalar(emit.step(target, i * tiles.nBlock + j),
                           sumLanes(totals[static_cast<size_t>(i * nr + j)]));
    });
  });
}

} // namespace sinter::cpu::contraction
