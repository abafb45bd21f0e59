// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/ProgramCache.h"

#include "sinter/codegen/ProgramText.h"
#include "sinter/codegen/cpu/KernelKey.h"
#include "sinter/codegen/cpu/Library.h"
#include "sinter/ir/base/Error.h"

#include <cstring>

namespace sinter::codegen {

namespace {

constexpr std::string_view form = "program 1";
/// Constants up to this size go into the code, which makes it portable.
constexpr int64_t mostEmbedded = 1 << 16;

/// A list of things as text that no other list has.
class List {
public:
  List &add(std::string_view item) {
    text += std::to_string(item.size()) + ":";
    text += item;
    return *this;
  }
  template <typename Number>
  requires std::is_arithmetic_v<Number> || std::is_enum_v<Number> List &add(Number number) {
    return add(std::to_string(static_cast<int64_t>(number)));
  }
  std::string text;
};

void add(List &list, const TargetInfo &target) {
  // A new field does not compile until it is looked at here.
  const auto &[kind, isa, arch, features, vectorBytes, vectorRegisters, hasFma, hasF16c, l1Bytes,
               l2Bytes] = target;
  list.add(kind).add(isa).add(arch).add(features).add(vectorBytes).add(vectorRegisters);
  list.add(hasFma).add(hasF16c).add(l1Bytes).add(l2Bytes);
}

/// Everything but the graph that a program for the CPU depends on.
std::string describe(const PipelineOptions &options) {
  // Likewise. What is not listed below changes no program: threads, the cache itself, what is for a
  // GPU; or it keeps the cache out.
  const auto &[name, target, stopAfter, disabledPasses, strictRounding, winograd, tf32,
               explainFusion, optLevel, threads, cache, nvrtc, lineInfo, checkNan, reproducible,
               schedule, scheduleFile, dump, observe, trace, configure] = options;
  List list;
  list.add(form).add(cpu::compilerFingerprint()).add(cpu::codegenFingerprint());
  list.add(name).add(strictRounding).add(winograd).add(tf32).add(explainFusion).add(optLevel);
  list.add(schedule).add(scheduleFile).add(target.exactStr());
  add(list, target);
  for (const std::string &pass : disabledPasses)
    list.add(pass);
  return std::move(list.text);
}

bool isUsable(const PipelineOptions &options) {
  const bool isWatched =
      options.dump || options.observe || options.trace || options.configure || options.checkNan;
  return options.cache.enabled.value_or(false) && !isWatched &&
         options.stopAfter == StageId::Program && options.target.kind == TargetInfo::Kind::Cpu;
}

// -- The entry: numbers of 64 bits (parts, bytes of each part), then the parts
// ---------------------

std::string pack(const std::vector<std::string_view> &parts) {
  std::string bytes;
  auto number = [&](uint64_t value) {
    bytes.append(reinterpret_cast<const char *>(&value), sizeof(value));
  };
  number(parts.size());
  for (std::string_view part : parts)
    number(part.size());
  for (std::string_view part : parts)
    bytes += part;
  return bytes;
}

/// Throws Error where it is not what pack() made.
std::vector<std::string_view> unpack(std::string_view bytes) {
  auto number = [&] {
    uint64_t value = 0;
    if (bytes.size() < sizeof(value))
      throw Error({.kind = ErrorKind::Internal}, "a cached program is cut off");
    std::memcpy(&value, bytes.data(), sizeof(value));
    bytes.remove_prefix(sizeof(value));
    return value;
  };
  const uint64_t count = number();
  std::vector<uint64_t> sizes;
  for (uint64_t i = 0; i < count; ++i)
    sizes.push_back(number());
  std::vector<std::string_view> parts;
  for (uint64_t size : sizes) {
    if (size > bytes.size())
      throw Error({.kind = ErrorKind::Internal}, "a cached program is cut off");
    parts.push_back(bytes.substr(0, size));
    bytes.remove_prefix(size);
  }
  return parts;
}

} // namespace

ObjectProgram ObjectProgram::take(Compilation &compilation, const TargetInfo &target) {
  ObjectProgram result{std::move(compilation.program()), std::move(compilation.objects)};
  int64_t bytes = 0;
  for (const Array &constant : result.program.constants)
    bytes += constant.numBytes();
  result.isPortable = bytes <= mostEmbedded;
  result.objects.push_back(cpu::runObject(result.program, target,
                                          /*embedConstants=*/result.isPortable,
                                          /*exportInterface=*/false,
                                          firstSitesOf(compilation.planned)));
  return result;
}

ProgramCache::ProgramCache(mlir::ModuleOp module, const PipelineOptions &options) {
  if (!isUsable(options))
    return;
  std::optional<cpu::KernelKey> found = cpu::graphKey(module, describe(options));
  if (!found)
    return;
  key = *found;
  cache.emplace(options.cache);
}

std::optional<ObjectProgram> ProgramCache::load() {
  std::optional<std::string> entry = cache ? cache->load(key) : std::nullopt;
  if (!entry)
    return std::nullopt;
  try {
    const std::vector<std::string_view> parts = unpack(*entry);
    if (parts.size() < 3)
      throw Error({.kind = ErrorKind::Internal}, "a cached program lacks its code");
    ObjectProgram result{parseCompleteProgram(parts[0], parts[1]), {}, true};
    result.objects.assign(parts.begin() + 2, parts.end());
    return result;
  } catch (const Error &) {
    drop();
    return std::nullopt;
  }
}

void ProgramCache::drop() { cache->drop(key); }

void ProgramCache::store(const ObjectProgram &program) {
  if (!cache || !program.isPortable)
    return;
  const CompleteProgramText complete = completeProgramText(program.program);
  std::vector<std::string_view> parts = {complete.text, complete.data};
  parts.insert(parts.end(), program.objects.begin(), program.objects.end());
  cache->store({{key, pack(parts)}});
}

} // namespace sinter::codegen
