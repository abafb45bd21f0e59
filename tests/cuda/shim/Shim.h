// SPDX-License-Identifier: Apache-2.0
// Lets clang build printed CUDA kernels for the host: what NVRTC knows of itself. The fake NVRTC
// puts Abi.h, this, and Instructions.h in front of a program.
#pragma once

#define SINTER_HOST 1
#define __CUDACC_RTC__ 1
#define __global__
#define __device__
#define __host__
#define __constant__ static
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __cluster_dims__(...)
#define __grid_constant__
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __builtin_align__(bytes) __attribute__((aligned(bytes)))
#define SHIM_FUNCTION static inline __attribute__((always_inline))

// clang's emulated thread-local variables ask this for their address.
extern "C" __attribute__((visibility("hidden"), used)) void *
__emutls_get_address(ShimShared *variable) {
  return shimPlaceShared(variable);
}

/// A pointer that is read or written as another type, which must be aligned as that is.
template <typename T, typename P> SHIM_FUNCTION T *shimCast(P *pointer) {
  if ((unsigned long)pointer % alignof(T) != 0)
    shimFail("misaligned: an address that is not aligned as the type of the access demands");
  return (T *)pointer;
}
template <typename T> SHIM_FUNCTION T *shimCast(unsigned long long address) {
  return shimCast<T>((char *)address);
}

// -- Positions and vectors

template <int what> struct ShimPosition {
  unsigned atX() const { return shimPosition(what, 0); }
  unsigned atY() const { return shimPosition(what, 1); }
  unsigned atZ() const { return shimPosition(what, 2); }
  __declspec(property(get = atX)) unsigned x;
  __declspec(property(get = atY)) unsigned y;
  __declspec(property(get = atZ)) unsigned z;
};
static const ShimPosition<shimThreadIndex> threadIdx;
static const ShimPosition<shimBlockIndex> blockIdx;
static const ShimPosition<shimBlockSize> blockDim;
static const ShimPosition<shimGridSize> gridDim;
constexpr int warpSize = 32;

#define SHIM_VECTORS(type, name)                                                                   \
  typedef type name##2 __attribute__((ext_vector_type(2)));                                        \
  typedef type name##3 __attribute__((ext_vector_type(3)));                                        \
  typedef type name##4 __attribute__((ext_vector_type(4)));                                        \
  SHIM_FUNCTION name##2 make_##name##2(type x, type y) { return name##2 {x, y}; }                  \
  SHIM_FUNCTION name##4 make_##name##4(type x, type y, type z, type w) {                           \
    return name##4 {x, y, z, w};                                                                   \
  }
SHIM_VECTORS(signed char, char)
SHIM_VECTORS(unsigned char, uchar)
SHIM_VECTORS(short, short)
SHIM_VECTORS(unsigned short, ushort)
SHIM_VECTORS(int, int)
SHIM_VECTORS(unsigned, uint)
SHIM_VECTORS(long long, longlong)
SHIM_VECTORS(unsigned long long, ulonglong)
SHIM_VECTORS(float, float)
SHIM_VECTORS(double, double)

// -- Together

#define __syncthreads() ((void)shimSyncThreads(0))
SHIM_FUNCTION int __syncthreads_count(int p) { return (int)shimSyncThreads(p != 0); }
SHIM_FUNCTION int __syncthreads_or(int p) { return shimSyncThreads(p != 0) != 0; }
SHIM_FUNCTION int __syncthreads_and(int p) { return shimSyncThreads(p == 0) == 0; }
SHIM_FUNCTION void __syncwarp(unsigned mask = 0xffffffff) {
  shimWarp(shimSyncWarp, mask, 0, 0, 32);
}

template <typename T> SHIM_FUNCTION unsigned long long shimBits(T value) {
  unsigned long long bits = 0;
  __builtin_memcpy(&bits, &value, sizeof(T));
  return bits;
}
template <typename T> SHIM_FUNCTION T shimFrom(unsigned long long bits) {
  T value;
  __builtin_memcpy(&value, &bits, sizeof(T));
  return value;
}
template <typename T>
SHIM_FUNCTION T __shfl_sync(unsigned mask, T value, int lane, int width = 32) {
  return shimFrom<T>(shimWarp(shimShuffleIndex, mask, shimBits(value), lane, width));
}
template <typename T>
SHIM_FUNCTION T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32) {
  return shimFrom<T>(shimWarp(shimShuffleUp, mask, shimBits(value), (int)delta, width));
}
template <typename T>
SHIM_FUNCTION T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32) {
  return shimFrom<T>(shimWarp(shimShuffleDown, mask, shimBits(value), (int)delta, width));
}
template <typename T>
SHIM_FUNCTION T __shfl_xor_sync(unsigned mask, T value, int lanes, int width = 32) {
  return shimFrom<T>(shimWarp(shimShuffleXor, mask, shimBits(value), lanes, width));
}
SHIM_FUNCTION unsigned __ballot_sync(unsigned mask, int p) {
  return (unsigned)shimWarp(shimBallot, mask, p != 0, 0, 32);
}
SHIM_FUNCTION int __any_sync(unsigned mask, int p) { return __ballot_sync(mask, p) != 0; }
SHIM_FUNCTION int __all_sync(unsigned mask, int p) { return __ballot_sync(mask, p) == mask; }
template <typename T> SHIM_FUNCTION unsigned __match_any_sync(unsigned mask, T value) {
  return (unsigned)shimWarp(shimMatch, mask, shimBits(value), 0, 32);
}
SHIM_FUNCTION unsigned __activemask() { return shimActiveMask(); }

SHIM_FUNCTION void __threadfence() {}
SHIM_FUNCTION void __threadfence_block() {}
SHIM_FUNCTION void __threadfence_system() {}
SHIM_FUNCTION void __nanosleep(unsigned) {}
#define __trap() shimFail("the kernel trapped")

// -- Atomics

#define SHIM_ATOMIC(function, kind, type, shim)                                                    \
  SHIM_FUNCTION type function(type *address, type value) {                                         \
    return shimFrom<type>(shimAtomic(kind, shim, address, shimBits(value), 0));                    \
  }
#define SHIM_ATOMICS(type, shim)                                                                   \
  SHIM_ATOMIC(atomicAdd, shimAdd, type, shim)                                                      \
  SHIM_ATOMIC(atomicMin, shimMin, type, shim)                                                      \
  SHIM_ATOMIC(atomicMax, shimMax, type, shim)                                                      \
  SHIM_ATOMIC(atomicAnd, shimAnd, type, shim)                                                      \
  SHIM_ATOMIC(atomicOr, shimOr, type, shim)                                                        \
  SHIM_ATOMIC(atomicXor, shimXor, type, shim)                                                      \
  SHIM_ATOMIC(atomicExch, shimExchange, type, shim)                                                \
  SHIM_FUNCTION type atomicCAS(type *address, type compare, type value) {                          \
    return shimFrom<type>(                                                                         \
        shimAtomic(shimCompareExchange, shim, address, shimBits(value), shimBits(compare)));       \
  }
SHIM_ATOMICS(int, shimInt)
SHIM_ATOMICS(unsigned, shimUnsigned)
SHIM_ATOMICS(unsigned long long, shimUnsignedLong)
// Of long long there are only some in CUDA.
SHIM_ATOMIC(atomicMin, shimMin, long long, shimLong)
SHIM_ATOMIC(atomicMax, shimMax, long long, shimLong)
SHIM_ATOMIC(atomicAdd, shimAdd, float, shimFloat)
SHIM_ATOMIC(atomicAdd, shimAdd, double, shimDouble)
SHIM_ATOMIC(atomicExch, shimExchange, float, shimFloat)

// -- Bits

SHIM_FUNCTION float __int_as_float(int x) { return shimFrom<float>(shimBits(x)); }
SHIM_FUNCTION float __uint_as_float(unsigned x) { return shimFrom<float>(x); }
SHIM_FUNCTION int __float_as_int(float x) { return shimFrom<int>(shimBits(x)); }
SHIM_FUNCTION unsigned __float_as_uint(float x) { return shimFrom<unsigned>(shimBits(x)); }
SHIM_FUNCTION double __longlong_as_double(long long x) { return shimFrom<double>(shimBits(x)); }
SHIM_FUNCTION long long __double_as_longlong(double x) { return shimFrom<long long>(shimBits(x)); }
SHIM_FUNCTION int __popc(unsigned x) { return __builtin_popcount(x); }
SHIM_FUNCTION int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
SHIM_FUNCTION int __clz(int x) { return x ? __builtin_clz((unsigned)x) : 32; }
SHIM_FUNCTION int __clzll(long long x) { return x ? __builtin_clzll((unsigned long long)x) : 64; }
SHIM_FUNCTION int __ffs(int x) { return __builtin_ffs(x); }
SHIM_FUNCTION int __ffsll(long long x) { return __builtin_ffsll(x); }
SHIM_FUNCTION unsigned __brev(unsigned x) { return __builtin_bitreverse32(x); }
SHIM_FUNCTION unsigned __umulhi(unsigned a, unsigned b) {
  return (unsigned)((unsigned long long)a * b >> 32);
}
SHIM_FUNCTION int __mulhi(int a, int b) { return (int)((long long)a * b >> 32); }
SHIM_FUNCTION unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return (unsigned long long)((unsigned __int128)a * b >> 64);
}
template <typename T> SHIM_FUNCTION T __ldg(const T *address) { return *address; }
template <typename T> SHIM_FUNCTION T __ldcs(const T *address) { return *address; }
template <typename T> SHIM_FUNCTION T __ldcg(const T *address) { return *address; }
template <typename T> SHIM_FUNCTION void __stcs(T *address, T value) { *address = value; }
template <typename T> SHIM_FUNCTION void __stcg(T *address, T value) { *address = value; }

// -- Numbers: the host's library stands for the device's

#define SHIM_MATH1(name)                                                                           \
  extern "C" double name(double);                                                                  \
  extern "C" float name##f(float);
#define SHIM_MATH2(name)                                                                           \
  extern "C" double name(double, double);                                                          \
  extern "C" float name##f(float, float);
SHIM_MATH1(exp)
SHIM_MATH1(exp2)
SHIM_MATH1(expm1) SHIM_MATH1(log) SHIM_MATH1(log2) SHIM_MATH1(log10) SHIM_MATH1(log1p)
    SHIM_MATH1(sqrt) SHIM_MATH1(cbrt) SHIM_MATH1(sin) SHIM_MATH1(cos) SHIM_MATH1(tan)
        SHIM_MATH1(asin) SHIM_MATH1(acos) SHIM_MATH1(atan) SHIM_MATH1(sinh) SHIM_MATH1(cosh)
            SHIM_MATH1(tanh) SHIM_MATH1(asinh) SHIM_MATH1(acosh) SHIM_MATH1(atanh) SHIM_MATH1(erf)
                SHIM_MATH1(erfc) SHIM_MATH1(floor) SHIM_MATH1(ceil) SHIM_MATH1(trunc)
                    SHIM_MATH1(rint) SHIM_MATH1(round) SHIM_MATH1(fabs) SHIM_MATH1(lgamma)
                        SHIM_MATH1(tgamma) SHIM_MATH1(nearbyint) SHIM_MATH2(pow) SHIM_MATH2(fmod)
                            SHIM_MATH2(copysign) SHIM_MATH2(atan2) SHIM_MATH2(hypot)
                                SHIM_MATH2(fmax) SHIM_MATH2(fmin)
                                    SHIM_MATH2(remainder) extern "C" double fma(double, double,
                                                                                double);
extern "C" float fmaf(float, float, float);
extern "C" double ldexp(double, int);
extern "C" float ldexpf(float, int);
SHIM_FUNCTION double rsqrt(double x) { return 1 / sqrt(x); }
SHIM_FUNCTION float rsqrtf(float x) { return (float)(1 / sqrt((double)x)); }
SHIM_FUNCTION float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
SHIM_FUNCTION double __fma_rn(double a, double b, double c) { return fma(a, b, c); }
SHIM_FUNCTION float __fadd_rn(float a, float b) { return a + b; }
SHIM_FUNCTION float __fmul_rn(float a, float b) { return a * b; }
SHIM_FUNCTION float __fdiv_rn(float a, float b) { return a / b; }
SHIM_FUNCTION float __fdividef(float a, float b) { return a / b; }
SHIM_FUNCTION float __expf(float x) { return expf(x); }
SHIM_FUNCTION float __logf(float x) { return logf(x); }
SHIM_FUNCTION float __log2f(float x) { return log2f(x); }
SHIM_FUNCTION bool isnan(float x) { return x != x; }
SHIM_FUNCTION bool isnan(double x) { return x != x; }
SHIM_FUNCTION bool isinf(float x) { return __builtin_isinf(x); }
SHIM_FUNCTION bool isinf(double x) { return __builtin_isinf(x); }
SHIM_FUNCTION int abs(int x) { return x < 0 ? -x : x; }
#define SHIM_MINMAX(type)                                                                          \
  SHIM_FUNCTION type min(type a, type b) { return a < b ? a : b; }                                 \
  SHIM_FUNCTION type max(type a, type b) { return a > b ? a : b; }
SHIM_MINMAX(int)
SHIM_MINMAX(unsigned)
SHIM_MINMAX(long long)
SHIM_MINMAX(unsigned long long)
SHIM_FUNCTION float min(float a, float b) { return fminf(a, b); }
SHIM_FUNCTION float max(float a, float b) { return fmaxf(a, b); }
SHIM_FUNCTION double min(double a, double b) { return fmin(a, b); }
SHIM_FUNCTION double max(double a, double b) { return fmax(a, b); }

// -- What the driver asks of a kernel

template <typename T> constexpr bool shimIsPointer = false;
template <typename T> constexpr bool shimIsPointer<T *> = true;
template <typename... A> struct ShimParameters {
  static constexpr unsigned bytes[] = {sizeof(A)...};
  static constexpr unsigned char isPointer[] = {shimIsPointer<A>...};
};
template <auto kernel> struct ShimCall;
template <typename... A, void (*kernel)(A...)> struct ShimCall<kernel> {
  using Parameters = ShimParameters<A...>;
  static constexpr int count = sizeof...(A);
  template <int... i>
  __attribute__((no_sanitize("thread", "alignment"))) static void with(void **parameters) {
    kernel(*(A *)parameters[i]...);
  }
  template <typename, int... i> struct Numbers {
    static constexpr void (*call)(void **) = with<i...>;
  };
};
template <typename C>
constexpr auto shimCallOf = __make_integer_seq<C::template Numbers, int, C::count>::call;
#define SHIM_KERNEL(function, threads, alignment)                                                  \
  extern "C" __attribute__((visibility("default")))                                                \
  const ShimKernel shim_##function = {#function,                                                   \
                                      shimCallOf<ShimCall<&function>>,                             \
                                      ShimCall<&function>::count,                                  \
                                      ShimCall<&function>::Parameters::bytes,                      \
                                      ShimCall<&function>::Parameters::isPointer,                  \
                                      threads,                                                     \
                                      alignment};
