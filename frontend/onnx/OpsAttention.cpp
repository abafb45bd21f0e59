// SPDX-License-Identifier: Apache-2.0
#include "sinter/frontend/onnx/OpsCommon.h"

#include <cmath>
#include <limits>

namespace sinter::onnx {

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

// -- Scaled dot products --------------------------------------------------------------------------

/// [batch, length, heads * size] as [batch, heads, length, size].
Tensor splitHeads(Node &node, const Tensor &x, int64_t heads) {
  std::optional<DimExpr> size = heads < 1 ? std::nullopt : x.size(2).dividedExactlyBy(heads);
  if (!size)
    node.invalid("the last size of " + x.str() + " is no multiple of " + std::to_string(heads) +
                 " heads");
  return x.reshape({x.size(0), x.size(1), heads, *size}).transpose({0, 2, 1, 3});
}

/// Query heads in groups, each of which shares a head of the keys and values.
struct Grouped {
  Grouped(Node &node, const Tensor &q, const Tensor &k) {
    heads = node.staticSize(q.size(1), "the number of query heads");
    keyHeads = node.staticSize(k.size(1), "the number of key heads");
    if (keyHeads < 1 || heads % keyHeads != 0)
      node.invalid(std::to_string(heads) + " query heads over " + std::to_string(keyHeads) +
                   " key heads");
  }
  /// [B, heads, L, n] x [B, keyHeads, m, n] -> [B, heads, L, m], summed over axis `contract` of
  /// rhs.
  Tensor dot(const Tensor &lhs, const Tensor &rhs, int64_t contract) const {
    Tensor groups =
        lhs.reshape({lhs.size(0), keyHeads, DimExpr(heads / keyHeads) * lhs.size(2), lhs.size(3)});
    Tensor result = groups.dotGeneral(
        rhs,
        {.lhsBatch = {0, 1}, .rhsBatch = {0, 1}, .lhsContract = {3}, .rhsContract = {contract}});
    return result.reshape({lhs.size(0), heads, lhs.size(2), result.size(3)});
  }
  int64_t heads, keyHeads;
};

/// q times k, each scaled by the root of the scale.
Tensor scaledScores(Node &node, const Grouped &grouped, const Tensor &q, const Tensor &k) {
  double scale;
  if (node.hasAttribute("scale"))
    scale = node.floatAttribute("scale");
  else
    scale = 1 / std::sqrt(static_cast<double>(node.staticSize(q.size(3), "the head size")));
  if (scale < 0)
    node.unsupported("a negative scale");
  double root = std::sqrt(scale);
  return grouped.dot(q * root, k * root, 3);
}

/// Attribute softmax_precision; 16-bit softmax is computed in f32, which the definition allows.
DType softmaxDType(Node &node, DType otherwise) {
  DType dtype = node.dtypeAttribute("softmax_precision", otherwise);
  if (!isFloat(dtype))
    node.invalid("softmax_precision must be a float dtype");
  return computeDType(dtype);
}

/// The scores that a mask lets through; the others become -inf.
Tensor masked(const Tensor &scores, const Tensor &allowed) {
  return where(allowed, scores, -infinity);
}

/// Input 3 applied to the scores: a condition, or numbers to add.
Tensor withMask(Node &node, const Tensor &scores, Tensor mask) {
  bool condition = mask.dtype() == boolean;
  if (!condition)
    mask = mask.cast(scores.dtype());
  requireRank(node, mask, 1, "a mask");
  // A mask may end early: what lies beyond is masked out.
  DimExpr missing = scores.size(3) - mask.size(-1);
  if (missing != DimExpr(0)) {
    if (!missing.constant()) // The names may stand for the same number, but nothing says so.
      node.unsupported("mask " + mask.str() + " for scores " + scores.str());
    if (*missing.constant() < 0)
      node.invalid("mask " + mask.str() + " for scores " + scores.str());
    std::vector<DimExpr> low(static_cast<size_t>(mask.rank()), DimExpr(0)), high = low;
    high.back() = missing;
    mask = mask.pad(Shape(low), Shape(high), condition ? 0 : -infinity);
  }
  return condition ? masked(scores, mask) : scores + mask;
}

void importAttention(Node &node) {
  Tensor q = floatInput(node, 0), k = floatInput(node, 1), v = floatInput(node, 2);
  DType resultType = q.dtype();
  bool packed = q.rank() == 3;
  if ((q.rank() != 3 && q.rank() != 4) || k.rank() != q.rank() || v.rank() != q.rank())
    node.invalid("Q, K and V must all have rank 3 or 4: " + q.str() + ", " + k.str() + ", " +
                 v.str());
  int64_t heads = node.intAttribute("q_num_heads", 0);
  int64_t keyHeads = node.intAttribute("kv_num_heads", 0);
  if (packed) {
    q = splitHeads(node, q, heads);
    k = splitHeads(node, k, keyHeads);
    v = splitHeads(node, v, keyHeads);
  }
  DimExpr past = 0;
  if (node.has(4) != node.has(5))
    node.invalid("past_key and past_value come together");
  if (node.has(4)) {
    past = node.input(4).size(2);
    k = concat({node.input(4), k}, 2);
    v = concat({node.input(5), v}, 2);
  }
  if (node.wants(1))
    node.output(1, k);
  if (node.wants(2))
    node.output(2, v);

  DType compute = computeDType(resultType);
  Grouped grouped(node, q, k);
  Tensor scores = scaledScores(node, grouped, q.cast(compute), k.cast(compute));
  Tensor stages[4];
  stages[0] = scores;
  double softcap = node.floatAttribute("softcap", 0.0);
  if (softcap > 0)
    scores = tanh(scores / softcap) * softcap;
  stages[1] = scores;
  if (node.has(3))
    scores = withMask(node, scores, node.input(3));
  if (node.flagAttribute("is_causal", false)) {
    Shape square{scores.size(2), scores.size(3)};
    Tensor row = node.graph().iota(i64, square, 0) + node.graph().dimValue(i64, past);
    scores = masked(scores, node.graph().iota(i64, square, 1) <= row);
  }
  if (node.has(6)) {
    Tensor length = node.input(6).cast(i64).reshape({q.size(0), 1, 1, 1});
    scores = masked(scores, node.graph().arange(i64, scores.size(3)) < length);
  }
  stages[2] = scores;
  Tensor probabilities = softmax(scores.cast(softmaxDType(node, resultType)));
  stages[3] = probabilities;
  int64_t mode = node.intAttribute("qk_matmul_output_mode", 0);
  if (mode < 0 || mode > 3)
    node.invalid("qk_matmul_output_mode must lie in 0 to 3");
  if (node.wants(3))
    node.output(3, stages[mode].cast(resultType));

  Tensor y = grouped.dot(probabilities, v.cast(probabilities.dtype()), 2).cast(resultType);
  if (packed)
    y = y.transpose({0, 2, 1, 3})
            .reshape({y.size(0), y.size(2), DimExpr(grouped.heads) * y.size(3)});
  node.output(0, y);
}

void importFlexAttention(Node &node) {
  Tensor q = floatInput(node, 0), k = floatInput(node, 1), v = floatInput(node, 2);
  if (q.rank() != 4 || k.rank() != 4 || v.rank() != 4)
    node.invalid("Q, K and V must have rank 4");
  DType compute = computeDType(q.dtype());
  Grouped grouped(node, q, k);
  Tensor scores = scaledScores(node, grouped, q.cast(compute), k.cast(compute));
  Tensor probabilities = softmax(scores.cast(softmaxDType(node, q.dtype())));
  node.output(0, grouped.dot(probabilities, v.cast(probabilities.dtype()), 2).cast(v.dtype()));
}

// -- Linear attention -----------------------------------------------------------------------------

constexpr int64_t longestSequence = 512;

/// The recurrence of one state [batch, heads, key size, value size] over the tokens, unrolled.
void importLinearAttention(Node &node) {
  static constexpr std::string_view rules[] = {"linear", "gated", "delta", "gated_delta"};
  size_t rule = node.choiceAttribute("update_rule", rules, "gated_delta");
  bool gated = rule == 1 || rule == 3, corrected = rule >= 2;
  if (node.has(4) != gated || node.has(5) != corrected)
    node.invalid("update_rule " + std::string(rules[rule]) + (gated ? " needs" : " has no") +
                 " decay and" + (corrected ? " needs" : " has no") + " beta");
  node.ignoreAttribute("chunk_size"); // a hint
  Tensor query = floatInput(node, 0);
  int64_t heads = node.intAttribute("q_num_heads"), keyHeads = node.intAttribute("kv_num_heads");
  if (heads < 1 || keyHeads < 1 || heads % keyHeads != 0)
    node.invalid("q_num_heads must be a multiple of kv_num_heads");
  auto tokens = [&](size_t i, int64_t parts) {
    Tensor x = node.input(i);
    if (x.rank() != 3)
      node.invalid("inputs are [batch, tokens, heads * size], not " + x.str());
    std::optional<DimExpr> size = x.size(2).dividedExactlyBy(parts);
    if (!size)
      node.invalid(x.str() + " does not hold " + std::to_string(parts) + " heads");
    return x.cast(f32).reshape({x.size(0), x.size(1), parts, *size});
  };
  Tensor q = tokens(0, heads), k = tokens(1, keyHeads), v = tokens(2, keyHeads);
  DimExpr keySize = q.size(3), valueSize = v.size(3), batch = q.size(0);
  q = q.reshape({batch, q.size(1), keyHeads, heads / keyHeads, keySize});
  int64_t steps = node.staticSize(q.size(1), "the number of tokens");
  if (steps < 1 || steps > longestSequence)
    node.unsupported(std::to_string(steps) +
                     " tokens, unrolled (limit: " + std::to_string(longestSequence) + ")");
  double scale = node.floatAttribute("scale", 0.0);
  if (scale == 0)
    scale = 1 / std::sqrt(static_cast<double>(node.staticSize(keySize, "the key size")));

  Tensor decay, beta;
  if (gated)
    decay = exp(tokens(4, keyHeads)); // [.., 1] for all of a head, or [.., key size]
  if (corrected)
    beta = tokens(5, node.input(5).size(2) == DimExpr(1) ? 1 : keyHeads);
  Shape stateShape{batch, keyHeads, keySize, valueSize};
  DType stateType = node.has(3) ? node.input(3).dtype() : query.dtype();
  Tensor state = node.has(3) ? node.input(3).cast(f32) : node.graph().zeros(f32, stateShape);

  std::vector<Tensor> outputs;
  for (int64_t t = 0; t < steps; ++t) {
    Tensor key = k.at(1, t), value = v.at(1, t); // [batch, heads, size]
    if (gated)
      state = state * decay.at(1, t).expandDims(3);
    if (corrected) {
      Tensor recalled = state.dotGeneral(
          key, {.lhsBatch = {0, 1}, .rhsBatch = {0, 1}, .lhsContract = {2}, .rhsContract = {2}});
      value = beta.at(1, t) * (value - recalled);
    }
    state = state + key.expandDims(3) * value.expandDims(2);
    outputs.push_back(scale * q.at(1, t).dotGeneral(state, {.lhsBatch = {0, 1},
                                                            .rhsBatch = {0, 1},
                                                            .lhsContract = {3},
                                                            .rhsContract = {2}}));
  }
  Tensor y = stack(outputs, 1).reshape({batch, steps, DimExpr(heads) * valueSize});
  node.output(0, y.cast(query.dtype()));
  if (node.wants(1))
    node.output(1, state.cast(stateType));
}

// -- Rotary embedding -----------------------------------------------------------------------------

void importRotaryEmbedding(Node &node) {
  Tensor x = floatInput(node, 0), whole = x;
  // The axis of heads is 1 in 4-D input, 2 in 3-D input once its last axis is split.
  int64_t headAxis = 1;
  int64_t heads = node.intAttribute("num_heads", 0);
  if (x.rank() == 3) {
    std::optional<DimExpr> size = heads < 1 ? std::nullopt : x.size(2).dividedExactlyBy(heads);
    if (!size)
      node.invalid("num_heads does not divide the last size of " + x.str());
    x = x.reshape({x.size(0), x.size(1), heads, *size});
    headAxis = 2;
  } else if (x.rank() != 4) {
    node.invalid("X must have rank 3 or 4, not " + x.str());
  }
  int64_t headSize = node.staticSize(x.size(3), "the head size");
  int64_t rotated = node.intAttribute("rotary_embedding_dim", 0);
  if (rotated == 0)
    rotated = headSize;
  if (rotated < 2 || rotated > headSize || rotated % 2 != 0)
    node.invalid("cannot rotate " + std::to_string(rotated) + " of " + std::to_string(headSize) +
                 " elements");
  auto factors = [&](size_t i) {
    Tensor cache = node.input(i);
    if (node.has(3))
      cache = cache.gatherRows(node.input(3));
    if (cache.rank() != 3 || cache.size(2) != DimExpr(rotated / 2))
      node.invalid("cache " + cache.str() + " for " + std::to_string(rotated) +
                   " rotated elements");
    return cache.expandDims(headAxis);
  };
  Tensor cosine = factors(1), sine = factors(2);
  Tensor part = x.slice(3, 0, rotated);
  bool interleaved = node.flagAttribute("interleaved", false);
  Tensor a, b;
  if (interleaved) {
    Tensor pairs = part.reshape({x.size(0), x.size(1), x.size(2), rotated / 2, 2});
    a = pairs.at(4, 0);
    b = pairs.at(4, 1);
  } else {
    a = part.slice(3, 0, rotated / 2);
    b = part.slice(3, rotated / 2, rotated);
  }
  Tensor real = cosine * a - sine * b, imaginary = sine * a + cosine * b;
  Tensor turned = interleaved ? stack({real, imaginary}, 4).reshape(part.shape())
                              : concat({real, imaginary}, 3);
  if (rotated < headSize)
    turned = concat({turned, x.slice(3, rotated, headSize)}, 3);
  node.output(0, turned.reshape(whole.shape()));
}

constexpr OpHandler handlers[] = {
    {"Attention", 23, importAttention},
    {"FlexAttention", 1, importFlexAttention, "ai.onnx.preview"},
    {"LinearAttention", 27, importLinearAttention},
    {"RotaryEmbedding", 23, importRotaryEmbedding},
};

} // namespace

std::span<const OpHandler> attentionHandlers() { return handlers; }

} // namespace sinter::onnx
