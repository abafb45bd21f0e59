// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cpu/Library.h"

#include "sinter/codegen/cpu/Interface.h"

#include "sinter/codegen/cpu/LinkerTargets.h"
#include "sinter/ir/base/Error.h"
#include "sinter/ir/base/FileIo.h"

#include "lld/Common/Driver.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Object/ArchiveWriter.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <mutex>
#include <sys/stat.h>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <utility>

LLD_HAS_DRIVER(elf)

namespace sinter::cpu {

namespace {

[[noreturn]] void failInternal(const std::string &message) {
  throw Error({.kind = ErrorKind::Internal}, message);
}

[[noreturn]] void failToWrite(const std::string &message) {
  throw Error({.code = ErrorCode::FileAccess}, message);
}

/// Where the linker reads and writes: it knows only paths. Removed with everything in it.
class TemporaryFolder {
public:
  TemporaryFolder() {
    std::error_code problem;
    const char *named = std::getenv("TMPDIR");
    std::filesystem::path parent = "/tmp"; // Where TMPDIR is empty, as where there is none.
    if (!named || *named)
      parent = std::filesystem::temp_directory_path(problem);
    if (problem)
      failToWrite("cannot use the folder for temporary files that TMPDIR names: " +
                  problem.message());
    std::string pattern = (parent / "sinter-link-XXXXXX").string();
    if (!mkdtemp(pattern.data()))
      failToWrite("cannot create a temporary folder in '" + parent.string() +
                  "': " + std::strerror(errno));
    path = pattern;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  TemporaryFolder(const TemporaryFolder &) = delete;
  TemporaryFolder &operator=(const TemporaryFolder &) = delete;

  std::string file(const std::string &name) const { return (path / name).string(); }

  void write(const std::string &file, std::string_view bytes) const {
    std::ofstream out(file, std::ios::binary);
    if (!out.write(bytes.data(), static_cast<std::streamsize>(bytes.size())).flush())
      failToWrite("cannot write '" + file + "': " + std::strerror(errno));
  }

private:
  std::filesystem::path path;
};

/// An open file that closes itself.
class Descriptor {
public:
  Descriptor() = default;
  Descriptor(const Descriptor &) = delete;
  Descriptor &operator=(const Descriptor &) = delete;
  ~Descriptor() { reset(); }
  void reset() {
    if (number >= 0)
      close(std::exchange(number, -1));
  }
  int number = -1;
};

/// Keeps files that are opened while it lives from the places of standard streams that are closed:
/// LLVM never closes what it finds there.
class StandardStreams {
public:
  StandardStreams() {
    for (Descriptor &place : places) {
      place.number = open("/dev/null", O_RDONLY | O_CLOEXEC);
      if (place.number > STDERR_FILENO) {
        place.reset();
        return;
      }
    }
  }

private:
  Descriptor places[3];
};

/// What the linker writes: it maps files, where a full disk is a signal, but not pipes.
class OutputPipe {
public:
  explicit OutputPipe(const std::string &path) {
    if (mkfifo(path.c_str(), 0600) == 0)
      readEnd.number = open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    // Open until there is nothing more to come, so that the reader waits for the linker.
    if (readEnd.number >= 0)
      writeEnd.number = open(path.c_str(), O_WRONLY | O_CLOEXEC);
    if (writeEnd.number < 0 || fcntl(readEnd.number, F_SETFL, 0) != 0)
      failToWrite("cannot create a pipe in the folder for temporary files: " +
                  std::string(std::strerror(errno)));
    thread = std::thread([this] {
      char part[1 << 16];
      for (ssize_t got; (got = read(readEnd.number, part, sizeof(part))) != 0;)
        if (got > 0)
          bytes.append(part, static_cast<size_t>(got));
        else if (errno != EINTR)
          return;
    });
  }
  ~OutputPipe() { finish(); }
  OutputPipe(const OutputPipe &) = delete;
  OutputPipe &operator=(const OutputPipe &) = delete;

  /// All that was written, once no one else writes.
  std::string finish() {
    writeEnd.reset();
    if (thread.joinable())
      thread.join();
    return std::move(bytes);
  }

private:
  StandardStreams standard;
  Descriptor readEnd, writeEnd;
  std::string bytes;
  std::thread thread;
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
  if (result.retCode == 0)
    return;
  // Of its own files, which this process has just written: descriptors or memory have run out.
  if (output.find("error: cannot open ") != std::string::npos)
    failToWrite("linking failed: " + output);
  failInternal("linking failed: " + output);
}

/// Straight-line calls: fast instruction selection is as good and several times quicker.
std::string plainObject(llvm::Module &module, const TargetInfo &target) {
  return ObjectCompiler(target, {.level = 0, .cleanUp = false}).object(module);
}

} // namespace

std::string runObject(const Program &program, const TargetInfo &target, bool embedConstants,
                      bool exportInterface, const std::map<size_t, int64_t> &firstSites) {
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> module = buildRunModule(program, context,
                                                        {.embedConstants = embedConstants,
                                                         .exportInterface = exportInterface,
                                                         .firstSites = firstSites});
  return plainObject(*module, target);
}

std::string libraryBytes(LibraryForm form, const std::vector<LibraryVersion> &versions,
                         const std::string &fileName, const ArrayMap &values) {
  std::vector<TargetInfo> targets;
  for (const LibraryVersion &version : versions)
    targets.push_back(version.target);
  requireVersions(targets);
  const Program &first = *versions.front().program;
  const TargetInfo common = commonTarget(targets.front().isa);
  const size_t count = versions.size();

  llvm::LLVMContext context;
  llvm::Module shared(first.name, context);
  shared.setSourceFileName(first.name);
  addDispatch(shared, versions);
  SharedConstants constants;
  if (count > 1)
    constants = addConstants(shared, versions);

  std::vector<std::string> made;
  for (size_t i = 0; i < count; ++i) {
    RunFunctionOptions options;
    options.firstSites = versions[i].firstSites;
    if (count > 1) {
      options.symbolName = versionName(first.name, i, count);
      options.constantSymbols = constants.symbols[i];
    }
    std::unique_ptr<llvm::Module> run =
        buildRunModule(*versions[i].program, context, std::move(options));
    made.push_back(plainObject(*run, versions[i].target));
  }
  made.push_back(plainObject(shared, common));
  std::vector<InterfaceVersion> interfaces;
  for (size_t i = 0; i < count; ++i)
    interfaces.push_back({versions[i].program, toIdentifier(versionName(first.name, i, count))});
  made.push_back(interfaceObject(first.name, interfaces, values, common.isa));

  std::vector<std::string_view> objects(made.begin(), made.end());
  for (const LibraryVersion &version : versions)
    objects.insert(objects.end(), version.kernelObjects.begin(), version.kernelObjects.end());
  return linkObjects(form, objects, fileName);
}

void writeLibrary(LibraryForm form, const Program &program,
                  const std::vector<std::string_view> &kernelObjects, const TargetInfo &target,
                  const std::filesystem::path &path) {
  writeFileAtomically(
      path, libraryBytes(form, {{&program, kernelObjects, target, {}}}, path.filename().string()));
}

std::string linkObjects(LibraryForm form, const std::vector<std::string_view> &objects,
                        const std::string &fileName) {
  TemporaryFolder folder;
  // The objects say what they are for.
  std::vector<std::string> arguments = {"--threads=1", "-z", "noexecstack"};
  for (std::string_view object : objects) {
    arguments.push_back(folder.file(std::to_string(arguments.size()) + ".o"));
    folder.write(arguments.back(), object);
  }
  if (form == LibraryForm::Shared) {
    // Two libraries of one process may hold programs of the same name.
    arguments.insert(arguments.end(), {"-shared", "-soname", fileName, "--gc-sections", "-z",
                                       "relro", "-z", "now", "-Bsymbolic", "--hash-style=gnu"});
  } else {
    arguments.push_back("-r");
  }
  std::string linked = folder.file("linked");
  arguments.insert(arguments.end(), {"-o", linked});
  OutputPipe output(linked);
  link(arguments);
  std::string bytes = output.finish();
  if (form != LibraryForm::Static)
    return bytes;
  llvm::NewArchiveMember member(llvm::MemoryBufferRef(bytes, "program.o"));
  member.MemberName = "program.o";
  llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>> archive =
      llvm::writeArchiveToBuffer(member, llvm::SymtabWritingMode::NormalSymtab,
                                 llvm::object::Archive::K_GNU, /*Deterministic=*/true,
                                 /*Thin=*/false);
  if (!archive)
    failInternal("cannot write the archive: " + llvm::toString(archive.takeError()));
  return (*archive)->getBuffer().str();
}

} // namespace sinter::cpu
