// SPDX-License-Identifier: Apache-2.0
#include "sinter/frontend/nn/Attention.h"

#include "sinter/frontend/Arrange.h"
#include "sinter/frontend/CompositeCall.h"
#include "sinter/frontend/Random.h"

#include <cmath>
#include <limits>
#include <numeric>

namespace sinter {

static constexpr double infinity = std::numeric_limits<double>::infinity();

namespace {

/// Shapes of one call; the operands with heads in groups.
class Attention {
public:
  Attention(const CompositeCall &call, const Tensor &query, const Tensor &key, const Tensor &value,
            const AttentionOptions &options)
      : c(call), options(options), q(c.shape), k(key.shape()), v(value.shape()),
        rank(c.shape.rank()) {
    check(key, value);
    originalQuery = grouped(query);
    originalKey = key;
    originalValue = value;
    if (isOneOp() && (options.scale || q[rank - 1].isConstant()))
      return;
    this->query = grouped(c.widened(query));
    this->key = c.widened(key);
    this->value = c.widened(value);
  }

  Tensor result() const { return isOneOp() ? byOp() : byWeights(); }

private:
  /// What the op does not know are functions of all scores, or of all weights.
  bool isOneOp() const { return options.softcap == 0 && options.dropout == 0; }

  Tensor byOp() const {
    bool hasScale = options.scale || q[rank - 1].isConstant();
    // An unknown width scales the query, wide.
    Tensor query = hasScale ? originalQuery : this->query;
    Tensor key = hasScale ? originalKey : this->key, value = hasScale ? originalValue : this->value;
    if (!hasScale)
      query = query * rsqrt(c.handle().dimValue(query.dtype(), q[rank - 1]));
    double scale = 1;
    if (options.scale)
      scale = *options.scale;
    else if (std::optional<int64_t> width = q[rank - 1].constant())
      scale = 1 / std::sqrt(static_cast<double>(*width));
    mlir::SmallVector<mlir::Value> operands = {c.graph.value(query, c.call),
                                               c.graph.value(served(key), c.call),
                                               c.graph.value(served(value), c.call)};
    if (options.mask.defined()) {
      Tensor mask = maskOfScores();
      operands.push_back(
          c.graph.value(mask.dtype() == boolean ? mask : mask.cast(query.dtype()), c.call));
    }
    mlir::Builder builder(&c.graph.mlirContext());
    mlir::SmallVector<mlir::NamedAttribute> attributes = {
        c.graph.named("scale", builder.getF64FloatAttr(scale))};
    if (options.causal)
      attributes.push_back(c.graph.named(
          "causal", ir::toAttribute(builder.getContext(), Shape{options.causalOffset})));
    mlir::Value sums = c.graph.create(c.call, "sinter.attention", operands, attributes);
    Shape shape = q;
    shape[rank - 1] = v[rank - 1];
    return c.narrowed(c.graph.tensor(sums).reshape(shape));
  }

  /// Keys or values with a dim of size 1 for the groups that they serve.
  Tensor served(const Tensor &x) const { return groups ? x.expandDims(-3) : x; }

  /// The mask with sizes of 1 where it is broadcast, and heads in groups.
  Tensor maskOfScores() const {
    c.graph.value(options.mask, c.call);
    Shape scores = q;
    scores[rank - 1] = k[rank - 2];
    checkMask(options.mask.dtype(), options.mask.shape());
    Shape shape = options.mask.shape();
    bool fits = shape.rank() <= rank;
    std::vector<DimExpr> sizes(static_cast<size_t>(rank), DimExpr(1));
    for (int64_t d = rank - shape.rank(), i = 0; fits && d < rank; ++d, ++i) {
      fits = shape[i] == DimExpr(1) || shape[i] == scores[d];
      sizes[static_cast<size_t>(d)] = shape[i];
    }
    if (!fits)
      return options.mask.broadcastTo(scores); // Says what does not fit.
    if (groups) {
      auto heads = static_cast<size_t>(rank - 3);
      bool all = sizes[heads] == DimExpr(1) && q[rank - 3] != DimExpr(1);
      if (!all)
        sizes[heads] = k[rank - 3];
      sizes.insert(sizes.end() - 2, all ? DimExpr(1) : *groups);
    }
    return options.mask.reshape(Shape(std::move(sizes)));
  }

  void checkMask(DType mask, const Shape &shape) const {
    if (mask != boolean && mask != c.dtype)
      c.fail("the mask is " + std::string(name(mask)) + ", not bool or " +
                 std::string(name(c.dtype)),
             {c.shape, shape});
  }

  Tensor byWeights() const {
    Tensor weights = softmaxOfVisible(masked(scores()));
    if (options.dropout != 0)
      weights = dropout(weights, options.dropout, options.dropoutKey);
    Shape apart = query.shape();
    apart[apart.rank() - 1] = k[rank - 2];
    // [..., (groups,) L, S] . [..., S, V]
    Tensor sums = product(weights.reshape(apart), value, rank - 2);
    Shape shape = q;
    shape[rank - 1] = v[rank - 1];
    return c.narrowed(sums.reshape(shape));
  }

  [[noreturn]] void fail(const std::string &message) const { c.fail(message, {q, k, v}); }

  void check(const Tensor &key, const Tensor &value) {
    c.requireFloat();
    c.requireSameDType(key, "the key");
    c.requireSameDType(value, "the value");
    if (rank < 2 || k.rank() != rank || v.rank() != rank)
      fail("query, key and value need equal ranks of at least 2");
    for (int64_t i = 0; i < rank - 2; ++i) {
      if (k[i] != v[i])
        fail("key and value differ at axis " + std::to_string(i));
      if (i < rank - 3 && q[i] != k[i])
        fail("query and key differ at axis " + std::to_string(i));
    }
    if (q[rank - 1] != k[rank - 1])
      fail("query and key have different widths " + q[rank - 1].str() + " and " +
           k[rank - 1].str());
    if (k[rank - 2] != v[rank - 2])
      fail("there are " + k[rank - 2].str() + " keys and " + v[rank - 2].str() + " values");
    if (!(options.softcap >= 0))
      fail("the softcap must not be negative");
    if (rank < 3 || q[rank - 3] == k[rank - 3])
      return;
    std::optional<DimExpr> ratio =
        k[rank - 3] == DimExpr(0) ? std::nullopt : q[rank - 3].dividedExactlyBy(k[rank - 3]);
    if (!ratio)
      fail("the " + q[rank - 3].str() + " heads of the query do not divide into groups for " +
           k[rank - 3].str() + " heads of the key");
    groups = *ratio;
  }

  /// [..., heads of the key, groups, L, E] where there are groups.
  Tensor grouped(const Tensor &x) const {
    if (!groups)
      return x;
    std::vector<DimExpr> sizes = x.shape().vector();
    sizes[static_cast<size_t>(rank - 3)] = k[rank - 3];
    sizes.insert(sizes.end() - 2, *groups);
    return x.reshape(Shape(std::move(sizes)));
  }

  /// Contracts the last axis of a with one of b; the leading axes are batches.
  Tensor product(const Tensor &a, const Tensor &b, int64_t axis) const {
    std::vector<int64_t> batch(static_cast<size_t>(rank - 2));
    std::iota(batch.begin(), batch.end(), int64_t{0});
    return dotGeneral(a, b,
                      {.lhsBatch = batch,
                       .rhsBatch = batch,
                       .lhsContract = {a.rank() - 1},
                       .rhsContract = {axis}});
  }

  Tensor scores() const {
    Shape shape = q;
    shape[rank - 1] = k[rank - 2];
    Tensor result = product(query, key, rank - 1).reshape(shape);
    if (options.scale)
      result = result * *options.scale;
    else if (std::optional<int64_t> width = q[rank - 1].constant())
      result = result * (1 / std::sqrt(static_cast<double>(*width)));
    else
      result = result * rsqrt(c.handle().dimValue(result.dtype(), q[rank - 1]));
    if (options.softcap > 0)
      result = options.softcap * tanh(result / options.softcap);
    return result;
  }

  Tensor masked(Tensor scores) const {
    if (options.mask.defined()) {
      c.graph.value(options.mask, c.call);
      Tensor mask = options.mask.broadcastTo(scores.shape());
      checkMask(mask.dtype(), mask.shape());
      scores = mask.dtype() == boolean ? where(mask, scores, -infinity)
                                       : scores + mask.cast(scores.dtype());
    }
    if (options.causal) {
      Shape matrix{q[rank - 2], k[rank - 2]};
      Graph graph = c.handle();
      Tensor last = graph.iota(i64, matrix, 0) + c.sizeOperand(options.causalOffset, i64);
      scores = where(graph.iota(i64, matrix, 1) <= last, scores, -infinity);
    }
    return scores;
  }

  /// Softmax, but 0 where every score is -inf; neither case makes a gradient of inf * 0.
  Tensor softmaxOfVisible(const Tensor &scores) const {
    Tensor largest = scores.max(-1, true).stopGradient();
    bool maySeeNothing =
        options.mask.defined() || (options.causal && options.causalOffset != DimExpr(0));
    if (maySeeNothing)
      largest = where(equal(largest, -infinity), 0, largest);
    Tensor e = exp(scores - largest);
    Tensor total = e.sum(-1, true);
    return e / (maySeeNothing ? where(equal(total, 0), 1, total) : total);
  }

  const CompositeCall &c;
  const AttentionOptions &options;
  Shape q, k, v;
  int64_t rank;
  std::optional<DimExpr> groups;
  Tensor originalQuery, originalKey, originalValue;
  Tensor query, key, value; ///< The same, wide.
};

} // namespace

Tensor attention(const Tensor &query, const Tensor &key, const Tensor &value,
                 const AttentionOptions &options, std::source_location loc) {
  CompositeCall c(query, "attention", loc);
  c.graph.value(key, c.call);
  c.graph.value(value, c.call);
  return Attention(c, query, key, value, options).result();
}

// -- Rotation -------------------------------------------------------------------------------------

Tensor rotate(const Tensor &x, const Tensor &cosines, const Tensor &sines, bool interleaved,
              std::source_location loc) {
  CompositeCall c(x, "rotate", loc);
  c.requireFloat();
  c.requireRank(1);
  c.graph.value(cosines, c.call);
  c.graph.value(sines, c.call);
  if (cosines.rank() == 0 || cosines.shape() != sines.shape())
    c.fail("cosines and sines need equal shapes of rank 1 or more",
           {c.shape, cosines.shape(), sines.shape()});
  DimExpr half = cosines.size(-1), dims = half * DimExpr(2), width = x.size(-1);
  std::optional<int64_t> rest = (width - dims).constant();
  if (rest && *rest < 0)
    c.fail("turns " + dims.str() + " elements of " + width.str(), {c.shape, cosines.shape()});
  bool partial = !rest || *rest > 0;
  Tensor wide = c.widened(partial ? slice(x, -1, 0, dims) : x);
  Tensor first, second;
  if (interleaved) {
    first = slice(wide, -1, 0, dims, 2);
    second = slice(wide, -1, 1, dims, 2);
  } else {
    first = slice(wide, -1, 0, half);
    second = slice(wide, -1, half, dims);
  }
  Tensor cosine = cosines.cast(wide.dtype()), sine = sines.cast(wide.dtype());
  Tensor a = first * cosine - second * sine, b = second * cosine + first * sine;
  Tensor turned =
      interleaved ? stack({a, b}, -1).reshape(wide.shape()) : concat({a, b}, c.shape.rank() - 1);
  turned = c.narrowed(turned);
  return partial ? concat({turned, slice(x, -1, dims, width)}, c.shape.rank() - 1) : turned;
}

Tensor rotaryEmbedding(const Tensor &x, const RotaryOptions &options, std::source_location loc) {
  CompositeCall c(x, "rotaryEmbedding", loc);
  c.requireFloat();
  c.requireRank(2);
  if (options.dims < 0 || options.dims % 2 != 0 || !(options.base > 0))
    c.fail("needs an even number of dims and a positive base, not " + std::to_string(options.dims) +
           " and " + std::to_string(options.base));
  DimExpr dims = options.dims == 0 ? x.size(-1) : DimExpr(options.dims);
  std::optional<DimExpr> half = dims.dividedExactlyBy(2);
  if (!half)
    c.fail("turns pairs, but the last axis has size " + dims.str());
  Graph graph = c.handle();
  DType wide = c.dtype == f64 ? f64 : f32;
  Tensor positions = graph.arange(wide, x.size(-2));
  if (options.positions.defined()) {
    c.graph.value(options.positions, c.call);
    positions = options.positions.cast(wide);
  }
  Tensor exponent = graph.arange(wide, *half) / c.sizeOperand(*half, wide);
  Tensor angles = positions.expandDims(-1) * exp(-std::log(options.base) * exponent);
  return rotate(x, cos(angles), sin(angles), options.interleaved);
}

// -- Layer ----------------------------------------------------------------------------------------

static Tensor projected(const Tensor &x, const Tensor &weight, const Tensor &bias) {
  Tensor result = x.matmul(weight);
  return bias.defined() ? result + bias : result;
}

Tensor multiHeadAttention(const Tensor &query, const Tensor &key, const Tensor &value,
                          const AttentionWeights &weights, int64_t heads,
                          const AttentionOptions &options, std::source_location loc) {
  CompositeCall c(query, "multiHeadAttention", loc);
  c.requireRank(2);
  for (const Tensor *weight : {&weights.query, &weights.key, &weights.value, &weights.output}) {
    c.graph.value(*weight, c.call);
    if (weight->rank() != 2)
      c.fail("a weight is not a matrix", {weight->shape()});
  }
  auto divided = [&](const DimExpr &size, const DimExpr &by) {
    std::optional<DimExpr> result = by == DimExpr(0) ? std::nullopt : size.dividedExactlyBy(by);
    if (!result)
      c.fail("a width of " + size.str() + " does not divide by " + by.str(),
             {weights.query.shape(), weights.key.shape(), weights.value.shape()});
    return *result;
  };
  if (heads <= 0)
    c.fail("needs a positive number of heads, not " + std::to_string(heads));
  DimExpr width = divided(weights.query.size(1), heads);
  DimExpr keyHeads = divided(weights.key.size(1), width);
  // [..., L, heads * width] -> [..., heads, L, width]
  auto apart = [&](const Tensor &x, const DimExpr &count) {
    Tensor split = unflatten(x, -1, {count, divided(x.size(-1), count)});
    return swapAxes(split, -2, -3);
  };
  Tensor q = apart(projected(query, weights.query, weights.queryBias), heads);
  Tensor k = apart(projected(key, weights.key, weights.keyBias), keyHeads);
  Tensor v = apart(projected(value, weights.value, weights.valueBias), keyHeads);
  Tensor result = swapAxes(attention(q, k, v, options), -2, -3);
  return projected(result.flatten(result.rank() - 2), weights.output, weights.outputBias);
}

} // namespace sinter
