// SPDX-License-Identifier: Apache-2.0
// The part of cuBLASLt's interface that products need, declared by ourselves so that no toolkit is
// needed to build. CublasLtInterfaceTest compares it with cublasLt.h where that is installed.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sinter::suite::cublas {

enum class Status : int32_t { Success = 0 };
enum class DataType : int32_t { F32 = 0, BF16 = 14 };
enum class ComputeType : int32_t { F32 = 68 };
enum class PreferenceAttribute : int32_t { MaxWorkspaceBytes = 1 };

using Handle = struct HandleData *;
using Operation = struct OperationData *;
using Layout = struct LayoutData *;
using Preference = struct PreferenceData *;
using Stream = struct StreamData *;

struct Algorithm {
  uint64_t data[8];
};
struct Recommendation {
  Algorithm algorithm;
  size_t workspaceBytes;
  Status status;
  float waves;
  int reserved[4];
};

// Member, symbol in the library, what it returns, parameters. Matrices lie column by column.
#define SINTER_CUBLASLT_ENTRY_POINTS(X)                                                            \
  X(getVersion, cublasLtGetVersion, size_t, ())                                                    \
  X(create, cublasLtCreate, Status, (Handle * handle))                                             \
  X(destroy, cublasLtDestroy, Status, (Handle handle))                                             \
  X(operationCreate, cublasLtMatmulDescCreate, Status,                                             \
    (Operation * operation, ComputeType sums, DataType scales))                                    \
  X(operationDestroy, cublasLtMatmulDescDestroy, Status, (Operation operation))                    \
  X(layoutCreate, cublasLtMatrixLayoutCreate, Status,                                              \
    (Layout * layout, DataType type, uint64_t rows, uint64_t columns, int64_t stride))             \
  X(layoutDestroy, cublasLtMatrixLayoutDestroy, Status, (Layout layout))                           \
  X(preferenceCreate, cublasLtMatmulPreferenceCreate, Status, (Preference * preference))           \
  X(preferenceDestroy, cublasLtMatmulPreferenceDestroy, Status, (Preference preference))           \
  X(preferenceSet, cublasLtMatmulPreferenceSetAttribute, Status,                                   \
    (Preference preference, PreferenceAttribute attribute, const void *value, size_t bytes))       \
  X(recommend, cublasLtMatmulAlgoGetHeuristic, Status,                                             \
    (Handle handle, Operation operation, Layout a, Layout b, Layout c, Layout d,                   \
     Preference preference, int most, Recommendation *found, int *count))                          \
  X(multiply, cublasLtMatmul, Status,                                                              \
    (Handle handle, Operation operation, const void *alpha, const void *a, Layout aLayout,         \
     const void *b, Layout bLayout, const void *beta, const void *c, Layout cLayout, void *d,      \
     Layout dLayout, const Algorithm *algorithm, void *workspace, size_t workspaceBytes,           \
     Stream stream))

struct EntryPoints {
#define SINTER_MEMBER(member, symbol, returned, parameters) returned(*member) parameters = nullptr;
  SINTER_CUBLASLT_ENTRY_POINTS(SINTER_MEMBER)
#undef SINTER_MEMBER
};

} // namespace sinter::suite::cublas
