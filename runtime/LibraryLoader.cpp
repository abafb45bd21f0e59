// SPDX-License-Identifier: Apache-2.0
#include "sinter/runtime/LibraryLoader.h"
#include "sinter/codegen/ProgramText.h"
#include "sinter/ir/base/TargetInfo.h"
#include "sinter/runtime/CpuDevice.h"
#include "sinter/runtime/CudaDevice.h"
#include "sinter/runtime/ElfFile.h"

#include <dlfcn.h>

namespace sinter {
namespace {

constexpr std::string_view programSuffix = "_program";
constexpr std::string_view dataSuffix = "_data";

[[noreturn]] void fail(const std::filesystem::path &path, const std::string &reason,
                       const std::string &hint = "") {
  throw Error({.kind = ErrorKind::Device, .op = "loadLibrary", .hint = hint},
              "cannot load '" + path.string() + "': " + reason);
}

struct Description {
  std::string name;
  std::string text;
  std::string data; ///< A GPU's machine code and constants.
};

/// The program's name, description and data, from the file's bytes.
Description describe(const std::filesystem::path &path, const std::string &wanted) {
  std::string bytes = readFile(path);
  std::optional<ElfFile> file;
  try {
    file.emplace(bytes);
  } catch (const Error &error) {
    fail(path, error.message());
  }
  std::vector<std::string> names;
  for (std::string_view symbol : file->symbols())
    if (symbol.ends_with(programSuffix))
      names.emplace_back(symbol.substr(0, symbol.size() - programSuffix.size()));
  if (names.empty())
    fail(path, "it holds no program made by graph-compile");
  if (wanted.empty() && names.size() > 1)
    fail(path, "it holds several programs, so one must be named");
  std::string name = wanted.empty() ? names.front() : wanted;
  std::optional<std::string_view> text = file->text(name + std::string(programSuffix));
  if (!text)
    fail(path, "it holds no program '" + name + "'" + didYouMean(name, names));
  std::optional<std::string_view> data = file->content(name + std::string(dataSuffix));
  return {name, std::string(*text), std::string(data.value_or(""))};
}

Program parse(const std::filesystem::path &path, const Description &description) {
  try {
    Program program = parseProgram(description.text, description.data);
    if (const TargetInfo target = TargetInfo::parse(program.target);
        target.kind == TargetInfo::Kind::Cpu)
      target.requireRunnable();
    return program;
  } catch (const Error &error) {
    fail(path, error.message(), error.hint());
  }
}

/// The function that runs a program for the CPU, and what holds its code.
ProgramCode openCode(const std::filesystem::path &path, const Description &description,
                     std::shared_ptr<const Program> program) {
  // dlopen() searches folders for a name without a slash.
  void *handle = dlopen(std::filesystem::absolute(path).c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) {
    const char *reason = dlerror();
    fail(path, reason ? reason : "the dynamic linker refuses it");
  }
  std::shared_ptr<const void> library(handle, [](void *open) { dlclose(open); });
  auto *text = static_cast<const char *>(
      dlsym(handle, (description.name + std::string(programSuffix)).c_str()));
  auto entry = reinterpret_cast<SinterRun>(dlsym(handle, (description.name + "_run").c_str()));
  if (!entry)
    fail(path, "it lacks the symbol " + description.name + "_run");
  if (!text || description.text != text)
    fail(path, "it changed while it was being loaded");
  return {std::move(program), entry, std::move(library)};
}

} // namespace

Executable loadLibrary(const std::filesystem::path &path, const LibraryOptions &options) {
  const Description description = describe(path, options.program);
  auto program = std::make_shared<const Program>(parse(path, description));
  std::shared_ptr<Device> device = options.device;
  if (TargetInfo::parse(program->target).kind == TargetInfo::Kind::Cuda) {
    // Nothing of the file is code for this machine.
    if (!device)
      device = CudaDevice::shared();
    return Executable({.program = std::move(program), .trace = options.trace}, std::move(device));
  }
  ProgramCode code = openCode(path, description, std::move(program));
  if (!device)
    device = CpuDevice::shared(options.threads);
  return Executable({.program = code.program,
                     .entry = code.entry,
                     .keepAlive = code.keepAlive,
                     .trace = options.trace},
                    std::move(device));
}

} // namespace sinter
