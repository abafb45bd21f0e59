// SPDX-License-Identifier: Apache-2.0
// Types of the ops that look up, place, order or contract elements.
#include "sinter/ir/ShapeReport.h"

#include "llvm/ADT/StringSwitch.h"

using namespace mlir;

namespace sinter::ir {

using namespace rules;

// -- Reductions -----------------------------------------------------------------------------------

template <typename OpTy>
static LogicalResult inferReduce(MLIRContext *context, std::optional<Location> loc,
                                 typename OpTy::Adaptor op, SmallVectorImpl<Type> &types) {
  Reporter report{OpTy::getOperationName(), loc};
  TensorType x = typeOf(op.getX());
  if (!areIncreasingDims(op.getAxes(), x.getRank()))
    return report.fail("axes " + list(op.getAxes()) + " are not increasing dims of " + str(x),
                       "reduce_c1");
  Shape shape;
  for (int64_t i = 0; i < x.getRank(); ++i)
    if (!llvm::is_contained(op.getAxes(), i))
      shape.push_back(x.getDim(i));
  return report.setResult(context, x.getElementType(), shape, types);
}

#define SINTER_INFER_REDUCE(OpTy)                                                                  \
  LogicalResult OpTy::inferReturnTypes(MLIRContext *context, std::optional<Location> loc,          \
                                       ValueRange operands, DictionaryAttr attributes,             \
                                       OpaqueProperties properties, RegionRange regions,           \
                                       SmallVectorImpl<Type> &types) {                             \
    return inferReduce<OpTy>(context, loc, Adaptor(operands, attributes, properties, regions),     \
                             types);                                                               \
  }
SINTER_INFER_REDUCE(ReduceSumOp)
SINTER_INFER_REDUCE(ReduceProdOp)
SINTER_INFER_REDUCE(ReduceMaxOp)
SINTER_INFER_REDUCE(ReduceMinOp)
#undef SINTER_INFER_REDUCE

LogicalResult ArgmaxOp::inferReturnTypes(MLIRContext *context, std::optional<Location> loc,
                                         ValueRange operands, DictionaryAttr attributes,
                                         OpaqueProperties properties, RegionRange regions,
                                         SmallVectorImpl<Type> &types) {
  Adaptor op(operands, attributes, properties, regions);
  Reporter report{getOperationName(), loc};
  TensorType x = typeOf(op.getX());
  auto axis = static_cast<int64_t>(op.getAxis());
  if (axis < 0 || axis >= x.getRank())
    return report.fail("axis " + text(axis) + " lies outside the rank of " + str(x), "argmax_c1");
  if (x.getDim(axis) == DimExpr(0))
    return report.fail("axis " + text(axis) + " of " + str(x) + " is empty", "argmax_c2");
  Shape shape;
  for (int64_t i = 0; i < x.getRank(); ++i)
    if (i != axis)
      shape.push_back(x.getDim(i));
  return report.setResult(context, IntegerType::get(context, 64), shape, types);
}

// -- Contraction ----------------------------------------------------------------------------------

LogicalResult DotGeneralOp::inferReturnTypes(MLIRContext *context, std::optional<Location> loc,
                                             ValueRange operands, DictionaryAttr attributes,
                                             OpaqueProperties properties, RegionRange regions,
                                             SmallVectorImpl<Type> &types) {
  Adaptor op(operands, attributes, properties, regions);
  Reporter report{getOperationName(), loc};
  TensorType lhs = typeOf(op.getLhs()), rhs = typeOf(op.getRhs());
  std::string both = str(lhs) + " and " + str(rhs);
  if (op.getLhsBatch().size() != op.getRhsBatch().size() ||
      op.getLhsContract().size() != op.getRhsContract().size())
    return report.fail(both + " need equal numbers of batch and of contracting dims", "dot_c1");
  llvm::SmallBitVector lhsSeen(static_cast<unsigned>(lhs.getRank()));
  llvm::SmallBitVector rhsSeen(static_cast<unsigned>(rhs.getRank()));
  if (!areDistinctDims(op.getLhsBatch(), lhs.getRank(), lhsSeen) ||
      !areDistinctDims(op.getLhsContract(), lhs.getRank(), lhsSeen) ||
      !areDistinctDims(op.getRhsBatch(), rhs.getRank(), rhsSeen) ||
      !areDistinctDims(op.getRhsContract(), rhs.getRank(), rhsSeen))
    return report.fail("batch dims " + list(op.getLhsBatch()) + ", " + list(op.getRhsBatch()) +
                           " and contracting dims " + list(op.getLhsContract()) + ", " +
                           list(op.getRhsContract()) + " are not distinct dims of " + both,
                       "dot_c2");
  auto requireEqual = [&](StringRef kind, ArrayRef<int64_t> a, ArrayRef<int64_t> b) {
    for (auto [i, j] : llvm::zip_equal(a, b))
      if (lhs.getDims()[i] != rhs.getDims()[j])
        return report.fail(Twine(kind) + " dims of " + both + " differ: dim " + text(i) + " (" +
                               lhs.getDim(i).str() + ") against dim " + text(j) + " (" +
                               rhs.getDim(j).str() + ")",
                           "dot_c3");
    return success();
  };
  if (failed(requireEqual("batch", op.getLhsBatch(), op.getRhsBatch())) ||
      failed(requireEqual("contracting", op.getLhsContract(), op.getRhsContract())))
    return failure();
  if (lhs.getElementType() != rhs.getElementType())
    return report.fail(both + " differ in dtype; cast one of them", "dot_c4");
  Shape shape;
  for (int64_t d : op.getLhsBatch())
    shape.push_back(lhs.getDim(d));
  for (int64_t i = 0; i < lhs.getRank(); ++i)
    if (!lhsSeen.test(static_cast<unsigned>(i)))
      shape.push_back(lhs.getDim(i));
  for (int64_t i = 0; i < rhs.getRank(); ++i)
    if (!rhsSeen.test(static_cast<unsigned>(i)))
      shape.push_back(rhs.getDim(i));
  return report.setResult(context, lhs.getElementType(), shape, types);
}

// -- Indexing -------------------------------------------------------------------------------------

LogicalResult GatherRowsOp::inferReturnTypes(MLIRContext *context, std::optional<Location> loc,
                                             ValueRange operands, DictionaryAttr attributes,
                                             OpaqueProperties properties, RegionRange regions,
                                             SmallVectorImpl<Type> &types) {
  Adaptor op(operands, attributes, properties, regions);
  Reporter report{getOperationName(), loc};
  TensorType table = typeOf(op.getTable()), indices = typeOf(op.getIndices());
  if (table.getRank() < 1)
    return report.fail("the table " + str(table) + " has no rows", "gather_rows_c1");
  Shape shape = indices.getShape();
  for (int64_t i = 1; i < table.getRank(); ++i)
    shape.push_back(table.getDim(i));
  return report.setResult(context, table.getElementType(), shape, types);
}

LogicalResult ScatterAddRowsOp::verify() {
  TensorType indices = getIndices().getType(), updates = getUpdates().getType(), to = getType();
  bool fits = to.getRank() >= 1 && updates.getRank() == indices.getRank() + to.getRank() - 1;
  if (fits)
    fits = updates.getDims().take_front(indices.getRank()) == indices.getDims() &&
           updates.getDims().drop_front(indices.getRank()) == to.getDims().drop_front();
  if (!fits)
    return emitOpError() << "updates " << str(updates) << " are not the rows of " << str(to)
                         << " for indices " << str(indices) << " [scatter_add_rows_c1]";
  if (updates.getElementType() != to.getElementType())
    return emitOpError() << "updates " << str(updates) << " and result " << str(to)
                         << " differ in dtype [scatter_add_rows_c2]";
  return success();
}

LogicalResult PickOp::inferReturnTypes(MLIRContext *context, std::optional<Location> loc,
                                       ValueRange operands, DictionaryAttr attributes,
                                       OpaqueProperties properties, RegionRange regions,
                                       SmallVectorImpl<Type> &types) {
  Adaptor op(operands, attributes, properties, regions);
  Reporter report{getOperationName(), loc};
  TensorType x = typeOf(op.getX()), indices = typeOf(op.getIndices());
  if (x.getRank() < 1 || x.getDims().drop_back() != indices.getDims())
    return report.fail("indices " + str(indices) + " do not have the leading dims of " + str(x),
                       "pick_c1");
  return report.setResult(context, x.getElementType(), indices.getShape(), types);
}

namespace {

/// What gather and scatter share: `dims` places every dim of `x` at an index tensor or at a dim of
/// `frame`.
LogicalResult checkPositions(const Reporter &report, StringRef what, TensorType x, TensorType frame,
                             ArrayRef<int64_t> dims, ValueRange indices, StringRef label) {
  if (static_cast<int64_t>(dims.size()) != x.getRank() ||
      llvm::any_of(dims, [&](int64_t d) { return d < -1 || d >= frame.getRank(); }))
    return report.fail("dims " + list(dims) + " do not give each dim of " + str(x) +
                           " an index tensor (-1) or a dim of the " + what.str() + " " + str(frame),
                       (label + "1").str());
  llvm::SmallBitVector seen(static_cast<unsigned>(frame.getRank()));
  if (!areDistinctDims(
          llvm::to_vector(llvm::make_filter_range(dims, [](int64_t d) { return d >= 0; })),
          frame.getRank(), seen))
    return report.fail("dims " + list(dims) + " use a dim of the " + what.str() + " twice",
                       (label + "1").str());
  auto numIndices = llvm::count(dims, -1);
  if (numIndices == 0 || numIndices != static_cast<int64_t>(indices.size()))
    return report.fail("dims " + list(dims) + " need " + text(numIndices) + " index tensors, not " +
                           text(static_cast<int64_t>(indices.size())) + "; at least one",
                       (label + "2").str());
  for (Value index : indices)
    if (typeOf(index).getDims() != frame.getDims() || index.getType() != indices[0].getType())
      return report.fail("indices " + str(typeOf(index)) + " are not of the sizes of the " +
                             what.str() + " " + str(frame) + ", or of different dtypes",
                         (label + "2").str());
  for (auto [i, d] : llvm::enumerate(dims))
    if (d >= 0 && x.getDims()[i] != frame.getDims()[static_cast<size_t>(d)])
      return report.fail("dim " + text(static_cast<int64_t>(i)) + " of " + str(x) +
                             " does not have the size of dim " + text(d) + " of the " + what.str() +
                             " " + str(frame),
                         (label + "3").str());
  return success();
}

LogicalResult checkAxis(const Reporter &report, TensorType x, uint64_t axis, StringRef label) {
  if (axis < static_cast<uint64_t>(x.getRank()))
    return success();
  return report.fail(
      "axis " + text(static_cast<int64_t>(axis)) + " lies outside the rank of " + str(x), label);
}

} // namespace

LogicalResult GatherOp::inferReturnTypes(MLIRContext *context, std::optional<Location> loc,
                                         ValueRange operands, DictionaryAttr attributes,
                                         OpaqueProperties properties, RegionRange regions,
                                         SmallVectorImpl<Type> &types) {
  Adaptor op(operands, attributes, properties, regions);
  Reporter report{getOperationName(), loc};
  TensorType x = typeOf(op.getX());
  if (op.getIndices().empty())
    return report.fail("needs at least one index tensor", "gather_c2");
  TensorType frame = typeOf(op.getIndices()[0]);
  if (failed(checkPositions(report, "result", x, frame, op.getDims(), op.getIndices(), "gather_c")))
    return failure();
  return report.setResult(context, x.getElementType(), frame.getShape(), types);
}

static std::optional<ScatterMode> parseScatterMode(StringRef mode) {
  return llvm::StringSwitch<std::optional<ScatterMode>>(mode)
      .Case("set", ScatterMode::Set)
      .Case("add", ScatterMode::Add)
      .Case("mul", ScatterMode::Mul)
      .Case("max", ScatterMode::Max)
      .Case("min", ScatterMode::Min)
      .Default(std::nullopt);
}

ScatterMode ScatterOp::getScatterMode() { return *parseScatterMode(getMode()); }

LogicalResult ScatterOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc,
                                          ValueRange operands, DictionaryAttr attributes,
                                          OpaqueProperties properties, RegionRange regions,
                                          SmallVectorImpl<Type> &types) {
  Adaptor op(operands, attributes, properties, regions);
  Reporter report{getOperationName(), loc};
  TensorType x = typeOf(op.getX()), updates = typeOf(op.getUpdates());
  if (failed(checkPositions(report, "updates", x, updates, op.getDims(), op.getIndices(),
                            "scatter_c")))
    return failure();
  if (x.getElementType() != updates.getElementType())
    return report.fail(str(x) + " and updates " + str(updates) +
                           " differ in dtype; cast one of them",
                       "scatter_c4");
  std::optional<ScatterMode> mode = parseScatterMode(op.getMode());
  if (!mode || (x.getDType() == boolean && *mode != ScatterMode::Set))
    return report.fail("mode '" + op.getMode() + "' does not exist for " + str(x) +
                           "; set, add, mul, max or min, and only set for bool",
                       "scatter_c5");
  types.push_back(x);
  return success();
}

LogicalResult ArgsortOp::inferReturnTypes(MLIRContext *context, std::optional<Location> loc,
                                          ValueRange operands, DictionaryAttr attributes,
                                          OpaqueProperties properties, RegionRange regions,
                                          SmallVectorImpl<Type> &types) {
  Adaptor op(operands, attributes, properties, regions);
  TensorType x = typeOf(op.getX());
  if (failed(checkAxis({getOperationName(), loc}, x, op.getAxis(), "argsort_c1")))
    return failure();
  types.push_back(x.withElementType(IntegerType::get(context, 64)));
  return success();
}

template <typename OpTy>
static LogicalResult inferCumulative(std::optional<Location> loc, typename OpTy::Adaptor op,
                                     SmallVectorImpl<Type> &types) {
  if (failed(checkAxis({OpTy::getOperationName(), loc}, typeOf(op.getX()), op.getAxis(),
                       "cumulative_c1")))
    return failure();
  types.push_back(op.getX().getType());
  return success();
}

#define SINTER_INFER_CUMULATIVE(OpTy)                                                              \
  LogicalResult OpTy::inferReturnTypes(                                                            \
      MLIRContext *, std::optional<Location> loc, ValueRange operands, DictionaryAttr attributes,  \
      OpaqueProperties properties, RegionRange regions, SmallVectorImpl<Type> &types) {            \
    return inferCumulative<OpTy>(loc, Adaptor(operands, attributes, properties, regions), types);  \
  }
SINTER_INFER_CUMULATIVE(CumsumOp)
SINTER_INFER_CUMULATIVE(CumprodOp)
SINTER_INFER_CUMULATIVE(CummaxOp)
SINTER_INFER_CUMULATIVE(CumminOp)
#undef SINTER_INFER_CUMULATIVE

// -- Windows --------------------------------------------------------------------------------------

static LogicalResult checkWindow(const Reporter &report, TensorType x, ArrayRef<int64_t> strides,
                                 ArrayRef<int64_t> dilations) {
  if (strides.size() != dilations.size() || static_cast<int64_t>(2 * strides.size()) > x.getRank())
    return report.fail("strides " + list(strides) + " and dilations " + list(dilations) +
                           " do not fit spatial and window dims of " + str(x),
                       "window_c1");
  auto isBad = [](int64_t n) { return n <= 0 || n > maxWindowStep; };
  if (llvm::any_of(strides, isBad) || llvm::any_of(dilations, isBad))
    return report.fail("strides " + list(strides) + " and dilations " + list(dilations) +
                           " are not positive, or too large",
                       "window_c2");
  return success();
}

DimExpr numWindows(const DimExpr &size, const DimExpr &window, int64_t stride, int64_t dilation) {
  DimExpr reach = (window - DimExpr(1)) * DimExpr(dilation) + DimExpr(1);
  return floorDiv(size - reach, DimExpr(stride)) + DimExpr(1);
}

LogicalResult WindowReadOp::inferReturnTypes(MLIRContext *context, std::optional<Location> loc,
                                             ValueRange operands, DictionaryAttr attributes,
                                             OpaqueProperties properties, RegionRange regions,
                                             SmallVectorImpl<Type> &types) {
  Adaptor op(operands, attributes, properties, regions);
  Reporter report{getOperationName(), loc};
  TensorType x = typeOf(op.getX());
  if (failed(checkWindow(report, x, op.getStrides(), op.getDilations())))
    return failure();
  return report.guarded([&]() -> LogicalResult {
    Shape shape = x.getShape();
    auto n = static_cast<int64_t>(op.getStrides().size());
    for (int64_t i = 0; i < n; ++i) {
      int64_t spatial = x.getRank() - 2 * n + i;
      DimExpr count = numWindows(x.getDim(spatial), x.getDim(spatial + n), op.getStrides()[i],
                                 op.getDilations()[i]);
      if (isNegative(count))
        return report.fail("a window of " + x.getDim(spatial + n).str() +
                               " elements does not fit dim " + text(spatial) + " of " + str(x),
                           "window_read_c1");
      shape[spatial] = count;
    }
    return report.setResult(context, x.getElementType(), shape, types);
  });
}

SmallVector<SizeCondition> WindowReadOp::getSizeConditions() {
  SmallVector<SizeCondition> conditions;
  TensorType x = getX().getType();
  auto n = static_cast<int64_t>(getStrides().size());
  for (int64_t i = 0; i < n; ++i) {
    int64_t spatial = x.getRank() - 2 * n + i;
    DimExpr size = x.getDim(spatial), window = x.getDim(spatial + n);
    DimExpr room = size - ((window - DimExpr(1)) * DimExpr(getDilations()[i]) + DimExpr(1));
    if (!provablyNonNegative(room))
      conditions.push_back(
          {room, "a window of " + window.str() + " elements fits the size " + size.str()});
  }
  return conditions;
}

LogicalResult WindowWriteOp::verify() {
  TensorType from = getY().getType(), to = getType();
  Reporter report{getOperationName(), getLoc()};
  if (failed(checkWindow(report, from, getStrides(), getDilations())))
    return failure();
  if (from.getElementType() != to.getElementType())
    return report.fail("operand " + str(from) + " and result " + str(to) + " differ in dtype",
                       "window_write_c2");
  return report.guarded([&]() -> LogicalResult {
    auto n = static_cast<int64_t>(getStrides().size());
    int64_t first = from.getRank() - 2 * n;
    bool fits = from.getRank() == to.getRank();
    for (int64_t i = 0; fits && i < from.getRank(); ++i) {
      if (i < first || i >= first + n)
        fits = from.getDims()[i] == to.getDims()[i];
      else
        fits = from.getDim(i) == numWindows(to.getDim(i), to.getDim(i + n), getStrides()[i - first],
                                            getDilations()[i - first]);
    }
    if (!fits)
      return report.fail("the windows " + str(from) + " are not those of " + str(to),
                         "window_write_c1");
    return success();
  });
}

} // namespace sinter::ir
