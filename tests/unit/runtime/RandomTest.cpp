// SPDX-License-Identifier: Apache-2.0
// Random numbers of graphs: known answers, distributions, the same bits however they are computed,
// keys, and dropout with its gradient.
#include "sinter/ir/base/Philox.h"
#include "sinter/runtime/sinter.h"
#include "tests/unit/frontend/Expect.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <set>

using namespace sinter;

namespace {

using Build = std::function<Tensor(Graph &, const Tensor &key)>;

Array run(const Build &build, const CompileOptions &options = {}, uint64_t seed = 42,
          const ArrayMap &inputs = {}) {
  Graph g;
  g.output("y", build(g, randomKey(g, seed)));
  return compile(g, options).run(inputs).at("y");
}

bool sameBits(const Array &a, const Array &b) {
  return a.dtype() == b.dtype() && a.sizes() == b.sizes() &&
         std::memcmp(a.data(), b.data(), a.numBytes()) == 0;
}

struct Moments {
  double mean = 0, variance = 0, skew = 0, kurtosis = 0;
  explicit Moments(const std::vector<double> &values) {
    auto n = static_cast<double>(values.size());
    for (double x : values)
      mean += x / n;
    for (double x : values) {
      double d = x - mean;
      variance += d * d / n;
      skew += d * d * d / n;
      kurtosis += d * d * d * d / n;
    }
    skew /= std::pow(variance, 1.5);
    kurtosis /= variance * variance;
  }
};

/// Pearson's statistic of counts that should be equal, less its mean, in its standard deviations.
double chiSquare(const std::vector<double> &counts) {
  double total = 0, sum = 0, freedom = static_cast<double>(counts.size()) - 1;
  for (double count : counts)
    total += count;
  double expected = total / static_cast<double>(counts.size());
  for (double count : counts)
    sum += (count - expected) * (count - expected) / expected;
  return (sum - freedom) / std::sqrt(2 * freedom);
}

// -- Bits -----------------------------------------------------------------------------------------

TEST(RandomTest, KnownAnswerOfRandom123) { // kat_vectors: philox4x32 10, all zeros
  for (Engine engine : {Engine::Compiled, Engine::Interpreter}) {
    Array bits =
        run([](Graph &, const Tensor &key) { return randomBits(key, {3}); }, {.engine = engine}, 0);
    EXPECT_EQ(bits.toVector<uint32_t>().at(0), 0x6627e8d5u);
  }
}

TEST(RandomTest, BitsArePhiloxOfKeyAndPosition) {
  uint64_t seed = 0xfedcba9876543210;
  Array bits = run([](Graph &, const Tensor &key) { return randomBits(key, {3, 5, 7}); }, {}, seed);
  std::vector<uint32_t> words = bits.toVector<uint32_t>();
  for (uint32_t i = 0; i < words.size(); ++i)
    EXPECT_EQ(words[i], philox4x32({i, 0, 0, 0}, {static_cast<uint32_t>(seed),
                                                  static_cast<uint32_t>(seed >> 32)})[0]);
}

TEST(RandomTest, SameBitsCompiledInterpretedAndOnAnyNumberOfThreads) {
  std::vector<Build> builds;
  for (DType dtype : {f32, f64, f16, bf16}) {
    builds.push_back([=](Graph &, const Tensor &key) {
      return randomUniform(key, {300, 41}, 0, 1, dtype);
    });
    builds.push_back([=](Graph &, const Tensor &key) {
      return randomUniform(key, {300, 41}, -3, 5.1, dtype);
    });
    builds.push_back([=](Graph &g, const Tensor &key) {
      return dropout(g.full(dtype, {300, 41}, 1.5), 0.3, key);
    });
  }
  for (DType dtype : {i32, u8, i64})
    builds.push_back([=](Graph &, const Tensor &key) {
      return randomInt(key, {300, 41}, 3, 100, dtype);
    });
  builds.push_back([](Graph &, const Tensor &key) {
    return randomInt(key, {300, 41}, -(int64_t{1} << 62), int64_t{1} << 62, i64);
  });
  builds.push_back([](Graph &, const Tensor &key) { return bernoulli(key, 0.7, {300, 41}); });
  builds.push_back(
      [](Graph &, const Tensor &key) { return foldIn(splitKey(key, 3).at(2), 12345); });
  for (size_t i = 0; i < builds.size(); ++i) {
    Array interpreted = run(builds[i], {.engine = Engine::Interpreter});
    EXPECT_TRUE(sameBits(interpreted, run(builds[i], {.threads = 1}))) << "build " << i;
    EXPECT_TRUE(sameBits(interpreted, run(builds[i], {.threads = 2}))) << "build " << i;
  }
}

TEST(RandomTest, NormalNumbersAreTheSameOnAnyNumberOfThreads) {
  auto build = [](Graph &, const Tensor &key) { return randomNormal(key, {300, 41}); };
  Array one = run(build, {.threads = 1});
  EXPECT_TRUE(sameBits(one, run(build, {.threads = 2})));
  std::vector<float> compiled = one.toVector<float>(),
                     other = run(build, {.engine = Engine::Interpreter}).toVector<float>();
  for (size_t i = 0; i < compiled.size(); ++i)
    EXPECT_NEAR(compiled[i], other[i], 1e-6 * std::fabs(other[i]));
}

TEST(RandomTest, SymbolicShapesDrawWhatStaticOnesDo) {
  Graph g;
  Tensor x = g.placeholder("x", f32, {dim("N"), 5});
  g.output("y", randomUniform(randomKey(g, 42), x.shape()) + x);
  Executable executable = compile(g);
  for (int64_t n : {0, 1, 9}) {
    Array zeros(f32, {n, 5});
    std::fill_n(zeros.as<float>(), n * 5, 0.0f);
    Array y = executable.run({{"x", zeros}}).at("y");
    Array want = run([&](Graph &, const Tensor &key) { return randomUniform(key, {n, 5}); });
    EXPECT_TRUE(sameBits(y, want)) << n;
  }
}

// -- Distributions --------------------------------------------------------------------------------

TEST(RandomTest, UniformNumbersAreUniform) {
  for (DType dtype : {f32, f64, f16, bf16}) {
    std::vector<double> values = run([&](Graph &, const Tensor &key) {
                                   return randomUniform(key, {400, 500}, 0, 1, dtype).cast(f64);
                                 }).toVector<double>();
    std::vector<double> counts(64);
    for (double value : values) {
      ASSERT_TRUE(value >= 0 && value < 1) << value;
      counts[static_cast<size_t>(value * 64)] += 1;
    }
    EXPECT_LT(std::fabs(chiSquare(counts)), 4) << name(dtype);
    Moments moments(values);
    // bf16 has 256 values, whose mean is half a step below 1/2.
    double step = dtype == bf16 ? 1.0 / 512 : dtype == f16 ? 1.0 / 4096 : 0;
    EXPECT_NEAR(moments.mean + step, 0.5, 4 * std::sqrt(1 / 12.0 / 200000)) << name(dtype);
    EXPECT_NEAR(moments.variance, 1 / 12.0, 1e-3) << name(dtype);
  }
}

TEST(RandomTest, UniformBoundsHold) {
  for (DType dtype : {f32, f64, f16, bf16}) {
    std::vector<double> values = run([&](Graph &, const Tensor &key) {
                                   return randomUniform(key, {100000}, 3, 3.1, dtype).cast(f64);
                                 }).toVector<double>();
    for (double value : values)
      ASSERT_TRUE(value >= 3 && value < 3.1) << value << " " << name(dtype);
  }
}

TEST(RandomTest, NeighboursAreIndependent) {
  std::vector<double> x = run([](Graph &, const Tensor &key) {
                            return randomUniform(key, {200000}, -1, 1, f64);
                          }).toVector<double>();
  for (size_t lag : {1, 2, 3, 32}) {
    double sum = 0;
    for (size_t i = lag; i < x.size(); ++i)
      sum += x[i] * x[i - lag];
    EXPECT_LT(std::fabs(sum) * 3 / std::sqrt(double(x.size())), 4) << lag;
  }
  std::vector<double> counts(256);
  for (size_t i = 1; i < x.size(); i += 2)
    counts[static_cast<size_t>((x[i] + 1) * 8) * 16 + static_cast<size_t>((x[i - 1] + 1) * 8)] += 1;
  EXPECT_LT(std::fabs(chiSquare(counts)), 4);
}

TEST(RandomTest, EveryBitIsFair) {
  std::vector<uint32_t> words = run([](Graph &, const Tensor &key) {
                                  return randomBits(key, {100000});
                                }).toVector<uint32_t>();
  for (int bit = 0; bit < 32; ++bit) {
    double ones = 0;
    for (uint32_t word : words)
      ones += word >> bit & 1;
    EXPECT_LT(std::fabs(ones - 50000) / std::sqrt(25000.0), 4.5) << bit;
  }
}

TEST(RandomTest, NormalNumbersAreNormal) {
  for (DType dtype : {f32, f64, f16, bf16}) {
    std::vector<double> values = run([&](Graph &, const Tensor &key) {
                                   return randomNormal(key, {200000}, 2, 3, dtype).cast(f64);
                                 }).toVector<double>();
    double coarse = dtype == bf16 ? 0.01 : 0;
    Moments moments(values);
    EXPECT_NEAR(moments.mean, 2, 0.03) << name(dtype);
    EXPECT_NEAR(moments.variance, 9, 0.12 + coarse) << name(dtype);
    EXPECT_NEAR(moments.skew, 0, 0.025) << name(dtype);
    EXPECT_NEAR(moments.kurtosis, 3, 0.05) << name(dtype);
    std::vector<double> counts(50); // Of equal probability.
    for (double value : values)
      counts[std::min<size_t>(
          49, static_cast<size_t>(50 * 0.5 * std::erfc(-(value - 2) / 3 / std::sqrt(2.0))))] += 1;
    if (dtype == f32 || dtype == f64)
      EXPECT_LT(std::fabs(chiSquare(counts)), 4) << name(dtype);
  }
}

TEST(RandomTest, IntegersAreUniform) {
  for (DType dtype : {i32, i64, u8, i8, u32}) {
    Array drawn =
        run([&](Graph &, const Tensor &key) { return randomInt(key, {130000}, 5, 18, dtype); });
    EXPECT_EQ(drawn.dtype(), dtype);
    std::vector<double> counts(13);
    for (int64_t value : drawn.cast(i64).toVector<int64_t>()) {
      ASSERT_TRUE(value >= 5 && value < 18) << value;
      counts[static_cast<size_t>(value - 5)] += 1;
    }
    EXPECT_LT(std::fabs(chiSquare(counts)), 4) << name(dtype);
  }
}

TEST(RandomTest, WideRangesOfIntegersAreUniform) {
  int64_t low = -(int64_t{3} << 61), high = int64_t{3} << 60; // More than half of all.
  std::vector<double> counts(45);
  for (int64_t value : run([&](Graph &, const Tensor &key) {
                         return randomInt(key, {100000}, low, high, i64);
                       }).toVector<int64_t>()) {
    ASSERT_TRUE(value >= low && value < high);
    double share = (static_cast<double>(value) - static_cast<double>(low)) /
                   (static_cast<double>(high) - static_cast<double>(low));
    counts[std::min<size_t>(44, static_cast<size_t>(share * 45))] += 1;
  }
  EXPECT_LT(std::fabs(chiSquare(counts)), 4);
  for (int32_t value : run([](Graph &, const Tensor &key) {
                         return randomInt(key, {1000}, INT32_MIN, int64_t{INT32_MAX} + 1, i32);
                       }).toVector<int32_t>())
    if (value < 0)
      return; // The whole range is one that 32 bits do not hold.
  ADD_FAILURE() << "no negative number";
}

TEST(RandomTest, BernoulliHasItsProbability) {
  auto share = [](const Build &build) {
    std::vector<double> values = run([&](Graph &g, const Tensor &key) {
                                   return build(g, key).cast(f64);
                                 }).toVector<double>();
    return Moments(values).mean;
  };
  double p = 0.3, deviation = std::sqrt(p * (1 - p) / 200000);
  EXPECT_NEAR(share([&](Graph &, const Tensor &k) { return bernoulli(k, p, {200000}); }), p,
              4 * deviation);
  for (DType dtype : {f32, f64, f16})
    EXPECT_NEAR(share([&](Graph &g, const Tensor &k) {
                  return bernoulli(k, g.full(dtype, {1}, p), {200000});
                }),
                p, 4 * deviation + (dtype == f16 ? 1e-4 : 0));
  for (double end : {0.0, 1.0}) {
    EXPECT_EQ(share([&](Graph &, const Tensor &k) { return bernoulli(k, end, {1024}); }), end);
    EXPECT_EQ(
        share([&](Graph &g, const Tensor &k) { return bernoulli(k, g.scalar(f32, end), {1024}); }),
        end);
  }
}

// -- Keys -----------------------------------------------------------------------------------------

TEST(RandomTest, KeysAreDistinct) {
  Graph g;
  Tensor key = randomKey(g, 1);
  std::vector<Tensor> keys = splitKey(key, 20);
  for (int64_t i : {0, 1, 2, 3, 1 << 20})
    keys.push_back(foldIn(key, i));
  keys.push_back(foldIn(key, g.scalar(i64, int64_t{1} << 40)));
  keys.push_back(foldIn(foldIn(key, 0), 1));
  keys.push_back(foldIn(randomKey(g, 2), 0));
  keys.push_back(key);
  for (size_t i = 0; i < keys.size(); ++i)
    g.output("k" + std::to_string(i), keys[i]);
  ArrayMap drawn = compile(g).run({});
  std::set<uint64_t> values;
  for (const auto &[name, value] : drawn)
    values.insert(value.toVector<uint64_t>().at(0));
  EXPECT_EQ(values.size(), keys.size());
}

TEST(RandomTest, NumbersAndTensorsFoldAlike) {
  Graph g;
  Tensor key = randomKey(g, 1), step = g.placeholder("step", i32, {});
  g.output("fixed", foldIn(key, 7));
  g.output("given", foldIn(key, step));
  ArrayMap out = compile(g).run({{"step", Array::from<int32_t>({7}).reshape({})}});
  EXPECT_TRUE(sameBits(out.at("fixed"), out.at("given")));
}

TEST(RandomTest, AStateAdvancesTheKey) { // docs/random.md
  Graph g;
  Tensor step = g.state("step", u64, {});
  Tensor key = foldIn(randomKey(g, 7), step);
  g.output("noise", randomNormal(key, {4}));
  g.update(step, step + 1);
  Executable train = compile(g);
  auto draw = [&] {
    State state(g, 1);
    std::vector<std::vector<float>> drawn;
    for (int i = 0; i < 3; ++i)
      drawn.push_back(train(state, ArrayMap{}).at(0).toVector<float>());
    return drawn;
  };
  auto first = draw();
  EXPECT_NE(first[0], first[1]);
  EXPECT_NE(first[1], first[2]);
  EXPECT_EQ(first, draw());
}

// -- Dropout --------------------------------------------------------------------------------------

TEST(RandomTest, DropoutScalesWhatItKeeps) {
  std::vector<double> values = run([](Graph &g, const Tensor &key) {
                                 return dropout(g.full(f64, {200000}, 3), 0.2, key);
                               }).toVector<double>();
  double dropped = 0;
  for (double value : values) {
    dropped += value == 0;
    ASSERT_TRUE(value == 0 || std::fabs(value - 3.75) < 1e-12) << value;
  }
  EXPECT_NEAR(dropped / 200000, 0.2, 4 * std::sqrt(0.16 / 200000));
}

TEST(RandomTest, DropoutAtItsEnds) {
  for (DType dtype : {f32, f16}) {
    Array all =
        run([&](Graph &g, const Tensor &key) { return dropout(g.ones(dtype, {99}), 0, key); });
    for (double value : all.cast(f64).toVector<double>())
      EXPECT_EQ(value, 1);
    Array none = run([&](Graph &g, const Tensor &key) {
      return dropout(g.full(dtype, {99}, std::nan("")), 1, key);
    });
    for (double value : none.cast(f64).toVector<double>())
      EXPECT_EQ(value, 0);
  }
}

TEST(RandomTest, TheGradientOfDropoutIsItsMask) {
  for (double rate : {0.0, 0.4, 1.0}) {
    Graph g;
    Tensor x = g.placeholder("x", f64, {1000});
    Tensor y = dropout(x, rate, randomKey(g, 3));
    g.output("y", y);
    g.output("dx", gradient(y.sum(), x));
    Array ones(f64, {1000});
    std::fill_n(ones.as<double>(), 1000, 1.0);
    ArrayMap out = compile(g).run({{"x", ones}});
    EXPECT_EQ(out.at("y").toVector<double>(), out.at("dx").toVector<double>()) << rate;
  }
}

// -- Mistakes -------------------------------------------------------------------------------------

TEST(RandomTest, Mistakes) {
  Graph g;
  Tensor key = randomKey(g, 1), x = g.placeholder("x", f32, {3}), i = g.placeholder("i", i32, {3});
  EXPECT_MISTAKE("randomBits", "a key is a scalar of u64", randomBits(x, {2}));
  EXPECT_MISTAKE("randomUniform", "in order", randomUniform(key, {2}, 1, 1));
  EXPECT_MISTAKE("randomUniform", "draws floats", randomUniform(key, {2}, 0, 1, i32));
  EXPECT_MISTAKE("randomNormal", "at least 0", randomNormal(key, {2}, 0, -1));
  EXPECT_MISTAKE("bernoulli", "not within [0, 1]", bernoulli(key, 1.5, {2}));
  EXPECT_MISTAKE("bernoulli", "a probability is a float", bernoulli(key, i, {3}));
  EXPECT_MISTAKE("randomInt", "must be in order and fit u8", randomInt(key, {2}, 0, 257, u8));
  EXPECT_MISTAKE("randomInt", "draws integers", randomInt(key, {2}, 0, 2, f32));
  EXPECT_MISTAKE("dropout", "not within [0, 1]", dropout(x, -0.1, key));
  EXPECT_MISTAKE("dropout", "needs floats", dropout(i, 0.1, key));
  EXPECT_MISTAKE("foldIn", "an integer", foldIn(key, 0.5));
  EXPECT_MISTAKE("foldIn", "an integer scalar", foldIn(key, i));
  EXPECT_MISTAKE("splitKey", "1 to 2^20", splitKey(key, 0));
  EXPECT_MISTAKE("bitcast", "differ in width", bitcast(x, f64));
}

} // namespace
