// SPDX-License-Identifier: Apache-2.0
// Stands for cuBLASLt where the driver of tests/cuda stands for NVIDIA's: device memory is the
// host's. Products are computed when they are asked for. SINTER_FAKE_CUBLASLT_WRONG=1 makes them
// wrong.
#include "tests/gpu-suite/CublasLtInterface.h"

#include "sinter/ir/base/Float16.h"

#include <cstdlib>

using namespace sinter::suite::cublas;

namespace sinter::suite::cublas {
struct LayoutData {
  uint64_t rows, columns;
  int64_t stride;
};
struct HandleData {
  int unused;
};
struct OperationData {
  int unused;
};
struct PreferenceData {
  int unused;
};
} // namespace sinter::suite::cublas

namespace {
template <typename T> Status make(T **made, T value) {
  *made = new T(value);
  return Status::Success;
}
template <typename T> Status drop(T *made) {
  delete made;
  return Status::Success;
}
} // namespace

extern "C" {
size_t cublasLtGetVersion() { return 130000; }
Status cublasLtCreate(Handle *handle) { return make(handle, HandleData{}); }
Status cublasLtDestroy(Handle handle) { return drop(handle); }
Status cublasLtMatmulDescCreate(Operation *operation, ComputeType, DataType) {
  return make(operation, OperationData{});
}
Status cublasLtMatmulDescDestroy(Operation operation) { return drop(operation); }
Status cublasLtMatrixLayoutCreate(Layout *layout, DataType, uint64_t rows, uint64_t columns,
                                  int64_t stride) {
  return make(layout, LayoutData{rows, columns, stride});
}
Status cublasLtMatrixLayoutDestroy(Layout layout) { return drop(layout); }
Status cublasLtMatmulPreferenceCreate(Preference *preference) {
  return make(preference, PreferenceData{});
}
Status cublasLtMatmulPreferenceDestroy(Preference preference) { return drop(preference); }
Status cublasLtMatmulPreferenceSetAttribute(Preference, PreferenceAttribute, const void *, size_t) {
  return Status::Success;
}

Status cublasLtMatmulAlgoGetHeuristic(Handle, Operation, Layout, Layout, Layout, Layout, Preference,
                                      int most, Recommendation *found, int *count) {
  constexpr Status refused{15};
  *count = most < 2 ? most : 2;
  for (int i = 0; i < *count; ++i) {
    found[i] = {};
    found[i].status = i == 0 ? refused : Status::Success;
  }
  return Status::Success;
}

Status cublasLtMatmul(Handle, Operation, const void *, const void *a, Layout aLayout, const void *b,
                      Layout bLayout, const void *, const void *, Layout, void *d, Layout dLayout,
                      const Algorithm *, void *, size_t, Stream) {
  const auto *left = static_cast<const sinter::BFloat16 *>(a);
  const auto *right = static_cast<const sinter::BFloat16 *>(b);
  auto *result = static_cast<sinter::BFloat16 *>(d);
  const float wrong = std::getenv("SINTER_FAKE_CUBLASLT_WRONG") ? 1 : 0;
  for (uint64_t column = 0; column < dLayout->columns; ++column)
    for (uint64_t row = 0; row < dLayout->rows; ++row) {
      float sum = wrong;
      for (uint64_t k = 0; k < aLayout->columns; ++k)
        sum += static_cast<float>(left[k * static_cast<uint64_t>(aLayout->stride) + row]) *
               static_cast<float>(right[column * static_cast<uint64_t>(bLayout->stride) + k]);
      result[column * static_cast<uint64_t>(dLayout->stride) + row] =
          static_cast<sinter::BFloat16>(sum);
    }
  return Status::Success;
}
}
