// SPDX-License-Identifier: Apache-2.0
// Runs the library that Train.cpp wrote, with the runtime alone, and comes to the same bits.
#include <sinter/runtime.h>

#include <cstdio>
#include <cstring>
#include <string>

using namespace sinter;

int main(int argc, char **argv) {
  if (argc < 2) {
    try {
      loadLibrary("no library");
    } catch (const Error &error) {
      std::printf("%s\n", error.what());
      return error.code() == ErrorCode::FileAccess ? 0 : 1;
    }
    return 1;
  }
  std::string library = argv[1];
  Executable train = loadLibrary(library);
  State state(train.program().arguments);
  state.load(library + ".npz");
  Array points(f32, {200, 2}), labels(i32, {200});
  for (int64_t i = 0; i < 200; ++i) {
    float a = static_cast<float>((i * 37) % 101) / 101 - 0.5f;
    float b = static_cast<float>((i * 53) % 97) / 97 - 0.5f;
    points.as<float>()[2 * i] = a;
    points.as<float>()[2 * i + 1] = b;
    labels.as<int32_t>()[i] = a + b > 0;
  }
  BoundCall step = train.bind(state, {{"x", points}, {"y", labels}});
  for (int i = 0; i < 201; ++i)
    step();
  ArrayMap wanted = readNpz(library + ".trained.npz");
  for (const auto &[name, value] : wanted) {
    Array got = state.get(name);
    if (got.numBytes() != value.numBytes() || std::memcmp(got.data(), value.data(), value.numBytes()) != 0) {
      std::printf("%s differs from what the compiler's process had\n", name.c_str());
      return 1;
    }
  }
  std::printf("%zu variables with the same bits\n", wanted.size());
  return wanted.empty() ? 1 : 0;
}
