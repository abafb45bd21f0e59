// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/Schedule.h"

namespace sinter::codegen {

/// How many neighbours a thread reads, computes and writes at once, and how many such packs are
/// under way. What a thread has is written out by the compiler and held in registers, so there are
/// limits.
struct PackChoice {
  int64_t lanes = 1, unroll = 1;
  /// `most` lanes at most.
  static PackChoice of(ir::FusedOp fused, const passes::KernelAnalysis &analysis, int64_t most);
};

} // namespace sinter::codegen
