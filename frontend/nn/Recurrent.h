// SPDX-License-Identifier: Apache-2.0
// Recurrent cells, and layers that are unrolled over a number of steps known when the graph is
// built.
#pragma once

#include "sinter/frontend/Structural.h"

#include <vector>

#pragma GCC visibility push(default)
namespace sinter {

/// The weights of a recurrent cell with g gates (1, of a GRU 3, of an LSTM 4), side by side in the
/// columns.
struct RecurrentWeights {
  Tensor input;           ///< [in, g * hidden]
  Tensor hidden;          ///< [hidden, g * hidden]
  Tensor inputBias = {};  ///< [g * hidden]; absent: 0
  Tensor hiddenBias = {}; ///< [g * hidden]; absent: 0
};

/// What an LSTM hands from step to step, each [N, hidden].
struct LstmState {
  Tensor h, c;
};

/// What a recurrent layer gives.
struct RecurrentResult {
  Tensor outputs;        ///< [N, steps, directions * hidden]
  std::vector<Tensor> h; ///< The last state of each direction, [N, hidden].
  std::vector<Tensor> c; ///< The same of an LSTM's cells.
};

// -- Recurrent cells ------------------------------------------------------------------------------

/// tanh(x . input + h . hidden) for x [N, in] and h [N, hidden].
Tensor rnnCell(const Tensor &x, const Tensor &h, const RecurrentWeights &weights,
               std::source_location loc = std::source_location::current());
/// A gated recurrent unit, gates r, z, n: the reset gate works on the product h . hidden (with its
/// bias).
Tensor gruCell(const Tensor &x, const Tensor &h, const RecurrentWeights &weights,
               std::source_location loc = std::source_location::current());
/// Long short-term memory, gates i, f, g, o.
LstmState lstmCell(const Tensor &x, const LstmState &state, const RecurrentWeights &weights,
                   std::source_location loc = std::source_location::current());

// -- Recurrent layers -----------------------------------------------------------------------------

/// The cell over the steps of x [N, steps, in]. One entry of `weights` runs forward, a second one
/// backward; `initial` has as many, or none (zeros). The products of x are made once for all steps.
RecurrentResult rnn(const Tensor &x, const std::vector<RecurrentWeights> &weights,
                    const std::vector<Tensor> &initial = {},
                    std::source_location loc = std::source_location::current());
RecurrentResult gru(const Tensor &x, const std::vector<RecurrentWeights> &weights,
                    const std::vector<Tensor> &initial = {},
                    std::source_location loc = std::source_location::current());
RecurrentResult lstm(const Tensor &x, const std::vector<RecurrentWeights> &weights,
                     const std::vector<LstmState> &initial = {},
                     std::source_location loc = std::source_location::current());

} // namespace sinter
#pragma GCC visibility pop
