// SPDX-License-Identifier: Apache-2.0
// Elements at positions that are data.
#include "sinter/frontend/onnx/Node.h"
#include "sinter/frontend/onnx/OpsCommon.h"

namespace sinter::onnx {

static void importWhere(Node &node) {
  Tensor condition = node.input(0), a = node.input(1), b = node.input(2);
  node.output(0, where(condition, a, b));
}

std::span<const OpHandler> indexHandlers() {
  static constexpr OpHandler table[] = {
      {"Where", 9, importWhere},
  };
  return table;
}

} // namespace sinter::onnx
