// SPDX-License-Identifier: Apache-2.0
// Packs: `count` neighbours that move in accesses of up to 16 bytes. `at` in memory is then a multiple
// of `count` elements; local copies are 16-byte aligned. Both sides have elements of one size.
template <typename T, int count> struct alignas(count * sizeof(T) < 16 ? count * sizeof(T) : 16) Pack {
  T at[count];
};
template <int count, typename T, typename From> __device__ void loadPack(T *to, const From *from) {
  constexpr int most = 16 / sizeof(T), part = count < most ? count : most;
#pragma unroll
  for (int i = 0; i < count; i += part)
    *(Pack<T, part> *)(to + i) = *(const Pack<T, part> *)(from + i);
}
template <int count, typename T, typename From> __device__ void storePack(T *to, const From *from) {
  constexpr int most = 16 / sizeof(T), part = count < most ? count : most;
#pragma unroll
  for (int i = 0; i < count; i += part)
    *(Pack<T, part> *)(to + i) = *(const Pack<T, part> *)(from + i);
}
// The same where a whole pack is there; else its first element alone.
template <int count, typename T, typename From> __device__ void loadPack(T *to, const From *from, bool whole) {
  if (whole)
    return loadPack<count>(to, from);
  to[0] = from[0];
#pragma unroll
  for (int i = 1; i < count; ++i)
    to[i] = T();
}
template <int count, typename T, typename From> __device__ void storePack(T *to, const From *from, bool whole) {
  if (whole)
    return storePack<count>(to, from);
  to[0] = from[0];
}
