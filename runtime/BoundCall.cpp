// SPDX-License-Identifier: Apache-2.0
#include "sinter/ir/base/Trace.h"
#include "sinter/runtime/ExecutableImpl.h"

#include <algorithm>

namespace sinter {

BoundCall::BoundCall(std::unique_ptr<Impl> impl) : impl(std::move(impl)) {}
BoundCall::BoundCall(BoundCall &&) noexcept = default;
BoundCall &BoundCall::operator=(BoundCall &&) noexcept = default;
BoundCall::~BoundCall() = default;

template <typename Impl> static Impl &held(const std::unique_ptr<Impl> &impl) {
  if (__builtin_expect(!impl, false))
    throw Error({.kind = ErrorKind::User, .op = "call"},
                "this bound call is empty: it was moved from");
  return *impl;
}

void BoundCall::operator()() {
  Impl &own = held(impl);
  if (own.running.exchange(true, std::memory_order_acquire))
    throw Error({.kind = ErrorKind::User,
                 .op = "call",
                 .hint = "bind once per thread; an Executable itself may be called by several"},
                "this bound call is already running in another thread");
  struct Release {
    std::atomic<bool> &running;
    ~Release() { running.store(false, std::memory_order_release); }
  } release{own.running};
  own.run();
}

const std::vector<Array> &BoundCall::outputs() const { return held(impl).outputs; }
int64_t BoundCall::arenaBytes() const { return held(impl).plan->arenaBytes; }
const void *BoundCall::arena() const { return held(impl).call ? impl->call->arena() : nullptr; }

std::vector<double> BoundCall::measure(int64_t count) {
  (*this)();
  if (!impl->call)
    return {};
  StateUse use(impl->state.get(), impl->executable->hasUpdates);
  return impl->call->measure(count);
}

void BoundCall::Impl::run() {
  Trace::Span span(executable->code.trace.get(), "run", "call");
  StateUse use(state.get(), executable->hasUpdates);
  if (!call)
    return interpret();
  SinterStatus status = call->run();
  if (status.code != static_cast<int64_t>(StatusCode::Ok))
    throwStatus(status);
  if (executable->passedOn)
    executable->passedOn->requireNumbers(*executable->code.program, arguments, results);
}

void BoundCall::Impl::interpret() {
  const Program &program = *executable->code.program;
  if (state && state->residency.isUsed()) {
    auto isUpdated = [&](size_t argument) {
      return std::any_of(program.results.begin(), program.results.end(), [&](const Result &result) {
        return result.updates == static_cast<int>(argument);
      });
    };
    for (size_t i = 0; i < program.arguments.size(); ++i)
      if (program.arguments[i].kind != ArgumentKind::Placeholder)
        state->residency.useOnHost(program.arguments[i].name, isUpdated(i)
                                                                  ? Residency::HostUse::Update
                                                                  : Residency::HostUse::Read);
  }
  std::vector<Array> values =
      executable->code.interpreter(arguments, executable->sizes.binding(plan->dims));
  if (values.size() != results.size())
    throw Error({.kind = ErrorKind::Internal, .op = "interpreter"},
                "returned " + std::to_string(values.size()) + " results, not " +
                    std::to_string(results.size()));
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i].dtype() != results[i].dtype() || values[i].sizes() != results[i].sizes())
      throw Error({.kind = ErrorKind::Internal,
                   .op = "interpreter",
                   .shapes = {Shape(values[i].sizes()), Shape(results[i].sizes())},
                   .location = program.results[i].location},
                  "result " + std::to_string(i) + " is " + values[i].str() + ", not " +
                      std::string(name(results[i].dtype())) + Shape(results[i].sizes()).str());
    // A result may be a view of a variable that a later result replaces.
    if (executable->hasUpdates)
      values[i] = values[i].clone();
  }
  for (size_t i = 0; i < values.size(); ++i)
    results[i].copyFrom(values[i]);
}

void BoundCall::Impl::throwStatus(const SinterStatus &status) const {
  const std::vector<Site> &sites = executable->code.program->sites;
  if (status.code == static_cast<int64_t>(StatusCode::NonFinite) && status.site >= 0 &&
      status.site < static_cast<int64_t>(sites.size())) {
    if (executable->code.explain)
      throw executable->code.explain(status, plan->binding,
                                     [this](int buffer) { return call->buffer(buffer); });
    const Site &site = sites[static_cast<size_t>(status.site)];
    throw Error({.kind = ErrorKind::User, .op = site.op, .location = site.location},
                "a NaN or an infinity came out of " + site.what + ", element " +
                    std::to_string(status.value) + " of this op's result");
  }
  if (status.code != static_cast<int64_t>(StatusCode::IndexOutOfRange) || status.site < 0 ||
      status.site >= static_cast<int64_t>(sites.size()))
    throw Error({.kind = ErrorKind::Internal, .op = "call"},
                "a kernel reported the unknown status " + std::to_string(status.code) +
                    " at site " + std::to_string(status.site));
  const Site &site = sites[static_cast<size_t>(status.site)];
  throw Error({.kind = ErrorKind::User, .op = site.op, .location = site.location},
              site.what + " " + std::to_string(status.value) + " is not in [0, " +
                  std::to_string(status.bound) + ")");
}

} // namespace sinter
