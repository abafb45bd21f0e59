// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/Schedule.h"

#include "sinter/codegen/forms/FormRules.h"

#include "mlir/IR/BuiltinAttributes.h"

using namespace mlir;
using namespace sinter::ir;
using sinter::passes::KernelAnalysis;
using sinter::passes::KernelForm;

namespace sinter::codegen {

// -- The attribute --------------------------------------------------------------------------------

/// Calls fn(name, field) for every number of the schedule, so that both directions agree.
template <typename S, typename Fn> static void forEachField(S &s, Fn fn) {
  fn("lanes", s.lanes);
  fn("unroll", s.unroll);
  fn("block", s.block);
  fn("grain", s.grain);
  fn("threads", s.threads);
  fn("streamStores", s.streamStores);
  const bool sharesRows = s.form == KernelForm::Row || s.form == KernelForm::Cumulative;
  if (sharesRows && s.threads > 0) {
    fn("rowThreads", s.rowThreads);
    fn("cluster", s.cluster);
    fn("hold", s.hold);
  }
  const bool multiplies = s.form == KernelForm::Contraction ||
                          s.form == KernelForm::Convolution || s.form == KernelForm::Attention;
  if (multiplies && s.threads > 0) {
    fn("gpuKernel", s.gpu.kernel);
    fn("tileM", s.gpu.m);
    fn("tileN", s.gpu.n);
    fn("tileK", s.gpu.k);
    fn("stages", s.gpu.stages);
    fn("splits", s.gpu.splits);
  }
  if (s.form == KernelForm::Attention)
    fn("keyBlock", s.keyBlock);
  if (s.form == KernelForm::Convolution)
    fn("winograd", s.winograd);
  else if (s.form != KernelForm::Contraction)
    return;
  auto &t = s.tiles;
  fn("tileForm", t.form);
  fn("packB", t.packB);
  fn("packA", t.packA);
  fn("packAhead", t.packAhead);
  fn("panel", t.panel);
  fn("depth", t.depth);
  fn("fma", t.fma);
  fn("tileLanes", t.lanes);
  fn("mr", t.mr);
  fn("nr", t.nr);
  fn("kc", t.kc);
  fn("kUnroll", t.kUnroll);
  fn("mBlock", t.mBlock);
  fn("nBlock", t.nBlock);
  fn("groupUnits", t.groupUnits);
  fn("packStrips", t.packStrips);
  fn("prefetchB", t.prefetchB);
  fn("directStore", t.directStore);
  fn("elementBytes", t.elementBytes);
}

std::vector<std::pair<llvm::StringRef, int64_t>> Schedule::fields() const {
  std::vector<std::pair<llvm::StringRef, int64_t>> all;
  forEachField(*this, [&](llvm::StringRef name, auto value) {
    all.emplace_back(name, static_cast<int64_t>(value));
  });
  return all;
}

void Schedule::set(llvm::StringRef name, int64_t value) {
  forEachField(*this, [&](llvm::StringRef known, auto &field) {
    if (known == name)
      field = static_cast<std::decay_t<decltype(field)>>(value);
  });
}

DictionaryAttr Schedule::toAttribute(MLIRContext *context) const {
  Builder builder(context);
  llvm::SmallVector<NamedAttribute> entries;
  entries.push_back(builder.getNamedAttr("form", builder.getStringAttr(passes::stringify(form))));
  forEachField(*this, [&](llvm::StringRef name, auto value) {
    entries.push_back(
        builder.getNamedAttr(name, builder.getI64IntegerAttr(static_cast<int64_t>(value))));
  });
  return builder.getDictionaryAttr(entries);
}

std::optional<Schedule> Schedule::fromAttribute(DictionaryAttr attribute) {
  if (!attribute)
    return std::nullopt;
  auto form = attribute.getAs<StringAttr>("form");
  if (!form)
    return std::nullopt;
  Schedule schedule;
  bool ok = false;
  for (size_t number = 0; number < passes::numKernelForms; ++number)
    if (auto candidate = static_cast<KernelForm>(number);
        passes::stringify(candidate) == form.getValue()) {
      schedule.form = candidate;
      ok = true;
    }
  forEachField(schedule, [&](llvm::StringRef name, auto &field) {
    auto number = attribute.getAs<IntegerAttr>(name);
    ok &= number != nullptr;
    if (number)
      field = static_cast<std::decay_t<decltype(field)>>(number.getInt());
  });
  if (!ok || schedule.lanes < 1 || schedule.lanes > 64 || schedule.unroll < 1 ||
      schedule.unroll > 16 || schedule.grain < 1 || schedule.block < 0 || schedule.threads < 0 ||
      schedule.threads > 1024 || schedule.threads % 32 != 0 || schedule.rowThreads < 0 || schedule.cluster < 1 ||
      schedule.cluster > 16 || schedule.hold < 0 || schedule.hold > 1)
    return std::nullopt;
  return schedule;
}

// -- Choosing -------------------------------------------------------------------------------------

FailureOr<Schedule> chooseSchedule(FusedOp fused, const KernelAnalysis &analysis,
                                   const TargetInfo &target) {
  const FormRules *rules = &formRules(analysis.form);
  if (target.kind == TargetInfo::Kind::Cuda)
    rules = gpuFormRules(analysis.form);
  if (!rules)
    throw Error({.kind = ErrorKind::Unsupported,
                 .op = fused.getName().value_or("kernel").str(),
                 .location = toSourceLoc(analysis.anchors.front()->getLoc()),
                 .hint = "--target=cpu runs it"},
                "kernels of the form '" + passes::stringify(analysis.form).str() +
                    "' cannot be made for a GPU yet");
  Schedule schedule;
  schedule.form = analysis.form;
  if (failed(rules->choose({fused, analysis, target}, schedule)))
    return failure();
  return schedule;
}

} // namespace sinter::codegen
