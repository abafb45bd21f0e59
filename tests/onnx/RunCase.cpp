// SPDX-License-Identifier: Apache-2.0
#include "tests/onnx/Suite.h"

#include "sinter/frontend/onnx/ModelFile.h"
#include "sinter/frontend/onnx/TensorData.h"
#include "sinter/sinter.h"

#include "sinter/frontend/onnx/onnx-ml.pb.h"

#include <chrono>
#include <cmath>
#include <set>

namespace fs = std::filesystem;

namespace sinter::onnxsuite {
namespace {

/// A tensor, or an optional one that is there.
Array readValue(const fs::path &file, const proto::TypeProto &type) {
  std::string bytes = readFile(file);
  proto::TensorProto tensor;
  proto::OptionalProto optional;
  bool parsed = false;
  if (type.has_tensor_type()) {
    parsed = tensor.ParseFromString(bytes);
  } else if (type.has_optional_type() && type.optional_type().elem_type().has_tensor_type() &&
             optional.ParseFromString(bytes) && optional.has_tensor_value()) {
    tensor = optional.tensor_value();
    parsed = true;
  }
  if (!parsed)
    throw Error({.kind = ErrorKind::Unsupported}, file.filename().string() + " holds no tensor");
  return onnx::toArray(tensor, {}, nullptr);
}

/// input_0.pb, input_1.pb, ...: as many as there are.
std::vector<Array>
readValues(const fs::path &folder, const std::string &prefix,
           const google::protobuf::RepeatedPtrField<proto::ValueInfoProto> &infos) {
  std::vector<Array> values;
  for (int i = 0; i < infos.size(); ++i) {
    fs::path file = folder / (prefix + std::to_string(i) + ".pb");
    if (!fs::exists(file))
      break;
    values.push_back(readValue(file, infos[i].type()));
  }
  return values;
}

std::string typeText(const Array &array) {
  return std::string(name(array.dtype())) + Shape(array.sizes()).str();
}

/// Why `got` is not `wanted`; "" when it is. NaN equals NaN; integers and booleans are exact.
std::string compare(const Array &got, const Array &wanted, const RunOptions &options) {
  if (got.dtype() != wanted.dtype() || got.sizes() != wanted.sizes())
    return typeText(got) + " instead of " + typeText(wanted);
  int64_t wrong = 0;
  std::string first;
  auto differ = [&](size_t i, auto a, auto b) {
    if (wrong++ == 0)
      first =
          "[" + std::to_string(i) + "]: " + std::to_string(a) + " instead of " + std::to_string(b);
  };
  if (!isFloat(got.dtype())) {
    std::vector<int64_t> a = got.toVector<int64_t>(), b = wanted.toVector<int64_t>();
    for (size_t i = 0; i < a.size(); ++i)
      if (a[i] != b[i])
        differ(i, a[i], b[i]);
  } else {
    std::vector<double> a = got.toVector<double>(), b = wanted.toVector<double>();
    for (size_t i = 0; i < a.size(); ++i) {
      bool equal = a[i] == b[i] || (std::isnan(a[i]) && std::isnan(b[i]));
      bool close = std::isfinite(a[i]) && std::isfinite(b[i]) &&
                   std::fabs(a[i] - b[i]) <= options.atol + options.rtol * std::fabs(b[i]);
      if (!equal && !close)
        differ(i, a[i], b[i]);
    }
  }
  if (wrong == 0)
    return "";
  return std::to_string(wrong) + " of " + std::to_string(got.numElements()) +
         " elements differ, first " + first;
}

/// Compiled for one set of fixed inputs.
struct Prepared {
  OnnxModel model;
  Executable program;
  double milliseconds;
};

Prepared prepare(const fs::path &path, const ArrayMap &values, const RunOptions &options) {
  auto start = std::chrono::steady_clock::now();
  OnnxModel model = importOnnx(path, {.values = values});
  Executable program =
      compile(model.graph, {.engine = options.interpreter ? Engine::Interpreter : Engine::Compiled,
                            .threads = 1});
  std::chrono::duration<double, std::milli> time = std::chrono::steady_clock::now() - start;
  return {std::move(model), std::move(program), time.count()};
}

using Infos = google::protobuf::RepeatedPtrField<proto::ValueInfoProto>;

/// Inputs that are no constants.
Infos inputsOf(const proto::ModelProto &model) {
  std::set<std::string> constants;
  for (const proto::TensorProto &tensor : model.graph().initializer())
    constants.insert(tensor.name());
  Infos infos;
  for (const proto::ValueInfoProto &info : model.graph().input())
    if (!constants.contains(info.name()))
      *infos.Add() = info;
  return infos;
}

/// What goes in and what must come out.
struct DataSet {
  std::vector<Array> inputs, wanted;
};

/// 0, 1/n, 2/n, ... in the shape of each input.
std::vector<Array> ramps(const Infos &infos) {
  std::vector<Array> inputs;
  for (const proto::ValueInfoProto &info : infos) {
    std::vector<int64_t> sizes;
    for (const proto::TensorShapeProto_Dimension &dim : info.type().tensor_type().shape().dim())
      sizes.push_back(dim.has_dim_value() ? dim.dim_value() : 1);
    Array input(f32, sizes);
    int64_t count = input.numElements();
    for (int64_t i = 0; i < count; ++i)
      input.as<float>()[i] =
          static_cast<float>(static_cast<double>(i) / static_cast<double>(count));
    inputs.push_back(input);
  }
  return inputs;
}

/// The data sets of a case.
std::vector<DataSet> dataSetsOf(const Case &which, const proto::ModelProto &model) {
  fs::path folder = which.model.parent_path();
  Infos infos = inputsOf(model);
  if (which.model.filename() != "model.onnx")
    return {{ramps(infos), readValues(folder, which.name + "_output_", model.graph().output())}};
  std::vector<DataSet> sets;
  for (int i = 0;; ++i) {
    fs::path data = folder / ("test_data_set_" + std::to_string(i));
    if (!fs::exists(data))
      return sets;
    sets.push_back(
        {readValues(data, "input_", infos), readValues(data, "output_", model.graph().output())});
  }
}

std::string runDataSet(const DataSet &data, const Case &which, const proto::ModelProto &model,
                       const RunOptions &options, Outcome &outcome) {
  const auto &[inputs, wanted] = data;
  Infos infos = inputsOf(model);
  ArrayMap values;
  for (size_t i = 0; i < inputs.size(); ++i)
    values[infos[static_cast<int>(i)].name()] = inputs[i];
  Prepared prepared = prepare(which.model, values, options);
  outcome.compileMs = prepared.milliseconds;
  std::set<std::string> fixed(prepared.model.fixedInputs.begin(), prepared.model.fixedInputs.end());
  for (const std::string &name : prepared.model.fixedInputs)
    outcome.fixedInputs += (outcome.fixedInputs.empty() ? "" : ",") + name;
  // The arguments are the inputs that are not fixed, in the same order.
  std::vector<NamedArrays::Entry> given;
  std::vector<Argument> arguments = prepared.model.graph.arguments();
  for (const std::string &name : prepared.model.inputs)
    if (!fixed.contains(name))
      given.emplace_back(arguments.at(given.size()).name, values.at(name));
  std::set<std::string> used;
  for (const std::string &name : prepared.program.inputNames())
    used.insert(name);
  std::erase_if(given,
                [&](const NamedArrays::Entry &entry) { return !used.contains(entry.first); });
  std::vector<Array> results = prepared.program(NamedArrays(std::move(given)));
  if (results.size() != wanted.size())
    return std::to_string(results.size()) + " outputs instead of " + std::to_string(wanted.size());
  for (size_t i = 0; i < results.size(); ++i)
    if (std::string why = compare(results[i], wanted[i], options); !why.empty())
      return "output " + std::to_string(i) + ": " + why;
  return "";
}

} // namespace

Outcome runCase(const Case &which, const RunOptions &options) {
  Outcome outcome;
  try {
    proto::ModelProto model = onnx::readModel(which.model, {});
    std::vector<DataSet> sets = dataSetsOf(which, model);
    for (const DataSet &data : sets) {
      outcome.message = runDataSet(data, which, model, options, outcome);
      if (!outcome.message.empty()) {
        outcome.status = Status::Wrong;
        return outcome;
      }
    }
    outcome.status = sets.empty() ? Status::Crash : Status::Pass;
  } catch (const Error &error) {
    outcome.message = error.what();
    outcome.status = error.code() == ErrorCode::Unsupported ? Status::Unsupported
                     : error.code() == ErrorCode::Internal  ? Status::Crash
                                                            : Status::Wrong;
  } catch (const std::exception &error) {
    outcome.message = error.what();
    outcome.status = Status::Crash;
  }
  return outcome;
}

} // namespace sinter::onnxsuite
