// SPDX-License-Identifier: Apache-2.0
// -- Short rows: sorted in shared memory by key, then by number --

// A block sorts every run of `run` neighbours among `count` (powers of two): a bitonic network. Keys
// compare as unsigned numbers.
template <int count, int run, typename Key> __device__ void sortRuns(Key *keys, int *order) {
  typedef decltype(toUnsigned(Key())) Unsigned;
#pragma unroll 1
  for (int length = 2; length <= run; length *= 2)
#pragma unroll 1
    for (int distance = length / 2; distance > 0; distance /= 2) {
      // A warp's pairs that are that close lie in stretches of its own.
      if (distance >= 32 || length == 2)
        __syncthreads();
      else
        __syncwarp();
#pragma unroll 1
      for (int pair = threadIdx.x; pair < count / 2; pair += blockDim.x) {
        const int low = 2 * pair - (pair & (distance - 1)), high = low + distance;
        const Key a = keys[low], b = keys[high];
        const int first = order[low], second = order[high];
        const bool isAfter = (Unsigned)a > (Unsigned)b || (a == b && first > second);
        if (isAfter == ((low & length) == 0 || length == run)) {
          keys[low] = b;
          keys[high] = a;
          order[low] = second;
          order[high] = first;
        }
      }
    }
  __syncthreads();
}
