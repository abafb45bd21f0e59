/* SPDX-License-Identifier: Apache-2.0 */
/* Where a program for aarch64 begins: what crt1.o does, which comes with a whole toolchain. */
#include <stdint.h>

int main(int, char **);
int __libc_start_main(int (*)(int, char **), int, char **, void *, void *, void *, void *);

__attribute__((used)) static void begin(uintptr_t *stack) {
  __libc_start_main(main, (int)stack[0], (char **)(stack + 1), 0, 0, 0, stack);
}

__asm__(".globl _start\n_start:\n  mov x29, #0\n  mov x0, sp\n  b begin\n");
