// SPDX-License-Identifier: Apache-2.0
#include "sinter/ir/ShapeReport.h"

#include "mlir/IR/DialectResourceBlobManager.h"

using namespace mlir;

namespace sinter::ir {

using namespace rules;

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

LogicalResult inferRandomBits(StringRef op, MLIRContext *context, std::optional<Location> loc,
                              ValueRange operands, SmallVectorImpl<Type> &types) {
  Reporter report{op, loc};
  if (failed(requireEqualTypes(report, operands)))
    return failure();
  TensorType key = typeOf(operands[0]);
  if (!key.getElementType().isUnsignedInteger(64))
    return report.fail("key and counter are " + str(key) + ", not u64", "random_bits_c1");
  types.push_back(key.withElementType(IntegerType::get(context, 32, IntegerType::Unsigned)));
  return success();
}

LogicalResult BitcastOp::verify() {
  TensorType from = getX().getType(), to = getType();
  if (from.getDims() != to.getDims())
    return emitOpError() << "operand " << str(from) << " and result " << str(to)
                         << " disagree: " << difference(from, to) << " [bitcast_c1]";
  if (byteSize(from.getDType()) != byteSize(to.getDType()))
    return emitOpError() << "operand " << str(from) << " and result " << str(to)
                         << " differ in width [bitcast_c2]";
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

/// A size that is a quotient may divide exactly, which only the call can tell.
static bool mayBeEqual(const Shape &a, const Shape &b, const DimExpr &difference) {
  auto hasQuotient = [](const Shape &shape) {
    DimExpr::Folder<bool> folder;
    folder.constant = [](int64_t) { return false; };
    folder.symbol = [](const std::string &) { return false; };
    folder.add = folder.mul = folder.max = [](bool l, bool r) { return l || r; };
    folder.floorDiv = folder.ceilDiv = [](bool, bool) { return true; };
    return llvm::any_of(shape, [&](const DimExpr &size) { return size.fold<bool>(folder); });
  };
  return !difference.isConstant() && (hasQuotient(a) || hasQuotient(b));
}

LogicalResult ReshapeOp::verify() {
  TensorType from = getX().getType(), to = getType();
  Reporter report{getOperationName(), getLoc()};
  return report.guarded([&]() -> LogicalResult {
    DimExpr before = from.getNumElements(), after = to.getNumElements();
    if (before != after && !mayBeEqual(from.getShape(), to.getShape(), before - after))
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
      if (isNegative(size - limit))
        return report.fail(
            "the range " + range + " exceeds the size " + size.str() + " of " + str(x), "slice_c3");
      shape.push_back(ceilDiv(limit - start, DimExpr(strides[i])));
    }
    return report.setResult(context, x.getElementType(), shape, types);
  });
}

SmallVector<SizeCondition> ReshapeOp::getSizeConditions() {
  DimExpr before = getX().getType().getNumElements(), after = getType().getNumElements();
  if (before == after)
    return {};
  std::string what = before.str() + " elements fill " + str(getType()) + " exactly";
  return {{before - after, what}, {after - before, what}};
}

SmallVector<SizeCondition> SliceOp::getSizeConditions() {
  SmallVector<SizeCondition> conditions;
  TensorType x = getX().getType();
  for (int64_t i = 0; i < x.getRank(); ++i) {
    DimExpr start = *toDim(getStarts()[static_cast<unsigned>(i)]);
    DimExpr limit = *toDim(getLimits()[static_cast<unsigned>(i)]);
    std::string what =
        "the range [" + start.str() + ", " + limit.str() + ") lies within dim " + text(i) + " of " + str(x);
    // A limit may lie before the start by less than a stride: the range is then empty as well.
    DimExpr room = limit - start + DimExpr(getStrides()[static_cast<size_t>(i)] - 1);
    for (const DimExpr &value : {start, room, x.getDim(i) - limit})
      if (!provablyNonNegative(value))
        conditions.push_back({value, what});
  }
  return conditions;
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
      if (interior[i] > maxWindowStep)
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

} // namespace sinter::ir
