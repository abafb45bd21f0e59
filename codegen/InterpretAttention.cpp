// SPDX-License-Identifier: Apache-2.0
// The loops of attention and of its gradient, written from the ops' definitions in
// ir/StructuralOps.td: one query at a time, all of its scores at once.
#include "sinter/codegen/InterpretLoops.h"

#include <cmath>

using namespace mlir;

namespace sinter::codegen {

using namespace loops;

namespace {

/// Strides of an operand in the leading dims of q, 0 where it has size 1; with `numLast` dims of
/// its own behind.
struct Lead {
  Lead(const Array &array, const Index &leading) : strides(rowMajorStrides(array.sizes())) {
    for (size_t d = 0; d < leading.size(); ++d)
      if (array.sizes()[d] == 1)
        strides[d] = 0;
    strides.resize(leading.size());
  }
  int64_t operator()(const Index &index) const { return offsetOf(index, strides); }
  Index strides;
};

/// What both ops read, and the scores of one query.
template <typename T, typename A> class Scores {
public:
  template <typename OpTy>
  Scores(OpTy op, const Interpretation &state)
      : q(state.get(op.getQ())), k(state.get(op.getK())), v(state.get(op.getV())),
        mask(op.getMask() ? &state.get(op.getMask()) : nullptr),
        scale(static_cast<A>(op.getScale().convertToDouble())),
        leading(q.sizes().begin(), q.sizes().end() - 2), leadQ(q, leading), leadK(k, leading),
        leadV(v, leading) {
    size_t rank = q.sizes().size();
    numQueries = q.sizes()[rank - 2];
    width = q.sizes()[rank - 1];
    numKeys = k.sizes()[rank - 2];
    valueWidth = v.sizes()[rank - 1];
    if (op.getCausal())
      offset = state.size(op, *ir::toDim((*op.getCausal())[0]));
    if (mask)
      leadMask.emplace(*mask, leading);
  }

  const T *query(const Index &b, int64_t i) const { return q.as<T>() + leadQ(b) + i * width; }
  const T *key(const Index &b, int64_t j) const { return k.as<T>() + leadK(b) + j * width; }
  const T *value(const Index &b, int64_t j) const { return v.as<T>() + leadV(b) + j * valueWidth; }

  /// One score; -inf where hidden.
  A score(const Index &b, int64_t i, int64_t j) const {
    constexpr A hidden = -std::numeric_limits<A>::infinity();
    A added = 0;
    if (mask) {
      size_t rank = mask->sizes().size();
      int64_t rows = mask->sizes()[rank - 2], columns = mask->sizes()[rank - 1];
      int64_t at = (*leadMask)(b) + (rows == 1 ? 0 : i) * columns + (columns == 1 ? 0 : j);
      if (mask->dtype() == boolean) {
        if (!mask->as<bool>()[at])
          return hidden;
      } else {
        added = mask->dtype() == q.dtype() ? static_cast<A>(mask->as<T>()[at])
                                           : static_cast<A>(mask->as<float>()[at]);
      }
    }
    if (offset && j > i + *offset)
      return hidden;
    const T *x = query(b, i), *y = key(b, j);
    A sum = 0;
    for (int64_t e = 0; e < width; ++e)
      sum += static_cast<A>(x[e]) * static_cast<A>(y[e]);
    return sum * scale + added;
  }

  const Array &q, &k, &v;
  const Array *mask;
  A scale;
  Index leading;
  Lead leadQ, leadK, leadV;
  std::optional<Lead> leadMask;
  std::optional<int64_t> offset;
  int64_t numQueries = 0, numKeys = 0, width = 0, valueWidth = 0;
};

template <typename T, typename A, typename L>
void attend(ir::AttentionOp op, Interpretation &state, Array &out, Array &lse) {
  Scores<T, A> s(op, state);
  T *to = out.as<T>();
  L *toLse = lse.as<L>();
  std::vector<A> row(static_cast<size_t>(s.numKeys)), sums(static_cast<size_t>(s.valueWidth));
  forEachIndex(s.leading, [&](const Index &b, int64_t) {
    for (int64_t i = 0; i < s.numQueries; ++i) {
      A largest = -std::numeric_limits<A>::infinity(), total = 0;
      for (int64_t j = 0; j < s.numKeys; ++j) {
        A score = row[static_cast<size_t>(j)] = s.score(b, i, j);
        largest = score > largest || score != score ? score : largest;
      }
      A shift = largest == -std::numeric_limits<A>::infinity() ? A{0} : largest;
      std::fill(sums.begin(), sums.end(), A{0});
      for (int64_t j = 0; j < s.numKeys; ++j) {
        A weight = std::exp(row[static_cast<size_t>(j)] - shift);
        total += weight;
        for (size_t c = 0; weight != 0 && c < sums.size(); ++c)
          sums[c] += weight * static_cast<A>(s.value(b, j)[c]);
      }
      bool sees = total != 0 || (op.getStrictRows() && s.numKeys > 0);
      for (A sum : sums)
        *to++ = static_cast<T>(sees ? sum / total : A{0});
      *toLse++ =
          sees ? static_cast<L>(shift + std::log(total)) : std::numeric_limits<L>::infinity();
    }
  });
}

template <typename T, typename A, typename L>
void attendBackward(ir::AttentionBackwardOp op, Interpretation &state, Array &dq, Array &dk,
                    Array &dv) {
  Scores<T, A> s(op, state);
  const L *lse = state.get(op.getLse()).as<L>(), *delta = state.get(op.getDelta()).as<L>();
  const T *dout = state.get(op.getDout()).as<T>();
  std::vector<A> keys(static_cast<size_t>(product(dk.sizes()))),
      values(static_cast<size_t>(product(dv.sizes()))), query(static_cast<size_t>(s.width));
  forEachIndex(s.leading, [&](const Index &b, int64_t number) {
    for (int64_t i = 0; i < s.numQueries; ++i) {
      int64_t row = number * s.numQueries + i;
      std::fill(query.begin(), query.end(), A{0});
      for (int64_t j = 0; j < s.numKeys; ++j) {
        A p = std::exp(s.score(b, i, j) - static_cast<A>(lse[row]));
        const T *value = s.value(b, j), *dy = dout + row * s.valueWidth;
        A dp = 0;
        A *toValue = values.data() + s.leadV(b) + j * s.valueWidth;
        for (int64_t c = 0; c < s.valueWidth; ++c) {
          dp += static_cast<A>(dy[c]) * static_cast<A>(value[c]);
          toValue[c] += p * static_cast<A>(dy[c]);
        }
        A ds = p * (dp - static_cast<A>(delta[row])) * s.scale;
        A *toKey = keys.data() + s.leadK(b) + j * s.width;
        for (int64_t e = 0; e < s.width; ++e) {
          query[static_cast<size_t>(e)] += ds * static_cast<A>(s.key(b, j)[e]);
          toKey[e] += ds * static_cast<A>(s.query(b, i)[e]);
        }
      }
      for (int64_t e = 0; e < s.width; ++e)
        dq.as<T>()[row * s.width + e] = static_cast<T>(query[static_cast<size_t>(e)]);
    }
  });
  llvm::transform(keys, dk.as<T>(), [](A x) { return static_cast<T>(x); });
  llvm::transform(values, dv.as<T>(), [](A x) { return static_cast<T>(x); });
}

/// Calls fn(element, accumulator, type of lse) for a float dtype.
template <typename Fn> void dispatchFloats(DType dtype, Fn fn) {
  dispatch(dtype, [&](auto zero) {
    using T = decltype(zero);
    if constexpr (std::is_same_v<T, double>)
      fn(zero, Accumulator<T>{}, double{});
    else if constexpr (isFloatElement<T>)
      fn(zero, Accumulator<T>{}, float{});
  });
}

void interpretOp(ir::AttentionOp op, Interpretation &state) {
  Array out = state.make(op, op.getResult().getType()), lse = state.make(op, op.getLse().getType());
  dispatchFloats(out.dtype(), [&](auto element, auto sum, auto perRow) {
    attend<decltype(element), decltype(sum), decltype(perRow)>(op, state, out, lse);
  });
  state.set(op.getResult(), std::move(out));
  state.set(op.getLse(), std::move(lse));
}

void interpretOp(ir::AttentionBackwardOp op, Interpretation &state) {
  Array dq = state.make(op, op.getDq().getType()), dk = state.make(op, op.getDk().getType()),
        dv = state.make(op, op.getDv().getType());
  dispatchFloats(dq.dtype(), [&](auto element, auto sum, auto perRow) {
    attendBackward<decltype(element), decltype(sum), decltype(perRow)>(op, state, dq, dk, dv);
  });
  state.set(op.getDq(), std::move(dq));
  state.set(op.getDk(), std::move(dk));
  state.set(op.getDv(), std::move(dv));
}

struct Loops {
  template <typename OpTy> static void run(OpTy op, Interpretation &state) {
    interpretOp(op, state);
  }
};

} // namespace

void attachAttentionInterpretations(MLIRContext &context) {
  attachLoops<Loops, ir::AttentionOp, ir::AttentionBackwardOp>(context);
}

} // namespace sinter::codegen
