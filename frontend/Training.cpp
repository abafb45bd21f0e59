// SPDX-License-Identifier: Apache-2.0
#include "sinter/frontend/Training.h"

#include "sinter/frontend/CompositeCall.h"

#include <cmath>
#include <numbers>

namespace sinter::optim {

static Graph graphOf(const Tensor &tensor, const Call &call) {
  return GraphImpl::handle(GraphImpl::of(tensor, call).shared_from_this());
}

Counter counter(Graph graph, std::string_view name, std::source_location loc) {
  Tensor value = graph.state(name, i64, {}, {}, loc);
  Scope scope(value, "counter", loc);
  return {value, {value, value + 1}};
}

// -- Schedules ------------------------------------------------------------------------------------

namespace {

/// The step as a float; wide enough that counts stay exact.
struct Schedule {
  Schedule(const Tensor &step, const char *name, std::source_location loc) : c(step, name, loc) {
    if (c.shape.rank() != 0 || c.dtype == boolean)
      c.fail("the step must be a scalar number");
    now = step.cast(f64);
  }
  void require(bool valid, const char *message) const {
    if (!valid)
      c.fail(message);
  }
  CompositeCall c;
  Tensor now;
};

} // namespace

Tensor cosineSchedule(const Tensor &step, const CosineOptions &o, std::source_location loc) {
  Schedule s(step, "cosineSchedule", loc);
  s.require(o.warmupSteps >= 0 && o.steps > o.warmupSteps, "needs more steps than the warm-up has");
  auto warmup = static_cast<double>(o.warmupSteps), total = static_cast<double>(o.steps);
  Tensor share = clamp((s.now - warmup) / (total - warmup), 0, 1);
  Tensor rate = o.floor + (o.peak - o.floor) * 0.5 * (1 + cos(share * std::numbers::pi));
  if (o.warmupSteps > 0)
    rate = where(s.now < warmup, o.peak / warmup * (s.now + 1), rate);
  return rate.cast(f32);
}

Tensor linearSchedule(const Tensor &step, const LinearOptions &o, std::source_location loc) {
  Schedule s(step, "linearSchedule", loc);
  s.require(o.steps > 0, "needs a positive number of steps");
  Tensor share = clamp(s.now / static_cast<double>(o.steps), 0, 1);
  return (o.first + (o.last - o.first) * share).cast(f32);
}

Tensor exponentialSchedule(const Tensor &step, const ExponentialOptions &o,
                           std::source_location loc) {
  Schedule s(step, "exponentialSchedule", loc);
  s.require(o.every > 0 && o.factor > 0, "needs a positive factor and number of steps");
  Tensor exponent = s.now / static_cast<double>(o.every);
  return (o.first * exp(std::log(o.factor) * (o.smooth ? exponent : floor(exponent)))).cast(f32);
}

Tensor piecewiseSchedule(const Tensor &step, const std::vector<int64_t> &steps,
                         const std::vector<double> &values, std::source_location loc) {
  Schedule s(step, "piecewiseSchedule", loc);
  s.require(values.size() == steps.size() + 1, "needs one value more than steps");
  Tensor rate = s.c.handle().scalar(f64, values[0]);
  for (size_t i = 0; i < steps.size(); ++i) {
    s.require(i == 0 || steps[i] > steps[i - 1], "the steps must increase");
    rate = where(s.now < static_cast<double>(steps[i]), rate, values[i + 1]);
  }
  return rate.cast(f32);
}

// -- Gradients ------------------------------------------------------------------------------------

Tensor globalNorm(const std::vector<Tensor> &tensors, std::source_location loc) {
  Call call{"globalNorm", loc};
  GraphImpl::of(tensors, call);
  CompositeCall c(tensors.front(), "globalNorm", loc);
  DType dtype = f32;
  for (const Tensor &tensor : tensors) {
    if (!isFloat(tensor.dtype()))
      c.fail("needs floats, not " + std::string(name(tensor.dtype())), {tensor.shape()});
    if (tensor.dtype() == f64)
      dtype = f64;
  }
  Tensor total;
  for (const Tensor &tensor : tensors) {
    Tensor squares = sumOfSquares(c.widened(tensor)).cast(dtype);
    total = total.defined() ? total + squares : squares;
  }
  Tensor positive = total > 0;
  return where(positive, sqrt(where(positive, total, 1)), total.stopGradient());
}

std::vector<Tensor> clipByGlobalNorm(const std::vector<Tensor> &gradients, double maxNorm,
                                     std::source_location loc) {
  Call call{"clipByGlobalNorm", loc};
  GraphImpl::of(gradients, call);
  CompositeCall c(gradients.front(), "clipByGlobalNorm", loc);
  if (!(maxNorm > 0))
    c.fail("the norm must be positive, not " + std::to_string(maxNorm));
  Tensor size = globalNorm(gradients);
  Tensor factor = maxNorm / maximum(size, maxNorm);
  std::vector<Tensor> result;
  for (const Tensor &gradient : gradients)
    result.push_back(
        (c.widened(gradient) * factor.cast(c.widened(gradient).dtype())).cast(gradient.dtype()));
  return result;
}

std::vector<Tensor> clipByValue(const std::vector<Tensor> &gradients, double limit,
                                std::source_location loc) {
  Call call{"clipByValue", loc};
  GraphImpl::of(gradients, call);
  CompositeCall c(gradients.front(), "clipByValue", loc);
  if (!(limit > 0))
    c.fail("the limit must be positive, not " + std::to_string(limit));
  std::vector<Tensor> result;
  for (const Tensor &gradient : gradients)
    result.push_back(clamp(gradient, -limit, limit));
  return result;
}

// -- Around an optimizer --------------------------------------------------------------------------

/// A state of a parameter's shape, zero at first.
static Tensor stateFor(const Tensor &parameter, const std::string &prefix,
                       std::source_location loc) {
  Call call{prefix.c_str(), loc};
  GraphImpl &graph = GraphImpl::of(parameter, call);
  const Argument &argument = graph.arguments[*graph.argumentIndex(GraphImpl::rawValue(parameter))];
  return GraphImpl::handle(graph.shared_from_this())
      .state(prefix + "/" + argument.name, argument.dtype, argument.shape, {}, loc);
}

/// The updates where the condition holds; else their targets stay.
static Updates onlyWhere(const Tensor &condition, Updates updates) {
  for (Update &update : updates)
    update.value = where(condition, update.value, update.target);
  return updates;
}

Optimizer accumulating(const Optimizer &inner, int64_t steps, const std::string &name,
                       std::source_location loc) {
  if (steps < 1)
    throw Error({.op = name, .location = loc},
                "needs a positive number of steps, not " + std::to_string(steps));
  auto rule = [=](const std::vector<Tensor> &parameters, const std::vector<Tensor> &gradients) {
    Graph graph = graphOf(parameters.front(), {name.c_str(), loc});
    Counter count = counter(graph, name + ".step");
    Tensor isLast = equal(count.value, steps - 1);
    Updates updates = {{count.value, where(isLast, 0, count.value + 1)}};
    std::vector<Tensor> means;
    for (size_t i = 0; i < parameters.size(); ++i) {
      Tensor sum = stateFor(parameters[i], name + ".sum", loc);
      Tensor next = sum + gradients[i];
      updates.push_back({sum, where(isLast, 0, next)});
      means.push_back(next / static_cast<double>(steps));
    }
    for (Update &update : onlyWhere(isLast, inner.updates(parameters, means, loc)))
      updates.push_back(std::move(update));
    return updates;
  };
  return Optimizer(name, std::move(rule));
}

LossScaling lossScaling(Graph graph, const Optimizer &inner, const LossScaleOptions &o,
                        std::source_location loc) {
  if (!(o.first > 0) || !(o.growth >= 1) || !(o.backoff > 0 && o.backoff <= 1) || o.every < 1)
    throw Error({.op = o.name, .location = loc},
                "needs a positive first scale, growth >= 1, backoff in (0, 1] and every >= 1");
  Tensor scale = graph.state(o.name + ".scale", f32, {}, init::constant(o.first), loc);
  auto rule = [=](const std::vector<Tensor> &parameters, const std::vector<Tensor> &gradients) {
    std::vector<Tensor> unscaled;
    Tensor isFinite;
    for (const Tensor &gradient : gradients) {
      Tensor wide = byteSize(gradient.dtype()) == 2 ? gradient.cast(f32) : gradient;
      // Neither infinities nor NaN are below infinity.
      Tensor fine = all(abs(wide) < INFINITY);
      isFinite = isFinite.defined() ? isFinite && fine : fine;
      unscaled.push_back((wide / scale.cast(wide.dtype())).cast(gradient.dtype()));
    }
    Graph own = graphOf(parameters.front(), {o.name.c_str(), loc});
    Tensor calm = own.state(o.name + ".calm", i64, {}, {}, loc); // Steps since the last change.
    Tensor grows = isFinite && equal(calm, o.every - 1);
    Updates updates = onlyWhere(isFinite, inner.updates(parameters, unscaled, loc));
    updates.push_back({scale, where(isFinite, where(grows, minimum(scale * o.growth, 1e30), scale),
                                    maximum(scale * o.backoff, 1e-30))});
    updates.push_back({calm, where(isFinite && !grows, calm + 1, 0)});
    return updates;
  };
  return {scale, Optimizer(o.name, std::move(rule))};
}

Updates movingAverage(const Updates &updates, double decay, const std::string &name,
                      std::source_location loc) {
  if (!(decay >= 0 && decay < 1))
    throw Error({.op = name, .location = loc},
                "the decay is out of range: " + std::to_string(decay));
  Updates result;
  Tensor isFirst;
  for (const Update &update : updates) {
    Call call{name.c_str(), loc};
    GraphImpl &graph = GraphImpl::of(update.target, call);
    std::optional<unsigned> index = graph.argumentIndex(GraphImpl::rawValue(update.target));
    if (!index || graph.arguments[*index].kind != ArgumentKind::Parameter)
      continue;
    Scope scope(update.target, name, loc);
    if (!isFirst.defined()) {
      Counter count = counter(graphOf(update.target, call), name + ".step", loc);
      isFirst = equal(count.value, 0);
      result.push_back(count.update);
    }
    Tensor average = stateFor(update.target, name, loc);
    Tensor next = decay * average + (1 - decay) * update.value;
    result.push_back({average, where(isFirst, update.value, next)});
  }
  return result;
}

} // namespace sinter::optim
