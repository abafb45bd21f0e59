// SPDX-License-Identifier: Apache-2.0
// One function per instruction that C++ has no word for (sm_80). `shared` pointers are generic pointers
// to shared memory. Fragments are register arrays; `Half` and `Brain` operands come in pairs, the first
// in the lower half of a word.
#ifndef SINTER_HOST
__device__ __forceinline__ unsigned int sharedAddress(const void *shared) {
  return (unsigned int)__cvta_generic_to_shared(shared);
}

// 16 bytes to shared memory without passing through registers; both ends are 16-byte aligned. With
// `bytes` < 16 (0 is allowed) the rest is filled with zeros, and `from` is only read as far as that.
__device__ __forceinline__ void copyAsync16(void *shared, const void *from, int bytes) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(sharedAddress(shared)), "l"(from),
               "r"(bytes)
               : "memory");
}
// The same for 4 and 8 bytes at addresses aligned to as many.
__device__ __forceinline__ void copyAsync4(void *shared, const void *from, int bytes) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(sharedAddress(shared)), "l"(from), "r"(bytes)
               : "memory");
}
__device__ __forceinline__ void copyAsync8(void *shared, const void *from, int bytes) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], 8, %2;" ::"r"(sharedAddress(shared)), "l"(from), "r"(bytes)
               : "memory");
}
// Closes a group of the thread's copies; waitAsync<n>() waits until at most n groups are in flight.
__device__ __forceinline__ void commitAsync() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int inFlight> __device__ __forceinline__ void waitAsync() {
  asm volatile("cp.async.wait_group %0;" ::"n"(inFlight) : "memory");
}

// Four 8 x 8 matrices of 16-bit elements: lane i gives the address of row i % 8 (16 bytes) of matrix i / 8;
// lane i receives elements 2 (i % 4) and 2 (i % 4) + 1 of row i / 4 of each. Transposed: of column i / 4.
__device__ __forceinline__ void loadMatrices(unsigned int (&to)[4], const void *sharedRow) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(sharedAddress(sharedRow))
               : "memory");
}
__device__ __forceinline__ void loadMatricesTransposed(unsigned int (&to)[4], const void *sharedRow) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(sharedAddress(sharedRow))
               : "memory");
}

// c (16 x 8) += a (16 x 16, rows) * b (16 x 8, columns). Lane i with g = i / 4, t = i % 4 holds
// c: (g, 2t) (g, 2t+1) (g+8, 2t) (g+8, 2t+1); a: (g, 2t..) (g+8, 2t..) (g, 2t+8..) (g+8, 2t+8..); b: (2t.., g) (2t+8.., g).
__device__ __forceinline__ void multiplyAdd(float (&c)[4], const unsigned int (&a)[4], unsigned int b0,
                                            unsigned int b1, Half) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
__device__ __forceinline__ void multiplyAdd(float (&c)[4], const unsigned int (&a)[4], unsigned int b0,
                                            unsigned int b1, Brain) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
// c (16 x 8) += a (16 x 8) * b (8 x 8) in tf32: words hold floats whose low 13 bits roundTf32 has cleared.
// a: (g, t) (g+8, t) (g, t+4) (g+8, t+4); b: (t, g) (t+4, g).
__device__ __forceinline__ void multiplyAdd(float (&c)[4], const unsigned int (&a)[4], unsigned int b0,
                                            unsigned int b1, float) {
  asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
// To nearest, ties away from zero.
__device__ __forceinline__ unsigned int roundTf32(float x) {
  unsigned int word;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(word) : "f"(x));
  return word;
}
// Two floats rounded to nearest even, `low` in the lower half of the word.
__device__ __forceinline__ unsigned int packPair(float low, float high, Half) {
  unsigned int word;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
  return word;
}
__device__ __forceinline__ unsigned int packPair(float low, float high, Brain) {
  unsigned int word;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
  return word;
}
// Lets the cache read from memory what will be asked for soon.
__device__ __forceinline__ void prefetch(const void *global) { asm volatile("prefetch.global.L2 [%0];" ::"l"(global)); }
// 2 to the power of x, within 2 ulp; results below the least normal number are 0.
__device__ __forceinline__ float exp2Fast(float x) {
  float result;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x));
  return result;
}
#endif
