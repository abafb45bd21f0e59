// SPDX-License-Identifier: Apache-2.0
#include "sinter/ir/Dialect.h"

#include "sinter/ir/Ops.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

#include "sinter/ir/Dialect.cpp.inc"

#define GET_TYPEDEF_CLASSES
#include "sinter/ir/Types.cpp.inc"

using namespace mlir;

namespace sinter::ir {

void SinterDialect::initialize() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "sinter/ir/Types.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "sinter/ir/Ops.cpp.inc"
      >();
}

Operation *SinterDialect::materializeConstant(OpBuilder &builder, Attribute value, Type type,
                                              Location loc) {
  auto tensor = dyn_cast<TensorType>(type);
  if (!tensor)
    return nullptr;
  if (auto elements = dyn_cast<ElementsAttr>(value))
    return ConstantOp::create(builder, loc, tensor, elements);
  if (auto scalar = dyn_cast<TypedAttr>(value);
      scalar && scalar.getType() == tensor.getElementType())
    return FullOp::create(builder, loc, tensor, scalar);
  return nullptr;
}

void registerAll(DialectRegistry &registry) {
  registry.insert<SinterDialect, arith::ArithDialect, cf::ControlFlowDialect, func::FuncDialect,
                  LLVM::LLVMDialect, math::MathDialect, scf::SCFDialect, vector::VectorDialect>();
}

// -- Types ----------------------------------------------------------------------------------------

Type toElementType(MLIRContext *context, DType dtype) {
  switch (dtype) {
  case DType::F16:
    return Float16Type::get(context);
  case DType::BF16:
    return BFloat16Type::get(context);
  case DType::F32:
    return Float32Type::get(context);
  case DType::F64:
    return Float64Type::get(context);
  case DType::Bool:
    return IntegerType::get(context, 1);
  default:
    return IntegerType::get(context, static_cast<unsigned>(8 * byteSize(dtype)),
                            isUnsigned(dtype) ? IntegerType::Unsigned : IntegerType::Signless);
  }
}

std::optional<DType> toDType(Type elementType) {
  for (DType dtype : allDTypes)
    if (elementType == toElementType(elementType.getContext(), dtype))
      return dtype;
  return std::nullopt;
}

Type registerType(Type elementType) {
  if (elementType.isF16() || elementType.isBF16())
    return Float32Type::get(elementType.getContext());
  if (elementType.isUnsignedInteger())
    return IntegerType::get(elementType.getContext(), elementType.getIntOrFloatBitWidth());
  return elementType;
}

TypedAttr registerAttribute(TypedAttr element) {
  Type type = registerType(element.getType());
  if (type == element.getType())
    return element;
  if (auto real = dyn_cast<FloatAttr>(element))
    return FloatAttr::get(type, real.getValueAsDouble());
  return IntegerAttr::get(type, cast<IntegerAttr>(element).getValue());
}

TypedAttr elementAttribute(Type elementType, double number) {
  if (isa<FloatType>(elementType))
    return FloatAttr::get(elementType, number);
  APInt bits(64, static_cast<uint64_t>(static_cast<int64_t>(number)));
  return IntegerAttr::get(elementType, bits.trunc(elementType.getIntOrFloatBitWidth()));
}

Attribute toAttribute(MLIRContext *context, const DimExpr &dim) {
  if (std::optional<int64_t> value = dim.constant())
    return IntegerAttr::get(IntegerType::get(context, 64), *value);
  return StringAttr::get(context, dim.str());
}

std::optional<DimExpr> toDim(Attribute attribute) {
  if (auto integer = dyn_cast_or_null<IntegerAttr>(attribute)) {
    if (!integer.getType().isSignlessInteger(64))
      return std::nullopt;
    return DimExpr(integer.getInt());
  }
  auto text = dyn_cast_or_null<StringAttr>(attribute);
  if (!text || text.getType() != NoneType::get(text.getContext()))
    return std::nullopt;
  std::optional<DimExpr> dim = DimExpr::parse(std::string_view(text.getValue()));
  if (!dim || dim->isConstant() || dim->str() != std::string_view(text.getValue()))
    return std::nullopt;
  return dim;
}

ArrayAttr toAttribute(MLIRContext *context, const Shape &shape) {
  SmallVector<Attribute> dims;
  for (const DimExpr &dim : shape)
    dims.push_back(toAttribute(context, dim));
  return ArrayAttr::get(context, dims);
}

static SmallVector<Attribute> dimAttributes(MLIRContext *context, const Shape &shape) {
  return llvm::to_vector(toAttribute(context, shape).getValue());
}

TensorType TensorType::get(MLIRContext *context, DType dtype, const Shape &shape) {
  return get(context, toElementType(context, dtype), dimAttributes(context, shape));
}

TensorType TensorType::withElementType(Type elementType) const {
  return get(getContext(), elementType, getDims());
}

TensorType TensorType::withShape(const Shape &shape) const {
  return get(getContext(), getElementType(), dimAttributes(getContext(), shape));
}

DimExpr TensorType::getDim(int64_t i) const { return *toDim(getDims()[static_cast<size_t>(i)]); }

Shape TensorType::getShape() const {
  Shape shape;
  for (Attribute dim : getDims())
    shape.push_back(*toDim(dim));
  return shape;
}

DType TensorType::getDType() const { return *toDType(getElementType()); }

bool TensorType::isStatic() const {
  return llvm::all_of(getDims(), [](Attribute dim) { return isa<IntegerAttr>(dim); });
}

/// Byte sizes and offsets must fit in 64 bits with room for alignment.
static constexpr int64_t maxElements = int64_t{1} << 59;
static constexpr size_t maxRank = 16;

/// False when the product leaves the range of 64 bits.
static bool multiply(DimExpr &product, const DimExpr &factor) {
  try {
    product *= factor;
    return true;
  } catch (const Error &) {
    return false;
  }
}

LogicalResult TensorType::verify(function_ref<InFlightDiagnostic()> emitError, Type elementType,
                                 ArrayRef<Attribute> dims) {
  if (!toDType(elementType))
    return emitError()
           << "a tensor has elements of f16, bf16, f32, f64, i8 to i64, ui8 to ui64 or i1, not "
           << elementType;
  if (dims.size() > maxRank)
    return emitError() << "a tensor of rank " << dims.size() << "; the highest rank is " << maxRank;
  DimExpr product = 1;
  for (Attribute attribute : dims) {
    std::optional<DimExpr> dim = toDim(attribute);
    if (!dim)
      return emitError() << "not a size: " << attribute;
    std::optional<int64_t> size = dim->constant();
    if (size && *size < 0)
      return emitError() << "a size is negative: " << *size;
    if (!multiply(product, size == 0 ? DimExpr(1) : *dim) ||
        product.constant().value_or(0) > maxElements)
      return emitError() << "the number of elements is too large";
  }
  return success();
}

/// A size: integer, bare name or quoted expression. The text is made canonical.
static ParseResult parseSize(AsmParser &parser, SmallVectorImpl<Attribute> &dims) {
  SMLoc where = parser.getCurrentLocation();
  int64_t value = 0;
  OptionalParseResult integer = parser.parseOptionalInteger(value);
  if (integer.has_value()) {
    if (failed(*integer))
      return failure();
    dims.push_back(toAttribute(parser.getContext(), DimExpr(value)));
    return success();
  }
  std::string text;
  StringRef keyword;
  if (succeeded(parser.parseOptionalKeyword(&keyword)))
    text = keyword.str();
  else if (failed(parser.parseOptionalString(&text)))
    return parser.emitError(where, "expected a size: an integer, a name or a quoted expression");
  std::optional<DimExpr> dim = DimExpr::parse(text);
  if (!dim)
    return parser.emitError(where) << "'" << text << "' is not a size expression";
  dims.push_back(toAttribute(parser.getContext(), *dim));
  return success();
}

Type TensorType::parse(AsmParser &parser) {
  Type elementType;
  SmallVector<Attribute> dims;
  SMLoc where = parser.getCurrentLocation();
  if (parser.parseLess() || parser.parseType(elementType) ||
      parser.parseCommaSeparatedList(AsmParser::Delimiter::Square,
                                     [&] { return parseSize(parser, dims); }) ||
      parser.parseGreater())
    return {};
  return getChecked([&] { return parser.emitError(where); }, parser.getContext(), elementType,
                    dims);
}

/// Symbols print bare where the lexer takes them as one word.
static void printSize(AsmPrinter &printer, Attribute dim) {
  auto text = dyn_cast<StringAttr>(dim);
  if (!text) {
    printer << cast<IntegerAttr>(dim).getInt();
    return;
  }
  StringRef name = text.getValue();
  // The parser reads true and false as integers.
  bool bare = DimExpr::isValidName(std::string_view(name)) && name.front() != '$' &&
              name != "true" && name != "false";
  if (bare)
    printer << name;
  else
    printer.printString(name);
}

void TensorType::print(AsmPrinter &printer) const {
  printer << "<" << getElementType() << "[";
  llvm::interleaveComma(getDims(), printer, [&](Attribute dim) { printSize(printer, dim); });
  printer << "]>";
}

// -- Locations ------------------------------------------------------------------------------------

SourceLoc toSourceLoc(Location loc) {
  if (auto range = dyn_cast<FileLineColRange>(LocationAttr(loc)))
    return SourceLoc(range.getFilename().str(), range.getStartLine(), range.getStartColumn());
  if (auto name = dyn_cast<NameLoc>(LocationAttr(loc)))
    return toSourceLoc(name.getChildLoc());
  if (auto call = dyn_cast<CallSiteLoc>(LocationAttr(loc))) {
    SourceLoc callee = toSourceLoc(call.getCallee());
    return callee.known() ? callee : toSourceLoc(call.getCaller());
  }
  if (auto fused = dyn_cast<FusedLoc>(LocationAttr(loc)))
    for (Location part : fused.getLocations())
      if (SourceLoc found = toSourceLoc(part); found.known())
        return found;
  if (auto opaque = dyn_cast<OpaqueLoc>(LocationAttr(loc)))
    return toSourceLoc(opaque.getFallbackLocation());
  return {};
}

} // namespace sinter::ir
