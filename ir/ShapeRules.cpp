// SPDX-License-Identifier: Apache-2.0
#include "sinter/ir/ShapeRules.h"

#include "mlir/IR/DialectResourceBlobManager.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallBitVector.h"

#include <cmath>

using namespace mlir;

namespace sinter::ir {

std::string str(TensorType type) {
  return std::string(name(type.getDType())) + type.getShape().str();
}

static bool hasNoNegativePart(const DimExpr &value) {
  DimExpr::Folder<bool> folder;
  folder.constant = [](int64_t c) { return c >= 0; };
  folder.symbol = [](const std::string &) { return true; };
  folder.add = folder.mul = folder.floorDiv =
      folder.ceilDiv = [](bool a, bool b) { return a && b; };
  folder.max = [](bool a, bool b) { return a || b; };
  return value.fold<bool>(folder);
}

/// An expression that is nowhere larger: k * c * ceildiv(e, c) with k < 0 becomes k * (e + c - 1).
static DimExpr withoutRoundingUp(const DimExpr &value) {
  struct Part {
    DimExpr exact, low;
    std::optional<DimExpr> numerator = {};
    int64_t divisor = 0;
  };
  DimExpr::Folder<Part> folder;
  auto opaque = [](DimExpr exact) { return Part{exact, exact}; };
  folder.constant = [=](int64_t c) { return opaque(c); };
  folder.symbol = [=](const std::string &name) { return opaque(DimExpr::symbol(name)); };
  folder.add = [](Part a, Part b) { return Part{a.exact + b.exact, a.low + b.low}; };
  folder.floorDiv = [=](Part a, Part b) { return opaque(floorDiv(a.exact, b.exact)); };
  folder.max = [=](Part a, Part b) { return opaque(max(a.exact, b.exact)); };
  folder.ceilDiv = [](Part a, Part b) {
    DimExpr exact = ceilDiv(a.exact, b.exact);
    std::optional<int64_t> divisor = b.exact.constant();
    if (!divisor || *divisor <= 0)
      return Part{exact, exact};
    return Part{exact, exact, a.exact, *divisor};
  };
  folder.mul = [=](Part a, Part b) {
    std::optional<int64_t> factor = a.exact.constant();
    if (!factor || *factor >= 0 || !b.numerator || *factor % b.divisor != 0)
      return opaque(a.exact * b.exact);
    return Part{a.exact * b.exact,
                DimExpr(*factor / b.divisor) * (*b.numerator + DimExpr(b.divisor - 1))};
  };
  return value.fold<Part>(folder).low;
}

bool provablyNonNegative(const DimExpr &value) {
  return hasNoNegativePart(value) || hasNoNegativePart(withoutRoundingUp(value));
}

namespace {

/// Where the diagnostics of one inference go.
struct Reporter {
  StringRef op;
  std::optional<Location> loc;

  LogicalResult fail(const Twine &message, StringRef label) const {
    return emitOptionalError(loc, "'", op, "' op ", message, " [", label, "]");
  }

  /// The result type; fails on sizes that no tensor can have.
  LogicalResult setResult(MLIRContext *context, Type elementType, const Shape &shape,
                          SmallVectorImpl<Type> &types) const {
    SmallVector<Attribute> dims = llvm::to_vector(toAttribute(context, shape).getValue());
    Location where = loc.value_or(UnknownLoc::get(context));
    bool silent = !loc;
    auto report = [&]() -> InFlightDiagnostic {
      if (silent)
        return {};
      return emitError(where) << "'" << op << "' op has a result of impossible shape "
                              << shape.str() << ": ";
    };
    if (failed(TensorType::verify(report, elementType, dims)))
      return failure();
    types.push_back(TensorType::get(context, elementType, dims));
    return success();
  }

  /// Runs `body`, whose size arithmetic throws when it overflows.
  template <typename Fn> LogicalResult guarded(Fn body) const {
    try {
      return body();
    } catch (const Error &error) {
      return emitOptionalError(loc, "'", op, "' op ", error.message());
    }
  }
};

std::string text(int64_t value) { return std::to_string(value); }

/// "dims 0 and 2 differ", "ranks 2 and 3 differ" or "dtypes f32 and i32 differ".
std::string difference(TensorType a, TensorType b) {
  if (a.getRank() != b.getRank())
    return "ranks " + text(a.getRank()) + " and " + text(b.getRank()) + " differ";
  std::string dims;
  int count = 0;
  for (int64_t i = 0; i < a.getRank(); ++i)
    if (a.getDims()[i] != b.getDims()[i]) {
      dims += (count++ ? ", " : "") + text(i);
    }
  if (count)
    return std::string(count == 1 ? "dim " : "dims ") + dims +
           (count == 1 ? " differs" : " differ");
  return "dtypes " + std::string(name(a.getDType())) + " and " + std::string(name(b.getDType())) +
         " differ";
}

TensorType typeOf(Value value) { return cast<TensorType>(value.getType()); }

LogicalResult requireEqualTypes(const Reporter &report, ValueRange operands) {
  for (Value other : operands.drop_front()) {
    TensorType a = typeOf(operands[0]), b = typeOf(other);
    if (a == b)
      continue;
    std::string hint =
        a.getDims() != b.getDims() ? "; broadcast is an explicit op" : "; cast one of them";
    return report.fail("operands " + str(a) + " and " + str(b) + " disagree: " + difference(a, b) +
                           hint,
                       "elementwise_c1");
  }
  return success();
}

/// The sizes in an attribute of `rank` entries.
std::optional<SmallVector<DimExpr>> sizesOf(ArrayAttr attribute, int64_t rank) {
  SmallVector<DimExpr> sizes;
  for (Attribute entry : attribute) {
    std::optional<DimExpr> size = toDim(entry);
    if (!size)
      return std::nullopt;
    sizes.push_back(*size);
  }
  if (static_cast<int64_t>(sizes.size()) != rank)
    return std::nullopt;
  return sizes;
}

bool isNegative(const DimExpr &value) { return value.constant().value_or(0) < 0; }

/// Distinct and below `rank`.
bool areDistinctDims(ArrayRef<int64_t> dims, int64_t rank, llvm::SmallBitVector &seen) {
  for (int64_t d : dims) {
    if (d < 0 || d >= rank || seen.test(static_cast<unsigned>(d)))
      return false;
    seen.set(static_cast<unsigned>(d));
  }
  return true;
}

bool areIncreasingDims(ArrayRef<int64_t> dims, int64_t rank) {
  int64_t previous = -1;
  for (int64_t d : dims) {
    if (d <= previous || d >= rank)
      return false;
    previous = d;
  }
  return true;
}

std::string list(ArrayRef<int64_t> values) {
  std::string result = "[";
  for (auto [i, value] : llvm::enumerate(values))
    result += (i ? ", " : "") + text(value);
  return result + "]";
}

} // namespace

// -- Elementwise ----------------------------------------------------------------------------------

LogicalResult inferSameType(StringRef op, MLIRContext *, std::optional<Location> loc,
                            ValueRange operands, SmallVectorImpl<Type> &types) {
  if (failed(requireEqualTypes({op, loc}, operands)))
    return failure();
  types.push_back(operands[0].getType());
  return success();
}

LogicalResult inferCompare(StringRef op, MLIRContext *context, std::optional<Location> loc,
                           ValueRange operands, SmallVectorImpl<Type> &types) {
  if (failed(requireEqualTypes({op, loc}, operands)))
    return failure();
  types.push_back(typeOf(operands[0]).withElementType(IntegerType::get(context, 1)));
  return success();
}

LogicalResult inferSelect(StringRef op, MLIRContext *, std::optional<Location> loc,
                          ValueRange operands, SmallVectorImpl<Type> &types) {
  Reporter report{op, loc};
  if (failed(requireEqualTypes(report, operands.drop_front())))
    return failure();
  TensorType condition = typeOf(operands[0]), a = typeOf(operands[1]);
  if (condition.getDims() != a.getDims())
    return report.fail("condition " + str(condition) + " and operand " + str(a) + " disagree: " +
                           difference(condition, a) + "; broadcast is an explicit op",
                       "elementwise_c1");
  types.push_back(a);
  return success();
}

LogicalResult CastOp::verify() {
  TensorType from = getX().getType(), to = getType();
  if (from.getDims() != to.getDims())
    return emitOpError() << "operand " << str(from) << " and result " << str(to)
                         << " disagree: " << difference(from, to) << " [cast_c1]";
  return success();
}

LogicalResult FullOp::verify() {
  if (!isa<FloatAttr, IntegerAttr>(getValue()) ||
      getValue().getType() != getType().getElementType())
    return emitOpError() << "value " << getValue() << " is not of the element type of "
                         << str(getType()) << " [full_c1]";
  return success();
}

// -- Creation -------------------------------------------------------------------------------------

/// True when `value` holds as many bytes as its type says: the text of a blob may lie.
static bool holdsItsElements(ElementsAttr value, DType dtype) {
  if (isa<DenseIntOrFPElementsAttr>(value))
    return true;
  auto resource = dyn_cast<DenseResourceElementsAttr>(value);
  if (!resource)
    return false;
  const AsmResourceBlob *blob = resource.getRawHandle().getBlob();
  return blob && static_cast<int64_t>(blob->getData().size()) ==
                     resource.getType().getNumElements() * byteSize(dtype);
}

LogicalResult ConstantOp::verify() {
  auto value = dyn_cast<RankedTensorType>(getValue().getType());
  TensorType type = getType();
  bool fits = value && value.getElementType() == type.getElementType() && type.isStatic() &&
              value.getRank() == type.getRank();
  for (int64_t i = 0; fits && i < type.getRank(); ++i)
    fits = type.getDim(i) == DimExpr(value.getDimSize(i));
  if (!fits)
    return emitOpError() << "value of type " << getValue().getType() << " does not fit the result "
                         << str(type) << " [constant_c1]";
  if (!holdsItsElements(getValue(), type.getDType()))
    return emitOpError() << "the data of " << str(type) << " is missing or of the wrong length"
                         << " [constant_c2]";
  return success();
}

LogicalResult IotaOp::verify() {
  auto axis = static_cast<int64_t>(getAxis());
  if (axis < 0 || axis >= getType().getRank())
    return emitOpError() << "axis " << axis << " lies outside the rank of " << str(getType())
                         << " [iota_c1]";
  return success();
}

LogicalResult DimValueOp::verify() {
  if (!DimExpr::parse(std::string_view(getExpression())))
    return emitOpError() << "'" << getExpression() << "' is not a size expression [dim_value_c1]";
  if (getType().getRank() != 0)
    return emitOpError() << "the result " << str(getType()) << " is not a scalar [dim_value_c2]";
  return success();
}

// -- Shape ----------------------------------------------------------------------------------------

LogicalResult BroadcastOp::verify() {
  TensorType from = getX().getType(), to = getType();
  ArrayRef<int64_t> dimensions = getDimensions();
  if (static_cast<int64_t>(dimensions.size()) != from.getRank() ||
      !areIncreasingDims(dimensions, to.getRank()))
    return emitOpError() << "dimensions " << list(dimensions) << " do not place the dims of "
                         << str(from) << " in " << str(to)
                         << "; one entry per operand dim, increasing [broadcast_c1]";
  for (auto [i, d] : llvm::enumerate(dimensions)) {
    DimExpr size = from.getDim(static_cast<int64_t>(i));
    if (size != to.getDim(d) && size != DimExpr(1))
      return emitOpError() << "dim " << i << " of " << str(from) << " (" << size.str()
                           << ") cannot become dim " << d << " of " << str(to) << " ("
                           << to.getDim(d).str()
                           << "); only a constant size 1 repeats [broadcast_c2]";
  }
  if (from.getElementType() != to.getElementType())
    return emitOpError() << "operand " << str(from) << " and result " << str(to)
                         << " differ in dtype [broadcast_c3]";
  return success();
}

LogicalResult ReshapeOp::verify() {
  TensorType from = getX().getType(), to = getType();
  Reporter report{getOperationName(), getLoc()};
  return report.guarded([&]() -> LogicalResult {
    DimExpr before = from.getNumElements(), after = to.getNumElements();
    if (before != after)
      return report.fail(str(from) + " has " + before.str() + " elements, " + str(to) + " has " +
                             after.str(),
                         "reshape_c1");
    if (from.getElementType() != to.getElementType())
      return report.fail("operand " + str(from) + " and result " + str(to) + " differ in dtype",
                         "reshape_c2");
    return success();
  });
}

LogicalResult TransposeOp::inferReturnTypes(MLIRContext *context, std::optional<Location> loc,
                                            ValueRange operands, DictionaryAttr attributes,
                                            OpaqueProperties properties, RegionRange regions,
                                            SmallVectorImpl<Type> &types) {
  Adaptor op(operands, attributes, properties, regions);
  Reporter report{getOperationName(), loc};
  TensorType x = typeOf(op.getX());
  ArrayRef<int64_t> permutation = op.getPermutation();
  llvm::SmallBitVector seen(static_cast<unsigned>(x.getRank()));
  if (static_cast<int64_t>(permutation.size()) != x.getRank() ||
      !areDistinctDims(permutation, x.getRank(), seen))
    return report.fail(list(permutation) + " is not a permutation of the dims of " + str(x),
                       "transpose_c1");
  Shape shape;
  for (int64_t d : permutation)
    shape.push_back(x.getDim(d));
  return report.setResult(context, x.getElementType(), shape, types);
}

LogicalResult SliceOp::inferReturnTypes(MLIRContext *context, std::optional<Location> loc,
                                        ValueRange operands, DictionaryAttr attributes,
                                        OpaqueProperties properties, RegionRange regions,
                                        SmallVectorImpl<Type> &types) {
  Adaptor op(operands, attributes, properties, regions);
  Reporter report{getOperationName(), loc};
  TensorType x = typeOf(op.getX());
  auto starts = sizesOf(op.getStarts(), x.getRank());
  auto limits = sizesOf(op.getLimits(), x.getRank());
  ArrayRef<int64_t> strides = op.getStrides();
  if (!starts || !limits || static_cast<int64_t>(strides.size()) != x.getRank())
    return report.fail("needs a start, a limit and a stride for each dim of " + str(x), "slice_c1");
  return report.guarded([&]() -> LogicalResult {
    Shape shape;
    for (int64_t i = 0; i < x.getRank(); ++i) {
      if (strides[i] <= 0)
        return report.fail("stride " + text(strides[i]) + " of dim " + text(i) + " of " + str(x) +
                               " is not positive",
                           "slice_c2");
      const DimExpr &start = (*starts)[i], &limit = (*limits)[i];
      DimExpr size = x.getDim(i);
      std::string range = "[" + start.str() + ", " + limit.str() + ") of dim " + text(i);
      if (isNegative(start) || isNegative(limit - start))
        return report.fail("the range " + range + " of " + str(x) + " is not one", "slice_c3");
      if (!provablyNonNegative(size - limit))
        return report.fail(
            "the range " + range + " exceeds the size " + size.str() + " of " + str(x), "slice_c3");
      shape.push_back(ceilDiv(limit - start, DimExpr(strides[i])));
    }
    return report.setResult(context, x.getElementType(), shape, types);
  });
}

LogicalResult ConcatOp::inferReturnTypes(MLIRContext *context, std::optional<Location> loc,
                                         ValueRange operands, DictionaryAttr attributes,
                                         OpaqueProperties properties, RegionRange regions,
                                         SmallVectorImpl<Type> &types) {
  Adaptor op(operands, attributes, properties, regions);
  Reporter report{getOperationName(), loc};
  if (operands.empty())
    return report.fail("has no operand", "concat_c1");
  TensorType first = typeOf(operands[0]);
  auto axis = static_cast<int64_t>(op.getAxis());
  if (axis < 0 || axis >= first.getRank())
    return report.fail("axis " + text(axis) + " lies outside the rank of " + str(first),
                       "concat_c2");
  return report.guarded([&]() -> LogicalResult {
    Shape shape = first.getShape();
    for (Value operand : operands.drop_front()) {
      TensorType type = typeOf(operand);
      bool fits =
          type.getRank() == first.getRank() && type.getElementType() == first.getElementType();
      for (int64_t i = 0; fits && i < first.getRank(); ++i)
        fits = i == axis || type.getDims()[i] == first.getDims()[i];
      if (!fits)
        return report.fail("operands " + str(first) + " and " + str(type) +
                               " do not join along axis " + text(axis) + ": " +
                               difference(first, type),
                           "concat_c3");
      shape[axis] += type.getDim(axis);
    }
    return report.setResult(context, first.getElementType(), shape, types);
  });
}

constexpr int64_t maxInterior = int64_t{1} << 31;

static bool isRepresentable(double value, DType dtype) {
  switch (dtype) {
  case DType::F32:
  case DType::F64:
    return true;
  case DType::I32:
    return value == std::trunc(value) && std::fabs(value) <= 2147483647.0;
  case DType::I64:
    return value == std::trunc(value) && std::fabs(value) < 9223372036854775808.0;
  case DType::Bool:
    break;
  }
  return value == 0.0 || value == 1.0;
}

LogicalResult PadOp::inferReturnTypes(MLIRContext *context, std::optional<Location> loc,
                                      ValueRange operands, DictionaryAttr attributes,
                                      OpaqueProperties properties, RegionRange regions,
                                      SmallVectorImpl<Type> &types) {
  Adaptor op(operands, attributes, properties, regions);
  Reporter report{getOperationName(), loc};
  TensorType x = typeOf(op.getX());
  auto low = sizesOf(op.getLow(), x.getRank());
  auto high = sizesOf(op.getHigh(), x.getRank());
  SmallVector<int64_t> interior(static_cast<size_t>(x.getRank()), 0);
  if (op.getInterior())
    interior = llvm::to_vector(*op.getInterior());
  if (!low || !high || static_cast<int64_t>(interior.size()) != x.getRank())
    return report.fail("needs one entry of low, high and interior for each dim of " + str(x),
                       "pad_c1");
  return report.guarded([&]() -> LogicalResult {
    Shape shape;
    for (int64_t i = 0; i < x.getRank(); ++i) {
      const DimExpr &before = (*low)[i], &after = (*high)[i];
      if (interior[i] > maxInterior)
        return report.fail("interior padding " + text(interior[i]) + " of dim " + text(i) + " of " +
                               str(x) + " is too large",
                           "pad_c2");
      if (isNegative(before) || interior[i] < 0 || isNegative(after + DimExpr(interior[i])))
        return report.fail("padding (" + before.str() + ", " + after.str() + ") of dim " + text(i) +
                               " of " + str(x) + " is negative; slice to crop",
                           "pad_c2");
      shape.push_back(before + x.getDim(i) * DimExpr(interior[i] + 1) + after);
    }
    if (!isRepresentable(op.getValue().convertToDouble(), x.getDType()))
      return report.fail("the value does not exist in the dtype of " + str(x), "pad_c3");
    return report.setResult(context, x.getElementType(), shape, types);
  });
}

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

} // namespace sinter::ir
