// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cpu/Contraction.h"
#include "sinter/codegen/forms/Region.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <string>
#include <string_view>

namespace sinter::cpu {

using Form = ContractionTiles::Form;
using Pack = ContractionTiles::Pack;

using codegen::roundUp;

namespace {

bool hasFeature(const TargetInfo &target, std::string_view name) {
  return ("," + target.features + ",").find(",+" + std::string(name) + ",") != std::string::npos;
}

DType storedA(const ContractionShape &shape) { return shape.aDtype.value_or(shape.dtype); }
DType storedB(const ContractionShape &shape) { return shape.bDtype.value_or(shape.dtype); }
bool isNarrowA(const ContractionShape &shape) { return storedA(shape) != shape.dtype; }
bool isNarrowB(const ContractionShape &shape) { return storedB(shape) != shape.dtype; }

/// Elements of k per word of a panel.
int64_t chooseDepth(const TargetInfo &target, const ContractionShape &shape) {
  // The instructions that multiply pairs are those of x86.
  if (shape.computedA || shape.computedB || target.isa != TargetInfo::Isa::X86_64)
    return 1;
  if (shape.dtype == f32)
    return storedA(shape) == bf16 && storedB(shape) == bf16 && target.vectorBytes == 64 &&
                   hasFeature(target, "avx512bf16")
               ? 2
               : 1;
  // Products of these are exact in pairs; wider unsigned ones are not.
  auto fitsHalf = [](DType dtype) { return dtype == i8 || dtype == u8 || dtype == i16; };
  return shape.dtype == i32 && fitsHalf(storedA(shape)) && fitsHalf(storedB(shape)) ? 2 : 1;
}

/// Pairs of A can be read where they are: neighbours of 16 bits, and none without its other half.
bool hasPairsInPlace(const ContractionShape &shape) {
  auto k = shape.k.constant();
  return byteSize(storedA(shape)) == 2 && shape.aStrideK == 1 && k && *k % 2 == 0;
}

/// Vector multiply-adds per step of k that `mr` x `vectors` tiles spend on an m x n result, with a
/// penalty for tiles that the load ports, not the multipliers, would bound.
double tileCost(int64_t mr, int64_t vectors, int64_t lanes, std::optional<int64_t> m,
                std::optional<int64_t> n) {
  auto step = [&](int64_t count) {
    const double multiplies = static_cast<double>(mr * count) / 2;
    const double loads = static_cast<double>(mr + 2 * count) / 2;
    const double issue = static_cast<double>(mr * count + mr + count + 3) / 6;
    const double latency = 5; // Of one multiply-add, and a little for what delays it.
    return std::max({multiplies, loads, issue, latency}) + 0.02 * loads;
  };
  // Unknown sizes count as a middling power of two.
  const int64_t rows = m.value_or(256);
  const int64_t columnVectors = (n.value_or(1 << 10) + lanes - 1) / lanes;
  const double strips = static_cast<double>((rows + mr - 1) / mr);
  double perStrip = static_cast<double>(columnVectors / vectors) * step(vectors);
  if (columnVectors % vectors != 0) // A second micro-kernel costs time to compile.
    perStrip = 1.01 * (perStrip + step(columnVectors % vectors));
  return strips * perStrip;
}

/// Registers of an mr x vectors tile: sums, B vectors, one broadcast, and a product without FMA.
bool fits(int64_t mr, int64_t vectors, const TargetInfo &target, bool fma) {
  return mr * vectors + vectors + 1 + (fma ? 0 : 1) < target.vectorRegisters;
}

/// A constant B is laid out in panels of the tile's width; whole ones only, and of one matrix.
bool mayHavePanels(const ContractionTiles &tiles, const ContractionShape &shape) {
  auto n = shape.n.constant(), m = shape.m.constant();
  return shape.fixedB && shape.batch.constant() == 1 && !isNarrowB(shape) && !(m && *m == 1) && n &&
         shape.k.constant() && *n % tiles.lanes == 0 && *n > tiles.lanes;
}

void chooseRegisterTile(ContractionTiles &tiles, const TargetInfo &target,
                        const ContractionShape &shape) {
  auto m = shape.m.constant(), n = shape.n.constant();
  // Rows of A that lie a multiple of the page size apart evict each other: few rows then. Rows at
  // an unknown distance cost one address register each.
  const bool rowsApart = shape.aStrideK == 1 || shape.computedA;
  const bool aliased =
      rowsApart && shape.aStrideM && *shape.aStrideM * byteSize(storedA(shape)) % 4096 == 0;
  int64_t mostRows = 28;
  if (!tiles.packA && (aliased || !shape.aStrideM))
    mostRows = 8;
  if (m)
    mostRows = std::clamp<int64_t>(*m, 1, mostRows);
  const int64_t mostVectors = n ? std::max<int64_t>(1, (*n + tiles.lanes - 1) / tiles.lanes) : 4;
  double best = std::numeric_limits<double>::max();
  for (int64_t vectors = std::min<int64_t>(4, mostVectors); vectors >= 1; --vectors)
    for (int64_t mr = mostRows; mr >= 1; --mr) {
      if (!fits(mr, vectors, target, tiles.fma) ||
          (mayHavePanels(tiles, shape) && *n % (vectors * tiles.lanes) != 0) ||
          (shape.rowTile && *shape.rowTile % (vectors * tiles.lanes) != 0))
        continue;
      const double cost = tileCost(mr, vectors, tiles.lanes, m, n);
      if (cost < best) {
        best = cost;
        tiles.mr = mr;
        tiles.nr = vectors * tiles.lanes;
      }
    }
}

void chooseBlocks(ContractionTiles &tiles, const TargetInfo &target,
                  const ContractionShape &shape) {
  auto n = shape.n.constant(), k = ceilDiv(shape.k, tiles.depth).constant();
  // A packed panel of B stays in the second-level cache while all rows of A pass by.
  const int64_t rowBytes = tiles.nr * tiles.elementBytes;
  // Few rows: it comes from memory, and shares the cache with what is fetched ahead.
  const bool fewRows = mayHavePanels(tiles, shape) && shape.m.constant().value_or(1024) <= 32;
  const int64_t most = target.l2Bytes / (fewRows ? 16 : 4);
  const int64_t row = shape.rowTile.value_or(n.value_or(0));
  const int64_t panelsOfRow = shape.wholeRows ? (row + tiles.nr - 1) / tiles.nr : 1;
  const int64_t longest =
      std::max<int64_t>(256, most / (rowBytes * panelsOfRow) / tiles.lanes * tiles.lanes);
  tiles.kc = longest;
  tiles.groupUnits = 1;
  const bool split = !k || *k > longest + longest / 2;
  if (k)
    tiles.kc = std::max<int64_t>(1, split ? (*k + longest - 1) / longest : 1),
    tiles.kc = std::max<int64_t>(1, (*k + tiles.kc - 1) / tiles.kc);
  // Narrow panels go together, so that each pass over A does enough.
  int64_t panels = std::max<int64_t>(1, 192 / rowBytes);
  panels = std::min(panels, std::max<int64_t>(1, target.l2Bytes / 4 / (rowBytes * tiles.kc)));
  if (n)
    panels = std::min(panels, std::max<int64_t>(1, (*n + tiles.nr - 1) / tiles.nr));
  if (shape.wholeRows)
    panels = panelsOfRow;
  tiles.nBlock = panels * tiles.nr;
  tiles.mBlock = tiles.mr;
  if (split)
    tiles.groupUnits = std::max<int64_t>(1, target.l2Bytes / 4 / tiles.elementBytes /
                                                (tiles.nBlock * tiles.mBlock));
}

bool alignedRows(const TargetInfo &target, const ContractionShape &shape) {
  return shape.bStrideK && *shape.bStrideK * byteSize(shape.dtype) % target.vectorBytes == 0;
}

/// The rows of a panel of B do not fall into the same sets of the second-level cache.
bool fitsInPlace(const ContractionTiles &tiles, const TargetInfo &target,
                 const ContractionShape &shape) {
  if (!alignedRows(target, shape))
    return false;
  const int64_t ways = 8, wayBytes = std::max<int64_t>(4096, target.l2Bytes / ways);
  const int64_t panelBytes = tiles.nr * tiles.elementBytes;
  const int64_t places = wayBytes / std::gcd(*shape.bStrideK * tiles.elementBytes, wayBytes);
  return tiles.kc * panelBytes <= ways * std::min(wayBytes, places * panelBytes);
}

/// Packing costs about as much as multiplying B with eight rows. It pays when many rows follow, or
/// fewer if it also saves vectors that straddle cache lines.
void choosePacking(ContractionTiles &tiles, const TargetInfo &target,
                   const ContractionShape &shape) {
  auto m = shape.m.constant(), n = shape.n.constant();
  // Masked loads inside the k loop take registers from the sums before AVX-512, and are branches
  // before AVX.
  const bool cheapMasks = target.vectorBytes >= 64 || (n && *n % tiles.lanes == 0);
  tiles.packB = Pack::Always;
  if (mayHavePanels(tiles, shape)) {
    tiles.panel = tiles.nr;
    tiles.packB = Pack::Never;
    return;
  }
  if (shape.computedB || shape.bStrideN != 1)
    return;
  // A long k loop with many vectors per step has room for moving one more. It takes blocks of B
  // that follow each other, as many strips of A as a row of a block has vectors, and enough work to
  // pay for compiling one more micro-kernel.
  constexpr int64_t worthCompiling = 1 << 26;
  const int64_t work = (shape.m * shape.n * shape.k).constant().value_or(worthCompiling);
  const int64_t vectors = tiles.nr / tiles.lanes, k = shape.k.constant().value_or(0) / tiles.depth;
  const int64_t strips = m ? (*m + tiles.mr - 1) / tiles.mr : vectors;
  const bool fits = target.vectorRegisters >= 32 && tiles.nBlock == tiles.nr && k >= 128 &&
                    shape.bStrideK && n && *n >= 2 * tiles.nr && strips >= 2 &&
                    !tiles.directStore && !shape.wholeRows && work >= worthCompiling;
  for (int64_t ahead = 1; fits && ahead <= vectors && tiles.packAhead == 0; ++ahead)
    if (vectors % ahead == 0 && vectors / ahead <= strips)
      tiles.packAhead = ahead;
  if (isNarrowB(shape) || !cheapMasks)
    return;
  const int64_t rows = alignedRows(target, shape) ? 192 : 64;
  const bool onePanel = n && *n <= tiles.nr;
  // A B of some size costs pages and lines that are not fetched ahead, whether its panels fit or
  // not.
  const int64_t bytesOfB =
      (shape.n * shape.k).constant().value_or(target.l2Bytes) * tiles.elementBytes;
  const bool inPlace = onePanel || (m && *m <= rows && !tiles.packAhead) ||
                       (bytesOfB <= target.l2Bytes / 4 && fitsInPlace(tiles, target, shape));
  if (inPlace)
    tiles.packAhead = 0;
  if (m && tiles.packAhead)
    return;
  tiles.packB = inPlace ? Pack::Never : Pack::ByReuse;
  tiles.packStrips = std::max<int64_t>(2, rows / tiles.mr);
}

} // namespace

ContractionTiles chooseTiles(const TargetInfo &target, const ContractionShape &shape) {
  ContractionTiles tiles;
  tiles.elementBytes = byteSize(shape.dtype);
  tiles.lanes = std::max<int64_t>(2, target.vectorBytes / tiles.elementBytes);
  tiles.fma = target.hasFma && isFloat(shape.dtype);
  auto m = shape.m.constant(), n = shape.n.constant(), k = shape.k.constant();
  const int64_t wholeRow = shape.rowTile.value_or(n.value_or(0));
  const bool rowsOfB = shape.bStrideN == 1 && !shape.computedB;
  const bool bothAlongK =
      shape.bStrideK == 1 && shape.aStrideK == 1 && !shape.computedA && !shape.computedB;

  if (bothAlongK && ((n && *n <= 2) || (m && *m <= 2)) &&
      !(n && *n == 1 && rowsOfB && k && *k < tiles.lanes)) {
    tiles.form = Form::Dot;
    const bool tall = n && *n <= 2;
    tiles.mr = tall ? 8 / std::max<int64_t>(1, *n) : std::max<int64_t>(1, *m);
    tiles.nr = tall ? std::max<int64_t>(1, *n) : 8 / std::max<int64_t>(1, *m);
    tiles.mBlock = tall ? 64 : tiles.mr;
    tiles.nBlock = tall ? tiles.nr : shape.wholeRows ? roundUp(wholeRow, 64) : 64;
    return tiles;
  }
  // Few rows: the arithmetic cannot hide the way of B from memory unless B comes in long streams.
  const bool largeB = n && k && *n * *k * byteSize(storedB(shape)) > 2 * target.l2Bytes;
  const bool converts = m && *m > 1 && (isNarrowA(shape) || isNarrowB(shape));
  if (m && rowsOfB && !shape.computedA &&
      (*m == 1 || (*m <= 32 && largeB && !converts && !mayHavePanels(tiles, shape)))) {
    tiles.form = Form::Stream;
    tiles.packB = Pack::Never;
    tiles.nr = tiles.lanes;
    tiles.prefetchB = largeB;
    tiles.mr = tiles.mBlock = std::max<int64_t>(1, *m);
    // Several rows: more of B in registers per visit of the sums, which stay in the first-level
    // cache.
    tiles.kUnroll = *m > 1 && target.vectorRegisters >= 32 ? 12 : 8;
    const bool wide = *m == 1 && n && *n * tiles.elementBytes >= 16384;
    tiles.nBlock = (wide ? 4096 : *m == 1 ? 2048 : 1024) / tiles.elementBytes;
    const int64_t row = n ? std::max<int64_t>(tiles.lanes, roundUp(*n, tiles.lanes)) : 0;
    if (shape.wholeRows)
      tiles.nBlock = shape.rowTile.value_or(row);
    else if (n)
      tiles.nBlock = std::min(tiles.nBlock, row);
    return tiles;
  }
  tiles.depth = chooseDepth(target, shape);
  tiles.packA = shape.computedA || (tiles.depth > 1 ? !hasPairsInPlace(shape) : isNarrowA(shape));
  chooseRegisterTile(tiles, target, shape);
  chooseBlocks(tiles, target, shape);
  const int64_t accumulators = tiles.mr * tiles.nr / tiles.lanes;
  // A prefetch needs a k loop long enough to cover a useful part of the next block.
  tiles.prefetchB = !(k && *k < 128);
  tiles.directStore = k && *k <= 256 && shape.storeOps <= 3 && !shape.wholeRows;
  tiles.kUnroll = accumulators >= 16 ? 1 : accumulators >= 8 ? 2 : 4;
  choosePacking(tiles, target, shape);
  return tiles;
}

DimExpr contractionExtent(const ContractionTiles &tiles, const DimExpr &batch, const DimExpr &m,
                          const DimExpr &n) {
  return batch * ceilDiv(m, tiles.mBlock) * ceilDiv(n, tiles.nBlock);
}

DimExpr contractionGrain(const ContractionTiles &tiles, const ContractionShape &shape) {
  // At least about a million multiply-adds per chunk, and at least eight chunks where m is all
  // there is to cut; a chunk then packs one block of B once.
  const int64_t behind = shape.wholeRows ? shape.storeOps : 0; // Takes about as long.
  const int64_t perUnit =
      tiles.mBlock * tiles.nBlock * std::max<int64_t>(1, shape.k.constant().value_or(256) + behind);
  const int64_t least = std::max<int64_t>(1, (int64_t{1} << 20) / perUnit);
  const DimExpr strips = ceilDiv(shape.m, tiles.mBlock);
  if (auto units = contractionExtent(tiles, shape.batch, shape.m, shape.n).constant();
      units && tiles.packAhead) {
    // The first block of a chunk is not packed ahead: several blocks, if there are many.
    const int64_t most = std::max<int64_t>(least, (int64_t{1} << 25) / perUnit);
    if (const int64_t chunk = std::min(*units / 16, most); chunk > *strips.constant())
      return chunk;
  }
  const DimExpr blocks = shape.batch * ceilDiv(shape.n, tiles.nBlock);
  const int64_t known = blocks.constant().value_or(1);
  const int64_t cuts = std::max<int64_t>(1, (8 + known - 1) / std::max<int64_t>(1, known));
  return max(ceilDiv(strips, cuts), least);
}

} // namespace sinter::cpu
