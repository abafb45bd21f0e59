// SPDX-License-Identifier: Apache-2.0
// Reductions of a product's rows, and of its columns, in the contraction's kernel: on the CPU, and
// by a GPU's kernels on the host, against the interpreter. Rows of one element, of a prime number,
// as long as a tile and longer; no rows, and their number named; batches and transposed operands.
#include "tests/cuda/Draw.h"

#include "sinter/runtime/Session.h"
#include "sinter/sinter.h"

#include <cmath>
#include <cstring>
#include <gtest/gtest.h>

using namespace sinter;
using test::draw;

namespace {

/// What follows the product, all of it in one kernel.
enum class Behind { Sums, ArgMax, Softmax, Loss, Labels, Norm, Columns, Gradient };
/// `Split`: so few blocks that k is split. `Apart`: a kernel of its own follows on a GPU.
enum Extras : unsigned {
  None = 0,
  Named = 1,
  Split = 2,
  Apart = 4,
  Tf32 = 8,
  Hopper = 16,
  ApartOnCpu = 32
};

struct Setting {
  std::string name;
  Behind behind;
  int64_t m, n, k;
  DType dtype = f32;
  const char *layout = "nn"; ///< t: an operand lies transposed.
  int64_t batch = 0;
  unsigned extras = None;
};
std::ostream &operator<<(std::ostream &stream, const Setting &s) { return stream << s.name; }

const Setting settings[] = {
    {"SoftmaxTen", Behind::Softmax, 70, 10, 33},
    {"SoftmaxOne", Behind::Softmax, 9, 1, 20},
    {"SoftmaxPrime", Behind::Softmax, 45, 37, 19, f32, "tt"},
    {"SoftmaxTile", Behind::Softmax, 33, 32, 40, f32, "nt", 2},
    {"SoftmaxTileAndOne", Behind::Softmax, 40, 33, 24, f32, "tn", 3},
    {"SoftmaxWide", Behind::Softmax, 40, 128, 24},
    {"SoftmaxTooWide", Behind::Softmax, 40, 129, 24, f32, "nn", 0, Apart},
    {"SoftmaxLongWide", Behind::Softmax, 40, 96, 4096, f32, "nn", 0, Split | ApartOnCpu},
    {"SoftmaxNamed", Behind::Softmax, 50, 64, 30, f32, "nn", 0, Named},
    {"SoftmaxOneRow", Behind::Softmax, 1, 48, 100, f32, "nn", 0},
    {"SoftmaxFewRows", Behind::Softmax, 5, 96, 200, f32, "nt", 0},
    {"SoftmaxFewRowsDown", Behind::Softmax, 5, 96, 700, f32, "nn", 0, Split},
    {"ColumnsFewRows", Behind::Columns, 7, 96, 256, f16, "nt", 2, ApartOnCpu},
    {"SoftmaxEmpty", Behind::Softmax, 0, 12, 8, f32, "nn", 0, Named},
    {"SoftmaxNoDepth", Behind::Softmax, 6, 12, 0},
    {"SoftmaxManyRows", Behind::Softmax, 16000, 100, 3},
    {"SoftmaxDouble", Behind::Softmax, 37, 41, 23, f64, "nt", 2},
    {"SoftmaxHalf", Behind::Softmax, 40, 56, 48, f16},
    {"SoftmaxHalfWide", Behind::Softmax, 70, 256, 64, f16, "tt"},
    {"SoftmaxBrain", Behind::Softmax, 50, 100, 72, bf16, "nt", 2},
    {"SoftmaxTf32", Behind::Softmax, 61, 75, 83, f32, "nn", 0, Tf32},
    {"SoftmaxHopper", Behind::Softmax, 200, 64, 128, f16, "nn", 0, Hopper},
    {"SoftmaxHopperWide", Behind::Softmax, 130, 128, 72, bf16, "tt", 0, Hopper},
    {"SoftmaxHopperWidest", Behind::Softmax, 150, 200, 64, f16, "nt", 2, Hopper},
    {"SoftmaxSplit", Behind::Softmax, 10, 12, 1111, f32, "nn", 0, Split},
    {"LossTen", Behind::Loss, 64, 10, 50},
    {"LossHalf", Behind::Loss, 33, 17, 40, f16},
    {"Labels", Behind::Labels, 64, 10, 50},
    {"LabelsWide", Behind::Labels, 30, 100, 24, f32, "nn", 2},
    {"LabelsHalf", Behind::Labels, 33, 17, 40, f16},
    {"LabelsSplit", Behind::Labels, 16, 12, 2048, f32, "nn", 0, Split},
    {"LabelsHopper", Behind::Labels, 130, 72, 64, bf16, "nn", 0, Hopper},
    {"Norm", Behind::Norm, 40, 96, 32},
    {"NormBrain", Behind::Norm, 65, 128, 64, bf16},
    {"NormSplit", Behind::Norm, 20, 64, 1500, f32, "nn", 0, Split},
    {"Sums", Behind::Sums, 35, 43, 21},
    {"SumsLongs", Behind::Sums, 31, 40, 33, i64, "tt"},
    {"SumsBytes", Behind::Sums, 48, 40, 100, i8},
    {"SumsUnsigned", Behind::Sums, 48, 24, 30, u8, "nt"},
    {"ArgMaxTen", Behind::ArgMax, 77, 10, 64},
    {"ArgMaxInts", Behind::ArgMax, 30, 50, 9, i32, "nt", 2},
    {"ArgMaxHalf", Behind::ArgMax, 30, 50, 40, f16},
    {"ArgMaxOneRow", Behind::ArgMax, 1, 10, 300},
    {"Columns", Behind::Columns, 75, 44, 20, f32, "nn", 0, ApartOnCpu},
    {"ColumnsBatch", Behind::Columns, 21, 36, 20, f32, "nn", 3, ApartOnCpu},
    {"ColumnsEmpty", Behind::Columns, 0, 36, 20, f32, "nn", 0, Named | ApartOnCpu},
    {"ColumnsNamed", Behind::Columns, 83, 16, 24, f16, "nn", 0, Named | ApartOnCpu},
    {"ColumnsHopper", Behind::Columns, 264, 64, 64, f16, "nn", 0, Hopper | ApartOnCpu},
    {"ColumnsSplit", Behind::Columns, 24, 20, 2000, f32, "nn", 0, Split | ApartOnCpu},
    {"ColumnsInts", Behind::Columns, 40, 33, 24, i32, "nn", 0, ApartOnCpu},
    {"Gradient", Behind::Gradient, 100, 10, 32},
    {"GradientBrain", Behind::Gradient, 100, 104, 32, bf16, "nn", 0, ApartOnCpu},
    {"GradientBatchDouble", Behind::Gradient, 19, 34, 20, f64, "nn", 2},
    {"GradientSplit", Behind::Gradient, 40, 10, 1024, f32, "nn", 0, Split},
};

struct Case {
  Graph g;
  ArrayMap inputs;
};

void build(const Setting &s, Case &made) {
  Graph &g = made.g;
  const bool isLeftTransposed = s.layout[0] == 't', isRightTransposed = s.layout[1] == 't';
  auto shaped = [&](int64_t rows, int64_t columns) {
    std::vector<int64_t> sizes{rows, columns};
    if (s.batch)
      sizes.insert(sizes.begin(), s.batch);
    return sizes;
  };
  auto input = [&](const std::string &name, std::vector<int64_t> sizes, int64_t named = -1) {
    Shape shape;
    for (size_t d = 0; d < sizes.size(); ++d)
      shape.push_back(s.extras & Named && static_cast<int64_t>(d) == named ? dim("M")
                                                                           : DimExpr(sizes[d]));
    made.inputs.insert({name, draw(s.dtype, sizes, static_cast<uint32_t>(made.inputs.size()) + 1)});
    return g.placeholder(name, s.dtype, shape);
  };
  const int64_t first = s.batch ? 1 : 0;
  Tensor a = isLeftTransposed ? input("a", shaped(s.k, s.m), first + 1)
                              : input("a", shaped(s.m, s.k), first);
  Tensor b = input("b", isRightTransposed ? shaped(s.n, s.k) : shaped(s.k, s.n));
  DotDims dims{.lhsContract = {first + (isLeftTransposed ? 0 : 1)},
               .rhsContract = {first + (isRightTransposed ? 1 : 0)}};
  if (s.batch)
    dims.lhsBatch = dims.rhsBatch = {0};
  Tensor y = dotGeneral(a, b, dims) + input("bias", {s.n});
  const Axes rows = s.batch ? Axes{0, 1} : Axes{0};
  switch (s.behind) {
  case Behind::Sums:
    g.output("y", y);
    g.output("sum", sum(y, {-1}));
    g.output("max", max(y, {-1}, /*keepDims=*/true));
    break;
  case Behind::ArgMax:
    g.output("which", argmax(y, -1));
    break;
  case Behind::Softmax:
    g.output("p", softmax(y));
    break;
  case Behind::Loss:
    g.output("loss", -sum(logSoftmax(y) * input("t", shaped(s.m, s.n), first), {-1}));
    break;
  case Behind::Labels: { // The loss of each row and its gradient in the product.
    Shape each;
    if (s.batch)
      each.push_back(s.batch);
    each.push_back(s.m);
    Tensor labels = g.placeholder("labels", i32, each);
    g.output("loss", -pick(logSoftmax(y), labels));
    g.output("raw", pick(y, labels));
    g.output("p", softmax(y));
    if (s.n <= 64) // Longer columns stay apart on a CPU.
      g.output("sums", sum(softmax(y), rows));
    Array given(i32, s.batch ? std::vector<int64_t>{s.batch, s.m} : std::vector<int64_t>{s.m});
    for (int64_t i = 0; i < given.numElements(); ++i)
      given.as<int32_t>()[i] = static_cast<int32_t>(i * 7 % s.n);
    made.inputs.insert({"labels", given});
    break;
  }
  case Behind::Norm:
    g.output("norm", layerNorm(tanh(y) + input("rest", shaped(s.m, s.n), first),
                               input("gamma", {s.n}), input("beta", {s.n})));
    break;
  case Behind::Columns:
    g.output("y", y + y);
    g.output("sum", sum(y + y, rows));
    break;
  case Behind::Gradient: {
    Tensor d = softmax(y) - input("t", shaped(s.m, s.n), first);
    g.output("d", d);
    g.output("bias_next", g.placeholder("old", s.dtype, {s.n}) - 0.5 * sum(d, rows));
    made.inputs.insert({"old", draw(s.dtype, {s.n}, 99)});
    break;
  }
  }
}

class ContractionRows : public testing::TestWithParam<Setting> {
protected:
  void compare(const ArrayMap &wanted, CompileOptions options, bool isOne, bool isSplit = false) {
    const Setting &s = GetParam();
    Case made;
    build(s, made);
    size_t kernels = 0;
    std::string fused;
    options.onStage = [&](std::string_view stage, std::string_view text) {
      if (stage != "scheduled")
        return;
      fused = text;
      // Besides copies of 16-bit operands that lie the wrong way for pairs.
      for (size_t at = 0; (at = text.find("sinter.fused \"", at)) != text.npos; ++at)
        kernels += text.substr(at).starts_with("sinter.fused \"transpose\"") ? 0 : 1;
    };
    const ArrayMap got = compile(made.g, options).run(made.inputs);
    EXPECT_EQ(kernels == 1, isOne) << fused;
    if (isSplit)
      EXPECT_EQ(fused.find("splits = 1 "), fused.npos) << fused;
    const bool usesTf32 = s.extras & Tf32;
    const double epsilon = usesTf32          ? 0x1p-10
                           : s.dtype == f64  ? 0x1p-50
                           : s.dtype == f16  ? 0x1p-10
                           : s.dtype == bf16 ? 0x1p-7
                                             : 0x1p-21;
    const double depth =
        std::sqrt(static_cast<double>((s.k + 1) * (s.behind == Behind::Columns ? s.m + 1 : 2)));
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
            if (!(std::abs(mine - other) <= 4 * epsilon * (std::abs(other) + depth)) && ++bad)
              ADD_FAILURE() << name << ", element " << i << ": " << mine << ", not " << other;
          } else if (x != y && ++bad) {
            ADD_FAILURE() << name << ", element " << i << ": " << +x << ", not " << +y;
          }
        });
    }
  }
};

TEST_P(ContractionRows, AgreeWithTheInterpreter) {
  const Setting &s = GetParam();
  Case made;
  build(s, made);
  const ArrayMap wanted = compile(made.g, {.engine = Engine::Interpreter}).run(made.inputs);
  for (const char *level : {"native", "x86-64-v3", "x86-64"}) {
    SCOPED_TRACE(level);
    compare(wanted, {.target = Target::cpu(level)}, !(s.extras & ApartOnCpu));
  }
  SCOPED_TRACE("GPU");
  compare(wanted,
          {.target = Target::cuda(s.extras & Hopper ? "sm_90a" : "sm_90"),
           .tf32 = (s.extras & Tf32) != 0},
          !(s.extras & Apart), s.extras & Split);
}

class RowsOfLabels : public ContractionRows {};

TEST_P(RowsOfLabels, HaveTheSameBitsOnAnyNumberOfThreads) {
  const Setting &s = GetParam();
  Case made;
  build(s, made);
  const ArrayMap first = compile(made.g, {.threads = 1}).run(made.inputs);
  for (int64_t threads : {2, 3, 7})
    for (const auto &[name, array] : compile(made.g, {.threads = threads}).run(made.inputs))
      EXPECT_EQ(
          std::memcmp(array.data(), first.at(name).data(), static_cast<size_t>(array.numBytes())),
          0)
          << name << " on " << threads << " threads";
}

TEST_P(RowsOfLabels, ReportALabelThatIsNone) {
  const Setting &s = GetParam();
  Case made;
  build(s, made);
  made.inputs.at("labels").as<int32_t>()[s.m / 2] = static_cast<int32_t>(s.n);
  for (const CompileOptions &options :
       {CompileOptions{}, CompileOptions{.target = Target::cuda("sm_90a")}})
    try {
      compile(made.g, options).run(made.inputs);
      ADD_FAILURE() << "nothing was reported";
    } catch (const Error &error) {
      EXPECT_NE(std::string(error.what()).find("pick"), std::string::npos) << error.what();
    }
}

/// A NaN in one row of the product is found with the op that made it; without one nothing is.
TEST_P(RowsOfLabels, AreTestedForNans) {
  const Setting &s = GetParam();
  for (const Target &target : {Target::cpu(), Target::cuda("sm_90a")}) {
    Case made;
    build(s, made);
    Executable program = compile(made.g, {.target = target, .checkNan = true});
    program.run(made.inputs);
    dispatch(s.dtype, [&](auto zero) {
      using T = decltype(zero);
      if constexpr (isFloatElement<T>)
        made.inputs.at("bias").as<T>()[s.n / 2] = static_cast<T>(NAN);
    });
    try {
      program.run(made.inputs);
      ADD_FAILURE() << "no NaN was found";
    } catch (const Error &error) {
      EXPECT_NE(std::string(error.what()).find("bias"), std::string::npos) << error.what();
    }
  }
}

std::vector<Setting> settingsOfLabels() {
  std::vector<Setting> found;
  for (const Setting &setting : settings)
    if (setting.behind == Behind::Labels)
      found.push_back(setting);
  return found;
}

std::string nameOf(const testing::TestParamInfo<Setting> &info) { return info.param.name; }
INSTANTIATE_TEST_SUITE_P(Settings, ContractionRows, testing::ValuesIn(settings), nameOf);
INSTANTIATE_TEST_SUITE_P(Labels, RowsOfLabels, testing::ValuesIn(settingsOfLabels()), nameOf);

} // namespace
