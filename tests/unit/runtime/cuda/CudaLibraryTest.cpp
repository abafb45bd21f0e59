// SPDX-License-Identifier: Apache-2.0
// A GPU's library artifact on the device half of the runtime alone.
#include "tests/unit/runtime/cuda/CudaFixture.h"

#include "sinter/codegen/cuda/CudaLibrary.h"
#include "sinter/runtime/LibraryLoader.h"

#include <cstdlib>
#include <filesystem>

namespace sinter::test {
namespace {

namespace fs = std::filesystem;

class CudaLibraryTest : public CudaFixture {
protected:
  CudaLibraryTest() {
    std::string name = (fs::temp_directory_path() / "sinter-cuda-library-XXXXXX").string();
    folder = mkdtemp(name.data());
  }
  ~CudaLibraryTest() override { fs::remove_all(folder); }

  fs::path write() {
    auto program = addProgram();
    program->name = "add";
    // As the driver reads it: with a zero at the end.
    program->images = {std::string("image\0", 6)};
    cuda::writeLibrary(*program, folder / "libadd.so");
    return folder / "libadd.so";
  }
  std::string refusal(const fs::path &path) {
    return errorOf([&] { loadLibrary(path, {.device = device}); }, ErrorKind::Device,
                   ErrorCode::Device);
  }

  fs::path folder;
};

TEST_F(CudaLibraryTest, RunsAsTheProgramDoes) {
  open();
  Executable loaded = loadLibrary(write(), {.device = device}), direct = load(addProgram());
  State state = stateOf(loaded, 6), other = stateOf(direct, 6);
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(values(loaded(state, {{"x", ramp(6)}})[0]),
              values(direct(other, {{"x", ramp(6)}})[0]));
  EXPECT_EQ(values(state.get("w")), values(other.get("w")));
}

TEST_F(CudaLibraryTest, NeedsTheGpuThatItIsFor) {
  recording->major = 8;
  open();
  EXPECT_NE(refusal(write()).find("code for sm_90a does not run on 'Recorder'"), std::string::npos);
  device.reset();
  // Without a device: the shared GPU, of which there is none.
  setenv("SINTER_CUDA_DRIVER", (folder / "none.so").c_str(), 1);
  EXPECT_NE(refusal(write()).find("there is no NVIDIA driver"), std::string::npos);
  unsetenv("SINTER_CUDA_DRIVER");
}

TEST_F(CudaLibraryTest, DamageIsNoticed) {
  open();
  std::string bytes = readFile(write());
  const size_t at = bytes.find("sinter-program");
  ASSERT_NE(at, std::string::npos);
  // Whatever a byte of the description says instead, there is an error or a call that could run.
  for (size_t i = 0; i < 1500; i += 23) {
    std::string damaged = bytes;
    damaged[at + i] = static_cast<char>('0' + i % 10);
    writeFileAtomically(folder / "damaged.so", damaged);
    try {
      Executable loaded = loadLibrary(folder / "damaged.so", {.device = device});
      State state(loaded.program().arguments, 0, {{"N", 6}});
      loaded.bind(state, {{"x", ramp(6)}});
    } catch (const Error &error) {
      EXPECT_NE(error.kind(), ErrorKind::Internal) << error.what();
    }
  }
}

} // namespace
} // namespace sinter::test
