// SPDX-License-Identifier: Apache-2.0
// Needs: Packs, Reduce
// -- What threads that share a row found, combined in one order for all of them --

template <typename T> __device__ T fromPartner(T value, int delta, unsigned int lanes) {
  return __shfl_xor_sync(lanes, value, delta);
}
template <typename T> __device__ Indexed<T> fromPartner(Indexed<T> x, int delta, unsigned int lanes) {
  return {fromPartner(x.value, delta, lanes), fromPartner(x.index, delta, lanes)};
}
// Integers that are compared without their sign.
template <typename U, typename Merge> struct As {
  template <typename T> __device__ T operator()(T a, T b) const { return (T)Merge()((U)a, (U)b); }
  template <typename T> __device__ Indexed<T> operator()(Indexed<T> a, Indexed<T> b) const {
    const Indexed<U> best = Merge()(Indexed<U>{(U)a.value, a.index}, Indexed<U>{(U)b.value, b.index});
    return {(T)best.value, best.index};
  }
};
template <typename Merge> struct Commutes {
  static constexpr bool value = false;
};
template <> struct Commutes<Sum> {
  static constexpr bool value = true;
};
template <> struct Commutes<Product> {
  static constexpr bool value = true;
};

// Over neighbouring lanes, `lanes` of them; each gets the result.
template <int lanes, typename Merge, typename T> __device__ T acrossLanes(T value) {
  const unsigned int group = 0xffffffffu >> (32 - lanes) << (threadIdx.x % 32 & ~(lanes - 1));
#pragma unroll
  for (int delta = lanes / 2; delta > 0; delta /= 2) {
    const T other = fromPartner(value, delta, group);
    value = Commutes<Merge>::value || (threadIdx.x & delta) == 0 ? Merge()(value, other) : Merge()(other, value);
  }
  return value;
}
template <int lanes, typename Merge, typename T> __device__ long long indexAcrossLanes(T value, long long index) {
  return acrossLanes<lanes, Merge>(Indexed<T>{value, index}).index;
}

// Over a block: every warp leaves its part, and takes all of them behind a barrier.
template <typename Merge, typename Slot, typename T> __device__ void leave(Slot *slots, T value) {
  value = acrossLanes<32, Merge>(value);
  if (threadIdx.x % 32 == 0)
    slots[threadIdx.x / 32] = value;
}
template <typename Merge, typename T> __device__ void leaveIndexed(Indexed<T> *slots, T value, long long index) {
  leave<Merge>(slots, Indexed<T>{value, index});
}
// As many slots as there are are a power of two.
template <int count, typename Merge, typename Slot> __device__ Slot take(const Slot *slots) {
  constexpr int lanes = count < 32 ? count : 32;
  Slot value = slots[threadIdx.x % lanes];
#pragma unroll
  for (int i = lanes; i < count; i += lanes)
    value = Merge()(value, slots[i + threadIdx.x % lanes]);
  return acrossLanes<lanes, Merge>(value);
}
template <int count, typename Merge, typename Slot> __device__ long long takeIndex(const Slot *slots) {
  return take<count, Merge>(slots).index;
}
