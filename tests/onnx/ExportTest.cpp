// SPDX-License-Identifier: Apache-2.0
// What exportOnnx() writes: every row of the op table through our own importer, and what is
// refused.
#include "tests/onnx/ExportCases.h"
#include "tests/onnx/Models.h"

#include "sinter/sinter.h"

#include <cmath>
#include <gtest/gtest.h>
#include <set>

namespace sinter::onnxtest {
namespace {

proto::ModelProto decode(const std::string &bytes) {
  proto::ModelProto model;
  EXPECT_TRUE(model.ParseFromString(bytes));
  return model;
}

/// By the engine that follows the graph op by op.
ArrayMap interpret(const Graph &graph, const ArrayMap &inputs) {
  State none;
  return compile(graph, {.engine = Engine::Interpreter}).run(none, inputs);
}

std::vector<std::string> typesOf(const proto::ModelProto &model) {
  std::vector<std::string> types;
  for (const proto::NodeProto &node : model.graph().node())
    types.push_back(node.op_type());
  return types;
}

std::string errorOf(const Graph &graph, const OnnxExportOptions &options = {}) {
  try {
    exportOnnx(graph, options);
  } catch (const Error &error) {
    return error.what();
  }
  return "";
}

OnnxModel reimport(const std::string &bytes) {
  Folder folder;
  return importOnnx(folder.write("model.onnx", bytes));
}

/// Inputs by the names that the importer gave them.
ArrayMap renamed(const OnnxModel &model, const ArrayMap &inputs) {
  ArrayMap result;
  std::vector<Argument> arguments = model.graph.arguments();
  std::vector<std::string> needed =
      compile(model.graph, {.engine = Engine::Interpreter}).inputNames();
  for (size_t i = 0; i < model.inputs.size(); ++i)
    if (std::find(needed.begin(), needed.end(), arguments.at(i).name) != needed.end())
      result.emplace(arguments.at(i).name, inputs.at(model.inputs[i]));
  return result;
}

/// Empty when close enough.
std::string difference(const Array &got, const Array &wanted, double tolerance) {
  if (got.dtype() != wanted.dtype() || got.sizes() != wanted.sizes())
    return got.str() + " instead of " + wanted.str();
  std::vector<double> a = got.toVector<double>(), b = wanted.toVector<double>();
  double scale = 1;
  for (double value : b)
    if (std::isfinite(value))
      scale = std::max(scale, std::fabs(value));
  for (size_t i = 0; i < a.size(); ++i)
    if (!(a[i] == b[i]) && !(std::isnan(a[i]) && std::isnan(b[i])) &&
        !(std::fabs(a[i] - b[i]) <= tolerance * std::max(1.0, std::fabs(b[i]))))
      return "element " + std::to_string(i) + ": " + std::to_string(a[i]) + " instead of " +
             std::to_string(b[i]) + " (scale " + std::to_string(scale) + ")";
  return "";
}

//===--- The op table ---===//

class ExportTable : public testing::TestWithParam<size_t> {};

TEST_P(ExportTable, ComesBackThroughTheImporter) {
  const ops::Row &row = ops::table()[GetParam()];
  for (DType dtype : exportDTypes(row)) {
    ExportCase one = exportCase(row, dtype);
    std::string bytes;
    try {
      bytes = exportOnnx(one.graph);
    } catch (const Error &error) {
      ASSERT_EQ(error.code(), ErrorCode::Unsupported) << error.what();
      EXPECT_TRUE(hasNoOnnxForm(error.op(), dtype)) << row.name << " " << name(dtype) << "\n"
                                                    << error.what();
      continue;
    }
    EXPECT_EQ(bytes, exportOnnx(one.graph)) << "equal graphs give equal bytes";
    OnnxModel model;
    try {
      model = reimport(bytes);
    } catch (const Error &error) {
      // Windows over a named size: that they are equally many is not provable from Slice's rules.
      EXPECT_EQ(row.name, "window_read") << error.what();
      EXPECT_NE(std::string(error.what()).find("[concat_c3]"), std::string::npos) << error.what();
      continue;
    }
    ArrayMap wanted = interpret(one.graph, one.inputs);
    ArrayMap got = interpret(model.graph, renamed(model, one.inputs));
    for (size_t i = 0; i < model.outputs.size(); ++i)
      EXPECT_EQ(difference(got.at(model.graph.results()[i].name), wanted.at(model.outputs[i]),
                           one.tolerance),
                "")
          << row.name << " " << name(dtype) << " " << model.outputs[i];
  }
}

INSTANTIATE_TEST_SUITE_P(Rows, ExportTable, testing::Range(size_t{0}, ops::table().size()),
                         [](const testing::TestParamInfo<size_t> &info) {
                           return ops::table()[info.param].name;
                         });

TEST(OnnxExport, NetworksComeBack) {
  for (const auto &[name, one] : exportNetworks()) {
    OnnxModel model = reimport(exportOnnx(one.graph, {.values = one.values}));
    State state(one.graph);
    state.assign(one.values);
    ArrayMap wanted = compile(one.graph, {.engine = Engine::Interpreter}).run(state, one.inputs);
    ArrayMap got = interpret(model.graph, one.inputs);
    ASSERT_EQ(got.size(), wanted.size());
    for (const auto &[output, array] : wanted)
      EXPECT_EQ(difference(got.at(output), array, one.tolerance), "") << name << " " << output;
  }
}

TEST(OnnxExport, CompositesAtSpecialValues) {
  ExportCase one = exportSpecialValues();
  ArrayMap wanted = interpret(one.graph, one.inputs);
  ArrayMap got = interpret(reimport(exportOnnx(one.graph)).graph, one.inputs);
  std::vector<float> a = one.inputs.at("a").toVector<float>(),
                     b = one.inputs.at("b").toVector<float>();
  for (const auto &[name, array] : wanted)
    for (size_t i = 0; i < a.size(); ++i) {
      auto at = static_cast<int64_t>(i);
      float x = got.at(name).at<float>({at}), y = array.at<float>({at});
      bool same = std::isnan(y)             ? std::isnan(x)
                  : std::isinf(y) || y == 0 ? x == y
                                            : std::fabs(x - y) <= 2e-6f * std::fabs(y);
      EXPECT_TRUE(same) << name << "(" << a[i] << ", " << b[i] << ") is " << x << " instead of "
                        << y;
    }
}

//===--- The form of models ---===//

TEST(OnnxExport, ALayerIsWhatAPersonWouldWrite) {
  Graph graph;
  Tensor x = graph.placeholder("x", f32, {dim("N"), 784});
  Tensor w = graph.parameter("w", f32, {784, 10});
  Tensor b = graph.parameter("b", f32, {10});
  graph.output("y", relu(x.matmul(w) + b));
  State state(graph);
  proto::ModelProto model = decode(exportOnnx(graph, {.values = state.values()}));
  EXPECT_EQ(typesOf(model),
            (std::vector<std::string>{"MatMul", "Unsqueeze", "Add", "Relu", "Identity"}));
  EXPECT_EQ(model.ir_version(), 9);
  EXPECT_EQ(model.opset_import(0).version(), 20);
  ASSERT_EQ(model.graph().input_size(), 1);
  const auto &shape = model.graph().input(0).type().tensor_type().shape();
  EXPECT_EQ(shape.dim(0).dim_param(), "N");
  EXPECT_EQ(shape.dim(1).dim_value(), 784);
  EXPECT_EQ(model.graph().output(0).type().tensor_type().shape().dim(0).dim_param(), "N");
  EXPECT_EQ(model.graph().initializer(0).name(), "w");
}

TEST(OnnxExport, NamedSizesStayNamed) {
  Graph graph;
  DimExpr n = dim("N"), m = dim("M");
  Tensor x = graph.placeholder("x", f32, {n, m, 4});
  graph.output("flat", x.reshape({n * m, 4}));
  graph.output("both", x.reshape({m, n * 4}));
  graph.output("count", graph.dimValue(i64, n * 3 + m));
  graph.output("zeros", graph.zeros(f32, {m, n}));
  graph.output("indices", graph.iota(i32, {m, n}, 1));
  graph.output("end", x.slice(0, n - 1, n));
  graph.output("last", concat({x, x}, 1));
  OnnxModel model = reimport(exportOnnx(graph));
  for (auto [rows, columns] : {std::pair<int64_t, int64_t>{2, 3}, {5, 1}, {1, 7}}) {
    Array value(f32, {rows, columns, 4});
    RandomStream(1, "x").fillUniform(value, -1, 1);
    ArrayMap inputs{{"x", value}};
    ArrayMap wanted = interpret(graph, inputs);
    ArrayMap got = interpret(model.graph, inputs);
    for (const auto &[name, array] : wanted)
      EXPECT_EQ(difference(got.at(name), array, 0), "") << name;
  }
  // A size that is fixed is a number everywhere.
  proto::ModelProto fixed = decode(exportOnnx(graph, {.dims = {{"N", 2}, {"M", 3}}}));
  for (const proto::ValueInfoProto &output : fixed.graph().output())
    for (const auto &size : output.type().tensor_type().shape().dim())
      EXPECT_FALSE(size.has_dim_param()) << output.name();
  for (const std::string &type : typesOf(fixed))
    EXPECT_NE(type, "Shape");
}

TEST(OnnxExport, OnlyWhatOutputsNeed) {
  Graph graph;
  Tensor x = graph.placeholder("x", f32, {4});
  Tensor w = graph.parameter("w", f32, {4});
  Tensor unused = graph.parameter("unused", f32, {4});
  Tensor y = x * w, z = exp(unused);
  graph.output("y", y);
  graph.output("z", z);
  graph.update(w, w - y);
  ArrayMap values{{"w", Array(f32, {4})}};
  proto::ModelProto model = decode(exportOnnx(graph, {.outputs = {y}, .values = values}));
  EXPECT_EQ(typesOf(model), (std::vector<std::string>{"Mul", "Identity"}));
  EXPECT_EQ(model.graph().initializer_size(), 1);
}

TEST(OnnxExport, TheValuesOfAStateAreTheModels) {
  Graph graph;
  Tensor x = graph.placeholder("x", f32, {dim("N"), 6});
  Tensor w = graph.parameter("w", f32, {6, 3}, init::normal());
  graph.output("p", softmax(x.matmul(w)));
  State state(graph, 7);
  OnnxModel model = reimport(exportOnnx(graph, {.values = state.values()}));
  Array value(f32, {4, 6});
  RandomStream(3, "x").fillNormal(value, 0, 1);
  ArrayMap wanted = compile(graph).run(state, {{"x", value}});
  ArrayMap got = interpret(model.graph, {{"x", value}});
  EXPECT_EQ(difference(got.at("p"), wanted.at("p"), 1e-6), "");
}

//===--- What is refused ---===//

TEST(OnnxExport, RefusesWithTheUsersLine) {
  Graph graph;
  Tensor x = graph.placeholder("x", f32, {4});
  int line = __LINE__ + 1;
  graph.output("y", lgamma(x));
  std::string message = errorOf(graph);
  EXPECT_NE(message.find("ExportTest.cpp:" + std::to_string(line)), std::string::npos) << message;
  EXPECT_NE(message.find("lgamma"), std::string::npos) << message;
  EXPECT_NE(message.find("cannot be exported to ONNX"), std::string::npos) << message;

  Graph trained;
  Tensor w = trained.parameter("w", f32, {4});
  trained.output("g", gradients(w.sum(), {w})[0]);
  message = errorOf(trained, {.values = {{"w", Array(f32, {4})}}});
  EXPECT_NE(message.find("gradients"), std::string::npos) << message;
}

TEST(OnnxExport, RefusesValuesThatDoNotFit) {
  Graph graph;
  Tensor w = graph.parameter("w", f32, {2, 4});
  graph.output("y", exp(w));
  EXPECT_NE(errorOf(graph).find("no value for the parameter 'w'"), std::string::npos);
  for (const Array &bad : {Array(f64, {2, 4}), Array(f32, {2, 5}), Array(f32, {4})})
    EXPECT_NE(errorOf(graph, {.values = {{"w", bad}}}).find("the value of 'w' is"),
              std::string::npos);
  EXPECT_EQ(errorOf(graph, {.values = {{"w", Array(f32, {2, 4})}}}), "");
  EXPECT_NE(errorOf(Graph()).find("no outputs"), std::string::npos);
}

/// A size that no input has alone is solved for, or refused.
TEST(OnnxExport, SizesThatAreSolvedFor) {
  DimExpr n = dim("N"), m = dim("M");
  Graph graph;
  Tensor x = graph.placeholder("x", f32, {n * 2, 3});
  graph.output("count", graph.dimValue(i64, n));
  graph.output("half", x.slice(0, 0, n));
  OnnxModel model = reimport(exportOnnx(graph));
  Array value(f32, {6, 3});
  RandomStream(1, "x").fillUniform(value, -1, 1);
  ArrayMap got = interpret(model.graph, {{"x", value}});
  EXPECT_EQ(got.at("count").item<int64_t>(), 3);
  EXPECT_EQ(difference(got.at("half"), value.slice(0, 0, 3), 0), "");

  // With an offset the size is only known when the model runs.
  Graph odd;
  Tensor y = odd.placeholder("x", f32, {n * 2 + 1, 3});
  odd.output("half", y.slice(0, 0, n));
  std::vector<std::string> types = typesOf(decode(exportOnnx(odd)));
  EXPECT_EQ(types, (std::vector<std::string>{"Shape", "Sub", "Div", "Slice", "Identity"}));

  Graph product;
  Tensor z = product.placeholder("x", f32, {n * m});
  product.output("all", z);
  product.output("count", product.dimValue(i64, n));
  EXPECT_NE(errorOf(product).find("the size 'N' is not a size of an input"), std::string::npos);
}

TEST(OnnxExport, AFileIsWrittenWhole) {
  Graph graph;
  graph.output("y", exp(graph.placeholder("x", f32, {4})));
  Folder folder;
  exportOnnx(graph, folder / "m.onnx");
  EXPECT_EQ(readFile(folder / "m.onnx"), exportOnnx(graph));
  EXPECT_THROW(exportOnnx(graph, folder / "no" / "m.onnx"), Error);
  EXPECT_THROW(exportOnnx(graph, "/dev/full"), Error);
}

} // namespace
} // namespace sinter::onnxtest
