// SPDX-License-Identifier: Apache-2.0
// Graphs as text: printing, and reading with every check that building has.
#include "sinter/frontend/GraphImpl.h"

#include "sinter/ir/base/FileIo.h"

#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"

#include <set>

using namespace mlir;

namespace sinter {

std::string Graph::str(Locations locations) const {
  OwningOpRef<ModuleOp> module = impl->snapshot(impl->outputs, impl->updates, GraphImpl::Keep::All);
  std::string text;
  llvm::raw_string_ostream stream(text);
  OpPrintingFlags flags;
  if (locations == Locations::Print)
    flags.enableDebugInfo();
  module->print(stream, flags);
  stream << "\n";
  return text;
}

// -- Reading --------------------------------------------------------------------------------------

/// The parser recurses for each bracket, so text that nests too deep would overflow the stack.
static void checkNesting(std::string_view text, std::string_view filename) {
  constexpr int deepest = 200;
  int depth = 0;
  unsigned line = 1, column = 0;
  bool quoted = false, comment = false;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    ++column;
    if (c == '\n') {
      ++line;
      column = 0;
      comment = quoted = false;
    } else if (comment) {
      continue;
    } else if (quoted) {
      if (c == '\\')
        ++i, ++column;
      else
        quoted = c != '"';
    } else if (c == '"') {
      quoted = true;
    } else if (c == '/' && i + 1 < text.size() && text[i + 1] == '/') {
      comment = true;
    } else if (c == '(' || c == '[' || c == '{' || c == '<') {
      if (++depth > deepest)
        throw Error("brackets nest deeper than " + std::to_string(deepest),
                    {std::string(filename), line, column});
    } else if (c == ')' || c == ']' || c == '}' || (c == '>' && (i == 0 || text[i - 1] != '-'))) {
      depth = std::max(0, depth - 1);
    }
  }
}

[[noreturn]] static void refuse(Location loc, const std::string &message,
                                const std::string &hint = "") {
  throw Error({.location = ir::toSourceLoc(loc), .hint = hint}, message);
}

/// The single function @main of a graph.
static func::FuncOp findMain(ModuleOp module) {
  func::FuncOp main;
  for (Operation &op : *module.getBody()) {
    auto function = dyn_cast<func::FuncOp>(op);
    if (!function || main)
      refuse(op.getLoc(), "a graph is a module with one function, @main");
    main = function;
  }
  if (!main)
    refuse(module.getLoc(), "the text holds no graph", "a graph is a function @main");
  if (main.getName() != "main")
    refuse(main.getLoc(), "the function is called @" + main.getName().str(), "call it @main");
  if (main.isExternal())
    refuse(main.getLoc(), "the function has no body");
  if (!main.getBody().hasOneBlock())
    refuse(main.getLoc(), "a graph has one block");
  return main;
}

/// What an attribute of an argument says, as a string.
static std::string stringAttribute(func::FuncOp function, unsigned i, StringRef key, Location loc,
                                   const std::string &fallback) {
  Attribute attribute = function.getArgAttr(i, key);
  if (!attribute)
    return fallback;
  auto text = dyn_cast<StringAttr>(attribute);
  if (!text)
    refuse(loc, key.str() + " must be a string");
  return text.str();
}

static InitSpec readInit(Attribute attribute, Location loc) {
  InitSpec spec;
  if (!attribute)
    return spec;
  auto dictionary = dyn_cast<DictionaryAttr>(attribute);
  auto kind = dictionary ? dictionary.getAs<StringAttr>("kind") : StringAttr();
  std::optional<InitSpec::Kind> parsed =
      kind ? parseInitKind(std::string_view(kind.getValue())) : std::nullopt;
  if (!parsed)
    refuse(
        loc, "sinter.init needs a kind",
        "e.g. {kind = \"normal\", a = 0.0, b = 1.0}; kinds are zeros, constant, uniform, normal");
  spec.kind = *parsed;
  for (auto [key, target] : {std::pair("a", &spec.a), std::pair("b", &spec.b)}) {
    Attribute entry = dictionary.get(key);
    auto number = dyn_cast_or_null<FloatAttr>(entry);
    if (entry && !number)
      refuse(loc, "'" + std::string(key) + "' in sinter.init must be a float");
    if (number)
      *target = number.getValueAsDouble();
  }
  return spec;
}

/// Refuses what the dialect would ignore, such as a name with a mistake in it.
static void checkAttributes(DictionaryAttr attributes, ArrayRef<StringRef> known, Location loc) {
  std::vector<std::string> names;
  for (StringRef name : known)
    names.push_back(name.str());
  for (NamedAttribute entry : attributes ? attributes.getValue() : ArrayRef<NamedAttribute>())
    if (StringRef name = entry.getName().getValue();
        name.starts_with("sinter.") && !is_contained(known, name))
      refuse(loc,
             "unknown attribute '" + name.str() + "'" + didYouMean(std::string_view(name), names));
}

static void checkArgument(func::FuncOp function, BlockArgument argument) {
  if (!isa<ir::TensorType>(argument.getType()))
    refuse(argument.getLoc(), "arguments are tensors, e.g. !sinter.tensor<f32[N, 4]>");
  checkAttributes(function.getArgAttrDict(argument.getArgNumber()),
                  {ir::nameAttr, ir::kindAttr, ir::initAttr}, argument.getLoc());
}

/// What passes note on ops is theirs: derivatives, which are taken first, do not know it. Kernels
/// of a later stage keep it.
static void checkOp(Operation *op) {
  op->walk<WalkOrder::PreOrder>([](Operation *inner) { // Regions hold ops, too.
    if (!isa_and_nonnull<ir::SinterDialect>(inner->getDialect()))
      refuse(inner->getLoc(),
             "'" + inner->getName().getStringRef().str() + "' is no operator of a graph");
    if (inner->getParentOfType<ir::FusedOp>() || isa<ir::FusedOp>(inner))
      return;
    for (NamedAttribute entry : inner->getDiscardableAttrs())
      if (entry.getName().getValue().starts_with("sinter."))
        refuse(inner->getLoc(),
               "'" + inner->getName().getStringRef().str() + "' has no attribute '" +
                   entry.getName().str() + "'",
               "notes of the compiler's passes are no part of a graph: leave it out");
  });
}

void GraphImpl::adopt(OwningOpRef<ModuleOp> parsed) {
  func::FuncOp main = findMain(*parsed);
  Block &source = main.getBody().front();
  for (Operation &op : source.without_terminator())
    checkOp(&op);
  IRMapping mapping;
  for (BlockArgument argument : source.getArguments()) {
    checkArgument(main, argument);
    unsigned i = argument.getArgNumber();
    Location loc = argument.getLoc();
    std::string kindName = stringAttribute(main, i, ir::kindAttr, loc, "placeholder");
    std::optional<ArgumentKind> kind = parseArgumentKind(kindName);
    if (!kind)
      refuse(loc, "unknown sinter.kind '" + kindName + "'" +
                      didYouMean(kindName, {"placeholder", "parameter", "state"}));
    ir::TensorType type = ir::tensorType(argument);
    InitSpec init = readInit(main.getArgAttr(i, ir::initAttr), loc);
    std::string name = stringAttribute(main, i, ir::nameAttr, loc, "arg" + std::to_string(i));
    try {
      Value added = addArgument({nullptr, {}}, *kind, name, type.getDType(), type.getShape(), init);
      added.setLoc(loc);
      arguments.back().location = ir::toSourceLoc(loc);
      mapping.map(argument, added);
    } catch (const Error &error) {
      refuse(loc, error.message(), error.hint());
    }
  }
  OpBuilder builder = OpBuilder::atBlockEnd(body);
  for (Operation &op : source.without_terminator())
    builder.clone(op, mapping);
  adoptResults(main, mapping);
}

void GraphImpl::adoptResults(func::FuncOp main, IRMapping &mapping) {
  Operation *terminator = main.getBody().front().getTerminator();
  if (!isa<func::ReturnOp>(terminator))
    refuse(terminator->getLoc(), "a graph ends with return");
  for (auto [i, operand] : llvm::enumerate(terminator->getOperands())) {
    unsigned index = static_cast<unsigned>(i);
    Location loc = terminator->getLoc();
    checkAttributes(main.getResultAttrDict(index), {ir::nameAttr, ir::updatesAttr}, loc);
    for (StringRef key : {ir::nameAttr, ir::updatesAttr})
      if (Attribute attribute = main.getResultAttr(index, key);
          attribute && !isa<StringAttr>(attribute))
        refuse(loc, key.str() + " must be a string");
    Tensor value = tensor(mapping.lookup(operand));
    auto target = main.getResultAttrOfType<StringAttr>(index, ir::updatesAttr);
    auto given = main.getResultAttrOfType<StringAttr>(index, ir::nameAttr);
    try {
      if (target) {
        Graph graph = handle(shared_from_this());
        addUpdate({nullptr, {}}, graph.argument(std::string_view(target.getValue())), value);
      } else {
        addOutput({nullptr, {}}, given ? given.str() : "result" + std::to_string(i), value);
      }
    } catch (const Error &error) {
      throw Error(
          {.shapes = error.shapes(), .location = ir::toSourceLoc(loc), .hint = error.hint()},
          error.message());
    }
  }
}

Graph Graph::parse(std::string_view text, std::string_view filename) {
  checkNesting(text, filename);
  std::string terminated(text); // MLIR's lexer looks at the character behind the last one.
  Graph graph;
  GraphImpl &impl = *graph.impl;
  DiagnosticCollector diagnostics(impl.mlirContext());
  ParserConfig config(&impl.mlirContext());
  OwningOpRef<ModuleOp> module;
  try {
    module = parseSourceString<ModuleOp>(terminated, config, llvm::StringRef(filename));
  } catch (const Error &error) { // Sizes out of range in a type rule.
    throw Error({.location = {std::string(filename), 1, 1}, .hint = error.hint()}, error.message());
  }
  if (!module) {
    SourceLoc where = diagnostics.location();
    throw Error(diagnostics.message().empty() ? "malformed text" : diagnostics.message(),
                where.known() ? where : SourceLoc{std::string(filename), 1, 1});
  }
  try {
    impl.adopt(std::move(module));
  } catch (const Error &error) {
    if (error.location().known())
      throw;
    throw Error({.location = {std::string(filename), 1, 1}, .hint = error.hint()}, error.message());
  }
  return graph;
}

Graph Graph::load(const std::filesystem::path &path) {
  return parse(readTextFile(path), path == "-" ? "<stdin>" : path.string());
}

} // namespace sinter
