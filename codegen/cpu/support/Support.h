/* SPDX-License-Identifier: Apache-2.0 */
/* The checked layer of generated libraries: freestanding C, compiled to LLVM bitcode while Sinter
 * is built, linked into every library and made internal there. It reads a table of constants that
 * describes the program (cpu/Interface.cpp writes it: same order, same types) and allocates
 * nothing. */
#ifndef SINTER_SUPPORT_H
#define SINTER_SUPPORT_H

#include "sinter/codegen/cpu/support/Libc.h"
#include "sinter/codegen/cpu/support/ProgramAbi.h"

/* An expression over dims in postfix notation: positions in Descriptor.code up to opEnd. */
enum { opEnd, opConstant, opDim, opAdd, opMul, opFloorDiv, opCeilDiv, opMax };
enum { maxExpressionDepth = 64 };

enum { axisConstant, axisDim, axisExpression };
typedef struct {
  int64_t kind;
  int64_t value; /* The size, the dim, or where the expression starts in Descriptor.code. */
} Axis;

enum { initZeros, initConstant, initUniform, initNormal }; /* sinter::InitSpec::Kind */

/* An input, an output or a variable. */
typedef struct {
  const char *name;
  const char *location; /* "file:line:column", or empty. */
  const Axis *axes;
  int64_t dtype;
  int64_t rank;
  int64_t argument; /* Position among NAME_run's arguments. */
  int64_t update;   /* Variables: the position of their new value, or -1. */
  int64_t isParameter;
  int64_t init;
  int64_t pattern; /* initConstant: the bytes of an element. */
  double initA, initB;
  const void *value;         /* Variables: the value that the library carries, or null. */
  const int64_t *valueSizes; /* The sizes it has. */
} Place;

typedef struct {
  const char *op;
  const char *what;
  const char *location;
} Site;

typedef struct {
  int64_t expression; /* Must not be negative. */
  Site site;
} Condition;

/* The code for one kind of CPU. */
typedef struct {
  int64_t (*sizes)(const int64_t *dims, int64_t workers, int64_t *table);
  int64_t (*arenaBytes)(const int64_t *table);
  void (*run)(void *const *args, const int64_t *table, void *arena, SinterContext *context);
  const Site *sites;
  int64_t numSites;
} Version;

/* libm, for programs that need it. */
typedef struct {
  double (*log)(double);
  double (*cos)(double);
  double (*sin)(double);
} Math;

typedef struct Descriptor {
  uint64_t interfaceId;
  const char *name;
  const char *target;
  const Place *inputs, *outputs, *variables;
  int64_t numInputs, numOutputs, numVariables;
  const char *const *dims;
  int64_t numDims;
  const int64_t *code;
  const Condition *conditions;
  int64_t numConditions;
  const Version *versions;
  int64_t numVersions;
  const Math *math;         /* Null where no variable is drawn from a normal distribution. */
  int64_t (*version)(void); /* Which of them this machine can run, or -1. */
} Descriptor;

/* Memory of a call, on the stack of the generated function. */
typedef struct {
  int64_t *table;
  int64_t *dims;
  int64_t *dimSources; /* The place that gave a dim its value. */
  void **args;
  SinterTensor *variables;
} Frame;

/* -- Reports (Report.c) -- */

/* Stores the report, if there is one, and returns its code. */
int32_t sinterReport(SinterReport *report, SinterReport content);
int32_t sinterFail(SinterReport *report, int64_t code, int64_t subject, int64_t index);
int32_t sinterFailValue(SinterReport *report, int64_t code, int64_t subject, int64_t index,
                        int64_t value, int64_t bound);
int32_t sinterSucceed(SinterReport *report);
const Place *sinterPlace(const Descriptor *program, int64_t subject, int64_t index);

/* -- Sizes (Sizes.c) -- */

int64_t sinterElementBytes(int64_t dtype);
/* False on overflow, and for a dim that is negative (not known). */
int sinterEvaluate(const int64_t *code, const int64_t *dims, int64_t *result);
int sinterAxisSize(const Descriptor *program, const Axis *axis, const int64_t *dims, int64_t *size);
/* Bytes of a dense tensor; false on overflow and for negative sizes. */
int sinterTensorBytes(int64_t dtype, int64_t rank, const int64_t *sizes, int64_t *bytes);
/* Checks the tensor against its place and takes from it the dims that are still unknown (-1). Sizes
 * that are expressions are left to sinterSettle(). */
int32_t sinterCheckTensor(const Descriptor *program, int64_t subject, int64_t index,
                          const SinterTensor *tensor, Frame *frame, SinterReport *report);
/* Solves and checks sizes that are expressions; afterwards every dim is known. */
int32_t sinterSettle(const Descriptor *program, const SinterCall *call, Frame *frame,
                     SinterReport *report);
const SinterTensor *sinterTensorOf(const SinterCall *call, const Frame *frame, int64_t subject,
                                   int64_t index);

/* -- State (State.c) -- */

enum { stateMagicSize = 16 };
/* The start of a state; the sizes of all variables follow, then the variables, each aligned. */
typedef struct {
  char magic[stateMagicSize];
  const Descriptor *maker;
  int64_t bytes;
  int64_t users; /* -1: a call updates it; else how many calls read it. */
  uint64_t headerCheck, sizesCheck;
  int64_t reserved;
} StateHeader;

enum { stateOfAnother = 1 }; /* SINTER_BAD_STATE, detail: made by another program. */
int32_t sinterCheckState(const void *state, SinterReport *report);
/* Where the program's variables are in a state, whoever made it. */
int32_t sinterFindVariables(const Descriptor *program, void *state, SinterTensor *variables,
                            SinterReport *report);
/* False when the state is in use in a way that excludes this one. */
int sinterAcquire(StateHeader *state, int isUpdate);
void sinterRelease(StateHeader *state, int isUpdate);

/* The variables of a state in order: start with {0}, `state` set. */
typedef struct {
  StateHeader *state;
  int64_t index; /* Of the current variable. */
  int64_t sizesAt, dataAt, nextData;
  SinterTensor tensor;
} StateWalk;
int sinterNextVariable(StateWalk *walk);
/* Whether the current variable is called so. */
int sinterIsVariable(const StateWalk *walk, const char *name, uint64_t length);
/* What a file holds for the current variable must be what the variable is. */
int32_t sinterCheckLoaded(const StateWalk *walk, int64_t dtype, int64_t rank, const int64_t *sizes,
                          SinterReport *report);
/* A bool is 0 or 1, whatever the file says. */
void sinterTidyLoaded(const StateWalk *walk, char *data, uint64_t bytes);

/* First values of a variable (Draw.c). */
void sinterDraw(const Descriptor *program, const Place *variable, uint64_t seed, void *data,
                int64_t count);

/* -- Files (Files.c) -- */

void *sinterMap(uint64_t bytes);
void sinterUnmap(void *memory, uint64_t bytes);
int32_t sinterFailFile(SinterReport *report, int64_t error);
/* All of it, or an error. */
int32_t sinterReadAt(int file, uint64_t offset, void *to, uint64_t bytes, SinterReport *report);

typedef struct {
  char path[4096];      /* What is written, links resolved. */
  char temporary[4096]; /* Its name until it is complete; empty for a device. */
  int file;
  int error; /* The first errno. */
} OutputFile;
void sinterCreateFile(OutputFile *out, const char *path);
void sinterWriteFile(OutputFile *out, const void *data, uint64_t bytes);
/* The error, or 0. The file appears under its name, or not at all. */
int sinterCommitFile(OutputFile *out);

/* Loads an open .npz (StateNpz.c); `staging` is as large as the state. */
int32_t sinterLoadNpz(int file, uint64_t fileBytes, StateHeader *state, char *staging,
                      unsigned char *found, SinterReport *report);

#endif
