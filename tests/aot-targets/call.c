/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a program of a compiled library once, on files of raw bytes:
     call LIBRARY NAME WORKERS DIM... -- IN|=OUT:BYTES...
   where each word after -- is an argument (a file) or a result (=file:bytes), in the order of args; an argument
   that an update overwrites is not aliased. Ends with 3 where NAME_sizes fails, as it does on a CPU that runs
   none of the library's versions. Needs no headers of libc, so that it compiles for machines whose headers are
   not installed. */
#include <stddef.h>
#include <stdint.h>

typedef struct FILE FILE;
int printf(const char *, ...);
FILE *fopen(const char *, const char *);
size_t fread(void *, size_t, size_t, FILE *);
size_t fwrite(const void *, size_t, size_t, FILE *);
int fclose(FILE *);
void *aligned_alloc(size_t, size_t);
void exit(int);
int strcmp(const char *, const char *);
char *strchr(const char *, int);
char *strcpy(char *, const char *);
char *strcat(char *, const char *);
long long atoll(const char *);
void *dlopen(const char *, int);
void *dlsym(void *, const char *);
char *dlerror(void);

typedef struct {
  void *parallelFor, *pool;
  int64_t status[4];
} Context;
typedef void (*Kernel)(void *const *, const int64_t *, int64_t *, int64_t, int64_t, int64_t);

enum { most = 256 };

static void fail(const char *what, const char *name) {
  printf("call: %s %s\n", what, name);
  exit(1);
}

static void *symbol(void *library, const char *name, const char *suffix) {
  char text[512];
  void *found;
  strcat(strcpy(text, name), suffix);
  found = dlsym(library, text);
  if (!found)
    fail("no symbol", text);
  return found;
}

static void *memory(int64_t bytes) { return aligned_alloc(64, (size_t)(bytes + 64) / 64 * 64); }

/* Chunks in reverse order, on the workers in turn. */
static void backwards(void *pool, Kernel kernel, void *const *buffers, const int64_t *table, int64_t *status,
                      int64_t extent, int64_t grain) {
  int64_t chunk, workers = *(int64_t *)pool;
  for (chunk = (extent + grain - 1) / grain; chunk-- > 0;) {
    int64_t end = (chunk + 1) * grain;
    kernel(buffers, table, status, chunk * grain, end < extent ? end : extent, chunk % workers);
  }
}

int main(int argc, char **argv) {
  void *args[most], *library;
  char *outputs[most];
  int64_t sizes[most], dims[most], table[4096], bytes, workers;
  Context context = {0};
  int i, numDims = 0, numArgs = 0;
  if (argc < 4)
    fail("usage:", "call LIBRARY NAME WORKERS DIM... -- IN|=OUT:BYTES...");
  library = dlopen(argv[1], 2);
  if (!library)
    fail("cannot load", dlerror());
  workers = atoll(argv[3]);
  for (i = 4; i < argc && strcmp(argv[i], "--"); ++i)
    dims[numDims++] = atoll(argv[i]);
  for (++i; i < argc && numArgs < most; ++i, ++numArgs) {
    char *word = argv[i], *end = strchr(word, ':');
    FILE *file;
    if (!end)
      fail("no size:", word);
    *end = 0;
    sizes[numArgs] = atoll(end + 1);
    args[numArgs] = memory(sizes[numArgs]);
    outputs[numArgs] = word[0] == '=' ? word + 1 : 0;
    if (outputs[numArgs])
      continue;
    file = fopen(word, "rb");
    if (!file || fread(args[numArgs], 1, (size_t)sizes[numArgs], file) != (size_t)sizes[numArgs])
      fail("cannot read", word);
    fclose(file);
  }
  if (((int64_t(*)(const int64_t *, int64_t, int64_t *))symbol(library, argv[2], "_sizes"))(dims, workers, table))
    exit(3);
  bytes = ((int64_t(*)(const int64_t *))symbol(library, argv[2], "_arena_bytes"))(table);
  if (workers > 1) {
    context.parallelFor = (void *)backwards;
    context.pool = &workers;
  }
  ((void (*)(void **, const int64_t *, void *, Context *))symbol(library, argv[2], "_run"))(args, table, memory(bytes),
                                                                                            &context);
  if (context.status[0] != 0) {
    printf("status %lld\n", (long long)context.status[0]);
    exit(4);
  }
  for (i = 0; i < numArgs; ++i)
    if (outputs[i]) {
      FILE *file = fopen(outputs[i], "wb");
      if (!file || fwrite(args[i], 1, (size_t)sizes[i], file) != (size_t)sizes[i] || fclose(file))
        fail("cannot write", outputs[i]);
    }
  if (dlsym(library, strcat(strcpy((char *)table, argv[2]), "_version")))
    printf("version %lld\n", (long long)((int64_t(*)(void))dlsym(library, (char *)table))());
  return 0;
}
