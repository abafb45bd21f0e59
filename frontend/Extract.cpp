// SPDX-License-Identifier: Apache-2.0
#include "sinter/frontend/GraphImpl.h"

#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/DenseSet.h"

#include <set>

using namespace mlir;

namespace sinter {

/// sinter.init of one argument.
static DictionaryAttr initDictionary(OpBuilder &builder, const InitSpec &init) {
  return builder.getDictionaryAttr(
      {builder.getNamedAttr("kind", builder.getStringAttr(llvm::StringRef(name(init.kind)))),
       builder.getNamedAttr("a", builder.getF64FloatAttr(init.a)),
       builder.getNamedAttr("b", builder.getF64FloatAttr(init.b))});
}

static DictionaryAttr argumentAttributes(OpBuilder &builder, const Argument &argument) {
  NamedAttrList list;
  list.append(ir::nameAttr, builder.getStringAttr(argument.name));
  list.append(ir::kindAttr, builder.getStringAttr(llvm::StringRef(name(argument.kind))));
  if (argument.kind != ArgumentKind::Placeholder)
    list.append(ir::initAttr, initDictionary(builder, argument.init));
  return list.getDictionary(builder.getContext());
}

namespace {

/// Everything that results are computed from. Without a derivative among it, a custom gradient is
/// only its y.
struct Needed {
  Needed(Block &block, ArrayRef<Value> results) {
    if (collect(block, results))
      return;
    withDerivatives = true;
    collect(block, results);
  }

  llvm::DenseSet<Value> values;
  bool withDerivatives = false;

private:
  /// False when there is a derivative that was not expected.
  bool collect(Block &block, ArrayRef<Value> results) {
    values = {results.begin(), results.end()};
    for (Operation &op : llvm::reverse(block)) {
      if (llvm::none_of(op.getResults(), [&](Value result) { return values.contains(result); }))
        continue;
      if (withDerivatives)
        op.walk([&](Operation *inner) { // Regions capture values.
          values.insert(inner->operand_begin(), inner->operand_end());
        });
      else if (isa<ir::GradientsOp, ir::JvpOp>(op))
        return false;
      else if (auto custom = dyn_cast<ir::WithGradientOp>(op))
        values.insert(custom.getY());
      else
        values.insert(op.operand_begin(), op.operand_end());
    }
    return true;
  }
};

} // namespace

OwningOpRef<ModuleOp> GraphImpl::snapshot(ArrayRef<Output> outputs,
                                          ArrayRef<ArgumentUpdate> updates, Keep keep) {
  SmallVector<Value> results;
  for (const Output &output : outputs)
    results.push_back(output.value);
  for (const ArgumentUpdate &update : updates)
    results.push_back(update.value);
  Needed needed(*body, results);
  for (const ArgumentUpdate &update : updates)
    needed.values.insert(body->getArgument(update.argument));
  auto isKept = [&](Value value) { return keep == Keep::All || needed.values.contains(value); };

  Location unknown = UnknownLoc::get(context.get());
  OwningOpRef<ModuleOp> result = ModuleOp::create(unknown);
  OpBuilder builder = OpBuilder::atBlockEnd(result->getBody());
  SmallVector<BlockArgument> kept;
  for (BlockArgument argument : body->getArguments())
    if (isKept(argument))
      kept.push_back(argument);
  auto function = func::FuncOp::create(
      builder, unknown, "main",
      builder.getFunctionType(TypeRange(ValueRange(SmallVector<Value>(kept.begin(), kept.end()))),
                              TypeRange(ValueRange(results))));
  Block *entry = new Block();
  function.getBody().push_back(entry);
  IRMapping mapping;
  for (auto [i, argument] : llvm::enumerate(kept)) {
    mapping.map(argument, entry->addArgument(argument.getType(), argument.getLoc()));
    function.setArgAttrs(static_cast<unsigned>(i),
                         argumentAttributes(builder, arguments[argument.getArgNumber()]));
  }
  builder.setInsertionPointToEnd(entry);
  for (Operation &op : *body) {
    if (keep == Keep::Needed && llvm::none_of(op.getResults(), isKept))
      continue;
    auto custom = dyn_cast<ir::WithGradientOp>(op);
    if (custom && keep == Keep::Needed && !needed.withDerivatives)
      mapping.map(custom.getResult(), mapping.lookup(custom.getY()));
    else
      builder.clone(op, mapping);
  }
  SmallVector<Value> returned;
  for (Value value : results)
    returned.push_back(mapping.lookup(value));
  func::ReturnOp::create(builder, unknown, returned);

  unsigned index = 0;
  for (const Output &output : outputs)
    function.setResultAttr(index++, ir::nameAttr, builder.getStringAttr(output.name));
  for (const ArgumentUpdate &update : updates)
    function.setResultAttr(index++, ir::updatesAttr,
                           builder.getStringAttr(arguments[update.argument].name));
  return result;
}

/// Outputs by the names that output() gave them, others by their position.
static std::vector<GraphImpl::Output> nameOutputs(GraphImpl &graph, const Call &call,
                                                  const std::vector<Tensor> &outputs) {
  std::set<std::string> used;
  std::vector<GraphImpl::Output> result;
  for (const Tensor &tensor : outputs) {
    Value value = graph.bodyValue(tensor, call);
    auto given = llvm::find_if(graph.outputs, [&](const GraphImpl::Output &output) {
      return output.value == value && !used.contains(output.name);
    });
    result.push_back({given != graph.outputs.end() ? given->name : "", value});
    used.insert(result.back().name);
  }
  for (size_t i = 0; i < result.size(); ++i) {
    std::string name = "result" + std::to_string(i);
    while (result[i].name.empty() && !used.insert(name).second)
      name += "_";
    if (result[i].name.empty())
      result[i].name = name;
  }
  return result;
}

OwningOpRef<ModuleOp> extract(const Graph &graph, const std::vector<Tensor> &outputs,
                              const Updates &updates, std::source_location loc) {
  Call call{"compile", loc};
  GraphImpl &impl = *GraphImpl::of(graph);
  if (outputs.empty() && updates.empty())
    impl.fail(call, "the graph has no outputs and no updates", {},
              "name what to compute: graph.output(\"loss\", loss)");
  std::vector<GraphImpl::ArgumentUpdate> replaced;
  for (const Update &update : updates) {
    Value target = impl.bodyValue(update.target, call), value = impl.bodyValue(update.value, call);
    impl.checkUpdate(call, target, value);
    unsigned index = *impl.argumentIndex(target);
    for (const GraphImpl::ArgumentUpdate &other : replaced)
      if (other.argument == index)
        impl.fail(call, "'" + impl.arguments[index].name + "' is updated twice");
    replaced.push_back({index, value});
  }
  return impl.snapshot(nameOutputs(impl, call, outputs), replaced, GraphImpl::Keep::Needed);
}

} // namespace sinter
