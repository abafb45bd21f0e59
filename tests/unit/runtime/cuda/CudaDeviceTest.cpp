// SPDX-License-Identifier: Apache-2.0
// Launch plans, graphs, memory and variables of the GPU's device against a driver that records and
// checks.
#include "sinter/ir/base/Trace.h"
#include "tests/unit/runtime/cuda/CudaFixture.h"

#include <cstring>
#include <filesystem>
#include <thread>

namespace sinter::test {
namespace {

using Lines = std::vector<std::string>;

TEST_F(CudaFixture, CapturesAStepOnceAndReplaysIt) {
  Executable step = load(addProgram());
  State state = stateOf(step, 6);
  BoundCall call = step.bind(state, {{"x", ramp(6)}});
  // Inputs and the cleared status arrive together; the launch of no blocks is left out; outputs and
  // the status leave together.
  EXPECT_EQ(recording->lines("node "),
            (Lines{"node in 280", "node launch scale 1x64 shared 0",
                   "node launch add 2x64 shared 100000 cluster 2", "node launch add 2x64 shared 0",
                   "node copy 24", "node out 320"}));
  EXPECT_EQ(recording->lines("instantiate"), Lines{"instantiate 6"});
  EXPECT_EQ(recording->lines("attribute"),
            (Lines{"attribute scale 8 0", "attribute add 8 100000"}));

  recording->log.clear();
  call();
  // y = 3 x + 2, w = y + 2.
  EXPECT_EQ(values(call.outputs()[0]), (std::vector<float>{5, 8, 11, 14, 17, 20}));
  EXPECT_EQ(recording->lines("graph").size(), 1u);
  recording->log.clear();
  call();
  EXPECT_EQ(recording->log, (Lines{"graph", "wait"})) << "the second call is a replay alone";
  EXPECT_EQ(values(call.outputs()[0]), (std::vector<float>{10, 16, 22, 28, 34, 40}));
  EXPECT_EQ(values(state.get("w")), (std::vector<float>{17, 26, 35, 44, 53, 62}));
}

TEST_F(CudaFixture, CallsOfTheSameSizesShareAGraph) {
  Executable step = load(addProgram(false));
  State state = stateOf(step, 6);
  EXPECT_EQ(values(step(state, {{"x", ramp(6)}})[0])[0], 5);
  recording->log.clear();
  EXPECT_EQ(values(step(state, {{"x", ramp(6, 2)}})[0])[0], 8);
  EXPECT_EQ(recording->log, (Lines{"graph", "wait"}));

  // Other variables lie elsewhere: the same graph with other parameters.
  State other = stateOf(step, 6);
  recording->log.clear();
  EXPECT_EQ(values(step(other, {{"x", ramp(6)}})[0])[0], 5);
  EXPECT_EQ(recording->lines("update"), Lines{"update"});
  EXPECT_EQ(recording->lines("instantiate"), Lines());

  // Two calls at once have a graph and memory each.
  BoundCall first = step.bind(state, {{"x", ramp(6)}}), second = step.bind(state, {{"x", ramp(6)}});
  EXPECT_EQ(recording->live["exec"], 2);

  // Other sizes are another graph.
  State large = stateOf(step, 200);
  recording->log.clear();
  EXPECT_EQ(values(step(large, {{"x", ramp(200)}})[0])[3], 14);
  EXPECT_EQ(recording->lines("node launch scale"), Lines{"node launch scale 4x64 shared 0"});
  EXPECT_EQ(recording->lines("instantiate").size(), 1u);
}

TEST_F(CudaFixture, LargeArraysGoTheShortestWay) {
  const int64_t n = 40000; // 160 kB: too large to be gathered with the small ones
  Executable step = load(addProgram(false));
  State state = stateOf(step, n);
  auto direct = [&](const Array &array) {
    std::shared_ptr<void> memory = device->allocate(array.numBytes());
    std::memcpy(memory.get(), array.data(), static_cast<size_t>(array.numBytes()));
    void *data = memory.get();
    return Array::wrap(data, f32, array.sizes(), {}, memory);
  };
  Array pinnedInput = direct(ramp(n)), pinnedOutput = direct(ramp(n));
  BoundCall call = step.bind(state, {{"x", pinnedInput}}, {{"y", pinnedOutput}});
  EXPECT_EQ(recording->lines("node in"), (Lines{"node in 64", "node in 160000"}));
  EXPECT_EQ(recording->lines("node out"), (Lines{"node out 160000", "node out 64"}));
  call();
  EXPECT_EQ(values(pinnedOutput)[15], 3 * 16 + 2);

  // Ordinary memory, and every other element of it, by way of pinned memory.
  Array input = ramp(n), wide(f32, {n, 2}), output = wide.select(1, 1);
  step.bind(state, {{"x", input}}, {{"y", output}})();
  EXPECT_EQ(values(output), values(pinnedOutput));
  EXPECT_EQ(values(wide.select(1, 0))[7], 0);
}

TEST_F(CudaFixture, TheLargestArraysAreCopiedInParts) {
  const int64_t n = 5 << 20; // 20 MiB
  Executable step = load(addProgram(false));
  State state = stateOf(step, n);
  Array input = ramp(n), output(f32, {n});
  BoundCall call = step.bind(state, {{"x", input}}, {{"y", output}});
  recording->log.clear();
  call();
  // Five parts for x, five for w, which is new on the GPU, and the five of y.
  EXPECT_EQ(recording->lines("in 4194304").size(), 10u);
  EXPECT_EQ(recording->lines("out 4194304").size(), 5u);
  for (int64_t i = 0; i < n; i += 999'983)
    ASSERT_EQ(output.as<float>()[i], 3 * static_cast<float>(1 + i % 16) + 2) << i;
  EXPECT_EQ(output.as<float>()[n - 1], 3 * static_cast<float>(1 + (n - 1) % 16) + 2);
}

TEST_F(CudaFixture, EmptyArraysRun) {
  Executable step = load(addProgram());
  State state = stateOf(step, 0);
  recording->log.clear();
  std::vector<Array> outputs = step(state, {{"x", Array(f32, {0})}});
  EXPECT_EQ(outputs[0].numElements(), 0);
  EXPECT_EQ(recording->lines("node launch scale"), Lines());
}

// -- Variables ------------------------------------------------------------------------------------

TEST_F(CudaFixture, VariablesStayOnTheGpu) {
  Executable step = load(addProgram());
  Executable read = load(addProgram(false));
  State state = stateOf(step, 6);
  step(state, {{"x", ramp(6)}});
  recording->log.clear();
  for (int i = 0; i < 3; ++i)
    step(state, {{"x", ramp(6)}});
  EXPECT_EQ(copies(), 0u) << "beside what the graph copies";

  // y = 3 + w of the first element; w doubles and grows by 3.
  float w = 2;
  for (int i = 0; i < 4; ++i)
    w = 3 + w + w;
  Array live = state.get("w");
  EXPECT_EQ(live.as<float>()[0], w);
  // What is written to the live array by the next call counts.
  live.as<float>()[0] = 100;
  EXPECT_EQ(values(read(state, {{"x", ramp(6)}})[0])[0], 103);
  step(state, {{"x", ramp(6)}});
  EXPECT_EQ(live.as<float>()[0], 100) << "only get() brings it back";
  EXPECT_EQ(values(state.get("w"))[0], 203);
  EXPECT_EQ(live.as<float>()[0], 203) << "the same array";

  // set() replaces it without a look at the old value.
  step(state, {{"x", ramp(6)}});
  recording->log.clear();
  state.set("w", ramp(6, 50));
  EXPECT_EQ(copies(), 0u);
  EXPECT_EQ(values(read(state, {{"x", ramp(6)}})[0])[0], 53);
}

TEST_F(CudaFixture, SavedAndRestored) {
  Executable step = load(addProgram());
  State state = stateOf(step, 6);
  std::filesystem::path file = std::filesystem::temp_directory_path() /
                               ("sinter-cuda-state-" + std::to_string(getpid()) + ".npz");
  step(state, {{"x", ramp(6)}});
  state.save(file);
  EXPECT_EQ(readNpz(file).at("w").as<float>()[0], 7);
  recording->log.clear();
  step(state, {{"x", ramp(6)}});
  EXPECT_EQ(copies(), 0u) << "saving leaves the variables on the GPU";
  state.load(file);
  EXPECT_EQ(values(step(state, {{"x", ramp(6)}})[0])[0], 10);
  std::filesystem::remove(file);
}

TEST_F(CudaFixture, SharesAStateWithTheCpu) {
  Executable gpu = load(addProgram());
  auto interpret = [](const std::vector<Array> &arguments, const DimBinding &) {
    Array y(f32, arguments[0].sizes()), w(f32, arguments[0].sizes());
    for (int64_t i = 0; i < y.numElements(); ++i) {
      y.as<float>()[i] = 3 * arguments[0].as<float>()[i] + arguments[1].as<float>()[i];
      w.as<float>()[i] = y.as<float>()[i] + arguments[1].as<float>()[i];
    }
    return std::vector<Array>{y, w};
  };
  Executable cpu({.program = addProgram(), .interpreter = interpret}, CpuDevice::shared(1));
  State state = stateOf(gpu, 6), expected = stateOf(gpu, 6);
  for (int i = 0; i < 6; ++i) {
    const Executable &mine = i % 2 || i == 2 ? cpu : gpu;
    EXPECT_EQ(values(mine(state, {{"x", ramp(6)}})[0]), values(cpu(expected, {{"x", ramp(6)}})[0]))
        << i;
  }
  EXPECT_EQ(values(state.get("w")), values(expected.get("w")));

  // Two GPUs hand it over as well.
  auto second = std::make_shared<CudaDevice>(options());
  Executable other({.program = addProgram()}, second);
  for (int i = 0; i < 4; ++i)
    EXPECT_EQ(values((i % 2 ? other : gpu)(state, {{"x", ramp(6)}})[0]),
              values(cpu(expected, {{"x", ramp(6)}})[0]));
}

TEST_F(CudaFixture, AStateOutlivesItsDevice) {
  std::optional<State> state;
  {
    Executable step = load(addProgram());
    state = stateOf(step, 6);
    step(*state, {{"x", ramp(6)}});
    device.reset();
  }
  EXPECT_EQ(values(state->get("w"))[0], 7);
}

TEST_F(CudaFixture, SeveralThreadsCallAtOnce) {
  Executable read = load(addProgram(false));
  State state = stateOf(read, 6);
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 20; ++i)
        if (values(read(state, {{"x", ramp(6, float(t))}})[0])[0] != 3.0f * float(t) + 2)
          ++wrong;
    });
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_EQ(wrong.load(), 0);
}

// -- Tensor maps, clocks, checks ------------------------------------------------------------------

TEST_F(CudaFixture, DescribesTensorsToTheCopyEngine) {
  auto program = addProgram(false);
  DimExpr n = dim("N");
  auto &launch = std::get<Launch>(program->steps[0]);
  launch.grid.maps = {{.buffer = 0,
                       .dtype = f32,
                       .sizes = {16, ceilDiv(n, 16)},
                       .strides = {64},
                       .box = {8, 4},
                       .swizzleBytes = 32}};
  program->steps.erase(program->steps.begin() + 1);
  bool seen = false;
  recording->kernels["scale"] = {
      {8, 8, 8, sizeof(driver::EncodedTensorMap), 16, 8},
      [&](const driver::LaunchConfig &, void *const *values) {
        auto *map = static_cast<const driver::EncodedTensorMap *>(values[3]);
        seen = map->opaque[0] == *static_cast<driver::DevicePointer *>(values[0]) &&
               map->opaque[1] == 16 && static_cast<int64_t *>(values[4])[0] == 64;
        std::memset(Parameters::at<float>(values[2]), 0, 256);
      }};
  Executable step = load(program);
  State state = stateOf(step, 64);
  step(state, {{"x", ramp(64)}});
  EXPECT_EQ(recording->lines("map"), Lines{"map type 7 16/8 4/4@64 swizzle 1"});
  EXPECT_TRUE(seen);

  auto tooLarge = std::make_shared<Program>(*program);
  std::get<Launch>(tooLarge->steps[0]).grid.maps[0].sizes[1] = n;
  Executable damaged = load(tooLarge);
  EXPECT_NE(errorOf(
                [&] {
                  damaged(state, {{"x", ramp(64)}});
                },
                ErrorKind::Device, ErrorCode::Device)
                .find("a tensor map of kernel 'scale' (mul at model.cpp:15:7) exceeds its buffer"),
            std::string::npos);
}

TEST_F(CudaFixture, MeasuresWithoutCopies) {
  Executable step = load(addProgram());
  State state = stateOf(step, 6);
  BoundCall call = step.bind(state, {{"x", ramp(6)}});
  std::vector<double> times = call.measure(3);
  EXPECT_EQ(times, (std::vector<double>{0.5, 0.5, 0.5}));
  EXPECT_EQ(recording->lines("instantiate"), (Lines{"instantiate 6", "instantiate 4"}));
  EXPECT_EQ(recording->lines("graph").size(), 4u);
}

TEST_F(CudaFixture, ATraceHasThePartsOfACall) {
  open();
  auto trace = std::make_shared<Trace>();
  Executable step({.program = addProgram(), .trace = trace}, device);
  State state = stateOf(step, 6);
  EXPECT_EQ(values(step(state, {{"x", ramp(6)}})[0])[0], 5);
  Lines names;
  for (const Trace::Event &event : trace->events())
    names.push_back(event.name);
  EXPECT_EQ(names, (Lines{"call", "copy inputs", "kernels on the GPU", "copy outputs"}));
}

TEST_F(CudaFixture, CheckedKernelsRunOneByOne) {
  open(/*check=*/true);
  Executable step = load(addProgram());
  State state = stateOf(step, 6);
  EXPECT_EQ(values(step(state, {{"x", ramp(6)}})[0])[0], 5);
  EXPECT_EQ(values(step(state, {{"x", ramp(6)}})[0])[0], 10);
  EXPECT_EQ(recording->lines("begin"), Lines());
  // Every buffer has a block of its own size: x, y and both intermediates, twice, and w once.
  EXPECT_EQ(recording->lines("alloc 24").size(), 9u);
}

} // namespace
} // namespace sinter::test
