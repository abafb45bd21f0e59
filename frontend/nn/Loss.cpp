// SPDX-License-Identifier: Apache-2.0
#include "sinter/frontend/nn/Loss.h"

#include "sinter/frontend/Composite.h"
#include "sinter/frontend/CompositeCall.h"
#include "sinter/frontend/nn/Activation.h"

#include <cmath>

namespace sinter {

static Tensor reduced(const CompositeCall &c, const Tensor &values, Reduction reduction) {
  if (reduction == Reduction::None)
    return values;
  Tensor total = c.widened(values).sum();
  if (reduction == Reduction::Mean)
    total = total / c.sizeOperand(values.shape().numElements(), total.dtype());
  return c.narrowed(total);
}

/// A tensor target has the prediction's shape and dtype.
static void requireTarget(const CompositeCall &c, const Operand &target) {
  c.requireFloat();
  if (!target.isTensor())
    return;
  c.requireSameDType(target.tensor(), "the target");
  if (target.tensor().shape() != c.shape)
    c.fail("prediction and target have different shapes", {c.shape, target.tensor().shape()},
           "broadcasting in a loss is mostly a mistake; use broadcastTo if it is meant");
}

// -- Class labels ---------------------------------------------------------------------------------

/// Checks the labels against scores whose classes are at `axis`.
static void requireLabels(const CompositeCall &c, const Tensor &labels, int64_t axis) {
  c.graph.value(labels, c.call);
  Shape labelShape = labels.shape();
  std::vector<Shape> shapes = {c.shape, labelShape};
  if (!isInteger(labels.dtype()))
    c.fail("labels are integers (i32 or i64), not " + std::string(name(labels.dtype())), shapes,
           "for distributions over the classes use softTargetCrossEntropy");
  std::vector<DimExpr> others = c.shape.vector();
  others.erase(others.begin() + axis);
  if (Shape(others) != labelShape)
    c.fail(axis + 1 == c.shape.rank()
               ? "labels need the sizes of logits without the last"
               : "labels need the sizes of logits without axis " + std::to_string(axis),
           shapes, c.shape == labelShape ? "labels are indices, not one-hot rows" : "");
}

Tensor softmaxCrossEntropy(const Tensor &logits, const Tensor &labels, std::source_location loc) {
  CompositeCall c(logits, "softmaxCrossEntropy", loc);
  c.requireFloat();
  if (c.shape.rank() == 0)
    c.fail("logits need at least one axis");
  requireLabels(c, labels, c.shape.rank() - 1);
  // As in logSoftmax, but nothing of the logits' size is kept: only the label's entry is read.
  Tensor wide = c.widened(logits), largest = wide.max(-1, true).stopGradient();
  Tensor total = (wide - largest).exp().sum(-1);
  return c.narrowed(log(total) - (wide.pick(labels) - largest.reshape(labels.shape())));
}

/// The value of each label from scores whose classes are last: minus the logarithm of its
/// probability, which is the score less `normaliser`.
static Tensor labelLoss(const CompositeCall &c, const Tensor &scores, const Tensor &normaliser,
                        const Tensor &labels, const LabelLossOptions &options) {
  Shape shape = scores.shape();
  DimExpr classes = shape[shape.rank() - 1];
  Tensor kept = options.ignoreIndex ? notEqual(labels, *options.ignoreIndex) : Tensor();
  // An ignored label may lie out of range.
  Tensor index = kept.defined() ? where(kept, labels, 0) : labels;
  auto minusLog = [&](const Tensor &score) {
    return normaliser.defined() ? normaliser - score : -score;
  };
  Tensor loss = minusLog(scores.pick(index));
  Tensor weight = options.weights.defined() ? gatherRows(options.weights, index) : Tensor();
  if (weight.defined())
    loss *= weight;
  if (double smoothing = options.labelSmoothing; smoothing != 0) {
    Tensor every = normaliser.defined() ? normaliser.expandDims(-1) - scores : -scores;
    if (options.weights.defined())
      every *= options.weights;
    loss = (1 - smoothing) * loss + smoothing * every.sum(-1) / c.sizeOperand(classes);
  }
  if (kept.defined())
    loss = where(kept, loss, 0);
  if (options.reduction != Reduction::Mean || (!kept.defined() && !weight.defined()))
    return reduced(c, loss, options.reduction);
  Tensor counted = weight.defined() ? weight : onesLike(loss);
  if (kept.defined())
    counted = where(kept, counted, 0);
  return c.narrowed(c.widened(loss).sum() / c.widened(counted).sum());
}

/// What both losses check; the scores with the classes last.
static Tensor prepareLabelLoss(const CompositeCall &c, const Tensor &scores, const Tensor &labels,
                               const LabelLossOptions &options) {
  c.requireFloat();
  c.requireRank(1);
  int64_t axis = c.axis(options.axis);
  requireLabels(c, labels, axis);
  if (!(options.labelSmoothing >= 0 && options.labelSmoothing <= 1))
    c.fail("the label smoothing must lie in [0, 1], not " + std::to_string(options.labelSmoothing));
  if (options.weights.defined()) {
    c.requireSameDType(options.weights, "the weights");
    if (options.weights.shape() != Shape{c.shape[axis]})
      c.fail("needs one weight per class", {c.shape, options.weights.shape()});
  }
  return moveAxis(scores, axis, -1);
}

Tensor softmaxCrossEntropy(const Tensor &logits, const Tensor &labels,
                           const LabelLossOptions &options, std::source_location loc) {
  CompositeCall c(logits, "softmaxCrossEntropy", loc);
  Tensor scores = prepareLabelLoss(c, logits, labels, options);
  return labelLoss(c, scores, logsumexp(scores, -1), labels, options);
}

Tensor nllLoss(const Tensor &logProbabilities, const Tensor &labels,
               const LabelLossOptions &options, std::source_location loc) {
  CompositeCall c(logProbabilities, "nllLoss", loc);
  Tensor scores = prepareLabelLoss(c, logProbabilities, labels, options);
  return labelLoss(c, scores, Tensor(), labels, options);
}

Tensor softTargetCrossEntropy(const Tensor &logits, const Tensor &target,
                              std::source_location loc) {
  CompositeCall c(logits, "softTargetCrossEntropy", loc);
  c.requireRank(1);
  requireTarget(c, target);
  return -(target * logSoftmax(logits)).sum(-1);
}

// -- Distances ------------------------------------------------------------------------------------

Tensor mse(const Tensor &prediction, const Operand &target, Reduction reduction,
           std::source_location loc) {
  CompositeCall c(prediction, "mse", loc);
  requireTarget(c, target);
  return reduced(c, square(prediction - target), reduction);
}

Tensor l1Loss(const Tensor &prediction, const Operand &target, Reduction reduction,
              std::source_location loc) {
  CompositeCall c(prediction, "l1Loss", loc);
  requireTarget(c, target);
  return reduced(c, abs(prediction - target), reduction);
}

/// 0.5 * d * d up to delta, then delta * (|d| - 0.5 * delta): smooth at 0 and at delta.
static Tensor huberOf(const Tensor &difference, double delta) {
  Tensor held = clamp(difference, -delta, delta);
  return held * (difference - 0.5 * held);
}

Tensor huber(const Tensor &prediction, const Operand &target, double delta, Reduction reduction,
             std::source_location loc) {
  CompositeCall c(prediction, "huber", loc);
  requireTarget(c, target);
  if (!(delta > 0) || std::isinf(delta))
    c.fail("delta must be positive and finite, not " + std::to_string(delta));
  return reduced(c, huberOf(prediction - target, delta), reduction);
}

Tensor smoothL1(const Tensor &prediction, const Operand &target, double beta, Reduction reduction,
                std::source_location loc) {
  CompositeCall c(prediction, "smoothL1", loc);
  requireTarget(c, target);
  if (!(beta >= 0) || std::isinf(beta))
    c.fail("beta must be finite and not negative, not " + std::to_string(beta));
  Tensor difference = prediction - target;
  return reduced(c, beta == 0 ? abs(difference) : huberOf(difference, beta) / beta, reduction);
}

// -- Probabilities --------------------------------------------------------------------------------

Tensor bce(const Tensor &probability, const Operand &target, Reduction reduction,
           std::source_location loc) {
  CompositeCall c(probability, "bce", loc);
  requireTarget(c, target);
  auto boundedLog = [](const Tensor &x) {
    Tensor zero = equal(x, 0);
    return where(zero, -100, log(where(zero, 1, x)));
  };
  Tensor loss = -(target * boundedLog(probability) + (1 - target) * boundedLog(1 - probability));
  return reduced(c, loss, reduction);
}

Tensor bceWithLogits(const Tensor &logits, const Operand &target, const BceOptions &options,
                     std::source_location loc) {
  CompositeCall c(logits, "bceWithLogits", loc);
  requireTarget(c, target);
  // -t * log(sigmoid(x)) * p - (1 - t) * log(1 - sigmoid(x)), with log(sigmoid(x)) = -softplus(-x).
  Tensor loss;
  if (options.positiveWeight.defined()) {
    c.requireSameDType(options.positiveWeight, "the positive weight");
    Tensor weight = options.positiveWeight.broadcastTo(c.shape);
    loss = (1 - target) * logits + (1 + (weight - 1) * target) * softplus(-logits);
  } else {
    loss = (1 - target) * logits + softplus(-logits);
  }
  if (options.weight.defined()) {
    c.requireSameDType(options.weight, "the weight");
    loss *= options.weight.broadcastTo(c.shape);
  }
  return reduced(c, loss, options.reduction);
}

Tensor klDivergence(const Tensor &logPrediction, const Tensor &target, Reduction reduction,
                    std::source_location loc) {
  CompositeCall c(logPrediction, "klDivergence", loc);
  requireTarget(c, target);
  Tensor positive = target > 0;
  Tensor logTarget = log(where(positive, target, 1));
  return reduced(c, where(positive, target * (logTarget - logPrediction), 0), reduction);
}

// -- Margins --------------------------------------------------------------------------------------

Tensor hinge(const Tensor &prediction, const Tensor &target, double margin, Reduction reduction,
             std::source_location loc) {
  CompositeCall c(prediction, "hinge", loc);
  requireTarget(c, target);
  return reduced(c, relu(margin - target * prediction), reduction);
}

Tensor cosineEmbedding(const Tensor &a, const Tensor &b, const Tensor &target, double margin,
                       Reduction reduction, std::source_location loc) {
  CompositeCall c(a, "cosineEmbedding", loc);
  c.requireRank(1);
  requireTarget(c, b);
  Tensor cosine = cosineSimilarity(a, b);
  c.requireSameDType(target, "the target");
  if (target.shape() != cosine.shape())
    c.fail("needs one target per row", {c.shape, target.shape()});
  return reduced(c, where(target > 0, 1 - cosine, relu(cosine - margin)), reduction);
}

Tensor tripletMargin(const Tensor &anchor, const Tensor &positive, const Tensor &negative,
                     double margin, Reduction reduction, std::source_location loc) {
  CompositeCall c(anchor, "tripletMargin", loc);
  c.requireRank(1);
  requireTarget(c, positive);
  requireTarget(c, negative);
  Tensor distance = norm(anchor - positive, 2, -1) - norm(anchor - negative, 2, -1);
  return reduced(c, relu(distance + margin), reduction);
}

} // namespace sinter
