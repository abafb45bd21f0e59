// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/cpu/Contraction.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

// Private to Contraction*.cpp: a thin vocabulary over the builder, and the pieces of the generator.

namespace sinter::cpu::contraction {

using mlir::Value;
using mlir::ValueRange;
using Values = llvm::SmallVector<Value>;

/// How an operand lies in memory.
struct Operand {
  mlir::Type type;
  bool isUnsigned = false;
  bool isNarrow = false; ///< Not as the sums: converted on the way.
};

/// Integer arithmetic on i64 that folds constants, typed pointer steps, loops and vectors.
class Emit {
public:
  Emit(mlir::OpBuilder &builder, mlir::Location loc, const ContractionSpec &spec,
       const ContractionTiles &tiles);

  Value constant(int64_t value);
  static std::optional<int64_t> known(Value value);
  Value add(Value a, Value b);
  Value sub(Value a, Value b);
  Value mul(Value a, Value b);
  Value div(Value a, Value b); ///< Unsigned floor.
  Value rem(Value a, Value b);
  Value ceilDiv(Value a, Value b);
  Value min(Value a, Value b);
  Value add(Value a, int64_t b) { return add(a, constant(b)); }
  Value mul(Value a, int64_t b) { return mul(a, constant(b)); }
  Value compare(mlir::arith::CmpIPredicate predicate, Value a, Value b);
  Value select(Value condition, Value a, Value b);

  /// `pointer` + `elements` elements, of elementType where `type` is null.
  Value step(Value pointer, Value elements, mlir::Type type = {});
  Value step(Value pointer, int64_t elements, mlir::Type type = {});
  Value stepA(Value pointer, Value elements) { return step(pointer, elements, a.type); }
  Value stepB(Value pointer, Value elements) { return step(pointer, elements, b.type); }
  Value loadScalar(Value pointer, mlir::Type type = {}, int64_t alignment = 0);
  void storeScalar(Value pointer, Value value);
  Value load(Value pointer);
  Value loadMasked(Value pointer, Value mask); ///< Zero where masked off; plain when mask is null.
  /// One element, or `count` (0: tiles.lanes) of them, of an operand as elementType.
  Value loadElement(Value pointer, const Operand &operand);
  Value loadElements(Value pointer, const Operand &operand, Value mask, int64_t count = 0);
  /// `count` elements as they are, zero where masked off.
  Value loadPlain(Value pointer, mlir::Type type, int64_t count, Value mask);
  /// Elements of an operand as elementType.
  Value widened(Value value, const Operand &operand);
  /// Elements of an operand (a scalar or a vector) as the 16 bits that half a word holds.
  Value halfWords(Value value, const Operand &operand);
  void store(Value pointer, Value vector);
  void prefetch(Value pointer); ///< Into the second-level cache.
  Value splat(Value scalar);
  Value zero();
  Value multiplyAdd(Value a, Value b, Value c);
  Value multiplyAddPairs(Value a, Value b, Value c);
  Value pairs(Value words); ///< What multiplyAdd() takes for words of several elements.
  Value addElements(Value a, Value b);
  Value shuffle(Value a, Value b, llvm::ArrayRef<int64_t> mask);
  /// The first `lanes` (null: tiles.lanes) up to `count` set; count may exceed their number.
  Value mask(Value count, int64_t lanes = 0);

  /// for (i = lower; i < upper; i += step); the body gets i and the carried values, returns the new
  /// ones.
  Values loop(Value lower, Value upper, Value step, ValueRange carried,
              llvm::function_ref<Values(Value, ValueRange)> body);
  void loop(Value lower, Value upper, int64_t step, llvm::function_ref<void(Value)> body);
  /// Emits nothing for a condition known false, and no branch for one known true.
  void ifThen(Value condition, llvm::function_ref<void()> body);
  void ifThenElse(Value condition, llvm::function_ref<void()> yes, llvm::function_ref<void()> no);

  mlir::OpBuilder &builder;
  mlir::Location loc;
  const ContractionSpec &spec;
  const ContractionTiles &tiles;
  mlir::Type elementType;
  mlir::VectorType vectorType;
  bool isFloat;
  Operand a, b;
  /// Of a packed panel: elementType, or i32 with tiles.depth elements in it. As wide as a sum.
  mlir::Type wordType;
  mlir::VectorType wordVector;
  Value kWords; ///< Words of k.
};

/// One B block and the k range that is being packed or multiplied.
struct BlockPosition {
  Value batchIndex;
  Value aBase, bBase; ///< Pointers to this batch's A and B.
  Value n0, columns;  ///< First column and number of columns of the block.
  Value k0, kLength;  ///< In words.
};

/// One call of the micro-kernel: `rows` x `vectors` sums over the current block of k.
struct Tile {
  int64_t rows = 0, vectors = 0;
  Value firstRow; ///< Row 0 of the tile, counted from the unit's `baseRow`.
  Value column;   ///< Column 0 of the tile, counted from the block's first.
  // What the loop over k needs, and nothing else.
  Value valid; ///< Number of columns that exist; null when all do.
  Value a, aStrideM, aStrideK;
  Value b, bStrideK;
  Value ahead,
      aheadStride; ///< Prefetched along the way, so many bytes apart; null when nothing is.
  /// Rows of B that are packed along the way, and where their first vector goes; null when none
  /// are.
  Value packFrom, packTo;
  mlir::Type aType; ///< What steps of A count.
  Value length;     ///< Words of k.
  Value target;     ///< Where the sums go, `nBlock` elements per row; null when not to memory.
  Value initial, initialStride; ///< Where the sums start from; null for zeros.

  /// The values of the second group that are present.
  llvm::SmallVector<Value *> inputs() {
    llvm::SmallVector<Value *> result;
    for (Value *value : {&valid, &a, &aStrideM, &aStrideK, &b, &bStrideK, &ahead, &aheadStride,
                         &packFrom, &packTo, &length, &target, &initial, &initialStride})
      if (*value)
        result.push_back(value);
    return result;
  }
};

/// The loop over k of a tile, with all sums in registers: rows x vectors of them. `masks` guard the
/// loads of B; empty for packed panels, which are padded.
Values multiplyTile(Emit &emit, const Tile &tile, llvm::ArrayRef<Value> masks);
/// Multiplies in a function of its own behind `kernel` and stores to `target`: the registers of the
/// k loop are then out of reach of whatever the code generator would like to keep in registers
/// around it, such as the epilogue's constants.
void callTile(Emit &emit, mlir::func::FuncOp kernel, const std::string &name, Tile tile);
/// One mask per vector of the tile; null where all lanes exist.
Values tileMasks(Emit &emit, const Tile &tile);

/// Rows of k that a packed panel reserves: `kc` rounded up to whole transposed tiles.
int64_t panelRows(const ContractionTiles &tiles);

/// Rows of B between one that is packed and the one that is prefetched meanwhile.
int64_t rowsAhead(Emit &emit);
/// Packs B[k0.., n0..] into [panel][k][nr] at `packed`; columns past the end are zero (or copies).
void emitPackB(Emit &emit, const BlockPosition &at, Value packed);
/// A strip of A is packed with vectors along m, because that is how it lies in memory.
bool packsAlongM(const ContractionSpec &spec);
/// A packed strip of A.
struct PackedA {
  PackedA(const ContractionTiles &tiles, const ContractionSpec &spec, Value pointer);
  Value at(Emit &emit, Value row, Value k) const;
  Value pointer;
  int64_t strideM = 1, strideK = 1;
};
int64_t packedAElements(const ContractionTiles &tiles);
/// Copies rows [row, row + mr) of A[.., k0..].
void emitPackA(Emit &emit, const BlockPosition &at, Value row, const PackedA &packed);
/// `lanes` words of B along n: `row` points to their first element, at the word's first k, which
/// has all of its elements.
Value packedVector(Emit &emit, Value row);
/// As emitPackB and emitPackA, for panels of 32-bit words with two elements each.
void emitPackWordsB(Emit &emit, const BlockPosition &at, Value packed);
void emitPackWordsA(Emit &emit, const BlockPosition &at, Value row, const PackedA &packed);

/// One strip of units for Form::Stream and Form::Dot: sums of `rows` x columns into `sums`,
/// `nBlock` elements per row.
void emitStreamUnit(Emit &emit, const BlockPosition &at, Value row, Value rowCount, Value sums);
void emitDotUnit(Emit &emit, const BlockPosition &at, Value row, Value rowCount, Value sums);

} // namespace sinter::cpu::contraction
