/* SPDX-License-Identifier: Apache-2.0 */
/* The state block: parameters and optimizer state in the caller's memory. */
#include "sinter/codegen/cpu/support/Support.h"

static const char stateMagic[stateMagicSize] = {'S', 'i', 'n', 't', 'e', 'r', ' ',  's',
                                                't', 'a', 't', 'e', ' ', '2', '\r', '\n'};

static int64_t rankSum(const Descriptor *maker) {
  int64_t ranks = 0;
  for (int64_t i = 0; i < maker->numVariables; ++i)
    ranks += maker->variables[i].rank;
  return ranks;
}

/* Rounds up to the alignment; false on overflow. */
static int alignUp(int64_t bytes, int64_t *result) {
  if (__builtin_add_overflow(bytes, SINTER_ALIGNMENT - 1, result))
    return 0;
  *result &= -(int64_t)SINTER_ALIGNMENT;
  return 1;
}

static int64_t sizesBytes(const Descriptor *maker) {
  int64_t bytes = rankSum(maker) * 8;
  alignUp(bytes, &bytes);
  return bytes;
}

static int64_t *sizesOf(StateHeader *state) { return (int64_t *)(void *)(state + 1); }

/* Sixteen bytes that the system draws for each process. */
static uint64_t processMark(void) {
  enum { randomBytes = 25 };
  uint64_t mark = 0;
  const void *bytes = (const void *)getauxval(randomBytes);
  if (bytes)
    memcpy(&mark, bytes, sizeof mark);
  return mark;
}

static uint64_t mix(uint64_t hash, uint64_t word) {
  hash = (hash ^ word) * 0x9E3779B97F4A7C15;
  return hash ^ hash >> 32;
}

/* Of the header alone: once that is known to be of this process, its maker may be looked at. */
static uint64_t headerCheckOf(const StateHeader *state) {
  uint64_t hash = mix(processMark(), (uintptr_t)state->maker);
  return mix(hash, (uint64_t)state->bytes);
}

static uint64_t sizesCheckOf(const StateHeader *state) {
  const int64_t *sizes = (const int64_t *)(const void *)(state + 1);
  int64_t count = rankSum(state->maker);
  uint64_t hash = (uint64_t)count;
  for (int64_t i = 0; i < count; ++i)
    hash = mix(hash, (uint64_t)sizes[i]);
  return hash;
}

int32_t sinterCheckState(const void *memory, SinterReport *report) {
  if (!memory)
    return sinterFail(report, SINTER_NULL, SINTER_STATE, 0);
  if ((uintptr_t)memory % SINTER_ALIGNMENT != 0)
    return sinterFail(report, SINTER_MISALIGNED, SINTER_STATE, 0);
  const StateHeader *state = memory;
  if (memcmp(state->magic, stateMagic, stateMagicSize) != 0 ||
      state->headerCheck != headerCheckOf(state) || state->sizesCheck != sizesCheckOf(state))
    return sinterFail(report, SINTER_BAD_STATE, SINTER_STATE, 0);
  return SINTER_OK;
}

int sinterNextVariable(StateWalk *walk) {
  StateHeader *state = walk->state;
  const Descriptor *maker = state->maker;
  if (walk->nextData == 0) { /* The first call. */
    walk->index = -1;
    walk->nextData = (int64_t)sizeof *state + sizesBytes(maker);
  } else {
    walk->sizesAt += maker->variables[walk->index].rank;
  }
  if (++walk->index >= maker->numVariables)
    return 0;
  const Place *place = &maker->variables[walk->index];
  int64_t bytes = 0;
  walk->dataAt = walk->nextData;
  SinterTensor tensor = {(char *)state + walk->dataAt, sizesOf(state) + walk->sizesAt, 0,
                         place->dtype, place->rank};
  walk->tensor = tensor;
  sinterTensorBytes(place->dtype, place->rank, tensor.sizes, &bytes);
  alignUp(bytes, &bytes);
  walk->nextData += bytes;
  return 1;
}

int sinterIsVariable(const StateWalk *walk, const char *name, uint64_t length) {
  const char *held = walk->state->maker->variables[walk->index].name;
  return strlen(held) == length && memcmp(held, name, length) == 0;
}

int32_t sinterCheckLoaded(const StateWalk *walk, int64_t dtype, int64_t rank, const int64_t *sizes,
                          SinterReport *report) {
  const SinterTensor *tensor = &walk->tensor;
  SinterReport content = {.subject = SINTER_VARIABLE, .index = walk->index, .axis = -1};
  content.code = SINTER_BAD_DTYPE;
  content.value = dtype;
  content.bound = tensor->dtype;
  if (content.value != content.bound)
    return sinterReport(report, content);
  content.code = SINTER_BAD_RANK;
  content.value = rank;
  content.bound = tensor->rank;
  if (content.value != content.bound)
    return sinterReport(report, content);
  content.code = SINTER_BAD_SIZE;
  for (content.axis = 0; content.axis < rank; ++content.axis) {
    content.value = sizes[content.axis];
    content.bound = tensor->sizes[content.axis];
    if (content.value != content.bound)
      return sinterReport(report, content);
  }
  return SINTER_OK;
}

void sinterTidyLoaded(const StateWalk *walk, char *data, uint64_t bytes) {
  for (uint64_t i = 0; i < bytes && walk->tensor.dtype == SINTER_BOOL; ++i)
    data[i] = data[i] != 0;
}

int32_t sinterFindVariables(const Descriptor *program, void *memory, SinterTensor *variables,
                            SinterReport *report) {
  int32_t code = sinterCheckState(memory, report);
  if (code != SINTER_OK)
    return code;
  StateHeader *state = memory;
  StateWalk walk = {.state = state};
  for (int64_t i = 0; i < program->numVariables; ++i) {
    const Place *wanted = &program->variables[i];
    int isFound = 0;
    /* Programs mostly have their variables in the same order: look on from the last one. */
    for (int64_t tries = 0; tries <= state->maker->numVariables && !isFound; ++tries) {
      if (!sinterNextVariable(&walk)) {
        StateWalk again = {.state = state};
        walk = again;
        continue;
      }
      isFound = state->maker == program
                    ? walk.index == i
                    : sinterIsVariable(&walk, wanted->name, strlen(wanted->name));
    }
    if (!isFound)
      return sinterFail(report, SINTER_BAD_STATE, SINTER_VARIABLE, i);
    variables[i] = walk.tensor;
  }
  return SINTER_OK;
}

int sinterAcquire(StateHeader *state, int isUpdate) {
  int64_t users = __atomic_load_n(&state->users, __ATOMIC_RELAXED);
  do {
    if (users < 0 || (isUpdate && users != 0))
      return 0;
  } while (!__atomic_compare_exchange_n(&state->users, &users, isUpdate ? -1 : users + 1, 0,
                                        __ATOMIC_ACQUIRE, __ATOMIC_RELAXED));
  return 1;
}

void sinterRelease(StateHeader *state, int isUpdate) {
  if (isUpdate)
    __atomic_store_n(&state->users, 0, __ATOMIC_RELEASE);
  else
    __atomic_fetch_sub(&state->users, 1, __ATOMIC_RELEASE);
}

/* The size of one axis of a variable; reports what is wrong. */
static int32_t variableSize(const Descriptor *program, int64_t index, int64_t axis,
                            const int64_t *dims, int64_t *size, SinterReport *report) {
  const Place *place = &program->variables[index];
  if (!sinterAxisSize(program, &place->axes[axis], dims, size)) {
    if (!dims)
      return sinterFail(report, SINTER_NULL, SINTER_DIM, -1);
    *size = -1;
  }
  int isCarried = place->value != 0;
  if (*size < 0 || (isCarried && place->valueSizes[axis] != *size)) {
    SinterReport content = {.code = SINTER_BAD_SIZE,
                            .subject = SINTER_VARIABLE,
                            .index = index,
                            .axis = axis,
                            .value = *size,
                            .bound = *size < 0 ? -1 : place->valueSizes[axis]};
    return sinterReport(report, content);
  }
  return SINTER_OK;
}

static int32_t stateBytes(const Descriptor *program, const int64_t *dims, int64_t *result,
                          SinterReport *report) {
  int64_t total = (int64_t)sizeof(StateHeader) + sizesBytes(program);
  for (int64_t i = 0; i < program->numVariables; ++i) {
    const Place *place = &program->variables[i];
    int64_t bytes = sinterElementBytes(place->dtype);
    int isEmpty = 0, isGood = 1;
    for (int64_t axis = 0; axis < place->rank; ++axis) {
      int64_t size;
      int32_t code = variableSize(program, i, axis, dims, &size, report);
      if (code != SINTER_OK)
        return code;
      isEmpty |= size == 0;
      isGood &= !__builtin_mul_overflow(bytes, size, &bytes);
    }
    if (isEmpty)
      continue;
    if (!isGood || !alignUp(bytes, &bytes) || __builtin_add_overflow(total, bytes, &total))
      return sinterFail(report, SINTER_TOO_LARGE, SINTER_VARIABLE, i);
  }
  *result = total;
  return SINTER_OK;
}

int64_t sinterStateBytes(const Descriptor *program, const int64_t *dims) {
  int64_t bytes;
  return stateBytes(program, dims, &bytes, 0) == SINTER_OK ? bytes : -1;
}

int32_t sinterStateInit(const Descriptor *program, void *memory, int64_t bytes, const int64_t *dims,
                        uint64_t seed, SinterReport *report) {
  int64_t needed;
  int32_t code = stateBytes(program, dims, &needed, report);
  if (code != SINTER_OK)
    return code;
  if (!memory)
    return sinterFail(report, SINTER_NULL, SINTER_STATE, 0);
  if ((uintptr_t)memory % SINTER_ALIGNMENT != 0)
    return sinterFail(report, SINTER_MISALIGNED, SINTER_STATE, 0);
  if (bytes < needed)
    return sinterFailValue(report, SINTER_TOO_SMALL, SINTER_STATE, 0, bytes, needed);
  if ((uintptr_t)memory + (uintptr_t)needed < (uintptr_t)memory)
    return sinterFail(report, SINTER_TOO_LARGE, SINTER_STATE, 0);
  StateHeader *state = memory;
  memset(state, 0, (size_t)((int64_t)sizeof *state + sizesBytes(program)));
  state->maker = program;
  state->bytes = needed;
  int64_t *sizes = sizesOf(state);
  for (int64_t i = 0; i < program->numVariables; ++i)
    for (int64_t axis = 0; axis < program->variables[i].rank; ++axis)
      sinterAxisSize(program, &program->variables[i].axes[axis], dims, sizes++);
  StateWalk walk = {.state = state};
  while (sinterNextVariable(&walk)) {
    const Place *place = &program->variables[walk.index];
    int64_t count = 0;
    sinterTensorBytes(place->dtype, place->rank, walk.tensor.sizes, &count);
    /* What lies between variables is defined too: equal states are equal bytes. */
    memset(walk.tensor.data, 0, (size_t)(walk.nextData - walk.dataAt));
    if (place->value)
      memcpy(walk.tensor.data, place->value, (size_t)count);
    else
      sinterDraw(program, place, seed, walk.tensor.data, count / sinterElementBytes(place->dtype));
  }
  state->headerCheck = headerCheckOf(state);
  state->sizesCheck = sizesCheckOf(state);
  memcpy(state->magic, stateMagic, stateMagicSize); /* Now it is one. */
  return sinterSucceed(report);
}

int32_t sinterStateTensor(const Descriptor *program, void *memory, int64_t index,
                          SinterTensor *tensor, SinterReport *report) {
  int32_t code = sinterCheckState(memory, report);
  if (code != SINTER_OK)
    return code;
  if (!tensor)
    return sinterFail(report, SINTER_NULL, SINTER_NOTHING, 0);
  if (index < 0 || index >= program->numVariables)
    return sinterFail(report, SINTER_BAD_INDEX, SINTER_VARIABLE, index);
  const Place *wanted = &program->variables[index];
  StateWalk walk = {.state = memory};
  while (sinterNextVariable(&walk)) {
    if (!sinterIsVariable(&walk, wanted->name, strlen(wanted->name)))
      continue;
    *tensor = walk.tensor;
    return sinterSucceed(report);
  }
  return sinterFail(report, SINTER_BAD_STATE, SINTER_VARIABLE, index);
}
