// SPDX-License-Identifier: Apache-2.0
#include "tools/support/LoadModel.h"

#include "sinter/frontend/onnx/Onnx.h"

#include <algorithm>
#include <iostream>

namespace sinter::tools {

namespace {

/// compile() refuses such a graph at the line that calls it, which here is not the user's.
void requireResults(const Graph &graph, const std::string &path) {
  if (graph.results().empty())
    throw Error({.kind = ErrorKind::User},
                "'" + path + "': the graph has no outputs and no updates");
}

} // namespace

LoadedModel loadModel(const std::string &path, const ArrayMap &values,
                      std::optional<uint64_t> seed) {
  if (!path.ends_with(".onnx")) {
    LoadedModel loaded{Graph::load(path), {}, {}};
    requireResults(loaded.graph, path);
    return loaded;
  }
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
  requireResults(loaded.graph, path);
  return loaded;
}

void reportFixedInputs(const LoadedModel &model) {
  for (const std::string &name : model.fixedInputs)
    std::cerr << "note: sizes depend on the input '" << name
              << "': it is fixed to the given value\n";
}

} // namespace sinter::tools
