// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cpu/Library.h"

#include "HandWritten.h"

#include "sinter/codegen/ProgramText.h"
#include "sinter/codegen/cpu/Interface.h"
#include "sinter/codegen/cpu/Jit.h"
#include "sinter/codegen/cpu/RunFunction.h"
#include "sinter/runtime/LibraryLoader.h"

#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Object/ELFObjectFile.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <dlfcn.h>
#include <filesystem>
#include <set>
#include <sys/resource.h>
#include <unistd.h>

using namespace sinter;
using namespace sinter::cpu;
using sinter::test::HandWritten;
using sinter::test::views;
namespace fs = std::filesystem;

namespace {

class LibraryTest : public testing::Test {
protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "sinter-library-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder = pattern;
  }
  void TearDown() override { fs::remove_all(folder); }

  fs::path write(LibraryForm form, const char *fileName, const std::string &name = "model",
                 const char *target = "cpu:x86-64-v3") {
    Program program = HandWritten::program(name);
    HandWritten hand;
    TargetInfo info = TargetInfo::parse(target);
    CompiledKernels kernels = hand.compile(program, info);
    writeLibrary(form, program, views(kernels.objects), info, folder / fileName);
    return folder / fileName;
  }

  /// Symbols of an ELF file that it wants from elsewhere, or that it defines for others.
  static std::set<std::string> symbols(const fs::path &path, bool undefined) {
    auto file = llvm::object::ObjectFile::createObjectFile(path.string());
    EXPECT_TRUE(bool(file));
    std::set<std::string> names;
    auto *elf = llvm::cast<llvm::object::ELFObjectFileBase>(file->getBinary());
    auto add = [&](const llvm::object::ELFSymbolRef &symbol) {
      uint32_t flags = llvm::cantFail(symbol.getFlags());
      bool isUndefined = flags & llvm::object::SymbolRef::SF_Undefined;
      bool isVisible = (flags & llvm::object::SymbolRef::SF_Global) &&
                       !(flags & llvm::object::SymbolRef::SF_Hidden);
      if (isUndefined == undefined && (undefined || isVisible))
        names.insert(llvm::cantFail(symbol.getName()).str());
    };
    if (elf->getEType() == llvm::ELF::ET_DYN)
      for (const auto &symbol : elf->getDynamicSymbolIterators())
        add(symbol);
    else
      for (const auto &symbol : elf->symbols())
        add(symbol);
    names.erase("");
    return names;
  }

  fs::path folder;
};

/// Of a library of one version. The program has no variables, so there are no functions for them.
std::set<std::string> exported() {
  const ProgramSymbols bare("model");
  const InterfaceSymbols checked("model");
  return {bare.run,
          bare.sizes,
          bare.arenaBytes,
          bare.program,
          checked.check,
          checked.call,
          checked.arenaNeed,
          checked.errorText,
          checked.threadsBytes,
          checked.threadsStart,
          checked.threadsStop};
}

/// libc has it (pthread is part of it) or libm, and it is nothing of the heap.
bool isPlain(const std::string &symbol) {
  static void *const libraries[] = {dlopen("libc.so.6", RTLD_NOW), dlopen("libm.so.6", RTLD_NOW)};
  for (const char *heap :
       {"malloc", "calloc", "realloc", "free", "aligned_alloc", "posix_memalign"})
    if (symbol == heap)
      return false;
  return dlsym(libraries[0], symbol.c_str()) || dlsym(libraries[1], symbol.c_str());
}

} // namespace

TEST_F(LibraryTest, NeedsOnlyTheCLibrary) {
  for (auto [form, name] :
       {std::pair(LibraryForm::Object, "model.o"), std::pair(LibraryForm::Shared, "libmodel.so")}) {
    fs::path path = write(form, name);
    EXPECT_EQ(symbols(path, /*undefined=*/false), exported()) << name;
    for (const std::string &symbol : symbols(path, /*undefined=*/true))
      EXPECT_TRUE(isPlain(symbol)) << symbol;
  }
  EXPECT_EQ(std::distance(fs::directory_iterator(folder), {}), 2); // No stray temporary files.
}

TEST_F(LibraryTest, SharedLibraryRuns) {
  fs::path path = write(LibraryForm::Shared, "libmodel.so", "model", "cpu:x86-64");
  void *library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(library, nullptr) << dlerror();
  Program program = parseProgramText(static_cast<const char *>(dlsym(library, "model_program")));
  EXPECT_EQ(program.arguments.at(0).name, "x");
  EXPECT_EQ(program.results.at(1).shape.str(), "[N]");
  EXPECT_EQ(dlsym(library, "model_kernel0"), nullptr);

  using Sizes = int64_t (*)(const int64_t *, int64_t, int64_t *);
  using ArenaBytes = int64_t (*)(const int64_t *);
  auto sizes = reinterpret_cast<Sizes>(dlsym(library, "model_sizes"));
  auto arenaBytes = reinterpret_cast<ArenaBytes>(dlsym(library, "model_arena_bytes"));
  auto run = reinterpret_cast<SinterRun>(dlsym(library, "model_run"));
  int64_t n = 1000;
  std::vector<int64_t> table(3);
  ASSERT_EQ(sizes(&n, 1, table.data()), 0);
  EXPECT_EQ(table, evaluateTable(program, {{"N", n}}, 1));
  EXPECT_EQ(arenaBytes(table.data()), 64 + 4032);
  Array x(f32, {n}), y(f32, {n}), z(f32, {n}), arena(boolean, {arenaBytes(table.data())});
  for (int64_t i = 0; i < n; ++i)
    x.as<float>()[i] = static_cast<float>(i);
  void *args[] = {x.data(), y.data(), z.data()};
  SinterContext context{};
  run(args, table.data(), arena.data(), &context);
  EXPECT_EQ(context.status.code, 0);
  for (int64_t i = 0; i < n; ++i)
    ASSERT_EQ(y.as<float>()[i], (x.as<float>()[i] * 2 + 0.5f) * 3 + 0.5f);
  EXPECT_EQ(z.toVector<float>(), x.toVector<float>());

  n = -1;
  EXPECT_EQ(sizes(&n, 1, table.data()), 1);
  n = INT64_MAX / 2;
  EXPECT_EQ(sizes(&n, 1, table.data()), 1);
  n = 1;
  EXPECT_EQ(sizes(&n, 0, table.data()), 1);
  dlclose(library);
}

TEST_F(LibraryTest, RuntimeLoadsIt) {
  Executable model = loadLibrary(write(LibraryForm::Shared, "libmodel.so", "model", "cpu:x86-64"));
  Array x = Array::from<float>({1, 2, 3});
  EXPECT_EQ(model({{"x", x}}).at(0).toVector<float>(), (std::vector<float>{8, 14, 20}));
}

TEST_F(LibraryTest, BytesAreReproducible) {
  for (LibraryForm form : {LibraryForm::Object, LibraryForm::Static, LibraryForm::Shared}) {
    std::string first = readFile(write(form, "model"));
    EXPECT_EQ(first, readFile(write(form, "model")));
  }
}

TEST_F(LibraryTest, UnwritablePathLeavesNothing) {
  try {
    write(LibraryForm::Shared, "no/such/folder.so");
    FAIL() << "wrote into a folder that does not exist";
  } catch (const Error &error) {
    EXPECT_EQ(error.code(), ErrorCode::FileAccess);
  }
  EXPECT_TRUE(fs::is_empty(folder));
}

/// Links while so many descriptors more may be open; the message of the error.
static Error errorOfLinking(rlim_t descriptors) {
  HandWritten hand;
  Program program = HandWritten::program("model");
  CompiledKernels kernels = hand.compile(program, TargetInfo::parse("cpu:x86-64-v3"));
  const fs::path open = "/proc/self/fd";
  auto numOpen = [&] {
    return std::distance(fs::directory_iterator(open), fs::directory_iterator());
  };
  const auto before = numOpen();
  rlimit limit{};
  EXPECT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  // They are given lowest first.
  const int next = dup(0);
  EXPECT_GE(next, 0);
  close(next);
  rlimit few = {static_cast<rlim_t>(next) + descriptors, limit.rlim_max};
  EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
  Error result("nothing went wrong");
  try {
    linkObjects(LibraryForm::Shared, views(kernels.objects), "libmodel.so");
  } catch (const Error &error) {
    result = error;
  }
  EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_EQ(numOpen(), before);
  return result;
}

TEST_F(LibraryTest, PipeThatCannotBeOpenedLeavesNoDescriptor) {
  const Error error = errorOfLinking(1); // For the end that reads.
  EXPECT_EQ(error.code(), ErrorCode::FileAccess);
  EXPECT_NE(error.message().find("cannot create a pipe"), std::string::npos) << error.what();
}

TEST_F(LibraryTest, ObjectsThatCannotBeOpenedAreNoFaultOfSinter) {
  const Error error = errorOfLinking(2); // For both ends.
  EXPECT_EQ(error.code(), ErrorCode::FileAccess);
  EXPECT_NE(error.message().find("cannot open"), std::string::npos) << error.what();
}

// -- Several versions, other machines -------------------------------------------------------------

/// A program with its kernels for each of some targets.
struct Versions {
  explicit Versions(const std::vector<std::string> &targets) {
    for (size_t i = 0; i < targets.size(); ++i) {
      hands.push_back(std::make_unique<HandWritten>());
      programs.push_back(
          std::make_unique<Program>(HandWritten::program(versionName("model", i, targets.size()))));
      TargetInfo target = TargetInfo::parse(targets[i]);
      kernels.push_back(hands[i]->compile(*programs[i], target));
      programs[i]->name = "model";
      programs[i]->target = target.str();
    }
    for (size_t i = 0; i < targets.size(); ++i)
      versions.push_back(
          {programs[i].get(), views(kernels[i].objects), TargetInfo::parse(targets[i])});
  }
  std::vector<std::unique_ptr<HandWritten>> hands;
  std::vector<std::unique_ptr<Program>> programs;
  std::vector<CompiledKernels> kernels;
  std::vector<LibraryVersion> versions;
};

std::string libraryOf(const std::vector<std::string> &targets,
                      LibraryForm form = LibraryForm::Shared) {
  return libraryBytes(form, Versions(targets).versions, "libmodel.so");
}

TEST_F(LibraryTest, TheLastVersionThatTheMachineRunsIsTaken) {
  // The last one is for a machine that there is not: every feature of x86 at once.
  const std::vector<std::string> targets = {
      "cpu:x86-64", "cpu:x86-64-v2",
      "cpu:x86-64-v4,+avx512fp16,+avx512bf16,+avxvnni,+gfni,+vaes,+avx512vpopcntdq,+avx512ifma"};
  size_t best = 0;
  for (size_t i = 0; i < targets.size(); ++i)
    try {
      TargetInfo::parse(targets[i]).requireRunnable();
      best = i;
    } catch (const Error &) {
    }
  writeFileAtomically(folder / "libmodel.so", libraryOf(targets));
  std::set<std::string> all = exported();
  all.insert({"model_version", "model_programs"});
  EXPECT_EQ(symbols(folder / "libmodel.so", /*undefined=*/false), all);
  void *library = dlopen((folder / "libmodel.so").c_str(), RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(library, nullptr) << dlerror();
  auto version = reinterpret_cast<int64_t (*)()>(dlsym(library, "model_version"));
  EXPECT_EQ(version(), static_cast<int64_t>(best));
  EXPECT_EQ(version(), static_cast<int64_t>(best)); // Out of its memory.
  dlclose(library);

  // All descriptions are examined before any code is loaded.
  const std::string bytes = readFile(folder / "libmodel.so");
  size_t found = 0;
  for (size_t at = 0; (at = bytes.find("sinter-program ", at)) != bytes.npos; at += 15, ++found) {
    std::string damaged = bytes;
    damaged[at + 15] = '9';
    writeFileAtomically(folder / "damaged.so", damaged);
    EXPECT_THROW(loadLibrary(folder / "damaged.so"), Error) << found;
  }
  EXPECT_EQ(found, targets.size());

  Executable exe = loadLibrary(folder / "libmodel.so");
  EXPECT_EQ(exe.program().target, TargetInfo::parse(targets[best]).str());
  Array x(f32, {100});
  x.fill(3);
  EXPECT_EQ(exe({{"x", x}})[0].toVector<float>(), std::vector<float>(100, 20));
}

TEST_F(LibraryTest, VersionsShareTheirConstants) {
  Versions both({"cpu:x86-64", "cpu:x86-64-v2"});
  Array large(f32, {5000});
  large.fill(0.5);
  for (auto &program : both.programs)
    program->constants[0] = large.clone();
  const std::string one = libraryBytes(LibraryForm::Shared, {both.versions[0]}, "libmodel.so");
  const std::string two = libraryBytes(LibraryForm::Shared, both.versions, "libmodel.so");
  EXPECT_GT(one.size(), 20000u);
  EXPECT_LT(two.size(), one.size() + 16000u);
}

TEST_F(LibraryTest, BytesFollowFromTheArguments) {
  for (LibraryForm form : {LibraryForm::Object, LibraryForm::Static, LibraryForm::Shared})
    for (const std::vector<std::string> &targets : {std::vector<std::string>{"cpu:x86-64-v3"},
                                                    {"cpu:aarch64"},
                                                    {"cpu:x86-64", "cpu:x86-64-v3"}})
      EXPECT_EQ(libraryOf(targets, form), libraryOf(targets, form)) << targets[0];
}

TEST_F(LibraryTest, MakesCodeForAarch64) {
  for (LibraryForm form : {LibraryForm::Object, LibraryForm::Shared}) {
    writeFileAtomically(folder / "libmodel.so", libraryOf({"cpu:aarch64"}, form));
    auto file = llvm::object::ObjectFile::createObjectFile((folder / "libmodel.so").string());
    ASSERT_TRUE(bool(file));
    EXPECT_EQ(file->getBinary()->getArch(), llvm::Triple::aarch64);
    EXPECT_EQ(symbols(folder / "libmodel.so", /*undefined=*/false), exported());
    for (const std::string &symbol : symbols(folder / "libmodel.so", /*undefined=*/true))
      EXPECT_TRUE(isPlain(symbol)) << symbol;
  }
  try {
    loadLibrary(folder / "libmodel.so");
    ADD_FAILURE();
  } catch (const Error &error) {
    EXPECT_EQ(error.kind(), ErrorKind::Device);
    EXPECT_NE(error.message().find("built for aarch64"), std::string::npos) << error.message();
  }
}

TEST_F(LibraryTest, RefusesVersionsThatDoNotGoTogether) {
  auto refusal = [](const std::vector<std::string> &targets) {
    std::vector<TargetInfo> infos;
    for (const std::string &target : targets)
      infos.push_back(TargetInfo::parse(target));
    try {
      requireVersions(infos);
    } catch (const Error &error) {
      EXPECT_EQ(error.code(), ErrorCode::Usage);
      return error.message();
    }
    return std::string();
  };
  EXPECT_EQ(refusal({"cpu:x86-64"}), "");
  EXPECT_EQ(refusal({"cuda:sm_90a"}), "");
  EXPECT_NE(refusal({}).find("1 to 16"), std::string::npos);
  EXPECT_NE(refusal(std::vector<std::string>(17, "cpu:x86-64")).find("not 17"), std::string::npos);
  EXPECT_NE(refusal({"cpu:x86-64", "cpu:aarch64"}).find("instruction sets"), std::string::npos);
  EXPECT_NE(refusal({"cpu:x86-64", "cuda:sm_90a"}).find("no CPU"), std::string::npos);
  EXPECT_NE(refusal({"cpu:x86-64", "cpu:x86-64"}).find("twice"), std::string::npos);
  // What would be two interfaces.
  Versions both({"cpu:x86-64", "cpu:x86-64-v2"});
  both.programs[1]->results[0].name = "other";
  EXPECT_THROW(libraryBytes(LibraryForm::Shared, both.versions, "libmodel.so"), Error);
}

TEST(ObjectCompilerTest, RefusesWhatLlvmDoesNotKnow) {
  for (const char *target : {"cpu:z80,+avx", "cpu:x86-64,+avx1024", "cpu:x86-64-v2,avx"}) {
    try {
      ObjectCompiler compiler(TargetInfo::parse(target));
      ADD_FAILURE() << target;
    } catch (const Error &error) {
      EXPECT_EQ(error.code(), ErrorCode::Usage) << target;
    }
  }
}

// -------------------------------------------------------------------------------------------------

// The header and the objects in the hands of a C compiler: two programs in one executable.
TEST_F(LibraryTest, LinksIntoACProgram) {
  write(LibraryForm::Object, "model.o", "model", "cpu:x86-64");
  write(LibraryForm::Static, "libother.a", "other", "cpu:x86-64");
  writeFileAtomically(folder / "model.h", headerText(HandWritten::program("model")));
  writeFileAtomically(folder / "other.h", headerText(HandWritten::program("other")));
  writeFileAtomically(folder / "main.c", R"(#include "model.h"
#include "other.h"
#include <stdio.h>
static _Alignas(MODEL_ALIGNMENT) float x[100], y[100], z[100], arena[1000];
int main(void) {
  int64_t dims[MODEL_NUM_DIMS], table[MODEL_TABLE_SIZE];
  void *args[MODEL_NUM_ARGS];
  SinterContext context = {0};
  dims[MODEL_DIM_N] = 100;
  args[MODEL_ARG_X] = x;
  args[MODEL_RESULT_Y] = y;
  args[MODEL_RESULT_Z] = z;
  x[99] = 1;
  if (model_sizes(dims, 1, table) != 0 || model_arena_bytes(table) > (int64_t)sizeof arena)
    return 1;
  model_run(args, table, arena, &context);
  if (context.status.code != SINTER_OK || y[99] != 8 || z[99] != 1)
    return 2;
  y[99] = 0;
  other_run(args, table, arena, &context);
  return y[99] == 8 ? 0 : 3;
}
)");
  std::string in = "cd '" + folder.string() + "' && ";
  ASSERT_EQ(std::system(
                (in + SINTER_TEST_CC
                 " -std=c11 -Wall -Wextra -pedantic -Werror main.c model.o libother.a -lm -o main")
                    .c_str()),
            0);
  EXPECT_EQ(std::system((in + "./main").c_str()), 0);
  writeFileAtomically(folder / "main.cpp", "#include \"model.h\"\n#include \"other.h\"\n");
  EXPECT_EQ(
      std::system((in + SINTER_TEST_CXX " -Wall -Wextra -pedantic -Werror -c main.cpp").c_str()),
      0);
}

TEST_F(LibraryTest, HeaderSurvivesHostileNames) {
  Program program = HandWritten::program("9 lives*/");
  program.arguments[0].name = "*/ #error \n#error";
  program.results[1].name = "*/ #error \n#error";
  program.results[0].name = "Y";
  program.results[1].name = "y";
  writeFileAtomically(folder / "p.h", headerText(program));
  writeFileAtomically(folder / "p.c", "#include \"p.h\"\nint x = SINTER_9_LIVES___RESULT_Y_2;\n");
  EXPECT_EQ(std::system(("cd '" + folder.string() +
                         "' && " SINTER_TEST_CC " -std=c99 -Wall -Wextra "
                         "-pedantic -Werror -c p.c")
                            .c_str()),
            0);
}

// The generated size functions agree with DimExpr, for the odd operations and on overflow.
TEST(SizesTest, AgreeWithTheExpressions) {
  Program program;
  program.name = "s";
  DimExpr n = DimExpr::symbol("N"), m = DimExpr::symbol("M"), w = DimExpr::symbol(workersSymbol);
  program.dims = {"N", "M"};
  // Quotients of either sign, in entries that are not negative: a call with a negative one fails.
  program.table = {
      floorDiv(n - 7, m) + 8,    ceilDiv(n - 7, m) + 8, max(n, 3 * m) + w, n * n * m, 5,
      floorDiv(n, m - n) + n + 1};
  program.arenaBytes = max(n * m, 64) * w;
  program.dims.push_back(workersSymbol);
  std::string object = runObject(program, TargetInfo::host(), false, true);
  Jit jit({object});
  auto sizes = jit.function<int64_t (*)(const int64_t *, int64_t, int64_t *)>("s_sizes");
  auto arenaBytes = jit.function<int64_t (*)(const int64_t *)>("s_arena_bytes");
  const int64_t interesting[] = {0, 1, 2, 3, 7, 8, 100, 1 << 20, INT64_MAX / 4, INT64_MAX};
  int good = 0;
  for (int64_t nValue : interesting)
    for (int64_t mValue : interesting) {
      DimBinding binding = {{"N", nValue}, {"M", mValue}};
      int64_t dims[] = {nValue, mValue};
      std::vector<int64_t> table(9);
      bool isGood = sizes(dims, 2, table.data()) == 0;
      try {
        std::vector<int64_t> expected = evaluateTable(program, binding, 2);
        EXPECT_TRUE(isGood) << nValue << " " << mValue;
        EXPECT_EQ(table, expected);
        binding[workersSymbol] = 2;
        EXPECT_EQ(arenaBytes(table.data()), program.arenaBytes.evaluate(binding).value_or(-1));
        ++good;
      } catch (const Error &) {
        EXPECT_FALSE(isGood) << nValue << " " << mValue;
      }
    }
  EXPECT_GT(good, 20);
}
