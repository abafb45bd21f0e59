// SPDX-License-Identifier: Apache-2.0
// Reductions, running sums and order.
#include "sinter/frontend/onnx/Exporter.h"

#include <limits>

namespace sinter::onnx {
namespace {

constexpr char sumType[] = "ReduceSum", prodType[] = "ReduceProd", maxType[] = "ReduceMax",
               minType[] = "ReduceMin";

/// Sums and products of integers wrap at the end as well as on the way; what ONNX makes of those
/// that overflow is open.
DType accumulatedIn(DType dtype) { return isFloat(dtype) ? dtype : i64; }

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

/// Running combinations that ONNX has no operator for: each step combines with what is 1, 2, 4, …
/// further back.
template <const char *type, typename Op> void exportRunning(OpExport &op, double neutral) {
  auto running = op.as<Op>();
  auto axis = static_cast<int64_t>(running.getAxis());
  Shape shape = op.shape(0);
  std::optional<int64_t> size = shape[axis].constant();
  if (!size)
    op.unsupported("ONNX has no operator for it along a named size");
  DType dtype = op.dtype(0);
  DType inside = isFloat(dtype) ? (byteSize(dtype) == 2 ? f32 : dtype) : i64;
  Name value = op.cast(op.constant(Array::scalar(neutral).cast(dtype)), dtype, inside);
  bool reverse = running.getReverse();
  // The elements `by` places further back, and the neutral one before the first.
  auto shifted = [&](const Name &x, int64_t by) {
    std::vector<int64_t> pads(static_cast<size_t>(2 * shape.rank()), 0);
    pads[static_cast<size_t>(reverse ? axis + shape.rank() : axis)] = by;
    Name padded = op.node("Pad", {x, op.ints(pads), value});
    return op.node("Slice", {padded, op.ints({reverse ? by : 0}),
                             op.ints({reverse ? by + *size : *size}), op.ints({axis})});
  };
  Name x = op.cast(op.operand(0), dtype, inside);
  if (running.getExclusive())
    x = shifted(x, 1);
  for (int64_t by = 1; by < *size; by *= 2)
    x = op.node(type, {x, shifted(x, by)});
  op.result(op.cast(x, inside, dtype));
}

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr char mulType[] = "Mul", largerType[] = "Max", smallerType[] = "Min";

void exportCumprod(OpExport &op) { exportRunning<mulType, ir::CumprodOp>(op, 1); }
void exportCummax(OpExport &op) { exportRunning<largerType, ir::CummaxOp>(op, -infinity); }
void exportCummin(OpExport &op) { exportRunning<smallerType, ir::CumminOp>(op, infinity); }

} // namespace

std::span<const ExportHandler> exportReduceHandlers() {
  static constexpr ExportHandler table[] = {
      {"sinter.reduce_sum", exportReduce<sumType, accumulatedIn, ir::ReduceSumOp>},
      {"sinter.reduce_prod", exportReduce<prodType, accumulatedIn, ir::ReduceProdOp>},
      {"sinter.reduce_max", exportReduce<maxType, comparedIn, ir::ReduceMaxOp>},
      {"sinter.reduce_min", exportReduce<minType, comparedIn, ir::ReduceMinOp>},
      {"sinter.argmax", exportArgmax},
      {"sinter.cumsum", exportCumsum},
      {"sinter.cumprod", exportCumprod},
      {"sinter.cummax", exportCummax},
      {"sinter.cummin", exportCummin},
      {"sinter.argsort", exportArgsort},
  };
  return table;
}

} // namespace sinter::onnx
