// SPDX-License-Identifier: Apache-2.0
// RNN, GRU and LSTM, unrolled over a sequence of known length.
#include "sinter/frontend/nn/Activation.h"
#include "sinter/frontend/onnx/OpsCommon.h"

#include <algorithm>
#include <cctype>
#include <functional>

namespace sinter::onnx {

namespace {

constexpr int64_t longestSequence = 512;

using Activation = std::function<Tensor(const Tensor &)>;

/// The activations of a node, direction by direction. Attributes activation_alpha and
/// activation_beta list values for those that take one, in order.
class Activations {
public:
  Activations(Node &node, std::vector<std::string> names)
      : node(node), names(node.stringsAttribute("activations", std::move(names))),
        alphas(node.floatsAttribute("activation_alpha", std::vector<double>{})),
        betas(node.floatsAttribute("activation_beta", std::vector<double>{})) {}

  size_t size() const { return names.size(); }
  Activation next() {
    if (position == names.size())
      node.invalid("too few activations");
    std::string name = names[position++];
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (name == "sigmoid")
      return [](const Tensor &x) { return sigmoid(x); };
    if (name == "tanh")
      return [](const Tensor &x) { return tanh(x); };
    if (name == "relu")
      return [](const Tensor &x) { return relu(x); };
    if (name == "softsign")
      return [](const Tensor &x) { return softsign(x); };
    if (name == "softplus")
      return [](const Tensor &x) { return softplus(x); };
    if (name == "leakyrelu")
      return [a = alpha(0.01)](const Tensor &x) { return leakyRelu(x, a); };
    if (name == "elu")
      return [a = alpha(1)](const Tensor &x) { return elu(x, a); };
    if (name == "thresholdedrelu")
      return [a = alpha(1)](const Tensor &x) { return thresholdedRelu(x, a); };
    if (name == "affine")
      return [a = alpha(1), b = beta(0)](const Tensor &x) { return a * x + b; };
    if (name == "scaledtanh")
      return [a = alpha(1), b = beta(1)](const Tensor &x) { return a * tanh(b * x); };
    if (name == "hardsigmoid")
      return [a = alpha(0.2), b = beta(0.5)](const Tensor &x) { return hardSigmoid(x, a, b); };
    node.unsupported("activation " + names[position - 1]);
  }

private:
  double alpha(double otherwise) {
    return nextAlpha < alphas.size() ? alphas[nextAlpha++] : otherwise;
  }
  double beta(double otherwise) { return nextBeta < betas.size() ? betas[nextBeta++] : otherwise; }

  Node &node;
  std::vector<std::string> names;
  std::vector<double> alphas, betas;
  size_t position = 0, nextAlpha = 0, nextBeta = 0;
};

/// The hidden state, and the cell state of an LSTM.
struct CellState {
  Tensor hidden, cell;
};
/// One step: the projected input [batch, gates * hidden] and the state before it.
using Cell = std::function<CellState(const Tensor &projected, const CellState &state)>;

/// One direction's weights, with the directions' axis taken away.
struct Weights {
  Tensor input, recurrent;         ///< Transposed: [input size, gates * hidden].
  Tensor inputBias, recurrentBias; ///< [gates * hidden] or undefined.
  Tensor peephole;                 ///< [3 * hidden] or undefined.
};

/// What the three operators share: layouts, directions, lengths.
class Recurrence {
public:
  Recurrence(Node &node, int64_t gates) : node(node), gates(gates) {
    static constexpr std::string_view directionNames[] = {"forward", "reverse", "bidirectional"};
    direction = node.choiceAttribute("direction", directionNames, "forward");
    batchFirst = node.opset() >= 14 && node.flagAttribute("layout", false);
    x = floatInput(node, 0);
    if (x.rank() != 3)
      node.invalid("X must have rank 3, not " + x.str());
    if (batchFirst)
      x = x.transpose({1, 0, 2});
    steps = node.staticSize(x.size(0), "the sequence length");
    if (steps > longestSequence)
      node.unsupported("a sequence of " + std::to_string(steps) +
                       " steps, unrolled (limit: " + std::to_string(longestSequence) + ")");
    Tensor r = node.input(2);
    if (node.input(1).rank() != 3 || r.rank() != 3)
      node.invalid("W and R must have rank 3");
    hidden = node.staticSize(r.size(2), "the hidden size");
    if (node.hasAttribute("hidden_size") && node.intAttribute("hidden_size") != hidden)
      node.invalid("hidden_size disagrees with R " + r.str());
    clip = node.floatAttribute("clip", 0.0);
    if (node.has(4))
      lengths = node.input(4).reshape({x.size(1), 1});
    if (r.size(0) != DimExpr(directions()))
      node.invalid("R " + r.str() + " does not have one matrix per direction");
  }

  int64_t directions() const { return direction == 2 ? 2 : 1; }

  Weights weights(int64_t d, bool peepholes) {
    Weights w;
    w.input = node.input(1).at(0, d).transpose();
    w.recurrent = node.input(2).at(0, d).transpose();
    if (node.has(3)) {
      Tensor bias = node.input(3).at(0, d);
      w.inputBias = bias.slice(0, 0, gates * hidden);
      w.recurrentBias = bias.slice(0, gates * hidden, 2 * gates * hidden);
    }
    if (peepholes && node.has(7))
      w.peephole = node.input(7).at(0, d);
    return w;
  }

  /// Part `gate` of a tensor that has the gates side by side along its last axis.
  Tensor gate(const Tensor &all, int64_t gate, int64_t count = 1) const {
    return all.slice(-1, gate * hidden, (gate + count) * hidden);
  }
  Tensor clipped(const Tensor &x) const { return clip > 0 ? clamp(x, -clip, clip) : x; }

  /// The initial state in input i for direction d; zeros when there is none.
  Tensor initial(size_t i, int64_t d) {
    if (!node.has(i))
      return node.graph().zeros(x.dtype(), {x.size(1), hidden});
    return node.input(i).at(batchFirst ? 1 : 0, d);
  }

  /// Runs direction d and keeps its results.
  void run(int64_t d, const Weights &w, CellState state, const Cell &cell) {
    Tensor projected = matmul(x, w.input);
    if (w.inputBias.defined())
      projected = projected + w.inputBias;
    bool backward = direction == 1 || d == 1;
    std::vector<Tensor> outputs(static_cast<size_t>(steps));
    for (int64_t i = 0; i < steps; ++i) {
      int64_t t = backward ? steps - 1 - i : i;
      CellState next = cell(projected.at(0, t), state);
      Tensor &output = outputs[static_cast<size_t>(t)];
      output = next.hidden;
      if (lengths.defined()) {
        // Beyond its length a sequence keeps its state and gives 0.
        Tensor running = lengths > t;
        output = where(running, output, 0);
        next.hidden = where(running, next.hidden, state.hidden);
        if (next.cell.defined())
          next.cell = where(running, next.cell, state.cell);
      }
      state = next;
    }
    sequences.push_back(steps > 0 ? stack(outputs, 0)
                                  : node.graph().zeros(x.dtype(), {0, x.size(1), hidden}));
    finals.push_back(state);
  }

  void finish(bool hasCell) {
    auto states = [&](Tensor CellState::*member) {
      std::vector<Tensor> all;
      for (const CellState &state : finals)
        all.push_back(state.*member);
      return stack(all, batchFirst ? 1 : 0);
    };
    if (node.wants(0)) {
      Tensor y = stack(sequences, 1); // [steps, directions, batch, hidden]
      node.output(0, batchFirst ? y.transpose({2, 0, 1, 3}) : y);
    }
    if (node.wants(1))
      node.output(1, states(&CellState::hidden));
    if (hasCell && node.wants(2))
      node.output(2, states(&CellState::cell));
  }

  Node &node;
  int64_t gates;
  Tensor x; ///< [steps, batch, input size]
  int64_t hidden = 0;

private:
  size_t direction;
  bool batchFirst;
  int64_t steps = 0;
  double clip = 0;
  Tensor lengths; ///< [batch, 1] or undefined.
  std::vector<Tensor> sequences;
  std::vector<CellState> finals;
};

/// Default activations for every direction.
std::vector<std::string> repeated(const std::vector<std::string> &names, int64_t directions) {
  std::vector<std::string> all;
  for (int64_t d = 0; d < directions; ++d)
    all.insert(all.end(), names.begin(), names.end());
  return all;
}

Tensor withBias(const Tensor &x, const Tensor &bias) { return bias.defined() ? x + bias : x; }

void importRNN(Node &node) {
  Recurrence r(node, 1);
  Activations activations(node, repeated({"Tanh"}, r.directions()));
  for (int64_t d = 0; d < r.directions(); ++d) {
    Weights w = r.weights(d, false);
    Activation f = activations.next();
    r.run(d, w, {r.initial(5, d), {}}, [&](const Tensor &projected, const CellState &state) {
      Tensor sum = projected + withBias(matmul(state.hidden, w.recurrent), w.recurrentBias);
      return CellState{f(r.clipped(sum)), {}};
    });
  }
  r.finish(false);
}

void importGRU(Node &node) {
  Recurrence r(node, 3);
  Activations activations(node, repeated({"Sigmoid", "Tanh"}, r.directions()));
  bool resetLast = node.flagAttribute("linear_before_reset", false);
  for (int64_t d = 0; d < r.directions(); ++d) {
    Weights w = r.weights(d, false);
    Activation f = activations.next(), g = activations.next();
    // Gates in the order update, reset, hidden.
    Tensor weightsZR = r.gate(w.recurrent, 0, 2), weightsH = r.gate(w.recurrent, 2);
    Tensor biasZR, biasH;
    if (w.recurrentBias.defined()) {
      biasZR = r.gate(w.recurrentBias, 0, 2);
      biasH = r.gate(w.recurrentBias, 2);
    }
    r.run(d, w, {r.initial(5, d), {}}, [&](const Tensor &projected, const CellState &state) {
      const Tensor &h = state.hidden;
      Tensor zr = f(r.clipped(r.gate(projected, 0, 2) + withBias(matmul(h, weightsZR), biasZR)));
      Tensor z = r.gate(zr, 0), reset = r.gate(zr, 1);
      Tensor recurrent = resetLast ? reset * withBias(matmul(h, weightsH), biasH)
                                   : withBias(matmul(reset * h, weightsH), biasH);
      Tensor candidate = g(r.clipped(r.gate(projected, 2) + recurrent));
      return CellState{(1 - z) * candidate + z * h, {}};
    });
  }
  r.finish(false);
}

void importLSTM(Node &node) {
  Recurrence r(node, 4);
  Activations activations(node, repeated({"Sigmoid", "Tanh", "Tanh"}, r.directions()));
  bool coupled = node.flagAttribute("input_forget", false);
  for (int64_t d = 0; d < r.directions(); ++d) {
    Weights w = r.weights(d, true);
    Activation f = activations.next(), g = activations.next(), h = activations.next();
    CellState start{r.initial(5, d), r.initial(6, d)};
    r.run(d, w, start, [&](const Tensor &projected, const CellState &state) {
      // Gates in the order input, output, forget, cell; peepholes in the same order.
      Tensor all = projected + withBias(matmul(state.hidden, w.recurrent), w.recurrentBias);
      auto gateOf = [&](int64_t k, const Tensor &cell) {
        Tensor sum = r.gate(all, k);
        if (w.peephole.defined() && cell.defined())
          sum = sum + r.gate(w.peephole, k) * cell;
        return r.clipped(sum);
      };
      Tensor input = f(gateOf(0, state.cell));
      Tensor forget = coupled ? 1 - input : f(gateOf(2, state.cell));
      Tensor cell = forget * state.cell + input * g(gateOf(3, {}));
      Tensor output = f(gateOf(1, cell));
      return CellState{output * h(cell), cell};
    });
  }
  r.finish(true);
}

constexpr OpHandler handlers[] = {
    {"GRU", 7, importGRU},
    {"LSTM", 7, importLSTM},
    {"RNN", 7, importRNN},
};

} // namespace

std::span<const OpHandler> recurrentHandlers() { return handlers; }

} // namespace sinter::onnx
