// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/frontend/Graph.h"

#include <functional>
#include <string>
#include <vector>

#pragma GCC visibility push(default)
namespace sinter {

/// Turns gradients into updates of parameters, as part of the graph. What it carries from step to
/// step becomes state of the graph, named "<optimizer>.<what>/<parameter>".
class Optimizer {
public:
  using Rule = std::function<Updates(const std::vector<Tensor> &parameters,
                                     const std::vector<Tensor> &gradients)>;
  /// `rule` may assume equal numbers, shapes and dtypes, floats, and no parameter twice.
  Optimizer(std::string name, Rule rule) : label(std::move(name)), rule(std::move(rule)) {}

  const std::string &name() const { return label; }
  /// One gradient per parameter, as gradients() returns them.
  Updates updates(const std::vector<Tensor> &parameters, const std::vector<Tensor> &gradients,
                  std::source_location loc = std::source_location::current()) const;

private:
  std::string label;
  Rule rule;
};

namespace optim {

struct SgdOptions {
  Operand learningRate = 1e-2; ///< A number or a scalar tensor (e.g. a placeholder).
  double momentum = 0;
  bool nesterov = false;
  double weightDecay = 0; ///< Added to the gradient, times the parameter.
  std::string name = "sgd";
};
/// Stochastic gradient descent, with PyTorch's meaning of momentum.
Optimizer sgd(SgdOptions options = {}, std::source_location loc = std::source_location::current());

struct AdamOptions {
  Operand learningRate = 1e-3; ///< A number or a scalar tensor (e.g. a placeholder).
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weightDecay = 0; ///< Added to the gradient, times the parameter.
  std::string name = "adam";
};
Optimizer adam(AdamOptions options = {},
               std::source_location loc = std::source_location::current());

struct AdamWOptions {
  Operand learningRate = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weightDecay = 1e-2; ///< Shrinks the parameter itself, times the learning rate.
  std::string name = "adamW";
};
/// Adam with decoupled weight decay.
Optimizer adamW(AdamWOptions options = {},
                std::source_location loc = std::source_location::current());

struct RmsPropOptions {
  Operand learningRate = 1e-2;
  double decay = 0.99; ///< Of the mean squares.
  double epsilon = 1e-8;
  double momentum = 0;
  bool centered = false;  ///< Divides by the deviation, not by the root of the mean squares.
  double weightDecay = 0; ///< Added to the gradient, times the parameter.
  std::string name = "rmsProp";
};
/// Gradients over the root of their running mean squares, with PyTorch's meaning of momentum.
Optimizer rmsProp(RmsPropOptions options = {},
                  std::source_location loc = std::source_location::current());

struct AdagradOptions {
  Operand learningRate = 1e-2;
  double epsilon = 1e-10;
  double weightDecay = 0; ///< Added to the gradient, times the parameter.
  std::string name = "adagrad";
};
/// Gradients over the root of the sum of their squares so far.
Optimizer adagrad(AdagradOptions options = {},
                  std::source_location loc = std::source_location::current());

struct LionOptions {
  Operand learningRate = 1e-4;
  double beta1 = 0.9;     ///< The share of the momentum in the step.
  double beta2 = 0.99;    ///< The share of the momentum that stays.
  double weightDecay = 0; ///< Shrinks the parameter itself, times the learning rate.
  std::string name = "lion";
};
/// The sign of an average of momentum and gradient (Chen et al. 2023).
Optimizer lion(LionOptions options = {},
               std::source_location loc = std::source_location::current());

} // namespace optim
} // namespace sinter
#pragma GCC visibility pop
