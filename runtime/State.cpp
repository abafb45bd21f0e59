// SPDX-License-Identifier: Apache-2.0
#include "sinter/ir/base/ArrayFiles.h"
#include "sinter/ir/base/Philox.h"
#include "sinter/runtime/StateStorage.h"

namespace sinter {
namespace {

[[noreturn]] void fail(const std::string &message, const SourceLoc &location = {}) {
  throw Error({.kind = ErrorKind::User, .op = "State", .location = location}, message);
}

std::vector<int64_t> sizesOf(const Argument &argument, const DimBinding &dims) {
  if (std::optional<std::vector<int64_t>> sizes = argument.shape.evaluate(dims))
    return *sizes;
  fail("the shape " + argument.shape.str() + " of '" + argument.name +
           "' has a dimension without a valid size; pass its size to State",
       argument.location);
}

std::string describe(DType dtype, const std::vector<int64_t> &sizes) {
  return std::string(name(dtype)) + Shape(sizes).str();
}

void requireSame(std::string_view variable, const Array &held, DType dtype,
                 const std::vector<int64_t> &sizes, const SourceLoc &location = {}) {
  if (held.dtype() != dtype || held.sizes() != sizes)
    fail("'" + std::string(variable) + "' is " + describe(held.dtype(), held.sizes()) + ", not " +
             describe(dtype, sizes),
         location);
}

Array initialValue(const Argument &argument, std::vector<int64_t> sizes, uint64_t seed) {
  Array array(argument.dtype, std::move(sizes));
  switch (argument.init.kind) {
  case InitSpec::Kind::Zeros:
    break;
  case InitSpec::Kind::Constant:
    array.fill(argument.init.a);
    break;
  case InitSpec::Kind::Uniform:
  case InitSpec::Kind::Normal:
    if (!isFloat(argument.dtype))
      fail("'" + argument.name + "' is " + std::string(name(argument.dtype)) +
               "; only floating-point variables can be drawn at random",
           argument.location);
    if (argument.init.kind == InitSpec::Kind::Uniform)
      RandomStream(seed, argument.name).fillUniform(array, argument.init.a, argument.init.b);
    else
      RandomStream(seed, argument.name).fillNormal(array, argument.init.a, argument.init.b);
    break;
  }
  return array;
}

State::Storage &held(const std::shared_ptr<State::Storage> &storage) {
  if (!storage)
    fail("this State is empty: it was moved from");
  return *storage;
}

} // namespace

void StateUse::throwBusy() {
  throw Error({.kind = ErrorKind::User,
               .op = "State",
               .hint = "let one call finish first, or give each thread a State of its own"},
              update ? "this call would update a State that another call is using"
                     : "this call would read a State that another call is updating");
}

State::State(const std::vector<Argument> &arguments, uint64_t seed, const DimBinding &dims)
    : shared(std::make_shared<Storage>()) {
  shared->seed = seed;
  add(arguments, dims);
}

void State::add(const std::vector<Argument> &arguments, const DimBinding &dims) {
  StateUse use(&held(shared), /*update=*/true);
  for (const Argument &argument : arguments) {
    if (argument.kind == ArgumentKind::Placeholder)
      continue;
    std::vector<int64_t> sizes = sizesOf(argument, dims);
    auto known = held(shared).arrays.find(argument.name);
    if (known != held(shared).arrays.end())
      requireSame(argument.name, known->second, argument.dtype, sizes, argument.location);
    else
      held(shared).arrays.emplace(argument.name,
                                  initialValue(argument, std::move(sizes), held(shared).seed));
  }
}

std::vector<std::string> State::names() const {
  std::vector<std::string> result;
  for (const auto &[name, array] : held(shared).arrays)
    result.push_back(name);
  return result;
}

bool State::contains(std::string_view name) const {
  return held(shared).arrays.find(name) != held(shared).arrays.end();
}

const Array &State::find(std::string_view name) const {
  auto it = held(shared).arrays.find(name);
  if (it == held(shared).arrays.end())
    fail("there is no variable '" + std::string(name) + "'" + didYouMean(name, names()));
  return it->second;
}

void State::replace(std::string_view name, const Array &value) {
  held(shared).residency.useOnHost(name, Residency::HostUse::Replace);
  find(name).copyFrom(value);
}

Array State::get(std::string_view name) const {
  const Array &array = find(name);
  if (held(shared).residency.isUsed()) {
    StateUse use(&held(shared), /*update=*/false);
    held(shared).residency.useOnHost(name, Residency::HostUse::Update);
  }
  return array;
}

void State::set(std::string_view name, const Array &value) {
  StateUse use(&held(shared), /*update=*/true);
  requireSame(name, find(name), value.dtype(), value.sizes());
  replace(name, value);
}

ArrayMap State::values() const {
  StateUse use(&held(shared), /*update=*/false);
  held(shared).residency.useOnHost(Residency::HostUse::Read);
  ArrayMap copies;
  for (const auto &[name, array] : held(shared).arrays)
    copies.emplace(name, array.clone());
  return copies;
}

void State::save(const std::filesystem::path &path) const {
  StateUse use(&held(shared), /*update=*/false);
  held(shared).residency.useOnHost(Residency::HostUse::Read);
  writeArrays(path, held(shared).arrays);
}

void State::load(const std::filesystem::path &path) { assign(readArrays(path)); }

void State::assign(const ArrayMap &values) {
  StateUse use(&held(shared), /*update=*/true);
  for (const auto &[name, value] : values)
    requireSame(name, find(name), value.dtype(), value.sizes());
  for (const auto &[name, array] : held(shared).arrays)
    if (!values.contains(name))
      fail("there is no value for '" + name + "'");
  for (const auto &[name, value] : values)
    replace(name, value);
}

} // namespace sinter
