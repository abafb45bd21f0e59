// SPDX-License-Identifier: Apache-2.0
// Needs: Rows
// -- Running reductions: what the threads before this one come to, behind `carry`, which then takes in
// what all of them have --

template <typename T> __device__ T fromLaneAt(T value, int lane, int lanes, unsigned int group) {
  return (T)__shfl_sync(group, value, lane, lanes);
}
// Every lane combined with those before it.
template <int lanes, typename Merge, typename T> __device__ T inclusive(T value, unsigned int group) {
#pragma unroll
  for (int delta = 1; delta < lanes; delta *= 2) {
    const T before = (T)__shfl_up_sync(group, value, delta, lanes);
    if ((int)(threadIdx.x % lanes) >= delta)
      value = Merge()(before, value);
  }
  return value;
}
template <int lanes, typename Merge, typename T> __device__ T scanLanes(T total, T *carry) {
  const unsigned int group = 0xffffffffu >> (32 - lanes) << (threadIdx.x % 32 & ~(lanes - 1));
  const T run = inclusive<lanes, Merge>(total, group), before = (T)__shfl_up_sync(group, run, 1, lanes);
  const T prefix = threadIdx.x % lanes == 0 ? *carry : (T)Merge()(*carry, before);
  *carry = Merge()(*carry, fromLaneAt(run, lanes - 1, lanes, group));
  return prefix;
}
// Over a block; the slots, one for every warp, may be used again.
template <int warps, typename Merge, typename T, typename Slot> __device__ T scanBlock(T total, T *carry, Slot *slots) {
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const T run = inclusive<32, Merge>(total, 0xffffffffu), before = (T)__shfl_up_sync(0xffffffffu, run, 1);
  if (lane == 31)
    slots[warp] = run;
  __syncthreads();
  T base = *carry, mine = base;
#pragma unroll
  for (int i = 0; i < warps; ++i) {
    if (i == warp)
      mine = base;
    base = Merge()(base, (T)slots[i]);
  }
  *carry = base;
  __syncthreads();
  return lane == 0 ? mine : (T)Merge()(mine, before);
}
