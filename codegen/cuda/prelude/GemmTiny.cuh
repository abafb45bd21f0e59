// SPDX-License-Identifier: Apache-2.0
// Needs: GemmCommon
// Products that share too little for tiles: a thread per `pack` sums, each one chain of multiply-adds over
// ascending k.
template <typename R> __device__ __forceinline__ void gemmTiny(const R &r) {
  typedef typename R::Sum Sum;
  constexpr int pack = R::pack;
  const long long columns = r.columns() / pack, count = r.batches() * r.rows() * columns;
  for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += (long long)gridDim.x * blockDim.x) {
    const long long row = i / columns, n = (i - row * columns) * pack;
    const long long batch = row / r.rows(), m = row - batch * r.rows();
    Sum sums[pack];
#pragma unroll
    for (int j = 0; j < pack; ++j)
      sums[j] = 0;
#pragma unroll 2
    for (int k = 0; k < (int)r.depth(); ++k) {
      const Sum a = r.lhs(batch, m, k);
#pragma unroll
      for (int j = 0; j < pack; ++j)
        sums[j] = multiplyAdd(a, (Sum)r.rhs(batch, n + j, k), sums[j]);
    }
    r.template finish<pack>(0, batch, m, n, sums);
  }
}
