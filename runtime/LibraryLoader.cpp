// SPDX-License-Identifier: Apache-2.0
#include "sinter/runtime/LibraryLoader.h"
#include "sinter/codegen/ProgramText.h"
#include "sinter/ir/base/TargetInfo.h"
#include "sinter/runtime/CpuDevice.h"
#include "sinter/runtime/ElfFile.h"

#include <dlfcn.h>

namespace sinter {
namespace {

constexpr std::string_view programSuffix = "_program";

[[noreturn]] void fail(const std::filesystem::path &path, const std::string &reason,
                       const std::string &hint = "") {
  throw Error({.kind = ErrorKind::Device, .op = "loadLibrary", .hint = hint},
              "cannot load '" + path.string() + "': " + reason);
}

struct Description {
  std::string name;
  std::string text;
};

/// The program's name and description, from the file's bytes.
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
  return {name, std::string(*text)};
}

Program parse(const std::filesystem::path &path, const std::string &text) {
  try {
    Program program = parseProgramText(text);
    TargetInfo::parse(program.target).requireRunnable();
    return program;
  } catch (const Error &error) {
    fail(path, error.message(), error.hint());
  }
}

} // namespace

Executable loadLibrary(const std::filesystem::path &path, const LibraryOptions &options) {
  Description description = describe(path, options.program);
  auto program = std::make_shared<const Program>(parse(path, description.text));

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

  std::shared_ptr<Device> device = options.device;
  if (!device)
    device = CpuDevice::shared(options.threads);
  return Executable({.program = program, .entry = entry, .keepAlive = library}, std::move(device));
}

} // namespace sinter
