// SPDX-License-Identifier: Apache-2.0
// Internal to frontend/onnx: walks the nodes of a model and of the functions that it calls.
#pragma once

#include "sinter/frontend/GraphImpl.h"
#include "sinter/frontend/onnx/ExternalData.h"
#include "sinter/frontend/onnx/Node.h"
#include "sinter/frontend/onnx/Onnx.h"
#include "sinter/ir/KnownValue.h"

#include "sinter/frontend/onnx/onnx-ml.pb.h"

#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

namespace sinter::onnx {

/// The row for a node, or null. `supported` tells why not: the versions that there are, or "".
const OpHandler *findHandler(std::string_view domain, std::string_view op, int64_t opset,
                             std::string &supported);

/// Versions of domains that a graph or function imports; the main domain is "".
using OpsetMap = std::map<std::string, int64_t, std::less<>>;

/// Thrown to start over with `input` as a constant.
struct NeedsValue {
  std::string input;
};

/// While it lives, ops and errors carry a name and a place in the model.
struct OpenScope {
  OpenScope(GraphImpl &graph, const std::string &name, const SourceLoc &loc) : graph(graph) {
    graph.openScope(name, loc);
  }
  ~OpenScope() { graph.closeScope(); }
  OpenScope(const OpenScope &) = delete;
  OpenScope &operator=(const OpenScope &) = delete;
  GraphImpl &graph;
};

/// The names of one graph or function body, and how far it is imported.
struct Frame {
  const proto::FunctionProto *function = nullptr; ///< Null: the model's graph.
  const google::protobuf::RepeatedPtrField<proto::NodeProto> *nodes = nullptr;
  int next = 0;
  /// An undefined Tensor is an optional value that is not there.
  std::unordered_map<std::string, Tensor> values;
  OpsetMap opsets;
  std::map<std::string, proto::AttributeProto, std::less<>> attributes; ///< Of the call.
  std::vector<std::string> results; ///< Names of the call's outputs in the caller's frame.
  std::string path;                 ///< Names of the calls that led here: "block1/attention/".
};

class Importer {
public:
  Importer(const proto::ModelProto &model, const std::filesystem::path &path,
           const OnnxOptions &options, const std::set<std::string> &fixed);
  OnnxModel run();

private:
  friend class Node;

  // -- The model's header --
  OpsetMap readOpsets(const google::protobuf::RepeatedPtrField<proto::OperatorSetIdProto> &imports);
  void checkHeader();
  void collectFunctions();

  // -- The graph's inputs and outputs --
  void addInitializers();
  void addInputs();
  void addInput(const proto::ValueInfoProto &info);
  void addOutputs();
  /// The shape that a type declares; nullopt when it has none. Unnamed dims are named after
  /// `owner`.
  std::optional<Shape> shapeOf(const proto::TypeProto_Tensor &type, const std::string &owner);
  DimExpr namedSize(const std::string &text);
  void define(Frame &frame, const std::string &name, Tensor value);
  std::string graphName(const std::string &name, std::map<std::string, int> &taken);

  // -- Nodes --
  void importNodes();
  void importNode(Frame &frame, const proto::NodeProto &node);
  void importBound(Frame &frame, const proto::NodeProto &node);
  void checkInputs(const Frame &frame, const proto::NodeProto &node) const;
  void callHandler(Frame &frame, const proto::NodeProto &node, int64_t opset);
  void enter(Frame &caller, const proto::NodeProto &node, const proto::FunctionProto &function);
  void leave();
  proto::NodeProto withAttributes(const Frame &frame, const proto::NodeProto &node) const;
  void finish(Frame &frame, Node &node);
  std::string scopeName(const Frame &frame, const proto::NodeProto &node) const;
  [[noreturn]] void rethrow(const Error &error, const proto::NodeProto &node, int64_t opset) const;
  SourceLoc location() const;

  // -- Known values --
  mlir::Value valueOf(const Tensor &tensor) { return GraphImpl::rawValue(tensor); }
  const ir::KnownValue *findKnown(const Tensor &tensor) { return known.find(valueOf(tensor)); }
  /// The inputs of the model that keep `tensor` from being known.
  std::vector<std::string> blockers(const Tensor &tensor);
  bool isGiven(const std::string &input) const { return options.values.contains(input); }

  const proto::ModelProto &model;
  const OnnxOptions &options;
  const std::set<std::string> &fixed;
  std::string file; ///< For locations.
  ExternalFolder external;
  Graph graph;
  GraphImpl &impl;
  ir::KnownValues known;
  OnnxModel result;
  std::map<std::string, const proto::FunctionProto *, std::less<>> functions;
  std::map<std::string, const proto::ValueInfoProto *, std::less<>> declared;
  std::vector<std::string> argumentNames; ///< The model's names of the graph's arguments.
  std::map<std::string, int> inputNames, outputNames;
  std::set<std::string> freeSizes; ///< Names that alone are a size of an input.
  std::deque<Frame> frames; ///< References stay valid while calls are entered.
  int64_t numNodes = 0;
};

/// What importOnnx() does with a model that is decoded; `path` gives locations and the folder of
/// external data.
OnnxModel importModel(const proto::ModelProto &model, const std::filesystem::path &path,
                      const OnnxOptions &options);

} // namespace sinter::onnx
