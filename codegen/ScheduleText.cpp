// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/ScheduleText.h"

#include "sinter/codegen/ScheduleLimits.h"
#include "sinter/codegen/cpu/KernelKey.h"
#include "sinter/ir/base/Error.h"

#include "llvm/ADT/StringExtras.h"

#include <charconv>
#include <set>

using namespace mlir;
using sinter::ir::FusedOp;
using sinter::passes::KernelAnalysis;

namespace sinter::codegen {

namespace {

constexpr std::string_view firstLine = "sinter schedules 1";

std::string_view trim(std::string_view text) {
  constexpr std::string_view blanks = " \t\r";
  size_t begin = text.find_first_not_of(blanks);
  if (begin == std::string_view::npos)
    return {};
  return text.substr(begin, text.find_last_not_of(blanks) + 1 - begin);
}

/// The words of a line without its comment.
std::vector<std::string> wordsOf(std::string_view line) {
  line = line.substr(0, line.find('#'));
  std::vector<std::string> words;
  for (line = trim(line); !line.empty(); line = trim(line)) {
    size_t end = std::min(line.find_first_of(" \t\r"), line.size());
    words.emplace_back(line.substr(0, end));
    line.remove_prefix(end);
  }
  return words;
}

/// Where the user wrote the first op that has a line.
SourceLoc lineOf(FusedOp fused) {
  SourceLoc found;
  fused.getBody().walk([&](Operation *op) {
    SourceLoc location = ir::toSourceLoc(op->getLoc());
    if (!location.known())
      return WalkResult::advance();
    found = std::move(location);
    return WalkResult::interrupt();
  });
  return found;
}

} // namespace

std::string scheduleNameOf(FusedOp fused) {
  std::string name;
  for (char c : fused.getName().value_or("kernel"))
    name += llvm::isAlnum(c) || c == '_' ? c : '_';
  cpu::KernelKey key = cpu::textKey(fused, {fused.getNameAttrName().getValue(),
                                            fused.getScheduleAttrName().getValue()});
  return name + "-" + llvm::toHex(llvm::ArrayRef(key).take_front(8), /*LowerCase=*/true);
}

std::string scheduleText(func::FuncOp graph, const TargetInfo &target) {
  std::string text = std::string(firstLine) + "\n# for " + target.str() + "\n";
  std::set<std::string> known;
  graph.walk([&](FusedOp fused) {
    auto schedule = Schedule::fromAttribute(fused.getScheduleAttr());
    std::string name = scheduleNameOf(fused);
    if (!schedule || !known.insert(name).second)
      return;
    SourceLoc line = lineOf(fused);
    text += "\nkernel " + name + (line.known() ? "  # " + line.str() : "") + "\n";
    text += "  form " + passes::stringify(schedule->form).str() + "\n";
    for (const auto &[field, value] : schedule->fields())
      text += "  " + field.str() + " " + std::to_string(value) + "\n";
  });
  return text;
}

ScheduleEdits::ScheduleEdits(std::string_view text, const std::string &name) : file(name) {
  unsigned number = 0;
  bool isFirst = true;
  Entry *entry = nullptr;
  while (!text.empty()) {
    size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    std::vector<std::string> words = wordsOf(line);
    if (words.empty())
      continue;
    if (isFirst) {
      isFirst = false;
      if (trim(line.substr(0, line.find('#'))) != firstLine)
        fail(number, "does not start with '" + std::string(firstLine) + "'");
      continue;
    }
    if (words.size() != 2)
      fail(number, "a line is 'kernel NAME' or 'FIELD VALUE'");
    if (words[0] == "kernel") {
      auto [place, isNew] = entries.try_emplace(words[1]);
      if (!isNew)
        fail(number, "kernel '" + words[1] + "' has an entry already, in line " +
                         std::to_string(place->second.line));
      entry = &place->second;
      entry->line = number;
      continue;
    }
    if (!entry)
      fail(number, "a field before the first kernel");
    for (const Field &field : entry->fields)
      if (field.name == words[0])
        fail(number, "'" + words[0] + "' is given twice");
    entry->fields.push_back({words[0], words[1], number});
  }
  if (isFirst)
    fail(1, "is empty: it must start with '" + std::string(firstLine) + "'");
}

Schedule ScheduleEdits::apply(FusedOp fused, const Schedule &chosen, const TargetInfo &target) {
  auto found = entries.find(scheduleNameOf(fused));
  if (found == entries.end())
    return chosen;
  Entry &entry = found->second;
  entry.isUsed = true;
  std::vector<std::string> names;
  for (const auto &[field, value] : chosen.fields())
    names.push_back(field.str());
  Schedule given = chosen;
  for (const Field &field : entry.fields) {
    if (field.name == "form") {
      if (field.value != passes::stringify(chosen.form))
        fail(field.line, "this kernel has the form " + passes::stringify(chosen.form).str());
      continue;
    }
    if (std::find(names.begin(), names.end(), field.name) == names.end())
      fail(field.line, "there is no field '" + field.name + "'" + didYouMean(field.name, names));
    int64_t value = 0;
    const char *end = field.value.data() + field.value.size();
    auto [stop, error] = std::from_chars(field.value.data(), end, value);
    if (error != std::errc() || stop != end || value < 0)
      fail(field.line, "'" + field.value + "' is not a whole number");
    given.set(field.name, value);
    for (const auto &[known, kept] : given.fields()) // Flags and kinds hold less than a number.
      if (known == field.name && kept != value)
        fail(field.line, "'" + field.name + "' cannot be " + field.value);
  }
  auto answer = passes::analyzeKernel(fused);
  const auto *analysis = std::get_if<KernelAnalysis>(&answer);
  if (!analysis)
    throw Error({.kind = ErrorKind::Internal, .op = "schedule"}, std::get<std::string>(answer));
  if (auto problem = findProblem(*analysis, chosen, given, target)) {
    unsigned line = entry.line;
    for (const Field &field : entry.fields)
      if (field.name == problem->field)
        line = field.line;
    fail(line, "'" + problem->field + "' " + problem->message);
  }
  return given;
}

void ScheduleEdits::requireAllUsed() const {
  for (const auto &[name, entry] : entries)
    if (!entry.isUsed)
      fail(entry.line, "the graph has no kernel '" + name + "'",
           "the graph or its fusion has changed: write the schedules anew, or remove the entry");
}

void ScheduleEdits::fail(unsigned line, const std::string &message,
                         const std::string &hint) const {
  throw Error(
      {.kind = ErrorKind::User, .op = "schedule", .location = {file, line, 1}, .hint = hint},
      message);
}

} // namespace sinter::codegen
