// SPDX-License-Identifier: Apache-2.0
#include "sinter/frontend/Gradients.h"

#include "sinter/frontend/GraphImpl.h"
#include "sinter/ir/Activity.h"

using namespace mlir;

namespace sinter {

namespace {

/// "'argmax' at model.cpp:12:9".
std::string describe(Operation *op) {
  SourceLoc loc = ir::toSourceLoc(op->getLoc());
  std::string text = "'" + op->getName().stripDialect().str() + "'";
  return loc.known() ? text + " at " + loc.str() : text;
}

/// One call of gradients(), jvp() or customGradient(): the tensors it is about, checked.
class DerivativeCall {
public:
  DerivativeCall(GraphImpl &graph, const Call &call) : graph(graph), call(call) {}

  SmallVector<Value> floats(const std::vector<Tensor> &tensors, const char *what) {
    SmallVector<Value> values;
    for (const Tensor &tensor : tensors) {
      Value value = values.emplace_back(graph.value(tensor, call));
      ir::TensorType type = ir::tensorType(value);
      if (!isFloat(type.getDType()))
        graph.fail(call,
                   std::string(what) + " must be f16, bf16, f32 or f64, not " +
                       std::string(name(type.getDType())),
                   {type.getShape()});
    }
    return values;
  }

  /// The values of `tensors`, one for each of `models` (which are called `of`), of its type.
  SmallVector<Value> alike(const std::vector<Tensor> &tensors, ArrayRef<Value> models,
                           const std::string &what, const char *of) {
    if (tensors.size() != models.size())
      graph.fail(call, std::to_string(tensors.size()) + " " + what + "s for " +
                           std::to_string(models.size()) + " " + of + "s");
    SmallVector<Value> values;
    for (auto [tensor, model] : llvm::zip_equal(tensors, models)) {
      Value value = values.emplace_back(graph.value(tensor, call));
      ir::TensorType got = ir::tensorType(value), wanted = ir::tensorType(model);
      if (got.getDType() != wanted.getDType())
        graph.fail(call,
                   "a " + what + " is " + std::string(name(got.getDType())) + ", its " + of + " " +
                       std::string(name(wanted.getDType())),
                   {}, "convert it: .cast(" + std::string(name(wanted.getDType())) + ")");
      if (got != wanted)
        graph.fail(call, "a " + what + " does not have the shape of its " + of,
                   {got.getShape(), wanted.getShape()});
    }
    return values;
  }

  void requirePaths(ArrayRef<Value> ys, ArrayRef<Value> xs, ir::DerivativeMode mode) {
    ir::Activity activity(graph.openBlocks(), ys, xs, mode);
    if (Operation *op = activity.findObstacle())
      graph.fail(call,
                 describe(op) + " has no derivative: " + ir::nonDifferentiableReason(op, mode), {},
                 "stopGradient() cuts the path on purpose");
    for (Value x : xs)
      if (Operation *op = activity.findCut(x))
        graph.fail(call,
                   "y depends on x only through " + describe(op) +
                       ", which has no derivative: " + ir::nonDifferentiableReason(op, mode),
                   {}, "stopGradient() makes the derivative zero on purpose");
  }

  std::vector<Tensor> tensors(ValueRange values) {
    std::vector<Tensor> result;
    for (Value value : values)
      result.push_back(graph.tensor(value));
    return result;
  }

  GraphImpl &graph;
  Call call;
};

/// One for each scalar among ys.
SmallVector<Value> onesFor(DerivativeCall &derivative, ArrayRef<Value> ys) {
  SmallVector<Value> ones;
  for (Value y : ys) {
    ir::TensorType type = ir::tensorType(y);
    if (type.getNumElements() != DimExpr(1))
      derivative.graph.fail(
          derivative.call, "y is not a scalar and has no cotangent", {type.getShape()},
          "reduce it, e.g. y.sum() or y.mean(), or pass a cotangent of y's shape");
    ones.push_back(
        derivative.graph.full(derivative.call, int64_t{1}, type.getDType(), type.getShape()));
  }
  return ones;
}

} // namespace

std::vector<Tensor> gradients(const std::vector<Tensor> &ys, const std::vector<Tensor> &xs,
                              const std::vector<Tensor> &cotangents, std::source_location loc) {
  Call call{"gradients", loc};
  GraphImpl &graph = GraphImpl::of(ys, call);
  if (xs.empty())
    return {};
  DerivativeCall derivative(graph, call);
  SmallVector<Value> from = derivative.floats(ys, "y"), to = derivative.floats(xs, "x");
  SmallVector<Value> seeds = cotangents.empty()
                                 ? onesFor(derivative, from)
                                 : derivative.alike(cotangents, from, "cotangent", "y");
  derivative.requirePaths(from, to, ir::DerivativeMode::Reverse);
  OpBuilder builder = graph.builder();
  auto op = ir::GradientsOp::create(builder, graph.location(call), ValueRange(to).getTypes(), from,
                                    to, seeds);
  return derivative.tensors(op->getResults());
}

std::vector<Tensor> jvp(const std::vector<Tensor> &ys, const std::vector<Tensor> &xs,
                        const std::vector<Tensor> &tangents, std::source_location loc) {
  Call call{"jvp", loc};
  if (ys.empty())
    return {};
  GraphImpl &graph = GraphImpl::of(ys, call);
  DerivativeCall derivative(graph, call);
  SmallVector<Value> to = derivative.floats(ys, "y"), from = derivative.floats(xs, "x");
  SmallVector<Value> seeds = derivative.alike(tangents, from, "tangent", "x");
  derivative.requirePaths(to, from, ir::DerivativeMode::Forward);
  OpBuilder builder = graph.builder();
  auto op =
      ir::JvpOp::create(builder, graph.location(call), ValueRange(to).getTypes(), to, from, seeds);
  return derivative.tensors(op->getResults());
}

Tensor customGradient(const Tensor &y, const std::vector<Tensor> &xs,
                      const BackwardFunction &backward, std::source_location loc) {
  Call call{"customGradient", loc};
  GraphImpl &graph = GraphImpl::of(y, call);
  DerivativeCall derivative(graph, call);
  Value result = derivative.floats({y}, "y").front();
  SmallVector<Value> inputs = derivative.floats(xs, "x");
  if (xs.empty())
    graph.fail(call, "needs at least one x", {}, "stopGradient() lets no gradient through");
  if (!backward)
    graph.fail(call, "the backward function is empty");
  RegionScope region(graph);
  Location where = graph.location(call);
  Tensor dy = graph.tensor(region.block().addArgument(result.getType(), where));
  SmallVector<Value> grads = derivative.alike(backward(dy), inputs, "gradient", "x");
  OpBuilder inside = graph.builder();
  ir::YieldOp::create(inside, where, grads);
  std::unique_ptr<Block> block = region.close();
  OpBuilder builder = graph.builder();
  auto op = ir::WithGradientOp::create(builder, where, result.getType(), result, inputs);
  op.getBackward().push_back(block.release());
  return graph.tensor(op.getResult());
}

} // namespace sinter
