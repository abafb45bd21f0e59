// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/Program.h"

#include "llvm/IR/IRBuilder.h"

#include <functional>
#include <map>
#include <string>

namespace llvm {
class Module;
}

namespace sinter::cpu {

/// Size expressions as i64 values of generated code, read from an evaluated table where they are
/// entries of it. Such values are known to fit: the table was evaluated with checks.
class SizeEmitter {
public:
  SizeEmitter(llvm::IRBuilder<> &builder, const Program &program, llvm::Value *table);
  /// At the builder's insertion point. Throws Error(Internal) for an unknown symbol.
  llvm::Value *value(const DimExpr &expression);

private:
  llvm::IRBuilder<> &builder;
  llvm::Value *table;
  std::map<DimExpr, size_t> entries;
};

/// int64_t NAME_sizes(const int64_t *dims, int64_t workers, int64_t *table): fills the table from
/// the values of the named dims (in Program::dims order, without "$workers"). Returns 0, or 1 when
/// a value is negative, overflows or divides by zero; workers must be positive.
void buildSizesFunction(llvm::Module &module, const Program &program, const std::string &name);

/// int64_t NAME_arena_bytes(const int64_t *table): the bytes NAME_run needs as arena, -1 on
/// overflow.
void buildArenaBytesFunction(llvm::Module &module, const Program &program, const std::string &name);

} // namespace sinter::cpu
