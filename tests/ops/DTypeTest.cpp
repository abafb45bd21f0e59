// SPDX-License-Identifier: Apache-2.0
// Narrow and unsigned dtypes at the edges of what they hold, by both engines and, because f16 is
// converted by integer arithmetic there, on the lowest instruction set.
#include "sinter/frontend/Gradients.h"
#include "sinter/frontend/Graph.h"
#include "sinter/runtime/Session.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <random>

namespace sinter {
namespace {

using Tensors = std::vector<Tensor>;
constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

struct Machine {
  const char *name;
  Engine engine;
  const char *level; ///< Null: this machine's.
};

class DTypeOpsTest : public testing::TestWithParam<Machine> {
protected:
  Array run(const std::vector<Array> &inputs, const std::function<Tensor(const Tensors &)> &fn,
            bool strict = false) {
    Graph graph;
    Tensors tensors;
    ArrayMap arrays;
    for (size_t i = 0; i < inputs.size(); ++i) {
      std::string name = "x" + std::to_string(i);
      tensors.push_back(graph.placeholder(name, inputs[i].dtype(), Shape(inputs[i].sizes())));
      arrays[name] = inputs[i];
    }
    graph.output("y", fn(tensors));
    CompileOptions options{.engine = GetParam().engine, .strictRounding = strict};
    if (GetParam().level)
      options.target = Target::cpu(GetParam().level);
    return compile(graph, options).run(arrays).at("y");
  }
};

INSTANTIATE_TEST_SUITE_P(Machines, DTypeOpsTest,
                         testing::Values(Machine{"interpreter", Engine::Interpreter, nullptr},
                                         Machine{"compiled", Engine::Compiled, nullptr},
                                         Machine{"baseline", Engine::Compiled, "x86-64"}),
                         [](const auto &info) { return std::string(info.param.name); });

/// Same bits, but any NaN equals any other.
template <typename T> bool same(T a, T b) {
  if constexpr (isFloatElement<T>)
    return (a != a && b != b) ||
           (a == b && std::signbit(static_cast<double>(a)) == std::signbit(static_cast<double>(b)));
  return a == b;
}

template <typename T> void expectValues(const Array &got, const std::vector<T> &want) {
  ASSERT_EQ(got.dtype(), dtypeOf<T>());
  std::vector<T> values = got.toVector<T>();
  ASSERT_EQ(values.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i)
    if (!same<T>(values[i], want[i]))
      ADD_FAILURE() << "element " << i << " is " << +values[i] << ", not " << +want[i];
}

/// Floats truncate, saturate, NaN is 0; what a program may rely on, in long double.
template <typename To> To saturated(long double value) {
  using L = std::numeric_limits<To>;
  if (std::isnan(value))
    return 0;
  value = std::trunc(value);
  return value < static_cast<long double>(L::min())   ? L::min()
         : value > static_cast<long double>(L::max()) ? L::max()
                                                      : static_cast<To>(value);
}

const std::vector<double> edges = {
    0.0,    -0.0,   0.4,     -0.4,       0.999,  -0.999,     1,      -1,      1.5,
    -1.5,   126.9,  127,     127.9,      128,    -128,       -128.9, -129,    254.9,
    255,    255.9,  256,     32767.5,    32768,  -32769,     65535,  65535.9, 65536,
    -1e6,   0x1p31, -0x1p31, 0x1p31 - 1, 0x1p32, 0x1p32 - 1, 0x1p63, -0x1p63, 0x1p64,
    1.8e19, 1e30,   -1e30,   inf,        -inf,   nan};

TEST_P(DTypeOpsTest, FloatToIntegerSaturates) {
  for (DType from : {f64, f32, f16, bf16}) {
    Array x = Array::from(edges).cast(from);
    std::vector<double> held = x.toVector<double>();
    for (DType to : {i8, i16, i32, i64, u8, u16, u32, u64})
      dispatch(to, [&](auto zero) {
        using T = decltype(zero);
        if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
          std::vector<T> want;
          for (double value : held)
            want.push_back(saturated<T>(value));
          SCOPED_TRACE(std::string(name(from)) + " to " + std::string(name(to)));
          expectValues(run({x}, [to](auto &t) { return cast(t[0], to); }), want);
        }
      });
  }
}

TEST_P(DTypeOpsTest, IntegersWrapIntoEachOther) {
  std::vector<int64_t> values;
  for (int shift : {0, 7, 8, 15, 16, 31, 32, 63})
    for (int64_t near : {-1, 0, 1})
      values.push_back(static_cast<int64_t>((uint64_t{1} << shift) + static_cast<uint64_t>(near)));
  for (int64_t negative : {-1, -127, -128, -129, -32769, -70000})
    values.push_back(negative);
  for (DType from : {i64, u64, i32, u32, i16, u8, i8}) {
    Array x = Array::from(values).cast(from);
    for (DType to : {i8, i16, i32, i64, u8, u16, u32, u64, boolean})
      dispatch(to, [&](auto zero) {
        using T = decltype(zero);
        SCOPED_TRACE(std::string(name(from)) + " to " + std::string(name(to)));
        expectValues(run({x}, [to](auto &t) { return cast(t[0], to); }), x.toVector<T>());
      });
  }
}

TEST_P(DTypeOpsTest, ArithmeticIsUnsigned) {
  constexpr uint64_t top = UINT64_MAX;
  Array a = Array::from<uint64_t>({top, 1, top - 1, uint64_t{1} << 63, 7, 5}),
        b = Array::from<uint64_t>({2, top, top, 3, 0, top});
  auto binary = [&](auto fn) { return run({a, b}, [fn](auto &t) { return fn(t[0], t[1]); }); };
  expectValues<uint64_t>(binary([](auto &x, auto &y) { return x + y; }),
                         {1, 0, top - 2, (uint64_t{1} << 63) + 3, 7, 4});
  expectValues<uint64_t>(binary([](auto &x, auto &y) { return x - y; }),
                         {top - 2, 2, top, (uint64_t{1} << 63) - 3, 7, 6});
  expectValues<uint64_t>(binary([](auto &x, auto &y) { return x / y; }),
                         {top / 2, 0, 0, (uint64_t{1} << 63) / 3, 0, 0});
  expectValues<uint64_t>(binary([](auto &x, auto &y) { return maximum(x, y); }),
                         {top, top, top, uint64_t{1} << 63, 7, top});
  expectValues<uint64_t>(binary([](auto &x, auto &y) { return minimum(x, y); }),
                         {2, 1, top - 1, 3, 0, 5});
  expectValues<bool>(binary([](auto &x, auto &y) { return x < y; }),
                     {false, true, true, false, false, true});
  expectValues<double>(run({a}, [](auto &t) { return cast(t[0], f64); }),
                       {0x1p64, 1, 0x1p64, 0x1p63, 7, 5});
  expectValues<uint64_t>(run({a}, [](auto &t) { return relu(abs(-t[0])); }),
                         {1, top, 2, uint64_t{1} << 63, top - 6, top - 4});
  expectValues<uint64_t>(run({a}, [](auto &t) { return max(t[0]); }), {top});
  expectValues<uint64_t>(run({b}, [](auto &t) { return min(t[0]); }), {0});
  expectValues<int64_t>(run({a}, [](auto &t) { return argmax(t[0], 0); }), {0});
  Array bytes = Array::from<uint8_t>({200, 100, 255, 3}),
        more = Array::from<uint8_t>({100, 200, 1, 2});
  expectValues<uint8_t>(run({bytes, more}, [](auto &t) { return t[0] + t[1]; }), {44, 44, 0, 5});
  expectValues<uint8_t>(run({bytes, more}, [](auto &t) { return t[0] / t[1]; }), {2, 0, 255, 1});
  expectValues<uint8_t>(run({bytes}, [](auto &t) { return sum(t[0]); }), {46});
  Array small = Array::from<int8_t>({-128, 127, -1}), ones = Array::from<int8_t>({-1, 1, 2});
  expectValues<int8_t>(run({small, ones}, [](auto &t) { return t[0] / t[1]; }), {-128, 127, 0});
  expectValues<int8_t>(run({small, ones}, [](auto &t) { return t[0] + t[1]; }), {127, -128, 1});
}

// -- f16 and bf16 ---------------------------------------------------------------------------------

template <typename T> Array everyPattern() {
  Array array(dtypeOf<T>(), {65536});
  for (unsigned bits = 0; bits < 65536; ++bits)
    array.as<T>()[bits] = T::fromBits(static_cast<uint16_t>(bits));
  return array;
}

/// Patterns of every exponent, ties and their neighbours.
std::vector<float> floatsNearTies() {
  std::mt19937 random(11);
  std::vector<float> values = {65504,         65519.996f, 65520,     65536,           3.3895314e38f,
                               3.4028235e38f, 0x1p-24f,   0x1p-25f,  0x1.000002p-25f, 0x1.8p-24f,
                               0x1p-14f,      0x1p-133f,  0x1p-134f, 0x1.8p-133f,     0x1p-149f,
                               INFINITY,      NAN,        0};
  for (uint32_t high = 0; high < 0x8000; high += 3)
    for (uint32_t low : {0u, 0x0fffu, 0x1000u, 0x1001u, 0x3000u, 0x7fffu, 0x8000u, 0x8001u})
      values.push_back(std::bit_cast<float>(high << 16 | low));
  for (int i = 0; i < 20000; ++i)
    values.push_back(std::bit_cast<float>(static_cast<uint32_t>(random())));
  for (size_t i = 0, n = values.size(); i < n; ++i)
    values.push_back(-values[i]);
  return values;
}

template <typename T> std::vector<T> rounded(const Array &x) {
  std::vector<T> want;
  for (double value : x.toVector<double>())
    want.push_back(T(value)); // Float16Test checks this one
  return want;
}

TEST_P(DTypeOpsTest, SixteenBitsExtend) {
  Array halves = everyPattern<Half>(), brains = everyPattern<BFloat16>();
  expectValues(run({halves}, [](auto &t) { return cast(t[0], f32); }), halves.toVector<float>());
  expectValues(run({brains}, [](auto &t) { return cast(t[0], f32); }), brains.toVector<float>());
  expectValues(run({brains}, [](auto &t) { return cast(t[0], f64); }), brains.toVector<double>());
  expectValues(run({halves}, [](auto &t) { return cast(t[0], bf16); }), rounded<BFloat16>(halves));
  expectValues(run({brains}, [](auto &t) { return cast(t[0], f16); }), rounded<Half>(brains));
}

TEST_P(DTypeOpsTest, SixteenBitsRoundToNearestEven) {
  Array singles = Array::from(floatsNearTies());
  expectValues(run({singles}, [](auto &t) { return cast(t[0], f16); }), rounded<Half>(singles));
  expectValues(run({singles}, [](auto &t) { return cast(t[0], bf16); }),
               rounded<BFloat16>(singles));
  // Doubles a little beside the ties: they would be rounded twice by way of f32.
  std::vector<double> wide;
  for (float value : floatsNearTies()) {
    wide.push_back(std::nextafter(static_cast<double>(value), inf));
    wide.push_back(std::nextafter(static_cast<double>(value), -inf));
  }
  for (double value : {1e-320, -1e-320, 1e300, -1e300, 0x1p-25 + 0x1p-60, 1e39})
    wide.push_back(value);
  Array doubles = Array::from(wide);
  expectValues(run({doubles}, [](auto &t) { return cast(t[0], f16); }), rounded<Half>(doubles));
  expectValues(run({doubles}, [](auto &t) { return cast(t[0], bf16); }),
               rounded<BFloat16>(doubles));
  Array integers = Array::from<int32_t>({0, 1, -1, 257, 2049, 2051, 65519, 65520, 0x1000001,
                                         0x7fffffff, 0x1018001, -0x1018001, INT32_MIN});
  expectValues(run({integers}, [](auto &t) { return cast(t[0], f16); }), rounded<Half>(integers));
  expectValues(run({integers}, [](auto &t) { return cast(t[0], bf16); }),
               rounded<BFloat16>(integers));
}

TEST_P(DTypeOpsTest, FusedValuesAreRoundedOnceUnlessCastOrStrict) {
  bool compiled = GetParam().engine == Engine::Compiled;
  // 1 + 2^-11 is a tie of f16: rounded it is 1, and the difference is lost.
  Array x = Array::from<Half>(std::vector<Half>(40, Half(1))),
        tiny = Array::from<Half>(std::vector<Half>(40, Half(0x1p-11)));
  auto difference = [](auto &t) { return (t[0] + t[1]) - t[0]; };
  auto explicitly = [](auto &t) { return (t[0] + t[1]).cast(f32).cast(f16) - t[0]; };
  auto throughSingle = [](auto &t) { return cast(cast(t[0], f32) + cast(t[1], f32), f16) - t[0]; };
  EXPECT_EQ(run({x, tiny}, difference).at({7}), compiled ? 0x1p-11 : 0);
  EXPECT_EQ(run({x, tiny}, difference, true).at({7}), 0);
  EXPECT_EQ(run({x, tiny}, throughSingle).at({7}), 0);
  EXPECT_EQ(run({x, tiny}, explicitly).at({7}), 0);
}

TEST_P(DTypeOpsTest, StrictRunningReductionsAreRounded) {
  auto ofSum = [](auto &t) { return cumsum(t[0], 0) - t[0]; };
  auto ofProduct = [](auto &t) { return cumprod(t[0], 0) - t[0]; };
  // 1 + 2^-11 and (1 + 2^-10)^2 = 1 + 2^-9 + 2^-20 have more digits than f16.
  Array terms = Array::from<Half>({Half(1), Half(0x1p-11)}),
        factors = Array::from<Half>({Half(1 + 0x1p-10), Half(1 + 0x1p-10)});
  EXPECT_EQ(run({terms}, ofSum, true).at({1}), 1 - 0x1p-11);
  EXPECT_EQ(run({factors}, ofProduct, true).at({1}), 0x1p-10);
}

TEST_P(DTypeOpsTest, SumsAndProductsOfNarrowDTypes) {
  // 4096 ones: f16 could not count beyond 2048 in steps of one.
  Array ones = Array::from<Half>(std::vector<Half>(4096, Half(1)), {2, 2048});
  EXPECT_EQ(run({ones}, [](auto &t) { return sum(t[0]); }).item(), 4096);
  Array brains = ones.cast(bf16);
  EXPECT_EQ(run({brains}, [](auto &t) { return sum(t[0], {0}); }).at({3}), 2);
  EXPECT_EQ(run({brains}, [](auto &t) { return matmul(t[0], transpose(t[0])); }).at({0, 1}), 2048);
  EXPECT_EQ(run({ones}, [](auto &t) { return matmul(t[0], transpose(t[0])); }).dtype(), f16);
  EXPECT_EQ(run({ones}, [](auto &t) { return softmax(t[0], -1); }).at({1, 5}), 0x1p-11);
  Array bytes = Array::from<uint8_t>({200, 100, 3, 255}, {2, 2});
  expectValues<uint8_t>(
      run({bytes}, [](auto &t) { return matmul(t[0], t[0]); }),
      {static_cast<uint8_t>(200 * 200 + 100 * 3), static_cast<uint8_t>(200 * 100 + 100 * 255),
       static_cast<uint8_t>(3 * 200 + 255 * 3), static_cast<uint8_t>(3 * 100 + 255 * 255)});
  Array wide = Array::from<uint64_t>({UINT64_MAX, 2}, {1, 2});
  expectValues<uint64_t>(run({wide}, [](auto &t) { return matmul(t[0], transpose(t[0])); }), {5});
}

TEST_P(DTypeOpsTest, Gradients) {
  Array x = Array::from<Half>({Half(0.5), Half(-2), Half(3)});
  expectValues<Half>(run({x}, [](auto &t) { return gradients({sum(t[0] * t[0])}, {t[0]})[0]; }),
                     {Half(1), Half(-4), Half(6)});
}

} // namespace
} // namespace sinter
