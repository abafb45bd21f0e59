#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Installs Sinter and builds a program against it, in each of the ways that the manual names. Each program trains."""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
RUNTIME_LIMIT = 500_000
# What libsinter_runtime.so may need; libsinter.so may need LLVM and protobuf besides.
SYSTEM = {"libz.so.1", "libstdc++.so.6", "libm.so.6", "libgcc_s.so.1", "libc.so.6", "libpthread.so.0",
          "ld-linux-x86-64.so.2"}


class Failed(Exception):
    pass


def run(*words, cwd=None, env=None, wanted=0):
    """The output of a command; Failed when it does not end with the code that is wanted (None: any but 0)."""
    words = [str(word) for word in words]
    result = subprocess.run(words, cwd=cwd, env={**os.environ, "SINTER_CACHE": "0", **(env or {})}, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if (result.returncode == 0) if wanted is None else (result.returncode != wanted):
        raise Failed(f"{' '.join(words)}\nended with {result.returncode}:\n{result.stdout}")
    return result.stdout


def install(o):
    """Into a folder, then moved: nothing may remember where it was. Through DESTDIR, as packagers do."""
    stage, prefix = o.work / "stage", o.work / "prefix"
    for folder in (stage, prefix):
        shutil.rmtree(folder, ignore_errors=True)
    run(o.cmake, "--install", o.build, "--prefix", "/opt/sinter", "--strip", env={"DESTDIR": str(stage)})
    (stage / "opt/sinter").rename(prefix)
    if list(stage.rglob("*.*")):
        raise Failed(f"installed outside of the prefix: {list(stage.rglob('*.*'))}")
    places = [str(place).encode() for place in (o.build, o.source)]
    for path in prefix.rglob("*"):
        if path.is_file() and ".so" not in path.name and path.suffix in (".cmake", ".pc", ".h", ".1") and any(p in path.read_bytes() for p in places):
            raise Failed(f"{path} names the build")
    for library in ("libsinter.so", "libsinter_runtime.so"):
        runpath = re.findall(r"RUNPATH.*\[(.*)\]", run("readelf", "-d", prefix / "lib" / library))
        if any(str(o.build) in path for path in runpath):
            raise Failed(f"{library} looks for libraries in the build: {runpath}")


def configure(o, name, *words, wanted=0):
    folder = o.work / name
    shutil.rmtree(folder, ignore_errors=True)
    return folder, run(o.cmake, "-G", "Ninja", "-S", HERE / "consumer", "-B", folder,
                       "-DCMAKE_FIND_USE_PACKAGE_REGISTRY=OFF", *words, wanted=wanted)


def tryPrograms(o, folder, libraries=""):
    env = {"LD_LIBRARY_PATH": str(libraries)} if libraries else {}
    step = folder / "step.so"
    print(run(folder / "train", step, env=env), end="")
    print(run(folder / "deploy", env=env), end="")
    print(run(folder / "deploy", step, env=env), end="")


def findPackage(o):
    folder, _ = configure(o, "installed", f"-DCMAKE_PREFIX_PATH={o.work / 'prefix'}", f"-DCMAKE_CXX_COMPILER={o.gxx}",
                          "-DCOMPONENTS=sinter;tools")
    run(o.cmake, "--build", folder)
    tryPrograms(o, folder)
    print(run(folder / "step-in-c"), end="")
    for needed in re.findall(r"NEEDED.*\[(.*)\]", run("readelf", "-d", folder / "step-in-c")):
        if needed not in SYSTEM - {"libstdc++.so.6"}:
            raise Failed(f"a program with a compiled step needs {needed}")


def runtimeAlone(o):
    """A device has libsinter_runtime.so, and nothing else of Sinter or LLVM."""
    folder, _ = configure(o, "runtime", f"-DCMAKE_PREFIX_PATH={o.work / 'prefix'}", f"-DCMAKE_CXX_COMPILER={o.gxx}",
                          "-DCOMPONENTS=runtime")
    run(o.cmake, "--build", folder)
    if (folder / "train").exists():
        raise Failed("the component runtime brought Sinter::sinter along")
    print(run(folder / "deploy"), end="")
    loaded = run("ldd", folder / "deploy")
    if "LLVM" in loaded or "MLIR" in loaded or "libsinter.so" in loaded:
        raise Failed(f"a program that only runs loads\n{loaded}")


def buildTree(o):
    folder, _ = configure(o, "build-tree", f"-DCMAKE_PREFIX_PATH={o.build}", f"-DCMAKE_CXX_COMPILER={o.cxx}")
    run(o.cmake, "--build", folder)
    tryPrograms(o, folder)


def staticLlvm(o):
    """The same program with LLVM's archives: it needs no library of LLVM, and makes the same bytes."""
    program, folder = o.build / "bin/tests/train-static", o.work / "static"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    print(run(program, folder / "step.so"), end="")
    for needed in re.findall(r"NEEDED.*\[(.*)\]", run("readelf", "-d", program)):
        if re.search("LLVM|MLIR|LTO|clang", needed):
            raise Failed(f"LLVM is linked statically, yet the program needs {needed}")
    shared, _ = configure(o, "static-twin", f"-DCMAKE_PREFIX_PATH={o.build}", f"-DCMAKE_CXX_COMPILER={o.cxx}")
    run(o.cmake, "--build", shared, "--target", "train")
    run(shared / "train", shared / "step.so")
    if (folder / "step.so").read_bytes() != (shared / "step.so").read_bytes():
        raise Failed("the library is another one than with LLVM's shared libraries")


def pkgConfig(o):
    prefix, folder = o.work / "prefix", o.work / "pkg-config"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    env = {"PKG_CONFIG_PATH": str(prefix / "lib/pkgconfig")}
    for program, package in (("Train", "sinter"), ("Deploy", "sinter-runtime")):
        flags = run("pkg-config", "--cflags", "--libs", package, env=env).split()
        run(o.gxx, "-std=c++20", "-Wall", "-Wextra", "-Werror", HERE / f"consumer/{program}.cpp", "-o",
            folder / program.lower(), *flags)
    tryPrograms(o, folder, libraries=prefix / "lib")
    run("pkg-config", "--atleast-version=99", "sinter", env=env, wanted=1)


def badUse(o):
    cases = [
        (["-DREQUEST=9.9"], r'compatible with requested version "9.9"', r"SinterConfig.cmake, version: \d"),
        (["-DREQUEST=0.0"], r'compatible with requested version "0.0"', r"SinterConfig.cmake, version: \d"),
        (["-DCOMPONENTS=compiler"], r"Sinter has no component 'compiler'", r"runtime, sinter and tools"),
        (["-DCOMPONENTS=tools"], r"component 'tools' is not installed", ""),
    ]
    prefix = o.work / "without-tools"
    shutil.rmtree(prefix, ignore_errors=True)
    run(o.cmake, "--install", o.build, "--prefix", prefix, "--component", "development")
    for component in ("runtime", "compiler"):
        run(o.cmake, "--install", o.build, "--prefix", prefix, "--component", component)
    for words, *texts in cases:
        _, output = configure(o, "bad-use", f"-DCMAKE_PREFIX_PATH={prefix}", f"-DCMAKE_CXX_COMPILER={o.cxx}", *words,
                              wanted=1)
        for text in texts:
            if not re.search(text, " ".join(output.split())): # CMake breaks lines
                raise Failed(f"{words}: no '{text}' in\n{output}")
    (prefix / "lib/libsinter.so.0.1.0").unlink() # a broken installation says what is gone
    _, output = configure(o, "bad-use", f"-DCMAKE_PREFIX_PATH={prefix}", f"-DCMAKE_CXX_COMPILER={o.cxx}", wanted=1)
    if "libsinter.so" not in output:
        raise Failed(f"nothing about a missing library in\n{output}")


def symbols(library, *options):
    return {line.split()[-1]: line.split()[-2] for line in run("nm", "-D", *options, library).splitlines() if line}


def libraries(o):
    """What the shared libraries offer and need."""
    lib = o.work / "prefix/lib"
    runtime, sinter = lib / "libsinter_runtime.so", lib / "libsinter.so"
    problems = []
    size = runtime.resolve().stat().st_size
    print(f"libsinter_runtime.so: {size} bytes; libsinter.so: {sinter.resolve().stat().st_size} bytes")
    if size > RUNTIME_LIMIT:
        problems.append(f"libsinter_runtime.so has {size} bytes, more than {RUNTIME_LIMIT}")
    for library in (runtime, sinter):
        dynamic = run("readelf", "-d", library)
        soname = re.search(r"SONAME.*\[(.*)\]", dynamic).group(1)
        if not re.fullmatch(re.escape(library.name) + r"\.\d+\.\d+", soname):
            problems.append(f"{library.name} is called {soname}")
        allowed = SYSTEM | ({"libsinter_runtime.so" + soname[len("libsinter.so"):], "libMLIR.so.22.1", "libLLVM.so.22.1",
                             "libprotobuf-lite.so.32", "libzstd.so.1"} if library == sinter else set())
        problems += [f"{library.name} needs {name}" for name in re.findall(r"NEEDED.*\[(.*)\]", dynamic)
                     if name not in allowed]
        problems += [f"{library.name} exports {name}" for name in symbols(library, "--defined-only")
                     if not re.match(r"_ZN?[KTISV]*N?K?6sinter|_ZN6sinter|_ZNK6sinter|SINTER_(0\.1|PRIVATE)", name)]
    ours = {name.split("@")[0] for name, kind in symbols(sinter, "--defined-only").items() if kind in "TDB"}
    its = {name.split("@")[0] for name, kind in symbols(runtime, "--defined-only").items() if kind in "TDB"}
    # Both may hold the class data of a type without a .cpp of its own; code and variables only one.
    problems += [f"both libraries hold {name}" for name in sorted(ours & its) if not re.match(r"_ZT[ISV]", name)]
    for folder in ("train", "deploy"):
        program = o.work / "installed" / folder
        if program.exists() and "SINTER_PRIVATE" in run("nm", "-D", program):
            problems.append(f"{folder} uses what is private to the libraries")
    if problems:
        raise Failed("\n".join(problems))


def manual(o):
    """Pages and completions name every option of the tools, and the shells can read them."""
    share = o.work / "prefix/share"
    for tool in ("graph-compile", "graph-run", "fused-bench"):
        options = set(re.findall(r"^ +(?:-\w,)?(--[\w-]+)", run(o.work / "prefix/bin" / tool, "--help"), re.M))
        files = [share / f"man/man1/{tool}.1", share / f"bash-completion/completions/{tool}",
                 share / f"zsh/site-functions/_{tool}", share / f"fish/vendor_completions.d/{tool}.fish"]
        for path in files:
            text = path.read_text().replace("\\-", "-").replace(" -l ", " --")
            missing = {name for name in options if name not in text}
            if missing:
                raise Failed(f"{path.name} lacks {sorted(missing)}")
        run("bash", "-n", files[1])
        words = run("bash", "-c", f"source {files[1]}; COMP_WORDS=({tool} --e); COMP_CWORD=1; "
                    f"_{tool.replace('-', '_')}; echo ${{COMPREPLY[*]}}")
        if tool == "graph-compile" and "--emit" not in words.split():
            raise Failed(f"--e completes to {words}")
        for shell, path in (("zsh", files[2]), ("fish", files[3])):
            if shutil.which(shell):
                run(shell, "-n", path)
        if shutil.which("groff"):
            warnings = run("groff", "-man", "-ww", "-Tascii", "-z", files[0])
            if warnings:
                raise Failed(warnings)


def fetchContent(o):
    """Builds all of Sinter once more."""
    folder, _ = configure(o, "fetch", "-DFORM=fetch", f"-DSINTER_SOURCE={o.source}", f"-DCMAKE_CXX_COMPILER={o.cxx}",
                          f"-DCMAKE_C_COMPILER={o.cc}", "-DCMAKE_BUILD_TYPE=Release")
    targets = run("ninja", "-C", folder, "-t", "targets", "all")
    for name in ("fused-bench", "gtest"):
        if f"bin/{name}" in targets:
            raise Failed(f"{name} is part of the build of another project")
    run(o.cmake, "--build", folder)
    tryPrograms(o, folder)


FORMS = {"install": install, "find-package": findPackage, "runtime": runtimeAlone, "build-tree": buildTree,
         "pkg-config": pkgConfig, "bad-use": badUse, "libraries": libraries, "manual": manual, "static": staticLlvm,
         "fetch": fetchContent}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("form", choices=FORMS)
    parser.add_argument("--source", type=pathlib.Path, required=True)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--cmake", default="cmake")
    parser.add_argument("--cxx", default="clang++-22")
    parser.add_argument("--cc", default="clang-22")
    parser.add_argument("--gxx", default="g++")
    o = parser.parse_args()
    o.work.mkdir(parents=True, exist_ok=True)
    try:
        FORMS[o.form](o)
    except Failed as failure:
        print(f"{o.form}: {failure}")
        return 1
    print(f"{o.form}: as it should be")
    return 0


sys.exit(main())
