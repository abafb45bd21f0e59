// SPDX-License-Identifier: Apache-2.0
// Attention with a running softmax. A unit is a block of queries of one batch: for every block of
// keys it computes the scores, moves the running maximum and sum on, and adds the weighted values.
#include "sinter/codegen/cpu/AttentionNest.h"

#include "mlir/Dialect/Math/IR/Math.h"

#include <limits>

using namespace mlir;
using namespace sinter::codegen;

namespace sinter::cpu {

static constexpr double infinity = std::numeric_limits<double>::infinity();

namespace {

class Forward {
public:
  Forward(AttentionNest &nest)
      : n(nest), l(nest.l), transposed(nest.kernel.workerScratch(l.numCopies)),
        scores(nest.kernel.workerScratch(l.numCopies + 1)),
        sums(nest.kernel.workerScratch(l.numCopies + 2)),
        largest(nest.kernel.workerScratch(l.numCopies + 3)), total(n.at(largest, l.queryBlock)),
        factor(n.at(largest, 2 * l.queryBlock)), blocks(n.size(ceilDiv(l.queries, l.queryBlock))) {}

  void unit(Value number) {
    block.batch = n.div(number, blocks);
    block.firstQuery = n.mul(n.rem(number, blocks), l.queryBlock);
    block.numQueries = n.min(n.constant(l.queryBlock), n.sub(n.queries, block.firstQuery));
    Value served = n.batchIn(l.served, block.batch);
    keyRows = n.matrix(l.k, served);
    valueRows = n.matrix(l.v, served);
    n.transpose(l.q, n.matrix(l.q, block.batch), block.firstQuery, block.numQueries, l.scale,
                transposed);
    n.fill(largest, n.constant(l.queryBlock), -infinity);
    n.fill(total, n.constant(l.queryBlock), 0);
    n.fill(sums, n.constant(l.queryBlock * l.paddedValueWidth), 0);
    Value end = n.lastKey(block.firstQuery, block.numQueries);
    n.loop(n.constant(0), end, l.keyBlock, [&](Value firstKey) {
      block.firstKey = firstKey;
      block.numKeys = n.min(n.constant(l.keyBlock), n.sub(end, firstKey));
      n.loop(n.constant(0), block.numQueries, l.columns, [&](Value column) { columnOf(column); });
      n.loop(n.constant(0), block.numQueries, l.rows, [&](Value row) { addValues(row); });
    });
    finish();
  }

private:
  /// Scores of all keys of the block for the queries at `column`, and their weights.
  void columnOf(Value column) {
    Value count = n.keysOfColumn(block, column);
    n.products(block, column, count, l.k, keyRows, transposed, l.q.width, scores);
    Values before, shift;
    for (int64_t v = 0; v < n.scoreVectors; ++v)
      before.push_back(n.load(n.at(largest, n.add(column, v * l.lanes))));
    bool changes = l.mask || l.causal;
    Values now = n.eachKey(block, column, count, scores, before,
                           [&](Value key, ValueRange vectors, ValueRange state) {
                             Values next;
                             for (auto [v, score] : llvm::enumerate(vectors)) {
                               if (changes)
                                 n.store(place(column, key, v), score);
                               next.push_back(n.make<arith::MaximumFOp>(state[v], score));
                             }
                             return next;
                           });
    Values state;
    for (size_t v = 0; v < now.size(); ++v) {
      Value offset = n.add(column, static_cast<int64_t>(v) * l.lanes);
      n.store(n.at(largest, offset), now[v]);
      shift.push_back(visibleMaximum(now[v]));
      Value scale = n.exp(n.make<arith::SubFOp>(before[v], shift[v]));
      n.store(n.at(factor, offset), scale);
      state.push_back(n.make<arith::MulFOp>(n.load(n.at(total, offset)), scale));
    }
    state = n.loop(n.constant(0), count, state, [&](Value key, ValueRange sum) {
      Values next;
      for (size_t v = 0; v < sum.size(); ++v) {
        Value at = place(column, key, v);
        Value weight = n.exp(n.make<arith::SubFOp>(n.load(at), shift[v]));
        n.store(at, weight);
        next.push_back(n.make<arith::AddFOp>(sum[v], weight));
      }
      return next;
    });
    for (size_t v = 0; v < state.size(); ++v)
      n.store(n.at(total, n.add(column, static_cast<int64_t>(v) * l.lanes)), state[v]);
  }

  Value place(Value column, Value key, size_t v) {
    return n.at(scores,
                n.add(n.add(n.mul(key, l.queryBlock), column), static_cast<int64_t>(v) * l.lanes));
  }

  /// 0 where nothing was seen so far: then all weights are 0.
  Value visibleMaximum(Value x) {
    Value none = n.less(arith::CmpFPredicate::OEQ, x, n.splat(-infinity));
    return n.select(none, n.splat(0.0), x);
  }

  void addValues(Value row) {
    for (int64_t i = 0; i < l.rows; ++i) {
      Value at = n.at(sums, n.mul(n.add(row, i), l.paddedValueWidth));
      Value scale = n.splat(n.loadScalar(n.at(factor, n.add(row, i))));
      n.loop(n.constant(0), n.constant(l.paddedValueWidth), l.lanes, [&](Value c) {
        n.store(n.at(at, c), n.make<arith::MulFOp>(n.load(n.at(at, c)), scale));
      });
    }
    n.multiplyColumns({.a = n.at(scores, row),
                       .aRow = n.constant(1),
                       .aStep = n.constant(l.queryBlock),
                       .valid = {},
                       .b = n.at(valueRows, n.mul(block.firstKey, l.v.stride)),
                       .bStep = n.constant(l.v.stride),
                       .length = n.visible(block, n.add(row, l.rows)),
                       .to = n.at(sums, n.mul(row, l.paddedValueWidth)),
                       .toRow = n.constant(l.paddedValueWidth),
                       .vectors = l.valueVectors,
                       .accumulate = true},
                      l.paddedValueWidth);
  }

  void finish() {
    BufferRef out = n.outputOf(0), lse = n.outputOf(1);
    Value first = n.add(n.mul(block.batch, n.queries), block.firstQuery);
    if (out.pointer)
      n.loop(n.constant(0), block.numQueries, 1, [&](Value row) {
        Value sum = n.loadScalar(n.at(total, row));
        Value isEmpty = n.less(arith::CmpFPredicate::OEQ, sum, n.scalar(0));
        if (l.strictRows) // Not even a hidden key.
          isEmpty = n.make<arith::CmpIOp>(arith::CmpIPredicate::eq, n.keys, n.constant(0));
        sum = n.select(isEmpty, n.scalar(1), sum);
        Value inverse = n.make<arith::DivFOp>(n.scalar(1), sum);
        n.storeRow(out, n.add(first, row), l.v.width, n.at(sums, n.mul(row, l.paddedValueWidth)),
                   inverse);
      });
    if (!lse.pointer)
      return;
    n.loop(n.constant(0), block.numQueries, l.lanes, [&](Value row) {
      Value sum = n.load(n.at(total, row)), top = visibleMaximum(n.load(n.at(largest, row)));
      Value result = n.make<arith::AddFOp>(top, n.make<math::LogOp>(sum));
      if (!l.strictRows)
        result = n.select(n.less(arith::CmpFPredicate::OEQ, sum, n.splat(0.0)), n.splat(infinity),
                          result);
      Value mask = n.memory.tailMask(n.sub(block.numQueries, row));
      n.memory.storeVector(result, lse.elementType, lse.pointer, n.add(first, row), mask, false);
    });
  }

  AttentionNest &n;
  const AttentionLayout &l;
  Value transposed, scores, sums, largest, total, factor, blocks;
  AttentionNest::Block block;
  Value keyRows, valueRows;
};

/// The gradients of one batch of keys and values. Queries are taken in blocks; the sums over
/// queries stay in the worker's scratch, those over keys in a block's.
class Backward {
public:
  Backward(AttentionNest &nest)
      : n(nest), l(nest.l), transposed(nest.kernel.workerScratch(l.numCopies)),
        transposedDout(n.at(transposed, l.q.width * l.queryBlock)),
        weights(nest.kernel.workerScratch(l.numCopies + 1)),
        slopes(n.at(weights, l.blockElements())), sums(nest.kernel.workerScratch(l.numCopies + 2)),
        lse(nest.kernel.workerScratch(l.numCopies + 3)), delta(n.at(lse, l.queryBlock)),
        keySums(nest.kernel.workerScratch(l.numCopies + 4)),
        valueSums(n.at(keySums, n.mul(n.size(l.keysOfPart()), l.paddedWidth))) {}

  void unit(Value unit) {
    Value number = n.div(unit, n.constant(l.parts));
    part = n.rem(unit, n.constant(l.parts));
    Value length = n.size(l.keysOfPart());
    lowKey = n.min(n.mul(part, length), n.keys);
    highKey = n.min(n.add(lowKey, length), n.keys);
    servedBatch = number;
    keyRows = n.matrix(l.k, number);
    valueRows = n.matrix(l.v, number);
    n.fill(keySums, n.mul(length, l.paddedWidth + l.paddedValueWidth), 0);
    DimExpr repeats = 1;
    for (auto [all, own] : llvm::zip_equal(l.leading, l.served))
      if (all != own)
        repeats *= all;
    n.loop(n.constant(0), n.size(repeats), 1, [&](Value repeat) {
      block.batch = batchOf(number, repeat);
      n.loop(n.constant(0), n.queries, l.queryBlock, [&](Value first) { queryBlock(first); });
    });
    storeKeys(n.outputOf(1), keySums, l.q.width, l.paddedWidth);
    storeKeys(n.outputOf(2), valueSums, l.v.width, l.paddedValueWidth);
  }

  /// Row `row` of the gradient of q from the sums of all parts.
  void addParts(Value row) {
    BufferRef out = n.outputOf(0);
    if (!out.pointer)
      return;
    Value first = n.at(partialSums(), n.mul(row, l.paddedWidth)),
          step = n.mul(n.size(l.queryRows()), l.paddedWidth);
    n.loop(n.constant(0), n.constant(l.paddedWidth), l.lanes, [&](Value i) {
      Value sum = n.load(n.at(first, i));
      for (int64_t p = 1; p < l.parts; ++p)
        sum = n.make<arith::AddFOp>(sum, n.load(n.at(first, n.add(n.mul(step, p), i))));
      n.store(n.at(first, i), sum);
    });
    n.storeRow(out, row, l.q.width, first, {});
  }

private:
  Value partialSums() { return n.kernel.workspaces[l.partialSums()]; }

  /// The batch of queries from that of the keys and the number of the repetition.
  Value batchOf(Value served, Value repeat) {
    Value result = n.constant(0), factor = n.constant(1);
    for (size_t d = l.leading.size(); d-- > 0;) {
      Value extent = n.size(l.leading[d]);
      Value &from = l.served[d] == l.leading[d] ? served : repeat;
      result = n.add(result, n.mul(n.rem(from, extent), factor));
      from = n.div(from, extent);
      factor = n.mul(factor, extent);
    }
    return result;
  }

  void queryBlock(Value first) {
    block.firstQuery = first;
    block.numQueries = n.min(n.constant(l.queryBlock), n.sub(n.queries, first));
    queryRows = n.matrix(l.q, block.batch);
    doutRows = n.matrix(l.dout, block.batch);
    n.transpose(l.q, queryRows, first, block.numQueries, l.scale, transposed);
    n.transpose(l.dout, doutRows, first, block.numQueries, 1, transposedDout);
    auto backward = cast<ir::AttentionBackwardOp>(l.op);
    perQuery(backward.getLse(), lse, infinity);
    perQuery(backward.getDelta(), delta, 0);
    n.fill(sums, n.constant(l.queryBlock * l.paddedWidth), 0);
    Value end = n.min(n.lastKey(first, block.numQueries), highKey);
    n.loop(lowKey, end, l.keyBlock, [&](Value firstKey) {
      block.firstKey = firstKey;
      block.numKeys = n.min(n.constant(l.keyBlock), n.sub(end, firstKey));
      n.loop(n.constant(0), block.numQueries, l.columns, [&](Value column) { slopesOf(column); });
      n.loop(n.constant(0), block.numKeys, l.rows, [&](Value key) { addToKeys(key); });
      n.loop(n.constant(0), block.numQueries, l.rows, [&](Value row) { addToQueries(row); });
    });
    BufferRef out = n.outputOf(0);
    if (!out.pointer)
      return;
    Value row0 = n.add(n.mul(block.batch, n.queries), first);
    if (l.parts > 1) {
      Value to = n.at(partialSums(),
                      n.mul(n.add(row0, n.mul(part, n.size(l.queryRows()))), l.paddedWidth));
      n.loop(n.constant(0), n.mul(block.numQueries, l.paddedWidth), l.lanes,
             [&](Value i) { n.store(n.at(to, i), n.load(n.at(sums, i))); });
      return;
    }
    n.loop(n.constant(0), block.numQueries, 1, [&](Value row) {
      n.storeRow(out, n.add(row0, row), l.q.width, n.at(sums, n.mul(row, l.paddedWidth)), {});
    });
  }

  /// Copies the numbers of the block's queries; `otherwise` stands for those past the end.
  void perQuery(Value tensor, Value to, double otherwise) {
    BufferRef from = n.kernel.env.buffers.lookup(tensor);
    Value start = n.add(n.mul(block.batch, n.queries), block.firstQuery);
    n.fill(to, n.constant(l.queryBlock), otherwise);
    n.loop(n.constant(0), block.numQueries, 1, [&](Value i) {
      n.storeScalar(n.at(to, i), n.loadScalar(n.at(from.pointer, n.add(start, i))));
    });
  }

  /// Weights and their gradients times them, for the queries at `column`.
  void slopesOf(Value column) {
    // Whole tiles of keys: what lies past the end ends up in rows that nobody reads.
    Value count = n.roundUp(n.keysOfColumn(block, column), l.rows);
    n.products(block, column, count, l.k, keyRows, transposed, l.q.width, weights);
    n.products(block, column, count, l.v, valueRows, transposedDout, l.v.width, slopes);
    Values lses, deltas;
    for (int64_t v = 0; v < n.scoreVectors; ++v) {
      lses.push_back(n.load(n.at(lse, n.add(column, v * l.lanes))));
      deltas.push_back(n.load(n.at(delta, n.add(column, v * l.lanes))));
    }
    Value scale = n.splat(l.scale);
    n.eachKey(block, column, count, weights, {}, [&](Value key, ValueRange scores, ValueRange) {
      Value at = n.add(n.mul(key, l.queryBlock), column);
      for (auto [v, score] : llvm::enumerate(scores)) {
        Value offset = n.add(at, static_cast<int64_t>(v) * l.lanes);
        Value weight = n.exp(n.make<arith::SubFOp>(score, lses[v]));
        n.store(n.at(weights, offset), weight);
        Value slope = n.make<arith::SubFOp>(n.load(n.at(slopes, offset)), deltas[v]);
        n.store(n.at(slopes, offset),
                n.make<arith::MulFOp>(n.make<arith::MulFOp>(weight, scale), slope));
      }
      return Values();
    });
  }

  void addToKeys(Value key) {
    // The first column of scores with queries that see one of these keys.
    Value row = n.constant(0);
    if (l.causal) {
      Value place = n.sub(n.sub(n.add(block.firstKey, key), n.size(*l.causal)), block.firstQuery);
      place = n.max(place, n.constant(0));
      row = n.mul(n.div(place, n.constant(l.columns)), l.columns);
    }
    Value length = n.sub(block.numQueries, row);
    n.ifPositive(length, [&] {
      Value at = n.add(n.mul(key, l.queryBlock), row), query = n.add(block.firstQuery, row),
            target = n.sub(n.add(block.firstKey, key), lowKey);
      auto sum = [&](Value left, const AttentionLayout::Matrix &m, Value rows, Value to,
                     int64_t padded, int64_t vectors) {
        n.multiplyColumns({.a = n.at(left, at),
                           .aRow = n.constant(l.queryBlock),
                           .aStep = n.constant(1),
                           .valid = {},
                           .b = n.at(rows, n.mul(query, m.stride)),
                           .bStep = n.constant(m.stride),
                           .length = length,
                           .to = n.at(to, n.mul(target, padded)),
                           .toRow = n.constant(padded),
                           .vectors = vectors,
                           .accumulate = true},
                          padded);
      };
      sum(weights, l.dout, doutRows, valueSums, l.paddedValueWidth, l.valueVectors);
      sum(slopes, l.q, queryRows, keySums, l.paddedWidth, l.widthVectors);
    });
  }

  void addToQueries(Value row) {
    n.multiplyColumns({.a = n.at(slopes, row),
                       .aRow = n.constant(1),
                       .aStep = n.constant(l.queryBlock),
                       .valid = {},
                       .b = n.at(keyRows, n.mul(block.firstKey, l.k.stride)),
                       .bStep = n.constant(l.k.stride),
                       .length = n.visible(block, n.add(row, l.rows)),
                       .to = n.at(sums, n.mul(row, l.paddedWidth)),
                       .toRow = n.constant(l.paddedWidth),
                       .vectors = l.widthVectors,
                       .accumulate = true},
                      l.paddedWidth);
  }

  void storeKeys(const BufferRef &output, Value from, int64_t width, int64_t padded) {
    if (!output.pointer)
      return;
    Value first = n.add(n.mul(servedBatch, n.keys), lowKey);
    n.loop(n.constant(0), n.sub(highKey, lowKey), 1, [&](Value key) {
      n.storeRow(output, n.add(first, key), width, n.at(from, n.mul(key, padded)), {});
    });
  }

  AttentionNest &n;
  const AttentionLayout &l;
  Value transposed, transposedDout, weights, slopes, sums, lse, delta, keySums, valueSums;
  AttentionNest::Block block;
  Value part, lowKey, highKey;
  Value servedBatch, keyRows, valueRows, queryRows, doutRows;
};

} // namespace

void emitAttention(KernelFunction &kernel, unsigned stage) {
  AttentionLayout layout(kernel.plan.analysis.anchors.front(), kernel.plan.schedule);
  AttentionNest nest(kernel, layout);
  if (layout.copies() && stage == 0) {
    nest.loop(kernel.begin, kernel.end, 1, [&](Value row) { nest.copyRow(row); });
  } else if (layout.isBackward) {
    Backward backward(nest);
    if (stage > (layout.copies() ? 1U : 0U))
      nest.loop(kernel.begin, kernel.end, 1, [&](Value row) { backward.addParts(row); });
    else
      nest.loop(kernel.begin, kernel.end, 1, [&](Value unit) { backward.unit(unit); });
  } else {
    Forward forward(nest);
    nest.loop(kernel.begin, kernel.end, 1, [&](Value unit) { forward.unit(unit); });
  }
}

} // namespace sinter::cpu
