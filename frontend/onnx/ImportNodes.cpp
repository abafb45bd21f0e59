// SPDX-License-Identifier: Apache-2.0
// The nodes of a model in their order; calls of functions are entered without recursion.
#include "sinter/frontend/onnx/Importer.h"

#include <algorithm>

namespace sinter::onnx {

using proto::AttributeProto;
using proto::FunctionProto;
using proto::NodeProto;

[[noreturn]] static void invalid(const std::string &why) {
  throw Error({.code = ErrorCode::Diagnostics}, why);
}

static std::string inQuotes(const std::string &name) { return "'" + name.substr(0, 200) + "'"; }

static std::string domainOf(const NodeProto &node) {
  return node.domain() == "ai.onnx" ? "" : node.domain();
}

// -- Names and errors -----------------------------------------------------------------------------

SourceLoc Importer::location() const {
  // The position in the graph of the file; inside of a function that of the outermost call. Inputs
  // and initializers come before the first node.
  return SourceLoc(file, static_cast<unsigned>(std::max(frames.front().next, 1)));
}

std::string Importer::scopeName(const Frame &frame, const NodeProto &node) const {
  std::string name =
      node.name().empty() ? node.op_type() + "_" + std::to_string(frame.next - 1) : node.name();
  return frame.path + name.substr(0, 200);
}

void Importer::rethrow(const Error &error, const NodeProto &node, int64_t opset) const {
  std::string domain = domainOf(node);
  std::string message =
      error.message() + " [" +
      (node.name().empty() ? "node without a name" : "node " + inQuotes(node.name()));
  for (size_t i = 1; i < frames.size(); ++i)
    message += (i == 1 ? ", in function " : " / ") + frames[i].function->name().substr(0, 100);
  message += ", domain " + (domain.empty() ? "ai.onnx" : domain.substr(0, 100));
  if (opset > 0)
    message += ", opset " + std::to_string(opset);
  throw Error({error.kind(), error.code(), node.op_type().substr(0, 100), error.shapes(),
               location(), error.hint()},
              message + "]");
}

// -- Walking --------------------------------------------------------------------------------------

void Importer::importNodes() {
  while (true) {
    Frame &frame = frames.back();
    if (frame.next == frame.nodes->size()) {
      if (frames.size() == 1)
        return;
      leave();
      continue;
    }
    const NodeProto &node = (*frame.nodes)[frame.next++];
    auto version = frame.opsets.find(domainOf(node));
    int64_t opset = version == frame.opsets.end() ? 0 : version->second;
    try {
      if (++numNodes > options.limits.nodes)
        throw Error({.code = ErrorCode::Limit}, "the model has more than " +
                                                    std::to_string(options.limits.nodes) +
                                                    " nodes when its functions are expanded");
      importNode(frame, node);
    } catch (const Error &error) {
      rethrow(error, node, opset);
    }
  }
}

void Importer::checkInputs(const Frame &frame, const NodeProto &node) const {
  for (const std::string &name : node.input()) {
    if (name.empty() || frame.values.contains(name))
      continue;
    for (int i = frame.next - 1; i < frame.nodes->size(); ++i) {
      const auto &outputs = (*frame.nodes)[i].output();
      if (std::find(outputs.begin(), outputs.end(), name) != outputs.end())
        invalid("its input " + inQuotes(name) +
                " is computed later: the nodes are not in order, or form a cycle");
    }
    invalid("its input " + inQuotes(name) + " is not defined");
  }
}

void Importer::importNode(Frame &frame, const NodeProto &original) {
  checkInputs(frame, original);
  auto isReference = [](const AttributeProto &attribute) {
    return !attribute.ref_attr_name().empty();
  };
  if (std::any_of(original.attribute().begin(), original.attribute().end(), isReference)) {
    if (!frame.function)
      invalid("an attribute refers to one of a function, but is not in one");
    NodeProto node = withAttributes(frame, original);
    importBound(frame, node);
  } else {
    importBound(frame, original);
  }
}

void Importer::importBound(Frame &frame, const NodeProto &node) {
  std::string domain = domainOf(node);
  std::string key = domain + '\0' + node.op_type() + '\0' + node.overload();
  if (auto function = functions.find(key); function != functions.end())
    return enter(frame, node, *function->second);
  auto version = frame.opsets.find(domain);
  if (version == frame.opsets.end())
    invalid("the model does not import the domain of this node");
  callHandler(frame, node, version->second);
}

void Importer::callHandler(Frame &frame, const NodeProto &proto, int64_t opset) {
  if (domainOf(proto).empty() &&
      (proto.op_type() == "If" || proto.op_type() == "Loop" || proto.op_type() == "Scan"))
    throw Error({.kind = ErrorKind::Unsupported}, "control flow is not available in this version");
  std::string why;
  const OpHandler *handler = findHandler(domainOf(proto), proto.op_type(), opset, why);
  if (!handler)
    throw Error({.kind = ErrorKind::Unsupported}, why);
  OpenScope scope(impl, scopeName(frame, proto), location());
  Node node(*this, proto, opset);
  handler->import(node);
  finish(frame, node);
}

/// What the model says and nobody looked at must not be lost.
void Importer::finish(Frame &frame, Node &node) {
  for (int i = 0; i < node.proto.input_size(); ++i)
    if (node.has(static_cast<size_t>(i)) && !node.usedInputs.contains(static_cast<size_t>(i)))
      node.unsupported("input " + std::to_string(i));
  for (const AttributeProto &attribute : node.proto.attribute())
    if (!node.usedAttributes.contains(attribute.name()))
      node.unsupported("attribute " + inQuotes(attribute.name()));
  for (int i = 0; i < node.proto.output_size(); ++i)
    if (node.wants(static_cast<size_t>(i)) && !frame.values.contains(node.proto.output(i)))
      node.unsupported("output " + std::to_string(i));
}

// -- Functions ------------------------------------------------------------------------------------

NodeProto Importer::withAttributes(const Frame &frame, const NodeProto &original) const {
  NodeProto node = original;
  node.clear_attribute();
  for (const AttributeProto &attribute : original.attribute()) {
    if (attribute.ref_attr_name().empty()) {
      *node.add_attribute() = attribute;
      continue;
    }
    // One that the call does not give is not there in the body either.
    auto bound = frame.attributes.find(attribute.ref_attr_name());
    if (bound == frame.attributes.end())
      continue;
    AttributeProto &copy = *node.add_attribute();
    copy = bound->second;
    copy.set_name(attribute.name());
  }
  return node;
}

void Importer::enter(Frame &caller, const NodeProto &node, const FunctionProto &function) {
  for (const Frame &frame : frames)
    if (frame.function == &function)
      invalid("the function " + inQuotes(function.name()) + " calls itself");
  if (static_cast<int64_t>(frames.size()) > options.limits.functionDepth)
    throw Error({.code = ErrorCode::Limit}, "calls of functions nest more than " +
                                                std::to_string(options.limits.functionDepth));
  if (node.input_size() > function.input_size() || node.output_size() > function.output_size())
    invalid("the function " + inQuotes(function.name()) + " has " +
            std::to_string(function.input_size()) + " inputs and " +
            std::to_string(function.output_size()) + " outputs");
  Frame frame;
  frame.function = &function;
  frame.nodes = &function.node();
  frame.opsets = readOpsets(function.opset_import());
  frame.path = scopeName(caller, node) + "/";
  if (frame.path.size() > 1000)
    frame.path = caller.path;
  for (int i = 0; i < function.input_size(); ++i) {
    bool given = i < node.input_size() && !node.input(i).empty();
    define(frame, function.input(i), given ? caller.values.at(node.input(i)) : Tensor());
  }
  for (const AttributeProto &attribute : function.attribute_proto())
    frame.attributes.insert_or_assign(attribute.name(), attribute);
  for (const AttributeProto &attribute : node.attribute()) {
    bool known = std::find(function.attribute().begin(), function.attribute().end(),
                           attribute.name()) != function.attribute().end();
    if (!known && !frame.attributes.contains(attribute.name()))
      invalid("the function " + inQuotes(function.name()) + " has no attribute " +
              inQuotes(attribute.name()));
    frame.attributes.insert_or_assign(attribute.name(), attribute);
  }
  frame.results.assign(node.output().begin(), node.output().end());
  frames.push_back(std::move(frame));
}

void Importer::leave() {
  Frame frame = std::move(frames.back());
  frames.pop_back();
  for (size_t i = 0; i < frame.results.size(); ++i) {
    if (frame.results[i].empty())
      continue;
    const std::string &name = frame.function->output(static_cast<int>(i));
    auto found = frame.values.find(name);
    if (found == frame.values.end())
      throw Error({.code = ErrorCode::Diagnostics, .location = location()},
                  "the function " + inQuotes(frame.function->name()) +
                      " does not define its output " + inQuotes(name));
    define(frames.back(), frame.results[i], found->second);
  }
}

} // namespace sinter::onnx
