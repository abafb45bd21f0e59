// SPDX-License-Identifier: Apache-2.0
// What models mean beyond single operators: names, locations, named sizes, functions, known values.
#include "tests/onnx/Models.h"

#include "sinter/sinter.h"

#include <cmath>
#include <gtest/gtest.h>
#include <limits>

namespace sinter::onnxtest {
namespace {

using proto::TensorProto;

OnnxModel import(const Model &model, const OnnxOptions &options = {}) {
  Folder folder;
  return importOnnx(folder.write("model.onnx", model.bytes()), options);
}

std::vector<Array> run(const OnnxModel &model, const NamedArrays &inputs) {
  return compile(model.graph, {.engine = Engine::Interpreter})(inputs);
}

std::string errorOf(const Model &model, const OnnxOptions &options = {}) {
  try {
    import(model, options);
  } catch (const Error &error) {
    return error.what();
  }
  return "";
}

/// A named size in the last place.
void nameDim(Model &model, int input, int axis, const std::string &name) {
  model.graph()
      .mutable_input(input)
      ->mutable_type()
      ->mutable_tensor_type()
      ->mutable_shape()
      ->mutable_dim(axis)
      ->set_dim_param(name);
}

TEST(OnnxImport, NodesBecomeLocationsAndScopes) {
  Model model = absModel();
  model.node("Neg", {"y"}, {"z"}).set_name("block/neg");
  model.output("z");
  std::string text = import(model).graph.str(Graph::Locations::Print);
  EXPECT_NE(text.find("\"first\""), std::string::npos) << text;
  EXPECT_NE(text.find("\"block/neg\""), std::string::npos) << text;
  EXPECT_NE(text.find("model.onnx\":1"), std::string::npos) << text;
  EXPECT_NE(text.find("model.onnx\":2"), std::string::npos) << text;
}

TEST(OnnxImport, NamesThatGraphsCannotHave) {
  Model model;
  model.input("my input,0", {2});
  model.input("my input;0", {2});
  model.node("Sub", {"my input,0", "my input;0"}, {"out put"});
  model.output("out put");
  OnnxModel imported = import(model);
  EXPECT_EQ(imported.inputs, (std::vector<std::string>{"my input,0", "my input;0"}));
  EXPECT_EQ(imported.outputs, std::vector<std::string>{"out put"});
  std::vector<Argument> arguments = imported.graph.arguments();
  ASSERT_EQ(arguments.size(), 2u);
  EXPECT_EQ(arguments[0].name, "my_input_0");
  EXPECT_EQ(arguments[1].name, "my_input_0_1");
  EXPECT_EQ(imported.graph.results().front().name, "out_put");
}

TEST(OnnxImport, NamedSizes) {
  Model model;
  model.input("x", {1, 3});
  model.input("y", {1, 3});
  nameDim(model, 0, 0, "batch size");
  nameDim(model, 1, 0, "batch size");
  model.node("Add", {"x", "y"}, {"z"});
  model.output("z");
  OnnxModel imported = import(model);
  EXPECT_EQ(imported.graph.results().front().shape, (Shape{dim("batch_size"), 3}));
  Array x = Array::from(std::vector<float>{1, 2, 3, 4, 5, 6}, {2, 3});
  EXPECT_EQ(run(imported, {{"x", x}, {"y", x}})[0].toVector<float>(),
            (std::vector<float>{2, 4, 6, 8, 10, 12}));
}

/// Reshape(x, Concat(Shape(x)[0:1], [-1])): what exporters write for flatten.
TEST(OnnxImport, SizesComputedFromShapesStaySymbolic) {
  Model model;
  model.input("x", {1, 2, 3});
  nameDim(model, 0, 0, "N");
  model.ints("zero", {0});
  model.ints("rest", {-1});
  model.node("Shape", {"x"}, {"shape"});
  model.node("Gather", {"shape", "zero"}, {"n"});
  model.node("Concat", {"n", "rest"}, {"target"}).add_attribute()->set_name("axis");
  auto *axis = model.graph().mutable_node(2)->mutable_attribute(0);
  axis->set_type(proto::AttributeProto::INT);
  axis->set_i(0);
  model.node("Reshape", {"x", "target"}, {"y"});
  model.output("y");
  EXPECT_EQ(import(model).graph.results().front().shape, (Shape{dim("N"), 6}));
}

TEST(OnnxImport, InputsAreFixedOnlyWhereASizeDependsOnThem) {
  Model model;
  model.input("x", {6});
  model.input("unused", {1}, TensorProto::INT64);
  model.input("shape", {2}, TensorProto::INT64);
  model.node("Reshape", {"x", "shape"}, {"y"});
  model.output("y");
  std::string message = errorOf(model);
  EXPECT_NE(message.find("depends on the model's input 'shape'"), std::string::npos) << message;
  ArrayMap values{{"shape", Array::from(std::vector<int64_t>{2, -1})},
                  {"x", Array::from(std::vector<float>(6, 1))},
                  {"unused", Array::from(std::vector<int64_t>{1})}};
  OnnxModel imported = import(model, {.values = values});
  EXPECT_EQ(imported.fixedInputs, std::vector<std::string>{"shape"});
  EXPECT_EQ(imported.graph.arguments().size(), 2u);
  EXPECT_EQ(imported.graph.results().front().shape, (Shape{2, 3}));
  values["shape"] = Array::from(std::vector<float>{2, 3});
  message = errorOf(model, {.values = values});
  EXPECT_NE(message.find("the value given for input 'shape' is f32[2]"), std::string::npos)
      << message;
}

TEST(OnnxImport, AnInputWithAnInitializerIsAConstant) {
  Model model;
  model.input("x", {2});
  model.input("w", {2});
  model.floats("w", {2}, {10, 20});
  model.node("Mul", {"x", "w"}, {"y"});
  model.output("y");
  OnnxModel imported = import(model);
  EXPECT_EQ(imported.inputs, std::vector<std::string>{"x"});
  EXPECT_EQ(run(imported, {{"x", Array::from(std::vector<float>{1, 2})}})[0].toVector<float>(),
            (std::vector<float>{10, 40}));
}

TEST(OnnxImport, ArgMinOfUnsignedIntegersAndOfNaN) {
  Model model;
  model.input("bytes", {4}, TensorProto::UINT8);
  model.node("ArgMin", {"bytes"}, {"least"});
  model.output("least");
  model.input("x", {4});
  Model::setInt(model.node("ArgMin", {"x"}, {"last"}), "select_last_index", 1);
  model.output("last");
  float nan = std::numeric_limits<float>::quiet_NaN();
  std::vector<Array> got =
      run(import(model), {{"bytes", Array::from(std::vector<uint8_t>{3, 255, 0, 7})},
                          {"x", Array::from(std::vector<float>{3, nan, 1, 1})}});
  EXPECT_EQ(got[0].toVector<int64_t>(), std::vector<int64_t>{2});
  EXPECT_EQ(got[1].toVector<int64_t>(), std::vector<int64_t>{1});
}

TEST(OnnxImport, PaddingThatADoubleCannotHoldIsRefused) {
  for (int64_t value : {int64_t{1} << 53, (int64_t{1} << 53) + 1}) {
    Model model;
    model.input("x", {2}, TensorProto::INT64);
    model.ints("pads", {1, 0});
    model.ints("value", {value}).clear_dims();
    model.node("Pad", {"x", "pads", "value"}, {"y"});
    model.output("y");
    std::string message = errorOf(model);
    if (value == int64_t{1} << 53)
      EXPECT_EQ(message, "");
    else
      EXPECT_NE(message.find("a padding of 9007199254740993"), std::string::npos) << message;
  }
}

TEST(OnnxImport, ResizeThatKeepsTheAspectStaysWithinLimits) {
  Model model;
  model.input("x", {1, 1 << 22});
  model.ints("sizes", {1 << 23, 1 << 23});
  model.node("Resize", {"x", "", "", "sizes"}, {"y"});
  auto *policy = model.graph().mutable_node(0)->add_attribute();
  policy->set_name("keep_aspect_ratio_policy");
  policy->set_type(proto::AttributeProto::STRING);
  policy->set_s("not_smaller");
  model.output("y");
  std::string message = errorOf(model);
  EXPECT_NE(message.find("not supported: a size of 3518437208883"), std::string::npos) << message;
}

TEST(OnnxImport, FunctionsAreExpanded) {
  Model model;
  model.import("local", 1);
  model.input("x", {2});
  proto::NodeProto &call = model.node("Scale", {"x"}, {"y"});
  call.set_domain("local");
  call.set_name("call");
  Model::setInt(call, "to", TensorProto::INT64);
  model.output("y");
  proto::FunctionProto &function = model.function("Scale", {"a", "missing"}, {"c"});
  function.add_attribute("to");
  Model::fill(*function.add_node(), "Add", {"a", "a"}, {"b"});
  proto::NodeProto &cast = Model::fill(*function.add_node(), "Cast", {"b"}, {"c"});
  proto::AttributeProto &to = *cast.add_attribute();
  to.set_name("to");
  to.set_ref_attr_name("to");
  to.set_type(proto::AttributeProto::INT);
  OnnxModel imported = import(model);
  Array y = run(imported, {{"x", Array::from(std::vector<float>{1.5f, 2})}})[0];
  EXPECT_EQ(y.dtype(), i64);
  EXPECT_EQ(y.toVector<int64_t>(), (std::vector<int64_t>{3, 4}));
  std::string text = imported.graph.str(Graph::Locations::Print);
  EXPECT_NE(text.find("call/Cast_1"), std::string::npos) << text;
  // An input that the call leaves out is not there in the body.
  Model needs = model;
  needs.proto.mutable_functions(0)->mutable_node(0)->set_input(1, "missing");
  std::string message = errorOf(needs);
  EXPECT_NE(message.find("input 1 is missing"), std::string::npos) << message;
  EXPECT_NE(message.find("in function Scale"), std::string::npos) << message;
}

TEST(OnnxImport, TensorsOfEveryKindOfField) {
  auto constantOf = [](int type, auto fill) {
    Model model;
    TensorProto &tensor = *model.graph().add_initializer();
    tensor.set_name("w");
    tensor.set_data_type(type);
    tensor.add_dims(2);
    fill(tensor);
    model.node("Identity", {"w"}, {"y"});
    model.output("y");
    return run(import(model), {})[0];
  };
  auto int32s = [](int a, int b) {
    return [=](TensorProto &tensor) {
      tensor.add_int32_data(a);
      tensor.add_int32_data(b);
    };
  };
  EXPECT_EQ(constantOf(TensorProto::INT8, int32s(-3, 7)).toVector<int64_t>(),
            (std::vector<int64_t>{-3, 7}));
  EXPECT_EQ(constantOf(TensorProto::UINT8, int32s(200, 7)).toVector<int64_t>(),
            (std::vector<int64_t>{200, 7}));
  EXPECT_EQ(constantOf(TensorProto::BOOL, int32s(0, 1)).toVector<int64_t>(),
            (std::vector<int64_t>{0, 1}));
  EXPECT_EQ(constantOf(TensorProto::FLOAT16, int32s(0x3c00, 0xc000)).toVector<float>(),
            (std::vector<float>{1, -2}));
  EXPECT_EQ(constantOf(TensorProto::BFLOAT16, int32s(0x3f80, 0xc000)).toVector<float>(),
            (std::vector<float>{1, -2}));
  auto raw = [](TensorProto &tensor) { tensor.set_raw_data(std::string("\x02\x00\xff\xff", 4)); };
  EXPECT_EQ(constantOf(TensorProto::UINT16, raw).toVector<int64_t>(),
            (std::vector<int64_t>{2, 65535}));
  EXPECT_EQ(constantOf(TensorProto::INT16, raw).toVector<int64_t>(), (std::vector<int64_t>{2, -1}));
  auto big = [](TensorProto &tensor) {
    tensor.add_uint64_data(~uint64_t{0});
    tensor.add_uint64_data(1);
  };
  EXPECT_EQ(constantOf(TensorProto::UINT64, big).toVector<uint64_t>()[0], ~uint64_t{0});
  EXPECT_EQ(constantOf(TensorProto::UINT32, big).toVector<uint64_t>()[0], 0xffffffffu);
}

TEST(OnnxImport, OutputsMayBeInputsAndSharedValues) {
  Model model;
  model.input("x", {2});
  model.node("Abs", {"x"}, {"y"});
  model.node("Identity", {"y"}, {"z"});
  for (const char *name : {"x", "y", "z"})
    model.output(name);
  std::vector<Array> results = run(import(model), {{"x", Array::from(std::vector<float>{-1, 2})}});
  ASSERT_EQ(results.size(), 3u);
  EXPECT_EQ(results[0].toVector<float>(), (std::vector<float>{-1, 2}));
  EXPECT_EQ(results[2].toVector<float>(), (std::vector<float>{1, 2}));
}

/// What the size of a Range over x becomes, when `limit` is computed from Shape(x) by `op` and 2.
Shape rangeOver(const std::string &op) {
  Model model;
  model.input("x", {1, 3});
  nameDim(model, 0, 0, "N");
  model.ints("zero", {0});
  model.ints("one", {1});
  model.ints("two", {2});
  model.node("Shape", {"x"}, {"shape"});
  model.node("Slice", {"shape", "zero", "one"}, {"n"});
  model.node(op, {"n", "two"}, {"limit"});
  for (const char *name : {"zero", "limit", "one"})
    model.node("Squeeze", {name}, {std::string(name) + "0"});
  model.node("Range", {"zero0", "limit0", "one0"}, {"y"});
  model.output("y");
  return import(model).graph.results().front().shape;
}

TEST(OnnxImport, ArithmeticOfSizes) {
  DimExpr n = dim("N");
  EXPECT_EQ(rangeOver("Add"), Shape{n + 2});
  EXPECT_EQ(rangeOver("Mul"), Shape{2 * n});
  EXPECT_EQ(rangeOver("Div"), Shape{floorDiv(n, 2)});
  EXPECT_EQ(rangeOver("Max"), Shape{max(n, 2)});
  EXPECT_EQ(rangeOver("Sub"), Shape{n - 2});
}

/// Where(shape == -1, Shape(x), shape): what exporters write for expand.
TEST(OnnxImport, ChoicesBetweenSizes) {
  Model model;
  model.input("x", {1, 1});
  nameDim(model, 0, 0, "N");
  model.ints("wanted", {-1, 5});
  model.ints("unknown", {-1});
  model.node("Shape", {"x"}, {"shape"});
  model.node("Equal", {"wanted", "unknown"}, {"keeps"});
  model.node("Where", {"keeps", "shape", "wanted"}, {"target"});
  model.node("Expand", {"x", "target"}, {"y"});
  model.node("ReduceProd", {"target"}, {"all"});
  for (auto [name, value] : {std::pair("zero", 0), std::pair("one", 1)})
    model.ints(name, {value}).clear_dims(); // Range takes scalars.
  model.node("Squeeze", {"all"}, {"all0"});
  model.node("Range", {"zero", "all0", "one"}, {"z"});
  model.output("y");
  model.output("z");
  std::vector<Result> results = import(model).graph.results();
  EXPECT_EQ(results[0].shape, (Shape{dim("N"), 5}));
  EXPECT_EQ(results[1].shape, Shape{5 * dim("N")});
}

TEST(OnnxImport, RandomNumbersFollowFromTheSeed) {
  Model model;
  for (const char *name : {"a", "b"}) {
    proto::NodeProto &node = model.node("RandomUniform", {}, {name});
    proto::AttributeProto &shape = *node.add_attribute();
    shape.set_name("shape");
    shape.set_type(proto::AttributeProto::INTS);
    shape.add_ints(1000);
    model.output(name);
  }
  EXPECT_NE(errorOf(model).find("random numbers"), std::string::npos);
  std::vector<Array> first = run(import(model, {.seed = 1}), {}),
                     again = run(import(model, {.seed = 1}), {}),
                     other = run(import(model, {.seed = 2}), {});
  EXPECT_EQ(first[0].toVector<float>(), again[0].toVector<float>());
  EXPECT_NE(first[0].toVector<float>(), first[1].toVector<float>());
  EXPECT_NE(first[0].toVector<float>(), other[0].toVector<float>());
  double sum = 0;
  for (float value : first[0].toVector<float>()) {
    EXPECT_TRUE(value >= 0 && value < 1);
    sum += static_cast<double>(value);
  }
  EXPECT_NEAR(sum / 1000, 0.5, 0.05);
}

/// The outputs of Unique over a constant: values, first indices, inverse indices, counts.
std::vector<Array> uniqueOf(int type, const std::string &raw, int64_t count, bool sorted) {
  Model model;
  TensorProto &tensor = *model.graph().add_initializer();
  tensor.set_name("x");
  tensor.set_data_type(type);
  tensor.add_dims(count);
  tensor.set_raw_data(raw);
  Model::setInt(model.node("Unique", {"x"}, {"y", "first", "inverse", "counts"}), "sorted", sorted);
  for (const char *name : {"y", "first", "inverse", "counts"})
    model.output(name);
  return run(import(model), {});
}

template <typename T> std::string rawOf(const std::vector<T> &values) {
  return std::string(reinterpret_cast<const char *>(values.data()), values.size() * sizeof(T));
}

TEST(OnnxImport, UniqueIsExact) {
  constexpr int64_t large = int64_t{1} << 53; // The next number is no double.
  std::vector<Array> integers =
      uniqueOf(TensorProto::INT64, rawOf<int64_t>({large + 1, -5, large, large + 1}), 4, true);
  EXPECT_EQ(integers[0].toVector<int64_t>(), (std::vector<int64_t>{-5, large, large + 1}));
  EXPECT_EQ(integers[1].toVector<int64_t>(), (std::vector<int64_t>{1, 2, 0}));
  EXPECT_EQ(integers[2].toVector<int64_t>(), (std::vector<int64_t>{2, 0, 1, 2}));
  EXPECT_EQ(integers[3].toVector<int64_t>(), (std::vector<int64_t>{1, 1, 2}));
  std::vector<Array> words =
      uniqueOf(TensorProto::UINT64, rawOf<uint64_t>({~uint64_t{0}, 1, ~uint64_t{0}}), 3, true);
  EXPECT_EQ(words[0].toVector<uint64_t>(), (std::vector<uint64_t>{1, ~uint64_t{0}}));
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  std::vector<Array> floats =
      uniqueOf(TensorProto::FLOAT, rawOf<float>({nan, 2, -0.0f, -3, 0, nan, -INFINITY}), 7, true);
  EXPECT_EQ(floats[1].toVector<int64_t>(), (std::vector<int64_t>{6, 3, 2, 1, 0}));
  EXPECT_EQ(floats[3].toVector<int64_t>(), (std::vector<int64_t>{1, 1, 2, 1, 2}));
  EXPECT_EQ(
      uniqueOf(TensorProto::FLOAT, rawOf<float>({nan, 2, nan}), 3, false)[2].toVector<int64_t>(),
      (std::vector<int64_t>{0, 1, 0}));
}

TEST(OnnxImport, ErrorsOfACallPointAtTheModel) {
  OnnxModel imported = import(absModel());
  try {
    run(imported, {{"x", Array(f32, {2, 4})}});
    FAIL();
  } catch (const Error &error) {
    EXPECT_NE(error.location().file.find("model.onnx"), std::string::npos) << error.what();
  }
}

} // namespace
} // namespace sinter::onnxtest
