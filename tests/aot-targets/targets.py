# SPDX-License-Identifier: Apache-2.0
"""targets.py TOOLS CLANG WORK [GRAPH...]: compiled libraries of every form for every target.

The libraries' results have the bits of the JIT for the same target (for aarch64, of x86 with its vectors of 16
bytes and its fused multiply-add); libraries of several versions run the right one on CPUs that qemu imitates; the
bytes of a library depend neither on the number of cores nor on the cache. Without qemu-user and libc6-arm64-cross
that part is left out and said so (exit code 77, when all else is well).
"""

import os
import random
import re
import shutil
import struct
import subprocess
import sys
import zipfile

TOOLS, CLANG, WORK = sys.argv[1:4]
HERE = os.path.dirname(os.path.abspath(__file__))
GRAPHS = sys.argv[4:] or [os.path.join(HERE, "graphs", name)
                          for name in sorted(os.listdir(os.path.join(HERE, "graphs")))]
ARM_LIBC = "/usr/aarch64-linux-gnu/lib"
ARM = ["qemu-aarch64", "-E", f"LD_LIBRARY_PATH={ARM_LIBC}"]
ARM_TWIN = "cpu:x86-64-v2,+avx,+f16c,+fma"  # The same vectors, fused multiply-add and conversions.
LEVELS = ["cpu:x86-64", "cpu:x86-64-v2", "cpu:x86-64-v3", "cpu:x86-64-v4"]
LEVEL_FLAG = {"cpu:x86-64": "lm", "cpu:x86-64-v2": "sse4_2", "cpu:x86-64-v3": "avx2", "cpu:x86-64-v4": "avx512vl"}
DIMS = {"N": 37}
# Format of struct, what NumPy calls it.
DTYPES = {"f16": ("e", "<f2"), "f32": ("f", "<f4"), "f64": ("d", "<f8"), "bool": ("?", "|b1"), "i8": ("b", "|i1"), "u8": ("B", "|u1"),
          "i16": ("h", "<i2"), "u16": ("H", "<u2"), "i32": ("i", "<i4"), "u32": ("I", "<u4"), "i64": ("q", "<i8"), "u64": ("Q", "<u8")}

failures = []
left_out = []


def run(*command, expect=0, **options):
    answer = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if answer.returncode != expect:
        raise RuntimeError(f"{' '.join(command)}\n  exit code {answer.returncode}, not {expect}\n  "
                           f"{answer.stdout}{answer.stderr}")
    return answer.stdout


def tool(name, *arguments, **options):
    return run(os.path.join(TOOLS, name), *arguments, env={**os.environ, "SINTER_CACHE": "0"}, **options)


def check(condition, what):
    if not condition:
        failures.append(what)
        print("FAILED:", what)


class Tensor:
    def __init__(self, name, dtype, sizes):
        self.name, self.dtype = name, dtype
        self.sizes = [eval(size, {"__builtins__": {}}, DIMS) for size in sizes]  # pylint: disable=eval-used
        self.count = 1
        for size in self.sizes:
            self.count *= size
        self.bytes = self.count * struct.calcsize(DTYPES[dtype][0])


class Graph:
    def __init__(self, path):
        self.path = path
        self.name = os.path.splitext(os.path.basename(path))[0]
        self.folder = os.path.join(WORK, self.name)
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)
        text = tool("graph-compile", path, "--emit=program", "--target=cpu:x86-64")
        quoted = r'"((?:[^"\\]|\\.)*)"'
        self.dims = [dim for dim in re.findall(rf"^dim {quoted}$", text, re.M) if dim != "$workers"]
        self.arguments, self.results = [], []
        for line in text.splitlines():
            words = re.findall(r'"(?:[^"\\]|\\.)*"|\S+', line)
            if words[0] == "argument":
                rank = int(words[4])
                self.arguments.append(Tensor(words[1].strip('"'), words[3],
                                             [word.strip('"') for word in words[5:5 + rank]]))
                self.arguments[-1].is_input = words[2] == "placeholder"
            elif words[0] == "result":
                rank = int(words[3])
                self.results.append(Tensor(words[1].strip('"'), words[2],
                                           [word.strip('"') for word in words[4:4 + rank]]))
        self.make_inputs()
        self.wanted = {}

    def file(self, name):
        return os.path.join(self.folder, name)

    def make_inputs(self):
        numbers = random.Random(self.name)
        with zipfile.ZipFile(self.file("inputs.npz"), "w") as inputs, zipfile.ZipFile(self.file("params.npz"), "w") as params:
            for tensor in self.arguments:
                archive = inputs if tensor.is_input else params
                if tensor.dtype[0] == "f":
                    values = [numbers.uniform(-4, 4) for _ in range(tensor.count)]
                elif tensor.dtype == "i8":
                    values = [numbers.randint(-128, 127) for _ in range(tensor.count)]
                else:
                    values = [numbers.randint(0, 2) for _ in range(tensor.count)]
                data = struct.pack(f"<{tensor.count}{DTYPES[tensor.dtype][0]}", *values)
                with open(self.file(tensor.name + ".bin"), "wb") as file:
                    file.write(data)
                shape = "(" + "".join(f"{size}, " for size in tensor.sizes) + ")"
                header = f"{{'descr': '{DTYPES[tensor.dtype][1]}', 'fortran_order': False, 'shape': {shape}, }}"
                header += " " * (-(len(header) + 11) % 64) + "\n"
                archive.writestr(tensor.name + ".npy",
                                 b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + data)

    def run(self, *arguments):
        if not all(tensor.is_input for tensor in self.arguments):
            arguments += ("--params", self.file("params.npz"))
        tool("graph-run", *arguments, "--inputs", self.file("inputs.npz"), "-q")

    def jit(self, target):
        """The results' bytes of the JIT."""
        if target not in self.wanted:
            out = self.file("out.npz")
            self.run(self.path, "--target", target, "--outputs", out, "--threads", "1")
            with zipfile.ZipFile(out) as archive:
                self.wanted[target] = []
                for tensor in self.results:
                    data = archive.read(tensor.name + ".npy")
                    self.wanted[target].append(data[10 + struct.unpack("<H", data[8:10])[0]:])
        return self.wanted[target]

    def compile(self, target, form, output, *flags):
        path = self.file(output)
        tool("graph-compile", self.path, f"--emit={form}", f"--target={target}", f"--name={self.name}", "-o", path, *flags)
        return path

    def call(self, library, machine, workers, expect=0):
        """The results' bytes and what the caller said."""
        words = [f"{self.file(tensor.name + '.bin')}:{tensor.bytes}" for tensor in self.arguments]
        outputs = [self.file(f"result{i}.bin") for i in range(len(self.results))]
        words += [f"={path}:{tensor.bytes}" for path, tensor in zip(outputs, self.results)]
        said = run(*machine, library, self.name, str(workers), *[str(DIMS[dim]) for dim in self.dims], "--", *words,
                   expect=expect)
        if expect:
            return None, said
        results = []
        for path in outputs:
            with open(path, "rb") as file:
                results.append(file.read())
        return results, said

    def compare(self, what, results, target):
        for tensor, got, wanted in zip(self.results, results, self.jit(target)):
            if got != wanted:
                code = DTYPES[tensor.dtype][0]
                pairs = list(zip(struct.iter_unpack("<" + code, got), struct.iter_unpack("<" + code, wanted)))
                different = [i for i, (a, b) in enumerate(pairs) if a != b and not (a != a and b != b)
                             and not (a[0] != a[0] and b[0] != b[0])]
                check(not different, f"{self.name}: {what}: {tensor.name} differs in {len(different)} of {tensor.count}, "
                      f"first {different[:1]} {[pairs[i] for i in different[:1]]}")


def program(name, *arguments):
    path = os.path.join(WORK, name)
    run(CLANG, "-O1", *arguments, "-o", path)
    return path


def arm_program(name, *arguments):
    """Linked without a toolchain for aarch64."""
    return program(name, "--target=aarch64-linux-gnu", "-nostdlib", "-fuse-ld=lld", os.path.join(HERE, "start.c"), *arguments,
                   f"{ARM_LIBC}/libc.so.6", f"{ARM_LIBC}/libm.so.6", f"{ARM_LIBC}/ld-linux-aarch64.so.1",
                   f"-Wl,-dynamic-linker,{ARM_LIBC}/ld-linux-aarch64.so.1")


def arm_interface():
    """The checked C interface on aarch64: the program that makes every mistake, with threads and files of states."""
    inputs = os.path.join(HERE, "..", "lit", "tools", "Inputs")
    folder = os.path.join(WORK, "interface")
    os.makedirs(folder, exist_ok=True)
    objects = []
    for graph in ("step", "sizes", "sums", "quotients"):
        objects.append(os.path.join(folder, graph + ".o"))
        tool("graph-compile", os.path.join(inputs, graph + ".mlir"), "--target=cpu:aarch64", "--emit=obj", "-o", objects[-1])
    # With the headers of this machine's libc, which declare the same for any CPU of 64 bits.
    headers = ["-D__x86_64__", "-isystem", "/usr/include/x86_64-linux-gnu", "-isystem", "/usr/include"]
    misuse = arm_program("interface/misuse", "-std=gnu99", "-DNO_LIMITS", f"-I{folder}", *headers,
                         os.path.join(inputs, "misuse.c"), *objects)
    said = run(*ARM, misuse, folder)
    check(said.strip() == "ok", f"the checked interface on aarch64: {said}")
    print("interface on aarch64: done")


def shared(graph, path, form, arm):
    """An object or an archive as a shared library, made by an outside linker."""
    if form == "lib":
        return path
    whole = ["-Wl,--whole-archive", path, "-Wl,--no-whole-archive"]
    arch = ["--target=aarch64-linux-gnu", "-nostdlib"] if arm else []
    run(CLANG, *arch, "-fuse-ld=lld", "-shared", *whole, "-o", path + ".so")
    return path + ".so"


def main():
    os.makedirs(WORK, exist_ok=True)
    with open("/proc/cpuinfo", encoding="ascii") as cpuinfo:
        flags = next((line for line in cpuinfo if line.startswith("flags")), "").split()
    strict = ["-Wall", "-Wextra", "-Werror", os.path.join(HERE, "call.c")]
    native = program("call", *strict)
    x86 = shutil.which("qemu-x86_64")
    arm = None
    if shutil.which("qemu-aarch64") and os.path.exists(ARM_LIBC + "/libc.so.6"):
        arm = [*ARM, arm_program("call-aarch64", "-ffreestanding", *strict)]
        arm_interface()
    else:
        left_out.append("aarch64: no qemu-aarch64 or no libc6-arm64-cross")
    here = [level for level in LEVELS if LEVEL_FLAG[level] in flags]
    left_out.extend(f"{level}: not this machine" for level in LEVELS if level not in here)
    hasTwin = {"avx", "fma", "f16c"} <= set(flags)

    for path in GRAPHS:
        graph = Graph(path)
        for target in here + ["cpu:native"] + (["cpu:aarch64"] if arm else []):
            isArm = target == "cpu:aarch64"
            # How is linked and cached does not depend on the graph, so one of them goes through all of it.
            isThorough = path == GRAPHS[-1]
            for form, suffix in (("lib", ".so"), ("obj", ".o"), ("static", ".a"))[:3 if isThorough else 1]:
                output = target.replace(":", "-") + suffix
                made = graph.compile(target, form, output)
                with open(made, "rb") as file:
                    first = file.read()
                # One core, and code that comes out of a cache.
                if form == "lib" and isThorough:
                    again = os.path.join(graph.folder, "again", output)
                    os.makedirs(os.path.dirname(again), exist_ok=True)
                    for _ in range(2):
                        run("taskset", "-c", "0", os.path.join(TOOLS, "graph-compile"), graph.path, "--emit=lib",
                            f"--target={target}", f"--name={graph.name}", "-o", again,
                            env={**os.environ, "SINTER_CACHE": "1", "SINTER_CACHE_DIR": os.path.join(WORK, "cache")})
                        with open(again, "rb") as file:
                            check(file.read() == first, f"{graph.name}: {target}: other bytes on one core, or of the cache")
                library = shared(graph, made, form, isArm)
                machine = arm if isArm else [native]
                if isArm and not hasTwin:
                    continue
                for workers in (1, 3) if form == "lib" else (1,):
                    results, _ = graph.call(library, machine, workers)
                    graph.compare(f"{target} {form} on {workers}", results, ARM_TWIN if isArm else target)

        # Several versions: the last that a machine can run.
        versions = LEVELS[1:]
        several = graph.compile(",".join(versions), "lib", "several.so")
        machines = [([native], max((versions.index(v) for v in here if v in versions), default=-1))]
        if x86:
            machines += [([x86, "-cpu", "Haswell", native], 1), ([x86, "-cpu", "Nehalem", native], 0),
                         # Registers that the system does not save; a CPU that ends before leaf 7.
                         ([x86, "-cpu", "Haswell,-xsave", native], 0), ([x86, "-cpu", "Haswell,level=4", native], 0),
                         ([x86, "-cpu", "Penryn", native], -1)]
        else:
            left_out.append("other CPUs: no qemu-x86_64")
        for machine, index in machines:
            what = f"several versions on {' '.join(machine[:-1]) or 'this machine'}"
            if index < 0:
                graph.call(several, machine, 1, expect=3)
                continue
            results, said = graph.call(several, machine, 1)
            check(said.strip() == f"version {index}", f"{graph.name}: {what}: {said.strip()}, not {index}")
            if versions[index] in here:
                graph.compare(what, results, versions[index])
        if machines[0][1] >= 0:
            expected = graph.file("expected.npz")
            graph.run(graph.path, "--target", versions[machines[0][1]], "--outputs", expected)
            graph.run(several, "--expect", expected, "--rtol", "0", "--atol", "0")
        print(f"{graph.name}: done")

    for text in left_out:
        print("LEFT OUT:", text)
    if failures:
        sys.exit(1)
    sys.exit(77 if left_out else 0)


main()
