// SPDX-License-Identifier: Apache-2.0
// Trains a small model, and sees that what crosses the libraries' boundary is what it should be.
#include <sinter/sinter.h>

#include <cstdio>
#include <cstring>
#include <iostream>

using namespace sinter;

/// Two classes of points that a line separates.
static void fill(Array &x, Array &y) {
  for (int64_t i = 0; i < x.sizes()[0]; ++i) {
    float a = static_cast<float>((i * 37) % 101) / 101 - 0.5f;
    float b = static_cast<float>((i * 53) % 97) / 97 - 0.5f;
    x.as<float>()[2 * i] = a;
    x.as<float>()[2 * i + 1] = b;
    y.as<int32_t>()[i] = a + b > 0;
  }
}

/// Error has to be one type on both sides, and its parts readable here.
static bool errorsCross() {
  Graph g;
  Tensor x = g.placeholder("x", f32, {dim("N"), 7});
  Tensor w = g.parameter("w", f32, {5, 2});
  try {
    x.matmul(w); // thrown by libsinter.so
    return false;
  } catch (const Error &error) {
    if (error.op() != "matmul" || !std::strstr(error.what(), "Train.cpp"))
      return false;
  }
  try {
    readNpy("there is no such file"); // thrown by libsinter_runtime.so
    return false;
  } catch (const std::runtime_error &error) {
    const auto *own = dynamic_cast<const Error *>(&error);
    return own && own->code() == ErrorCode::FileAccess;
  }
}

int main(int argc, char **argv) {
  if (!errorsCross()) {
    std::cerr << "an error did not cross the library boundary\n";
    return 1;
  }
  Graph g;
  Tensor x = g.placeholder("x", f32, {dim("N"), 2});
  Tensor y = g.placeholder("y", i32, {dim("N")});
  Tensor w = g.parameter("w", f32, {2, 2}, init::kaimingUniform());
  Tensor b = g.parameter("b", f32, {2}, init::zeros());
  Tensor loss = softmaxCrossEntropy(x.matmul(w) + b, y).mean();
  Updates updates = optim::adamW({.learningRate = 0.05}).updates({w, b}, gradients(loss, {w, b}));
  g.output("loss", loss);
  g.update(updates);

  Executable train = compile(g);
  State state(g, /*seed=*/1);
  Array points(f32, {200, 2}), labels(i32, {200});
  fill(points, labels);
  BoundCall step = train.bind(state, {{"x", points}, {"y", labels}});
  step();
  double first = step.outputs()[0].item();
  for (int i = 0; i < 200; ++i)
    step();
  double last = step.outputs()[0].item();
  std::printf("loss %.4f, then %.4f\n", first, last);

  // For deploy: the same step as a library, and the loss that it must reach.
  if (argc > 1) {
    compileToLibrary(g, argv[1], {}, {.name = "step"});
    State start(g, /*seed=*/1);
    start.save(std::string(argv[1]) + ".npz");
    state.save(std::string(argv[1]) + ".trained.npz");
  }
  return last < 0.3 && last < first / 2 ? 0 : 1;
}
