// SPDX-License-Identifier: Apache-2.0
#include "TempFolder.h"

#include <cmath>
#include <limits>
#include <thread>

using namespace sinter;

namespace {

constexpr int64_t huge = std::numeric_limits<int64_t>::max();

Array counted(std::vector<int64_t> sizes) {
  Array array(i32, std::move(sizes));
  for (int32_t i = 0; i < array.numElements(); ++i)
    array.as<int32_t>()[i] = i;
  return array;
}
using Values = std::vector<int32_t>;

TEST(ArrayTest, StartsZeroedAndAligned) {
  for (DType dtype : allDTypes) {
    Array array(dtype, {3, 5});
    EXPECT_EQ(reinterpret_cast<uintptr_t>(array.data()) % 64, 0u);
    EXPECT_EQ(array.numBytes(), 15 * byteSize(dtype));
    EXPECT_EQ(array.toVector<double>(), std::vector<double>(15, 0));
    EXPECT_TRUE(array.isContiguous());
  }
  EXPECT_EQ(Array().str(), "f32[] = 0");
  EXPECT_EQ(Array().item(), 0);
}

TEST(ArrayTest, FromAndScalar) {
  Array array = Array::from<float>({1, 2, 3, 4, 5, 6}, {2, 3});
  EXPECT_EQ(array.dtype(), f32);
  EXPECT_EQ(array.at({1, 2}), 6);
  EXPECT_EQ(array.at<int>({0, 1}), 2);
  EXPECT_EQ(array.str(), "f32[2, 3] = [[1, 2, 3], [4, 5, 6]]");
  EXPECT_EQ(Array::from<bool>({true, false}).str(), "bool[2] = [true, false]");
  EXPECT_EQ(Array::from<uint8_t>({7, 200}).str(), "u8[2] = [7, 200]");
  EXPECT_EQ(Array::from<int8_t>({7, -56}).str(), "i8[2] = [7, -56]");
  EXPECT_EQ(Array::from<Half>({Half(0.5), Half(-2)}).str(), "f16[2] = [0.5, -2]");
  EXPECT_EQ(Array::scalar(int64_t{1} << 62).item<int64_t>(), int64_t{1} << 62);
  EXPECT_THROW(Array::from<float>({1, 2, 3}, {2, 2}), Error);
  EXPECT_EQ(counted({100}).str(), "i32[100]");
}

TEST(ArrayTest, CopiesShareStorage) {
  Array a = counted({4}), b = a;
  b.as<int32_t>()[2] = 77;
  EXPECT_EQ(a.at({2}), 77);
  Array c = a.clone();
  c.fill(0);
  EXPECT_EQ(a.at({2}), 77);
}

TEST(ArrayTest, AccessIsChecked) {
  Array array = counted({2, 3});
  EXPECT_THROW(array.at({2, 0}), Error);
  EXPECT_THROW(array.at({0, -1}), Error);
  EXPECT_THROW(array.at({0}), Error);
  EXPECT_THROW(array.at({0, 0, 0}), Error);
  EXPECT_THROW(array.item(), Error);
  EXPECT_THROW(array.as<float>(), Error);
  EXPECT_THROW(Array(f32, {0}).item(), Error);
}

TEST(ArrayTest, BadSizesAreErrors) {
  EXPECT_EQ(codeOf([] { Array(f32, {-1}); }), ErrorCode::Diagnostics);
  EXPECT_EQ(codeOf([] { Array(f32, {int64_t{1} << 32, int64_t{1} << 32}); }), ErrorCode::Limit);
  EXPECT_EQ(codeOf([] { Array(f64, {huge / 4}); }), ErrorCode::Limit);
  EXPECT_EQ(codeOf([] { Array(f32, {0, huge, huge}); }), ErrorCode::Limit);
}

TEST(ArrayTest, LargeArraysAreZeroedToo) {
  Array array(i64, {5 << 20});
  EXPECT_EQ(reinterpret_cast<uintptr_t>(array.data()) % 64, 0u);
  array.as<int64_t>()[(5 << 20) - 1] = 3;
  EXPECT_EQ(array.at<int64_t>({(5 << 20) - 1}), 3);
  EXPECT_EQ(array.at<int64_t>({12345}), 0);
  EXPECT_EQ(codeOf([] { Array(f32, {int64_t{1} << 55}); }), ErrorCode::Limit)
      << "more than any machine has";
}

TEST(ArrayTest, EmptyArraysWork) {
  Array array(f32, {0, 3});
  EXPECT_NE(array.data(), nullptr);
  EXPECT_EQ(array.numElements(), 0);
  EXPECT_TRUE(array.isContiguous());
  EXPECT_TRUE(array.toVector<float>().empty());
  EXPECT_EQ(array.transpose().sizes(), (std::vector<int64_t>{3, 0}));
  EXPECT_EQ(array.reshape({3, 0, 2}).numElements(), 0);
  EXPECT_EQ(array.clone().sizes(), array.sizes());
  EXPECT_EQ(array.cast(i64).dtype(), i64);
  EXPECT_EQ(counted({2, 3}).slice(1, 3, 3).numElements(), 0);
  EXPECT_EQ(counted({2, 3}).slice(0, 1, 1).transpose().clone().numElements(), 0);
  array.fill(1);
  array.copyFrom(Array(f32, {0, 3}));
  EXPECT_EQ(array.str(), "f32[0, 3]");
}

TEST(ArrayTest, TransposesAreViews) {
  Array array = counted({2, 3, 4});
  Array view = array.transpose({2, 0, 1});
  EXPECT_EQ(view.sizes(), (std::vector<int64_t>{4, 2, 3}));
  EXPECT_EQ(view.data(), array.data());
  EXPECT_FALSE(view.isContiguous());
  for (int64_t i = 0; i < 4; ++i)
    for (int64_t j = 0; j < 2; ++j)
      for (int64_t k = 0; k < 3; ++k)
        EXPECT_EQ(view.at({i, j, k}), array.at({j, k, i}));
  EXPECT_EQ(counted({2, 3}).transpose().toVector<int32_t>(), (Values{0, 3, 1, 4, 2, 5}));
  EXPECT_EQ(counted({2, 3}).transpose().contiguous().transpose().clone().toVector<int32_t>(),
            counted({2, 3}).toVector<int32_t>());
  for (std::vector<int64_t> bad :
       std::vector<std::vector<int64_t>>{{0, 1}, {0, 1, 1}, {0, 1, 3}, {-1, 0, 1}, {0, 1, 2, 3}})
    EXPECT_THROW(array.transpose(bad), Error);
}

TEST(ArrayTest, SlicesAreViews) {
  Array array = counted({4, 6});
  Array view = array.slice(1, 1, 6, 2).slice(0, 1, 3);
  EXPECT_EQ(view.toVector<int32_t>(), (Values{7, 9, 11, 13, 15, 17}));
  view.fill(-1);
  EXPECT_EQ(array.at({1, 3}), -1);
  EXPECT_EQ(array.at({1, 2}), 8);
  EXPECT_EQ(array.select(0, 3).toVector<int32_t>(), (Values{18, 19, 20, 21, 22, 23}));
  EXPECT_EQ(array.select(1, 5).select(0, 3).item(), 23);
  EXPECT_EQ(array.slice(1, 0, 6, huge).sizes(), (std::vector<int64_t>{4, 1}));
  EXPECT_TRUE(array.slice(0, 1, 3).isContiguous());
  EXPECT_THROW(array.slice(0, 0, 5), Error);
  EXPECT_THROW(array.slice(0, -1, 2), Error);
  EXPECT_THROW(array.slice(0, 3, 2), Error);
  EXPECT_THROW(array.slice(0, 0, 2, 0), Error);
  EXPECT_THROW(array.slice(2, 0, 1), Error);
  EXPECT_THROW(array.select(0, 4), Error);
  EXPECT_THROW(Array().slice(0, 0, 0), Error);
}

TEST(ArrayTest, WrapsForeignMemory) {
  std::vector<int32_t> memory = {0, 1, 2, 3, 4, 5};
  Array view = Array::wrap(memory.data(), i32, {2, 3});
  view.as<int32_t>()[4] = 9;
  EXPECT_EQ(memory[4], 9);
  auto owner = std::make_shared<std::vector<int32_t>>(4, 1);
  std::weak_ptr<std::vector<int32_t>> watch = owner;
  Array kept = Array::wrap(owner->data(), i32, {4}, {}, owner).slice(0, 1, 3);
  owner.reset();
  EXPECT_FALSE(watch.expired());
  EXPECT_EQ(kept.toVector<int32_t>(), (Values{1, 1}));
  kept = Array();
  EXPECT_TRUE(watch.expired());
}

TEST(ArrayTest, NegativeAndZeroStrides) {
  std::vector<int32_t> memory = {0, 1, 2, 3, 4, 5};
  Array reversed = Array::wrap(&memory[5], i32, {2, 3}, {-3, -1});
  EXPECT_EQ(reversed.toVector<int32_t>(), (Values{5, 4, 3, 2, 1, 0}));
  EXPECT_EQ(reversed.clone().toVector<int32_t>(), (Values{5, 4, 3, 2, 1, 0}));
  EXPECT_EQ(reversed.slice(1, 0, 3, 2).transpose().toVector<int32_t>(), (Values{5, 2, 3, 0}));
  Array repeated = Array::wrap(memory.data(), i32, {3, 2}, {0, 1});
  EXPECT_EQ(repeated.toVector<int32_t>(), (Values{0, 1, 0, 1, 0, 1}));
  EXPECT_EQ(repeated.reshape({6}).toVector<int32_t>(), (Values{0, 1, 0, 1, 0, 1}));
}

TEST(ArrayTest, WrapChecksItsArguments) {
  alignas(8) char memory[64] = {};
  EXPECT_THROW(Array::wrap(memory, f32, {2, 2}, {1}), Error);
  EXPECT_THROW(Array::wrap(memory, f32, {-2}), Error);
  EXPECT_THROW(Array::wrap(nullptr, f32, {2}), Error);
  EXPECT_NO_THROW(Array::wrap(nullptr, f32, {0}));
  EXPECT_THROW(Array::wrap(memory + 1, f32, {2}), Error);
  EXPECT_THROW(Array::wrap(memory, f32, {huge, huge}, {0, 0}), Error);
  EXPECT_THROW(Array::wrap(memory, f32, {2, 3}, {huge, 1}), Error);
  EXPECT_THROW(Array::wrap(memory, f32, {2}, {std::numeric_limits<int64_t>::min()}), Error);
}

TEST(ArrayTest, Reshape) {
  Array array = counted({2, 6});
  EXPECT_EQ(array.reshape({3, -1}).sizes(), (std::vector<int64_t>{3, 4}));
  EXPECT_EQ(array.reshape({3, 4}).data(), array.data());
  EXPECT_EQ(array.transpose().reshape({12}).toVector<int32_t>(),
            (Values{0, 6, 1, 7, 2, 8, 3, 9, 4, 10, 5, 11}));
  EXPECT_EQ(Array::scalar(3.0f).reshape({1, 1}).rank(), 2);
  EXPECT_EQ(counted({1}).reshape({}).rank(), 0);
  for (std::vector<int64_t> bad : std::vector<std::vector<int64_t>>{
           {5}, {-1, -1}, {-2, -6}, {5, -1}, {0, -1}, {huge, huge}, {huge, huge, -1}, {}})
    EXPECT_THROW(array.reshape(bad), Error);
}

TEST(ArrayTest, CopyFrom) {
  Array target(i32, {3, 4}), source = counted({4, 3});
  target.copyFrom(source.transpose());
  EXPECT_EQ(target.toVector<int32_t>(), source.transpose().toVector<int32_t>());
  target.slice(0, 0, 1).copyFrom(target.slice(0, 2, 3));
  EXPECT_EQ(target.at({0, 1}), target.at({2, 1}));
  EXPECT_THROW(target.copyFrom(source), Error);
  EXPECT_THROW(target.copyFrom(Array(f32, {3, 4})), Error);
}

TEST(ArrayTest, CopyBetweenOverlappingViewsReadsFirst) {
  Array square = counted({3, 3});
  square.copyFrom(square.transpose());
  EXPECT_EQ(square.toVector<int32_t>(), (Values{0, 3, 6, 1, 4, 7, 2, 5, 8}));
  Array line = counted({6});
  line.slice(0, 1, 6).copyFrom(line.slice(0, 0, 5));
  EXPECT_EQ(line.toVector<int32_t>(), (Values{0, 0, 1, 2, 3, 4}));
  line.copyFrom(line);
  EXPECT_EQ(line.toVector<int32_t>(), (Values{0, 0, 1, 2, 3, 4}));
}

TEST(ArrayTest, ConversionsAreDefinedForEveryValue) {
  double inf = std::numeric_limits<double>::infinity(), nan = std::nan("");
  Array array = Array::from<double>({1.9, -1.9, 1e300, -1e300, inf, -inf, nan, 0, 2147483647.5});
  EXPECT_EQ(array.cast(i32).toVector<int32_t>(),
            (Values{1, -1, INT32_MAX, INT32_MIN, INT32_MAX, INT32_MIN, 0, 0, INT32_MAX}));
  EXPECT_EQ(array.cast(i64).at<int64_t>({4}), INT64_MAX);
  EXPECT_EQ(array.cast(u8).toVector<int>(), (std::vector<int>{1, 0, 255, 0, 255, 0, 0, 0, 255}));
  EXPECT_EQ(array.cast(i8).toVector<int>(),
            (std::vector<int>{1, -1, 127, -128, 127, -128, 0, 0, 127}));
  EXPECT_EQ(array.cast(u64).at<uint64_t>({4}), UINT64_MAX);
  EXPECT_EQ(Array::scalar(300).cast(u8).item<int>(), 44);
  EXPECT_EQ(Array::scalar(-1).cast(u64).item<uint64_t>(), UINT64_MAX);
  EXPECT_EQ(Array::scalar(2049.0).cast(f16).item(), 2048);
  EXPECT_EQ(Array::scalar(2049.0).cast(f16).cast(bf16).cast(i16).item<int>(), 2048);
  EXPECT_EQ(Array::scalar(Half(-1.5)).cast(i32).item<int>(), -1);
  EXPECT_EQ(Array::scalar(Half(-1.5)).cast(u16).item<int>(), 0);
  EXPECT_EQ(array.cast(boolean).toVector<int>(), (std::vector<int>{1, 1, 1, 1, 1, 1, 1, 0, 1}));
  EXPECT_EQ(Array::scalar((int64_t{1} << 32) + 5).cast(i32).item<int>(), 5);
  EXPECT_EQ(Array::scalar(true).cast(f32).item(), 1);
  EXPECT_EQ(Array::scalar(-1.0f).item<uint8_t>(), 0);
  EXPECT_EQ(array.cast(f64).data(), array.data());
  Array half(boolean, {1});
  half.fill(0.5);
  EXPECT_TRUE(half.item<bool>());
}

TEST(ArrayTest, ForeignBoolsMayBeAnyByte) {
  uint8_t bytes[] = {0, 2, 255};
  Array array = Array::wrap(bytes, boolean, {3});
  EXPECT_EQ(array.toVector<int>(), (std::vector<int>{0, 1, 1}));
  EXPECT_EQ(array.cast(f32).at({2}), 1);
}

/// Random chains of views against a plain list of indices.
TEST(ArrayTest, RandomViewsReadTheRightElements) {
  uint64_t state = 1;
  auto pick = [&](int64_t bound) {
    state = state * 6364136223846793005 + 1442695040888963407;
    return static_cast<int64_t>((state >> 33) % static_cast<uint64_t>(bound));
  };
  for (int round = 0; round < 300; ++round) {
    Array view = counted({1 + pick(4), 1 + pick(4), 1 + pick(5)});
    for (int i = 0; i < 4; ++i) {
      Array before = view;
      std::vector<int64_t> size = before.sizes();
      int64_t axis = before.rank() > 0 ? pick(before.rank()) : 0;
      switch (before.rank() == 0 ? 3 : pick(4)) {
      case 0: {
        view = before.transpose();
        std::vector<int64_t> index, back;
        for (int64_t extent : size)
          index.push_back(extent > 0 ? pick(extent) : 0);
        back.assign(index.rbegin(), index.rend());
        if (before.numElements() > 0) {
          ASSERT_EQ(view.at(back), before.at(index));
        }
        break;
      }
      case 1: {
        int64_t extent = size[static_cast<size_t>(axis)], start = pick(extent + 1);
        int64_t limit = start + pick(extent - start + 1), step = 1 + pick(3);
        view = before.slice(axis, start, limit, step);
        if (view.numElements() > 0) {
          std::vector<int64_t> index;
          for (int64_t each : view.sizes())
            index.push_back(pick(each));
          std::vector<int64_t> old = index;
          old[static_cast<size_t>(axis)] = start + old[static_cast<size_t>(axis)] * step;
          ASSERT_EQ(view.at(index), before.at(old));
        }
        break;
      }
      case 2:
        view = before.reshape({-1});
        ASSERT_EQ(view.toVector<int32_t>(), before.toVector<int32_t>());
        break;
      default:
        view = before.clone();
        break;
      }
      if (view.numElements() == 0)
        break;
      ASSERT_EQ(view.clone().toVector<int32_t>(), view.toVector<int32_t>());
      ASSERT_EQ(view.cast(f64).toVector<int32_t>(), view.toVector<int32_t>());
    }
  }
}

} // namespace
