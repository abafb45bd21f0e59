// SPDX-License-Identifier: Apache-2.0
// Needs: Reduce, Packs
// -- Convolutions: products of matrices whose operands are read where they lie --
// A problem says what rows, columns and depth are. `R` is the region: sizes, operands, and what follows
// the sums. Places that are not in the tensors count as 0.
//
//   result   rows       columns             depth
//   y        m          (image, place of y)  (c, tap)
//   x        c          (image, place of x)  (m, tap): of one phase, places that are apart by the stride
//   w        m          (c, tap)             (image, place of y)

template <typename S> struct ConvolutionSum {
  __device__ static float add(float sum, float a, float b) { return fmaf(a, b, sum); }
  __device__ static double add(double sum, double a, double b) { return fma(a, b, sum); }
  __device__ static int add(int sum, int a, int b) { return wrapAdd(sum, wrapMul(a, b)); }
  __device__ static long long add(long long sum, long long a, long long b) { return wrapAdd(sum, wrapMul(a, b)); }
};

constexpr int convolutionColumns = 128, convolutionThreads = 256;

// Places of a tensor with the sizes `size`, row-major.
template <int rank> struct Places {
  int at[rank];
  template <typename Size> __device__ __forceinline__ static Places split(int flat, Size size) {
    Places result;
#pragma unroll
    for (int d = rank - 1; d > 0; --d) {
      result.at[d] = flat % size(d);
      flat /= size(d);
    }
    result.at[0] = flat;
    return result;
  }
  template <typename Size> __device__ __forceinline__ int flat(Size size) const {
    int result = at[0];
#pragma unroll
    for (int d = 1; d < rank; ++d)
      result = result * size(d) + at[d];
    return result;
  }
  template <typename Size> __device__ __forceinline__ bool inside(Size size) const {
    bool result = true;
#pragma unroll
    for (int d = 0; d < rank; ++d)
      result &= (unsigned int)at[d] < (unsigned int)size(d); // No branches.
    return result;
  }
};

// What the problems share. A column of y or x: an image, and a place that taps move.
template <typename R> struct ConvolutionBase {
  using E = typename R::Element;
  using S = typename R::Sum;
  static constexpr int rank = R::rank;
  using Place = Places<rank>;
  const R &region;
  int group = 0;
  __device__ explicit ConvolutionBase(const R &region) : region(region) {}
  __device__ __forceinline__ int xPlane() const { return (int)region.xPlane(); }
  __device__ __forceinline__ int yPlane() const { return (int)region.yPlane(); }
  __device__ __forceinline__ int allTaps() const { return R::allTaps; }
  __device__ __forceinline__ int inputs() const { return (int)region.inputs(); }
  __device__ __forceinline__ int outputs() const { return (int)region.outputs(); }
  struct Row {
    const E *at;
    bool valid;
  };
};

template <typename R> struct ConvolveToY : ConvolutionBase<R> {
  using Base = ConvolutionBase<R>;
  using typename Base::E;
  using typename Base::Place;
  using typename Base::Row;
  using Base::group;
  using Base::rank;
  using Base::region;
  __device__ explicit ConvolveToY(const R &region) : Base(region) {}
  __device__ __forceinline__ int phases() const { return 1; }
  __device__ __forceinline__ void begin(int ofGroup, int) { group = ofGroup; }
  __device__ __forceinline__ int rows() const { return this->outputs(); }
  __device__ __forceinline__ int columns() const { return (int)region.batch() * this->yPlane(); }
  __device__ __forceinline__ int depth() const { return this->inputs() * this->allTaps(); }
  __device__ __forceinline__ Row row(int m) const {
    return {region.weights() + (long long)(group * this->outputs() + m) * depth(), m < rows()};
  }
  struct Column {
    const E *at; // What the first tap reads of the first channel, maybe outside of the tensor.
    Place start;
    bool valid;
  };
  __device__ __forceinline__ Column column(int number) const {
    Column result;
    const int image = number / this->yPlane();
    result.start = Place::split(number % this->yPlane(), [&](int d) { return region.ySize(d); });
#pragma unroll
    for (int d = 0; d < rank; ++d)
      result.start.at[d] = result.start.at[d] * R::stride(d) - region.low(d);
    result.at = region.source() + ((long long)image * (int)region.groups() + group) * this->inputs() * this->xPlane() + result.start.flat([&](int d) { return region.xSize(d); });
    result.valid = number < columns();
    return result;
  }
  struct Depth {
    int weight, from; // Relative to a row and a column.
    Place move;
  };
  __device__ __forceinline__ Depth at(int k) const {
    Depth result;
    result.weight = k;
    result.move = Place::split(k % this->allTaps(), [](int d) { return R::taps(d); });
#pragma unroll
    for (int d = 0; d < rank; ++d)
      result.move.at[d] *= R::dilation(d);
    result.from = k / this->allTaps() * this->xPlane() + result.move.flat([&](int d) { return region.xSize(d); });
    return result;
  }
  __device__ __forceinline__ E a(const Row &row, const Depth &k) const { return row.at[k.weight]; }
  __device__ __forceinline__ E b(const Column &column, const Depth &k) const {
    Place place;
#pragma unroll
    for (int d = 0; d < rank; ++d)
      place.at[d] = column.start.at[d] + k.move.at[d];
    const auto size = [&](int d) { return region.xSize(d); };
    return column.valid & place.inside(size) ? column.at[k.from] : E();
  }
  // The image, channel and place of an element of the result; a column that has none is not asked.
  __device__ __forceinline__ void placeOf(int row, int number, int &image, int &channel, int &place) const {
    image = number / this->yPlane();
    place = number % this->yPlane();
    channel = group * this->outputs() + row;
  }
  __device__ __forceinline__ bool has(int number) const { return number < columns(); }
  // The column of an element of the result; begins its group and phase.
  __device__ __forceinline__ int columnOf(int ofGroup, int image, int place) {
    group = ofGroup;
    return image * this->yPlane() + place;
  }
};

template <typename R> struct ConvolveToX : ConvolutionBase<R> {
  using Base = ConvolutionBase<R>;
  using typename Base::E;
  using typename Base::Place;
  using typename Base::Row;
  using Base::group;
  using Base::rank;
  using Base::region;
  // Of the phase: the first place, the first tap that counts, how many do, and where the first one reads.
  int first[rank], firstTap[rank], count[rank], start[rank];
  __device__ explicit ConvolveToX(const R &region) : Base(region) {}
  __device__ __forceinline__ int phases() const {
    int result = 1;
#pragma unroll
    for (int d = 0; d < rank; ++d)
      result *= R::stride(d);
    return result;
  }
  // Every how many taps one counts.
  __device__ static constexpr int tapStep(int d) {
    int a = R::stride(d), b = R::dilation(d);
    while (b != 0) {
      const int rest = a % b;
      a = b;
      b = rest;
    }
    return R::stride(d) / a;
  }
  __device__ __forceinline__ int taps(int d) const { return R::stride(d) == 1 ? R::taps(d) : count[d]; }
  // Places of the phase along a dim, some of which may lie behind the end.
  __device__ __forceinline__ int places(int d) const { return (region.xSize(d) + R::stride(d) - 1) / R::stride(d); }
  __device__ __forceinline__ void begin(int ofGroup, int phase) {
    group = ofGroup;
#pragma unroll
    for (int d = rank - 1; d >= 0; --d) {
      first[d] = phase % R::stride(d);
      phase /= R::stride(d);
      const int wanted = (first[d] + region.low(d)) % R::stride(d);
      int tap = 0;
      while (tap < tapStep(d) && tap * R::dilation(d) % R::stride(d) != wanted)
        ++tap;
      firstTap[d] = tap;
      count[d] = tap < tapStep(d) && tap < R::taps(d) ? (R::taps(d) - 1 - tap) / tapStep(d) + 1 : 0;
      start[d] = (first[d] + region.low(d) - tap * R::dilation(d)) / R::stride(d);
    }
  }
  __device__ __forceinline__ int rows() const { return this->inputs(); }
  __device__ __forceinline__ int placesOfPhase() const {
    int result = 1;
#pragma unroll
    for (int d = 0; d < rank; ++d)
      result *= places(d);
    return result;
  }
  __device__ __forceinline__ int columns() const { return (int)region.batch() * placesOfPhase(); }
  __device__ __forceinline__ int tapsOfPhase() const {
    int result = 1;
#pragma unroll
    for (int d = 0; d < rank; ++d)
      result *= taps(d);
    return result;
  }
  __device__ __forceinline__ int depth() const { return this->outputs() * tapsOfPhase(); }
  __device__ __forceinline__ Row row(int c) const {
    return {region.weights() + ((long long)group * this->outputs() * this->inputs() + c) * this->allTaps(), c < rows()};
  }
  struct Column {
    const E *at;
    Place start;
    bool valid;
  };
  __device__ __forceinline__ Place steps(int number) const {
    return Place::split(number % placesOfPhase(), [&](int d) { return places(d); });
  }
  __device__ __forceinline__ Column column(int number) const {
    Column result;
    const Place step = steps(number);
#pragma unroll
    for (int d = 0; d < rank; ++d)
      result.start.at[d] = step.at[d] + start[d];
    result.at = region.source() + ((long long)(number / placesOfPhase()) * (int)region.groups() + group) * this->outputs() * this->yPlane() + result.start.flat([&](int d) { return region.ySize(d); });
    result.valid = has(number);
    return result;
  }
  // Within the images, and not behind the end of x.
  __device__ __forceinline__ bool has(int number) const {
    const Place step = steps(number);
    bool result = number < columns();
#pragma unroll
    for (int d = 0; d < rank; ++d)
      result = result && step.at[d] * R::stride(d) + first[d] < region.xSize(d);
    return result;
  }
  struct Depth {
    int weight, from;
    Place move;
  };
  __device__ __forceinline__ Depth at(int k) const {
    Depth result;
    const int m = k / tapsOfPhase();
    Place tap = Place::split(k % tapsOfPhase(), [&](int d) { return taps(d); });
#pragma unroll
    for (int d = 0; d < rank; ++d) {
      result.move.at[d] = tap.at[d] * (tapStep(d) * R::dilation(d) / R::stride(d));
      tap.at[d] = firstTap[d] + tap.at[d] * tapStep(d);
    }
    result.weight = m * this->inputs() * this->allTaps() + tap.flat([](int d) { return R::taps(d); });
    result.from = m * this->yPlane() - result.move.flat([&](int d) { return region.ySize(d); });
    return result;
  }
  __device__ __forceinline__ E a(const Row &row, const Depth &k) const { return row.at[k.weight]; }
  __device__ __forceinline__ E b(const Column &column, const Depth &k) const {
    Place place;
#pragma unroll
    for (int d = 0; d < rank; ++d)
      place.at[d] = column.start.at[d] - k.move.at[d];
    const auto size = [&](int d) { return region.ySize(d); };
    return column.valid & place.inside(size) ? column.at[k.from] : E();
  }
  __device__ __forceinline__ void placeOf(int row, int number, int &image, int &channel, int &place) const {
    Place at = steps(number);
#pragma unroll
    for (int d = 0; d < rank; ++d)
      at.at[d] = at.at[d] * R::stride(d) + first[d];
    image = number / placesOfPhase();
    place = at.flat([&](int d) { return region.xSize(d); });
    channel = group * this->inputs() + row;
  }
  __device__ __forceinline__ int columnOf(int ofGroup, int image, int place) {
    Place at = Place::split(place, [&](int d) { return region.xSize(d); });
    int phase = 0;
#pragma unroll
    for (int d = 0; d < rank; ++d) {
      phase = phase * R::stride(d) + at.at[d] % R::stride(d);
      at.at[d] /= R::stride(d);
    }
    begin(ofGroup, phase);
    return image * placesOfPhase() + at.flat([&](int d) { return places(d); });
  }
};

template <typename R> struct ConvolveToW : ConvolutionBase<R> {
  using Base = ConvolutionBase<R>;
  using typename Base::E;
  using typename Base::Place;
  using typename Base::Row;
  using Base::group;
  using Base::rank;
  using Base::region;
  __device__ explicit ConvolveToW(const R &region) : Base(region) {}
  __device__ __forceinline__ int phases() const { return 1; }
  __device__ __forceinline__ void begin(int ofGroup, int) { group = ofGroup; }
  __device__ __forceinline__ int rows() const { return this->outputs(); }
  __device__ __forceinline__ int columns() const { return this->inputs() * this->allTaps(); }
  __device__ __forceinline__ int depth() const { return (int)region.batch() * this->yPlane(); }
  __device__ __forceinline__ Row row(int m) const {
    return {region.cotangent() + (long long)(group * this->outputs() + m) * this->yPlane(), m < rows()};
  }
  struct Column {
    const E *at;
    Place move;
    bool valid;
  };
  __device__ __forceinline__ Column column(int number) const {
    Column result;
    result.move = Place::split(number % this->allTaps(), [](int d) { return R::taps(d); });
#pragma unroll
    for (int d = 0; d < rank; ++d)
      result.move.at[d] *= R::dilation(d);
    result.at = region.source() + (long long)(group * this->inputs() + number / this->allTaps()) * this->xPlane() + result.move.flat([&](int d) { return region.xSize(d); });
    result.valid = number < columns();
    return result;
  }
  struct Depth {
    long long y, x;
    Place start;
  };
  __device__ __forceinline__ Depth at(int k) const {
    Depth result;
    const int image = k / this->yPlane(), place = k % this->yPlane();
    result.y = (long long)image * (int)region.groups() * this->outputs() * this->yPlane() + place;
    result.start = Place::split(place, [&](int d) { return region.ySize(d); });
#pragma unroll
    for (int d = 0; d < rank; ++d)
      result.start.at[d] = result.start.at[d] * R::stride(d) - region.low(d);
    result.x = (long long)image * (int)region.groups() * this->inputs() * this->xPlane() + result.start.flat([&](int d) { return region.xSize(d); });
    return result;
  }
  __device__ __forceinline__ E a(const Row &row, const Depth &k) const { return row.at[k.y]; }
  __device__ __forceinline__ E b(const Column &column, const Depth &k) const {
    Place place;
#pragma unroll
    for (int d = 0; d < rank; ++d)
      place.at[d] = k.start.at[d] + column.move.at[d];
    const auto size = [&](int d) { return region.xSize(d); };
    return column.valid & place.inside(size) ? column.at[k.x] : E();
  }
  // A weight is a place of the channel of y; there is one image.
  __device__ __forceinline__ void placeOf(int row, int number, int &image, int &channel, int &place) const {
    image = 0;
    place = number;
    channel = group * this->outputs() + row;
  }
  __device__ __forceinline__ bool has(int number) const { return number < columns(); }
};

// Gives sums of neighbours to what follows, or to a workspace where others of them are to be added.
template <typename R, typename P, int V, typename S>
__device__ __forceinline__ void convolutionStore(const R &region, const P &problem, int split, int row, int column, const S (&sum)[V]) {
  int image, channel, place;
  if (row < problem.rows() && problem.has(column)) {
    problem.placeOf(row, column, image, channel, place);
    if constexpr (R::splits > 1) {
      S *partial = region.partials() + (((long long)split * region.resultImages() + image) * region.resultChannels() + channel) * region.resultPlaces() + place;
#pragma unroll
      for (int i = 0; i < V; ++i)
        partial[i] = sum[i];
    } else {
      typename R::Register values[V];
#pragma unroll
      for (int i = 0; i < V; ++i)
        values[i] = (typename R::Register)sum[i];
      region.template store<V>(image, channel, place, values);
    }
  }
}

// The same for several of them, of which four lie together and the next four 64 columns further; V at once.
template <int V, int count, typename R, typename P, typename S>
__device__ __forceinline__ void convolutionStoreAll(const R &region, const P &problem, int split, int row, int column, const S (&sums)[count]) {
#pragma unroll 1
  for (int first = 0; first < count; first += V) {
    S part[V];
#pragma unroll
    for (int i = 0; i < V; ++i) {
      part[i] = sums[i];
#pragma unroll
      for (int other = V; other < count; other += V)
        part[i] = first == other ? sums[other + i] : part[i];
    }
    convolutionStore(region, problem, split, row, column + first / 4 * 64 + first % 4, part);
  }
}

// Adds up the parts of every element in order, and computes what follows.
template <typename R> __device__ __forceinline__ void convolutionCombine(const R &region) {
  const long long places = region.resultPlaces(), channels = region.resultChannels(), elements = region.resultImages() * channels * places;
#pragma unroll 1
  for (long long e = (long long)blockIdx.x * blockDim.x + threadIdx.x; e < elements; e += (long long)gridDim.x * blockDim.x) {
    typename R::Sum sum = region.partials()[e];
#pragma unroll 4
    for (int split = 1; split < R::splits; ++split)
      sum = Sum()(sum, region.partials()[split * elements + e]);
    const typename R::Register value[1] = {(typename R::Register)sum};
    region.template store<1>(e / places / channels, e / places % channels, e % places, value);
  }
}

// A tile of a problem: which one it is, and its part of the depth.
template <typename R, typename P> struct ConvolutionTile {
  int row, column, split, depth, depthEnd;
  __device__ __forceinline__ static long long count(const P &problem, const R &region, int rows, int columns = convolutionColumns) {
    return (long long)((problem.rows() + rows - 1) / rows) * ((problem.columns() + columns - 1) / columns) * region.groups() * problem.phases() * R::splits;
  }
  // Neighbouring blocks have the same columns.
  __device__ __forceinline__ ConvolutionTile(P &problem, const R &region, int rows, int step, long long number, int columns = convolutionColumns) {
    const int rowTiles = (problem.rows() + rows - 1) / rows, columnTiles = (problem.columns() + columns - 1) / columns;
    row = (int)(number % rowTiles) * rows;
    long long rest = number / rowTiles;
    column = (int)(rest % columnTiles) * columns;
    rest /= columnTiles;
    split = (int)(rest % R::splits);
    rest /= R::splits;
    const int groups = (int)region.groups();
    problem.begin((int)(rest % groups), (int)(rest / groups));
    const int all = problem.depth(), part = ((all + R::splits - 1) / R::splits + step - 1) / step * step;
    depth = split * part < all ? split * part : all;
    depthEnd = depth + part < all ? depth + part : all;
  }
};

// On ordinary units: a block computes `tileRows` x 128 sums, a thread (tileRows / 16) x 8 of them.
template <template <typename> class Problem, int tileRows, typename R> __device__ __forceinline__ void convolveTiles(const R &region) {
  using P = Problem<R>;
  using S = typename R::Sum;
  constexpr int step = 8, pad = 4, rowsPerThread = tileRows / 16, together = rowsPerThread < 4 ? rowsPerThread : 4;
  constexpr int ownRows = tileRows * step / convolutionThreads, ownDepths = convolutionColumns * step / convolutionThreads;
  __shared__ __align__(16) S a[2][step][tileRows + pad];
  __shared__ __align__(16) S b[2][step][convolutionColumns + pad];
  __shared__ typename Problem<R>::Depth places[2][step]; // Of a step and the next one, found once for all rows and columns.
  const int thread = threadIdx.x, y = thread / 16, x = thread % 16;
  // What a thread brings: depth `aDepth` of some rows, some depths of column `bColumn`.
  const int aDepth = thread % step, aRow = thread / step, bColumn = thread % convolutionColumns, bDepth = thread / convolutionColumns;
  P problem(region);
  const long long tiles = ConvolutionTile<R, P>::count(problem, region, tileRows);
#pragma unroll 1
  for (long long number = blockIdx.x; number < tiles; number += gridDim.x) {
    const ConvolutionTile<R, P> tile(problem, region, tileRows, step, number);
    const typename P::Column column = problem.column(tile.column + bColumn);
    typename P::Row rows[ownRows];
#pragma unroll
    for (int i = 0; i < ownRows; ++i)
      rows[i] = problem.row(tile.row + aRow + i * (convolutionThreads / step));
    S nextA[ownRows], nextB[ownDepths];
    const auto find = [&](int depth, int half) {
      if (thread < step && depth + thread < tile.depthEnd) // A phase may have no taps at all.
        places[half][thread] = problem.at(depth + thread);
    };
    const auto fetch = [&](int depth, int half) {
      const bool inDepth = depth + aDepth < tile.depthEnd;
#pragma unroll
      for (int i = 0; i < ownRows; ++i)
        nextA[i] = inDepth && rows[i].valid ? (S)problem.a(rows[i], places[half][aDepth]) : S(0);
#pragma unroll
      for (int i = 0; i < ownDepths; ++i) {
        const int at = bDepth + i * (convolutionThreads / convolutionColumns);
        nextB[i] = depth + at < tile.depthEnd ? (S)problem.b(column, places[half][at]) : S(0);
      }
    };
    const auto keep = [&](int half) {
#pragma unroll
      for (int i = 0; i < ownRows; ++i)
        a[half][aDepth][aRow + i * (convolutionThreads / step)] = nextA[i];
#pragma unroll
      for (int i = 0; i < ownDepths; ++i)
        b[half][bDepth + i * (convolutionThreads / convolutionColumns)][bColumn] = nextB[i];
    };
    S sum[rowsPerThread][8];
#pragma unroll
    for (int i = 0; i < rowsPerThread; ++i)
#pragma unroll
      for (int j = 0; j < 8; ++j)
        sum[i][j] = S(0);
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
#pragma unroll(rowsPerThread < 8 ? step : step / 2) // Enough that the loop's own work does not count.
        for (int k = 0; k < step; ++k) {
          alignas(16) S left[rowsPerThread], right[8];
#pragma unroll
          for (int i = 0; i < rowsPerThread; i += together)
            loadPack<together>(left + i, &a[half][k][i * 16 + y * together]);
          loadPack<4>(right, &b[half][k][x * 4]);
          loadPack<4>(right + 4, &b[half][k][64 + x * 4]);
#pragma unroll
          for (int i = 0; i < rowsPerThread; ++i)
#pragma unroll
            for (int j = 0; j < 8; ++j)
              sum[i][j] = ConvolutionSum<S>::add(sum[i][j], left[i], right[j]);
        }
      }
      if (!more)
        break;
      half ^= 1;
      keep(half);
      __syncthreads();
      isFull = true;
    }
    // What follows the sums stands in the code once: rows are picked, not unrolled.
#pragma unroll 1
    for (int i = 0; i < rowsPerThread; ++i) {
      S picked[8];
#pragma unroll
      for (int j = 0; j < 8; ++j) {
        picked[j] = sum[0][j];
#pragma unroll
        for (int other = 1; other < rowsPerThread; ++other)
          picked[j] = i == other ? sum[other][j] : picked[j];
      }
      const int row = tile.row + i / together * together * 16 + y * together + i % together;
      convolutionStoreAll<(R::vector % 4 == 0 ? 4 : 1)>(region, problem, tile.split, row, tile.column + x * 4, picked);
    }
  }
}

// Few channels in a group: a thread per element of the result, which reads what it needs through the cache.
template <template <typename> class Problem, typename R> __device__ __forceinline__ void convolveDirect(const R &region) {
  using P = Problem<R>;
  using S = typename R::Sum;
  P problem(region);
  const long long places = region.resultPlaces(), channels = region.resultChannels(), elements = region.resultImages() * channels * places;
#pragma unroll 1
  for (long long e = (long long)blockIdx.x * blockDim.x + threadIdx.x; e < elements; e += (long long)gridDim.x * blockDim.x) {
    const int place = (int)(e % places), channel = (int)(e / places % channels), image = (int)(e / places / channels);
    const int rows = problem.rows();
    const int number = problem.columnOf(channel / rows, image, place);
    const typename P::Row row = problem.row(channel % rows);
    const typename P::Column column = problem.column(number);
    S sum = S(0);
    for (int k = 0; k < problem.depth(); ++k) {
      const typename P::Depth at = problem.at(k);
      sum = ConvolutionSum<S>::add(sum, (S)problem.a(row, at), (S)problem.b(column, at));
    }
    const typename R::Register value[1] = {(typename R::Register)sum};
    region.template store<1>(image, channel, place, value);
  }
}

// The gradient of the weights of few channels: a block per channel pair and part of the depth has some taps in registers.
template <typename R> __device__ __forceinline__ void convolveDirectToW(const R &region) {
  using P = ConvolveToW<R>;
  using S = typename R::Sum;
  constexpr int together = R::allTaps < 9 ? R::allTaps : 9, parts = (R::allTaps + together - 1) / together;
  P problem(region);
  const long long units = region.groups() * problem.rows() * problem.inputs() * parts * R::splits;
#pragma unroll 1
  for (long long unit = blockIdx.x; unit < units; unit += gridDim.x) {
    const int split = (int)(unit % R::splits), part = (int)(unit / R::splits % parts);
    const int pair = (int)(unit / R::splits / parts), c = pair % problem.inputs(), channel = pair / problem.inputs();
    problem.begin(channel / problem.rows(), 0);
    const typename P::Row row = problem.row(channel % problem.rows());
    const int depth = problem.depth(), share = (depth + R::splits - 1) / R::splits;
    const int first = split * share, last = first + share < depth ? first + share : depth;
    typename P::Column columns[together];
    S sum[together];
#pragma unroll
    for (int t = 0; t < together; ++t) {
      columns[t] = problem.column(c * R::allTaps + part * together + t);
      columns[t].valid = part * together + t < R::allTaps;
      sum[t] = S(0);
    }
#pragma unroll 1
    for (int k = first + (int)threadIdx.x; k < last; k += convolutionThreads) {
      const typename P::Depth at = problem.at(k);
      const S y = (S)problem.a(row, at);
#pragma unroll
      for (int t = 0; t < together; ++t)
        sum[t] = ConvolutionSum<S>::add(sum[t], y, (S)problem.b(columns[t], at));
    }
#pragma unroll
    for (int t = 0; t < together; ++t) {
      const S all[1] = {blockSum<convolutionThreads / 32>(sum[t])};
      if (threadIdx.x == 0 && columns[t].valid)
        convolutionStore(region, problem, split, channel % problem.rows(), c * R::allTaps + part * together + t, all);
    }
  }
}
