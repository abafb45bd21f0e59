// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/ir/base/DType.h"
#include "sinter/ir/base/DimExpr.h"
#include "sinter/ir/base/TargetInfo.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/Value.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <utility>

// The generated matmul: C[b,m,n] = sum over k of A[b,m,k] * B[b,k,n], then an epilogue.
//
// The work is cut into units (batch, n block, m block), m fastest. A unit is a strip of `mBlock`
// rows by `nBlock` columns. The units of one chunk that share a B block pack it once into the
// worker's scratch. Every element of C is one chain of multiply-adds over ascending k starting from
// 0 (Form::Dot: one chain per lane, then a tree over the lanes), so no result bit depends on how
// units are split or grouped.

namespace sinter::cpu {

/// What chooseTiles() needs to know; sizes may be unknown (symbolic).
struct ContractionShape {
  DType dtype = DType::F32; ///< Of the sums: f32, f64, i32 or i64.
  /// How operands lie in memory: as `dtype`, or narrower and converted on the way.
  std::optional<DType> aDtype, bDtype;
  DimExpr batch = 1, m = 1, n = 1, k = 1;
  /// Element strides; nullopt when symbolic.
  std::optional<int64_t> aStrideM, aStrideK, bStrideK, bStrideN;
  /// A or B is computed by a hook instead of being read from memory.
  bool computedA = false, computedB = false;
  /// B is a constant of which nothing else is asked: it may lie in memory in any order.
  bool fixedB = false;
  /// What follows needs whole rows of the result: a unit has all columns.
  bool wholeRows = false;
  /// With wholeRows: that many columns, a multiple of two vectors of which there are several, are a
  /// row, and what a unit has.
  std::optional<int64_t> rowTile;
  /// About how many operations the epilogue does per vector.
  int64_t storeOps = 8;
};

struct ContractionTiles {
  enum class Form : uint8_t {
    Tiled,  ///< mr x nr register tile, vectors along n.
    Stream, ///< Few rows, large B: B is streamed once, C stays in scratch.
    Dot,    ///< Vectors along k: both operands are k-contiguous and m or n is tiny.
  };
  enum class Pack : uint8_t {
    Always,
    Never,
    ByReuse, ///< When a chunk holds at least `packStrips` strips of a B block.
  };

  Form form = Form::Tiled;
  Pack packB = Pack::Always;
  /// Copy each strip of A into scratch (aliasing rows, or a computed A).
  bool packA = false;
  /// Elements of k that one instruction multiplies and adds per sum: 2 for pairs of bf16 or of
  /// 16-bit integers. Panels then hold 32-bit words of two elements; `kc` counts words.
  int64_t depth = 1;
  /// Use math.fma; else multiply and add.
  bool fma = false;
  int64_t lanes = 1; ///< Elements of one vector.
  int64_t mr = 1;    ///< Rows of the register tile.
  int64_t nr = 1; ///< Columns of the register tile: a multiple of `lanes` (columns for Form::Dot).
  /// B lies in memory in panels of so many columns (of `nr`), [panel][k][column]; 0: as a matrix.
  int64_t panel = 0;
  int64_t kc = 1; ///< Longest block of k between two visits of partial sums.
  int64_t kUnroll = 1;
  int64_t mBlock = 1; ///< Rows of a unit: `mr`, or several of them for Form::Dot.
  int64_t nBlock = 1; ///< Columns of a unit, a multiple of `nr`.
  /// Units whose partial sums are kept at once when K > kc.
  int64_t groupUnits = 1;
  int64_t packStrips = 2;
  /// Prefetch the next block of B during the k loop.
  bool prefetchB = false;
  /// Vectors of the next block of B that each step of k packs along the way; 0: packing is a loop
  /// of its own. Needs rows of B that are contiguous and a known distance apart, and nBlock == nr.
  int64_t packAhead = 0;
  /// Call the epilogue on the registers of the tile instead of a loop over stored sums: for short k
  /// and cheap epilogues, which are then emitted once per register.
  bool directStore = false;
  int64_t elementBytes = 4;
};

/// The tiles for a shape on a target: pure data, so tests and benchmarks may change them.
ContractionTiles chooseTiles(const TargetInfo &target, const ContractionShape &shape);

/// Number of units: independent of the number of threads.
DimExpr contractionExtent(const ContractionTiles &tiles, const DimExpr &batch, const DimExpr &m,
                          const DimExpr &n);
/// Units that one chunk of parallelFor should hold: enough to pay for packing B and for the
/// hand-over.
DimExpr contractionGrain(const ContractionTiles &tiles, const ContractionShape &shape);
/// Scratch of one worker, 64-byte aligned.
int64_t contractionScratchBytes(const ContractionTiles &tiles);

struct ContractionSpec {
  using Builder = mlir::OpBuilder;
  using Value = mlir::Value;
  template <typename T> using Hook = std::function<T>;

  /// f32, f64, i32 or i64 (integers wrap).
  mlir::Type elementType;
  /// Of A and B in memory, if not that: f16, bf16 or integers of at most 32 bits. Both bf16, or
  /// both of at most 16 bits, when tiles.depth is 2.
  mlir::Type aType, bType;
  /// Integers of A and B have no sign.
  bool aUnsigned = false, bUnsigned = false;
  /// i64; constants where static, which is how static information reaches the generator.
  Value batch, m, n, k;
  /// !llvm.ptr and i64 element strides. `a` or `b` may be null when computed by a hook.
  Value a, aStrideM, aStrideK;
  Value b, bStrideK, bStrideN; ///< Within a panel, where B lies in panels.
  /// Flat batch index -> element offsets into A and B. Null: both offsets are 0.
  Hook<std::pair<Value, Value>(Builder &, mlir::Location, Value batchIndex)> batchOffsets;
  /// Prologue: `lanes` elements of A at (b, m, k..) along k, or at (b, m.., k) along m where
  /// aStrideM is 1 and aStrideK is not; lanes outside `mask` are ignored. `mask` is null when all
  /// lanes are wanted. Requires tiles.packA.
  Hook<Value(Builder &, mlir::Location, Value b, Value m, Value k, Value mask)> loadA;
  /// Prologue: `lanes` elements of B at (b, k, n..) along n. Requires Pack::Always.
  Hook<Value(Builder &, mlir::Location, Value b, Value k, Value n, Value mask)> loadB;
  /// Epilogue: `lanes` sums of row m from column n on; runs once per vector of C. `mask` (vector of
  /// i1) is null when all lanes are valid. While emitting it is called once for full and once for
  /// partial vectors, or for every register of the tile (tiles.directStore).
  Hook<void(Builder &, mlir::Location, Value b, Value m, Value n, Value sums, Value mask)> store;
  /// Epilogue of whole rows, instead of `store`: `rows` rows from row m on, whose sums of column n
  /// and those behind it begin at `sums`, `pitch` elements apart. `unit` numbers the strips of rows
  /// of all batches. Requires that n is at most tiles.nBlock, or a multiple of it, and no
  /// tiles.directStore.
  Hook<void(Builder &, mlir::Location, Value unit, Value b, Value m, Value n, Value rows,
            Value sums, int64_t pitch)>
      storeRows;
};

/// Emits units [begin, end) at the builder's insertion point, inside a func.func: scf, arith,
/// vector, math.fma, llvm memory operations and calls of private functions named after the
/// enclosing one, which are placed behind it (one per variant of the register tile). `scratch` is
/// this worker's own block of contractionScratchBytes().
void emitContraction(mlir::OpBuilder &builder, mlir::Location loc, const ContractionSpec &spec,
                     const ContractionTiles &tiles, mlir::Value begin, mlir::Value end,
                     mlir::Value scratch);

} // namespace sinter::cpu
