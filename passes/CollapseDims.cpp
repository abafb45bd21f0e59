// SPDX-License-Identifier: Apache-2.0
// Merges neighbouring dims of a kernel that every value has together or not at all, and drops dims
// of size 1. Buffers are contiguous, so only the view of them changes.
#include "sinter/passes/KernelForm.h"
#include "sinter/passes/Passes.h"

namespace sinter::passes {
#define GEN_PASS_DEF_COLLAPSEDIMS
#include "sinter/passes/Passes.h.inc"
} // namespace sinter::passes

using namespace mlir;
using namespace sinter::ir;

namespace sinter::passes {
namespace {

class Collapser {
public:
  explicit Collapser(FusedOp fused) : fused(fused), body(fused.getBody().front()) {}

  void run() {
    auto answer = analyzeKernel(fused);
    auto *found = std::get_if<KernelAnalysis>(&answer);
    if (!found || (!found->reduces() && found->form != KernelForm::Loop &&
                   found->form != KernelForm::Cumulative))
      return;
    if (!found->columns.empty())
      return;
    analysis = std::move(*found);
    for (int64_t axis : analysis.axes)
      if (isOne(analysis.domain[axis]))
        return;
    if (!labelAll())
      return;
    group();
    if (groups.size() == static_cast<size_t>(analysis.domain.rank()))
      return;
    rewrite();
  }

private:
  /// For each dim of a value, the dim of the domain it runs along; dims of size 1 run along none.
  using Labels = llvm::SmallVector<int64_t>;
  static constexpr int64_t none = -1;
  static bool isOne(const DimExpr &dim) { return dim.constant() == 1; }

  bool label(Value value, const Labels &wanted) {
    auto [it, fresh] = labels.try_emplace(value, wanted);
    return fresh || it->second == wanted;
  }

  Labels domainLabels() const {
    Labels all;
    for (int64_t d = 0; d < analysis.domain.rank(); ++d)
      all.push_back(isOne(analysis.domain[d]) ? none : d);
    return all;
  }

  /// Labels of a per-row value: its dims that are not of size 1 are the kept dims, in order.
  Labels keptLabels(const Shape &shape) const {
    Labels all;
    int64_t next = 0;
    for (const DimExpr &dim : shape) {
      if (isOne(dim)) {
        all.push_back(none);
        continue;
      }
      while (next < analysis.domain.rank() &&
             (analysis.isReduced(next) || isOne(analysis.domain[next])))
        ++next;
      all.push_back(next++);
    }
    return all;
  }

  bool labelAll() {
    for (Value output : body.getTerminator()->getOperands()) {
      Shape shape = tensorType(output).getShape();
      if (!label(output,
                 analysis.roles.lookup(output) == Role::Full ? domainLabels() : keptLabels(shape)))
        return false;
    }
    // Users come before producers, so a result is labelled when its op is reached.
    for (Operation &op : llvm::reverse(body.without_terminator())) {
      auto it = labels.find(op.getResult(0));
      if (it == labels.end() || !labelOperands(&op, it->second))
        return false;
    }
    return true;
  }

  bool labelOperands(Operation *op, Labels result) {
    if (llvm::is_contained(analysis.anchors, op))
      return label(op->getOperand(0), domainLabels()) && !isa<ArgmaxOp>(op);
    if (isa<ElementwiseOpInterface>(op))
      return llvm::all_of(op->getOperands(), [&](Value operand) { return label(operand, result); });
    if (isa<DimValueOp>(op))
      return true;
    if (auto iota = dyn_cast<IotaOp>(op)) { // Counts along its dim, which must stay what it is.
      int64_t counted = result[static_cast<size_t>(iota.getAxis())];
      alone.insert(counted);
      return counted != none;
    }
    if (auto broadcast = dyn_cast<BroadcastOp>(op)) {
      Labels operand;
      Shape shape = tensorType(broadcast.getX()).getShape();
      for (auto [i, d] : llvm::enumerate(broadcast.getDimensions()))
        operand.push_back(isOne(shape[static_cast<int64_t>(i)]) ? none
                                                                : result[static_cast<size_t>(d)]);
      return label(broadcast.getX(), operand);
    }
    if (auto reshape = dyn_cast<ReshapeOp>(op)) {
      Shape from = tensorType(reshape.getX()).getShape(),
            to = tensorType(reshape.getResult()).getShape();
      Labels operand;
      int64_t next = 0;
      for (const DimExpr &dim : from) {
        while (!isOne(dim) && next < to.rank() && isOne(to[next]))
          ++next;
        if (!isOne(dim) && (next == to.rank() || to[next] != dim))
          return false;
        operand.push_back(isOne(dim) ? none : result[static_cast<size_t>(next++)]);
      }
      for (; next < to.rank(); ++next)
        if (!isOne(to[next]))
          return false;
      return label(reshape.getX(), operand);
    }
    return false;
  }

  /// Domain dims that stay apart begin a new group.
  void group() {
    int64_t previous = none;
    for (int64_t d = 0; d < analysis.domain.rank(); ++d) {
      if (isOne(analysis.domain[d]))
        continue;
      if (previous != none && mergeable(previous, d))
        groups.back().push_back(d);
      else
        groups.push_back({d});
      previous = d;
    }
  }

  bool mergeable(int64_t a, int64_t b) const {
    if (analysis.isReduced(a) != analysis.isReduced(b) || alone.contains(a) || alone.contains(b))
      return false;
    return llvm::all_of(labels, [&](const auto &entry) {
      Labels real;
      for (int64_t l : entry.second)
        if (l != none)
          real.push_back(l);
      auto first = llvm::find(real, a), second = llvm::find(real, b);
      if (first == real.end() || second == real.end())
        return first == real.end() && second == real.end();
      return second - first == 1;
    });
  }

  size_t groupOf(int64_t d) const {
    for (auto [number, dims] : llvm::enumerate(groups))
      if (llvm::is_contained(dims, d))
        return number;
    return groups.size();
  }

  /// The merged dims of a value: which group each is, in order.
  llvm::SmallVector<size_t> groupsOf(const Labels &value) const {
    llvm::SmallVector<size_t> result;
    for (int64_t l : value)
      if (l != none && (result.empty() || result.back() != groupOf(l)))
        result.push_back(groupOf(l));
    return result;
  }

  ir::TensorType collapsed(Value value) const {
    Shape shape;
    for (size_t g : groupsOf(labels.lookup(value))) {
      DimExpr size = 1;
      for (int64_t d : groups[g])
        size *= analysis.domain[d];
      shape.push_back(size);
    }
    return tensorType(value).withShape(shape);
  }

  void rewrite() {
    OpBuilder builder(fused.getContext());
    llvm::SmallVector<std::pair<Value, ir::TensorType>> types;
    for (auto &entry : labels)
      types.push_back({entry.first, collapsed(entry.first)});
    for (BlockArgument argument : body.getArguments())
      if (!labels.contains(argument))
        return;
    for (Operation &op : llvm::make_early_inc_range(body.without_terminator())) {
      if (auto broadcast = dyn_cast<BroadcastOp>(op)) {
        llvm::SmallVector<int64_t> dimensions;
        auto to = groupsOf(labels.lookup(broadcast.getResult()));
        for (size_t g : groupsOf(labels.lookup(broadcast.getX())))
          dimensions.push_back(llvm::find(to, g) - to.begin());
        broadcast.setDimensions(dimensions);
      } else if (auto iota = dyn_cast<IotaOp>(op)) {
        const Labels &result = labels.find(iota.getResult())->second;
        size_t counted = groupOf(result[static_cast<size_t>(iota.getAxis())]);
        llvm::SmallVector<size_t> dims = groupsOf(result);
        iota.setAxis(static_cast<uint64_t>(llvm::find(dims, counted) - dims.begin()));
      } else if (llvm::is_contained(analysis.anchors, &op)) {
        llvm::SmallVector<int64_t> axes;
        for (auto [number, dims] : llvm::enumerate(groups))
          if (analysis.isReduced(dims.front()))
            axes.push_back(static_cast<int64_t>(number));
        if (analysis.form == KernelForm::Cumulative)
          op.setAttr("axis", builder.getI64IntegerAttr(axes.front()));
        else
          op.setAttr("axes", builder.getDenseI64ArrayAttr(axes));
      }
    }
    for (auto &[value, type] : types)
      value.setType(type);
    // Views that only had to do with size-1 dims have become identities.
    for (Operation &op : llvm::make_early_inc_range(body.without_terminator()))
      if (isa<BroadcastOp, ReshapeOp>(op) &&
          op.getOperand(0).getType() == op.getResult(0).getType()) {
        op.getResult(0).replaceAllUsesWith(op.getOperand(0));
        op.erase();
      }
  }

  FusedOp fused;
  Block &body;
  KernelAnalysis analysis;
  llvm::DenseMap<Value, Labels> labels;
  llvm::DenseSet<int64_t> alone; ///< Dims that merge with no other.
  llvm::SmallVector<llvm::SmallVector<int64_t>> groups;
};

struct CollapseDimsPass : impl::CollapseDimsBase<CollapseDimsPass> {
  void runOnOperation() override {
    getOperation().walk([](FusedOp fused) {
      try {
        Collapser(fused).run();
      } catch (const Error &) {
        // A product of sizes overflowed before anything was changed: the kernel keeps its dims.
      }
    });
  }
};

} // namespace
} // namespace sinter::passes
