// SPDX-License-Identifier: Apache-2.0
// The way from a kernel's text to its machine code. What needs NVRTC skips without it, and says so.
#include "sinter/codegen/cpu/ObjectCache.h"
#include "sinter/codegen/cuda/CompileCuda.h"
#include "sinter/codegen/cuda/Cubin.h"
#include "sinter/codegen/cuda/Prelude.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <unistd.h>

using namespace sinter;
using namespace sinter::cuda;

namespace {

// -- Text -----------------------------------------------------------------------------------------

TEST(CudaText, PreludeHasEachPartOnceBehindWhatItNeeds) {
  std::vector<std::string_view> seen;
  for (const PreludePart &part : preludeParts()) {
    std::string_view needs = part.needs.substr(1);
    while (!needs.empty()) {
      std::string_view need = needs.substr(0, needs.find(','));
      EXPECT_NE(std::find(seen.begin(), seen.end(), need), seen.end())
          << part.name << " comes before " << need;
      needs.remove_prefix(need.size() + 1);
    }
    seen.push_back(part.name);
  }
  const std::string base = preludeText({}), reduce = preludeText({"Reduce"});
  EXPECT_NE(base.find("bitCast"), std::string::npos);
  EXPECT_EQ(base.find("blockReduce"), std::string::npos);
  EXPECT_NE(reduce.find("blockReduce"), std::string::npos);
  EXPECT_EQ(reduce.find("struct Half"), reduce.rfind("struct Half"));
  try {
    preludeText({"Recude"});
    ADD_FAILURE() << "a part that does not exist";
  } catch (const Error &error) {
    EXPECT_EQ(error.code(), ErrorCode::Internal);
  }
}

TEST(CudaText, CommentsLeaveAndLinesStay) {
  EXPECT_EQ(withoutComments("// a\nint x; // b\n  // c at f:1:2\n\nint y;\n"),
            "\nint x; // b\n\n\nint y;\n");
}

TEST(CudaText, LinesAreThoseOfTheUser) {
  const char *text = "// k: loop\n"
                     "//   add at a.cpp:3:1\n"
                     "void k() {\n"
                     "  for (;;) {\n"
                     "    // sub at dir with space/b.cpp:17:9\n"
                     "    x = 1;\n"
                     "    y = 2;\n"
                     "  }\n"
                     "  z = 3;\n"
                     "#pragma unroll\n"
                     "  // mul, mul at c\"d.cpp:5:1\n"
                     "  w = 4;\n"
                     "}\n";
  EXPECT_EQ(withLineDirectives(text), "#line 3 \"a.cpp\"\nvoid k() {\n"
                                      "#line 3 \"a.cpp\"\n  for (;;) {\n"
                                      "#line 17 \"dir with space/b.cpp\"\n    x = 1;\n"
                                      "#line 17 \"dir with space/b.cpp\"\n    y = 2;\n"
                                      "#line 3 \"a.cpp\"\n  }\n"
                                      "#line 3 \"a.cpp\"\n  z = 3;\n"
                                      "#pragma unroll\n"
                                      "#line 5 \"c\\\"d.cpp\"\n  w = 4;\n"
                                      "#line 3 \"a.cpp\"\n}\n");
  EXPECT_EQ(withLineDirectives("  // no place at all\n  x;\n"), "  x;\n");
  EXPECT_EQ(withLineDirectives("  // at a.cpp:0:1\n  x;\n"), "  x;\n");
}

// -- What fits a multiprocessor -------------------------------------------------------------------

TEST(CudaOccupancy, FollowsTheScarcestResource) {
  KernelResources kernel;
  kernel.registers = 32;
  EXPECT_EQ(occupancyOf("sm_80", kernel, 256, 0).blocks, 8); // 2048 threads
  EXPECT_EQ(occupancyOf("sm_80", kernel, 256, 0).limit, "warps");
  EXPECT_EQ(occupancyOf("sm_86", kernel, 256, 0).blocks, 6); // 1536 threads
  EXPECT_EQ(occupancyOf("sm_90a", kernel, 32, 0).blocks, 32);
  EXPECT_EQ(occupancyOf("sm_90a", kernel, 32, 0).limit, "blocks");
  kernel.registers = 65; // Eight more are given: 72 * 32 = 2304 a warp, 28 warps.
  EXPECT_EQ(occupancyOf("sm_90a", kernel, 128, 0).warps, 28);
  EXPECT_EQ(occupancyOf("sm_90a", kernel, 128, 0).limit, "registers");
  kernel.registers = 255;
  EXPECT_EQ(occupancyOf("sm_100", kernel, 256, 0).blocks, 1);
  kernel.registers = 32;
  kernel.sharedBytes = 1024;
  EXPECT_EQ(occupancyOf("sm_80", kernel, 128, 80 << 10).blocks, 2); // 164 KiB, 1 KiB each besides
  EXPECT_EQ(occupancyOf("sm_80", kernel, 128, 81 << 10).blocks, 1);
  EXPECT_EQ(occupancyOf("sm_90", kernel, 128, 81 << 10).blocks, 2);
  EXPECT_EQ(occupancyOf("sm_90", kernel, 128, 81 << 10).limit, "shared memory");
}

TEST(CudaCubin, OtherFilesHoldNoKernels) {
  EXPECT_TRUE(readCubin("").empty());
  EXPECT_TRUE(readCubin("no machine code").empty());
  EXPECT_TRUE(readCubin(std::string(64, '\0')).empty());
}

// -- NVRTC ----------------------------------------------------------------------------------------

/// A kernel that adds `number`.
CudaKernel adder(const std::string &name, int number) {
  return {name,
          {"\n// " + name + ": loop\n//   add at user.cpp:7:3\nextern \"C\" __global__ void " +
               name + "(float *x, const __grid_constant__ Sizes sizes, long long *status) {\n  x[" +
               "threadIdx.x] += " + std::to_string(number) + ";\n}\n",
           {}}};
}

class CudaCompile : public ::testing::Test {
protected:
  void SetUp() override {
    const char *wanted = std::getenv("SINTER_NVRTC");
    options.nvrtc = wanted ? wanted : "";
    options.arch = "sm_90a";
    try {
      nvrtc = Nvrtc::load(findNvrtc(options.nvrtc));
    } catch (const Error &error) {
      GTEST_SKIP() << "NVRTC was not found, nothing is compiled for a GPU by this run: "
                   << error.what();
    }
    folder = std::filesystem::temp_directory_path() /
             ("sinter-cuda-compile-" + std::to_string(getpid()));
    program.name = "test";
  }
  void TearDown() override { std::filesystem::remove_all(folder); }

  CompiledCuda compileCached(const std::vector<CudaKernel> &kernels) {
    cpu::ObjectCache cache(CacheOptions{.enabled = true, .folder = folder / "cache"});
    options.cache = &cache;
    CompiledCuda result = compileKernels(program, kernels, options);
    options.cache = nullptr;
    for (size_t i = 0; i < kernels.size(); ++i) {
      const auto held = readCubin(result.images.at(static_cast<size_t>(result.imageOf[i])));
      EXPECT_TRUE(std::any_of(held.begin(), held.end(), [&](const KernelResources &kernel) {
        return kernel.name == kernels[i].name;
      })) << kernels[i].name;
    }
    return result;
  }

  CompileCudaOptions options;
  Program program;
  std::shared_ptr<const Nvrtc> nvrtc;
  std::filesystem::path folder;
};

TEST_F(CudaCompile, EveryPartOfThePreludeCompilesAlone) {
  for (const char *arch : {"sm_80", "sm_90a", "sm_100"})
    for (const PreludePart &part : preludeParts())
      try {
        nvrtc->compile({"part.cu",
                        "struct Sizes {\n  long long at[1];\n};\n" +
                            preludeText({std::string(part.name)}) +
                            "extern \"C\" __global__ void k(float *x) { x[0] = 1; }\n",
                        arch, NvrtcResult::Ptx});
      } catch (const Nvrtc::Failure &failure) {
        ADD_FAILURE() << part.name << " for " << arch << ": " << failure.log;
      }
}

TEST_F(CudaCompile, OnlyWhatIsNewIsCompiled) {
  std::vector<CudaKernel> kernels;
  for (int i = 0; i < 5; ++i)
    kernels.push_back(adder("add" + std::to_string(i), i));
  EXPECT_EQ(compileCached(kernels).numCompiled, 5u);
  const CompiledCuda again = compileCached(kernels);
  EXPECT_EQ(again.numCompiled, 0u);
  EXPECT_EQ(again.times.load, 0); // Without the compiler.
  kernels[3] = adder("add3", 33);
  EXPECT_EQ(compileCached(kernels).numCompiled, 1u);
  const CompiledCuda mixed = compileCached(kernels);
  EXPECT_EQ(mixed.numCompiled, 0u);
  EXPECT_NE(mixed.imageOf[3], mixed.imageOf[2]); // Of the newer image, not the older one's add3.
  // Lines move: only where machine code has them is it another one.
  for (CudaKernel &kernel : kernels)
    kernel.source.text.replace(kernel.source.text.find("cpp:7"), 5, "cpp:8");
  EXPECT_EQ(compileCached(kernels).numCompiled, 0u);
  options.lineInfo = true;
  EXPECT_EQ(compileCached(kernels).numCompiled, 5u);
  EXPECT_EQ(compileCached(kernels).numCompiled, 0u);
  options.lineInfo = false;
  options.arch = "sm_80";
  EXPECT_EQ(compileCached(kernels).numCompiled, 5u);
}

// A library's bytes: neither the number of threads nor what the cache holds shows.
TEST_F(CudaCompile, ReproducibleImagesFollowFromTheKernels) {
  std::vector<CudaKernel> kernels;
  for (int i = 0; i < 11; ++i)
    kernels.push_back(adder("add" + std::to_string(i), i));
  compileCached({kernels[7], kernels[2]}); // In another company.
  options.reproducible = true;
  options.threads = 1;
  const CompiledCuda wanted = compileKernels(program, kernels, options);
  EXPECT_GT(wanted.images.size(), 1u);
  for (int threads : {1, 2, 16}) {
    options.threads = threads;
    for (const CompiledCuda &result : {compileKernels(program, kernels, options), compileCached(kernels)}) {
      EXPECT_EQ(result.images, wanted.images) << threads;
      EXPECT_EQ(result.imageOf, wanted.imageOf) << threads;
      EXPECT_EQ(result.numCompiled, result.times.load == 0 ? 0u : 11u);
    }
  }
}

TEST_F(CudaCompile, ManyKernelsAreSharedOutToPrograms) {
  std::vector<CudaKernel> kernels;
  for (int i = 0; i < 70; ++i)
    kernels.push_back(adder("add" + std::to_string(i), i));
  options.threads = 2;
  const CompiledCuda result = compileCached(kernels);
  EXPECT_EQ(result.numPrograms, 3u); // At most 32 each.
  std::map<int, int> count;
  for (int image : result.imageOf)
    ++count[image];
  for (auto [image, kernelsOf] : count)
    EXPECT_GE(kernelsOf, 20) << image;
}

TEST_F(CudaCompile, TextThatDoesNotCompileIsKept) {
  CudaKernel broken = adder("broken", 1);
  broken.source.text.replace(broken.source.text.find("+="), 2, "+?");
  for (bool lineInfo : {false, true}) {
    options.lineInfo = lineInfo;
    try {
      compileKernels(program, {adder("fine", 0), broken}, options);
      ADD_FAILURE() << "compiled";
    } catch (const Error &error) {
      EXPECT_EQ(error.code(), ErrorCode::Internal);
      const std::string hint = error.hint();
      const size_t at = hint.find(" is in ");
      ASSERT_NE(at, std::string::npos) << hint;
      const std::string path = hint.substr(at + 7), text = readFile(path);
      std::filesystem::remove(path);
      // The message names the line of the text that is kept.
      const auto line =
          1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(text.find("+?")),
                         '\n');
      EXPECT_NE(std::string(error.what()).find("test.cu(" + std::to_string(line) + ")"),
                std::string::npos)
          << error.what();
    }
  }
}

TEST_F(CudaCompile, UnknownArchitecturesAreRefused) {
  try {
    nvrtc->requireArch("sm_52");
    ADD_FAILURE() << "sm_52";
  } catch (const Error &error) {
    EXPECT_EQ(error.code(), ErrorCode::Unsupported);
    EXPECT_NE(error.hint().find("sm_90"), std::string::npos);
  }
}

TEST_F(CudaCompile, ResourcesAreThoseOfTheMachineCode) {
  const std::string text = R"(
extern "C" __global__ void plain(float *a, int n) {
  __shared__ float s[64];
  s[threadIdx.x % 64] = a[threadIdx.x];
  __syncthreads();
  a[n] = s[n % 64];
}
extern "C" __global__ void __launch_bounds__(1024, 2) spills(float *a, const float *b) {
  float v[48];
#pragma unroll
  for (int i = 0; i < 48; ++i)
    v[i] = b[threadIdx.x * 48 + i];
  __syncthreads();
#pragma unroll
  for (int i = 0; i < 48; ++i)
    v[i] = v[i] * v[(i * 7 + 1) % 48] + v[(i + 13) % 48];
#pragma unroll
  for (int i = 0; i < 48; ++i)
    a[threadIdx.x * 48 + i] = v[i];
}
)";
  for (const char *arch : {"sm_80", "sm_90a", "sm_100"}) {
    const std::string image = nvrtc->compile({"resources.cu", text, arch});
    const std::vector<KernelResources> kernels = readCubin(image);
    ASSERT_EQ(kernels.size(), 2u) << arch;
    EXPECT_EQ(kernels[0].name, "plain");
    EXPECT_EQ(kernels[0].sharedBytes, 256) << arch;
    EXPECT_EQ(kernels[0].stackBytes, 0);
    EXPECT_EQ(kernels[0].localLoads + kernels[0].localStores, 0);
    EXPECT_GT(kernels[0].registers, 4);
    EXPECT_LT(kernels[0].registers, 32);
    EXPECT_EQ(kernels[1].registers, 32) << arch;
    EXPECT_GT(kernels[1].stackBytes, 0) << arch;
    EXPECT_GT(kernels[1].localStores, 0);
    EXPECT_GT(kernels[1].localLoads, 0);
    EXPECT_EQ(kernels[1].sharedBytes, 0);
    // Whatever is wrong with a file, it is an error at most.
    for (size_t length = 0; length < image.size(); length += 97)
      try {
        readCubin(std::string_view(image).substr(0, length));
      } catch (const Error &) {
      }
    for (size_t at = 0; at < image.size(); at += at < 4096 ? 1 : 61) {
      std::string damaged = image;
      damaged[at] = static_cast<char>(~damaged[at]);
      try {
        readCubin(damaged);
      } catch (const Error &) {
      }
    }
  }
}

} // namespace
