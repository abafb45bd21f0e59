// SPDX-License-Identifier: Apache-2.0
#include "sinter/frontend/onnx/Node.h"

#include "sinter/frontend/onnx/Importer.h"
#include "sinter/frontend/onnx/TensorData.h"

#include <algorithm>
#include <bit>

namespace sinter::onnx {

using proto::AttributeProto;

static std::string inQuotes(std::string_view name) {
  return "'" + std::string(name.substr(0, 200)) + "'";
}

// -- What it is -----------------------------------------------------------------------------------

const std::string &Node::op() const { return proto.op_type(); }

const std::string &Node::domain() const {
  static const std::string main;
  return proto.domain() == "ai.onnx" ? main : proto.domain();
}

const std::string &Node::name() const { return proto.name(); }

Graph &Node::graph() { return importer.graph; }

void Node::unsupported(const std::string &missing) const {
  throw Error({.kind = ErrorKind::Unsupported}, "not supported: " + missing);
}

void Node::invalid(const std::string &why) const {
  throw Error({.code = ErrorCode::Diagnostics}, why);
}

// -- Inputs ---------------------------------------------------------------------------------------

size_t Node::numInputs() const { return static_cast<size_t>(proto.input_size()); }

bool Node::has(size_t i) const {
  if (i >= numInputs() || proto.input(static_cast<int>(i)).empty())
    return false;
  // In a function an input may stand for one that the call leaves out.
  return importer.frames.back().values.at(proto.input(static_cast<int>(i))).defined();
}

Tensor Node::input(size_t i) {
  if (!has(i))
    invalid("its input " + std::to_string(i) + " is missing");
  usedInputs.insert(i);
  return importer.frames.back().values.at(proto.input(static_cast<int>(i)));
}

Tensor Node::optionalInput(size_t i) { return has(i) ? input(i) : Tensor(); }

std::vector<Tensor> Node::inputs(size_t first) {
  std::vector<Tensor> tensors;
  for (size_t i = first; i < numInputs(); ++i)
    tensors.push_back(input(i));
  return tensors;
}

DType Node::inputDType(size_t i) { return input(i).dtype(); }

// -- Known values ---------------------------------------------------------------------------------

bool Node::isKnown(size_t i) {
  Tensor value = input(i);
  mlir::Operation *op = importer.valueOf(value).getDefiningOp();
  if ((op && mlir::isa<ir::ConstantOp>(op)) || importer.findKnown(value))
    return true;
  std::vector<std::string> names = importer.blockers(value);
  return !names.empty() && std::all_of(names.begin(), names.end(), [&](const std::string &name) {
    return importer.isGiven(name);
  });
}

/// Fixes an input that keeps input `i` from being known, or says that it is not.
void Node::needValue(size_t i) {
  std::vector<std::string> names = importer.blockers(input(i));
  std::string missing;
  for (const std::string &name : names)
    if (!importer.isGiven(name))
      missing += (missing.empty() ? "" : ", ") + inQuotes(name);
  if (!names.empty() && missing.empty())
    throw NeedsValue{names.front()};
  std::string what = "input " + std::to_string(i) + ", whose value must be known,";
  if (missing.empty())
    unsupported(what + " is not computed from constants and sizes in a way that can be evaluated");
  throw Error({.kind = ErrorKind::Unsupported,
               .hint = "give it a value: graph-run --input NAME=..., in C++ OnnxOptions::values"},
              "not supported: " + what + " depends on the model's input " + missing);
}

Array Node::known(size_t i) {
  Tensor value = input(i);
  if (mlir::Operation *op = importer.valueOf(value).getDefiningOp())
    if (std::optional<Array> constant = ir::KnownValues::constantArray(op))
      return *constant;
  if (const ir::KnownValue *found = importer.findKnown(value)) {
    if (std::optional<Array> array = found->array())
      return *array;
    unsupported("input " + std::to_string(i) + " depends on a named size, but must be a number");
  }
  needValue(i);
}

std::vector<DimExpr> Node::knownDims(size_t i) {
  Tensor value = input(i);
  if (value.rank() > 1)
    invalid("its input " + std::to_string(i) + " must be a vector, not " + value.str());
  if (!isInteger(value.dtype()))
    invalid("its input " + std::to_string(i) + " must be integers, not " + value.str());
  const ir::KnownValue *found = importer.findKnown(value);
  if (!found)
    needValue(i);
  return *found->dims();
}

std::vector<int64_t> Node::knownInts(size_t i) {
  Array values = known(i);
  if (values.rank() > 1 || !isInteger(values.dtype()))
    invalid("its input " + std::to_string(i) + " must be a vector of integers");
  return values.toVector<int64_t>();
}

std::vector<double> Node::knownFloats(size_t i) {
  Array values = known(i);
  if (values.rank() > 1)
    invalid("its input " + std::to_string(i) + " must be a vector");
  return values.toVector<double>();
}

Array Node::knownElement(size_t i) {
  Array values = known(i);
  if (values.numElements() != 1)
    invalid("its input " + std::to_string(i) + " must be one number");
  return values;
}

int64_t Node::knownInt(size_t i) {
  Array value = knownElement(i);
  if (!isInteger(value.dtype()))
    invalid("its input " + std::to_string(i) + " must be an integer");
  return value.item<int64_t>();
}

double Node::knownFloat(size_t i) { return knownElement(i).item<double>(); }

bool Node::knownBool(size_t i) { return knownElement(i).item<int64_t>() != 0; }

// -- Attributes -----------------------------------------------------------------------------------

static const AttributeProto *findAttribute(const proto::NodeProto &node, std::string_view name) {
  for (const AttributeProto &attribute : node.attribute())
    if (attribute.name() == name)
      return &attribute;
  return nullptr;
}

/// What an attribute holds; models of IR version 1 do not say.
static int typeOf(const AttributeProto &attribute) {
  if (attribute.type() != AttributeProto::UNDEFINED)
    return attribute.type();
  return attribute.has_f()              ? AttributeProto::FLOAT
         : attribute.has_i()            ? AttributeProto::INT
         : attribute.has_s()            ? AttributeProto::STRING
         : attribute.has_t()            ? AttributeProto::TENSOR
         : attribute.floats_size() > 0  ? AttributeProto::FLOATS
         : attribute.ints_size() > 0    ? AttributeProto::INTS
         : attribute.strings_size() > 0 ? AttributeProto::STRINGS
                                        : AttributeProto::UNDEFINED;
}

bool Node::hasAttribute(std::string_view name) const {
  return findAttribute(proto, name) != nullptr;
}

const AttributeProto *Node::find(std::string_view name, int type) {
  usedAttributes.emplace(name);
  const AttributeProto *attribute = findAttribute(proto, name);
  if (attribute && typeOf(*attribute) != type)
    invalid("its attribute " + inQuotes(name) + " has the wrong type");
  return attribute;
}

void Node::missing(std::string_view name) const {
  invalid("its attribute " + inQuotes(name) + " is missing");
}

int64_t Node::intAttribute(std::string_view name, std::optional<int64_t> otherwise) {
  if (const AttributeProto *attribute = find(name, AttributeProto::INT))
    return attribute->i();
  if (!otherwise)
    missing(name);
  return *otherwise;
}

bool Node::flagAttribute(std::string_view name, bool otherwise) {
  int64_t value = intAttribute(name, otherwise ? 1 : 0);
  if (value != 0 && value != 1)
    invalid("its attribute " + inQuotes(name) + " must be 0 or 1, not " + std::to_string(value));
  return value != 0;
}

double Node::floatAttribute(std::string_view name, std::optional<double> otherwise) {
  if (const AttributeProto *attribute = find(name, AttributeProto::FLOAT))
    return static_cast<double>(attribute->f());
  if (!otherwise)
    missing(name);
  return *otherwise;
}

std::string Node::stringAttribute(std::string_view name, std::optional<std::string> otherwise) {
  if (const AttributeProto *attribute = find(name, AttributeProto::STRING))
    return attribute->s();
  if (!otherwise)
    missing(name);
  return *otherwise;
}

size_t Node::choiceAttribute(std::string_view name, std::span<const std::string_view> choices,
                             std::string_view otherwise) {
  std::string value = stringAttribute(name, std::string(otherwise));
  auto found = std::find(choices.begin(), choices.end(), value);
  if (found != choices.end())
    return static_cast<size_t>(found - choices.begin());
  std::string all;
  for (std::string_view choice : choices)
    all += (all.empty() ? "" : ", ") + std::string(choice);
  invalid("its attribute " + inQuotes(name) + " is " + inQuotes(value) + ", not one of " + all);
}

std::vector<int64_t> Node::intsAttribute(std::string_view name,
                                         std::optional<std::vector<int64_t>> otherwise) {
  if (const AttributeProto *attribute = find(name, AttributeProto::INTS))
    return {attribute->ints().begin(), attribute->ints().end()};
  if (!otherwise)
    missing(name);
  return *otherwise;
}

std::vector<double> Node::floatsAttribute(std::string_view name,
                                          std::optional<std::vector<double>> otherwise) {
  if (const AttributeProto *attribute = find(name, AttributeProto::FLOATS))
    return {attribute->floats().begin(), attribute->floats().end()};
  if (!otherwise)
    missing(name);
  return *otherwise;
}

std::vector<std::string> Node::stringsAttribute(std::string_view name,
                                                std::optional<std::vector<std::string>> otherwise) {
  if (const AttributeProto *attribute = find(name, AttributeProto::STRINGS))
    return {attribute->strings().begin(), attribute->strings().end()};
  if (!otherwise)
    missing(name);
  return *otherwise;
}

Array Node::tensorAttribute(std::string_view name) {
  const AttributeProto *attribute = find(name, AttributeProto::TENSOR);
  if (!attribute)
    missing(name);
  return toArray(attribute->t(), importer.options.limits, &importer.external);
}

DType Node::dtypeAttribute(std::string_view name, std::optional<DType> otherwise) {
  if (!hasAttribute(name) && otherwise)
    return *otherwise;
  int64_t dataType = intAttribute(name);
  if (dataType < 0 || dataType > 1000)
    invalid("its attribute " + inQuotes(name) + " is no data type");
  return requireDType(static_cast<int>(dataType));
}

// -- Random numbers -------------------------------------------------------------------------------

Tensor Node::randomKey() {
  if (!importer.options.seed)
    throw Error(
        {.kind = ErrorKind::Unsupported, .hint = "give a seed: --seed, in C++ OnnxOptions::seed"},
        "not supported: random numbers that are different at every call");
  Tensor key = sinter::randomKey(importer.graph, *importer.options.seed);
  if (hasAttribute("seed"))
    return foldIn(foldIn(key, 1),
                  std::bit_cast<int32_t>(static_cast<float>(floatAttribute("seed"))));
  return foldIn(key, importer.numNodes + 2);
}

// -- Outputs --------------------------------------------------------------------------------------

size_t Node::numOutputs() const { return static_cast<size_t>(proto.output_size()); }

bool Node::wants(size_t i) const {
  return i < numOutputs() && !proto.output(static_cast<int>(i)).empty();
}

void Node::output(size_t i, const Tensor &value) {
  if (wants(i))
    importer.define(importer.frames.back(), proto.output(static_cast<int>(i)), value);
}

std::optional<Shape> Node::declaredShape(size_t i) const {
  // Names inside of a function are not those of the graph.
  if (!wants(i) || importer.frames.size() != 1)
    return std::nullopt;
  auto found = importer.declared.find(proto.output(static_cast<int>(i)));
  if (found == importer.declared.end() || !found->second->type().has_tensor_type())
    return std::nullopt;
  return importer.shapeOf(found->second->type().tensor_type(), found->first);
}

// -- Checks ---------------------------------------------------------------------------------------

int64_t Node::axis(int64_t axis, int64_t rank) {
  if (axis < -rank || axis >= rank)
    invalid("axis " + std::to_string(axis) + " is out of range for rank " + std::to_string(rank));
  return axis < 0 ? axis + rank : axis;
}

std::vector<int64_t> Node::axes(std::vector<int64_t> axes, int64_t rank) {
  for (int64_t &entry : axes)
    entry = axis(entry, rank);
  std::set<int64_t> distinct(axes.begin(), axes.end());
  if (distinct.size() != axes.size())
    invalid("an axis is named twice");
  return axes;
}

int64_t Node::staticSize(const DimExpr &size, std::string_view what) {
  if (std::optional<int64_t> constant = size.constant())
    return *constant;
  unsupported(std::string(what) + " has the size " + size.str() + "; a number is needed here");
}

std::vector<int64_t> Node::staticSizes(const Shape &shape, std::string_view what) {
  std::vector<int64_t> sizes;
  for (const DimExpr &size : shape)
    sizes.push_back(staticSize(size, what));
  return sizes;
}

} // namespace sinter::onnx
