// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tools/graph-compile/Emit.h"

#include "sinter/frontend/Graph.h"

namespace sinter::tools {

/// Writes the graph as an ONNX model, with the values of --params. Throws Error.
void emitOnnx(const Graph &graph, const CompileRequest &request);

} // namespace sinter::tools
