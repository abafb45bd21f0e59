// SPDX-License-Identifier: Apache-2.0
// The matrix products in OpenBLAS, behind the C interface of onednn_peer.cpp.
#include <chrono>
#include <cstdint>
#include <cstring>
#include <string>

// Debian's library has the plain names, the package of PyPI a prefix.
#ifndef OPENBLAS_NAME
#define OPENBLAS_NAME(name) name
#endif
extern "C" {
char *OPENBLAS_NAME(openblas_get_config)(void);
void OPENBLAS_NAME(cblas_sgemm)(int, int, int, int, int, int, float, const float *, int,
                                const float *, int, float, float *, int);
void OPENBLAS_NAME(cblas_sgemv)(int, int, int, int, float, const float *, int, const float *, int,
                                float, float *, int);
}

namespace {

constexpr int rowMajor = 101, noTranspose = 111, transpose = 112;

struct Work {
  int64_t batches, m, k, n;
  const float *a, *b;
  float *c;

  void run() const {
    if (m == 1) {
      OPENBLAS_NAME(cblas_sgemv)(rowMajor, transpose, int(k), int(n), 1, b, int(n), a, 1, 0, c, 1);
      return;
    }
    for (int64_t i = 0; i < batches; ++i)
      OPENBLAS_NAME(cblas_sgemm)
      (rowMajor, noTranspose, noTranspose, int(m), int(n), int(k), 1, a + i * m * k, int(k),
       b + i * k * n, int(n), 0, c + i * m * n, int(n));
  }
};

} // namespace

extern "C" {

const char *peer_version() { return OPENBLAS_NAME(openblas_get_config)(); }
const char *peer_error() { return ""; }

double peer_run(void *work, int64_t times) {
  auto start = std::chrono::steady_clock::now();
  for (int64_t i = 0; i < times; ++i)
    static_cast<Work *>(work)->run();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() /
         static_cast<double>(times);
}
void peer_finish(void *) {}
void peer_destroy(void *work) { delete static_cast<Work *>(work); }

void *peer_matmul(int64_t batches, int64_t m, int64_t k, int64_t n, int, int, void *a, void *b,
                  void *, void *c) {
  return new Work{
      batches ? batches : 1,  m, k, n, static_cast<const float *>(a), static_cast<const float *>(b),
      static_cast<float *>(c)};
}

} // extern "C"
