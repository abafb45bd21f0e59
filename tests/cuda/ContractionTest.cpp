// SPDX-License-Identifier: Apache-2.0
// Every kernel of contractions of a GPU, run on the host against the interpreter: layouts, sizes
// that fill no tile, batches, named sizes, what is computed before and after. The kernel that a
// case is for must be the one that runs.
#include "tests/cuda/Draw.h"

#include "sinter/runtime/Session.h"
#include "sinter/sinter.h"

#include <cmath>
#include <gtest/gtest.h>

using namespace sinter;
using test::draw;

namespace {

enum Extras : unsigned { None = 0, After = 1, Before = 2, Named = 4, Tf32 = 8, NamedDepth = 16 };

struct Setting {
  std::string name;
  std::string kernel; ///< What the schedule must say: GpuContraction's number.
  int64_t m, n, k;
  DType dtype = f32;
  const char *layout = "nn"; ///< t: an operand lies transposed.
  int64_t batch = 0;
  unsigned extras = None;
  DType sum = dtype; ///< The operands are cast to it.
  bool splits = false;
};
std::ostream &operator<<(std::ostream &stream, const Setting &s) { return stream << s.name; }

/// The kernels, as schedules number them.
const std::string simt = "gpuKernel = 0", matrix = "gpuKernel = 1", hopper = "gpuKernel = 2",
                  rows = "gpuKernel = 3", columns = "gpuKernel = 4", pair = "gpuKernel = 5",
                  tiny = "gpuKernel = 6";

const Setting settings[] = {
    {"Exact", simt, 33, 37, 19},
    {"ExactPacks", simt, 64, 64, 64, f32, "nn", 0, After},
    {"ExactTransposed", simt, 36, 44, 28, f32, "tt", 0, After},
    {"ExactMixed", simt, 45, 41, 23, f32, "nt", 2, After},
    {"ExactSmallTile", simt, 20, 9, 5, f32, "nn", 0, After},
    {"TinyOneRow", tiny, 1, 9, 5, f32, "nn", 0, After},
    {"TinyBatch", tiny, 3, 3, 3, f32, "tt", 41, After},
    {"TinyHalf", tiny, 4, 16, 8, f16, "nt", 3, After},
    {"TinyBytes", tiny, 5, 4, 7, u8, "tn", 2},
    {"TinyOuter", tiny, 70, 60, 1, f32, "nn", 0, Before | After},
    {"TinyLongs", tiny, 7, 6, 5, i64, "nn", 0},
    {"ExactNamed", simt, 45, 12, 20, f32, "tn", 0, After | Named},
    {"ExactNamedDepth", simt, 60, 28, 77, f32, "tn", 0, After | NamedDepth, f32, true},
    {"ExactSplit", simt, 10, 12, 1111, f32, "nn", 0, After, f32, true},
    {"ExactLarge", simt, 1410, 1500, 12, f32, "nn", 0, After},
    {"ExactComputed", simt, 50, 40, 30, f32, "nn", 0, Before | After},
    {"ExactComputedTransposed", simt, 50, 40, 30, f32, "tt", 0, Before},
    {"Double", simt, 65, 36, 40, f64, "nn", 3, After},
    {"Bytes", simt, 48, 40, 100, i8},
    {"UnsignedBytesWide", simt, 48, 40, 100, u8, "nt", 0, None, i32},
    {"Longs", simt, 31, 40, 33, i64, "tt"},
    {"Half", matrix, 64, 64, 64, f16, "nn", 0, None},
    {"HalfTransposed", matrix, 40, 48, 72, f16, "tt", 2, After},
    {"HalfRagged", matrix, 37, 41, 53, f16, "nt", 0, After},
    {"HalfPartialDepth", matrix, 72, 80, 40, f16, "tn", 0, After | NamedDepth, f16, true},
    {"HalfLarge", matrix, 1410, 1496, 72, f16, "nn", 0, After},
    {"HalfLargeTransposed", matrix, 1410, 1496, 40, f16, "tt", 0, After},
    {"HalfSplit", matrix, 24, 16, 4096, f16, "nn", 0, After, f16, true},
    {"HalfComputed", matrix, 70, 64, 48, f16, "nn", 0, Before | After},
    {"HalfComputedTransposed", matrix, 70, 64, 48, f16, "tt", 0, Before},
    {"HalfWide", matrix, 70, 48, 64, f16, "nn", 0, After, f32},
    {"Brain", matrix, 70, 48, 64, bf16, "nt", 0, After},
    {"Tf32", matrix, 64, 64, 64, f32, "nn", 0, Tf32},
    {"Tf32Transposed", matrix, 64, 72, 80, f32, "tt", 0, Tf32 | After},
    {"Tf32Ragged", matrix, 61, 75, 83, f32, "nn", 0, Tf32 | After},
    {"Hopper", hopper, 128, 64, 64, f16},
    {"HopperTransposed", hopper, 200, 136, 192, f16, "tt", 0, After},
    {"HopperMixed", hopper, 130, 72, 200, f16, "nt", 0, After},
    {"HopperOtherMixed", hopper, 136, 72, 72, bf16, "tn", 0, After},
    {"HopperNamed", hopper, 77, 96, 128, f16, "nn", 0, After | Named},
    {"HopperBatch", hopper, 64, 72, 136, f16, "nn", 3, After},
    {"HopperSplit", hopper, 64, 64, 2048, f16, "nt", 0, After, f16, true},
    {"HopperPair", pair, 2000, 2056, 72, f16, "nn", 0, After},
    {"HopperLargeTransposed", hopper, 1416, 1496, 72, bf16, "tt", 0, After},
    {"HopperPairTransposed", pair, 1864, 2056, 72, bf16, "tt", 0, After},
    {"HopperPairDeep", pair, 1200, 3080, 328, f16, "nt", 0, After},
    {"Vector", rows, 100, 1, 300, f32, "nn", 0, After},
    {"RowVector", rows, 1, 96, 200, f32, "nt", 0, After},
    {"FewRows", rows, 5, 96, 200, f32, "nt", 0, After},
    {"FewColumnsLong", rows, 3, 2, 9000, f32, "nn", 0, After, f32, true},
    {"FewColumnsNamed", rows, 19, 2, 256, f32, "nn", 0, After | Named},
    {"HalfVector", rows, 100, 1, 512, f16, "nn", 0, After},
    {"VectorDown", columns, 77, 8, 131, f64, "tn"},
    {"HalfVectorDown", columns, 104, 3, 300, f16, "tn", 0, None},
    {"RowVectorDown", columns, 5, 96, 700, f32, "nn", 0, After, f32, true},
    {"IntegersDown", columns, 4, 64, 2000, i32, "nn", 2, None, i32, true},
};

class CudaContraction : public testing::TestWithParam<Setting> {};

TEST_P(CudaContraction, AgreesWithTheInterpreter) {
  const Setting &s = GetParam();
  const bool isLeftTransposed = s.layout[0] == 't', isRightTransposed = s.layout[1] == 't';
  const DimExpr m = s.extras & Named ? dim("M") : DimExpr(s.m), n = s.n,
                k = s.extras & NamedDepth ? dim("K") : DimExpr(s.k);
  auto shaped = [&](auto rows, auto columns) {
    std::vector<decltype(rows)> sizes;
    if (s.batch)
      sizes.emplace_back(s.batch);
    sizes.push_back(rows);
    sizes.push_back(columns);
    return sizes;
  };
  auto operand = [&](bool transposed, auto rows, auto columns) {
    return transposed ? shaped(columns, rows) : shaped(rows, columns);
  };
  Graph g;
  auto shape = [](const std::vector<DimExpr> &sizes) {
    Shape result;
    for (const DimExpr &size : sizes)
      result.push_back(size);
    return result;
  };
  Tensor a = g.placeholder("a", s.dtype, shape(operand(isLeftTransposed, m, k))),
         b = g.placeholder("b", s.dtype, shape(operand(isRightTransposed, k, n)));
  ArrayMap inputs = {{"a", draw(s.dtype, operand(isLeftTransposed, s.m, s.k), 1, 16)},
                     {"b", draw(s.dtype, operand(isRightTransposed, s.k, s.n), 2, 16)}};
  if (s.extras & Before) {
    a = a * g.placeholder("c", s.dtype, shape(operand(isLeftTransposed, m, k)));
    b = maximum(b, 0.25) - 0.5;
    inputs.insert({"c", draw(s.dtype, operand(isLeftTransposed, s.m, s.k), 3, 16)});
  }
  if (s.sum != s.dtype)
    a = a.cast(s.sum), b = b.cast(s.sum);
  const int64_t first = s.batch ? 1 : 0;
  DotDims dims{.lhsContract = {first + (isLeftTransposed ? 0 : 1)},
               .rhsContract = {first + (isRightTransposed ? 1 : 0)}};
  if (s.batch)
    dims.lhsBatch = dims.rhsBatch = {0};
  Tensor y = dotGeneral(a, b, dims);
  if (s.extras & After) {
    y = tanh(y * 0.125 + g.placeholder("bias", s.sum, {n})) +
        g.placeholder("rest", s.sum, shape(shaped(m, n)));
    inputs.insert({"bias", draw(s.sum, {s.n}, 4, 16)});
    inputs.insert({"rest", draw(s.sum, shaped(s.m, s.n), 5, 16)});
  }
  g.output("y", y);

  const Array wanted = compile(g, {.engine = Engine::Interpreter}).run(inputs).at("y");
  std::string schedule;
  // wgmma is for sm_90a only; the same device runs code for sm_90.
  CompileOptions options = {
      .target = Target::cuda(s.kernel == hopper || s.kernel == pair ? "sm_90a" : "sm_90"),
      .tf32 = (s.extras & Tf32) != 0};
  int64_t dots = 0, kernels = 0;
  options.onStage = [&](std::string_view stage, std::string_view text) {
    if (stage != "scheduled")
      return;
    schedule = text;
    for (size_t at = 0; (at = text.find("sinter.fused", at)) != text.npos; ++at)
      ++kernels;
    for (size_t at = 0; (at = text.find("gpuKernel", at)) != text.npos; ++at)
      ++dots;
  };
  const Array got = compile(g, options).run(inputs).at("y");
  EXPECT_EQ(dots, 1);
  EXPECT_NE(schedule.find(s.kernel), std::string::npos) << "another kernel ran:\n" << schedule;
  EXPECT_EQ(schedule.find("splits = 1 ") == std::string::npos, s.splits) << schedule;

  ASSERT_EQ(got.sizes(), wanted.sizes());
  const double epsilon = s.extras & Tf32  ? 0x1p-10
                         : s.dtype == f64 ? 0x1p-52
                         : s.sum == f16   ? 0x1p-10
                         : s.sum == bf16  ? 0x1p-7
                                          : 0x1p-22;
  const double spread = std::sqrt(static_cast<double>(s.k)) * epsilon;
  int64_t bad = 0;
  for (int64_t i = 0; i < wanted.numElements() && bad < 3; ++i)
    dispatch(wanted.dtype(), [&](auto zero) {
      using T = decltype(zero);
      const T x = got.as<T>()[i], y = wanted.as<T>()[i];
      if constexpr (isFloatElement<T>) {
        const double mine = static_cast<double>(x), other = static_cast<double>(y);
        if (!(std::abs(mine - other) <= 2 * epsilon * std::abs(other) + 2 * spread) && ++bad)
          ADD_FAILURE() << "element " << i << ": " << mine << ", not " << other;
      } else if (x != y && ++bad) {
        ADD_FAILURE() << "element " << i << ": " << +x << ", not " << +y;
      }
    });
}

INSTANTIATE_TEST_SUITE_P(Settings, CudaContraction, testing::ValuesIn(settings),
                         [](const auto &info) { return info.param.name; });

} // namespace
