// SPDX-License-Identifier: Apache-2.0
// What training minimises. Targets have the prediction's shape: broadcasting in a loss is mostly a
// mistake, so it must be asked for with broadcastTo().
#pragma once

#include "sinter/frontend/Tensor.h"

#include <optional>

#pragma GCC visibility push(default)
namespace sinter {

/// What losses of class labels take besides scores and labels.
struct LabelLossOptions {
  /// One weight per class; the mean is then weighted.
  Tensor weights = {};
  /// Labels of this value count nothing, also not in the mean.
  std::optional<int64_t> ignoreIndex = {};
  /// This share of the target is spread equally over all classes.
  double labelSmoothing = 0;
  /// The axis of the classes.
  int64_t axis = -1;
  /// What becomes of the values, one per label.
  Reduction reduction = Reduction::Mean;
};

/// What bceWithLogits() takes besides scores and target.
struct BceOptions {
  /// What a positive target counts, e.g. negatives over positives; broadcasts to the scores.
  Tensor positiveWeight = {};
  /// What each element counts; broadcasts to the scores.
  Tensor weight = {};
  Reduction reduction = Reduction::Mean;
};

// -- Losses ---------------------------------------------------------------------------------------

/// Cross entropy of softmax(logits) along the last axis for integer labels; one value per row.
Tensor softmaxCrossEntropy(const Tensor &logits, const Tensor &labels,
                           std::source_location loc = std::source_location::current());
/// Cross entropy of softmax(logits) for integer labels, with weights, smoothing, labels to ignore.
Tensor softmaxCrossEntropy(const Tensor &logits, const Tensor &labels,
                           const LabelLossOptions &options,
                           std::source_location loc = std::source_location::current());
/// Cross entropy of softmax(logits) along the last axis for a distribution over the classes; one
/// value per row.
Tensor softTargetCrossEntropy(const Tensor &logits, const Tensor &target,
                              std::source_location loc = std::source_location::current());
/// Minus the entry of the label, of logarithms of probabilities such as logSoftmax() gives.
Tensor nllLoss(const Tensor &logProbabilities, const Tensor &labels,
               const LabelLossOptions &options = {},
               std::source_location loc = std::source_location::current());
/// Mean squared error.
Tensor mse(const Tensor &prediction, const Operand &target, Reduction reduction = Reduction::Mean,
           std::source_location loc = std::source_location::current());
/// |prediction - target|.
Tensor l1Loss(const Tensor &prediction, const Operand &target,
              Reduction reduction = Reduction::Mean,
              std::source_location loc = std::source_location::current());
/// Half the squared difference up to `delta`, then linear with slope `delta`.
Tensor huber(const Tensor &prediction, const Operand &target, double delta = 1,
             Reduction reduction = Reduction::Mean,
             std::source_location loc = std::source_location::current());
/// huber(beta) / beta: linear with slope 1 beyond `beta`; l1Loss() for beta = 0.
Tensor smoothL1(const Tensor &prediction, const Operand &target, double beta = 1,
                Reduction reduction = Reduction::Mean,
                std::source_location loc = std::source_location::current());
/// Binary cross entropy of a probability. A logarithm of 0 counts -100 and has no gradient.
Tensor bce(const Tensor &probability, const Operand &target, Reduction reduction = Reduction::Mean,
           std::source_location loc = std::source_location::current());
/// Binary cross entropy of sigmoid(logits), without overflow.
Tensor bceWithLogits(const Tensor &logits, const Operand &target, const BceOptions &options = {},
                     std::source_location loc = std::source_location::current());
/// target * (log(target) - logPrediction); 0 where the target is 0.
Tensor klDivergence(const Tensor &logPrediction, const Tensor &target,
                    Reduction reduction = Reduction::Mean,
                    std::source_location loc = std::source_location::current());
/// max(0, margin - target * prediction) for targets -1 and 1.
Tensor hinge(const Tensor &prediction, const Tensor &target, double margin = 1,
             Reduction reduction = Reduction::Mean,
             std::source_location loc = std::source_location::current());
/// 1 - cosine along the last axis where the target is 1, else max(0, cosine - margin); one value
/// per row of a and b.
Tensor cosineEmbedding(const Tensor &a, const Tensor &b, const Tensor &target, double margin = 0,
                       Reduction reduction = Reduction::Mean,
                       std::source_location loc = std::source_location::current());
/// max(0, |anchor - positive| - |anchor - negative| + margin) of Euclidean distances along the last
/// axis.
Tensor tripletMargin(const Tensor &anchor, const Tensor &positive, const Tensor &negative,
                     double margin = 1, Reduction reduction = Reduction::Mean,
                     std::source_location loc = std::source_location::current());

} // namespace sinter
#pragma GCC visibility pop
