// SPDX-License-Identifier: Apache-2.0
// Internal: the state of generate().
#pragma once

#include "tests/fuzz/RandomGraph.h"

namespace sinter::fuzz {

class Generator {
public:
  Generator(uint64_t seed, const GeneratorOptions &options);
  Plan run();

private:
  using Apply = std::function<Tensor(Graph &, const Tensors &)>;

  // -- Choosing --
  size_t below(size_t bound) { return static_cast<size_t>(random.below(counter++, bound)); }
  Shape randomShape();
  /// Graphs with gradients keep to one: f64, or f32 where they are smooth.
  DType randomFloat() {
    return !plan.continuous ? (below(2) ? f32 : f64) : plan.smooth ? f32 : f64;
  }
  /// A value that fits, or -1.
  int pick(const std::function<bool(const Info &)> &accepts);
  const Info &at(int step) const { return plan.steps[static_cast<size_t>(step)].info; }
  int64_t evaluate(const DimExpr &size) const;
  bool fits(const Shape &shape) const;
  static double epsilonOf(DType dtype) {
    return dtype == f32     ? 6e-8
           : dtype == f16   ? 4.9e-4
           : dtype == bf16  ? 3.9e-3
           : isFloat(dtype) ? 1.2e-16
                            : 0;
  }

  // -- Adding (false: out of bounds) --
  int addInput(DType dtype, const Shape &shape, double low, double high);
  int randomInput();
  bool add(std::vector<int> operands, Info info, Apply apply, int ops = 1);
  /// What is known of f(x) for |f| <= bound and |f'| <= slope.
  Info unary(int x, double bound, double slope) const;

  void addRandomOp();
  void addUnary();
  void addExactUnary();
  void addBinary();
  void addCompare();
  void addLogical();
  void addSelect();
  void addCast();
  void addCreation();
  void addReshape();
  void addBroadcast();
  void addTranspose();
  void addSlice();
  void addConcat();
  void addPad();
  void addSum();
  void addExtremum();
  void addProduct();
  void addArgmax();
  void addDot();
  void addMatmul();
  void addIndexing();
  void addScatter();
  void addGather();
  void addPlacement();
  void addSort();
  void addCumulative();
  void addWindows();
  void addOverlap();
  void addConvolution();
  void addSoftmax();
  void addGradients();
  void chooseOutputs();
  void chooseUpdates();

  /// A second operand of the same dtype that broadcasts with `a`, and the result's shape.
  int pickPartner(int a, Shape &shape);
  /// Axes to reduce, and how many elements they hold at most.
  std::vector<int64_t> randomAxes(const Shape &shape, double &count);
  /// An axis that has elements whatever the named dims are, or -1.
  int pickAxis(int x);
  /// An input of indices for an axis of `x`, and the shape of what they look up; -1: too large.
  int addLabels(int x, int axis, bool perElement, Shape &frame);
  Shape withoutAxes(const Shape &shape, const std::vector<int64_t> &axes) const;

  GeneratorOptions options;
  Plan plan;
  RandomStream random;
  uint64_t counter = 0;
  std::vector<DimExpr> pool;
};

} // namespace sinter::fuzz
