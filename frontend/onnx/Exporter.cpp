// SPDX-License-Identifier: Apache-2.0
#include "sinter/frontend/onnx/Exporter.h"

#include "sinter/frontend/onnx/TensorData.h"
#include "sinter/ir/KnownValue.h"
#include "sinter/ir/base/CheckedMath.h"

#include "sinter/frontend/onnx/onnx-ml.pb.h"

#include <algorithm>
#include <set>

using namespace mlir;

namespace sinter::onnx {

const ExportHandler *findExportHandler(llvm::StringRef op) {
  for (auto family : {exportElementwiseHandlers, exportShapeHandlers, exportReduceHandlers,
                      exportIndexHandlers, exportContractionHandlers})
    for (const ExportHandler &handler : family())
      if (handler.op == op)
        return &handler;
  return nullptr;
}

static int dataTypeOf(DType dtype) {
  for (int type = 1; proto::TensorProto::DataType_IsValid(type); ++type)
    if (toDType(type) == dtype)
      return type;
  throw Error({.kind = ErrorKind::Internal}, "a dtype without a data type of ONNX");
}

//===--- The model ---===//

Exporter::Exporter(func::FuncOp main, const std::vector<Argument> &arguments,
                   const OnnxExportOptions &options, proto::GraphProto &out)
    : main(main), arguments(arguments), options(options), out(out) {
  for (const auto &[name, size] : options.dims)
    sizes.emplace(name, DimExpr(size));
}

DimExpr Exporter::resolve(const DimExpr &size) const { return size.substitute(sizes); }

Shape Exporter::shapeOf(Value value) const {
  std::vector<DimExpr> dims;
  for (const DimExpr &dim : ir::tensorType(value).getShape())
    dims.push_back(resolve(dim));
  return Shape(std::move(dims));
}

Name Exporter::fresh(const std::string &base) {
  int64_t &count = taken[base];
  Name name = count == 0 ? base : base + "_" + std::to_string(count);
  ++count;
  return name == base ? name : fresh(name);
}

void Exporter::declare(proto::ValueInfoProto &info, const Name &name, DType dtype,
                       const Shape &shape) {
  info.set_name(name);
  proto::TypeProto_Tensor &tensor = *info.mutable_type()->mutable_tensor_type();
  tensor.set_elem_type(dataTypeOf(dtype));
  tensor.mutable_shape();
  for (const DimExpr &dim : shape) {
    auto *size = tensor.mutable_shape()->add_dim();
    if (std::optional<int64_t> constant = dim.constant())
      size->set_dim_value(*constant);
    else
      size->set_dim_param(dim.str());
  }
}

Name Exporter::addInitializer(const Array &value, const std::string &base) {
  Array data = value.contiguous();
  std::string bytes(static_cast<const char *>(data.data()), static_cast<size_t>(data.numBytes()));
  proto::TensorProto tensor;
  tensor.set_data_type(dataTypeOf(data.dtype()));
  for (int64_t size : data.sizes())
    tensor.add_dims(size);
  tensor.set_raw_data(std::move(bytes));
  constexpr int64_t shared = 64;
  if (data.numBytes() > shared) {
    tensor.set_name(fresh(base));
    return (*out.add_initializer() = std::move(tensor)).name();
  }
  auto [found, isNew] = initializers.emplace(tensor.SerializeAsString(), "");
  if (isNew) {
    found->second = fresh(base);
    tensor.set_name(found->second);
    *out.add_initializer() = std::move(tensor);
  }
  return found->second;
}

void Exporter::addParameter(const Argument &argument, Value value) {
  auto found = options.values.find(argument.name);
  if (found == options.values.end())
    throw Error({.op = "exportOnnx",
                 .location = argument.location,
                 .hint = "give it in OnnxExportOptions::values, for instance State::values()"},
                "there is no value for the " + std::string(name(argument.kind)) + " '" +
                    argument.name + "'");
  const Array &array = found->second;
  std::optional<std::vector<int64_t>> wanted = shapeOf(value).evaluate({});
  if (array.dtype() != argument.dtype || wanted != array.sizes())
    throw Error({.op = "exportOnnx",
                 .shapes = {Shape(array.sizes()), shapeOf(value)},
                 .location = argument.location},
                "the value of '" + argument.name + "' is " + std::string(name(array.dtype())) +
                    Shape(array.sizes()).str() + ", not " + std::string(name(argument.dtype)) +
                    shapeOf(value).str());
  Name name = fresh(argument.name);
  names[value] = name;
  proto::TensorProto &tensor = *out.add_initializer();
  Array data = array.contiguous();
  tensor.set_name(name);
  tensor.set_data_type(dataTypeOf(data.dtype()));
  for (int64_t size : data.sizes())
    tensor.add_dims(size);
  tensor.set_raw_data(data.data(), static_cast<size_t>(data.numBytes()));
}

void Exporter::addArguments() {
  std::vector<std::pair<const Argument *, Value>> present;
  for (BlockArgument value : main.getArguments()) {
    auto name = main.getArgAttrOfType<StringAttr>(value.getArgNumber(), ir::nameAttr);
    for (const Argument &argument : arguments)
      if (name && argument.name == name.getValue())
        present.emplace_back(&argument, value);
  }
  for (auto &[argument, value] : present) {
    if (argument->kind != ArgumentKind::Placeholder) {
      if (needed.contains(value))
        addParameter(*argument, value);
      continue;
    }
    Name name = fresh(argument->name);
    names[value] = name;
    Shape shape = shapeOf(value);
    declare(*out.add_input(), name, argument->dtype, shape);
    for (int64_t i = 0; i < shape.rank(); ++i)
      addSymbol(shape[i], name, i);
  }
}

void Exporter::addSymbol(const DimExpr &size, const Name &input, int64_t axis) {
  std::set<std::string> found;
  size.collectSymbols(found);
  if (found.size() != 1)
    return;
  const std::string &symbol = *found.begin();
  // size = scale * symbol + offset
  auto at = [&](int64_t value) {
    return size.substitute({{symbol, DimExpr(value)}}).constant().value_or(0);
  };
  int64_t offset = at(0), scale = at(1) - offset;
  if (scale <= 0 || size != DimExpr(scale) * DimExpr::symbol(symbol) + DimExpr(offset))
    return;
  auto [known, isNew] = symbols.emplace(symbol, Source{input, axis, offset, scale});
  if (!isNew && size.isSymbol() && (known->second.scale != 1 || known->second.offset != 0))
    known->second = {input, axis, 0, 1};
}

void Exporter::addOutputs(func::ReturnOp results) {
  OpExport user(*this, results);
  for (OpOperand &operand : results->getOpOperands()) {
    Name value = nameOf(operand.get(), user);
    const Name &name = outputNames[operand.getOperandNumber()];
    proto::NodeProto &node = *out.add_node();
    node.set_op_type("Identity");
    node.set_name(fresh("output/" + name));
    node.add_input(value);
    node.add_output(name);
    declare(*out.add_output(), name, ir::tensorType(operand.get()).getDType(),
            shapeOf(operand.get()));
  }
}

void Exporter::findNeeded() {
  auto need = [&](ValueRange values) { needed.insert(values.begin(), values.end()); };
  need(main.front().getTerminator()->getOperands());
  for (Operation &op : llvm::reverse(main.front().without_terminator()))
    if (llvm::any_of(op.getResults(), [&](Value result) { return needed.contains(result); })) {
      // Of an op with a gradient of its own, only the value is.
      auto valued = dyn_cast<ir::WithGradientOp>(op);
      need(valued ? ValueRange(valued.getY()) : ValueRange(op.getOperands()));
    }
}

void Exporter::exportOp(Operation *op) {
  OpExport context(*this, op);
  const ExportHandler *handler = findExportHandler(op->getName().getStringRef());
  if (!handler)
    context.unsupported("ONNX has no operator for it");
  handler->run(context);
}

void Exporter::run() {
  auto results = cast<func::ReturnOp>(main.front().getTerminator());
  findNeeded();
  addArguments();
  for (unsigned i = 0; i < results.getNumOperands(); ++i)
    outputNames.push_back(fresh(main.getResultAttrOfType<StringAttr>(i, ir::nameAttr).str()));
  for (Operation &op : main.front().without_terminator())
    if (llvm::any_of(op.getResults(), [&](Value result) { return needed.contains(result); }))
      exportOp(&op);
  addOutputs(results);
}

Name Exporter::nameOf(Value value, OpExport &user) {
  if (auto found = names.find(value); found != names.end())
    return found->second;
  Compact from = compact.at(value);
  Name name = user.expand(from.name, from.shape, shapeOf(value));
  names[value] = name;
  return name;
}

//===--- One op ---===//

OpExport::OpExport(Exporter &exporter, Operation *op) : exporter(exporter), op(op) {
  op->getLoc()->walk([&](Location part) {
    if (auto named = dyn_cast<NameLoc>(part); named && scope.empty())
      scope = named.getName().str();
    return WalkResult::advance();
  });
}

void OpExport::unsupported(const std::string &why, const std::string &hint) const {
  throw Error({.kind = ErrorKind::Unsupported,
               .op = op->getName().stripDialect().str(),
               .location = ir::toSourceLoc(op->getLoc()),
               .hint = hint},
              "cannot be exported to ONNX: " + why);
}

std::vector<Name> OpExport::nodes(const std::string &type, const std::vector<Name> &inputs,
                                  const std::vector<ExportAttribute> &attributes, size_t outputs) {
  proto::NodeProto &node = *exporter.out.add_node();
  node.set_op_type(type);
  node.set_name(exporter.fresh((scope.empty() ? "" : scope + "/") + type));
  for (const Name &input : inputs)
    node.add_input(input);
  std::vector<Name> results;
  for (size_t i = 0; i < outputs; ++i)
    results.push_back(exporter.fresh(type + ".out"));
  for (const Name &output : results)
    node.add_output(output);
  for (const ExportAttribute &entry : attributes) {
    proto::AttributeProto &attribute = *node.add_attribute();
    attribute.set_name(entry.name);
    if (auto *number = std::get_if<int64_t>(&entry.value)) {
      attribute.set_type(proto::AttributeProto::INT);
      attribute.set_i(*number);
    } else if (auto *numbers = std::get_if<std::vector<int64_t>>(&entry.value)) {
      attribute.set_type(proto::AttributeProto::INTS);
      for (int64_t value : *numbers)
        attribute.add_ints(value);
    } else {
      attribute.set_type(proto::AttributeProto::STRING);
      attribute.set_s(std::get<std::string>(entry.value));
    }
  }
  return results;
}

Name OpExport::node(const std::string &type, const std::vector<Name> &inputs,
                    const std::vector<ExportAttribute> &attributes) {
  return nodes(type, inputs, attributes, 1)[0];
}

std::pair<Name, Shape> OpExport::unrepeated(unsigned i) {
  Value value = op->getOperand(i);
  if (auto found = exporter.compact.find(value); found != exporter.compact.end())
    return {found->second.name, found->second.shape};
  return {operand(i), shape(i)};
}

std::vector<Name> OpExport::elements() {
  Shape wanted = resultShape();
  std::vector<std::pair<Name, Shape>> small;
  auto isCompact = [&](unsigned i) { return exporter.compact.contains(op->getOperand(i)); };
  std::vector<bool> covered;
  for (const DimExpr &dim : wanted)
    covered.push_back(dim == DimExpr(1));
  for (unsigned i = 0; i < op->getNumOperands(); ++i) {
    Shape own = isCompact(i) ? unrepeated(i).second : wanted;
    for (size_t axis = 0; axis < covered.size(); ++axis)
      if (own[static_cast<int64_t>(axis)] == wanted[static_cast<int64_t>(axis)])
        covered[axis] = true;
  }
  bool enough = std::find(covered.begin(), covered.end(), false) == covered.end();
  std::vector<Name> result;
  for (unsigned i = 0; i < op->getNumOperands(); ++i)
    result.push_back(enough ? unrepeated(i).first : operand(i));
  return result;
}

void OpExport::resultRepeats(const Name &name, const Shape &shape) {
  if (shape == resultShape())
    return result(name);
  exporter.compact[op->getResult(0)] = {name, shape};
}

std::optional<double> OpExport::uniform(unsigned i) const {
  Value value = op->getOperand(i);
  while (auto broadcast = value.getDefiningOp<ir::BroadcastOp>())
    value = broadcast.getX();
  auto full = value.getDefiningOp<ir::FullOp>();
  if (!full)
    return std::nullopt;
  if (auto number = dyn_cast<FloatAttr>(full.getValue()))
    return number.getValueAsDouble();
  if (auto number = dyn_cast<IntegerAttr>(full.getValue()))
    return number.getValue().getSExtValue();
  return std::nullopt;
}

//===--- Constants and sizes ---===//

Name OpExport::constant(const Array &value) { return exporter.addInitializer(value, "constant"); }

Name OpExport::scalar(DType dtype, double value) {
  return constant(Array::scalar(value).cast(dtype));
}

Name OpExport::ints(const std::vector<int64_t> &values) { return constant(Array::from(values)); }

Name OpExport::dim(const DimExpr &size) {
  DimExpr resolved = resolve(size);
  if (std::optional<int64_t> constant = resolved.constant())
    return ints({*constant});
  if (auto found = exporter.dims.find(resolved.str()); found != exporter.dims.end())
    return found->second;
  auto binary = [&](const char *type) {
    return [this, type](Name a, Name b) { return node(type, {a, b}); };
  };
  DimExpr::Folder<Name> folder{
      .constant = [&](int64_t value) { return ints({value}); },
      .symbol =
          [&](const std::string &symbol) {
            auto source = exporter.symbols.find(symbol);
            if (source == exporter.symbols.end())
              unsupported("the size '" + symbol + "' is not a size of an input");
            const Exporter::Source &from = source->second;
            Name size = node("Shape", {from.input}, {{"start", from.axis}, {"end", from.axis + 1}});
            if (from.offset != 0)
              size = node("Sub", {size, ints({from.offset})});
            return from.scale == 1 ? size : node("Div", {size, ints({from.scale})});
          },
      .add = binary("Add"),
      .mul = binary("Mul"),
      .floorDiv = binary("Div"),
      .ceilDiv =
          [&](Name a, Name b) {
            return node("Div", {node("Add", {a, node("Sub", {b, ints({1})})}), b});
          },
      .max = binary("Max")};
  return exporter.dims[resolved.str()] = resolved.fold(folder);
}

Name OpExport::vector(const std::vector<DimExpr> &values) {
  std::vector<int64_t> numbers;
  for (const DimExpr &value : values)
    if (std::optional<int64_t> number = resolve(value).constant())
      numbers.push_back(*number);
  if (numbers.size() == values.size())
    return ints(numbers);
  std::vector<Name> parts;
  for (const DimExpr &value : values)
    parts.push_back(dim(value));
  return parts.size() == 1 ? parts[0] : node("Concat", parts, {{"axis", int64_t{0}}});
}

//===--- Common nodes ---===//

Name OpExport::cast(const Name &x, DType to) {
  return node("Cast", {x}, {{"to", int64_t{dataTypeOf(to)}}});
}

Name OpExport::reshape(const Name &x, const Shape &from, const Shape &to) {
  if (from == to)
    return x;
  int64_t named = 0;
  bool zero = false;
  std::vector<DimExpr> dims;
  for (const DimExpr &dim : to) {
    bool isNamed = !dim.isConstant();
    named += isNamed;
    zero |= dim == DimExpr(0);
    dims.push_back(isNamed ? DimExpr(-1) : dim);
  }
  // One size may be left to the operator. As a size, 0 stands for itself only with `allowzero`.
  if (named <= 1 && !zero)
    return node("Reshape", {x, vector(dims)});
  return node("Reshape", {x, vector(to.vector())}, {{"allowzero", int64_t{1}}});
}

Name OpExport::expand(const Name &x, const Shape &from, const Shape &to) {
  if (from == to)
    return x;
  // A 1 keeps the operand's size. To none at all it is cut, which every program agrees on.
  std::vector<DimExpr> dims;
  std::vector<int64_t> none, start;
  for (int64_t i = 0; i < to.rank(); ++i) {
    bool isCut = to[i] == DimExpr(0) && from[i] != to[i];
    dims.push_back(isCut || from[i] == to[i] ? DimExpr(1) : to[i]);
    if (isCut) {
      none.push_back(i);
      start.push_back(0);
    }
  }
  Name cut = none.empty() ? x : node("Slice", {x, ints(start), ints(start), ints(none)});
  bool rest = llvm::any_of(dims, [](const DimExpr &dim) { return dim != DimExpr(1); });
  return rest ? node("Expand", {cut, vector(dims)}) : cut;
}

Name OpExport::unsqueeze(const Name &x, const std::vector<int64_t> &at) {
  return at.empty() ? x : node("Unsqueeze", {x, ints(at)});
}

Name OpExport::transpose(const Name &x, const std::vector<int64_t> &permutation) {
  if (std::is_sorted(permutation.begin(), permutation.end()))
    return x;
  return node("Transpose", {x}, {{"perm", permutation}});
}

} // namespace sinter::onnx
