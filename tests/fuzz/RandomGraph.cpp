// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/RandomGraph.h"

#include <algorithm>
#include <cmath>
#include <sstream>

namespace sinter::fuzz {

std::vector<int> neededSteps(const Plan &plan) {
  std::vector<bool> needed(plan.steps.size(), false);
  for (int output : plan.outputs)
    needed[static_cast<size_t>(output)] = true;
  for (auto [target, value] : plan.updates)
    needed[static_cast<size_t>(target)] = needed[static_cast<size_t>(value)] = true;
  for (size_t i = plan.steps.size(); i-- > 0;)
    if (needed[i])
      for (int operand : plan.steps[i].operands)
        needed[static_cast<size_t>(operand)] = true;
  std::vector<int> steps;
  for (size_t i = 0; i < needed.size(); ++i)
    if (needed[i])
      steps.push_back(static_cast<int>(i));
  return steps;
}

void build(const Plan &plan, Graph &graph, const std::string &prefix) {
  std::vector<Tensor> values(plan.steps.size());
  for (int i : neededSteps(plan)) {
    const Step &step = plan.steps[static_cast<size_t>(i)];
    Tensor &value = values[static_cast<size_t>(i)];
    if (!step.apply) {
      std::string name = prefix + "i" + std::to_string(i);
      value = plan.updates.contains(i) ? graph.state(name, step.info.dtype, step.info.shape)
                                       : graph.placeholder(name, step.info.dtype, step.info.shape);
      continue;
    }
    Tensors operands;
    for (int operand : step.operands)
      operands.push_back(values[static_cast<size_t>(operand)]);
    value = step.apply(graph, operands);
  }
  for (int i : plan.outputs)
    graph.output(prefix + "o" + std::to_string(i), values[static_cast<size_t>(i)]);
  for (auto [target, value] : plan.updates)
    graph.update(values[static_cast<size_t>(target)], values[static_cast<size_t>(value)]);
}

void drawInputs(const Plan &plan, const DimBinding &dims, const std::string &prefix,
                ArrayMap &inputs) {
  for (int i : neededSteps(plan)) {
    const Step &step = plan.steps[static_cast<size_t>(i)];
    if (step.apply)
      continue;
    std::string name = prefix + "i" + std::to_string(i);
    if (step.fixed) {
      inputs[name] = *step.fixed;
      continue;
    }
    Array array(step.info.dtype, *step.info.shape.evaluate(dims));
    RandomStream random(plan.seed, "input" + std::to_string(i));
    dispatch(array.dtype(), [&](auto zero) {
      using T = decltype(zero);
      for (int64_t k = 0, n = array.numElements(); k < n; ++k) {
        double value =
            step.low + (step.high - step.low) * random.uniform01(static_cast<uint64_t>(k));
        if constexpr (std::is_same_v<T, bool>)
          array.as<T>()[k] = (random.bits(static_cast<uint64_t>(k)) & 1) != 0;
        else if (std::is_integral_v<T>)
          array.as<T>()[k] = static_cast<T>(std::floor(value + 0.5));
        else
          array.as<T>()[k] = static_cast<T>(plan.continuous ? value : std::round(value * 8) / 8);
      }
    });
    inputs[name] = array;
  }
}

std::string compare(const Info &info, const Array &got, const Array &want) {
  if (got.dtype() != want.dtype() || got.sizes() != want.sizes())
    return "got " + got.str().substr(0, 80) + ", want " + want.str().substr(0, 80);
  return dispatch(got.dtype(), [&](auto zero) -> std::string {
    using T = decltype(zero);
    const T *a = got.as<T>(), *b = want.as<T>();
    int64_t n = got.numElements();
    double tolerance = info.error;
    if (info.gradient) {
      double largest = 1;
      for (int64_t i = 0; i < n; ++i)
        if (std::isfinite(static_cast<double>(b[i])))
          largest = std::max(largest, std::fabs(static_cast<double>(b[i])));
      tolerance = largest * (info.dtype == f32 ? 1e-2 : 1e-7);
    }
    for (int64_t i = 0; i < n; ++i) {
      if (a[i] == b[i] || (a[i] != a[i] && b[i] != b[i]))
        continue;
      double difference = std::fabs(static_cast<double>(a[i]) - static_cast<double>(b[i]));
      if (isFloat(info.dtype) && difference <= tolerance)
        continue;
      std::ostringstream text;
      text.precision(17);
      text << "element " << i << " of " << n << ": got " << a[i] << ", want " << b[i]
           << ", tolerance " << (isFloat(info.dtype) ? tolerance : 0.0);
      return text.str();
    }
    return "";
  });
}

} // namespace sinter::fuzz
