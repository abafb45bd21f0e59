// SPDX-License-Identifier: Apache-2.0
// Needs: GemmCommon, Instructions
// Products of matrices by tensor cores (sm_80), operands copied asynchronously, several stages ahead.

// A tile of an operand in shared memory, as it lies in memory: rows of 64 bytes along k (width of them), or
// rows along the other dim (one per k). 16-byte pieces of a row are permuted so that those which are
// read together lie in different banks.
template <typename Operand, typename R, int width, int threads> struct MatrixLoader {
  typedef typename R::Multiplied T;
  static constexpr int perPiece = 16 / sizeof(T), blockK = 64 / sizeof(T);
  static constexpr int pieces = Operand::alongK ? 4 : width / perPiece; // Of a row.
  static constexpr int bytes = width * 64;
  static constexpr int perThread = width * 4 / threads;
  // Copied as it lies in memory, piece by piece.
  static constexpr bool isCopied = Operand::pack == perPiece;
  uint4 held[isCopied ? 1 : perThread];

  static __device__ __forceinline__ int offset(int row, int piece) {
    const int turn = Operand::alongK ? row / 2 % 4 : sizeof(T) == 4 ? row * 2 % 8 : row % 8;
    return (row * pieces + (piece ^ turn)) * 16;
  }
  // Asynchronously where that is possible; else to registers, and put() follows.
  __device__ __forceinline__ void fetch(const R &r, char *tile, const GemmPlace &place, int x0, long long k0) {
    const long long size = Operand::size(r);
#pragma unroll
    for (int i = 0; i < perThread; ++i) {
      const int number = threadIdx.x + i * threads, row = number / pieces, piece = number % pieces;
      const long long x = x0 + (Operand::alongK ? row : piece * perPiece), k = k0 + (Operand::alongK ? piece * perPiece : row);
      const long long left = Operand::alongK ? (x < size ? place.kEnd - k : 0) : (k < place.kEnd ? size - x : 0);
      const int count = left <= 0 ? 0 : left < perPiece ? (int)left : perPiece;
      if constexpr (isCopied) {
        const typename Operand::Element *from = Operand::at(r, place.batch);
        const long long at = Operand::alongK ? x * Operand::stride(r) + k : k * Operand::stride(r) + x;
        copyAsync16(tile + offset(row, piece), count ? from + at : from, count * (int)sizeof(T));
      } else {
        alignas(16) T part[perPiece];
#pragma unroll
        for (int j = 0; j < perPiece; ++j)
          part[j] = T(j < count ? Operand::element(r, place.batch, Operand::alongK ? x : x + j, Operand::alongK ? k + j : k) : 0.0f);
        held[i] = *(const uint4 *)part;
      }
    }
  }
  __device__ __forceinline__ void put(char *tile) const {
    if constexpr (!isCopied) {
#pragma unroll
      for (int i = 0; i < perThread; ++i) {
        const int number = threadIdx.x + i * threads;
        *(uint4 *)(tile + offset(number / pieces, number % pieces)) = held[i];
      }
    }
  }
  // The fragments of 16 rows from `x` on, and 32 bytes of k from `step` x 32 bytes on. For the right
  // operand two fragments of 8 columns follow each other.
  template <bool isRight> static __device__ __forceinline__ void fragments(unsigned int (&to)[4], const char *tile, int x, int step) {
    const int lane = threadIdx.x % 32, matrix = lane / 8, row = lane % 8;
    // Which of the two halves of 16 rows, and of 32 bytes of k, matrix i is.
    const int halfX = isRight ? matrix / 2 : matrix % 2, halfK = isRight ? matrix % 2 : matrix / 2;
    if constexpr (Operand::alongK) {
      loadMatrices(to, tile + offset(x + halfX * 8 + row, step * 2 + halfK));
    } else if constexpr (sizeof(T) == 2) {
      loadMatricesTransposed(to, tile + offset(step * 16 + halfK * 8 + row, x / 8 + halfX));
    } else {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int column = x + (isRight ? i / 2 : i % 2) * 8 + lane / 4, k = step * 8 + (isRight ? i % 2 : i / 2) * 4 + lane % 4;
        to[i] = *(const unsigned int *)(tile + offset(k, column / 4) + column % 4 * 4);
      }
    }
    if constexpr (sizeof(T) == 4) {
#pragma unroll
      for (int i = 0; i < 4; ++i)
        to[i] = roundTf32(bitCast<float>(to[i]));
    }
  }
};

template <int blockM, int blockN, int warpM, int warpN, int stages, typename R>
__device__ __forceinline__ void gemmMatrix(const R &r) {
  constexpr int warpsN = blockN / warpN, threads = blockM / warpM * warpsN * 32;
  typedef MatrixLoader<LeftOperand<R>, R, blockM, threads> LoaderA;
  typedef MatrixLoader<RightOperand<R>, R, blockN, threads> LoaderB;
  constexpr int blockK = LoaderA::blockK, stageBytes = LoaderA::bytes + LoaderB::bytes;
  constexpr int strips = blockM / warpM, stagedPitch = (R::wholeRows ? blockN : warpN) + 8;
  static_assert((R::wholeRows ? strips : threads / 32) * 16 * stagedPitch * 4 <= stages * stageBytes, "");
  extern __shared__ __align__(128) char dynamicShared[];
  char *const shared = dynamicShared;

  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  const int warpRow = warp / warpsN * warpM, warpColumn = warp % warpsN * warpN;
  const long long places = gemmPlaces(r, blockM, blockN);
  for (long long number = blockIdx.x; number < places; number += gridDim.x) {
    const GemmPlace place = gemmPlace(r, number, blockM, blockN);
    LoaderA loaderA;
    LoaderB loaderB;
    float sums[warpM / 16][warpN / 8][4];
#pragma unroll
    for (int i = 0; i < warpM / 16; ++i)
#pragma unroll
      for (int j = 0; j < warpN / 8; ++j)
#pragma unroll
        for (int c = 0; c < 4; ++c)
          sums[i][j][c] = 0;
    const int steps = (int)((place.kEnd - place.kBegin + blockK - 1) / blockK);
    auto fetch = [&](int step) {
      char *tile = shared + step % stages * stageBytes;
      loaderA.fetch(r, tile, place, place.m, place.kBegin + (long long)step * blockK);
      loaderB.fetch(r, tile + LoaderA::bytes, place, place.n, place.kBegin + (long long)step * blockK);
    };
    auto put = [&](int step) {
      char *tile = shared + step % stages * stageBytes;
      loaderA.put(tile);
      loaderB.put(tile + LoaderA::bytes);
    };
    __syncthreads(); // The shared memory has been read.
#pragma unroll 1
    for (int step = 0; step < stages - 1; ++step) {
      if (step < steps) {
        fetch(step);
        put(step);
      }
      commitAsync();
    }
#pragma unroll 1
    for (int step = 0; step < steps; ++step) {
      waitAsync<stages - 2>();
      __syncthreads();
      const int ahead = step + stages - 1;
      if (ahead < steps)
        fetch(ahead);
      commitAsync();
      const char *tileA = shared + step % stages * stageBytes, *tileB = tileA + LoaderA::bytes;
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        unsigned int a[warpM / 16][4], b[warpN / 16][4];
#pragma unroll
        for (int i = 0; i < warpM / 16; ++i)
          LoaderA::template fragments<false>(a[i], tileA, warpRow + i * 16, half);
#pragma unroll
        for (int j = 0; j < warpN / 16; ++j)
          LoaderB::template fragments<true>(b[j], tileB, warpColumn + j * 16, half);
#pragma unroll
        for (int i = 0; i < warpM / 16; ++i)
#pragma unroll
          for (int j = 0; j < warpN / 8; ++j)
            multiplyAdd(sums[i][j], a[i], b[j / 2][j % 2 * 2], b[j / 2][j % 2 * 2 + 1], typename R::Multiplied());
      }
      if (ahead < steps)
        put(ahead);
    }
    waitAsync<0>();
    __syncthreads();
    float *mine = R::wholeRows ? (float *)shared + warp / warpsN * 16 * stagedPitch + warpColumn
                               : (float *)shared + warp * 16 * stagedPitch;
#pragma unroll 1
    for (int group = 0; group < warpM / 16; ++group) {
      if (R::wholeRows && group > 0)
        __syncthreads();
#pragma unroll
      for (int i = 0; i < warpM / 16; ++i)
        if (i == group)
#pragma unroll
          for (int j = 0; j < warpN / 8; ++j) {
            float *at = mine + lane / 4 * stagedPitch + j * 8 + lane % 4 * 2;
            storePack<2>(at, sums[i][j]);
            storePack<2>(at + 8 * stagedPitch, sums[i][j] + 2);
          }
      if constexpr (R::wholeRows) {
        __syncthreads();
        finishRows<strips, 16, warpM, stagedPitch, threads>(r, (float *)shared, place, place.m + group * 16);
      } else {
        storeStaged<16, warpN, stagedPitch>(r, mine, place, place.m + warpRow + group * 16, place.n + warpColumn);
      }
    }
  }
}
