// SPDX-License-Identifier: Apache-2.0
// The checked C interface of libraries against what the process itself computes: states are the
// bits of sinter::State, calls those of compile(), files those that State reads and writes.
#include <sinter/sinter.h>

#include "sinter/ir/base/ArrayFiles.h"
#include "tests/unit/runtime/AllocationCounter.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstring>
#include <dlfcn.h>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

/// The C structs, out of the way of those of Program.h.
namespace capi {
#include "sinter/codegen/cpu/support/ProgramAbi.h"
} // namespace capi

using namespace sinter;

// The same structs and numbers on either side.
static_assert(sizeof(capi::SinterStatus) == sizeof(SinterStatus));
static_assert(sizeof(capi::SinterContext) == sizeof(SinterContext));
static_assert(offsetof(capi::SinterContext, status) == offsetof(SinterContext, status));
static_assert(capi::SINTER_INDEX_OUT_OF_RANGE == static_cast<int>(StatusCode::IndexOutOfRange));
static_assert(capi::SINTER_NON_FINITE == static_cast<int>(StatusCode::NonFinite));
static_assert(SINTER_ALIGNMENT == bufferAlignment);
static_assert(capi::SINTER_F32 == static_cast<int>(f32) &&
              capi::SINTER_F64 == static_cast<int>(f64));
static_assert(capi::SINTER_I32 == static_cast<int>(i32) &&
              capi::SINTER_I64 == static_cast<int>(i64));
static_assert(capi::SINTER_BOOL == static_cast<int>(boolean));
static_assert(capi::SINTER_F16 == static_cast<int>(f16) &&
              capi::SINTER_BF16 == static_cast<int>(bf16));
static_assert(capi::SINTER_I8 == static_cast<int>(i8) && capi::SINTER_I16 == static_cast<int>(i16));
static_assert(capi::SINTER_U8 == static_cast<int>(u8) && capi::SINTER_U16 == static_cast<int>(u16));
static_assert(capi::SINTER_U32 == static_cast<int>(u32) &&
              capi::SINTER_U64 == static_cast<int>(u64));
namespace fs = std::filesystem;

namespace {

class Folder {
public:
  Folder() {
    std::string pattern = (fs::temp_directory_path() / "sinter-interface-XXXXXX").string();
    EXPECT_NE(mkdtemp(pattern.data()), nullptr);
    path = pattern;
  }
  ~Folder() { fs::remove_all(path); }
  fs::path path;
};

/// Memory of the caller, aligned as the interface wants it.
class Block {
public:
  explicit Block(int64_t bytes) : array(u8, {bytes + 1}), bytes(bytes) {}
  void *data() const { return array.data(); }
  std::string content() const {
    return {static_cast<const char *>(array.data()), static_cast<size_t>(bytes)};
  }

private:
  Array array;

public:
  int64_t bytes;
};

/// A program of a shared library through its C functions.
class Library {
public:
  Library(const fs::path &path, std::string name) : name(std::move(name)) {
    handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    EXPECT_NE(handle, nullptr) << dlerror();
  }
  ~Library() { dlclose(handle); }
  Library(const Library &) = delete;
  Library &operator=(const Library &) = delete;

  template <typename Result, typename... Parameters>
  Result operator()(const char *function, Parameters... values) const {
    auto found =
        reinterpret_cast<Result (*)(Parameters...)>(dlsym(handle, (name + "_" + function).c_str()));
    EXPECT_NE(found, nullptr) << function;
    return found(values...);
  }

  int32_t call(const capi::SinterCall &made) {
    return (*this).operator()<int32_t>("call", &made, &report);
  }
  int32_t init(const Block &state, uint64_t seed, const int64_t *dims = nullptr) {
    return (*this).operator()<int32_t>("state_init", state.data(), state.bytes, dims, seed,
                                       &report);
  }
  int32_t load(const Block &state, const fs::path &path) {
    return (*this).operator()<int32_t>("state_load", state.data(), path.c_str(), &report);
  }
  int32_t save(const Block &state, const fs::path &path) {
    return (*this).operator()<int32_t>("state_save", state.data(), path.c_str(), &report);
  }
  int64_t stateBytes(const int64_t *dims = nullptr) const {
    return (*this).operator()<int64_t>("state_bytes", dims);
  }
  int64_t arenaNeed(const int64_t *dims, int64_t workers) const {
    return (*this).operator()<int64_t>("arena_need", dims, workers);
  }
  std::string text() const {
    char buffer[500];
    (*this).operator()<int64_t>("error_text", &report, buffer, int64_t{500});
    return buffer;
  }
  /// The variable as an array that lies in the state.
  Array variable(const Block &state, int64_t index) {
    capi::SinterTensor tensor;
    EXPECT_EQ(((*this).operator()<int32_t>("state_tensor", state.data(), index, &tensor, &report)),
              capi::SINTER_OK)
        << text();
    return Array::wrap(tensor.data, static_cast<DType>(tensor.dtype),
                       {tensor.sizes, tensor.sizes + tensor.rank});
  }

  capi::SinterReport report{};

private:
  std::string name;
  void *handle;
};

capi::SinterTensor tensorOf(const Array &array) {
  return capi::sinterTensor(array.data(), static_cast<int64_t>(array.dtype()), array.sizes().data(),
                            array.rank());
}

bool sameBits(const Array &a, const Array &b) {
  return a.dtype() == b.dtype() && a.sizes() == b.sizes() &&
         std::memcmp(a.data(), b.data(), static_cast<size_t>(a.numBytes())) == 0;
}

/// A network with AdamW, and variables of every kind besides.
struct Model {
  Graph g;
  Tensor loss, correct;
  Updates step;
  std::vector<std::string> names; ///< Of the variables of `step`, in order.

  Model() {
    Tensor x = g.placeholder("x", f32, {dim("N"), 24}), y = g.placeholder("y", i32, {dim("N")});
    Tensor w1 = g.parameter("hidden/weight", f32, {24, 32}, init::kaimingNormal());
    Tensor b1 = g.parameter("hidden/bias", f32, {32}, init::zeros());
    Tensor w2 = g.parameter("out/weight", f32, {32, 10}, init::xavierUniform());
    Tensor b2 = g.parameter("out/bias", f32, {10}, init::constant(0.25));
    Tensor logits = relu(x.matmul(w1) + b1).matmul(w2) + b2;
    loss = softmaxCrossEntropy(logits, y).mean();
    correct = equal(argmax(logits, 1), y.cast(i64)).cast(f32).sum();
    std::vector<Tensor> parameters = {w1, b1, w2, b2};
    step = optim::adamW({.learningRate = 1e-2}).updates(parameters, gradients(loss, parameters));
    g.output("loss", loss);
    g.output("correct", correct);
  }

  /// The program's interface id is in its header only.
  static uint64_t interfaceOf(const fs::path &header) {
    std::string text = readFile(header);
    size_t at = text.find("_INTERFACE UINT64_C(0x");
    EXPECT_NE(at, std::string::npos);
    return std::stoull(text.substr(at + 22, 16), nullptr, 16);
  }
};

Array features(int64_t n) {
  Array x(f32, {n, 24});
  for (int64_t i = 0; i < x.numElements(); ++i)
    x.as<float>()[i] = static_cast<float>((i * 37 + 11) % 101) / 50.0f - 1;
  return x;
}
Array labels(int64_t n) {
  Array y(i32, {n});
  for (int64_t i = 0; i < n; ++i)
    y.as<int32_t>()[i] = static_cast<int32_t>(i * 7 % 10);
  return y;
}

std::vector<std::string> variableNames(const Executable &executable) {
  std::vector<std::string> names;
  for (const Argument &argument : executable.program().arguments)
    if (argument.kind != ArgumentKind::Placeholder)
      names.push_back(argument.name);
  return names;
}

/// The training step as a library, the same in the process, and a call that fits both.
class Training : public testing::Test {
protected:
  void SetUp() override {
    options = {.outputs = {model.loss}, .updates = model.step};
    compileToLibrary(model.g, folder.path / "libstep.so", options);
    library.emplace(folder.path / "libstep.so", "step");
    executable.emplace(compile(model.g, options));
    names = variableNames(*executable);
    interfaceId = Model::interfaceOf(folder.path / "libstep.h");
  }

  void prepare(capi::SinterCall &call, const Block &state, const Block &arena) {
    inputs[0] = tensorOf(x);
    inputs[1] = tensorOf(y);
    outputs[0] = tensorOf(loss);
    call = {};
    call.interfaceId = interfaceId;
    call.inputs = inputs;
    call.outputs = outputs;
    call.state = state.data();
    call.arena = arena.data();
    call.arenaBytes = arena.bytes;
  }
  void expectSame(const Block &state, const State &wanted) {
    for (size_t i = 0; i < names.size(); ++i)
      EXPECT_TRUE(sameBits(library->variable(state, static_cast<int64_t>(i)), wanted.get(names[i])))
          << names[i];
  }

  Folder folder;
  Model model;
  CompileOptions options;
  std::optional<Library> library;
  std::optional<Executable> executable;
  std::vector<std::string> names;
  uint64_t interfaceId = 0;
  Array x = features(50), y = labels(50), loss{f32, {}};
  capi::SinterTensor inputs[2], outputs[1];
};

} // namespace

TEST_F(Training, HasTheBitsOfTheProcessOnAnyNumberOfThreads) {
  int64_t dims[] = {50};
  for (int64_t workers : {1, 2, 3}) {
    SCOPED_TRACE(workers);
    Block state(library->stateBytes()), arena(library->arenaNeed(dims, workers));
    ASSERT_EQ(library->init(state, 3), capi::SINTER_OK) << library->text();
    State wanted(model.g, 3);
    expectSame(state, wanted);
    Block memory((*library).operator()<int64_t>("threads_bytes", workers));
    capi::SinterThreads threads;
    ASSERT_EQ(((*library).operator()<int32_t>("threads_start", &threads, memory.data(),
                                              memory.bytes, workers, &library->report)),
              capi::SINTER_OK);
    capi::SinterCall call;
    prepare(call, state, arena);
    call.threads = &threads;
    for (int i = 0; i < 20; ++i) {
      int64_t before = test::allocationCount();
      int32_t code = library->call(call);
      EXPECT_EQ(test::allocationCount(), before); // Nothing on the heap.
      ASSERT_EQ(code, capi::SINTER_OK) << library->text();
      Array expected = (*executable)(wanted, {{"x", x}, {"y", y}}).at(0);
      ASSERT_TRUE(sameBits(loss, expected)) << i;
    }
    expectSame(state, wanted);
    EXPECT_EQ(((*library).operator()<int32_t>("threads_stop", &threads, &library->report)),
              capi::SINTER_OK);
  }
  if (test::countsAllocations())
    EXPECT_GT(test::allocationCount(), 0); // What found nothing can find something.
}

TEST_F(Training, StatesGoThroughFilesOfEitherKind) {
  Block state(library->stateBytes()), other(library->stateBytes());
  ASSERT_EQ(library->init(state, 3), capi::SINTER_OK);
  ASSERT_EQ(library->init(other, 4), capi::SINTER_OK);
  ASSERT_EQ(library->save(state, folder.path / "s.safetensors"), capi::SINTER_OK);
  // What the process reads and writes.
  State wanted(model.g, 5);
  wanted.load(folder.path / "s.safetensors");
  expectSame(state, wanted);
  State third(model.g, 6);
  third.save(folder.path / "t.safetensors");
  ASSERT_EQ(library->load(other, folder.path / "t.safetensors"), capi::SINTER_OK)
      << library->text();
  expectSame(other, third);
  ArrayMap arrays;
  for (const std::string &name : names)
    arrays.emplace(name, wanted.get(name));
  writeNpz(folder.path / "s.npz", arrays);
  ASSERT_EQ(library->load(other, folder.path / "s.npz"), capi::SINTER_OK) << library->text();
  EXPECT_EQ(other.content(), state.content()); // Equal states are equal bytes.
}

TEST_F(Training, DamagedFilesChangeNothing) {
  Block state(library->stateBytes());
  ASSERT_EQ(library->init(state, 3), capi::SINTER_OK);
  const std::string before = state.content();
  State other(model.g, 9);
  ArrayMap arrays;
  for (const std::string &name : names)
    arrays.emplace(name, other.get(name));
  other.save(folder.path / "good.safetensors");
  writeNpz(folder.path / "good.npz", arrays);
  for (const char *file : {"good.safetensors", "good.npz"}) {
    SCOPED_TRACE(file);
    const std::string good = readFile(folder.path / file);
    auto tryWith = [&](const std::string &bytes) {
      // Not synced, as Sinter's own writers do: there are hundreds.
      std::ofstream(folder.path / "bad", std::ios::binary) << bytes;
      return library->load(state, folder.path / "bad");
    };
    // Each truncation near an end, and some between.
    for (size_t length = 0; length < good.size();
         length += length < 600 || length + 600 > good.size() ? 7 : good.size() / 40) {
      ASSERT_NE(tryWith(good.substr(0, length)), capi::SINTER_OK) << length;
      ASSERT_EQ(state.content(), before) << length;
    }
    // A changed byte is refused, or is one that the format does not look at.
    int refused = 0;
    for (size_t at = 0; at < good.size(); at += at < 900 || at + 900 > good.size() ? 5 : 4001) {
      std::string bytes = good;
      bytes[at] = static_cast<char>(bytes[at] ^ 0x15);
      if (tryWith(bytes) == capi::SINTER_OK) {
        ASSERT_EQ(library->init(state, 3), capi::SINTER_OK);
        continue;
      }
      ++refused;
      ASSERT_EQ(state.content(), before) << at;
    }
    EXPECT_GT(refused, 100);
  }
  // Files that are right, of other variables.
  auto code = [&](const std::function<void(ArrayMap &)> &change) {
    ArrayMap changed = arrays;
    change(changed);
    writeSafetensors(folder.path / "wrong.safetensors", changed);
    writeNpz(folder.path / "wrong.npz", changed);
    int32_t first = library->load(state, folder.path / "wrong.safetensors");
    EXPECT_EQ(library->load(state, folder.path / "wrong.npz"), first) << library->text();
    EXPECT_EQ(state.content(), before);
    return first;
  };
  EXPECT_EQ(code([](ArrayMap &a) { a.erase("out/bias"); }), capi::SINTER_MISSING);
  EXPECT_NE(library->text().find("parameter 'out/bias'"), std::string::npos) << library->text();
  EXPECT_EQ(code([](ArrayMap &a) { a["more"] = Array(f32, {1}); }), capi::SINTER_UNKNOWN);
  EXPECT_EQ(code([](ArrayMap &a) { a["out/bias"] = Array(f64, {10}); }), capi::SINTER_BAD_DTYPE);
  EXPECT_EQ(code([](ArrayMap &a) { a["out/bias"] = Array(f32, {10, 1}); }), capi::SINTER_BAD_RANK);
  EXPECT_EQ(code([](ArrayMap &a) { a["out/bias"] = Array(f32, {9}); }), capi::SINTER_BAD_SIZE);
}

TEST_F(Training, AnotherProgramTakesTheState) {
  CompileOptions evaluateOptions{.outputs = {model.correct}};
  compileToLibrary(model.g, folder.path / "libevaluate.so", evaluateOptions);
  Library evaluate(folder.path / "libevaluate.so", "evaluate");
  Block state(library->stateBytes());
  ASSERT_EQ(library->init(state, 3), capi::SINTER_OK);
  int64_t dims[] = {50};
  Block arena(evaluate.arenaNeed(dims, 1));
  capi::SinterCall call;
  prepare(call, state, arena);
  call.interfaceId = Model::interfaceOf(folder.path / "libevaluate.h");
  ASSERT_EQ(evaluate.call(call), capi::SINTER_OK) << evaluate.text();
  State wanted(model.g, 3);
  EXPECT_TRUE(
      sameBits(loss, compile(model.g, evaluateOptions)(wanted, {{"x", x}, {"y", y}}).at(0)));
  // The other way round variables are missing.
  Block less(evaluate.stateBytes());
  ASSERT_EQ(evaluate.init(less, 3), capi::SINTER_OK);
  Block large(library->arenaNeed(dims, 1));
  prepare(call, less, large);
  EXPECT_EQ(library->call(call), capi::SINTER_BAD_STATE);
  EXPECT_NE(library->text().find("is not in the state"), std::string::npos) << library->text();
  for (int32_t code :
       {library->load(less, folder.path / "none"), library->save(less, folder.path / "none")}) {
    EXPECT_EQ(code, capi::SINTER_BAD_STATE);
    EXPECT_EQ(library->report.detail, 1);
    EXPECT_NE(library->text().find("was made by another program"), std::string::npos)
        << library->text();
  }
}

TEST(LibraryInterface, DrawsEveryDistributionInEveryFloat) {
  Folder folder;
  Graph g;
  std::vector<Tensor> all;
  for (DType dtype : {f32, f64, f16, bf16}) {
    std::string suffix(name(dtype));
    auto add = [&](const std::string &what, const Initializer &initializer) {
      all.push_back(g.parameter(what + "." + suffix, dtype, {37, 11}, initializer).cast(f64).sum());
    };
    add("normal", init::normal(0.5, 3));
    add("uniform", init::uniform(-1, 1));
    add("narrow", init::uniform(0.999, 1)); // Rounding reaches the excluded end.
    add("negative", init::uniform(-3, -2.99));
    add("toZero", init::uniform(-1e-8, 0));
    add("tiny", init::normal(0, 1e-7)); // Subnormal in f16.
    add("constant", init::constant(-1.1));
    add("zeros", init::zeros());
  }
  Tensor sum = all[0];
  for (size_t i = 1; i < all.size(); ++i)
    sum = sum + all[i];
  g.output("sum", sum);
  compileToLibrary(g, folder.path / "libdraw.so");
  Executable executable = compile(g);
  std::vector<std::string> names = variableNames(executable);
  ASSERT_EQ(names.size(), all.size());
  Library library(folder.path / "libdraw.so", "draw");
  Block block(library.stateBytes());
  for (uint64_t seed : {uint64_t{0}, uint64_t{1}, ~uint64_t{0}}) {
    ASSERT_EQ(library.init(block, seed), capi::SINTER_OK);
    State wanted(g, seed);
    for (size_t i = 0; i < names.size(); ++i)
      EXPECT_TRUE(sameBits(library.variable(block, static_cast<int64_t>(i)), wanted.get(names[i])))
          << names[i] << " " << seed;
  }
}

TEST(LibraryInterface, CarriesValues) {
  Folder folder;
  Graph g;
  Tensor x = g.placeholder("x", f32, {4});
  g.output("y", x * g.parameter("scale", f32, {4}, init::ones()) +
                    g.parameter("shift", f32, {}, init::zeros()));
  Array scale = Array::from<float>({1, 2, 3, 4}), shift = Array::scalar(0.5f);
  LibraryFile file;
  file.values = {{"scale", scale}, {"shift", shift}};
  compileToLibrary(g, folder.path / "libm.so", {}, file);
  Library library(folder.path / "libm.so", "m");
  Block state(library.stateBytes()), arena(std::max<int64_t>(library.arenaNeed(nullptr, 1), 64));
  ASSERT_EQ(library.init(state, 1), capi::SINTER_OK);
  EXPECT_TRUE(sameBits(library.variable(state, 0), scale));
  // A program that only reads them needs no state.
  Array in = Array::from<float>({1, 1, 1, 1}), out(f32, {4});
  capi::SinterTensor input = tensorOf(in), output = tensorOf(out);
  capi::SinterCall call{};
  call.interfaceId = Model::interfaceOf(folder.path / "libm.h");
  call.inputs = &input;
  call.outputs = &output;
  call.arena = arena.data();
  call.arenaBytes = arena.bytes;
  ASSERT_EQ(library.call(call), capi::SINTER_OK) << library.text();
  EXPECT_EQ(out.toVector<float>(), (std::vector<float>{1.5, 2.5, 3.5, 4.5}));
  // So does C++, in a State that outlives the library and may change.
  std::optional<Executable> loaded = loadLibrary(folder.path / "libm.so");
  State begun = loaded->initialState();
  EXPECT_EQ((*loaded)(begun, {{"x", in}}).at(0).toVector<float>(), out.toVector<float>());
  loaded.reset();
  EXPECT_TRUE(sameBits(begun.get("scale"), scale));
  begun.set("scale", in);
  // What it carries no value of begins as the graph says.
  file.values = {{"shift", shift}};
  compileToLibrary(g, folder.path / "libn.so", {}, file);
  State half = loadLibrary(folder.path / "libn.so").initialState();
  EXPECT_TRUE(sameBits(half.get("scale"), in));
  EXPECT_TRUE(sameBits(half.get("shift"), shift));

  auto refused = [&](ArrayMap values) {
    file.values = std::move(values);
    try {
      compileToLibrary(g, folder.path / "libbad.so", {}, file);
      ADD_FAILURE() << "accepted";
    } catch (const Error &error) {
      EXPECT_EQ(error.kind(), ErrorKind::User) << error.what();
    }
    EXPECT_FALSE(fs::exists(folder.path / "libbad.so"));
  };
  refused({{"scale", Array(f32, {3})}});
  refused({{"scale", Array(f64, {4})}});
  refused({{"skale", scale}});
  refused({{"x", scale}});
}

// Calls with memory of their own, and threads that two of them want at once.
TEST_F(Training, CallsRunAtTheSameTime) {
  int64_t dims[] = {50};
  Block memory((*library).operator()<int64_t>("threads_bytes", int64_t{2}));
  capi::SinterThreads threads;
  ASSERT_EQ(((*library).operator()<int32_t>("threads_start", &threads, memory.data(), memory.bytes,
                                            int64_t{2}, &library->report)),
            capi::SINTER_OK);
  State wanted(model.g, 3);
  Array last;
  for (int i = 0; i < 30; ++i)
    last = (*executable)(wanted, {{"x", x}, {"y", y}}).at(0);
  std::vector<std::thread> callers;
  for (int t = 0; t < 3; ++t)
    callers.emplace_back([&] {
      Block state(library->stateBytes()), arena(library->arenaNeed(dims, 2));
      Array mine(f32, {});
      capi::SinterTensor in[2] = {tensorOf(x), tensorOf(y)}, out = tensorOf(mine);
      capi::SinterCall call{};
      call.interfaceId = interfaceId;
      call.inputs = in;
      call.outputs = &out;
      call.state = state.data();
      call.arena = arena.data();
      call.arenaBytes = arena.bytes;
      call.threads = &threads;
      EXPECT_EQ(((*library).operator()<int32_t>("state_init", state.data(), state.bytes,
                                                static_cast<const int64_t *>(nullptr), uint64_t{3},
                                                static_cast<capi::SinterReport *>(nullptr))),
                capi::SINTER_OK);
      for (int i = 0; i < 30; ++i)
        EXPECT_EQ(
            ((*library).operator()<int32_t>("call", static_cast<const capi::SinterCall *>(&call),
                                            static_cast<capi::SinterReport *>(nullptr))),
            capi::SINTER_OK);
      EXPECT_TRUE(sameBits(mine, last));
    });
  for (std::thread &caller : callers)
    caller.join();
  EXPECT_EQ(((*library).operator()<int32_t>("threads_stop", &threads, &library->report)),
            capi::SINTER_OK);
}
