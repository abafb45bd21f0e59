// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/cpu/Contraction.h"
#include "sinter/ir/base/TargetInfo.h"
#include "sinter/passes/KernelForm.h"

#include <utility>
#include <vector>

namespace sinter::codegen {

/// How a block of a GPU computes products of matrices (Contraction, Convolution, Attention).
struct GpuTiles {
  /// Which of the form's kernels: GpuKernel for contractions.
  int64_t kernel = 0;
  int64_t m = 0, n = 0, k = 0; ///< Of a block.
  int64_t stages = 1;          ///< Blocks of k in flight.
  int64_t splits = 1;          ///< Parts of k, which a second launch adds up in order.
};

/// How a fused region runs: the one vocabulary of both back ends. Stored on `sinter.fused` as the
/// `schedule` attribute, so that the scheduled stage can be read, tested and edited as text.
struct Schedule {
  passes::KernelForm form = passes::KernelForm::Loop;
  int64_t lanes = 1;  ///< Elements computed together along the innermost dim.
  int64_t unroll = 1; ///< Vectors per iteration, each with its own accumulators.
  /// Loop: elements of the innermost dim per parallel unit. Row: elements of the last kept dim per unit,
  /// where lanes run along that dim; 0 where a row is a unit and lanes run along it. Reduce: points of the outermost reduced
  /// dim per chunk. Scatter: columns per unit. Cumulative: elements of the innermost dim per unit; 0
  /// for whole rows. Attention: queries per unit; `unroll` is the rows of a tile.
  int64_t block = 0;
  int64_t keyBlock = 0; ///< Attention only: keys whose scores are held at once.
  int64_t winograd = 0; ///< Convolution only: 1 for F(4x4, 3x3), `nBlock` lines of tiles per unit.
  int64_t grain = 1;    ///< Parallel units per chunk of work.
  /// GPU: threads per block. A unit is then an element (Loop) or a kept point (Row, Reduce) in one
  /// launch. CPU: 0.
  int64_t threads = 0;
  /// Where `threads` is not 0. Row: how many of them share a row, a power of two (all blocks of a
  /// cluster count); each takes `lanes` neighbours at once, `unroll` times if it holds the row.
  int64_t rowThreads = 0;
  int64_t cluster = 1; ///< Blocks that share a row.
  int64_t hold = 0;    ///< Row: where a row is kept from its first read on: 0 nowhere, 1 registers.
  bool streamStores = false;   ///< Results bypass the cache.
  /// Contraction, and Convolution: `mr` channels by `nr` positions in registers, `mBlock` channels by
  /// `nBlock` rows of positions per unit. Where its result is w: `mr` channels by `nr` weights each,
  /// `mBlock` by `block` channels per unit, `nBlock` rows of `kc` images at once, `groupUnits` chunks.
  cpu::ContractionTiles tiles;
  GpuTiles gpu; ///< Where `threads` is not 0.

  /// The numbers that say something about this form, by name.
  std::vector<std::pair<llvm::StringRef, int64_t>> fields() const;
  /// Sets one of fields(), without any check.
  void set(llvm::StringRef name, int64_t value);

  mlir::DictionaryAttr toAttribute(mlir::MLIRContext *context) const;
  /// nullopt for an attribute that toAttribute() did not make.
  static std::optional<Schedule> fromAttribute(mlir::DictionaryAttr attribute);
};

/// Chooses a schedule. Deterministic: depends on the region, whose analysis this is, and the target
/// only.
mlir::FailureOr<Schedule> chooseSchedule(ir::FusedOp fused, const passes::KernelAnalysis &analysis,
                                         const TargetInfo &target);

} // namespace sinter::codegen
