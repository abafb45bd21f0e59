// SPDX-License-Identifier: Apache-2.0
// Attention and the rotation of positions.
#pragma once

#include "sinter/frontend/Structural.h"

#include <optional>

#pragma GCC visibility push(default)
namespace sinter {

/// What attention() takes besides queries, keys and values.
struct AttentionOptions {
  /// Broadcasts to [..., heads, queries, keys]: bool (true: may be seen), or added to the scores.
  Tensor mask = {};
  /// Query i sees the keys up to i + causalOffset only. For queries that continue a longer sequence
  /// of keys the offset is keys - queries.
  bool causal = false;
  DimExpr causalOffset = 0;
  /// What scores are multiplied with; 1 / sqrt(width of a head) when absent.
  std::optional<double> scale = {};
  /// Scores become softcap * tanh(score / softcap), before the mask; 0: they do not.
  double softcap = 0;
  /// The share of the weights that dropout() takes, and its key.
  double dropout = 0;
  Tensor dropoutKey = {};
};

/// What rotaryEmbedding() takes besides x.
struct RotaryOptions {
  /// Broadcast to x without its last axis; 0, 1, … along the axis before the last when absent.
  Tensor positions = {};
  /// Pairs are neighbours, else element i and i + dims / 2.
  bool interleaved = false;
  /// How many leading elements of the last axis turn; 0: all.
  int64_t dims = 0;
  double base = 10000;
};

/// The weights of multiHeadAttention(), each [in, out] as in linear(); absent biases add nothing.
struct AttentionWeights {
  Tensor query, key, value, output;
  Tensor queryBias = {}, keyBias = {}, valueBias = {}, outputBias = {};
};

// -- Attention ------------------------------------------------------------------------------------

/// softmax(scale * query . key) . value, for query [..., heads, L, E], key [..., heads, S, E] and
/// value [..., heads, S, V] (or without heads, of rank 2). Fewer heads of keys and values serve
/// groups of query heads. A query that may see nothing gives 0. Scores of 16-bit floats are f32.
Tensor attention(const Tensor &query, const Tensor &key, const Tensor &value,
                 const AttentionOptions &options = {},
                 std::source_location loc = std::source_location::current());
/// Turns pairs of x [..., L, E] by angles position * base^(-2i / dims).
Tensor rotaryEmbedding(const Tensor &x, const RotaryOptions &options = {},
                       std::source_location loc = std::source_location::current());
/// Turns pairs of x by angles whose cosines and sines broadcast to [..., L, dims / 2]. Elements
/// beyond dims stay.
Tensor rotate(const Tensor &x, const Tensor &cosines, const Tensor &sines, bool interleaved = false,
              std::source_location loc = std::source_location::current());
/// Projects query [..., L, D], key and value [..., S, D], attends per head, and projects back.
/// Narrower key and value weights mean fewer heads of keys and values.
Tensor multiHeadAttention(const Tensor &query, const Tensor &key, const Tensor &value,
                          const AttentionWeights &weights, int64_t heads,
                          const AttentionOptions &options = {},
                          std::source_location loc = std::source_location::current());

} // namespace sinter
#pragma GCC visibility pop
