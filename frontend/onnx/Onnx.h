// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/frontend/Graph.h"
#include "sinter/ir/base/Array.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#pragma GCC visibility push(default)
namespace sinter {

/// What an ONNX model may ask for. Exceeding a limit throws Error with ErrorCode::Limit.
struct OnnxLimits {
  int64_t fileBytes = (int64_t{2} << 30) - 1; ///< Of the model file; protobuf cannot hold more.
  int64_t externalBytes = int64_t{64} << 30;  ///< Of all external data together.
  int64_t nodes = 1'000'000;                  ///< After functions are expanded.
  int64_t fields = 16'000'000;                ///< Of the messages in the file.
  int64_t rank = 16;
  int64_t elements = int64_t{1} << 40; ///< Of one tensor.
  int64_t messageDepth = 96;           ///< Nesting of messages in the file.
  int64_t functionDepth = 64;          ///< Nesting of function calls.
};

struct OnnxOptions {
  /// Values of inputs. One is used only when a size, or the form of the graph, depends on it: that
  /// input then becomes a constant.
  ArrayMap values = {};
  /// Where the model draws random numbers: they follow from this seed, and are the same at every
  /// call of the graph. Without a seed such models are unsupported.
  std::optional<uint64_t> seed = {};
  OnnxLimits limits = {};
};

struct OnnxModel {
  Graph graph;
  /// Inputs that became constants because something depends on their values (see
  /// OnnxOptions::values).
  std::vector<std::string> fixedInputs = {};
  /// The names of inputs and outputs as the model has them, in its order. In `graph` a character
  /// that Sinter's names cannot have is '_'.
  std::vector<std::string> inputs = {}, outputs = {};
};

/// Reads an ONNX model: opsets 1 to 27, IR versions up to 13, external data beside the model.
/// Functions of the model are expanded; initializers become constants; the location of an op is the
/// model's file with the position of the node, and its scope is the node's name. Throws Error:
/// FileAccess for the file system, Diagnostics for a malformed or invalid model, Unsupported for
/// what Sinter lacks (with op, domain, version and node), Limit.
OnnxModel importOnnx(const std::filesystem::path &path, const OnnxOptions &options = {});

} // namespace sinter
#pragma GCC visibility pop
