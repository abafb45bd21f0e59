// SPDX-License-Identifier: Apache-2.0
#include "tools/graph-compile/EmitOnnx.h"

#include "tools/support/CommandLine.h"

#include "sinter/frontend/onnx/Export.h"
#include "sinter/ir/base/ArrayFiles.h"

#include <iostream>

namespace sinter::tools {

void emitOnnx(const Graph &graph, const CompileRequest &request) {
  if (!request.shapes.empty())
    failUsage("--emit=onnx takes sizes as --dim NAME=SIZE, not as --shape");
  OnnxExportOptions options;
  if (!request.name.empty())
    options.name = request.name;
  for (const std::string &text : request.dims) {
    auto [name, size] = parseAssignment("--dim", text, "NAME=SIZE");
    options.dims[name] = parseNumber("--dim", size);
  }
  if (!request.params.empty())
    options.values = readArrays(request.params);
  if (request.output == "-") {
    std::cout << exportOnnx(graph, options) << std::flush;
    return;
  }
  std::filesystem::path path = request.output;
  if (path.empty())
    path = (request.input == "-" ? "graph" : std::filesystem::path(request.input).stem().string()) +
           ".onnx";
  requireInputsKept(request, path);
  exportOnnx(graph, path, options);
}

} // namespace sinter::tools
