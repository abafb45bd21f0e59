// SPDX-License-Identifier: Apache-2.0
// The loops of windows, written from the ops' definitions in ir/StructuralOps.td. Two walk the
// windows, one reads what the other writes; the third multiplies.
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

/// All terms x * w * y, each added to the element of the part that is wanted.
void interpretOp(ir::ConvolutionOp op, Interpretation &state) {
  Array out = state.make(op, op.getType());
  const Array &x = op.makesX() ? out : state.get(op.getLhs());
  const Array &w = op.makesW() ? out : state.get(op.makesX() ? op.getLhs() : op.getRhs());
  const Array &y = op.makesY() ? out : state.get(op.getRhs());
  Index xStrides = rowMajorStrides(x.sizes()), yStrides = rowMajorStrides(y.sizes());
  const size_t rank = x.sizes().size();
  const int64_t inputs = w.sizes()[1], outputs = w.sizes()[0] / op.getGroups();
  Index low, positions = y.sizes();
  for (Attribute entry : op.getLow())
    low.push_back(state.size(op, *ir::toDim(entry)));
  positions[1] = 1;
  dispatch(out.dtype(), [&](auto zero) {
    using T = decltype(zero);
    std::vector<Accumulator<T>> sums(static_cast<size_t>(out.numElements()));
    auto value = [](const Array &array, int64_t at) {
      return static_cast<Accumulator<T>>(array.as<T>()[at]);
    };
    forEachIndex(w.sizes(), [&](const Index &tap, int64_t atW) {
      int64_t xChannel = tap[0] / std::max<int64_t>(outputs, 1) * inputs + tap[1];
      forEachIndex(positions, [&](const Index &o, int64_t) {
        int64_t atX = o[0] * xStrides[0] + xChannel * xStrides[1],
                atY = offsetOf(o, yStrides) + tap[0] * yStrides[1];
        for (size_t i = 2; i < rank; ++i) {
          int64_t place = o[i] * op.getStrides()[i - 2] + tap[i] * op.getDilations()[i - 2] -
                          low[i - 2];
          if (place < 0 || place >= x.sizes()[i])
            return;
          atX += place * xStrides[i];
        }
        if (op.makesY())
          sums[static_cast<size_t>(atY)] += value(x, atX) * value(w, atW);
        else if (op.makesX())
          sums[static_cast<size_t>(atX)] += value(w, atW) * value(y, atY);
        else
          sums[static_cast<size_t>(atW)] += value(x, atX) * value(y, atY);
      });
    });
    for (auto [n, sum] : llvm::enumerate(sums))
      out.as<T>()[n] = static_cast<T>(sum);
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
  attachLoops<Loops, ir::WindowReadOp, ir::WindowWriteOp, ir::ConvolutionOp>(context);
}

} // namespace sinter::codegen
