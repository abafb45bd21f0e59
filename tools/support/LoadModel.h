// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/frontend/Graph.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sinter::tools {

/// A graph that came from a file.
struct LoadedModel {
  Graph graph;
  /// For an ONNX model: its inputs that became constants, because sizes depend on their values.
  std::vector<std::string> fixedInputs;
  /// For an ONNX model: names of inputs that differ, and what they are called in the graph.
  std::vector<std::pair<std::string, std::string>> renamed;
};

/// Reads an ONNX model (.onnx), or a graph as text (else; - is standard input). `values` are those
/// that the user gave for inputs; an ONNX model may need some to fix sizes, and a
/// `seed` where it draws random numbers.
LoadedModel loadModel(const std::string &path, const ArrayMap &values = {},
                      std::optional<uint64_t> seed = {});

/// Tells on stderr which inputs are fixed.
void reportFixedInputs(const LoadedModel &model);

} // namespace sinter::tools
