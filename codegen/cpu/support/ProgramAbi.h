/* SPDX-License-Identifier: Apache-2.0 */
/* What all programs made by Sinter share. Every generated header holds this text. */
#ifndef SINTER_PROGRAM_ABI
#define SINTER_PROGRAM_ABI 2

#include <stdint.h>

/* Alignment of tensors, arenas, states and memory for threads, in bytes. */
#define SINTER_ALIGNMENT 64

/* What a call can answer. NAME_error_text says it in words. */
enum SinterCode {
  SINTER_OK = 0,

  /* Met by a kernel, in the middle of a run: results are undefined, variables may have changed. */
  SINTER_INDEX_OUT_OF_RANGE = 1, /* a label, or an index of a gather or scatter */
  SINTER_NON_FINITE = 2,         /* a NaN or an infinity, in programs compiled with --check-nan */

  /* Found before anything ran: nothing was read or written. */
  SINTER_BAD_INTERFACE = 16, /* the header was not made with the library */
  SINTER_BAD_CPU,            /* this machine lacks instructions that the program needs */
  SINTER_NULL,               /* a pointer is null */
  SINTER_BAD_DTYPE,          /* a tensor has another element type */
  SINTER_BAD_RANK,           /* a tensor has another number of axes */
  SINTER_BAD_SIZE,           /* an axis has another size, or a negative one */
  SINTER_SIZES_DISAGREE,     /* two axes give one dimension different sizes */
  SINTER_UNKNOWN_SIZE,       /* a dimension does not follow from the tensors */
  SINTER_CONDITION,          /* an operation does not exist for these sizes */
  SINTER_TOO_LARGE,          /* sizes overflow */
  SINTER_NOT_DENSE,          /* strides are not those of a dense row-major tensor */
  SINTER_MISALIGNED,         /* an address is no multiple of SINTER_ALIGNMENT */
  SINTER_TOO_SMALL,          /* an arena, a state or memory for threads */
  SINTER_OVERLAP,            /* what is written overlaps something else of the call */
  SINTER_BAD_WORKERS,        /* a number of workers that cannot be */
  SINTER_BAD_STATE,          /* not a state, a damaged one, without a variable that is needed, or,
                                to save and load, made by another program: detail is then 1 */
  SINTER_BUSY,               /* another call is using the state or the threads */
  SINTER_BAD_INDEX,          /* there is no such variable */

  /* Files and threads. */
  SINTER_FILE = 48,  /* the system refuses: value is its errno, 0 if the file is too short */
  SINTER_BAD_FORMAT, /* damaged, or neither .safetensors nor .npz */
  SINTER_COMPRESSED, /* a compressed .npz: numpy.savez writes the other kind */
  SINTER_MISSING,    /* the file lacks a variable */
  SINTER_UNKNOWN,    /* the file holds something that is no variable */
  SINTER_NO_THREAD,  /* the system starts no thread: value is its error */
  SINTER_NO_MEMORY   /* the system gives no memory to read a file into */
};

/* Element types. f16 and bf16 are bit patterns in an uint16_t; a bool is a byte, 0 or 1. */
enum SinterDType {
  SINTER_F32,
  SINTER_F64,
  SINTER_I32,
  SINTER_I64,
  SINTER_BOOL,
  SINTER_F16,
  SINTER_BF16,
  SINTER_I8,
  SINTER_I16,
  SINTER_U8,
  SINTER_U16,
  SINTER_U32,
  SINTER_U64
};

/* A tensor in the caller's memory. Inputs are only read. */
typedef struct SinterTensor {
  void *data;             /* aligned; may be null when there are no elements */
  const int64_t *sizes;   /* one per axis; may be null without axes */
  const int64_t *strides; /* in elements; null: dense and row-major, which others must amount to */
  int64_t dtype;          /* a SinterDType */
  int64_t rank;           /* how many axes */
} SinterTensor;

/* A dense tensor. `sizes` must live as long as the tensor is used. */
static inline SinterTensor sinterTensor(void *data, int64_t dtype, const int64_t *sizes,
                                        int64_t rank) {
  SinterTensor tensor = {0, 0, 0, 0, 0};
  tensor.data = data;
  tensor.sizes = sizes;
  tensor.dtype = dtype;
  tensor.rank = rank;
  return tensor;
}

/* First error that a run met; code 0 means none. */
typedef struct SinterStatus {
  int64_t code;
  int64_t site;  /* which operation */
  int64_t value; /* the offending value */
  int64_t bound; /* the exclusive bound it violates */
} SinterStatus;

/* Computes units [begin, end); any split of the extent, in any order, gives the same bits. `worker`
   is below the number of workers, and no two calls may use the same one at the same time. */
typedef void (*SinterKernel)(void *const *buffers, const int64_t *table, SinterStatus *status,
                             int64_t begin, int64_t end, int64_t worker);

/* Must run `kernel` over [0, extent), in chunks of about `grain` units, and return when all is
   done. */
typedef void (*SinterParallelFor)(void *pool, SinterKernel kernel, void *const *buffers,
                                  const int64_t *table, SinterStatus *status, int64_t extent,
                                  int64_t grain);

/* Who computes: filled by NAME_threads_start, or with a parallelFor of your own. */
typedef struct SinterThreads {
  SinterParallelFor parallelFor; /* null: the calling thread */
  void *pool;                    /* handed to parallelFor */
  int64_t workers;               /* how many may compute at once, the caller included */
} SinterThreads;

/* Memory that NAME_threads_start needs for this many workers, the caller included. */
#define SINTER_THREADS_BYTES(workers) (192 + 128 * (int64_t)(workers))
#define SINTER_MAX_WORKERS 1024

/* What kind of thing a report is about. */
enum SinterSubject {
  SINTER_NOTHING,
  SINTER_INPUT,    /* index: its position in SinterCall.inputs */
  SINTER_OUTPUT,   /* index: its position in SinterCall.outputs */
  SINTER_VARIABLE, /* index: which parameter or state variable */
  SINTER_DIM,      /* index: which dimension */
  SINTER_OPERATION,
  SINTER_ARENA,
  SINTER_STATE,
  SINTER_THREADS,
  SINTER_PATH
};

/* Details of an error, for NAME_error_text and for those who want to know exactly. */
typedef struct SinterReport {
  int64_t code;    /* a SinterCode */
  int64_t subject; /* a SinterSubject */
  int64_t index;
  int64_t axis;         /* of the subject; -1: none */
  int64_t value;        /* what was found */
  int64_t bound;        /* what is needed, or the exclusive bound of a value */
  int64_t otherSubject; /* SINTER_OVERLAP, SINTER_SIZES_DISAGREE: the second one */
  int64_t otherIndex;
  int64_t site; /* SINTER_OPERATION: which; SINTER_BAD_FORMAT: where in the file's header */
  int64_t detail;
} SinterReport;

/* One call of a program. */
typedef struct SinterCall {
  uint64_t interfaceId;         /* NAME_INTERFACE, out of the header that you compile with */
  const SinterTensor *inputs;   /* NAME_NUM_INPUTS of them */
  const SinterTensor *outputs;  /* NAME_NUM_OUTPUTS of them */
  void *state;                  /* made by NAME_state_init, or by that of another program whose
                                   variables include those of this one. May be null without
                                   variables, and where the library carries the values of all and
                                   a call only reads them */
  void *arena;                  /* scratch memory, aligned */
  int64_t arenaBytes;           /* how much it is */
  const SinterThreads *threads; /* null: the calling thread alone */
} SinterCall;

/* For NAME_run, the layer without checks. */
typedef struct SinterContext {
  SinterParallelFor parallelFor; /* null: everything runs on the calling thread */
  void *pool;                    /* handed to parallelFor */
  SinterStatus status;           /* set by the run */
} SinterContext;

#elif SINTER_PROGRAM_ABI != 2
#error "this header and one before it were made by versions of Sinter that do not go together"
#endif /* SINTER_PROGRAM_ABI */
