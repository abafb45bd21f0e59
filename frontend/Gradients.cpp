// SPDX-License-Identifier: Apache-2.0
#include "sinter/frontend/Gradients.h"

#include "sinter/frontend/GraphImpl.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"

using namespace mlir;

namespace sinter {

namespace {

bool isFloatTensor(Value value) { return isFloat(ir::tensorType(value).getDType()); }

/// "'argmax' at model.cpp:12:9".
std::string describe(Operation *op) {
  SourceLoc loc = ir::toSourceLoc(op->getLoc());
  std::string text = "'" + op->getName().stripDialect().str() + "'";
  return loc.known() ? text + " at " + loc.str() : text;
}

std::string reasonOf(Operation *op) {
  auto rule = dyn_cast<ir::DifferentiableOpInterface>(op);
  return rule ? rule.getNonDifferentiableReason().str() : "it has no derivative rule";
}

/// How ys depend on values: through derivatives, or only through ops without one.
struct Reach {
  llvm::DenseSet<Value> differentiable;
  /// Values that matter to ys only through integers or booleans, and the op that breaks the chain.
  llvm::DenseMap<Value, Operation *> broken;
};

/// The values that depend on xs.
llvm::DenseSet<Value> dependents(Block &block, ArrayRef<Value> xs) {
  llvm::DenseSet<Value> result(xs.begin(), xs.end());
  for (Operation &op : block)
    if (llvm::any_of(op.getOperands(), [&](Value v) { return result.contains(v); }))
      result.insert(op.result_begin(), op.result_end());
  return result;
}

/// Walks from ys to xs. An op with a float result on the way must have a derivative.
Reach walk(GraphImpl &graph, const Call &call, ArrayRef<Value> ys, ArrayRef<Value> xs) {
  llvm::DenseSet<Value> relevant = dependents(graph.block(), xs);
  Reach reach;
  reach.differentiable.insert(ys.begin(), ys.end());
  for (Operation &op : llvm::reverse(graph.block())) {
    bool flows =
        llvm::any_of(op.getResults(), [&](Value v) { return reach.differentiable.contains(v); });
    Operation *blame = nullptr;
    bool isBroken = false;
    for (Value result : op.getResults())
      if (auto entry = reach.broken.find(result); entry != reach.broken.end()) {
        isBroken = true;
        blame = entry->second;
      }
    bool stops = isa<ir::StopGradientOp>(op);
    if ((!flows && !isBroken) || stops ||
        llvm::none_of(op.getOperands(), [&](Value v) { return relevant.contains(v); }))
      continue;
    bool nested = isa<ir::GradientsOp>(op); // Expands to ops that have derivatives.
    std::string reason = nested ? "" : reasonOf(&op);
    if (flows && !reason.empty())
      graph.fail(call, describe(&op) + " has no derivative: " + reason, {},
                 "stopGradient() cuts the path on purpose");
    for (Value operand : op.getOperands()) {
      if (flows && isFloatTensor(operand)) {
        reach.differentiable.insert(operand);
      } else {
        Operation *culprit = blame ? blame : reason.empty() ? nullptr : &op;
        reach.broken.try_emplace(operand, culprit);
      }
    }
  }
  return reach;
}

} // namespace

std::vector<Tensor> gradients(const std::vector<Tensor> &ys, const std::vector<Tensor> &xs,
                              const std::vector<Tensor> &cotangents, std::source_location loc) {
  Call call{"gradients", loc};
  GraphImpl &graph = GraphImpl::of(ys, call);
  if (xs.empty())
    return {};
  auto requireFloat = [&](Value value, const char *what) {
    if (!isFloatTensor(value))
      graph.fail(call,
                 std::string(what) + " must be f32 or f64, not " +
                     std::string(name(ir::tensorType(value).getDType())),
                 {ir::tensorType(value).getShape()});
  };
  SmallVector<Value> from, to, seeds;
  for (const Tensor &y : ys)
    requireFloat(from.emplace_back(graph.value(y, call)), "y");
  for (const Tensor &x : xs)
    requireFloat(to.emplace_back(graph.value(x, call)), "x");
  if (!cotangents.empty() && cotangents.size() != ys.size())
    graph.fail(call, std::to_string(cotangents.size()) + " cotangents for " +
                         std::to_string(ys.size()) + " ys");
  for (size_t i = 0; i < ys.size(); ++i) {
    ir::TensorType type = ir::tensorType(from[i]);
    if (cotangents.empty()) {
      if (type.getNumElements() != DimExpr(1))
        graph.fail(call, "y is not a scalar and has no cotangent", {type.getShape()},
                   "reduce it, e.g. y.sum() or y.mean(), or pass a cotangent of y's shape");
      seeds.push_back(graph.full(call, int64_t{1}, type.getDType(), type.getShape()));
      continue;
    }
    Value seed = graph.value(cotangents[i], call);
    if (ir::tensorType(seed).getDType() != type.getDType())
      graph.fail(call,
                 "a cotangent is " + std::string(name(ir::tensorType(seed).getDType())) +
                     ", its y is " + std::string(name(type.getDType())),
                 {}, "convert it: .cast(" + std::string(name(type.getDType())) + ")");
    if (seed.getType() != type)
      graph.fail(call, "a cotangent does not have the shape of its y",
                 {ir::tensorType(seed).getShape(), type.getShape()});
    seeds.push_back(seed);
  }
  Reach reach = walk(graph, call, from, to);
  for (Value x : to)
    if (auto entry = reach.broken.find(x);
        entry != reach.broken.end() && !reach.differentiable.contains(x) && entry->second)
      graph.fail(call,
                 "y depends on x only through " + describe(entry->second) +
                     ", which has no derivative: " + reasonOf(entry->second),
                 {}, "stopGradient() makes the gradient zero on purpose");
  OpBuilder builder = graph.builder();
  auto op = ir::GradientsOp::create(builder, graph.location(call), ValueRange(to).getTypes(), from,
                                    to, seeds);
  std::vector<Tensor> result;
  for (Value gradient : op->getResults())
    result.push_back(graph.tensor(gradient));
  return result;
}

} // namespace sinter
