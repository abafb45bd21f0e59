// SPDX-License-Identifier: Apache-2.0
// Needs: Convolution, Instructions
// Convolutions of known places by units for products of matrices. What the taps of neighbouring places
// read overlaps: it is brought to shared memory once, as a patch of consecutive places (of all images one
// behind the other), 64 bytes of neighbouring channels each. A tap then is an offset in the patch; a place
// outside of the tensor is a row of zeros. So nothing is gathered tap by tap.
//   patch: its places; patchBefore: of them, those before what the first tap of a tile's first column reads
//   patchPairs: two places from an even one on lie in one image, at an aligned address

constexpr int patchPitch = 80, patchRowBytes = 64; // Eight rows lie in different banks.

// 16 bytes of channels that are put together from neighbours in memory.
template <typename E> struct PatchPart;
template <> struct PatchPart<Half> { typedef unsigned int Both; typedef unsigned short One; };
template <> struct PatchPart<Brain> : PatchPart<Half> {};

// A convolution's places as a patch. `Problem` gives `channels` of `plane` places of `source`.
template <typename P, int positions> struct PatchLoader {
  using E = typename P::E;
  static constexpr int per = 16 / sizeof(E), parts = patchRowBytes / 16, pairs = positions / 2;
  static constexpr bool inPairs = P::patchPairs;
  static constexpr int ownPairs = pairs > convolutionThreads ? pairs / convolutionThreads : 1;
  static constexpr int apart = pairs < convolutionThreads ? convolutionThreads / pairs : 1, ownParts = parts / apart;
  static_assert(parts % apart == 0, "");
  using Both = typename PatchPart<E>::Both;
  using One = typename PatchPart<E>::One;
  const E *from[ownPairs][inPairs ? 1 : 2];
  bool valid[ownPairs][inPairs ? 1 : 2];
  Both both[inPairs ? ownPairs : 1][inPairs ? ownParts : 1][per];
  One low[inPairs ? 1 : ownPairs][inPairs ? 1 : ownParts][per], high[inPairs ? 1 : ownPairs][inPairs ? 1 : ownParts][per];

  static __device__ __forceinline__ int pair(int i) { return (int)threadIdx.x % pairs + i * convolutionThreads; }
  static __device__ __forceinline__ int part(int i) { return (int)threadIdx.x / pairs + i * apart; }
  // Which places: from `first` on, an even number.
  __device__ __forceinline__ void begin(const P &problem, int first) {
    const int plane = problem.patchPlane();
#pragma unroll
    for (int i = 0; i < ownPairs; ++i)
#pragma unroll
      for (int j = 0; j < (inPairs ? 1 : 2); ++j) {
        const int place = first + 2 * pair(i) + j, image = place < 0 ? 0 : place / plane;
        valid[i][j] = place >= 0 && image < (int)problem.region.batch();
        from[i][j] = problem.region.source() + ((long long)image * (int)problem.region.groups() + problem.group) * problem.patchChannels() * plane + (valid[i][j] ? place - image * plane : 0);
      }
  }
  // Their channels from `channel` on to registers.
  __device__ __forceinline__ void fetch(const P &problem, int channel) {
    const int plane = problem.patchPlane();
#pragma unroll
    for (int i = 0; i < ownPairs; ++i)
#pragma unroll
      for (int p = 0; p < ownParts; ++p)
#pragma unroll
        for (int c = 0; c < per; ++c) {
          const int at = channel + part(p) * per + c;
          const bool inside = at < problem.patchChannels();
          if constexpr (inPairs) {
            both[i][p][c] = inside && valid[i][0] ? *(const Both *)(from[i][0] + at * plane) : Both(0);
          } else {
            low[i][p][c] = inside && valid[i][0] ? from[i][0][at * plane].bits : One(0);
            high[i][p][c] = inside && valid[i][1] ? from[i][1][at * plane].bits : One(0);
          }
        }
  }
  __device__ __forceinline__ void put(char *patch) const {
#pragma unroll
    for (int i = 0; i < ownPairs; ++i)
#pragma unroll
      for (int p = 0; p < ownParts; ++p) {
        alignas(16) unsigned int first[4], second[4];
#pragma unroll
        for (int c = 0; c < 4; ++c) {
          if constexpr (inPairs) {
            const Both a = both[i][p][2 * c], b = both[i][p][2 * c + 1];
            first[c] = (a & 0xffffu) | b << 16;
            second[c] = a >> 16 | (b & 0xffff0000u);
          } else {
            first[c] = low[i][p][2 * c] | (unsigned int)low[i][p][2 * c + 1] << 16;
            second[c] = high[i][p][2 * c] | (unsigned int)high[i][p][2 * c + 1] << 16;
          }
        }
        char *to = patch + 2 * pair(i) * patchPitch + part(p) * 16;
        storePack<4>((unsigned int *)to, first);
        storePack<4>((unsigned int *)(to + patchPitch), second);
      }
  }
  // The row behind the last place.
  static __device__ __forceinline__ void putZeros(char *patch) {
    if (threadIdx.x < patchPitch / 4)
      ((unsigned int *)(patch + positions * patchPitch))[threadIdx.x] = 0;
  }
};

template <typename R> struct PatchToY : ConvolveToY<R> {
  using Base = ConvolveToY<R>;
  using Base::rank;
  using Base::region;
  static constexpr bool patchPairs = R::patchPairs;
  __device__ explicit PatchToY(const R &region) : Base(region) {}
  __device__ __forceinline__ int patchPlane() const { return this->xPlane(); }
  __device__ __forceinline__ int patchChannels() const { return this->inputs(); }
  __device__ __forceinline__ int taps() const { return this->allTaps(); }
  __device__ __forceinline__ int slices() const { return (patchChannels() + R::perSlice - 1) / R::perSlice; }
  __device__ __forceinline__ int depth() const { return slices() * taps(); } // In slices of one tap.
  __device__ __forceinline__ int weightTap(int tap) const { return tap; }
  // Where the first tap of a column reads, and other taps relative to that.
  __device__ __forceinline__ int origin(int number) const {
    return number / this->yPlane() * this->xPlane() + this->column(number).start.flat([&](int d) { return region.xSize(d); });
  }
  __device__ __forceinline__ int move(int tap) const {
    typename Base::Place place = Base::Place::split(tap, [](int d) { return R::taps(d); });
#pragma unroll
    for (int d = 0; d < rank; ++d)
      place.at[d] *= R::dilation(d);
    return place.flat([&](int d) { return region.xSize(d); });
  }
  // Bit i: tap i of a column lies in the tensor.
  __device__ __forceinline__ unsigned int inside(int number) const {
    const typename Base::Column column = this->column(number);
    unsigned int result = column.valid ? 1 : 0;
    int inner = 1;
#pragma unroll
    for (int d = rank - 1; d >= 0; --d) {
      unsigned int all = 0;
#pragma unroll
      for (int tap = 0; tap < R::taps(d); ++tap)
        if ((unsigned int)(column.start.at[d] + tap * R::dilation(d)) < (unsigned int)region.xSize(d))
          all |= result << tap * inner;
      result = all;
      inner *= R::taps(d);
    }
    return result;
  }
  // A weight as it lies in memory.
  __device__ __forceinline__ typename R::Element weight(int ofGroup, int tap, int row, int channel) const {
    return region.weights()[((long long)(ofGroup * this->outputs() + row) * this->inputs() + channel) * this->allTaps() + tap];
  }
};

template <typename R> struct PatchToX : ConvolveToX<R> {
  using Base = ConvolveToX<R>;
  using Base::rank;
  using Base::region;
  static constexpr bool patchPairs = R::patchPairs;
  __device__ explicit PatchToX(const R &region) : Base(region) {}
  __device__ __forceinline__ int patchPlane() const { return this->yPlane(); }
  __device__ __forceinline__ int patchChannels() const { return this->outputs(); }
  __device__ __forceinline__ int taps() const { return this->tapsOfPhase(); }
  __device__ __forceinline__ int slices() const { return (patchChannels() + R::perSlice - 1) / R::perSlice; }
  __device__ __forceinline__ int depth() const { return slices() * taps(); }
  __device__ __forceinline__ int weightTap(int tap) const {
    typename Base::Place place = Base::Place::split(tap, [&](int d) { return Base::taps(d); });
#pragma unroll
    for (int d = 0; d < rank; ++d)
      place.at[d] = this->firstTap[d] + place.at[d] * Base::tapStep(d);
    return place.flat([](int d) { return R::taps(d); });
  }
  __device__ __forceinline__ int origin(int number) const {
    return number / this->placesOfPhase() * this->yPlane() + this->column(number).start.flat([&](int d) { return region.ySize(d); });
  }
  __device__ __forceinline__ int move(int tap) const {
    typename Base::Place place = Base::Place::split(tap, [&](int d) { return Base::taps(d); });
#pragma unroll
    for (int d = 0; d < rank; ++d)
      place.at[d] *= Base::tapStep(d) * R::dilation(d) / R::stride(d);
    return -place.flat([&](int d) { return region.ySize(d); });
  }
  __device__ __forceinline__ unsigned int inside(int number) const {
    const typename Base::Column column = this->column(number);
    unsigned int result = column.valid ? 1 : 0;
    int inner = 1;
#pragma unroll
    for (int d = rank - 1; d >= 0; --d) {
      unsigned int all = 0;
#pragma unroll
      for (int tap = 0; tap < R::taps(d); ++tap)
        if (tap < Base::taps(d) &&
            (unsigned int)(column.start.at[d] - tap * (Base::tapStep(d) * R::dilation(d) / R::stride(d))) < (unsigned int)region.ySize(d))
          all |= result << tap * inner;
      result = all;
      inner *= Base::taps(d);
    }
    return result;
  }
  __device__ __forceinline__ typename R::Element weight(int ofGroup, int tap, int row, int channel) const {
    return region.weights()[((long long)(ofGroup * this->outputs() + channel) * this->inputs() + row) * this->allTaps() + tap];
  }
};

// A launch before: weights by tap, then row, then channels of the patch, which zeros fill up to whole slices.
template <template <typename> class Problem, typename R> __device__ __forceinline__ void convolutionPrepare(const R &region) {
  using E = typename R::Element;
  constexpr int per = 16 / sizeof(E);
  const Problem<R> problem(region);
  const int width = problem.slices() * R::perSlice, parts = width / per, rows = problem.rows();
  const long long all = region.groups() * rows * parts * R::allTaps;
#pragma unroll 1
  for (long long number = (long long)blockIdx.x * blockDim.x + threadIdx.x; number < all; number += (long long)gridDim.x * blockDim.x) {
    const int tap = (int)(number % R::allTaps); // Neighbours in memory are read by neighbours.
    const long long rest = number / R::allTaps;
    const int part = (int)(rest % parts), row = (int)(rest / parts % rows), group = (int)(rest / parts / rows);
    alignas(16) E packed[per];
#pragma unroll
    for (int i = 0; i < per; ++i)
      packed[i] = part * per + i < problem.patchChannels() ? problem.weight(group, tap, row, part * per + i) : E(0.0f);
    storePack<per>(region.prepared() + (((long long)group * R::allTaps + tap) * rows + row) * width + part * per, packed);
  }
}

// A warp gives `rows` x `columns` sums to what follows, which it has put into shared memory.
template <int rows, int columns, int pitch, typename R, typename P>
__device__ __forceinline__ void convolutionStoreStaged(const R &region, const P &problem, int split, const float *staged, int row, int column) {
  constexpr int V = R::vector;
  static_assert(columns % V == 0 && pitch % 4 == 0, "");
  __syncwarp();
#pragma unroll 1
  for (int i = threadIdx.x % 32; i < rows * columns / V; i += 32) {
    const int y = i / (columns / V), x = i % (columns / V) * V;
    alignas(16) float sums[V];
    loadPack<V>(sums, staged + y * pitch + x);
    convolutionStore(region, problem, split, row + y, column + x, sums);
  }
  __syncwarp();
}

// `tileRows` x 128 sums of y or x. The depth goes by slices of the channels, all taps of one after the other.
template <template <typename> class Problem, int tileRows, int stages, typename R> __device__ __forceinline__ void convolvePatches(const R &region) {
  using P = Problem<R>;
  using E = typename R::Element;
  constexpr int positions = R::patch, per = 16 / sizeof(E), perSlice = R::perSlice;
  constexpr int warpRows = 32, warpsDown = tileRows / warpRows, warpsAcross = 8 / warpsDown;
  constexpr int warpColumns = convolutionColumns / warpsAcross, tilesDown = warpRows / 16, tilesAcross = warpColumns / 8;
  constexpr int ownRows = tileRows * 4 / convolutionThreads, stagedPitch = warpColumns + 8;
  constexpr int stageBytes = tileRows * patchRowBytes;
  extern __shared__ __align__(128) char dynamicShared[];
  static_assert(8 * 16 * stagedPitch * 4 <= (positions + 1) * patchPitch + stages * stageBytes, "");
  char *const patch = dynamicShared, *const weights = dynamicShared + (positions + 1) * patchPitch;
  const int thread = threadIdx.x, lane = thread % 32, warp = thread / 32;
  const int warpRow = warp % warpsDown * warpRows, warpColumn = warp / warpsDown * warpColumns;
  // 16-byte parts of a row of 64 are permuted, so that eight rows lie in different banks.
  const auto partOf = [](int row, int part) { return (row * 4 + (part ^ row / 2 % 4)) * 16; };
  P problem(region);
  PatchLoader<P, positions> loader;
  const int slices = problem.slices(), rows = problem.rows(), width = slices * perSlice;
  const long long tiles = ConvolutionTile<R, P>::count(problem, region, tileRows);
#pragma unroll 1
  for (long long number = blockIdx.x; number < tiles; number += gridDim.x) {
    const ConvolutionTile<R, P> tile(problem, region, tileRows, 1, number);
    const int taps = problem.taps(), first = (problem.origin(tile.column) - R::patchBefore) & -2;
    // Of the columns whose rows a lane names to loadMatrices().
    int base[tilesAcross / 2];
    unsigned int inside[tilesAcross / 2];
#pragma unroll
    for (int j = 0; j < tilesAcross / 2; ++j) {
      const int column = tile.column + warpColumn + j * 16 + lane / 16 * 8 + lane % 8;
      base[j] = (problem.origin(column) - first) * patchPitch;
      inside[j] = problem.inside(column);
    }
    loader.begin(problem, first);
    int slice = taps == 0 ? 0 : tile.depth / taps, tap = taps == 0 ? 0 : tile.depth % taps;
    int aheadSlice = slice, aheadTap = tap;
    const int steps = tile.depthEnd - tile.depth;
    // The weights of a step, `stages` - 1 steps ahead.
    const auto fetch = [&](int step) {
      if (step < steps) {
        const E *from = region.prepared() + (((long long)problem.group * R::allTaps + problem.weightTap(aheadTap)) * rows + tile.row) * width + aheadSlice * perSlice;
        char *to = weights + step % stages * stageBytes;
#pragma unroll
        for (int i = 0; i < ownRows; ++i) {
          const int row = thread / 4 + i * (convolutionThreads / 4), part = thread % 4;
          const bool valid = tile.row + row < rows;
          copyAsync16(to + partOf(row, part), valid ? from + (long long)row * width + part * per : from, valid ? 16 : 0);
        }
        if (++aheadTap == taps) {
          aheadTap = 0;
          ++aheadSlice;
        }
      }
      commitAsync();
    };
    float sum[tilesDown][tilesAcross][4];
#pragma unroll
    for (int i = 0; i < tilesDown; ++i)
#pragma unroll
      for (int j = 0; j < tilesAcross; ++j)
#pragma unroll
        for (int e = 0; e < 4; ++e)
          sum[i][j][e] = 0.0f;
    if (steps > 0)
      loader.fetch(problem, slice * perSlice);
    __syncthreads(); // The tile before has been stored.
    PatchLoader<P, positions>::putZeros(patch);
#pragma unroll 1
    for (int step = 0; step < stages - 1; ++step)
      fetch(step);
#pragma unroll 1
    for (int step = 0; step < steps; ++step) {
      if (step == 0 || tap == 0) { // Another slice: its patch has come while the taps of the last one were multiplied.
        __syncthreads();
        loader.put(patch);
        if (steps - step > taps - tap)
          loader.fetch(problem, (slice + 1) * perSlice);
      }
      waitAsync<stages - 2>();
      __syncthreads();
      fetch(step + stages - 1);
      const char *tileA = weights + step % stages * stageBytes;
      const int moved = problem.move(tap) * patchPitch;
      const char *at[tilesAcross / 2];
#pragma unroll
      for (int j = 0; j < tilesAcross / 2; ++j)
        at[j] = patch + lane / 8 % 2 * 16 + (inside[j] >> tap & 1 ? base[j] + moved : positions * patchPitch);
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        unsigned int left[tilesDown][4];
#pragma unroll
        for (int i = 0; i < tilesDown; ++i) // Matrices: rows 0-7 and 8-15 of the first 16 bytes, then of the next.
          loadMatrices(left[i], tileA + partOf(warpRow + i * 16 + lane % 16, half * 2 + lane / 16));
#pragma unroll
        for (int j = 0; j < tilesAcross; j += 2) {
          unsigned int right[4]; // Both 16 bytes of columns 0-7, then of 8-15.
          loadMatrices(right, at[j / 2] + half * 32);
#pragma unroll
          for (int i = 0; i < tilesDown; ++i) {
            multiplyAdd(sum[i][j], left[i], right[0], right[1], E());
            multiplyAdd(sum[i][j + 1], left[i], right[2], right[3], E());
          }
        }
      }
      if (++tap == taps) {
        tap = 0;
        ++slice;
      }
    }
    waitAsync<0>();
    __syncthreads();
    float *const staged = (float *)dynamicShared + warp * 16 * stagedPitch;
#pragma unroll 1
    for (int group = 0; group < tilesDown; ++group) {
#pragma unroll
      for (int i = 0; i < tilesDown; ++i)
        if (i == group)
#pragma unroll
          for (int j = 0; j < tilesAcross; ++j) {
            float *to = staged + lane / 4 * stagedPitch + j * 8 + lane % 4 * 2;
            storePack<2>(to, sum[i][j]);
            storePack<2>(to + 8 * stagedPitch, sum[i][j] + 2);
          }
      convolutionStoreStaged<16, warpColumns, stagedPitch>(region, problem, tile.split, staged, tile.row + warpRow + group * 16, tile.column + warpColumn);
    }
  }
}

// `tileRows` channels of y by 32 channels of x, all taps: places of y are the depth, of which a step takes 64.
template <int tileRows, typename R> __device__ __forceinline__ void convolvePatchesToW(const R &region) {
  using P = ConvolveToW<R>;
  using E = typename R::Element;
  constexpr int positions = R::patch, step = 64, taps = R::allTaps, perSlice = R::perSlice;
  constexpr int warpsDown = 4, tilesDown = tileRows / warpsDown / 16, ownRows = tileRows / 32;
  constexpr int pitch = 16 * taps + 4, leftBytes = tileRows * step * 2, patchBytes = (positions + 1) * patchPitch;
  extern __shared__ __align__(128) char dynamicShared[];
  __shared__ int2 places[2][step]; // Of the depth: where the first tap reads, and which taps lie in the tensor.
  char *const left = dynamicShared, *const patches = dynamicShared + 2 * leftBytes;
  const int thread = threadIdx.x, lane = thread % 32, warp = thread / 32;
  const int warpRow = warp % warpsDown * (tileRows / warpsDown), warpChannel = warp / warpsDown * 16;
  const auto partOf = [](int row, int part) { return (row * 8 + (part ^ row % 8)) * 16; };
  P problem(region);
  PatchToY<R> source(region);
  PatchLoader<PatchToY<R>, positions> loader;
  const long long tiles = ConvolutionTile<R, P>::count(problem, region, tileRows, taps * perSlice);
  PatchLoader<PatchToY<R>, positions>::putZeros(patches);
  PatchLoader<PatchToY<R>, positions>::putZeros(patches + patchBytes);
#pragma unroll 1
  for (long long number = blockIdx.x; number < tiles; number += gridDim.x) {
    const ConvolutionTile<R, P> tile(problem, region, tileRows, step, number, taps * perSlice);
    source.group = problem.group;
    const int channel = tile.column / taps;
    unsigned short held[ownRows][8];
    int2 place;
    // Eight places of some rows of y, and the patch.
    const auto fetch = [&](int depth, int half) {
      const int k = depth + thread % 8 * 8;
      if constexpr (R::copies) {
        const typename P::Depth from = problem.at(k);
#pragma unroll
        for (int i = 0; i < ownRows; ++i) {
          const int row = thread / 8 + i * 32;
          const bool valid = k < tile.depthEnd && tile.row + row < problem.rows();
          copyAsync16(left + half * leftBytes + partOf(row, thread % 8), valid ? problem.row(tile.row + row).at + from.y : region.cotangent(), valid ? 16 : 0);
        }
      } else {
#pragma unroll
        for (int e = 0; e < 8; ++e) {
          const typename P::Depth from = problem.at(k + e < tile.depthEnd ? k + e : 0);
#pragma unroll
          for (int i = 0; i < ownRows; ++i) {
            const typename P::Row row = problem.row(tile.row + thread / 8 + i * 32);
            held[i][e] = k + e < tile.depthEnd && row.valid ? row.at[from.y].bits : (unsigned short)0;
          }
        }
      }
      commitAsync();
      const int first = (source.origin(depth) - R::patchBefore) & -2;
      if (thread < step) {
        place.x = (source.origin(depth + thread) - first) * patchPitch;
        place.y = depth + thread < tile.depthEnd ? (int)source.inside(depth + thread) : 0;
      }
      loader.begin(source, first);
      loader.fetch(source, channel);
    };
    const auto put = [&](int half) {
      if constexpr (!R::copies) {
#pragma unroll
        for (int i = 0; i < ownRows; ++i)
          storePack<8>((unsigned short *)(left + half * leftBytes + partOf(thread / 8 + i * 32, thread % 8)), held[i]);
      }
      if (thread < step)
        places[half][thread] = place;
      loader.put(patches + half * patchBytes);
    };
    float sum[tilesDown][taps][2][4];
#pragma unroll
    for (int i = 0; i < tilesDown; ++i)
#pragma unroll
      for (int t = 0; t < taps; ++t)
#pragma unroll
        for (int e = 0; e < 8; ++e)
          sum[i][t][e / 4][e % 4] = 0.0f;
    __syncthreads(); // The tile before has been stored.
    if (tile.depth < tile.depthEnd) {
      fetch(tile.depth, 0);
      put(0);
    }
    int half = 0;
#pragma unroll 1
    for (int depth = tile.depth; depth < tile.depthEnd; depth += step, half ^= 1) {
      waitAsync<0>();
      __syncthreads();
      if (depth + step < tile.depthEnd)
        fetch(depth + step, half ^ 1);
      const char *const patch = patches + half * patchBytes, *const zeros = patch + positions * patchPitch;
#pragma unroll 1
      for (int k = 0; k < step; k += 16) {
        unsigned int a[tilesDown][4];
#pragma unroll
        for (int i = 0; i < tilesDown; ++i)
          loadMatrices(a[i], left + half * leftBytes + partOf(warpRow + i * 16 + lane % 16, k / 8 + lane / 16));
        const int2 at = places[half][k + lane % 16];
        const int column = (warpChannel + lane / 16 * 8) * 2;
#pragma unroll
        for (int t = 0; t < taps; ++t) {
          unsigned int b[4]; // Places 0-7 and 8-15 of channels 0-7, then of 8-15.
          loadMatricesTransposed(b, ((unsigned int)at.y >> t & 1 ? patch + at.x + source.move(t) * patchPitch : zeros) + column);
#pragma unroll
          for (int i = 0; i < tilesDown; ++i) {
            multiplyAdd(sum[i][t][0], a[i], b[0], b[1], E());
            multiplyAdd(sum[i][t][1], a[i], b[2], b[3], E());
          }
        }
      }
      if (depth + step < tile.depthEnd)
        put(half ^ 1);
    }
    __syncthreads();
    // Taps of a channel are neighbours: 16 x `taps` weights of 8 rows at a time.
    float *const staged = (float *)dynamicShared + warp * 8 * pitch;
#pragma unroll 1
    for (int group = 0; group < 2 * tilesDown; ++group) {
#pragma unroll
      for (int i = 0; i < 2 * tilesDown; ++i)
        if (i == group)
#pragma unroll
          for (int t = 0; t < taps; ++t)
#pragma unroll
            for (int e = 0; e < 4; ++e)
              staged[lane / 4 * pitch + (e / 2 * 8 + lane % 4 * 2 + e % 2) * taps + t] = sum[i / 2][t][e / 2][i % 2 * 2 + e % 2];
      convolutionStoreStaged<8, 16 * taps, pitch>(region, problem, tile.split, staged, tile.row + warpRow + group * 8, tile.column + warpChannel * taps);
    }
    // The staged sums lay where the rows of zeros were.
    __syncthreads();
    PatchLoader<PatchToY<R>, positions>::putZeros(patches);
    PatchLoader<PatchToY<R>, positions>::putZeros(patches + patchBytes);
  }
}
