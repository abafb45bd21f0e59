// SPDX-License-Identifier: Apache-2.0
#include "sinter/frontend/GraphImpl.h"

#include "mlir/IR/AsmState.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "mlir/IR/Verifier.h"

#include <cmath>
#include <limits>
#include <sstream>

using namespace mlir;

namespace sinter {

// -- Diagnostics ----------------------------------------------------------------------------------

static void replaceAll(std::string &text, std::string_view from, std::string_view to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
}

/// "'!sinter.tensor<f32[2]>'" becomes "f32[2]".
static void plainTypes(std::string &text) {
  constexpr std::string_view open = "'!sinter.tensor<";
  for (size_t at = text.find(open); at != std::string::npos; at = text.find(open, at)) {
    size_t end = text.find(">'", at);
    if (end == std::string::npos)
      return;
    text.erase(end, 2);
    text.erase(at, open.size());
    if (text.compare(at, 3, "i1[") == 0)
      text.replace(at, 2, name(boolean));
    if (text.compare(at, 2, "ui") == 0) // MLIR's name of an unsigned integer.
      text.erase(at + 1, 1);
  }
}

DiagnosticCollector::DiagnosticCollector(MLIRContext &context)
    : handler(&context, [this](Diagnostic &diagnostic) {
        if (diagnostic.getSeverity() == DiagnosticSeverity::Error && text.empty()) {
          text = diagnostic.str();
          where = ir::toSourceLoc(diagnostic.getLocation());
        }
        return success();
      }) {}

std::string DiagnosticCollector::message() const {
  std::string result = text;
  if (result.starts_with("'sinter."))
    if (size_t end = result.find("' op "); end != std::string::npos)
      result.erase(0, end + 5);
  plainTypes(result);
  replaceAll(result, "must be tensor of ", "must be ");
  replaceAll(result, "operand #", "operand ");
  replaceAll(result, "result #0", "the result");
  return result;
}

// -- Handles --------------------------------------------------------------------------------------

GraphImpl::GraphImpl() {
  DialectRegistry registry;
  ir::registerAll(registry);
  context = std::make_unique<MLIRContext>(registry);
  context->loadDialect<ir::SinterDialect, func::FuncDialect>();
  Location loc = UnknownLoc::get(context.get());
  module = ModuleOp::create(loc);
  OpBuilder builder = OpBuilder::atBlockEnd(module->getBody());
  auto function = func::FuncOp::create(builder, loc, "main", builder.getFunctionType({}, {}));
  body = function.addEntryBlock();
  open = {body};
}

static std::string emptyTensorHint() { return "it was default-constructed; assign a value first"; }

GraphImpl &GraphImpl::of(const Tensor &tensor, const Call &call) {
  if (!tensor.graph)
    throw Error({.op = call.name, .location = call.loc, .hint = emptyTensorHint()},
                "an operand is an empty Tensor");
  return *tensor.graph;
}

GraphImpl &GraphImpl::of(std::span<const Tensor> tensors, const Call &call) {
  if (tensors.empty())
    throw Error({.op = call.name, .location = call.loc}, "needs at least one tensor");
  GraphImpl *graph = nullptr;
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (!tensors[i].graph) {
      std::string message = "operand " + std::to_string(i) + " is an empty Tensor";
      if (graph)
        graph->fail(call, message, {}, emptyTensorHint());
      throw Error({.op = call.name, .location = call.loc, .hint = emptyTensorHint()}, message);
    }
    graph = tensors[i].graph.get();
  }
  graph = tensors.front().graph.get();
  for (const Tensor &tensor : tensors)
    graph->value(tensor, call);
  return *graph;
}

GraphImpl &GraphImpl::of(std::span<const Operand> operands, const Call &call) {
  std::vector<Tensor> tensors;
  for (const Operand &operand : operands)
    if (operand.isTensor())
      tensors.push_back(operand.tensor());
  if (tensors.empty())
    throw Error({.op = call.name,
                 .location = call.loc,
                 .hint = "Graph::scalar() makes a tensor of a number"},
                "needs at least one tensor among its operands");
  return of(tensors, call);
}

Value GraphImpl::value(const Tensor &tensor, const Call &call) {
  if (!tensor.graph)
    fail(call, "an operand is an empty Tensor", {}, emptyTensorHint());
  if (tensor.graph.get() != this)
    fail(call, "its operands belong to different graphs", {},
         "a tensor can only be used in the graph that made it");
  Value result = rawValue(tensor);
  if (!llvm::is_contained(open, result.getParentBlock()))
    fail(call, "an operand was made inside of a custom gradient and is used outside of it", {},
         "what the backward function makes only lives there");
  return result;
}

Value GraphImpl::bodyValue(const Tensor &tensor, const Call &call) {
  Value result = value(tensor, call);
  if (result.getParentBlock() != body)
    fail(call, "a value inside of a custom gradient is no result of the graph", {},
         "what the backward function makes only lives there");
  return result;
}

// -- Errors and locations -------------------------------------------------------------------------

void GraphImpl::fail(const Call &call, const std::string &message, std::vector<Shape> shapes,
                     const std::string &hint) {
  Error::Details details;
  details.op = call.name ? call.name : "";
  details.location = call.loc;
  details.shapes = std::move(shapes);
  details.hint = hint;
  if (scopes.empty())
    throw Error(std::move(details), message);
  // The user called the outermost function; what it is made of goes into the message.
  details.location = scopes.front().loc;
  std::string path = scopes.back().path;
  size_t slash = path.find('/');
  details.op = path.substr(0, slash);
  std::string inner = slash == std::string::npos ? "" : path.substr(slash + 1);
  if (details.op != call.name && inner != call.name)
    inner += (inner.empty() ? "" : "/") + std::string(call.name);
  throw Error(std::move(details), inner.empty() ? message : "in " + inner + ": " + message);
}

static Location fileLocation(MLIRContext *context, const SourceLoc &loc) {
  if (!loc.known())
    return UnknownLoc::get(context);
  return FileLineColLoc::get(context, loc.file, loc.line, loc.column);
}

Location GraphImpl::location(const Call &call) {
  if (scopes.empty())
    return fileLocation(context.get(), call.loc);
  return NameLoc::get(StringAttr::get(context.get(), scopes.back().path),
                      fileLocation(context.get(), scopes.front().loc));
}

void GraphImpl::openScope(std::string_view name, const SourceLoc &loc) {
  std::string path =
      scopes.empty() ? std::string(name) : scopes.back().path + "/" + std::string(name);
  scopes.push_back({std::move(path), loc});
}

// -- Building -------------------------------------------------------------------------------------

OpBuilder GraphImpl::builder() {
  OpBuilder builder(context.get()); // A block that is being built has no parent to ask.
  builder.setInsertionPointToEnd(open.back());
  return builder;
}

RegionScope::RegionScope(GraphImpl &graph) : graph(graph), owned(std::make_unique<Block>()) {
  graph.open.push_back(owned.get());
}

RegionScope::~RegionScope() {
  if (owned)
    graph.abandoned.push_back(close());
}

std::unique_ptr<Block> RegionScope::close() {
  graph.open.pop_back();
  return std::move(owned);
}

ir::TensorType GraphImpl::type(const Call &call, DType dtype, const Shape &shape) {
  for (const DimExpr &size : shape)
    if (size.constant().value_or(0) < 0)
      fail(call, "a size is negative", {shape});
  DiagnosticCollector diagnostics(*context);
  SmallVector<Attribute> dims;
  for (const DimExpr &size : shape)
    dims.push_back(ir::toAttribute(context.get(), size));
  auto type = ir::TensorType::getChecked([&] { return emitError(location(call)); }, context.get(),
                                         ir::toElementType(context.get(), dtype),
                                         ArrayRef<Attribute>(dims));
  if (!type)
    fail(call, diagnostics.message(), {shape});
  return type;
}

/// What an op says is "text; hint [label]".
static std::string splitHint(std::string &message) {
  size_t label = message.ends_with("]") ? message.rfind(" [") : std::string::npos;
  std::string tail = label == std::string::npos ? "" : message.substr(label);
  std::string text = message.substr(0, label);
  size_t semicolon = text.rfind("; ");
  if (semicolon == std::string::npos)
    return "";
  message = text.substr(0, semicolon) + tail;
  return text.substr(semicolon + 2);
}

static std::string dtypeHint(const std::string &message) {
  if (message.find("operand") == std::string::npos)
    return "";
  if (message.find("must be f16, bf16, f32 or f64") != std::string::npos)
    return "convert it first: .cast(f32)";
  if (message.find("must be numbers") != std::string::npos)
    return "convert it first: .cast(i32) or .cast(f32)";
  if (message.find("must be integers") != std::string::npos)
    return "convert it first: .cast(i32)";
  if (message.find("must be i32 or i64") != std::string::npos)
    return "indices are integers: .cast(i64)";
  if (message.find("must be bool") != std::string::npos)
    return "compare first, e.g. notEqual(x, 0)";
  return "";
}

Value GraphImpl::create(const Call &call, StringRef name, ValueRange operands,
                        ArrayRef<NamedAttribute> attributes, ir::TensorType type) {
  DiagnosticCollector diagnostics(*context);
  auto refuse = [&](std::string message) {
    std::vector<Shape> shapes;
    for (Value operand : operands)
      shapes.push_back(ir::tensorType(operand).getShape());
    std::string hint = splitHint(message);
    fail(call, message.empty() ? "invalid operands" : message, std::move(shapes),
         hint.empty() ? dtypeHint(message) : hint);
  };
  OperationState state(location(call), name);
  state.addOperands(operands);
  state.addAttributes(attributes);
  // The op infers its type from its own attributes, so it is made first.
  state.addTypes(type ? Type(type) : Type(ir::TensorType::get(context.get(), f32, Shape{})));
  Operation *op = Operation::create(state);
  bool valid = false;
  std::string thrown;
  try {
    valid = true;
    if (!type) {
      SmallVector<Type> types;
      auto *infer = op->getName().getInterface<InferTypeOpInterface>();
      valid = infer && succeeded(infer->inferReturnTypes(
                           context.get(), op->getLoc(), op->getOperands(), op->getAttrDictionary(),
                           op->getPropertiesStorage(), op->getRegions(), types));
      if (valid)
        op->getResult(0).setType(types.front());
      if (valid && types.size() > 1) {
        op->destroy();
        state.types.assign(types.begin(), types.end());
        op = Operation::create(state);
      }
    }
    valid = valid && succeeded(verify(op));
  } catch (const Error &error) { // Sizes out of range.
    valid = false;
    thrown = error.message();
  }
  if (!valid) {
    op->destroy();
    refuse(thrown.empty() ? diagnostics.message() : thrown);
  }
  open.back()->push_back(op);
  return op->getResult(0);
}

NamedAttribute GraphImpl::named(StringRef name, Attribute attribute) {
  return NamedAttribute(StringAttr::get(context.get(), name), attribute);
}

NamedAttribute GraphImpl::named(StringRef name, ArrayRef<int64_t> numbers) {
  return named(name, DenseI64ArrayAttr::get(context.get(), numbers));
}

static std::string text(const Operand::Number &number) {
  if (const bool *flag = std::get_if<bool>(&number))
    return *flag ? "true" : "false";
  if (const int64_t *integer = std::get_if<int64_t>(&number))
    return std::to_string(*integer);
  if (const uint64_t *integer = std::get_if<uint64_t>(&number))
    return std::to_string(*integer);
  std::ostringstream digits;
  digits << std::get<double>(number);
  const std::string text = digits.str();
  // A float, and so no number of an integer dtype, even where it is whole.
  return text.find_first_not_of("-0123456789") == std::string::npos ? text + ".0" : text;
}

Value GraphImpl::full(const Call &call, const Operand::Number &number, DType dtype,
                      const Shape &shape) {
  ir::TensorType result = type(call, dtype, shape);
  Type element = result.getElementType();
  auto refuse = [&](const std::string &hint) {
    fail(call, "the number " + text(number) + " does not fit dtype " + std::string(name(dtype)), {},
         hint);
  };
  TypedAttr attribute;
  if (const bool *flag = std::get_if<bool>(&number)) {
    if (dtype != boolean)
      refuse("write 0 or 1");
    attribute = IntegerAttr::get(element, *flag ? 1 : 0);
  } else if (dtype == boolean) {
    refuse("write true or false");
  } else if (isFloat(dtype)) {
    double real = std::visit([](auto value) { return static_cast<double>(value); }, number);
    if (!isRepresentable(real, dtype))
      refuse(dtype == f32 ? "use f64" : "use f32");
    attribute = FloatAttr::get(element, real);
  } else if (std::holds_alternative<double>(number)) {
    refuse("convert the tensor, .cast(f32), or write an integer");
  } else {
    const int64_t *integer = std::get_if<int64_t>(&number);
    bool fits = integer ? isRepresentable(*integer, dtype) : dtype == u64;
    if (!fits)
      refuse(!integer                            ? "only u64 holds it"
             : isUnsigned(dtype) && *integer < 0 ? "use a signed dtype"
                                                 : "use i64");
    uint64_t bits = integer ? static_cast<uint64_t>(*integer) : std::get<uint64_t>(number);
    attribute = IntegerAttr::get(element, APInt(64, bits).trunc(element.getIntOrFloatBitWidth()));
  }
  return create(call, "sinter.full", {}, named("value", attribute), result);
}

/// DenseElementsAttr text grows with the data; above this the data lives in a blob beside the IR.
static constexpr int64_t maxInlineBytes = 1024;

Value GraphImpl::constant(const Call &call, const Array &array) {
  ir::TensorType result = type(call, array.dtype(), Shape(array.sizes()));
  auto builtin = RankedTensorType::get(array.sizes(), result.getElementType());
  ElementsAttr value;
  if (array.dtype() == boolean) {
    SmallVector<bool> flags;
    for (uint8_t flag : array.toVector<uint8_t>())
      flags.push_back(flag != 0);
    value = DenseElementsAttr::get(builtin, ArrayRef<bool>(flags));
  } else if (array.numBytes() <= maxInlineBytes) {
    Array dense = array.contiguous();
    ArrayRef<char> bytes(static_cast<const char *>(dense.data()),
                         static_cast<size_t>(dense.numBytes()));
    value = DenseElementsAttr::getFromRawBuffer(builtin, bytes);
  } else {
    // The copy is private: the graph does not see later writes to the caller's memory.
    auto copy = std::make_shared<Array>(array.clone());
    ArrayRef<char> bytes(static_cast<const char *>(copy->data()),
                         static_cast<size_t>(copy->numBytes()));
    auto release = [copy](void *, size_t, size_t) {};
    AsmResourceBlob blob(bytes, 64, std::move(release), /*dataIsMutable=*/false);
    value = DenseResourceElementsAttr::get(builtin, "constant", std::move(blob));
  }
  return create(call, "sinter.constant", {}, named("value", value), result);
}

// -- Arguments and results ------------------------------------------------------------------------

void GraphImpl::checkName(const Call &call, std::string_view name) {
  auto allowed = [](unsigned char c) {
    return std::isalnum(c) != 0 ||
           std::string_view("_.-/:$").find(static_cast<char>(c)) != std::string_view::npos;
  };
  if (!name.empty() && name.size() <= 256 && std::all_of(name.begin(), name.end(), allowed))
    return;
  std::string shown(name.substr(0, 64));
  std::replace_if(
      shown.begin(), shown.end(), [](unsigned char c) { return c < ' '; }, '?');
  fail(call, "invalid name '" + shown + "'", {},
       "a name is 1 to 256 letters, digits or _ . - / : $");
}

Value GraphImpl::addArgument(const Call &call, ArgumentKind kind, std::string_view name,
                             DType dtype, const Shape &shape, const Initializer &init) {
  checkName(call, name);
  for (const Argument &other : arguments)
    if (other.name == name)
      fail(call, "the graph already has a " + std::string(sinter::name(other.kind)) + " '" +
                     other.name + "'" +
                     (other.location.known() ? ", made at " + other.location.str() : ""));
  ir::TensorType valueType = type(call, dtype, shape);
  SourceLoc where = scopes.empty() ? SourceLoc(call.loc) : scopes.front().loc;
  InitSpec spec;
  if (kind != ArgumentKind::Placeholder) {
    try {
      spec = init.resolve(dtype, shape);
    } catch (const Error &error) {
      fail(call, error.message(), {shape}, error.hint());
    }
  }
  arguments.push_back({std::string(name), kind, dtype, shape, spec, where});
  return body->addArgument(valueType, location(call));
}

void GraphImpl::addOutput(const Call &call, std::string_view name, const Tensor &tensor) {
  checkName(call, name);
  Value result = bodyValue(tensor, call);
  for (const Output &other : outputs)
    if (other.name == name)
      fail(call, "the graph already has an output '" + other.name + "'");
  outputs.push_back({std::string(name), result});
}

std::optional<unsigned> GraphImpl::argumentIndex(Value value) const {
  auto argument = dyn_cast<BlockArgument>(value);
  if (!argument || argument.getOwner() != body)
    return std::nullopt;
  return argument.getArgNumber();
}

void GraphImpl::checkUpdate(const Call &call, Value target, Value result) {
  std::optional<unsigned> index = argumentIndex(target);
  if (!index || arguments[*index].kind == ArgumentKind::Placeholder)
    fail(call, index ? "the placeholder '" + arguments[*index].name + "' cannot be updated"
                     : std::string("the target of an update must be a parameter or state"));
  if (target.getType() != result.getType())
    fail(call,
         "the new value of '" + arguments[*index].name + "' is " +
             std::string(name(ir::tensorType(result).getDType())) + ", the target " +
             std::string(name(arguments[*index].dtype)),
         {ir::tensorType(result).getShape(), arguments[*index].shape},
         "an update keeps shape and dtype");
}

void GraphImpl::addUpdate(const Call &call, const Tensor &target, const Tensor &result) {
  Value from = bodyValue(target, call), to = bodyValue(result, call);
  checkUpdate(call, from, to);
  unsigned index = *argumentIndex(from);
  for (const ArgumentUpdate &other : updates)
    if (other.argument == index)
      fail(call, "'" + arguments[index].name + "' is already updated");
  updates.push_back({index, to});
}

// -- Scope ----------------------------------------------------------------------------------------

Scope::Scope(const Tensor &tensor, std::string_view name, std::source_location loc) {
  graph = GraphImpl::of(tensor, Call{std::string(name).c_str(), loc}).shared_from_this();
  graph->openScope(name, loc);
}

Scope::~Scope() { graph->closeScope(); }

} // namespace sinter
