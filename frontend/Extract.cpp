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

/// Everything that the results are computed from.
static llvm::DenseSet<Value> neededValues(Block &block, ArrayRef<Value> results) {
  llvm::DenseSet<Value> needed(results.begin(), results.end());
  for (Operation &op : llvm::reverse(block))
    if (llvm::any_of(op.getResults(), [&](Value result) { return needed.contains(result); }))
      op.walk(
          [&](Operation *inner) { needed.insert(inner->operand_begin(), inner->operand_end()); });
  return needed;
}

OwningOpRef<ModuleOp> GraphImpl::snapshot(ArrayRef<Output> outputs,
                                          ArrayRef<ArgumentUpdate> updates, Keep keep) {
  SmallVector<Value> results;
  for (const Output &output : outputs)
    results.push_back(output.value);
  for (const ArgumentUpdate &update : updates)
    results.push_back(update.value);
  llvm::DenseSet<Value> needed = neededValues(*body, results);
  for (const ArgumentUpdate &update : updates)
    needed.insert(body->getArgument(update.argument));
  auto isKept = [&](Value value) { return keep == Keep::All || needed.contains(value); };

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
  for (Operation &op : *body)
    if (keep == Keep::All || llvm::any_of(op.getResults(), isKept))
      builder.clone(op, mapping);
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
    Value value = graph.value(tensor, call);
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
    Value target = impl.value(update.target, call), value = impl.value(update.value, call);
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
