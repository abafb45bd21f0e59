// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/cpu/ConvolutionEmit.h"
#include "sinter/codegen/forms/PanelPlan.h"

// Private to the emitters of convolutions.

namespace sinter::cpu::convolution {

/// The register tile of a convolution in panels: vectors of weights times single elements of the
/// source, added up over channels and taps in a function of its own.
class PanelTile {
public:
  PanelTile(Vectors &vectors, const codegen::PanelPlan &plan);

  /// What will be needed next is asked for by tiles, each its share, as many vectors with every
  /// channel: a panel that serves few tiles, or rows of a source that no prefetcher guesses, would
  /// else be waited for.
  struct Share {
    /// Of `all` vectors for every channel, among `tiles`.
    Share(int64_t all, int64_t tiles);
    /// The first vector of a tile's share. The last tiles have none left.
    Value begin(KernelFunction &kernel, Value tile) const;

    int64_t lines, shares;
    int64_t step = 0; ///< Elements from one channel's vectors to the next one's.
    Value from;
  };

  /// What one call of the function gets.
  struct Operands {
    Value weights;    ///< Of the first tap.
    Value taps;       ///< How many each channel has; rows of them where those are unrolled.
    Value slots;      ///< The first tap's offset into the source; every second word is one.
    Value perChannel; ///< Vectors of the panel from one channel to the next.
    Value source, channels;
    Value sums;
  };
  /// Of a tile whose first row is `row`: leaves out rows of taps that read padding only.
  void leaveOut(Operands &operands, Value row);
  /// The sums of tile `number` of a row over a block of channels, added to what there is unless
  /// they are all.
  void call(const Operands &operands, llvm::ArrayRef<Share> shares, Value number);

private:
  void callKind(const Operands &operands, llvm::ArrayRef<Share> shares, int64_t kind);
  void multiply(const Operands &operands, llvm::ArrayRef<Share> shares, int64_t kind);
  Values multiplyTaps(const Operands &operands, Value weights, Value source, ValueRange sums,
                      int64_t kind);
  Values multiplyTap(Value weights, Value source, ValueRange sums,
                     llvm::function_ref<bool(int64_t)> reads);

  Vectors &vectors;
  KernelFunction &kernel;
  Arithmetic math;
  const codegen::PanelPlan &plan;
  const int64_t lanes;
};

} // namespace sinter::cpu::convolution
