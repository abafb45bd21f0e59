// SPDX-License-Identifier: Apache-2.0
// Needs: Instructions
// One function per instruction of sm_90 and sm_90a: barriers in shared memory that count bytes, the
// copy engine, products of a warpgroup (128 threads), clusters.
struct alignas(64) TensorMap {
  unsigned long long words[16];
};
#ifndef SINTER_HOST
// A barrier is 8 bytes of shared memory. Phases alternate 0, 1, 0, …; waiting for the phase before the
// first, 1, returns at once.
typedef unsigned long long Barrier;
__device__ __forceinline__ void initBarrier(Barrier *barrier, int arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(sharedAddress(barrier)), "r"(arrivals) : "memory");
}
// Makes initialised barriers visible to the copy engine and to the cluster.
__device__ __forceinline__ void fenceBarriers() {
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}
__device__ __forceinline__ void arriveBarrier(Barrier *barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(sharedAddress(barrier)) : "memory");
}
// Arrives, and lets the phase wait for so many bytes of copies besides.
__device__ __forceinline__ void arriveExpecting(Barrier *barrier, int bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(sharedAddress(barrier)),
               "r"(bytes)
               : "memory");
}
__device__ __forceinline__ void waitBarrier(Barrier *barrier, int phase) {
  asm volatile("{\n"
               ".reg .pred done;\n"
               "again:\n"
               "mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
               "@done bra finished;\n"
               "bra again;\n"
               "finished:\n"
               "}" ::"r"(sharedAddress(barrier)),
               "r"(phase)
               : "memory");
}

// A box of a tensor to shared memory (aligned to 128 bytes; to 1024 where the map swizzles by 128). What lies
// outside the tensor is 0. `barrier` counts the bytes of the whole box. One thread calls it.
__device__ __forceinline__ void prefetchMap(const TensorMap *map) {
  asm volatile("prefetch.tensormap [%0];" ::"l"(map) : "memory");
}
__device__ __forceinline__ void copyBox(void *shared, const TensorMap *map, Barrier *barrier, int c0, int c1) {
  asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4}], [%2];" ::"r"(
                   sharedAddress(shared)),
               "l"(map), "r"(sharedAddress(barrier)), "r"(c0), "r"(c1)
               : "memory");
}
__device__ __forceinline__ void copyBox(void *shared, const TensorMap *map, Barrier *barrier, int c0, int c1, int c2) {
  asm volatile("cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4, %5}], [%2];" ::"r"(
                   sharedAddress(shared)),
               "l"(map), "r"(sharedAddress(barrier)), "r"(c0), "r"(c1), "r"(c2)
               : "memory");
}
__device__ __forceinline__ void copyBox(void *shared, const TensorMap *map, Barrier *barrier, int c0, int c1, int c2,
                                        int c3) {
  asm volatile("cp.async.bulk.tensor.4d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4, %5, %6}], [%2];" ::"r"(
                   sharedAddress(shared)),
               "l"(map), "r"(sharedAddress(barrier)), "r"(c0), "r"(c1), "r"(c2), "r"(c3)
               : "memory");
}
// The same to that place in every block of the cluster whose rank's bit `blocks` has; each one's barrier counts.
__device__ __forceinline__ void copyBoxToBlocks(void *shared, const TensorMap *map, Barrier *barrier, int c0, int c1,
                                                int c2, int blocks) {
  asm volatile("cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster [%0], [%1, {%3, %4, %5}], [%2], %6;" ::"r"(
                   sharedAddress(shared)),
               "l"(map), "r"(sharedAddress(barrier)), "r"(c0), "r"(c1), "r"(c2), "h"((unsigned short)blocks)
               : "memory");
}
// Arrives at that barrier in another block of the cluster, or in this one.
__device__ __forceinline__ void arriveAtPeer(Barrier *barrier, int rank) {
  asm volatile("{\n"
               ".reg .b32 there;\n"
               "mapa.shared::cluster.u32 there, %0, %1;\n"
               "mbarrier.arrive.release.cluster.shared::cluster.b64 _, [there];\n"
               "}" ::"r"(sharedAddress(barrier)),
               "r"(rank)
               : "memory");
}
// Ordinary stores to shared memory before it are seen by the copy engine and by products after it.
__device__ __forceinline__ void fenceProxy() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

// Registers per thread of the calling warpgroup, a multiple of 8.
template <int count> __device__ __forceinline__ void giveRegisters() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(count));
}
template <int count> __device__ __forceinline__ void takeRegisters() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(count));
}
// A barrier of `threads` threads of the block; `id` from 1 to 15.
__device__ __forceinline__ void namedBarrier(int id, int threads) {
  asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
}

// An operand in shared memory, in rows of 128 bytes that lie in groups of 8 (1024-byte aligned), swizzled by
// 128 bytes as the copy engine does it. `strideBytes` between groups of 8 rows. Rows run along k
// (K-major), or along m or n, 64 16-bit elements each, and the next 64 lie `leadingBytes` further.
__device__ __forceinline__ unsigned long long matrixDescriptor(const void *shared, int leadingBytes, int strideBytes) {
  return (unsigned long long)((sharedAddress(shared) & 0x3ffff) >> 4) |
         (unsigned long long)(leadingBytes >> 4) << 16 | (unsigned long long)(strideBytes >> 4) << 32 |
         1ull << 62;
}
__device__ __forceinline__ void fenceProducts() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
__device__ __forceinline__ void commitProducts() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
template <int inFlight> __device__ __forceinline__ void waitProducts() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(inFlight) : "memory");
}
// Keeps the compiler from touching sums while products are in flight.
__device__ __forceinline__ void fenceSum(float &sum) { asm volatile("" : "+f"(sum)::"memory"); }

__device__ __forceinline__ int clusterRank() {
  int rank;
  asm volatile("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
  return rank;
}
__device__ __forceinline__ void clusterArrive() {
  asm volatile("barrier.cluster.arrive.release.aligned;" ::: "memory");
}
__device__ __forceinline__ void clusterWait() {
  asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory");
}
// Stores into the shared memory of block `rank` of the cluster, at the place that `own` has in this
// block's.
__device__ __forceinline__ void storeToPeer(unsigned int *own, int rank, unsigned int word) {
  asm volatile("{\n"
               ".reg .b32 place;\n"
               "mapa.shared::cluster.u32 place, %0, %1;\n"
               "st.shared::cluster.b32 [place], %2;\n"
               "}" ::"r"(sharedAddress(own)), "r"(rank), "r"(word)
               : "memory");
}
#endif
