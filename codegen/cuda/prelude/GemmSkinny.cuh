// SPDX-License-Identifier: Apache-2.0
// Needs: GemmCommon
// Products of a matrix with few (at most 8) vectors: what counts is to read the matrix once, at the
// memory's speed. `isLeft`: the matrix is the left operand, and the vectors are columns of the right one.

template <bool isLeft, typename R> struct SkinnyOperands {
  typedef LeftOperand<R> Matrix;
  typedef RightOperand<R> Vectors;
};
template <typename R> struct SkinnyOperands<false, R> {
  typedef RightOperand<R> Matrix;
  typedef LeftOperand<R> Vectors;
};
template <bool isLeft, typename R, typename Sum>
__device__ __forceinline__ void finishSkinny(const R &r, int part, long long batch, long long x, int vector, Sum sum) {
  const Sum sums[1] = {sum};
  r.template finish<1>(part, batch, isLeft ? x : vector, isLeft ? vector : x, sums);
}
// Elements of the matrix along its direction; those outside are 0.
template <typename Operand, int pack, typename R, typename Sum>
__device__ __forceinline__ void skinnyLoad(const R &r, Sum (&to)[pack], long long batch, long long x, long long k, bool inside) {
  if constexpr (Operand::pack > 1) {
    alignas(16) typename Operand::Element part[pack];
    if (inside)
      loadPack<pack>(part, Operand::at(r, batch) + (Operand::alongK ? x * Operand::stride(r) + k : k * Operand::stride(r) + x));
#pragma unroll
    for (int j = 0; j < pack; ++j)
      to[j] = inside ? (Sum)part[j] : Sum(0);
  } else {
    to[0] = inside ? (Sum)Operand::element(r, batch, x, k) : Sum(0);
  }
}

// Rows of the matrix run along k: a warp per row. Each lane adds up every 32nd pack in order; the lanes' sums
// are added by a tree.
template <bool isLeft, int vectors, typename R> __device__ __forceinline__ void gemvRows(const R &r) {
  typedef typename R::Sum Sum;
  typedef typename SkinnyOperands<isLeft, R>::Matrix Matrix;
  typedef typename SkinnyOperands<isLeft, R>::Vectors Vectors;
  constexpr int pack = Matrix::pack > 1 ? Matrix::pack : 1, ahead = 4;
  const int lane = threadIdx.x % 32;
  const long long size = Matrix::size(r), count = size * r.batches() * R::parts, warps = (long long)gridDim.x * (blockDim.x / 32);
  for (long long number = (long long)blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32; number < count; number += warps) {
    const long long x = number % size, outer = number / size, batch = outer / R::parts;
    const int part = (int)(outer % R::parts);
    const long long kBegin = R::parts == 1 ? 0 : part * r.partDepth();
    const long long kEnd = R::parts == 1 || kBegin + r.partDepth() > r.depth() ? r.depth() : kBegin + r.partDepth();
    Sum sums[vectors];
#pragma unroll
    for (int v = 0; v < vectors; ++v)
      sums[v] = 0;
#pragma unroll 1
    for (long long k0 = kBegin + lane * pack; k0 < kEnd; k0 += 32 * pack * ahead) {
      Sum row[ahead][pack];
#pragma unroll
      for (int i = 0; i < ahead; ++i)
        skinnyLoad<Matrix, pack>(r, row[i], batch, x, k0 + i * 32 * pack, k0 + i * 32 * pack < kEnd);
#pragma unroll
      for (int i = 0; i < ahead; ++i) {
        const long long k = k0 + i * 32 * pack;
        if (k < kEnd)
#pragma unroll
          for (int v = 0; v < vectors; ++v) {
            if constexpr (Vectors::alongK && Vectors::pack >= pack && pack > 1) {
              alignas(16) typename Vectors::Element other[pack];
              loadPack<pack>(other, Vectors::at(r, batch) + v * Vectors::stride(r) + k);
#pragma unroll
              for (int j = 0; j < pack; ++j)
                sums[v] = multiplyAdd(row[i][j], (Sum)other[j], sums[v]);
            } else {
#pragma unroll
              for (int j = 0; j < pack; ++j)
                sums[v] = multiplyAdd(row[i][j], (Sum)Vectors::element(r, batch, v, k + j), sums[v]);
            }
          }
      }
    }
#pragma unroll
    for (int v = 0; v < vectors; ++v)
#pragma unroll
      for (int delta = 16; delta > 0; delta /= 2)
        sums[v] = sums[v] + __shfl_xor_sync(0xffffffffu, sums[v], delta);
    // Lane v finishes vector v.
    Sum mine = sums[0];
#pragma unroll
    for (int v = 1; v < vectors; ++v)
      mine = lane == v ? sums[v] : mine;
    if (lane < vectors)
      finishSkinny<isLeft>(r, part, batch, x, lane, mine);
  }
}

// Rows of the matrix run along its own dim: a lane has a pack of neighbours, the warps of a block take turns at
// k, and their sums are added in order.
template <bool isLeft, int vectors, int warps, typename R> __device__ __forceinline__ void gemvColumns(const R &r) {
  typedef typename R::Sum Sum;
  typedef typename SkinnyOperands<isLeft, R>::Matrix Matrix;
  typedef typename SkinnyOperands<isLeft, R>::Vectors Vectors;
  constexpr int pack = Matrix::pack > 1 ? Matrix::pack : 1, ahead = 4, width = 32 * pack;
  __shared__ Sum shared[warps][vectors][width];
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const long long size = Matrix::size(r), across = (size + width - 1) / width, count = across * r.batches() * R::parts;
  for (long long number = blockIdx.x; number < count; number += gridDim.x) {
    const long long x0 = number % across * width, outer = number / across, batch = outer / R::parts;
    const int part = (int)(outer % R::parts);
    const long long kBegin = R::parts == 1 ? 0 : part * r.partDepth();
    const long long kEnd = R::parts == 1 || kBegin + r.partDepth() > r.depth() ? r.depth() : kBegin + r.partDepth();
    const long long x = x0 + lane * pack;
    Sum sums[vectors][pack];
#pragma unroll
    for (int v = 0; v < vectors; ++v)
#pragma unroll
      for (int j = 0; j < pack; ++j)
        sums[v][j] = 0;
#pragma unroll 1
    for (long long k0 = kBegin + warp; k0 < kEnd; k0 += warps * ahead) {
      Sum row[ahead][pack];
#pragma unroll
      for (int i = 0; i < ahead; ++i)
        skinnyLoad<Matrix, pack>(r, row[i], batch, x, k0 + i * warps, x < size && k0 + i * warps < kEnd);
#pragma unroll
      for (int i = 0; i < ahead; ++i) {
        const long long k = k0 + i * warps;
        if (k < kEnd)
#pragma unroll
          for (int v = 0; v < vectors; ++v) {
            const Sum other = (Sum)Vectors::element(r, batch, v, k);
#pragma unroll
            for (int j = 0; j < pack; ++j)
              sums[v][j] = multiplyAdd(row[i][j], other, sums[v][j]);
          }
      }
    }
    __syncthreads(); // What the last piece left has been read.
#pragma unroll
    for (int v = 0; v < vectors; ++v)
#pragma unroll
      for (int j = 0; j < pack; ++j)
        shared[warp][v][lane * pack + j] = sums[v][j];
    __syncthreads();
#pragma unroll 1
    for (int i = threadIdx.x; i < vectors * width; i += warps * 32) {
      Sum sum = shared[0][i / width][i % width];
#pragma unroll
      for (int w = 1; w < warps; ++w)
        sum = sum + shared[w][i / width][i % width];
      if (x0 + i % width < size)
        finishSkinny<isLeft>(r, part, batch, x0 + i % width, i / width, sum);
    }
  }
}
