// SPDX-License-Identifier: Apache-2.0
#include "sinter/frontend/nn/Recurrent.h"

#include "sinter/frontend/CompositeCall.h"

#include <functional>

namespace sinter {

namespace {

Tensor plusBias(const Tensor &x, const Tensor &bias) { return bias.defined() ? x + bias : x; }

/// The products of x with its weights: the last axis becomes that of the gates.
Tensor inputGates(const Tensor &x, const RecurrentWeights &w) {
  return plusBias(x.matmul(w.input), w.inputBias);
}
Tensor hiddenGates(const Tensor &h, const RecurrentWeights &w) {
  return plusBias(h.matmul(w.hidden), w.hiddenBias);
}

/// Checks the weights of a cell; gives the hidden size.
DimExpr checkWeights(const CompositeCall &c, const RecurrentWeights &w, int64_t gates) {
  c.requireFloat();
  c.requireSameDType(w.input, "the input weight");
  c.requireSameDType(w.hidden, "the hidden weight");
  Shape input = w.input.shape(), hidden = w.hidden.shape();
  if (input.rank() != 2 || hidden.rank() != 2)
    c.fail("weights are matrices", {input, hidden});
  DimExpr size = hidden[0], width = size * DimExpr(gates);
  if (hidden[1] != width || input[1] != width)
    c.fail("weights of " + std::to_string(gates) + " gates for a hidden size of " + size.str() +
               " need " + width.str() + " columns",
           {input, hidden});
  if (c.shape[c.shape.rank() - 1] != input[0])
    c.fail("the input weight has " + input[0].str() + " rows", {c.shape, input});
  for (const Tensor *bias : {&w.inputBias, &w.hiddenBias})
    if (bias->defined() && bias->shape() != Shape{width})
      c.fail("a bias needs the shape " + Shape{width}.str(), {bias->shape()});
  return size;
}

void checkState(const CompositeCall &c, const Tensor &state, const DimExpr &size) {
  c.requireSameDType(state, "the state");
  if (state.shape() != Shape{c.shape[0], size})
    c.fail("the state needs the shape " + Shape{c.shape[0], size}.str(), {c.shape, state.shape()});
}

Tensor rnnStep(const Tensor &gates, const Tensor &h, const RecurrentWeights &w) {
  return tanh(gates + hiddenGates(h, w));
}

Tensor gruStep(const Tensor &gates, const Tensor &h, const RecurrentWeights &w) {
  std::vector<Tensor> x = split(gates, 3, -1), y = split(hiddenGates(h, w), 3, -1);
  Tensor reset = sigmoid(x[0] + y[0]), update = sigmoid(x[1] + y[1]);
  Tensor candidate = tanh(x[2] + reset * y[2]);
  return candidate + update * (h - candidate);
}

LstmState lstmStep(const Tensor &gates, const LstmState &state, const RecurrentWeights &w) {
  std::vector<Tensor> g = split(gates + hiddenGates(state.h, w), 4, -1);
  Tensor c = sigmoid(g[1]) * state.c + sigmoid(g[0]) * tanh(g[2]);
  return {sigmoid(g[3]) * tanh(c), c};
}

/// Runs `step` over the steps of each direction, and joins the outputs.
template <typename State>
RecurrentResult
unrolled(const CompositeCall &c, const Tensor &x, int64_t gates,
         const std::vector<RecurrentWeights> &weights, const std::vector<State> &initial,
         const std::function<State(const Tensor &)> &makeZero,
         const std::function<void(const State &, const DimExpr &)> &check,
         const std::function<State(const Tensor &, const State &, const RecurrentWeights &)> &step,
         const std::function<Tensor(const State &)> &output,
         const std::function<void(const State &, RecurrentResult &)> &finish) {
  if (c.shape.rank() != 3)
    c.fail("needs [batch, steps, width]");
  std::optional<int64_t> steps = c.shape[1].constant();
  if (!steps || *steps == 0)
    c.fail("is unrolled, so the number of steps must be known and positive, not " +
           c.shape[1].str());
  if (weights.empty() || weights.size() > 2)
    c.fail("needs weights for one or two directions, not " + std::to_string(weights.size()));
  if (!initial.empty() && initial.size() != weights.size())
    c.fail("needs one initial state per direction");
  RecurrentResult result;
  std::vector<Tensor> directions;
  for (size_t d = 0; d < weights.size(); ++d) {
    DimExpr size = checkWeights(c, weights[d], gates);
    if (!initial.empty())
      check(initial[d], size);
    State state =
        initial.empty() ? makeZero(c.handle().zeros(c.dtype, {c.shape[0], size})) : initial[d];
    Tensor inputs = inputGates(x, weights[d]);
    std::vector<Tensor> outputs(static_cast<size_t>(*steps));
    for (int64_t i = 0; i < *steps; ++i) {
      int64_t t = d == 0 ? i : *steps - 1 - i;
      state = step(inputs.at(1, t), state, weights[d]);
      outputs[static_cast<size_t>(t)] = output(state);
    }
    directions.push_back(stack(outputs, 1));
    finish(state, result);
  }
  result.outputs = directions.size() == 1 ? directions[0] : concat(directions, 2);
  return result;
}

/// The same for cells whose state is one tensor.
RecurrentResult unrolledPlain(
    const CompositeCall &c, const Tensor &x, int64_t gates,
    const std::vector<RecurrentWeights> &weights, const std::vector<Tensor> &initial,
    const std::function<Tensor(const Tensor &, const Tensor &, const RecurrentWeights &)> &step) {
  return unrolled<Tensor>(
      c, x, gates, weights, initial, [](const Tensor &zero) { return zero; },
      [&](const Tensor &state, const DimExpr &size) { checkState(c, state, size); }, step,
      [](const Tensor &state) { return state; },
      [](const Tensor &state, RecurrentResult &result) { result.h.push_back(state); });
}

/// What a cell is given: x [N, in] and a state.
void checkCell(const CompositeCall &c, const RecurrentWeights &weights, int64_t gates,
               std::initializer_list<const Tensor *> states) {
  if (c.shape.rank() != 2)
    c.fail("needs [batch, width]");
  DimExpr size = checkWeights(c, weights, gates);
  for (const Tensor *state : states)
    checkState(c, *state, size);
}

} // namespace

// -- Cells ----------------------------------------------------------------------------------------

Tensor rnnCell(const Tensor &x, const Tensor &h, const RecurrentWeights &weights,
               std::source_location loc) {
  CompositeCall c(x, "rnnCell", loc);
  checkCell(c, weights, 1, {&h});
  return rnnStep(inputGates(x, weights), h, weights);
}

Tensor gruCell(const Tensor &x, const Tensor &h, const RecurrentWeights &weights,
               std::source_location loc) {
  CompositeCall c(x, "gruCell", loc);
  checkCell(c, weights, 3, {&h});
  return gruStep(inputGates(x, weights), h, weights);
}

LstmState lstmCell(const Tensor &x, const LstmState &state, const RecurrentWeights &weights,
                   std::source_location loc) {
  CompositeCall c(x, "lstmCell", loc);
  checkCell(c, weights, 4, {&state.h, &state.c});
  return lstmStep(inputGates(x, weights), state, weights);
}

// -- Layers ---------------------------------------------------------------------------------------

RecurrentResult rnn(const Tensor &x, const std::vector<RecurrentWeights> &weights,
                    const std::vector<Tensor> &initial, std::source_location loc) {
  CompositeCall c(x, "rnn", loc);
  return unrolledPlain(c, x, 1, weights, initial, rnnStep);
}

RecurrentResult gru(const Tensor &x, const std::vector<RecurrentWeights> &weights,
                    const std::vector<Tensor> &initial, std::source_location loc) {
  CompositeCall c(x, "gru", loc);
  return unrolledPlain(c, x, 3, weights, initial, gruStep);
}

RecurrentResult lstm(const Tensor &x, const std::vector<RecurrentWeights> &weights,
                     const std::vector<LstmState> &initial, std::source_location loc) {
  CompositeCall c(x, "lstm", loc);
  return unrolled<LstmState>(
      c, x, 4, weights, initial,
      [](const Tensor &zero) {
        return LstmState{zero, zero};
      },
      [&](const LstmState &state, const DimExpr &size) {
        checkState(c, state.h, size);
        checkState(c, state.c, size);
      },
      lstmStep, [](const LstmState &state) { return state.h; },
      [](const LstmState &state, RecurrentResult &result) {
        result.h.push_back(state.h);
        result.c.push_back(state.c);
      });
}

} // namespace sinter
