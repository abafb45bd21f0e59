// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/Generator.h"

#include <algorithm>
#include <cmath>

namespace sinter::fuzz {

// -- Choosing -------------------------------------------------------------------------------------

Generator::Generator(uint64_t seed, const GeneratorOptions &options)
    : options(options), random(seed, options.symbolic ? "symbolic" : "static") {
  plan.seed = seed;
  plan.symbolic = options.symbolic;
  plan.continuous = options.gradients;
  plan.smooth = options.gradients && below(4) == 0;
  const int64_t candidates[] = {1, 2, 3, 4, 5, 7, 8, 9, 13, 16, 17, 31, 33};
  for (int i = 0; i < 3; ++i)
    pool.push_back(DimExpr(candidates[below(std::size(candidates))]));
  if (below(24) == 0)
    pool.push_back(DimExpr(0));
  if (options.symbolic) {
    pool[0] = dim("N");
    if (below(3) == 0)
      pool[1] = dim("M");
  }
}

int64_t Generator::evaluate(const DimExpr &size) const {
  return size.evaluate({{"N", options.maxDim}, {"M", options.maxDim}})
      .value_or(options.maxElements + 1);
}

bool Generator::fits(const Shape &shape) const {
  int64_t count = 1;
  for (const DimExpr &size : shape) {
    int64_t value = evaluate(size);
    if (value > options.maxElements)
      return false;
    count *= std::max<int64_t>(value, 1);
    if (count > options.maxElements)
      return false;
  }
  return shape.rank() <= 5;
}

Shape Generator::randomShape() {
  while (true) {
    Shape shape;
    for (int rank = static_cast<int>(below(4)) + (below(4) != 0); rank > 0 && shape.rank() < 4;
         --rank)
      shape.push_back(below(6) == 0 ? DimExpr(1) : pool[below(pool.size())]);
    if (fits(shape))
      return shape;
  }
}

int Generator::pick(const std::function<bool(const Info &)> &accepts) {
  std::vector<int> candidates;
  for (size_t i = 0; i < plan.steps.size(); ++i)
    if (!plan.steps[i].info.terminal && accepts(plan.steps[i].info))
      candidates.push_back(static_cast<int>(i));
  if (candidates.empty())
    return -1;
  // Recent values are preferred, so that graphs get deep.
  size_t back = std::min(below(candidates.size()), below(candidates.size()));
  return candidates[candidates.size() - 1 - back];
}

// -- Adding ---------------------------------------------------------------------------------------

int Generator::addInput(DType dtype, const Shape &shape, double low, double high) {
  Step step;
  step.info.dtype = dtype;
  step.info.shape = shape;
  step.info.bound = dtype == boolean ? 1 : std::max(std::fabs(low), std::fabs(high));
  step.info.fraction = isFloat(dtype) ? 3 : 0;
  step.info.exact = !isFloat(dtype) || !plan.continuous;
  step.low = low;
  step.high = high;
  int index = static_cast<int>(plan.steps.size());
  if (isFloat(dtype))
    step.info.inputs = {index};
  plan.steps.push_back(std::move(step));
  return index;
}

int Generator::randomInput() {
  DType dtype = allDTypes[below(std::size(allDTypes))];
  if (below(2) || (isFloat(dtype) && (plan.continuous || below(2))))
    dtype = randomFloat();
  if (isInteger(dtype))
    return addInput(dtype, randomShape(), isUnsigned(dtype) ? 0 : -9, 9);
  return addInput(dtype, randomShape(), -2, 2);
}

bool Generator::add(std::vector<int> operands, Info info, Apply apply, int ops) {
  if (!fits(info.shape))
    return false;
  if (isFloat(info.dtype) && !info.terminal) {
    double digits = info.dtype == f32 ? 22 : info.dtype == f16 ? 10 : info.dtype == bf16 ? 7 : 50;
    info.exact &= info.fraction + std::log2(std::max(info.bound, 1.0)) <= digits;
    info.error = info.exact ? 0 : std::max(info.error, epsilonOf(info.dtype) * info.bound);
    if (!(info.bound <= 1e4) || !(info.error <= 0.01))
      return false;
  }
  if (isUnsigned(info.dtype)) // What was negative is large.
    info.bound = std::max(info.bound, std::ldexp(1.0, static_cast<int>(8 * byteSize(info.dtype))));
  if (!isFloat(info.dtype)) {
    info.exact = true;
    info.error = 0;
    info.inputs.clear();
  }
  plan.steps.push_back(
      {.operands = std::move(operands), .apply = std::move(apply), .info = std::move(info)});
  plan.numOps += ops;
  return true;
}

Info Generator::unary(int x, double bound, double slope) const {
  Info info = at(x);
  info.exact = false;
  info.error = slope * at(x).error + 4 * epsilonOf(info.dtype) * bound;
  info.bound = bound;
  return info;
}

/// The gradient of a float value in one of its inputs, and sometimes second derivatives.
void Generator::addGradients() {
  int y = pick([](const Info &info) { return isFloat(info.dtype) && !info.inputs.empty(); });
  if (y < 0)
    return;
  std::vector<int> inputs(at(y).inputs.begin(), at(y).inputs.end());
  int x = inputs[below(inputs.size())];
  DType dtype = at(x).dtype;
  Info info;
  info.dtype = dtype;
  info.shape = at(x).shape;
  info.terminal = info.gradient = true;
  info.exact = false;
  enum { First, ReverseOverReverse, ForwardOverReverse, ReverseOverForward, numKinds };
  size_t kind = below(2) == 0 ? First : below(numKinds);
  add(
      {y, x}, info,
      [kind](Graph &, const Tensors &t) {
        // Of a large derivative no more is needed than its sign: a phase, as of a sine, would need
        // more digits than there are.
        auto bend = [](const Tensor &u) { return u * sigmoid(u); };
        Tensor squares = t[0] * t[0];
        if (kind == ReverseOverForward)
          return gradient(sum(bend(tangent(squares, t[1], t[1]))), t[1]);
        Tensor g = gradient(sum(squares), t[1]);
        return kind == ReverseOverReverse   ? gradient(sum(g * bend(g)), t[1])
               : kind == ForwardOverReverse ? tangent(g, t[1], sin(t[1]))
                                            : g;
      },
      2);
}

Plan Generator::run() {
  // Small graphs are more frequent: they cost less and say as much.
  auto range = static_cast<size_t>(options.maxOps - options.minOps);
  int numOps = options.minOps + static_cast<int>(std::min(below(range), below(range)));
  for (size_t i = 0, n = 2 + below(3); i < n; ++i)
    randomInput();
  if (options.symbolic) // the dims are inferred from the inputs, so each must be the size of one
    for (const DimExpr &size : pool)
      if (!size.isConstant())
        plan.outputs.push_back(addInput(randomFloat(), {size}, -2, 2));
  if (options.gradients)
    addInput(randomFloat(), randomShape(), -2, 2);
  int reserve = options.gradients ? 4 : 0;
  for (int tries = 0; plan.numOps < numOps - reserve && tries < 40 * numOps; ++tries) {
    if (below(16) == 0)
      randomInput();
    addRandomOp();
  }
  for (int i = 0; options.gradients && i < 2; ++i)
    addGradients();
  chooseOutputs();
  if (below(3) == 0)
    chooseUpdates();
  return std::move(plan);
}

/// Every value that nothing uses, and a few that something does.
void Generator::chooseOutputs() {
  std::vector<bool> used(plan.steps.size(), false);
  for (const Step &step : plan.steps)
    for (int operand : step.operands)
      used[static_cast<size_t>(operand)] = true;
  for (size_t i = 0; i < plan.steps.size(); ++i)
    if (plan.steps[i].apply && (!used[i] || below(10) == 0))
      plan.outputs.push_back(static_cast<int>(i));
}

/// Some inputs become state variables: what replaces them may be any value of their type, such as
/// another variable.
void Generator::chooseUpdates() {
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    if (plan.steps[i].apply || !plan.steps[i].info.shape.isStatic() || below(2))
      continue;
    std::vector<int> candidates;
    for (size_t k = 0; k < plan.steps.size(); ++k)
      if (k != i && at(static_cast<int>(k)).dtype == at(static_cast<int>(i)).dtype &&
          at(static_cast<int>(k)).shape == at(static_cast<int>(i)).shape)
        candidates.push_back(static_cast<int>(k));
    if (!candidates.empty())
      plan.updates[static_cast<int>(i)] = candidates[below(candidates.size())];
  }
}

Plan generate(uint64_t seed, const GeneratorOptions &options) {
  return Generator(seed, options).run();
}

} // namespace sinter::fuzz
