// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/ScheduleLimits.h"

#include "sinter/codegen/forms/gpu/AttentionTiles.h"
#include "sinter/passes/ContractionRows.h"

#include <algorithm>
#include <numeric>
#include <set>

using sinter::passes::KernelAnalysis;
using sinter::passes::KernelForm;

namespace sinter::codegen {

namespace {

constexpr int64_t mostUnits = int64_t{1} << 30;   ///< Of a chunk of work.
constexpr int64_t longestBlock = int64_t{1} << 20;
constexpr int64_t mostChunks = int64_t{1} << 16;  ///< Whose partial results are kept.
constexpr int64_t mostScratch = int64_t{64} << 20; ///< Bytes of one worker.
constexpr int64_t mostShared = int64_t{227} << 10; ///< Bytes of a block of the largest GPUs.

/// Looks at one schedule; keeps the first problem.
class Check {
public:
  Check(const KernelAnalysis &analysis, const Schedule &chosen, const Schedule &given,
        const TargetInfo &target)
      : analysis(analysis), chosen(chosen), given(given), target(target) {}

  std::optional<ScheduleProblem> run() {
    if (target.kind == TargetInfo::Kind::Cpu)
      switch (given.form) {
      case KernelForm::Loop:
        loop();
        break;
      case KernelForm::Row:
        row();
        break;
      case KernelForm::Reduce:
        reduce();
        break;
      case KernelForm::Contraction:
        contraction();
        break;
      case KernelForm::Scatter:
        within("grain", given.grain, 1, mostUnits);
        block(given.lanes);
        break;
      case KernelForm::Cumulative:
        cumulative();
        break;
      case KernelForm::Attention:
        within("grain", given.grain, 1, mostUnits);
        if (within("block", given.block, 1, 1024)) // Whole tiles of both products.
          multiple("block", given.block, std::lcm(2 * chosen.lanes, chosen.unroll));
        if (within("keyBlock", given.keyBlock, 1, 4096))
          multiple("keyBlock", given.keyBlock, chosen.unroll);
        break;
      default: // How they run is not up to others, but for how much of it at once.
        within("grain", given.grain, 1, mostUnits);
        break;
      }
    else if (given.form == KernelForm::Attention)
      gpuAttention();
    auto wanted = chosen.fields();
    for (const auto &[name, value] : given.fields()) {
      auto same = std::find(wanted.begin(), wanted.end(), std::pair(name, value));
      if (!free.contains(name.str()) && same == wanted.end())
        fail(name.str(), "cannot be changed for this kernel; it is " +
                             std::to_string(valueOf(wanted, name)));
    }
    return problem;
  }

private:
  static int64_t valueOf(const std::vector<std::pair<llvm::StringRef, int64_t>> &fields,
                         llvm::StringRef name) {
    for (const auto &[known, value] : fields)
      if (known == name)
        return value;
    return 0;
  }

  void fail(const std::string &field, const std::string &message) {
    if (!problem)
      problem = {field, message};
  }
  /// The field may be changed, within bounds.
  bool within(const std::string &field, int64_t value, int64_t least, int64_t most) {
    free.insert(field);
    if (value >= least && value <= most)
      return true;
    fail(field, "must be " + std::to_string(least) +
                    (least == most ? "" : " to " + std::to_string(most)) + ", not " +
                    std::to_string(value));
    return false;
  }
  void multiple(const std::string &field, int64_t value, int64_t unit) {
    if (unit > 0 && value % unit != 0)
      fail(field, "must be a multiple of " + std::to_string(unit));
  }
  void powerOfTwo(const std::string &field, int64_t value, int64_t most) {
    if (within(field, value, 1, most) && (value & (value - 1)) != 0)
      fail(field, "must be a power of two");
  }
  /// A block of known meaning: present where one was chosen.
  void block(int64_t unit) {
    if (chosen.block == 0)
      return;
    if (within("block", given.block, 1, std::max(longestBlock, chosen.block)))
      multiple("block", given.block, unit);
  }
  /// Streaming stores need addresses that are aligned to the vector.
  void streaming() {
    within("streamStores", given.streamStores, 0,
           chosen.streamStores && given.lanes <= chosen.lanes ? 1 : 0);
    if (given.streamStores && given.lanes == 1)
      fail("streamStores", "needs vectors");
  }

  void loop() {
    within("grain", given.grain, 1, mostUnits);
    powerOfTwo("lanes", given.lanes, chosen.lanes);
    powerOfTwo("unroll", given.unroll, 8);
    block(given.lanes);
    streaming();
  }

  void row() {
    within("grain", given.grain, 1, mostUnits);
    if (chosen.block > 0) { // Lanes run along the last kept dim.
      powerOfTwo("lanes", given.lanes, chosen.lanes);
      block(given.lanes);
      return;
    }
    powerOfTwo("lanes", given.lanes, chosen.lanes);
    powerOfTwo("unroll", given.unroll, 4);
    streaming();
  }

  void reduce() {
    within("grain", given.grain, 1, mostUnits);
    powerOfTwo("unroll", given.unroll, 8);
    const int64_t first = analysis.axes.front(), last = analysis.domain.rank() - 1;
    block(analysis.axes.size() > 1 ? 1 : first == last ? chosen.lanes * given.unroll : given.unroll);
    // Partial results of all chunks are kept.
    const auto size = analysis.domain[first].constant();
    const int64_t least =
        size ? std::min(chosen.block, (*size + mostChunks - 1) / mostChunks) : chosen.block;
    if (given.block < least)
      fail("block", "must be at least " + std::to_string(least) + " here");
  }

  void cumulative() {
    within("grain", given.grain, 1, mostUnits);
    const bool alongInner = analysis.isReduced(analysis.domain.rank() - 1);
    block(alongInner ? 1024 : 1);
    if (alongInner && given.block < chosen.block)
      fail("block", "must be at least " + std::to_string(chosen.block) + " here");
    streaming();
  }

  void contraction() {
    const cpu::ContractionTiles &tiles = given.tiles, &own = chosen.tiles;
    if (analysis.domain.numElements().isConstant()) // Else it is an expression over the sizes.
      within("grain", given.grain, 1, mostUnits);
    within("prefetchB", tiles.prefetchB, 0, 1);
    // What is packed ahead, or lies in panels, depends on the shape of the tile.
    if (tiles.form != cpu::ContractionTiles::Form::Tiled ||
        valueOf(chosen.fields(), "packAhead") > 0 || valueOf(chosen.fields(), "panel") > 0)
      return;
    within("packStrips", tiles.packStrips, 1, mostUnits);
    within("kUnroll", tiles.kUnroll, 1, 16);
    // Without partial sums in memory there is nothing that could be taken up again.
    within("kc", tiles.kc, own.directStore ? own.kc : 1, std::max<int64_t>(own.kc, 8192));
    if (!within("mr", tiles.mr, 1, own.mr) ||
        !within("nr", tiles.nr, tiles.lanes, std::max(own.nr, 4 * tiles.lanes)))
      return;
    multiple("nr", tiles.nr, tiles.lanes);
    const int64_t vectors = tiles.nr / tiles.lanes;
    const int64_t registers = tiles.mr * vectors + vectors + 1 + (tiles.fma ? 0 : 1);
    if (registers >= target.vectorRegisters)
      fail("mr", "a tile of " + std::to_string(tiles.mr) + " rows and " + std::to_string(vectors) +
                     " vectors needs " + std::to_string(registers + 1) + " registers; there are " +
                     std::to_string(target.vectorRegisters));
    within("mBlock", tiles.mBlock, tiles.mr, tiles.mr);
    const int64_t row = analysis.hasRowsBehind() // Units have whole rows.
                            ? analysis.reducedShape().numElements().constant().value_or(1)
                            : 1;
    const bool isTile = analysis.hasRowsBehind() && // Which a unit has as it is.
                        analysis.axes.size() < passes::numRowDims(cast<ir::DotGeneralOp>(
                                                   analysis.anchors.front()));
    const int64_t widest = isTile ? row : std::max<int64_t>(own.nBlock, 1 << 16);
    if (within("nBlock", tiles.nBlock, std::max(tiles.nr, row), widest))
      multiple("nBlock", tiles.nBlock, tiles.nr);
    within("groupUnits", tiles.groupUnits, 1, 1 << 16);
    if (problem)
      return;
    // All factors are bounded, so nothing overflows.
    const int64_t sums = tiles.groupUnits * tiles.mBlock * tiles.nBlock;
    const int64_t panels = tiles.kc * (tiles.nBlock + tiles.mBlock);
    if (sums + panels > mostScratch / tiles.elementBytes)
      fail("nBlock", "needs more than " + std::to_string(mostScratch >> 20) +
                         " MiB of scratch for each worker");
  }

  /// Any tiles that the prelude has and shared memory holds.
  void gpuAttention() {
    const GpuTiles &tiles = given.gpu;
    const bool isMatrix = chosen.gpu.kernel != 0;
    if (within("threads", given.threads, 32, 256))
      powerOfTwo("threads", given.threads, 256);
    within("stages", tiles.stages, 1, 2);
    if (within("tileN", tiles.n, 16, 128))
      multiple("tileN", tiles.n, 16);
    const int64_t rows = given.threads / (isMatrix ? 2 : 16); // One more for each thread.
    if (within("tileM", tiles.m, rows, rows * (isMatrix ? 2 : 8)))
      multiple("tileM", tiles.m, rows);
    if (problem)
      return;
    Schedule tried = chosen; // Of the other fields nothing is known yet.
    tried.threads = given.threads;
    tried.gpu.m = tiles.m;
    tried.gpu.n = tiles.n;
    tried.gpu.stages = tiles.stages;
    const AttentionTiles all(analysis.anchors.front(), tried);
    const bool isBackward = all.layout.isBackward;
    const int64_t bytes = std::max(all.sharedBytes({true, true, !isBackward}),
                                   isBackward ? all.sharedBytes({false, true, true}) : 0);
    if (bytes > mostShared)
      fail("tileM", "needs " + std::to_string(bytes) + " bytes of shared memory; there are " +
                        std::to_string(mostShared));
    // What was chosen for heads of many elements may need more.
    const AttentionTiles usual(analysis.anchors.front(), chosen);
    const int64_t most = std::max(all.mostRegisters(), usual.registers());
    if (all.registers() > most)
      fail("tileN", "needs about " + std::to_string(all.registers()) +
                        " registers of a thread; there are " + std::to_string(most) +
                        " for sums and scores");
    const int64_t scores =
        std::max(AttentionTiles::mostScoresBesideMask, usual.scoresBesideMask());
    if (all.scoresBesideMask() > scores)
      fail("tileN", "must be at most " + std::to_string(scores / all.perGroup()) +
                        " beside a mask");
  }

  const KernelAnalysis &analysis;
  const Schedule &chosen, &given;
  const TargetInfo &target;
  std::set<std::string> free; ///< Fields that may differ.
  std::optional<ScheduleProblem> problem;
};

} // namespace

std::optional<ScheduleProblem> findProblem(const KernelAnalysis &analysis,
                                           const Schedule &chosen, const Schedule &given,
                                           const TargetInfo &target) {
  return Check(analysis, chosen, given, target).run();
}

} // namespace sinter::codegen
