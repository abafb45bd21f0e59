// SPDX-License-Identifier: Apache-2.0
// Needs: Attention

/// Attention's tiles without tensor cores: sums are exact ones of T. Sixteen threads share `perThread` rows,
/// every `groups`-th of the tile's, each with every sixteenth of their scores.
template <typename T, int groups, int perThread, int numColumns> struct ScalarTiles {
  using Sum = T;
  static constexpr bool isFast = false;
  static constexpr int threads = 16 * groups, rows = groups * perThread, columns = numColumns;
  static constexpr int rowsOfThread = perThread, scoresOfThread = columns / 16;
  static constexpr int lanes = 16 / (int)sizeof(T); ///< Elements that are read together.

  struct Scores {
    T at[perThread][scoresOfThread];
    __device__ T &operator()(int r, int c) { return at[r][c]; }
    __device__ void clear() {
#pragma unroll
      for (int r = 0; r < perThread; ++r)
#pragma unroll
        for (int c = 0; c < scoresOfThread; ++c)
          at[r][c] = 0;
    }
  };
  /// Sums of `width` columns: a thread has `width / 16` of them, `step` neighbours at a time.
  template <int width> struct Sums {
    static constexpr int count = width / 16;
    static constexpr int step = count % 4 == 0 && sizeof(T) == 4 ? 4 : count % 2 == 0 ? 2 : 1;
    T at[perThread][count > 0 ? count : 1];
    static __device__ int column(int c) { return c / step * 16 * step + (int)threadIdx.x % 16 * step + c % step; }
    __device__ void clearRow(int r) {
#pragma unroll
      for (int c = 0; c < count; ++c)
        at[r][c] = 0;
    }
    __device__ void clear() {
#pragma unroll
      for (int r = 0; r < perThread; ++r)
        clearRow(r);
    }
    __device__ void scaleRow(int r, T factor) {
#pragma unroll
      for (int c = 0; c < count; ++c)
        at[r][c] *= factor;
    }
  };
  template <int count> struct alignas(count * sizeof(T)) Pack {
    T at[count];
  };

  T *weights; ///< Of the tile, for the threads that share a row.
  __device__ explicit ScalarTiles(T *scratch) : weights(scratch) {}
  static __device__ int row(int r) { return r * groups + (int)threadIdx.x / 16; }
  static __device__ int column(int c) { return c * 16 + (int)threadIdx.x % 16; }
  static __device__ bool isFirstOfRow() { return threadIdx.x % 16 == 0; }
  static __device__ T rowMax(T value) {
#pragma unroll
    for (int delta = 8; delta > 0; delta /= 2)
      value = larger(__shfl_xor_sync(0xffffffffu, value, delta), value);
    return value;
  }
  static __device__ T rowSum(T value) {
#pragma unroll
    for (int delta = 8; delta > 0; delta /= 2)
      value += __shfl_xor_sync(0xffffffffu, value, delta);
    return value;
  }

  /// scores += a [rows, width] times b [columns, width] transposed.
  template <int width> __device__ void addProduct(Scores &scores, const T *a, const T *b) const {
    constexpr int stride = attentionStride<T>(width);
#pragma unroll 2
    for (int k = 0; k < attentionPadded(width); k += lanes) {
      Pack<lanes> right[scoresOfThread];
#pragma unroll
      for (int c = 0; c < scoresOfThread; ++c)
        right[c] = *(const Pack<lanes> *)(b + column(c) * stride + k);
#pragma unroll
      for (int r = 0; r < perThread; ++r) {
        const Pack<lanes> left = *(const Pack<lanes> *)(a + row(r) * stride + k);
#pragma unroll
        for (int c = 0; c < scoresOfThread; ++c)
#pragma unroll
          for (int i = 0; i < lanes; ++i)
            scores(r, c) = fma(left.at[i], right[c].at[i], scores(r, c));
      }
    }
  }

  /// sums += scores [rows, columns] times b [columns, width].
  template <int width>
  __device__ void addWeighted(Sums<attentionPadded(width)> &sums, Scores &scores, const T *b) const {
    constexpr int stride = attentionStride<T>(width), own = columns + lanes;
    using Of = Sums<attentionPadded(width)>;
    __syncwarp(); // What was there before has been read.
#pragma unroll
    for (int r = 0; r < perThread; ++r)
#pragma unroll
      for (int c = 0; c < scoresOfThread; ++c)
        weights[row(r) * own + column(c)] = scores(r, c);
    __syncwarp();
#pragma unroll 1
    for (int k = 0; k < columns; k += lanes) {
      Pack<lanes> left[perThread];
#pragma unroll
      for (int r = 0; r < perThread; ++r)
        left[r] = *(const Pack<lanes> *)(weights + row(r) * own + k);
#pragma unroll
      for (int i = 0; i < lanes; ++i)
#pragma unroll
        for (int c = 0; c < Of::count; c += Of::step) {
          const Pack<Of::step> right = *(const Pack<Of::step> *)(b + (k + i) * stride + Of::column(c));
#pragma unroll
          for (int r = 0; r < perThread; ++r)
#pragma unroll
            for (int j = 0; j < Of::step; ++j)
              sums.at[r][c + j] = fma(left[r].at[i], right.at[j], sums.at[r][c + j]);
        }
    }
  }

  template <int width>
  __device__ void store(T *to, const Sums<attentionPadded(width)> &sums, int numRows) const {
    using Of = Sums<attentionPadded(width)>;
#pragma unroll
    for (int r = 0; r < perThread; ++r)
#pragma unroll
      for (int c = 0; c < Of::count; c += Of::step) {
        T *const at = to + row(r) * width + Of::column(c);
        alignas(16) T part[Of::step];
#pragma unroll
        for (int j = 0; j < Of::step; ++j)
          part[j] = sums.at[r][c + j];
        if constexpr (width % Of::step == 0) {
          if (row(r) < numRows && Of::column(c) < width)
            storePack<Of::step>(at, part);
        } else {
#pragma unroll
          for (int j = 0; j < Of::step; ++j)
            if (row(r) < numRows && Of::column(c) + j < width)
              at[j] = part[j];
        }
      }
  }
};
