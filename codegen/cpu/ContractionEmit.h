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

  /// `pointer` + `elements` elements.
  Value step(Value pointer, Value elements);
  Value step(Value pointer, int64_t elements);
  Value loadScalar(Value pointer);
  void storeScalar(Value pointer, Value value);
  Value load(Value pointer);
  Value loadMasked(Value pointer, Value mask); ///< Zero where masked off; plain when mask is null.
  void store(Value pointer, Value vector);
  void prefetch(Value pointer); ///< Into the second-level cache.
  Value splat(Value scalar);
  Value zero();
  Value multiplyAdd(Value a, Value b, Value c);
  Value addElements(Value a, Value b);
  Value shuffle(Value a, Value b, llvm::ArrayRef<int64_t> mask);
  /// Lanes [0, count) set; count may exceed the number of lanes.
  Value mask(Value count);

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
};

/// One B block and the k range that is being packed or multiplied.
struct BlockPosition {
  Value batchIndex;
  Value aBase, bBase; ///< Pointers to this batch's A and B.
  Value n0, columns;  ///< First column and number of columns of the block.
  Value k0, kLength;
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
  Value ahead, aheadStride; ///< Prefetched along the way; null when nothing is.
  Value length;             ///< Steps of k.
  Value target; ///< Where the sums go, `nBlock` elements per row; null when not to memory.
  Value initial, initialStride; ///< Where the sums start from; null for zeros.

  /// The values of the second group that are present.
  llvm::SmallVector<Value *> inputs() {
    llvm::SmallVector<Value *> result;
    for (Value *value : {&valid, &a, &aStrideM, &aStrideK, &b, &bStrideK, &ahead, &aheadStride,
                         &length, &target, &initial, &initialStride})
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

/// Packs B[k0.., n0..] into [panel][k][nr] at `packed`; columns past the end are zero (or copies).
void emitPackB(Emit &emit, const BlockPosition &at, Value packed);
/// Copies rows [row, row + mr) of A[.., k0..] to `packed`, `packedStride` elements per row.
void emitPackA(Emit &emit, const BlockPosition &at, Value row, Value packed, int64_t packedStride);
int64_t packedAStride(const ContractionTiles &tiles);

/// One strip of units for Form::Stream and Form::Dot: sums of `rows` x columns into `sums`,
/// `nBlock` elements per row.
void emitStreamUnit(Emit &emit, const BlockPosition &at, Value row, Value rowCount, Value sums);
void emitDotUnit(Emit &emit, const BlockPosition &at, Value row, Value rowCount, Value sums);

} // namespace sinter::cpu::contraction
