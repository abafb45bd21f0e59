// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/AttentionLayout.h"
#include "sinter/codegen/cpu/KernelFunction.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

#include <map>

// Private to EmitAttention*.cpp.

namespace sinter::cpu {

using codegen::AttentionLayout;
using mlir::Value;
using mlir::ValueRange;
using Values = llvm::SmallVector<Value>;

/// What forward and backward share: arithmetic on i64 that folds constants, vectors along queries,
/// the register tile, and the scores of a block.
class AttentionNest {
public:
  AttentionNest(KernelFunction &kernel, const AttentionLayout &layout);

  // -- Numbers and loops --
  Value constant(int64_t value) { return kernel.constant(value); }
  Value size(const DimExpr &expr) { return kernel.size(expr); }
  Value add(Value a, Value b) { return kernel.add(a, b); }
  Value add(Value a, int64_t b) { return kernel.add(a, constant(b)); }
  Value sub(Value a, Value b) { return kernel.sub(a, b); }
  Value mul(Value a, Value b) { return kernel.mul(a, b); }
  Value mul(Value a, int64_t b) { return kernel.mul(a, constant(b)); }
  Value min(Value a, Value b) { return kernel.minimum(a, b); }
  Value max(Value a, Value b);
  Value div(Value a, Value b); ///< Of what is not negative.
  Value rem(Value a, Value b);
  Value roundUp(Value a, int64_t multiple);
  Value clamp(Value a, Value high) { return max(min(a, high), constant(0)); }
  void loop(Value low, Value high, int64_t step, llvm::function_ref<void(Value)> body);
  Values loop(Value low, Value high, Values carried,
              llvm::function_ref<Values(Value, ValueRange)> body);
  void ifPositive(Value value, llvm::function_ref<void()> body);

  // -- Elements of the sums' type in scratch, and vectors of them --
  Value at(Value pointer, Value offset);
  Value at(Value pointer, int64_t offset) { return at(pointer, constant(offset)); }
  Value load(Value pointer);
  void store(Value pointer, Value vector);
  Value loadScalar(Value pointer);
  void storeScalar(Value pointer, Value scalar);
  Value splat(Value scalar) { return memory.splat(scalar); }
  Value splat(double number);
  template <typename Op, typename... Args> Value make(Args &&...args) {
    return Op::create(builder, loc, std::forward<Args>(args)...)->getResult(0);
  }
  Value scalar(double number);
  Value less(mlir::arith::CmpFPredicate predicate, Value a, Value b) {
    return make<mlir::arith::CmpFOp>(predicate, a, b);
  }
  Value select(Value condition, Value a, Value b) {
    return make<mlir::arith::SelectOp>(condition, a, b);
  }
  Value exp(Value x);
  void fill(Value pointer, Value elements, double number);

  // -- Operands --
  /// Row 0 of a batch: of the copy, where there is one.
  Value matrix(const AttentionLayout::Matrix &m, Value batch);
  /// A batch index in other leading sizes: those of a batch index over `leading`, or 1.
  Value batchIn(llvm::ArrayRef<DimExpr> sizes, Value batch);
  /// Copies row `row` of every matrix that has a copy.
  void copyRow(Value row);
  /// The queries [first, first + queryBlock) of a matrix, factor times, as [width][queryBlock].
  /// Queries past the end repeat the last one.
  void transpose(const AttentionLayout::Matrix &m, Value rows, Value first, Value count,
                 double factor, Value to);
  /// Stores `width` elements of scratch times `factor` (null: 1) as row `row` of an output.
  void storeRow(const codegen::BufferRef &output, Value row, int64_t width, Value from,
                Value factor);
  /// The output of a result; null pointer when nobody wants it.
  codegen::BufferRef outputOf(unsigned result);

  // -- The tile --
  struct Product {
    Value a, aRow, aStep; ///< rows x length, by element strides.
    Value valid;          ///< Rows of a past this many repeat the last one; null: all exist.
    Value b, bStep;       ///< length x vectors.
    Value length;
    Value to, toRow;
    int64_t vectors = 2;
    bool accumulate = false;
  };
  void multiply(const Product &product);
  /// All tiles of `rowCount` x `vectors * lanes * n` at a row: a loop over the columns of width
  /// `width`.
  void multiplyColumns(Product product, int64_t width);

  // -- Blocks of scores --
  struct Block {
    Value batch; ///< Of q.
    Value firstQuery, numQueries, firstKey, numKeys;
  };
  /// How many of the block's keys the queries below `end` (counted in the block) see.
  Value visible(const Block &block, Value end);
  /// The keys that a tile of scores at query `column` needs.
  Value keysOfColumn(const Block &block, Value column);
  /// keys . transposed queries, for the columns at `column` and the first `count` keys.
  void products(const Block &block, Value column, Value count, const AttentionLayout::Matrix &keys,
                Value keyRows, Value transposed, int64_t width, Value to);
  /// Calls body(key, vectors, carried) for the first `count` keys, with the scores at `column`
  /// after mask and causal rule.
  Values eachKey(const Block &block, Value column, Value count, Value scores, Values carried,
                 llvm::function_ref<Values(Value key, ValueRange scores, ValueRange carried)> body);
  /// The keys of the whole block that a block of queries can see at all.
  Value lastKey(Value firstQuery, Value numQueries);

  static constexpr int64_t scoreVectors = 2;

  KernelFunction &kernel;
  const AttentionLayout &l;
  mlir::OpBuilder &builder;
  mlir::Location loc;
  mlir::Type element;
  mlir::VectorType vectorType;
  codegen::Memory memory;
  Value queries, keys;

private:
  Value maskValue(const Block &block, Value query, Value key);
  Value applyMask(const Block &block, Value query, Value key, Value score);
  Value hideLater(const Block &block, Value query, Value key, Value score);
  mlir::func::FuncOp tileFunction(int64_t vectors, bool accumulate);
  std::map<std::pair<int64_t, bool>, mlir::func::FuncOp> tiles;
};

} // namespace sinter::cpu
