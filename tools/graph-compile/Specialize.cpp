// SPDX-License-Identifier: Apache-2.0
#include "tools/graph-compile/Specialize.h"

#include "tools/support/CommandLine.h"

#include "sinter/codegen/BuildProgram.h"
#include "sinter/ir/Ops.h"

#include "mlir/IR/AttrTypeSubElements.h"

#include <set>

using namespace mlir;

namespace sinter::tools {
namespace {

using Substitution = std::map<std::string, DimExpr, std::less<>>;

std::vector<std::string> symbolsOf(ModuleOp module) {
  std::set<std::string> symbols;
  auto collect = [&](Type type) {
    if (auto tensor = dyn_cast<ir::TensorType>(type))
      for (const DimExpr &size : tensor.getShape())
        size.collectSymbols(symbols);
  };
  module.walk([&](Operation *op) {
    for (Type type : op->getResultTypes())
      collect(type);
    for (Region &region : op->getRegions())
      for (Block &block : region)
        for (Type type : block.getArgumentTypes())
          collect(type);
  });
  return {symbols.begin(), symbols.end()};
}

class Bindings {
public:
  void bind(const std::string &option, const std::string &name, int64_t value) {
    auto [place, isNew] = values.emplace(name, DimExpr(value));
    if (!isNew && place->second != DimExpr(value))
      failUsage(option + ": dimension " + name + " is " + place->second.str() + " and " +
                std::to_string(value));
  }
  const Substitution &substitution() const { return values; }

private:
  Substitution values;
};

const Argument &argumentNamed(const std::vector<Argument> &arguments, const std::string &name) {
  std::vector<std::string> names;
  for (const Argument &argument : arguments) {
    if (argument.name == name)
      return argument;
    names.push_back(argument.name);
  }
  failUsage("--shape: the graph has no argument '" + name + "'" + didYouMean(name, names));
}

/// The text of a size anywhere in an attribute of an op: slice limits, pad widths.
Attribute substituteSizes(ArrayAttr sizes, const Substitution &values) {
  SmallVector<Attribute> result;
  for (Attribute entry : sizes) {
    std::optional<DimExpr> size = ir::toDim(entry);
    result.push_back(size ? ir::toAttribute(sizes.getContext(), size->substitute(values)) : entry);
  }
  return ArrayAttr::get(sizes.getContext(), result);
}

void substitute(ModuleOp module, const Substitution &values) {
  AttrTypeReplacer replacer;
  replacer.addReplacement(
      [&](ir::TensorType type) -> std::optional<std::pair<Type, WalkResult>> {
        std::vector<DimExpr> sizes;
        for (const DimExpr &size : type.getShape())
          sizes.push_back(size.substitute(values));
        return std::pair<Type, WalkResult>(type.withShape(Shape(std::move(sizes))),
                                           WalkResult::skip());
      });
  replacer.recursivelyReplaceElementsIn(module, /*replaceAttrs=*/true, /*replaceLocs=*/false,
                                        /*replaceTypes=*/true);
  module.walk([&](Operation *op) {
    if (!isa_and_nonnull<ir::SinterDialect>(op->getDialect()))
      return;
    for (NamedAttribute attribute : op->getAttrs())
      if (auto sizes = dyn_cast<ArrayAttr>(attribute.getValue()))
        op->setAttr(attribute.getName(), substituteSizes(sizes, values));
    if (auto value = dyn_cast<ir::DimValueOp>(op))
      if (auto size = DimExpr::parse(std::string_view(value.getExpression())))
        value.setExpression(size->substitute(values).str());
  });
}

} // namespace

void specialize(ModuleOp module, const std::vector<std::string> &dims,
                const std::vector<std::string> &shapes) {
  if (dims.empty() && shapes.empty())
    return;
  Bindings bindings;
  std::vector<std::string> symbols = symbolsOf(module);
  for (const std::string &text : dims) {
    auto [name, value] = parseAssignment("--dim", text, "NAME=SIZE");
    if (std::find(symbols.begin(), symbols.end(), name) == symbols.end())
      failUsage("--dim: the graph has no dimension '" + name + "'" + didYouMean(name, symbols));
    bindings.bind("--dim", name, parseNumber("--dim", value));
  }
  std::vector<Argument> arguments =
      codegen::argumentsOf(module.lookupSymbol<func::FuncOp>("main"));
  struct Check {
    std::string argument;
    DimExpr size;
    int64_t given;
  };
  std::vector<Check> checks;
  for (const std::string &text : shapes) {
    auto [name, value] = parseAssignment("--shape", text, "NAME=2x3");
    const Argument &argument = argumentNamed(arguments, name);
    std::vector<int64_t> sizes = parseSizes("--shape", value);
    if (static_cast<int64_t>(sizes.size()) != argument.shape.rank())
      failUsage("--shape: '" + name + "' has " + std::to_string(argument.shape.rank()) +
                " sizes, " + argument.shape.str() + ", not " + std::to_string(sizes.size()));
    for (size_t i = 0; i < sizes.size(); ++i) {
      const DimExpr &size = argument.shape[static_cast<int64_t>(i)];
      if (size.isSymbol())
        bindings.bind("--shape", size.str(), sizes[i]);
      else
        checks.push_back({name, size, sizes[i]});
    }
  }
  for (const Check &check : checks)
    if (DimExpr size = check.size.substitute(bindings.substitution()); size != DimExpr(check.given))
      failUsage("--shape: '" + check.argument + "' has size " + size.str() + " where " +
                    std::to_string(check.given) + " is given",
                size.isConstant() ? "" : "give its dimensions with --dim NAME=SIZE");
  substitute(module, bindings.substitution());
}

} // namespace sinter::tools
