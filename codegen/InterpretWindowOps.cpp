// SPDX-License-Identifier: Apache-2.0
// The loops of windows, written from the ops' definitions in ir/StructuralOps.td. Both walk the
// windows: one reads what the other writes.
#include "sinter/codegen/InterpretLoops.h"

using namespace mlir;

namespace sinter::codegen {

using namespace loops;

namespace {

/// Where element (b..., o..., k...) of the windows lies in the array of sizes (b..., p..., k...).
class Windows {
public:
  template <typename OpTy>
  Windows(OpTy op, const Index &sizes, const Index &windows)
      : strides(op.getStrides()), dilations(op.getDilations()), offsets(rowMajorStrides(sizes)),
        first(sizes.size() - 2 * strides.size()) {
    for (size_t i = 0; i < strides.size(); ++i) {
      size_t p = first + i, k = p + strides.size();
      bool isEmpty = windows[p] == 0 || windows[k] == 0;
      if (!isEmpty && (windows[p] - 1) * strides[i] + (windows[k] - 1) * dilations[i] >= sizes[p])
        Interpretation::fail(op, "a window of " + std::to_string(windows[k]) +
                                     " elements does not fit the size " + std::to_string(sizes[p]) +
                                     " of dim " + std::to_string(p));
    }
  }
  int64_t offset(const Index &window) const {
    int64_t result = 0;
    for (size_t i = 0; i < window.size(); ++i) {
      int64_t at = window[i];
      if (i >= first && i < first + strides.size())
        at = at * strides[i - first] + window[i + strides.size()] * dilations[i - first];
      result += at * offsets[i];
    }
    return result;
  }

private:
  ArrayRef<int64_t> strides, dilations;
  Index offsets;
  size_t first;
};

void interpretOp(ir::WindowReadOp op, Interpretation &state) {
  const Array &in = state.get(op.getX());
  Array out = state.make(op, op.getType());
  Windows windows(op, in.sizes(), out.sizes());
  gatherInto(out, in, [&](const Index &index) { return windows.offset(index); });
  state.set(op, std::move(out));
}

void interpretOp(ir::WindowWriteOp op, Interpretation &state) {
  const Array &in = state.get(op.getY());
  Array out = state.make(op, op.getType());
  Windows windows(op, out.sizes(), in.sizes());
  dispatch(out.dtype(), [&](auto zero) {
    using T = decltype(zero);
    forEachIndex(in.sizes(), [&](const Index &index, int64_t n) {
      out.as<T>()[windows.offset(index)] = in.as<T>()[n];
    });
  });
  state.set(op, std::move(out));
}

struct Loops {
  template <typename OpTy> static void run(OpTy op, Interpretation &state) {
    interpretOp(op, state);
  }
};

} // namespace

void attachWindowInterpretations(MLIRContext &context) {
  attachLoops<Loops, ir::WindowReadOp, ir::WindowWriteOp>(context);
}

} // namespace sinter::codegen
