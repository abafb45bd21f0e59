// SPDX-License-Identifier: Apache-2.0
#include "sinter/frontend/onnx/Exporter.h"

namespace sinter::onnx {
namespace {

void exportGatherRows(OpExport &op) {
  op.result(op.node("Gather", {op.operand(0), op.operand(1)}, {{"axis", int64_t{0}}}));
}

void exportPick(OpExport &op) {
  int64_t last = op.shape(0).rank() - 1;
  Name found = op.node("GatherElements", {op.operand(0), op.unsqueeze(op.operand(1), {last})},
                       {{"axis", last}});
  op.result(op.node("Squeeze", {found, op.ints({last})}));
}

/// Positions as ONNX's GatherND and ScatterND take them, one vector per element of `at`: from the
/// operands from `first` on, or from the position itself.
Name positions(OpExport &op, llvm::ArrayRef<int64_t> dims, unsigned first, const Shape &at) {
  std::vector<Name> parts;
  Shape column = at;
  column.push_back(DimExpr(1));
  for (int64_t dim : dims) {
    if (dim < 0) {
      Name index = op.cast(op.operand(first), op.dtype(first), i64);
      parts.push_back(op.unsqueeze(index, {at.rank()}));
      ++first;
      continue;
    }
    Shape small(std::vector<DimExpr>(static_cast<size_t>(column.rank()), DimExpr(1)));
    small[dim] = at[dim];
    Name limit = op.reshape(op.dim(at[dim]), Shape{1}, Shape{});
    Name range = op.node("Range", {op.scalar(i64, 0), limit, op.scalar(i64, 1)});
    parts.push_back(op.expand(op.reshape(range, Shape{at[dim]}, small), small, column));
  }
  if (parts.size() == 1)
    return parts[0];
  return op.node("Concat", parts, {{"axis", at.rank()}});
}

void exportGather(OpExport &op) {
  auto gather = op.as<ir::GatherOp>();
  llvm::ArrayRef<int64_t> dims = gather.getDims();
  if (dims.size() == 1)
    return op.result(op.node("Gather", {op.operand(0), op.operand(1)}, {{"axis", int64_t{0}}}));
  op.result(op.node("GatherND", {op.operand(0), positions(op, dims, 1, op.resultShape())}));
}

void exportScatter(OpExport &op) {
  auto scatter = op.as<ir::ScatterOp>();
  std::string mode = scatter.getMode().str();
  std::vector<ExportAttribute> attributes;
  if (mode != "set")
    attributes.push_back({"reduction", mode});
  Name at = positions(op, scatter.getDims(), 2, op.shape(1));
  op.result(op.node("ScatterND", {op.operand(0), at, op.operand(1)}, attributes));
}

void exportScatterAddRows(OpExport &op) {
  Shape shape = op.resultShape();
  Shape one(std::vector<DimExpr>(static_cast<size_t>(shape.rank()), DimExpr(1)));
  Name zero = op.constant(
      Array(op.resultDType(), std::vector<int64_t>(static_cast<size_t>(shape.rank()), 1)));
  Name index = op.cast(op.operand(0), op.dtype(0), i64);
  op.result(op.node(
      "ScatterND",
      {op.expand(zero, one, shape), op.unsqueeze(index, {op.shape(0).rank()}), op.operand(1)},
      {{"reduction", std::string("add")}}));
}

} // namespace

std::span<const ExportHandler> exportIndexHandlers() {
  static constexpr ExportHandler table[] = {
      {"sinter.gather_rows", exportGatherRows},
      {"sinter.pick", exportPick},
      {"sinter.gather", exportGather},
      {"sinter.scatter", exportScatter},
      {"sinter.scatter_add_rows", exportScatterAddRows},
  };
  return table;
}

} // namespace sinter::onnx
