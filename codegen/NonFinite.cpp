// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/NonFinite.h"

#include "sinter/codegen/Infinities.h"
#include "sinter/codegen/Interpretation.h"
#include "sinter/codegen/Interpreter.h"
#include "sinter/ir/KnownValue.h"

#include "llvm/ADT/DenseSet.h"

#include <charconv>
#include <cmath>
#include <optional>
#include <set>

using namespace mlir;
using namespace sinter::ir;

namespace sinter::codegen {

namespace {

double elementOf(const Array &array, int64_t i) {
  return dispatch(array.dtype(),
                  [&](auto zero) { return static_cast<double>(array.as<decltype(zero)>()[i]); });
}

bool holdsFloats(const Array &array) { return isFloat(array.dtype()); }

/// The first element from `low` on that `isBad`; -1 for none.
template <typename Fn>
int64_t findElement(const Array &array, int64_t low, int64_t high, Fn isBad) {
  return dispatch(array.dtype(), [&](auto zero) -> int64_t {
    using T = decltype(zero);
    if constexpr (isFloatElement<T>)
      for (int64_t i = low; i < high; ++i)
        if (isBad(static_cast<double>(array.as<T>()[i])))
          return i;
    return -1;
  });
}

/// An op that made a NaN or an infinity.
struct Making {
  int64_t position = 0;
  double value = 0;
  std::vector<double> operands; ///< Of an elementwise op.
};

/// What a value holds that it should not.
struct Finding {
  int64_t position = 0;
  double value = 0;
  std::vector<int64_t> sizes;
  std::optional<Making> made; ///< By the op of the value, rather than handed on.
};

/// Looks at values as ops are run, and then goes back from a bad one to where it comes from.
class Search {
public:
  explicit Search(const InfinityAnalysis &infinities) : infinities(infinities) {}

  /// Of these values, and of all that are computed from them, only one element means anything; they
  /// have `count` elements.
  void lookOnlyAt(Block &block, const llvm::DenseSet<Value> &overwritten, int64_t position,
                  int64_t count) {
    only = position;
    onlyCount = count;
    narrowed = overwritten;
    for (Operation &op : block)
      if (llvm::any_of(op.getOperands(), [&](Value v) { return narrowed.contains(v); }))
        narrowed.insert(op.result_begin(), op.result_end());
  }

  /// A value that no op of the run has made.
  void addSource(Value value, const Array &array) {
    if (std::optional<Finding> finding = find(value, array))
      findings[value] = std::move(*finding);
  }

  void addResults(Operation *op, const Interpretation &state) {
    for (Value value : op->getResults()) {
      const Array &array = state.get(value);
      std::optional<Finding> finding = find(value, array);
      if (!finding)
        continue;
      if (op->getNumOperands() > 0)
        finding->made = isa<ElementwiseOpInterface>(op) ? madeElement(op, value, array, state)
                                                        : madeSomewhere(op, *finding, state);
      findings[value] = std::move(*finding);
    }
  }

  const Finding *find(Value value) const {
    auto found = findings.find(value);
    return found == findings.end() ? nullptr : &found->second;
  }

  /// The first value that `bad` comes from: what nothing made, before what an op made.
  Value trace(Value bad) const {
    llvm::SmallVector<Value> work{bad};
    llvm::DenseSet<Value> seen;
    Value given, made;
    while (!work.empty()) {
      Value value = work.pop_back_val();
      if (!find(value) || !seen.insert(value).second)
        continue;
      Operation *op = value.getDefiningOp();
      if (!op || op->getNumOperands() == 0) {
        bool isEarlier = !given || (isa<BlockArgument>(value) && !isa<BlockArgument>(given));
        given = isEarlier ? value : given;
        continue;
      }
      if (find(value)->made && (!made || op->isBeforeInBlock(made.getDefiningOp())))
        made = value;
      llvm::append_range(work, op->getOperands());
    }
    return given ? given : made;
  }

private:
  std::pair<int64_t, int64_t> rangeOf(Value value, const Array &array) const {
    if (narrowed.contains(value) && array.numElements() == onlyCount)
      return {only, only + 1};
    return {0, array.numElements()};
  }

  std::optional<Finding> find(Value value, const Array &array) const {
    if (!holdsFloats(array))
      return std::nullopt;
    Infinities allowed = infinities.of(value);
    auto [low, high] = rangeOf(value, array);
    int64_t at = findElement(array, low, high, [&](double x) {
      return std::isnan(x) || (std::isinf(x) && !(x < 0 ? allowed.negative : allowed.positive));
    });
    if (at < 0)
      return std::nullopt;
    return Finding{at, elementOf(array, at), array.sizes(), {}};
  }

  std::optional<Making> madeElement(Operation *op, Value value, const Array &array,
                                    const Interpretation &state) const {
    auto [low, high] = rangeOf(value, array);
    Infinities allowed = infinities.of(value);
    for (int64_t i = low; i < high; ++i) {
      double x = elementOf(array, i);
      if (std::isfinite(x) || (std::isinf(x) && (x < 0 ? allowed.negative : allowed.positive)))
        continue;
      Making making{i, x, {}};
      bool isNew = true;
      for (Value operand : op->getOperands()) {
        making.operands.push_back(elementOf(state.get(operand), i));
        double y = making.operands.back();
        isNew &= !std::isnan(y) && (std::isnan(x) || !std::isinf(y));
      }
      if (isNew)
        return making;
    }
    return std::nullopt;
  }

  std::optional<Making> madeSomewhere(Operation *op, const Finding &finding,
                                      const Interpretation &state) const {
    if (auto indexed = dyn_cast<IndexedOpInterface>(op))
      if (Indexing indexing = indexed.getIndexing();
          indexing.combiner == Combiner::None && !indexing.cumulative)
        return std::nullopt; // It only moves elements.
    for (Value operand : op->getOperands()) {
      const Array &array = state.get(operand);
      auto [low, high] = rangeOf(operand, array);
      if (findElement(array, low, high, [&](double y) {
            return std::isnan(y) || (std::isinf(y) && !std::isnan(finding.value));
          }) >= 0)
        return std::nullopt;
    }
    return Making{finding.position, finding.value, {}};
  }

  const InfinityAnalysis &infinities;
  llvm::DenseMap<Value, Finding> findings;
  llvm::DenseSet<Value> narrowed;
  int64_t only = 0, onlyCount = -1;
};

// -- Text -----------------------------------------------------------------------------------------

std::string numberText(double value) {
  if (std::isnan(value))
    return "NaN";
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, value, std::chars_format::general, 6).ptr};
}

std::string placeText(Value value, int64_t position, const std::vector<int64_t> &sizes) {
  std::string type = std::string(name(tensorType(value).getDType())) + Shape(sizes).str();
  if (sizes.empty())
    return " (" + type + ")";
  std::vector<int64_t> index(sizes.size());
  for (size_t d = sizes.size(); d-- > 0;) {
    index[d] = position % std::max<int64_t>(sizes[d], 1);
    position /= std::max<int64_t>(sizes[d], 1);
  }
  return ", element " + Shape(index).str() + " of " + type;
}

/// ", in the gradient of log" for an op that a derivative is made of.
std::string derivativeText(Location loc) {
  if (auto named = dyn_cast<NameLoc>(LocationAttr(loc))) {
    StringRef text = named.getName().getValue();
    if (text.consume_front("grad of "))
      return ", in the gradient of " + text.str();
    if (text.consume_front("tangent of "))
      return ", in the tangent of " + text.str();
    return derivativeText(named.getChildLoc());
  }
  if (auto fused = dyn_cast<FusedLoc>(LocationAttr(loc)))
    for (Location part : fused.getLocations())
      if (std::string text = derivativeText(part); !text.empty())
        return text;
  return "";
}

std::string nameOf(Operation *op) { return op->getName().stripDialect().str(); }

Error madeError(Value value, const Finding &finding, std::string hint) {
  Operation *op = value.getDefiningOp();
  const Making &making = *finding.made;
  std::string text = "made " + numberText(making.value);
  for (size_t i = 0; i < making.operands.size(); ++i)
    text += (i == 0                           ? " out of "
             : i + 1 < making.operands.size() ? ", "
                                              : " and ") +
            numberText(making.operands[i]);
  text += placeText(value, making.position, finding.sizes) + derivativeText(op->getLoc());
  return Error({.kind = ErrorKind::User,
                .op = nameOf(op),
                .location = toSourceLoc(op->getLoc()),
                .hint = std::move(hint)},
               text);
}

/// Where a value outside of regions comes from: views hand on what they read.
Value behindViews(Value value) {
  while (auto reshape = value.getDefiningOp<ReshapeOp>())
    value = reshape.getX();
  return value;
}

std::string argumentText(func::FuncOp graph, BlockArgument argument) {
  unsigned i = argument.getArgNumber();
  auto kind = graph.getArgAttrOfType<StringAttr>(i, kindAttr);
  auto name = graph.getArgAttrOfType<StringAttr>(i, nameAttr);
  std::string what = !kind || kind.getValue() == "placeholder" ? "input"
                     : kind.getValue() == "parameter"          ? "parameter"
                                                               : "state variable";
  return what + " '" + (name ? name.str() : "arg" + std::to_string(i)) + "'";
}

/// Of a value that no op of the run has made; null where it is not known what it comes from.
std::optional<Error> givenError(func::FuncOp graph, Value value, const Finding &finding,
                                Operation *reached, std::string hint) {
  value = behindViews(value);
  std::string holds =
      " holds " + numberText(finding.value) + placeText(value, finding.position, finding.sizes);
  if (auto argument = dyn_cast<BlockArgument>(value);
      argument && argument.getOwner()->getParentOp() == graph)
    return Error({.kind = ErrorKind::User,
                  .op = nameOf(reached),
                  .location = toSourceLoc(argument.getLoc()),
                  .hint = std::move(hint)},
                 argumentText(graph, argument) + holds + ", which reached the result of " +
                     nameOf(reached) + " at " + toSourceLoc(reached->getLoc()).str());
  if (Operation *op = value.getDefiningOp(); op && op->getNumOperands() == 0)
    return Error({.kind = ErrorKind::User,
                  .op = nameOf(reached),
                  .location = toSourceLoc(op->getLoc()),
                  .hint = std::move(hint)},
                 "a constant" + holds + ", which reached the result of " + nameOf(reached) +
                     " at " + toSourceLoc(reached->getLoc()).str());
  return std::nullopt;
}

std::vector<int64_t> sizesOf(Value value, const DimBinding &dims) {
  auto sizes = tensorType(value).getShape().evaluate(dims);
  if (!sizes)
    throw Error({.kind = ErrorKind::Internal}, "a size of a reported kernel is not known");
  return *sizes;
}

int64_t countOf(Value value, const DimBinding &dims) {
  int64_t count = 1;
  for (int64_t size : sizesOf(value, dims))
    count *= size;
  return count;
}

/// The sizes that the user knows a value of a region by: its dims may be joined inside of it.
std::vector<int64_t> outerSizes(FusedOp fused, Value value, const DimBinding &dims) {
  if (auto argument = dyn_cast<BlockArgument>(value))
    return sizesOf(fused.getInputs()[argument.getArgNumber()], dims);
  auto shape = tensorType(value).getShape();
  for (auto [result, inner] :
       llvm::zip_equal(fused.getOutputs(), fused.getBody().front().getTerminator()->getOperands()))
    if (tensorType(inner).getShape() == shape)
      return sizesOf(result, dims);
  for (auto [operand, inner] :
       llvm::zip_equal(fused.getInputs(), fused.getBody().front().getArguments()))
    if (tensorType(inner).getShape() == shape)
      return sizesOf(operand, dims);
  return sizesOf(value, dims);
}

Array wrapped(const void *data, Value value, const DimBinding &dims) {
  if (!data || countOf(value, dims) == 0)
    return Array(tensorType(value).getDType(), sizesOf(value, dims));
  return Array::wrap(const_cast<void *>(data), tensorType(value).getDType(), sizesOf(value, dims));
}

/// All that is known: which kernel it was. A sum of finite numbers may overflow on the way, which
/// the interpreter's wider sums do not.
Error kernelError(const StoredNonFinite &stored, Value output, bool wasRun, std::string hint) {
  FusedOp fused = stored.fused;
  std::vector<std::string> ops;
  fused.getBody().walk([&](Operation *op) {
    if (!isa<YieldOp>(op))
      ops.push_back(nameOf(op));
  });
  std::string list;
  for (size_t i = 0; i < ops.size(); ++i)
    list += (i ? ", " : "") + ops[i];
  Operation *op = output.getDefiningOp();
  if (!op)
    op = fused;
  return Error({.kind = ErrorKind::User,
                .op = nameOf(op),
                .location = toSourceLoc(op->getLoc()),
                .hint = std::move(hint)},
               "a NaN or an infinity came out of a kernel of " + list +
                   placeText(output, stored.position, outerSizes(fused, output, stored.dims)) +
                   derivativeText(op->getLoc()) +
                   (wasRun ? "; run one by one, none of them makes it, so a sum or a 16-bit value "
                             "overflows on the way"
                           : "; what they read has been overwritten since"));
}

} // namespace

Error explainNonFinite(const StoredNonFinite &stored) {
  FusedOp fused = stored.fused;
  auto graph = fused->getParentOfType<func::FuncOp>();
  Block &body = fused.getBody().front();
  Value output = body.getTerminator()->getOperand(stored.output);
  const size_t inputs = fused.getInputs().size();
  if (llvm::is_contained(llvm::ArrayRef(stored.buffers).take_front(inputs), nullptr))
    return kernelError(stored, output, /*wasRun=*/false, stored.hint);
  attachInterpretations(*fused.getContext());
  InfinityAnalysis infinities(graph);
  Search search(infinities);
  llvm::DenseSet<Value> overwritten;
  Interpretation state(stored.dims);
  for (BlockArgument argument : body.getArguments()) {
    const void *at = stored.buffers[argument.getArgNumber()];
    if (llvm::is_contained(llvm::ArrayRef(stored.buffers).drop_front(inputs), at))
      overwritten.insert(argument);
  }
  if (!overwritten.empty())
    search.lookOnlyAt(body, overwritten, stored.position, countOf(output, stored.dims));
  std::vector<Array> constants;
  for (BlockArgument argument : body.getArguments()) {
    const void *data = stored.buffers[argument.getArgNumber()];
    // In memory a constant may lie in another order, that of the kernel which reads it.
    Value outside = fused.getInputs()[argument.getArgNumber()];
    if (auto constant = outside.getDefiningOp<ConstantOp>())
      if (std::optional<Array> array = KnownValues::constantArray(constant))
        data = constants.emplace_back(std::move(*array)).data();
    // Bool bytes are 0 or 1 in memory as in an array.
    state.set(argument, wrapped(data, argument, stored.dims));
    search.addSource(argument, state.get(argument));
  }
  state.afterOp = [&](Operation *op) { search.addResults(op, state); };
  state.run(body);

  Value first = search.trace(output);
  if (!first)
    return kernelError(stored, output, /*wasRun=*/true, stored.hint);
  Finding finding = *search.find(first);
  finding.sizes = outerSizes(fused, first, stored.dims);
  if (finding.made)
    return madeError(first, finding, stored.hint);
  Value outside = first;
  if (auto argument = dyn_cast<BlockArgument>(first))
    outside = fused.getInputs()[argument.getArgNumber()];
  Operation *reached = output.getDefiningOp() ? output.getDefiningOp() : fused.getOperation();
  if (std::optional<Error> error = givenError(graph, outside, finding, reached, stored.hint))
    return *error;
  return kernelError(stored, output, /*wasRun=*/true, stored.hint);
}

// -- A program ------------------------------------------------------------------------------------

NonFiniteExplainer::NonFiniteExplainer(std::shared_ptr<const Program> program,
                                       const std::vector<PlannedLaunch> &launches)
    : program(std::move(program)) {
  stopsAtOnce = TargetInfo::parse(this->program->target).kind != TargetInfo::Kind::Cuda;
  for (const PlannedLaunch &launch : launches)
    regions[launch.step] = {launch.fused, launch.firstSite};
}

/// Which variables a call that stopped in a step has changed: those that kernels update in place.
std::string NonFiniteExplainer::hintOf(size_t step) const {
  bool updates = false;
  for (const Result &result : program->results)
    updates |= result.updates >= 0;
  if (!updates)
    return "";
  if (!stopsAtOnce)
    return "the State holds what the whole call made, bad values among it";
  std::set<std::string> whole, partly;
  for (auto [number, region] : regions) {
    if (number > step)
      break;
    const Launch &launch = std::get<Launch>(program->steps[number]);
    size_t inputs = region.fused.getInputs().size();
    for (size_t i = 0, n = region.fused.getOutputs().size(); i < n; ++i) {
      const Buffer &buffer = program->buffers[static_cast<size_t>(launch.buffers[inputs + i])];
      if (buffer.kind == Buffer::Kind::Argument)
        (region.fused == regions.at(step).fused ? partly : whole)
            .insert(program->arguments[static_cast<size_t>(buffer.index)].name);
    }
  }
  auto list = [](const std::set<std::string> &names) {
    constexpr size_t most = 4;
    std::string text;
    size_t number = 0;
    for (const std::string &name : names) {
      if (number++ == most)
        return text + " and " + std::to_string(names.size() - most) + " more";
      text += (text.empty() ? "'" : ", '") + name + "'";
    }
    return text;
  };
  if (whole.empty() && partly.empty())
    return "the State is as it was before the call";
  std::string text = "of the State, ";
  if (!whole.empty())
    text += list(whole) + (whole.size() > 1 ? " have" : " has") + " the new values already";
  if (!partly.empty())
    text += (whole.empty() ? "" : "; ") + list(partly) + (partly.size() > 1 ? " have" : " has") +
            " some of the new elements, the bad ones not among them";
  return text;
}

bool NonFiniteExplainer::isOverwritten(int number, Operation *fused, const DimBinding &dims) const {
  const Buffer &buffer = program->buffers[static_cast<size_t>(number)];
  auto meets = [&](int other) {
    const Buffer &written = program->buffers[static_cast<size_t>(other)];
    if (other == number)
      return true;
    if (written.kind != buffer.kind)
      return false;
    if (buffer.kind != Buffer::Kind::Arena)
      return written.index == buffer.index;
    auto end = [&](const Buffer &b) {
      return b.offset.evaluate(dims).value_or(0) + b.bytes.evaluate(dims).value_or(0);
    };
    return written.offset.evaluate(dims).value_or(0) < end(buffer) &&
           buffer.offset.evaluate(dims).value_or(0) < end(written);
  };
  bool hasRun = false;
  for (size_t step = 0; step < program->steps.size(); ++step) {
    auto region = regions.find(step);
    if (region != regions.end()) {
      FusedOp runs = region->second.fused;
      hasRun |= runs.getOperation() == fused;
    }
    if (!hasRun)
      continue;
    if (auto *copy = std::get_if<Copy>(&program->steps[step])) {
      if (meets(copy->to))
        return true;
      continue;
    }
    // Results and scratch come after what is read.
    FusedOp writer = region->second.fused;
    const std::vector<int> &buffers = std::get<Launch>(program->steps[step]).buffers;
    if (llvm::any_of(llvm::ArrayRef(buffers).drop_front(writer.getInputs().size()), meets))
      return true;
  }
  return false;
}

Error NonFiniteExplainer::operator()(
    const SinterStatus &status, const DimBinding &dims,
    const std::function<const void *(int buffer)> &bufferAt) const {
  auto found = regions.find(static_cast<size_t>(status.bound));
  if (found == regions.end())
    return Error({.kind = ErrorKind::Internal}, "a NaN was reported by step " +
                                                    std::to_string(status.bound) +
                                                    ", which is no kernel");
  const Region &region = found->second;
  StoredNonFinite stored{.fused = region.fused,
                         .output = static_cast<unsigned>(status.site - region.firstSite),
                         .position = status.value,
                         .buffers = {},
                         .dims = dims,
                         .hint = hintOf(found->first)};
  const Launch &launch = std::get<Launch>(program->steps[found->first]);
  FusedOp fused = region.fused;
  for (size_t i = 0; i < fused.getInputs().size() + fused.getOutputs().size(); ++i)
    stored.buffers.push_back(stopsAtOnce || !isOverwritten(launch.buffers[i], fused, dims)
                                 ? bufferAt(launch.buffers[i])
                                 : nullptr);
  return explainNonFinite(stored);
}

CheckedInterpreter::CheckedInterpreter(func::FuncOp graph)
    : graph(graph), infinities(std::make_unique<InfinityAnalysis>(graph)) {}
CheckedInterpreter::~CheckedInterpreter() = default;

std::vector<Array> CheckedInterpreter::operator()(const std::vector<Array> &arguments,
                                                  const DimBinding &known) const {
  func::FuncOp function = graph;
  Search search(*infinities);
  for (auto [argument, array] : llvm::zip_equal(function.getArguments(), arguments))
    search.addSource(argument, array.contiguous());
  std::vector<Array> results =
      interpret(function, arguments, known,
                [&](Operation *op, const Interpretation &state) { search.addResults(op, state); });
  bool updates = false;
  for (unsigned i = 0; i < function.getNumResults(); ++i)
    updates |= function.getResultAttr(i, updatesAttr) != nullptr;
  const std::string hint = updates ? "the State is as it was before the call" : "";
  for (Value value : function.getBody().front().getTerminator()->getOperands()) {
    if (!search.find(value))
      continue;
    Value first = search.trace(value);
    const Finding &finding = *search.find(first ? first : value);
    if (first && finding.made)
      throw madeError(first, finding, hint);
    Operation *reached = value.getDefiningOp() ? value.getDefiningOp() : function.getOperation();
    if (first)
      if (std::optional<Error> error = givenError(function, first, finding, reached, hint))
        throw *error;
    throw Error({.kind = ErrorKind::User,
                 .op = nameOf(reached),
                 .location = toSourceLoc(reached->getLoc()),
                 .hint = hint},
                "its result holds " + numberText(finding.value) +
                    placeText(value, finding.position, finding.sizes));
  }
  return results;
}

} // namespace sinter::codegen
