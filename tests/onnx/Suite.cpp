// SPDX-License-Identifier: Apache-2.0
#include "tests/onnx/Suite.h"

#include "sinter/frontend/onnx/ModelFile.h"

#include "sinter/frontend/onnx/onnx-ml.pb.h"

#include <algorithm>
#include <fstream>
#include <set>

namespace fs = std::filesystem;

namespace sinter::onnxsuite {
namespace {

using proto::TensorProto;

const std::set<int> coreTypes = {TensorProto::FLOAT, TensorProto::INT32, TensorProto::INT64,
                                 TensorProto::BOOL};
const std::set<int> wideTypes = {TensorProto::FLOAT, TensorProto::INT32,    TensorProto::INT64,
                                 TensorProto::BOOL,  TensorProto::DOUBLE,   TensorProto::FLOAT16,
                                 TensorProto::UINT8, TensorProto::BFLOAT16, TensorProto::INT8};

struct Facts {
  std::set<int> types;
  bool special = false; ///< A named size, a subgraph, something that is no tensor, a preview.

  void add(const proto::ValueInfoProto &info) {
    special |= !info.type().has_tensor_type();
    const proto::TypeProto_Tensor &type = info.type().tensor_type();
    types.insert(type.elem_type());
    special |= !type.has_shape();
    for (const proto::TensorShapeProto_Dimension &dim : type.shape().dim())
      special |= !dim.has_dim_value();
  }
};

Facts factsOf(const proto::ModelProto &model) {
  Facts facts;
  for (const auto *list :
       {&model.graph().input(), &model.graph().output(), &model.graph().value_info()})
    for (const proto::ValueInfoProto &info : *list)
      facts.add(info);
  for (const TensorProto &tensor : model.graph().initializer())
    facts.types.insert(tensor.data_type());
  for (const proto::NodeProto &node : model.graph().node())
    for (const proto::AttributeProto &attribute : node.attribute()) {
      facts.special |= attribute.has_g() || attribute.graphs_size() > 0;
      if (attribute.has_t())
        facts.types.insert(attribute.t().data_type());
    }
  for (const proto::OperatorSetIdProto &entry : model.opset_import())
    facts.special |= entry.domain() == "ai.onnx.preview";
  return facts;
}

Case describe(const std::string &name, const fs::path &file) {
  Case result;
  result.name = name;
  result.model = file;
  proto::ModelProto model = onnx::readModel(file, {});
  Facts facts = factsOf(model);
  auto within = [&](const std::set<int> &allowed) {
    return !facts.special &&
           std::includes(allowed.begin(), allowed.end(), facts.types.begin(), facts.types.end());
  };
  result.kind = within(coreTypes) ? Class::Core : within(wideTypes) ? Class::Wide : Class::Other;
  if (model.graph().node_size() == 1) {
    const proto::NodeProto &node = model.graph().node(0);
    result.op = (node.domain().empty() ? "" : node.domain() + ".") + node.op_type();
  } else {
    result.op = "(several nodes)";
  }
  return result;
}

} // namespace

std::vector<Case> findCases(const fs::path &root, const std::string &filter) {
  std::vector<Case> cases;
  for (const fs::directory_entry &entry : fs::directory_iterator(root)) {
    const fs::path &path = entry.path();
    if (path.filename().string().find(filter) == std::string::npos)
      continue;
    if (path.extension() == ".onnx")
      cases.push_back(describe(path.stem().string(), path));
    else if (fs::exists(path / "model.onnx"))
      cases.push_back(describe(path.filename().string(), path / "model.onnx"));
  }
  std::sort(cases.begin(), cases.end(),
            [](const Case &a, const Case &b) { return a.name < b.name; });
  return cases;
}

std::vector<Case> sampleOf(const std::vector<Case> &cases, size_t count) {
  if (count == 0 || count >= cases.size())
    return cases;
  std::vector<Case> sample;
  for (size_t i = 0; i < count; ++i)
    sample.push_back(cases[i * cases.size() / count]);
  return sample;
}

std::map<std::string, std::string> readExpectedFailures(const fs::path &file) {
  std::map<std::string, std::string> expected;
  std::ifstream in(file);
  if (!in)
    throw Error({.code = ErrorCode::FileAccess}, "cannot read " + file.string());
  for (std::string line; std::getline(in, line);) {
    line.erase(std::min(line.find('#'), line.size()));
    size_t colon = line.find(": ");
    if (line.find_first_not_of(" \t\r") == std::string::npos)
      continue;
    if (colon == std::string::npos)
      throw Error(file.string() + ": '" + line + "' is not 'name: reason'");
    expected.emplace(line.substr(0, colon), line.substr(colon + 2));
  }
  return expected;
}

} // namespace sinter::onnxsuite
