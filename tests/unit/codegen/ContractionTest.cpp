// SPDX-License-Identifier: Apache-2.0
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

using namespace mlir;
using namespace sinter;
using namespace sinter::cpu;
using Form = ContractionTiles::Form;
using Pack = ContractionTiles::Pack;

namespace {

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

std::string describe(const Problem &p, const TargetInfo &target, const ContractionTiles &t) {
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
    if (failed(verify(*module)) || !lowerToLlvm(*module, target))
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

bool runnable(const TargetInfo &target) {
  try {
    target.requireRunnable();
    return true;
  } catch (const Error &) {
    return false;
  }
}

std::vector<TargetInfo> targets() {
  std::vector<TargetInfo> result;
  for (const char *text : {"cpu:x86-64", "cpu:x86-64-v3", "cpu:x86-64-v4"})
    if (TargetInfo target = TargetInfo::parse(text); runnable(target))
      result.push_back(target);
  return result;
}

std::string compile(const Problem &p, const TargetInfo &target, const ContractionTiles &tiles,
                    bool text) {
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

void check(const Problem &p, const TargetInfo &target, const ContractionTiles &tiles,
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

void check(const Problem &p, std::mt19937 &random) {
  for (const TargetInfo &target : targets())
    check(p, target, chooseTiles(target, p.shape()), random);
}

/// Vector registers moved to or from the stack inside innermost loops that multiply and add.
int spillsInLoops(const std::string &assembly) {
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

} // namespace

TEST(ContractionTest, RandomShapesLayoutsAndTiles) {
  const std::vector<TargetInfo> all = targets();
  const std::vector<int64_t> sizes = {1,  2,  3,  5,  7,  8,  10, 13,  16, 17,
                                      31, 32, 37, 48, 64, 65, 97, 128, 131};
  for (unsigned seed = 0; seed < 240 && !HasFatalFailure(); ++seed) {
    std::mt19937 random(seed);
    auto chance = [&](unsigned oneIn) { return random() % oneIn == 0; };
    auto size = [&] { return chance(40) ? 0 : sizes[random() % sizes.size()]; };
    Problem p;
    p.dtype = chance(2) ? f32 : allDTypes[random() % 4];
    p.batch = chance(3) ? static_cast<int64_t>(random() % 4) : 1;
    p.m = chance(8) ? 1 : size();
    p.n = chance(8) ? 1 : size();
    p.k = chance(8) ? 300 + static_cast<int64_t>(random() % 900) : size();
    p.aTransposed = chance(3);
    p.bTransposed = chance(3);
    p.everySecond = chance(12);
    p.symbolicBatch = chance(2);
    p.symbolicM = chance(2);
    p.symbolicN = chance(3);
    p.symbolicK = chance(2);
    p.bias = chance(2);
    const TargetInfo &target = all[random() % all.size()];
    ContractionTiles tiles = chooseTiles(target, p.shape());
    if (tiles.form == Form::Tiled) { // Any tiles are right, not only the chosen ones.
      if (chance(5))
        tiles.packA = true;
      if (chance(5))
        tiles.kUnroll = 1 + static_cast<int64_t>(random() % 4);
      if (chance(4))
        tiles.directStore = !tiles.directStore;
      if (chance(5))
        tiles.packB = Pack::Always;
      if (chance(4)) {
        tiles.kc = 1 + static_cast<int64_t>(random() % 64);
        tiles.groupUnits = 1 + static_cast<int64_t>(random() % 5);
      }
      if (chance(4) && !tiles.packAhead)
        tiles.nBlock = tiles.nr * (1 + static_cast<int64_t>(random() % 4));
    }
    check(p, target, tiles, random);
  }
}

/// Operands of 8 and 16 bits are converted on the way, or multiplied in pairs.
TEST(ContractionTest, NarrowOperands) {
  std::vector<TargetInfo> all = targets();
  all.push_back(TargetInfo::host());
  const std::vector<int64_t> sizes = {1, 2, 3, 7, 8, 16, 17, 33, 48, 65, 70, 131};
  const DType stored[] = {bf16, f16, i8, u8, i16, u16};
  bool hasPairsOfFloats = false, hasPairsInPlace = false;
  for (unsigned seed = 0; seed < 160 && !HasFatalFailure(); ++seed) {
    std::mt19937 random(seed);
    auto chance = [&](unsigned oneIn) { return random() % oneIn == 0; };
    auto size = [&] { return chance(40) ? 0 : sizes[random() % sizes.size()]; };
    Problem p;
    p.stored = chance(3) ? bf16 : stored[random() % std::size(stored)];
    p.dtype = isFloat(*p.stored) ? f32 : i32;
    p.batch = chance(3) ? static_cast<int64_t>(random() % 4) : 1;
    p.m = chance(8) ? 1 : size();
    p.n = chance(8) ? 1 : size();
    p.k = chance(6) ? 300 + static_cast<int64_t>(random() % 900) : size();
    p.aTransposed = chance(3);
    p.bTransposed = chance(3);
    p.everySecond = chance(12);
    p.symbolicM = chance(2);
    p.symbolicN = chance(3);
    p.symbolicK = chance(2);
    p.bias = chance(2);
    const TargetInfo &target = all[random() % all.size()];
    ContractionTiles tiles = chooseTiles(target, p.shape());
    hasPairsOfFloats |= *p.stored == bf16 && tiles.depth == 2;
    hasPairsInPlace |= *p.stored == bf16 && tiles.depth == 2 && !tiles.packA;
    if (tiles.form == Form::Tiled) {
      if (chance(5))
        tiles.packA = true;
      if (chance(4)) {
        tiles.kc = 1 + static_cast<int64_t>(random() % 64);
        tiles.groupUnits = 1 + static_cast<int64_t>(random() % 5);
      }
      if (chance(4) && !tiles.packAhead)
        tiles.nBlock = tiles.nr * (1 + static_cast<int64_t>(random() % 4));
    }
    check(p, target, tiles, random);
  }
  if (TargetInfo::host().features.find("+avx512bf16") != std::string::npos)
    EXPECT_TRUE(hasPairsOfFloats && hasPairsInPlace);
}

/// An odd last element of a row has no partner: what lies behind it must not be multiplied, not
/// even by zero.
TEST(ContractionTest, PairsEndWithTheRow) {
  TargetInfo target = TargetInfo::host();
  Problem p{.stored = bf16, .m = 5, .n = 33, .k = 7};
  ContractionTiles tiles = chooseTiles(target, p.shape());
  std::string object = compile(p, target, tiles, false);
  ASSERT_FALSE(object.empty());
  Jit jit({object});
  Storage<BFloat16> a(p.m * p.k), b(p.k * p.n);
  Storage<float> c(p.m * p.n);
  Storage<char> scratch(contractionScratchBytes(tiles));
  for (int64_t i = 0; i < p.k * p.n; ++i)
    b[i] = BFloat16(1.0f);
  for (int64_t i = 0; i < p.m * p.k; ++i) // Row 2 is infinite; its neighbours are not.
    a[i] = BFloat16(i / p.k == 2 ? std::numeric_limits<float>::infinity() : 1.0f);
  auto table = p.table();
  void *buffers[] = {a.data(), b.data(), c.data(), nullptr, scratch.data()};
  const ContractionShape shape = p.shape();
  jit.function<SinterKernel>("kernel")(
      buffers, table.data(), nullptr, 0,
      *contractionExtent(tiles, shape.batch, shape.m, shape.n).evaluate(p.binding()), 0);
  for (int64_t i = 0; i < p.m * p.n; ++i)
    EXPECT_EQ(c[i], i / p.n == 2 ? std::numeric_limits<float>::infinity() : 7.0f) << i;
}

TEST(ContractionTest, EmptySizes) {
  std::mt19937 random(1);
  for (bool symbolic : {false, true})
    for (auto [m, n, k] :
         {std::array<int64_t, 3>{0, 5, 5}, {5, 0, 5}, {5, 5, 0}, {0, 0, 0}, {1, 40, 0}})
      check({.m = m,
             .n = n,
             .k = k,
             .symbolicM = symbolic,
             .symbolicN = symbolic,
             .symbolicK = symbolic,
             .bias = true},
            random);
  check({.batch = 0, .m = 4, .n = 4, .k = 4, .symbolicBatch = true}, random);
}

TEST(ContractionTest, RowsAndColumnsOfOne) {
  std::mt19937 random(2);
  for (bool transposed : {false, true}) {
    check({.m = 1, .n = 531, .k = 77, .bTransposed = transposed, .bias = true}, random);
    check({.m = 77, .n = 1, .k = 131, .bTransposed = transposed}, random);
    check({.m = 1, .n = 1, .k = 1000, .bTransposed = transposed}, random);
    check({.m = 1, .n = 64, .k = 70, .bTransposed = transposed, .symbolicM = true}, random);
  }
}

TEST(ContractionTest, FewRowsStreamLargeB) {
  std::mt19937 random(6);
  for (TargetInfo target : targets()) {
    target.l2Bytes = 1 << 10; // Everything is large.
    for (int64_t m : {1, 2, 7, 16})
      for (auto [n, k] : {std::pair<int64_t, int64_t>{531, 77}, {64, 12}, {300, 3}}) {
        Problem p{.batch = 2, .m = m, .n = n, .k = k, .aTransposed = m == 7, .bias = true};
        ContractionTiles tiles = chooseTiles(target, p.shape());
        EXPECT_EQ(tiles.form, Form::Stream);
        check(p, target, tiles, random);
      }
  }
}

TEST(ContractionTest, LongKKeepsPartialSums) {
  std::mt19937 random(3);
  check({.m = 37, .n = 70, .k = 5000, .bias = true}, random);
  check({.m = 37, .n = 70, .k = 5000, .aTransposed = true, .bTransposed = true, .symbolicK = true},
        random);
}

/// The next block of B is packed during the k loops of this one: whatever the pieces of work are,
/// and where there is no next block, none of that length, or only a part of one.
TEST(ContractionTest, NextBlockIsPackedAlongTheWay) {
  TargetInfo host = TargetInfo::host(), avx512 = TargetInfo::parse("cpu:x86-64-v4");
  std::mt19937 random(7);
  int numPacking = 0;
  for (const TargetInfo &target : {host, avx512}) {
    if (!runnable(target) || target.vectorBytes < 64)
      continue;
    for (auto [m, n, k] :
         {std::array<int64_t, 3>{40, 200, 256}, {17, 259, 130}, {33, 200, 301}, {13, 192, 128}})
      for (auto stored : {std::optional<DType>(), std::optional(bf16), std::optional(f16)})
        for (bool symbolic : {false, true})
          for (int64_t kc : {0, 64}) {
            Problem p{.stored = stored, .m = m, .n = n, .k = k, .symbolicM = symbolic};
            ContractionTiles tiles = chooseTiles(target, p.shape());
            tiles.nBlock = tiles.nr; // Too small to be worth it, but right all the same.
            if (tiles.packAhead == 0 && n >= 2 * tiles.nr) {
              tiles.packB = symbolic && !stored ? Pack::ByReuse : Pack::Always;
              tiles.packAhead = random() % 2 ? 1 : tiles.nr / tiles.lanes;
            }
            if (kc) {
              tiles.kc = kc;
              tiles.groupUnits = 7;
            }
            numPacking += tiles.packAhead > 0;
            check(p, target, tiles, random);
          }
  }
  EXPECT_TRUE(numPacking > 30 || !runnable(avx512));
}

/// A constant B lies in panels of the tile's width, when its columns come out even.
TEST(ContractionTest, ConstantsLieInPanels) {
  std::mt19937 random(8);
  for (TargetInfo target : targets()) {
    target.l2Bytes = 1 << 17;
    for (int64_t m : {2, 5, 16, 33})
      for (auto [n, k] : {std::pair<int64_t, int64_t>{256, 70}, {96, 1500}, {80, 33}, {70, 33}})
        for (bool symbolic : {false, true}) {
          Problem p{.m = m, .n = n, .k = k, .symbolicM = symbolic, .bias = true, .fixed = true};
          ContractionTiles tiles = chooseTiles(target, p.shape());
          EXPECT_EQ(tiles.panel, n % tiles.lanes == 0 ? tiles.nr : 0);
          EXPECT_TRUE(tiles.panel == 0 || n % tiles.panel == 0);
          check(p, target, tiles, random);
        }
  }
}

TEST(ContractionTest, OperandsComputedByHooks) {
  std::mt19937 random(4);
  for (auto [hookA, hookB, transposed] : {std::tuple(true, false, false),
                                          {false, true, false},
                                          {true, true, false},
                                          {true, false, true}})
    for (bool symbolic : {false, true})
      check({.batch = 2,
             .m = 21,
             .n = 70,
             .k = 45,
             .aTransposed = transposed,
             .symbolicM = symbolic,
             .symbolicN = symbolic,
             .symbolicK = symbolic,
             .bias = true,
             .hookA = hookA,
             .hookB = hookB},
            random);
}

TEST(ContractionTest, CommonTilesStayInRegisters) {
  TargetInfo avx512 = TargetInfo::parse("cpu:x86-64-v4"), avx2 = TargetInfo::parse("cpu:x86-64-v3");
  const Problem problems[] = {
      {.m = 1024, .n = 1024, .k = 1024},
      {.m = 2048, .n = 1152, .k = 384},
      {.m = 16, .n = 4096, .k = 4096, .fixed = true},
      {.m = 128, .n = 3072, .k = 768, .bias = true},
      {.m = 128, .n = 3072, .k = 768, .bias = true, .constants = 10},
      {.m = 256, .n = 256, .k = 784, .symbolicM = true, .bias = true},
      {.m = 784, .n = 256, .k = 256, .aTransposed = true, .symbolicK = true},
      {.m = 256, .n = 784, .k = 256, .bTransposed = true, .symbolicM = true},
      {.m = 256, .n = 10, .k = 256, .symbolicM = true, .bias = true},
      {.m = 256, .n = 10, .k = 256, .aTransposed = true, .symbolicK = true},
      {.batch = 256, .m = 64, .n = 64, .k = 64},
      {.batch = 256, .m = 64, .n = 48, .k = 64, .bias = true},
      {.m = 256, .n = 256, .k = 256, .symbolicM = true, .symbolicN = true, .symbolicK = true},
  };
  for (const Problem &p : problems)
    for (const TargetInfo &target : {avx512, avx2}) {
      ContractionTiles tiles = chooseTiles(target, p.shape());
      SCOPED_TRACE(describe(p, target, tiles));
      std::string assembly = compile(p, target, tiles, true);
      ASSERT_FALSE(assembly.empty());
      EXPECT_EQ(spillsInLoops(assembly), 0);
    }
}

TEST(ContractionTest, PairsStayInRegisters) {
  TargetInfo target = TargetInfo::parse("cpu:znver4,+avx512f,+avx512dq,+avx512bw,+avx512vl,+avx2,"
                                        "+fma,+f16c,+avx512bf16");
  const Problem problems[] = {
      {.stored = bf16, .m = 1024, .n = 1024, .k = 1024},
      {.stored = bf16, .m = 128, .n = 3072, .k = 768, .bias = true},
      {.stored = bf16, .m = 784, .n = 256, .k = 256, .aTransposed = true, .symbolicK = true},
      {.stored = bf16, .m = 256, .n = 784, .k = 256, .bTransposed = true, .symbolicM = true},
      {.stored = bf16, .batch = 256, .m = 64, .n = 64, .k = 64},
  };
  for (const Problem &p : problems) {
    ContractionTiles tiles = chooseTiles(target, p.shape());
    SCOPED_TRACE(describe(p, target, tiles));
    EXPECT_EQ(tiles.depth, 2);
    std::string assembly = compile(p, target, tiles, true);
    EXPECT_NE(assembly.find("vdpbf16ps"), std::string::npos);
    EXPECT_EQ(spillsInLoops(assembly), 0);
  }
}

TEST(ContractionTest, SpillCheckSeesSpills) {
  Problem p{.m = 256, .n = 256, .k = 256};
  TargetInfo target = TargetInfo::parse("cpu:x86-64-v4");
  ContractionTiles tiles = chooseTiles(target, p.shape());
  tiles.mr = tiles.mBlock = 16; // 64 sums in 32 registers.
  tiles.nr = tiles.nBlock = 4 * tiles.lanes;
  EXPECT_GT(spillsInLoops(compile(p, target, tiles, true)), 0);
}

TEST(ContractionTest, ExtentAndGrain) {
  TargetInfo target = TargetInfo::parse("cpu:x86-64-v4");
  Problem p{.m = 1024, .n = 1024, .k = 1024, .symbolicM = true};
  ContractionTiles tiles = chooseTiles(target, p.shape());
  DimExpr extent = contractionExtent(tiles, 3, DimExpr::symbol("M"), 1024);
  EXPECT_EQ(extent.evaluate({{"M", 0}}), 0);
  EXPECT_EQ(extent.evaluate({{"M", 1}}), 3 * ((1024 + tiles.nBlock - 1) / tiles.nBlock));
  EXPECT_GE(*contractionGrain(tiles, p.shape()).evaluate({{"M", 0}}), 1);
  EXPECT_EQ(tiles.nr % tiles.lanes, 0);
  EXPECT_EQ(tiles.nBlock % tiles.nr, 0);
}
