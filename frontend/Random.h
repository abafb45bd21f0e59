// SPDX-License-Identifier: Apache-2.0
// Random numbers without hidden state: a key, a scalar of u64, decides what is drawn. The same key
// and shape give the same bits on every machine, with any number of threads, compiled or
// interpreted; floats made of bits by one rounding are equal too, normal ones as far as log and
// sqrt are. A key is used once: what it drew it draws again. New keys come from splitKey() and
// foldIn(). docs/random.md shows a training step.
#pragma once

#include "sinter/frontend/Tensor.h"

#include <cstdint>
#include <vector>

#pragma GCC visibility push(default)
namespace sinter {

class Graph;

/// The key of a seed.
Tensor randomKey(const Graph &graph, uint64_t seed,
                 std::source_location loc = std::source_location::current());

// -- Random numbers -------------------------------------------------------------------------------

/// A new key from a key and a number: a step, a layer's index. `data` is an integer scalar,
/// of which the low 61 bits count.
Tensor foldIn(const Tensor &key, const Operand &data,
              std::source_location loc = std::source_location::current());
/// New keys that have nothing to do with each other, nor with those of foldIn().
std::vector<Tensor> splitKey(const Tensor &key, int64_t count = 2,
                             std::source_location loc = std::source_location::current());
/// Uniform words of u32.
Tensor randomBits(const Tensor &key, const Shape &shape,
                  std::source_location loc = std::source_location::current());
/// Uniform in [low, high): multiples of 2^-24 (f64: 2^-53, f16: 2^-11, bf16: 2^-8) of the range.
Tensor randomUniform(const Tensor &key, const Shape &shape, double low = 0, double high = 1,
                     DType dtype = f32, std::source_location loc = std::source_location::current());
/// Normal: erfinv of uniform numbers, within 5.3 deviations (f64: 8.1).
Tensor randomNormal(const Tensor &key, const Shape &shape, double mean = 0, double deviation = 1,
                    DType dtype = f32, std::source_location loc = std::source_location::current());
/// True with the given probability, a number or a float tensor that broadcasts to `shape`: 0 never,
/// 1 always.
Tensor bernoulli(const Tensor &key, const Operand &probability, const Shape &shape,
                 std::source_location loc = std::source_location::current());
/// Uniform integers in [low, high), each as likely as 64 bits can make them.
Tensor randomInt(const Tensor &key, const Shape &shape, int64_t low, int64_t high,
                 DType dtype = i32, std::source_location loc = std::source_location::current());
/// Each element 0 with probability `rate`, else divided by 1 - rate; its gradient likewise. Rate 0
/// keeps everything, rate 1 nothing.
Tensor dropout(const Tensor &x, double rate, const Tensor &key,
               std::source_location loc = std::source_location::current());

} // namespace sinter
#pragma GCC visibility pop
