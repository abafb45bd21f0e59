/* SPDX-License-Identifier: Apache-2.0 */
/* States in files. */
#include "sinter/codegen/cpu/support/Support.h"

#include "sinter/ir/base/SafetensorsFormat.h"

/* Only who made a state knows what its file must hold. */
static int32_t checkOwn(const Descriptor *program, const void *memory, SinterReport *report) {
  SinterReport content = {
      .code = SINTER_BAD_STATE, .subject = SINTER_STATE, .axis = -1, .detail = stateOfAnother};
  int32_t code = sinterCheckState(memory, report);
  if (code == SINTER_OK && ((const StateHeader *)memory)->maker != program)
    return sinterReport(report, content);
  return code;
}

/* -- Saving -- */

/* The variables with the widest elements first, so that the file keeps each aligned. */
static uint64_t describe(StateHeader *state, SinterSafetensorsTensor *tensors, const void **data) {
  uint64_t count = 0;
  for (int64_t width = 8; width > 0; width /= 2) {
    StateWalk walk = {.state = state};
    while (sinterNextVariable(&walk)) {
      if (sinterElementBytes(walk.tensor.dtype) != width)
        continue;
      const char *name = state->maker->variables[walk.index].name;
      SinterSafetensorsTensor tensor = {{name, strlen(name)},
                                        (uint32_t)walk.tensor.dtype,
                                        (uint32_t)walk.tensor.rank,
                                        walk.tensor.sizes};
      tensors[count] = tensor;
      data[count++] = walk.tensor.data;
    }
  }
  return count;
}

static int32_t save(const char *path, StateHeader *state, SinterSafetensorsTensor *tensors,
                    const void **data, SinterReport *report) {
  uint64_t count = describe(state, tensors, data);
  uint64_t length = sinterSafetensorsWriteHeader(tensors, count, 0, 0, 0, 0);
  char *header = length > 0 ? sinterMap(length) : 0;
  if (!header)
    return sinterFail(report, length > 0 ? SINTER_NO_MEMORY : SINTER_TOO_LARGE, SINTER_PATH, 0);
  sinterSafetensorsWriteHeader(tensors, count, 0, 0, header, length);
  OutputFile out;
  sinterCreateFile(&out, path);
  sinterWriteFile(&out, header, length);
  for (uint64_t i = 0; i < count; ++i) {
    int64_t bytes = 0;
    sinterTensorBytes(tensors[i].dtype, tensors[i].rank, tensors[i].sizes, &bytes);
    sinterWriteFile(&out, data[i], (uint64_t)bytes);
  }
  int error = sinterCommitFile(&out);
  sinterUnmap(header, length);
  return error ? sinterFailFile(report, error) : sinterSucceed(report);
}

int32_t sinterStateSave(const Descriptor *program, void *memory, const char *path,
                        SinterReport *report) {
  int32_t code = checkOwn(program, memory, report);
  if (code != SINTER_OK)
    return code;
  if (!path)
    return sinterFail(report, SINTER_NULL, SINTER_PATH, 0);
  StateHeader *state = memory;
  uint64_t each = sizeof(SinterSafetensorsTensor) + sizeof(void *);
  uint64_t bytes = ((uint64_t)state->maker->numVariables + 1) * each;
  SinterSafetensorsTensor *tensors = sinterMap(bytes);
  if (!tensors)
    return sinterFail(report, SINTER_NO_MEMORY, SINTER_PATH, 0);
  if (sinterAcquire(state, 0)) {
    const void **data = (const void **)(void *)(tensors + state->maker->numVariables + 1);
    code = save(path, state, tensors, data, report);
    sinterRelease(state, 0);
  } else {
    code = sinterFail(report, SINTER_BUSY, SINTER_STATE, 0);
  }
  sinterUnmap(tensors, bytes);
  return code;
}

/* -- Loading -- */

static int32_t failFormat(SinterReport *report, int status, uint64_t offset) {
  SinterReport content = {.code = SINTER_BAD_FORMAT,
                          .subject = SINTER_PATH,
                          .axis = -1,
                          .site = (int64_t)offset,
                          .detail = status};
  return sinterReport(report, content);
}

/* Checks one tensor of a file against the variable of that name, and reads it into `staging`, which
 * has the state's layout. */
static int32_t loadTensor(int file, const unsigned char *header,
                          const SinterSafetensorsEntry *entry, int64_t number, uint64_t dataStart,
                          StateHeader *state, char *staging, unsigned char *found,
                          SinterReport *report) {
  StateWalk walk = {.state = state};
  while (sinterNextVariable(&walk)) {
    const char *name = state->maker->variables[walk.index].name;
    if (!sinterSafetensorsEquals(header, &entry->name, name, strlen(name)))
      continue;
    int32_t code = sinterCheckLoaded(&walk, entry->dtype, entry->rank, entry->sizes, report);
    if (code != SINTER_OK)
      return code;
    found[walk.index] = 1;
    uint64_t bytes = entry->end - entry->begin;
    code = sinterReadAt(file, dataStart + entry->begin, staging + walk.dataAt, bytes, report);
    sinterTidyLoaded(&walk, staging + walk.dataAt, bytes);
    return code;
  }
  return sinterFailValue(report, SINTER_UNKNOWN, SINTER_PATH, 0, number, 0);
}

/* With the header in memory. */
static int32_t loadEntries(int file, const unsigned char *header, uint64_t length,
                           uint64_t fileBytes, StateHeader *state, char *staging,
                           unsigned char *found, SinterReport *report) {
  uint64_t dataStart = SINTER_SAFETENSORS_PREFIX_BYTES + length;
  SinterSafetensorsHeader result;
  int status = sinterSafetensorsParse(header, length, fileBytes - dataStart, 0, 0, &result);
  if (status != SINTER_SAFETENSORS_OK)
    return failFormat(report, status, result.offset);
  if (result.tensors == 0)
    return SINTER_OK;
  uint64_t bytes = result.tensors * sizeof(SinterSafetensorsEntry), count = result.tensors;
  SinterSafetensorsEntry *entries = sinterMap(bytes);
  if (!entries)
    return sinterFail(report, SINTER_NO_MEMORY, SINTER_PATH, 0);
  int32_t code = SINTER_OK;
  status = sinterSafetensorsParse(header, length, fileBytes - dataStart, entries, count, &result);
  if (status != SINTER_SAFETENSORS_OK)
    code = failFormat(report, status, result.offset);
  for (uint64_t i = 0; i < count && code == SINTER_OK; ++i)
    code =
        loadTensor(file, header, &entries[i], (int64_t)i, dataStart, state, staging, found, report);
  sinterUnmap(entries, bytes);
  return code;
}

static int32_t loadSafetensors(int file, uint64_t fileBytes, StateHeader *state, char *staging,
                               unsigned char *found, SinterReport *report) {
  unsigned char prefix[SINTER_SAFETENSORS_PREFIX_BYTES];
  uint64_t length;
  if (fileBytes < sizeof prefix)
    return failFormat(report, SINTER_SAFETENSORS_TOO_SHORT, 0);
  int32_t code = sinterReadAt(file, 0, prefix, sizeof prefix, report);
  if (code != SINTER_OK)
    return code;
  int status = sinterSafetensorsHeaderLength(prefix, fileBytes, &length);
  if (status != SINTER_SAFETENSORS_OK || length == 0)
    return failFormat(report, status ? status : SINTER_SAFETENSORS_NOT_JSON, 0);
  unsigned char *header = sinterMap(length);
  if (!header)
    return sinterFail(report, SINTER_NO_MEMORY, SINTER_PATH, 0);
  code = sinterReadAt(file, sizeof prefix, header, length, report);
  if (code == SINTER_OK)
    code = loadEntries(file, header, length, fileBytes, state, staging, found, report);
  sinterUnmap(header, length);
  return code;
}

static int32_t load(int file, StateHeader *state, char *staging, unsigned char *found,
                    SinterReport *report) {
  unsigned char start[4] = {0};
  int64_t fileBytes = lseek(file, 0, maySeekEnd);
  if (fileBytes < 0)
    return sinterFailFile(report, *__errno_location());
  int32_t code = SINTER_OK;
  if (fileBytes >= (int64_t)sizeof start)
    code = sinterReadAt(file, 0, start, sizeof start, report);
  if (code != SINTER_OK)
    return code;
  /* A .safetensors that begins so would have a header longer than any may be. */
  int isZip = memcmp(start, "PK", 2) == 0 && start[2] - 1u < 7 && start[3] - 1u < 8;
  code = isZip ? sinterLoadNpz(file, (uint64_t)fileBytes, state, staging, found, report)
               : loadSafetensors(file, (uint64_t)fileBytes, state, staging, found, report);
  for (int64_t i = 0; i < state->maker->numVariables && code == SINTER_OK; ++i)
    if (!found[i])
      code = sinterFail(report, SINTER_MISSING, SINTER_VARIABLE, i);
  return code;
}

int32_t sinterStateLoad(const Descriptor *program, void *memory, const char *path,
                        SinterReport *report) {
  int32_t code = checkOwn(program, memory, report);
  if (code != SINTER_OK)
    return code;
  if (!path)
    return sinterFail(report, SINTER_NULL, SINTER_PATH, 0);
  StateHeader *state = memory;
  int file = open(path, openRead | openNonBlocking | openCloseOnExec);
  if (file < 0)
    return sinterFailFile(report, *__errno_location());
  /* Everything is read and checked before anything changes. */
  uint64_t bytes = (uint64_t)state->bytes + (uint64_t)state->maker->numVariables;
  char *staging = sinterMap(bytes);
  if (!staging) {
    code = sinterFail(report, SINTER_NO_MEMORY, SINTER_PATH, 0);
  } else if (!sinterAcquire(state, 1)) {
    code = sinterFail(report, SINTER_BUSY, SINTER_STATE, 0);
  } else {
    unsigned char *found = (unsigned char *)staging + state->bytes;
    code = load(file, state, staging, found, report);
    StateWalk walk = {.state = state};
    if (code == SINTER_OK && sinterNextVariable(&walk))
      memcpy((char *)state + walk.dataAt, staging + walk.dataAt,
             (size_t)(state->bytes - walk.dataAt));
    sinterRelease(state, 1);
  }
  sinterUnmap(staging, bytes);
  close(file);
  return code == SINTER_OK ? sinterSucceed(report) : code;
}
