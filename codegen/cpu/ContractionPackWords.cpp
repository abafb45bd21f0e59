// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cpu/ContractionEmit.h"
#include "sinter/codegen/cpu/Transpose.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/Sequence.h"

using namespace mlir;

// Panels for instructions that multiply pairs: 32-bit words of two neighbours along k, each a bf16
// or an integer of 16 bits. A last element without a neighbour is paired with zero.

namespace sinter::cpu::contraction {

namespace {

constexpr int64_t depth = 2;

/// Elements of one operand as words.
class Words {
public:
  Words(Emit &emit, const Operand &operand) : emit(emit), operand(operand) {
    stored = operand.type.isBF16() ? Type(emit.builder.getI16Type()) : operand.type;
    hasHalf = Emit::known(emit.rem(emit.spec.k, emit.constant(depth))) != 0;
  }

  /// Whether the last word of all of k may be half empty.
  bool mayEndHalf() const { return hasHalf; }
  /// Elements of [word, ...) that exist.
  Value elementsFrom(Value word) { return emit.sub(emit.spec.k, emit.mul(word, depth)); }
  /// Words of [k0, k0 + length) that are whole.
  Value wholeWords(const BlockPosition &at) {
    if (!hasHalf)
      return at.kLength;
    Value whole = emit.sub(emit.div(emit.spec.k, emit.constant(depth)), at.k0);
    return emit.min(at.kLength, whole);
  }

  /// The word of two scalars; `second` may be null.
  Value scalar(Value first, Value second) {
    auto &b = emit.builder;
    auto widen = [&](Value address) -> Value {
      Value half = emit.halfWords(emit.loadScalar(address, stored), operand);
      return arith::ExtUIOp::create(b, emit.loc, b.getI32Type(), half);
    };
    Value low = widen(first);
    if (!second)
      return low;
    Value sixteen = arith::ConstantIntOp::create(b, emit.loc, 16, 32);
    Value high = arith::ShLIOp::create(b, emit.loc, widen(second), sixteen);
    return arith::OrIOp::create(b, emit.loc, low, high);
  }
  /// `count` words of elements that follow each other; `mask` guards elements, not words.
  Value along(Value pointer, int64_t count, Value mask) {
    Value halves = emit.halfWords(emit.loadPlain(pointer, stored, depth * count, mask), operand);
    return asWords(halves, count);
  }
  /// `lanes` words of an element of each of two rows; `second` may be null.
  Value across(Value first, Value second, Value mask) {
    const int64_t lanes = emit.tiles.lanes;
    auto load = [&](Value row) {
      return emit.halfWords(emit.loadPlain(row, stored, lanes, mask), operand);
    };
    Value low = load(first), high;
    if (second)
      high = load(second);
    else
      high = arith::ConstantOp::create(emit.builder, emit.loc,
                                       emit.builder.getZeroAttr(low.getType()));
    llvm::SmallVector<int64_t> order;
    for (int64_t lane = 0; lane < lanes; ++lane)
      order.append({lane, lanes + lane});
    return asWords(emit.shuffle(low, high, order), lanes);
  }

private:
  Value asWords(Value halves, int64_t count) {
    return vector::BitCastOp::create(emit.builder, emit.loc,
                                     VectorType::get({count}, emit.wordType), halves);
  }

  Emit &emit;
  const Operand &operand;
  Type stored;
  bool hasHalf = false;
};

/// Rows of B are contiguous: two of them make a row of words.
void packRows(Emit &emit, const BlockPosition &at, Value packed) {
  const ContractionTiles &tiles = emit.tiles;
  const int64_t panelSize = panelRows(tiles) * tiles.nr;
  Words words(emit, emit.b);
  Value nr = emit.constant(tiles.nr);
  Value fullPanels = emit.div(at.columns, nr), partial = emit.rem(at.columns, nr);
  auto copyRow = [&](Value k, bool isWhole) {
    Value element = emit.mul(emit.add(at.k0, k), depth);
    Value first = emit.stepB(emit.stepB(at.bBase, emit.mul(element, emit.spec.bStrideK)), at.n0);
    Value second = isWhole ? emit.stepB(first, emit.spec.bStrideK) : Value();
    Value target = emit.step(packed, emit.mul(k, tiles.nr));
    auto copy = [&](Value column, Value to, Value mask) {
      emit.store(to, words.across(emit.stepB(first, column),
                                  second ? emit.stepB(second, column) : Value(), mask));
    };
    emit.loop(emit.constant(0), fullPanels, 1, [&](Value panel) {
      Value to = emit.step(target, emit.mul(panel, panelSize));
      for (int64_t v = 0; v < tiles.nr; v += tiles.lanes)
        copy(emit.add(emit.mul(panel, tiles.nr), v), emit.step(to, v), {});
    });
    emit.loop(emit.constant(0), partial, tiles.lanes, [&](Value column) {
      Value to = emit.step(target, emit.add(emit.mul(fullPanels, panelSize), column));
      copy(emit.add(emit.mul(fullPanels, tiles.nr), column), to,
           emit.mask(emit.sub(partial, column)));
    });
  };
  Value whole = words.wholeWords(at);
  emit.loop(emit.constant(0), whole, 1, [&](Value k) { copyRow(k, true); });
  if (words.mayEndHalf())
    emit.loop(whole, at.kLength, 1, [&](Value k) { copyRow(k, false); });
}

/// Any strides; words lie as they should where k is contiguous, and are transposed one by one.
void packElements(Emit &emit, const BlockPosition &at, Value packed) {
  const ContractionTiles &tiles = emit.tiles;
  const int64_t panelSize = panelRows(tiles) * tiles.nr;
  Words words(emit, emit.b);
  Value nr = emit.constant(tiles.nr), lastColumn = emit.add(at.columns, -1);
  Value padded = emit.mul(emit.ceilDiv(at.columns, nr), tiles.nr);
  Value whole = words.wholeWords(at);
  emit.loop(emit.constant(0), padded, 1, [&](Value column) {
    // Past the end, the last column again: its sums are never stored.
    Value source = emit.add(at.n0, emit.min(column, lastColumn));
    Value from = emit.stepB(at.bBase, emit.mul(source, emit.spec.bStrideN));
    Value to = emit.step(packed,
                         emit.add(emit.mul(emit.div(column, nr), panelSize), emit.rem(column, nr)));
    auto copy = [&](Value k, bool isWhole) {
      Value element = emit.mul(emit.add(at.k0, k), depth);
      Value first = emit.stepB(from, emit.mul(element, emit.spec.bStrideK));
      Value second = isWhole ? emit.stepB(first, emit.spec.bStrideK) : Value();
      emit.storeScalar(emit.step(to, emit.mul(k, tiles.nr)), words.scalar(first, second));
    };
    emit.loop(emit.constant(0), whole, 1, [&](Value k) { copy(k, true); });
    if (words.mayEndHalf())
      emit.loop(whole, at.kLength, 1, [&](Value k) { copy(k, false); });
  });
}

/// Columns of B are contiguous along k: their words are transposed, a square of vectors at a time.
void packColumns(Emit &emit, const BlockPosition &at, Value packed) {
  const ContractionTiles &tiles = emit.tiles;
  const int64_t lanes = tiles.lanes, panelSize = panelRows(tiles) * tiles.nr;
  const int64_t inPart = 4; // Words of 128 bits.
  Words words(emit, emit.b);
  Value lastColumn = emit.add(at.columns, -1), nr = emit.constant(tiles.nr);
  Value whole = words.wholeWords(at);
  Value fullEnd = emit.mul(emit.div(whole, emit.constant(inPart)), inPart);
  Value block =
      emit.stepB(at.bBase, emit.add(emit.mul(at.k0, depth), emit.mul(at.n0, emit.spec.bStrideN)));
  Value groups = emit.ceilDiv(at.columns, emit.constant(lanes));
  emit.loop(emit.constant(0), groups, 1, [&](Value group) {
    Value first = emit.mul(group, lanes);
    Value target =
        emit.step(packed, emit.add(emit.mul(emit.div(first, nr), panelSize), emit.rem(first, nr)));
    auto column = [&](Value j) {
      Value clamped = emit.min(emit.add(first, j), lastColumn);
      return emit.stepB(block, emit.mul(clamped, emit.spec.bStrideN));
    };
    Values columns;
    for (int64_t j = 0; j < lanes; ++j)
      columns.push_back(column(emit.constant(j)));
    emit.loop(emit.constant(0), fullEnd, inPart, [&](Value k) {
      Values rows = joinPieces(emit.builder, emit.loc, inPart, lanes, [&](int64_t j) {
        return words.along(emit.stepB(columns[static_cast<size_t>(j)], emit.mul(k, depth)), inPart,
                           {});
      });
      Value to = emit.step(target, emit.mul(k, tiles.nr));
      for (auto [j, row] : llvm::enumerate(transposeSquares(emit.builder, emit.loc, rows)))
        emit.store(emit.step(to, static_cast<int64_t>(j) * tiles.nr), row);
    });
    auto copy = [&](Value k, bool isWhole) {
      Value to = emit.step(target, emit.mul(k, tiles.nr));
      emit.loop(emit.constant(0), emit.constant(lanes), 1, [&](Value j) {
        Value from = emit.stepB(column(j), emit.mul(k, depth));
        emit.storeScalar(
            emit.step(to, j),
            words.scalar(from, isWhole ? emit.stepB(from, emit.constant(1)) : Value()));
      });
    };
    emit.loop(fullEnd, whole, 1, [&](Value k) { copy(k, true); });
    if (words.mayEndHalf())
      emit.loop(whole, at.kLength, 1, [&](Value k) { copy(k, false); });
  });
}

} // namespace

Value packedVector(Emit &emit, Value row) {
  if (emit.tiles.depth == 1)
    return emit.loadElements(row, emit.b, {});
  return Words(emit, emit.b).across(row, emit.stepB(row, emit.spec.bStrideK), {});
}

void emitPackWordsB(Emit &emit, const BlockPosition &at, Value packed) {
  if (Emit::known(emit.spec.bStrideN) == 1)
    packRows(emit, at, packed);
  else if (Emit::known(emit.spec.bStrideK) == 1)
    packColumns(emit, at, packed);
  else
    packElements(emit, at, packed);
}

void emitPackWordsA(Emit &emit, const BlockPosition &at, Value row, const PackedA &packed) {
  const ContractionTiles &tiles = emit.tiles;
  const int64_t lanes = tiles.lanes;
  Words words(emit, emit.a);
  Value whole = words.wholeWords(at), zero = emit.constant(0);
  Value rows = emit.min(emit.constant(tiles.mr), emit.spec.m);
  // Elements of a row of A from a word of the block on.
  auto source = [&](Value r, Value k) {
    return emit.stepA(at.aBase,
                      emit.add(emit.mul(emit.add(row, r), emit.spec.aStrideM),
                               emit.mul(emit.mul(emit.add(at.k0, k), depth), emit.spec.aStrideK)));
  };
  auto second = [&](Value first, bool isWhole) {
    return isWhole ? emit.stepA(first, emit.spec.aStrideK) : Value();
  };
  auto eachWord = [&](llvm::function_ref<void(Value, bool)> copy) {
    emit.loop(zero, whole, 1, [&](Value k) { copy(k, true); });
    if (words.mayEndHalf())
      emit.loop(whole, at.kLength, 1, [&](Value k) { copy(k, false); });
  };
  if (packsAlongM(emit.spec)) {
    eachWord([&](Value k, bool isWhole) {
      emit.loop(zero, rows, lanes, [&](Value r) {
        Value first = source(r, k);
        emit.store(packed.at(emit, r, k),
                   words.across(first, second(first, isWhole), emit.mask(emit.sub(rows, r))));
      });
    });
    return;
  }
  emit.loop(zero, rows, 1, [&](Value r) {
    if (Emit::known(emit.spec.aStrideK) == 1) {
      Value fullEnd = emit.mul(emit.div(whole, emit.constant(lanes)), lanes);
      auto move = [&](Value k, Value mask) {
        emit.store(packed.at(emit, r, k), words.along(source(r, k), lanes, mask));
      };
      emit.loop(zero, fullEnd, lanes, [&](Value k) { move(k, {}); });
      emit.loop(fullEnd, at.kLength, lanes, [&](Value k) {
        Value left = emit.min(words.elementsFrom(emit.add(at.k0, k)),
                              emit.mul(emit.sub(at.kLength, k), depth));
        move(k, emit.mask(left, depth * lanes));
      });
      return;
    }
    eachWord([&](Value k, bool isWhole) {
      Value first = source(r, k);
      emit.storeScalar(packed.at(emit, r, k), words.scalar(first, second(first, isWhole)));
    });
  });
}

} // namespace sinter::cpu::contraction
