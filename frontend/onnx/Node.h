// SPDX-License-Identifier: Apache-2.0
// Internal to frontend/onnx: what a function that imports one kind of ONNX node sees.
//
// To add an operator: write `static void importXyz(Node &node)` in the file of its family and one
// row in the table at its end. The function reads inputs and attributes, calls functions of the
// frontend, and sets the outputs. Whatever the model gives and the function never looks at (an
// input, an attribute, an output) makes the node unsupported, so nothing is silently dropped; say
// ignoreAttribute() or ignoreInput() where dropping is right.
#pragma once

#include "sinter/frontend/Graph.h"
#include "sinter/ir/base/Array.h"

#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sinter::proto {
class AttributeProto;
class NodeProto;
} // namespace sinter::proto

namespace sinter::onnx {

class Importer;

/// One node of the model while it is imported. Ops are made in graph(); every op that is made, and
/// every error, carries the node's name, so callers pass no source_location.
class Node {
public:
  Node(Importer &importer, const proto::NodeProto &proto, int64_t opset)
      : importer(importer), proto(proto), version(opset) {}

  // -- What it is --
  const std::string &op() const;
  const std::string &domain() const; ///< "" for the main domain.
  const std::string &name() const;
  /// The version of the node's domain that the model imports.
  int64_t opset() const { return version; }
  Graph &graph();

  // -- Inputs: `i` counts as in the operator's definition; an omitted one is not there --
  /// As written, including omitted ones before the last.
  size_t numInputs() const;
  bool has(size_t i) const;
  /// A required input; omitted: an error.
  Tensor input(size_t i);
  /// An optional input: an empty Tensor (!defined()) when omitted.
  Tensor optionalInput(size_t i);
  /// All inputs of a variadic operator, from `first` on; none may be omitted.
  std::vector<Tensor> inputs(size_t first = 0);
  /// The dtype alone is needed (CastLike, scales that are 1, ...).
  DType inputDType(size_t i);
  void ignoreInput(size_t i) { usedInputs.insert(i); }

  // -- Inputs whose values must be known at import, because sizes or the graph depend on them. A
  //    value is known when it follows from constants and sizes. When it depends on an input of the
  //    model whose value the caller gave (OnnxOptions::values), that input is fixed; otherwise the
  //    node is unsupported, and the error names the input. --
  /// True when the value is known or can be fixed; does not fix anything that was not fixed yet.
  bool isKnown(size_t i);
  /// Numbers of the input's dtype.
  Array known(size_t i);
  /// A vector (or scalar) of sizes: integers, or expressions over named dims.
  std::vector<DimExpr> knownDims(size_t i);
  /// A vector (or scalar) of integers.
  std::vector<int64_t> knownInts(size_t i);
  std::vector<double> knownFloats(size_t i);
  int64_t knownInt(size_t i);  ///< One element.
  double knownFloat(size_t i); ///< One element.
  bool knownBool(size_t i);    ///< One element.

  // -- Attributes: without a default they are required; a wrong type is an error --
  bool hasAttribute(std::string_view name) const;
  int64_t intAttribute(std::string_view name, std::optional<int64_t> otherwise = {});
  /// 0 or 1.
  bool flagAttribute(std::string_view name, bool otherwise);
  double floatAttribute(std::string_view name, std::optional<double> otherwise = {});
  std::string stringAttribute(std::string_view name, std::optional<std::string> otherwise = {});
  /// Must be one of `choices`; gives its index.
  size_t choiceAttribute(std::string_view name, std::span<const std::string_view> choices,
                         std::string_view otherwise);
  std::vector<int64_t> intsAttribute(std::string_view name,
                                     std::optional<std::vector<int64_t>> otherwise = {});
  std::vector<double> floatsAttribute(std::string_view name,
                                      std::optional<std::vector<double>> otherwise = {});
  std::vector<std::string> stringsAttribute(std::string_view name,
                                            std::optional<std::vector<std::string>> otherwise = {});
  Array tensorAttribute(std::string_view name);
  /// A TensorProto.DataType as a DType; one that Sinter lacks makes the node unsupported.
  DType dtypeAttribute(std::string_view name, std::optional<DType> otherwise = {});
  void ignoreAttribute(std::string_view name) { usedAttributes.emplace(name); }

  // -- Random numbers --
  /// A key of this node alone, or of all nodes with the same attribute `seed`. Without
  /// OnnxOptions::seed the node is unsupported.
  Tensor randomKey();

  // -- Outputs --
  size_t numOutputs() const;
  /// Whether anybody named output `i`; those that nobody named need not be set.
  bool wants(size_t i) const;
  void output(size_t i, const Tensor &value);
  /// The shape that the model declares for output `i`, where it does.
  std::optional<Shape> declaredShape(size_t i) const;

  // -- Checks --
  /// `axis` counted from 0; negative ones count from the end. Out of range: an error.
  int64_t axis(int64_t axis, int64_t rank);
  std::vector<int64_t> axes(std::vector<int64_t> axes, int64_t rank);
  /// The shape as numbers; a named dim makes the node unsupported (`what` says whose).
  std::vector<int64_t> staticSizes(const Shape &shape, std::string_view what);
  int64_t staticSize(const DimExpr &size, std::string_view what);

  // -- Errors: both name op, domain, version and node --
  /// What Sinter cannot do (exit code 4); `missing` says what is missing.
  [[noreturn]] void unsupported(const std::string &missing) const;
  /// What ONNX does not allow (exit code 1).
  [[noreturn]] void invalid(const std::string &why) const;

private:
  friend class Importer;
  const proto::AttributeProto *find(std::string_view name, int type);
  [[noreturn]] void missing(std::string_view name) const;
  [[noreturn]] void needValue(size_t i);
  Array knownElement(size_t i);

  Importer &importer;
  const proto::NodeProto &proto;
  int64_t version;
  std::set<size_t> usedInputs;
  std::set<std::string, std::less<>> usedAttributes;
};

/// A row of a table: this function imports `op` from version `since` of the domain on, up to the
/// next row of the same op.
struct OpHandler {
  std::string_view op;
  int64_t since;
  void (*import)(Node &node);
  std::string_view domain = "";
};

// One table per family, each at the end of its file; Handlers.cpp joins them.
std::span<const OpHandler> elementwiseHandlers(); ///< OpsElementwise.cpp
std::span<const OpHandler> logicHandlers();  ///< OpsLogic.cpp: logic, comparison, bitwise, casts
std::span<const OpHandler> shapeHandlers();  ///< OpsShape.cpp
std::span<const OpHandler> sliceHandlers();  ///< OpsSlice.cpp: slices, pads, tiles
std::span<const OpHandler> createHandlers(); ///< OpsCreate.cpp: constants, ranges
std::span<const OpHandler> randomHandlers(); ///< OpsRandom.cpp
std::span<const OpHandler> reduceHandlers(); ///< OpsReduce.cpp
std::span<const OpHandler> indexHandlers();  ///< OpsIndex.cpp
std::span<const OpHandler> dataDependentHandlers(); ///< OpsDataDependent.cpp
std::span<const OpHandler> contractionHandlers();   ///< OpsContraction.cpp
std::span<const OpHandler> activationHandlers();    ///< OpsActivation.cpp
std::span<const OpHandler> convolutionHandlers();   ///< OpsConvolution.cpp
std::span<const OpHandler> poolingHandlers();       ///< OpsPooling.cpp
std::span<const OpHandler> normalizationHandlers(); ///< OpsNormalization.cpp
std::span<const OpHandler> attentionHandlers();     ///< OpsAttention.cpp
std::span<const OpHandler> recurrentHandlers();     ///< OpsRecurrent.cpp
std::span<const OpHandler> visionHandlers();        ///< OpsVision.cpp: resize, grid sample, RoI
std::span<const OpHandler> signalHandlers();        ///< OpsSignal.cpp
std::span<const OpHandler> quantizeHandlers();      ///< OpsQuantize.cpp
std::span<const OpHandler> lossHandlers();          ///< OpsLoss.cpp
std::span<const OpHandler> trainingHandlers();      ///< OpsTraining.cpp: ai.onnx.preview.training
std::span<const OpHandler> mlHandlers();            ///< OpsMl.cpp: ai.onnx.ml

} // namespace sinter::onnx
