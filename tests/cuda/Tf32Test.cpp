// SPDX-License-Identifier: Apache-2.0
// Products of f32 on tensor cores that keep 10 bits of the operands' fractions, run on the host
// over sizes, layouts, rows that begin at no 16 bytes, operands that are computed, and what
// follows. The oracle rounds operands as the instruction says and adds in double; the bound is that
// of sums in f32. SINTER_HOST_GPU_ALL=1 tries every combination, else a seed draws some.
#include "tests/cuda/Schedules.h"

#include <bit>
#include <cmath>
#include <cstdlib>
#include <gtest/gtest.h>

using namespace sinter;
using scheduletest::Entry;

namespace {

enum class Left { Plain, Sliced, Computed };
enum class After { Nothing, Bias, RowSum };

struct Product {
  int64_t m, n, k, batch;
  bool isLeftTransposed, isRightTransposed;
  Left left;
  After after;

  std::string str() const {
    return std::to_string(batch) + " times " + std::to_string(m) + " x " + std::to_string(n) +
           " x " + std::to_string(k) + (isLeftTransposed ? " t" : " n") +
           (isRightTransposed ? "t" : "n") + " left " + std::to_string(static_cast<int>(left)) +
           " after " + std::to_string(static_cast<int>(after));
  }
};

std::vector<Product> allProducts() {
  std::vector<Product> all;
  for (auto [m, n, k] : std::initializer_list<std::array<int64_t, 3>>{{9, 9, 9},
                                                                      {16, 16, 8},
                                                                      {17, 33, 65},
                                                                      {64, 64, 64},
                                                                      {61, 75, 83},
                                                                      {128, 36, 40},
                                                                      {40, 130, 20},
                                                                      {12, 20, 1000},
                                                                      {12, 21, 1003},
                                                                      {130, 132, 12}})
    for (int64_t batch : {1, 3})
      for (int layout = 0; layout < 4; ++layout)
        for (Left left : {Left::Plain, Left::Sliced, Left::Computed})
          for (After after : {After::Nothing, After::Bias, After::RowSum})
            all.push_back({m, n, k, batch, (layout & 1) != 0, (layout & 2) != 0, left, after});
  return all;
}

/// Round to nearest, ties away from zero, at 10 bits: cvt.rna.tf32.f32 for finite values.
float rounded(float x) {
  return std::bit_cast<float>((std::bit_cast<uint32_t>(x) + 0x1000) & 0xffffe000u);
}

/// Values between -2 and 2, all bits of the fraction used.
std::vector<float> draw(int64_t count, uint32_t seed) {
  std::vector<float> values;
  for (uint32_t state = seed; count > 0; --count) {
    state = state * 1664525 + 1013904223;
    values.push_back(static_cast<float>(static_cast<int32_t>(state)) * 0x1p-30f);
  }
  return values;
}

/// A product in a graph of its own names, and what it must give.
class Checked {
public:
  Checked(const Product &p, size_t number) : p(p), name("p" + std::to_string(number)) {}

  void build(Graph &g) {
    const int64_t rows = p.isLeftTransposed ? p.k : p.m, columns = p.isLeftTransposed ? p.m : p.k;
    const int64_t extra = p.left == Left::Sliced ? 3 : 0;
    Tensor a = g.placeholder(name + "_a", f32, {p.batch, rows, columns + extra});
    if (p.left == Left::Sliced)
      a = slice(a, 2, 1, columns + 1);
    if (p.left == Left::Computed)
      a = maximum(a, -0.75f) * 0.375f;
    Tensor b =
        g.placeholder(name + "_b", f32,
                      p.isRightTransposed ? Shape{p.batch, p.n, p.k} : Shape{p.batch, p.k, p.n});
    Tensor y = dotGeneral(a, b,
                          {.lhsBatch = {0},
                           .rhsBatch = {0},
                           .lhsContract = {p.isLeftTransposed ? 1 : 2},
                           .rhsContract = {p.isRightTransposed ? 2 : 1}});
    if (p.after == After::Bias)
      y = maximum(y + g.placeholder(name + "_bias", f32, {p.n}), 0.25f);
    if (p.after == After::RowSum)
      y = sum(y, {2});
    g.output(name, y);
  }

  void addInputs(ArrayMap &inputs) {
    const int64_t rows = p.isLeftTransposed ? p.k : p.m, columns = p.isLeftTransposed ? p.m : p.k;
    pitch = columns + (p.left == Left::Sliced ? 3 : 0);
    a = draw(p.batch * rows * pitch, 1);
    b = draw(p.batch * p.n * p.k, 2);
    bias = draw(p.n, 3);
    inputs[name + "_a"] = Array::from(a, {p.batch, rows, pitch});
    inputs[name + "_b"] = p.isRightTransposed ? Array::from(b, {p.batch, p.n, p.k})
                                              : Array::from(b, {p.batch, p.k, p.n});
    if (p.after == After::Bias)
      inputs[name + "_bias"] = Array::from(bias, {p.n});
  }

  /// "" or the first element that is wrong. `isRounded`: the kernel uses tensor cores.
  std::string problem(const ArrayMap &results, bool isRounded) const {
    const Array &got = results.at(name);
    double furthest = 0; // From what operands that are not rounded give, in units of the bound.
    for (int64_t u = 0; u < p.batch; ++u)
      for (int64_t i = 0; i < p.m; ++i) {
        double rowSum = 0, rowBound = 0;
        for (int64_t j = 0; j < p.n; ++j) {
          double sum = 0, plain = 0, size = 0;
          for (int64_t k = 0; k < p.k; ++k) {
            const float x = left(u, i, k), y = right(u, k, j);
            plain += double(x) * double(y);
            const double term =
                isRounded ? double(rounded(x)) * double(rounded(y)) : double(x) * double(y);
            sum += term;
            size += std::abs(term);
          }
          double bound = 0x1p-23 * (std::sqrt(double(p.k)) + 4) * size;
          if (p.after == After::RowSum) {
            rowSum += sum;
            rowBound += bound + 0x1p-22 * std::abs(sum);
            continue;
          }
          if (p.after == After::Bias) {
            const double shift = bias[static_cast<size_t>(j)];
            bound += 0x1p-22 * std::abs(sum + shift);
            sum = std::max(sum + shift, 0.25);
            plain = std::max(plain + shift, 0.25);
          }
          const double value = got.as<float>()[(u * p.m + i) * p.n + j];
          furthest = std::max(furthest, std::abs(value - plain) / bound);
          if (!(std::abs(value - sum) <= bound))
            return wrong((u * p.m + i) * p.n + j, value, sum, bound);
        }
        if (p.after != After::RowSum)
          continue;
        const double value = got.as<float>()[u * p.m + i];
        if (!(std::abs(value - rowSum) <= rowBound))
          return wrong(u * p.m + i, value, rowSum, rowBound);
      }
    // Sums of rows have too wide a bound to tell.
    return isRounded && p.after != After::RowSum && furthest < 4
               ? p.str() + ": operands were not rounded\n"
               : "";
  }

private:
  float left(int64_t u, int64_t i, int64_t k) const {
    const int64_t rows = p.isLeftTransposed ? p.k : p.m;
    const int64_t row = p.isLeftTransposed ? k : i, column = p.isLeftTransposed ? i : k;
    const float x = a[static_cast<size_t>((u * rows + row) * pitch + column +
                                          (p.left == Left::Sliced ? 1 : 0))];
    return p.left == Left::Computed ? std::max(x, -0.75f) * 0.375f : x;
  }
  float right(int64_t u, int64_t k, int64_t j) const {
    return b[static_cast<size_t>(u * p.n * p.k +
                                 (p.isRightTransposed ? j * p.k + k : k * p.n + j))];
  }
  std::string wrong(int64_t element, double value, double want, double bound) const {
    return p.str() + ": element " + std::to_string(element) + " is " + std::to_string(value) +
           ", not " + std::to_string(want) + " within " + std::to_string(bound) + "\n";
  }

  Product p;
  std::string name;
  int64_t pitch = 0;
  std::vector<float> a, b, bias;
};

TEST(CudaTf32, SumsOfRoundedOperands) {
  constexpr size_t together = 24, fewest = 96;
  setenv("SINTER_HOST_GPU_OPTIMISE", "0", /*overwrite=*/0);
  std::vector<Product> all = allProducts();
  std::mt19937 random(7);
  for (size_t i = 0; i < all.size(); ++i)
    std::swap(all[i], all[i + random() % (all.size() - i)]);
  if (!std::getenv("SINTER_HOST_GPU_ALL"))
    all.resize(fewest);
  const CompileOptions options{.target = Target::cuda(), .tf32 = true};
  size_t roundedOnes = 0;
  for (size_t first = 0; first < all.size(); first += together) {
    Graph g;
    std::vector<Checked> checked;
    std::vector<bool> isRounded;
    for (size_t i = first; i < std::min(all.size(), first + together); ++i) {
      checked.emplace_back(all[i], i);
      checked.back().build(g);
      Graph alone;
      checked.back().build(alone);
      for (const Entry &entry : scheduletest::entriesOf(scheduleText(alone, options)))
        if (entry.form == "contraction")
          isRounded.push_back(entry.field("gpuKernel").value == 1);
      ASSERT_EQ(isRounded.size(), checked.size()) << all[i].str();
      roundedOnes += isRounded.back();
    }
    ArrayMap inputs;
    for (Checked &one : checked)
      one.addInputs(inputs);
    const ArrayMap results = compile(g, options).run(inputs);
    for (size_t i = 0; i < checked.size(); ++i)
      EXPECT_EQ(checked[i].problem(results, isRounded[i]), "");
  }
  std::printf("%zu products, %zu of them on tensor cores\n", all.size(), roundedOnes);
  EXPECT_GT(roundedOnes, all.size() / 2);
}

} // namespace
