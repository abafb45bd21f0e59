// SPDX-License-Identifier: Apache-2.0
// CompileOptions::checkNan with kernels of a GPU, run on the host: every form's results are looked
// at, and the op is named where what it read is still there.
#include "tests/unit/runtime/NanForms.h"

#include <cstring>
#include <gtest/gtest.h>
#include <limits>
#include <optional>

using namespace sinter;
using namespace sinter::test;

namespace {

std::optional<Error> errorOf(const std::function<void()> &call) {
  try {
    call();
  } catch (const Error &error) {
    return error;
  }
  return std::nullopt;
}

bool contains(const std::string &text, const std::string &part) {
  return text.find(part) != std::string::npos;
}

CompileOptions checked(std::vector<Tensor> outputs, Updates updates = {}) {
  CompileOptions options{
      .outputs = std::move(outputs), .updates = std::move(updates), .target = Target::cuda()};
  options.checkNan = true;
  return options;
}

class CudaCheckNan : public testing::TestWithParam<FormCase> {};

TEST_P(CudaCheckNan, NamesTheOp) {
  const FormCase &form = GetParam();
  Graph g;
  Tensor x = g.placeholder("x", f32, Shape(form.sizes)), y = form.build(g, x);
  Executable executable = compile(g, checked({y}));
  auto error = errorOf([&] { executable({{"x", with(form.sizes, form.at, form.value)}}); });
  ASSERT_TRUE(error) << "nothing was reported";
  EXPECT_EQ(error->op(), form.op) << error->what();
  EXPECT_TRUE(contains(error->message(), "made ")) << error->what();
  EXPECT_TRUE(contains(error->location().file, "NanForms.h")) << error->what();
  if (form.at < 0)
    return;
  Array good = with(form.sizes);
  Array got = executable({{"x", good}})[0];
  Array want = compile(g, {.outputs = {y}, .target = Target::cuda()})({{"x", good}})[0];
  EXPECT_EQ(std::memcmp(got.data(), want.data(), static_cast<size_t>(got.numBytes())), 0);
}

INSTANTIATE_TEST_SUITE_P(Forms, CudaCheckNan, testing::ValuesIn(nanForms),
                         [](const auto &info) { return std::string(info.param.name); });

TEST(CudaCheckNanTest, MasksAreNoMistake) {
  Graph g;
  Tensor x = g.placeholder("x", f32, {24, 24}), keep = x > 1;
  Tensor masked = where(keep, x, -std::numeric_limits<double>::infinity());
  Executable executable = compile(g, checked({masked, softmax(masked), masked.max({1})}));
  EXPECT_FALSE(errorOf([&] { executable({{"x", with({24, 24})}}); }));
  auto error = errorOf([&] {
    executable({{"x", with({24, 24}, 77, std::numeric_limits<float>::infinity())}});
  });
  ASSERT_TRUE(error);
  EXPECT_TRUE(contains(error->message(), "input 'x' holds inf")) << error->what();
}

TEST(CudaCheckNanTest, WhatIsOverwrittenNamesTheKernel) {
  Graph g;
  Tensor x = g.placeholder("x", f32, {300});
  Tensor w = g.parameter("w", f32, {300}, init::constant(1));
  Executable executable = compile(g, checked({}, {{w, w * x}}));
  State state(g, 1);
  EXPECT_FALSE(errorOf([&] { executable(state, {{"x", with({300})}}); }));
  auto error = errorOf([&] {
    executable(state, {{"x", with({300}, 5, std::numeric_limits<float>::infinity())}});
  });
  ASSERT_TRUE(error);
  EXPECT_TRUE(contains(error->message(), "came out of a kernel of mul, element [5] of f32[300]"))
      << error->what();
  EXPECT_TRUE(contains(error->hint(), "bad values")) << error->what();
}

} // namespace
