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
constexpr std::string_view programsSuffix = "_programs";
constexpr std::string_view versionSuffix = "_version";
constexpr std::string_view runSuffix = "_run";
constexpr std::string_view dataSuffix = "_data";
constexpr std::string_view valuesSuffix = "_values";

[[noreturn]] void fail(const std::filesystem::path &path, const std::string &reason,
                       const std::string &hint = "") {
  throw Error({.kind = ErrorKind::Device, .op = "loadLibrary", .hint = hint},
              "cannot load '" + path.string() + "': " + reason);
}

struct Description {
  std::string name;
  std::vector<std::string> texts; ///< Of each version of the program.
  std::string data;               ///< A GPU's machine code and constants.
};

/// Texts that each end with a zero.
std::vector<std::string> split(std::string_view texts) {
  std::vector<std::string> result;
  for (size_t end; (end = texts.find('\0')) != texts.npos; texts.remove_prefix(end + 1))
    result.emplace_back(texts.substr(0, end));
  return result;
}

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
  std::vector<std::string> texts;
  if (std::optional<std::string_view> all = file->content(name + std::string(programsSuffix)))
    texts = split(*all);
  if (texts.empty())
    texts.emplace_back(*text);
  return {name, std::move(texts), std::string(data.value_or(""))};
}

bool isForGpu(const Program &program) {
  return TargetInfo::parse(program.target).kind == TargetInfo::Kind::Cuda;
}

/// All versions of the program, one of which this machine can run.
std::vector<Program> parse(const std::filesystem::path &path, const Description &description) {
  std::vector<Program> programs;
  try {
    for (const std::string &text : description.texts)
      programs.push_back(parseProgram(text, description.data));
  } catch (const Error &error) {
    fail(path, error.message(),
         error.hint().empty() ? "compile it again with the Sinter that loads it" : error.hint());
  }
  std::optional<Error> problem;
  for (const Program &program : programs)
    try {
      if (TargetInfo target = TargetInfo::parse(program.target);
          target.kind == TargetInfo::Kind::Cpu)
        target.requireRunnable();
      else if (programs.size() > 1)
        fail(path, "it holds several versions of a program for a GPU");
      return programs;
    } catch (const Error &error) {
      if (!problem)
        problem = error;
    }
  fail(path, problem->message(), problem->hint());
}

/// NAME_values: variables with their first values, up to one without a name.
struct CarriedValue {
  const char *name;
  void *data;
  const int64_t *sizes, *strides;
  int64_t dtype, rank;
};

/// Views of the library's own memory.
ArrayMap valuesOf(const std::filesystem::path &path, const CarriedValue *carried,
                  const Program &program, const std::shared_ptr<const void> &library) {
  ArrayMap values;
  for (; carried && carried->name; ++carried) {
    bool fits = false;
    for (const Argument &argument : program.arguments)
      fits |= argument.kind != ArgumentKind::Placeholder && argument.name == carried->name &&
              static_cast<int64_t>(argument.dtype) == carried->dtype &&
              argument.shape.rank() == carried->rank;
    if (!fits)
      fail(path, "it carries a value that fits no variable");
    values.emplace(carried->name, Array::wrap(carried->data, static_cast<DType>(carried->dtype),
                                              {carried->sizes, carried->sizes + carried->rank}, {},
                                              std::const_pointer_cast<void>(library)));
  }
  return values;
}

/// A program for the CPU. A library of several versions says itself which one runs.
Executable openCode(const std::filesystem::path &path, const Description &description,
                    std::vector<Program> programs, const LibraryOptions &options) {
  // dlopen() searches folders for a name without a slash.
  void *handle = dlopen(std::filesystem::absolute(path).c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) {
    const char *reason = dlerror();
    fail(path, reason ? reason : "the dynamic linker refuses it");
  }
  std::shared_ptr<const void> library(handle, [](void *open) { dlclose(open); });
  auto find = [&](std::string_view suffix) {
    const std::string symbol = description.name + std::string(suffix);
    void *address = dlsym(handle, symbol.c_str());
    if (!address)
      fail(path, "it lacks the symbol " + symbol);
    return address;
  };
  if (description.texts.front() != static_cast<const char *>(find(programSuffix)))
    fail(path, "it changed while it was being loaded");
  auto entry = reinterpret_cast<SinterRun>(find(runSuffix));
  size_t version = 0;
  if (programs.size() > 1)
    version = static_cast<size_t>(reinterpret_cast<int64_t (*)()>(find(versionSuffix))());
  if (version >= programs.size())
    fail(path, "none of its versions is for this machine");
  const void *carried =
      dlsym(handle, (description.name + std::string(valuesSuffix)).c_str()); // Few have one.
  ArrayMap values =
      valuesOf(path, static_cast<const CarriedValue *>(carried), programs[version], library);
  return Executable({.program = std::make_shared<const Program>(std::move(programs[version])),
                     .entry = entry,
                     .keepAlive = std::move(library),
                     .trace = options.trace,
                     .values = std::move(values)},
                    options.device ? options.device : CpuDevice::shared(options.threads));
}

} // namespace

Executable loadLibrary(const std::filesystem::path &path, const LibraryOptions &options) {
  const Description description = describe(path, options.program);
  std::vector<Program> programs = parse(path, description);
  if (isForGpu(programs.front())) {
    auto program = std::make_shared<const Program>(std::move(programs.front()));
    // Nothing of the file is code for this machine.
    return Executable({.program = std::move(program), .trace = options.trace},
                      options.device ? options.device : CudaDevice::shared());
  }
  return openCode(path, description, std::move(programs), options);
}

} // namespace sinter
