// SPDX-License-Identifier: Apache-2.0
// Needs: Packs
// What the kernels of a product of matrices share. `R` is the printed struct of the region:
//   typedefs Sum (of the sums), A, B (elements in memory), Multiplied (what tensor cores multiply)
//   aAlongK, bAlongK: elements of an operand follow each other along k, else along its rows (columns)
//   aPack, bPack: neighbours that may be read at once; 0: elements come from lhs() and rhs()
//   rows(), columns(), depth(), batches(); aAt(batch), aStride(), bAt(batch), bStride(): an operand in memory,
//   and the distance of its neighbours across
//   lhs(batch, m, k), rhs(batch, n, k): elements as sums hold them
//   pack: columns that finish<pack>(part, batch, m, n, sums) stores at once; divides columns()
//   partDepth(): elements of k that a part of the work adds up, parts: how many parts
//   wholeRows: whether what follows takes whole rows of sums (GemmRows)
__device__ __forceinline__ float multiplyAdd(float a, float b, float sum) { return fmaf(a, b, sum); }
__device__ __forceinline__ double multiplyAdd(double a, double b, double sum) { return fma(a, b, sum); }
__device__ __forceinline__ int multiplyAdd(int a, int b, int sum) {
  return (int)((unsigned int)a * (unsigned int)b + (unsigned int)sum);
}
__device__ __forceinline__ long long multiplyAdd(long long a, long long b, long long sum) {
  return (long long)((unsigned long long)a * (unsigned long long)b + (unsigned long long)sum);
}

// One of the two operands, as the loaders see it.
template <typename R> struct LeftOperand {
  typedef typename R::A Element;
  static constexpr bool alongK = R::aAlongK;
  static constexpr int pack = R::aPack;
  static __device__ __forceinline__ const Element *at(const R &r, long long batch) { return r.aAt(batch); }
  static __device__ __forceinline__ long long stride(const R &r) { return r.aStride(); }
  static __device__ __forceinline__ long long size(const R &r) { return r.rows(); }
  static __device__ __forceinline__ typename R::Sum element(const R &r, long long batch, long long x, long long k) {
    return r.lhs(batch, x, k);
  }
};
template <typename R> struct RightOperand {
  typedef typename R::B Element;
  static constexpr bool alongK = R::bAlongK;
  static constexpr int pack = R::bPack;
  static __device__ __forceinline__ const Element *at(const R &r, long long batch) { return r.bAt(batch); }
  static __device__ __forceinline__ long long stride(const R &r) { return r.bStride(); }
  static __device__ __forceinline__ long long size(const R &r) { return r.columns(); }
  static __device__ __forceinline__ typename R::Sum element(const R &r, long long batch, long long x, long long k) {
    return r.rhs(batch, x, k);
  }
};

// Which block of the result, and which part of k, a number stands for. Neighbours share rows and columns of
// the operands that are still in the L2 cache: they go down strips of 8 blocks.
struct GemmPlace {
  long long batch;
  int part, m, n; // m, n: the first row and column.
  long long kBegin, kEnd;
};
template <typename R> __device__ __forceinline__ long long gemmPlaces(const R &r, int blockM, int blockN) {
  return (r.rows() + blockM - 1) / blockM * ((r.columns() + blockN - 1) / blockN) * r.batches() * R::parts;
}
template <typename R>
__device__ __forceinline__ GemmPlace gemmPlace(const R &r, long long number, int blockM, int blockN) {
  constexpr unsigned int strip = 8;
  GemmPlace place;
  const unsigned int blocksM = (unsigned int)((r.rows() + blockM - 1) / blockM),
                     blocksN = (unsigned int)((r.columns() + blockN - 1) / blockN);
  const long long each = (long long)blocksM * blocksN;
  const long long outer = R::parts == 1 && r.batches() == 1 ? 0 : number / each;
  const unsigned int inner = (unsigned int)(number - outer * each);
  place.part = R::parts == 1 ? 0 : (int)(outer % R::parts);
  place.batch = r.batches() == 1 ? 0 : R::parts == 1 ? outer : outer / R::parts;
  const unsigned int above = inner / (strip * blocksN) * strip, at = inner % (strip * blocksN);
  const unsigned int height = blocksM - above < strip ? blocksM - above : strip;
  place.m = (int)(above + at % height) * blockM;
  place.n = (int)(at / height) * blockN;
  place.kBegin = R::parts == 1 ? 0 : place.part * r.partDepth();
  place.kEnd = R::parts == 1 || place.kBegin + r.partDepth() > r.depth() ? r.depth() : place.kBegin + r.partDepth();
  return place;
}

// In GemmRows, where something takes whole rows.
template <int strips, int perStrip, int apart, int pitch, int threads, typename R>
__device__ __forceinline__ void finishRows(const R &r, const typename R::Sum *staged, const GemmPlace &place, int m);

// A warp stores a piece of the result that it has put into shared memory, `pitch` sums a row.
template <int rows, int columns, int pitch, typename R>
__device__ __forceinline__ void storeStaged(const R &r, const typename R::Sum *staged, const GemmPlace &place, int m, int n) {
  constexpr int pack = R::pack;
  __syncwarp();
#pragma unroll 1
  for (int i = threadIdx.x % 32; i < rows * columns / pack; i += 32) {
    const int row = i / (columns / pack), column = i % (columns / pack) * pack;
    if (m + row < r.rows() && n + column < r.columns()) {
      alignas(16) typename R::Sum sums[pack];
      loadPack<pack>(sums, staged + row * pitch + column);
      r.template finish<pack>(place.part, place.batch, m + row, n + column, sums);
    }
  }
  __syncwarp();
}

// Adds up the parts of k in their order, and finishes.
template <typename R> __device__ __forceinline__ void addParts(const R &r) {
  constexpr int pack = R::pack;
  const long long columns = r.columns() / pack, count = r.batches() * r.rows() * columns;
  for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += (long long)gridDim.x * blockDim.x) {
    alignas(16) typename R::Sum sums[pack], next[pack];
    loadPack<pack>(sums, r.partials() + i * pack);
#pragma unroll 4
    for (int part = 1; part < R::parts; ++part) {
      loadPack<pack>(next, r.partials() + (part * count + i) * pack);
#pragma unroll
      for (int j = 0; j < pack; ++j)
        sums[j] = sums[j] + next[j];
    }
    const long long row = i / columns;
    r.template store<pack>(row / r.rows(), row % r.rows(), i % columns * pack, sums);
  }
}
