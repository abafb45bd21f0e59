// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cpu/ContractionEmit.h"

#include <algorithm>

using namespace mlir;

namespace sinter::cpu::contraction {

using Pack = ContractionTiles::Pack;

void callTile(Emit &emit, func::FuncOp kernel, const std::string &name, Tile tile) {
  OpBuilder &builder = emit.builder;
  const ContractionTiles &tiles = emit.tiles;
  llvm::SmallVector<Value *> inputs = tile.inputs();
  Values arguments;
  llvm::SmallVector<Type> types;
  for (Value *input : inputs)
    if (!Emit::known(*input)) {
      arguments.push_back(*input);
      types.push_back(input->getType());
    }
  func::FuncOp function;
  {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointAfter(kernel);
    function = func::FuncOp::create(builder, emit.loc, name, builder.getFunctionType(types, {}));
    function.setPrivate();
    Block *entry = function.addEntryBlock();
    builder.setInsertionPointToStart(entry);
    unsigned next = 0;
    for (Value *input : inputs) {
      auto value = Emit::known(*input);
      *input = value ? emit.constant(*value) : Value(entry->getArgument(next++));
    }
    Values masks;
    if (tiles.packB != Pack::Always)
      masks = tileMasks(emit, tile);
    Values result = multiplyTile(emit, tile, masks);
    for (int64_t i = 0; i < tile.rows; ++i)
      for (int64_t v = 0; v < tile.vectors; ++v)
        emit.store(emit.step(tile.target, i * tiles.nBlock + v * tiles.lanes),
                   result[static_cast<size_t>(i * tile.vectors + v)]);
    func::ReturnOp::create(builder, emit.loc);
  }
  func::CallOp::create(builder, emit.loc, function, arguments);
}

Values tileMasks(Emit &emit, const Tile &tile) {
  Values masks(static_cast<size_t>(tile.vectors));
  if (tile.valid)
    for (int64_t v = 0; v < tile.vectors; ++v)
      if (!Emit::known(emit.spec.n) || v + 1 == tile.vectors)
        masks[static_cast<size_t>(v)] =
            emit.mask(emit.sub(tile.valid, emit.constant(v * emit.tiles.lanes)));
  return masks;
}

Values multiplyTile(Emit &emit, const Tile &tile, llvm::ArrayRef<Value> masks) {
  const ContractionTiles &tiles = emit.tiles;
  const int64_t lanes = tiles.lanes, rows = tile.rows, vectors = tile.vectors;
  // Carried: the sums, the pointer into B, and either the pointer to row 0 of A (strides known:
  // rows are displacements) or the offset along k that all rows share.
  // Pairs read in place are aligned as their elements are.
  const int64_t aAlignment = tile.aType.getIntOrFloatBitWidth() / 8;
  const bool onePointer = rows == 1 || Emit::known(tile.aStrideM);
  Values aRows;
  for (int64_t i = 0; i < rows && !onePointer; ++i)
    aRows.push_back(emit.step(tile.a, emit.mul(tile.aStrideM, i), tile.aType));
  Values carried(static_cast<size_t>(rows * vectors));
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t v = 0; v < vectors; ++v) {
      Value &start = carried[static_cast<size_t>(i * vectors + v)];
      start = emit.zero();
      if (tile.initial)
        start = emit.load(
            emit.step(emit.step(tile.initial, emit.mul(tile.initialStride, i)), v * lanes));
    }
  const size_t bSlot = carried.size(), aSlot = bSlot + 1, aheadSlot = bSlot + 2;
  carried.push_back(tile.b);
  carried.push_back(onePointer ? tile.a : emit.constant(0));
  if (tile.ahead)
    carried.push_back(tile.ahead);
  const size_t fromSlot = carried.size(), toSlot = fromSlot + 1;
  if (tile.packFrom)
    carried.append({tile.packFrom, tile.packTo});

  const int64_t lineOfB = 512 / emit.b.type.getIntOrFloatBitWidth(); // Elements.
  auto steps = [&](ValueRange state, int64_t count) {
    Values next(state.begin(), state.end());
    for (int64_t u = 0; u < count; ++u) {
      Values bVectors;
      for (int64_t v = 0; v < vectors; ++v)
        bVectors.push_back(
            emit.pairs(emit.loadPlain(emit.step(next[bSlot], v * lanes), emit.wordType, lanes,
                                      masks.empty() ? Value() : masks[static_cast<size_t>(v)])));
      for (int64_t i = 0; i < rows; ++i) {
        Value pointer = onePointer
                            ? emit.step(next[aSlot], emit.mul(tile.aStrideM, i), tile.aType)
                            : emit.step(aRows[static_cast<size_t>(i)], next[aSlot], tile.aType);
        Value a = emit.pairs(emit.splat(emit.loadScalar(pointer, emit.wordType, aAlignment)));
        for (int64_t v = 0; v < vectors; ++v) {
          Value &sum = next[static_cast<size_t>(i * vectors + v)];
          sum = emit.multiplyAdd(a, bVectors[static_cast<size_t>(v)], sum);
        }
      }
      if (tile.ahead) {
        emit.prefetch(next[aheadSlot]);
        next[aheadSlot] = emit.step(next[aheadSlot], tile.aheadStride, emit.builder.getI8Type());
      }
      if (tile.packFrom) {
        Value &from = next[fromSlot], &to = next[toSlot];
        const int64_t rows = rowsAhead(emit);
        for (int64_t d = 0; d < tiles.depth; ++d)
          for (int64_t v = 0; v < tiles.packAhead * lanes; v += lineOfB)
            emit.prefetch(emit.stepB(from, emit.add(emit.mul(emit.spec.bStrideK, rows + d), v)));
        for (int64_t v = 0; v < tiles.packAhead * lanes; v += lanes)
          emit.store(emit.step(to, v), packedVector(emit, emit.stepB(from, emit.constant(v))));
        from = emit.stepB(from, emit.mul(emit.spec.bStrideK, tiles.depth));
        to = emit.step(to, tiles.nr);
      }
      next[bSlot] = emit.step(next[bSlot], tile.bStrideK);
      next[aSlot] = onePointer ? emit.step(next[aSlot], tile.aStrideK, tile.aType)
                               : emit.add(next[aSlot], tile.aStrideK);
    }
    return next;
  };
  const int64_t unroll = rows == tiles.mr ? std::max<int64_t>(1, tiles.kUnroll) : 1;
  Value length = tile.length;
  Value unrolledEnd = emit.mul(emit.div(length, emit.constant(unroll)), unroll);
  Values result = emit.loop(emit.constant(0), unrolledEnd, emit.constant(unroll), carried,
                            [&](Value, ValueRange state) { return steps(state, unroll); });
  if (unroll > 1 && Emit::known(emit.sub(length, unrolledEnd)) != 0)
    result = emit.loop(unrolledEnd, length, emit.constant(1), result,
                       [&](Value, ValueRange state) { return steps(state, 1); });
  return result;
}

} // namespace sinter::cpu::contraction
