// SPDX-License-Identifier: Apache-2.0
#include "sinter/frontend/onnx/Importer.h"

#include "sinter/frontend/onnx/ModelFile.h"
#include "sinter/frontend/onnx/TensorData.h"

namespace sinter::onnx {

using proto::NodeProto;

constexpr int64_t newestOpset = 27, newestIr = 13;
constexpr int maxPorts = 1 << 14; ///< Inputs and outputs of a graph.

[[noreturn]] static void invalid(const std::string &why) {
  throw Error({.code = ErrorCode::Diagnostics}, why);
}

[[noreturn]] static void unsupported(const std::string &what) {
  throw Error({.kind = ErrorKind::Unsupported}, what);
}

static std::string inQuotes(const std::string &name) { return "'" + name.substr(0, 200) + "'"; }

static std::string domainOf(const std::string &domain) { return domain == "ai.onnx" ? "" : domain; }

/// What a function is found by.
static std::string functionKey(const std::string &domain, const std::string &name,
                               const std::string &overload) {
  return domainOf(domain) + '\0' + name + '\0' + overload;
}

Importer::Importer(const proto::ModelProto &model, const std::filesystem::path &path,
                   const OnnxOptions &options, const std::set<std::string> &fixed)
    : model(model), options(options), fixed(fixed), file(path.string()),
      external(path.has_parent_path() ? path.parent_path() : std::filesystem::path("."),
               options.limits.externalBytes),
      impl(*GraphImpl::of(graph)) {
  result.graph = graph;
}

OnnxModel Importer::run() {
  try {
    checkHeader();
    collectFunctions();
    Frame &main = frames.emplace_back();
    main.nodes = &model.graph().node();
    main.opsets = readOpsets(model.opset_import());
    if (main.opsets.empty())
      main.opsets[""] = 1; // IR version 1 and 2 had no imports.
    for (const proto::ValueInfoProto &info : model.graph().value_info())
      declared.emplace(info.name(), &info);
    for (const proto::ValueInfoProto &info : model.graph().output())
      declared.emplace(info.name(), &info);
    addInitializers();
    addInputs();
  } catch (const Error &error) {
    bool placed = error.location().known();
    throw Error(
        {error.kind(), error.code(), error.op(), error.shapes(), error.location(), error.hint()},
        placed ? error.message() : file + ": " + error.message());
  }
  importNodes();
  try {
    addOutputs();
  } catch (const Error &error) {
    throw Error({error.kind(), error.code(), "", error.shapes(), {}, error.hint()},
                file + ": " + error.message());
  }
  return std::move(result);
}

// -- The model's header ---------------------------------------------------------------------------

void Importer::checkHeader() {
  if (!model.has_graph())
    invalid("it has no graph");
  if (model.ir_version() < 1)
    invalid("it has no IR version");
  if (model.ir_version() > newestIr)
    unsupported("IR version " + std::to_string(model.ir_version()) +
                "; the newest that is known is " + std::to_string(newestIr));
  const proto::GraphProto &body = model.graph();
  if (body.sparse_initializer_size() > 0)
    unsupported("sparse initializers");
  if (body.input_size() > maxPorts || body.output_size() > maxPorts)
    throw Error({.code = ErrorCode::Limit},
                "more than " + std::to_string(maxPorts) + " inputs or outputs");
  if (body.output_size() == 0)
    invalid("its graph has no outputs");
}

OpsetMap
Importer::readOpsets(const google::protobuf::RepeatedPtrField<proto::OperatorSetIdProto> &imports) {
  OpsetMap opsets;
  for (const proto::OperatorSetIdProto &entry : imports) {
    std::string domain = domainOf(entry.domain());
    if (entry.version() < 1)
      invalid("opset " + std::to_string(entry.version()) + " of domain " + inQuotes(domain));
    if (domain.empty() && entry.version() > newestOpset)
      unsupported("opset " + std::to_string(entry.version()) + "; the newest that is known is " +
                  std::to_string(newestOpset));
    auto [place, added] = opsets.emplace(domain, entry.version());
    if (!added && place->second != entry.version())
      invalid("domain " + inQuotes(domain) + " is imported in two versions");
  }
  return opsets;
}

void Importer::collectFunctions() {
  for (const proto::FunctionProto &function : model.functions())
    if (!functions
             .emplace(functionKey(function.domain(), function.name(), function.overload()),
                      &function)
             .second)
      invalid("function " + inQuotes(function.name()) + " is defined twice");
}

// -- Inputs and outputs ---------------------------------------------------------------------------

/// Letters, digits and a few more stay, so that the name is one that graphs take.
std::string Importer::graphName(const std::string &name, std::map<std::string, int> &taken) {
  std::string clean = name.substr(0, 240);
  for (char &c : clean)
    if (!std::isalnum(static_cast<unsigned char>(c)) &&
        std::string_view("_.-/:$").find(c) == std::string_view::npos)
      c = '_';
  if (clean.empty())
    clean = "_";
  // Counted per name, so that many equal ones take no longer.
  std::string unique = clean;
  while (taken.contains(unique))
    unique = clean + "_" + std::to_string(++taken[clean]);
  taken.emplace(unique, 0);
  return unique;
}

void Importer::define(Frame &frame, const std::string &name, Tensor value) {
  if (name.empty())
    invalid("a value has no name");
  if (!frame.values.emplace(name, std::move(value)).second)
    invalid("the name " + inQuotes(name) + " is used twice");
}

void Importer::addInitializers() {
  for (const proto::TensorProto &tensor : model.graph().initializer()) {
    OpenScope scope(impl, tensor.name().substr(0, 200), location());
    define(frames.front(), tensor.name(),
           graph.constant(toArray(tensor, options.limits, &external)));
  }
}

static std::string dimName(const std::string &text) {
  std::string name = text.substr(0, 100);
  for (char &c : name)
    if (!std::isalnum(static_cast<unsigned char>(c)))
      c = '_';
  if (name.empty() || std::isdigit(static_cast<unsigned char>(name[0])))
    name.insert(0, "_");
  return name;
}

/// A size with a name is free. An expression over names that are free sizes of inputs means what it
/// says; exporters, ours among them, write those.
DimExpr Importer::namedSize(const std::string &text) {
  std::optional<DimExpr> size = DimExpr::parse(text);
  if (!size || size->isSymbol())
    return sinter::dim(dimName(text));
  std::set<std::string> symbols;
  size->collectSymbols(symbols);
  for (const std::string &symbol : symbols)
    if (!freeSizes.contains(symbol))
      return sinter::dim(dimName(text));
  return symbols.empty() ? sinter::dim(dimName(text)) : *size;
}

std::optional<Shape> Importer::shapeOf(const proto::TypeProto_Tensor &type,
                                       const std::string &owner) {
  if (!type.has_shape())
    return std::nullopt;
  if (type.shape().dim_size() > options.limits.rank)
    throw Error({.code = ErrorCode::Limit}, "rank " + std::to_string(type.shape().dim_size()) +
                                                " of " + inQuotes(owner) + " exceeds the limit " +
                                                std::to_string(options.limits.rank));
  Shape shape;
  int64_t product = 1;
  for (const proto::TensorShapeProto_Dimension &dim : type.shape().dim()) {
    if (dim.has_dim_value()) {
      int64_t size = dim.dim_value();
      if (size < 0)
        invalid("size " + std::to_string(size) + " of " + inQuotes(owner) + " is negative");
      if (size != 0 &&
          (__builtin_mul_overflow(product, size, &product) || product > options.limits.elements))
        throw Error({.code = ErrorCode::Limit}, "the number of elements of " + inQuotes(owner) +
                                                    " exceeds the limit " +
                                                    std::to_string(options.limits.elements));
      shape.push_back(size);
    } else if (!dim.dim_param().empty()) {
      shape.push_back(namedSize(dim.dim_param()));
    } else {
      shape.push_back(sinter::dim(dimName(owner + "_" + std::to_string(shape.rank()))));
    }
  }
  return shape;
}

/// The tensor in a type; an optional tensor that an input holds is there.
static const proto::TypeProto_Tensor &tensorType(const proto::ValueInfoProto &info) {
  const proto::TypeProto *type = &info.type();
  if (type->has_optional_type() && type->optional_type().has_elem_type())
    type = &type->optional_type().elem_type();
  if (type->has_tensor_type())
    return type->tensor_type();
  if (type->value_case() == proto::TypeProto::VALUE_NOT_SET)
    invalid(inQuotes(info.name()) + " has no type");
  unsupported(inQuotes(info.name()) + " is no tensor but a " +
              (type->has_sequence_type()        ? "sequence"
               : type->has_map_type()           ? "map"
               : type->has_sparse_tensor_type() ? "sparse tensor"
                                                : "value of another kind"));
}

/// Whether an array may stand for an input of that declared shape.
static bool suits(const Array &array, const std::optional<Shape> &shape) {
  if (!shape)
    return true;
  if (shape->rank() != array.rank())
    return false;
  for (int64_t i = 0; i < array.rank(); ++i)
    if ((*shape)[i].constant().value_or(array.sizes()[static_cast<size_t>(i)]) !=
        array.sizes()[static_cast<size_t>(i)])
      return false;
  return true;
}

void Importer::addInput(const proto::ValueInfoProto &info) {
  const std::string &name = info.name();
  OpenScope scope(impl, name.substr(0, 200), location());
  const proto::TypeProto_Tensor &type = tensorType(info);
  DType dtype = f32;
  try {
    dtype = requireDType(type.elem_type());
  } catch (const Error &error) {
    throw Error({.kind = error.kind(), .code = error.code()},
                "input " + inQuotes(name) + ": " + error.message());
  }
  std::optional<Shape> shape = shapeOf(type, name);
  result.inputs.push_back(name);
  bool isFixed = fixed.contains(name);
  if (!shape && !isFixed) {
    if (isGiven(name))
      throw NeedsValue{name};
    unsupported("input " + inQuotes(name) + " has no shape");
  }
  if (isFixed) {
    const Array &value = options.values.find(name)->second;
    if (value.dtype() != dtype || !suits(value, shape))
      throw Error({.shapes = {Shape(value.sizes())}},
                  "the value given for input " + inQuotes(name) + " is " +
                      std::string(sinter::name(value.dtype())) + Shape(value.sizes()).str() +
                      ", the model has " + std::string(sinter::name(dtype)) +
                      (shape ? shape->str() : ""));
    define(frames.front(), name, graph.constant(value));
    result.fixedInputs.push_back(name);
    return;
  }
  define(frames.front(), name, graph.placeholder(graphName(name, inputNames), dtype, *shape));
  argumentNames.push_back(name);
}

void Importer::addInputs() {
  std::set<std::string> seen;
  for (const proto::ValueInfoProto &info : model.graph().input())
    if (!frames.front().values.contains(info.name()) && !fixed.contains(info.name()))
      for (const auto &dim : info.type().tensor_type().shape().dim())
        if (DimExpr::isValidName(dim.dim_param()) && dimName(dim.dim_param()) == dim.dim_param())
          freeSizes.insert(dim.dim_param());
  for (const proto::ValueInfoProto &info : model.graph().input()) {
    if (!seen.insert(info.name()).second)
      invalid("the input " + inQuotes(info.name()) + " is there twice");
    // With an initializer the input is optional; its value is the constant.
    if (!frames.front().values.contains(info.name()))
      addInput(info);
  }
}

void Importer::addOutputs() {
  for (const proto::ValueInfoProto &info : model.graph().output()) {
    auto found = frames.front().values.find(info.name());
    if (found == frames.front().values.end())
      invalid("the output " + inQuotes(info.name()) + " is not defined");
    if (!found->second.defined())
      unsupported("the output " + inQuotes(info.name()) +
                  " is an optional value that is not there");
    const Tensor &value = found->second;
    int declaredType = tensorType(info).elem_type();
    if (declaredType != 0 && toDType(declaredType) != value.dtype())
      invalid("the output " + inQuotes(info.name()) + " is declared as " +
              dataTypeName(declaredType) + " but is " + std::string(sinter::name(value.dtype())));
    graph.output(graphName(info.name(), outputNames), value);
    result.outputs.push_back(info.name());
  }
}

// -- Known values ---------------------------------------------------------------------------------

std::vector<std::string> Importer::blockers(const Tensor &tensor) {
  std::vector<std::string> names;
  for (mlir::BlockArgument argument : ir::KnownValues::argumentsOf(valueOf(tensor)))
    names.push_back(argumentNames[argument.getArgNumber()]);
  return names;
}

OnnxModel importModel(const proto::ModelProto &model, const std::filesystem::path &path,
                      const OnnxOptions &options) {
  std::set<std::string> fixed;
  while (true) {
    try {
      return Importer(model, path, options, fixed).run();
    } catch (const NeedsValue &need) {
      // Each round fixes one more input, so there are no more rounds than inputs.
      if (!fixed.insert(need.input).second)
        throw Error({.kind = ErrorKind::Internal}, "an input was fixed twice: " + need.input);
    }
  }
}

} // namespace sinter::onnx

namespace sinter {

OnnxModel importOnnx(const std::filesystem::path &path, const OnnxOptions &options) {
  return onnx::importModel(onnx::readModel(path, options.limits), path, options);
}

} // namespace sinter
