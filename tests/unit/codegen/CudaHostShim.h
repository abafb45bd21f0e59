// SPDX-License-Identifier: Apache-2.0
// Lets a host compiler run printed CUDA kernels: a thread per CUDA thread of a block, blocks one
// after another.
#pragma once

#define SINTER_HOST 1

#include <barrier>
#include <bit>
#include <cmath>
#include <cstring>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#define __global__
#define __device__
#define __shared__ static
#define __launch_bounds__(threads)
#define __grid_constant__

struct Position {
  unsigned x = 0;
};
constexpr unsigned shimThreads = 64;
inline thread_local Position threadIdx, blockIdx;
inline Position blockDim{shimThreads}, gridDim{2};
inline std::barrier<> shimBarrier{shimThreads};
inline void __syncthreads() { shimBarrier.arrive_and_wait(); }

/// All threads of a block take part, so that one barrier serves all its warps.
template <typename T> T __shfl_down_sync(unsigned, T value, int delta) {
  static T slots[shimThreads];
  slots[threadIdx.x] = value;
  shimBarrier.arrive_and_wait();
  bool inside = threadIdx.x % 32 + static_cast<unsigned>(delta) < 32;
  T answer = inside ? slots[threadIdx.x + static_cast<unsigned>(delta)] : value;
  shimBarrier.arrive_and_wait();
  return answer;
}

inline unsigned long long atomicCAS(unsigned long long *slot, unsigned long long expected,
                                    unsigned long long desired) {
  __atomic_compare_exchange_n(slot, &expected, desired, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
  return expected;
}
inline float __int_as_float(unsigned bits) { return std::bit_cast<float>(bits); }
inline double __longlong_as_double(unsigned long long bits) { return std::bit_cast<double>(bits); }

/// Structures are passed by value: their argument points at them.
template <typename T> T shimArgument(void *argument) {
  if constexpr (std::is_pointer_v<T>)
    return static_cast<T>(argument);
  else
    return *static_cast<T *>(argument);
}
template <typename... A, size_t... I>
void shimCall(void (*kernel)(A...), void **arguments, std::index_sequence<I...>) {
  kernel(shimArgument<A>(arguments[I])...);
}
template <typename... A> void shimLaunch(void (*kernel)(A...), void **arguments) {
  for (unsigned block = 0; block < gridDim.x; ++block) {
    std::vector<std::thread> threads;
    for (unsigned i = 0; i < shimThreads; ++i)
      threads.emplace_back([=] {
        threadIdx.x = i;
        blockIdx.x = block;
        shimCall(kernel, arguments, std::index_sequence_for<A...>());
      });
    for (std::thread &thread : threads)
      thread.join();
  }
}
