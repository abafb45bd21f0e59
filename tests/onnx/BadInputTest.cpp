// SPDX-License-Identifier: Apache-2.0
// Models that are damaged, invalid or made to do harm: each is refused with the right code.
#include "tests/onnx/Models.h"

#include "sinter/frontend/onnx/ExternalData.h"

#include <chrono>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

namespace sinter::onnxtest {
namespace {

using proto::TensorProto;
namespace fs = std::filesystem;

/// The code of the error that importing `bytes` throws, Ok when it throws none.
ErrorCode codeOf(const std::string &bytes, const OnnxOptions &options = {},
                 std::string *message = nullptr) {
  Folder folder;
  try {
    importOnnx(folder.write("model.onnx", bytes), options);
  } catch (const Error &error) {
    if (message)
      *message = error.what();
    return error.code();
  }
  return ErrorCode::Ok;
}

void expectError(ErrorCode code, const Model &model, const std::string &part) {
  std::string message;
  EXPECT_EQ(codeOf(model.bytes(), {}, &message), code) << message;
  EXPECT_NE(message.find(part), std::string::npos) << message;
}

/// Several nodes, an initializer of each kind, a function and attributes.
Model richModel() {
  Model model;
  model.import("local", 1);
  model.input("x", {2, 3});
  model.floats("w", {3, 4}, std::vector<float>(12, 0.5f));
  TensorProto &raw = *model.graph().add_initializer();
  raw.set_name("b");
  raw.set_data_type(TensorProto::FLOAT);
  raw.add_dims(4);
  raw.set_raw_data(std::string(16, '\1'));
  model.ints("shape", {4, 2});
  model.node("MatMul", {"x", "w"}, {"product"}).set_name("layer/matmul");
  model.node("Add", {"product", "b"}, {"sum"}).set_name("layer/add");
  proto::NodeProto &call = model.node("Twice", {"sum"}, {"twice"});
  call.set_domain("local");
  model.node("Reshape", {"twice", "shape"}, {"turned"});
  proto::NodeProto &arg = model.node("ArgMax", {"turned"}, {"best"});
  Model::setInt(arg, "axis", 1);
  Model::setInt(arg, "keepdims", 0);
  model.output("best");
  model.output("turned");
  proto::FunctionProto &function = model.function("Twice", {"a"}, {"b"});
  Model::fill(*function.add_node(), "Add", {"a", "a"}, {"b"});
  return model;
}

bool isRefusal(ErrorCode code) {
  return code == ErrorCode::Ok || code == ErrorCode::Diagnostics ||
         code == ErrorCode::Unsupported || code == ErrorCode::Limit;
}

// -- Damage ---------------------------------------------------------------------------------------

TEST(OnnxBadInput, TheModelsOfTheseTestsAreGood) {
  std::string message;
  EXPECT_EQ(codeOf(richModel().bytes(), {}, &message), ErrorCode::Ok) << message;
  EXPECT_EQ(codeOf(absModel().bytes(), {}, &message), ErrorCode::Ok) << message;
}

TEST(OnnxBadInput, Truncated) {
  std::string bytes = richModel().bytes();
  ASSERT_GT(bytes.size(), 400u);
  int refused = 0;
  for (size_t length = 0; length < bytes.size(); length += length < 64 ? 1 : 7) {
    ErrorCode code = codeOf(bytes.substr(0, length));
    EXPECT_TRUE(isRefusal(code)) << length << ": " << static_cast<int>(code);
    refused += code != ErrorCode::Ok;
  }
  EXPECT_GT(refused, 100);
}

TEST(OnnxBadInput, BitsFlipped) {
  std::string bytes = richModel().bytes();
  for (size_t at = 0; at < bytes.size(); at += 3)
    for (int bit = 0; bit < 8; bit += 1 + static_cast<int>(at % 2)) {
      std::string damaged = bytes;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
      ErrorCode code = codeOf(damaged);
      EXPECT_TRUE(isRefusal(code)) << at << " bit " << bit << ": " << static_cast<int>(code);
    }
}

TEST(OnnxBadInput, NotAModel) {
  EXPECT_EQ(codeOf(""), ErrorCode::Diagnostics);
  EXPECT_EQ(codeOf("func.func @main() { return }"), ErrorCode::Diagnostics);
  EXPECT_EQ(codeOf(std::string(1000, '\0')), ErrorCode::Diagnostics);
  EXPECT_EQ(codeOf(std::string(1000, '\xff')), ErrorCode::Diagnostics);
  EXPECT_THROW(importOnnx("/nonexistent/model.onnx"), Error);
  try {
    importOnnx("/nonexistent/model.onnx");
  } catch (const Error &error) {
    EXPECT_EQ(error.code(), ErrorCode::FileAccess);
  }
}

// -- Graphs that make no sense --------------------------------------------------------------------

TEST(OnnxBadInput, CyclicGraph) {
  Model model;
  model.input("x", {2});
  model.node("Add", {"x", "b"}, {"a"});
  model.node("Abs", {"a"}, {"b"});
  model.output("b");
  expectError(ErrorCode::Diagnostics, model, "not in order, or form a cycle");
  Model self;
  self.node("Abs", {"a"}, {"a"});
  self.output("a");
  expectError(ErrorCode::Diagnostics, self, "form a cycle");
}

TEST(OnnxBadInput, Names) {
  Model twice = absModel();
  twice.node("Neg", {"x"}, {"y"});
  expectError(ErrorCode::Diagnostics, twice, "the name 'y' is used twice");
  Model shadow = absModel();
  shadow.node("Neg", {"x"}, {"x"});
  expectError(ErrorCode::Diagnostics, shadow, "the name 'x' is used twice");
  Model inputs = absModel();
  inputs.input("x", {2, 3});
  expectError(ErrorCode::Diagnostics, inputs, "the input 'x' is there twice");
  Model weights = absModel();
  weights.floats("w", {1}, {1});
  weights.floats("w", {1}, {1});
  expectError(ErrorCode::Diagnostics, weights, "the name 'w' is used twice");
  Model undefined = absModel();
  undefined.node("Neg", {"z"}, {"w"});
  expectError(ErrorCode::Diagnostics, undefined, "input 'z' is not defined");
  Model output = absModel();
  output.output("nothing");
  expectError(ErrorCode::Diagnostics, output, "'nothing' is not defined");
}

TEST(OnnxBadInput, Header) {
  Model none;
  none.proto.clear_graph();
  expectError(ErrorCode::Diagnostics, none, "no graph");
  Model newer = absModel();
  newer.proto.mutable_opset_import(0)->set_version(28);
  expectError(ErrorCode::Unsupported, newer, "opset 28");
  Model newerIr = absModel();
  newerIr.proto.set_ir_version(14);
  expectError(ErrorCode::Unsupported, newerIr, "IR version 14");
  Model domain = absModel();
  domain.graph().mutable_node(0)->set_domain("com.example");
  expectError(ErrorCode::Diagnostics, domain, "does not import the domain");
  Model twice = absModel();
  twice.import("ai.onnx", 13);
  expectError(ErrorCode::Diagnostics, twice, "imported in two versions");
}

TEST(OnnxBadInput, WhatIsUnsupportedSaysSo) {
  Model unknown = absModel();
  unknown.graph().mutable_node(0)->set_op_type("Frobnicate");
  std::string message;
  EXPECT_EQ(codeOf(unknown.bytes(), {}, &message), ErrorCode::Unsupported);
  for (const char *part : {"Frobnicate", "'first'", "ai.onnx", "opset 20", "model.onnx:1"})
    EXPECT_NE(message.find(part), std::string::npos) << message;
  for (const char *op : {"If", "Loop", "Scan"}) {
    Model control = absModel();
    control.graph().mutable_node(0)->set_op_type(op);
    expectError(ErrorCode::Unsupported, control, "'first'");
  }
  Model attribute = absModel();
  Model::setInt(*attribute.graph().mutable_node(0), "secret", 1);
  expectError(ErrorCode::Unsupported, attribute, "attribute 'secret'");
  Model input = absModel();
  input.graph().mutable_node(0)->add_input("x");
  expectError(ErrorCode::Unsupported, input, "input 1");
  Model output = absModel();
  output.graph().mutable_node(0)->add_output("more");
  expectError(ErrorCode::Unsupported, output, "output 1");
}

// -- Sizes ----------------------------------------------------------------------------------------

TEST(OnnxBadInput, SizesOfInputs) {
  auto withSizes = [](const std::vector<int64_t> &sizes) {
    Model model;
    model.input("x", sizes);
    model.node("Abs", {"x"}, {"y"});
    model.output("y");
    return model;
  };
  constexpr int64_t huge = int64_t{1} << 62;
  expectError(ErrorCode::Diagnostics, withSizes({2, -1}), "negative");
  expectError(ErrorCode::Limit, withSizes({huge}), "exceeds the limit");
  expectError(ErrorCode::Limit, withSizes({huge, huge, huge}), "exceeds the limit");
  expectError(ErrorCode::Limit, withSizes({1 << 20, 1 << 20, 2}), "exceeds the limit");
  expectError(ErrorCode::Limit, withSizes({0, huge, huge}), "exceeds the limit");
  expectError(ErrorCode::Limit, withSizes(std::vector<int64_t>(17, 1)), "rank 17");
  EXPECT_EQ(codeOf(withSizes(std::vector<int64_t>(16, 1)).bytes()), ErrorCode::Ok);
}

TEST(OnnxBadInput, TensorData) {
  auto withTensor = [](const std::vector<int64_t> &sizes, size_t values) {
    Model model = absModel();
    model.floats("w", sizes, std::vector<float>(values, 1));
    return model;
  };
  EXPECT_EQ(codeOf(withTensor({2, 3}, 6).bytes()), ErrorCode::Ok);
  expectError(ErrorCode::Diagnostics, withTensor({2, 3}, 5), "holds 5 values");
  expectError(ErrorCode::Diagnostics, withTensor({2, 3}, 7), "holds 7 values");
  expectError(ErrorCode::Diagnostics, withTensor({2, 3}, 0), "holds 0 values");
  expectError(ErrorCode::Diagnostics, withTensor({-2, -3}, 6), "negative");
  expectError(ErrorCode::Limit, withTensor({int64_t{1} << 33, int64_t{1} << 33}, 1), "exceeds");
  expectError(ErrorCode::Diagnostics, withTensor({int64_t{1} << 40}, 1), "holds 1 values");
  expectError(ErrorCode::Limit, withTensor(std::vector<int64_t>(17, 1), 1), "rank 17");
  Model raw = withTensor({2}, 0);
  raw.graph().mutable_initializer(0)->set_raw_data("1234567");
  expectError(ErrorCode::Diagnostics, raw, "holds 7 bytes");
  Model both = withTensor({2}, 2);
  both.graph().mutable_initializer(0)->set_raw_data("12345678");
  expectError(ErrorCode::Diagnostics, both, "raw and typed");
  Model field = withTensor({2}, 2);
  field.graph().mutable_initializer(0)->set_data_type(TensorProto::INT64);
  expectError(ErrorCode::Diagnostics, field, "holds 0 values");
}

TEST(OnnxBadInput, DataTypes) {
  for (auto [type, code] :
       {std::pair(99, ErrorCode::Diagnostics), std::pair(-1, ErrorCode::Diagnostics),
        std::pair(0, ErrorCode::Diagnostics),
        std::pair<int, ErrorCode>(TensorProto::STRING, ErrorCode::Unsupported),
        std::pair<int, ErrorCode>(TensorProto::INT4, ErrorCode::Unsupported)}) {
    Model model;
    model.input("x", {2}, type);
    model.node("Abs", {"x"}, {"y"});
    model.output("y");
    EXPECT_EQ(codeOf(model.bytes()), code) << type;
    Model tensor = absModel();
    tensor.floats("w", {1}, {1}).set_data_type(type);
    EXPECT_EQ(codeOf(tensor.bytes()), code) << type;
  }
}

// -- Nesting and number ---------------------------------------------------------------------------

/// `inner` as field `number`, length-delimited.
std::string wrapped(int number, const std::string &inner) {
  std::string bytes;
  auto varint = [&](uint64_t value) {
    for (; value >= 0x80; value >>= 7)
      bytes += static_cast<char>(value | 0x80);
    bytes += static_cast<char>(value);
  };
  varint(static_cast<uint64_t>(number) << 3 | 2);
  varint(inner.size());
  return bytes + inner;
}

TEST(OnnxBadInput, NestingOfTenThousand) {
  std::string graphs, types;
  for (int i = 0; i < 10000;
       ++i) { // A graph in an attribute of a node of a graph; a sequence of ...
    graphs = wrapped(1, wrapped(5, wrapped(6, graphs)));
    types = wrapped(4, wrapped(1, types));
  }
  EXPECT_EQ(codeOf(wrapped(7, graphs)), ErrorCode::Limit);
  EXPECT_EQ(codeOf(wrapped(7, wrapped(11, wrapped(2, types)))), ErrorCode::Limit);
}

TEST(OnnxBadInput, ManyNodesAndFields) {
  std::string nodes, fields;
  for (int i = 0; i < 2000; ++i)
    nodes += wrapped(1, "");
  OnnxOptions options;
  options.limits.nodes = 1000;
  EXPECT_EQ(codeOf(wrapped(7, nodes), options), ErrorCode::Limit);
  options = {};
  options.limits.fields = 1000;
  EXPECT_EQ(codeOf(wrapped(7, nodes), options), ErrorCode::Limit);
  options = {};
  options.limits.fileBytes = 1000;
  EXPECT_EQ(codeOf(wrapped(7, nodes), options), ErrorCode::Limit);
}

TEST(OnnxBadInput, Functions) {
  auto calling = [](const std::string &name) {
    Model model;
    model.import("local", 1);
    model.input("x", {2});
    model.node(name, {"x"}, {"y"}).set_domain("local");
    model.output("y");
    return model;
  };
  auto addCall = [](Model &model, const std::string &name, const std::string &callee, int times) {
    proto::FunctionProto &function = model.function(name, {"a0"}, {"a" + std::to_string(times)});
    for (int i = 0; i < times; ++i) {
      proto::NodeProto &node = *function.add_node();
      Model::fill(node, callee, {"a" + std::to_string(i)}, {"a" + std::to_string(i + 1)});
      if (callee != "Abs")
        node.set_domain("local");
    }
  };
  Model cycle = calling("f");
  addCall(cycle, "f", "g", 1);
  addCall(cycle, "g", "f", 1);
  expectError(ErrorCode::Diagnostics, cycle, "calls itself");
  Model deep = calling("f0");
  for (int i = 0; i < 70; ++i)
    addCall(deep, "f" + std::to_string(i), i == 69 ? "Abs" : "f" + std::to_string(i + 1), 1);
  expectError(ErrorCode::Limit, deep, "nest more than 64");
  Model wide = calling("f0"); // 4^30 nodes when expanded.
  for (int i = 0; i < 30; ++i)
    addCall(wide, "f" + std::to_string(i), i == 29 ? "Abs" : "f" + std::to_string(i + 1), 4);
  OnnxOptions options;
  options.limits.nodes = 5000;
  EXPECT_EQ(codeOf(wide.bytes(), options), ErrorCode::Limit);
  Model undefined = calling("f");
  undefined.function("f", {"a"}, {"b"});
  expectError(ErrorCode::Diagnostics, undefined, "does not define its output 'b'");
}

TEST(OnnxBadInput, AttackOnTimeAndMemory) {
  auto start = std::chrono::steady_clock::now();
  constexpr int64_t huge = int64_t{1} << 40;
  Model slice;
  slice.input("x", {huge});
  for (auto [name, value] : {std::pair("start", -1), std::pair("step", -1)})
    slice.ints(name, {value});
  slice.ints("end", {std::numeric_limits<int64_t>::min()});
  slice.ints("axis", {0});
  slice.node("Slice", {"x", "start", "end", "axis", "step"}, {"y"});
  slice.output("y");
  EXPECT_TRUE(isRefusal(codeOf(slice.bytes())));
  Model pad;
  pad.input("x", {2});
  pad.ints("pads", {huge, huge});
  proto::AttributeProto &mode = *pad.node("Pad", {"x", "pads"}, {"y"}).add_attribute();
  mode.set_name("mode");
  mode.set_type(proto::AttributeProto::STRING);
  mode.set_s("reflect");
  pad.output("y");
  EXPECT_EQ(codeOf(pad.bytes()), ErrorCode::Unsupported);
  Model expand;
  expand.input("x", {1});
  expand.ints("shape", {huge, huge, huge});
  expand.node("Expand", {"x", "shape"}, {"y"});
  expand.output("y");
  EXPECT_TRUE(isRefusal(codeOf(expand.bytes())));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
}

// -- External data --------------------------------------------------------------------------------

class OnnxExternal : public ::testing::Test {
protected:
  /// Imports a model whose initializer of 2 floats lies in a file; what comes out.
  ErrorCode load(const std::string &location, const std::string &offset = "",
                 const std::string &length = "") {
    Model model = absModel();
    TensorProto &tensor = model.floats("w", {2}, {});
    tensor.set_data_location(TensorProto::EXTERNAL);
    auto set = [&](const std::string &key, const std::string &value) {
      proto::StringStringEntryProto &entry = *tensor.add_external_data();
      entry.set_key(key);
      entry.set_value(value);
    };
    set("location", location);
    if (!offset.empty())
      set("offset", offset);
    if (!length.empty())
      set("length", length);
    try {
      importOnnx(folder.write("model/model.onnx", model.bytes()));
    } catch (const Error &error) {
      return error.code();
    }
    return ErrorCode::Ok;
  }
  void SetUp() override {
    fs::create_directories(folder / "model/sub");
    folder.write("outside.bin", "12345678");
    folder.write("model/inside.bin", "12345678");
    folder.write("model/sub/deeper.bin", "xx12345678");
  }
  Folder folder;
};

TEST_F(OnnxExternal, FilesInTheFolder) {
  EXPECT_EQ(load("inside.bin"), ErrorCode::Ok);
  EXPECT_EQ(load("inside.bin", "0", "8"), ErrorCode::Ok);
  EXPECT_EQ(load("sub/deeper.bin", "2"), ErrorCode::Ok);
  EXPECT_EQ(load("missing.bin"), ErrorCode::FileAccess);
}

TEST_F(OnnxExternal, OffsetAndLength) {
  EXPECT_EQ(load("inside.bin", "1"), ErrorCode::Diagnostics);
  EXPECT_EQ(load("inside.bin", "0", "7"), ErrorCode::Diagnostics);
  EXPECT_EQ(load("inside.bin", "1", "8"), ErrorCode::Diagnostics);
  EXPECT_EQ(load("inside.bin", "-8", "8"), ErrorCode::Diagnostics);
  EXPECT_EQ(load("inside.bin", "9223372036854775807", "8"), ErrorCode::Diagnostics);
  EXPECT_EQ(load("inside.bin", "99999999999999999999", "8"), ErrorCode::Diagnostics);
  EXPECT_EQ(load("inside.bin", "0", "9223372036854775807"), ErrorCode::Diagnostics);
  EXPECT_EQ(load("inside.bin", "zero"), ErrorCode::Diagnostics);
}

TEST_F(OnnxExternal, PathsThatLeave) {
  for (const char *path : {"../outside.bin", "sub/../../outside.bin", "/etc/passwd", "", ".", "..",
                           "sub/../inside.bin", "./inside.bin", "sub//deeper.bin", "inside.bin/"})
    EXPECT_EQ(load(path), ErrorCode::Diagnostics) << path;
  EXPECT_EQ(load((folder / "outside.bin").string()), ErrorCode::Diagnostics);
  EXPECT_EQ(load(std::string("inside.bin\0/../x", 16)), ErrorCode::Diagnostics);
}

TEST_F(OnnxExternal, LinksAndOtherFiles) {
  fs::create_symlink("../outside.bin", folder / "model/link.bin");
  fs::create_symlink("inside.bin", folder / "model/inner.bin");
  fs::create_directory_symlink("..", folder / "model/up");
  fs::create_hard_link(folder / "outside.bin", folder / "model/hard.bin");
  ASSERT_EQ(mkfifo((folder / "model/pipe").c_str(), 0600), 0);
  for (const char *path : {"link.bin", "inner.bin", "up/outside.bin", "hard.bin", "pipe", "sub"})
    EXPECT_EQ(load(path), ErrorCode::FileAccess) << path;
}

TEST_F(OnnxExternal, BothWaysOfOpeningAgree) {
  fs::create_symlink("inside.bin", folder / "model/link.bin");
  fs::create_directory_symlink("sub", folder / "model/alias");
  int root = open((folder / "model").c_str(), O_PATH | O_DIRECTORY);
  ASSERT_GE(root, 0);
  int plain = onnx::openConfined(root, "inside.bin", onnx::OpenWay::OpenAt2);
  bool hasOpenAt2 = plain >= 0 || errno != ENOSYS;
  if (plain >= 0)
    close(plain);
  for (auto [path, opens] : {std::pair("inside.bin", true), std::pair("sub/deeper.bin", true),
                             std::pair("link.bin", false), std::pair("alias/deeper.bin", false),
                             std::pair("../outside.bin", false), std::pair("missing", false)})
    for (onnx::OpenWay way : {onnx::OpenWay::OpenAt2, onnx::OpenWay::PartByPart}) {
      if (way == onnx::OpenWay::OpenAt2 && !hasOpenAt2)
        continue;
      int descriptor = onnx::openConfined(root, path, way);
      EXPECT_EQ(descriptor >= 0, opens) << path << ", way " << static_cast<int>(way);
      if (descriptor >= 0)
        close(descriptor);
    }
  close(root);
}

} // namespace
} // namespace sinter::onnxtest
