// SPDX-License-Identifier: Apache-2.0
// Needs: Instructions, Packs

// -- Attention that never holds all scores ---------------------------------------------------------------------
//
// A block of threads keeps some rows (queries, or keys for the gradients of keys and values) in shared
// memory and passes over the columns (keys, or queries) a tile at a time; tiles arrive by asynchronous
// copies while others are computed. A problem `P` is printed beside each kernel: types, widths, sizes.
// Tiles `E` compute products of what lies in shared memory, on tensor cores or element by element; every
// row of a matrix there has 16 bytes more than it holds, so that neighbours lie in different banks.

/// Columns of a matrix in shared memory: whole tiles.
__device__ constexpr int attentionPadded(int width) { return (width + 15) / 16 * 16; }
template <typename T> __device__ constexpr int attentionStride(int width) {
  return attentionPadded(width) + 16 / (int)sizeof(T);
}

__device__ inline float attentionExp(float x) { return expf(x); }
__device__ inline double attentionExp(double x) { return exp(x); }
__device__ inline float attentionLog(float x) { return logf(x); }
__device__ inline double attentionLog(double x) { return log(x); }
__device__ inline float attentionInfinity(float) { return __int_as_float(0x7f800000); }
__device__ inline double attentionInfinity(double) { return __longlong_as_double(0x7ff0000000000000LL); }

/// 4, 8 or 16 bytes to shared memory, or zeros.
template <int bytes> __device__ void attentionCopyPiece(void *to, const void *from, bool valid) {
  if constexpr (bytes == 16)
    copyAsync16(to, from, valid ? 16 : 0);
  else if constexpr (bytes == 8)
    copyAsync8(to, from, valid ? 8 : 0);
  else
    copyAsync4(to, from, valid ? 4 : 0);
}
/// Copies `present` rows of `width` elements into shared memory; the rest of `rows` padded rows is 0.
template <int width, int rows, int threads, typename T>
__device__ void attentionCopy(T *to, const T *from, int present) {
  constexpr int padded = attentionPadded(width), stride = attentionStride<T>(width);
  constexpr int bytes = width * (int)sizeof(T);
  constexpr int piece = bytes % 16 == 0 ? 16 : bytes % 8 == 0 ? 8 : bytes % 4 == 0 ? 4 : 0;
  if constexpr (piece != 0) {
    constexpr int elements = piece / (int)sizeof(T), pieces = padded / elements;
    constexpr int step = threads % pieces == 0 && rows * pieces % threads == 0 ? threads / pieces : 0;
    if constexpr (step != 0) { // A thread has every `step`-th row's piece.
      const int first = (int)threadIdx.x / pieces, at = (int)threadIdx.x % pieces * elements;
      T *into = to + first * stride + at;
      const T *out = from + first * width + at;
#pragma unroll 2 // More take registers that wide heads need.
      for (int row = 0; row < rows; row += step) {
        const bool valid = first + row < present && at < width;
        attentionCopyPiece<piece>(into + row * stride, valid ? out + row * width : from, valid);
      }
    } else {
#pragma unroll 1
      for (int i = (int)threadIdx.x; i < rows * pieces; i += threads) {
        const int row = i / pieces, at = i % pieces * elements;
        const bool valid = row < present && at < width;
        attentionCopyPiece<piece>(to + row * stride + at, from + (valid ? row * width + at : 0), valid);
      }
    }
  } else {
#pragma unroll 4
    for (int i = (int)threadIdx.x; i < rows * padded; i += threads) {
      const int row = i / padded, at = i % padded;
      to[row * stride + at] = row < present && at < width ? from[row * width + at] : T(0.0f);
    }
  }
}
/// The same for a number per row.
template <int rows, int threads, typename T>
__device__ void attentionCopyNumbers(T *to, const T *from, int present) {
#pragma unroll 1
  for (int i = (int)threadIdx.x; i < rows; i += threads)
    attentionCopyPiece<(int)sizeof(T)>(to + i, from + (i < present ? i : 0), i < present);
}

/// How scores become weights. With tensor cores the powers are those of 2: scores are multiplied by
/// `before` when they are made and by `within` when their weight is computed; one of the two is 1.
template <typename P, typename E> struct AttentionPowers {
  using Sum = typename E::Sum;
  static constexpr double base = E::isFast ? 1.4426950408889634 : 1.0;
  static constexpr bool scalesWithin = E::isFast && !P::addsMask && P::scale > 0;
  static constexpr Sum before = scalesWithin ? Sum(1) : Sum(P::scale * base);
  static constexpr Sum within = scalesWithin ? Sum(P::scale * base) : Sum(1);
  /// exp(score - shift), where `shift` has been through ofShift() or ofLse().
  static __device__ Sum weight(Sum score, Sum shift) {
    if constexpr (!E::isFast)
      return attentionExp(score - shift);
    else if constexpr (scalesWithin)
      return exp2Fast(fmaf(score, within, -shift));
    else
      return exp2Fast(score - shift);
  }
  static __device__ Sum ofShift(Sum largest) { return scalesWithin ? largest * within : largest; }
  static __device__ Sum ofLse(Sum lse) { return E::isFast ? lse * Sum(base) : lse; }
  static __device__ Sum natural(Sum shift) { return E::isFast ? shift * Sum(0.6931471805599453) : shift; }
};

/// Where the mask of a batch begins.
template <typename P> __device__ const typename P::Mask *attentionMask(const P &p, const typename P::Mask *mask, long long batch) {
  if constexpr (P::hasMask)
    return mask + p.maskBatch(batch);
  else
    return mask;
}

/// What hides or changes scores. `firstQuery` and `firstKey` are those of the tile.
template <typename P, typename E, bool rowsAreQueries> struct AttentionSight {
  using Sum = typename E::Sum;
  const P &p;
  const typename P::Mask *mask; ///< Of the batch.
  long long keys, queries;

  /// Whether some score of the tile may not count.
  __device__ bool isEdge(long long firstQuery, long long firstKey) const {
    constexpr int numKeys = rowsAreQueries ? E::columns : E::rows;
    if (!rowsAreQueries && firstQuery + E::columns > queries)
      return true;
    if constexpr (P::causal)
      if (firstKey + numKeys - 1 > firstQuery + p.offset())
        return true;
    return firstKey + numKeys > keys;
  }

  __device__ void apply(const E &tiles, typename E::Scores &scores, long long firstQuery, long long firstKey) const {
    using Powers = AttentionPowers<P, E>;
    if constexpr (!Powers::scalesWithin)
#pragma unroll
      for (int r = 0; r < E::rowsOfThread; ++r)
#pragma unroll
        for (int c = 0; c < E::scoresOfThread; ++c)
          scores(r, c) *= Powers::before;
    if (!P::hasMask && !isEdge(firstQuery, firstKey))
      return;
    const int numQueries = (int)smaller(queries - firstQuery, (long long)1 << 20);
    const int numKeys = (int)smaller(keys - firstKey, (long long)1 << 20);
    int reach = 0; // Key j of the tile is seen by its query i when j <= i + reach.
    if constexpr (P::causal)
      reach = (int)larger(smaller(firstQuery + p.offset() - firstKey, (long long)1 << 20), -((long long)1 << 20));
    const typename P::Mask *at = mask;
    if constexpr (P::hasMask)
      at += firstQuery * p.maskRow() + firstKey * p.maskColumn();
#pragma unroll
    for (int r = 0; r < E::rowsOfThread; ++r)
#pragma unroll
      for (int c = 0; c < E::scoresOfThread; ++c) {
        const int query = rowsAreQueries ? tiles.row(r) : tiles.column(c);
        const int key = rowsAreQueries ? tiles.column(c) : tiles.row(r);
        bool seen = query < numQueries && key < numKeys;
        if constexpr (P::causal)
          seen = seen && key <= query + reach;
        if constexpr (P::hasMask)
          if (seen) {
            const typename P::Mask given = at[query * p.maskRow() + key * p.maskColumn()];
            if constexpr (P::addsMask)
              scores(r, c) += Sum(given) * Sum(Powers::base);
            else
              seen = given != 0;
          }
        if (!seen)
          scores(r, c) = -attentionInfinity(Sum());
      }
  }
};

/// Tiles [0, end) of `step` columns, one after the other: take(stage, column) while issue(stage, column) has
/// brought it, and the next one is on its way where there are two stages. Each of the two is written out once.
template <int stages, typename Issue, typename Take>
__device__ __forceinline__ void attentionTiles(long long end, int step, const Issue &issue, const Take &take) {
  int stage = 0;
#pragma unroll 1
  for (long long at = -(long long)step;; at += step) {
    const bool more = at + step < end, isFull = at >= 0;
    if (stages == 2 || isFull) {
      waitAsync<0>();
      __syncthreads(); // The tile is here, and nobody reads the one before any more.
    }
    if (stages == 2 && more)
      issue(stage, at + step);
    if (isFull)
      take(stages == 2 ? stage ^ 1 : 0, at);
    if (!more)
      break;
    if (stages == 1) {
      __syncthreads();
      issue(0, at + step);
    }
    stage ^= stages - 1;
  }
  commitAsync(); // Without tiles the rows are still on their way.
  waitAsync<0>();
  __syncthreads(); // What comes next overwrites what has been read.
}

template <typename P, typename E>
__device__ void attentionForward(const P &p, const typename P::Element *q, const typename P::Element *k,
                                 const typename P::Element *v, const typename P::Mask *mask,
                                 typename P::Element *out, typename E::Sum *lse) {
  using T = typename P::Element;
  using Sum = typename E::Sum;
  using Powers = AttentionPowers<P, E>;
  constexpr int keyElements = E::columns * attentionStride<T>(P::width);
  constexpr int stageElements = keyElements + E::columns * attentionStride<T>(P::valueWidth);
  extern __shared__ __align__(16) unsigned char attentionShared[];
  T *queryRows = (T *)attentionShared, *ring = queryRows + E::rows * attentionStride<T>(P::width);
  const E tiles((Sum *)(ring + P::stages * stageElements));

  const long long queries = p.queries(), keys = p.keys(), batches = p.batches();
  const long long blocks = (queries + E::rows - 1) / E::rows, units = batches * blocks;
#pragma unroll 1
  for (long long unit = blockIdx.x; unit < units; unit += gridDim.x) {
    // Where later keys are hidden, the last queries have most to do: they come first.
    const long long batch = P::causal ? unit % batches : unit / blocks;
    const long long first = (P::causal ? blocks - 1 - unit / batches : unit % blocks) * E::rows;
    const int numRows = (int)smaller(queries - first, (long long)E::rows);
    const long long served = p.servedBatch(batch);
    const T *keyRows = k + served * keys * P::width, *valueRows = v + served * keys * P::valueWidth;
    const AttentionSight<P, E, true> sight{p, attentionMask(p, mask, batch), keys, queries};
    long long end = keys;
    if constexpr (P::causal)
      end = smaller(keys, larger(first + numRows + p.offset(), 0LL));

    auto issue = [&](int stage, long long at) {
      const int present = (int)smaller(keys - at, (long long)E::columns);
      T *to = ring + stage * stageElements;
      attentionCopy<P::width, E::columns, E::threads>(to, keyRows + at * P::width, present);
      attentionCopy<P::valueWidth, E::columns, E::threads>(to + keyElements, valueRows + at * P::valueWidth, present);
      commitAsync();
    };
    attentionCopy<P::width, E::rows, E::threads>(queryRows, q + (batch * queries + first) * P::width, numRows);

    typename E::template Sums<attentionPadded(P::valueWidth)> sums;
    sums.clear();
    Sum largest[E::rowsOfThread], total[E::rowsOfThread];
#pragma unroll
    for (int r = 0; r < E::rowsOfThread; ++r) {
      largest[r] = -attentionInfinity(Sum());
      total[r] = 0;
    }
    attentionTiles<P::stages>(end, E::columns, issue, [&](int stage, long long at) {
      const T *keyTile = ring + stage * stageElements, *valueTile = keyTile + keyElements;
      typename E::Scores scores;
      scores.clear();
      tiles.template addProduct<P::width>(scores, queryRows, keyTile);
      sight.apply(tiles, scores, first, at);
#pragma unroll
      for (int r = 0; r < E::rowsOfThread; ++r) {
        Sum now = largest[r];
#pragma unroll
        for (int c = 0; c < E::scoresOfThread; ++c)
          now = larger(scores(r, c), now);
        now = tiles.rowMax(now);
        // Nothing was seen so far: then all weights are 0.
        const Sum shift = Powers::ofShift(now == -attentionInfinity(Sum()) ? Sum(0) : now);
        const Sum factor = Powers::weight(largest[r], shift);
        largest[r] = now;
        total[r] *= factor;
        sums.scaleRow(r, factor);
#pragma unroll
        for (int c = 0; c < E::scoresOfThread; ++c) {
          scores(r, c) = Powers::weight(scores(r, c), shift);
          total[r] += scores(r, c);
        }
      }
      tiles.template addWeighted<P::valueWidth>(sums, scores, valueTile);
    });
    // Row by row. Exact functions are long and written out once, rows picked; on tensor cores registers are dear.
#pragma unroll(E::isFast ? E::rowsOfThread : 1)
    for (int row = 0; row < E::rowsOfThread; ++row) {
      Sum mine = total[0], most = largest[0];
#pragma unroll
      for (int r = 1; r < E::rowsOfThread; ++r) {
        mine = r == row ? total[r] : mine;
        most = r == row ? largest[r] : most;
      }
      const Sum sum = tiles.rowSum(mine), shift = most == -attentionInfinity(Sum()) ? Sum(0) : most;
      const bool sees = sum != 0 || (P::strictRows && keys > 0);
      const int at = tiles.row(row);
      if (lse && tiles.isFirstOfRow() && at < numRows)
        lse[batch * queries + first + at] =
            sees ? Powers::natural(Powers::ofShift(shift)) + attentionLog(sum) : attentionInfinity(Sum());
      const Sum factor = Sum(1) / sum;
#pragma unroll
      for (int r = 0; r < E::rowsOfThread; ++r)
        if (r == row) {
          if (sees)
            sums.scaleRow(r, factor);
          else
            sums.clearRow(r);
        }
    }
    if (out)
      tiles.template store<P::valueWidth>(out + (batch * queries + first) * P::valueWidth, sums, numRows);
  }
}

/// One pass of the gradients. With queries as rows it gives that of q in `slopes`; with keys as rows
/// those of k in `slopes` and of v in `weighted`, or one of them where the other is null.
template <typename P, typename E, bool rowsAreQueries, bool makesSlopes, bool makesWeighted>
__device__ void attentionBackward(const P &p, const typename P::Element *q, const typename P::Element *k,
                                  const typename P::Element *v, const typename E::Sum *lse,
                                  const typename E::Sum *delta, const typename P::Element *dout,
                                  const typename P::Mask *mask, typename P::Element *slopes,
                                  typename P::Element *weighted) {
  using T = typename P::Element;
  using Sum = typename E::Sum;
  using Powers = AttentionPowers<P, E>;
  constexpr int strideA = attentionStride<T>(P::width), strideB = attentionStride<T>(P::valueWidth);
  constexpr int columnsA = E::columns * strideA, columnsB = E::columns * strideB;
  constexpr int numbers = rowsAreQueries ? 0 : 2 * E::columns; // Of the columns' queries.
  constexpr int stageElements = columnsA + columnsB + numbers * (int)(sizeof(Sum) / sizeof(T));
  // Rows of q and dout, or of k and v; then the tiles of columns, of k and v, or of q and dout.
  extern __shared__ __align__(16) unsigned char attentionShared[];
  T *rowsA = (T *)attentionShared, *rowsB = rowsA + E::rows * strideA;
  T *ring = rowsB + (makesSlopes ? E::rows * strideB : 0);
  const E tiles((Sum *)(ring + P::stages * stageElements));

  const long long queries = p.queries(), keys = p.keys();
  const long long numRowsAll = rowsAreQueries ? queries : keys;
  long long batches;
  if constexpr (rowsAreQueries)
    batches = p.batches();
  else
    batches = p.servedBatches();
  const long long blocks = (numRowsAll + E::rows - 1) / E::rows, units = batches * blocks;
#pragma unroll 1
  for (long long unit = blockIdx.x; unit < units; unit += gridDim.x) {
    // What has most to do comes first: the last queries, or the first keys.
    const long long batch = P::causal ? unit % batches : unit / blocks;
    const long long number = P::causal ? unit / batches : unit % blocks;
    const long long first = (P::causal && rowsAreQueries ? blocks - 1 - number : number) * E::rows;
    const int numRows = (int)smaller(numRowsAll - first, (long long)E::rows);
    // Columns [low, high) of one batch, for one batch after the other of those that share the rows.
    long long low = 0, high = rowsAreQueries ? keys : queries;
    if constexpr (P::causal) {
      if constexpr (rowsAreQueries)
        high = smaller(keys, larger(first + numRows + p.offset(), 0LL));
      else
        low = larger(first - p.offset(), 0LL) / E::columns * E::columns;
    }
    const long long perBatch = larger((high - low + E::columns - 1) / E::columns, 0LL);
    long long count = perBatch, servedBatch = batch, queryBatch = batch;
    if constexpr (rowsAreQueries) {
      servedBatch = p.servedBatch(batch);
    } else {
      count *= p.repeats();
      queryBatch = p.queryOfServed(batch);
    }
    auto batchOf = [&](long long step) { // Of the queries.
      if constexpr (rowsAreQueries)
        return queryBatch;
      else
        return queryBatch + p.queryOfRepeat(step / perBatch);
    };
    auto columnOf = [&](long long step) { return low + (rowsAreQueries ? step : step % perBatch) * E::columns; };

    const long long rowBatch = batch * numRowsAll + first;
    attentionCopy<P::width, E::rows, E::threads>(rowsA, (rowsAreQueries ? q : k) + rowBatch * P::width, numRows);
    if constexpr (makesSlopes)
      attentionCopy<P::valueWidth, E::rows, E::threads>(rowsB, (rowsAreQueries ? dout : v) + rowBatch * P::valueWidth,
                                                        numRows);
    auto issue = [&](int stage, long long step) {
      const long long at = columnOf(step);
      T *to = ring + stage * stageElements;
      if constexpr (rowsAreQueries) {
        const int present = (int)smaller(keys - at, (long long)E::columns);
        const long long row = servedBatch * keys + at;
        attentionCopy<P::width, E::columns, E::threads>(to, k + row * P::width, present);
        attentionCopy<P::valueWidth, E::columns, E::threads>(to + columnsA, v + row * P::valueWidth, present);
      } else {
        const int present = (int)smaller(queries - at, (long long)E::columns);
        const long long row = batchOf(step) * queries + at;
        attentionCopy<P::width, E::columns, E::threads>(to, q + row * P::width, present);
        attentionCopy<P::valueWidth, E::columns, E::threads>(to + columnsA, dout + row * P::valueWidth, present);
        Sum *of = (Sum *)(to + columnsA + columnsB);
        attentionCopyNumbers<E::columns, E::threads>(of, lse + row, present);
        attentionCopyNumbers<E::columns, E::threads>(of + E::columns, delta + row, present);
      }
      commitAsync();
    };

    Sum rowLse[E::rowsOfThread], rowDelta[E::rowsOfThread];
    if constexpr (rowsAreQueries) {
#pragma unroll
      for (int r = 0; r < E::rowsOfThread; ++r) {
        const bool inside = tiles.row(r) < numRows;
        rowLse[r] = inside ? Powers::ofLse(lse[rowBatch + tiles.row(r)]) : attentionInfinity(Sum());
        rowDelta[r] = inside ? delta[rowBatch + tiles.row(r)] : Sum(0);
      }
    }
    typename E::template Sums<makesSlopes ? attentionPadded(P::width) : 0> slopeSums;
    typename E::template Sums<makesWeighted ? attentionPadded(P::valueWidth) : 0> weightedSums;
    slopeSums.clear();
    weightedSums.clear();
    attentionTiles<P::stages>(count, 1, issue, [&](int stage, long long step) {
      const T *tileA = ring + stage * stageElements, *tileB = tileA + columnsA;
      const Sum *of = (const Sum *)(tileB + columnsB);
      const long long at = columnOf(step);
      const AttentionSight<P, E, rowsAreQueries> sight{p, attentionMask(p, mask, batchOf(step)), keys, queries};
      typename E::Scores scores;
      scores.clear();
      tiles.template addProduct<P::width>(scores, rowsA, tileA);
      sight.apply(tiles, scores, rowsAreQueries ? first : at, rowsAreQueries ? at : first);
#pragma unroll
      for (int c = 0; c < E::scoresOfThread; ++c) {
        const Sum columnLse = rowsAreQueries ? Sum(0) : Powers::ofLse(of[tiles.column(c)]);
#pragma unroll
        for (int r = 0; r < E::rowsOfThread; ++r)
          scores(r, c) = Powers::weight(scores(r, c), rowsAreQueries ? rowLse[r] : columnLse);
      }
      if constexpr (makesWeighted)
        tiles.template addWeighted<P::valueWidth>(weightedSums, scores, tileB);
      if constexpr (makesSlopes) {
        typename E::Scores change;
        change.clear();
        tiles.template addProduct<P::valueWidth>(change, rowsB, tileB);
#pragma unroll
        for (int c = 0; c < E::scoresOfThread; ++c) {
          const Sum columnDelta = rowsAreQueries ? Sum(0) : of[E::columns + tiles.column(c)];
#pragma unroll
          for (int r = 0; r < E::rowsOfThread; ++r)
            scores(r, c) *= change(r, c) - (rowsAreQueries ? rowDelta[r] : columnDelta);
        }
        tiles.template addWeighted<P::width>(slopeSums, scores, tileA);
      }
    });
    if constexpr (makesSlopes) {
#pragma unroll
      for (int r = 0; r < E::rowsOfThread; ++r)
        slopeSums.scaleRow(r, Sum(P::scale));
      tiles.template store<P::width>(slopes + rowBatch * P::width, slopeSums, numRows);
    }
    if constexpr (makesWeighted)
      tiles.template store<P::valueWidth>(weighted + rowBatch * P::valueWidth, weightedSums, numRows);
  }
}
