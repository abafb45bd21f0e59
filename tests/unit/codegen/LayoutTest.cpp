// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/report/Layout.h"
#include "sinter/codegen/report/Text.h"

#include <gtest/gtest.h>

#include <cmath>

using namespace sinter::codegen::report;

namespace {

using Edges = std::vector<std::pair<size_t, size_t>>;

/// No two boxes may touch, every box lies inside, and edges lead downwards from box to box.
void expectReadable(const std::vector<LayoutNode> &nodes, const Edges &edges,
                    const Layout &layout) {
  ASSERT_EQ(layout.centers.size(), nodes.size());
  ASSERT_EQ(layout.edges.size(), edges.size());
  constexpr double close = 1e-6;
  for (size_t i = 0; i < nodes.size(); ++i) {
    const Point &a = layout.centers[i];
    EXPECT_GE(a.x - nodes[i].width / 2, -close);
    EXPECT_LE(a.x + nodes[i].width / 2, layout.width + close);
    EXPECT_GE(a.y - nodes[i].height / 2, -close);
    EXPECT_LE(a.y + nodes[i].height / 2, layout.height + close);
    for (size_t j = 0; j < i; ++j) {
      const Point &b = layout.centers[j];
      const bool apart = std::abs(a.x - b.x) >= (nodes[i].width + nodes[j].width) / 2 - close ||
                         std::abs(a.y - b.y) >= (nodes[i].height + nodes[j].height) / 2 - close;
      EXPECT_TRUE(apart) << "boxes " << j << " and " << i;
    }
  }
  for (size_t e = 0; e < edges.size(); ++e) {
    const std::vector<Point> &path = layout.edges[e];
    if (path.empty())
      continue;
    auto [from, to] = edges[e];
    EXPECT_NEAR(path.front().x, layout.centers[from].x, close);
    EXPECT_NEAR(path.front().y, layout.centers[from].y + nodes[from].height / 2, close);
    EXPECT_NEAR(path.back().y, layout.centers[to].y - nodes[to].height / 2, close);
    for (size_t i = 1; i < path.size(); ++i)
      EXPECT_GT(path[i].y, path[i - 1].y);
  }
}

std::vector<LayoutNode> boxes(size_t count) {
  std::vector<LayoutNode> nodes(count);
  for (size_t i = 0; i < count; ++i)
    nodes[i] = {.width = 40.0 + static_cast<double>(i * 37 % 90), .height = 30};
  return nodes;
}

TEST(Layout, OfNothingIsEmpty) {
  Layout layout = layOut({}, {});
  EXPECT_EQ(layout.width, 0);
  EXPECT_EQ(layout.height, 0);
}

TEST(Layout, ADiamondHasThreeRows) {
  std::vector<LayoutNode> nodes = boxes(4);
  Edges edges = {{0, 1}, {0, 2}, {1, 3}, {2, 3}};
  Layout layout = layOut(nodes, edges);
  expectReadable(nodes, edges, layout);
  EXPECT_EQ(layout.centers[1].y, layout.centers[2].y);
  EXPECT_LT(layout.centers[0].y, layout.centers[1].y);
  EXPECT_LT(layout.centers[1].y, layout.centers[3].y);
}

TEST(Layout, CrossingsAreUndone) {
  // Two rows whose edges all cross in the order given.
  std::vector<LayoutNode> nodes = boxes(8);
  Edges edges = {{0, 7}, {1, 6}, {2, 5}, {3, 4}};
  Layout layout = layOut(nodes, edges);
  expectReadable(nodes, edges, layout);
  for (auto [from, to] : edges)
    for (auto [otherFrom, otherTo] : edges)
      EXPECT_EQ(layout.centers[from].x < layout.centers[otherFrom].x,
                layout.centers[to].x < layout.centers[otherTo].x);
}

TEST(Layout, InputsLieJustAboveTheirFirstReader) {
  std::vector<LayoutNode> nodes = boxes(5);
  nodes[0].sinks = nodes[1].sinks = true;
  Edges edges = {{0, 2}, {2, 3}, {3, 4}, {1, 4}};
  Layout layout = layOut(nodes, edges);
  expectReadable(nodes, edges, layout);
  EXPECT_EQ(layout.centers[1].y, layout.centers[3].y);
}

TEST(Layout, WhatFollowsFromParametersAloneLiesWhereItIsRead) {
  // 0 is an input, 1 a parameter whose cast, 2, is read at the end of the chain 3, 4, 5.
  std::vector<LayoutNode> nodes = boxes(6);
  nodes[0].sinks = nodes[1].sinks = nodes[1].floats = true;
  Edges edges = {{1, 2}, {0, 3}, {3, 4}, {4, 5}, {2, 5}};
  Layout layout = layOut(nodes, edges);
  expectReadable(nodes, edges, layout);
  EXPECT_EQ(layout.centers[2].y, layout.centers[4].y);
  EXPECT_EQ(layout.centers[1].y, layout.centers[3].y);
}

TEST(Layout, LongEdgesAreLeftOut) {
  std::vector<LayoutNode> nodes = boxes(12);
  Edges edges;
  for (size_t i = 0; i + 1 < nodes.size(); ++i)
    edges.push_back({i, i + 1});
  edges.push_back({0, 3});
  edges.push_back({0, 11});
  Layout layout = layOut(nodes, edges);
  expectReadable(nodes, edges, layout);
  EXPECT_FALSE(layout.edges[11].empty());
  EXPECT_TRUE(layout.edges[12].empty());
}

TEST(Layout, WideLayersBecomeSeveralRows) {
  std::vector<LayoutNode> nodes = boxes(41);
  Edges edges;
  for (size_t i = 1; i < nodes.size(); ++i)
    edges.push_back({0, i});
  Layout layout = layOut(nodes, edges);
  expectReadable(nodes, edges, layout);
  EXPECT_LT(layout.width, 1040 + 130 + 40 * (3 + 9));
}

TEST(Layout, AThousandBoxesWithoutOrderStayReadable) {
  std::vector<LayoutNode> nodes = boxes(1000);
  Edges edges;
  uint64_t random = 1;
  for (size_t i = 1; i < nodes.size(); ++i)
    for (int j = 0; j < 2; ++j) {
      random = random * 6364136223846793005u + 1442695040888963407u;
      edges.push_back({static_cast<size_t>(random >> 33) % i, i});
    }
  expectReadable(nodes, edges, layOut(nodes, edges));
}

TEST(ReportText, IsEscaped) {
  EXPECT_EQ(escape("<b a=\"1\" b='2'>&</b>"),
            "&lt;b a=&quot;1&quot; b=&#39;2&#39;&gt;&amp;&lt;/b&gt;");
  EXPECT_EQ(escape("a\x01\xff\xc3\xa4\x7f"), "a\xef\xbf\xbd\xef\xbf\xbd\xc3\xa4\xef\xbf\xbd");
}

TEST(ReportText, ClipsCharactersNotBytes) {
  EXPECT_EQ(clipped("abc", 3), "abc");
  EXPECT_EQ(clipped("abcd", 3), "ab\xe2\x80\xa6");
  EXPECT_EQ(clipped("\xc3\xa4\xc3\xa4\xc3\xa4", 3), "\xc3\xa4\xc3\xa4\xc3\xa4");
  EXPECT_EQ(clipped("\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4", 3), "\xc3\xa4\xc3\xa4\xe2\x80\xa6");
}

TEST(ReportText, NumbersHaveThreeDigits) {
  EXPECT_EQ(bytesText(33600000), "33.6 MB");
  EXPECT_EQ(bytesText(0), "0 B");
  EXPECT_EQ(bytesText(999), "999 B");
  EXPECT_EQ(bytesText(1000), "1 kB");
  EXPECT_EQ(bytesText(999999), "1 MB");
  EXPECT_EQ(bytesText(std::nullopt), "\xe2\x80\x93");
  EXPECT_EQ(flopsText(140904682597), "141 GFLOP");
  EXPECT_EQ(timeText(1.2345e-3), "1.23 ms");
  EXPECT_EQ(timeText(12e-6), "12 \xc2\xb5s");
  EXPECT_EQ(timeText(2.5), "2.5 s");
  EXPECT_EQ(timeText(45e-9), "45 ns");
  EXPECT_EQ(timeText(4e-13), "< 1 ns");
  EXPECT_EQ(timeText(0), "0 ns");
  EXPECT_EQ(numberText(0.00012345), "0.000123");
  EXPECT_EQ(numberText(123456), "123456");
  EXPECT_EQ(percentText(0.5), "50%");
  EXPECT_EQ(percentText(0.0123), "1.2%");
}

} // namespace
