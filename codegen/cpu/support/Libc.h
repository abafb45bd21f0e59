/* SPDX-License-Identifier: Apache-2.0 */
/* The functions of libc and pthread that the support code calls: declared here, so that it
 * compiles for every Linux target without that target's headers. None takes a struct whose layout
 * depends on the target. */
#ifndef SINTER_SUPPORT_LIBC_H
#define SINTER_SUPPORT_LIBC_H

#include <stddef.h>
#include <stdint.h>

void *memcpy(void *to, const void *from, size_t bytes);
void *memset(void *to, int value, size_t bytes);
int memcmp(const void *a, const void *b, size_t bytes);
size_t strlen(const char *text);
/* The compiler may do better than a call, although the code is freestanding. */
#define memcpy __builtin_memcpy
#define memset __builtin_memset
#define memcmp __builtin_memcmp

int *__errno_location(void);
int open(const char *path, int flags, ...);
int close(int file);
long read(int file, void *to, size_t bytes);
long write(int file, const void *from, size_t bytes);
int64_t lseek(int file, int64_t offset, int whence);
int fsync(int file);
int fchmod(int file, unsigned mode);
int access(const char *path, int mode);
int rename(const char *from, const char *to);
int unlink(const char *path);
long readlink(const char *path, char *to, size_t bytes);
int getpid(void);
void *mmap(void *where, size_t bytes, int protection, int flags, int file, int64_t offset);
int munmap(void *where, size_t bytes);
unsigned long getauxval(unsigned long type);
long sysconf(int name);
long syscall(long number, ...);
int clock_gettime(int clock, int64_t *secondsAndNanoseconds);

int pthread_create(uintptr_t *thread, const void *attributes, void *(*start)(void *), void *value);
int pthread_join(uintptr_t thread, void **value);
int pthread_sigmask(int how, const void *set, void *before);
int sigfillset(void *set);

/* The same on every Linux with the generic numbers, x86-64 and aarch64 among them. */
enum {
  openRead = 0,
  openWrite = 1,
  openCreate = 0100,
  openExclusive = 0200,
  openNonBlocking = 04000,
  openCloseOnExec = 02000000,
  errorInterrupted = 4,
  errorExists = 17,
  errorIsFolder = 21,
  errorNameTooLong = 36,
  maySeekEnd = 2,
  mayRead = 1,
  mayWrite = 2,
  mapPrivateAnonymous = 0x22,
  onlineCpus = 84, /* sysconf */
  monotonicClock = 1,
  setMask = 2, /* pthread_sigmask */
  accessWrite = 2
};
#if defined(__x86_64__)
enum { callFutex = 202, callGetAffinity = 204, callStatx = 332 };
#elif defined(__aarch64__)
enum { callFutex = 98, callGetAffinity = 123, callStatx = 291 };
#else
#error "the support code does not know this processor"
#endif

#endif
