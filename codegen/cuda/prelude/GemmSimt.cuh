// SPDX-License-Identifier: Apache-2.0
// Needs: GemmCommon
// Products of matrices by the cores that do everything else: each sum is one chain of multiply-adds over
// ascending k. A block computes blockM x blockN sums, a thread threadM x threadN of them.

// One operand's share of a thread: from memory to registers, from there to shared memory, where
// elements lie [k][row].
template <typename Operand, typename R, int width, int blockK, int threads> struct SimtLoader {
  typedef typename R::Sum Sum;
  static constexpr int pack = Operand::pack > 1 ? Operand::pack : 1;
  static constexpr int perThread = width * blockK / (threads * pack);
  static_assert(perThread * threads * pack == width * blockK, "");
  static constexpr int pitch = width + 4;
  Sum held[perThread][pack];
  const typename Operand::Element *from[perThread]; // What is fetched next.
  bool isRow[perThread];

  static __device__ __forceinline__ void place(int i, int &x, int &k) {
    const int number = threadIdx.x + i * threads;
    if (Operand::alongK) {
      k = number % (blockK / pack) * pack;
      x = number / (blockK / pack);
    } else {
      x = number % (width / pack) * pack;
      k = number / (width / pack);
    }
  }
  __device__ __forceinline__ SimtLoader(const R &r, const GemmPlace &at, int x0) {
#pragma unroll
    for (int i = 0; i < perThread; ++i) {
      int x, k;
      place(i, x, k);
      isRow[i] = x0 + x < Operand::size(r);
      if constexpr (Operand::pack > 0)
        from[i] = Operand::at(r, at.batch) + (Operand::alongK ? (x0 + x) * Operand::stride(r) + at.kBegin + k
                                                              : (at.kBegin + k) * Operand::stride(r) + x0 + x);
    }
  }
  // The next blockK elements of k, of which `left` are there.
  __device__ __forceinline__ void fetch(const R &r, const GemmPlace &at, int x0, int left) {
#pragma unroll
    for (int i = 0; i < perThread; ++i) {
      int x, k;
      place(i, x, k);
      const bool inside = isRow[i] && k < left;
      if constexpr (Operand::pack == 0) {
        held[i][0] = inside ? Operand::element(r, at.batch, x0 + x, at.kEnd - left + k) : Sum(0);
      } else {
        alignas(16) typename Operand::Element part[pack];
        if (inside)
          loadPack<pack>(part, from[i]);
        from[i] += Operand::alongK ? (long long)blockK : blockK * Operand::stride(r);
#pragma unroll
        for (int j = 0; j < pack; ++j)
          held[i][j] = inside ? (Sum)part[j] : Sum(0);
      }
    }
  }
  __device__ __forceinline__ void put(Sum *shared) const {
#pragma unroll
    for (int i = 0; i < perThread; ++i) {
      int x, k;
      place(i, x, k);
#pragma unroll
      for (int j = 0; j < pack; ++j)
        if (Operand::alongK)
          shared[(k + j) * pitch + x] = held[i][j];
        else
          shared[k * pitch + x + j] = held[i][j];
    }
  }
};

template <int blockM, int blockN, int blockK, int threadM, int threadN, typename R>
__device__ __forceinline__ void gemmSimt(const R &r) {
  typedef typename R::Sum Sum;
  // Lanes of a warp form 4 rows of 8; a thread has groups of up to 4 neighbours each way.
  constexpr int lanesM = 4, lanesN = 8, warpM = lanesM * threadM, warpN = lanesN * threadN, warpsN = blockN / warpN;
  constexpr int threads = blockM / warpM * warpsN * 32;
  constexpr int groupM = threadM < 4 ? threadM : 4, groupN = threadN < 4 ? threadN : 4;
  typedef SimtLoader<LeftOperand<R>, R, blockM, blockK, threads> LoaderA;
  typedef SimtLoader<RightOperand<R>, R, blockN, blockK, threads> LoaderB;
  constexpr int sizeA = blockK * LoaderA::pitch, sizeB = blockK * LoaderB::pitch;
  constexpr int perStrip = lanesM * groupM, strips = blockM / warpM; // Of rows: those that warps stage at a time.
  constexpr int stagedPitch = (R::wholeRows ? blockN : warpN) + 4;
  constexpr int staged = perStrip * stagedPitch * (R::wholeRows ? strips : threads / 32);
  constexpr int total = 2 * (sizeA + sizeB) > staged ? 2 * (sizeA + sizeB) : staged;
  __shared__ __align__(16) Sum shared[total];

  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  const int row0 = warp / warpsN * warpM + lane / lanesN * groupM, column0 = warp % warpsN * warpN + lane % lanesN * groupN;
  const long long places = gemmPlaces(r, blockM, blockN);
  for (long long number = blockIdx.x; number < places; number += gridDim.x) {
    const GemmPlace place = gemmPlace(r, number, blockM, blockN);
    LoaderA loaderA(r, place, place.m);
    LoaderB loaderB(r, place, place.n);
    Sum sums[threadM][threadN];
#pragma unroll
    for (int i = 0; i < threadM; ++i)
#pragma unroll
      for (int j = 0; j < threadN; ++j)
        sums[i][j] = 0;
    __syncthreads(); // The shared memory has been read.
    // A step fetches the next block of k and multiplies the one before, which lies in the other buffer.
    int buffer = 0;
    bool isFull = false;
#pragma unroll 1
    for (int left = (int)(place.kEnd - place.kBegin);; left -= blockK) {
      if (left > 0) {
        loaderA.fetch(r, place, place.m, left);
        loaderB.fetch(r, place, place.n, left);
      }
      if (isFull) {
        const Sum *a = shared + buffer * sizeA + row0, *b = shared + 2 * sizeA + buffer * sizeB + column0;
#pragma unroll 4
        for (int k = 0; k < blockK; ++k) {
          alignas(16) Sum rows[threadM], columns[threadN];
#pragma unroll
          for (int i = 0; i < threadM; i += groupM)
            loadPack<groupM>(rows + i, a + k * LoaderA::pitch + i * lanesM);
#pragma unroll
          for (int j = 0; j < threadN; j += groupN)
            loadPack<groupN>(columns + j, b + k * LoaderB::pitch + j * lanesN);
#pragma unroll
          for (int i = 0; i < threadM; ++i)
#pragma unroll
            for (int j = 0; j < threadN; ++j)
              sums[i][j] = multiplyAdd(rows[i], columns[j], sums[i][j]);
        }
      }
      if (left <= 0)
        break;
      buffer ^= 1;
      loaderA.put(shared + buffer * sizeA);
      loaderB.put(shared + 2 * sizeA + buffer * sizeB);
      __syncthreads();
      isFull = true;
    }
    __syncthreads();
    // Through shared memory, a group of rows at a time, so that what follows appears in the code once.
    Sum *mine = R::wholeRows ? shared + warp / warpsN * perStrip * stagedPitch + warp % warpsN * warpN
                             : shared + warp * perStrip * stagedPitch;
#pragma unroll 1
    for (int group = 0; group < threadM / groupM; ++group) {
      if (R::wholeRows && group > 0)
        __syncthreads();
#pragma unroll
      for (int i = 0; i < threadM; ++i)
        if (i / groupM == group)
#pragma unroll
          for (int j = 0; j < threadN; j += groupN)
            storePack<groupN>(mine + (lane / lanesN * groupM + i % groupM) * stagedPitch + lane % lanesN * groupN + j * lanesN,
                              sums[i] + j);
      if constexpr (R::wholeRows) {
        __syncthreads();
        finishRows<strips, perStrip, warpM, stagedPitch, threads>(r, shared, place, place.m + group * perStrip);
      } else {
        storeStaged<perStrip, warpN, stagedPitch>(r, mine, place, place.m + warp / warpsN * warpM + group * perStrip,
                                                  place.n + warp % warpsN * warpN);
      }
    }
  }
}
