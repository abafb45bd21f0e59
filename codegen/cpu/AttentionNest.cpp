// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cpu/AttentionNest.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"

#include <limits>

using namespace mlir;
using namespace sinter::codegen;

namespace sinter::cpu {

static constexpr double infinity = std::numeric_limits<double>::infinity();

AttentionNest::AttentionNest(KernelFunction &kernel, const AttentionLayout &layout)
    : kernel(kernel), l(layout), builder(kernel.builder), loc(kernel.loc),
      element(ir::registerType(ir::tensorType(layout.q.value).getElementType())),
      vectorType(VectorType::get({layout.lanes}, element)), memory(builder, loc, layout.lanes) {
  queries = size(layout.queries);
  keys = size(layout.keys);
}

// -- Numbers and loops ----------------------------------------------------------------------------

Value AttentionNest::max(Value a, Value b) {
  return builder.createOrFold<arith::MaxSIOp>(loc, a, b);
}
Value AttentionNest::div(Value a, Value b) {
  return builder.createOrFold<arith::DivUIOp>(loc, a, b);
}
Value AttentionNest::rem(Value a, Value b) {
  return builder.createOrFold<arith::RemUIOp>(loc, a, b);
}
Value AttentionNest::roundUp(Value a, int64_t multiple) {
  return mul(div(add(a, multiple - 1), constant(multiple)), multiple);
}

void AttentionNest::loop(Value low, Value high, int64_t step,
                         llvm::function_ref<void(Value)> body) {
  kernel.loop(low, high, step, {}, [&](Value iv, ValueRange) {
    body(iv);
    return KernelFunction::Values();
  });
}

Values AttentionNest::loop(Value low, Value high, Values carried,
                           llvm::function_ref<Values(Value, ValueRange)> body) {
  return kernel.loop(low, high, constant(1), carried, body);
}

void AttentionNest::ifPositive(Value value, llvm::function_ref<void()> body) {
  Value condition = make<arith::CmpIOp>(arith::CmpIPredicate::sgt, value, constant(0));
  auto branch = scf::IfOp::create(builder, loc, condition, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(branch.thenBlock());
  body();
}

// -- Elements -------------------------------------------------------------------------------------

Value AttentionNest::at(Value pointer, Value offset) {
  return LLVM::GEPOp::create(builder, loc, pointer.getType(), element, pointer, ValueRange{offset});
}
Value AttentionNest::load(Value pointer) {
  return LLVM::LoadOp::create(builder, loc, vectorType, pointer,
                              static_cast<unsigned>(l.elementBytes));
}
void AttentionNest::store(Value pointer, Value vector) {
  LLVM::StoreOp::create(builder, loc, vector, pointer, static_cast<unsigned>(l.elementBytes));
}
Value AttentionNest::loadScalar(Value pointer) {
  return LLVM::LoadOp::create(builder, loc, element, pointer,
                              static_cast<unsigned>(l.elementBytes));
}
void AttentionNest::storeScalar(Value pointer, Value value) {
  LLVM::StoreOp::create(builder, loc, value, pointer, static_cast<unsigned>(l.elementBytes));
}
Value AttentionNest::scalar(double number) {
  return make<arith::ConstantOp>(builder.getFloatAttr(element, number));
}
Value AttentionNest::splat(double number) {
  return make<arith::ConstantOp>(
      DenseElementsAttr::get(vectorType, builder.getFloatAttr(element, number)));
}
Value AttentionNest::exp(Value x) { return make<math::ExpOp>(x); }

void AttentionNest::fill(Value pointer, Value elements, double number) {
  Value vector = splat(number);
  loop(constant(0), elements, l.lanes, [&](Value i) { store(at(pointer, i), vector); });
}

// -- Operands -------------------------------------------------------------------------------------

Value AttentionNest::matrix(const AttentionLayout::Matrix &m, Value batch) {
  Value base = m.copy ? kernel.workspaces[*m.copy] : kernel.env.buffers.lookup(m.value).pointer;
  return at(base, mul(mul(batch, size(m.rows)), m.stride));
}

Value AttentionNest::batchIn(llvm::ArrayRef<DimExpr> sizes, Value batch) {
  if (llvm::equal(sizes, l.leading))
    return batch;
  Value result = constant(0), factor = constant(1), rest = batch;
  for (size_t d = sizes.size(); d-- > 0;) {
    Value extent = size(l.leading[d]);
    if (sizes[d] == l.leading[d]) {
      result = add(result, mul(rem(rest, extent), factor));
      factor = mul(factor, extent);
    }
    rest = div(rest, extent);
  }
  return result;
}

void AttentionNest::copyRow(Value row) {
  for (const AttentionLayout::Matrix *m : {&l.q, &l.k, &l.v, &l.dout}) {
    if (!m->copy)
      continue;
    ifPositive(sub(size(m->batches * m->rows), row), [&] {
      BufferRef from = kernel.env.buffers.lookup(m->value);
      Value to = at(kernel.workspaces[*m->copy], mul(row, m->stride));
      Value source = mul(row, m->width);
      int64_t whole = m->width / l.lanes * l.lanes;
      loop(constant(0), constant(whole), l.lanes, [&](Value i) {
        store(at(to, i), memory.loadVector(from.pointer, from.elementType, add(source, i), {}));
      });
      if (whole < m->width)
        store(at(to, whole), memory.loadVector(from.pointer, from.elementType, add(source, whole),
                                               memory.tailMask(constant(m->width - whole))));
      int64_t end = (m->width + l.lanes - 1) / l.lanes * l.lanes;
      loop(constant(end), constant(m->stride), l.lanes,
           [&](Value i) { store(at(to, i), splat(0.0)); });
    });
  }
}

void AttentionNest::transpose(const AttentionLayout::Matrix &m, Value rows, Value first,
                              Value count, double factor, Value to) {
  Value last = sub(add(first, count), constant(1)), times = scalar(factor);
  loop(constant(0), constant(l.queryBlock), 1, [&](Value r) {
    Value from = at(rows, mul(min(add(first, r), last), m.stride)), column = at(to, r);
    loop(constant(0), constant(m.width), 1, [&](Value e) {
      Value x = loadScalar(at(from, e));
      storeScalar(at(column, mul(e, l.queryBlock)),
                  factor == 1 ? x : make<arith::MulFOp>(x, times));
    });
  });
}

void AttentionNest::storeRow(const BufferRef &output, Value row, int64_t width, Value from,
                             Value factor) {
  Value times = factor ? splat(factor) : Value(), start = mul(row, width);
  auto one = [&](Value i, Value mask) {
    Value x = load(at(from, i));
    memory.storeVector(times ? make<arith::MulFOp>(x, times) : x, output.elementType,
                       output.pointer, add(start, i), mask, false);
  };
  int64_t whole = width / l.lanes * l.lanes;
  loop(constant(0), constant(whole), l.lanes, [&](Value i) { one(i, {}); });
  if (whole < width)
    one(constant(whole), memory.tailMask(constant(width - whole)));
}

BufferRef AttentionNest::outputOf(unsigned result) {
  auto yields = kernel.fused.getBody().front().getTerminator()->getOperands();
  for (auto [i, value] : llvm::enumerate(yields))
    if (value == l.op->getResult(result))
      return kernel.outputs[i];
  return {};
}

// -- The tile -------------------------------------------------------------------------------------

/// In a function of its own: the code around it does not compete for its registers, and all
/// products share it.
func::FuncOp AttentionNest::tileFunction(int64_t vectors, bool accumulate) {
  func::FuncOp &function = tiles[{vectors, accumulate}];
  if (function)
    return function;
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToEnd(kernel.module->getBody());
  Type pointer = LLVM::LLVMPointerType::get(builder.getContext()), i64 = builder.getI64Type();
  std::string name = "kernel_tile" + std::to_string(vectors) + (accumulate ? "_add" : "");
  function = func::FuncOp::create(
      builder, loc, name,
      builder.getFunctionType({pointer, i64, i64, i64, pointer, i64, i64, pointer, i64}, {}));
  function.setPrivate();
  mlir::Block *entry = function.addEntryBlock();
  builder.setInsertionPointToStart(entry);
  auto argument = [&](unsigned i) -> Value { return entry->getArgument(i); };
  Value a = argument(0), aRow = argument(1), aStep = argument(2),
        last = sub(argument(3), constant(1)), b = argument(4), bStep = argument(5),
        length = argument(6), to = argument(7), toRow = argument(8);
  Values rows, targets, carried;
  for (int64_t i = 0; i < l.rows; ++i) {
    rows.push_back(at(a, mul(min(constant(i), last), aRow)));
    targets.push_back(at(to, mul(toRow, i)));
    for (int64_t v = 0; v < vectors; ++v)
      carried.push_back(accumulate ? load(at(targets.back(), v * l.lanes)) : splat(0.0));
  }
  size_t numSums = carried.size();
  carried.push_back(constant(0));
  carried.push_back(b);
  carried = loop(constant(0), length, carried, [&](Value, ValueRange state) {
    Values next(state.begin(), state.end());
    Value offset = state[numSums], row = state[numSums + 1];
    Values right;
    for (int64_t v = 0; v < vectors; ++v)
      right.push_back(load(at(row, v * l.lanes)));
    for (int64_t i = 0; i < l.rows; ++i) {
      Value left = splat(loadScalar(at(rows[static_cast<size_t>(i)], offset)));
      for (int64_t v = 0; v < vectors; ++v) {
        Value &sum = next[static_cast<size_t>(i * vectors + v)];
        Value other = right[static_cast<size_t>(v)];
        sum = kernel.target.hasFma ? make<math::FmaOp>(left, other, sum)
                                   : make<arith::AddFOp>(make<arith::MulFOp>(left, other), sum);
      }
    }
    next[numSums] = add(offset, aStep);
    next[numSums + 1] = at(row, bStep);
    return next;
  });
  for (int64_t i = 0; i < l.rows; ++i)
    for (int64_t v = 0; v < vectors; ++v)
      store(at(targets[static_cast<size_t>(i)], v * l.lanes),
            carried[static_cast<size_t>(i * vectors + v)]);
  func::ReturnOp::create(builder, loc);
  return function;
}

void AttentionNest::multiply(const Product &p) {
  func::FuncOp function = tileFunction(p.vectors, p.accumulate);
  func::CallOp::create(builder, loc, function,
                       ValueRange{p.a, p.aRow, p.aStep, p.valid ? p.valid : constant(l.rows), p.b,
                                  p.bStep, p.length, p.to, p.toRow});
}

void AttentionNest::multiplyColumns(Product product, int64_t width) {
  loop(constant(0), constant(width), product.vectors * l.lanes, [&](Value column) {
    Product part = product;
    part.b = at(product.b, column);
    part.to = at(product.to, column);
    multiply(part);
  });
}

// -- Blocks of scores -----------------------------------------------------------------------------

Value AttentionNest::visible(const Block &block, Value end) {
  if (!l.causal)
    return block.numKeys;
  Value first = sub(add(block.firstQuery, size(*l.causal)), block.firstKey);
  return clamp(add(first, end), block.numKeys);
}

Value AttentionNest::keysOfColumn(const Block &block, Value column) {
  // Tiles of the second product may reach over from the queries before.
  int64_t reach = l.columns + (l.columns % l.rows == 0 ? 0 : l.rows);
  return visible(block, add(column, reach));
}

Value AttentionNest::lastKey(Value firstQuery, Value numQueries) {
  if (!l.causal)
    return keys;
  return clamp(add(add(firstQuery, numQueries), size(*l.causal)), keys);
}

void AttentionNest::products(const Block &block, Value column, Value count,
                             const AttentionLayout::Matrix &m, Value keyRows, Value transposed,
                             int64_t width, Value to) {
  loop(constant(0), count, l.rows, [&](Value key) {
    Value place = add(block.firstKey, key);
    multiply({.a = at(keyRows, mul(place, m.stride)),
              .aRow = constant(m.stride),
              .aStep = constant(1),
              .valid = sub(keys, place),
              .b = at(transposed, column),
              .bStep = constant(l.queryBlock),
              .length = constant(width),
              .to = at(to, add(mul(key, l.queryBlock), column)),
              .toRow = constant(l.queryBlock),
              .vectors = scoreVectors,
              .accumulate = false});
  });
}

/// The mask's elements for a vector of queries at a key.
Value AttentionNest::maskValue(const Block &block, Value query, Value key) {
  BufferRef mask = kernel.env.buffers.lookup(l.mask);
  size_t rank = l.leading.size();
  llvm::SmallVector<DimExpr> leadingSizes(mask.shape.begin(),
                                          mask.shape.begin() + static_cast<int64_t>(rank));
  DimExpr rows = mask.shape[static_cast<int64_t>(rank)],
          columns = mask.shape[static_cast<int64_t>(rank) + 1];
  bool perQuery = rows != DimExpr(1), perKey = columns != DimExpr(1);
  Value start = mul(batchIn(leadingSizes, block.batch), size(rows * columns));
  if (perKey)
    start = add(start, min(key, sub(keys, constant(1))));
  if (!perQuery)
    return splat(memory.loadScalar(mask.pointer, mask.elementType, start));
  // Along queries, which past the end repeat the last one.
  auto indices = VectorType::get({l.lanes}, builder.getI64Type());
  llvm::SmallVector<int64_t> steps = llvm::to_vector(llvm::seq<int64_t>(0, l.lanes));
  Value lane =
      make<arith::ConstantOp>(DenseElementsAttr::get(indices, llvm::ArrayRef<int64_t>(steps)));
  auto spread = [&](Value x) { return make<vector::BroadcastOp>(indices, x); };
  Value at = make<arith::AddIOp>(spread(query), lane);
  at = make<arith::MinSIOp>(at, spread(sub(queries, constant(1))));
  at = make<arith::AddIOp>(make<arith::MulIOp>(at, spread(size(columns))), spread(start));
  return memory.gather(mask.pointer, mask.elementType, at, {});
}

Value AttentionNest::applyMask(const Block &block, Value query, Value key, Value score) {
  Value value = maskValue(block, query, key);
  bool isBool = cast<VectorType>(value.getType()).getElementType().isInteger(1);
  return isBool ? select(value, score, splat(-infinity)) : make<arith::AddFOp>(score, value);
}

Value AttentionNest::hideLater(const Block &, Value query, Value key, Value score) {
  // Query `query + lane` sees the key when lane >= key - offset - query.
  Value hidden = sub(sub(key, size(*l.causal)), query);
  hidden = max(min(hidden, constant(l.lanes)), constant(0));
  Type narrow = builder.getI32Type();
  auto lanes = VectorType::get({l.lanes}, narrow);
  llvm::SmallVector<int32_t> steps;
  for (int64_t i = 0; i < l.lanes; ++i)
    steps.push_back(static_cast<int32_t>(i));
  Value lane =
      make<arith::ConstantOp>(DenseElementsAttr::get(lanes, llvm::ArrayRef<int32_t>(steps)));
  Value bound = make<vector::BroadcastOp>(lanes, make<arith::TruncIOp>(narrow, hidden));
  Value sees = make<arith::CmpIOp>(arith::CmpIPredicate::sge, lane, bound);
  return select(sees, score, splat(-infinity));
}

Values AttentionNest::eachKey(const Block &block, Value column, Value count, Value scores,
                              Values carried,
                              llvm::function_ref<Values(Value, ValueRange, ValueRange)> body) {
  Value query = add(block.firstQuery, column);
  auto keysFrom = [&](Value low, Value high, bool hides, Values state) {
    return loop(low, high, state, [&](Value key, ValueRange before) {
      Values vectors;
      Value place = add(block.firstKey, key);
      for (int64_t v = 0; v < scoreVectors; ++v) {
        Value score = load(at(scores, add(add(mul(key, l.queryBlock), column), v * l.lanes)));
        Value first = add(query, v * l.lanes);
        if (l.mask)
          score = applyMask(block, first, place, score);
        if (hides)
          score = hideLater(block, first, place, score);
        vectors.push_back(score);
      }
      return body(key, vectors, before);
    });
  };
  if (!l.causal)
    return keysFrom(constant(0), count, false, carried);
  // Keys that the first query sees are seen by all.
  Value open = min(visible(block, add(column, 1)), count);
  carried = keysFrom(constant(0), open, false, carried);
  return keysFrom(open, count, true, carried);
}

} // namespace sinter::cpu
