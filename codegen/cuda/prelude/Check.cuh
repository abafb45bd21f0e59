// SPDX-License-Identifier: Apache-2.0
// -- Results that may hold numbers only, but for infinities that the graph says --

// The first report of a call is kept.
template <bool Negative, bool Positive, typename T>
__device__ void checkStored(const T *data, long long count, long long site, long long step, long long *status) {
#pragma unroll 1
  for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += (long long)gridDim.x * blockDim.x) {
    const auto x = data[i] + 0.0f;
    const bool isMeant = (Positive && x > 0) || (Negative && x < 0);
    if (x - x == 0 || isMeant)
      continue;
    if (compareExchange(status, 0, 2)) {
      status[1] = site;
      status[2] = i;
      status[3] = step;
    }
  }
}
