// SPDX-License-Identifier: Apache-2.0
// Host twins of the wrappers in codegen/cuda/prelude/{Instructions,Hopper,GemmProducts}.cuh, which
// say what each does. Half and Brain are defined behind this, so that they are template parameters.
#pragma once

struct Half;
struct Brain;
typedef unsigned long long Barrier;

template <typename T>
constexpr int shimElementOf = __is_same(T, Half)    ? shimHalf
                              : __is_same(T, Brain) ? shimBrain
                                                    : shimTf32;

SHIM_FUNCTION unsigned sharedAddress(const void *shared) { return (unsigned)(unsigned long)shared; }
SHIM_FUNCTION void copyAsync16(void *shared, const void *from, int bytes) {
  shimCopyAsync(shared, from, 16, bytes);
}
SHIM_FUNCTION void copyAsync8(void *shared, const void *from, int bytes) {
  shimCopyAsync(shared, from, 8, bytes);
}
SHIM_FUNCTION void copyAsync4(void *shared, const void *from, int bytes) {
  shimCopyAsync(shared, from, 4, bytes);
}
SHIM_FUNCTION void commitAsync() { shimCommitAsync(); }
template <int inFlight> SHIM_FUNCTION void waitAsync() { shimWaitAsync(inFlight); }

SHIM_FUNCTION void loadMatrices(unsigned (&to)[4], const void *row) {
  shimLoadMatrices(to, row, 0);
}
SHIM_FUNCTION void loadMatricesTransposed(unsigned (&to)[4], const void *row) {
  shimLoadMatrices(to, row, 1);
}
template <typename T>
SHIM_FUNCTION void multiplyAdd(float (&c)[4], const unsigned (&a)[4], unsigned b0, unsigned b1, T) {
  ShimFragments fragments = {c, a, {b0, b1}, shimElementOf<T>};
  shimMultiplyAdd(&fragments);
}
SHIM_FUNCTION unsigned roundTf32(float x) {
  unsigned word = shimFrom<unsigned>(shimBits(x));
  return (word & 0x7f800000) == 0x7f800000 ? word : (word + 0x1000) & 0xffffe000;
}
template <typename T> SHIM_FUNCTION unsigned packPair(float low, float high, T) {
  return T(low).bits | (unsigned)T(high).bits << 16;
}
SHIM_FUNCTION void prefetch(const void *) {}
SHIM_FUNCTION float exp2Fast(float x) { return x < -126 ? 0 : exp2f(x); }

SHIM_FUNCTION void initBarrier(Barrier *barrier, int arrivals) {
  shimInitBarrier(barrier, arrivals);
}
SHIM_FUNCTION void fenceBarriers() { shimFenceBarriers(); }
SHIM_FUNCTION void arriveBarrier(Barrier *barrier) { shimArrive(barrier, 0); }
SHIM_FUNCTION void arriveExpecting(Barrier *barrier, int bytes) { shimArrive(barrier, bytes); }
SHIM_FUNCTION void waitBarrier(Barrier *barrier, int phase) { shimWait(barrier, phase); }
template <typename M> SHIM_FUNCTION void prefetchMap(const M *) {}
template <typename M, typename... C>
SHIM_FUNCTION void copyBox(void *shared, const M *map, Barrier *barrier, C... coordinates) {
  int at[] = {coordinates...};
  shimCopyBox(shared, map, barrier, sizeof...(C), at);
}
SHIM_FUNCTION void fenceProxy() { shimFenceProxy(); }
template <int count> SHIM_FUNCTION void giveRegisters() {}
template <int count> SHIM_FUNCTION void takeRegisters() {}
SHIM_FUNCTION void namedBarrier(int id, int threads) { shimNamedBarrier(id, threads, 1); }

/// Of a block's own memory, as the hardware has it.
SHIM_FUNCTION unsigned long long matrixDescriptor(const void *shared, int leadingBytes,
                                                  int strideBytes) {
  return (sharedAddress(shared) & 0x3ffff) >> 4 | (unsigned long long)(leadingBytes >> 4) << 16 |
         (unsigned long long)(strideBytes >> 4) << 32 | 1ull << 62;
}
SHIM_FUNCTION void fenceProducts() {}
SHIM_FUNCTION void commitProducts() { shimCommitProducts(); }
template <int inFlight> SHIM_FUNCTION void waitProducts() { shimWaitProducts(inFlight); }
SHIM_FUNCTION void fenceSum(float &) {}
template <int aAlongM, int bAlongN, int count, typename T>
SHIM_FUNCTION void multiplyGroup(float (&sum)[count], unsigned long long a, unsigned long long b,
                                 int isFirst, T) {
  ShimProduct product = {sum, count, a, b, aAlongM, bAlongN, isFirst, shimElementOf<T>};
  shimMultiplyGroup(&product);
}

SHIM_FUNCTION int clusterRank() { return shimClusterRank(); }
SHIM_FUNCTION void clusterArrive() { shimClusterArrive(); }
SHIM_FUNCTION void clusterWait() { shimClusterWait(); }
template <typename M>
SHIM_FUNCTION void copyBoxToBlocks(void *shared, const M *map, Barrier *barrier, int c0, int c1,
                                   int c2, int blocks) {
  const int at[] = {c0, c1, c2};
  for (int rank = 0; blocks >> rank; ++rank)
    if (blocks >> rank & 1)
      shimCopyBox(shimOfPeer(shared, rank), map, shimOfPeer(barrier, rank), 3, at);
}
SHIM_FUNCTION void arriveAtPeer(Barrier *barrier, int rank) {
  shimArrive(shimOfPeer(barrier, rank), 0);
}
SHIM_FUNCTION void storeToPeer(unsigned *own, int rank, unsigned word) {
  *(unsigned *)shimOfPeer(own, rank) = word;
}
