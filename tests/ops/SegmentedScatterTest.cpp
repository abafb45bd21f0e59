// SPDX-License-Identifier: Apache-2.0
// Rows scattered into a result that no cache holds: every mode, with rows met often, once and
// never, against a plain scan; the same bits on any number of threads.
#include "sinter/runtime/Session.h"
#include "tests/Levels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

namespace sinter::ops {
namespace {

/// 20000 rows are more than the 8 MiB from which on a result is scattered by segments.
constexpr int64_t places = 20000, columns = 130, updates = 5000;

/// Every third update goes to one of a few places.
Array someIndices() {
  std::vector<int32_t> indices;
  unsigned seed = 7;
  for (int64_t i = 0; i < updates; ++i) {
    seed = seed * 1664525u + 1013904223u;
    indices.push_back(static_cast<int32_t>((seed >> 8) % (i % 3 == 0 ? 5 : places)));
  }
  return Array::from(indices);
}

Array someRows(int64_t rows, unsigned seed) {
  Array array(f32, {rows, columns});
  for (int64_t i = 0; i < array.numElements(); ++i) {
    seed = seed * 1664525u + 1013904223u;
    array.as<float>()[i] = static_cast<float>(seed >> 8) * 0x1p-23f - 1.0f;
  }
  return array;
}

/// Only segments need memory of their own: each worker sorts what falls into its range of places.
void expectSegmented(const Executable &executable) {
  EXPECT_TRUE(std::ranges::any_of(executable.program().buffers, [](const Buffer &buffer) {
    return buffer.kind == Buffer::Kind::Arena;
  })) << "another kernel was tested";
}

class SegmentedScatterTest : public testing::TestWithParam<ScatterMode> {};
INSTANTIATE_TEST_SUITE_P(Modes, SegmentedScatterTest,
                         testing::Values(ScatterMode::Set, ScatterMode::Add, ScatterMode::Mul,
                                         ScatterMode::Max, ScatterMode::Min));

std::vector<float> scanned(const Array &x, const Array &indices, const Array &rows,
                           ScatterMode mode) {
  std::vector<float> wanted = x.toVector<float>();
  for (int64_t i = 0; i < updates; ++i)
    for (int64_t c = 0; c < columns; ++c) {
      float &old = wanted[static_cast<size_t>(indices.as<int32_t>()[i] * columns + c)];
      float update = rows.as<float>()[i * columns + c];
      old = mode == ScatterMode::Set   ? update
            : mode == ScatterMode::Add ? old + update
            : mode == ScatterMode::Mul ? old * update
            : mode == ScatterMode::Max ? std::max(old, update)
                                       : std::min(old, update);
    }
  return wanted;
}

TEST_P(SegmentedScatterTest, TakesUpdatesInOrder) {
  Graph g;
  Tensor x = g.placeholder("x", f32, {places, columns});
  Tensor i = g.placeholder("i", i32, {updates});
  Tensor rows = g.placeholder("rows", f32, {updates, columns});
  g.output("y", scatter(x, i, rows, 0, GetParam()));
  Array xs = someRows(places, 1), is = someIndices(), us = someRows(updates, 2);
  std::vector<float> wanted = scanned(xs, is, us, GetParam());
  test::forEachLevel({"native", "x86-64-v3", "x86-64"}, [&](const char *level) {
    for (int64_t threads : {1, 2, 3, 7}) {
      Executable executable = compile(g, {.target = Target::cpu(level), .threads = threads});
      expectSegmented(executable);
      EXPECT_EQ(executable.run({{"x", xs}, {"i", is}, {"rows", us}}).at("y").toVector<float>(),
                wanted)
          << level << ", " << threads << " threads";
    }
  });
}

// In place, rows without updates are neither read nor written.
TEST(SegmentedScatterTest, UpdatesATableInPlace) {
  Graph g;
  Tensor table = g.state("table", f32, {places, columns});
  Tensor i = g.placeholder("i", i32, {updates});
  Tensor rows = g.placeholder("rows", f32, {updates, columns});
  g.update({{table, scatter(table, i, rows * -0.5, 0, ScatterMode::Add)}});
  Array xs = someRows(places, 3), is = someIndices(), us = someRows(updates, 4),
        halves = someRows(updates, 4);
  for (int64_t k = 0; k < halves.numElements(); ++k)
    halves.as<float>()[k] *= -0.5f;
  std::vector<float> wanted = scanned(xs, is, halves, ScatterMode::Add);
  for (int64_t threads : {1, 2, 7}) {
    Executable executable = compile(g, {.threads = threads});
    expectSegmented(executable);
    for (const Step &step : executable.program().steps)
      EXPECT_FALSE(std::holds_alternative<Copy>(step));
    State state(g);
    std::memcpy(state.get("table").data(), xs.data(), static_cast<size_t>(xs.numBytes()));
    executable.run(state, {{"i", is}, {"rows", us}});
    EXPECT_EQ(state.get("table").toVector<float>(), wanted) << threads << " threads";
  }
}

TEST(SegmentedScatterTest, GradientOfAGatherIsZeroWhereNothingWasRead) {
  Graph g;
  Tensor table = g.placeholder("table", f32, {places, columns});
  Tensor i = g.placeholder("i", i32, {updates});
  Tensor dy = g.placeholder("dy", f32, {updates, columns});
  g.output("dt", gradients({gather(table, i)}, {table}, {dy})[0]);
  Array is = someIndices(), ds = someRows(updates, 2), zeros(f32, {places, columns});
  EXPECT_EQ(compile(g)
                .run({{"table", someRows(places, 1)}, {"i", is}, {"dy", ds}})
                .at("dt")
                .toVector<float>(),
            scanned(zeros, is, ds, ScatterMode::Add));
}

TEST(SegmentedScatterTest, AnIndexOutOfRangeIsAnError) {
  Graph g;
  Tensor x = g.placeholder("x", f32, {places, columns});
  Tensor i = g.placeholder("i", i32, {updates});
  Tensor rows = g.placeholder("rows", f32, {updates, columns});
  g.output("y", scatter(x, i, rows, 0, ScatterMode::Add));
  for (int32_t bad : {-1, static_cast<int32_t>(places)}) {
    Array is = someIndices();
    is.as<int32_t>()[updates - 1] = bad;
    try {
      compile(g).run({{"x", someRows(places, 1)}, {"i", is}, {"rows", someRows(updates, 2)}});
      ADD_FAILURE() << "accepted " << bad;
    } catch (const Error &error) {
      EXPECT_NE(std::string(error.what()).find(std::to_string(bad)), std::string::npos)
          << error.what();
    }
  }
}

} // namespace
} // namespace sinter::ops
