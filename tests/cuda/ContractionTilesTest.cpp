// SPDX-License-Identifier: Apache-2.0
// Reductions of a product's rows that no tile of a kernel holds: each tile reduces its columns, and
// what follows combines the tiles. By kernels of the CPU and by a GPU's on the host, against the
// interpreter: tiles of every kernel, given as such; and long rows, which the compiler cuts.
#include "tests/cuda/Draw.h"

#include "sinter/runtime/Session.h"
#include "sinter/sinter.h"

#include <cmath>
#include <cstring>
#include <gtest/gtest.h>

using namespace sinter;
using test::draw;

namespace {

struct Case {
  Graph g;
  ArrayMap inputs;
  Tensor input(const std::string &name, DType dtype, std::vector<int64_t> sizes,
               const DimExpr &first = -1) {
    Shape shape;
    for (int64_t size : sizes)
      shape.push_back(shape.rank() == 0 && first.constant() != -1 ? first : DimExpr(size));
    inputs.insert({name, draw(dtype, sizes, static_cast<uint32_t>(inputs.size()) + 1)});
    return g.placeholder(name, dtype, shape);
  }
};

/// Equal where either is not finite; else as close as sums in another order are.
void expectClose(const ArrayMap &wanted, const ArrayMap &got, double tolerance) {
  for (const auto &[name, want] : wanted) {
    const Array &have = got.at(name);
    ASSERT_EQ(have.sizes(), want.sizes()) << name;
    int64_t bad = 0;
    for (int64_t i = 0; i < want.numElements() && bad < 3; ++i)
      dispatch(want.dtype(), [&](auto zero) {
        using T = decltype(zero);
        const T x = have.as<T>()[i], y = want.as<T>()[i];
        if constexpr (isFloatElement<T>) {
          const double mine = static_cast<double>(x), other = static_cast<double>(y);
          const bool same = std::isnan(other) ? std::isnan(mine)
                            : !std::isfinite(other)
                                ? mine == other
                                : std::abs(mine - other) <= tolerance * (std::abs(other) + 1);
          if (!same && ++bad)
            ADD_FAILURE() << name << ", element " << i << ": " << mine << ", not " << other;
        } else if (x != y && ++bad) {
          ADD_FAILURE() << name << ", element " << i << ": " << +x << ", not " << +y;
        }
      });
  }
}

double toleranceOf(DType dtype, int64_t depth, bool tf32 = false) {
  const double epsilon = tf32            ? 0x1p-10
                         : dtype == f64  ? 0x1p-50
                         : dtype == f16  ? 0x1p-10
                         : dtype == bf16 ? 0x1p-7
                                         : 0x1p-21;
  return 8 * epsilon * std::sqrt(static_cast<double>(depth + 1));
}

size_t count(const std::string &text, std::string_view what) {
  size_t number = 0;
  for (size_t at = 0; (at = text.find(what, at)) != text.npos; ++at)
    ++number;
  return number;
}

// -- Tiles ----------------------------------------------------------------------------------------

enum class Behind { Statistics, Stored, Pick, ArgMax, Softmax };
enum Extras : unsigned { None = 0, Named = 1, Tf32 = 2, Hopper = 4, CpuOnly = 8, GpuOnly = 16 };

struct Setting {
  std::string name;
  Behind behind;
  int64_t m, tiles, width, k;
  DType dtype = f32;
  const char *layout = "nn"; ///< t: an operand lies transposed.
  int64_t batch = 0;
  unsigned extras = None;
};
std::ostream &operator<<(std::ostream &stream, const Setting &s) { return stream << s.name; }

const Setting settings[] = {
    {"Statistics", Behind::Statistics, 70, 3, 128, 33},
    {"StatisticsNarrow", Behind::Statistics, 45, 5, 64, 40, f32, "tt"},
    {"StatisticsBatch", Behind::Statistics, 37, 2, 64, 24, f32, "nt", 3},
    {"StatisticsTall", Behind::Statistics, 8200, 2, 128, 3},
    {"StatisticsNamed", Behind::Statistics, 50, 4, 64, 30, f32, "nn", 0, Named},
    {"StatisticsFewRows", Behind::Statistics, 5, 3, 64, 256, f32, "nt"},
    {"StatisticsTwoRows", Behind::Statistics, 2, 3, 64, 90, f32, "nt"},
    {"StatisticsSplit", Behind::Statistics, 20, 2, 64, 1500},
    {"StatisticsDeep", Behind::Statistics, 33, 2, 192, 3000, f32, "nt", 0, CpuOnly},
    {"StatisticsDouble", Behind::Statistics, 41, 3, 64, 23, f64, "nt", 2},
    {"StatisticsHalf", Behind::Statistics, 70, 2, 256, 64, f16, "tt"},
    {"StatisticsBrain", Behind::Statistics, 50, 3, 128, 72, bf16, "nt", 2},
    {"StatisticsTf32", Behind::Statistics, 61, 2, 128, 83, f32, "nn", 0, Tf32 | GpuOnly},
    {"StatisticsHopper", Behind::Statistics, 200, 3, 64, 128, f16, "nn", 0, Hopper | GpuOnly},
    {"StatisticsHopperWide", Behind::Statistics, 130, 2, 128, 72, bf16, "tt", 2, Hopper | GpuOnly},
    {"StatisticsHopperWidest", Behind::Statistics, 150, 2, 256, 64, f16, "nt", 0, Hopper | GpuOnly},
    {"Stored", Behind::Stored, 66, 3, 128, 21},
    {"StoredBrain", Behind::Stored, 66, 3, 128, 64, bf16, "nt"},
    {"Pick", Behind::Pick, 70, 3, 64, 17},
    {"PickHopper", Behind::Pick, 130, 2, 128, 64, bf16, "nn", 0, Hopper},
    {"ArgMax", Behind::ArgMax, 77, 3, 64, 20},
    {"ArgMaxInts", Behind::ArgMax, 30, 2, 128, 9, i32, "nt", 2},
    {"Softmax", Behind::Softmax, 40, 3, 64, 24, f32, "tn", 2},
};

void build(const Setting &s, Case &made) {
  const int64_t first = s.batch ? 1 : 0;
  const bool isLeftTransposed = s.layout[0] == 't', isRightTransposed = s.layout[1] == 't';
  auto shaped = [&](std::vector<int64_t> sizes) {
    if (s.batch)
      sizes.insert(sizes.begin(), s.batch);
    return sizes;
  };
  const DimExpr rows = s.extras & Named ? dim("M") : DimExpr(-1);
  Tensor a = isLeftTransposed ? made.input("a", s.dtype, shaped({s.k, s.m}))
                              : made.input("a", s.dtype, shaped({s.m, s.k}), rows);
  Tensor b = made.input("b", s.dtype,
                        isRightTransposed ? shaped({s.tiles, s.width, s.k})
                                          : shaped({s.k, s.tiles, s.width}));
  DotDims dims{.lhsContract = {first + (isLeftTransposed ? 0 : 1)},
               .rhsContract = {first + (isRightTransposed ? 2 : 0)}};
  if (s.batch)
    dims.lhsBatch = dims.rhsBatch = {0};
  Tensor y = dotGeneral(a, b, dims) + made.input("bias", s.dtype, {s.tiles, s.width});
  Graph &g = made.g;
  switch (s.behind) {
  case Behind::Stored:
    g.output("y", y);
    [[fallthrough]];
  case Behind::Statistics: {
    Tensor largest = max(y, {-1}, /*keepDims=*/true);
    g.output("max", largest);
    g.output("sum", sum(exp(y - largest), {-1}));
    g.output("min", min(y, {-1}));
    break;
  }
  case Behind::Pick: {
    Tensor labels = made.input("labels", i32, shaped({s.m, s.tiles}));
    Array &given = made.inputs.at("labels");
    for (int64_t i = 0; i < given.numElements(); ++i)
      given.as<int32_t>()[i] = static_cast<int32_t>(i * 7 % s.width);
    g.output("picked", pick(y, labels));
    g.output("sum", sum(y, {-1}));
    break;
  }
  case Behind::ArgMax:
    g.output("which", argmax(y, -1));
    break;
  case Behind::Softmax:
    g.output("p", softmax(y));
    break;
  }
}

class Tiles : public testing::TestWithParam<Setting> {};

TEST_P(Tiles, AgreeWithTheInterpreter) {
  const Setting &s = GetParam();
  Case made;
  build(s, made);
  const ArrayMap wanted = compile(made.g, {.engine = Engine::Interpreter}).run(made.inputs);
  std::vector<CompileOptions> ways;
  if (!(s.extras & GpuOnly))
    for (const char *level : {"native", "x86-64-v3", "x86-64"})
      ways.push_back({.target = Target::cpu(level)});
  if (!(s.extras & CpuOnly))
    ways.push_back({.target = Target::cuda(s.extras & Hopper ? "sm_90a" : "sm_90"),
                    .tf32 = (s.extras & Tf32) != 0});
  for (CompileOptions &options : ways) {
    std::string fused;
    options.onStage = [&](std::string_view stage, std::string_view text) {
      if (stage == "scheduled")
        fused = text;
    };
    const ArrayMap got = compile(made.g, options).run(made.inputs);
    // Besides copies of 16-bit operands that lie the wrong way for pairs.
    EXPECT_EQ(count(fused, "sinter.fused \"") - count(fused, "sinter.fused \"transpose\""), 1)
        << fused;
    expectClose(wanted, got, toleranceOf(s.dtype, s.k * 4, s.extras & Tf32));
  }
}

std::string nameOf(const testing::TestParamInfo<Setting> &info) { return info.param.name; }
INSTANTIATE_TEST_SUITE_P(Settings, Tiles, testing::ValuesIn(settings), nameOf);

// -- Long rows ------------------------------------------------------------------------------------

/// A product large enough to be worth it on either: 128 rows of 40,960.
constexpr int64_t longRows = 128, longRow = 40960, shortDepth = 5;

enum class Loss { Labels, LogSumExp, ArgMax };

void buildLong(Case &made, Loss loss, DType dtype, bool isStored = false, bool isNamed = false) {
  Tensor a = made.input("a", dtype, {longRows, shortDepth}, isNamed ? dim("M") : DimExpr(-1));
  Tensor b = made.input("b", dtype, {longRow, shortDepth});
  Tensor y = dotGeneral(a, b, {.lhsContract = {1}, .rhsContract = {1}}) +
             made.input("bias", dtype, {longRow});
  Graph &g = made.g;
  if (loss == Loss::ArgMax) {
    g.output("which", argmax(y, -1));
    g.output("max", max(y, {-1}));
    return;
  }
  if (loss == Loss::Labels) {
    Tensor labels = made.input("labels", i32, {longRows}, isNamed ? dim("M") : DimExpr(-1));
    Array &given = made.inputs.at("labels");
    for (int64_t i = 0; i < longRows; ++i)
      given.as<int32_t>()[i] = static_cast<int32_t>(i * 7919 % longRow);
    g.output("loss", softmaxCrossEntropy(y, labels));
    g.output("mean", mean(y, {-1}));
  } else {
    Tensor z = 2 * y + made.input("more", dtype, {longRows, longRow});
    g.output("lse", logsumexp(z, -1));
    if (dtype == f32) // Else it needs whole rows, whose largest is not rounded.
      g.output("raw", log(sum(exp(z - max(z, {-1}, true)), {-1})));
    g.output("min", min(z, {-1}));
  }
  if (isStored)
    g.output("y", y);
}

ArrayMap runLong(Case &made, CompileOptions options, bool isCut) {
  std::string fused;
  options.onStage = [&](std::string_view stage, std::string_view text) {
    if (stage == "scheduled")
      fused = text;
  };
  ArrayMap got = compile(made.g, options).run(made.inputs);
  const bool found = fused.find("reduce_max", fused.find("\"dot_general")) != fused.npos &&
                     fused.find("sinter.reshape") != fused.npos;
  EXPECT_EQ(found, isCut) << fused;
  return got;
}

const CompileOptions cpus[] = {{.target = Target::cpu("native")},
                               {.target = Target::cpu("x86-64-v3")},
                               {.target = Target::cpu("x86-64-v2")}};

TEST(LongRows, OfLabelsAgreeWithTheInterpreter) {
  Case made;
  buildLong(made, Loss::Labels, f32, /*isStored=*/false, /*isNamed=*/true);
  const ArrayMap wanted = compile(made.g, {.engine = Engine::Interpreter}).run(made.inputs);
  for (const CompileOptions &options : cpus)
    expectClose(wanted, runLong(made, options, true), 1e-5);
  expectClose(wanted, runLong(made, {.target = Target::cuda("sm_90")}, true), 1e-5);
}

TEST(LongRows, AreStoredToo) {
  Case made;
  buildLong(made, Loss::Labels, f32, /*isStored=*/true);
  const ArrayMap wanted = compile(made.g, {.engine = Engine::Interpreter}).run(made.inputs);
  expectClose(wanted, runLong(made, {}, false), 1e-5);
  expectClose(wanted, runLong(made, {.target = Target::cuda("sm_90")}, true), 1e-5);
}

TEST(LongRows, FindTheLargest) {
  Case made;
  buildLong(made, Loss::ArgMax, f32);
  // Equals in several tiles, a NaN, and more than one of them.
  auto &bias = made.inputs.at("bias");
  for (int64_t at : {130, 257, 9000})
    bias.as<float>()[at] = 100;
  std::memset(made.inputs.at("a").as<float>(), 0, 12 * shortDepth * sizeof(float));
  made.inputs.at("a").as<float>()[20 * shortDepth] = NAN;
  const ArrayMap wanted = compile(made.g, {.engine = Engine::Interpreter}).run(made.inputs);
  EXPECT_EQ(wanted.at("which").as<int64_t>()[3], 130);
  EXPECT_EQ(wanted.at("which").as<int64_t>()[20], 0);
  expectClose(wanted, runLong(made, {}, false), 1e-5);
  expectClose(wanted, runLong(made, {.target = Target::cuda("sm_90")}, true), 1e-5);
}

/// Infinities and NaNs in one element, in a whole tile, and in a whole row.
TEST(LongRows, OfInfinitiesAgreeWithTheInterpreter) {
  for (DType dtype : {f32, f16}) {
    SCOPED_TRACE(std::string(name(dtype)));
    Case made;
    buildLong(made, Loss::LogSumExp, dtype);
    Array &more = made.inputs.at("more");
    auto set = [&](int64_t row, int64_t from, int64_t to, float value) {
      for (int64_t i = from; i < to; ++i)
        if (dtype == f32)
          more.as<float>()[row * longRow + i] = value;
        else
          more.as<Half>()[row * longRow + i] = static_cast<Half>(value);
    };
    set(1, 0, longRow, -INFINITY);
    set(2, 777, 778, INFINITY);
    set(3, 20000, 20001, NAN);
    set(4, 512, 1024, -INFINITY); // Tiles of all widths.
    set(5, 0, longRow - 1, -INFINITY);
    set(6, 0, longRow, -INFINITY), set(6, 3, 4, INFINITY);
    set(7, 0, longRow, -3000); // exp(3000) is none, exp(0) is.
    set(8, 0, longRow, -3000), set(8, 4096, 8192, -INFINITY);
    set(9, 100, 101, 3000);
    const ArrayMap wanted = compile(made.g, {.engine = Engine::Interpreter}).run(made.inputs);
    const double tolerance = dtype == f32 ? 1e-5 : 4e-3;
    expectClose(wanted, runLong(made, {}, true), tolerance);
    if (dtype == f32) // Tiles of 16 bits are above.
      expectClose(wanted, runLong(made, {.target = Target::cuda("sm_90")}, true), tolerance);
  }
}

TEST(LongRows, HaveTheSameBitsOnAnyNumberOfThreads) {
  Case made;
  buildLong(made, Loss::Labels, f32);
  const ArrayMap first = runLong(made, {.threads = 1}, true);
  for (int64_t threads : {2, 3, 7})
    for (const auto &[name, array] : runLong(made, {.threads = threads}, true))
      EXPECT_EQ(
          std::memcmp(array.data(), first.at(name).data(), static_cast<size_t>(array.numBytes())),
          0)
          << name << " on " << threads << " threads";
}

TEST(LongRows, ReportALabelThatIsNone) {
  struct Way {
    int32_t label;
    CompileOptions options;
  };
  const Way ways[] = {{longRow, {}}, {-1, {}}, {longRow, {.target = Target::cuda("sm_90")}}};
  for (const Way &way : ways) {
    Case made;
    buildLong(made, Loss::Labels, f32);
    made.inputs.at("labels").as<int32_t>()[77] = way.label;
    try {
      runLong(made, way.options, true);
      ADD_FAILURE() << "nothing was reported";
    } catch (const Error &error) {
      const std::string text = error.what();
      EXPECT_NE(text.find("pick"), text.npos) << text;
      EXPECT_NE(text.find(std::to_string(way.label)), text.npos) << text;
      EXPECT_NE(text.find(std::to_string(longRow)), text.npos) << text;
    }
  }
}

/// Tested for NaNs they stay whole: an infinite tile would be none of the user's.
TEST(LongRows, AreTestedForNans) {
  Case loss;
  buildLong(loss, Loss::Labels, f32);
  Executable program = compile(loss.g, {.checkNan = true});
  program.run(loss.inputs);
  loss.inputs.at("bias").as<float>()[longRow / 2] = NAN;
  try {
    program.run(loss.inputs);
    ADD_FAILURE() << "no NaN was found";
  } catch (const Error &error) {
    EXPECT_NE(std::string(error.what()).find("bias"), std::string::npos) << error.what();
  }
}

} // namespace
