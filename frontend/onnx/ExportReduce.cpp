// SPDX-License-Identifier: Apache-2.0
// Reductions, running sums and order.
#include "sinter/frontend/onnx/Exporter.h"

namespace sinter::onnx {
namespace {

constexpr char sumType[] = "ReduceSum", prodType[] = "ReduceProd", maxType[] = "ReduceMax",
               minType[] = "ReduceMin";

/// Sums and products of fewer than 32 bits wrap at the end as well as on the way.
DType accumulatedIn(DType dtype) {
  if (isFloat(dtype) || byteSize(dtype) >= 4)
    return dtype;
  return isUnsigned(dtype) ? u32 : i32;
}

/// ONNX has largest and smallest of bytes, but not of two.
DType comparedIn(DType dtype) { return dtype == i16 || dtype == u16 ? i32 : dtype; }

template <const char *type, DType (*computedIn)(DType), typename Op>
void exportReduce(OpExport &op) {
  llvm::ArrayRef<int64_t> axes = op.as<Op>().getAxes();
  if (axes.empty())
    return op.result(op.operand(0));
  DType dtype = op.dtype(0), inside = computedIn(dtype);
  Name reduced = op.node(type, {op.cast(op.operand(0), dtype, inside), op.axes(axes)},
                         {{"keepdims", int64_t{0}}});
  op.result(op.cast(reduced, inside, dtype));
}

void exportArgmax(OpExport &op) {
  auto axis = static_cast<int64_t>(op.as<ir::ArgmaxOp>().getAxis());
  Name index = op.node("ArgMax", {op.operand(0)}, {{"axis", axis}, {"keepdims", int64_t{0}}});
  op.result(op.cast(index, i64, op.resultDType()));
}

void exportCumsum(OpExport &op) {
  auto sum = op.as<ir::CumsumOp>();
  auto axis = static_cast<int64_t>(sum.getAxis());
  DType dtype = op.dtype(0), inside = accumulatedIn(dtype);
  Name running = op.node(
      "CumSum", {op.cast(op.operand(0), dtype, inside), op.constant(Array::scalar<int64_t>(axis))},
      {{"exclusive", int64_t{sum.getExclusive()}}, {"reverse", int64_t{sum.getReverse()}}});
  op.result(op.cast(running, inside, dtype));
}

/// All of the largest or smallest, in order: of equals the first comes first in either.
void exportArgsort(OpExport &op) {
  auto sort = op.as<ir::ArgsortOp>();
  auto axis = static_cast<int64_t>(sort.getAxis());
  DType dtype = op.dtype(0), inside = dtype == boolean ? i32 : dtype == bf16 ? f32 : dtype;
  std::vector<Name> both =
      op.nodes("TopK", {op.cast(op.operand(0), dtype, inside), op.dim(op.shape(0)[axis])},
               {{"axis", axis}, {"largest", int64_t{sort.getDescending()}}}, 2);
  op.result(op.cast(both[1], i64, op.resultDType()));
}

} // namespace

std::span<const ExportHandler> exportReduceHandlers() {
  static constexpr ExportHandler table[] = {
      {"sinter.reduce_sum", exportReduce<sumType, accumulatedIn, ir::ReduceSumOp>},
      {"sinter.reduce_prod", exportReduce<prodType, accumulatedIn, ir::ReduceProdOp>},
      {"sinter.reduce_max", exportReduce<maxType, comparedIn, ir::ReduceMaxOp>},
      {"sinter.reduce_min", exportReduce<minType, comparedIn, ir::ReduceMinOp>},
      {"sinter.argmax", exportArgmax},
      {"sinter.cumsum", exportCumsum},
      {"sinter.argsort", exportArgsort},
  };
  return table;
}

} // namespace sinter::onnx
