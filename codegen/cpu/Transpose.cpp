// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cpu/Transpose.h"

#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/Sequence.h"

#include <algorithm>

using namespace mlir;

namespace sinter::cpu {

using Values = llvm::SmallVector<Value>;

Values transposeSquares(OpBuilder &builder, Location loc, ValueRange rows) {
  Values state(rows);
  auto type = cast<VectorType>(rows.front().getType());
  const auto size = static_cast<int64_t>(rows.size());
  const int64_t lanes = type.getNumElements(), perPart = 128 / type.getElementTypeBitWidth();
  const int64_t part = std::clamp<int64_t>(perPart, 1, size);
  auto shuffle = [&](Value a, Value b, llvm::function_ref<int64_t(int64_t)> pick) -> Value {
    llvm::SmallVector<int64_t> picked;
    for (int64_t lane = 0; lane < lanes; ++lane)
      picked.push_back(pick(lane));
    return vector::ShuffleOp::create(builder, loc, a, b, picked);
  };
  // A bit of the row's number changes places with one of the lane's, down to those in a part.
  for (int64_t half = size / 2; half >= part; half /= 2)
    for (int64_t i = 0; i < size; ++i) {
      if ((i & half) != 0)
        continue;
      Value a = state[static_cast<size_t>(i)], b = state[static_cast<size_t>(i + half)];
      for (int64_t from : {int64_t{0}, half})
        state[static_cast<size_t>(i + from)] = shuffle(a, b, [&](int64_t lane) {
          return (lane & half) != 0 ? lanes + lane - half + from : lane + from;
        });
    }
  // In a part, the two halves of its rows are interleaved until it is done.
  for (int64_t done = 1; done < part; done *= 2) {
    Values next;
    for (int64_t first = 0; first < size; first += part)
      for (int64_t i = first; i < first + part / 2; ++i)
        for (int64_t from : {int64_t{0}, part / 2})
          next.push_back(shuffle(state[static_cast<size_t>(i)],
                                 state[static_cast<size_t>(i + part / 2)], [&](int64_t lane) {
                                   const int64_t in = lane % part, source = lane - in + in / 2;
                                   return source + from + (in % 2 == 0 ? 0 : lanes);
                                 }));
    state = next;
  }
  return state;
}

Values joinPieces(OpBuilder &builder, Location loc, int64_t count, int64_t lanes,
                  llvm::function_ref<Value(int64_t)> piece) {
  Values rows;
  for (int64_t i = 0; i < count; ++i) {
    Values pieces;
    for (int64_t j = i; j < lanes; j += count)
      pieces.push_back(piece(j));
    while (pieces.size() > 1) { // Join neighbours until one vector is left.
      Values joined;
      for (size_t p = 0; p < pieces.size(); p += 2) {
        const int64_t width = 2 * cast<VectorType>(pieces[p].getType()).getNumElements();
        joined.push_back(vector::ShuffleOp::create(builder, loc, pieces[p], pieces[p + 1],
                                                   llvm::to_vector(llvm::seq<int64_t>(0, width))));
      }
      pieces = joined;
    }
    rows.push_back(pieces[0]);
  }
  return rows;
}

} // namespace sinter::cpu
