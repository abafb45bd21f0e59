// SPDX-License-Identifier: Apache-2.0
// Our declarations of cuBLASLt's interface beside those of the toolkit.
#include "tests/gpu-suite/CublasLtInterface.h"

#include <cublasLt.h>
#include <gtest/gtest.h>

#include <type_traits>

namespace {

using namespace sinter::suite::cublas;

/// Passed alike: both pointers, or both numbers of one size.
template <typename Ours, typename Theirs>
constexpr bool isAlike =
    sizeof(Ours) == sizeof(Theirs) && std::is_pointer_v<Ours> == std::is_pointer_v<Theirs>;
template <typename Ours, typename Theirs> struct SameCall : std::false_type {};
template <typename R, typename... A, typename S, typename... B>
struct SameCall<R (*)(A...), S (*)(B...)> {
  static constexpr bool value = [] {
    if constexpr (sizeof...(A) != sizeof...(B))
      return false;
    else
      return isAlike<R, S> && (isAlike<A, B> && ...);
  }();
};

#define SINTER_COMPARE(member, symbol, returned, parameters)                                       \
  static_assert(SameCall<decltype(EntryPoints::member), decltype(&::symbol)>::value, #symbol);
SINTER_CUBLASLT_ENTRY_POINTS(SINTER_COMPARE)
#undef SINTER_COMPARE

template <typename Ours, typename Theirs> constexpr bool same(Ours ours, Theirs theirs) {
  return static_cast<long long>(ours) == static_cast<long long>(theirs);
}

static_assert(same(Status::Success, CUBLAS_STATUS_SUCCESS));
static_assert(same(DataType::F32, CUDA_R_32F));
static_assert(same(DataType::BF16, CUDA_R_16BF));
static_assert(same(ComputeType::F32, CUBLAS_COMPUTE_32F));
static_assert(same(PreferenceAttribute::MaxWorkspaceBytes,
                   CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES));
static_assert(sizeof(Algorithm) == sizeof(cublasLtMatmulAlgo_t));
static_assert(sizeof(Recommendation) == sizeof(cublasLtMatmulHeuristicResult_t));
static_assert(offsetof(Recommendation, workspaceBytes) ==
              offsetof(cublasLtMatmulHeuristicResult_t, workspaceSize));
static_assert(offsetof(Recommendation, status) == offsetof(cublasLtMatmulHeuristicResult_t, state));

TEST(CublasLtInterfaceTest, IsTheToolkits) { EXPECT_GE(CUBLAS_VERSION, 120000); }

} // namespace
