// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cuda/BlockEmitter.h"
#include "sinter/codegen/cuda/CppPrinter.h"
#include "sinter/codegen/forms/Region.h"
#include "sinter/codegen/forms/gpu/LoopTile.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace sinter::codegen;

namespace sinter::cuda {

namespace {

/// A Loop whose blocks compute square tiles of the domain: lanes run along the inputs' memory while
/// tiles are filled, and along the outputs' while they are read. Rows of tiles are one longer than
/// they need to be, so that lanes side by side are in different banks both ways.
class TileEmitter : BlockEmitter {
public:
  TileEmitter(const KernelRequest &request, const LoopTile &tile)
      : BlockEmitter(request), tile(tile), last(analysis.domain.rank() - 1) {}

  BlockKernel run() {
    llvm::SmallVector<DimExpr> dims = tile.units(analysis.domain);
    DimExpr units = product(dims);
    std::optional<int64_t> most = units.constant();
    loop(
        position("block", most), sizes->get(units), position("blocks", most), {},
        [&](Value unit, ValueRange) {
          Index at = elements->math().delinearize(unit, dims);
          Value across = mul(at.pop_back_val().base, number(size)),
                along = mul(at.pop_back_val().base, number(size));
          outer = at;
          emitTile(along, across);
          return Values();
        },
        "tile");
    return finish();
  }

private:
  static constexpr int64_t size = LoopTile::size, pitch = size + 1;

  void emitTile(Value along, Value across) {
    Value thread = position("thread");
    Value lane = named(arith::RemUIOp::create(builder, loc, thread, number(size)), "lane"),
          line = named(arith::DivUIOp::create(builder, loc, thread, number(size)), "line");
    llvm::SmallVector<Value> tiles;
    for (const LoopTile::Input &input : tile.inputs)
      tiles.push_back(array(bufferOf(input).elementType, size * pitch,
                            bufferNames[input.argument] + "_tile", /*isShared=*/true));
    barrier(); // The tiles before have been read.
    eachLine(line, /*isCostly=*/false, [&](Value row) {
      Index index = indexAt(add(along, lane), add(across, row));
      whenInside(index, [&] {
        for (auto [input, shared] : llvm::zip(tile.inputs, tiles)) {
          const BufferRef &buffer = bufferOf(input);
          Value from = elements->math().linearize(of(input, index), buffer.shape).base;
          Memory &memory = elements->memory();
          Value element = memory.loadScalar(buffer.pointer, buffer.elementType, from);
          memory.storeScalar(element, buffer.elementType, shared,
                             add(mul(row, number(pitch)), lane));
        }
      });
    });
    barrier();
    eachLine(line, /*isCostly=*/true, [&](Value row) {
      Index index = indexAt(add(along, row), add(across, lane));
      whenInside(index, [&] {
        Value flat = elements->math().linearize(index, analysis.domain).base;
        setPoint(index, flat);
        Value place = add(mul(lane, number(pitch)), row);
        for (auto [input, shared] : llvm::zip(tile.inputs, tiles))
          readFromTile(input, shared, place);
        storeFull(flat);
        for (const LoopTile::Input &input : tile.inputs)
          elements->clearOverride(argument(input));
      });
    });
  }

  void readFromTile(const LoopTile::Input &input, Value shared, Value place) {
    Index wanted = of(input, point);
    const BufferRef &buffer = bufferOf(input);
    elements->setOverride(argument(input), [=, this](llvm::ArrayRef<LaneIndex> index) -> Element {
      for (auto [dim, have, want] : llvm::zip(input.dims, index, wanted))
        if (dim >= 0 && have.base != want.base)
          return {};
      return {elements->memory().loadScalar(shared, buffer.elementType, place), true};
    });
  }

  /// The lines of a tile that a thread has: one below the other for neighbouring warps.
  void eachLine(Value line, bool isCostly, llvm::function_ref<void(Value)> body) {
    const int64_t lines = plan.schedule.threads / size;
    unrolled(size / lines, "k", {}, [&](Value k, ValueRange) {
      body(add(line, mul(k, number(lines))));
      return Values();
    });
    // What takes long is not worth writing out several times.
    constexpr int64_t mostCost = 64;
    if (isCostly && regionCost(fused) > mostCost)
      builder.getInsertionBlock()->back().setAttr("unroll", builder.getI64IntegerAttr(1));
  }

  Index indexAt(Value along, Value across) {
    Index index;
    size_t next = 0;
    for (int64_t d = 0; d <= last; ++d)
      index.push_back(d == tile.fast ? LaneIndex{along, 0, {}}
                      : d == last    ? LaneIndex{across, 0, {}}
                                     : outer[next++]);
    return index;
  }
  Index of(const LoopTile::Input &input, const Index &index) {
    Index mapped;
    for (int64_t dim : input.dims)
      mapped.push_back(dim < 0 ? LaneIndex{zero, 0, {}} : index[static_cast<size_t>(dim)]);
    return mapped;
  }

  void whenInside(const Index &index, llvm::function_ref<void()> body) {
    Value inside;
    for (int64_t d : {tile.fast, last}) {
      if (analysis.domain[d].dividedExactlyBy(size))
        continue;
      Value below =
          arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::slt,
                                index[static_cast<size_t>(d)].base, sizes->get(analysis.domain[d]));
      inside = inside ? Value(arith::AndIOp::create(builder, loc, inside, below)) : below;
    }
    if (!inside)
      return body();
    auto branch = scf::IfOp::create(builder, loc, inside, /*withElseRegion=*/false);
    OpBuilder::InsertionGuard guard(builder);
    ElementEmitter::Scope scope(*elements);
    builder.setInsertionPointToStart(branch.thenBlock());
    body();
  }

  BlockArgument argument(const LoopTile::Input &input) {
    return fused.getBody().front().getArgument(input.argument);
  }
  const BufferRef &bufferOf(const LoopTile::Input &input) { return env.buffers[argument(input)]; }
  Value number(int64_t value) { return arith::ConstantIntOp::create(builder, loc, value, 64); }
  void barrier() { callTemplate("__syncthreads", "", {}, Type()); }

  const LoopTile &tile;
  const int64_t last;
  Index outer; ///< Of the dims that are not the tile's.
};

} // namespace

KernelSource emitTiles(const KernelRequest &request) {
  LoopTile tile = *LoopTile::find(request.fused, request.plan.analysis);
  BlockKernel kernel = TileEmitter(request, tile).run();
  return printKernel(kernel, request, "tiles of 32 by 32, a block each");
}

} // namespace sinter::cuda
