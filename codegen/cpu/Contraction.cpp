// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cpu/ContractionEmit.h"

#include <algorithm>
#include <array>

using namespace mlir;

namespace sinter::cpu {

using namespace contraction;
using Form = ContractionTiles::Form;
using Pack = ContractionTiles::Pack;
using Predicate = arith::CmpIPredicate;

namespace {

int64_t alignedBytes(int64_t elements, const ContractionTiles &tiles) {
  return (elements * tiles.elementBytes + 63) / 64 * 64;
}

/// Byte offsets of the parts of a worker's scratch.
struct ScratchLayout {
  explicit ScratchLayout(const ContractionTiles &tiles) {
    const bool tiled = tiles.form == Form::Tiled;
    const bool packs = tiled && tiles.packB != Pack::Never;
    block = packs ? alignedBytes(tiles.nBlock * panelRows(tiles), tiles) : 0;
    sums = tiles.packAhead ? 2 * block : block;
    // One vector of slack: partial vectors are read and written whole.
    packedA =
        sums + alignedBytes(tiles.groupUnits * tiles.mBlock * tiles.nBlock + tiles.lanes, tiles);
    zeros = packedA + (tiles.packA ? alignedBytes(packedAElements(tiles), tiles) : 0);
    bytes = zeros + (tiled ? alignedBytes(tiles.nr, tiles) : 0);
  }
  int64_t block, sums, packedA, zeros, bytes;
};

/// A pointer into an operand and its step from one k to the next.
struct Panel {
  Value pointer, strideK;
};

class Generator {
public:
  Generator(Emit &emit, Value scratch);
  void run(Value begin, Value end);

private:
  /// Which of two places the packed block of B has (i1), and whether it is already there.
  using PackState = std::array<Value, 2>;
  PackState group(Value first, Value end, PackState state);
  void pack(PackState &state);
  void unit(Value unitIndex);
  void tiledUnit();
  void panels(Value row, int64_t rows);
  void tile(Tile tile);
  void storeTile(const Tile &tile);
  Panel nextBlock(Value kIndex);
  Panel ahead(Value panel, Value panelCount);
  void epilogue();
  Value bytes(Value pointer, int64_t offset);
  /// Strips of A that are read in place and lie behind each other without a gap.
  bool hasRowsInARow() const {
    auto k = Emit::known(spec.k);
    return !tiles.packA && !splitsK && k && Emit::known(spec.aStrideM) == *k;
  }
  /// From the start of B to column n0 of its first row; n0 begins a block.
  Value columnOffset(Value n0) {
    if (tiles.panel) // Panels follow each other.
      return emit.mul(n0, spec.k);
    return emit.mul(n0, spec.bStrideN);
  }
  /// Elements of B in a cache line.
  int64_t lineOfB() const { return 512 / emit.b.type.getIntOrFloatBitWidth(); }

  Emit &emit;
  const ContractionSpec &spec;
  const ContractionTiles &tiles;
  const ScratchLayout layout;
  Value scratch, packedB, sumsBase, zeros;
  PackedA packed;
  bool splitsK, storesDirectly;
  Value kBlocks, kBlock;
  BlockPosition at;
  // State of the group and unit being emitted.
  Value firstUnit, firstMBlock, endUnit;
  Value isFirstK, isLastK; ///< Null when K is one block.
  Value usesPacked;        ///< Null unless Pack::ByReuse.
  Value nextN0, hasNext;   ///< Where the following group begins, if it reads the same batch.
  Panel nextB;             ///< What to prefetch of B; the pointer is null when nothing is.
  /// Ahead packing: the next block, where it goes, and whether the units of this group do it.
  Value packFrom, packTo, packsNext;
  Value unitInGroup;
  func::FuncOp kernel;
  int functionCount = 0;
  Value wantedRow, storedRows; ///< First row of the unit and how many rows it has.
  Value baseRow;               ///< Row of A behind row 0 of `sums`; the last strip starts earlier.
  Value sums;
};

Generator::Generator(Emit &emit, Value scratch)
    : emit(emit), spec(emit.spec), tiles(emit.tiles), layout(emit.tiles), scratch(scratch),
      packed(emit.tiles, emit.spec, {}) {
  // Found now: inside the bodies of loops under construction there is no way up.
  Operation *parent = emit.builder.getInsertionBlock()->getParentOp();
  kernel = mlir::isa<func::FuncOp>(parent) ? mlir::cast<func::FuncOp>(parent)
                                           : parent->getParentOfType<func::FuncOp>();
  packedB = scratch;
  sumsBase = bytes(scratch, layout.sums);
  packed.pointer = bytes(scratch, layout.packedA);
  zeros = bytes(scratch, layout.zeros);
  auto k = Emit::known(emit.kWords);
  splitsK = tiles.form == Form::Tiled && !(k && *k <= tiles.kc);
  storesDirectly = tiles.form == Form::Tiled && tiles.directStore && !splitsK;
  kBlocks = emit.constant(1);
  kBlock = emit.kWords;
  if (splitsK) {
    // Blocks of equal length rather than a short last one; at least one, so that k = 0 stores
    // zeros.
    kBlocks = emit.ceilDiv(emit.kWords, emit.constant(tiles.kc));
    kBlocks = emit.builder.createOrFold<arith::MaxSIOp>(emit.loc, kBlocks, emit.constant(1));
    kBlock = emit.ceilDiv(emit.kWords, kBlocks);
  }
}

Value Generator::bytes(Value pointer, int64_t offset) {
  return emit.step(pointer, offset / tiles.elementBytes);
}

void Generator::run(Value begin, Value end) {
  OpBuilder &builder = emit.builder;
  if (splitsK)
    for (int64_t v = 0; v < tiles.nr; v += tiles.lanes)
      emit.store(emit.step(zeros, v), emit.zero());
  Value mUnits = emit.ceilDiv(spec.m, emit.constant(tiles.mBlock));
  Value nUnits = emit.ceilDiv(spec.n, emit.constant(tiles.nBlock));
  auto condition = [&](OpBuilder &inner, Location loc, ValueRange carried) {
    Value more = arith::CmpIOp::create(inner, loc, Predicate::slt, carried[0], end);
    scf::ConditionOp::create(inner, loc, more, carried);
  };
  auto body = [&](OpBuilder &inner, Location, ValueRange carried) {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPoint(inner.getInsertionBlock(), inner.getInsertionPoint());
    Value first = carried[0];
    Value block = emit.div(first, mUnits);
    Value batchIndex = Emit::known(spec.batch) == 1 ? emit.constant(0) : emit.div(block, nUnits);
    firstMBlock = emit.rem(first, mUnits);
    at.batchIndex = batchIndex;
    at.n0 = Emit::known(spec.n) && *Emit::known(spec.n) <= tiles.nBlock
                ? emit.constant(0)
                : emit.mul(emit.rem(block, nUnits), tiles.nBlock);
    at.columns = emit.min(emit.constant(tiles.nBlock), emit.sub(spec.n, at.n0));
    if (auto n = Emit::known(spec.n); n && *n % tiles.nBlock == 0)
      at.columns = emit.constant(tiles.nBlock);
    at.aBase = spec.a;
    at.bBase = spec.b;
    if (spec.batchOffsets) {
      auto [aOffset, bOffset] = spec.batchOffsets(builder, emit.loc, batchIndex);
      if (spec.a)
        at.aBase = emit.stepA(spec.a, aOffset);
      if (spec.b)
        at.bBase = emit.stepB(spec.b, bOffset);
    }
    Value last = emit.min(end, emit.add(first, emit.sub(mUnits, firstMBlock)));
    if (splitsK) {
      Value capped = emit.min(last, emit.add(first, tiles.groupUnits));
      last = emit.select(emit.compare(Predicate::eq, kBlocks, emit.constant(1)), last, capped);
    }
    Value blockEnd = emit.add(first, emit.sub(mUnits, firstMBlock));
    nextN0 = emit.select(emit.compare(Predicate::eq, last, blockEnd), emit.add(at.n0, tiles.nBlock),
                         at.n0);
    hasNext = arith::AndIOp::create(builder, emit.loc, emit.compare(Predicate::slt, last, end),
                                    emit.compare(Predicate::slt, nextN0, spec.n));
    if (!tiles.packAhead) {
      group(first, last, {});
      scf::YieldOp::create(builder, emit.loc, last);
      return;
    }
    PackState state = group(first, last, {carried[1], carried[2]});
    scf::YieldOp::create(builder, emit.loc, ValueRange{last, state[0], state[1]});
  };
  Values initial = {begin};
  if (tiles.packAhead) {
    Value no = arith::ConstantIntOp::create(builder, emit.loc, 0, 1);
    initial.append({no, no});
  }
  scf::WhileOp::create(builder, emit.loc, ValueRange(initial).getTypes(), initial, condition, body);
}

Generator::PackState Generator::group(Value first, Value end, PackState state) {
  firstUnit = first;
  endUnit = end;
  usesPacked = nullptr;
  if (tiles.form == Form::Tiled && tiles.packB == Pack::ByReuse)
    usesPacked =
        emit.compare(Predicate::sge, emit.sub(end, first), emit.constant(tiles.packStrips));
  auto block = [&](Value kIndex) {
    at.k0 = emit.mul(kIndex, kBlock);
    at.kLength = splitsK ? emit.min(kBlock, emit.sub(emit.kWords, at.k0)) : kBlock;
    if (splitsK) {
      isFirstK = emit.compare(Predicate::eq, kIndex, emit.constant(0));
      isLastK = emit.compare(Predicate::eq, emit.add(kIndex, 1), kBlocks);
    }
    nextB = nextBlock(kIndex);
    pack(state);
    emit.loop(first, end, 1, [&](Value index) { unit(index); });
  };
  if (!tiles.packAhead) {
    emit.loop(emit.constant(0), kBlocks, 1, block);
    return state;
  }
  Values last = emit.loop(emit.constant(0), kBlocks, emit.constant(1), state,
                          [&](Value kIndex, ValueRange carried) {
                            state = {carried[0], carried[1]};
                            block(kIndex);
                            return Values{state[0], state[1]};
                          });
  return {last[0], last[1]};
}

void Generator::pack(PackState &state) {
  if (tiles.form != Form::Tiled || tiles.packB == Pack::Never)
    return;
  auto copy = [&] { (tiles.depth > 1 ? emitPackWordsB : emitPackB)(emit, at, packedB); };
  if (!tiles.packAhead)
    return usesPacked ? emit.ifThen(usesPacked, copy) : copy();
  OpBuilder &builder = emit.builder;
  Value one = arith::ConstantIntOp::create(builder, emit.loc, 1, 1);
  Value other = bytes(scratch, layout.block);
  packedB = emit.select(state[0], other, scratch);
  packTo = emit.select(state[0], scratch, other);
  Value packed = state[1];
  state = {arith::XOrIOp::create(builder, emit.loc, state[0], one), packsNext};
  Value missing = arith::XOrIOp::create(builder, emit.loc, packed, one);
  if (usesPacked)
    missing = arith::AndIOp::create(builder, emit.loc, missing, usesPacked);
  emit.ifThen(missing, copy);
}

/// The B block that is needed after this one, to be brought into the second-level cache meanwhile.
Panel Generator::nextBlock(Value kIndex) {
  const bool rows = Emit::known(spec.bStrideN) == 1, columns = Emit::known(spec.bStrideK) == 1;
  if (!(tiles.prefetchB || tiles.packAhead) || spec.loadB || !(rows || columns))
    return {};
  Value k0 = emit.constant(0), n0 = nextN0, exists = hasNext;
  if (splitsK) {
    Value more = emit.compare(Predicate::slt, emit.add(kIndex, 1), kBlocks);
    k0 = emit.select(more, emit.add(at.k0, kBlock), k0);
    n0 = emit.select(more, at.n0, n0);
    exists = arith::OrIOp::create(emit.builder, emit.loc, more, exists);
  }
  Value strideK = emit.mul(spec.bStrideK, tiles.depth);
  Value offset = emit.add(emit.mul(k0, strideK), columnOffset(n0));
  if (tiles.packAhead) {
    auto both = [&](Value a, Value b) {
      return emit.builder.createOrFold<arith::AndIOp>(emit.loc, a, b);
    };
    // Whole blocks of the same length, by groups with a unit for each part of it.
    packFrom = emit.stepB(at.bBase, offset);
    const int64_t parts = tiles.nr / tiles.lanes / tiles.packAhead;
    packsNext = both(
        exists, emit.compare(Predicate::sge, emit.sub(endUnit, firstUnit), emit.constant(parts)));
    packsNext = both(packsNext, emit.compare(Predicate::sle, emit.add(n0, tiles.nr), spec.n));
    if (usesPacked)
      packsNext = both(packsNext, usesPacked);
    packsNext = both(packsNext, emit.compare(Predicate::sge, spec.m, emit.constant(tiles.mr)));
    Value length = emit.min(kBlock, emit.sub(emit.kWords, k0));
    packsNext = both(packsNext, emit.compare(Predicate::eq, length, at.kLength));
    if (tiles.depth > 1) // The last word may be half empty.
      packsNext =
          both(packsNext,
               emit.compare(Predicate::sle, emit.mul(emit.add(k0, length), tiles.depth), spec.k));
    return {};
  }
  // Without a next block, touch one line of the packed panel again and again.
  Value stride = rows ? strideK : emit.constant(lineOfB());
  return {emit.select(exists, emit.stepB(at.bBase, offset), packedB),
          emit.select(exists, stride, emit.constant(0))};
}

/// The lines that one tile fetches ahead, one per step of k; the tiles of a group cover the next
/// block.
Panel Generator::ahead(Value panel, Value panelCount) {
  if (!nextB.pointer)
    return {};
  const int64_t line = lineOfB();
  Value tileIndex = emit.add(emit.mul(unitInGroup, panelCount), panel);
  Value last = emit.constant((tiles.nBlock + line - 1) / line - 1);
  Value offset = emit.mul(emit.min(tileIndex, last), line);
  if (Emit::known(spec.bStrideN) != 1) // Columns are contiguous: one line holds 16 steps of k.
    offset = emit.mul(offset, emit.mul(at.kLength, tiles.depth));
  Value moving = emit.compare(Predicate::ne, nextB.strideK, emit.constant(0));
  return {emit.stepB(nextB.pointer, emit.select(moving, offset, emit.constant(0))), nextB.strideK};
}

void Generator::unit(Value unitIndex) {
  Value inGroup = emit.sub(unitIndex, firstUnit);
  unitInGroup = inGroup;
  wantedRow = emit.mul(emit.add(firstMBlock, inGroup), tiles.mBlock);
  storedRows = emit.min(emit.constant(tiles.mBlock), emit.sub(spec.m, wantedRow));
  if (auto m = Emit::known(spec.m); m && *m % tiles.mBlock == 0)
    storedRows = emit.constant(tiles.mBlock);
  sums = sumsBase;
  if (splitsK) {
    Value one = emit.compare(Predicate::eq, kBlocks, emit.constant(1));
    Value slot = emit.select(one, emit.constant(0), inGroup);
    sums = emit.step(sumsBase, emit.mul(slot, tiles.mBlock * tiles.nBlock));
  }
  baseRow = wantedRow;
  if (tiles.form == Form::Stream)
    emitStreamUnit(emit, at, wantedRow, storedRows, sums);
  else if (tiles.form == Form::Dot)
    emitDotUnit(emit, at, wantedRow, storedRows, sums);
  else
    tiledUnit();
  if (splitsK)
    emit.ifThen(isLastK, [&] { epilogue(); });
  else if (!storesDirectly)
    epilogue();
}

void Generator::tiledUnit() {
  // The last strip is moved up to end at the last row: it computes some rows twice and stores them
  // once.
  const int64_t mr = tiles.mr;
  Value enough = emit.compare(Predicate::sge, spec.m, emit.constant(mr));
  auto m = Emit::known(spec.m);
  if (!m || *m % mr != 0) {
    Value lastStart = emit.select(enough, emit.sub(spec.m, emit.constant(mr)), emit.constant(0));
    baseRow = emit.min(wantedRow, lastStart);
  }
  if (tiles.packA)
    (tiles.depth > 1 ? emitPackWordsA : emitPackA)(emit, at, baseRow, packed);
  auto eachRow = [&] {
    emit.loop(emit.constant(0), storedRows, 1, [&](Value r) { panels(r, 1); });
  };
  emit.ifThenElse(
      enough, [&] { panels(emit.constant(0), mr); }, eachRow);
}

/// Multiplies `rows` rows, from `row` of this unit on, with all panels of the block.
void Generator::panels(Value row, int64_t rows) {
  Value aTile;
  if (tiles.packA)
    aTile = packed.at(emit, row, emit.constant(0));
  else
    aTile = emit.stepA(at.aBase, emit.add(emit.mul(emit.add(baseRow, row), spec.aStrideM),
                                          emit.mul(at.k0, emit.mul(spec.aStrideK, tiles.depth))));
  Panel first{packedB, emit.constant(tiles.nr)};
  Value panelStride = emit.constant(panelRows(tiles) * tiles.nr);
  if (tiles.packB != Pack::Always) {
    Value inPlace =
        emit.step(at.bBase, emit.add(emit.mul(at.k0, spec.bStrideK), columnOffset(at.n0)));
    if (usesPacked) {
      first.pointer = emit.select(usesPacked, packedB, inPlace);
      first.strideK = emit.select(usesPacked, first.strideK, spec.bStrideK);
      panelStride = emit.select(usesPacked, panelStride, emit.constant(tiles.nr));
    } else {
      first = {inPlace, spec.bStrideK};
      panelStride = tiles.panel ? emit.mul(spec.k, tiles.nr) : emit.constant(tiles.nr);
    }
  }
  Value nr = emit.constant(tiles.nr), zero = emit.constant(0);
  Value full = emit.div(at.columns, nr), partial = emit.rem(at.columns, nr);
  const int64_t vectors = tiles.nr / tiles.lanes;
  auto n = Emit::known(spec.n);
  auto tileAt = [&](Value panel, int64_t vectors, Value valid) {
    Tile result;
    result.rows = rows;
    result.vectors = vectors;
    result.firstRow = row;
    result.column = emit.mul(panel, tiles.nr);
    result.valid = valid;
    result.a = aTile;
    result.b = emit.step(first.pointer, emit.mul(panel, panelStride));
    result.bStrideK = first.strideK;
    return result;
  };
  auto fullPanel = [&](Value panel) {
    Tile fullTile = tileAt(panel, vectors, nullptr);
    if (rows == tiles.mr) {
      Panel prefetch = ahead(panel, full);
      fullTile.ahead = prefetch.pointer;
      if (prefetch.pointer)
        fullTile.aheadStride = emit.mul(prefetch.strideK, emit.b.type.getIntOrFloatBitWidth() / 8);
    }
    if (!tiles.packAhead || rows != tiles.mr)
      return tile(fullTile);
    if (hasRowsInARow()) {
      fullTile.ahead = emit.stepA(at.aBase, emit.mul(emit.add(baseRow, tiles.mr), spec.aStrideM));
      fullTile.aheadStride = emit.constant(64);
    }
    const int64_t part = tiles.packAhead * tiles.lanes;
    Value column = emit.mul(unitInGroup, part);
    Value packs = emit.builder.createOrFold<arith::AndIOp>(
        emit.loc, packsNext, emit.compare(Predicate::slt, column, nr));
    Tile packing = fullTile;
    packing.ahead = packing.aheadStride = nullptr;
    packing.packFrom = emit.stepB(packFrom, column);
    packing.packTo = emit.step(packTo, column);
    emit.ifThenElse(
        packs, [&] { tile(packing); }, [&] { tile(fullTile); });
  };
  auto partialPanel = [&] {
    if (n && *n % tiles.nr == 0)
      return;
    int64_t used = n ? (*n % tiles.nr + tiles.lanes - 1) / tiles.lanes : vectors;
    const bool whole = n && *n % tiles.lanes == 0;
    tile(tileAt(full, used, whole ? nullptr : partial));
  };
  if (tiles.nBlock != tiles.nr) {
    emit.loop(zero, full, 1, fullPanel);
    emit.ifThen(emit.compare(Predicate::ne, partial, zero), partialPanel);
    return;
  }
  Value isFull = emit.compare(Predicate::eq, at.columns, nr);
  full = emit.constant(1);
  emit.ifThenElse(
      isFull, [&] { fullPanel(zero); },
      [&] {
        full = zero;
        partialPanel();
      });
}

void Generator::tile(Tile tile) {
  tile.aStrideM = tiles.packA ? emit.constant(packed.strideM) : spec.aStrideM;
  tile.aStrideK =
      tiles.packA ? emit.constant(packed.strideK) : emit.mul(spec.aStrideK, tiles.depth);
  tile.aType = tiles.packA ? emit.wordType : emit.a.type;
  tile.length = at.kLength;
  if (storesDirectly)
    return storeTile(tile);
  tile.target = emit.step(sums, emit.add(emit.mul(tile.firstRow, tiles.nBlock), tile.column));
  if (splitsK) {
    tile.initial = emit.select(isFirstK, zeros, tile.target);
    tile.initialStride = emit.select(isFirstK, emit.constant(0), emit.constant(tiles.nBlock));
  }
  // Named by the order of emission, so that equal kernels are equal text.
  callTile(emit, kernel, kernel.getName().str() + "_tile" + std::to_string(functionCount++), tile);
}

/// Multiplies and hands the registers to the epilogue.
void Generator::storeTile(const Tile &tile) {
  Values masks;
  if (tiles.packB != Pack::Always) // Loads need them; else they stay out of the k loop's registers.
    masks = tileMasks(emit, tile);
  Values result = multiplyTile(emit, tile, masks);
  if (masks.empty())
    masks = tileMasks(emit, tile);
  for (int64_t i = 0; i < tile.rows; ++i) {
    Value row = emit.add(tile.firstRow, i);
    // Rows before the wanted ones belong to the strip before, which stores them.
    emit.ifThen(emit.compare(Predicate::sge, row, emit.sub(wantedRow, baseRow)), [&] {
      for (int64_t v = 0; v < tile.vectors; ++v)
        spec.store(emit.builder, emit.loc, at.batchIndex, emit.add(baseRow, row),
                   emit.add(at.n0, emit.add(tile.column, v * tiles.lanes)),
                   result[static_cast<size_t>(i * tile.vectors + v)],
                   masks[static_cast<size_t>(v)]);
    });
  }
}

void Generator::epilogue() {
  const int64_t lanes = tiles.lanes;
  if (spec.storeRows) {
    Value first = emit.mul(emit.sub(wantedRow, baseRow), tiles.nBlock);
    Value strips = emit.ceilDiv(spec.m, emit.constant(tiles.mBlock));
    Value unit = emit.add(emit.mul(at.batchIndex, strips), emit.add(firstMBlock, unitInGroup));
    return spec.storeRows(emit.builder, emit.loc, unit, at.batchIndex, wantedRow, at.n0, storedRows,
                          emit.step(sums, first), tiles.nBlock);
  }
  Value lanesValue = emit.constant(lanes), zero = emit.constant(0);
  Value fullEnd = emit.mul(emit.div(at.columns, lanesValue), lanes);
  Value rest = emit.sub(at.columns, fullEnd);
  Value hasRest = emit.compare(Predicate::ne, rest, zero);
  Value restMask;
  if (auto n = Emit::known(spec.n); n && *n % lanes == 0)
    hasRest = nullptr;
  if (hasRest)
    restMask = emit.mask(rest);
  Value firstSums = emit.sub(wantedRow, baseRow);
  emit.loop(zero, storedRows, 1, [&](Value r) {
    Value row = emit.add(wantedRow, r);
    Value source = emit.step(sums, emit.mul(emit.add(firstSums, r), tiles.nBlock));
    auto storeAt = [&](Value column, Value mask) {
      spec.store(emit.builder, emit.loc, at.batchIndex, row, emit.add(at.n0, column),
                 emit.load(emit.step(source, column)), mask);
    };
    emit.loop(zero, fullEnd, lanes, [&](Value column) { storeAt(column, nullptr); });
    if (hasRest)
      emit.ifThen(hasRest, [&] { storeAt(fullEnd, restMask); });
  });
}

} // namespace

int64_t contractionScratchBytes(const ContractionTiles &tiles) {
  return ScratchLayout(tiles).bytes;
}

void emitContraction(OpBuilder &builder, Location loc, const ContractionSpec &spec,
                     const ContractionTiles &tiles, Value begin, Value end, Value scratch) {
  Emit emit(builder, loc, spec, tiles);
  Generator(emit, scratch).run(begin, end);
}

} // namespace sinter::cpu
