// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cpu/Library.h"

#include "sinter/codegen/cpu/LinkerTargets.h"
#include "sinter/codegen/cpu/RunFunction.h"
#include "sinter/ir/base/Error.h"

#include "lld/Common/Driver.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Object/ArchiveWriter.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"

#include <cstdlib>
#include <fstream>
#include <mutex>
#include <system_error>

LLD_HAS_DRIVER(elf)

namespace sinter::cpu {

namespace {

[[noreturn]] void failInternal(const std::string &message) {
  throw Error({.kind = ErrorKind::Internal}, message);
}

/// Where the linker reads and writes: it knows only paths. Removed with everything in it.
class TemporaryFolder {
public:
  TemporaryFolder() {
    std::error_code problem;
    std::filesystem::path parent = std::filesystem::temp_directory_path(problem);
    std::string pattern = (parent / "sinter-link-XXXXXX").string();
    if (problem || !mkdtemp(pattern.data()))
      throw Error({.kind = ErrorKind::User, .code = ErrorCode::FileAccess},
                  "cannot create a temporary folder in '" + parent.string() + "'");
    path = pattern;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  TemporaryFolder(const TemporaryFolder &) = delete;
  TemporaryFolder &operator=(const TemporaryFolder &) = delete;

  std::string file(const std::string &name) const { return (path / name).string(); }

private:
  std::filesystem::path path;
};

/// Runs lld in this process. It keeps global state, so one call at a time.
void link(const std::vector<std::string> &arguments) {
  static std::mutex mutex;
  static bool isUsable = true;
  std::lock_guard lock(mutex);
  if (!isUsable)
    failInternal("the linker crashed earlier in this process");
  std::vector<const char *> pointers = {"ld.lld"};
  for (const std::string &argument : arguments)
    pointers.push_back(argument.c_str());
  std::string output;
  llvm::raw_string_ostream stream(output);
  leaveOutOtherTargets();
  lld::Result result = lld::lldMain(pointers, stream, stream, {{lld::Gnu, &lld::elf::link}});
  isUsable = result.canRunAgain;
  if (result.retCode != 0)
    failInternal("linking failed: " + output);
}

} // namespace

std::string runObject(const Program &program, const TargetInfo &target, bool embedConstants,
                      bool exportInterface) {
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> module = buildRunModule(
      program, context, {.embedConstants = embedConstants, .exportInterface = exportInterface});
  // Straight-line calls: fast instruction selection is as good and several times quicker.
  ObjectCompiler compiler(target, {.level = 0, .cleanUp = false});
  return compiler.object(*module);
}

void writeLibrary(LibraryForm form, const Program &program,
                  const std::vector<std::string_view> &kernelObjects, const TargetInfo &target,
                  const std::filesystem::path &path) {
  std::string run = runObject(program, target, /*embedConstants=*/true, /*exportInterface=*/true);
  std::vector<std::string_view> objects = {run};
  objects.insert(objects.end(), kernelObjects.begin(), kernelObjects.end());
  linkObjects(form, objects, path);
}

void linkObjects(LibraryForm form, const std::vector<std::string_view> &objects,
                 const std::filesystem::path &path) {
  TemporaryFolder folder;
  std::vector<std::string> arguments = {"-m", "elf_x86_64", "--threads=1", "-z", "noexecstack"};
  auto addInput = [&](std::string_view object) {
    arguments.push_back(folder.file(std::to_string(arguments.size()) + ".o"));
    std::ofstream file(arguments.back(), std::ios::binary);
    if (!file.write(object.data(), static_cast<std::streamsize>(object.size())).flush())
      throw Error({.kind = ErrorKind::User, .code = ErrorCode::FileAccess},
                  "cannot write '" + arguments.back() + "'");
  };
  for (std::string_view object : objects)
    addInput(object);
  if (form == LibraryForm::Shared) {
    std::string soname = path.filename().string();
    arguments.insert(arguments.end(), {"-shared", "-soname", soname, "--gc-sections", "-z", "relro",
                                       "-z", "now", "--hash-style=gnu"});
  } else {
    arguments.push_back("-r");
  }
  // Not straight to `path`: what is there must stay until the whole file is ready.
  std::string linked = folder.file("linked");
  arguments.insert(arguments.end(), {"-o", linked});
  link(arguments);
  std::string bytes = readFile(linked);
  if (form == LibraryForm::Static) {
    llvm::NewArchiveMember member(llvm::MemoryBufferRef(bytes, "program.o"));
    member.MemberName = "program.o";
    llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>> archive = llvm::writeArchiveToBuffer(
        member, llvm::SymtabWritingMode::NormalSymtab, llvm::object::Archive::K_GNU,
        /*Deterministic=*/true, /*Thin=*/false);
    if (!archive)
      failInternal("cannot write the archive: " + llvm::toString(archive.takeError()));
    bytes = (*archive)->getBuffer().str();
  }
  writeFileAtomically(path, bytes);
}

} // namespace sinter::cpu
