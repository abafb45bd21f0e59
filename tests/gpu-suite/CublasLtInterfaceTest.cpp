// SPDX-License-Identifier: Apache-2.0
// Our declarations of cuBLASLt's interface beside those of the toolkit.
#include "tests/gpu-suite/CublasLtInterface.h"
#include "tests/unit/runtime/cuda/SameInterface.h"

#include <cublasLt.h>
#include <gtest/gtest.h>

namespace {

using namespace sinter::suite::cublas;
using sinter::test::same;
using sinter::test::SameCall;

#define SINTER_COMPARE(member, symbol, returned, parameters)                                       \
  static_assert(SameCall<decltype(EntryPoints::member), decltype(&::symbol)>::value, #symbol);
SINTER_CUBLASLT_ENTRY_POINTS(SINTER_COMPARE)
#undef SINTER_COMPARE

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
