// SPDX-License-Identifier: Apache-2.0
#include "sinter/frontend/Optim.h"

#include "sinter/frontend/GraphImpl.h"

#include <cmath>
#include <map>

namespace sinter {

Updates Optimizer::updates(const std::vector<Tensor> &parameters,
                           const std::vector<Tensor> &gradients, std::source_location loc) const {
  if (parameters.empty() && gradients.empty())
    return {};
  Call call{label.c_str(), loc};
  if (parameters.size() != gradients.size())
    throw Error({.op = label, .location = loc},
                std::to_string(gradients.size()) + " gradients for " +
                    std::to_string(parameters.size()) + " parameters");
  GraphImpl &graph = GraphImpl::of(parameters, call);
  for (size_t i = 0; i < parameters.size(); ++i) {
    mlir::Value target = graph.value(parameters[i], call), value = graph.value(gradients[i], call);
    graph.checkUpdate(call, target, value);
    if (!isFloat(parameters[i].dtype()))
      graph.fail(call, "the parameter '" + graph.arguments[*graph.argumentIndex(target)].name +
                           "' is not f32 or f64");
    for (size_t j = 0; j < i; ++j)
      if (parameters[i].isSame(parameters[j]))
        graph.fail(call, "the parameter '" + graph.arguments[*graph.argumentIndex(target)].name +
                             "' is given twice");
  }
  Scope scope(parameters.front(), label, loc);
  return rule(parameters, gradients);
}

namespace optim {

namespace {

[[noreturn]] void refuse(const std::string &name, std::source_location loc,
                         const std::string &message) {
  throw Error({.op = name, .location = loc}, message);
}

void requireRange(const std::string &name, std::source_location loc, const char *what, double value,
                  double limit) {
  if (!(value >= 0) || !(value < limit))
    refuse(name, loc, std::string(what) + " is out of range: " + std::to_string(value));
}

constexpr double unlimited = INFINITY;

void checkRate(const std::string &name, std::source_location loc, const Operand &rate) {
  if (rate.isTensor()) {
    if (rate.tensor().rank(loc) != 0 || !isFloat(rate.tensor().dtype(loc)))
      refuse(name, loc, "the learning rate must be a float scalar, not " + rate.tensor().str());
    return;
  }
  double value = std::visit([](auto number) { return static_cast<double>(number); }, rate.number());
  requireRange(name, loc, "the learning rate", value, unlimited);
}

/// The learning rate in the dtype of a parameter.
Operand rateFor(const Operand &rate, const Tensor &parameter) {
  return rate.isTensor() ? Operand(rate.tensor().cast(parameter.dtype())) : rate;
}

/// State that belongs to a parameter, zero at first.
Tensor slot(const std::string &name, const char *what, const Tensor &parameter) {
  Call call{name.c_str(), {}};
  GraphImpl &graph = GraphImpl::of(parameter, call);
  const Argument &argument = graph.arguments[*graph.argumentIndex(GraphImpl::rawValue(parameter))];
  std::string full = name + "." + what + "/" + argument.name;
  return GraphImpl::handle(graph.shared_from_this()).state(full, argument.dtype, argument.shape);
}

/// What both kinds of Adam share.
struct Adam {
  Operand learningRate;
  double beta1, beta2, epsilon, weightDecay;
  bool decoupled;
  std::string name;

  Updates operator()(const std::vector<Tensor> &parameters,
                     const std::vector<Tensor> &gradients) const {
    Graph graph =
        GraphImpl::handle(GraphImpl::of(parameters.front(), {name.c_str(), {}}).shared_from_this());
    Tensor step = graph.state(name + ".step", i64, {});
    Tensor next = step + 1;
    Updates updates = {{step, next}};
    // The corrections for moments that start at zero, c1 = 1 - beta1^t and c2 = 1 - beta2^t, are
    // scalars that parameters of a dtype share. With s = sqrt(c2) the step rate/c1 * m / (sqrt(v)/s
    // + epsilon) is (rate*s/c1) * m / (sqrt(v) + epsilon*s): one division per element.
    struct Scalars {
      Tensor rate, epsilon, decay;
    };
    std::map<DType, Scalars> scalars;
    for (size_t i = 0; i < parameters.size(); ++i) {
      const Tensor &w = parameters[i];
      DType dtype = w.dtype();
      if (!scalars.contains(dtype)) {
        Tensor count = next.cast(dtype);
        Tensor rate = graph.scalar(dtype, rateFor(learningRate, w));
        Tensor c1 = 1 - pow(beta1, count);
        Tensor root = sqrt(1 - pow(beta2, count));
        scalars[dtype] = {rate * root / c1, epsilon * root,
                          decoupled && weightDecay != 0 ? 1 - rate * weightDecay : Tensor()};
      }
      const Scalars &s = scalars[dtype];
      Tensor gradient =
          decoupled || weightDecay == 0 ? gradients[i] : gradients[i] + weightDecay * w;
      Tensor m = slot(name, "m", w), v = slot(name, "v", w);
      Tensor newM = beta1 * m + (1 - beta1) * gradient;
      Tensor newV = beta2 * v + (1 - beta2) * (gradient * gradient);
      Tensor shrunk = s.decay.defined() ? w * s.decay : w;
      Tensor newW = shrunk - s.rate * newM / (sqrt(newV) + s.epsilon);
      updates.push_back({w, newW});
      updates.push_back({m, newM});
      updates.push_back({v, newV});
    }
    return updates;
  }
};

Optimizer makeAdam(Adam adam, std::source_location loc) {
  checkRate(adam.name, loc, adam.learningRate);
  requireRange(adam.name, loc, "beta1", adam.beta1, 1);
  requireRange(adam.name, loc, "beta2", adam.beta2, 1);
  requireRange(adam.name, loc, "epsilon", adam.epsilon, unlimited);
  requireRange(adam.name, loc, "the weight decay", adam.weightDecay, unlimited);
  std::string name = adam.name;
  return Optimizer(std::move(name), std::move(adam));
}

} // namespace

Optimizer sgd(SgdOptions options, std::source_location loc) {
  checkRate(options.name, loc, options.learningRate);
  requireRange(options.name, loc, "the momentum", options.momentum, unlimited);
  requireRange(options.name, loc, "the weight decay", options.weightDecay, unlimited);
  if (options.nesterov && options.momentum == 0)
    refuse(options.name, loc, "nesterov needs a momentum");
  auto rule = [options](const std::vector<Tensor> &parameters,
                        const std::vector<Tensor> &gradients) {
    Updates updates;
    for (size_t i = 0; i < parameters.size(); ++i) {
      const Tensor &w = parameters[i];
      Tensor direction = gradients[i];
      if (options.weightDecay != 0)
        direction = direction + options.weightDecay * w;
      if (options.momentum != 0) {
        Tensor momentum = slot(options.name, "momentum", w);
        Tensor next = options.momentum * momentum + direction;
        updates.push_back({momentum, next});
        direction = options.nesterov ? direction + options.momentum * next : next;
      }
      updates.push_back({w, w - rateFor(options.learningRate, w) * direction});
    }
    return updates;
  };
  std::string name = options.name;
  return Optimizer(std::move(name), std::move(rule));
}

Optimizer adam(AdamOptions o, std::source_location loc) {
  return makeAdam({o.learningRate, o.beta1, o.beta2, o.epsilon, o.weightDecay, false, o.name}, loc);
}

Optimizer adamW(AdamWOptions o, std::source_location loc) {
  return makeAdam({o.learningRate, o.beta1, o.beta2, o.epsilon, o.weightDecay, true, o.name}, loc);
}

// -- Others ---------------------------------------------------------------------------------------

/// An optimizer that treats every parameter alike: `step` adds the updates of one.
static Optimizer
perParameter(const std::string &name,
             std::function<void(const Tensor &w, const Tensor &gradient, Updates &updates)> step) {
  return Optimizer(
      name, [step](const std::vector<Tensor> &parameters, const std::vector<Tensor> &gradients) {
        Updates updates;
        for (size_t i = 0; i < parameters.size(); ++i)
          step(parameters[i], gradients[i], updates);
        return updates;
      });
}

static Tensor decayed(const Tensor &gradient, const Tensor &w, double weightDecay) {
  return weightDecay == 0 ? gradient : gradient + weightDecay * w;
}

Optimizer rmsProp(RmsPropOptions o, std::source_location loc) {
  checkRate(o.name, loc, o.learningRate);
  requireRange(o.name, loc, "the decay", o.decay, 1);
  requireRange(o.name, loc, "epsilon", o.epsilon, unlimited);
  requireRange(o.name, loc, "the momentum", o.momentum, unlimited);
  requireRange(o.name, loc, "the weight decay", o.weightDecay, unlimited);
  return perParameter(o.name, [o](const Tensor &w, const Tensor &raw, Updates &updates) {
    Tensor gradient = decayed(raw, w, o.weightDecay);
    Tensor squares = slot(o.name, "squares", w);
    Tensor newSquares = o.decay * squares + (1 - o.decay) * (gradient * gradient);
    updates.push_back({squares, newSquares});
    Tensor spread = newSquares;
    if (o.centered) {
      Tensor mean = slot(o.name, "mean", w);
      Tensor newMean = o.decay * mean + (1 - o.decay) * gradient;
      updates.push_back({mean, newMean});
      // Rounding must not make the variance negative.
      spread = maximum(newSquares - newMean * newMean, 0);
    }
    Tensor direction = gradient / (sqrt(spread) + o.epsilon);
    if (o.momentum != 0) {
      Tensor momentum = slot(o.name, "momentum", w);
      direction = o.momentum * momentum + direction;
      updates.push_back({momentum, direction});
    }
    updates.push_back({w, w - rateFor(o.learningRate, w) * direction});
  });
}

Optimizer adagrad(AdagradOptions o, std::source_location loc) {
  checkRate(o.name, loc, o.learningRate);
  requireRange(o.name, loc, "epsilon", o.epsilon, unlimited);
  requireRange(o.name, loc, "the weight decay", o.weightDecay, unlimited);
  return perParameter(o.name, [o](const Tensor &w, const Tensor &raw, Updates &updates) {
    Tensor gradient = decayed(raw, w, o.weightDecay);
    Tensor squares = slot(o.name, "squares", w);
    Tensor next = squares + gradient * gradient;
    updates.push_back({squares, next});
    updates.push_back({w, w - rateFor(o.learningRate, w) * gradient / (sqrt(next) + o.epsilon)});
  });
}

Optimizer lion(LionOptions o, std::source_location loc) {
  checkRate(o.name, loc, o.learningRate);
  requireRange(o.name, loc, "beta1", o.beta1, 1);
  requireRange(o.name, loc, "beta2", o.beta2, 1);
  requireRange(o.name, loc, "the weight decay", o.weightDecay, unlimited);
  return perParameter(o.name, [o](const Tensor &w, const Tensor &gradient, Updates &updates) {
    Tensor momentum = slot(o.name, "momentum", w);
    Tensor direction = sign(o.beta1 * momentum + (1 - o.beta1) * gradient);
    if (o.weightDecay != 0)
      direction = direction + o.weightDecay * w;
    updates.push_back({w, w - rateFor(o.learningRate, w) * direction});
    updates.push_back({momentum, o.beta2 * momentum + (1 - o.beta2) * gradient});
  });
}

} // namespace optim
} // namespace sinter
