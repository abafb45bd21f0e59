// SPDX-License-Identifier: Apache-2.0
#include "sinter/frontend/nn/Activation.h"
#include "sinter/frontend/onnx/OpsCommon.h"

#include <functional>

namespace sinter::onnx {

namespace {

// -- Elementwise ----------------------------------------------------------------------------------

void importCelu(Node &node) {
  node.output(0, celu(floatInput(node, 0), node.floatAttribute("alpha", 1.0)));
}

void importElu(Node &node) {
  node.output(0, elu(floatInput(node, 0), node.floatAttribute("alpha", 1.0)));
}

void importSelu(Node &node) {
  double alpha = node.floatAttribute("alpha", 1.67326319217681884765625);
  double gamma = node.floatAttribute("gamma", 1.05070102214813232421875);
  node.output(0, gamma * elu(floatInput(node, 0), alpha));
}

void importHardSigmoid(Node &node) {
  double alpha = node.floatAttribute("alpha", 0.2);
  double beta = node.floatAttribute("beta", 0.5);
  node.output(0, hardSigmoid(floatInput(node, 0), alpha, beta));
}

void importHardSwish(Node &node) { node.output(0, hardSwish(floatInput(node, 0))); }

void importMish(Node &node) { node.output(0, mish(floatInput(node, 0))); }

void importPRelu(Node &node) {
  Tensor x = node.input(0);
  Tensor slope = node.input(1).broadcastTo(x.shape());
  node.output(0, where(x < 0, x * slope, x));
}

void importShrink(Node &node) {
  Tensor x = floatInput(node, 0);
  double lambd = node.floatAttribute("lambd", 0.5);
  double bias = node.floatAttribute("bias", 0.0);
  node.output(0, where(x < -lambd, x + bias, where(x > lambd, x - bias, 0)));
}

void importSoftplus(Node &node) { node.output(0, softplus(floatInput(node, 0))); }

void importSoftsign(Node &node) { node.output(0, softsign(floatInput(node, 0))); }

void importSwish(Node &node) {
  node.output(0, swish(floatInput(node, 0), node.floatAttribute("alpha", 1.0)));
}

void importThresholdedRelu(Node &node) {
  node.output(0, thresholdedRelu(floatInput(node, 0), node.floatAttribute("alpha", 1.0)));
}

void importGelu(Node &node) {
  static constexpr std::string_view forms[] = {"none", "tanh"};
  bool tanhForm = node.choiceAttribute("approximate", forms, "none") == 1;
  node.output(0, gelu(floatInput(node, 0), tanhForm ? Gelu::Tanh : Gelu::Erf));
}

void importLeakyRelu(Node &node) {
  node.output(0, leakyRelu(floatInput(node, 0), node.floatAttribute("alpha", 0.01)));
}

// -- Along an axis --------------------------------------------------------------------------------

/// Since opset 13 these work along one axis (the last by default); before, on the matrix that has
/// the axes before `axis` (1 by default) as rows and all others as columns.
void alongRows(Node &node, const std::function<Tensor(const Tensor &x, int64_t axis)> &function) {
  Tensor x = node.input(0);
  if (node.opset() >= 13) {
    node.output(0, function(x, node.axis(node.intAttribute("axis", -1), x.rank())));
    return;
  }
  int64_t axis = node.intAttribute("axis", 1);
  if (axis != x.rank())
    axis = node.axis(axis, x.rank());
  DimExpr rows = 1, columns = 1;
  for (int64_t i = 0; i < x.rank(); ++i)
    (i < axis ? rows : columns) *= x.size(i);
  node.output(0, function(x.reshape({rows, columns}), 1).reshape(x.shape()));
}

void importSoftmax(Node &node) {
  floatInput(node, 0);
  alongRows(node, [](const Tensor &x, int64_t axis) { return softmax(x, axis); });
}

void importLogSoftmax(Node &node) {
  floatInput(node, 0);
  alongRows(node, [](const Tensor &x, int64_t axis) { return logSoftmax(x, axis); });
}

void importHardmax(Node &node) {
  floatInput(node, 0);
  alongRows(node, [&](const Tensor &x, int64_t axis) {
    Tensor positions = node.graph().iota(i64, x.shape(), axis);
    return equal(positions, x.argmax(axis, /*keepDims=*/true)).cast(x.dtype());
  });
}

constexpr OpHandler handlers[] = {
    {"Celu", 12, importCelu},
    {"Elu", 6, importElu},
    {"Gelu", 20, importGelu},
    {"HardSigmoid", 6, importHardSigmoid},
    {"HardSwish", 14, importHardSwish},
    {"Hardmax", 1, importHardmax},
    {"LeakyRelu", 6, importLeakyRelu},
    {"LogSoftmax", 1, importLogSoftmax},
    {"Mish", 18, importMish},
    {"PRelu", 7, importPRelu},
    {"Selu", 6, importSelu},
    {"Shrink", 9, importShrink},
    {"Softmax", 1, importSoftmax},
    {"Softplus", 1, importSoftplus},
    {"Softsign", 1, importSoftsign},
    {"Swish", 24, importSwish},
    {"ThresholdedRelu", 10, importThresholdedRelu},
};

} // namespace

std::span<const OpHandler> activationHandlers() { return handlers; }

} // namespace sinter::onnx
