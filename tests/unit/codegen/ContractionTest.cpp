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
  int64_t batch = 1, m = 1, n = 1, k = 1;
  bool aTransposed = false, bTransposed = false;
  bool everySecond = false; ///< Elements lie two apart: no dimension is contiguous.
  bool symbolicBatch = false, symbolicM = false, symbolicN = false, symbolicK = false;
  bool bias = false;
  bool hookA = false, hookB = false;
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
            .storeOps = (bias ? 2 : 1) + 2 * constants};
  }
  DimBinding binding() const { return {{"B", batch}, {"M", m}, {"N", n}, {"K", k}}; }
};

std::string describe(const Problem &p, const TargetInfo &target, const ContractionTiles &t) {
  std::ostringstream out;
  out << name(p.dtype) << " on " << target.arch << " b" << p.batch << " m" << p.m << " n" << p.n
      << " k" << p.k << " transposed " << p.aTransposed << p.bTransposed << " spread " << p.spread()
      << " symbolic " << p.symbolicBatch << p.symbolicM << p.symbolicN << p.symbolicK << " bias "
      << p.bias << " hooks " << p.hookA << p.hookB << "; form " << int(t.form) << " pack "
      << int(t.packB) << t.packA << " mr " << t.mr << " nr " << t.nr << " kc " << t.kc << " mBlock "
      << t.mBlock << " nBlock " << t.nBlock << " group " << t.groupUnits << " unroll " << t.kUnroll
      << " direct " << t.directStore;
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
    Value aBatch = size(true, 8), bBatch = size(true, 9);
    if (p.batch != 1 || p.symbolicBatch)
      spec.batchOffsets = [=](OpBuilder &b, Location loc, Value index) {
        return std::pair(mul(b, loc, index, aBatch), mul(b, loc, index, bBatch));
      };
    if (p.hookA)
      spec.loadA = [=, this](OpBuilder &b, Location loc, Value batch, Value m, Value k,
                             Value mask) {
        Value row = add(b, loc, mul(b, loc, batch, aBatch), mul(b, loc, m, spec.aStrideM));
        return load(b, at(b, a, add(b, loc, row, k)), mask);
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
template <typename T> class Buffer {
public:
  explicit Buffer(int64_t count)
      : bytes(static_cast<size_t>(count) * sizeof(T)),
        memory(static_cast<char *>(std::aligned_alloc(64, (bytes + canary + 63) / 64 * 64))) {
    std::memset(memory.get(), 0x7b, (bytes + canary + 63) / 64 * 64);
  }
  T *data() { return reinterpret_cast<T *>(memory.get()); }
  T &operator[](int64_t index) { return data()[index]; }
  bool sameBytes(const Buffer &other) const {
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
template <typename T>
void checkTyped(const Problem &p, const TargetInfo &target, const ContractionTiles &tiles,
                std::mt19937 &random) {
  SCOPED_TRACE(describe(p, target, tiles));
  std::string object = compile(p, target, tiles, false);
  ASSERT_FALSE(object.empty());
  Jit jit({object});
  auto run = jit.function<SinterKernel>("kernel");

  Buffer<T> a(p.batch * p.aBatch()), b(p.batch * p.bBatch()), bias(p.n);
  auto fill = [&](Buffer<T> &buffer, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      auto value = static_cast<int>(random() % 2001) - 1000;
      buffer[i] =
          std::is_floating_point_v<T> ? static_cast<T>(value / 512.0) : static_cast<T>(value);
    }
  };
  fill(a, p.batch * p.aBatch());
  fill(b, p.batch * p.bBatch());
  fill(bias, p.n);
  const int64_t workers = 2, elements = p.batch * p.m * p.n;
  Buffer<T> whole(elements), pieces(elements);
  Buffer<char> scratch(workers * contractionScratchBytes(tiles));
  auto table = p.table();
  const ContractionShape shape = p.shape();
  const int64_t extent =
      *contractionExtent(tiles, shape.batch, shape.m, shape.n).evaluate(p.binding());
  auto call = [&](Buffer<T> &c, int64_t begin, int64_t end, int64_t worker) {
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
      T x = a[batch * p.aBatch() + m * p.aStrideM() + k * p.aStrideK()];
      T y = b[batch * p.bBatch() + k * p.bStrideK() + n * p.bStrideN()];
      sum = chainStep(x, y, sum, tiles.fma);
      magnitude += std::abs(static_cast<double>(x) * static_cast<double>(y));
    }
    if (p.bias)
      sum = chainStep(T(1), bias[n], sum, true);
    if (tiles.form == Form::Dot && std::is_floating_point_v<T>)
      ASSERT_NEAR(whole[i], sum, magnitude * 4 * std::numeric_limits<T>::epsilon()) << i;
    else
      ASSERT_EQ(whole[i], sum) << i;
  }
}

void check(const Problem &p, const TargetInfo &target, const ContractionTiles &tiles,
           std::mt19937 &random) {
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
        products += lines[i].find("vfmadd") != std::string::npos;
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
      if (chance(4))
        tiles.nBlock = tiles.nr * (1 + static_cast<int64_t>(random() % 4));
    }
    check(p, target, tiles, random);
  }
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

TEST(ContractionTest, OperandsComputedByHooks) {
  std::mt19937 random(4);
  for (auto [hookA, hookB] : {std::pair(true, false), {false, true}, {true, true}})
    for (bool symbolic : {false, true})
      check({.batch = 2,
             .m = 21,
             .n = 70,
             .k = 45,
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
