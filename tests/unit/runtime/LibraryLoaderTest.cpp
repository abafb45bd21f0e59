// SPDX-License-Identifier: Apache-2.0
#include "sinter/runtime/LibraryLoader.h"

#include "sinter/codegen/cpu/Library.h"
#include "sinter/ir/base/TargetInfo.h"
#include "sinter/runtime/ElfFile.h"
#include "tests/unit/codegen/HandWritten.h"
#include "tests/unit/runtime/HandProgram.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <random>

using namespace sinter;
using namespace sinter::test;
namespace fs = std::filesystem;

namespace {

class LibraryLoaderTest : public testing::Test {
protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "sinter-loader-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder = pattern;
  }
  void TearDown() override { fs::remove_all(folder); }

  fs::path write(const std::string &target = "cpu:x86-64", const std::string &label = "") {
    Program program = HandWritten::program("model");
    HandWritten hand;
    TargetInfo info = TargetInfo::parse("cpu:x86-64");
    cpu::CompiledKernels kernels = hand.compile(program, info);
    program.target = label.empty() ? target : label;
    fs::path path = folder / "libmodel.so";
    cpu::writeLibrary(cpu::LibraryForm::Shared, program, views(kernels.objects), info, path);
    return path;
  }
  std::string refusal(const fs::path &path, LibraryOptions options = {}) {
    return errorOf([&] { loadLibrary(path, options); }, ErrorKind::Device, ErrorCode::Device);
  }

  fs::path folder;
};

TEST_F(LibraryLoaderTest, LoadsAndRuns) {
  Executable exe = loadLibrary(write(), {.threads = 2});
  EXPECT_EQ(exe.outputNames(), (std::vector<std::string>{"y", "z"}));
  for (int64_t n : {0, 1, 1000, 5000}) {
    Array x(f32, {n});
    x.fill(3);
    std::vector<Array> outputs = exe({{"x", x}});
    EXPECT_EQ(outputs[0].toVector<float>(), std::vector<float>(static_cast<size_t>(n), 20));
    EXPECT_EQ(outputs[1].toVector<float>(), x.toVector<float>());
  }
  std::string text = errorOf([&] { exe({{"x", Array(f64, {3})}}); });
  EXPECT_NE(text.find("user.cpp:3:7"), std::string::npos) << text;
}

TEST_F(LibraryLoaderTest, CodeStaysWhileInUse) {
  std::optional<BoundCall> call;
  {
    Executable exe = loadLibrary(write());
    call = exe.bind({{"x", Array(f32, {10})}});
  }
  fs::remove(folder / "libmodel.so");
  (*call)();
  EXPECT_EQ(call->outputs()[0].at({9}), 2);
}

TEST_F(LibraryLoaderTest, NamesTheProgram) {
  fs::path path = write();
  loadLibrary(path, {.program = "model"});
  EXPECT_NE(refusal(path, {.program = "modle"}).find("did you mean 'model'?"), std::string::npos);
}

TEST_F(LibraryLoaderTest, RefusesWhatIsNoLibrary) {
  errorOf([&] { loadLibrary(folder / "missing.so"); }, ErrorKind::User, ErrorCode::FileAccess);
  fs::path path = folder / "x.so";
  for (const char *text : {"", "module {}", "\177ELF"}) {
    writeFileAtomically(path, text);
    refusal(path);
  }
  EXPECT_NE(refusal("/proc/self/exe").find("no program"), std::string::npos);
}

TEST_F(LibraryLoaderTest, RefusesTruncatedLibraries) {
  std::string bytes = readFile(write());
  fs::path path = folder / "cut.so";
  for (size_t size = 0; size < bytes.size(); size += 97) {
    writeFileAtomically(path, bytes.substr(0, size));
    refusal(path);
  }
}

TEST_F(LibraryLoaderTest, ReadsNothingOutsideADamagedFile) {
  const std::string bytes = readFile(write());
  std::mt19937 random(7);
  for (int i = 0; i < 3000; ++i) {
    std::string damaged = bytes;
    for (int j = 0; j < 4; ++j) // mostly headers and tables
      damaged[random() % (j < 2 ? 400 : damaged.size())] = static_cast<char>(random());
    try {
      ElfFile file(damaged);
      for (std::string_view symbol : file.symbols())
        file.text(symbol), file.content(symbol);
    } catch (const Error &error) {
      EXPECT_EQ(error.kind(), ErrorKind::Device);
    }
  }
}

TEST_F(LibraryLoaderTest, RefusesOtherMachinesAndVersions) {
  EXPECT_NE(refusal(write("", "cuda:sm_90a")).find("image that does not exist"), std::string::npos);
  EXPECT_NE(refusal(write("", "cpu:z80")).find("cannot load"), std::string::npos);
  std::string bytes = readFile(write());
  size_t at = bytes.find("sinter-program 3");
  ASSERT_NE(at, std::string::npos);
  bytes[at + 15] = '9';
  writeFileAtomically(folder / "v9.so", bytes);
  const std::string message = refusal(folder / "v9.so");
  EXPECT_NE(message.find("compile it again"), std::string::npos) << message;
  EXPECT_NE(message.find("version 9, but this Sinter reads version"), std::string::npos) << message;
}

} // namespace
