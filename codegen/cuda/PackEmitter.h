// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/cuda/BlockEmitter.h"

#include <map>

namespace sinter::cuda {

/// What emitters share whose threads go through packs: neighbours of the domain that are read, and
/// written, in accesses of up to 16 bytes. A thread reads what lies like the domain for several
/// packs first, so that many bytes are under way; then it computes one after another.
class PackEmitter : protected BlockEmitter {
protected:
  PackEmitter(const KernelRequest &request, int64_t width)
      : BlockEmitter(request), width(width), unroll(plan.schedule.unroll) {}

  struct Place {
    mlir::Value flat;     ///< Of the first element, in buffers of the domain's shape.
    mlir::Value whole;    ///< Null: always. Else there is one element where it does not hold.
    codegen::Index start; ///< Of the first element.
    mlir::Value number;   ///< Of the first element, where elements are numbered.
  };
  struct Pack {
    std::function<Place(mlir::Value unit)> place;
    /// The index of the element `ahead` of the first; unset: only the last one differs.
    std::function<codegen::Index(const Place &, mlir::Value ahead)> index;
    std::function<void()> before; ///< May be unset.
    /// With the point set. Carried values go from element to element.
    std::function<Values(const Place &, mlir::Value e, mlir::Value ahead, mlir::ValueRange)>
        element;
    std::function<void(const Place &)> after; ///< May be unset.
  };
  /// The packs of units first, first + stride, … below `limit`, `unroll` of them; the first is
  /// below.
  Values round(mlir::Value first, int64_t stride, mlir::Value limit, mlir::ValueRange carried,
               const Pack &pack);

  mlir::Value number(int64_t value);
  /// loadPack or storePack between a place in memory and an array.
  void move(llvm::StringRef function, mlir::Value to, mlir::Value from, const Place &place);
  mlir::Value packArray(mlir::Type elementType, int64_t count, llvm::StringRef name) {
    return array(elementType, count * width, (name + "_pack").str());
  }
  std::string outputName(size_t output) const { return bufferNames[env.buffers.size() + output]; }
  /// Whether rows of `last` elements are whole packs.
  bool dividesRow(const DimExpr &last) const { return last.dividedExactlyBy(width).has_value(); }

  const int64_t width, unroll;

private:
  Values
  eachPack(mlir::Value first, int64_t stride, mlir::Value limit, mlir::ValueRange carried,
           llvm::function_ref<Values(mlir::Value k, mlir::Value unit, mlir::ValueRange)> body);
  Values onePack(mlir::Value unit, mlir::Value k, mlir::ValueRange carried, const Pack &pack);
  void markArrays();
  mlir::Value arrayOf(mlir::BlockArgument input, const codegen::BufferRef &buffer);
  void fillArrays(mlir::OpBuilder::InsertPoint at, const Place &place, mlir::Value offset);
  void packOtherLoads(mlir::Operation *all, const Place &place);

  /// By input: what holds its elements. They are filled once it is known which there are.
  std::map<unsigned, mlir::Value> arrays;
  mlir::Operation *arraysBehind = nullptr;
};

} // namespace sinter::cuda
