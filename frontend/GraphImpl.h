// SPDX-License-Identifier: Apache-2.0
// Internal: what is behind Graph and Tensor. Only the frontend and the code that compiles graphs
// include it.
#pragma once

#include "sinter/frontend/Graph.h"
#include "sinter/ir/Ops.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"

#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace sinter {

/// The call that is being checked: the name the user knows (null: none), and the user's line.
struct Call {
  const char *name;
  std::source_location loc;
};

/// Collects the errors that MLIR reports while it lives; nothing reaches stderr.
class DiagnosticCollector {
public:
  explicit DiagnosticCollector(mlir::MLIRContext &context);
  /// The first error without the op's name and with plain types, or "".
  std::string message() const;
  SourceLoc location() const { return where; }

private:
  mlir::ScopedDiagnosticHandler handler;
  std::string text;
  SourceLoc where;
};

/// A graph is a function whose block grows; arguments are the block's. Everything is checked when
/// it is added, so the block is always valid but for its missing terminator.
class GraphImpl : public std::enable_shared_from_this<GraphImpl> {
public:
  GraphImpl();

  // -- From handles and back --
  static std::shared_ptr<GraphImpl> of(const Graph &graph) { return graph.impl; }
  static Graph handle(std::shared_ptr<GraphImpl> impl) { return Graph(std::move(impl)); }
  /// The graph of a tensor; a tensor without value is a User error.
  static GraphImpl &of(const Tensor &tensor, const Call &call);
  /// The graph that all tensors share.
  static GraphImpl &of(std::span<const Tensor> tensors, const Call &call);
  /// The graph of the tensors among the operands; there must be one.
  static GraphImpl &of(std::span<const Operand> operands, const Call &call);
  /// The value of a tensor that must belong to this graph, and not to a region that is closed.
  mlir::Value value(const Tensor &tensor, const Call &call);
  /// The same, outside of every region.
  mlir::Value bodyValue(const Tensor &tensor, const Call &call);
  Tensor tensor(mlir::Value value) {
    return Tensor(shared_from_this(), value.getAsOpaquePointer());
  }
  static mlir::Value rawValue(const Tensor &tensor) {
    return mlir::Value::getFromOpaquePointer(tensor.value);
  }

  // -- Errors and locations --
  [[noreturn]] void fail(const Call &call, const std::string &message,
                         std::vector<Shape> shapes = {}, const std::string &hint = "");
  mlir::Location location(const Call &call);
  void openScope(std::string_view name, const SourceLoc &loc);
  void closeScope() { scopes.pop_back(); }

  // -- Building --
  mlir::MLIRContext &mlirContext() { return *context; }
  mlir::Block &block() { return *body; }
  /// The function's block, and those of the regions that are being built inside of each other.
  llvm::ArrayRef<mlir::Block *> openBlocks() const { return open; }
  /// At the end of the innermost open block.
  mlir::OpBuilder builder();
  /// Checks sizes that a user wrote, and makes the type.
  ir::TensorType type(const Call &call, DType dtype, const Shape &shape);
  /// Adds an op and gives its first result. Without a type the op infers those of all. The op's own rules decide whether
  /// it is valid; what they say becomes the Error.
  mlir::Value create(const Call &call, llvm::StringRef op, mlir::ValueRange operands,
                     llvm::ArrayRef<mlir::NamedAttribute> attributes = {},
                     ir::TensorType type = {});
  mlir::NamedAttribute named(llvm::StringRef name, mlir::Attribute attribute);
  mlir::NamedAttribute named(llvm::StringRef name, llvm::ArrayRef<int64_t> numbers);
  /// A number in a dtype it fits.
  mlir::Value full(const Call &call, const Operand::Number &number, DType dtype,
                   const Shape &shape);
  mlir::Value broadcast(const Call &call, mlir::Value x, const Shape &shape);
  mlir::Value reshape(const Call &call, mlir::Value x, const Shape &shape);
  mlir::Value constant(const Call &call, const Array &array);

  // -- Arguments and results --
  mlir::Value addArgument(const Call &call, ArgumentKind kind, std::string_view name, DType dtype,
                          const Shape &shape, const Initializer &init);
  void addOutput(const Call &call, std::string_view name, const Tensor &value);
  void addUpdate(const Call &call, const Tensor &target, const Tensor &value);
  /// The number of the argument that `value` is.
  std::optional<unsigned> argumentIndex(mlir::Value value) const;
  void checkUpdate(const Call &call, mlir::Value target, mlir::Value value);

  struct Output {
    std::string name;
    mlir::Value value;
  };
  struct ArgumentUpdate {
    unsigned argument;
    mlir::Value value;
  };
  std::vector<Argument> arguments;
  std::vector<Output> outputs;
  std::vector<ArgumentUpdate> updates;

  /// A module with one function @main that returns the given values. Prune: only the ops and
  /// arguments that they need.
  enum class Keep { All, Needed };
  mlir::OwningOpRef<mlir::ModuleOp> snapshot(llvm::ArrayRef<Output> outputs,
                                             llvm::ArrayRef<ArgumentUpdate> updates, Keep keep);
  /// Takes over a parsed module; a bad one throws.
  void adopt(mlir::OwningOpRef<mlir::ModuleOp> parsed);

private:
  friend class RegionScope;
  struct ScopeEntry {
    std::string path; ///< "softmaxCrossEntropy/logsumexp"
    SourceLoc loc;
  };
  void checkName(const Call &call, std::string_view name);
  void adoptResults(mlir::func::FuncOp main, mlir::IRMapping &mapping);

  std::unique_ptr<mlir::MLIRContext> context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  mlir::Block *body = nullptr;
  std::vector<mlir::Block *> open;
  /// Blocks of regions that failed; tensors may still name their values.
  std::vector<std::unique_ptr<mlir::Block>> abandoned;
  std::vector<ScopeEntry> scopes;

public:
  /// Held while the graph is compiled: see Compiling in runtime/Session.cpp.
  std::recursive_mutex compiling;
};

/// Until it is closed, ops are built into a block of its own, which may use all that was there
/// before.
class RegionScope {
public:
  explicit RegionScope(GraphImpl &graph);
  ~RegionScope();
  RegionScope(const RegionScope &) = delete;
  RegionScope &operator=(const RegionScope &) = delete;

  mlir::Block &block() { return *owned; }
  /// Hands the finished block over.
  std::unique_ptr<mlir::Block> close();

private:
  GraphImpl &graph;
  std::unique_ptr<mlir::Block> owned;
};

/// The program that computes the outputs and updates: a module with one function @main in the
/// graph's context, which must outlive it (hold the Graph). Arguments that nothing needs are left
/// out. Outputs without a name are called "result<index>".
mlir::OwningOpRef<mlir::ModuleOp>
extract(const Graph &graph, const std::vector<Tensor> &outputs, const Updates &updates,
        std::source_location loc = std::source_location::current());

} // namespace sinter
