// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cpu/ProgramTable.h"

#include "sinter/ir/base/Error.h"

#include "llvm/IR/Constants.h"
#include "llvm/IR/Function.h"
#include "llvm/IR/Module.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <map>

using namespace llvm;

namespace sinter::cpu {

namespace {

[[noreturn]] void failInternal(const std::string &message) {
  throw Error({.kind = ErrorKind::Internal}, "program table: " + message);
}

/// The operations and kinds of support/Support.h.
enum Op : int64_t { End, Constant_, Dim, Add, Mul, FloorDiv, CeilDiv, Max };
enum AxisKind : int64_t { AxisConstant, AxisDim, AxisExpression };
constexpr int64_t maxDepth = 64;
constexpr int64_t abiVersion = 2;

/// Expressions in postfix notation, one behind another.
class Expressions {
public:
  explicit Expressions(const std::vector<std::string> &dims) : dims(dims) {}

  int64_t add(const DimExpr &expression) {
    auto [known, isNew] = starts.try_emplace(expression, static_cast<int64_t>(code.size()));
    if (!isNew)
      return known->second;
    struct Piece {
      std::vector<int64_t> code;
      int64_t depth;
    };
    auto binary = [](Op op) {
      return [op](Piece a, Piece b) {
        a.code.insert(a.code.end(), b.code.begin(), b.code.end());
        a.code.push_back(op);
        return Piece{std::move(a.code), std::max(a.depth, b.depth + 1)};
      };
    };
    DimExpr::Folder<Piece> folder;
    folder.constant = [](int64_t value) { return Piece{{Constant_, value}, 1}; };
    folder.symbol = [this](const std::string &name) { return Piece{{Dim, numberOf(name)}, 1}; };
    folder.add = binary(Add);
    folder.mul = binary(Mul);
    folder.floorDiv = binary(FloorDiv);
    folder.ceilDiv = binary(CeilDiv);
    folder.max = binary(Max);
    Piece piece = expression.fold(folder);
    if (piece.depth > maxDepth)
      throw Error({.kind = ErrorKind::Unsupported},
                  "the size " + expression.str() + " is nested too deeply for a library");
    code.insert(code.end(), piece.code.begin(), piece.code.end());
    code.push_back(End);
    return known->second;
  }

  int64_t numberOf(const std::string &dim) const {
    auto found = std::find(dims.begin(), dims.end(), dim);
    if (found == dims.end())
      failInternal("the dimension '" + dim + "' is unknown");
    return found - dims.begin();
  }

  std::vector<int64_t> code;

private:
  const std::vector<std::string> &dims;
  std::map<DimExpr, int64_t> starts;
};

class TableBuilder {
public:
  TableBuilder(Module &module, const std::vector<InterfaceVersion> &versions,
               const ArrayMap &values)
      : module(module), context(module.getContext()), versions(versions),
        program(*versions.front().program), values(values), dims(interfaceDims(program)),
        expressions(dims), i64(Type::getInt64Ty(context)), pointer(PointerType::get(context, 0)) {}

  GlobalVariable *build(const std::string &name, const InterfaceSymbols &symbols) {
    requireValues();
    std::vector<Constant *> inputs, outputs, variables;
    for (size_t i = 0; i < program.arguments.size(); ++i)
      (program.arguments[i].kind == ArgumentKind::Placeholder ? inputs : variables)
          .push_back(argumentPlace(i));
    for (size_t i = 0; i < program.results.size(); ++i)
      if (program.results[i].updates < 0)
        outputs.push_back(resultPlace(i, outputs.size()));
    std::vector<Constant *> dimNames, conditions, versionTables;
    for (const std::string &dim : dims)
      dimNames.push_back(text(dim));
    for (const Condition &condition : program.conditions)
      conditions.push_back(
          record({number(expressions.add(condition.value)), site(condition.site)}));
    for (const InterfaceVersion &version : versions)
      versionTables.push_back(versionTable(version));
    counts.dims = static_cast<int64_t>(dims.size());
    counts.args = static_cast<int64_t>(program.arguments.size() + program.results.size());
    counts.variables = static_cast<int64_t>(variables.size());

    if (!carried.empty())
      exportValues(symbols.values);
    Function *version = Function::Create(FunctionType::get(i64, false),
                                         GlobalValue::ExternalLinkage, symbols.version, module);
    version->setVisibility(GlobalValue::HiddenVisibility);
    version->setDSOLocal(true);
    std::string target;
    for (const InterfaceVersion &one : versions)
      target += (target.empty() ? "" : " or ") + shortTarget(one.program->target);
    Constant *table =
        record({number(static_cast<int64_t>(interfaceId(program))), text(name), text(target),
                array(inputs), array(outputs), array(variables), count(inputs), count(outputs),
                count(variables), array(dimNames), count(dimNames), numbers(expressions.code),
                array(conditions), count(conditions), array(versionTables), count(versionTables),
                math(), version});
    return global(table, "program");
  }

  TableCounts counts;

private:
  void requireValues() const {
    std::vector<std::string> names;
    for (const Argument &argument : program.arguments)
      if (argument.kind != ArgumentKind::Placeholder)
        names.push_back(argument.name);
    for (const auto &[name, array] : values)
      if (std::find(names.begin(), names.end(), name) == names.end())
        throw Error({.kind = ErrorKind::User, .op = "library"},
                    "there is no parameter or state variable '" + name + "' to give a value to" +
                        didYouMean(name, names));
  }

  // -- Constants --

  Constant *number(int64_t value) {
    return ConstantInt::get(i64, static_cast<uint64_t>(value), /*IsSigned=*/false);
  }
  Constant *count(const std::vector<Constant *> &items) {
    return number(static_cast<int64_t>(items.size()));
  }
  Constant *record(ArrayRef<Constant *> fields) { return ConstantStruct::getAnon(context, fields); }
  GlobalVariable *global(Constant *value, const char *name) {
    auto *variable = new GlobalVariable(module, value->getType(), true,
                                        GlobalValue::InternalLinkage, value, name);
    variable->setAlignment(Align(8));
    return variable;
  }
  Constant *nothing() { return ConstantPointerNull::get(pointer); }
  Constant *array(const std::vector<Constant *> &items) {
    if (items.empty())
      return nothing();
    auto *type = ArrayType::get(items.front()->getType(), items.size());
    return global(ConstantArray::get(type, items), "items");
  }
  Constant *numbers(ArrayRef<int64_t> items) {
    if (items.empty())
      return nothing();
    return global(ConstantDataArray::get(context, items), "numbers");
  }
  Constant *text(const std::string &content) {
    GlobalVariable *&known = texts[content];
    if (!known) {
      Constant *bytes = ConstantDataArray::getString(context, content);
      known = new GlobalVariable(module, bytes->getType(), true, GlobalValue::PrivateLinkage, bytes,
                                 "text");
      known->setUnnamedAddr(GlobalValue::UnnamedAddr::Global);
    }
    return known;
  }
  Constant *location(const SourceLoc &place) { return text(place.known() ? place.str() : ""); }
  Constant *site(const Site &site) {
    return record({text(site.op), text(site.what), location(site.location)});
  }

  /// libm, where a variable is drawn from a normal distribution.
  Constant *math() {
    bool isNeeded = std::any_of(
        program.arguments.begin(), program.arguments.end(), [&](const Argument &argument) {
          return argument.kind != ArgumentKind::Placeholder &&
                 argument.init.kind == InitSpec::Kind::Normal && !values.contains(argument.name);
        });
    if (!isNeeded)
      return nothing();
    Type *real = Type::getDoubleTy(context);
    std::vector<Constant *> functions;
    for (const char *name : {"log", "cos", "sin"})
      functions.push_back(cast<Constant>(
          module.getOrInsertFunction(name, FunctionType::get(real, {real}, false)).getCallee()));
    return array(functions);
  }

  // -- Places --

  Constant *axes(const Shape &shape) {
    std::vector<Constant *> result;
    for (const DimExpr &dim : shape) {
      if (std::optional<int64_t> constant = dim.constant())
        result.push_back(record({number(AxisConstant), number(*constant)}));
      else if (dim.isSymbol())
        result.push_back(record({number(AxisDim), number(expressions.numberOf(dim.str()))}));
      else
        result.push_back(record({number(AxisExpression), number(expressions.add(dim))}));
    }
    return array(result);
  }

  struct PlaceFields {
    std::string name;
    SourceLoc location;
    const Shape &shape;
    DType dtype;
    size_t position;
    int64_t update = -1;
    bool isParameter = false;
    InitSpec init = {};
    const Array *value = nullptr;
  };
  /// struct Place of support/Support.h.
  Constant *place(const PlaceFields &fields) {
    Constant *value = nothing(), *sizes = nothing();
    if (fields.value) {
      value = bytes(*fields.value);
      sizes = numbersOf(*fields.value);
      carried.push_back(
          record({text(fields.name), value, sizes, nothing(),
                  number(static_cast<int64_t>(fields.dtype)), number(fields.shape.rank())}));
    }
    return record({text(fields.name), location(fields.location), axes(fields.shape),
                   number(static_cast<int64_t>(fields.dtype)), number(fields.shape.rank()),
                   number(static_cast<int64_t>(fields.position)), number(fields.update),
                   number(fields.isParameter), number(static_cast<int64_t>(fields.init.kind)),
                   number(pattern(fields)), real(fields.init.a), real(fields.init.b), value,
                   sizes});
  }
  void exportValues(const std::string &symbol) {
    carried.push_back(Constant::getNullValue(carried.front()->getType()));
    auto *type = ArrayType::get(carried.front()->getType(), carried.size());
    auto *table = new GlobalVariable(module, type, true, GlobalValue::ExternalLinkage,
                                     ConstantArray::get(type, carried), symbol);
    table->setAlignment(Align(8));
  }
  Constant *real(double value) { return ConstantFP::get(Type::getDoubleTy(context), value); }

  /// The element that fills the variable, where one does.
  static int64_t pattern(const PlaceFields &fields) {
    int64_t result = 0;
    if (fields.init.kind == InitSpec::Kind::Constant) {
      Array element(fields.dtype, {});
      element.fill(fields.init.a);
      std::memcpy(&result, element.data(), static_cast<size_t>(element.numBytes()));
    }
    return result;
  }
  Constant *bytes(const Array &array) {
    Array dense = array.contiguous();
    auto size = static_cast<uint64_t>(dense.numBytes());
    Constant *content = ConstantDataArray::getRaw(
        StringRef(static_cast<const char *>(dense.data()), size), size, Type::getInt8Ty(context));
    GlobalVariable *variable = global(content, "value");
    variable->setAlignment(Align(bufferAlignment));
    return variable;
  }
  Constant *numbersOf(const Array &array) {
    return array.rank() == 0 ? global(number(0), "sizes") : numbers(array.sizes());
  }

  Constant *argumentPlace(size_t index) {
    const Argument &argument = program.arguments[index];
    PlaceFields fields{argument.name, argument.location, argument.shape, argument.dtype, index};
    fields.isParameter = argument.kind == ArgumentKind::Parameter;
    fields.init = argument.init;
    for (size_t i = 0; i < program.results.size(); ++i)
      if (program.results[i].updates == static_cast<int>(index)) {
        if (argument.kind == ArgumentKind::Placeholder)
          failInternal("the input '" + argument.name + "' is updated");
        fields.update = static_cast<int64_t>(program.arguments.size() + i);
      }
    if (auto found = values.find(argument.name);
        found != values.end() && argument.kind != ArgumentKind::Placeholder) {
      requireFits(argument, found->second);
      fields.value = &found->second;
    }
    return place(fields);
  }
  Constant *resultPlace(size_t index, size_t number) {
    const Result &result = program.results[index];
    return place({result.name.empty() ? "output" + std::to_string(number) : result.name,
                  result.location, result.shape, result.dtype, program.arguments.size() + index});
  }

  static void requireFits(const Argument &argument, const Array &value) {
    bool fits = argument.dtype == value.dtype() && argument.shape.rank() == value.rank();
    for (int64_t i = 0; fits && i < value.rank(); ++i) {
      std::optional<int64_t> wanted = argument.shape[static_cast<size_t>(i)].constant();
      fits = !wanted || *wanted == value.sizes()[static_cast<size_t>(i)];
    }
    if (!fits)
      throw Error({.kind = ErrorKind::User, .op = "library", .location = argument.location},
                  "'" + argument.name + "' is " + std::string(name(argument.dtype)) +
                      argument.shape.str() + ", but the value for it is " +
                      std::string(name(value.dtype())) + Shape(value.sizes()).str());
  }

  Constant *versionTable(const InterfaceVersion &version) {
    const Program &one = *version.program;
    if (interfaceId(one) != interfaceId(program) || interfaceDims(one) != dims)
      failInternal("versions of a library differ in more than their code");
    counts.tableSize =
        std::max(counts.tableSize, static_cast<int64_t>(one.dims.size() + one.table.size()));
    std::vector<Constant *> sites;
    for (const Site &each : one.sites)
      sites.push_back(site(each));
    auto declare = [&](const char *suffix, Type *result, ArrayRef<Type *> parameters) {
      FunctionCallee callee = module.getOrInsertFunction(
          version.symbol + suffix, FunctionType::get(result, parameters, false));
      return cast<Constant>(callee.getCallee());
    };
    return record({declare("_sizes", i64, {pointer, i64, pointer}),
                   declare("_arena_bytes", i64, {pointer}),
                   declare("_run", Type::getVoidTy(context), {pointer, pointer, pointer, pointer}),
                   array(sites), count(sites)});
  }

  Module &module;
  LLVMContext &context;
  const std::vector<InterfaceVersion> &versions;
  const Program &program;
  const ArrayMap &values;
  std::vector<std::string> dims;
  Expressions expressions;
  std::vector<Constant *> carried; ///< Entries of NAME_values.
  IntegerType *i64;
  PointerType *pointer;
  std::map<std::string, GlobalVariable *> texts;
};

} // namespace

GlobalVariable *buildProgramTable(Module &module, const std::string &name,
                                  const std::vector<InterfaceVersion> &versions,
                                  const ArrayMap &values, const InterfaceSymbols &symbols,
                                  TableCounts &counts) {
  TableBuilder builder(module, versions, values);
  GlobalVariable *table = builder.build(name, symbols);
  counts = builder.counts;
  return table;
}

std::string shortTarget(const std::string &target) {
  constexpr int64_t readable = 3;
  int64_t extensions = std::count(target.begin(), target.end(), '+');
  size_t comma = target.find(',');
  if (extensions <= readable || comma == std::string::npos)
    return target;
  return target.substr(0, comma) + " with " + std::to_string(extensions) + " extensions";
}

std::vector<std::string> interfaceDims(const Program &program) {
  std::vector<std::string> dims;
  auto add = [&](const std::string &dim) {
    if (dim != workersSymbol && std::find(dims.begin(), dims.end(), dim) == dims.end())
      dims.push_back(dim);
  };
  for (const std::string &dim : program.dims) // NAME_sizes reads these.
    add(dim);
  auto addAll = [&](const DimExpr &expression) {
    std::set<std::string> symbols;
    expression.collectSymbols(symbols);
    for (const std::string &symbol : symbols)
      add(symbol);
  };
  for (const Argument &argument : program.arguments)
    for (const DimExpr &size : argument.shape)
      addAll(size);
  for (const Result &result : program.results)
    for (const DimExpr &size : result.shape)
      addAll(size);
  for (const Condition &condition : program.conditions)
    addAll(condition.value);
  return dims;
}

uint64_t interfaceId(const Program &program) {
  std::string text = "sinter interface " + std::to_string(abiVersion);
  for (const std::string &dim : interfaceDims(program))
    text += "\ndim " + dim;
  for (const Argument &argument : program.arguments)
    text += "\n" + std::string(name(argument.kind)) + " " + argument.name + " " +
            std::string(name(argument.dtype)) + argument.shape.str();
  for (const Result &result : program.results)
    text += "\nresult " + result.name + " " + std::to_string(result.updates) + " " +
            std::string(name(result.dtype)) + result.shape.str();
  uint64_t hash = 0xcbf29ce484222325;
  for (char c : text)
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

bool hasVariables(const Program &program) {
  return std::any_of(program.arguments.begin(), program.arguments.end(),
                     [](const Argument &a) { return a.kind != ArgumentKind::Placeholder; });
}

} // namespace sinter::cpu
