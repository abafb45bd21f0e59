// SPDX-License-Identifier: Apache-2.0
// How threads that share a row combine what each of them found.
#pragma once

#include "sinter/codegen/cpu/Reducer.h"
#include "sinter/codegen/cuda/BlockEmitter.h"

namespace sinter::cuda {

/// The prelude's struct that merges two states of a reduction over `elementType`: `Sum`, or
/// `As<unsigned char, Max>`.
std::string mergeName(ir::Combiner combiner, mlir::Type elementType);
/// Of an anchor that reduces.
std::string mergeName(mlir::Operation *anchor);
/// What a slot in shared memory holds of a state of those types: at least a word.
mlir::Type slotType(mlir::TypeRange state);

/// Rows under the schedule of the form Row: which of them a thread shares, and its part.
class RowThreads : protected BlockEmitter {
protected:
  explicit RowThreads(const KernelRequest &request);

  static constexpr int64_t warp = 32;
  mlir::Value constant(int64_t value) { return elements->math().constant(value); }
  /// Names the index of a loop.
  static void name(mlir::Value index, llvm::StringRef hint);
  static mlir::Value named(mlir::Value value, llvm::StringRef hint);

  /// Emits where this thread is, and makes room for what warps leave for each other. Comes first.
  void placeThread();
  /// Of all threads that share a row, where these are more than a warp.
  void barrier();
  /// The results of reductions, in every thread, from what each has come to; one barrier for all.
  Values combined(llvm::ArrayRef<mlir::Operation *> anchors,
                  llvm::MutableArrayRef<cpu::Reducer> reducers, mlir::ValueRange states);

  const codegen::Schedule &schedule;
  int64_t width;            ///< Elements of a pack.
  int64_t rowThreads;       ///< That share a row.
  mlir::Value lane;         ///< The thread's number among those.
  mlir::Value firstElement; ///< Of the row, that it takes.
  mlir::Value firstUnit, unitStep;

private:
  llvm::DenseMap<mlir::Operation *, mlir::Value> slots; ///< Of anchors, in shared memory.
};

} // namespace sinter::cuda
