// SPDX-License-Identifier: Apache-2.0
// Needs: GemmCommon, Rows
// What follows a product as rows, whole ones of which a block has in shared memory. Of `R`:
//   wholeRows: whether anything does
//   rowThreads: lanes (a power of two, at most 32) that share a row
//   rowsPerUnit: neighbouring rows (1, or 8) that they take one after another
//   rowTiles: tiles of a block's columns that a row of the product is cut into; each of them is a row then
//   rowsBehind(unit, row, count, sums, pitch): `count` rows of all batches from `row` on

// `threads` threads finish strips of `perStrip` rows, `apart` rows from each other, the first of which is row m.
template <int strips, int perStrip, int apart, int pitch, int threads, typename R>
__device__ __forceinline__ void finishRows(const R &r, const typename R::Sum *staged, const GemmPlace &place, int m) {
  constexpr int unit = R::rowsPerUnit, step = threads / R::rowThreads * unit;
  static_assert(perStrip % unit == 0 && (unit == 1 || R::rowTiles == 1), "");
#pragma unroll 1
  for (int i = threadIdx.x % threads / R::rowThreads * unit; i < strips * perStrip; i += step) {
    const long long row = m + i / perStrip * apart + i % perStrip, left = r.rows() - row;
    if (left > 0) {
      const long long whole = place.batch * r.rows() + row,
                      first = R::rowTiles == 1 ? whole : whole * R::rowTiles + place.n / (int)(r.columns() / R::rowTiles);
      r.rowsBehind(place.batch * ((r.rows() + unit - 1) / unit) + row / unit, first, left < unit ? left : unit, staged + i * pitch, pitch);
    }
  }
}

// A pack of sums, parts of k in their order; the parts lie `count` sums from each other.
template <int pack, int parts, typename T> __device__ __forceinline__ void loadParts(T *to, const T *from, long long count) {
  loadPack<pack>(to, from);
#pragma unroll 4
  for (int part = 1; part < parts; ++part) {
    alignas(16) T next[pack];
    loadPack<pack>(next, from + part * count);
#pragma unroll
    for (int j = 0; j < pack; ++j)
      to[j] = to[j] + next[j];
  }
}
