// SPDX-License-Identifier: Apache-2.0
// Needs: Convolution, Instructions
// The same on units for products of matrices: a block of 8 warps computes `tileRows` x 128 sums. Operands
// lie in shared memory with 32 of the depth side by side.
template <template <typename> class Problem, int tileRows, typename R> __device__ __forceinline__ void convolveMatrix(const R &region) {
  using P = Problem<R>;
  using E = typename R::Element;
  // 80 bytes from row to row: eight rows lie in different banks.
  constexpr int step = 32, pitch = 40, part = 8, parts = step / part;
  constexpr int warpRows = 32, warpsDown = tileRows / warpRows, warpsAcross = 8 / warpsDown;
  constexpr int warpColumns = convolutionColumns / warpsAcross, tilesDown = warpRows / 16, tilesAcross = warpColumns / 8;
  constexpr int ownRows = tileRows * parts / convolutionThreads, ownColumns = convolutionColumns * parts / convolutionThreads;
  __shared__ __align__(16) unsigned short a[2][tileRows][pitch];
  __shared__ __align__(16) unsigned short b[2][convolutionColumns][pitch];
  __shared__ typename Problem<R>::Depth places[2][step]; // Of a step and the next one, found once for all rows and columns.
  const int thread = threadIdx.x, lane = thread % 32, warp = thread / 32;
  const int warpRow = warp % warpsDown * warpRows, warpColumn = warp / warpsDown * warpColumns;
  // What a thread brings: parts of the depth of some rows, and of one column.
  const int aPart = thread % parts, aRow = thread / parts;
  const int bColumn = thread % convolutionColumns, bPart = thread / convolutionColumns;
  P problem(region);
  const long long tiles = ConvolutionTile<R, P>::count(problem, region, tileRows);
#pragma unroll 1
  for (long long number = blockIdx.x; number < tiles; number += gridDim.x) {
    const ConvolutionTile<R, P> tile(problem, region, tileRows, step, number);
    const typename P::Column column = problem.column(tile.column + bColumn);
    typename P::Row rows[ownRows];
#pragma unroll
    for (int i = 0; i < ownRows; ++i)
      rows[i] = problem.row(tile.row + aRow + i * (convolutionThreads / parts));
    alignas(16) unsigned short nextA[ownRows][part];
    alignas(16) unsigned short nextB[ownColumns][part];
    const auto find = [&](int depth, int half) {
      if (thread < step && depth + thread < tile.depthEnd) // A phase may have no taps at all.
        places[half][thread] = problem.at(depth + thread);
    };
    const auto fetch = [&](int depth, int half) {
#pragma unroll
      for (int k = 0; k < part; ++k) {
        const int at = aPart * part + k;
#pragma unroll
        for (int i = 0; i < ownRows; ++i)
          nextA[i][k] = depth + at < tile.depthEnd && rows[i].valid ? problem.a(rows[i], places[half][at]).bits : (unsigned short)0;
      }
#pragma unroll
      for (int i = 0; i < ownColumns; ++i)
#pragma unroll
        for (int k = 0; k < part; ++k) {
          const int at = (bPart + i * (convolutionThreads / convolutionColumns)) * part + k;
          nextB[i][k] = depth + at < tile.depthEnd ? problem.b(column, places[half][at]).bits : (unsigned short)0;
        }
    };
    const auto keep = [&](int half) {
#pragma unroll
      for (int i = 0; i < ownRows; ++i)
        storePack<part>(&a[half][aRow + i * (convolutionThreads / parts)][aPart * part], nextA[i]);
#pragma unroll
      for (int i = 0; i < ownColumns; ++i)
        storePack<part>(&b[half][bColumn][(bPart + i * (convolutionThreads / convolutionColumns)) * part], nextB[i]);
    };
    float sum[tilesDown][tilesAcross][4];
#pragma unroll
    for (int i = 0; i < tilesDown; ++i)
#pragma unroll
      for (int j = 0; j < tilesAcross; ++j)
#pragma unroll
        for (int e = 0; e < 4; ++e)
          sum[i][j][e] = 0.0f;
    find(tile.depth, 0);
    __syncthreads(); // The tile before has been read.
    // A step fetches the next part of the depth and multiplies the one before, which lies in the other half.
    int half = 0;
    bool isFull = false;
#pragma unroll 1
    for (int depth = tile.depth;; depth += step) {
      const bool more = depth < tile.depthEnd;
      if (more) {
        fetch(depth, half);
        find(depth + step, half ^ 1);
      }
      if (isFull) {
#pragma unroll
        for (int k = 0; k < step; k += 16) {
          unsigned int left[tilesDown][4];
#pragma unroll
          for (int i = 0; i < tilesDown; ++i) // Matrices: rows 0-7 and 8-15 of depths 0-7, then of 8-15.
            loadMatrices(left[i], &a[half][warpRow + i * 16 + lane % 16][k + lane / 16 * 8]);
#pragma unroll
          for (int j = 0; j < tilesAcross; j += 2) {
            unsigned int right[4]; // Depths 0-7 and 8-15 of columns 0-7, then of 8-15.
            loadMatrices(right, &b[half][warpColumn + j * 8 + lane / 16 * 8 + lane % 8][k + lane / 8 % 2 * 8]);
#pragma unroll
            for (int i = 0; i < tilesDown; ++i) {
              multiplyAdd(sum[i][j], left[i], right[0], right[1], E());
              multiplyAdd(sum[i][j + 1], left[i], right[2], right[3], E());
            }
          }
        }
      }
      if (!more)
        break;
      half ^= 1;
      keep(half);
      __syncthreads();
      isFull = true;
    }
    // Half a tile of 16 x 8 after the other: what follows the sums stands in the code once.
#pragma unroll 1
    for (int pair = 0; pair < tilesDown * tilesAcross * 2; ++pair) {
      float two[2] = {0.0f, 0.0f};
#pragma unroll
      for (int i = 0; i < tilesDown; ++i)
#pragma unroll
        for (int j = 0; j < tilesAcross; ++j)
#pragma unroll
          for (int e = 0; e < 4; e += 2)
            if (pair == (i * tilesAcross + j) * 2 + e / 2) {
              two[0] = sum[i][j][e];
              two[1] = sum[i][j][e + 1];
            }
      const int row = tile.row + warpRow + pair / 2 / tilesAcross * 16 + lane / 4 + pair % 2 * 8;
      const int at = tile.column + warpColumn + pair / 2 % tilesAcross * 8 + lane % 4 * 2;
      convolutionStoreAll<(R::vector % 2 == 0 ? 2 : 1)>(region, problem, tile.split, row, at, two);
    }
  }
}
