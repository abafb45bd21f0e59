// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cpu/ObjectCache.h"

#include "HandWritten.h"
#include "tests/unit/base/TempFolder.h"

#include "sinter/codegen/cpu/ElfObject.h"
#include "sinter/codegen/cpu/Jit.h"
#include "sinter/ir/base/FileIo.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/StringExtras.h"

#include <algorithm>
#include <csignal>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace sinter;
using namespace sinter::cpu;
using sinter::test::HandWritten;
namespace fs = std::filesystem;

namespace {

struct Outcome {
  CompiledKernels kernels;
  CacheReport report;
};

class ObjectCacheTest : public testing::Test {
protected:
  CacheOptions options() const { return {.enabled = true, .folder = folder / "cache"}; }

  /// Compiles the affine kernels with these factors, in a context of its own.
  static Outcome compileWith(const CacheOptions &options, std::vector<float> factors = {2, 3},
                             const TargetInfo &target = TargetInfo::host(),
                             const std::string &name = "affine") {
    HandWritten hand;
    std::vector<mlir::ModuleOp> modules;
    for (float factor : factors)
      modules.push_back(hand.affine(factor, name));
    ObjectCache cache(options);
    CompileKernelsOptions compileOptions;
    compileOptions.cache = &cache;
    Outcome outcome{compileKernels(modules, target, compileOptions), {}};
    outcome.report = cache.report();
    return outcome;
  }
  Outcome compile(std::vector<float> factors = {2, 3}) {
    return compileWith(options(), std::move(factors));
  }

  /// The names of entries, sorted.
  std::vector<fs::path> entries() const {
    std::vector<fs::path> paths;
    for (const auto &item : fs::directory_iterator(options().folder))
      if (item.path().filename().string().size() == 64)
        paths.push_back(item.path());
    std::sort(paths.begin(), paths.end());
    return paths;
  }

  TempFolder folder;
};

void overwrite(const fs::path &path, size_t offset, std::string_view bytes) {
  int file = open(path.c_str(), O_WRONLY);
  ASSERT_GE(file, 0);
  ASSERT_EQ(pwrite(file, bytes.data(), bytes.size(), static_cast<off_t>(offset)),
            static_cast<ssize_t>(bytes.size()));
  close(file);
}

/// Runs `body` in a child process and returns its exit status.
template <typename Body> int inChild(Body &&body) {
  pid_t child = fork();
  if (child == 0)
    _exit(body());
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

} // namespace

TEST_F(ObjectCacheTest, TheSecondCompilationNeedsNoLlvm) {
  Outcome first = compile();
  EXPECT_EQ(first.kernels.numCompiled, 2u);
  EXPECT_EQ(first.report.misses, 2);
  EXPECT_EQ(first.report.stored, 2);
  EXPECT_EQ(first.report.notice, "");
  EXPECT_EQ(entries().size(), 2u);

  Outcome second = compile();
  EXPECT_EQ(second.kernels.numCompiled, 0u);
  EXPECT_EQ(second.kernels.times.codegen, 0);
  EXPECT_EQ(second.report.hits, 2);
  EXPECT_EQ(second.report.stored, 0);
  EXPECT_EQ(second.kernels.objects, first.kernels.objects);
  EXPECT_EQ(compileWith({}).kernels.objects, first.kernels.objects); // Nor does it change them.
}

TEST_F(ObjectCacheTest, ObjectsGetTheNamesOfTheirProgram) {
  compile({3});
  Outcome mixed = compile({2, 3}); // 3 is the second kernel now.
  EXPECT_EQ(mixed.report.hits, 1);
  Jit jit(test::views(mixed.kernels.objects));
  EXPECT_NE(jit.lookup("kernel0"), jit.lookup("kernel1"));
}

TEST_F(ObjectCacheTest, TheKeyIsWhatTheCodeDependsOn) {
  HandWritten hand, other;
  auto key = [](mlir::ModuleOp module, const TargetInfo &target = TargetInfo::host(),
                ObjectOptions options = {}) {
    return *kernelKey(module, *module.getOps<mlir::func::FuncOp>().begin(), target, options);
  };
  KernelKey plain = key(hand.affine(2));
  EXPECT_EQ(plain, key(other.affine(2, "another_name")));
  EXPECT_NE(plain, key(other.affine(3)));
  EXPECT_NE(plain, key(other.failing()));
  EXPECT_NE(plain, key(hand.affine(2), TargetInfo::parse("cpu:x86-64-v2")));
  EXPECT_NE(key(hand.affine(2), TargetInfo::parse("cpu:x86-64-v3")),
            key(hand.affine(2), TargetInfo::parse("cpu:x86-64-v2")));
  EXPECT_NE(plain, key(hand.affine(2), TargetInfo::host(), {.level = 0}));
  EXPECT_NE(plain, key(hand.affine(2), TargetInfo::host(), {.cleanUp = false}));
}

TEST_F(ObjectCacheTest, OtherTargetsAndOptionsMiss) {
  compile({2});
  EXPECT_EQ(compileWith(options(), {2}, TargetInfo::parse("cpu:x86-64-v2")).report.misses, 1);
  EXPECT_EQ(compileWith(options(), {2}, TargetInfo::host(), "renamed").report.hits, 1);
}

TEST_F(ObjectCacheTest, EveryDamagedByteIsNoticed) {
  Outcome good = compile({2});
  fs::path path = entries().at(0);
  const std::string bytes = readFile(path);
  for (size_t offset = 0; offset < bytes.size(); offset += offset < 200 ? 1 : 97) {
    // Through a name of its own: the folder's entry is dropped each time.
    const char flipped = static_cast<char>(bytes[offset] ^ 0x10);
    overwrite(path, offset, {&flipped, 1});
    Outcome outcome = compile({2});
    const bool isCount = offset >= 12 && offset < 16; // More slots than needed harm nobody.
    if (!isCount) {
      ASSERT_EQ(outcome.report.dropped, 1) << offset;
      ASSERT_EQ(outcome.kernels.numCompiled, 1u);
    }
    ASSERT_EQ(outcome.kernels.objects, good.kernels.objects);
    writeFileAtomically(path, bytes);
    fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
  }
}

TEST_F(ObjectCacheTest, TruncatedEntriesAreMadeAnew) {
  Outcome good = compile({2});
  fs::path path = entries().at(0);
  const auto size = fs::file_size(path);
  for (uintmax_t kept : std::initializer_list<uintmax_t>{0, 8, 16, 60, 96, size - 1}) {
    fs::resize_file(path, kept);
    Outcome outcome = compile({2});
    EXPECT_EQ(outcome.report.dropped, 1) << kept;
    EXPECT_EQ(outcome.report.stored, 1);
    EXPECT_EQ(outcome.kernels.objects, good.kernels.objects);
    EXPECT_EQ(compile({2}).report.hits, 1);
  }
}

TEST_F(ObjectCacheTest, WhatIsNoObjectIsNeverRun) {
  Outcome good = compile({2});
  HandWritten hand;
  mlir::ModuleOp module = hand.affine(2);
  KernelKey key = *kernelKey(module, *module.getOps<mlir::func::FuncOp>().begin(),
                             TargetInfo::host(), ObjectOptions());
  // With the right checksum: only parsing can tell.
  std::string otherName = renameSymbol(good.kernels.objects[0], "kernel0", "stranger");
  for (const std::string &object :
       {std::string(), std::string("no object"), good.kernels.objects[0].substr(0, 200),
        otherName}) {
    fs::remove(entries().at(0));
    ObjectCache(options()).store({{key, object}});
    Outcome outcome = compile({2});
    EXPECT_EQ(outcome.report.dropped, 1);
    EXPECT_EQ(outcome.report.hits, 0);
    EXPECT_EQ(outcome.kernels.numCompiled, 1u);
    EXPECT_EQ(outcome.kernels.objects, good.kernels.objects);
  }
}

TEST_F(ObjectCacheTest, AnEntryUnderAnotherKeyIsDropped) {
  Outcome two = compile({2});
  fs::path name = entries().at(0);
  std::string bytes = readFile(name);
  fs::remove(name);
  compile({3});
  fs::path other = entries().at(0);
  ASSERT_NE(name, other);
  fs::rename(other, name); // What is found under 2 is 3.
  Outcome again = compile({2});
  EXPECT_EQ(again.report.dropped, 1);
  EXPECT_EQ(again.kernels.objects, two.kernels.objects);
}

TEST_F(ObjectCacheTest, LinksAndPipesAreNotFollowed) {
  Outcome good = compile({2});
  fs::path path = entries().at(0), elsewhere = folder / "elsewhere";
  fs::rename(path, elsewhere);
  fs::create_symlink(elsewhere, path);
  EXPECT_EQ(compile({2}).report.dropped, 1);
  EXPECT_TRUE(fs::exists(elsewhere));
  fs::remove(path);
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0); // Opening one for reading would wait forever.
  EXPECT_EQ(compile({2}).report.dropped, 1);
  fs::permissions(entries().at(0), fs::perms::others_write, fs::perm_options::add);
  EXPECT_EQ(compile({2}).report.dropped, 1);
  EXPECT_EQ(compile({2}).report.hits, 1);
}

TEST_F(ObjectCacheTest, FoldersOfOthersAreRefused) {
  fs::create_directory(options().folder);
  fs::permissions(options().folder, fs::perms::all);
  Outcome open = compile();
  EXPECT_EQ(open.kernels.numCompiled, 2u);
  EXPECT_NE(open.report.notice.find("others must not be able to write"), std::string::npos);
  EXPECT_TRUE(fs::is_empty(options().folder));

  CacheOptions linked = options();
  linked.folder = folder / "link";
  fs::permissions(options().folder, fs::perms::owner_all);
  fs::create_directory_symlink(options().folder, linked.folder);
  EXPECT_NE(compileWith(linked).report.notice, "");
  EXPECT_TRUE(fs::is_empty(options().folder));
  if (geteuid() == 0) {
    ASSERT_EQ(chown(options().folder.c_str(), 12345, 12345), 0);
    EXPECT_NE(compile().report.notice, "");
    EXPECT_TRUE(fs::is_empty(options().folder));
  }
}

TEST_F(ObjectCacheTest, NewFoldersArePrivate) {
  CacheOptions deep = options();
  deep.folder = folder / "a/b/c";
  const mode_t before = umask(0);
  compileWith(deep);
  umask(before);
  EXPECT_EQ(fs::status(deep.folder).permissions(), fs::perms::owner_all);
  for (const auto &item : fs::directory_iterator(deep.folder))
    EXPECT_EQ(item.status().permissions() & (fs::perms::group_all | fs::perms::others_all),
              fs::perms::none);
}

TEST_F(ObjectCacheTest, AFileInPlaceOfTheFolderIsANotice) {
  writeFileAtomically(options().folder, "not a folder");
  Outcome outcome = compile();
  EXPECT_EQ(outcome.kernels.numCompiled, 2u);
  EXPECT_NE(outcome.report.notice, "");
}

TEST_F(ObjectCacheTest, WithoutRoomItOnlyMisses) {
  const int code = inChild([&] {
    signal(SIGXFSZ, SIG_IGN);
    rlimit limit{100, 100}; // Writing more fails, as on a full disk.
    setrlimit(RLIMIT_FSIZE, &limit);
    Outcome outcome = compile();
    return outcome.kernels.numCompiled == 2 && outcome.report.stored == 0 &&
                   !outcome.report.notice.empty()
               ? 0
               : 1;
  });
  EXPECT_EQ(code, 0);
  EXPECT_TRUE(fs::is_empty(options().folder)); // No half of a file is left.
}

TEST_F(ObjectCacheTest, AFolderThatCannotBeWrittenStillServes) {
  compile({2});
  const int code = inChild([&] {
    if (geteuid() == 0 && (chmod(folder.path.c_str(), 0755) != 0 ||
                           chown(options().folder.c_str(), 12345, 12345) != 0 ||
                           chown(entries().at(0).c_str(), 12345, 12345) != 0 ||
                           setuid(12345) != 0))
      return 2; // Root may write anywhere.
    chmod(options().folder.c_str(), 0500);
    Outcome outcome = compile({2, 3});
    return outcome.report.hits == 1 && outcome.report.stored == 0 &&
                   outcome.kernels.numCompiled == 1 && !outcome.report.notice.empty()
               ? 0
               : 1;
  });
  EXPECT_EQ(code, 0);
  if (geteuid() == 0)
    ASSERT_EQ(chown(options().folder.c_str(), 0, 0), 0);
  chmod(options().folder.c_str(), 0700);
}

TEST_F(ObjectCacheTest, ManyProcessesAtOnce) {
  const std::vector<std::string> wanted = compileWith({}, {1, 2, 3}).kernels.objects;
  std::vector<pid_t> children;
  for (int i = 0; i < 6; ++i)
    if (pid_t child = fork(); child == 0) {
      bool good = true;
      for (int round = 0; round < 4 && good; ++round)
        good = compile({1, 2, 3}).kernels.objects == wanted;
      _exit(good ? 0 : 1);
    } else {
      children.push_back(child);
    }
  for (pid_t child : children) {
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
  EXPECT_EQ(compile({1, 2, 3}).report.hits, 3);
  for (const auto &item : fs::directory_iterator(options().folder))
    EXPECT_FALSE(item.path().filename().string().starts_with("tmp-"));
}

TEST_F(ObjectCacheTest, WhatWasNotUsedForLongestGoesFirst) {
  CacheOptions small = options();
  small.maxBytes = 20 << 10;
  auto store = [&](uint8_t number) {
    ObjectCache(small).store({{KernelKey{number}, std::string(4 << 10, 'x')}});
  };
  auto has = [&](uint8_t number) { return ObjectCache(small).load(KernelKey{number}).has_value(); };
  auto used = [&](uint8_t number, time_t secondsAgo) {
    timespec time{std::time(nullptr) - secondsAgo, 0};
    timespec both[] = {time, time};
    std::string name = llvm::toHex(KernelKey{number}, true);
    ASSERT_EQ(utimensat(AT_FDCWD, (small.folder / name).c_str(), both, 0), 0);
  };
  store(1), store(2); // 8 KiB each on the disk.
  used(1, 5000), used(2, 4000);
  EXPECT_TRUE(has(1)); // It is the younger one now.
  store(3);
  EXPECT_TRUE(has(1));
  EXPECT_FALSE(has(2));
  EXPECT_TRUE(has(3));
  ObjectCache(small).store({{KernelKey{4}, std::string(32 << 10, 'x')}}); // Larger than all.
  EXPECT_FALSE(has(4));
  EXPECT_TRUE(has(3));
}

TEST_F(ObjectCacheTest, LeavesFilesOfOthersAlone) {
  CacheOptions small = options();
  small.maxBytes = 8 << 10;
  fs::create_directory(small.folder);
  fs::permissions(small.folder, fs::perms::owner_all);
  writeFileAtomically(small.folder / "README", std::string(100 << 10, 'x'));
  for (uint8_t number = 0; number < 4; ++number)
    ObjectCache(small).store({{KernelKey{number}, std::string(1 << 10, 'x')}});
  EXPECT_TRUE(fs::exists(small.folder / "README"));
  EXPECT_LE(entries().size(), 2u);
}

TEST_F(ObjectCacheTest, OffMeansOff) {
  CacheOptions off = options();
  off.enabled = false;
  Outcome outcome = compileWith(off);
  EXPECT_EQ(outcome.report.misses + outcome.report.stored, 0);
  EXPECT_EQ(outcome.report.notice, "");
  EXPECT_FALSE(fs::exists(off.folder));
}
