// SPDX-License-Identifier: Apache-2.0
// The graphs of the cases, written as a user would. Each takes the leading size of its inputs.
#pragma once

#include "tools/fused-bench/Cases.h"

namespace sinter::tools {

// GraphsElementwise.cpp
Model chain10(int64_t elements);
Model diffSquareSum(int64_t rows);
Model rbfBoth(int64_t points);
Model adamW(int64_t rows);
Model scalarAdd(int64_t);

// GraphsRows.cpp
Model softmaxForward(int64_t rows);
Model softmaxBoth(int64_t rows);
Model layerNormForward(int64_t rows);
Model layerNormBoth(int64_t rows);
Model gatherRowsOfTable(int64_t count);
Model scatterAdd(int64_t count);
Model embeddingBoth(int64_t count);
Model sortLongRow(int64_t count);
Model sortShortRows(int64_t rows);
Model cumsumLongRow(int64_t count);
Model cumsumColumns(int64_t rows);

// GraphsContraction.cpp
Model gemm(int64_t rows);
Model gemmBf16(int64_t rows);
Model gemmSkinny(int64_t rows);
Model gemmBatched(int64_t batches);
Model linearGelu(int64_t rows);
Model attentionForward(int64_t heads);
Model attentionBoth(int64_t heads);

// GraphsConvolution.cpp
Model conv3x3(int64_t images);
Model conv1x1(int64_t images);
Model convDepthwise(int64_t images);
Model convGradients(int64_t images);
Model convUp(int64_t images);
Model convSet(int64_t images);
Model maxPool2x2(int64_t images);
Model avgPool3x3(int64_t images);
Model maxPoolBoth(int64_t images);

// GraphsNetworks.cpp
Model mlpStep(int64_t rows);
Model fashionMnistStep(int64_t rows);
Model vwwInference(int64_t images);
Model resNet8Step(int64_t images);
Model gptMiniStep(int64_t sequences);
Model gptMiniBf16Step(int64_t sequences);
/// The same with two layers and 64 positions, for one sequence.
Model gptMiniSmall(int64_t sequences);
Model gptMiniBf16Small(int64_t sequences);

/// Of 12 layers, width 768 and 50304 words, as GPT-2 has them; products of bf16.
Model gpt2Step(int64_t sequences);
/// ResNet-50 with convolutions of bf16, and one with a block in each of two stages.
Model resNet50Step(int64_t images);
Model resNet50Small(int64_t images);

// GraphsGpu.cpp
Model chain5(int64_t elements);
Model sumOfAll(int64_t elements);
Model softmaxOf(int64_t rows, int64_t width);
Model normBoth(int64_t rows, int64_t width, bool centers);
Model gemmOf(int64_t m, int64_t n, int64_t k);
Model mlpOf(int64_t rows, int64_t width, int64_t hidden);
Model mlpGateOf(int64_t rows, int64_t hidden);
Model mlpJoinOf(int64_t rows, int64_t width);
Model attentionOf(int64_t heads, int64_t positions, int64_t width, bool withGradients);
Model linearCrossEntropyOf(int64_t rows, int64_t width, int64_t words);
Model tinyStep(int64_t rows, int64_t layers);

/// Fixed numbers around 0, of that deviation: weights of a trained model.
Tensor weights(Model &model, const std::string &name, const std::vector<int64_t> &sizes,
               double deviation);

} // namespace sinter::tools
