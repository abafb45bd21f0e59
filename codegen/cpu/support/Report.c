/* SPDX-License-Identifier: Apache-2.0 */
/* Errors as codes, and in words. */
#include "sinter/codegen/cpu/support/Support.h"

#include "sinter/ir/base/SafetensorsFormat.h"

int32_t sinterReport(SinterReport *report, SinterReport content) {
  if (report)
    *report = content;
  return (int32_t)content.code;
}

int32_t sinterFail(SinterReport *report, int64_t code, int64_t subject, int64_t index) {
  return sinterFailValue(report, code, subject, index, 0, 0);
}

int32_t sinterFailValue(SinterReport *report, int64_t code, int64_t subject, int64_t index,
                        int64_t value, int64_t bound) {
  SinterReport content = {
      .code = code, .subject = subject, .index = index, .axis = -1, .value = value, .bound = bound};
  return sinterReport(report, content);
}

int32_t sinterSucceed(SinterReport *report) {
  return sinterFail(report, SINTER_OK, SINTER_NOTHING, 0);
}

const Place *sinterPlace(const Descriptor *program, int64_t subject, int64_t index) {
  switch (subject) {
  case SINTER_INPUT:
    return index >= 0 && index < program->numInputs ? &program->inputs[index] : 0;
  case SINTER_OUTPUT:
    return index >= 0 && index < program->numOutputs ? &program->outputs[index] : 0;
  case SINTER_VARIABLE:
    return index >= 0 && index < program->numVariables ? &program->variables[index] : 0;
  default:
    return 0;
  }
}

/* -- Text -- */

typedef struct {
  char *to;
  int64_t capacity, length;
} Text;

static void addBytes(Text *text, const char *from, int64_t length) {
  for (int64_t i = 0; i < length; ++i, ++text->length)
    if (text->length + 1 < text->capacity)
      text->to[text->length] = from[i];
}

static void add(Text *text, const char *from) { addBytes(text, from, (int64_t)strlen(from)); }

static void addNumber(Text *text, int64_t number) {
  char digits[24];
  int at = sizeof digits;
  uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
  do
    digits[--at] = (char)('0' + rest % 10);
  while ((rest /= 10) != 0);
  if (number < 0)
    digits[--at] = '-';
  addBytes(text, digits + at, (int64_t)sizeof digits - at);
}

static const char *dtypeName(int64_t dtype) {
  static const char names[][8] = {"f32", "f64", "i32", "i64", "bool", "f16", "bf16",
                                  "i8",  "i16", "u8",  "u16", "u32",  "u64"};
  return dtype >= 0 && dtype < (int64_t)(sizeof names / sizeof *names) ? names[dtype]
                                                                       : "of no known type";
}

static void addSubject(Text *text, const Descriptor *program, int64_t subject, int64_t index) {
  const Place *place = sinterPlace(program, subject, index);
  const char *kind = "the call";
  switch (subject) {
  case SINTER_INPUT:
    kind = "input";
    break;
  case SINTER_OUTPUT:
    kind = "output";
    break;
  case SINTER_VARIABLE:
    kind = place && place->isParameter ? "parameter" : "state variable";
    break;
  case SINTER_DIM:
    kind = "dimension";
    break;
  case SINTER_ARENA:
    kind = "the arena";
    break;
  case SINTER_STATE:
    kind = "the state";
    break;
  case SINTER_THREADS:
    kind = "the memory for threads";
    break;
  case SINTER_PATH:
    kind = "the file";
    break;
  default:
    break;
  }
  add(text, kind);
  const char *name = place ? place->name
                     : subject == SINTER_DIM && index >= 0 && index < program->numDims
                         ? program->dims[index]
                         : 0;
  if (name) {
    add(text, " '");
    add(text, name);
    add(text, "'");
  }
}

static void addNeed(Text *text, const char *verb, int64_t found, const char *middle,
                    int64_t needed) {
  add(text, verb);
  addNumber(text, found);
  add(text, middle);
  addNumber(text, needed);
}

static const Site *siteOf(const Descriptor *program, const SinterReport *report) {
  if (report->code == SINTER_CONDITION)
    return report->site >= 0 && report->site < program->numConditions
               ? &program->conditions[report->site].site
               : 0;
  int64_t number = program->version();
  if (number < 0 || number >= program->numVersions)
    return 0;
  const Version *version = &program->versions[number];
  return report->site >= 0 && report->site < version->numSites ? &version->sites[report->site] : 0;
}

/* "op at file:line:column: ". */
static void addOperation(Text *text, const Descriptor *program, const Site *site) {
  add(text, site && site->op[0] ? site->op : program->name);
  if (site && site->location[0]) {
    add(text, " at ");
    add(text, site->location);
  }
  add(text, ": ");
}

static void addMessage(Text *text, const Descriptor *program, const SinterReport *report) {
  const Site *site = 0;
  switch (report->code) {
  case SINTER_OK:
    add(text, "no error");
    return;
  case SINTER_INDEX_OUT_OF_RANGE:
  case SINTER_NON_FINITE:
  case SINTER_CONDITION:
    site = siteOf(program, report);
    addOperation(text, program, site);
    if (report->code == SINTER_INDEX_OUT_OF_RANGE) {
      add(text, site ? site->what : "index");
      addNeed(text, " ", report->value, " is not in [0, ", report->bound);
      add(text, ")");
    } else if (report->code == SINTER_NON_FINITE) {
      add(text, "a NaN or an infinity came out of ");
      add(text, site ? site->what : "a kernel");
      add(text, ", element ");
      addNumber(text, report->value);
      add(text, " of this operation's result");
    } else {
      add(text, "needs that ");
      add(text, site ? site->what : "its sizes fit");
      add(text, ", which these sizes do not fulfil");
    }
    return;
  case SINTER_BAD_INTERFACE:
    add(text, "the library of '");
    add(text, program->name);
    add(text, "' and the header that the caller was compiled with were not made together");
    return;
  case SINTER_BAD_CPU:
    add(text, "this machine lacks instructions of ");
    add(text, program->target);
    return;
  case SINTER_BAD_WORKERS:
    addNumber(text, report->value);
    add(text, " workers are not possible");
    return;
  case SINTER_NO_THREAD:
    add(text, "the system starts no thread: error ");
    addNumber(text, report->value);
    return;
  case SINTER_NO_MEMORY:
    add(text, "the system gives no memory to read the file into");
    return;
  case SINTER_UNKNOWN_SIZE:
    add(text, "the size of ");
    addSubject(text, program, report->subject, report->index);
    add(text, " does not follow from the tensors of the call");
    return;
  case SINTER_MISSING:
    add(text, "the file has no ");
    addSubject(text, program, report->subject, report->index);
    return;
  default:
    break;
  }
  addSubject(text, program, report->subject, report->index);
  switch (report->code) {
  case SINTER_NULL:
    add(text, " is null");
    break;
  case SINTER_BAD_DTYPE:
    add(text, " is ");
    add(text, dtypeName(report->value));
    add(text, ", not ");
    add(text, dtypeName(report->bound));
    break;
  case SINTER_BAD_RANK:
    addNeed(text, " has ", report->value, " axes, not ", report->bound);
    break;
  case SINTER_BAD_SIZE:
    add(text, " has size ");
    addNumber(text, report->value);
    if (report->axis >= 0) {
      add(text, " in axis ");
      addNumber(text, report->axis);
    }
    if (report->bound >= 0) {
      add(text, ", not ");
      addNumber(text, report->bound);
    } else {
      add(text, ", which cannot be");
    }
    break;
  case SINTER_SIZES_DISAGREE:
    add(text, " makes dimension '");
    if (report->detail >= 0 && report->detail < program->numDims)
      add(text, program->dims[report->detail]);
    addNeed(text, "' ", report->value, " but it is ", report->bound);
    add(text, " in ");
    addSubject(text, program, report->otherSubject, report->otherIndex);
    break;
  case SINTER_TOO_LARGE:
    add(text, " is too large: its size overflows");
    break;
  case SINTER_NOT_DENSE:
    add(text, " is not dense and row-major");
    break;
  case SINTER_MISALIGNED:
    add(text, " is not aligned to 64 bytes");
    break;
  case SINTER_TOO_SMALL:
    addNeed(text, " has ", report->value, " bytes, but needs ", report->bound);
    break;
  case SINTER_OVERLAP:
    add(text, " overlaps ");
    addSubject(text, program, report->otherSubject, report->otherIndex);
    break;
  case SINTER_BAD_STATE:
    add(text, report->subject == SINTER_VARIABLE
                  ? " is not in the state, or has another type or size there"
              : report->detail == stateOfAnother
                  ? " was made by another program, whose functions save and load it"
                  : " was not made by a state_init, or is damaged");
    break;
  case SINTER_BUSY:
    add(text, report->subject == SINTER_THREADS ? " is in use by a call that has not ended"
                                                : " is in use by another call");
    break;
  case SINTER_BAD_INDEX:
    add(text, " number ");
    addNumber(text, report->index);
    add(text, " does not exist");
    break;
  case SINTER_FILE:
    if (report->value != 0) {
      add(text, " cannot be used: errno ");
      addNumber(text, report->value);
    } else {
      add(text, " ends early");
    }
    break;
  case SINTER_BAD_FORMAT:
    add(text, " is damaged or neither .safetensors nor .npz");
    if (report->detail != 0) {
      add(text, ": ");
      add(text, sinterSafetensorsText((int)report->detail));
      add(text, " (byte ");
      addNumber(text, report->site);
      add(text, " of the header)");
    }
    break;
  case SINTER_COMPRESSED:
    add(text, " is a compressed .npz; store it without compression");
    break;
  case SINTER_UNKNOWN:
    add(text, " holds a tensor that is no variable: number ");
    addNumber(text, report->value);
    break;
  default:
    add(text, ": error ");
    addNumber(text, report->code);
    break;
  }
  const Place *place = sinterPlace(program, report->subject, report->index);
  if (place && place->location[0]) {
    add(text, " (declared at ");
    add(text, place->location);
    add(text, ")");
  }
}

int64_t sinterErrorText(const Descriptor *program, const SinterReport *report, char *to,
                        int64_t capacity) {
  Text text = {.to = to, .capacity = to && capacity > 0 ? capacity : 0};
  if (report)
    addMessage(&text, program, report);
  if (text.capacity > 0)
    to[text.length < text.capacity ? text.length : text.capacity - 1] = 0;
  return text.length;
}
