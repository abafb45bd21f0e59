// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/cuda/BlockEmitter.h"
#include "sinter/codegen/cuda/CppPrinter.h"

#include <string>
#include <vector>

namespace sinter::cuda {

/// What a region computes, as member functions of a struct that template code of the prelude calls:
/// elements of operands on their way to shared memory, and everything that follows a form's sums.
///
///   struct NAME_Region {
///     const float *x; … float *y; const long long *table; long long *status;
///     __device__ __forceinline__ long long rows() const { return 1024; }
///     __device__ __forceinline__ float lhs(long long batch, long long row, long long k) const;
///     template <int V> __device__ __forceinline__
///     void store(long long b, long long m, long long n, const float (&sum)[V]) const;
///   };
///
/// Its members are the launch's buffers in their order, then `table` (the sizes) and `status`.
class ElementFunctions {
public:
  /// One flat index over some dims of a value, outermost first. No dims: the index is not looked
  /// at.
  struct Group {
    std::string name;
    llvm::SmallVector<int64_t> dims;
  };
  /// A value that the caller of a function gives, at the function's point: the result of an anchor.
  struct Given {
    std::string name;
    mlir::Value value;
    mlir::Type as = {}; ///< What the caller gives, where that is a wider integer.
  };
  using Emit = llvm::function_ref<mlir::Value(codegen::ElementEmitter &, mlir::ValueRange)>;

  /// `taken`: names of functions that will be added; no buffer is then called so.
  ElementFunctions(const KernelRequest &request, llvm::ArrayRef<llvm::StringRef> taken);

  /// `long long NAME() const`: a number where the size is known.
  void addSize(const std::string &name, const DimExpr &size);
  /// `static constexpr long long NAME = VALUE;`
  void addConstant(const std::string &name, int64_t value);
  /// A line of the struct: a typedef, say.
  void addLine(const std::string &line) { members += "  " + line + "\n"; }
  /// `long long NAME(long long FLAT) const`: a flat index over `dims` as an offset by `strides`.
  void addOffset(const std::string &name, const std::string &flat, llvm::ArrayRef<DimExpr> dims,
                 llvm::ArrayRef<DimExpr> strides);
  /// `T NAME(long long GROUP, …) const`: an element of a value of the region, as registers hold it.
  /// The groups cover all dims of the value. `as`: a wider integer to give it as.
  void addElement(const std::string &name, mlir::Value value, llvm::ArrayRef<Group> groups,
                  mlir::Type as = {});
  /// `template <int V> void NAME(long long GROUP, …, const T (&GIVEN)[V], …) const`: computes
  /// `outputs` (numbers of the region's results) at V neighbours along the last group and stores
  /// them, 16 bytes at a time where their addresses are known to be aligned. The first of the V is
  /// a multiple of V. The groups cover the dims of the outputs, which have one shape, in order.
  void addStore(const std::string &name, llvm::ArrayRef<Group> groups, llvm::ArrayRef<Given> given,
                llvm::ArrayRef<unsigned> outputs);
  /// The same for all outputs.
  void addStore(const std::string &name, llvm::ArrayRef<Group> groups, llvm::ArrayRef<Given> given);
  /// Any function of indices: `emit(elements, arguments)` gives the result, or null.
  void addFunction(const std::string &name, llvm::ArrayRef<std::string> indices, mlir::Type result,
                   Emit emit);

  /// `HEAD const`: a function that somebody else has made, with the arguments of a kernel and then
  /// those named.
  void addMember(const std::string &head, BlockKernel function,
                 llvm::ArrayRef<std::string> arguments);

  const std::string &structName() const { return type; }
  /// What a buffer of the launch is called, and the type of its elements: `const float *x`.
  const std::string &bufferName(unsigned number) const { return names[number]; }
  std::string parameter(unsigned number) const;
  /// The struct, under the comment that says what the kernel computes.
  std::string define(llvm::StringRef units);
  /// `extern "C" __global__ … NAME(parameters) {` and the statement that makes `region`.
  /// `minBlocks` of __launch_bounds__: 0 leaves it out. `maps` names parameters of type TensorMap.
  std::string kernelHead(int64_t minBlocks = 0, llvm::ArrayRef<std::string> maps = {});

private:
  struct Function;
  void add(Function &function, const std::string &head, mlir::Value result);
  std::string indexParameters(llvm::ArrayRef<Group> groups) const;

  const KernelRequest &request;
  ir::FusedOp fused;
  BlockKernel kernel;
  std::string type;
  std::vector<std::string> names;
  std::vector<mlir::Type> elementTypes; ///< Of the buffers; null for scratch.
  unsigned made = 0;                    ///< Functions begun so far.
  std::vector<MemberText> functions;
  std::vector<std::pair<BlockKernel, MemberText>> others; ///< Each with a module of its own.
  std::string members; ///< Text of the struct behind the printed functions.
};

} // namespace sinter::cuda
