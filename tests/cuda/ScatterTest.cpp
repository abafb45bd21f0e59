// SPDX-License-Identifier: Apache-2.0
// Scatters by kernels of a GPU, run on the host: the interpreter's bits, whether updates are
// scanned or sorted; a bad index is reported and changes nothing.
#include "sinter/runtime/Session.h"
#include "sinter/sinter.h"

#include <cstring>
#include <gtest/gtest.h>

using namespace sinter;

namespace {

Array draw(DType dtype, const std::vector<int64_t> &sizes, uint32_t seed, uint32_t below = 0) {
  Array array(dtype, sizes);
  uint32_t state = seed;
  for (int64_t i = 0; i < array.numElements(); ++i) {
    state = state * 1664525 + 1013904223;
    dispatch(dtype, [&](auto zero) {
      using T = decltype(zero);
      if constexpr (isFloatElement<T>) // In 64ths around 1: sums depend on their order.
        array.as<T>()[i] = static_cast<T>(static_cast<float>(state >> 25) / 64 + 0.1F);
      else
        array.as<T>()[i] = static_cast<T>(below ? (state >> 8) % below : state >> 16);
    });
  }
  return array;
}

struct Setting {
  std::string name;
  DType dtype;
  ScatterMode mode;
  int64_t places, updates, columns;
  bool named = false; ///< The number of updates is.
  bool few = false;   ///< All go to two places.
};
std::ostream &operator<<(std::ostream &stream, const Setting &s) { return stream << s.name; }

const Setting settings[] = {
    {"Scanned", f32, ScatterMode::Add, 40, 20, 5},
    {"Sorted", f32, ScatterMode::Add, 300, 700, 3},
    {"SeveralDigits", f32, ScatterMode::Add, 1500, 2300, 2}, // Two tiles, two digits.
    {"ManyColumns", f64, ScatterMode::Mul, 7, 50, 200},
    {"OddColumns", f32, ScatterMode::Max, 7, 50, 37},
    {"OnePlace", f16, ScatterMode::Add, 1, 90, 4},
    {"TwoPlaces", bf16, ScatterMode::Add, 200, 300, 1, false, true},
    {"LastWins", i32, ScatterMode::Set, 9, 400, 2},
    {"Least", i64, ScatterMode::Min, 20, 100, 1},
    {"Bytes", i8, ScatterMode::Mul, 20, 100, 3},
    {"Named", f32, ScatterMode::Add, 50, 200, 6, true},
    {"Empty", f32, ScatterMode::Add, 50, 0, 6, true},
};

class CudaScatter : public testing::TestWithParam<Setting> {};

TEST_P(CudaScatter, HasTheInterpretersBits) {
  const Setting &s = GetParam();
  Graph g;
  DimExpr updates = s.named ? dim("U") : DimExpr(s.updates);
  Tensor x = g.placeholder("x", s.dtype, {s.places, s.columns});
  Tensor indices = g.placeholder("indices", i32, {updates});
  Tensor rows = g.placeholder("rows", s.dtype, {updates, s.columns});
  g.output("y", scatter(x, indices, rows + rows, 0, s.mode));
  ArrayMap inputs = {
      {"x", draw(s.dtype, {s.places, s.columns}, 1)},
      {"indices", draw(i32, {s.updates}, 2, s.few ? 2 : static_cast<uint32_t>(s.places))},
      {"rows", draw(s.dtype, {s.updates, s.columns}, 3)}};
  Array wanted = compile(g, {.engine = Engine::Interpreter}).run(inputs).at("y");
  Array got = compile(g, {.target = Target::cuda()}).run(inputs).at("y");
  ASSERT_EQ(got.sizes(), wanted.sizes());
  EXPECT_EQ(std::memcmp(got.data(), wanted.data(), static_cast<size_t>(wanted.numBytes())), 0);
}

INSTANTIATE_TEST_SUITE_P(Settings, CudaScatter, testing::ValuesIn(settings),
                         [](const auto &info) { return info.param.name; });

TEST(CudaScatterIndex, OutOfRangeIsReported) {
  for (int64_t updates : {10, 100}) { // Scanned, sorted.
    Graph g;
    Tensor indices = g.placeholder("indices", i32, {updates});
    Tensor rows = g.placeholder("rows", f32, {updates, 3});
    g.output("y", indices.scatterAddRows(rows, 20));
    Array at = draw(i32, {updates}, 1, 20);
    at.as<int32_t>()[updates / 2] = 25;
    Executable executable = compile(g, {.target = Target::cuda()});
    try {
      executable.run({{"indices", at}, {"rows", draw(f32, {updates, 3}, 2)}});
      FAIL() << "not reported";
    } catch (const Error &error) {
      EXPECT_NE(std::string(error.what()).find("25"), std::string::npos) << error.what();
    }
  }
}

} // namespace
