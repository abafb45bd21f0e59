# SPDX-License-Identifier: Apache-2.0
"""Needed.py FILE...: which symbols a library wants from elsewhere, apart from those that it may."""
import pathlib
import subprocess
import sys

FILES = "access close fchmod fsync lseek mmap munmap open read readlink rename unlink write"
PROCESS = "__errno_location clock_gettime getauxval getpid sysconf syscall pthread_create pthread_join pthread_sigmask sigfillset"
MEMORY = "memcmp memcpy memmove memset strlen"
MATH = "cos log sin ceil ceilf floor floorf fma fmaf rint rintf round roundeven roundevenf roundf trunc truncf"
KNOWN = set(f"{FILES} {PROCESS} {MEMORY} {MATH} _GLOBAL_OFFSET_TABLE_".split())

for name in sys.argv[1:]:
    dynamic = ["-D"] if name.endswith(".so") else []
    text = subprocess.run(["llvm-nm", "-u", "-j", *dynamic, name], capture_output=True, text=True, check=True).stdout
    needed = {line.split("@")[0] for line in text.split()}
    if not needed:
        sys.exit(f"{name} needs nothing at all: that cannot be")
    print(f"{pathlib.Path(name).name}: {' '.join(sorted(needed - KNOWN)) or 'all known'}")
