// SPDX-License-Identifier: Apache-2.0
// Signed arithmetic that wraps on overflow.
__device__ inline unsigned int toUnsigned(int x) { return (unsigned int)x; }
__device__ inline unsigned long long toUnsigned(long long x) { return (unsigned long long)x; }
template <typename T> __device__ T wrapAdd(T a, T b) { return (T)(toUnsigned(a) + toUnsigned(b)); }
template <typename T> __device__ T wrapSub(T a, T b) { return (T)(toUnsigned(a) - toUnsigned(b)); }
template <typename T> __device__ T wrapMul(T a, T b) { return (T)(toUnsigned(a) * toUnsigned(b)); }
template <typename To, typename From> __device__ To bitCast(From x) {
  static_assert(sizeof(To) == sizeof(From), "");
  union Both {
    From from;
    To to;
    __device__ Both(From x) : from(x) {}
  };
  return Both(x).to;
}

// The 16-bit floats as they lie in memory: they are computed as float, and rounded to nearest even.
#ifndef SINTER_HOST
__device__ inline unsigned short halfBits(float x) {
  unsigned short bits;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(x));
  return bits;
}
__device__ inline float halfValue(unsigned short bits) {
  float x;
  asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(bits));
  return x;
}
__device__ inline unsigned short brainBits(float x) {
  unsigned short bits;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(x));
  return bits;
}
#else
__device__ inline unsigned short halfBits(float x) {
  unsigned int word = bitCast<unsigned int>(x), sign = word >> 16 & 0x8000, magnitude = word & 0x7fffffff;
  unsigned int normal = (magnitude + 0xfff + (magnitude >> 13 & 1) >> 13) - (112 << 10);
  unsigned int small = bitCast<unsigned int>(bitCast<float>(magnitude) + 0.5f) - 0x3f000000;
  unsigned int finite = magnitude < 0x38800000 ? small : normal;
  unsigned int rounded = magnitude < 0x477ff000 ? finite : magnitude > 0x7f800000 ? 0x7e00 : 0x7c00;
  return (unsigned short)(sign | rounded);
}
__device__ inline float halfValue(unsigned short bits) {
  unsigned int sign = (bits & 0x8000u) << 16, magnitude = bits & 0x7fffu;
  unsigned int finite = bitCast<unsigned int>(bitCast<float>(magnitude << 13) * 0x1p112f);
  return bitCast<float>((magnitude < 0x7c00 ? finite : magnitude << 13 | 0x7f800000) | sign);
}
__device__ inline unsigned short brainBits(float x) {
  unsigned int word = bitCast<unsigned int>(x);
  return (unsigned short)(x != x ? word >> 16 | 0x40 : word + 0x7fff + (word >> 16 & 1) >> 16);
}
#endif
struct Half {
  unsigned short bits;
  Half() = default;
  __device__ explicit Half(float x) : bits(halfBits(x)) {}
  __device__ operator float() const { return halfValue(bits); }
};
struct Brain {
  unsigned short bits;
  Brain() = default;
  __device__ explicit Brain(float x) : bits(brainBits(x)) {}
  __device__ operator float() const { return bitCast<float>((unsigned int)bits << 16); }
};

template <typename T> __device__ T larger(T a, T b) { return a > b ? a : b; }
template <typename T> __device__ T smaller(T a, T b) { return a < b ? a : b; }
// Of numbers that are not negative: unsigned divisions are shorter.
template <typename A, typename B> __device__ auto quotient(A a, B b) -> decltype(a + b) {
  return (decltype(a + b))(toUnsigned((decltype(a + b))a) / toUnsigned((decltype(a + b))b));
}
template <typename A, typename B> __device__ auto modulo(A a, B b) -> decltype(a + b) {
  return (decltype(a + b))(toUnsigned((decltype(a + b))a) % toUnsigned((decltype(a + b))b));
}
// The same by a size that the host knows: `inverse` is 2^63 - 1 over b, rounded down. What is multiplied out is
// the quotient, or one more.
__device__ inline long long aboutQuotient(long long a, long long inverse) {
  return (long long)__umul64hi(toUnsigned(a) << 1, toUnsigned(inverse) + 1);
}
__device__ inline long long quotient(long long a, long long b, long long inverse) {
  const long long q = aboutQuotient(a, inverse);
  return q + (a - q * b >> 63);
}
__device__ inline long long modulo(long long a, long long b, long long inverse) {
  const long long rest = a - aboutQuotient(a, inverse) * b;
  return rest + (b & rest >> 63);
}
__device__ inline long long ceilDiv(long long a, long long b) {
  return a / b + (a % b != 0 && (a < 0) == (b < 0));
}
// The first error of a launch is the one that is kept.
__device__ inline bool compareExchange(long long *slot, long long expected, long long desired) {
  return atomicCAS((unsigned long long *)slot, (unsigned long long)expected, (unsigned long long)desired) ==
         (unsigned long long)expected;
}

__device__ inline long long thread() { return threadIdx.x; }
__device__ inline long long threads() { return blockDim.x; }
__device__ inline long long block() { return blockIdx.x; }
__device__ inline long long blocks() { return gridDim.x; }
