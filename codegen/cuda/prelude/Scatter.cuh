// SPDX-License-Identifier: Apache-2.0
// Needs: Base

// -- Scatters: item numbers sorted by key, a digit at a time; equal digits stay in order --
// A block takes tiles of `sortTile` items. Where an item goes follows from the keys alone.

constexpr int sortThreads = 256, sortTile = 2048, sortMaxDigits = 1024;
constexpr int sortWarps = sortThreads / 32, sortRounds = sortTile / sortThreads;

// Whether two buffers are different memory.
__device__ inline bool isElsewhere(const void *a, const void *b) { return a != b; }

// counts[digit][tile]: how many items of a tile have a digit.
__device__ inline void sortCount(const void *keysAt, void *countsAt, long long items, long long shift, long long digits) {
  __shared__ unsigned int found[sortMaxDigits];
  const unsigned int *keys = (const unsigned int *)keysAt;
  unsigned int *counts = (unsigned int *)countsAt;
  const int tiles = (int)((items + sortTile - 1) / sortTile);
#pragma unroll 1
  for (int tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
#pragma unroll 1
    for (int digit = threadIdx.x; digit < digits; digit += sortThreads)
      found[digit] = 0;
    __syncthreads();
    const long long first = (long long)tile * sortTile + threadIdx.x;
#pragma unroll 4
    for (int round = 0; round < sortRounds; ++round)
      if (first + round * sortThreads < items)
        atomicAdd(&found[keys[first + round * sortThreads] >> shift & (unsigned int)(digits - 1)], 1u);
    __syncthreads();
#pragma unroll 1
    for (int digit = threadIdx.x; digit < digits; digit += sortThreads)
      counts[(long long)digit * tiles + tile] = found[digit];
  }
}

// The sum of `value` over the threads before this one, and over all of them in `all`.
__device__ inline unsigned int sumBefore(unsigned int value, unsigned int &all) {
  __shared__ unsigned int sums[sortWarps];
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  unsigned int sum = value;
#pragma unroll
  for (int delta = 1; delta < 32; delta *= 2) {
    const unsigned int below = __shfl_up_sync(0xffffffffu, sum, delta);
    sum += lane >= delta ? below : 0;
  }
  __syncthreads(); // The sums of the call before have been read.
  if (lane == 31)
    sums[warp] = sum;
  __syncthreads();
  unsigned int before = 0;
  all = 0;
#pragma unroll
  for (int w = 0; w < sortWarps; ++w) {
    before += w < warp ? sums[w] : 0;
    all += sums[w];
  }
  return before + sum - value;
}

// Turns the counts of a digit into the sums of those before, and gives their total; a block per digit.
__device__ inline void sortScan(void *countsAt, void *totalsAt, long long items, long long digits) {
  unsigned int *counts = (unsigned int *)countsAt, *totals = (unsigned int *)totalsAt;
  const int tiles = (int)((items + sortTile - 1) / sortTile);
#pragma unroll 1
  for (int digit = blockIdx.x; digit < digits; digit += gridDim.x) {
    unsigned int *row = counts + (long long)digit * tiles;
    unsigned int before = 0;
#pragma unroll 1
    for (int first = 0; first < tiles; first += sortThreads) {
      const int tile = first + (int)threadIdx.x;
      unsigned int all;
      const unsigned int sum = sumBefore(tile < tiles ? row[tile] : 0u, all);
      if (tile < tiles)
        row[tile] = before + sum;
      before += all;
    }
    if (threadIdx.x == 0)
      totals[digit] = before;
  }
}

// Moves every item behind those with a lower digit and those with the same one before it. `order` is
// null where items lie in the order of their numbers.
__device__ inline void sortPlace(const void *keysAt, const void *orderAt, const void *countsAt, const void *totalsAt,
                                 void *newKeysAt, void *newOrderAt, long long items, long long shift, long long digits,
                                 bool isFirst) {
  __shared__ unsigned int base[sortMaxDigits];            // Items with a lower digit.
  __shared__ unsigned int next[sortWarps][sortMaxDigits]; // Where a warp's next item with a digit goes.
  const unsigned int *keys = (const unsigned int *)keysAt, *order = (const unsigned int *)orderAt;
  const unsigned int *counts = (const unsigned int *)countsAt, *totals = (const unsigned int *)totalsAt;
  unsigned int *newKeys = (unsigned int *)newKeysAt, *newOrder = (unsigned int *)newOrderAt;
  const int tiles = (int)((items + sortTile - 1) / sortTile), lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  unsigned int before = 0;
#pragma unroll 1
  for (int first = 0; first < digits; first += sortThreads) {
    const int digit = first + (int)threadIdx.x;
    unsigned int all;
    const unsigned int sum = sumBefore(digit < digits ? totals[digit] : 0u, all);
    if (digit < digits)
      base[digit] = before + sum;
    before += all;
  }
#pragma unroll 1
  for (int tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
    __syncthreads(); // The tile before is done.
#pragma unroll 1
    for (int digit = threadIdx.x; digit < digits; digit += sortThreads)
#pragma unroll
      for (int w = 0; w < sortWarps; ++w)
        next[w][digit] = 0;
    __syncthreads();
    const long long first = (long long)tile * sortTile + warp * (sortTile / sortWarps) + lane;
#pragma unroll 4
    for (int round = 0; round < sortRounds; ++round)
      if (first + round * 32 < items)
        atomicAdd(&next[warp][keys[first + round * 32] >> shift & (unsigned int)(digits - 1)], 1u);
    __syncthreads();
#pragma unroll 1
    for (int digit = threadIdx.x; digit < digits; digit += sortThreads) {
      unsigned int at = base[digit] + counts[(long long)digit * tiles + tile];
#pragma unroll
      for (int w = 0; w < sortWarps; ++w) {
        const unsigned int count = next[w][digit];
        next[w][digit] = at;
        at += count;
      }
    }
    __syncthreads();
#pragma unroll 1 // Its ballots would fill the text.
    for (int round = 0; round < sortRounds; ++round) {
      const long long i = first + round * 32;
      const unsigned int key = i < items ? keys[i] : 0u, digit = key >> shift & (unsigned int)(digits - 1);
      // The lanes whose item has the same digit.
      unsigned int same = __ballot_sync(0xffffffffu, i < items);
#pragma unroll 1
      for (int bit = 1; bit < digits; bit *= 2) {
        const unsigned int set = __ballot_sync(0xffffffffu, (digit & bit) != 0);
        same &= digit & bit ? set : ~set;
      }
      const unsigned int below = same & ((1u << lane) - 1u);
      unsigned int at = 0;
      if (i < items) {
        at = next[warp][digit] + __popc(below);
        newKeys[at] = key;
        newOrder[at] = isFirst ? (unsigned int)i : order[i];
      }
      __syncwarp();
      if (i < items && below == 0)
        next[warp][digit] = at + __popc(same);
      __syncwarp();
    }
  }
}

// starts[key] for every key and the one behind: the first sorted item whose key is not less.
__device__ inline void sortStarts(const void *keysAt, void *startsAt, long long items, long long keys) {
  const unsigned int *sorted = (const unsigned int *)keysAt;
  unsigned int *starts = (unsigned int *)startsAt;
#pragma unroll 1
  for (long long key = (long long)blockIdx.x * blockDim.x + threadIdx.x; key <= keys; key += (long long)gridDim.x * blockDim.x) {
    unsigned int low = 0, high = (unsigned int)items;
#pragma unroll 1
    while (low < high) {
      const unsigned int middle = low + (high - low) / 2;
      if (sorted[middle] < (unsigned int)key)
        low = middle + 1;
      else
        high = middle;
    }
    starts[key] = low;
  }
}
