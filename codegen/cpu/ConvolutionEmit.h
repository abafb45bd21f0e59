// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/ConvolutionLayout.h"
#include "sinter/codegen/cpu/KernelFunction.h"
#include "sinter/codegen/cpu/Transpose.h"
#include "sinter/codegen/forms/ConvolutionPlan.h"

#include <optional>

// Private to the emitters of convolutions.

namespace sinter::cpu::convolution {

using codegen::ConvolutionAxis;
using codegen::ConvolutionLayout;
using codegen::ConvolutionPlan;
using mlir::Value;
using mlir::ValueRange;
using Values = KernelFunction::Values;

std::optional<int64_t> known(Value value);

/// Vectors of one element type at typed pointers.
class Vectors {
public:
  Vectors(KernelFunction &kernel, mlir::Type elementType);

  Value step(Value pointer, Value elements);
  Value step(Value pointer, int64_t elements) { return step(pointer, kernel.constant(elements)); }
  Value load(Value pointer);
  void store(Value pointer, Value vector);
  Value loadSplat(Value pointer);
  void prefetch(Value pointer); ///< Into the second-level cache.
  Value zero();
  Value multiplyAdd(Value a, Value b, Value c);
  Value add(Value a, Value b);
  /// Lanes of a and b in turns, from the first or the last half of each.
  Value interleave(Value a, Value b, bool high);
  /// Of `lanes` vectors.
  Values transpose(ValueRange square) {
    return transposeSquares(kernel.builder, kernel.loc, square);
  }
  /// The first columns of a square in memory, as many as 128 bits hold.
  Values columns(llvm::function_ref<Value(int64_t)> row);
  int64_t perPiece() const {
    return std::min<int64_t>(lanes, 128 / elementType.getIntOrFloatBitWidth());
  }
  /// Which of `lanes` numbers from `first` on are in [0, size); both fit 32 bits.
  Value inRange(Value first, Value size);
  /// i64 number `index` at `pointer`.
  Value loadWord(Value pointer, Value index);
  void storeWord(Value pointer, Value index, Value word);
  /// Zeros from element `low` to at least `high`, in whole vectors.
  void clear(Value pointer, Value low, Value high);
  /// `body` in a function of its own behind the kernel, so that its registers are out of reach of
  /// what is around the call; it gets the arguments, those that are known as constants.
  void call(const std::string &name, ValueRange arguments,
            llvm::function_ref<void(ValueRange)> body);

  KernelFunction &kernel;
  mlir::Type elementType;
  mlir::VectorType vectorType;
  const int64_t lanes;
};

/// Integer arithmetic of indices, which folds constants.
struct Arithmetic {
  KernelFunction &kernel;
  Value div(Value a, int64_t b); ///< Of non-negative numbers.
  Value rem(Value a, int64_t b);
  Value ceilDiv(Value a, Value b) const;
  Value min(Value a, Value b) { return kernel.minimum(a, b); }
  Value max(Value a, Value b);
  Value less(Value a, Value b); ///< Unsigned: a negative number is above every bound.
  Value both(Value a, Value b);
};
void ifThenElse(KernelFunction &kernel, Value condition, llvm::function_ref<void()> yes,
                llvm::function_ref<void()> no = nullptr);

/// Stores what follows from `sums`, elements of the anchor's `result` at `index`.
void storeResults(ElementEmitter &emitter, KernelFunction &kernel, Value result, const Index &index,
                  Value sums, Value mask);

/// One copy of the source: `channels` of depth from `first` on, for `rows` rows of positions from
/// `row` on.
struct PatchPart {
  Value batch;
  Value channel;  ///< The first channel of the group in the source.
  Values leading; ///< Position in the leading axes of the result.
  Value row, rows;
  Value first, channels;
};

/// The source of a convolution in padded planes.
class Patch {
public:
  Patch(KernelFunction &kernel, const ConvolutionLayout &layout, Value source, Value pointer,
        const DimExpr &blockRows);
  void fill(const PatchPart &part);
  Value channelSize();
  /// Where a tap lies, in elements from the first position of the block.
  Value offset(const ConvolutionAxis::Tap &y, const ConvolutionAxis::Tap &x);

private:
  Value leadingIndex(const ConvolutionAxis &axis, Value position, Value tap, Value &valid);
  /// What of a plane's rows is in the source.
  struct Columns {
    Value start;       ///< Element of the source at element 0 of a row.
    Value first, last; ///< Elements of a row that are in the source.
    Value pitch;
  };
  Value startOf(const ConvolutionAxis &axis, Value plane);
  Columns columnsOf(Value plane);
  Value everySecond(ElementEmitter &emitter, const Index &index, Value left, Value mask);
  void askFor(ElementEmitter &emitter, const Index &index);
  void fillRow(ElementEmitter &emitter, Index index, Value sourceRow, Value isRow,
               const Columns &columns, Value target);

  KernelFunction &kernel;
  const ConvolutionLayout &layout;
  Value source, pointer;
  DimExpr blockRows;
  Vectors vectors;
  Arithmetic math;
};

/// What OuterProducts multiply at once: `channels` of the patch by `rowChannels` of y.
struct OuterBlock {
  Value table, patch, columns, sums, channels, rowChannels, row, rows, images;
};

/// The gradient of the weights as outer products: lanes run along channels of y, which is copied
/// with its channels innermost, and every element of x is the factor of a vector. Nothing stands
/// between rows of positions, however short they are.
class OuterProducts {
public:
  OuterProducts(KernelFunction &kernel, const ConvolutionLayout &layout,
                const ConvolutionPlan &plan);
  /// Where the taps of each tile begin in the patch.
  void fillTable(Patch &patch, Value table);
  /// The rows of y, [tile of channels][position][channel]. There is room for a square of vectors
  /// at `square`.
  void fillColumns(const PatchPart &part, Value pointer, Value square);
  /// Adds a block's products to `sums`, [weight][channel of y].
  void multiplyBlock(const OuterBlock &block);
  /// `lanes` sums from weight `e` on, of each of `lanes` channels from `m` on.
  void stage(Value sums, Value m, Value e, Value staging);

private:
  /// Rows of a block at which a tile's taps read the source; the others are multiplied by padding.
  struct Rows {
    Value begin, count;
  };
  /// Of the taps with number `group` in the table.
  Rows rowsOf(Value group, const OuterBlock &block);
  void multiply(ValueRange arguments);
  void askFor(ElementEmitter &emitter, const Index &index);
  /// Of a square of vectors in memory, in a function that all of a kernel share.
  void transposeSquare(Value from, Value fromStep, Value to, Value toStep);

  KernelFunction &kernel;
  const ConvolutionLayout &layout;
  const ConvolutionPlan &plan;
  ir::ConvolutionOp op;
  Vectors vectors;
  Arithmetic math;
  const int64_t mr, nr;
  mlir::func::FuncOp transposer;
};

} // namespace sinter::cpu::convolution

namespace sinter::cpu {
/// Reads x where it lies (codegen::DirectPlan).
void emitDirectConvolution(KernelFunction &kernel);
} // namespace sinter::cpu
