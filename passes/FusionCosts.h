// SPDX-License-Identifier: Apache-2.0
// What a kernel costs: the numbers by which fusion decides.
#pragma once

#include "sinter/passes/KernelAnalyzer.h"

#include "llvm/ADT/DenseMap.h"

#include <algorithm>
#include <array>
#include <vector>

namespace sinter::passes {

/// The machine that fusion plans for: one core of a server CPU. The numbers need only be right in
/// proportion, and do not follow the machine at hand, so that a graph has the same kernels
/// everywhere.
struct Machine {
  double launchNs = 100;       ///< What a kernel costs before its first element.
  double flopsPerNs = 80;      ///< Of code per element.
  double madsPerNs = 55;       ///< Multiply-adds of a contraction.
  double nearBytesPerNs = 110; ///< Of values that stay in the core's own cache,
  double midBytesPerNs = 80;   ///< in the shared one,
  double farBytesPerNs = 28;   ///< and in memory.
  double nearBytes = 512 << 10, midBytes = 8 << 20; ///< Sizes of values up to which these hold.
  double streamPenalty = 0.03; ///< Of the memory's time, for each large input beyond maxStreams.
  int64_t cheapToRepeat = 4;   ///< Flops of ops that are computed per vector, not per element,
  double repeatedLanes = 16;   ///< when a kernel repeats them: addresses, broadcasts along a row.
  double spillFlops = 2;       ///< To store and load a value that finds no register.
  size_t maxStreams = 8;       ///< Large inputs that the prefetchers follow at once.
  size_t maxLive = 28;    ///< Vector registers, less what an expression needs while it is computed.
  size_t maxOps = 96;     ///< Of a kernel; larger ones take long to compile.
  size_t maxBuffers = 28; ///< Pointers that a kernel can keep at hand.
  size_t maxPositions = 4; ///< Points at which one op may be computed for one element of a kernel.
  int64_t assumedSize = 1024; ///< Of a named dim.
};

/// What a kernel takes, in parts.
struct KernelCost {
  double bytes = 0; ///< Read and written.
  double memoryNs = 0, computeNs = 0, launchNs = 0;
  double ns() const { return launchNs + std::max(memoryNs, computeNs); }
};

class FusionCosts {
public:
  explicit FusionCosts(OpFacts &facts) : facts(facts) {}
  const Machine &getMachine() const { return machine; }

  double bytesOf(mlir::Value value) { return sizesOf(value.getType()).bytes; }
  double elementsOf(mlir::Value value) { return sizesOf(value.getType()).elements; }
  /// The time that the memory takes for all these values.
  double memoryNs(llvm::ArrayRef<mlir::Value> inputs, llvm::ArrayRef<mlir::Value> outputs);
  double memoryNs(double bytes) const;
  double bytesOf(llvm::ArrayRef<mlir::Value> values);

  /// `inputs` and `outputs` are those of `ops`, which are in program order and what `kernel` has
  /// analyzed last.
  KernelCost costOf(KernelAnalyzer::Ops ops, llvm::ArrayRef<mlir::Value> inputs,
                    llvm::ArrayRef<mlir::Value> outputs, const KernelAnalyzer &kernel);
  /// How often a kernel of so many points computes an op.
  double evaluationsOf(const OpFacts::Entry &entry, const KernelAnalyzer &kernel, double points);
  /// The points at which a kernel computes what it computes anew wherever it is needed.
  double pointsOf(const KernelSketch &sketch);

private:
  struct Sizes {
    double elements = -1, bytes = 0;
  };
  const Sizes &sizesOf(mlir::Type type) {
    const void *address = type.getAsOpaquePointer();
    Recent &slot = recent[(reinterpret_cast<uintptr_t>(address) >> 4) % recent.size()];
    if (slot.type != address)
      slot = {address, computeSizes(type)};
    return slot.sizes;
  }
  const Sizes &computeSizes(mlir::Type type);
  double sizeOf(mlir::Attribute dim) const;
  double elementsOf(const OpFacts::Entry &entry) { return elementsOf(entry.op->getResult(0)); }
  double anchorNs(const OpFacts::Entry &anchor);
  size_t maxLive(KernelAnalyzer::Ops ops);
  /// A number for each op of a kernel, all 0 at first; the table is used again.
  double &wantedAt(const OpFacts::Entry &entry) {
    if (entry.number >= wanted.size())
      wanted.resize(std::max<size_t>(facts.size(), entry.number + 1));
    Wanted &own = wanted[entry.number];
    if (own.round != round)
      own = {.round = round};
    return own.points;
  }

  OpFacts &facts;
  Machine machine;
  llvm::DenseMap<mlir::Type, Sizes> sizes;
  /// Types asked for last, by address: a graph has few.
  struct Recent {
    const void *type = nullptr;
    Sizes sizes;
  };
  std::array<Recent, 256> recent;
  struct Wanted {
    unsigned round = 0;
    double points = 0;
  };
  std::vector<Wanted> wanted; ///< By Entry::number.
  unsigned round = 0;
};

} // namespace sinter::passes
