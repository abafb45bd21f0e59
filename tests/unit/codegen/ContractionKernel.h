// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sinter/codegen/cpu/Contraction.h"

#include "sinter/codegen/Program.h"
#include "sinter/codegen/cpu/CompileObject.h"
#include "sinter/codegen/cpu/Jit.h"
#include "sinter/codegen/cpu/LowerToLlvm.h"
#include "sinter/ir/base/Error.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Verifier.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <sstream>

// Kernels of single contractions: built, run whole and in pieces, and compared with plain loops.

namespace sinter::cpu {

using namespace mlir;
using Form = ContractionTiles::Form;
using Pack = ContractionTiles::Pack;

struct Problem {
  DType dtype = f32;
  std::optional<DType> stored = std::nullopt; ///< Of A and B, if narrower.
  int64_t batch = 1, m = 1, n = 1, k = 1;
  bool aTransposed = false, bTransposed = false;
  bool everySecond = false; ///< Elements lie two apart: no dimension is contiguous.
  bool symbolicBatch = false, symbolicM = false, symbolicN = false, symbolicK = false;
  bool bias = false;
  bool hookA = false, hookB = false;
  bool fixed = false; ///< B is a constant: the tiles decide how it lies.
  int constants =
      0; ///< So many multiply-adds with different constants in the epilogue (floats only).

  int64_t spread() const { return everySecond ? 2 : 1; }
  int64_t aStrideM() const { return spread() * (aTransposed ? 1 : k); }
  int64_t aStrideK() const { return spread() * (aTransposed ? m : 1); }
  int64_t bStrideK() const { return spread() * (bTransposed ? 1 : n); }
  int64_t bStrideN() const { return spread() * (bTransposed ? k : 1); }
  int64_t aBatch() const { return spread() * m * k; }
  int64_t bBatch() const { return spread() * k * n; }
  /// The order of the table that the kernel reads symbolic values from.
  std::vector<int64_t> table() const {
    return {batch, m, n, k, aStrideM(), aStrideK(), bStrideK(), bStrideN(), aBatch(), bBatch()};
  }
  ContractionShape shape() const {
    auto size = [](bool symbolic, int64_t value, const char *name) {
      return symbolic ? DimExpr::symbol(name) : DimExpr(value);
    };
    auto stride = [](bool symbolic, int64_t value) {
      return symbolic ? std::nullopt : std::optional(value);
    };
    return {.dtype = dtype,
            .aDtype = stored,
            .bDtype = stored,
            .batch = size(symbolicBatch, batch, "B"),
            .m = size(symbolicM, m, "M"),
            .n = size(symbolicN, n, "N"),
            .k = size(symbolicK, k, "K"),
            .aStrideM = stride(symbolicK && !aTransposed, aStrideM()),
            .aStrideK = stride(symbolicM && aTransposed, aStrideK()),
            .bStrideK = stride(symbolicN && !bTransposed, bStrideK()),
            .bStrideN = stride(symbolicK && bTransposed, bStrideN()),
            .computedA = hookA,
            .computedB = hookB,
            .fixedB = fixed,
            .storeOps = (bias ? 2 : 1) + 2 * constants};
  }
  DimBinding binding() const { return {{"B", batch}, {"M", m}, {"N", n}, {"K", k}}; }
};

inline std::string describe(const Problem &p, const TargetInfo &target, const ContractionTiles &t) {
  std::ostringstream out;
  out << name(p.dtype) << " of " << name(p.stored.value_or(p.dtype)) << " on " << target.arch
      << " b" << p.batch << " m" << p.m << " n" << p.n << " k" << p.k << " transposed "
      << p.aTransposed << p.bTransposed << " spread " << p.spread() << " symbolic "
      << p.symbolicBatch << p.symbolicM << p.symbolicN << p.symbolicK << " bias " << p.bias
      << " hooks " << p.hookA << p.hookB << "; form " << int(t.form) << " depth " << t.depth
      << " pack " << int(t.packB) << t.packA << " mr " << t.mr << " nr " << t.nr << " kc " << t.kc
      << " mBlock " << t.mBlock << " nBlock " << t.nBlock << " group " << t.groupUnits << " unroll "
      << t.kUnroll << " direct " << t.directStore;
  return out.str();
}

/// Builds the kernel of a problem: buffers are A, B, C, bias, scratch.
class KernelBuilder {
public:
  KernelBuilder(const Problem &problem, const ContractionTiles &tiles)
      : p(problem), tiles(tiles), context(MLIRContext::Threading::DISABLED), b(&context),
        loc(b.getUnknownLoc()) {
    prepareContext(context);
    pointer = LLVM::LLVMPointerType::get(&context);
    module = ModuleOp::create(loc);
    b.setInsertionPointToStart(module->getBody());
    auto i64 = b.getI64Type();
    auto function = func::FuncOp::create(
        b, loc, "kernel", b.getFunctionType({pointer, pointer, pointer, i64, i64, i64}, {}));
    entry = function.addEntryBlock();
    b.setInsertionPointToStart(entry);
    emit();
    func::ReturnOp::create(b, loc);
  }

  std::unique_ptr<llvm::Module> lower(llvm::LLVMContext &llvmContext, const TargetInfo &target) {
    LlvmLowering lowering(context, target);
    if (failed(verify(*module)) || !lowering.expand(*module) || !lowering.convert(*module))
      return nullptr;
    return translateToLlvm(*module, llvmContext);
  }

private:
  Value at(OpBuilder &b, Value base, Value index) {
    return LLVM::GEPOp::create(b, loc, pointer, element, base, llvm::ArrayRef<LLVM::GEPArg>{index});
  }
  Value argument(unsigned argument, int32_t index, Type type) {
    Value slot = LLVM::GEPOp::create(b, loc, pointer, type, entry->getArgument(argument),
                                     llvm::ArrayRef<LLVM::GEPArg>{index});
    return LLVM::LoadOp::create(b, loc, type, slot);
  }
  Value size(bool symbolic, int32_t tableIndex) {
    if (symbolic)
      return argument(1, tableIndex, b.getI64Type());
    return arith::ConstantIntOp::create(b, loc, p.table()[static_cast<size_t>(tableIndex)], 64);
  }
  Value load(OpBuilder &b, Value from, Value mask) {
    unsigned alignment = static_cast<unsigned>(byteSize(p.dtype));
    if (!mask)
      return LLVM::LoadOp::create(b, loc, vector, from, alignment);
    Value zero = arith::ConstantOp::create(b, loc, b.getZeroAttr(vector));
    return LLVM::MaskedLoadOp::create(b, loc, vector, from, mask, zero, alignment);
  }
  static Value add(OpBuilder &b, Location loc, Value x, Value y) {
    return arith::AddIOp::create(b, loc, x, y);
  }
  static Value mul(OpBuilder &b, Location loc, Value x, Value y) {
    return arith::MulIOp::create(b, loc, x, y);
  }

  void emit() {
    element = p.dtype == f32   ? Type(b.getF32Type())
              : p.dtype == f64 ? Type(b.getF64Type())
              : p.dtype == i32 ? Type(b.getI32Type())
                               : Type(b.getI64Type());
    vector = VectorType::get({tiles.lanes}, element);
    ContractionSpec spec;
    spec.elementType = element;
    if (p.stored) {
      spec.aType = spec.bType =
          *p.stored == bf16 ? Type(b.getBF16Type())
          : *p.stored == f16
              ? Type(b.getF16Type())
              : Type(b.getIntegerType(static_cast<unsigned>(8 * byteSize(*p.stored))));
      spec.aUnsigned = spec.bUnsigned = isUnsigned(*p.stored);
    }
    spec.batch = size(p.symbolicBatch, 0);
    spec.m = size(p.symbolicM, 1);
    spec.n = size(p.symbolicN, 2);
    spec.k = size(p.symbolicK, 3);
    Value a = argument(0, 0, pointer), bMatrix = argument(0, 1, pointer),
          c = argument(0, 2, pointer);
    Value bias = argument(0, 3, pointer), scratch = argument(0, 4, pointer);
    ContractionShape shape = p.shape();
    spec.aStrideM = size(!shape.aStrideM, 4);
    spec.aStrideK = size(!shape.aStrideK, 5);
    spec.bStrideK = size(!shape.bStrideK, 6);
    spec.bStrideN = size(!shape.bStrideN, 7);
    if (tiles.panel) {
      spec.bStrideK = arith::ConstantIntOp::create(b, loc, tiles.panel, 64);
      spec.bStrideN = arith::ConstantIntOp::create(b, loc, 1, 64);
    }
    Value aBatch = size(true, 8), bBatch = size(true, 9);
    if (p.batch != 1 || p.symbolicBatch)
      spec.batchOffsets = [=](OpBuilder &b, Location loc, Value index) {
        return std::pair(mul(b, loc, index, aBatch), mul(b, loc, index, bBatch));
      };
    if (p.hookA)
      spec.loadA = [=, this](OpBuilder &b, Location loc, Value batch, Value m, Value k,
                             Value mask) {
        Value row = add(b, loc, mul(b, loc, batch, aBatch), mul(b, loc, m, spec.aStrideM));
        return load(b, at(b, a, add(b, loc, row, mul(b, loc, k, spec.aStrideK))), mask);
      };
    else
      spec.a = a;
    if (p.hookB)
      spec.loadB = [=, this](OpBuilder &b, Location loc, Value batch, Value k, Value n,
                             Value mask) {
        Value row = add(b, loc, mul(b, loc, batch, bBatch), mul(b, loc, k, spec.bStrideK));
        return load(b, at(b, bMatrix, add(b, loc, row, n)), mask);
      };
    else
      spec.b = bMatrix;
    spec.store = [=, this](OpBuilder &b, Location loc, Value batch, Value m, Value n, Value sums,
                           Value mask) {
      if (p.bias) {
        Value loaded = load(b, at(b, bias, n), mask);
        sums = isFloat(p.dtype) ? Value(arith::AddFOp::create(b, loc, sums, loaded))
                                : Value(arith::AddIOp::create(b, loc, sums, loaded));
      }
      for (int i = 0; i < p.constants; ++i) {
        auto constant = [&](double value) -> Value {
          auto attribute =
              DenseElementsAttr::get(vector, b.getFloatAttr(element, value).getValue());
          return arith::ConstantOp::create(b, loc, attribute);
        };
        sums = arith::AddFOp::create(b, loc, arith::MulFOp::create(b, loc, sums, constant(1.5 + i)),
                                     constant(0.25 + i));
      }
      Value row = add(b, loc, mul(b, loc, batch, spec.m), m);
      Value to = at(b, c, add(b, loc, mul(b, loc, row, spec.n), n));
      unsigned alignment = static_cast<unsigned>(byteSize(p.dtype));
      if (mask)
        LLVM::MaskedStoreOp::create(b, loc, sums, to, mask, alignment);
      else
        LLVM::StoreOp::create(b, loc, sums, to, alignment);
    };
    Value bytes = arith::ConstantIntOp::create(b, loc, contractionScratchBytes(tiles), 64);
    Value offset = mul(b, loc, entry->getArgument(5), bytes);
    scratch = LLVM::GEPOp::create(b, loc, pointer, b.getI8Type(), scratch,
                                  llvm::ArrayRef<LLVM::GEPArg>{offset});
    emitContraction(b, loc, spec, tiles, entry->getArgument(3), entry->getArgument(4), scratch);
  }

  const Problem &p;
  const ContractionTiles &tiles;
  MLIRContext context;
  OpBuilder b;
  Location loc;
  OwningOpRef<ModuleOp> module;
  Block *entry = nullptr;
  Type pointer, element;
  VectorType vector;
};

/// 64-byte aligned storage with a canary behind it.
template <typename T> class Storage {
public:
  explicit Storage(int64_t count)
      : bytes(static_cast<size_t>(count) * sizeof(T)),
        memory(static_cast<char *>(std::aligned_alloc(64, (bytes + canary + 63) / 64 * 64))) {
    std::memset(memory.get(), 0x7b, (bytes + canary + 63) / 64 * 64);
  }
  T *data() { return reinterpret_cast<T *>(memory.get()); }
  T &operator[](int64_t index) { return data()[index]; }
  bool sameBytes(const Storage &other) const {
    return std::memcmp(memory.get(), other.memory.get(), bytes) == 0;
  }
  bool intact() const {
    for (size_t i = 0; i < canary; ++i)
      if (memory.get()[bytes + i] != 0x7b)
        return false;
    return true;
  }

private:
  static constexpr size_t canary = 256;
  size_t bytes;
  struct Free {
    void operator()(char *pointer) const { std::free(pointer); }
  };
  std::unique_ptr<char, Free> memory;
};

inline bool runnable(const TargetInfo &target) {
  try {
    target.requireRunnable();
    return true;
  } catch (const Error &) {
    return false;
  }
}

inline std::vector<TargetInfo> targets() {
  std::vector<TargetInfo> result;
  for (const char *text : {"cpu:x86-64", "cpu:x86-64-v3", "cpu:x86-64-v4"})
    if (TargetInfo target = TargetInfo::parse(text); runnable(target))
      result.push_back(target);
  return result;
}

inline std::string compile(const Problem &p, const TargetInfo &target,
                           const ContractionTiles &tiles, bool text) {
  llvm::LLVMContext context;
  KernelBuilder kernel(p, tiles);
  auto module = kernel.lower(context, target);
  if (!module)
    return "";
  ObjectCompiler compiler(target);
  return text ? compiler.assembly(*module) : compiler.object(*module);
}

template <typename T> T chainStep(T a, T b, T sum, bool fma) {
  if constexpr (std::is_floating_point_v<T>) {
    if (fma)
      return std::fma(a, b, sum);
    volatile T product = a * b; // Two roundings, whatever the compiler of this test would fuse.
    return product + sum;
  } else {
    using U = std::make_unsigned_t<T>;
    return static_cast<T>(static_cast<U>(a) * static_cast<U>(b) + static_cast<U>(sum));
  }
}

/// Runs the kernel whole and in random pieces: equal bits, nothing written outside, and every
/// element the stated chain of multiply-adds.
template <typename T, typename Stored = T>
void checkTyped(const Problem &p, const TargetInfo &target, const ContractionTiles &tiles,
                std::mt19937 &random) {
  SCOPED_TRACE(describe(p, target, tiles));
  std::string object = compile(p, target, tiles, false);
  ASSERT_FALSE(object.empty());
  Jit jit({object});
  auto run = jit.function<SinterKernel>("kernel");

  Storage<Stored> a(p.batch * p.aBatch()), b(p.batch * p.bBatch());
  Storage<T> bias(p.n);
  auto fill = [&](auto &buffer, int64_t count) {
    using E = std::remove_reference_t<decltype(buffer[0])>;
    for (int64_t i = 0; i < count; ++i) {
      auto value = static_cast<int>(random() % 2001) - 1000;
      if (sizeof(E) < 4 && random() % 4 == 0) // All the way to the largest ones.
        value *= 32;
      buffer[i] = std::is_floating_point_v<T> ? static_cast<E>(static_cast<float>(value) / 512.0f)
                                              : static_cast<E>(value);
    }
  };
  fill(a, p.batch * p.aBatch());
  fill(b, p.batch * p.bBatch());
  fill(bias, p.n);
  const int64_t workers = 2, elements = p.batch * p.m * p.n;
  Storage<T> whole(elements), pieces(elements);
  Storage<char> scratch(workers * contractionScratchBytes(tiles));
  auto table = p.table();
  const ContractionShape shape = p.shape();
  const int64_t extent =
      *contractionExtent(tiles, shape.batch, shape.m, shape.n).evaluate(p.binding());
  auto call = [&](Storage<T> &c, int64_t begin, int64_t end, int64_t worker) {
    void *buffers[] = {a.data(), b.data(), c.data(), bias.data(), scratch.data()};
    run(buffers, table.data(), nullptr, begin, end, worker);
  };
  call(whole, 0, extent, 0);
  for (int64_t begin = 0; begin < extent;) {
    int64_t end = std::min(
        extent, begin + 1 + static_cast<int64_t>(random() % static_cast<uint32_t>(extent)));
    call(pieces, begin, end, 1);
    begin = end;
  }
  EXPECT_TRUE(whole.sameBytes(pieces));
  EXPECT_TRUE(whole.intact() && pieces.intact() && scratch.intact());

  for (int64_t i = 0; i < elements; ++i) {
    const int64_t n = i % p.n, m = i / p.n % p.m, batch = i / p.n / p.m;
    T sum = 0;
    double magnitude = 0;
    for (int64_t k = 0; k < p.k; ++k) {
      T x = static_cast<T>(a[batch * p.aBatch() + m * p.aStrideM() + k * p.aStrideK()]);
      const int64_t inB = tiles.panel ? (n / tiles.panel * p.k + k) * tiles.panel + n % tiles.panel
                                      : k * p.bStrideK() + n * p.bStrideN();
      T y = static_cast<T>(b[batch * p.bBatch() + inB]);
      sum = chainStep(x, y, sum, tiles.fma);
      magnitude += std::abs(static_cast<double>(x) * static_cast<double>(y));
    }
    if (p.bias)
      sum = chainStep(T(1), bias[n], sum, true);
    if ((tiles.form == Form::Dot || tiles.depth > 1) && std::is_floating_point_v<T>)
      ASSERT_NEAR(whole[i], sum,
                  magnitude * (tiles.depth > 1 ? 16 : 4) * std::numeric_limits<T>::epsilon())
          << i;
    else
      ASSERT_EQ(whole[i], sum) << i;
  }
}

inline void check(const Problem &p, const TargetInfo &target, const ContractionTiles &tiles,
                  std::mt19937 &random) {
  if (p.stored) {
    dispatch(*p.stored, [&](auto sample) {
      using Stored = decltype(sample);
      if constexpr (sizeof(Stored) < 4 && std::is_integral_v<Stored>)
        checkTyped<int32_t, Stored>(p, target, tiles, random);
      else if constexpr (sizeof(Stored) == 2)
        checkTyped<float, Stored>(p, target, tiles, random);
    });
    return;
  }
  dispatch(p.dtype, [&](auto sample) {
    using T = decltype(sample);
    // The micro-kernels know these four; other dtypes are converted around them.
    constexpr bool isWide = std::is_arithmetic_v<T> && sizeof(T) >= 4 && std::is_signed_v<T>;
    if constexpr (isWide)
      checkTyped<T>(p, target, tiles, random);
  });
}

inline void check(const Problem &p, std::mt19937 &random) {
  for (const TargetInfo &target : targets())
    check(p, target, chooseTiles(target, p.shape()), random);
}

/// Vector registers moved to or from the stack inside innermost loops that multiply and add.
inline int spillsInLoops(const std::string &assembly) {
  std::vector<std::string> lines;
  std::istringstream stream(assembly);
  for (std::string line; std::getline(stream, line);)
    lines.push_back(line);
  int spills = 0;
  for (size_t end = 0; end < lines.size(); ++end) {
    size_t target = lines[end].find(".LBB");
    if (lines[end].find("\tj") == std::string::npos || target == std::string::npos)
      continue;
    std::string label = lines[end].substr(target) + ":";
    for (size_t begin = end; begin-- > 0 && (lines[begin].rfind(".LBB", 0) != 0 ||
                                             lines[begin].rfind(label, 0) == 0);) {
      if (lines[begin].rfind(label, 0) != 0)
        continue;
      int products = 0, stack = 0;
      for (size_t i = begin; i < end; ++i) {
        products += lines[i].find("vfmadd") != std::string::npos ||
                    lines[i].find("vdpbf16ps") != std::string::npos;
        bool vector = lines[i].find("%xmm") != std::string::npos ||
                      lines[i].find("%ymm") != std::string::npos ||
                      lines[i].find("%zmm") != std::string::npos;
        stack += vector && lines[i].find("(%rsp") != std::string::npos;
      }
      spills += products >= 4 ? stack : 0;
      break;
    }
  }
  return spills;
}

} // namespace sinter::cpu
