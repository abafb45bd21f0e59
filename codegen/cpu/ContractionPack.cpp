// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cpu/ContractionEmit.h"
#include "sinter/codegen/cpu/Transpose.h"

#include <algorithm>

using namespace mlir;

namespace sinter::cpu::contraction {

int64_t panelRows(const ContractionTiles &tiles) {
  return (tiles.kc + tiles.lanes - 1) / tiles.lanes * tiles.lanes;
}

bool packsAlongM(const ContractionSpec &spec) {
  return Emit::known(spec.aStrideM) == 1 && Emit::known(spec.aStrideK) != 1;
}

PackedA::PackedA(const ContractionTiles &tiles, const ContractionSpec &spec, Value pointer)
    : pointer(pointer) {
  if (packsAlongM(spec)) {
    strideM = 1;
    strideK = (tiles.mr + tiles.lanes - 1) / tiles.lanes * tiles.lanes;
    return;
  }
  strideK = 1;
  // One vector more than a whole number of vectors: rows never alias in the first-level cache.
  strideM = panelRows(tiles) + tiles.lanes;
}

Value PackedA::at(Emit &emit, Value row, Value k) const {
  return emit.step(pointer, emit.add(emit.mul(row, strideM), emit.mul(k, strideK)));
}

int64_t packedAElements(const ContractionTiles &tiles) {
  // Either way of packing fits.
  const int64_t rows = (tiles.mr + tiles.lanes - 1) / tiles.lanes * tiles.lanes;
  return std::max(tiles.mr * (panelRows(tiles) + tiles.lanes), panelRows(tiles) * rows);
}

int64_t rowsAhead(Emit &emit) {
  auto stride = Emit::known(emit.spec.bStrideK);
  // Rows a multiple of many pages apart share a few sets of the second-level cache.
  return stride && *stride * (emit.b.type.getIntOrFloatBitWidth() / 8) % 16384 == 0 ? 16 : 96;
}

namespace {

/// Rows of B are contiguous (or computed): copy them, all panels of one row after another.
void packRows(Emit &emit, const BlockPosition &at, Value packed) {
  const ContractionTiles &tiles = emit.tiles;
  const int64_t vectors = tiles.nr / tiles.lanes;
  const int64_t panelSize = panelRows(tiles) * tiles.nr;
  Value nr = emit.constant(tiles.nr);
  Value fullPanels = emit.div(at.columns, nr), partial = emit.rem(at.columns, nr);
  Value partialStart = emit.mul(fullPanels, nr);
  emit.loop(emit.constant(0), at.kLength, 1, [&](Value k) {
    Value kIndex = emit.add(at.k0, k);
    Value row;
    if (!emit.spec.loadB)
      row = emit.stepB(emit.stepB(at.bBase, emit.mul(kIndex, emit.spec.bStrideK)), at.n0);
    Value target = emit.step(packed, emit.mul(k, tiles.nr));
    auto fetch = [&](Value column, Value mask) {
      if (emit.spec.loadB)
        return emit.spec.loadB(emit.builder, emit.loc, at.batchIndex, kIndex,
                               emit.add(at.n0, column), mask);
      return emit.loadElements(emit.stepB(row, column), emit.b, mask);
    };
    auto copyPanel = [&](Value panel) {
      Value column = emit.mul(panel, tiles.nr), to = emit.step(target, emit.mul(panel, panelSize));
      for (int64_t v = 0; v < vectors; ++v) {
        Value at = emit.add(column, v * tiles.lanes);
        if (row && tiles.prefetchB) // Hardware does not see that rows follow each other.
          emit.prefetch(
              emit.stepB(row, emit.add(at, emit.mul(emit.spec.bStrideK, rowsAhead(emit)))));
        emit.store(emit.step(to, v * tiles.lanes), fetch(at, nullptr));
      }
    };
    auto copyPartial = [&] {
      Value to = emit.step(target, emit.mul(fullPanels, panelSize));
      Value vectorCount = emit.ceilDiv(partial, emit.constant(tiles.lanes));
      emit.loop(emit.constant(0), vectorCount, 1, [&](Value v) {
        Value offset = emit.mul(v, tiles.lanes);
        Value mask = emit.mask(emit.sub(partial, offset));
        Value loaded = fetch(emit.add(partialStart, offset), mask);
        if (emit.spec.loadB)
          loaded = emit.select(mask, loaded, emit.zero());
        emit.store(emit.step(to, offset), loaded);
      });
    };
    if (tiles.nBlock == tiles.nr) {
      emit.ifThenElse(
          emit.compare(arith::CmpIPredicate::eq, at.columns, nr),
          [&] { copyPanel(emit.constant(0)); }, copyPartial);
      return;
    }
    emit.loop(emit.constant(0), fullPanels, 1, copyPanel);
    emit.ifThen(emit.compare(arith::CmpIPredicate::ne, partial, emit.constant(0)), copyPartial);
  });
}

/// Columns of B are contiguous. One step moves `inPart` elements of `lanes` columns: 128-bit pieces
/// of every inPart-th column make one vector, and what is left to transpose lies within 128-bit
/// parts.
void packColumns(Emit &emit, const BlockPosition &at, Value packed) {
  const ContractionTiles &tiles = emit.tiles;
  const int64_t lanes = tiles.lanes, vectors = tiles.nr / lanes;
  const int64_t inPart = 16 / tiles.elementBytes;
  const int64_t panelSize = panelRows(tiles) * tiles.nr;
  auto n = Emit::known(emit.spec.n);
  const bool wholeGroups = n && *n % lanes == 0;
  Value lastColumn = emit.add(at.columns, -1);
  Value fullEnd = emit.mul(emit.div(at.kLength, emit.constant(inPart)), inPart);
  Value block = emit.stepB(at.bBase, emit.add(at.k0, emit.mul(at.n0, emit.spec.bStrideN)));
  Value groups = emit.ceilDiv(at.columns, emit.constant(lanes));
  emit.loop(emit.constant(0), groups, 1, [&](Value group) {
    Value first = emit.mul(group, lanes);
    Value panel = emit.div(group, emit.constant(vectors)),
          v = emit.rem(group, emit.constant(vectors));
    Value target = emit.step(packed, emit.add(emit.mul(panel, panelSize), emit.mul(v, lanes)));
    Value firstColumn = emit.stepB(block, emit.mul(first, emit.spec.bStrideN));
    auto column = [&](int64_t j) {
      if (wholeGroups)
        return emit.stepB(firstColumn, emit.mul(emit.spec.bStrideN, j));
      // Past the end, the last column again: its sums are never stored.
      Value clamped = emit.min(emit.add(first, j), lastColumn);
      return emit.stepB(block, emit.mul(clamped, emit.spec.bStrideN));
    };
    Values columns;
    for (int64_t j = 0; j < lanes; ++j)
      columns.push_back(column(j));
    emit.loop(emit.constant(0), fullEnd, inPart, [&](Value k) {
      Values rows = joinPieces(emit.builder, emit.loc, inPart, lanes, [&](int64_t j) {
        return emit.loadElements(emit.stepB(columns[static_cast<size_t>(j)], k), emit.b, {},
                                 inPart);
      });
      Value to = emit.step(target, emit.mul(k, tiles.nr));
      for (auto [j, row] : llvm::enumerate(transposeSquares(emit.builder, emit.loc, rows)))
        emit.store(emit.step(to, static_cast<int64_t>(j) * tiles.nr), row);
    });
    emit.loop(fullEnd, at.kLength, 1, [&](Value k) {
      Value to = emit.step(target, emit.mul(k, tiles.nr));
      emit.loop(emit.constant(0), emit.constant(lanes), 1, [&](Value j) {
        Value clamped = emit.min(emit.add(first, j), lastColumn);
        Value from = emit.stepB(block, emit.add(emit.mul(clamped, emit.spec.bStrideN), k));
        emit.storeScalar(emit.step(to, j), emit.loadElement(from, emit.b));
      });
    });
  });
}

/// Any strides: element by element.
void packElements(Emit &emit, const BlockPosition &at, Value packed) {
  const ContractionTiles &tiles = emit.tiles;
  const int64_t panelSize = panelRows(tiles) * tiles.nr;
  Value nr = emit.constant(tiles.nr), lastColumn = emit.add(at.columns, -1);
  Value padded = emit.mul(emit.ceilDiv(at.columns, nr), tiles.nr);
  emit.loop(emit.constant(0), at.kLength, 1, [&](Value k) {
    Value row = emit.stepB(at.bBase, emit.mul(emit.add(at.k0, k), emit.spec.bStrideK));
    Value target = emit.step(packed, emit.mul(k, tiles.nr));
    emit.loop(emit.constant(0), padded, 1, [&](Value column) {
      Value source = emit.add(at.n0, emit.min(column, lastColumn));
      Value to = emit.add(emit.mul(emit.div(column, nr), panelSize), emit.rem(column, nr));
      emit.storeScalar(
          emit.step(target, to),
          emit.loadElement(emit.stepB(row, emit.mul(source, emit.spec.bStrideN)), emit.b));
    });
  });
}

} // namespace

void emitPackB(Emit &emit, const BlockPosition &at, Value packed) {
  if (emit.spec.loadB || Emit::known(emit.spec.bStrideN) == 1)
    packRows(emit, at, packed);
  else if (Emit::known(emit.spec.bStrideK) == 1)
    packColumns(emit, at, packed);
  else
    packElements(emit, at, packed);
}

void emitPackA(Emit &emit, const BlockPosition &at, Value row, const PackedA &packed) {
  const ContractionTiles &tiles = emit.tiles;
  const ContractionSpec &spec = emit.spec;
  const int64_t lanes = tiles.lanes;
  Value rows = emit.min(emit.constant(tiles.mr), spec.m), zero = emit.constant(0);
  auto source = [&](Value rowIndex, Value k) {
    return emit.stepA(at.aBase,
                      emit.add(emit.mul(rowIndex, spec.aStrideM), emit.mul(k, spec.aStrideK)));
  };
  auto fetch = [&](Value rowIndex, Value k, Value mask) {
    return spec.loadA ? spec.loadA(emit.builder, emit.loc, at.batchIndex, rowIndex, k, mask)
                      : emit.loadElements(source(rowIndex, k), emit.a, mask);
  };
  if (packsAlongM(spec)) {
    emit.loop(zero, at.kLength, 1, [&](Value k) {
      emit.loop(zero, rows, lanes, [&](Value r) {
        Value left = emit.sub(rows, r);
        auto count = Emit::known(left);
        emit.store(packed.at(emit, r, k),
                   fetch(emit.add(row, r), emit.add(at.k0, k),
                         count && *count >= lanes ? Value() : emit.mask(left)));
      });
    });
    return;
  }
  const bool vectors = spec.loadA || Emit::known(spec.aStrideK) == 1;
  Value fullEnd = emit.mul(emit.div(at.kLength, emit.constant(lanes)), lanes);
  Value rest = emit.sub(at.kLength, fullEnd);
  emit.loop(zero, rows, 1, [&](Value r) {
    Value rowIndex = emit.add(row, r);
    if (!vectors) {
      emit.loop(zero, at.kLength, 1, [&](Value k) {
        emit.storeScalar(packed.at(emit, r, k),
                         emit.loadElement(source(rowIndex, emit.add(at.k0, k)), emit.a));
      });
      return;
    }
    auto move = [&](Value k, Value mask) {
      emit.store(packed.at(emit, r, k), fetch(rowIndex, emit.add(at.k0, k), mask));
    };
    emit.loop(zero, fullEnd, lanes, [&](Value k) { move(k, nullptr); });
    emit.ifThen(emit.compare(arith::CmpIPredicate::ne, rest, zero),
                [&] { move(fullEnd, emit.mask(rest)); });
  });
}

} // namespace sinter::cpu::contraction
