// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cpu/ContractionEmit.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/Sequence.h"

using namespace mlir;

namespace sinter::cpu::contraction {

int64_t panelRows(const ContractionTiles &tiles) {
  return (tiles.kc + tiles.lanes - 1) / tiles.lanes * tiles.lanes;
}

int64_t packedAStride(const ContractionTiles &tiles) {
  // One vector more than a whole number of vectors: rows never alias in the first-level cache.
  return panelRows(tiles) + tiles.lanes;
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
      row = emit.step(emit.step(at.bBase, emit.mul(kIndex, emit.spec.bStrideK)), at.n0);
    Value target = emit.step(packed, emit.mul(k, tiles.nr));
    auto fetch = [&](Value column, Value mask) {
      if (emit.spec.loadB)
        return emit.spec.loadB(emit.builder, emit.loc, at.batchIndex, kIndex,
                               emit.add(at.n0, column), mask);
      return emit.loadMasked(emit.step(row, column), mask);
    };
    auto copyPanel = [&](Value panel) {
      Value column = emit.mul(panel, tiles.nr), to = emit.step(target, emit.mul(panel, panelSize));
      for (int64_t v = 0; v < vectors; ++v)
        emit.store(emit.step(to, v * tiles.lanes),
                   fetch(emit.add(column, v * tiles.lanes), nullptr));
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

/// Transposes within each 128-bit part of square many vectors: the unpack instructions of x86.
Values transposeParts(Emit &emit, ValueRange rows, int64_t inPart) {
  const int64_t lanes = emit.tiles.lanes;
  auto interleave = [&](Value a, Value b, int64_t width, bool high) {
    llvm::SmallVector<int64_t> mask;
    for (int64_t part = 0; part < lanes; part += inPart)
      for (int64_t i = high ? inPart / 2 : 0; i < (high ? inPart : inPart / 2); i += width)
        for (int64_t source : {part + i, lanes + part + i})
          for (int64_t e = 0; e < width; ++e)
            mask.push_back(source + e);
    return emit.shuffle(a, b, mask);
  };
  if (inPart == 2)
    return {interleave(rows[0], rows[1], 1, false), interleave(rows[0], rows[1], 1, true)};
  Value low01 = interleave(rows[0], rows[1], 1, false),
        high01 = interleave(rows[0], rows[1], 1, true);
  Value low23 = interleave(rows[2], rows[3], 1, false),
        high23 = interleave(rows[2], rows[3], 1, true);
  return {interleave(low01, low23, 2, false), interleave(low01, low23, 2, true),
          interleave(high01, high23, 2, false), interleave(high01, high23, 2, true)};
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
  auto pieceType = VectorType::get({inPart}, emit.elementType);
  Value lastColumn = emit.add(at.columns, -1);
  Value fullEnd = emit.mul(emit.div(at.kLength, emit.constant(inPart)), inPart);
  Value block = emit.step(at.bBase, emit.add(at.k0, emit.mul(at.n0, emit.spec.bStrideN)));
  Value groups = emit.ceilDiv(at.columns, emit.constant(lanes));
  emit.loop(emit.constant(0), groups, 1, [&](Value group) {
    Value first = emit.mul(group, lanes);
    Value panel = emit.div(group, emit.constant(vectors)),
          v = emit.rem(group, emit.constant(vectors));
    Value target = emit.step(packed, emit.add(emit.mul(panel, panelSize), emit.mul(v, lanes)));
    Value firstColumn = emit.step(block, emit.mul(first, emit.spec.bStrideN));
    auto column = [&](int64_t j) {
      if (wholeGroups)
        return emit.step(firstColumn, emit.mul(emit.spec.bStrideN, j));
      // Past the end, the last column again: its sums are never stored.
      Value clamped = emit.min(emit.add(first, j), lastColumn);
      return emit.step(block, emit.mul(clamped, emit.spec.bStrideN));
    };
    Values columns;
    for (int64_t j = 0; j < lanes; ++j)
      columns.push_back(column(j));
    emit.loop(emit.constant(0), fullEnd, inPart, [&](Value k) {
      Values rows;
      for (int64_t i = 0; i < inPart; ++i) {
        Values pieces;
        for (int64_t j = i; j < lanes; j += inPart)
          pieces.push_back(LLVM::LoadOp::create(emit.builder, emit.loc, pieceType,
                                                emit.step(columns[static_cast<size_t>(j)], k),
                                                static_cast<unsigned>(tiles.elementBytes)));
        while (pieces.size() > 1) { // Join neighbours until one vector is left.
          Values joined;
          for (size_t p = 0; p < pieces.size(); p += 2) {
            auto width = 2 * mlir::cast<VectorType>(pieces[p].getType()).getNumElements();
            joined.push_back(emit.shuffle(pieces[p], pieces[p + 1],
                                          llvm::to_vector(llvm::seq<int64_t>(0, width))));
          }
          pieces = joined;
        }
        rows.push_back(pieces[0]);
      }
      Value to = emit.step(target, emit.mul(k, tiles.nr));
      for (auto [j, row] : llvm::enumerate(transposeParts(emit, rows, inPart)))
        emit.store(emit.step(to, static_cast<int64_t>(j) * tiles.nr), row);
    });
    emit.loop(fullEnd, at.kLength, 1, [&](Value k) {
      Value to = emit.step(target, emit.mul(k, tiles.nr));
      emit.loop(emit.constant(0), emit.constant(lanes), 1, [&](Value j) {
        Value clamped = emit.min(emit.add(first, j), lastColumn);
        Value from = emit.step(block, emit.add(emit.mul(clamped, emit.spec.bStrideN), k));
        emit.storeScalar(emit.step(to, j), emit.loadScalar(from));
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
    Value row = emit.step(at.bBase, emit.mul(emit.add(at.k0, k), emit.spec.bStrideK));
    Value target = emit.step(packed, emit.mul(k, tiles.nr));
    emit.loop(emit.constant(0), padded, 1, [&](Value column) {
      Value source = emit.add(at.n0, emit.min(column, lastColumn));
      Value to = emit.add(emit.mul(emit.div(column, nr), panelSize), emit.rem(column, nr));
      emit.storeScalar(emit.step(target, to),
                       emit.loadScalar(emit.step(row, emit.mul(source, emit.spec.bStrideN))));
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

void emitPackA(Emit &emit, const BlockPosition &at, Value row, Value packed, int64_t packedStride) {
  const ContractionTiles &tiles = emit.tiles;
  const int64_t lanes = tiles.lanes;
  const bool vectors = emit.spec.loadA || Emit::known(emit.spec.aStrideK) == 1;
  Value fullEnd = emit.mul(emit.div(at.kLength, emit.constant(lanes)), lanes);
  Value rest = emit.sub(at.kLength, fullEnd);
  emit.loop(emit.constant(0), emit.min(emit.constant(tiles.mr), emit.spec.m), 1, [&](Value r) {
    Value rowIndex = emit.add(row, r);
    Value target = emit.step(packed, emit.mul(r, packedStride));
    Value source;
    if (!emit.spec.loadA)
      source = emit.step(at.aBase, emit.add(emit.mul(rowIndex, emit.spec.aStrideM),
                                            emit.mul(at.k0, emit.spec.aStrideK)));
    if (!vectors) {
      emit.loop(emit.constant(0), at.kLength, 1, [&](Value k) {
        emit.storeScalar(emit.step(target, k),
                         emit.loadScalar(emit.step(source, emit.mul(k, emit.spec.aStrideK))));
      });
      return;
    }
    auto move = [&](Value k, Value mask) {
      Value loaded = emit.spec.loadA ? emit.spec.loadA(emit.builder, emit.loc, at.batchIndex,
                                                       rowIndex, emit.add(at.k0, k), mask)
                                     : emit.loadMasked(emit.step(source, k), mask);
      emit.store(emit.step(target, k), loaded);
    };
    emit.loop(emit.constant(0), fullEnd, lanes, [&](Value k) { move(k, nullptr); });
    emit.ifThen(emit.compare(arith::CmpIPredicate::ne, rest, emit.constant(0)),
                [&] { move(fullEnd, emit.mask(rest)); });
  });
}

} // namespace sinter::cpu::contraction
