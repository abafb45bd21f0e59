// SPDX-License-Identifier: Apache-2.0
// Kernels written by hand, compiled and run by the fakes.
#pragma once

#include "sinter/runtime/CudaDriver.h"

#include <dlfcn.h>

#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

namespace sinter::test {

/// The fakes, with a context that is current as long as this lives.
class Bench {
public:
  Bench() {
    void *library = open(SINTER_TEST_FAKE_CUDA);
#define SINTER_FIND(member, symbol, parameters) find(library, #symbol, cuda.member);
    SINTER_CUDA_ENTRY_POINTS(SINTER_FIND)
#undef SINTER_FIND
    find(library, "sinterHostGpuForget", forget);
    library = open(SINTER_TEST_FAKE_NVRTC);
    find(library, "nvrtcCreateProgram", create);
    find(library, "nvrtcCompileProgram", compileProgram);
    find(library, "nvrtcDestroyProgram", destroy);
    find(library, "nvrtcGetProgramLogSize", logSize);
    find(library, "nvrtcGetProgramLog", log);
    find(library, "nvrtcGetCUBINSize", cubinSize);
    find(library, "nvrtcGetCUBIN", cubin);
    check(cuda.init(0));
    check(cuda.primaryContextRetain(&context, 0));
    check(cuda.contextPush(context));
    check(cuda.streamCreate(&stream, driver::streamNonBlocking));
  }
  ~Bench() {
    forget();
    for (driver::DevicePointer pointer : allocated)
      cuda.memFree(pointer);
    for (driver::Module module : modules)
      cuda.moduleUnload(module);
    cuda.streamDestroy(stream);
    cuda.contextPop(&context);
    cuda.primaryContextRelease(0);
  }

  driver::EntryPoints cuda;
  driver::Context context = nullptr;
  driver::Stream stream = nullptr;
  /// Forgets a fault, which no real driver can.
  void (*forget)() = nullptr;

  /// The compiler's messages are the exception's.
  std::string image(const std::string &text, const std::string &arch = "sm_90a") {
    void *program = nullptr;
    create(&program, text.c_str(), "kernels.cu", 0, nullptr, nullptr);
    std::string option = "--gpu-architecture=" + arch;
    const char *options[] = {"--std=c++17", "--fmad=false", option.c_str()};
    int code = compileProgram(program, 3, options);
    size_t bytes = 0;
    code == 0 ? cubinSize(program, &bytes) : logSize(program, &bytes);
    std::string result(bytes, '\0');
    code == 0 ? cubin(program, result.data()) : log(program, result.data());
    destroy(&program);
    if (code != 0)
      throw std::runtime_error(result);
    return result;
  }

  driver::Function kernel(const std::string &text, const char *name = "kernel") {
    std::string code = image(text);
    driver::Module module = nullptr;
    check(cuda.moduleLoadData(&module, code.data()));
    modules.push_back(module);
    driver::Function function = nullptr;
    check(cuda.moduleGetFunction(&function, module, name));
    return function;
  }

  driver::DevicePointer allocate(size_t bytes) {
    driver::DevicePointer pointer = 0;
    check(cuda.memAlloc(&pointer, bytes));
    allocated.push_back(pointer);
    return pointer;
  }
  template <typename T> driver::DevicePointer upload(const std::vector<T> &values) {
    driver::DevicePointer pointer = allocate(values.size() * sizeof(T));
    check(cuda.memcpyToDevice(pointer, values.data(), values.size() * sizeof(T), stream));
    return pointer;
  }
  template <typename T> std::vector<T> download(driver::DevicePointer pointer, size_t count) {
    std::vector<T> values(count);
    check(cuda.memcpyToHost(values.data(), pointer, count * sizeof(T), stream));
    check(cuda.streamSynchronize(stream));
    return values;
  }

  struct Shape {
    uint32_t blocks = 1, threads = 32, shared = 0, cluster = 1;
  };
  template <typename... A>
  driver::Result launch(driver::Function function, const Shape &shape, A... arguments) {
    void *parameters[] = {&arguments..., nullptr};
    driver::LaunchAttribute attribute;
    attribute.id = driver::LaunchAttribute::clusterDimension;
    attribute.value.clusterDim = {shape.cluster, 1, 1};
    driver::LaunchConfig config;
    config.gridX = shape.blocks;
    config.blockX = shape.threads;
    config.sharedBytes = shape.shared;
    config.stream = stream;
    config.attributes = &attribute;
    config.attributeCount = shape.cluster > 1 ? 1 : 0;
    if (shape.shared > 48 << 10)
      check(cuda.functionSetAttribute(function, driver::FunctionAttribute::MaxDynamicSharedBytes,
                                      static_cast<int32_t>(shape.shared)));
    driver::Result result = cuda.launchKernel(&config, function, parameters, nullptr);
    return result == driver::Result::Success ? cuda.streamSynchronize(stream) : result;
  }

  void check(driver::Result result) const {
    const char *name = nullptr;
    cuda.getErrorName(result, &name);
    if (result != driver::Result::Success)
      throw std::runtime_error(name ? name : "unknown result");
  }

private:
  static void *open(const char *path) {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library)
      throw std::runtime_error(dlerror());
    return library;
  }
  template <typename F> static void find(void *library, const char *name, F &function) {
    function = reinterpret_cast<F>(dlsym(library, name));
    if (!function)
      throw std::runtime_error(std::string("no ") + name);
  }

  int (*create)(void **, const char *, const char *, int, const char *const *,
                const char *const *) = nullptr;
  int (*compileProgram)(void *, int, const char *const *) = nullptr;
  int (*destroy)(void **) = nullptr;
  int (*logSize)(void *, size_t *) = nullptr;
  int (*log)(void *, char *) = nullptr;
  int (*cubinSize)(void *, size_t *) = nullptr;
  int (*cubin)(void *, char *) = nullptr;
  std::vector<driver::DevicePointer> allocated;
  std::vector<driver::Module> modules;
};

} // namespace sinter::test
