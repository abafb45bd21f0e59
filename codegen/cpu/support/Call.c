/* SPDX-License-Identifier: Apache-2.0 */
/* One checked call of a program. */
#include "sinter/codegen/cpu/support/Support.h"

static const Version *chosenVersion(const Descriptor *program) {
  int64_t number = program->version();
  return number >= 0 && number < program->numVersions ? &program->versions[number] : 0;
}

/* Memory of a call. */
typedef struct {
  uintptr_t start;
  int64_t bytes;
  int64_t subject, index;
  int isWritten;
} Range;

static Range tensorRange(const SinterTensor *tensor, int64_t subject, int64_t index,
                         int isWritten) {
  Range range = {(uintptr_t)tensor->data, 0, subject, index, isWritten};
  sinterTensorBytes(tensor->dtype, tensor->rank, tensor->sizes, &range.bytes);
  return range;
}

/* Ranges of a call by number: arena, state, outputs, inputs. */
static Range rangeOf(const Descriptor *program, const SinterCall *call, int64_t arenaBytes,
                     int64_t number, int isUpdate) {
  if (number == 0) {
    Range arena = {(uintptr_t)call->arena, arenaBytes, SINTER_ARENA, 0, 1};
    return arena;
  }
  if (number == 1) {
    Range state = {(uintptr_t)call->state, 0, SINTER_STATE, 0, isUpdate};
    if (call->state && program->numVariables > 0)
      state.bytes = ((const StateHeader *)call->state)->bytes;
    return state;
  }
  number -= 2;
  if (number < program->numOutputs)
    return tensorRange(&call->outputs[number], SINTER_OUTPUT, number, 1);
  number -= program->numOutputs;
  return tensorRange(&call->inputs[number], SINTER_INPUT, number, 0);
}

static int32_t checkOverlaps(const Descriptor *program, const SinterCall *call, int64_t arenaBytes,
                             int isUpdate, SinterReport *report) {
  int64_t count = 2 + program->numOutputs + program->numInputs;
  for (int64_t i = 0; i < count - program->numInputs; ++i) {
    Range a = rangeOf(program, call, arenaBytes, i, isUpdate);
    for (int64_t j = i + 1; j < count && a.bytes > 0; ++j) {
      Range b = rangeOf(program, call, arenaBytes, j, isUpdate);
      if (b.bytes == 0 || !(a.isWritten || b.isWritten) ||
          a.start + (uintptr_t)a.bytes <= b.start || b.start + (uintptr_t)b.bytes <= a.start)
        continue;
      SinterReport content = {.code = SINTER_OVERLAP,
                              .subject = b.subject,
                              .index = b.index,
                              .axis = -1,
                              .otherSubject = a.subject,
                              .otherIndex = a.index};
      return sinterReport(report, content);
    }
  }
  return SINTER_OK;
}

static int isUpdating(const Descriptor *program) {
  for (int64_t i = 0; i < program->numVariables; ++i)
    if (program->variables[i].update >= 0)
      return 1;
  return 0;
}

/* The variables' tensors: out of the state, or, if the call has none, the values of the library,
 * provided that the program only reads them. */
static int32_t findVariables(const Descriptor *program, const SinterCall *call, Frame *frame,
                             int isUpdate, SinterReport *report) {
  if (program->numVariables == 0)
    return SINTER_OK;
  if (call->state)
    return sinterFindVariables(program, call->state, frame->variables, report);
  if (isUpdate)
    return sinterFail(report, SINTER_NULL, SINTER_STATE, 0);
  for (int64_t i = 0; i < program->numVariables; ++i) {
    const Place *place = &program->variables[i];
    if (!place->value)
      return sinterFail(report, SINTER_NULL, SINTER_STATE, 0);
    SinterTensor tensor = {(void *)(uintptr_t)place->value, place->valueSizes, 0, place->dtype,
                           place->rank};
    frame->variables[i] = tensor;
  }
  return SINTER_OK;
}

/* Conditions whose dims are known. */
static int32_t checkConditions(const Descriptor *program, const int64_t *dims,
                               SinterReport *report) {
  for (int64_t i = 0; i < program->numConditions; ++i) {
    int64_t value;
    if (!sinterEvaluate(program->code + program->conditions[i].expression, dims, &value) ||
        value >= 0)
      continue;
    SinterReport content = {.code = SINTER_CONDITION,
                            .subject = SINTER_OPERATION,
                            .axis = -1,
                            .value = value,
                            .site = i};
    return sinterReport(report, content);
  }
  return SINTER_OK;
}

static int32_t checkTensors(const Descriptor *program, const SinterCall *call, Frame *frame,
                            SinterReport *report) {
  int32_t code;
  for (int64_t i = 0; i < program->numDims; ++i)
    frame->dims[i] = -1;
  for (int64_t i = 0; i < program->numInputs; ++i)
    if ((code = sinterCheckTensor(program, SINTER_INPUT, i, &call->inputs[i], frame, report)))
      return code;
  for (int64_t i = 0; i < program->numVariables; ++i)
    if ((code =
             sinterCheckTensor(program, SINTER_VARIABLE, i, &frame->variables[i], frame, report)))
      return code;
  for (int64_t i = 0; i < program->numOutputs; ++i)
    if ((code = sinterCheckTensor(program, SINTER_OUTPUT, i, &call->outputs[i], frame, report)))
      return code;
  code = sinterSettle(program, call, frame, report);
  /* Where a size of a tensor cannot be, an operation that does not exist for it says more. */
  if (code == SINTER_OK || code == SINTER_BAD_SIZE) {
    int32_t problem = checkConditions(program, frame->dims, report);
    code = problem ? problem : code;
  }
  return code;
}

static int32_t checkMemory(const void *memory, int64_t bytes, int64_t needed, int64_t subject,
                           SinterReport *report) {
  if (needed == 0)
    return SINTER_OK;
  if (!memory)
    return sinterFail(report, SINTER_NULL, subject, 0);
  if ((uintptr_t)memory % SINTER_ALIGNMENT != 0)
    return sinterFail(report, SINTER_MISALIGNED, subject, 0);
  if (bytes < needed)
    return sinterFailValue(report, SINTER_TOO_SMALL, subject, 0, bytes, needed);
  if ((uintptr_t)memory + (uintptr_t)needed < (uintptr_t)memory)
    return sinterFail(report, SINTER_TOO_LARGE, subject, 0);
  return SINTER_OK;
}

static void fillArguments(const Descriptor *program, const SinterCall *call, const Frame *frame) {
  for (int64_t i = 0; i < program->numInputs; ++i)
    frame->args[program->inputs[i].argument] = call->inputs[i].data;
  for (int64_t i = 0; i < program->numOutputs; ++i)
    frame->args[program->outputs[i].argument] = call->outputs[i].data;
  for (int64_t i = 0; i < program->numVariables; ++i) {
    frame->args[program->variables[i].argument] = frame->variables[i].data;
    if (program->variables[i].update >= 0)
      frame->args[program->variables[i].update] = frame->variables[i].data;
  }
}

static int32_t run(const Descriptor *program, const Version *version, const SinterCall *call,
                   const Frame *frame, SinterReport *report) {
  SinterContext context = {0};
  if (call->threads) {
    context.parallelFor = call->threads->parallelFor;
    context.pool = call->threads->pool;
  }
  fillArguments(program, call, frame);
  version->run(frame->args, frame->table, call->arena, &context);
  if (context.status.code == SINTER_OK)
    return sinterSucceed(report);
  SinterReport content = {.code = context.status.code,
                          .subject = SINTER_OPERATION,
                          .axis = -1,
                          .value = context.status.value,
                          .bound = context.status.bound,
                          .site = context.status.site};
  return sinterReport(report, content);
}

int32_t sinterCall(const Descriptor *program, const SinterCall *call, SinterReport *report,
                   Frame *frame) {
  int32_t code;
  if (!call)
    return sinterFail(report, SINTER_NULL, SINTER_NOTHING, 0);
  if (call->interfaceId != program->interfaceId)
    return sinterFail(report, SINTER_BAD_INTERFACE, SINTER_NOTHING, 0);
  const Version *version = chosenVersion(program);
  if (!version)
    return sinterFail(report, SINTER_BAD_CPU, SINTER_NOTHING, 0);
  if (program->numInputs > 0 && !call->inputs)
    return sinterFail(report, SINTER_NULL, SINTER_INPUT, -1);
  if (program->numOutputs > 0 && !call->outputs)
    return sinterFail(report, SINTER_NULL, SINTER_OUTPUT, -1);
  int64_t workers = 1;
  if (call->threads && call->threads->parallelFor)
    workers = call->threads->workers;
  if (workers < 1)
    return sinterFailValue(report, SINTER_BAD_WORKERS, SINTER_THREADS, 0, workers, 0);
  int isUpdate = isUpdating(program);
  if ((code = findVariables(program, call, frame, isUpdate, report)) ||
      (code = checkTensors(program, call, frame, report)))
    return code;
  if (version->sizes(frame->dims, workers, frame->table) != 0)
    return sinterFail(report, SINTER_TOO_LARGE, SINTER_ARENA, 0);
  int64_t needed = version->arenaBytes(frame->table);
  if (needed < 0)
    return sinterFail(report, SINTER_TOO_LARGE, SINTER_ARENA, 0);
  if ((code = checkMemory(call->arena, call->arenaBytes, needed, SINTER_ARENA, report)) ||
      (code = checkOverlaps(program, call, needed, isUpdate, report)))
    return code;
  StateHeader *state = program->numVariables > 0 ? call->state : 0;
  if (state && !sinterAcquire(state, isUpdate))
    return sinterFail(report, SINTER_BUSY, SINTER_STATE, 0);
  code = run(program, version, call, frame, report);
  if (state)
    sinterRelease(state, isUpdate);
  return code;
}

/* Bytes of arena for one binding of the dims, or -1. */
int64_t sinterArenaBytes(const Descriptor *program, const int64_t *dims, int64_t workers,
                         int64_t *table) {
  const Version *version = chosenVersion(program);
  if (!version || (program->numDims > 0 && !dims) || version->sizes(dims, workers, table) != 0)
    return -1;
  return version->arenaBytes(table);
}

int32_t sinterCheck(const Descriptor *program, uint64_t interfaceId, SinterReport *report) {
  if (interfaceId != program->interfaceId)
    return sinterFail(report, SINTER_BAD_INTERFACE, SINTER_NOTHING, 0);
  if (!chosenVersion(program))
    return sinterFail(report, SINTER_BAD_CPU, SINTER_NOTHING, 0);
  return sinterSucceed(report);
}
