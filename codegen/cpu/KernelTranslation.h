// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Value.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/Module.h"

namespace sinter::cpu {

/// A function while it is translated to LLVM IR.
struct KernelTranslation {
  explicit KernelTranslation(llvm::Module &module) : module(module), builder(module.getContext()) {}

  llvm::Value *operator[](mlir::Value value) const { return values.at(value); }
  llvm::Value *operand(mlir::Operation *op, unsigned i) const {
    return values.at(op->getOperand(i));
  }
  llvm::SmallVector<llvm::Value *> all(mlir::ValueRange range) const {
    return llvm::map_to_vector(range, [&](mlir::Value value) { return values.at(value); });
  }
  void set(mlir::Value value, llvm::Value *translated) { values[value] = translated; }
  void set(mlir::ValueRange range, llvm::ArrayRef<llvm::Value *> translated) {
    for (auto [value, to] : llvm::zip_equal(range, translated))
      values[value] = to;
  }
  /// Null for types that kernels' functions do not have.
  llvm::Type *type(mlir::Type type) const;
  /// Behind the others of the function, and where to go on.
  llvm::BasicBlock *startBlock(llvm::BasicBlock *block = nullptr);
  llvm::BasicBlock *looseBlock() { return llvm::BasicBlock::Create(module.getContext()); }

  /// The ops of a block. False: one is unknown.
  bool translate(mlir::Block &block);

  llvm::Module &module;
  llvm::IRBuilder<> builder;
  llvm::DenseMap<mlir::Value, llvm::Value *> values;
};

/// Translates an op and sets its results; false where it has anything unknown.
using TranslateOp = bool (*)(KernelTranslation &, mlir::Operation *);

/// By the ops' names: those without regions, by dialect, and control flow.
using TranslationTable = llvm::DenseMap<mlir::TypeID, TranslateOp>;
void addArithmetic(TranslationTable &table);
void addVectorsAndMemory(TranslationTable &table);
void addControlFlow(TranslationTable &table);

template <typename Op> void addRow(TranslationTable &table, TranslateOp translate) {
  table[mlir::TypeID::get<Op>()] = translate;
}

/// A row for an op with one result, which `make` returns; null is unknown.
template <typename Op, auto make> void addValue(TranslationTable &table) {
  addRow<Op>(table, [](KernelTranslation &t, mlir::Operation *op) {
    llvm::Value *made = make(t, mlir::cast<Op>(op));
    if (made)
      t.set(op->getResult(0), made);
    return made != nullptr;
  });
}

} // namespace sinter::cpu
