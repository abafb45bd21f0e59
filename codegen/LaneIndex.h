// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/ir/Ops.h"

#include "mlir/IR/Builders.h"

#include <map>
#include <optional>
#include <string>

namespace sinter::codegen {

/// Size expressions as i64 values of a kernel. Constants fold; named dims are loaded from the size
/// table once, at the function's entry, and every derived size is computed once, there.
class SizeTable {
public:
  /// `entry` is an op at the function's entry after which sizes are computed.
  SizeTable(mlir::Value table, llvm::ArrayRef<std::string> dims, mlir::Operation *entry);
  mlir::Value get(const DimExpr &size);

private:
  mlir::Value table;
  std::vector<std::string> dims;
  mlir::Operation *entry;
  std::map<std::string, mlir::Value> values;
};

/// The index of every lane of a vector along one dim: base + lane * step, or `vector` when not of
/// that form.
struct LaneIndex {
  mlir::Value base;   ///< i64; unset when `vector` is set.
  int64_t step = 0;   ///< Difference between neighbouring lanes.
  mlir::Value vector; ///< vector<lanes x i64>
  /// The least and the largest value of all lanes that count, where that is known.
  std::optional<std::pair<int64_t, int64_t>> range = std::nullopt;
  bool isUniform() const { return !vector && step == 0; }
};

/// Arithmetic on lane indices. With one lane everything is scalar.
class IndexMath {
public:
  IndexMath(mlir::OpBuilder &builder, mlir::Location loc, SizeTable &sizes, int64_t lanes)
      : builder(builder), loc(loc), sizes(sizes), lanes(lanes) {}

  mlir::Value constant(int64_t value);
  LaneIndex uniform(mlir::Value base) { return {base, 0, {}}; }
  LaneIndex uniform(const DimExpr &size) { return uniform(sizes.get(size)); }
  LaneIndex add(const LaneIndex &a, const LaneIndex &b);
  LaneIndex mul(const LaneIndex &a, const DimExpr &b);
  LaneIndex floorDiv(const LaneIndex &a, const DimExpr &b);
  LaneIndex mod(const LaneIndex &a, const DimExpr &b);
  /// Row-major offset of `index` in `shape`.
  LaneIndex linearize(llvm::ArrayRef<LaneIndex> index, const Shape &shape);
  /// The inverse, for a uniform offset: one uniform index per dim.
  llvm::SmallVector<LaneIndex> delinearize(mlir::Value offset, llvm::ArrayRef<DimExpr> dims);
  /// The index of one row in a value of `shape`: the `row` of `dims`, where dims of size 1 may come
  /// and go.
  llvm::SmallVector<LaneIndex> ofRow(const Shape &shape, llvm::ArrayRef<DimExpr> dims,
                                     llvm::ArrayRef<LaneIndex> row);
  /// All lanes, as vector<lanes x i64>.
  mlir::Value asVector(const LaneIndex &index);
  /// low <= index < high for every lane: i1 when uniform, else vector<lanes x i1>; null when always
  /// true.
  mlir::Value inRange(const LaneIndex &index, const DimExpr &low, const DimExpr &high);

private:
  mlir::OpBuilder &builder;
  mlir::Location loc;
  SizeTable &sizes;
  int64_t lanes;
};

} // namespace sinter::codegen
