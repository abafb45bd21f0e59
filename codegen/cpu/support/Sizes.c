/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes of tensors: expressions, and dims that follow from what a caller passes. */
#include "sinter/codegen/cpu/support/Support.h"

int64_t sinterElementBytes(int64_t dtype) {
  switch (dtype) {
  case SINTER_F64:
  case SINTER_I64:
  case SINTER_U64:
    return 8;
  case SINTER_F32:
  case SINTER_I32:
  case SINTER_U32:
    return 4;
  case SINTER_F16:
  case SINTER_BF16:
  case SINTER_I16:
  case SINTER_U16:
    return 2;
  default:
    return 1;
  }
}

int sinterTensorBytes(int64_t dtype, int64_t rank, const int64_t *sizes, int64_t *bytes) {
  int64_t total = sinterElementBytes(dtype);
  int isEmpty = 0;
  for (int64_t i = 0; i < rank; ++i) {
    if (sizes[i] < 0)
      return 0;
    isEmpty |= sizes[i] == 0;
  }
  for (int64_t i = 0; i < rank && !isEmpty; ++i)
    if (__builtin_mul_overflow(total, sizes[i], &total))
      return 0;
  *bytes = isEmpty ? 0 : total;
  return 1;
}

/* Division rounded down (step -1) or up (step 1); false where there is no result. */
static int divide(int64_t a, int64_t b, int64_t step, int64_t *result) {
  if (b == 0 || (a == INT64_MIN && b == -1))
    return 0;
  int64_t quotient = a / b, remainder = a % b;
  int isNegative = (a < 0) != (b < 0);
  if (remainder != 0 && (step < 0 ? isNegative : !isNegative))
    quotient += step;
  *result = quotient;
  return 1;
}

int sinterEvaluate(const int64_t *code, const int64_t *dims, int64_t *result) {
  int64_t stack[maxExpressionDepth];
  int64_t depth = 0;
  for (;; ++code) {
    if (*code == opEnd) {
      *result = stack[0];
      return 1;
    }
    if (*code == opConstant || *code == opDim) {
      int64_t operand = code[1], value = operand;
      if (*code == opDim) {
        if (!dims || dims[operand] < 0)
          return 0;
        value = dims[operand];
      }
      stack[depth++] = value;
      ++code;
      continue;
    }
    int64_t b = stack[--depth], a = stack[depth - 1], *to = &stack[depth - 1];
    int isGood = 1;
    switch (*code) {
    case opAdd:
      isGood = !__builtin_add_overflow(a, b, to);
      break;
    case opMul:
      isGood = !__builtin_mul_overflow(a, b, to);
      break;
    case opFloorDiv:
      isGood = divide(a, b, -1, to);
      break;
    case opCeilDiv:
      isGood = divide(a, b, 1, to);
      break;
    default:
      *to = a > b ? a : b;
      break;
    }
    if (!isGood)
      return 0;
  }
}

int sinterAxisSize(const Descriptor *program, const Axis *axis, const int64_t *dims,
                   int64_t *size) {
  switch (axis->kind) {
  case axisConstant:
    *size = axis->value;
    return 1;
  case axisDim:
    if (!dims || dims[axis->value] < 0)
      return 0;
    *size = dims[axis->value];
    return 1;
  default:
    return sinterEvaluate(program->code + axis->value, dims, size);
  }
}

/* All places of a call, numbered: inputs, variables, outputs. */
static void subjectOf(const Descriptor *program, int64_t number, int64_t *subject, int64_t *index) {
  *subject = SINTER_INPUT;
  if (number >= program->numInputs) {
    number -= program->numInputs;
    *subject = SINTER_VARIABLE;
    if (number >= program->numVariables) {
      number -= program->numVariables;
      *subject = SINTER_OUTPUT;
    }
  }
  *index = number;
}

static int64_t numberOf(const Descriptor *program, int64_t subject, int64_t index) {
  return index + (subject == SINTER_INPUT ? 0 : program->numInputs) +
         (subject == SINTER_OUTPUT ? program->numVariables : 0);
}

const SinterTensor *sinterTensorOf(const SinterCall *call, const Frame *frame, int64_t subject,
                                   int64_t index) {
  return subject == SINTER_INPUT    ? &call->inputs[index]
         : subject == SINTER_OUTPUT ? &call->outputs[index]
                                    : &frame->variables[index];
}

static int32_t failSize(SinterReport *report, int64_t subject, int64_t index, int64_t axis,
                        int64_t found, int64_t wanted) {
  SinterReport content = {.code = SINTER_BAD_SIZE,
                          .subject = subject,
                          .index = index,
                          .axis = axis,
                          .value = found,
                          .bound = wanted};
  return sinterReport(report, content);
}

static int isDense(const SinterTensor *tensor) {
  if (!tensor->strides)
    return 1;
  int64_t expected = 1; /* Cannot overflow: the tensor's bytes do not. */
  for (int64_t i = tensor->rank; i-- > 0;) {
    if (tensor->sizes[i] != 1 && tensor->strides[i] != expected)
      return 0;
    expected *= tensor->sizes[i];
  }
  return 1;
}

int32_t sinterCheckTensor(const Descriptor *program, int64_t subject, int64_t index,
                          const SinterTensor *tensor, Frame *frame, SinterReport *report) {
  const Place *place = sinterPlace(program, subject, index);
  if (tensor->dtype != place->dtype)
    return sinterFailValue(report, SINTER_BAD_DTYPE, subject, index, tensor->dtype, place->dtype);
  if (tensor->rank != place->rank)
    return sinterFailValue(report, SINTER_BAD_RANK, subject, index, tensor->rank, place->rank);
  if (tensor->rank > 0 && !tensor->sizes)
    return sinterFail(report, SINTER_NULL, subject, index);
  for (int64_t i = 0; i < tensor->rank; ++i) {
    const Axis *axis = &place->axes[i];
    int64_t size = tensor->sizes[i];
    if (size < 0 || (axis->kind == axisConstant && size != axis->value))
      return failSize(report, subject, index, i, size,
                      axis->kind == axisConstant ? axis->value : -1);
    if (axis->kind != axisDim)
      continue;
    if (frame->dims[axis->value] < 0) {
      frame->dims[axis->value] = size;
      frame->dimSources[axis->value] = numberOf(program, subject, index);
    } else if (frame->dims[axis->value] != size) {
      SinterReport content = {.code = SINTER_SIZES_DISAGREE,
                              .subject = subject,
                              .index = index,
                              .axis = i,
                              .value = size,
                              .bound = frame->dims[axis->value],
                              .detail = axis->value};
      subjectOf(program, frame->dimSources[axis->value], &content.otherSubject,
                &content.otherIndex);
      return sinterReport(report, content);
    }
  }
  int64_t bytes;
  if (!sinterTensorBytes(tensor->dtype, tensor->rank, tensor->sizes, &bytes))
    return sinterFail(report, SINTER_TOO_LARGE, subject, index);
  if (bytes == 0)
    return SINTER_OK;
  if (!isDense(tensor))
    return sinterFail(report, SINTER_NOT_DENSE, subject, index);
  if (!tensor->data)
    return sinterFail(report, SINTER_NULL, subject, index);
  uintptr_t start = (uintptr_t)tensor->data;
  if (start % SINTER_ALIGNMENT != 0)
    return sinterFail(report, SINTER_MISALIGNED, subject, index);
  if (start + (uintptr_t)bytes < start)
    return sinterFail(report, SINTER_TOO_LARGE, subject, index);
  return SINTER_OK;
}

/* The only dim of the expression without a value; -1: none, -2: several. Linear: nothing but sums
 * and multiples are made of it. */
static int64_t onlyUnknown(const int64_t *code, const int64_t *dims, int *isLinear) {
  enum { linear = 1, other = 2 };
  char degrees[maxExpressionDepth]; /* In the unknown dim, of what evaluation has on its stack. */
  int64_t unknown = -1, depth = 0;
  for (; *code != opEnd; ++code) {
    if (*code == opDim || *code == opConstant) {
      int isUnknown = *code == opDim && dims[code[1]] < 0;
      ++code;
      if (isUnknown && unknown >= 0 && unknown != *code)
        return -2;
      unknown = isUnknown ? *code : unknown;
      degrees[depth++] = isUnknown ? linear : 0;
      continue;
    }
    char b = degrees[--depth], *a = &degrees[depth - 1];
    int isExact = *code == opAdd || (*code == opMul && (*a == 0 || b == 0));
    *a = isExact || (*a | b) == 0 ? *a | b : other;
  }
  *isLinear = degrees[0] <= linear;
  return unknown;
}

static int evaluateAt(const int64_t *code, int64_t *dims, int64_t dim, int64_t value,
                      int64_t *result) {
  dims[dim] = value;
  int isGood = sinterEvaluate(code, dims, result);
  dims[dim] = -1;
  return isGood;
}

enum { settled, solved, unsettled, contradicted };

static int isAt(const int64_t *code, int64_t *dims, int64_t dim, int64_t value, int64_t size) {
  int64_t result;
  return value >= 0 && evaluateAt(code, dims, dim, value, &result) && result == size;
}

/* Checks a size whose dims are known, or solves for the only unknown one where the size is linear
 * in it (degreeIn() of DimDegree.h). A guess solves where it is not, as if it were: only a value
 * that fits and whose neighbours do not is taken, and nothing is wrong with a size that this does
 * not find. */
static int settleAxis(const int64_t *code, int64_t size, int64_t number, int isGuess, Frame *frame,
                      int64_t *expected) {
  int64_t *dims = frame->dims;
  int isLinear = 0;
  int64_t unknown = onlyUnknown(code, dims, &isLinear), zero, one, slope, rest;
  *expected = -1;
  if (unknown == -2)
    return unsettled;
  if (unknown == -1) {
    if (!sinterEvaluate(code, dims, expected))
      *expected = -1;
    return *expected == size ? settled : contradicted;
  }
  if (!isLinear && !isGuess)
    return unsettled;
  if (!evaluateAt(code, dims, unknown, 0, &zero) || !evaluateAt(code, dims, unknown, 1, &one) ||
      __builtin_sub_overflow(one, zero, &slope) || slope == 0)
    return unsettled;
  if (__builtin_sub_overflow(size, zero, &rest) || (rest == INT64_MIN && slope == -1))
    return isLinear ? contradicted : unsettled;
  int64_t candidate = rest / slope;
  if (!isAt(code, dims, unknown, candidate, size))
    return isLinear ? contradicted : unsettled;
  if (!isLinear && (isAt(code, dims, unknown, candidate - 1, size) || candidate == INT64_MAX ||
                    isAt(code, dims, unknown, candidate + 1, size)))
    return unsettled;
  dims[unknown] = candidate;
  frame->dimSources[unknown] = number;
  return solved;
}

/* One look at every size; `better` where a dim became known. Only one is guessed at a time. */
static int32_t settleOnce(const Descriptor *program, const SinterCall *call, int isGuess,
                          Frame *frame, int *better, SinterReport *report) {
  int64_t places = program->numInputs + program->numVariables + program->numOutputs;
  *better = 0;
  for (int64_t number = 0; number < places; ++number) {
    int64_t subject, index, expected;
    subjectOf(program, number, &subject, &index);
    const Place *place = sinterPlace(program, subject, index);
    for (int64_t i = 0; i < place->rank && !(isGuess && *better); ++i) {
      if (place->axes[i].kind != axisExpression)
        continue;
      int64_t size = sinterTensorOf(call, frame, subject, index)->sizes[i];
      switch (settleAxis(program->code + place->axes[i].value, size, number, isGuess, frame,
                         &expected)) {
      case contradicted:
        return failSize(report, subject, index, i, size, expected);
      case solved:
        *better = 1;
        break;
      default:
        break;
      }
    }
  }
  return SINTER_OK;
}

int32_t sinterSettle(const Descriptor *program, const SinterCall *call, Frame *frame,
                     SinterReport *report) {
  /* A dim that became known may settle what it could not before, and saves a guess. */
  for (int isGuess = 0; isGuess <= 1;) {
    int better;
    int32_t code = settleOnce(program, call, isGuess, frame, &better, report);
    if (code != SINTER_OK)
      return code;
    isGuess = better ? 0 : isGuess + 1;
  }
  for (int64_t i = 0; i < program->numDims; ++i)
    if (frame->dims[i] < 0)
      return sinterFail(report, SINTER_UNKNOWN_SIZE, SINTER_DIM, i);
  return SINTER_OK;
}
