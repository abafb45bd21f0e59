// SPDX-License-Identifier: Apache-2.0
// How a thread visits its part of a row.
#pragma once

#include "sinter/codegen/cuda/RowReduction.h"

namespace sinter::cuda {

/// A thread takes packs of neighbours, the same ones in every phase. Inputs that are not held are
/// read a pack at a time, ahead of their elements.
class RowWalk : protected RowThreads {
protected:
  explicit RowWalk(const KernelRequest &request);

  /// A pack of neighbours in the row, and the element of it that is being computed.
  struct Place {
    mlir::Value part;    ///< Which of the thread's packs of a tile.
    mlir::Value at;      ///< In the row, of the pack's first element.
    mlir::Value k;       ///< Within the pack.
    mlir::Value element; ///< In the row.
    mlir::Value held;    ///< Among what the thread holds of the row.
  };
  using Body = llvm::function_ref<Values(mlir::ValueRange)>;

  /// Every pack of this thread: body(carried) with `place.at`.
  Values eachPack(mlir::ValueRange carried, Body body);
  /// Every element of a pack: body(carried) with all of `place`.
  Values eachElement(mlir::ValueRange carried, Body body);
  /// Visits this thread's points of the row in a phase: body(carried). Packs of inputs that are not
  /// held are read ahead of their elements; afterPack() follows those.
  Values walk(unsigned phase, mlir::ValueRange carried, Body body,
              llvm::function_ref<void()> beforePack = {},
              llvm::function_ref<void()> afterPack = {});
  mlir::Value address(const codegen::BufferRef &buffer, mlir::Value offset) {
    return elements->memory().address(buffer.pointer, buffer.elementType, offset);
  }

  /// The product's elements come from the three functions below.
  void startFromSums();
  /// The product's element in another column of the row.
  codegen::Element pickedSum(llvm::ArrayRef<codegen::LaneIndex> index);

  bool holds; ///< A thread's packs of a row stay in its registers.
  llvm::SmallVector<DimExpr> keptDims, reducedDims;
  DimExpr rowSize;
  mlir::Value size;
  mlir::Value start;    ///< The flat position of the row's first point.
  codegen::Index kept;  ///< The row's index.
  codegen::Index inner; ///< Where the point is in the row.
  Place place;
  llvm::DenseMap<mlir::Value, mlir::Value> heldArrays;
  /// Behind a contraction: reads ahead what the points of a pack start from, gives one of them, and
  /// one of any other column.
  std::function<void()> loadSums;
  std::function<mlir::Value()> sumAtPoint;
  std::function<mlir::Value(mlir::Value column)> sumAtColumn;

private:
  bool guards() const;
  void goTo(mlir::Value element);
  mlir::Value readElement(mlir::BlockArgument argument, const codegen::BufferRef &buffer);
  bool isOfColumns(mlir::Value argument);
  bool followsRow(llvm::ArrayRef<codegen::LaneIndex> index, mlir::BlockArgument argument);
  void loadAhead(mlir::BlockArgument argument);

  llvm::MapVector<mlir::Value, mlir::Value> packs;
};

} // namespace sinter::cuda
