// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/frontend/Graph.h"
#include "sinter/ir/base/Array.h"

#include <filesystem>
#include <string>
#include <vector>

#pragma GCC visibility push(default)
namespace sinter {

struct OnnxExportOptions {
  /// What the model computes; empty: the graph's named outputs. Updates are not exported.
  std::vector<Tensor> outputs = {};
  /// Values of the parameters and state that the outputs need, by name (State::values(),
  /// readArrays()): they become initializers. Others in it are not looked at.
  ArrayMap values = {};
  /// Sizes for named dims that shall be fixed; the others stay named.
  DimBinding dims = {};
  /// Name of the model's graph.
  std::string name = "main";
};

/// The graph as an ONNX model of opset 20 (IR version 9), for inference: placeholders are its
/// inputs, in their order, with named dims as dim_param. Ops become the operators of ONNX that mean
/// the same, or several of them; no operator leaves the main domain. Throws Error: Unsupported,
/// with the user's line, for an op that ONNX has no form for (derivatives, random bits, some
/// functions), User where a value is missing or does not fit, Limit above 2 GiB.
///
/// What ONNX leaves open is open in the model: indices out of range, floats cast to integers that
/// do not hold them, NaN in argmax and in sorting, and which of several updates to one place wins.
std::string exportOnnx(const Graph &graph, const OnnxExportOptions &options = {});
/// Writes it to a temporary name beside `path`, syncs, renames.
void exportOnnx(const Graph &graph, const std::filesystem::path &path,
                const OnnxExportOptions &options = {});

} // namespace sinter
#pragma GCC visibility pop
