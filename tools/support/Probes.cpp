// SPDX-License-Identifier: Apache-2.0
#include "tools/support/Probes.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <immintrin.h>

namespace sinter::tools {
namespace {

constexpr int64_t unitBytes = 64 << 10;
constexpr int64_t fmaRounds = 40000; ///< Per unit; some 0.2 ms.

// -- One vector width -----------------------------------------------------------------------------
//
// Each width has the same four kernels. Inline assembly keeps the compiler from folding or
// reordering the multiply-adds; 24 chains of them cover any latency.

#define SINTER_PROBES(NAME, TARGET, VECTOR, LOAD, STORE, STREAM, ADD, ZERO, FMA, ACCUMULATORS)     \
  struct NAME {                                                                                    \
    static constexpr int64_t lanes = sizeof(VECTOR) / sizeof(float);                               \
    static constexpr int64_t flopsPerUnit = fmaRounds * (ACCUMULATORS)*lanes * 2;                  \
    __attribute__((target(TARGET))) static void copy(void *const *buffers, const int64_t *,        \
                                                     SinterStatus *, int64_t begin, int64_t end,   \
                                                     int64_t) {                                    \
      auto *from = static_cast<const float *>(buffers[0]);                                         \
      auto *to = static_cast<float *>(buffers[1]);                                                 \
      for (int64_t i = begin * unitBytes / 4; i < end * unitBytes / 4; i += lanes)                 \
        STORE(to + i, LOAD(from + i));                                                             \
    }                                                                                              \
    __attribute__((target(TARGET))) static void stream(void *const *buffers, const int64_t *,      \
                                                       SinterStatus *, int64_t begin, int64_t end, \
                                                       int64_t) {                                  \
      auto *from = static_cast<const float *>(buffers[0]);                                         \
      auto *to = static_cast<float *>(buffers[1]);                                                 \
      for (int64_t i = begin * unitBytes / 4; i < end * unitBytes / 4; i += lanes)                 \
        STREAM(to + i, LOAD(from + i));                                                            \
      _mm_sfence();                                                                                \
    }                                                                                              \
    __attribute__((target(TARGET))) static void addInPlace(void *const *buffers, const int64_t *,  \
                                                           SinterStatus *, int64_t begin,          \
                                                           int64_t end, int64_t) {                 \
      auto *to = static_cast<float *>(buffers[1]);                                                 \
      VECTOR nothing = ZERO();                                                                     \
      for (int64_t i = begin * unitBytes / 4; i < end * unitBytes / 4; i += lanes)                 \
        STORE(to + i, ADD(LOAD(to + i), nothing));                                                 \
    }                                                                                              \
    __attribute__((target(TARGET))) static void read(void *const *buffers, const int64_t *,        \
                                                     SinterStatus *status, int64_t begin,          \
                                                     int64_t end, int64_t) {                       \
      auto *from = static_cast<const float *>(buffers[0]);                                         \
      VECTOR a = ZERO(), b = ZERO(), c = ZERO(), d = ZERO();                                       \
      for (int64_t i = begin * unitBytes / 4; i < end * unitBytes / 4; i += 4 * lanes) {           \
        a = ADD(a, LOAD(from + i));                                                                \
        b = ADD(b, LOAD(from + i + lanes));                                                        \
        c = ADD(c, LOAD(from + i + 2 * lanes));                                                    \
        d = ADD(d, LOAD(from + i + 3 * lanes));                                                    \
      }                                                                                            \
      keep(ADD(ADD(a, b), ADD(c, d)), status);                                                     \
    }                                                                                              \
    __attribute__((target(TARGET))) static void multiplyAdd(void *const *, const int64_t *,        \
                                                            SinterStatus *status, int64_t begin,   \
                                                            int64_t end, int64_t) {                \
      VECTOR sums[ACCUMULATORS] = {};                                                              \
      VECTOR x = ZERO(), y = ZERO();                                                               \
      for (int64_t round = 0; round < (end - begin) * fmaRounds; ++round)                          \
        _Pragma("GCC unroll 32") for (int i = 0; i < (ACCUMULATORS); ++i) FMA(sums[i], x, y);      \
      for (int i = 1; i < (ACCUMULATORS); ++i)                                                     \
        sums[0] = ADD(sums[0], sums[i]);                                                           \
      keep(sums[0], status);                                                                       \
    }                                                                                              \
    /* Uses a value, so that computing it is not dead code. */                                     \
    __attribute__((target(TARGET), noinline)) static void keep(const VECTOR &value,                \
                                                               SinterStatus *status) {             \
      float first;                                                                                 \
      std::memcpy(&first, &value, sizeof first);                                                   \
      if (first == 1.25f)                                                                          \
        status->bound = 1;                                                                         \
    }                                                                                              \
  };

#define FMA_VEX(SUM, X, Y) asm volatile("vfmadd231ps %1, %2, %0" : "+v"(SUM) : "v"(X), "v"(Y))
#define FMA_YMM(SUM, X, Y) asm volatile("vfmadd231ps %1, %2, %0" : "+x"(SUM) : "x"(X), "x"(Y))
#define MUL_ADD(SUM, X, Y) asm volatile("mulps %1, %0\n\taddps %2, %0" : "+x"(SUM) : "x"(X), "x"(Y))

SINTER_PROBES(Avx512, "avx512f", __m512, _mm512_loadu_ps, _mm512_storeu_ps, _mm512_stream_ps,
              _mm512_add_ps, _mm512_setzero_ps, FMA_VEX, 24)
SINTER_PROBES(Avx2, "avx2,fma", __m256, _mm256_loadu_ps, _mm256_storeu_ps, _mm256_stream_ps,
              _mm256_add_ps, _mm256_setzero_ps, FMA_YMM, 12)
SINTER_PROBES(Sse2, "sse2", __m128, _mm_loadu_ps, _mm_storeu_ps, _mm_stream_ps, _mm_add_ps,
              _mm_setzero_ps, MUL_ADD, 12)

struct Kernels {
  SinterKernel copy, stream, addInPlace, read, multiplyAdd;
  int64_t flopsPerUnit;
};
template <typename Width> constexpr Kernels kernelsOf() {
  return {Width::copy, Width::stream,      Width::addInPlace,
          Width::read, Width::multiplyAdd, Width::flopsPerUnit};
}

/// 24 chains of dot products of pairs of bf16: 4 flops a lane.
__attribute__((target("avx512f,avx512bf16"))) void multiplyAddBf16(void *const *, const int64_t *,
                                                                   SinterStatus *status,
                                                                   int64_t begin, int64_t end,
                                                                   int64_t) {
  __m512 sums[24] = {};
  __m512 x = _mm512_setzero_ps(), y = _mm512_setzero_ps();
  for (int64_t round = 0; round < (end - begin) * fmaRounds; ++round)
    _Pragma("GCC unroll 32") for (int i = 0; i < 24; ++i) asm volatile(
        "vdpbf16ps %1, %2, %0" : "+v"(sums[i]) : "v"(x), "v"(y));
  for (int i = 1; i < 24; ++i)
    sums[0] = _mm512_add_ps(sums[0], sums[i]);
  Avx512::keep(sums[0], status);
}

Kernels kernelsOfThisCpu() {
  if (__builtin_cpu_supports("avx512f"))
    return kernelsOf<Avx512>();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return kernelsOf<Avx2>();
  return kernelsOf<Sse2>();
}

double secondsOf(CpuDevice &device, SinterKernel kernel, void *const *buffers, int64_t extent,
                 int64_t grain) {
  SinterStatus status{};
  auto start = std::chrono::steady_clock::now();
  device.threadPool().parallelFor(kernel, buffers, nullptr, &status, extent, grain);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

int64_t unitsOf(int64_t bytes) { return std::max<int64_t>(1, (bytes + unitBytes - 1) / unitBytes); }

} // namespace

void Probes::reserve(std::shared_ptr<void> &block, int64_t &capacity, int64_t bytes) {
  bytes = unitsOf(bytes) * unitBytes;
  if (bytes <= capacity)
    return;
  block.reset();
  block = device.allocate(bytes);
  std::memset(block.get(), 0, static_cast<size_t>(bytes)); // so that pages are there
  capacity = bytes;
}

double Probes::flopsPerSecond(bool bf16) {
  Kernels kernels = kernelsOfThisCpu();
  if (bf16 && __builtin_cpu_supports("avx512bf16")) {
    kernels.multiplyAdd = multiplyAddBf16;
    kernels.flopsPerUnit = 2 * Avx512::flopsPerUnit;
  }
  int64_t units = device.workers() * 8;
  double seconds = secondsOf(device, kernels.multiplyAdd, nullptr, units, 1);
  return static_cast<double>(units * kernels.flopsPerUnit) / seconds;
}

/// Seconds for exactly `bytes`, though whole units are run; small sizes are repeated, so that what
/// is measured is not the clock.
double Probes::run(SinterKernel kernel, int64_t bytes) {
  void *buffers[] = {source.get(), target.get()};
  int64_t units = unitsOf(bytes);
  int64_t grain = std::max<int64_t>(1, units / (device.workers() * 8));
  int64_t times = std::clamp<int64_t>((16 << 20) / std::max<int64_t>(bytes, 1), 1, 64);
  secondsOf(device, kernel, buffers, units, grain); // fills the caches it can fill
  double seconds = 0;
  for (int64_t i = 0; i < times; ++i)
    seconds += secondsOf(device, kernel, buffers, units, grain);
  return seconds / static_cast<double>(times) * static_cast<double>(bytes) /
         static_cast<double>(units * unitBytes);
}

double Probes::transferSeconds(const Traffic &traffic) {
  Kernels kernels = kernelsOfThisCpu();
  reserve(source, sourceBytes, std::max<int64_t>(traffic.read, unitBytes));
  reserve(target, targetBytes, std::max<int64_t>(traffic.written, unitBytes));
  int64_t paired = std::min(traffic.read, traffic.written);
  double seconds = 0;
  if (traffic.written > 0) {
    int64_t copied = std::max(paired, traffic.written - paired);
    reserve(source, sourceBytes, copied);
    double copySeconds = std::min(run(kernels.copy, copied), run(kernels.stream, copied));
    double perByte = copySeconds / static_cast<double>(copied), perByteInPlace = perByte;
    if (traffic.inPlace > 0)
      perByteInPlace = std::min(perByte, run(kernels.addInPlace, traffic.inPlace) /
                                             static_cast<double>(traffic.inPlace));
    // A pure write is taken at half the time of the copy that contains it.
    seconds += perByteInPlace * static_cast<double>(traffic.inPlace) +
               perByte * (static_cast<double>(paired - traffic.inPlace) +
                          0.5 * static_cast<double>(traffic.written - paired));
  }
  if (traffic.read > paired)
    seconds += run(kernels.read, traffic.read - paired);
  return seconds;
}

} // namespace sinter::tools
