// SPDX-License-Identifier: Apache-2.0
#include "sinter/codegen/report/RegionText.h"

#include "sinter/codegen/Schedule.h"

#include "llvm/Support/raw_ostream.h"

using namespace mlir;

namespace sinter::codegen::report {

namespace {

constexpr size_t longestAttribute = 120;

/// "[1, 2]" for an array, everything else as MLIR prints it.
std::string attributeText(Attribute attribute) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  if (auto numbers = dyn_cast<DenseI64ArrayAttr>(attribute)) {
    stream << '[';
    llvm::interleaveComma(numbers.asArrayRef(), stream);
    stream << ']';
  } else if (auto number = dyn_cast<FloatAttr>(attribute)) {
    stream << numberText(number.getValueAsDouble(), 6);
  } else if (auto integer = dyn_cast<IntegerAttr>(attribute)) {
    stream << integer.getValue();
  } else if (auto word = dyn_cast<StringAttr>(attribute)) {
    stream << word.getValue();
  } else {
    attribute.print(stream, /*elideType=*/true);
  }
  return clipped(text, longestAttribute);
}

std::string attributesText(Operation &op) {
  std::string text;
  for (NamedAttribute attribute : op.getAttrs()) {
    auto numbers = dyn_cast<DenseI64ArrayAttr>(attribute.getValue());
    if (numbers && numbers.empty())
      continue;
    text += (text.empty() ? "  {" : ", ") + attribute.getName().str() + " " +
            attributeText(attribute.getValue());
  }
  return text.empty() ? "" : text + "}";
}

} // namespace

std::string kernelName(int number) { return "k" + std::to_string(number); }

std::string typeText(DType dtype, const Shape &shape) {
  return std::string(name(dtype)) + shape.str();
}

std::string typeText(Value value) {
  auto type = dyn_cast<ir::TensorType>(value.getType());
  return type ? typeText(type.getDType(), type.getShape()) : "";
}

KernelEntry describeRegion(ir::FusedOp fused, const ValueNames &names) {
  KernelEntry kernel;
  kernel.name = fused.getName().value_or("kernel").str();
  auto nameOf = [&](Value value) {
    auto found = names.find(value);
    return found == names.end() ? ValueName{"?"} : found->second;
  };
  auto operandOf = [&](Value value) {
    auto type = ir::tensorType(value);
    const ValueName name = nameOf(value);
    return Operand{name.text, typeText(value), type.getNumElements() * byteSize(type.getDType()),
                   std::nullopt, name.kernel};
  };
  Block &body = fused.getBody().front();
  llvm::DenseMap<Value, std::string> inner;
  for (auto [argument, operand] : llvm::zip(body.getArguments(), fused->getOperands())) {
    inner[argument] = nameOf(operand).text;
    kernel.inputs.push_back(operandOf(operand));
  }
  for (Value result : fused->getResults())
    kernel.outputs.push_back(operandOf(result));

  int next = 0;
  for (Operation &op : body) {
    std::string text;
    if (isa<ir::YieldOp>(op)) {
      for (auto [i, value] : llvm::enumerate(op.getOperands()))
        kernel.code.push_back({nameOf(fused->getResult(static_cast<unsigned>(i))).text +
                                   " \xe2\x86\x90 " + inner[value],
                               {}});
      continue;
    }
    for (Value result : op.getResults()) {
      inner[result] = "%" + std::to_string(next++);
      text += (text.empty() ? "" : ", ") + inner[result];
    }
    const std::string name = op.getName().stripDialect().str();
    text += " = " + name + "(";
    for (auto [i, operand] : llvm::enumerate(op.getOperands()))
      text += (i ? ", " : "") + inner[operand];
    text += ")";
    if (op.getNumResults() > 0)
      text += " : " + typeText(op.getResult(0));
    text += attributesText(op);
    const SourceLoc line = ir::toSourceLoc(op.getLoc());
    kernel.code.push_back({std::move(text), line});
    if (op.getNumOperands() > 0) // A constant says little.
      kernel.ops.push_back(name);
    if (!line.known())
      continue;
    auto known = llvm::find_if(kernel.lines, [&](const auto &entry) {
      return entry.first.file == line.file && entry.first.line == line.line;
    });
    if (known == kernel.lines.end())
      kernel.lines.push_back({line, 1});
    else
      ++known->second;
  }
  if (auto schedule = Schedule::fromAttribute(fused.getScheduleAttr())) {
    kernel.form = passes::stringify(schedule->form).str();
    for (const auto &[field, value] : schedule->fields())
      kernel.schedule.emplace_back(field.str(), std::to_string(value));
  }
  return kernel;
}

} // namespace sinter::codegen::report
