// SPDX-License-Identifier: Apache-2.0
// Internal to frontend/onnx: what a function that exports one kind of op sees.
//
// To export an op: write `static void exportXyz(OpExport &op)` in the file of its family and one
// row in the table at its end. The function makes nodes and names the results.
#pragma once

#include "sinter/frontend/GraphImpl.h"
#include "sinter/frontend/onnx/Export.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <variant>
#include <vector>

namespace sinter::proto {
class GraphProto;
class NodeProto;
class TensorProto;
class ValueInfoProto;
} // namespace sinter::proto

namespace sinter::onnx {

class OpExport;

/// How one op of Sinter becomes nodes of ONNX.
struct ExportHandler {
  llvm::StringRef op; ///< "sinter.neg"
  void (*run)(OpExport &);
};

std::span<const ExportHandler> exportElementwiseHandlers();
std::span<const ExportHandler> exportShapeHandlers();
std::span<const ExportHandler> exportReduceHandlers();
std::span<const ExportHandler> exportIndexHandlers();
std::span<const ExportHandler> exportContractionHandlers();
/// Null for an op without a row.
const ExportHandler *findExportHandler(llvm::StringRef op);

/// The name of a value in the model.
using Name = std::string;

struct ExportAttribute {
  std::string name;
  std::variant<int64_t, std::vector<int64_t>, std::string> value;
};

/// Turns one function into one model.
class Exporter {
public:
  Exporter(mlir::func::FuncOp main, const std::vector<Argument> &arguments,
           const OnnxExportOptions &options, proto::GraphProto &out);
  void run();

private:
  friend class OpExport;

  /// A value that is smaller than its type says and broadcasts to it.
  struct Compact {
    Name name;
    Shape shape; ///< Of the same rank; a 1 where it repeats.
  };

  /// What the results are computed from.
  void findNeeded();
  void addArguments();
  void addParameter(const Argument &argument, mlir::Value value);
  void addSymbol(const DimExpr &size, const Name &input, int64_t axis);
  void addOutputs(mlir::func::ReturnOp results);
  void declare(proto::ValueInfoProto &info, const Name &name, DType dtype, const Shape &shape);
  void exportOp(mlir::Operation *op);
  Name fresh(const std::string &base);

  Shape shapeOf(mlir::Value value) const;
  DimExpr resolve(const DimExpr &size) const;
  Name nameOf(mlir::Value value, OpExport &user);
  Name addInitializer(const Array &value, const std::string &base);

  mlir::func::FuncOp main;
  const std::vector<Argument> &arguments;
  const OnnxExportOptions &options;
  proto::GraphProto &out;
  std::map<std::string, DimExpr, std::less<>> sizes; ///< Named dims that are fixed.
  /// An axis of an input has the size scale * symbol + offset.
  struct Source {
    Name input;
    int64_t axis, offset, scale;
  };
  std::map<std::string, Source> symbols; ///< Where a named dim can be read off.
  llvm::DenseMap<mlir::Value, Name> names;
  llvm::DenseMap<mlir::Value, Compact> compact;
  std::map<std::string, Name> initializers, dims; ///< By contents.
  std::map<std::string, int64_t> taken;
  llvm::DenseSet<mlir::Value> needed;
  std::vector<Name> outputNames;
};

/// One op that is being exported.
class OpExport {
public:
  OpExport(Exporter &exporter, mlir::Operation *op);

  mlir::Operation *operation() const { return op; }
  template <typename Op> Op as() const { return mlir::cast<Op>(op); }
  DType dtype(unsigned operand) const { return ir::tensorType(op->getOperand(operand)).getDType(); }
  DType resultDType() const { return ir::tensorType(op->getResult(0)).getDType(); }
  /// With the sizes that are fixed.
  Shape shape(unsigned operand) const { return exporter.shapeOf(op->getOperand(operand)); }
  Shape resultShape(unsigned result = 0) const { return exporter.shapeOf(op->getResult(result)); }
  DimExpr resolve(const DimExpr &size) const { return exporter.resolve(size); }

  /// An operand in full.
  Name operand(unsigned i) { return exporter.nameOf(op->getOperand(i), *this); }
  /// The operands of an elementwise op: as they are before they repeat, where together they still
  /// have the result's sizes.
  std::vector<Name> elements();
  /// The operand before it repeats, and its sizes then.
  std::pair<Name, Shape> unrepeated(unsigned i);

  void result(const Name &name, unsigned i = 0) { exporter.names[op->getResult(i)] = name; }
  /// The result is `name`, of sizes `shape` with 1 where it repeats.
  void resultRepeats(const Name &name, const Shape &shape);

  Name node(const std::string &type, const std::vector<Name> &inputs,
            const std::vector<ExportAttribute> &attributes = {});
  /// A node with several outputs.
  std::vector<Name> nodes(const std::string &type, const std::vector<Name> &inputs,
                          const std::vector<ExportAttribute> &attributes, size_t outputs);

  // -- Constants and sizes --
  Name constant(const Array &value);
  Name scalar(DType dtype, double value);
  Name ints(const std::vector<int64_t> &values);
  Name axes(llvm::ArrayRef<int64_t> values) { return ints({values.begin(), values.end()}); }
  /// A vector of one or more sizes.
  Name dim(const DimExpr &size);
  Name vector(const std::vector<DimExpr> &sizes);

  // -- Common nodes --
  Name cast(const Name &x, DType to);
  /// `from` may be the dtype already.
  Name cast(const Name &x, DType from, DType to) { return from == to ? x : cast(x, to); }
  Name reshape(const Name &x, const Shape &from, const Shape &to);
  Name expand(const Name &x, const Shape &from, const Shape &to);
  Name unsqueeze(const Name &x, const std::vector<int64_t> &at);
  /// Of `to`, equal to `from` or a permutation that changes nothing: no node.
  Name transpose(const Name &x, const std::vector<int64_t> &permutation);
  Name select(const Name &condition, const Name &a, const Name &b) {
    return node("Where", {condition, a, b});
  }

  /// The constant that an operand is in every element.
  std::optional<double> uniform(unsigned i) const;

  [[noreturn]] void unsupported(const std::string &why, const std::string &hint = "") const;

private:
  friend class Exporter;
  Exporter &exporter;
  mlir::Operation *op;
  std::string scope;
};

} // namespace sinter::onnx
