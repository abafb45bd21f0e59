# SPDX-License-Identifier: Apache-2.0
"""The lit suite: text in, text out. Tools (sinter-opt, graph-compile, FileCheck, not, ...) are on PATH."""

import os
import shutil
import subprocess

import lit.formats

config.name = "sinter"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.excludes = ["Inputs", "CMakeLists.txt", "README.md"]
config.test_source_root = config.sinterSourceRoot
config.test_exec_root = config.sinterBinaryRoot

config.environment["PATH"] = os.pathsep.join(
    [config.sinterToolsDir, config.llvmToolsDir, os.environ["PATH"]])
config.environment["SINTER_CACHE"] = "0"
for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "HOME", "SINTER_NVRTC"):
    if name in os.environ:
        config.environment[name] = os.environ[name]

config.substitutions.append(("%cxx", config.cxx))
config.substitutions.append(("%cc", config.cc))
config.substitutions.append(("%python", config.python))
config.substitutions.append(("%version", config.sinterVersion))
config.substitutions.append(("%llvm-version", config.llvmVersion))
config.substitutions.append(("%include", os.path.join(config.sinterToolsDir, "..", "include")))
# %exits CODE COMMAND..., %npz FILE NAME=DTYPE[SIZES]:VALUES...
for name, script in (("%exits", "Exits.py"), ("%npz", "Npz.py")):
    config.substitutions.append((name, f"{config.python} {config.sinterSourceRoot}/tools/Inputs/{script}"))

# REQUIRES: avx2, avx512f
with open("/proc/cpuinfo") as cpuinfo:
    flags = next((line for line in cpuinfo if line.startswith("flags")), "").split()
for feature in ("avx2", "avx512f"):
    if feature in flags:
        config.available_features.add(feature)

# REQUIRES: aarch64-gcc, musl-gcc: other C libraries and another processor, where they are installed.
for feature, programs in (("aarch64-gcc", ("aarch64-linux-gnu-gcc", "qemu-aarch64")), ("musl-gcc", ("musl-gcc",))):
    missing = [program for program in programs if not shutil.which(program)]
    if missing:
        lit_config.note(f"{' and '.join(missing)} not found, so tests that need {feature} are left out")
    else:
        config.available_features.add(feature)

# REQUIRES: nvrtc
graph = b"func.func @main(%x: !sinter.tensor<f32[8]>) -> !sinter.tensor<f32[8]> {\n  return %x : !sinter.tensor<f32[8]>\n}\n"
answer = subprocess.run([os.path.join(config.sinterToolsDir, "graph-compile"), "-", "--emit=ptx", "--target=cuda:sm_80"],
                        input=graph, capture_output=True, check=False, env=config.environment)
if answer.returncode == 0:
    config.available_features.add("nvrtc")
elif answer.returncode != 5:  # Of a compiler that is not there; anything else would leave tests out unnoticed.
    lit_config.fatal(f"graph-compile ends with {answer.returncode}: {answer.stderr.decode(errors='replace')}")
else:
    lit_config.note("NVRTC was not found, so tests that compile for a GPU are left out: " +
                    answer.stderr.decode(errors="replace").splitlines()[0])
