// SPDX-License-Identifier: Apache-2.0
// Small ONNX models for tests, and where to put them.
#pragma once

#include "sinter/frontend/onnx/Onnx.h"

#include "sinter/frontend/onnx/onnx-ml.pb.h"

#include <filesystem>
#include <fstream>
#include <string>
#include <unistd.h>
#include <vector>

namespace sinter::onnxtest {

/// A folder that disappears with the object.
class Folder {
public:
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "sinter-onnx-XXXXXX").string();
    path = mkdtemp(pattern.data());
  }
  ~Folder() { std::filesystem::remove_all(path); }
  Folder(const Folder &) = delete;
  Folder &operator=(const Folder &) = delete;
  std::filesystem::path operator/(const std::string &name) const { return path / name; }
  std::filesystem::path write(const std::string &name, const std::string &bytes) const {
    std::ofstream(path / name, std::ios::binary) << bytes;
    return path / name;
  }
  std::filesystem::path path;
};

/// Builds a model of one graph.
struct Model {
  proto::ModelProto proto;

  explicit Model(int64_t opset = 20) {
    proto.set_ir_version(10);
    import("", opset);
  }
  proto::GraphProto &graph() { return *proto.mutable_graph(); }
  void import(const std::string &domain, int64_t version) {
    proto::OperatorSetIdProto &entry = *proto.add_opset_import();
    entry.set_domain(domain);
    entry.set_version(version);
  }
  static void declare(proto::ValueInfoProto &info, const std::string &name,
                      const std::vector<int64_t> &sizes, int type = proto::TensorProto::FLOAT) {
    info.set_name(name);
    proto::TypeProto_Tensor &tensor = *info.mutable_type()->mutable_tensor_type();
    tensor.set_elem_type(type);
    tensor.mutable_shape();
    for (int64_t size : sizes)
      tensor.mutable_shape()->add_dim()->set_dim_value(size);
  }
  void input(const std::string &name, const std::vector<int64_t> &sizes,
             int type = proto::TensorProto::FLOAT) {
    declare(*graph().add_input(), name, sizes, type);
  }
  void output(const std::string &name) {
    graph().add_output()->set_name(name);
    graph().mutable_output(graph().output_size() - 1)->mutable_type()->mutable_tensor_type();
  }
  proto::NodeProto &node(const std::string &op, const std::vector<std::string> &inputs,
                         const std::vector<std::string> &outputs) {
    return fill(*graph().add_node(), op, inputs, outputs);
  }
  static proto::NodeProto &fill(proto::NodeProto &node, const std::string &op,
                                const std::vector<std::string> &inputs,
                                const std::vector<std::string> &outputs) {
    node.set_op_type(op);
    for (const std::string &name : inputs)
      node.add_input(name);
    for (const std::string &name : outputs)
      node.add_output(name);
    return node;
  }
  proto::TensorProto &floats(const std::string &name, const std::vector<int64_t> &sizes,
                             const std::vector<float> &values) {
    proto::TensorProto &tensor = *graph().add_initializer();
    tensor.set_name(name);
    tensor.set_data_type(proto::TensorProto::FLOAT);
    for (int64_t size : sizes)
      tensor.add_dims(size);
    for (float value : values)
      tensor.add_float_data(value);
    return tensor;
  }
  proto::TensorProto &ints(const std::string &name, const std::vector<int64_t> &values) {
    proto::TensorProto &tensor = *graph().add_initializer();
    tensor.set_name(name);
    tensor.set_data_type(proto::TensorProto::INT64);
    tensor.add_dims(static_cast<int64_t>(values.size()));
    for (int64_t value : values)
      tensor.add_int64_data(value);
    return tensor;
  }
  static void setInt(proto::NodeProto &node, const std::string &name, int64_t value) {
    proto::AttributeProto &attribute = *node.add_attribute();
    attribute.set_name(name);
    attribute.set_type(proto::AttributeProto::INT);
    attribute.set_i(value);
  }
  proto::FunctionProto &function(const std::string &name, const std::vector<std::string> &inputs,
                                 const std::vector<std::string> &outputs) {
    proto::FunctionProto &function = *proto.add_functions();
    function.set_name(name);
    function.set_domain("local");
    for (const std::string &input : inputs)
      function.add_input(input);
    for (const std::string &output : outputs)
      function.add_output(output);
    proto::OperatorSetIdProto &entry = *function.add_opset_import();
    entry.set_version(20);
    return function;
  }
  std::string bytes() const { return proto.SerializeAsString(); }
};

/// x -> Abs -> y.
inline Model absModel() {
  Model model;
  model.input("x", {2, 3});
  model.node("Abs", {"x"}, {"y"}).set_name("first");
  model.output("y");
  return model;
}

} // namespace sinter::onnxtest
