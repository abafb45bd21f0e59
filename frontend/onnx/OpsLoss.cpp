// SPDX-License-Identifier: Apache-2.0
#include "sinter/frontend/onnx/OpsCommon.h"

namespace sinter::onnx {

namespace {

/// The negative log-likelihood of `target` [N, d...] under `logProb` [N, C, d...], weighted and
/// reduced as inputs 2 and the attributes say. Ignored targets may be any number.
Tensor likelihoodLoss(Node &node, const Tensor &logProb, const Tensor &target) {
  static constexpr std::string_view reductions[] = {"mean", "sum", "none"};
  size_t reduction = node.choiceAttribute("reduction", reductions, "mean");
  int64_t rank = logProb.rank();

  Tensor index = target, ignored;
  if (node.hasAttribute("ignore_index")) {
    ignored = equal(target, node.intAttribute("ignore_index"));
    index = where(ignored, 0, target);
  }
  // The classes last, where pick() looks for them.
  std::vector<int64_t> order = axisRange(0, rank);
  order.erase(order.begin() + 1);
  order.push_back(1);
  Tensor loss = -logProb.transpose(order).pick(index);

  Tensor weight;
  if (node.has(2))
    weight = node.input(2).cast(loss.dtype()).gatherRows(index);
  else if (ignored.defined())
    weight = onesLike(loss);
  if (ignored.defined()) {
    loss = where(ignored, 0, loss);
    weight = where(ignored, 0, weight);
  }
  if (weight.defined())
    loss = loss * weight;
  switch (reduction) {
  case 0:
    return weight.defined() ? loss.sum() / weight.sum() : loss.mean();
  case 1:
    return loss.sum();
  default:
    return loss;
  }
}

void requireLabels(Node &node, const Tensor &scores, const Tensor &target) {
  requireRank(node, scores, 2, "a table of classes");
  if (target.dtype() != i32 && target.dtype() != i64)
    node.invalid("labels are i32 or i64, not " + target.str());
  if (target.rank() != scores.rank() - 1)
    node.invalid("labels " + target.str() + " for scores " + scores.str());
}

void importNegativeLogLikelihoodLoss(Node &node) {
  Tensor x = floatInput(node, 0), target = node.input(1);
  requireLabels(node, x, target);
  node.output(0, likelihoodLoss(node, x.cast(computeDType(x.dtype())), target).cast(x.dtype()));
}

void importSoftmaxCrossEntropyLoss(Node &node) {
  Tensor x = floatInput(node, 0), target = node.input(1);
  requireLabels(node, x, target);
  Tensor logProb = logSoftmax(x.cast(computeDType(x.dtype())), 1);
  node.output(0, likelihoodLoss(node, logProb, target).cast(x.dtype()));
  if (node.wants(1))
    node.output(1, logProb.cast(x.dtype()));
}

constexpr OpHandler handlers[] = {
    {"NegativeLogLikelihoodLoss", 12, importNegativeLogLikelihoodLoss},
    {"SoftmaxCrossEntropyLoss", 12, importSoftmaxCrossEntropyLoss},
};

} // namespace

std::span<const OpHandler> lossHandlers() { return handlers; }

} // namespace sinter::onnx
