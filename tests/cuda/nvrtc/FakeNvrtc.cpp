// SPDX-License-Identifier: Apache-2.0
// NVRTC's interface, whose machine code is a shared object for this host: SINTER_NVRTC names it.
// The fake driver (tests/cuda/driver) loads what it makes. Equal programs are built once: they are
// kept in SINTER_HOST_GPU_CACHE.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

// The headers that every program starts with.
asm(R"(
.section .rodata
.globl sinterShimText
.hidden sinterShimText
sinterShimText:
.incbin ")" SINTER_SHIM_FOLDER R"(/Abi.h"
.incbin ")" SINTER_SHIM_FOLDER R"(/Shim.h"
.incbin ")" SINTER_SHIM_FOLDER R"(/Instructions.h"
.byte 0
.text
)");
extern "C" const char sinterShimText[];

namespace fs = std::filesystem;

namespace {

enum Code {
  success = 0,
  outOfMemory = 1,
  invalidInput = 3,
  invalidProgram = 4,
  invalidOption = 5,
  compilation = 6
};

struct Program {
  std::string text, name, log, image, ptx;
};

std::string readFile(const fs::path &path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

uint64_t hash(const std::string &text, uint64_t h) {
  for (unsigned char c : text)
    h = (h ^ c) * 0x100000001b3;
  return h;
}

/// Programs that are equal but for their machine are not the same, as with NVRTC.
std::string keyOf(const std::string &text) {
  char key[64];
  std::snprintf(key, sizeof key, "%016llx%016llx",
                static_cast<unsigned long long>(hash(text, 0xcbf29ce484222325)),
                static_cast<unsigned long long>(hash(text, 0x9e3779b97f4a7c15)));
  return key;
}

fs::path cacheFolder() {
  const char *wanted = std::getenv("SINTER_HOST_GPU_CACHE");
  fs::path folder = wanted && *wanted ? fs::path(wanted)
                                      : fs::temp_directory_path() /
                                            ("sinter-host-gpu-" + std::to_string(getuid()));
  std::error_code ignored;
  fs::create_directories(folder, ignored);
  return folder;
}

/// The program as C++: shared variables become thread-local ones, whose addresses clang asks the
/// machine for, and every kernel gets a description.
std::string translate(std::string text, const std::string &options) {
  // Places are those of this text.
  text = std::regex_replace(text, std::regex("(^|\n)#line[^\n]*"), "$1//");
  size_t alignment = 0;
  std::string dynamic;
  std::regex external("extern\\s+__shared__([^;]*?)(\\w+)\\s*\\[\\s*\\]\\s*;");
  std::vector<std::string> seen;
  for (auto it = std::sregex_iterator(text.begin(), text.end(), external);
       it != std::sregex_iterator(); ++it) {
    std::string declaration = (*it)[1], name = (*it)[2];
    alignment = std::max<size_t>(alignment, 16);
    std::smatch found;
    if (std::regex_search(declaration, found,
                          std::regex("(?:__align__|alignas|aligned)\\s*\\(+\\s*(\\d+)")))
      alignment = std::max<size_t>(alignment, std::stoul(found[1]));
    if (std::find(seen.begin(), seen.end(), name) == seen.end())
      dynamic += "extern \"C\" { ShimShared shim_dynamic_" + name + " __asm__(\"__emutls_v." +
                 name + "\") = {shimDynamic, 16, 0, nullptr}; }\n";
    seen.push_back(name);
  }
  text = std::regex_replace(text, std::regex("extern\\s+__shared__"), "extern __thread");
  text = std::regex_replace(text, std::regex("(static\\s+)?\\b__shared__"), "static __thread");
  // Copies of structures lose their alignment before it could be checked.
  const std::string cast = "\\*\\(((?:const\\s+)?[A-Za-z_]\\w*(?:<[^<>()]*>)?)\\s*\\*\\)";
  text = std::regex_replace(text, std::regex(cast + "\\("), "*shimCast<$1>(");
  text = std::regex_replace(text, std::regex(cast + "(\\w+)(?![\\w\\[.(-])"), "*shimCast<$1>($2)");
  text = std::regex_replace(text, std::regex("(__thread\\s+)alignas\\s*\\((\\d+)\\)"),
                            "$1__align__($2)");
  std::string kernels;
  std::regex head("__global__\\s+void\\s+(?:__launch_bounds__\\s*\\(\\s*(\\d+)[^)]*\\)\\s*)?(?:__"
                  "cluster_dims__\\s*\\([^)]*\\)\\s*)?(\\w+)\\s*\\(");
  for (auto it = std::sregex_iterator(text.begin(), text.end(), head); it != std::sregex_iterator();
       ++it)
    kernels += "SHIM_KERNEL(" + (*it)[2].str() + ", " +
               ((*it)[1].matched ? (*it)[1].str() : "1024") + ", " + std::to_string(alignment) +
               ")\n";
  return "// " + options + "\n#line 1 \"shim\"\n" + sinterShimText + "\n#line 1 \"TEXT\"\n" + text +
         "\n#line 1 \"tail\"\n" + dynamic + kernels;
}

std::string quoted(const fs::path &path) { return "'" + path.string() + "'"; }

Code compile(Program &program, const std::vector<std::string> &options) {
  std::string arch = "80", all, extra;
  bool fuses = true;
  for (const std::string &option : options) {
    all += option + " ";
    if (option.rfind("--gpu-architecture=", 0) == 0 || option.rfind("-arch=", 0) == 0) {
      arch = option.substr(option.find('_') + 1);
    } else if (option == "--fmad=false") {
      fuses = false;
    } else if (option.rfind("--std=", 0) != 0 && option.rfind("--generate-line-info", 0) != 0 &&
               option.rfind("-lineinfo", 0) != 0 && option.rfind("--split-compile", 0) != 0 &&
               option.rfind("-default-device", 0) != 0 && option.rfind("--maxrregcount", 0) != 0) {
      if (option.rfind("-D", 0) != 0) {
        program.log = "unknown option '" + option + "'";
        return invalidOption;
      }
      extra += " '" + option + "'";
    }
  }
  std::string number;
  for (char c : arch)
    if (c >= '0' && c <= '9')
      number += c;
  if (number.empty() || program.text.find("#include") != std::string::npos) {
    program.log = "no architecture, or headers, which are not there";
    return invalidOption;
  }
  extra += " -D__CUDA_ARCH__=" + number + "0";
  if (!arch.empty() && arch.back() == 'a')
    extra += " -D__CUDA_ARCH_FEAT_SM" + number + "_ALL=1";

  std::string whole = translate(program.text, all);
  whole +=
      "extern \"C\" __attribute__((visibility(\"default\"))) const char shim_architecture[] = \"" +
      arch + "\";\n";
  // Kernels that run once take longer to be optimised than to run.
  const char *wanted = std::getenv("SINTER_HOST_GPU_OPTIMISE");
  const bool optimises = !wanted || *wanted != '0';
  std::string compiler =
      std::string(SINTER_HOST_CLANG) + " -c -x c++ -std=c++17 -w -fPIC" +
      (optimises ? " -O1" : " -O0") +
      " -fvisibility=hidden -gline-tables-only -fno-exceptions -fno-rtti -fno-threadsafe-statics "
      "-fno-math-errno -fdeclspec -fconvergent-functions" +
      " -femulated-tls -ferror-limit=8 -fsanitize=thread,alignment -fno-sanitize-link-runtime" +
      " -mllvm -tsan-instrument-func-entry-exit=0 -mllvm -tsan-instrument-read-before-write=1" +
      std::string(fuses ? " -ffp-contract=on" : " -ffp-contract=off") + extra;
  fs::path folder = cacheFolder();
  std::string key = keyOf(whole + compiler);
  fs::path image = folder / (key + ".so"), source = folder / (key + ".cu");
  std::error_code ignored;
  if (fs::exists(image, ignored)) {
    program.image = readFile(image);
    return success;
  }
  std::string own = key + "." + std::to_string(getpid()) + "." +
                    std::to_string(reinterpret_cast<uintptr_t>(&program));
  fs::path temporary = folder / (own + ".so"), log = folder / (own + ".log"),
           written = folder / (own + ".cu");
  size_t at = whole.find("#line 1 \"TEXT\"");
  whole.replace(at + 8, 6, "\"" + source.string() + ".txt\"");
  {
    std::ofstream(written, std::ios::binary) << whole;
    fs::path plain = written;
    std::ofstream(plain.string() + ".txt", std::ios::binary) << program.text;
  }
  fs::rename(written.string() + ".txt", source.string() + ".txt", ignored);
  // clang would start two processes for both.
  fs::path object = folder / (own + ".o");
  std::string command = "{ " + compiler + " -o " + quoted(object) + " " + quoted(written) +
                        " && " SINTER_HOST_LLD
                        " -shared --eh-frame-hdr --allow-shlib-undefined -o " +
                        quoted(temporary) + " " + quoted(object) + "; } > " + quoted(log) + " 2>&1";
  int status = std::system(command.c_str());
  program.log = readFile(log);
  fs::remove(log, ignored);
  fs::remove(object, ignored);
  if (status != 0) {
    return compilation;
  }
  fs::remove(written, ignored);
  program.image = readFile(temporary);
  fs::rename(temporary, image, ignored);
  return success;
}

Program *of(void *handle) { return static_cast<Program *>(handle); }

} // namespace

extern "C" {

const char *nvrtcGetErrorString(int code) {
  switch (code) {
  case success:
    return "NVRTC_SUCCESS";
  case invalidInput:
    return "NVRTC_ERROR_INVALID_INPUT";
  case invalidProgram:
    return "NVRTC_ERROR_INVALID_PROGRAM";
  case invalidOption:
    return "NVRTC_ERROR_INVALID_OPTION";
  case compilation:
    return "NVRTC_ERROR_COMPILATION";
  default:
    return "NVRTC_ERROR_OUT_OF_MEMORY";
  }
}

int nvrtcVersion(int *major, int *minor) {
  *major = 13;
  *minor = 0;
  return success;
}

int nvrtcGetNumSupportedArchs(int *count) {
  *count = 4;
  return success;
}

int nvrtcGetSupportedArchs(int *archs) {
  const int known[] = {80, 86, 90, 100};
  std::memcpy(archs, known, sizeof known);
  return success;
}

int nvrtcCreateProgram(void **program, const char *text, const char *name, int headers,
                       const char *const *, const char *const *) {
  if (!program || !text || headers != 0)
    return invalidInput;
  *program = new Program{text, name ? name : "default_program", {}, {}, {}};
  return success;
}

int nvrtcDestroyProgram(void **program) {
  if (!program || !*program)
    return invalidProgram;
  delete of(*program);
  *program = nullptr;
  return success;
}

int nvrtcCompileProgram(void *program, int count, const char *const *options) {
  if (!program)
    return invalidProgram;
  return compile(*of(program), std::vector<std::string>(options, options + count));
}

int nvrtcGetProgramLogSize(void *program, size_t *bytes) {
  *bytes = of(program)->log.size() + 1;
  return success;
}
int nvrtcGetProgramLog(void *program, char *log) {
  std::strcpy(log, of(program)->log.c_str());
  return success;
}
int nvrtcGetCUBINSize(void *program, size_t *bytes) {
  *bytes = of(program)->image.size();
  return success;
}
int nvrtcGetCUBIN(void *program, char *image) {
  std::memcpy(image, of(program)->image.data(), of(program)->image.size());
  return success;
}
int nvrtcGetPTXSize(void *program, size_t *bytes) {
  *bytes = sizeof "// This is machine code of a host.\n";
  (void)program;
  return success;
}
int nvrtcGetPTX(void *, char *ptx) {
  std::strcpy(ptx, "// This is machine code of a host.\n");
  return success;
}
}
