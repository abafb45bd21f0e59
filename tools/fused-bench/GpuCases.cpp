// SPDX-License-Identifier: Apache-2.0
#include "tools/fused-bench/Cases.h"

#include "tools/fused-bench/Graphs.h"

namespace sinter::tools {

namespace {

using Make = Model (*)(int64_t rows);

CaseRow gpuCase(const char *name, const char *doc, int64_t rows, Make make, int64_t smallRows,
                Make small, double tolerance, CheckRow::Error error = CheckRow::Error::Largest) {
  return {name,
          doc,
          CaseKind::Kernel,
          make,
          rows,
          {.rows = smallRows,
           .kind = CheckRow::Kind::SmallerInstance,
           .error = error,
           .tolerance = tolerance,
           .make = small}};
}

} // namespace

const std::vector<CaseRow> &gpuCaseTable() {
  constexpr double exact = 1e-5, ofBf16 = 2e-2;
  constexpr CheckRow::Error norm = CheckRow::Error::Norm;
  static const std::vector<CaseRow> table = {
      // Bound by memory.
      gpuCase("chain5_256m", "five elementwise ops over 2^28 f32", 1 << 28, chain5, 5000, chain5,
              exact),
      gpuCase("sum_1g", "sum of 2^30 f32", 1 << 30, sumOfAll, 70000, sumOfAll, 1e-4),
      gpuCase(
          "softmax_16kx4k", "softmax of 16384 rows of 4096 bf16", 1 << 14,
          [](int64_t rows) { return softmaxOf(rows, 4096); }, 3,
          [](int64_t rows) { return softmaxOf(rows, 4096); }, ofBf16),
      gpuCase(
          "softmax_16kx128k", "softmax of 16384 rows of 131072 bf16", 1 << 14,
          [](int64_t rows) { return softmaxOf(rows, 1 << 17); }, 1,
          [](int64_t rows) { return softmaxOf(rows, 1 << 17); }, ofBf16),
      gpuCase(
          "rmsnorm_fwd_bwd_16kx4k", "RMS normalisation of bf16 rows and its gradients", 1 << 14,
          [](int64_t rows) { return normBoth(rows, 4096, false); }, 8,
          [](int64_t rows) { return normBoth(rows, 512, false); }, ofBf16),
      gpuCase(
          "layernorm_fwd_bwd_16kx4k", "layer normalisation of bf16 rows and its gradients", 1 << 14,
          [](int64_t rows) { return normBoth(rows, 4096, true); }, 8,
          [](int64_t rows) { return normBoth(rows, 512, true); }, ofBf16),
      // Products of matrices.
      gpuCase(
          "gemm_bf16_4096", "matrix product of bf16, 4096 x 4096 x 4096", 4096,
          [](int64_t rows) { return gemmOf(rows, 4096, 4096); }, 70,
          [](int64_t rows) { return gemmOf(rows, 136, 200); }, ofBf16),
      gpuCase(
          "gemm_bf16_8192", "matrix product of bf16, 8192 x 8192 x 8192", 8192,
          [](int64_t rows) { return gemmOf(rows, 8192, 8192); }, 70,
          [](int64_t rows) { return gemmOf(rows, 136, 200); }, ofBf16),
      gpuCase(
          "mlp_epilogue_8192x4096x16384", "two layers of bf16, each with an epilogue of its own",
          8192, [](int64_t rows) { return mlpOf(rows, 4096, 16384); }, 20,
          [](int64_t rows) { return mlpOf(rows, 64, 96); }, ofBf16),
      gpuCase(
          "gemm_bf16_16x8192x8192", "16 rows times 8192 x 8192, bf16", 16,
          [](int64_t rows) { return gemmOf(rows, 8192, 8192); }, 16,
          [](int64_t rows) { return gemmOf(rows, 128, 256); }, ofBf16),
      gpuCase(
          "attention_causal_64x4096x128", "causal attention of bf16, 64 heads, 4096 positions", 64,
          [](int64_t heads) { return attentionOf(heads, 4096, 128, false); }, 2,
          [](int64_t heads) { return attentionOf(heads, 130, 64, false); }, ofBf16),
      gpuCase(
          "attention_causal_fwd_bwd_64x4096x128", "the same and its three gradients", 64,
          [](int64_t heads) { return attentionOf(heads, 4096, 128, true); }, 1,
          [](int64_t heads) { return attentionOf(heads, 130, 64, true); }, ofBf16, norm),
      gpuCase(
          "linear_cross_entropy_128k", "4096 rows of 2048 to 131072 scores, loss and gradients",
          4096, [](int64_t rows) { return linearCrossEntropyOf(rows, 2048, 1 << 17); }, 16,
          [](int64_t rows) { return linearCrossEntropyOf(rows, 32, 1000); }, ofBf16, norm),
      // Networks.
      gpuCase("resnet50_train_step", "ResNet-50: forward, backward, SGD, 64 images", 64,
              resNet50Step, 4, resNet50Small, 2e-1, norm),
      gpuCase("gpt2_124m_train_step", "GPT-2 of 124M: forward, backward, AdamW, 8 x 1024", 8,
              gpt2Step, 1, gptMiniBf16Small, ofBf16, norm),
      gpuCase(
          "tiny_train_step", "some 60 launches of next to nothing: 16 layers of width 64, Adam", 32,
          [](int64_t rows) { return tinyStep(rows, 16); }, 8,
          [](int64_t rows) { return tinyStep(rows, 2); }, 1e-3, norm),
  };
  return table;
}

} // namespace sinter::tools
