// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/runtime/HandProgram.h"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>
#include <unistd.h>

using namespace sinter;
using namespace sinter::test;

namespace {

std::vector<Argument> variables() {
  return {{.name = "x", .shape = {dim("N")}},
          {.name = "w",
           .kind = ArgumentKind::Parameter,
           .shape = {4, 5},
           .init = {InitSpec::Kind::Uniform, -1, 1}},
          {.name = "v",
           .kind = ArgumentKind::Parameter,
           .dtype = f64,
           .shape = {1000},
           .init = {InitSpec::Kind::Normal, 3, 0.5}},
          {.name = "step",
           .kind = ArgumentKind::State,
           .dtype = i64,
           .shape = {},
           .init = {InitSpec::Kind::Constant, 7, 0}}};
}

struct TemporaryFile {
  std::string suffix = ".npz";
  std::filesystem::path path = std::filesystem::temp_directory_path() /
                               ("sinter-state-" + std::to_string(getpid()) + suffix);
  ~TemporaryFile() { std::filesystem::remove(path); }
};

TEST(StateTest, DrawsInitialValues) {
  State state(variables(), 1);
  EXPECT_EQ(state.names(), (std::vector<std::string>{"step", "v", "w"}));
  EXPECT_EQ(state.get("step").item<int64_t>(), 7);
  double mean = 0;
  for (double value : state.get("v").toVector<double>())
    mean += value / 1000;
  EXPECT_NEAR(mean, 3, 0.1);
  for (float value : state.get("w").toVector<float>()) {
    EXPECT_GE(value, -1);
    EXPECT_LT(value, 1);
  }
}

TEST(StateTest, ValuesDependOnSeedAndNameOnly) {
  std::vector<Argument> all = variables();
  State one(all, 1), again({all[1]}, 1), other(all, 2);
  EXPECT_EQ(one.get("w").toVector<float>(), again.get("w").toVector<float>());
  EXPECT_NE(one.get("w").toVector<float>(), other.get("w").toVector<float>());
  all[1].name = "u";
  EXPECT_NE(one.get("w").toVector<float>(), State(all, 1).get("u").toVector<float>());
}

TEST(StateTest, AddKeepsWhatItHolds) {
  std::vector<Argument> all = variables();
  State state({all[1]}, 1);
  state.set("w", Array(f32, {4, 5}));
  state.add(all);
  EXPECT_EQ(state.get("w").at({0, 0}), 0);
  EXPECT_EQ(state.get("v").toVector<double>(), State(all, 1).get("v").toVector<double>());
  all[1].shape = {4, 6};
  EXPECT_NE(errorOf([&] { state.add(all); }).find("'w' is f32[4, 5], not f32[4, 6]"),
            std::string::npos);
}

TEST(StateTest, SetChecksAndCopies) {
  State state(variables(), 1);
  Array value(f32, {5, 4});
  state.set("w", value.transpose());
  EXPECT_EQ(state.get("w").at({3, 4}), 0);
  errorOf([&] { state.set("w", value); });
  errorOf([&] { state.set("w", Array(f64, {4, 5})); });
  EXPECT_NE(errorOf([&] { state.set("setp", value); }).find("did you mean 'step'?"),
            std::string::npos);
}

class StateFiles : public testing::TestWithParam<const char *> {};

TEST_P(StateFiles, SavesAndLoads) {
  TemporaryFile file{GetParam()};
  State state(variables(), 1), other(variables(), 2);
  state.save(file.path);
  other.load(file.path);
  EXPECT_EQ(state.get("w").toVector<float>(), other.get("w").toVector<float>());
  EXPECT_EQ(state.get("v").toVector<double>(), other.get("v").toVector<double>());

  State fewer({variables()[1]}, 3);
  std::vector<float> before = fewer.get("w").toVector<float>();
  errorOf([&] { fewer.load(file.path); });
  fewer.save(file.path);
  EXPECT_NE(errorOf([&] { state.load(file.path); }).find("no value for 'step'"), std::string::npos);
  EXPECT_EQ(fewer.get("w").toVector<float>(), before);
  errorOf([&] { state.load("/nonexistent/p.npz"); }, ErrorKind::User, ErrorCode::FileAccess);
  errorOf([&] { state.save("/dev/full"); }, ErrorKind::User, ErrorCode::FileAccess);
}

INSTANTIATE_TEST_SUITE_P(Suffixes, StateFiles, testing::Values(".npz", ".safetensors"),
                         [](const auto &info) { return std::string(info.param).substr(1); });

TEST(StateTest, ADamagedFileChangesNothing) {
  TemporaryFile file{".safetensors"};
  std::vector<Argument> all = {variables()[1], variables()[3]};
  State(all, 1).save(file.path);
  std::string good = readFile(file.path);
  State state(all, 2);
  std::vector<float> before = state.get("w").toVector<float>();
  std::vector<float> saved = State(all, 1).get("w").toVector<float>();
  // What loads all the same says the same; for the rest nothing has changed.
  int refused = 0;
  auto expectAllOrNothing = [&](const std::string &bytes) {
    std::filesystem::remove(file.path);
    std::ofstream(file.path, std::ios::binary) << bytes;
    try {
      state.load(file.path);
      ASSERT_EQ(state.get("w").toVector<float>(), saved);
      ASSERT_EQ(state.get("step").item<int64_t>(), 7);
      state.set("w", Array::from(before, {4, 5}));
    } catch (const Error &) {
      ++refused;
      ASSERT_EQ(state.get("w").toVector<float>(), before);
    }
  };
  for (size_t length = 0; length < good.size(); ++length)
    expectAllOrNothing(good.substr(0, length));
  EXPECT_EQ(refused, static_cast<int>(good.size())) << "every truncation";
  size_t header = good.size() - 4 * 20 - 8;
  for (size_t i = 0; i < header; ++i)
    for (int flip : {0x01, 0x02, 0x08, 0x20, 0x80, 0xff}) {
      std::string bad = good;
      bad[i] = static_cast<char>(bad[i] ^ flip);
      expectAllOrNothing(bad);
    }
}

TEST(StateTest, ValuesAreCopies) {
  State state(variables(), 1);
  ArrayMap values = state.values();
  EXPECT_EQ(values.size(), 3u);
  values.at("w").fill(0);
  EXPECT_NE(state.get("w").at({0, 0}), 0);
  state.set("w", values.at("w"));
  EXPECT_EQ(state.get("w").at({0, 0}), 0);
}

TEST(StateTest, SymbolicVariablesNeedASize) {
  std::vector<Argument> arguments = {
      {.name = "w", .kind = ArgumentKind::Parameter, .shape = {dim("M")}}};
  errorOf([&] { State state(arguments); });
  EXPECT_EQ(State(arguments, 0, {{"M", 3}}).get("w").sizes(), (std::vector<int64_t>{3}));
}

/// Calls that wait inside the interpreter until told to go on.
struct Gate {
  std::atomic<int> inside{0};
  std::atomic<bool> open{false};
  Executable executable(bool updates) {
    auto program = std::make_shared<Program>();
    program->arguments = {{.name = "w", .kind = ArgumentKind::Parameter, .shape = {2}}};
    program->results = {{.name = "y", .shape = {2}}};
    if (updates)
      program->results.push_back({.shape = {2}, .updates = 0});
    return Executable(
        {.program = program,
         .interpreter =
             [this, updates](const std::vector<Array> &arguments, const DimBinding &) {
               ++inside;
               while (!open)
                 std::this_thread::yield();
               return std::vector<Array>(updates ? 2 : 1, arguments[0]);
             }},
        CpuDevice::shared(2));
  }
};

TEST(StateTest, ConcurrentUseDuringAnUpdateIsRefused) {
  for (bool firstUpdates : {true, false})
    for (bool secondUpdates : {true, false}) {
      Gate gate, passed;
      passed.open = true;
      Executable first = gate.executable(firstUpdates), second = passed.executable(secondUpdates);
      State state(first.program().arguments);
      std::thread thread([&] { first(state, {}); });
      while (gate.inside == 0)
        std::this_thread::yield();
      if (firstUpdates || secondUpdates) {
        std::string text = errorOf([&] { second(state, {}); });
        EXPECT_NE(text.find("State"), std::string::npos);
      } else {
        second(state, {});
      }
      gate.open = true;
      thread.join();
      second(state, {});
    }
}

TEST(StateTest, BoundCallIsNotReentrant) {
  Gate gate;
  Executable exe = gate.executable(false);
  State state(exe.program().arguments);
  BoundCall call = exe.bind(state, {});
  std::thread thread([&] { call(); });
  while (gate.inside == 0)
    std::this_thread::yield();
  EXPECT_NE(errorOf([&] { call(); }).find("already running"), std::string::npos);
  gate.open = true;
  thread.join();
}

} // namespace
