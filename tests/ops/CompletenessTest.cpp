// SPDX-License-Identifier: Apache-2.0
// Every registered op has a row, an interpretation, a lowering, and a derivative or a reason for
// none.
#include "sinter/codegen/Interpreter.h"
#include "sinter/frontend/GraphImpl.h"
#include "tests/ops/Row.h"

#include <gtest/gtest.h>

namespace sinter::ops {
namespace {

/// One instance of each op, found in the graphs of the table's rows.
class CompletenessTest : public testing::Test {
protected:
  CompletenessTest() {
    for (const Row &row : table()) {
      Graph &graph = graphs.emplace_back();
      Tensors tensors;
      for (size_t k = 0; k < row.inputs.size(); ++k)
        tensors.push_back(graph.placeholder("x" + std::to_string(k),
                                            row.inputs[k].dtype.value_or(row.dtypes[0]),
                                            row.cases.back().shapes[k]));
      row.graph(graph, tensors);
      for (mlir::Operation &op : GraphImpl::of(graph)->block())
        if (op.getName().stripDialect() == row.op)
          instances[row.op] = &op;
    }
  }

  mlir::MLIRContext &context() { return GraphImpl::of(graphs.front())->mlirContext(); }

  /// Ops that a graph is made of; the others are expanded (gradients) or made by passes.
  std::vector<mlir::RegisteredOperationName> graphOps() {
    std::vector<mlir::RegisteredOperationName> ops;
    for (mlir::RegisteredOperationName name : context().getRegisteredOperations())
      if (name.getDialectNamespace() == "sinter" &&
          !notInGraphs.contains(name.stripDialect().str()))
        ops.push_back(name);
    return ops;
  }

  static const Row *rowOf(mlir::OperationName op, Derivative atLeast = Derivative::None) {
    for (const Row &row : table())
      if (row.op == op.stripDialect() && row.derivative >= atLeast)
        return &row;
    return nullptr;
  }

  const std::set<std::string> notInGraphs = {"attention_backward", "fused", "yield",
                                             "gradients",          "jvp",   "with_gradient"};
  std::vector<Graph> graphs;
  std::map<std::string, mlir::Operation *> instances;
};

TEST_F(CompletenessTest, EveryOpHasARowThatUsesIt) {
  EXPECT_GE(graphOps().size(), 50u);
  for (mlir::OperationName op : graphOps()) {
    std::string name = op.stripDialect().str();
    EXPECT_NE(rowOf(op), nullptr) << name << " has no row in the op table";
    EXPECT_TRUE(instances.contains(name)) << "the row of " << name << " does not use it";
  }
  for (const Row &row : table())
    EXPECT_TRUE(row.op.empty() || instances.contains(row.op))
        << row.name << " is a row for " << row.op;
}

TEST_F(CompletenessTest, EveryOpIsInterpreted) {
  for (mlir::OperationName op : graphOps())
    EXPECT_TRUE(codegen::isInterpretable(context(), op)) << op.getStringRef().str();
  EXPECT_TRUE(codegen::isInterpretable(context(), mlir::OperationName("sinter.fused", &context())));
  EXPECT_FALSE(
      codegen::isInterpretable(context(), mlir::OperationName("sinter.gradients", &context())));
}

TEST_F(CompletenessTest, EveryOpLowers) {
  for (mlir::OperationName op : graphOps()) {
    bool isData = op.hasTrait<mlir::OpTrait::ConstantLike>();
    EXPECT_TRUE(isData || op.hasInterface<ir::IndexedOpInterface>())
        << op.getStringRef().str() << " has no index map";
  }
}

TEST_F(CompletenessTest, EveryOpIsDifferentiableOrSaysWhyNot) {
  for (mlir::OperationName op : graphOps()) {
    std::string name = op.stripDialect().str();
    ASSERT_TRUE(instances.contains(name));
    auto rule = mlir::dyn_cast<ir::DifferentiableOpInterface>(instances[name]);
    ASSERT_TRUE(rule) << name;
    if (!rule.getNonDifferentiableReason().empty() || instances[name]->getNumOperands() == 0 ||
        name == "stop_gradient")
      continue;
    EXPECT_NE(rowOf(op, Derivative::First), nullptr)
        << "the derivative of " << name << " is not checked";
  }
}

TEST_F(CompletenessTest, AReasonForNoDerivativeReachesTheUser) {
  int numChecked = 0;
  for (const Row &row : table()) {
    bool takesFloats = std::find(row.dtypes.begin(), row.dtypes.end(), f64) != row.dtypes.end();
    if (row.op.empty() || !takesFloats || row.inputs.front().dtype)
      continue;
    auto rule = mlir::dyn_cast<ir::DifferentiableOpInterface>(instances[row.op]);
    std::string reason = rule ? rule.getNonDifferentiableReason().str() : "";
    if (reason.empty() || instances[row.op]->getNumOperands() == 0)
      continue;
    Graph graph;
    Tensors tensors;
    for (size_t k = 0; k < row.inputs.size(); ++k)
      tensors.push_back(
          graph.placeholder("x" + std::to_string(k), f64, row.cases.back().shapes[k]));
    Tensor y = sum(cast(row.graph(graph, tensors), f64));
    try {
      gradients(y, {tensors[0]});
      ADD_FAILURE() << row.name << " has no derivative, yet gradients() takes it";
    } catch (const Error &error) {
      EXPECT_EQ(error.kind(), ErrorKind::User);
      EXPECT_NE(std::string(error.what()).find(reason), std::string::npos) << error.what();
      EXPECT_NE(error.location().file.find("CompletenessTest.cpp"), std::string::npos)
          << error.what();
    }
    ++numChecked;
  }
  EXPECT_GE(numChecked, 7);
}

} // namespace
} // namespace sinter::ops
