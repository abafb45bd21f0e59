// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/cuda/CppPrinter.h"

#include "sinter/codegen/cuda/CppNames.h"
#include "sinter/codegen/cuda/HostSizes.h"
#include "sinter/codegen/cuda/IndexRanges.h"
#include "sinter/codegen/cuda/OpTable.h"
#include "sinter/codegen/forms/Region.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Iterators.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"

#include <cctype>
#include <map>

using namespace mlir;

namespace sinter::cuda {

namespace {

/// A buffer parameter of the printed kernel.
struct BufferParameter {
  std::string name;
  Type elementType; ///< Null for scratch.
  bool written = false;
};

struct KernelText {
  std::string name;
  std::vector<BufferParameter> buffers; ///< Then follow the sizes and the status slot.
  std::vector<std::string> dims;        ///< Names of the table's first entries.
  /// By location: the name of what an op there computes, and what to say before its statements.
  struct Origin {
    std::string name, comment;
  };
  std::map<const void *, Origin> origins;
  int64_t threads = 256; ///< Per block.
  /// Blocks that share a multiprocessor at least; 0: as many as ptxas wants, which may use a stack
  /// for that.
  int64_t leastBlocks = 0;
};

class Printer {
public:
  Printer(BlockKernel &kernel, const KernelText &text) : kernel(kernel), text(text) {
    used = reservedNames();
  }

  std::string print() {
    Block &body = kernel.function.getBody().front();
    kernel.function.walk([&](func::CallOp call) { used.insert(functionName(call)); });
    narrow = narrowIndices(kernel.function, kernel.indexLocation);
    table = body.getArgument(body.getNumArguments() - 2);
    std::string tableName = name(table, "table"),
                statusName = name(body.getArgument(body.getNumArguments() - 1), "status");
    out = "extern \"C\" __global__ void __launch_bounds__(" + std::to_string(text.threads) +
          (text.leastBlocks ? ", " + std::to_string(text.leastBlocks) : "") + ") " + text.name +
          "(\n";
    for (auto [buffer, argument] : llvm::zip(text.buffers, body.getArguments()))
      if (!buffer.elementType)
        untyped.insert(argument);
    for (auto [buffer, argument] : llvm::zip(text.buffers, body.getArguments()))
      out += std::string("    ") + (buffer.written ? "" : "const ") +
             (buffer.elementType ? cppStorageName(buffer.elementType) : "char") + " *" +
             name(argument, buffer.name) + ",\n";
    out += "    __grid_constant__ const Sizes sizes, long long *" + statusName + ") {\n";
    if (!table.use_empty())
      out += "  const long long *" + tableName + " = sizes.at;\n";
    block(body);
    return out + "}\n";
  }

  /// kernel.function as a member of a struct.
  std::string printMember(const MemberText &member) {
    Block &body = kernel.function.getBody().front();
    for (auto [number, argument] : llvm::enumerate(body.getArguments())) {
      used.insert(member.arguments[number]);
      expressions[argument] = {member.arguments[number]};
      if (member.arguments[number] == "table")
        table = argument;
    }
    for (unsigned number : member.scratch)
      untyped.insert(body.getArgument(number));
    if (member.narrows)
      narrow = narrowIndices(kernel.function, kernel.indexLocation);
    depth = 1;
    out = "  __device__ __forceinline__ " + member.head + " const {\n";
    block(body);
    return out + "  }\n";
  }

private:
  struct Text {
    std::string text;
    bool atomic = true; ///< Needs no parentheses as an operand.
  };

  // -- Names
  // ----------------------------------------------------------------------------------------

  std::string name(Value value, llvm::StringRef hint) {
    std::string wanted = toName(hint), found = wanted;
    for (int number = 1; !used.insert(found).second; ++number)
      found = wanted + "_" + std::to_string(number);
    expressions[value] = {found};
    return found;
  }

  std::string hint(Operation *op) {
    if (auto load = dyn_cast<LLVM::LoadOp>(op)) {
      auto address = load.getAddr().getDefiningOp<LLVM::GEPOp>();
      Value base = address.getBase();
      IntegerAttr entry;
      if (base == table && matchPattern(address.getDynamicIndices().front(), m_Constant(&entry)) &&
          static_cast<size_t>(entry.getInt()) < text.dims.size())
        return text.dims[static_cast<size_t>(entry.getInt())];
      return expressions.lookup(base).text + "_at";
    }
    if (auto given = op->getAttrOfType<StringAttr>("hint"))
      return given.str();
    if (auto call = dyn_cast<func::CallOp>(op)) {
      llvm::StringRef function = functionName(call);
      return function.consume_front("block") ? "row" + function.str() : "given";
    }
    if (op->getLoc() == kernel.indexLocation)
      return "at";
    if (auto found = text.origins.find(op->getLoc().getAsOpaquePointer());
        found != text.origins.end())
      return found->second.name;
    return op->getName().stripDialect().str();
  }

  /// Types are told apart by a suffix that C++ needs only where values are unsigned.
  static llvm::StringRef functionName(func::CallOp call) {
    return call.getCallee().split('.').first;
  }

  // -- Expressions
  // ----------------------------------------------------------------------------------

  Text expression(Value value) {
    if (Attribute constant; matchPattern(value, m_Constant(&constant))) {
      auto number = dyn_cast<FloatAttr>(constant);
      std::string digits = number ? cppLiteral(number) : cppLiteral(cast<IntegerAttr>(constant));
      return {digits, digits.front() != '-'};
    }
    return expressions.lookup(value);
  }

  std::string plain(Value value) { return expression(value).text; }

  Text expand(Operation *op) {
    if (auto call = dyn_cast<func::CallOp>(op)) {
      std::string arguments;
      for (Value operand : call.getOperands())
        arguments += (arguments.empty() ? "" : ", ") +
                     std::string(operand.getDefiningOp<LLVM::GEPOp>() ? "&" : "") + plain(operand);
      std::string function = functionName(call).str();
      if (auto given = op->getAttrOfType<StringAttr>("template"))
        return {function + "<" + given.str() + ">(" + arguments + ")"};
      if (call.getCallee().split('.').second.starts_with("ui"))
        function += "<" + cppTypeName(call.getOperand(0).getType(), /*isUnsigned=*/true) + ">";
      return {function + "(" + arguments + ")"};
    }
    if (auto address = dyn_cast<LLVM::GEPOp>(op); address && untyped.contains(address.getBase()))
      return {"((" + cppStorageName(address.getElemType()) + " *)" + plain(address.getBase()) +
              ")[" + plain(address.getDynamicIndices().front()) + "]"};
    if (auto inverse = op->getAttrOfType<IntegerAttr>(inverseAttribute))
      return {(isa<arith::DivUIOp>(op) ? "quotient(" : "modulo(") + plain(op->getOperand(0)) +
              ", " + plain(op->getOperand(1)) + ", " + plain(table) + "[" +
              std::to_string(inverse.getInt()) + "])"};
    const OpRow *row = findRow(op);
    if (!row)
      throw Error({.kind = ErrorKind::Internal, .op = "emit cuda"},
                  "no CUDA C++ is known for " + op->getName().getStringRef().str());
    std::string_view form = pattern(op, *row);
    std::string made;
    for (size_t i = 0; i < form.size(); ++i) {
      if (form[i] != '$') {
        made += form[i];
        continue;
      }
      char what = form[++i];
      if (std::isdigit(static_cast<unsigned char>(what))) {
        Text operand = expression(op->getOperand(static_cast<unsigned>(what - '0')));
        bool enclosed = encloses(form, i);
        if (what == '0' && widens(op))
          made += "(long long)";
        made += operand.atomic || enclosed ? operand.text : "(" + operand.text + ")";
      } else if (what == 'f') {
        made += op->getResult(0).getType().isF32() ? "f" : "";
      } else {
        made += what == 't' ? typeOf(op->getResult(0)) : unsignedTypeOf(op);
      }
    }
    bool atomic =
        std::isalpha(static_cast<unsigned char>(form.front())) || form == "$0" || form == "$0[$1]";
    return {made, atomic};
  }

  bool isInt(Value value) const {
    IntegerAttr number;
    return narrow.contains(value) ||
           (matchPattern(value, m_Constant(&number)) && number.getValue().isSignedIntN(32));
  }
  std::string unsignedTypeOf(Operation *op) const {
    Type type = op->getOperand(0).getType();
    if (type.isInteger(64) && op->getLoc() == kernel.indexLocation &&
        llvm::all_of(op->getOperands(), [&](Value v) { return isInt(v); }))
      return "unsigned int";
    return cppTypeName(type, true);
  }
  std::string typeOf(Value value) const {
    return narrow.contains(value) ? "int" : cppTypeName(value.getType());
  }

  /// Index arithmetic that gives more than an int out of ints.
  bool widens(Operation *op) const {
    return op->getLoc() == kernel.indexLocation &&
           isa<arith::AddIOp, arith::SubIOp, arith::MulIOp>(op) &&
           op->getResult(0).getType().isInteger(64) && !narrow.contains(op->getResult(0)) &&
           llvm::all_of(op->getOperands(), [&](Value operand) { return isInt(operand); });
  }

  std::string_view pattern(Operation *op, const OpRow &row) const {
    return op->getLoc() == kernel.indexLocation && !row.indexText.empty() ? row.indexText
                                                                          : row.text;
  }

  /// The operand whose number stands at `digit` fills a pair of brackets or an argument on its own.
  static bool encloses(std::string_view form, size_t digit) {
    char before = digit >= 2 ? form[digit - 2] : ' ',
         after = digit + 1 < form.size() ? form[digit + 1] : ' ';
    if (before == ' ' && digit >= 3 && form[digit - 3] == ',')
      before = ',';
    return (before == '(' || before == '[' || before == ',') &&
           (after == ')' || after == ']' || after == ',');
  }

  /// Whether an op's text may stand where its value is used: it is then read as a part of that op.
  bool isInlined(Operation *op, const Text &made) const {
    if (isa<LLVM::GEPOp>(op))
      return true;
    if (op->hasAttr("hint"))
      return false;
    if (auto call = dyn_cast<func::CallOp>(op))
      return call.getNumOperands() == 0;
    const OpRow *row = findRow(op);
    constexpr size_t longest = 60;
    if (!row->pure || !op->hasOneUse() || made.text.size() > longest)
      return false;
    OpOperand &use = *op->getResult(0).getUses().begin();
    Operation *user = use.getOwner();
    if (user->getBlock() != op->getBlock() || isa<scf::ForOp, scf::YieldOp>(user))
      return false;
    if (op->getLoc() != user->getLoc() && op->getLoc() != kernel.indexLocation)
      return false;
    const OpRow *userRow = findRow(user);
    return !userRow ||
           llvm::StringRef(pattern(user, *userRow).data(), pattern(user, *userRow).size())
                   .count("$" + std::to_string(use.getOperandNumber())) == 1;
  }

  // -- Statements
  // -----------------------------------------------------------------------------------

  void line(const std::string &statement) { out += std::string(2 * depth, ' ') + statement + "\n"; }

  void block(Block &block) {
    ++depth;
    Location saved = current;
    for (Operation &op : block)
      statement(&op);
    current = saved;
    --depth;
  }

  void statement(Operation *op) {
    if (isa<func::ReturnOp>(op) && op->getNumOperands() > 0)
      return line("return " + plain(op->getOperand(0)) + ";");
    if (isa<arith::ConstantOp, func::ReturnOp, scf::YieldOp>(op))
      return;
    if (auto loop = dyn_cast<scf::ForOp>(op))
      return forLoop(loop);
    if (auto branch = dyn_cast<scf::IfOp>(op))
      return ifElse(branch);
    if (auto local = dyn_cast<LLVM::AllocaOp>(op))
      return array(local);
    if (isa<arith::ExtSIOp>(op) && narrow.contains(op->getResult(0)) &&
        op->getOperand(0).getType().isInteger(32)) {
      expressions[op->getResult(0)] = Text(expression(op->getOperand(0)));
      return;
    }
    Text made = expand(op);
    if (op->getNumResults() == 0)
      return line(made.text + ";");
    if (isInlined(op, made)) {
      expressions[op->getResult(0)] = made;
      return;
    }
    comment(op);
    Value result = op->getResult(0);
    line("const " + typeOf(result) + " " + name(result, hint(op)) + " = " + made.text + ";");
  }

  /// Says which op of the graph the next statements compute.
  void comment(Operation *op) {
    if (op->getLoc() == current)
      return;
    auto found = text.origins.find(op->getLoc().getAsOpaquePointer());
    if (found == text.origins.end())
      return;
    current = op->getLoc();
    line("// " + found->second.comment);
  }

  /// Assigns at the end of a loop or branch. Values are copied first where one assignment would
  /// change another's.
  void assign(ValueRange targets, ValueRange values) {
    bool crossed = false;
    for (auto [target, value] : llvm::zip(targets, values))
      for (Value other : targets)
        crossed |= other != target && plain(other) == plain(value);
    std::vector<std::string> sources;
    for (auto [target, value] : llvm::zip(targets, values)) {
      sources.push_back(plain(value));
      if (!crossed)
        continue;
      std::string copy = "next_" + plain(target);
      line("const " + typeOf(value) + " " + copy + " = " + sources.back() + ";");
      sources.back() = copy;
    }
    for (auto [target, source] : llvm::zip(targets, sources))
      if (plain(target) != source)
        line(plain(target) + " = " + source + ";");
  }

  /// A variable of a loop around `op` that nothing else reads from `op` on: its results may go
  /// there.
  bool isTaken(Value value, Operation *op) const {
    auto argument = dyn_cast<BlockArgument>(value);
    auto around =
        argument ? dyn_cast<scf::ForOp>(argument.getOwner()->getParentOp()) : scf::ForOp();
    if (!around || argument == around.getInductionVar())
      return false;
    // Conditions on the way may leave it as it is.
    llvm::SmallPtrSet<Operation *, 2> unchanged;
    Operation *outer = op->getParentOp();
    for (; isa<scf::IfOp>(outer); outer = outer->getParentOp())
      if (Block *other = cast<scf::IfOp>(outer).elseBlock())
        unchanged.insert(other->getTerminator());
    return outer == around && llvm::all_of(value.getUsers(), [&](Operation *user) {
             return op->isAncestor(user) || unchanged.contains(user);
           });
  }

  /// `alignas(16) float x[4];` or `__shared__ float slots[8];`
  void array(LLVM::AllocaOp local) {
    Type element = local.getElemType();
    std::string type = cppStorageName(element);
    if (auto pair = dyn_cast<LLVM::LLVMStructType>(element))
      type = "Indexed<" + cppTypeName(pair.getBody().front()) + ">";
    bool isShared = cast<LLVM::LLVMPointerType>(local.getType()).getAddressSpace() != 0;
    line((isShared ? "__shared__ " : "alignas(16) ") + type + " " + name(local, hint(local)) + "[" +
         plain(local.getArraySize()) + "];");
  }

  void forLoop(scf::ForOp loop) {
    for (auto [argument, initial, result] :
         llvm::zip(loop.getRegionIterArgs(), loop.getInitArgs(), loop.getResults())) {
      if (isTaken(initial, loop))
        expressions[argument] = Text(expressions.lookup(initial));
      else
        line(cppTypeName(argument.getType()) + " " + name(argument, "mine") + " = " +
             plain(initial) + ";");
      expressions[result] = Text(expressions.lookup(argument));
    }
    // Unrolled loops count to small constants.
    auto unroll = loop->getAttr("unroll");
    if (unroll)
      line("#pragma unroll" +
           (isa<IntegerAttr>(unroll) ? " " + cppLiteral(cast<IntegerAttr>(unroll)) : ""));
    std::string type = typeOf(loop.getInductionVar());
    auto given = loop->getAttrOfType<StringAttr>("hint");
    std::string first = plain(loop.getLowerBound());
    std::string i = name(loop.getInductionVar(), given ? given.getValue() : "i");
    Text last = expression(loop.getUpperBound());
    line("for (" + type + " " + i + " = " + first + "; " + i + " < " +
         (last.atomic ? last.text : "(" + last.text + ")") + "; " +
         (matchPattern(loop.getStep(), m_One()) ? "++" + i : i + " += " + plain(loop.getStep())) +
         ") {");
    block(*loop.getBody());
    ++depth;
    assign(loop.getRegionIterArgs(), loop.getBody()->getTerminator()->getOperands());
    --depth;
    line("}");
  }

  void ifElse(scf::IfOp branch) {
    bool keeps = branch.elseBlock() && !branch.getResults().empty() &&
                 llvm::hasSingleElement(*branch.elseBlock());
    for (auto [number, result] : llvm::enumerate(branch.getResults())) {
      Value other = keeps ? branch.elseBlock()->getTerminator()->getOperand(number) : Value();
      keeps &= other && isTaken(other, branch);
    }
    if (keeps) { // What a loop carries changes under a condition.
      for (auto [result, other] :
           llvm::zip(branch.getResults(), branch.elseBlock()->getTerminator()->getOperands()))
        expressions[result] = Text(expressions.lookup(other));
      line("if (" + plain(branch.getCondition()) + ") {");
      arm(branch, branch.thenBlock());
      return line("}");
    }
    for (Value result : branch.getResults())
      line(typeOf(result) + " " + name(result, "value") + ";");
    line("if (" + plain(branch.getCondition()) + ") {");
    arm(branch, branch.thenBlock());
    if (branch.elseBlock() && !branch.getResults().empty()) {
      line("} else {");
      arm(branch, branch.elseBlock());
    }
    line("}");
  }

  void arm(scf::IfOp branch, Block *body) {
    block(*body);
    ++depth;
    if (!branch.getResults().empty())
      assign(branch.getResults(), body->getTerminator()->getOperands());
    --depth;
  }

  BlockKernel &kernel;
  const KernelText &text;
  std::string out;
  unsigned depth = 0;
  Value table;
  Location current = kernel.indexLocation;
  llvm::StringSet<> used;
  llvm::DenseSet<Value> narrow;  ///< Indices that are of type int.
  llvm::DenseSet<Value> untyped; ///< Buffers whose elements are of no one type.
  llvm::DenseMap<Value, Text> expressions;
};

std::string describe(Operation *op) {
  std::string text = op->getName().stripDialect().str();
  SourceLoc where = ir::toSourceLoc(op->getLoc());
  return where.known() ? text + " at " + where.str() : text;
}

} // namespace

/// Takes out what is computed twice, and checks the rest.
static void tidy(ModuleOp module, const KernelRequest &request) {
  PassManager manager(module.getContext());
  manager.addPass(createCSEPass());
  if (failed(manager.run(module)))
    throw Error({.kind = ErrorKind::Internal, .op = request.name}, "its scalar form is not valid");
  handOverSizes(module, request);
  module.walk<WalkOrder::PostOrder, ReverseIterator>([](Operation *op) {
    if (isOpTriviallyDead(op))
      op->erase();
  });
}

/// Fills in the origins of a region's ops; the comment that lists them.
static std::string describeOrigins(Block &body, KernelText &text) {
  std::string comment;
  for (Operation &op : body.without_terminator()) {
    KernelText::Origin &origin = text.origins[op.getLoc().getAsOpaquePointer()];
    origin.name = op.getName().stripDialect().str();
    origin.comment = origin.comment.empty() ? describe(&op) : origin.name + ", " + origin.comment;
    comment += "//   " + describe(&op) + "\n";
  }
  return comment;
}

static std::string heading(const KernelRequest &request, llvm::StringRef units) {
  return "\n// " + request.name + ": " + passes::stringify(request.plan.analysis.form).str() +
         ", " + request.plan.stages[request.stage].extent.str() + " " + units.str() + "\n";
}

std::string describeKernel(const KernelRequest &request, llvm::StringRef units) {
  KernelText text;
  return heading(request, units) +
         describeOrigins(ir::FusedOp(request.fused).getBody().front(), text);
}

std::string printMembers(BlockKernel &kernel, const KernelRequest &request,
                         llvm::ArrayRef<MemberText> members) {
  tidy(*kernel.module, request);
  KernelText text;
  text.dims = request.dims;
  describeOrigins(ir::FusedOp(request.fused).getBody().front(), text);
  std::string all;
  for (const MemberText &member : members) {
    kernel.function = member.function;
    all += Printer(kernel, text).printMember(member);
  }
  return all;
}

/// Left alone, ptxas may keep a few registers on a stack so that more blocks fit. Doubles take two
/// registers each, and the slow paths of their functions are calls that save them; running results
/// and places of scatters are as many. Loops that look places up or compute much (not so much that
/// they live off registers anyway) do with a quarter of a multiprocessor's threads, reductions of
/// sm_8x with half of them.
static int64_t leastBlocks(const KernelRequest &request, int64_t threads) {
  using passes::KernelForm;
  constexpr int64_t quarterOfThreads = 512, muchWork = 240, mostWork = 1000;
  ir::FusedOp fused = request.fused;
  const KernelForm form = request.plan.analysis.form;
  bool looksUp = false, hasDoubles = false;
  for (Operation &op : fused.getBody().front().without_terminator()) {
    looksUp |= isa<ir::GatherOp, ir::GatherRowsOp>(op);
    for (Value value : op.getResults())
      hasDoubles |= ir::tensorType(value).getElementType().isF64();
  }
  if (form == KernelForm::Cumulative || form == KernelForm::Scatter || hasDoubles)
    return 1;
  const codegen::Schedule &schedule = request.plan.schedule;
  const int64_t written = std::max<int64_t>(1, schedule.lanes * schedule.unroll),
                work = codegen::regionCost(fused) * written;
  const bool isOld = llvm::StringRef(request.target.arch).starts_with("sm_8");
  if (form == KernelForm::Loop && (looksUp || (work > muchWork && work <= mostWork)))
    return std::max<int64_t>(1, quarterOfThreads / threads);
  if (form == KernelForm::Reduce && isOld)
    return std::max<int64_t>(1, 2 * quarterOfThreads / threads);
  return 0;
}

KernelSource printKernel(BlockKernel &kernel, const KernelRequest &request, llvm::StringRef units) {
  ir::FusedOp fused = request.fused;
  tidy(*kernel.module, request);
  KernelText text;
  text.name = request.name;
  text.dims = request.dims;
  text.threads = request.plan.stages[request.stage].grid.threads;
  text.leastBlocks = leastBlocks(request, text.threads);
  Block &body = fused.getBody().front();
  ValueRange results = body.getTerminator()->getOperands();
  size_t inputs = body.getNumArguments();
  for (auto [i, name] : llvm::enumerate(request.bufferNames)) {
    Value value = i < inputs                    ? Value(body.getArgument(static_cast<unsigned>(i)))
                  : i < inputs + results.size() ? results[i - inputs]
                                                : Value();
    text.buffers.push_back(
        {name, value ? ir::tensorType(value).getElementType() : Type(), i >= inputs});
  }
  KernelSource source;
  source.text = heading(request, units) + describeOrigins(body, text);
  source.text += Printer(kernel, text).print();
  return source;
}

} // namespace sinter::cuda
