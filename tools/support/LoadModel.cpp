// SPDX-License-Identifier: Apache-2.0
#include "tools/support/LoadModel.h"

#include "sinter/frontend/onnx/Onnx.h"

#include <algorithm>
#include <iostream>

namespace sinter::tools {

LoadedModel loadModel(const std::string &path, const ArrayMap &values,
                      std::optional<uint64_t> seed) {
  if (!path.ends_with(".onnx"))
    return {Graph::load(path), {}, {}};
  OnnxModel model = importOnnx(path, {.values = values, .seed = seed});
  LoadedModel loaded{model.graph, model.fixedInputs, {}};
  // The arguments are the inputs that are not fixed, in the same order.
  std::vector<Argument> arguments = model.graph.arguments();
  size_t next = 0;
  for (const std::string &name : model.inputs) {
    bool isFixed = std::find(model.fixedInputs.begin(), model.fixedInputs.end(), name) !=
                   model.fixedInputs.end();
    if (!isFixed && arguments.at(next++).name != name)
      loaded.renamed.emplace_back(name, arguments[next - 1].name);
  }
  return loaded;
}

void reportFixedInputs(const LoadedModel &model) {
  for (const std::string &name : model.fixedInputs)
    std::cerr << "note: sizes depend on the input '" << name
              << "': it is fixed to the given value\n";
}

} // namespace sinter::tools
