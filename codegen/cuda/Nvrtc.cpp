// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cuda/Nvrtc.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <dlfcn.h>
#include <link.h>
#include <map>
#include <mutex>
#include <sys/stat.h>

namespace fs = std::filesystem;

namespace sinter::cuda {

namespace {

constexpr const char *hint =
    "scripts/setup-cuda installs it; SINTER_NVRTC names the library; --emit=cuda needs none";
constexpr int oldestMajor = 12; ///< The first that compiles for sm_90a.
constexpr const char *sonames[] = {"libnvrtc.so.13", "libnvrtc.so.12"};

[[noreturn]] void unavailable(const std::string &what) {
  throw Error({.kind = ErrorKind::Device, .op = "nvrtc", .hint = hint}, what);
}

// -- Finding it -----------------------------------------------------------------------------------

std::string identityOf(const fs::path &path) {
  std::error_code ignored;
  fs::path real = fs::canonical(path, ignored);
  struct stat info {};
  if (ignored || stat(real.c_str(), &info) != 0 || !S_ISREG(info.st_mode))
    return {};
  return real.string() + " " + std::to_string(info.st_size) + " " +
         std::to_string(info.st_mtim.tv_sec) + "." + std::to_string(info.st_mtim.tv_nsec);
}

void addList(std::vector<fs::path> &folders, const char *variable) {
  const char *text = secure_getenv(variable);
  std::string_view rest = text ? text : "";
  while (!rest.empty()) {
    size_t colon = std::min(rest.find(':'), rest.size());
    if (colon > 0)
      folders.emplace_back(rest.substr(0, colon));
    rest.remove_prefix(std::min(colon + 1, rest.size()));
  }
}

void addToolkit(std::vector<fs::path> &folders, const fs::path &root) {
  folders.push_back(root / "lib64");
  folders.push_back(root / "targets/x86_64-linux/lib");
  folders.push_back(root / "lib");
}

std::vector<fs::path> searchedFolders() {
  std::vector<fs::path> folders;
  for (const char *variable : {"CUDA_HOME", "CUDA_PATH"})
    if (const char *root = secure_getenv(variable); root && *root)
      addToolkit(folders, root);
  addList(folders, "LD_LIBRARY_PATH");
  addToolkit(folders, "/usr/local/cuda");
  std::vector<fs::path> versions;
  std::error_code ignored;
  for (const fs::directory_entry &entry : fs::directory_iterator("/usr/local", ignored))
    if (entry.path().filename().string().starts_with("cuda-"))
      versions.push_back(entry.path());
  std::sort(versions.rbegin(), versions.rend());
  for (const fs::path &root : versions)
    addToolkit(folders, root);
  folders.emplace_back("/usr/lib/x86_64-linux-gnu");
  folders.emplace_back("/usr/lib64");
  return folders;
}

/// The path of a library that the loader finds by its name; empty if there is none.
fs::path loadedPath(const char *soname) {
  void *library = dlopen(soname, RTLD_NOW | RTLD_LOCAL);
  link_map *map = nullptr;
  if (!library || dlinfo(library, RTLD_DI_LINKMAP, &map) != 0 || !map)
    return {};
  return map->l_name;
}

} // namespace

NvrtcFile findNvrtc(const fs::path &wanted) {
  if (!wanted.empty()) {
    if (std::string identity = identityOf(wanted); !identity.empty())
      return {wanted, identity};
    unavailable("there is no file '" + wanted.string() + "', which SINTER_NVRTC names");
  }
  for (const fs::path &folder : searchedFolders())
    for (const char *soname : sonames)
      if (std::string identity = identityOf(folder / soname); !identity.empty())
        return {folder / soname, identity};
  for (const char *soname : sonames)
    if (fs::path path = loadedPath(soname); !path.empty())
      if (std::string identity = identityOf(path); !identity.empty())
        return {path, identity};
  unavailable("kernels for a GPU are compiled by NVRTC (libnvrtc.so.13 or .12), which is not "
              "installed");
}

std::vector<std::string> optionsOf(const NvrtcProgram &program) {
  std::vector<std::string> options(std::begin(compileOptions), std::end(compileOptions));
  std::string arch = program.arch;
  if (program.result == NvrtcResult::Ptx && arch.starts_with("sm_"))
    arch.replace(0, 2, "compute");
  options.push_back("--gpu-architecture=" + arch);
  if (program.lineInfo)
    options.emplace_back("--generate-line-info");
  return options;
}

// -- Its interface: nvrtc.h's, by our own declarations --------------------------------------------

struct Nvrtc::Functions {
  using Program = struct Opaque *;
  using Code = int; // 0: success

  const char *(*errorString)(Code) = nullptr;
  Code (*version)(int *, int *) = nullptr;
  Code (*createProgram)(Program *, const char *, const char *, int, const char *const *,
                        const char *const *) = nullptr;
  Code (*destroyProgram)(Program *) = nullptr;
  Code (*compileProgram)(Program, int, const char *const *) = nullptr;
  Code (*logSize)(Program, size_t *) = nullptr;
  Code (*log)(Program, char *) = nullptr;
  Code (*cubinSize)(Program, size_t *) = nullptr;
  Code (*cubin)(Program, char *) = nullptr;
  Code (*ptxSize)(Program, size_t *) = nullptr;
  Code (*ptx)(Program, char *) = nullptr;
  Code (*numArchs)(int *) = nullptr;
  Code (*archs)(int *) = nullptr;

  int major = 0, minor = 0;
  std::vector<int> known; ///< 90 for sm_90; empty: not known.

  void check(Code code, const char *what) const {
    if (code != 0)
      throw Error({.kind = ErrorKind::Internal, .op = "nvrtc"},
                  std::string(what) + ": " + errorString(code));
  }
  std::string text(Program program, Code (*size)(Program, size_t *), Code (*get)(Program, char *),
                   const char *what) const {
    size_t bytes = 0;
    check(size(program, &bytes), what);
    std::string result(bytes, '\0');
    if (bytes > 0)
      check(get(program, result.data()), what);
    return result;
  }
};

Nvrtc::Nvrtc() : functions(std::make_unique<Functions>()) {}
Nvrtc::~Nvrtc() = default;

std::shared_ptr<const Nvrtc> Nvrtc::load(const NvrtcFile &file) {
  static std::mutex mutex;
  static std::map<std::string, std::shared_ptr<const Nvrtc>> loaded; // Never unloaded.
  std::lock_guard lock(mutex);
  std::shared_ptr<const Nvrtc> &known = loaded[file.identity];
  if (known)
    return known;
  void *library = dlopen(file.path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const char *problem = dlerror();
    unavailable("'" + file.path.string() + "' cannot be loaded: " + (problem ? problem : "?"));
  }
  std::shared_ptr<Nvrtc> made(new Nvrtc);
  Functions &f = *made->functions;
  auto find = [&](auto &function, const char *name, bool needed = true) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(library, name));
    if (!function && needed)
      unavailable("'" + file.path.string() + "' lacks " + name);
  };
  find(f.errorString, "nvrtcGetErrorString");
  find(f.version, "nvrtcVersion");
  find(f.createProgram, "nvrtcCreateProgram");
  find(f.destroyProgram, "nvrtcDestroyProgram");
  find(f.compileProgram, "nvrtcCompileProgram");
  find(f.logSize, "nvrtcGetProgramLogSize");
  find(f.log, "nvrtcGetProgramLog");
  find(f.cubinSize, "nvrtcGetCUBINSize");
  find(f.cubin, "nvrtcGetCUBIN");
  find(f.ptxSize, "nvrtcGetPTXSize");
  find(f.ptx, "nvrtcGetPTX");
  find(f.numArchs, "nvrtcGetNumSupportedArchs", false);
  find(f.archs, "nvrtcGetSupportedArchs", false);
  f.check(f.version(&f.major, &f.minor), "version");
  if (f.major < oldestMajor)
    unavailable("'" + file.path.string() + "' is NVRTC " + made->version() + ", but " +
                std::to_string(oldestMajor) + ".0 or later is needed");
  if (int count = 0; f.numArchs && f.archs && f.numArchs(&count) == 0 && count > 0) {
    f.known.resize(static_cast<size_t>(count));
    if (f.archs(f.known.data()) != 0)
      f.known.clear();
  }
  known = std::move(made);
  return known;
}

std::string Nvrtc::version() const {
  return std::to_string(functions->major) + "." + std::to_string(functions->minor);
}

void Nvrtc::requireArch(std::string_view arch) const {
  if (functions->known.empty() || !arch.starts_with("sm_"))
    return;
  int number = std::atoi(std::string(arch.substr(3)).c_str()); // "90a"
  if (std::find(functions->known.begin(), functions->known.end(), number) != functions->known.end())
    return;
  std::string names;
  for (int known : functions->known)
    names += (names.empty() ? "sm_" : ", sm_") + std::to_string(known);
  throw Error({.kind = ErrorKind::Unsupported, .op = "nvrtc", .hint = "it knows " + names},
              "NVRTC " + version() + " does not compile for " + std::string(arch));
}

std::string Nvrtc::compile(const NvrtcProgram &program) const {
  const Functions &f = *functions;
  struct Handle {
    const Functions &f;
    Functions::Program program = nullptr;
    ~Handle() {
      if (program)
        f.destroyProgram(&program);
    }
  } handle{f};
  f.check(f.createProgram(&handle.program, program.text.c_str(), program.name.c_str(), 0, nullptr,
                          nullptr),
          "program");
  std::vector<std::string> options = optionsOf(program);
  std::vector<const char *> words;
  for (const std::string &option : options)
    words.push_back(option.c_str());
  Functions::Code code =
      f.compileProgram(handle.program, static_cast<int>(words.size()), words.data());
  if (code != 0) {
    std::string log = f.text(handle.program, f.logSize, f.log, "log");
    log.erase(std::find(log.begin(), log.end(), '\0'), log.end());
    throw Failure{log.empty() ? f.errorString(code) : log};
  }
  if (program.result == NvrtcResult::Cubin)
    return f.text(handle.program, f.cubinSize, f.cubin, "cubin");
  std::string ptx = f.text(handle.program, f.ptxSize, f.ptx, "ptx");
  ptx.erase(std::find(ptx.begin(), ptx.end(), '\0'), ptx.end());
  return ptx;
}

} // namespace sinter::cuda
