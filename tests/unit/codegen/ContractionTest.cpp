// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/codegen/ContractionKernel.h"

using namespace sinter;
using namespace sinter::cpu;

TEST(ContractionTest, RandomShapesLayoutsAndTiles) {
  const std::vector<TargetInfo> all = targets();
  const std::vector<int64_t> sizes = {1,  2,  3,  5,  7,  8,  10, 13,  16, 17,
                                      31, 32, 37, 48, 64, 65, 97, 128, 131};
  for (unsigned seed = 0; seed < 240 && !HasFatalFailure(); ++seed) {
    std::mt19937 random(seed);
    auto chance = [&](unsigned oneIn) { return random() % oneIn == 0; };
    auto size = [&] { return chance(40) ? 0 : sizes[random() % sizes.size()]; };
    Problem p;
    p.dtype = chance(2) ? f32 : allDTypes[random() % 4];
    p.batch = chance(3) ? static_cast<int64_t>(random() % 4) : 1;
    p.m = chance(8) ? 1 : size();
    p.n = chance(8) ? 1 : size();
    p.k = chance(8) ? 300 + static_cast<int64_t>(random() % 900) : size();
    p.aTransposed = chance(3);
    p.bTransposed = chance(3);
    p.everySecond = chance(12);
    p.symbolicBatch = chance(2);
    p.symbolicM = chance(2);
    p.symbolicN = chance(3);
    p.symbolicK = chance(2);
    p.bias = chance(2);
    const TargetInfo &target = all[random() % all.size()];
    ContractionTiles tiles = chooseTiles(target, p.shape());
    if (tiles.form == Form::Tiled) { // Any tiles are right, not only the chosen ones.
      if (chance(5))
        tiles.packA = true;
      if (chance(5))
        tiles.kUnroll = 1 + static_cast<int64_t>(random() % 4);
      if (chance(4))
        tiles.directStore = !tiles.directStore;
      if (chance(5))
        tiles.packB = Pack::Always;
      if (chance(4)) {
        tiles.kc = 1 + static_cast<int64_t>(random() % 64);
        tiles.groupUnits = 1 + static_cast<int64_t>(random() % 5);
      }
      if (chance(4) && !tiles.packAhead)
        tiles.nBlock = tiles.nr * (1 + static_cast<int64_t>(random() % 4));
    }
    check(p, target, tiles, random);
  }
}

/// Operands of 8 and 16 bits are converted on the way, or multiplied in pairs.
TEST(ContractionTest, NarrowOperands) {
  std::vector<TargetInfo> all = targets();
  all.push_back(TargetInfo::host());
  const std::vector<int64_t> sizes = {1, 2, 3, 7, 8, 16, 17, 33, 48, 65, 70, 131};
  const DType stored[] = {bf16, f16, i8, u8, i16, u16};
  bool hasPairsOfFloats = false, hasPairsInPlace = false;
  for (unsigned seed = 0; seed < 160 && !HasFatalFailure(); ++seed) {
    std::mt19937 random(seed);
    auto chance = [&](unsigned oneIn) { return random() % oneIn == 0; };
    auto size = [&] { return chance(40) ? 0 : sizes[random() % sizes.size()]; };
    Problem p;
    p.stored = chance(3) ? bf16 : stored[random() % std::size(stored)];
    p.dtype = isFloat(*p.stored) ? f32 : i32;
    p.batch = chance(3) ? static_cast<int64_t>(random() % 4) : 1;
    p.m = chance(8) ? 1 : size();
    p.n = chance(8) ? 1 : size();
    p.k = chance(6) ? 300 + static_cast<int64_t>(random() % 900) : size();
    p.aTransposed = chance(3);
    p.bTransposed = chance(3);
    p.everySecond = chance(12);
    p.symbolicM = chance(2);
    p.symbolicN = chance(3);
    p.symbolicK = chance(2);
    p.bias = chance(2);
    const TargetInfo &target = all[random() % all.size()];
    ContractionTiles tiles = chooseTiles(target, p.shape());
    hasPairsOfFloats |= *p.stored == bf16 && tiles.depth == 2;
    hasPairsInPlace |= *p.stored == bf16 && tiles.depth == 2 && !tiles.packA;
    if (tiles.form == Form::Tiled) {
      if (chance(5))
        tiles.packA = true;
      if (chance(4)) {
        tiles.kc = 1 + static_cast<int64_t>(random() % 64);
        tiles.groupUnits = 1 + static_cast<int64_t>(random() % 5);
      }
      if (chance(4) && !tiles.packAhead)
        tiles.nBlock = tiles.nr * (1 + static_cast<int64_t>(random() % 4));
    }
    check(p, target, tiles, random);
  }
  if (TargetInfo::host().features.find("+avx512bf16") != std::string::npos)
    EXPECT_TRUE(hasPairsOfFloats && hasPairsInPlace);
}

/// An odd last element of a row has no partner: what lies behind it must not be multiplied, not
/// even by zero.
TEST(ContractionTest, PairsEndWithTheRow) {
  TargetInfo target = TargetInfo::host();
  Problem p{.stored = bf16, .m = 5, .n = 33, .k = 7};
  ContractionTiles tiles = chooseTiles(target, p.shape());
  std::string object = compile(p, target, tiles, false);
  ASSERT_FALSE(object.empty());
  Jit jit({object});
  Storage<BFloat16> a(p.m * p.k), b(p.k * p.n);
  Storage<float> c(p.m * p.n);
  Storage<char> scratch(contractionScratchBytes(tiles));
  for (int64_t i = 0; i < p.k * p.n; ++i)
    b[i] = BFloat16(1.0f);
  for (int64_t i = 0; i < p.m * p.k; ++i) // Row 2 is infinite; its neighbours are not.
    a[i] = BFloat16(i / p.k == 2 ? std::numeric_limits<float>::infinity() : 1.0f);
  auto table = p.table();
  void *buffers[] = {a.data(), b.data(), c.data(), nullptr, scratch.data()};
  const ContractionShape shape = p.shape();
  jit.function<SinterKernel>("kernel")(
      buffers, table.data(), nullptr, 0,
      *contractionExtent(tiles, shape.batch, shape.m, shape.n).evaluate(p.binding()), 0);
  for (int64_t i = 0; i < p.m * p.n; ++i)
    EXPECT_EQ(c[i], i / p.n == 2 ? std::numeric_limits<float>::infinity() : 7.0f) << i;
}

TEST(ContractionTest, EmptySizes) {
  std::mt19937 random(1);
  for (bool symbolic : {false, true})
    for (auto [m, n, k] :
         {std::array<int64_t, 3>{0, 5, 5}, {5, 0, 5}, {5, 5, 0}, {0, 0, 0}, {1, 40, 0}})
      check({.m = m,
             .n = n,
             .k = k,
             .symbolicM = symbolic,
             .symbolicN = symbolic,
             .symbolicK = symbolic,
             .bias = true},
            random);
  check({.batch = 0, .m = 4, .n = 4, .k = 4, .symbolicBatch = true}, random);
}

TEST(ContractionTest, RowsAndColumnsOfOne) {
  std::mt19937 random(2);
  for (bool transposed : {false, true}) {
    check({.m = 1, .n = 531, .k = 77, .bTransposed = transposed, .bias = true}, random);
    check({.m = 77, .n = 1, .k = 131, .bTransposed = transposed}, random);
    check({.m = 1, .n = 1, .k = 1000, .bTransposed = transposed}, random);
    check({.m = 1, .n = 64, .k = 70, .bTransposed = transposed, .symbolicM = true}, random);
  }
}

TEST(ContractionTest, FewRowsStreamLargeB) {
  std::mt19937 random(6);
  for (TargetInfo target : targets()) {
    target.l2Bytes = 1 << 10; // Everything is large.
    for (int64_t m : {1, 2, 7, 16})
      for (auto [n, k] : {std::pair<int64_t, int64_t>{531, 77}, {64, 12}, {300, 3}}) {
        Problem p{.batch = 2, .m = m, .n = n, .k = k, .aTransposed = m == 7, .bias = true};
        ContractionTiles tiles = chooseTiles(target, p.shape());
        EXPECT_EQ(tiles.form, Form::Stream);
        check(p, target, tiles, random);
      }
  }
}

TEST(ContractionTest, LongKKeepsPartialSums) {
  std::mt19937 random(3);
  check({.m = 37, .n = 70, .k = 5000, .bias = true}, random);
  check({.m = 37, .n = 70, .k = 5000, .aTransposed = true, .bTransposed = true, .symbolicK = true},
        random);
}

/// The next block of B is packed during the k loops of this one: whatever the pieces of work are,
/// and where there is no next block, none of that length, or only a part of one.
TEST(ContractionTest, NextBlockIsPackedAlongTheWay) {
  TargetInfo host = TargetInfo::host(), avx512 = TargetInfo::parse("cpu:x86-64-v4");
  std::mt19937 random(7);
  int numPacking = 0;
  for (const TargetInfo &target : {host, avx512}) {
    if (!runnable(target) || target.vectorBytes < 64)
      continue;
    for (auto [m, n, k] :
         {std::array<int64_t, 3>{40, 200, 256}, {17, 259, 130}, {33, 200, 301}, {13, 192, 128}})
      for (auto stored : {std::optional<DType>(), std::optional(bf16), std::optional(f16)})
        for (bool symbolic : {false, true})
          for (int64_t kc : {0, 64}) {
            Problem p{.stored = stored, .m = m, .n = n, .k = k, .symbolicM = symbolic};
            ContractionTiles tiles = chooseTiles(target, p.shape());
            tiles.nBlock = tiles.nr; // Too small to be worth it, but right all the same.
            if (tiles.packAhead == 0 && n >= 2 * tiles.nr) {
              tiles.packB = symbolic && !stored ? Pack::ByReuse : Pack::Always;
              tiles.packAhead = random() % 2 ? 1 : tiles.nr / tiles.lanes;
            }
            if (kc) {
              tiles.kc = kc;
              tiles.groupUnits = 7;
            }
            numPacking += tiles.packAhead > 0;
            check(p, target, tiles, random);
          }
  }
  EXPECT_TRUE(numPacking > 30 || !runnable(avx512));
}

/// A constant B lies in panels of the tile's width, when its columns come out even.
TEST(ContractionTest, ConstantsLieInPanels) {
  std::mt19937 random(8);
  for (TargetInfo target : targets()) {
    target.l2Bytes = 1 << 17;
    for (int64_t m : {2, 5, 16, 33})
      for (auto [n, k] : {std::pair<int64_t, int64_t>{256, 70}, {96, 1500}, {80, 33}, {70, 33}})
        for (bool symbolic : {false, true}) {
          Problem p{.m = m, .n = n, .k = k, .symbolicM = symbolic, .bias = true, .fixed = true};
          ContractionTiles tiles = chooseTiles(target, p.shape());
          EXPECT_EQ(tiles.panel, n % tiles.lanes == 0 ? tiles.nr : 0);
          EXPECT_TRUE(tiles.panel == 0 || n % tiles.panel == 0);
          check(p, target, tiles, random);
        }
  }
}

TEST(ContractionTest, OperandsComputedByHooks) {
  std::mt19937 random(4);
  for (auto [hookA, hookB, transposed] : {std::tuple(true, false, false),
                                          {false, true, false},
                                          {true, true, false},
                                          {true, false, true}})
    for (bool symbolic : {false, true})
      check({.batch = 2,
             .m = 21,
             .n = 70,
             .k = 45,
             .aTransposed = transposed,
             .symbolicM = symbolic,
             .symbolicN = symbolic,
             .symbolicK = symbolic,
             .bias = true,
             .hookA = hookA,
             .hookB = hookB},
            random);
}

TEST(ContractionTest, CommonTilesStayInRegisters) {
  TargetInfo avx512 = TargetInfo::parse("cpu:x86-64-v4"), avx2 = TargetInfo::parse("cpu:x86-64-v3");
  const Problem problems[] = {
      {.m = 1024, .n = 1024, .k = 1024},
      {.m = 2048, .n = 1152, .k = 384},
      {.m = 16, .n = 4096, .k = 4096, .fixed = true},
      {.m = 128, .n = 3072, .k = 768, .bias = true},
      {.m = 128, .n = 3072, .k = 768, .bias = true, .constants = 10},
      {.m = 256, .n = 256, .k = 784, .symbolicM = true, .bias = true},
      {.m = 784, .n = 256, .k = 256, .aTransposed = true, .symbolicK = true},
      {.m = 256, .n = 784, .k = 256, .bTransposed = true, .symbolicM = true},
      {.m = 256, .n = 10, .k = 256, .symbolicM = true, .bias = true},
      {.m = 256, .n = 10, .k = 256, .aTransposed = true, .symbolicK = true},
      {.batch = 256, .m = 64, .n = 64, .k = 64},
      {.batch = 256, .m = 64, .n = 48, .k = 64, .bias = true},
      {.m = 256, .n = 256, .k = 256, .symbolicM = true, .symbolicN = true, .symbolicK = true},
  };
  for (const Problem &p : problems)
    for (const TargetInfo &target : {avx512, avx2}) {
      ContractionTiles tiles = chooseTiles(target, p.shape());
      SCOPED_TRACE(describe(p, target, tiles));
      std::string assembly = compile(p, target, tiles, true);
      ASSERT_FALSE(assembly.empty());
      EXPECT_EQ(spillsInLoops(assembly), 0);
    }
}

TEST(ContractionTest, PairsStayInRegisters) {
  TargetInfo target = TargetInfo::parse("cpu:znver4,+avx512f,+avx512dq,+avx512bw,+avx512vl,+avx2,"
                                        "+fma,+f16c,+avx512bf16");
  const Problem problems[] = {
      {.stored = bf16, .m = 1024, .n = 1024, .k = 1024},
      {.stored = bf16, .m = 128, .n = 3072, .k = 768, .bias = true},
      {.stored = bf16, .m = 784, .n = 256, .k = 256, .aTransposed = true, .symbolicK = true},
      {.stored = bf16, .m = 256, .n = 784, .k = 256, .bTransposed = true, .symbolicM = true},
      {.stored = bf16, .batch = 256, .m = 64, .n = 64, .k = 64},
  };
  for (const Problem &p : problems) {
    ContractionTiles tiles = chooseTiles(target, p.shape());
    SCOPED_TRACE(describe(p, target, tiles));
    EXPECT_EQ(tiles.depth, 2);
    std::string assembly = compile(p, target, tiles, true);
    EXPECT_NE(assembly.find("vdpbf16ps"), std::string::npos);
    EXPECT_EQ(spillsInLoops(assembly), 0);
  }
}

TEST(ContractionTest, SpillCheckSeesSpills) {
  Problem p{.m = 256, .n = 256, .k = 256};
  TargetInfo target = TargetInfo::parse("cpu:x86-64-v4");
  ContractionTiles tiles = chooseTiles(target, p.shape());
  tiles.mr = tiles.mBlock = 16; // 64 sums in 32 registers.
  tiles.nr = tiles.nBlock = 4 * tiles.lanes;
  EXPECT_GT(spillsInLoops(compile(p, target, tiles, true)), 0);
}

TEST(ContractionTest, ExtentAndGrain) {
  TargetInfo target = TargetInfo::parse("cpu:x86-64-v4");
  Problem p{.m = 1024, .n = 1024, .k = 1024, .symbolicM = true};
  ContractionTiles tiles = chooseTiles(target, p.shape());
  DimExpr extent = contractionExtent(tiles, 3, DimExpr::symbol("M"), 1024);
  EXPECT_EQ(extent.evaluate({{"M", 0}}), 0);
  EXPECT_EQ(extent.evaluate({{"M", 1}}), 3 * ((1024 + tiles.nBlock - 1) / tiles.nBlock));
  EXPECT_GE(*contractionGrain(tiles, p.shape()).evaluate({{"M", 0}}), 1);
  EXPECT_EQ(tiles.nr % tiles.lanes, 0);
  EXPECT_EQ(tiles.nBlock % tiles.nr, 0);
}
