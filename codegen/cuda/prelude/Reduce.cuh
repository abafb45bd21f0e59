// SPDX-License-Identifier: Apache-2.0
// -- Reductions over the `warps` of a block, in an order that depends on their number only; every thread gets
// the result --

template <typename T> struct Indexed {
  T value;
  long long index;
};
template <typename T> __device__ T fromLaneBelow(T value, int delta) { return __shfl_down_sync(0xffffffffu, value, delta); }
template <typename T> __device__ Indexed<T> fromLaneBelow(Indexed<T> x, int delta) {
  return {fromLaneBelow(x.value, delta), fromLaneBelow(x.index, delta)};
}

template <int warps, typename T, typename Merge> __device__ T blockReduce(T value, Merge merge) {
  __shared__ T partials[warps];
#pragma unroll
  for (int delta = 16; delta > 0; delta /= 2)
    value = merge(value, fromLaneBelow(value, delta));
  __syncthreads(); // The partials of the reduction before have been read.
  if (threadIdx.x % 32 == 0)
    partials[threadIdx.x / 32] = value;
  __syncthreads();
  value = partials[0];
#pragma unroll
  for (int warp = 1; warp < warps; ++warp)
    value = merge(value, partials[warp]);
  return value;
}

struct Sum {
  __device__ float operator()(float a, float b) const { return a + b; }
  __device__ double operator()(double a, double b) const { return a + b; }
  __device__ int operator()(int a, int b) const { return wrapAdd(a, b); }
  __device__ long long operator()(long long a, long long b) const { return wrapAdd(a, b); }
};
struct Product {
  __device__ float operator()(float a, float b) const { return a * b; }
  __device__ double operator()(double a, double b) const { return a * b; }
  __device__ int operator()(int a, int b) const { return wrapMul(a, b); }
  __device__ long long operator()(long long a, long long b) const { return wrapMul(a, b); }
};
// A NaN beats every number.
struct Max {
  template <typename T> __device__ T operator()(T a, T b) const { return b > a || b != b ? b : a; }
};
struct Min {
  template <typename T> __device__ T operator()(T a, T b) const { return b < a || b != b ? b : a; }
};
// The first of equals.
struct ArgMax {
  template <typename T> __device__ Indexed<T> operator()(Indexed<T> a, Indexed<T> b) const {
    bool nanA = a.value != a.value, nanB = b.value != b.value;
    bool better = b.value > a.value || (nanB && !nanA);
    bool equal = b.value == a.value || (nanA && nanB);
    return better || (equal && b.index < a.index) ? b : a;
  }
};
template <int warps, typename T> __device__ T blockSum(T value) { return blockReduce<warps>(value, Sum()); }
template <int warps, typename T> __device__ T blockProduct(T value) { return blockReduce<warps>(value, Product()); }
template <int warps, typename T> __device__ T blockMax(T value) { return blockReduce<warps>(value, Max()); }
template <int warps, typename T> __device__ T blockMin(T value) { return blockReduce<warps>(value, Min()); }
template <int warps, typename T> __device__ long long blockArgMax(T value, long long index) {
  return blockReduce<warps>(Indexed<T>{value, index}, ArgMax()).index;
}
