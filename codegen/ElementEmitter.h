// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/Memory.h"

#include "llvm/ADT/DenseMap.h"

#include <functional>

namespace sinter::codegen {

using Index = llvm::SmallVector<LaneIndex, 4>;

/// What element emission needs to know of the kernel around it.
struct KernelEnvironment {
  SizeTable *sizes = nullptr;
  mlir::Value status; ///< SinterStatus *
  /// The number of a site (an op that can report a run-time error) in Program::sites.
  std::function<int64_t(mlir::Operation *)> site;
  /// Where block arguments of the region lie.
  llvm::DenseMap<mlir::Value, BufferRef> buffers;
};

/// Emits elements of a fused region's values at given indices, `lanes` at a time, by walking from
/// the value to the region's inputs. Both back ends use it: the CPU with vectors, CUDA with one
/// lane per thread.
///
/// Values already emitted at an index are reused while their scope is open.
class ElementEmitter {
public:
  /// Gives an element in another way (an accumulator, a row-local buffer); an empty answer means
  /// "not here".
  using Override = std::function<Element(llvm::ArrayRef<LaneIndex>)>;

  ElementEmitter(mlir::OpBuilder &builder, mlir::Location loc, KernelEnvironment &env,
                 int64_t lanes);

  Element emit(mlir::Value tensor, llvm::ArrayRef<LaneIndex> index);
  /// Evaluates index expressions of `op` at `index`. `valid` (i1, one bit per lane, or null for
  /// always) tells where every looked-up index is in range; the others are reported.
  Index positions(mlir::Operation *op, llvm::ArrayRef<ir::IndexExpr> exprs,
                  llvm::ArrayRef<LaneIndex> index, mlir::Value &valid);
  void setOverride(mlir::Value tensor, Override override) {
    overrides[tensor] = std::move(override);
  }
  void clearOverride(mlir::Value tensor) { overrides.erase(tensor); }
  /// Lanes to compute (null: all). Lanes outside read nothing.
  void setMask(mlir::Value newMask) { mask = newMask; }
  mlir::Value getMask() const { return mask; }
  Memory &memory() { return mem; }
  IndexMath &math() { return indices; }

  /// Values emitted while a Scope is alive are forgotten with it: they may not dominate what
  /// follows.
  class Scope {
  public:
    explicit Scope(ElementEmitter &emitter) : emitter(emitter), size(emitter.cache.size()) {}
    ~Scope() { emitter.cache.resize(size); }

  private:
    ElementEmitter &emitter;
    size_t size;
  };

private:
  struct Cached {
    mlir::Value tensor;
    Index index;
    mlir::Value mask;
    Element element;
  };
  Element compute(mlir::Value tensor, llvm::ArrayRef<LaneIndex> index);
  Element elementwise(mlir::Operation *op, llvm::ArrayRef<LaneIndex> index);
  Element structural(mlir::Operation *op, const ir::Indexing &indexing,
                     llvm::ArrayRef<LaneIndex> index);
  Element choose(mlir::Operation *op, const ir::Indexing &indexing, size_t access,
                 llvm::ArrayRef<LaneIndex> index);
  Element read(mlir::Operation *op, const ir::Access &access, llvm::ArrayRef<LaneIndex> index);
  /// A reduction over a few elements, unrolled.
  Element reduceInPlace(mlir::Operation *op, const ir::Indexing &indexing,
                        llvm::ArrayRef<LaneIndex> index);
  Element load(const BufferRef &buffer, llvm::ArrayRef<LaneIndex> index);
  Element fallback(mlir::Operation *op, const ir::Indexing &indexing,
                   llvm::ArrayRef<LaneIndex> index);
  mlir::Value inRange(mlir::Operation *op, const ir::Access &access,
                      llvm::ArrayRef<LaneIndex> index);
  LaneIndex evaluate(mlir::Operation *op, const ir::IndexExpr &expr,
                     llvm::ArrayRef<LaneIndex> index);
  /// Looks up an index in a tensor, checks it, reports a bad one; narrows `valid` to the good
  /// lanes.
  LaneIndex lookUp(mlir::Operation *op, const ir::IndexExpr &expr, llvm::ArrayRef<LaneIndex> index,
                   mlir::Value &valid);
  void report(mlir::Operation *op, mlir::Value bad, mlir::Value value, mlir::Value bound);
  Element guarded(mlir::Type elementType, mlir::Value condition, llvm::function_ref<Element()> then,
                  llvm::function_ref<Element()> otherwise);
  const ir::Indexing &indexingOf(mlir::Operation *op);

  mlir::OpBuilder &builder;
  mlir::Location loc;
  KernelEnvironment &env;
  int64_t lanes;
  Memory mem;
  IndexMath indices;
  mlir::Value mask;
  /// Inside a per-lane guard even uniform reads may be out of range, so they are masked too.
  bool masksUniform = false;
  std::vector<Cached> cache;
  llvm::DenseMap<mlir::Value, Override> overrides;
  std::map<mlir::Operation *, ir::Indexing> indexings;
  /// Set while the indices of one access are evaluated; collects the validity of looked-up indices.
  mlir::Value *lookUpValid = nullptr;
};

} // namespace sinter::codegen
