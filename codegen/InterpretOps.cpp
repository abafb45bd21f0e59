// SPDX-License-Identifier: Apache-2.0
// One plain loop per op that is not elementwise, each written from the op's definition in
// ir/StructuralOps.td.
#include "sinter/codegen/InterpretLoops.h"
#include "sinter/ir/PickTile.h"

#include "mlir/IR/DialectResourceBlobManager.h"
#include "llvm/ADT/STLExtras.h"

#include <limits>
#include <mutex>
#include <type_traits>

using namespace mlir;

namespace sinter::codegen {

using namespace loops;
using ir::TensorType;

namespace {

// -- Creation -------------------------------------------------------------------------------------

template <typename T> void fillFrom(const Array &out, DenseElementsAttr value) {
  if constexpr (isFloat16<T>)
    for (auto [n, element] : llvm::enumerate(value.getValues<APFloat>()))
      out.as<T>()[n] = T::fromBits(static_cast<uint16_t>(element.bitcastToAPInt().getZExtValue()));
  else
    for (auto [n, element] : llvm::enumerate(value.getValues<T>()))
      out.as<T>()[n] = element;
}

void interpretOp(ir::ConstantOp op, Interpretation &state) {
  Array out = state.make(op, op.getType());
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(op.getValue())) {
    AsmResourceBlob *blob = resource.getRawHandle().getBlob();
    if (!blob || static_cast<int64_t>(blob->getData().size()) != out.numBytes())
      Interpretation::fail(op, "the data of this constant is missing or has another size");
    llvm::copy(blob->getData(), static_cast<char *>(out.data()));
  } else if (auto dense = dyn_cast<DenseElementsAttr>(op.getValue())) {
    dispatch(out.dtype(), [&](auto zero) { fillFrom<decltype(zero)>(out, dense); });
  } else {
    Interpretation::fail(op, "this kind of constant is not known", ErrorKind::Unsupported);
  }
  state.set(op, std::move(out));
}

void interpretOp(ir::IotaOp op, Interpretation &state) {
  Array out = state.make(op, op.getType());
  auto axis = static_cast<size_t>(op.getAxis());
  dispatch(out.dtype(), [&](auto zero) {
    using T = decltype(zero);
    forEachIndex(out.sizes(), [&](const Index &index, int64_t n) {
      out.as<T>()[n] = static_cast<T>(index[axis]);
    });
  });
  state.set(op, std::move(out));
}

void interpretOp(ir::DimValueOp op, Interpretation &state) {
  Array out = state.make(op, op.getType());
  int64_t value = state.size(op, *DimExpr::parse(std::string_view(op.getExpression())));
  dispatch(out.dtype(), [&](auto zero) {
    using T = decltype(zero);
    *out.as<T>() = static_cast<T>(value);
  });
  state.set(op, std::move(out));
}

// -- Shape ----------------------------------------------------------------------------------------

void interpretOp(ir::BroadcastOp op, Interpretation &state) {
  const Array &in = state.get(op.getX());
  Array out = state.make(op, op.getType());
  Index strides = rowMajorStrides(in.sizes());
  gatherInto(out, in, [&](const Index &index) {
    int64_t offset = 0;
    for (auto [i, d] : llvm::enumerate(op.getDimensions()))
      offset += in.sizes()[i] == 1 ? 0 : index[static_cast<size_t>(d)] * strides[i];
    return offset;
  });
  state.set(op, std::move(out));
}

void interpretOp(ir::ReshapeOp op, Interpretation &state) {
  state.set(op, state.get(op.getX()).reshape(state.sizes(op, op.getType())));
}

void interpretOp(ir::TransposeOp op, Interpretation &state) {
  const Array &in = state.get(op.getX());
  Array out = state.make(op, op.getType());
  Index strides = select(rowMajorStrides(in.sizes()), op.getPermutation());
  gatherInto(out, in, [&](const Index &index) { return offsetOf(index, strides); });
  state.set(op, std::move(out));
}

void interpretOp(ir::SliceOp op, Interpretation &state) {
  const Array &in = state.get(op.getX());
  Array out = state.make(op, op.getType());
  Index strides = rowMajorStrides(in.sizes());
  int64_t first = 0;
  for (size_t i = 0; i < strides.size(); ++i) {
    int64_t start = state.size(op, *ir::toDim(op.getStarts()[static_cast<unsigned>(i)]));
    int64_t limit = state.size(op, *ir::toDim(op.getLimits()[static_cast<unsigned>(i)]));
    bool isEmpty = out.sizes()[i] == 0; // then the range may be written in any way
    if (!isEmpty && (start < 0 || limit < start || limit > in.sizes()[i]))
      Interpretation::fail(op, "the range [" + std::to_string(start) + ", " +
                                   std::to_string(limit) + ") is not within the size " +
                                   std::to_string(in.sizes()[i]) + " of dim " + std::to_string(i));
    first += start * strides[i];
    strides[i] *= op.getStrides()[i];
  }
  gatherInto(out, in, [&](const Index &index) { return first + offsetOf(index, strides); });
  state.set(op, std::move(out));
}

void interpretOp(ir::ConcatOp op, Interpretation &state) {
  Array out = state.make(op, op.getType());
  auto axis = static_cast<size_t>(op.getAxis());
  Index strides = rowMajorStrides(out.sizes());
  int64_t begin = 0;
  for (Value input : op.getInputs()) {
    const Array &in = state.get(input);
    dispatch(out.dtype(), [&](auto zero) {
      using T = decltype(zero);
      forEachIndex(in.sizes(), [&](const Index &index, int64_t n) {
        out.as<T>()[begin * strides[axis] + offsetOf(index, strides)] = in.as<T>()[n];
      });
    });
    begin += in.sizes()[axis];
  }
  state.set(op, std::move(out));
}

void interpretOp(ir::PadOp op, Interpretation &state) {
  const Array &in = state.get(op.getX());
  Array out = state.make(op, op.getType());
  Index strides = rowMajorStrides(out.sizes());
  int64_t first = 0;
  for (size_t i = 0; i < strides.size(); ++i) {
    int64_t low = state.size(op, *ir::toDim(op.getLow()[static_cast<unsigned>(i)]));
    int64_t step = op.getInterior() ? (*op.getInterior())[i] + 1 : 1;
    int64_t end = in.sizes()[i] == 0 ? low : low + (in.sizes()[i] - 1) * step + 1;
    if (low < 0 || end > out.sizes()[i])
      Interpretation::fail(op, "the padding of dim " + std::to_string(i) + " is negative");
    first += low * strides[i];
    strides[i] *= step;
  }
  double value = op.getValue().convertToDouble();
  dispatch(out.dtype(), [&](auto zero) {
    using T = decltype(zero);
    T *to = out.as<T>();
    std::fill_n(to, out.numElements(), static_cast<T>(value));
    forEachIndex(in.sizes(), [&](const Index &index, int64_t n) {
      to[first + offsetOf(index, strides)] = in.as<T>()[n];
    });
  });
  state.set(op, std::move(out));
}

// -- Reductions -----------------------------------------------------------------------------------

/// Starts every accumulator with `neutral`, feeds it the elements of its row in row-major order,
/// and rounds it to the dtype at the end.
template <typename T, typename A, typename Fn>
void reduce(const Array &in, const Array &out, ArrayRef<int64_t> axes, A neutral, Fn combine) {
  SmallVector<A> accumulators(static_cast<size_t>(out.numElements()), neutral);
  SmallVector<int64_t> kept = others(axes, in.rank());
  Index strides(in.sizes().size(), 0), outStrides = rowMajorStrides(out.sizes());
  for (auto [i, d] : llvm::enumerate(kept))
    strides[static_cast<size_t>(d)] = outStrides[i];
  forEachIndex(in.sizes(), [&](const Index &index, int64_t n) {
    A &accumulator = accumulators[static_cast<size_t>(offsetOf(index, strides))];
    accumulator = combine(accumulator, static_cast<A>(in.as<T>()[n]));
  });
  for (auto [n, accumulator] : llvm::enumerate(accumulators))
    out.as<T>()[n] = static_cast<T>(accumulator);
}

void interpretOp(ir::ReduceSumOp op, Interpretation &state) {
  Array out = state.make(op, op.getType());
  dispatch(out.dtype(), [&](auto zero) {
    using A = Accumulator<decltype(zero)>;
    reduce<decltype(zero)>(state.get(op.getX()), out, op.getAxes(), A{0},
                           [](A a, A b) { return a + b; });
  });
  state.set(op, std::move(out));
}

void interpretOp(ir::ReduceProdOp op, Interpretation &state) {
  Array out = state.make(op, op.getType());
  dispatch(out.dtype(), [&](auto zero) {
    using A = Accumulator<decltype(zero)>;
    reduce<decltype(zero)>(state.get(op.getX()), out, op.getAxes(), A{1},
                           [](A a, A b) { return a * b; });
  });
  state.set(op, std::move(out));
}

void interpretOp(ir::ReduceMaxOp op, Interpretation &state) {
  Array out = state.make(op, op.getType());
  dispatch(out.dtype(), [&](auto zero) {
    using T = decltype(zero);
    reduce<T>(state.get(op.getX()), out, op.getAxes(), extreme<T>(-1),
              [](T a, T b) { return a != a || a >= b ? a : b; });
  });
  state.set(op, std::move(out));
}

void interpretOp(ir::ReduceMinOp op, Interpretation &state) {
  Array out = state.make(op, op.getType());
  dispatch(out.dtype(), [&](auto zero) {
    using T = decltype(zero);
    reduce<T>(state.get(op.getX()), out, op.getAxes(), extreme<T>(+1),
              [](T a, T b) { return a != a || a <= b ? a : b; });
  });
  state.set(op, std::move(out));
}

void interpretOp(ir::ArgmaxOp op, Interpretation &state) {
  const Array &in = state.get(op.getX());
  Array out = state.make(op, op.getType());
  auto axis = static_cast<int64_t>(op.getAxis());
  Index strides = rowMajorStrides(in.sizes());
  Index kept = select(strides, others({axis}, in.rank()));
  int64_t count = in.sizes()[static_cast<size_t>(axis)];
  int64_t step = strides[static_cast<size_t>(axis)];
  dispatch(in.dtype(), [&](auto zero) {
    using T = decltype(zero);
    forEachIndex(out.sizes(), [&](const Index &index, int64_t n) {
      const T *row = in.as<T>() + offsetOf(index, kept);
      int64_t best = 0;
      for (int64_t i = 1; i < count && row[best * step] == row[best * step]; ++i)
        if (row[i * step] != row[i * step] || row[i * step] > row[best * step])
          best = i;
      out.as<int64_t>()[n] = best;
    });
  });
  state.set(op, std::move(out));
}

// -- Contraction ----------------------------------------------------------------------------------

void interpretOp(ir::DotGeneralOp op, Interpretation &state) {
  const Array &lhs = state.get(op.getLhs()), &rhs = state.get(op.getRhs());
  Array out = state.make(op, op.getType());

  // Where the batches, the free and the contracted elements of an operand lie.
  struct Side {
    Index batch, free, contract;
    Side(const Array &array, ArrayRef<int64_t> batchDims, ArrayRef<int64_t> contractDims) {
      SmallVector<int64_t> used(batchDims);
      used.append(contractDims.begin(), contractDims.end());
      Index strides = rowMajorStrides(array.sizes());
      auto at = [&](ArrayRef<int64_t> dims) {
        return offsets(select(array.sizes(), dims), select(strides, dims));
      };
      batch = at(batchDims);
      contract = at(contractDims);
      free = at(others(used, array.rank()));
    }
  };
  Side left(lhs, op.getLhsBatch(), op.getLhsContract());
  Side right(rhs, op.getRhsBatch(), op.getRhsContract());

  dispatch(out.dtype(), [&](auto zero) {
    using T = decltype(zero);
    using A = Accumulator<T>;
    T *to = out.as<T>();
    std::vector<A> row(right.free.size());
    for (size_t b = 0; b < left.batch.size(); ++b)
      for (int64_t m : left.free) {
        std::fill(row.begin(), row.end(), A{0});
        for (size_t k = 0; k < left.contract.size(); ++k) {
          A factor = static_cast<A>(lhs.as<T>()[left.batch[b] + m + left.contract[k]]);
          const T *from = rhs.as<T>() + right.batch[b] + right.contract[k];
          for (size_t n = 0; n < row.size(); ++n)
            row[n] += factor * static_cast<A>(from[right.free[n]]);
        }
        for (A sum : row)
          *to++ = static_cast<T>(sum);
      }
  });
  state.set(op, std::move(out));
}

// -- Indexing -------------------------------------------------------------------------------------

void interpretOp(ir::GatherRowsOp op, Interpretation &state) {
  const Array &table = state.get(op.getTable()), &indices = state.get(op.getIndices());
  Array out = state.make(op, op.getType());
  int64_t rows = table.sizes()[0];
  int64_t width = product(Index(table.sizes().begin() + 1, table.sizes().end()));
  dispatch(out.dtype(), [&](auto zero) {
    using T = decltype(zero);
    for (int64_t i = 0, n = indices.numElements(); i < n; ++i) {
      int64_t row = checkedIndex(op, indices, i, rows);
      std::copy_n(table.as<T>() + row * width, width, out.as<T>() + i * width);
    }
  });
  state.set(op, std::move(out));
}

void interpretOp(ir::ScatterAddRowsOp op, Interpretation &state) {
  const Array &indices = state.get(op.getIndices()), &updates = state.get(op.getUpdates());
  Array out = state.make(op, op.getType());
  int64_t rows = out.sizes()[0];
  int64_t width = product(Index(out.sizes().begin() + 1, out.sizes().end()));
  dispatch(out.dtype(), [&](auto zero) {
    using T = decltype(zero);
    using A = std::conditional_t<isFloatElement<T>, T, uint64_t>;
    for (int64_t i = 0, n = indices.numElements(); i < n; ++i) {
      T *to = out.as<T>() + checkedIndex(op, indices, i, rows) * width;
      for (int64_t j = 0; j < width; ++j)
        to[j] =
            static_cast<T>(static_cast<A>(to[j]) + static_cast<A>(updates.as<T>()[i * width + j]));
    }
  });
  state.set(op, std::move(out));
}

void interpretOp(ir::PickOp op, Interpretation &state) {
  const Array &in = state.get(op.getX()), &indices = state.get(op.getIndices());
  Array out = state.make(op, op.getType());
  const ir::PickTile tile = ir::PickTile::of(op);
  const int64_t count = in.sizes().back(), bound = state.size(op, tile.bound),
                width = std::max<int64_t>(1, state.size(op, tile.width));
  dispatch(out.dtype(), [&](auto zero) {
    using T = decltype(zero);
    for (int64_t i = 0, n = indices.numElements(); i < n; ++i) {
      int64_t at = checkedIndex(op, indices, i, bound);
      if (tile.part != ir::PickTile::Part::All)
        at = tile.part == ir::PickTile::Part::Tile ? at / width : at % width;
      out.as<T>()[i] = in.as<T>()[i * count + at];
    }
  });
  state.set(op, std::move(out));
}

// -- Kernels --------------------------------------------------------------------------------------

void interpretOp(ir::FusedOp op, Interpretation &state) {
  Block &body = op.getBody().front();
  Interpretation inner = state.nested();
  for (auto [argument, operand] : llvm::zip_equal(body.getArguments(), op.getInputs())) {
    auto type = cast<TensorType>(argument.getType());
    inner.set(argument, state.get(operand).reshape(state.sizes(op, type)));
  }
  std::vector<Array> results = inner.run(body);
  for (auto [result, array] : llvm::zip_equal(op.getOutputs(), results))
    state.set(result, array.reshape(state.sizes(op, ir::tensorType(result))));
}

struct Loops {
  template <typename OpTy> static void run(OpTy op, Interpretation &state) {
    interpretOp(op, state);
  }
};

} // namespace

void attachInterpretations(MLIRContext &context) {
  // Attaching what is attached already changes nothing, so only the first call writes to the
  // context.
  static std::mutex mutex;
  std::lock_guard lock(mutex);
  context.loadDialect<ir::SinterDialect>();
  attachLoops<Loops, ir::ConstantOp, ir::IotaOp, ir::DimValueOp, ir::BroadcastOp, ir::ReshapeOp,
         ir::TransposeOp, ir::SliceOp, ir::ConcatOp, ir::PadOp, ir::ReduceSumOp, ir::ReduceProdOp,
         ir::ReduceMaxOp, ir::ReduceMinOp, ir::ArgmaxOp, ir::DotGeneralOp, ir::GatherRowsOp,
         ir::ScatterAddRowsOp, ir::PickOp, ir::FusedOp>(context);
  attachIndexInterpretations(context);
  attachAttentionInterpretations(context);
  attachWindowInterpretations(context);
}

} // namespace sinter::codegen
