// SPDX-License-Identifier: Apache-2.0
// Creation, shape and windows.
#include "sinter/frontend/onnx/Exporter.h"

#include "sinter/ir/KnownValue.h"

#include <limits>

namespace sinter::onnx {
namespace {

constexpr int64_t toTheEnd = std::numeric_limits<int64_t>::max();

std::vector<DimExpr> ones(int64_t rank) {
  return std::vector<DimExpr>(static_cast<size_t>(rank), DimExpr(1));
}

DimExpr sizeOf(mlir::Attribute attribute) { return *ir::toDim(attribute); }

//===--- Creation ---===//

void exportConstant(OpExport &op) {
  std::optional<Array> value = ir::KnownValues::constantArray(op.operation());
  if (!value)
    op.unsupported("the data of this constant is missing");
  op.result(op.constant(*value));
}

Array elementOf(mlir::Attribute attribute, DType dtype) {
  Array value(dtype, {});
  dispatch(dtype, [&](auto zero) {
    using T = decltype(zero);
    auto *out = static_cast<T *>(value.data());
    if constexpr (isFloatElement<T>)
      *out = static_cast<T>(mlir::cast<mlir::FloatAttr>(attribute).getValueAsDouble());
    else
      *out = static_cast<T>(mlir::cast<mlir::IntegerAttr>(attribute).getValue().getZExtValue());
  });
  return value;
}

void exportFull(OpExport &op) {
  auto full = op.as<ir::FullOp>();
  Name value = op.constant(elementOf(full.getValue(), op.resultDType()));
  // A number broadcasts as it is.
  Shape shape = op.resultShape();
  if (shape.rank() == 0)
    return op.result(value);
  Shape small(ones(shape.rank()));
  op.resultRepeats(
      op.constant(elementOf(full.getValue(), op.resultDType())
                      .reshape(std::vector<int64_t>(static_cast<size_t>(shape.rank()), 1))),
      small);
}

/// The numbers below a size, as a vector of i64.
Name numbersBelow(OpExport &op, const DimExpr &size) {
  constexpr int64_t fewEnough = 256;
  std::optional<int64_t> count = op.resolve(size).constant();
  if (count && *count <= fewEnough) {
    std::vector<int64_t> values;
    for (int64_t i = 0; i < *count; ++i)
      values.push_back(i);
    return op.ints(values);
  }
  Name limit = op.reshape(op.dim(size), Shape{1}, Shape{});
  return op.node("Range", {op.scalar(i64, 0), limit, op.scalar(i64, 1)});
}

void exportIota(OpExport &op) {
  auto axis = static_cast<int64_t>(op.as<ir::IotaOp>().getAxis());
  Shape shape = op.resultShape();
  Shape small(ones(shape.rank()));
  small[axis] = shape[axis];
  Name numbers = op.cast(numbersBelow(op, shape[axis]), i64, op.resultDType());
  op.resultRepeats(op.reshape(numbers, Shape{shape[axis]}, small), small);
}

void exportDimValue(OpExport &op) {
  std::optional<DimExpr> size = DimExpr::parse(op.as<ir::DimValueOp>().getExpression());
  if (!size)
    op.unsupported("its size is malformed");
  op.result(op.cast(op.reshape(op.dim(*size), Shape{1}, Shape{}), i64, op.resultDType()));
}

//===--- Shape ---===//

void exportBroadcast(OpExport &op) {
  auto [x, from] = op.unrepeated(0);
  llvm::ArrayRef<int64_t> dimensions = op.as<ir::BroadcastOp>().getDimensions();
  Shape small(ones(op.resultShape().rank()));
  for (size_t i = 0; i < dimensions.size(); ++i)
    small[dimensions[i]] = from[static_cast<int64_t>(i)];
  // Leading dims that are new need no node where operators broadcast, but ranks here are equal.
  std::vector<int64_t> added;
  for (int64_t axis = 0; axis < small.rank(); ++axis)
    if (!llvm::is_contained(dimensions, axis))
      added.push_back(axis);
  op.resultRepeats(op.unsqueeze(x, added), small);
}

void exportReshape(OpExport &op) {
  op.result(op.reshape(op.operand(0), op.shape(0), op.resultShape()));
}

void exportTranspose(OpExport &op) {
  auto [x, from] = op.unrepeated(0);
  llvm::ArrayRef<int64_t> order = op.as<ir::TransposeOp>().getPermutation();
  Shape small(ones(from.rank()));
  for (size_t i = 0; i < order.size(); ++i)
    small[static_cast<int64_t>(i)] = from[order[i]];
  op.resultRepeats(op.transpose(x, {order.begin(), order.end()}), small);
}

struct SlicedAxis {
  int64_t axis;
  DimExpr start, limit;
  int64_t step = 1;
};

/// Slices some axes of a tensor of these sizes.
Name slice(OpExport &op, const Name &x, const Shape &from, const std::vector<SlicedAxis> &parts) {
  std::vector<DimExpr> starts, limits;
  std::vector<int64_t> axes, steps;
  for (const SlicedAxis &part : parts) {
    if (part.start == DimExpr(0) && part.limit == from[part.axis] && part.step == 1)
      continue;
    starts.push_back(part.start);
    limits.push_back(part.limit == from[part.axis] ? DimExpr(toTheEnd) : part.limit);
    axes.push_back(part.axis);
    steps.push_back(part.step);
  }
  if (axes.empty())
    return x;
  return op.node("Slice", {x, op.vector(starts), op.vector(limits), op.ints(axes), op.ints(steps)});
}

void exportSlice(OpExport &op) {
  auto sliced = op.as<ir::SliceOp>();
  std::vector<SlicedAxis> parts;
  for (int64_t i = 0; i < op.shape(0).rank(); ++i)
    parts.push_back({i, op.resolve(sizeOf(sliced.getStarts()[static_cast<unsigned>(i)])),
                     op.resolve(sizeOf(sliced.getLimits()[static_cast<unsigned>(i)])),
                     sliced.getStrides()[static_cast<size_t>(i)]});
  op.result(slice(op, op.operand(0), op.shape(0), parts));
}

void exportConcat(OpExport &op) {
  std::vector<Name> parts;
  for (unsigned i = 0; i < op.operation()->getNumOperands(); ++i)
    parts.push_back(op.operand(i));
  int64_t axis = op.as<ir::ConcatOp>().getAxis();
  op.result(op.node("Concat", parts, {{"axis", axis}}));
}

/// Pads axes at both ends.
Name pad(OpExport &op, const Name &x, const Name &value, std::vector<DimExpr> low,
         const std::vector<DimExpr> &high) {
  low.insert(low.end(), high.begin(), high.end());
  for (const DimExpr &size : low)
    if (size != DimExpr(0))
      return op.node("Pad", {x, op.vector(low), value});
  return x;
}

void exportPad(OpExport &op) {
  auto padded = op.as<ir::PadOp>();
  Shape shape = op.shape(0);
  Name x = op.operand(0);
  // ONNX pads bools too, and every number; f64 holds what the attribute may be.
  Name value = op.scalar(op.resultDType(), padded.getValue().convertToDouble());
  std::vector<DimExpr> low, high, cut;
  for (int64_t i = 0; i < shape.rank(); ++i) {
    low.push_back(op.resolve(sizeOf(padded.getLow()[static_cast<unsigned>(i)])));
    high.push_back(op.resolve(sizeOf(padded.getHigh()[static_cast<unsigned>(i)])));
  }
  // Interior: each element becomes a row that starts with it.
  if (padded.getInterior())
    for (int64_t i = 0; i < shape.rank(); ++i)
      if (int64_t interior = (*padded.getInterior())[static_cast<size_t>(i)]) {
        std::vector<DimExpr> dims = shape.vector();
        dims.insert(dims.begin() + i + 1, DimExpr(1));
        std::vector<DimExpr> none(dims.size(), DimExpr(0)), after = none;
        after[static_cast<size_t>(i) + 1] = interior;
        x = pad(op, op.unsqueeze(x, {i + 1}), value, none, after);
        dims[static_cast<size_t>(i) + 1] = interior + 1;
        Shape spread = shape;
        spread[i] = shape[i] * DimExpr(interior + 1);
        x = op.reshape(x, Shape(dims), spread);
        shape = spread;
      }
  // What is taken back at the end is cut off.
  std::vector<SlicedAxis> parts;
  for (int64_t i = 0; i < shape.rank(); ++i) {
    DimExpr &end = high[static_cast<size_t>(i)];
    if (std::optional<int64_t> number = end.constant(); number && *number < 0) {
      parts.push_back({i, DimExpr(0), shape[i] + end});
      end = DimExpr(0);
    }
  }
  op.result(pad(op, slice(op, x, shape, parts), value, low, high));
}

//===--- Windows ---===//

/// One spatial dim after the other: for each place in the window the elements that it sees, joined
/// along the window. Where x repeats along the window they are one Gather.
void exportWindowRead(OpExport &op) {
  auto window = op.as<ir::WindowReadOp>();
  llvm::ArrayRef<int64_t> strides = window.getStrides(), dilations = window.getDilations();
  auto n = static_cast<int64_t>(strides.size());
  auto [x, shape] = op.unrepeated(0);
  Shape full = op.shape(0), result = op.resultShape();
  int64_t rank = full.rank();
  constexpr int64_t most = 4096;
  for (int64_t i = 0; i < n; ++i) {
    int64_t at = rank - 2 * n + i, inWindow = rank - n + i;
    std::optional<int64_t> width = full[inWindow].constant();
    if (!width || *width > most)
      op.unsupported("windows need a constant size of at most 4096");
    int64_t stride = strides[static_cast<size_t>(i)], dilation = dilations[static_cast<size_t>(i)];
    if (shape[at] != full[at]) { // The same everywhere: every window sees the same.
      Shape wanted = shape;
      wanted[at] = full[at];
      x = op.expand(x, shape, wanted);
      shape = wanted;
    }
    std::vector<Name> parts;
    for (int64_t k = 0; k < *width; ++k) {
      std::vector<SlicedAxis> cut{
          {at, DimExpr(k * dilation), (result[at] - 1) * stride + k * dilation + 1, stride}};
      if (shape[inWindow] == full[inWindow])
        cut.push_back({inWindow, DimExpr(k), DimExpr(k + 1)});
      parts.push_back(slice(op, x, shape, cut));
    }
    x = parts.size() == 1 ? parts[0] : op.node("Concat", parts, {{"axis", inWindow}});
    shape[at] = result[at];
    shape[inWindow] = full[inWindow];
  }
  op.resultRepeats(x, shape);
}

} // namespace

std::span<const ExportHandler> exportShapeHandlers() {
  static constexpr ExportHandler table[] = {
      {"sinter.constant", exportConstant},
      {"sinter.full", exportFull},
      {"sinter.iota", exportIota},
      {"sinter.dim_value", exportDimValue},
      {"sinter.broadcast", exportBroadcast},
      {"sinter.reshape", exportReshape},
      {"sinter.transpose", exportTranspose},
      {"sinter.slice", exportSlice},
      {"sinter.concat", exportConcat},
      {"sinter.pad", exportPad},
      {"sinter.window_read", exportWindowRead},
  };
  return table;
}

} // namespace sinter::onnx
