// SPDX-License-Identifier: Apache-2.0
// Needs: GemmCommon, GemmProducts
// Products of matrices by warpgroups (sm_90a): one warpgroup keeps the copy engine busy, two multiply 64 rows
// each. Barriers in shared memory say which stages are full and which may be filled. A block goes
// from one piece of the result to the next, so that the copies for the next run while one is stored. The `pair`
// blocks of a cluster stand above each other: each brings its part of the right operand to all of them.

// How an operand lies in a stage: rows of 64 elements, swizzled by 128 bytes; along k: one box of
// `width` rows; else boxes of 64 rows along k for each 64 of its width.
template <bool alongK, int width> struct BoxLayout {
  static constexpr int bytes = width * 128, boxBytes = 64 * 128;
  // Part `rank` of `pair` parts, to all of them.
  template <int pair>
  static __device__ __forceinline__ void copy(char *stage, const TensorMap *map, Barrier *barrier, int x, int k, int batch,
                                              int rank) {
    constexpr int part = width / pair;
    stage += rank * part * 128;
    x += rank * part;
    if constexpr (alongK) {
      one<pair>(stage, map, barrier, k, x, batch);
    } else {
#pragma unroll
      for (int box = 0; box < part / 64; ++box)
        one<pair>(stage + box * boxBytes, map, barrier, x + box * 64, k, batch);
    }
  }
  template <int pair>
  static __device__ __forceinline__ void one(char *to, const TensorMap *map, Barrier *barrier, int c0, int c1, int c2) {
    if constexpr (pair == 1)
      copyBox(to, map, barrier, c0, c1, c2);
    else
      copyBoxToBlocks(to, map, barrier, c0, c1, c2, (1 << pair) - 1);
  }
  // Of 16 elements of k; `x` is a multiple of 64.
  static __device__ __forceinline__ unsigned long long descriptor(const char *stage, int x, int step) {
    return alongK ? matrixDescriptor(stage + x * 128 + step * 32, 16, 1024)
                  : matrixDescriptor(stage + x / 64 * boxBytes + step * 2048, boxBytes, 1024);
  }
};

// A stage of all blocks of the cluster may be filled again, as far as this warp is concerned.
template <int pair> __device__ __forceinline__ void releaseStage(Barrier *empty) {
  __syncwarp();
  const int lane = threadIdx.x % 32;
  if constexpr (pair == 1) {
    if (lane == 0)
      arriveBarrier(empty);
  } else {
    if (lane < pair)
      arriveAtPeer(empty, lane);
  }
}

template <int blockN, int stages, int pair, typename R>
__device__ __forceinline__ void gemmHopper(const R &r, const TensorMap *mapA, const TensorMap *mapB) {
  constexpr int blockM = 128, blockK = 64, consumers = 8; // Warps that multiply.
  typedef BoxLayout<R::aAlongK, blockM> LayoutA;
  typedef BoxLayout<R::bAlongK, blockN> LayoutB;
  constexpr int stageBytes = LayoutA::bytes + LayoutB::bytes;
  // A warp stages 16 rows of 32 columns at a time, or 8 whole rows.
  constexpr int stagedColumns = 32, stagedPitch = (R::wholeRows ? blockN : stagedColumns) + 8;
  constexpr int stagedSums = (R::wholeRows ? 8 : 16) * stagedPitch;
  extern __shared__ __align__(1024) char dynamicShared[];
  char *const shared = dynamicShared;
  float *const staged = (float *)(shared + stages * stageBytes);
  Barrier *const full = (Barrier *)(staged + consumers * stagedSums), *const empty = full + stages;

  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  if (threadIdx.x == 0) {
#pragma unroll
    for (int stage = 0; stage < stages; ++stage) {
      initBarrier(full + stage, 1);
      initBarrier(empty + stage, consumers * pair);
    }
    fenceBarriers();
  }
  __syncthreads();
  const int rank = pair == 1 ? 0 : clusterRank();
  if constexpr (pair > 1) {
    clusterArrive();
    clusterWait();
  }
  const long long places = gemmPlaces(r, blockM * pair, blockN);
  int stage = 0, phase = 0;
  if (warp < 4) {
    giveRegisters<40>();
    if (threadIdx.x == 0) {
      prefetchMap(mapA);
      prefetchMap(mapB);
      for (long long number = blockIdx.x / pair; number < places; number += gridDim.x / pair) {
        GemmPlace place = gemmPlace(r, number, blockM * pair, blockN);
        place.m += rank * blockM;
#pragma unroll 1
        for (int k = (int)place.kBegin; k < (int)place.kEnd; k += blockK) {
          waitBarrier(empty + stage, phase ^ 1);
          arriveExpecting(full + stage, stageBytes);
          char *tile = shared + stage * stageBytes;
          LayoutA::template copy<1>(tile, mapA, full + stage, place.m, k, (int)place.batch, 0);
          LayoutB::template copy<pair>(tile + LayoutA::bytes, mapB, full + stage, place.n, k, (int)place.batch, rank);
          if (++stage == stages) {
            stage = 0;
            phase ^= 1;
          }
        }
      }
    }
  } else {
    takeRegisters<232>();
    const int group = warp / 4 - 1;
    float *const mine = staged + (warp - 4) * stagedSums;
    for (long long number = blockIdx.x / pair; number < places; number += gridDim.x / pair) {
      GemmPlace place = gemmPlace(r, number, blockM * pair, blockN);
      place.m += rank * blockM;
      float sums[blockN / 2];
#pragma unroll
      for (int i = 0; i < blockN / 2; ++i)
        sums[i] = 0;
      int before = -1; // The stage whose products may still be in flight.
#pragma unroll 1
      for (int k = (int)place.kBegin; k < (int)place.kEnd; k += blockK) {
        waitBarrier(full + stage, phase);
        const char *tile = shared + stage * stageBytes;
        fenceProducts();
#pragma unroll
        for (int step = 0; step < blockK / 16; ++step)
          multiplyGroup<!R::aAlongK, !R::bAlongK>(sums, LayoutA::descriptor(tile, group * 64, step),
                                                  LayoutB::descriptor(tile + LayoutA::bytes, 0, step), 0,
                                                  typename R::Multiplied());
        commitProducts();
        waitProducts<1>();
        if (before >= 0)
          releaseStage<pair>(empty + before);
        before = stage;
        if (++stage == stages) {
          stage = 0;
          phase ^= 1;
        }
      }
      waitProducts<0>();
#pragma unroll
      for (int i = 0; i < blockN / 2; ++i)
        fenceSum(sums[i]);
      if (before >= 0)
        releaseStage<pair>(empty + before);
      const int row = place.m + group * 64 + warp % 4 * 16;
      if constexpr (R::wholeRows) {
#pragma unroll 1
        for (int half = 0; half < 2; ++half) {
          __syncwarp();
#pragma unroll
          for (int j = 0; j < blockN / 8; ++j) {
            const float two[2] = {half ? sums[j * 4 + 2] : sums[j * 4], half ? sums[j * 4 + 3] : sums[j * 4 + 1]};
            storePack<2>(mine + lane / 4 * stagedPitch + j * 8 + lane % 4 * 2, two);
          }
          __syncwarp();
          finishRows<1, 8, 0, stagedPitch, 32>(r, mine, place, row + half * 8);
        }
        __syncwarp();
      } else {
#pragma unroll 1
        for (int piece = 0; piece < blockN / stagedColumns; ++piece) {
#pragma unroll
          for (int j = 0; j < blockN / 8; ++j)
            if (j / (stagedColumns / 8) == piece) {
              float *at = mine + lane / 4 * stagedPitch + j * 8 % stagedColumns + lane % 4 * 2;
              storePack<2>(at, sums + j * 4);
              storePack<2>(at + 8 * stagedPitch, sums + j * 4 + 2);
            }
          storeStaged<16, stagedColumns, stagedPitch>(r, mine, place, row, place.n + piece * stagedColumns);
        }
      }
    }
  }
  // Others may still copy to this block, or arrive.
  if constexpr (pair > 1) {
    __syncwarp();
    clusterArrive();
    clusterWait();
  }
}
