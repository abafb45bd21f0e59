// SPDX-License-Identifier: Apache-2.0
// How threads that share a row combine what each of them found.
#pragma once

#include "sinter/codegen/cuda/BlockEmitter.h"

namespace sinter::cuda {

/// The prelude's struct that merges two states of a reduction over `elementType`: `Sum`, or
/// `As<unsigned char, Max>`.
std::string mergeName(ir::Combiner combiner, mlir::Type elementType);
/// Of an anchor that reduces.
std::string mergeName(mlir::Operation *anchor);
/// What a slot in shared memory holds of a state of those types: at least a word.
mlir::Type slotType(mlir::TypeRange state);

} // namespace sinter::cuda
