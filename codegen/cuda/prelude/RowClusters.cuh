// SPDX-License-Identifier: Apache-2.0
// Needs: Rows, Hopper
// Over a cluster: every warp leaves its part in the shared memory of all blocks, for take() behind a
// barrier of the cluster.
template <int count> struct Words {
  unsigned int at[count];
};
template <int blocks, typename Merge, typename Slot, typename T> __device__ void leaveToAll(Slot *slots, T value) {
  value = acrossLanes<32, Merge>(value);
  Slot *const own = slots + clusterRank() * (blockDim.x / 32) + threadIdx.x / 32;
  if (threadIdx.x % 32 >= blocks)
    return;
  const auto words = bitCast<Words<sizeof(Slot) / 4>>((Slot)value);
#pragma unroll
  for (int i = 0; i < (int)(sizeof(Slot) / 4); ++i)
    storeToPeer((unsigned int *)own + i, threadIdx.x % 32, words.at[i]);
}
template <int blocks, typename Merge, typename T>
__device__ void leaveIndexedToAll(Indexed<T> *slots, T value, long long index) {
  leaveToAll<blocks, Merge>(slots, Indexed<T>{value, index});
}
