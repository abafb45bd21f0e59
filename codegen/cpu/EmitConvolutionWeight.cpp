// SPDX-License-Identifier: Apache-2.0
// Convolution form where the result is w, the gradient of the weights. Either as OuterProducts, or
// with lanes along positions: the source and the rows of y are copied to one pitch, so that a
// weight is a dot product of two stretches of memory; a tile of them shares what is loaded.
#include "sinter/codegen/cpu/ConvolutionEmit.h"
#include "sinter/codegen/forms/ConvolutionPlan.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;
using namespace sinter::codegen;

namespace sinter::cpu {

using namespace convolution;

namespace {

class WeightEmitter {
public:
  /// The second launch, where there are chunks: adds them up. Units are channels of y.
  void combine() {
    staging = kernel.workerScratch(0);
    Finish finish(*this);
    Value none = kernel.constant(0), count = kernel.size(plan.weightRow());
    Value total = kernel.size(op.getType().getNumElements());
    Memory memory(kernel.builder, kernel.loc, vectors.lanes);
    kernel.loop(kernel.begin, kernel.end, kernel.constant(1), {}, [&](Value row, ValueRange) {
      kernel.vectorLoop(none, count, vectors.lanes, 1, {}, [&](Value at, Value mask, ValueRange) {
        Value from = kernel.add(kernel.mul(row, count), at), sum = vectors.zero();
        for (int64_t c = 0; c < plan.chunks(); ++c) {
          Value next =
              memory.loadVector(kernel.workspaces[1], vectors.elementType,
                                kernel.add(from, kernel.mul(total, kernel.constant(c))), mask);
          sum = c == 0 ? next : vectors.add(sum, next);
        }
        finish.store(row, at, kernel.sub(count, at), sum, mask);
        return Values();
      });
      return Values();
    });
  }

  explicit WeightEmitter(KernelFunction &kernel)
      : kernel(kernel), op(cast<ir::ConvolutionOp>(kernel.plan.analysis.anchors.front())),
        layout(op), plan(layout, kernel.plan.schedule),
        vectors(kernel, op.getType().getElementType()), math{kernel},
        mr(kernel.plan.schedule.tiles.mr), nr(kernel.plan.schedule.tiles.nr),
        entries(plan.depthBlock() * layout.taps()), stride(plan.weightSumsStride()),
        outer(kernel, layout, plan) {}

  void run() {
    Value scratch = kernel.workerScratch(0);
    table = scratch;
    patchPointer = kernel.offsetBytes(scratch, kernel.size(plan.weightPatchOffset()));
    rowsPointer = kernel.offsetBytes(scratch, kernel.size(plan.rowsOffset()));
    sums = kernel.offsetBytes(scratch, kernel.size(plan.weightSumsOffset()));
    staging = vectors.step(sums, plan.weightSumsSize());
    Patch patch(kernel, layout, op.getLhs(), patchPointer, plan.blockRows());
    if (plan.byChannels())
      outer.fillTable(patch, table);
    else
      fillTable(patch);
    llvm::SmallVector<DimExpr> dims{layout.groups, plan.rowBlocks(),
                                    ceilDiv(layout.depth(), plan.depthBlock()), plan.chunks()};
    llvm::SmallVector<DimExpr> blockDims{ceilDiv(layout.batch, plan.images())};
    for (const ConvolutionAxis &axis : layout.leading)
      blockDims.push_back(axis.result);
    blockDims.push_back(ceilDiv(layout.y.positions(), plan.blockRows()));
    IndexMath indices(kernel.builder, kernel.loc, *kernel.env.sizes, 1);
    Value none = kernel.constant(0), one = kernel.constant(1);
    kernel.loop(kernel.begin, kernel.end, one, {}, [&](Value unit, ValueRange) {
      llvm::SmallVector<LaneIndex> at = indices.delinearize(unit, dims);
      group = at[0].base;
      firstRow = kernel.mul(at[1].base, kernel.constant(plan.rowsPerBlock()));
      numRows = kernel.minimum(kernel.constant(plan.rowsPerBlock()),
                               kernel.sub(kernel.size(layout.outputs), firstRow));
      firstChannel = kernel.mul(at[2].base, kernel.constant(plan.depthBlock()));
      numChannels = kernel.minimum(kernel.constant(plan.depthBlock()),
                                   kernel.sub(kernel.size(layout.depth()), firstChannel));
      chunk = at[3].base;
      Value firstBlock = kernel.mul(chunk, kernel.size(plan.blocksPerChunk()));
      Value lastBlock = kernel.minimum(kernel.size(plan.blocks()),
                                       kernel.add(firstBlock, kernel.size(plan.blocksPerChunk())));
      vectors.clear(sums, none, kernel.constant(plan.weightSumsSize()));
      kernel.loop(firstBlock, lastBlock, one, {}, [&](Value number, ValueRange) {
        llvm::SmallVector<LaneIndex> block = indices.delinearize(number, blockDims);
        Values leading;
        for (size_t i = 1; i + 1 < block.size(); ++i)
          leading.push_back(block[i].base);
        Value row = kernel.mul(block.back().base, kernel.size(plan.blockRows()));
        Value rows = kernel.minimum(kernel.size(plan.blockRows()),
                                    kernel.sub(kernel.size(layout.y.positions()), row));
        Value firstImage = kernel.mul(block[0].base, kernel.constant(plan.images()));
        Value numImages = kernel.minimum(kernel.constant(plan.images()),
                                         kernel.sub(kernel.size(layout.batch), firstImage));
        kernel.loop(none, numImages, 1, {}, [&](Value i, ValueRange) {
          Value image = kernel.add(firstImage, i);
          Patch here(kernel, layout, op.getLhs(),
                     vectors.step(patchPointer, kernel.mul(i, kernel.size(plan.patchSize()))),
                     plan.blockRows());
          here.fill({image, kernel.mul(group, kernel.size(layout.inputs)), leading, row, rows,
                     firstChannel, numChannels});
          Value copies = vectors.step(rowsPointer, kernel.mul(i, kernel.size(plan.rowsSize())));
          if (plan.byChannels())
            outer.fillColumns({image, kernel.mul(group, kernel.size(layout.outputs)), leading, row,
                               rows, firstRow, numRows},
                              copies, staging);
          else
            fillRows(image, leading, row, rows, copies);
          return Values();
        });
        if (plan.byChannels())
          outer.multiplyBlock(
              {table, patchPointer, rowsPointer, sums, numChannels, numRows, row, rows, numImages});
        else
          multiplyBlock(rows, numImages);
        return Values();
      });
      results();
      return Values();
    });
  }

private:
  /// Where each weight of a row reads the patch; some at the end again, to fill a tile.
  void fillTable(Patch &patch) {
    Value channelSize = patch.channelSize();
    kernel.loop(
        kernel.constant(0), kernel.constant(plan.depthBlock()), 1, {}, [&](Value q, ValueRange) {
          Value first = kernel.mul(q, channelSize);
          for (int64_t ky = 0; ky < layout.y.taps; ++ky)
            for (int64_t kx = 0; kx < layout.x.taps; ++kx) {
              Value at = kernel.add(kernel.mul(q, kernel.constant(layout.taps())),
                                    kernel.constant(ky * layout.x.taps + kx));
              vectors.storeWord(
                  table, at,
                  kernel.add(first, patch.offset(*layout.y.tap(ky, 0), *layout.x.tap(kx, 0))));
            }
          return Values();
        });
    for (int64_t at = entries; at % nr != 0; ++at)
      vectors.storeWord(table, kernel.constant(at),
                        vectors.loadWord(table, kernel.constant(entries - 1)));
  }

  Value spanOf(Value rows) {
    return kernel.add(kernel.mul(kernel.sub(rows, kernel.constant(1)), kernel.size(layout.pitch())),
                      kernel.size(layout.x.positions()));
  }

  /// Rows of y at the patch's pitch, with zeros between and behind them.
  void fillRows(Value batch, const Values &leading, Value row, Value rows, Value pointer) {
    ElementEmitter emitter(kernel.builder, kernel.loc, kernel.env, vectors.lanes);
    Value none = kernel.constant(0), one = kernel.constant(1),
          width = kernel.constant(vectors.lanes);
    Value columns = kernel.size(layout.x.positions()), pitch = kernel.size(layout.pitch());
    Value whole = kernel.mul(math.ceilDiv(columns, width), width), span = spanOf(rows);
    Value firstOutput = kernel.add(kernel.mul(group, kernel.size(layout.outputs)), firstRow);
    kernel.loop(none, numRows, one, {}, [&](Value m, ValueRange) {
      Value target = vectors.step(pointer, kernel.mul(m, kernel.size(plan.rowSize())));
      Index index{{batch, 0, {}}, {kernel.add(firstOutput, m), 0, {}}};
      for (Value position : leading)
        index.push_back({position, 0, {}});
      kernel.loop(none, rows, one, {}, [&](Value r, ValueRange) {
        Value to = vectors.step(target, kernel.mul(r, pitch));
        Index at = index;
        if (layout.hasY)
          at.push_back({kernel.add(row, r), 0, {}});
        at.push_back({});
        kernel.vectorLoop(none, columns, vectors.lanes, 1, {},
                          [&](Value x, Value mask, ValueRange) {
                            ElementEmitter::Scope scope(emitter);
                            emitter.setMask(mask);
                            at.back() = {x, 1, {}};
                            vectors.store(vectors.step(to, x),
                                          emitter.memory().asVector(emitter.emit(op.getRhs(), at)));
                            return Values();
                          });
        // Nothing is behind the last row but what fills its last vector.
        vectors.clear(to, whole, math.min(pitch, kernel.sub(span, kernel.mul(r, pitch))));
        return Values();
      });
      vectors.clear(target, span, kernel.add(span, width));
      return Values();
    });
  }

  void multiplyBlock(Value rows, Value numImages) {
    Value none = kernel.constant(0);
    kernel.loop(none, numRows, kernel.constant(mr), {}, [&](Value m, ValueRange) {
      Value a = vectors.step(rowsPointer, kernel.mul(m, kernel.size(plan.rowSize())));
      Value count = kernel.mul(numChannels, kernel.constant(layout.taps()));
      kernel.loop(none, count, kernel.constant(nr), {}, [&](Value e, ValueRange) {
        Value at = kernel.add(kernel.mul(m, kernel.constant(stride)), e);
        Value target = vectors.step(sums, kernel.mul(at, kernel.constant(vectors.lanes)));
        Value offsets = kernel.offsetBytes(table, kernel.mul(e, kernel.constant(8)));
        Value arguments[] = {a,
                             patchPointer,
                             target,
                             offsets,
                             spanOf(rows),
                             numImages,
                             kernel.size(plan.rowSize()),
                             kernel.size(plan.rowsSize()),
                             kernel.size(plan.patchSize())};
        vectors.call("kernel_tile", arguments, [&](ValueRange inner) { multiply(inner); });
        return Values();
      });
      return Values();
    });
  }

  /// Adds mr x nr products of stretches to `target`.
  void multiply(ValueRange arguments) {
    Value target = arguments[2], offsets = arguments[3], span = arguments[4],
          rowSize = arguments[6], none = kernel.constant(0);
    auto sumAt = [&](int64_t i, int64_t j) {
      return vectors.step(target, (i * stride + j) * vectors.lanes);
    };
    Values carried, columns;
    for (int64_t j = 0; j < nr; ++j)
      columns.push_back(vectors.loadWord(offsets, kernel.constant(j)));
    for (int64_t i = 0; i < mr; ++i)
      for (int64_t j = 0; j < nr; ++j)
        carried.push_back(vectors.load(sumAt(i, j)));
    auto image = [&](Value a, Value patch, ValueRange start) {
      Values from;
      for (Value column : columns)
        from.push_back(vectors.step(patch, column));
      return kernel.loop(
          none, span, kernel.constant(vectors.lanes), start, [&](Value at, ValueRange state) {
            Values loaded, next;
            for (Value column : from)
              loaded.push_back(vectors.load(vectors.step(column, at)));
            for (int64_t i = 0; i < mr; ++i) {
              Value row = vectors.step(a, kernel.mul(rowSize, kernel.constant(i)));
              Value factor = vectors.load(vectors.step(row, at));
              for (int64_t j = 0; j < nr; ++j)
                next.push_back(vectors.multiplyAdd(factor, loaded[static_cast<size_t>(j)],
                                                   state[static_cast<size_t>(i * nr + j)]));
            }
            return next;
          });
    };
    Values result = carried;
    if (plan.images() == 1)
      result = image(arguments[0], arguments[1], carried);
    else
      result = kernel.loop(
          none, arguments[5], kernel.constant(1), carried, [&](Value i, ValueRange state) {
            return image(vectors.step(arguments[0], kernel.mul(i, arguments[7])),
                         vectors.step(arguments[1], kernel.mul(i, arguments[8])), state);
          });
    for (int64_t i = 0; i < mr; ++i)
      for (int64_t j = 0; j < nr; ++j)
        vectors.store(sumAt(i, j), result[static_cast<size_t>(i * nr + j)]);
  }

  /// The sums of each of `lanes` vectors, as one vector.
  Value transposedSum(Value from) {
    Values parts;
    const int64_t lanes = vectors.lanes;
    for (int64_t i = 0; i < lanes; ++i)
      parts.push_back(vectors.load(vectors.step(from, i * lanes)));
    llvm::SmallVector<int64_t> even, odd;
    for (int64_t lane = 0; lane < lanes; ++lane) {
      even.push_back(2 * lane);
      odd.push_back(2 * lane + 1);
    }
    while (parts.size() > 1) {
      Values next;
      for (size_t i = 0; i < parts.size(); i += 2) {
        Value a = vector::ShuffleOp::create(kernel.builder, kernel.loc, parts[i], parts[i + 1],
                                            even),
              b = vector::ShuffleOp::create(kernel.builder, kernel.loc, parts[i], parts[i + 1],
                                            odd);
        next.push_back(vectors.add(a, b));
      }
      parts = next;
    }
    return parts[0];
  }

  /// Whether what follows reads at most the channel of y besides elements of the result's shape:
  /// the other dims may then be walked as one.
  bool walksFlat() {
    for (Operation &each : kernel.fused.getBody().front().without_terminator()) {
      if (&each == op.getOperation() || isa<ir::ElementwiseOpInterface>(each))
        continue;
      for (const ir::Access &access : cast<ir::IndexedOpInterface>(each).getIndexing().accesses)
        for (const ir::IndexExpr &index : access.index)
          if (auto dim = index.asDim(); !index.isZero() && (!dim || *dim != 0))
            return false;
    }
    return true;
  }

  /// Of the unit: to where it belongs, or beside those of the other chunks.
  void results() {
    const int64_t lanes = vectors.lanes;
    Finish finish(*this);
    Value none = kernel.constant(0), total = kernel.size(op.getType().getNumElements());
    Value count = kernel.mul(numChannels, kernel.constant(layout.taps()));
    Value begin = kernel.mul(firstChannel, kernel.constant(layout.taps()));
    Value firstOutput = kernel.add(kernel.mul(group, kernel.size(layout.outputs)), firstRow);
    auto store = [&](Value m, Value e, Value mask, Value vector) {
      Value row = kernel.add(firstOutput, m), at = kernel.add(begin, e);
      if (plan.chunks() == 1)
        return finish.store(row, at, kernel.sub(count, e), vector, mask);
      Value to = kernel.add(kernel.mul(chunk, total),
                            kernel.add(kernel.mul(row, kernel.size(plan.weightRow())), at));
      finish.emitter.memory().storeVector(vector, vectors.elementType, kernel.workspaces[1], to,
                                          mask, false);
    };
    if (plan.byChannels()) {
      Value square = staging, width = kernel.constant(lanes);
      staging = vectors.step(staging, lanes * lanes);
      kernel.loop(none, numRows, width, {}, [&](Value m, ValueRange) {
        kernel.vectorLoop(none, count, lanes, 1, {}, [&](Value e, Value mask, ValueRange) {
          outer.stage(sums, m, e, square);
          Value channels = kernel.minimum(width, kernel.sub(numRows, m));
          kernel.loop(none, channels, kernel.constant(1), {}, [&](Value i, ValueRange) {
            store(kernel.add(m, i), e, mask,
                  vectors.load(vectors.step(square, kernel.mul(i, width))));
            return Values();
          });
          return Values();
        });
        return Values();
      });
      return;
    }
    kernel.loop(none, numRows, kernel.constant(1), {}, [&](Value m, ValueRange) {
      Value rowSums = vectors.step(sums, kernel.mul(m, kernel.constant(stride * lanes)));
      kernel.vectorLoop(none, count, lanes, 1, {}, [&](Value e, Value mask, ValueRange) {
        store(m, e, mask,
              transposedSum(vectors.step(rowSums, kernel.mul(e, kernel.constant(lanes)))));
        return Values();
      });
      return Values();
    });
  }

  /// What follows from sums of weights of one row.
  struct Finish {
    explicit Finish(WeightEmitter &parent)
        : parent(parent), flat(parent.walksFlat()),
          emitter(parent.kernel.builder, parent.kernel.loc, parent.kernel.env,
                  parent.vectors.lanes),
          scalars(parent.kernel.builder, parent.kernel.loc, parent.kernel.env, 1) {}

    /// `count` of them are left in the row from `at` on.
    void store(Value row, Value at, Value count, Value sums, Value mask) {
      KernelFunction &kernel = parent.kernel;
      Shape shape = parent.op.getType().getShape();
      if (flat) {
        Index index(static_cast<size_t>(shape.rank()), LaneIndex{kernel.constant(0), 0, {}});
        index.front() = {row, 0, {}};
        index.back() = {at, 1, {}};
        storeResults(emitter, kernel, parent.op.getResult(), index, sums, mask);
        return;
      }
      Value staged = parent.staging;
      parent.vectors.store(staged, sums);
      llvm::SmallVector<DimExpr> inner(shape.begin() + 1, shape.end());
      Value end = kernel.minimum(kernel.constant(parent.vectors.lanes), count);
      kernel.loop(kernel.constant(0), end, kernel.constant(1), {}, [&](Value lane, ValueRange) {
        Value scalar = scalars.memory().loadScalar(staged, parent.vectors.elementType, lane);
        Index index{{row, 0, {}}};
        llvm::append_range(index, scalars.math().delinearize(kernel.add(at, lane), inner));
        storeResults(scalars, kernel, parent.op.getResult(), index, scalar, {});
        return Values();
      });
    }

    WeightEmitter &parent;
    const bool flat;
    ElementEmitter emitter, scalars;
  };

  KernelFunction &kernel;
  ir::ConvolutionOp op;
  const ConvolutionLayout layout;
  const ConvolutionPlan plan;
  Vectors vectors;
  Arithmetic math;
  const int64_t mr, nr;
  const int64_t entries, stride; ///< Weights of a unit's row, and vectors from row to row of sums.
  OuterProducts outer;
  Value table, patchPointer, rowsPointer, sums, staging;
  // Of the unit.
  Value group, firstRow, numRows, firstChannel, numChannels, chunk;
};

} // namespace

void emitConvolutionWeight(KernelFunction &kernel, unsigned stage) {
  WeightEmitter emitter(kernel);
  if (stage == 0)
    emitter.run();
  else
    emitter.combine();
}

} // namespace sinter::cpu
