// SPDX-License-Identifier: Apache-2.0
// Needs: Attention

/// Attention's tiles on tensor cores (m16n8k16): T is Half or Brain, sums are floats. A warp has
/// `perWarp` times 16 rows and all of their scores, which become the left operand of the second product
/// without leaving its registers: four lanes share a row.
template <typename T, int warps, int perWarp, int numColumns> struct MatrixTiles {
  using Sum = float;
  static constexpr bool isFast = true;
  static constexpr int threads = 32 * warps, rows = 16 * warps * perWarp, columns = numColumns;
  static constexpr int rowsOfThread = 2 * perWarp, scoresOfThread = columns / 4;

  /// [rows of the warp, width] floats: fragments of 16 x 8.
  template <int width> struct Sums {
    static constexpr int count = width / 8;
    float at[perWarp][count > 0 ? count : 1][4];
    __device__ float &operator()(int r, int c) { return at[r / 2][c / 2][r % 2 * 2 + c % 2]; }
    __device__ void clear() {
#pragma unroll
      for (int r = 0; r < rowsOfThread; ++r)
        clearRow(r);
    }
    __device__ void clearRow(int r) {
#pragma unroll
      for (int c = 0; c < 2 * count; ++c)
        (*this)(r, c) = 0;
    }
    __device__ void scaleRow(int r, float factor) {
#pragma unroll
      for (int c = 0; c < 2 * count; ++c)
        (*this)(r, c) *= factor;
    }
  };
  using Scores = Sums<columns>;

  __device__ explicit MatrixTiles(float *) {}
  static __device__ int firstRow() { return (int)threadIdx.x / 32 * 16 * perWarp; }
  static __device__ int row(int r) { return firstRow() + r / 2 * 16 + r % 2 * 8 + (int)threadIdx.x % 32 / 4; }
  static __device__ int column(int c) { return c / 2 * 8 + (int)threadIdx.x % 4 * 2 + c % 2; }
  static __device__ bool isFirstOfRow() { return threadIdx.x % 4 == 0; }
  static __device__ float rowMax(float value) {
    value = larger(__shfl_xor_sync(0xffffffffu, value, 2), value);
    return larger(__shfl_xor_sync(0xffffffffu, value, 1), value);
  }
  static __device__ float rowSum(float value) {
    value += __shfl_xor_sync(0xffffffffu, value, 2);
    return value + __shfl_xor_sync(0xffffffffu, value, 1);
  }

  /// scores += a [rows, width] times b [columns, width] transposed.
  template <int width> __device__ void addProduct(Scores &scores, const T *a, const T *b) const {
    constexpr int stride = attentionStride<T>(width);
    const int lane = (int)threadIdx.x % 32;
    const T *left = a + (firstRow() + lane % 16) * stride + lane / 16 * 8;
    const T *right = b + (lane / 16 * 8 + lane % 8) * stride + lane / 8 % 2 * 8;
#pragma unroll 2 // More would only raise the number of registers.
    for (int k = 0; k < attentionPadded(width); k += 16) {
      unsigned int x[perWarp][4];
#pragma unroll
      for (int i = 0; i < perWarp; ++i)
        loadMatrices(x[i], left + i * 16 * stride + k);
#pragma unroll
      for (int j = 0; j < columns / 16; ++j) {
        unsigned int y[4];
        loadMatrices(y, right + j * 16 * stride + k);
#pragma unroll
        for (int i = 0; i < perWarp; ++i) {
          multiplyAdd(scores.at[i][2 * j], x[i], y[0], y[1], T());
          multiplyAdd(scores.at[i][2 * j + 1], x[i], y[2], y[3], T());
        }
      }
    }
  }

  /// sums += scores [rows, columns] times b [columns, width]; the scores are rounded to T.
  template <int width>
  __device__ void addWeighted(Sums<attentionPadded(width)> &sums, const Scores &scores, const T *b) const {
    constexpr int stride = attentionStride<T>(width);
    const int lane = (int)threadIdx.x % 32;
    const T *right = b + lane % 16 * stride + lane / 16 * 8;
#pragma unroll
    for (int k = 0; k < columns / 16; ++k) {
      unsigned int x[perWarp][4];
#pragma unroll
      for (int i = 0; i < perWarp; ++i)
#pragma unroll
        for (int part = 0; part < 4; ++part) {
          const float (&from)[4] = scores.at[i][2 * k + part / 2];
          x[i][part] = packPair(from[part % 2 * 2], from[part % 2 * 2 + 1], T());
        }
#pragma unroll
      for (int j = 0; j < attentionPadded(width) / 16; ++j) {
        unsigned int y[4];
        loadMatricesTransposed(y, right + k * 16 * stride + j * 16);
#pragma unroll
        for (int i = 0; i < perWarp; ++i) {
          multiplyAdd(sums.at[i][2 * j], x[i], y[0], y[1], T());
          multiplyAdd(sums.at[i][2 * j + 1], x[i], y[2], y[3], T());
        }
      }
    }
  }

  template <int width>
  __device__ void store(T *to, const Sums<attentionPadded(width)> &sums, int numRows) const {
#pragma unroll
    for (int r = 0; r < rowsOfThread; ++r) {
      if (row(r) >= numRows)
        continue;
      T *at = to + row(r) * width;
#pragma unroll
      for (int c = 0; c < attentionPadded(width) / 4; c += 2) {
        const float low = sums.at[r / 2][c / 2][r % 2 * 2], high = sums.at[r / 2][c / 2][r % 2 * 2 + 1];
        if (width % 2 == 0 && column(c) < width)
          *(unsigned int *)(at + column(c)) = packPair(low, high, T());
        if (width % 2 != 0 && column(c) < width)
          at[column(c)] = T(low);
        if (width % 2 != 0 && column(c) + 1 < width)
          at[column(c) + 1] = T(high);
      }
    }
  }
};
