// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/runtime/HandProgram.h"

namespace sinter::test {
namespace {

// buffers: x, label, w, table, y. sizes: N, M.
void rowKernel(void *const *buffers, const int64_t *sizes, SinterStatus *status, int64_t begin,
               int64_t end, int64_t) {
  auto *x = static_cast<const float *>(buffers[0]);
  auto *label = static_cast<const int32_t *>(buffers[1]);
  auto *w = static_cast<const float *>(buffers[2]);
  auto *table = static_cast<const float *>(buffers[3]);
  auto *y = static_cast<float *>(buffers[4]);
  for (int64_t i = begin; i < end; ++i) {
    float sum = 0;
    for (int64_t j = 0; j < sizes[1]; ++j)
      sum += x[i * sizes[1] + j] * w[j];
    if (label[i] < 0 || label[i] >= 3) {
      int64_t none = 0;
      if (__atomic_compare_exchange_n(&status->code, &none, 1, false, __ATOMIC_RELAXED,
                                      __ATOMIC_RELAXED)) {
        status->site = 0;
        status->value = label[i];
        status->bound = 3;
      }
      continue;
    }
    y[i] = sum + table[label[i]];
  }
}

void launch(SinterKernel kernel, void *const *buffers, const int64_t *sizes, SinterContext *ctx,
            int64_t extent, int64_t grain) {
  if (ctx->parallelFor)
    ctx->parallelFor(ctx->pool, kernel, buffers, sizes, &ctx->status, extent, grain);
  else
    kernel(buffers, sizes, &ctx->status, 0, extent, 0);
}

// args: x, label, w, table, y, count [, w']. The arena holds a copy of y. sizes: N, M, 4*N rounded
// up.
void rowsRun(void *const *args, const int64_t *sizes, void *arena, SinterContext *ctx) {
  void *buffers[] = {args[0], args[1], args[2], args[3], arena};
  launch(rowKernel, buffers, sizes, ctx, sizes[0], 4);
  if (ctx->status.code != 0)
    return;
  for (int64_t i = 0; i < sizes[0]; ++i)
    static_cast<float *>(args[4])[i] = static_cast<float *>(arena)[i];
  *static_cast<int64_t *>(args[5]) = sizes[0];
}

void rowsUpdateRun(void *const *args, const int64_t *sizes, void *arena, SinterContext *ctx) {
  rowsRun(args, sizes, arena, ctx);
  float sum = 0;
  for (int64_t i = 0; i < sizes[0]; ++i)
    sum += static_cast<float *>(args[4])[i];
  for (int64_t j = 0; j < sizes[1]; ++j)
    static_cast<float *>(args[6])[j] = static_cast<float *>(args[2])[j] + sum;
}

std::vector<Array> interpretRows(const std::vector<Array> &arguments, bool updates) {
  std::vector<float> x = arguments[0].toVector<float>(), w = arguments[2].toVector<float>();
  std::vector<float> table = arguments[3].toVector<float>();
  std::vector<int32_t> label = arguments[1].toVector<int32_t>();
  int64_t n = arguments[0].sizes()[0], m = arguments[0].sizes()[1];
  Array y(f32, {n});
  float total = 0;
  for (int64_t i = 0; i < n; ++i) {
    float sum = 0;
    for (int64_t j = 0; j < m; ++j)
      sum += x[i * m + j] * w[j];
    total += y.as<float>()[i] = sum + table[label[i]];
  }
  std::vector<Array> results = {y, Array::scalar<int64_t>(n)};
  if (updates) {
    for (float &value : w)
      value += total;
    results.push_back(Array::from(w));
  }
  return results;
}

void addRun(void *const *args, const int64_t *, void *, SinterContext *) {
  *static_cast<float *>(args[2]) = *static_cast<float *>(args[0]) + *static_cast<float *>(args[1]);
}

SourceLoc line(unsigned number) { return {"model.cpp", number, 3}; }

} // namespace

std::shared_ptr<Program> rowsProgram(bool updates) {
  DimExpr n = dim("N"), m = dim("M");
  auto program = std::make_shared<Program>();
  program->arguments = {
      {.name = "x", .shape = {n, m}, .location = line(10)},
      {.name = "label", .dtype = i32, .shape = {n}, .location = line(11)},
      {.name = "w",
       .kind = ArgumentKind::Parameter,
       .shape = {m},
       .init = {InitSpec::Kind::Constant, 2, 0},
       .location = line(12)},
      {.name = "table",
       .kind = ArgumentKind::Parameter,
       .shape = {3},
       .init = {InitSpec::Kind::Constant, 1, 0},
       .location = line(13)},
  };
  program->results = {{.name = "y", .shape = {n}, .location = line(20)},
                      {.name = "count", .dtype = i64, .location = line(21)}};
  if (updates)
    program->results.push_back({.shape = {m}, .updates = 2, .location = line(22)});
  program->dims = {"N", "M"};
  program->arenaBytes = ceilDiv(n * DimExpr(4), 64) * DimExpr(64);
  program->sites = {{"gather", "index", line(15)}};
  return program;
}

Executable rowsExecutable(bool updates, std::shared_ptr<Device> device) {
  return Executable({.program = rowsProgram(updates), .entry = updates ? rowsUpdateRun : rowsRun},
                    std::move(device));
}

Executable rowsInterpreter(bool updates) {
  return Executable(
      {.program = rowsProgram(updates),
       .interpreter = [updates](const std::vector<Array> &arguments,
                                const DimBinding &) { return interpretRows(arguments, updates); }},
      CpuDevice::shared(2));
}

Executable addExecutable() {
  auto program = std::make_shared<Program>();
  program->arguments = {{.name = "a", .shape = {1}}, {.name = "b", .shape = {1}}};
  program->results = {{.name = "c", .shape = {1}}};
  return Executable({.program = program, .entry = addRun}, CpuDevice::shared(2));
}

} // namespace sinter::test
