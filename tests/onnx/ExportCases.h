// SPDX-License-Identifier: Apache-2.0
// The op table as graphs to export, with inputs.
#pragma once

#include "tests/ops/Row.h"

#include "sinter/frontend/Graph.h"
#include "sinter/ir/base/Array.h"

namespace sinter::onnxtest {

struct ExportCase {
  Graph graph;
  ArrayMap inputs;
  ArrayMap values = {}; ///< Of parameters.
  double tolerance = 0; ///< Relative, and absolute below 1.
};

/// All cases of a row in one graph, as the op table's own test has them.
ExportCase exportCase(const ops::Row &row, DType dtype);

/// One dtype, those of 16 bits, and two integers, where there are.
std::vector<DType> exportDTypes(const ops::Row &row);

/// Whole networks, with batches of a named size.
std::vector<std::pair<std::string, ExportCase>> exportNetworks();

/// Functions that become several operators, at zeros, infinities and NaN.
ExportCase exportSpecialValues();

/// What exportOnnx() may refuse: ops that ONNX has no operators for.
bool hasNoOnnxForm(const std::string &op, DType dtype);

} // namespace sinter::onnxtest
