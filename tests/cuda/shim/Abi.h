// SPDX-License-Identifier: Apache-2.0
// What kernels built for the host call, and what they say about themselves. The machine
// (tests/cuda/machine) implements it. Kernels see no standard header, so this needs none.
#pragma once

#define SHIM_CONVERGENT __attribute__((convergent, noduplicate))

extern "C" {

/// A kernel as the driver finds it in an image, under the name shim_<kernel>.
struct ShimKernel {
  const char *name;
  void (*call)(void **parameters); ///< Runs one thread.
  int parameterCount;
  const unsigned *parameterBytes;
  const unsigned char *parameterIsPointer;
  int maxThreads;                 ///< __launch_bounds__
  unsigned long dynamicAlignment; ///< Of its dynamic shared memory; 0: it has none.
};

/// Of clang's emulated thread-local variables, which __shared__ variables are here.
struct ShimShared {
  unsigned long bytes, alignment;
  unsigned long offset; ///< In a block's shared memory, 1 more; 0: not placed yet.
  const void *initial;
};

/// bytes of a ShimShared that stands for a block's dynamic shared memory.
constexpr unsigned long shimDynamic = ~0ul;

/// Where a variable lies for the calling thread's block.
__attribute__((const)) void *shimPlaceShared(struct ShimShared *variable);

enum ShimWhat { shimThreadIndex, shimBlockIndex, shimBlockSize, shimGridSize };
__attribute__((const)) unsigned shimPosition(int what, int dimension);

/// Barrier 0 with every thread of the block; the sum of `predicate` over them.
SHIM_CONVERGENT unsigned shimSyncThreads(unsigned predicate);
/// A barrier of its own number; not every thread need come, and those that only arrive go on.
SHIM_CONVERGENT void shimNamedBarrier(int number, int threads, int waits);

enum ShimWarpKind {
  shimSyncWarp,
  shimShuffleIndex,
  shimShuffleUp,
  shimShuffleDown,
  shimShuffleXor,
  shimBallot,
  shimMatch,
  shimMatrices,
  shimMatricesTransposed,
  shimFragments
};
/// What the lanes of `mask` do together. `value` goes to the lane that asks for it.
SHIM_CONVERGENT unsigned long long shimWarp(int kind, unsigned mask, unsigned long long value,
                                            int argument, int width);
unsigned shimActiveMask();

enum ShimAtomicKind {
  shimAdd,
  shimMin,
  shimMax,
  shimAnd,
  shimOr,
  shimXor,
  shimExchange,
  shimCompareExchange
};
enum ShimType { shimInt, shimUnsigned, shimLong, shimUnsignedLong, shimFloat, shimDouble };
/// The value before.
unsigned long long shimAtomic(int kind, int type, void *address, unsigned long long value,
                              unsigned long long compare);

// -- Instructions that C++ has no word for: what codegen/cuda/prelude says of its wrappers holds
// here

void shimCopyAsync(void *shared, const void *from, int most, int bytes);
void shimCommitAsync();
void shimWaitAsync(int inFlight);

enum ShimElement { shimHalf, shimBrain, shimTf32 };
struct ShimFragments {
  float *sum;
  const unsigned *a;
  unsigned b[2];
  int element;
};
SHIM_CONVERGENT void shimLoadMatrices(unsigned *to, const void *row, int transposed);
SHIM_CONVERGENT void shimMultiplyAdd(struct ShimFragments *fragments);

void shimInitBarrier(void *barrier, int arrivals);
void shimFenceBarriers();
void shimArrive(void *barrier, int expectedBytes);
void shimWait(void *barrier, int phase);
void shimCopyBox(void *shared, const void *map, void *barrier, int rank, const int *coordinates);
void shimFenceProxy();

struct ShimProduct {
  float *sum;
  int count; ///< Of sums a thread.
  unsigned long long a, b;
  int aAlongM, bAlongN, isFirst, element;
};
SHIM_CONVERGENT void shimMultiplyGroup(const struct ShimProduct *product);
void shimCommitProducts();
SHIM_CONVERGENT void shimWaitProducts(int inFlight);

int shimClusterRank();
void shimClusterArrive();
void shimClusterWait();
/// Where the block of that rank has what this one has at `own`.
void *shimOfPeer(void *own, int rank);

[[noreturn]] void shimFail(const char *what);
}
