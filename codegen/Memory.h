// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/LaneIndex.h"

namespace sinter::codegen {

/// A contiguous row-major buffer of a kernel. Booleans are bytes in memory and i1 in registers, f16
/// and bf16 are f32 in registers (ir::registerType).
struct BufferRef {
  mlir::Value pointer;
  mlir::Type elementType;
  Shape shape;
};

/// One element per lane. A uniform element is one scalar for all lanes.
struct Element {
  mlir::Value value;
  bool uniform = true;
  explicit operator bool() const { return static_cast<bool>(value); }
};

/// Loads and stores of elements; the only place that knows how values lie in memory. Element types
/// are those of tensors (or of registers, for scratch that holds values as registers do): loads
/// extend, stores round to nearest even.
class Memory {
public:
  Memory(mlir::OpBuilder &builder, mlir::Location loc, int64_t lanes)
      : builder(builder), loc(loc), lanes(lanes) {}

  /// The address of element `offset` (i64, or a vector of offsets).
  mlir::Value address(mlir::Value pointer, mlir::Type elementType, mlir::Value offset);
  mlir::Value loadScalar(mlir::Value pointer, mlir::Type elementType, mlir::Value offset);
  void storeScalar(mlir::Value value, mlir::Type elementType, mlir::Value pointer,
                   mlir::Value offset);
  /// `lanes` neighbours; `mask` (may be null) protects lanes from being read. Masked lanes are 0.
  mlir::Value loadVector(mlir::Value pointer, mlir::Type elementType, mlir::Value offset,
                         mlir::Value mask);
  /// One element per lane at vector<lanes x i64> offsets.
  mlir::Value gather(mlir::Value pointer, mlir::Type elementType, mlir::Value offsets,
                     mlir::Value mask);
  /// `stream`: non-temporal, for results that are not read again soon; the address is then
  /// vector-aligned.
  void storeVector(mlir::Value value, mlir::Type elementType, mlir::Value pointer,
                   mlir::Value offset, mlir::Value mask, bool stream);
  /// One element per lane to vector<lanes x i64> offsets, which differ.
  void scatter(mlir::Value value, mlir::Type elementType, mlir::Value pointer, mlir::Value offsets,
               mlir::Value mask);
  /// The scalar in every lane; with one lane the scalar itself.
  mlir::Value splat(mlir::Value scalar);
  /// An element as a vector (with one lane: the scalar).
  mlir::Value asVector(const Element &element) {
    return element.uniform ? splat(element.value) : element.value;
  }
  /// vector<lanes x type>, or `type` with one lane.
  mlir::Type vectorType(mlir::Type type) const;
  /// lane < count for every lane; null when lanes == 1.
  mlir::Value tailMask(mlir::Value count);

private:
  mlir::Type storageType(mlir::Type elementType) const;
  mlir::Value fromStorage(mlir::Value value, mlir::Type elementType);
  mlir::Value toStorage(mlir::Value value, mlir::Type elementType);
  mlir::Value allTrue();
  mlir::OpBuilder &builder;
  mlir::Location loc;
  int64_t lanes;
};

} // namespace sinter::codegen
