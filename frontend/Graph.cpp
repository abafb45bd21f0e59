// SPDX-License-Identifier: Apache-2.0
#include "sinter/frontend/Graph.h"

#include "sinter/frontend/GraphImpl.h"

using namespace mlir;

namespace sinter {

Graph::Graph() : impl(std::make_shared<GraphImpl>()) {}

// -- Arguments ------------------------------------------------------------------------------------

Tensor Graph::placeholder(std::string_view name, DType dtype, const Shape &shape,
                          std::source_location loc) {
  return impl->tensor(
      impl->addArgument({"placeholder", loc}, ArgumentKind::Placeholder, name, dtype, shape, {}));
}

Tensor Graph::parameter(std::string_view name, DType dtype, const Shape &shape,
                        const Initializer &init, std::source_location loc) {
  return impl->tensor(
      impl->addArgument({"parameter", loc}, ArgumentKind::Parameter, name, dtype, shape, init));
}

Tensor Graph::state(std::string_view name, DType dtype, const Shape &shape, const Initializer &init,
                    std::source_location loc) {
  return impl->tensor(
      impl->addArgument({"state", loc}, ArgumentKind::State, name, dtype, shape, init));
}

// -- Values without operands ----------------------------------------------------------------------

Tensor Graph::constant(const Array &value, std::source_location loc) {
  return impl->tensor(impl->constant({"constant", loc}, value));
}

Tensor Graph::full(DType dtype, const Shape &shape, const Operand &value,
                   std::source_location loc) {
  Call call{"full", loc};
  if (!value.isTensor())
    return impl->tensor(impl->full(call, value.number(), dtype, shape));
  impl->value(value.tensor(), call);
  return value.tensor().cast(dtype, loc).broadcastTo(shape, loc);
}

Tensor Graph::scalar(DType dtype, const Operand &value, std::source_location loc) {
  return full(dtype, Shape{}, value, loc);
}

static Operand numberAs(DType dtype, int64_t value, std::source_location loc) {
  return dtype == boolean ? Operand(value != 0, loc) : Operand(value, loc);
}

Tensor Graph::zeros(DType dtype, const Shape &shape, std::source_location loc) {
  return full(dtype, shape, numberAs(dtype, 0, loc), loc);
}

Tensor Graph::ones(DType dtype, const Shape &shape, std::source_location loc) {
  return full(dtype, shape, numberAs(dtype, 1, loc), loc);
}

Tensor Graph::iota(DType dtype, const Shape &shape, int64_t axis, std::source_location loc) {
  Call call{"iota", loc};
  if (axis < -shape.rank() || axis >= shape.rank())
    impl->fail(call,
               "axis " + std::to_string(axis) + " is out of range for rank " +
                   std::to_string(shape.rank()),
               {shape});
  int64_t which = axis < 0 ? axis + shape.rank() : axis;
  auto attribute = IntegerAttr::get(IntegerType::get(&impl->mlirContext(), 64), which);
  return impl->tensor(impl->create(call, "sinter.iota", {}, impl->named("axis", attribute),
                                   impl->type(call, dtype, shape)));
}

Tensor Graph::arange(DType dtype, const DimExpr &size, std::source_location loc) {
  return iota(dtype, Shape{size}, 0, loc);
}

Tensor Graph::linspace(DType dtype, double start, double stop, const DimExpr &count,
                       std::source_location loc) {
  if (!isFloat(dtype))
    impl->fail({"linspace", loc}, "needs a float dtype, not " + std::string(name(dtype)));
  Tensor index = arange(dtype == f64 ? f64 : f32, count, loc);
  Scope scope(index, "linspace", loc);
  Tensor steps = maximum(dimValue(index.dtype(), count) - 1, 1), share = index / steps;
  // From the nearer end, so that both are exact.
  return where(share < 0.5, start + share * (stop - start), stop - (1 - share) * (stop - start))
      .cast(dtype);
}

/// How far right of the main diagonal an element is.
static Tensor aboveMain(Graph &graph, const Shape &shape, const char *name,
                        std::source_location loc) {
  Tensor row = graph.iota(i64, shape, 0, loc);
  Scope scope(row, name, loc);
  return graph.iota(i64, shape, 1) - row;
}

Tensor Graph::eye(DType dtype, const DimExpr &rows, const DimExpr &columns, int64_t offset,
                  std::source_location loc) {
  Tensor distance = aboveMain(*this, {rows, columns}, "eye", loc);
  Scope scope(distance, "eye", loc);
  return equal(distance, offset).cast(dtype);
}

Tensor Graph::tri(DType dtype, const DimExpr &rows, const DimExpr &columns, int64_t offset,
                  std::source_location loc) {
  Tensor distance = aboveMain(*this, {rows, columns}, "tri", loc);
  Scope scope(distance, "tri", loc);
  return (distance <= offset).cast(dtype);
}

Tensor Graph::dimValue(DType dtype, const DimExpr &size, std::source_location loc) {
  Call call{"dimValue", loc};
  auto attribute = StringAttr::get(&impl->mlirContext(), size.str());
  return impl->tensor(impl->create(call, "sinter.dim_value", {},
                                   impl->named("expression", attribute),
                                   impl->type(call, dtype, Shape{})));
}

// -- Results --------------------------------------------------------------------------------------

void Graph::output(std::string_view name, const Tensor &value, std::source_location loc) {
  impl->addOutput({"output", loc}, name, value);
}

void Graph::update(const Tensor &target, const Tensor &value, std::source_location loc) {
  impl->addUpdate({"update", loc}, target, value);
}

void Graph::update(const Updates &updates, std::source_location loc) {
  for (const Update &entry : updates)
    update(entry.target, entry.value, loc);
}

// -- Looking at it --------------------------------------------------------------------------------

std::vector<Argument> Graph::arguments() const { return impl->arguments; }

static Result describe(std::string name, Value value, int updates) {
  ir::TensorType type = ir::tensorType(value);
  return {std::move(name), type.getDType(), type.getShape(), updates,
          ir::toSourceLoc(value.getLoc())};
}

std::vector<Result> Graph::results() const {
  std::vector<Result> results;
  for (const GraphImpl::Output &output : impl->outputs)
    results.push_back(describe(output.name, output.value, -1));
  for (const GraphImpl::ArgumentUpdate &update : impl->updates)
    results.push_back(describe("", update.value, static_cast<int>(update.argument)));
  return results;
}

/// The position of a name, or an error with a suggestion.
template <typename Named>
static size_t find(GraphImpl &graph, const Call &call, const std::vector<Named> &list,
                   std::string_view name, const char *what) {
  std::vector<std::string> names;
  for (size_t i = 0; i < list.size(); ++i) {
    if (list[i].name == name)
      return i;
    names.push_back(list[i].name);
  }
  graph.fail(call, std::string("the graph has no ") + what + " '" + std::string(name) + "'" +
                       didYouMean(name, names));
}

Tensor Graph::argument(std::string_view name, std::source_location loc) const {
  size_t index = find(*impl, {"argument", loc}, impl->arguments, name, "argument");
  return impl->tensor(impl->block().getArgument(static_cast<unsigned>(index)));
}

Tensor Graph::outputNamed(std::string_view name, std::source_location loc) const {
  size_t index = find(*impl, {"outputNamed", loc}, impl->outputs, name, "output");
  return impl->tensor(impl->outputs[index].value);
}

std::vector<Tensor> Graph::outputs() const {
  std::vector<Tensor> result;
  for (const GraphImpl::Output &output : impl->outputs)
    result.push_back(impl->tensor(output.value));
  return result;
}

Updates Graph::updates() const {
  Updates result;
  for (const GraphImpl::ArgumentUpdate &update : impl->updates)
    result.push_back(
        {impl->tensor(impl->block().getArgument(update.argument)), impl->tensor(update.value)});
  return result;
}

int64_t Graph::numOps() const {
  int64_t count = 0;
  impl->block().walk([&](Operation *op) { count += !op->hasTrait<OpTrait::IsTerminator>(); });
  return count;
}

} // namespace sinter
