# SPDX-License-Identifier: Apache-2.0
"""A throw-away Python environment with the peers, and the programs built against the C and C++ libraries."""

import importlib.util
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field

HERE = os.path.dirname(os.path.abspath(__file__))

PACKAGES = {
    "torch": ["torch"],
    "jax": ["jax"],
    "onnxruntime": ["onnx", "onnxruntime"],
    "onednn": ["onednn-devel>=2026"],
    "openblas": ["scipy-openblas32"],
}


@dataclass
class Installed:
    """A peer that can be run: the module of its worker and what that needs in its environment."""
    name: str
    module: str
    environment: dict = field(default_factory=dict)


LAST = 6  # lines of the log that a message repeats: a temporary folder is removed with it


class Missing(Exception):
    """Why a peer is not there."""


def say(text):
    print("bench-peers: " + text, file=sys.stderr, flush=True)


class Environment:
    def __init__(self, folder, threads):
        self.folder = os.path.abspath(folder)
        self.venv = os.path.join(self.folder, "venv")
        self.python = os.path.join(self.venv, "bin", "python")
        self.threads = threads
        os.makedirs(self.folder, exist_ok=True)

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def run(self, command):
        with open(self.path("install.log"), "a") as log:
            log.write(" ".join(command) + "\n")
            log.flush()
            done = subprocess.run(command, stdout=log, stderr=log, check=False)
        if done.returncode != 0:
            with open(log.name, errors="replace") as file:
                last = " / ".join(line.strip() for line in file.read().splitlines()[-LAST:] if line.strip())
            raise Missing(f"'{os.path.basename(command[0])} {' '.join(command[1:3])} ...' failed: {last}")

    def install(self, packages):
        if not os.path.exists(self.python):
            if not importlib.util.find_spec("ensurepip"):
                raise Missing("Python's venv is not installed: scripts/setup --peers installs python3-venv")
            say(f"making {self.venv}")
            self.run([sys.executable, "-m", "venv", self.venv])
        marker = self.path("installed-" + "+".join(packages).translate(str.maketrans("<>=", "___")))
        if os.path.exists(marker):
            return
        say("installing " + ", ".join(packages))
        self.run([self.python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages])
        open(marker, "w").close()

    def build(self, source, result, flags):
        """A shared library next to the environment; `flags` come behind the source."""
        path, source = self.path(result), os.path.join(HERE, source)
        if not os.path.exists(path) or os.path.getmtime(path) < os.path.getmtime(source):
            compiler = shutil.which("g++") or shutil.which("clang++")
            if not compiler:
                raise Missing("no C++ compiler")
            self.run([compiler, "-O2", "-std=c++17", "-shared", "-fPIC", source, *flags, "-o", path])
        return path

    def common(self):
        count = str(self.threads)
        # Frameworks allocate their results at every call: told to keep freed memory, malloc does not ask the system for
        # it each time, whose page faults would otherwise cost several times what large elementwise cases compute. And to
        # ask for huge pages, as we do.
        keep = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 34), "MALLOC_ARENA_MAX": "1",
                "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
        return {**keep, "SINTER_PEER_THREADS": count, "OMP_NUM_THREADS": count, "MKL_NUM_THREADS": count,
                "OPENBLAS_NUM_THREADS": count, "CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu",
                "TORCHINDUCTOR_CACHE_DIR": self.path("inductor")}

    def prepare(self, name):
        """Installs a peer; Missing when that cannot be."""
        self.install(["numpy"])
        self.install(PACKAGES[name])
        special = {"onednn": self.onednn, "openblas": self.openblas}
        extra = special[name]() if name in special else {}
        module = "ort_peer" if name == "onnxruntime" else name + "_peer"
        return Installed(name, module, {**self.common(), **extra})

    def onednn(self):
        # The package is built for SYCL: its CPU device comes from the OpenCL runtime that is installed with it, and its
        # threads from TBB, which follow the affinity of the process. Nothing of SYCL is compiled here.
        folder = os.path.join(self.venv, "lib")
        flags = ["-I" + os.path.join(self.venv, "include"), "-L" + folder, "-ldnnl", "-Wl,-rpath," + folder,
                 "-Wl,--allow-shlib-undefined"]
        return {"SINTER_PEER_ONEDNN": self.build("onednn_peer.cpp", "libonednn_peer.so", flags),
                "OCL_ICD_FILENAMES": os.path.join(folder, "libintelocl.so"), "LD_LIBRARY_PATH": folder}

    def openblas(self):
        found = subprocess.run([self.python, "-c", "import scipy_openblas32 as b; print(b.get_lib_dir())"],
                               capture_output=True, text=True, check=False).stdout.strip()
        if not found:
            raise Missing("scipy_openblas32 does not tell where it lies")
        flags = ["-DOPENBLAS_NAME(name)=scipy_##name", "-L" + found, "-lscipy_openblas", "-Wl,-rpath," + found]
        return {"SINTER_PEER_OPENBLAS": self.build("openblas_peer.cpp", "libopenblas_peer.so", flags)}
