// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cuda/ElementFunctions.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/IRMapping.h"

#include <numeric>

using namespace mlir;
using namespace sinter::codegen;

namespace sinter::cuda {

/// One function while it is being emitted: its arguments are the buffers, the table, the status
/// slot, then its own.
struct ElementFunctions::Function {
  Function(ElementFunctions &owner, llvm::ArrayRef<std::string> indices)
      : owner(owner), builder(owner.fused.getContext()), loc(owner.kernel.indexLocation) {
    builder.setInsertionPointToEnd(owner.kernel.module->getBody());
    Type pointer = LLVM::LLVMPointerType::get(builder.getContext());
    llvm::SmallVector<Type> types(owner.names.size() + 2, pointer);
    types.append(indices.size(), builder.getI64Type());
    op = func::FuncOp::create(builder, loc, "f" + std::to_string(owner.made++),
                              builder.getFunctionType(types, {}));
    entry = op.addEntryBlock();
    builder.setInsertionPointToStart(entry);
    arguments = owner.names;
    arguments.insert(arguments.end(), {"table", "status"});
    arguments.insert(arguments.end(), indices.begin(), indices.end());
    Block &body = owner.fused.getBody().front();
    unsigned number = 0;
    for (BlockArgument argument : body.getArguments()) {
      auto tensor = ir::tensorType(argument);
      env.buffers[argument] = {entry->getArgument(number++), tensor.getElementType(),
                               tensor.getShape()};
    }
    auto first = static_cast<unsigned>(owner.names.size());
    env.status = entry->getArgument(first + 1);
    env.site = owner.request.site;
    Value place = arith::ConstantIntOp::create(builder, loc, 0, 64);
    sizes = std::make_unique<SizeTable>(entry->getArgument(first), owner.request.dims,
                                        place.getDefiningOp());
    env.sizes = sizes.get();
    elements = std::make_unique<ElementEmitter>(builder, loc, env, 1);
    firstIndex = first + 2;
  }

  Value index(size_t number) const {
    return entry->getArgument(firstIndex + static_cast<unsigned>(number));
  }
  Value addArgument(const std::string &name, Type argumentType) {
    arguments.push_back(name);
    return entry->addArgument(argumentType, loc);
  }
  Value addPointer(const std::string &name) {
    return addArgument(name, LLVM::LLVMPointerType::get(builder.getContext()));
  }

  /// The index of a point that groups name.
  Index point(llvm::ArrayRef<Group> groups, const Shape &shape) {
    Index all(static_cast<size_t>(shape.rank()));
    for (auto [number, group] : llvm::enumerate(groups)) {
      llvm::SmallVector<DimExpr> dims;
      for (int64_t d : group.dims)
        dims.push_back(shape[d]);
      if (dims.empty())
        continue;
      for (auto [d, at] : llvm::zip(group.dims, elements->math().delinearize(index(number), dims)))
        all[static_cast<size_t>(d)] = at;
    }
    return all;
  }

  ElementFunctions &owner;
  OpBuilder builder;
  Location loc;
  func::FuncOp op;
  Block *entry = nullptr;
  KernelEnvironment env;
  std::unique_ptr<SizeTable> sizes;
  std::unique_ptr<ElementEmitter> elements;
  std::vector<std::string> arguments;
  unsigned firstIndex = 0;
};

namespace {

constexpr llvm::StringLiteral memberNames[] = {"table", "status", "region", "sizes", "V", "i"};

bool dependsOn(Value value, Value on) {
  if (value == on)
    return true;
  Operation *op = value.getDefiningOp();
  return op && llvm::any_of(op->getOperands(), [&](Value v) { return dependsOn(v, on); });
}

/// Whether a value follows from the first `count` arguments of its function by ops without regions.
bool isPlain(Value value, size_t count) {
  if (auto argument = dyn_cast<BlockArgument>(value))
    return argument.getArgNumber() < count;
  Operation *op = value.getDefiningOp();
  return op->getNumRegions() == 0 &&
         llvm::all_of(op->getOperands(), [&](Value v) { return isPlain(v, count); });
}

/// Copies what computes a plain value.
Value cloneTree(OpBuilder &builder, Value value, IRMapping &map) {
  if (Value known = map.lookupOrNull(value))
    return known;
  Operation *op = value.getDefiningOp();
  for (Value operand : op->getOperands())
    cloneTree(builder, operand, map);
  return builder.clone(*op, map)->getResult(cast<OpResult>(value).getResultNumber());
}

/// How many elements of a row-major buffer are known to begin at 16-byte boundaries together.
int64_t alignedElements(const BufferRef &buffer, int64_t bytes) {
  const int64_t most = 16 / bytes;
  if (buffer.shape.rank() <= 1)
    return most;
  auto last = buffer.shape[buffer.shape.rank() - 1].constant();
  return last ? std::gcd(*last == 0 ? most : *last, most) : 1;
}

int64_t storageBytes(Type type) { return std::max(1u, type.getIntOrFloatBitWidth() / 8); }

} // namespace

ElementFunctions::ElementFunctions(const KernelRequest &request,
                                   llvm::ArrayRef<llvm::StringRef> taken)
    : request(request),
      fused(request.fused), kernel{ModuleOp::create(fused->getLoc()),
                                   {},
                                   NameLoc::get(StringAttr::get(fused.getContext(), "index"))},
      type(request.name + "_Region") {
  llvm::StringSet<> used = reservedNames();
  for (llvm::StringRef name : memberNames)
    used.insert(name);
  for (llvm::StringRef name : taken)
    used.insert(name);
  Block &body = fused.getBody().front();
  ValueRange results = body.getTerminator()->getOperands();
  const size_t inputs = body.getNumArguments();
  for (auto [i, hint] : llvm::enumerate(request.bufferNames)) {
    std::string wanted = toName(hint), name = wanted;
    for (int number = 1; !used.insert(name).second; ++number)
      name = wanted + "_" + std::to_string(number);
    names.push_back(name);
    Value value = i < inputs                    ? Value(body.getArgument(static_cast<unsigned>(i)))
                  : i < inputs + results.size() ? results[i - inputs]
                                                : Value();
    elementTypes.push_back(value ? ir::tensorType(value).getElementType() : Type());
  }
}

void ElementFunctions::add(Function &function, const std::string &head, Value result) {
  func::ReturnOp::create(function.builder, function.loc,
                         result ? ValueRange(result) : ValueRange());
  llvm::SmallVector<Type> results;
  if (result)
    results.push_back(result.getType());
  function.op.setFunctionType(
      function.builder.getFunctionType(function.entry->getArgumentTypes(), results));
  functions.push_back({function.op, head, function.arguments, {}, false});
}

std::string ElementFunctions::indexParameters(llvm::ArrayRef<Group> groups) const {
  std::string text;
  for (const Group &group : groups)
    text += (text.empty() ? "long long " : ", long long ") + group.name;
  return text;
}

void ElementFunctions::addFunction(const std::string &name, llvm::ArrayRef<std::string> indices,
                                   Type result, Emit emit) {
  Function function(*this, indices);
  llvm::SmallVector<Value> arguments;
  std::string parameters;
  for (auto [number, index] : llvm::enumerate(indices)) {
    arguments.push_back(function.index(number));
    parameters += (parameters.empty() ? "long long " : ", long long ") + index;
  }
  Value value = emit(*function.elements, arguments);
  add(function, (result ? cppTypeName(result) : "void") + " " + name + "(" + parameters + ")",
      value);
}

void ElementFunctions::addSize(const std::string &name, const DimExpr &size) {
  addFunction(
      name, {}, IntegerType::get(fused.getContext(), 64),
      [&](ElementEmitter &elements, ValueRange) { return elements.math().uniform(size).base; });
}

void ElementFunctions::addConstant(const std::string &name, int64_t value) {
  addLine("static constexpr int " + name + " = " + std::to_string(value) + ";");
}

void ElementFunctions::addOffset(const std::string &name, const std::string &flat,
                                 llvm::ArrayRef<DimExpr> dims, llvm::ArrayRef<DimExpr> strides) {
  addFunction(name, {flat}, IntegerType::get(fused.getContext(), 64),
              [&](ElementEmitter &elements, ValueRange arguments) {
                IndexMath &math = elements.math();
                LaneIndex sum = math.uniform(DimExpr(0));
                if (!dims.empty())
                  for (auto [i, index] : llvm::enumerate(math.delinearize(arguments[0], dims)))
                    sum = math.add(sum, math.mul(index, strides[i]));
                return sum.base;
              });
}

void ElementFunctions::addElement(const std::string &name, Value value,
                                  llvm::ArrayRef<Group> groups, Type as) {
  llvm::SmallVector<std::string> indices;
  for (const Group &group : groups)
    indices.push_back(group.name);
  Function function(*this, indices);
  auto tensor = ir::tensorType(value);
  Value element = function.elements->emit(value, function.point(groups, tensor.getShape())).value;
  if (as && as != element.getType())
    element = isUnsigned(tensor.getDType())
                  ? Value(arith::ExtUIOp::create(function.builder, function.loc, as, element))
                  : Value(arith::ExtSIOp::create(function.builder, function.loc, as, element));
  add(function, cppTypeName(element.getType()) + " " + name + "(" + indexParameters(groups) + ")",
      element);
}

void ElementFunctions::addStore(const std::string &name, llvm::ArrayRef<Group> groups,
                                llvm::ArrayRef<Given> given) {
  llvm::SmallVector<unsigned> all;
  for (unsigned i = 0; i < fused.getBody().front().getTerminator()->getNumOperands(); ++i)
    all.push_back(i);
  addStore(name, groups, given, all);
}

void ElementFunctions::addStore(const std::string &name, llvm::ArrayRef<Group> groups,
                                llvm::ArrayRef<Given> given, llvm::ArrayRef<unsigned> outputs) {
  llvm::SmallVector<std::string> indices;
  for (const Group &group : groups)
    indices.push_back(group.name);
  Block &body = fused.getBody().front();
  ValueRange yielded = body.getTerminator()->getOperands();
  const Shape shape = ir::tensorType(yielded[outputs.front()]).getShape();

  Function function(*this, indices);
  ElementEmitter &elements = *function.elements;
  Index point = function.point(groups, shape);
  auto givenType = [](const Given &value) {
    return value.as ? value.as : ir::registerType(ir::tensorType(value.value).getElementType());
  };
  for (const Given &value : given) {
    Value scalar = function.addArgument(value.name, givenType(value));
    if (Type held = ir::registerType(ir::tensorType(value.value).getElementType());
        held != scalar.getType())
      scalar = arith::TruncIOp::create(function.builder, function.loc, held, scalar);
    elements.setOverride(value.value, [scalar](llvm::ArrayRef<LaneIndex>) {
      return Element{scalar, true};
    });
  }

  // Inputs that are read at neighbouring places for neighbouring points come as packs: the element
  // function is handed each point's own element, and an offset function says where a pack begins.
  struct PackRead {
    std::string buffer;
    Index index;
    Value element;
  };
  std::map<std::string, PackRead> reads;
  Value last = function.index(groups.size() - 1);
  const bool isSingle = groups.back().dims.size() == 1;
  for (auto [number, argument] : llvm::enumerate(body.getArguments())) {
    const BufferRef buffer = function.env.buffers.lookup(argument);
    const std::string buffered = names[number];
    elements.setOverride(
        argument, [&, buffer, buffered](llvm::ArrayRef<LaneIndex> index) -> Element {
          if (!isSingle || index.empty() || index.back().base != last ||
              function.builder.getInsertionBlock() != function.entry)
            return {};
          for (const LaneIndex &at : index.drop_back())
            if (dependsOn(at.base, last) || !isPlain(at.base, names.size() + 2 + groups.size()))
              return {};
          if (auto known = reads.find(buffered); known != reads.end()) {
            bool same =
                llvm::equal(known->second.index, index, [](const LaneIndex &a, const LaneIndex &b) {
                  return a.base == b.base;
                });
            if (!same)
              return {};
            return {known->second.element, true};
          }
          Value from = function.addPointer(buffered + "_in");
          Value element =
              elements.memory().loadScalar(from, buffer.elementType, elements.math().constant(0));
          reads[buffered] = {buffered, Index(index.begin(), index.end()), element};
          return {element, true};
        });
  }
  llvm::SmallVector<Value> values;
  for (unsigned output : outputs)
    values.push_back(elements.emit(yielded[output], point).value);
  llvm::SmallVector<std::string> results;
  for (auto [output, value] : llvm::zip(outputs, values)) {
    results.push_back(names[body.getNumArguments() + output]);
    Value to = function.addPointer(results.back() + "_out");
    elements.memory().storeScalar(value, ir::tensorType(yielded[output]).getElementType(), to,
                                  elements.math().constant(0));
  }

  // The offsets of packs, as functions of their own.
  auto addOffsetOf = [&](const std::string &offsetName, const Index &index, const Shape &of) {
    Function offset(*this, indices);
    IRMapping map;
    for (size_t i = 0; i < names.size() + 2 + indices.size(); ++i)
      map.map(function.entry->getArgument(static_cast<unsigned>(i)),
              offset.entry->getArgument(static_cast<unsigned>(i)));
    Index moved;
    for (const LaneIndex &at : index)
      moved.push_back({cloneTree(offset.builder, at.base, map), 0, {}});
    add(offset, "long long " + offsetName + "(" + indexParameters(groups) + ")",
        offset.elements->math().linearize(moved, of).base);
  };

  const std::string packs = indexParameters(groups);
  std::string head = "void " + name + "_element(" + packs, call = name + "_element(",
              text = "  template <int V> __device__ __forceinline__ void " + name + "(" + packs,
              before, after;
  for (const Group &group : groups)
    call += (&group == &groups.front() ? "" : ", ") + group.name +
            (&group == &groups.back() ? " + i" : "");
  for (const Given &value : given) {
    const std::string scalar = cppTypeName(givenType(value));
    head += ", " + scalar + " " + value.name;
    text += ", const " + scalar + " (&" + value.name + ")[V]";
    call += ", " + value.name + "[i]";
  }
  std::string arguments;
  for (const Group &group : groups)
    arguments += (&group == &groups.front() ? "" : ", ") + group.name;
  auto packWidth = [](int64_t aligned) {
    return "(V < " + std::to_string(aligned) + " ? V : " + std::to_string(aligned) + ")";
  };
  // Arguments follow in the order in which they were added: packs that are read, then results.
  for (size_t i = names.size() + 2 + indices.size() + given.size(); i < function.arguments.size();
       ++i) {
    const std::string &argument = function.arguments[i];
    const bool isRead = llvm::StringRef(argument).ends_with("_in") &&
                        i < function.arguments.size() - results.size();
    const std::string buffer = llvm::StringRef(argument).drop_back(isRead ? 3 : 4).str();
    const size_t number = static_cast<size_t>(llvm::find(names, buffer) - names.begin());
    const std::string storage = cppStorageName(elementTypes[number]);
    head += std::string(", ") + (isRead ? "const " : "") + storage + " *" + argument;
    call += ", " + argument + " + i";
    before += "    alignas(16) " + storage + " " + argument + "[V];\n";
    Value value = number < body.getNumArguments()
                      ? Value(body.getArgument(static_cast<unsigned>(number)))
                      : yielded[number - body.getNumArguments()];
    BufferRef ref{{}, elementTypes[number], ir::tensorType(value).getShape()};
    const std::string width = packWidth(alignedElements(ref, storageBytes(ref.elementType)));
    const std::string from = buffer + " + " + name + "_" + buffer + "(" + arguments + ")";
    const std::string step = "    for (int i = 0; i < V; i += " + width + ")\n      ";
    if (isRead) {
      addOffsetOf(name + "_" + buffer, reads[buffer].index, ref.shape);
      before += "    const " + storage + " *const " + argument + "_at = " + from +
                ";\n#pragma unroll\n" + step + "loadPack<" + width + ">(" + argument + " + i, " +
                argument + "_at + i);\n";
    } else {
      addOffsetOf(name + "_" + buffer, point, ref.shape);
      after += "    " + storage + " *const " + argument + "_at = " + from + ";\n#pragma unroll\n" +
               step + "storePack<" + width + ">(" + argument + "_at + i, " + argument + " + i);\n";
    }
  }
  add(function, head + ")", {});
  members += text + ") const {\n" + before +
             "#pragma unroll\n    for (int i = 0; i < V; ++i)\n      " + call + ");\n" + after +
             "  }\n";
}

void ElementFunctions::addMember(const std::string &head, BlockKernel function,
                                 llvm::ArrayRef<std::string> arguments) {
  MemberText text{function.function, head, names, {}, true};
  text.arguments.insert(text.arguments.end(), {"table", "status"});
  text.arguments.insert(text.arguments.end(), arguments.begin(), arguments.end());
  for (auto [number, elementType] : llvm::enumerate(elementTypes))
    if (!elementType)
      text.scratch.push_back(static_cast<unsigned>(number));
  others.emplace_back(std::move(function), std::move(text));
}

std::string ElementFunctions::parameter(unsigned number) const {
  const bool isInput = number < ir::FusedOp(fused).getBody().front().getNumArguments();
  return std::string(isInput ? "const " : "") +
         (elementTypes[number] ? cppStorageName(elementTypes[number]) : "char") + " *" +
         names[number];
}

std::string ElementFunctions::define(llvm::StringRef units) {
  std::string text = describeKernel(request, units) + "struct " + type + " {\n";
  for (unsigned i = 0; i < names.size(); ++i)
    text += "  " + parameter(i) + ";\n";
  text += "  const long long *table;\n  long long *status;\n";
  text += printMembers(kernel, request, functions) + members;
  for (auto &[function, member] : others)
    text += printMembers(function, request, member);
  return text + "};\n";
}

std::string ElementFunctions::kernelHead(int64_t minBlocks, llvm::ArrayRef<std::string> maps) {
  std::string text = "extern \"C\" __global__ void __launch_bounds__(" +
                     std::to_string(request.plan.stages[request.stage].grid.threads) +
                     (minBlocks ? ", " + std::to_string(minBlocks) : "") + ") " + request.name +
                     "(\n";
  std::string all;
  for (unsigned i = 0; i < names.size(); ++i) {
    text += "    " + parameter(i) + ",\n";
    all += names[i] + ", ";
  }
  for (const std::string &map : maps)
    text += "    const __grid_constant__ TensorMap " + map + ",\n";
  return text + "    const __grid_constant__ Sizes sizes, long long *status) {\n  const " + type +
         " region = {" + all + "sizes.at, status};\n";
}

} // namespace sinter::cuda
