// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "mlir/IR/BuiltinAttributes.h"
#include "llvm/ADT/StringSet.h"

#include <string>

namespace sinter::cuda {

/// Turns any text into an identifier of C++.
std::string toName(llvm::StringRef text);
/// What no name of a printed kernel may hide.
llvm::StringSet<> reservedNames();
/// Of a register.
std::string cppTypeName(mlir::Type type, bool isUnsigned = false);
/// Of an element in memory: 16-bit floats are loaded and stored as words (codegen/Memory.h).
std::string cppStorageName(mlir::Type type);
std::string cppLiteral(mlir::FloatAttr attr);
std::string cppLiteral(mlir::IntegerAttr attr);

} // namespace sinter::cuda
