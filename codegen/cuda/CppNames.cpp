// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cuda/CppNames.h"

#include "sinter/codegen/cuda/Prelude.h"

#include "mlir/Dialect/LLVMIR/LLVMTypes.h"
#include "llvm/ADT/StringExtras.h"

#include <cctype>
#include <limits>

using namespace mlir;

namespace sinter::cuda {

std::string toName(llvm::StringRef text) {
  std::string name;
  for (char c : text)
    name += std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  if (name.empty() || std::isdigit(static_cast<unsigned char>(name.front())))
    name.insert(0, "v");
  return name;
}

/// What a name must not hide: C++ words, and everything that printed statements mention but calls.
static constexpr llvm::StringLiteral reserved[] = {
    "and", "or", "not", "xor", "bitand", "bitor", "compl", "and_eq", "or_eq", "not_eq", "xor_eq",
    "asm", "constexpr", "decltype", "explicit", "export", "friend", "mutable", "noexcept",
    "nullptr", "protected", "static_assert", "typeid", "wchar_t", "const_cast", "dynamic_cast",
    "reinterpret_cast", "static_cast", "alignas", "alignof", "catch", "char16_t", "char32_t",
    "thread_local", "__int_as_float", "__longlong_as_double", "auto", "bool", "break", "case",
    "char", "class", "const", "continue", "default", "delete", "do", "double", "else", "enum",
    "extern", "false", "float", "for", "goto", "if", "inline", "int", "long", "namespace", "new",
    "operator", "private", "public", "register", "return", "short", "signed", "sizeof", "static",
    "struct", "switch", "template", "this", "throw", "true", "try", "typedef", "typename", "union",
    "unsigned", "using", "virtual", "void", "volatile", "while", "wrapAdd", "wrapSub", "wrapMul",
    "larger", "smaller", "ceilDiv", "compareExchange", "sizes", "Sizes", "thread", "threads",
    "block", "blocks", "blockSum", "blockProduct", "blockMax", "blockMin", "blockArgMax", "exp",
    "expf", "expm1", "expm1f", "log", "logf", "log1p", "log1pf", "sqrt", "sqrtf", "rsqrt",
    "rsqrtf", "sin", "sinf", "cos", "cosf", "tanh", "tanhf", "erf", "erff", "floor", "floorf",
    "ceil", "ceilf", "rint", "rintf", "pow", "powf", "fabs", "fabsf", "bitCast", "Half", "Brain",
    "fmod", "fmodf", "trunc", "truncf", "fma", "fmaf", "copysign", "copysignf", "exp2", "exp2f",
    "log2", "log2f", "log10", "log10f", "cbrt", "cbrtf", "tan", "tanf", "asin", "asinf", "acos",
    "acosf", "atan", "atanf", "atan2", "atan2f", "sinh", "sinhf", "cosh", "coshf", "asinh",
    "asinhf", "acosh", "acoshf", "atanh", "atanhf", "quotient", "modulo"};

/// Functions and types of the prelude, whose declarations begin at the start of a line.
static void addPrelude(llvm::StringSet<> &names) {
  auto isPart = [](char c) { return llvm::isAlnum(c) || c == '_'; };
  for (const PreludePart &part : preludeParts())
    for (llvm::StringRef line : llvm::split(llvm::StringRef(part.text), '\n')) {
      if (line.empty() || !isPart(line.front()))
        continue;
      for (llvm::StringRef before; !line.empty(); line = line.drop_until(isPart)) {
        llvm::StringRef word = line.take_while(isPart);
        line = line.drop_front(word.size());
        if (line.starts_with("(") || before == "struct")
          names.insert(word);
        before = word;
      }
    }
}

llvm::StringSet<> reservedNames() {
  static const llvm::StringSet<> all = [] {
    llvm::StringSet<> names;
    for (llvm::StringRef word : reserved)
      names.insert(word);
    addPrelude(names);
    return names;
  }();
  return all;
}

std::string cppTypeName(Type type, bool isUnsigned) {
  if (type.isF32())
    return "float";
  if (type.isF64())
    return "double";
  // The flag of a compare-exchange, see OpTable.
  if (type.isInteger(1) || isa<LLVM::LLVMStructType>(type))
    return "bool";
  if (type.isF16())
    return "Half";
  if (type.isBF16())
    return "Brain";
  if (type.isInteger(8))
    return isUnsigned ? "unsigned char" : "signed char";
  if (type.isInteger(16))
    return isUnsigned ? "unsigned short" : "short";
  if (type.isInteger(32))
    return isUnsigned ? "unsigned int" : "int";
  return isUnsigned ? "unsigned long long" : "long long";
}

std::string cppStorageName(Type type) {
  if (type.isInteger(1))
    return "unsigned char";
  return type.isF16() || type.isBF16() ? "short" : cppTypeName(type);
}

std::string cppLiteral(FloatAttr attr) {
  llvm::APFloat value = attr.getValue();
  bool isSingle = attr.getType().isF32();
  if (value.isNaN() || value.isInfinity()) {
    std::string bits = llvm::utohexstr(value.bitcastToAPInt().getZExtValue(), /*LowerCase=*/true);
    return isSingle ? "__int_as_float(0x" + bits + ")" : "__longlong_as_double(0x" + bits + "LL)";
  }
  llvm::SmallString<32> digits;
  value.toString(digits, isSingle ? 9 : 17, /*FormatMaxPadding=*/4);
  std::string text(digits);
  if (text.find_first_of(".eE") == std::string::npos)
    text += ".0";
  return isSingle ? text + "f" : text;
}

std::string cppLiteral(IntegerAttr attr) {
  if (attr.getType().isInteger(1))
    return attr.getValue().isZero() ? "false" : "true";
  int64_t value = attr.getValue().getSExtValue();
  // The most negative numbers cannot be written as one literal.
  if (value == std::numeric_limits<int64_t>::min())
    return "(-9223372036854775807LL - 1)";
  if (value == std::numeric_limits<int32_t>::min())
    return "(-2147483647 - 1)";
  bool isLong =
      value > std::numeric_limits<int32_t>::max() || value < std::numeric_limits<int32_t>::min();
  return std::to_string(value) + (isLong ? "LL" : "");
}

} // namespace sinter::cuda
