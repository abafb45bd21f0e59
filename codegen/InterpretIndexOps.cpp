// SPDX-License-Identifier: Apache-2.0
// One plain loop per op that looks up, places, orders or accumulates elements, each written from
// the op's definition in ir/StructuralOps.td.
#include "sinter/codegen/InterpretLoops.h"

#include <algorithm>
#include <numeric>

using namespace mlir;

namespace sinter::codegen {

using namespace loops;

namespace {

/// Where each element of a frame (the result of a gather, the updates of a scatter) lies in x.
class Positions {
public:
  Positions(Operation *op, const Index &sizes, ArrayRef<int64_t> dims, OperandRange indices,
            const Interpretation &state)
      : op(op), sizes(sizes), dims(dims), strides(rowMajorStrides(sizes)) {
    for (Value index : indices)
      arrays.push_back(&state.get(index));
  }
  /// Of element number `n`, which is at `index` in the frame.
  int64_t offset(const Index &index, int64_t n) const {
    int64_t offset = 0;
    size_t next = 0;
    for (auto [i, d] : llvm::enumerate(dims))
      offset += strides[i] * (d >= 0 ? index[static_cast<size_t>(d)]
                                     : checkedIndex(op, *arrays[next++], n, sizes[i]));
    return offset;
  }

private:
  Operation *op;
  Index sizes;
  ArrayRef<int64_t> dims;
  Index strides;
  std::vector<const Array *> arrays;
};

void interpretOp(ir::GatherOp op, Interpretation &state) {
  const Array &in = state.get(op.getX());
  Array out = state.make(op, op.getType());
  Positions positions(op, in.sizes(), op.getDims(), op.getIndices(), state);
  dispatch(out.dtype(), [&](auto zero) {
    using T = decltype(zero);
    forEachIndex(out.sizes(), [&](const Index &index, int64_t n) {
      out.as<T>()[n] = in.as<T>()[positions.offset(index, n)];
    });
  });
  state.set(op, std::move(out));
}

/// Rounds to the dtype after every step, as memory does; integers wrap.
template <typename T> T combined(ir::ScatterMode mode, T old, T update) {
  using A =
      std::conditional_t<isFloat16<T>, float, std::conditional_t<isFloatElement<T>, T, uint64_t>>;
  switch (mode) {
  case ir::ScatterMode::Set:
    return update;
  case ir::ScatterMode::Add:
    return static_cast<T>(static_cast<A>(old) + static_cast<A>(update));
  case ir::ScatterMode::Mul:
    return static_cast<T>(static_cast<A>(old) * static_cast<A>(update));
  case ir::ScatterMode::Max:
    return old != old || old > update ? old : update;
  case ir::ScatterMode::Min:
    return old != old || old < update ? old : update;
  }
  llvm_unreachable("a mode that is not interpreted");
}

void interpretOp(ir::ScatterOp op, Interpretation &state) {
  Array out = state.get(op.getX()).clone();
  const Array &updates = state.get(op.getUpdates());
  Positions positions(op, out.sizes(), op.getDims(), op.getIndices(), state);
  ir::ScatterMode mode = op.getScatterMode();
  dispatch(out.dtype(), [&](auto zero) {
    using T = decltype(zero);
    forEachIndex(updates.sizes(), [&](const Index &index, int64_t n) {
      T &to = out.as<T>()[positions.offset(index, n)];
      to = combined<T>(mode, to, updates.as<T>()[n]);
    });
  });
  state.set(op, std::move(out));
}

/// Calls fn(first) with the offset of the first element of every row along `axis`.
template <typename Fn> void forEachRow(const Index &sizes, size_t axis, Fn fn) {
  Index rows = sizes, strides = rowMajorStrides(sizes);
  rows[axis] = 1;
  if (product(sizes) > 0)
    forEachIndex(rows, [&](const Index &index, int64_t) { fn(offsetOf(index, strides)); });
}

void interpretOp(ir::ArgsortOp op, Interpretation &state) {
  const Array &in = state.get(op.getX());
  Array out = state.make(op, op.getType());
  auto axis = static_cast<size_t>(op.getAxis());
  int64_t step = rowMajorStrides(in.sizes())[axis];
  Index order(static_cast<size_t>(in.sizes()[axis]));
  dispatch(in.dtype(), [&](auto zero) {
    using T = decltype(zero);
    forEachRow(in.sizes(), axis, [&](int64_t first) {
      const T *row = in.as<T>() + first;
      auto less = [&](int64_t a, int64_t b) {
        T x = row[a * step], y = row[b * step];
        return y != y ? !(x != x) : x < y; // NaN is above all others
      };
      std::iota(order.begin(), order.end(), int64_t{0});
      std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
        bool before = op.getDescending() ? less(b, a) : less(a, b);
        return before || (a < b && !less(a, b) && !less(b, a));
      });
      for (size_t i = 0; i < order.size(); ++i)
        out.as<int64_t>()[first + static_cast<int64_t>(i) * step] = order[i];
    });
  });
  state.set(op, std::move(out));
}

/// Runs along the axis with an accumulator that is rounded to the dtype where it is stored.
template <typename T, typename A, typename OpTy, typename Fn>
void accumulate(OpTy op, const Array &in, const Array &out, A neutral, Fn combine) {
  auto axis = static_cast<size_t>(op.getAxis());
  int64_t step = rowMajorStrides(in.sizes())[axis], count = in.sizes()[axis];
  forEachRow(in.sizes(), axis, [&](int64_t first) {
    A state = neutral;
    for (int64_t i = 0; i < count; ++i) {
      int64_t at = first + step * (op.getReverse() ? count - 1 - i : i);
      A next = combine(state, static_cast<A>(in.as<T>()[at]));
      out.as<T>()[at] = static_cast<T>(op.getExclusive() ? state : next);
      state = next;
    }
  });
}

void interpretOp(ir::CumsumOp op, Interpretation &state) {
  Array out = state.make(op, op.getType());
  dispatch(out.dtype(), [&](auto zero) {
    using T = decltype(zero);
    using A = Accumulator<T>;
    accumulate<T>(op, state.get(op.getX()), out, A{0}, [](A a, A b) { return a + b; });
  });
  state.set(op, std::move(out));
}

void interpretOp(ir::CumprodOp op, Interpretation &state) {
  Array out = state.make(op, op.getType());
  dispatch(out.dtype(), [&](auto zero) {
    using T = decltype(zero);
    using A = Accumulator<T>;
    accumulate<T>(op, state.get(op.getX()), out, A{1}, [](A a, A b) { return a * b; });
  });
  state.set(op, std::move(out));
}

void interpretOp(ir::CummaxOp op, Interpretation &state) {
  Array out = state.make(op, op.getType());
  dispatch(out.dtype(), [&](auto zero) {
    using T = decltype(zero);
    accumulate<T>(op, state.get(op.getX()), out, extreme<T>(-1),
                  [](T a, T b) { return a != a || a >= b ? a : b; });
  });
  state.set(op, std::move(out));
}

void interpretOp(ir::CumminOp op, Interpretation &state) {
  Array out = state.make(op, op.getType());
  dispatch(out.dtype(), [&](auto zero) {
    using T = decltype(zero);
    accumulate<T>(op, state.get(op.getX()), out, extreme<T>(+1),
                  [](T a, T b) { return a != a || a <= b ? a : b; });
  });
  state.set(op, std::move(out));
}

struct Loops {
  template <typename OpTy> static void run(OpTy op, Interpretation &state) {
    interpretOp(op, state);
  }
};

} // namespace

void attachIndexInterpretations(MLIRContext &context) {
  attachLoops<Loops, ir::GatherOp, ir::ScatterOp, ir::ArgsortOp, ir::CumsumOp, ir::CumprodOp,
              ir::CummaxOp, ir::CumminOp>(context);
}

} // namespace sinter::codegen
