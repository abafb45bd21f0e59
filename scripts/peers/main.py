# SPDX-License-Identifier: Apache-2.0
"""scripts/bench-peers: see there, or --help."""

import argparse
import hashlib
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile

import report
from bench import Bench
from cases import CASES, PEERS
from chart import chart
from environment import HERE, Environment, Missing, say
from processes import Failure, Gone

ENDING = (signal.SIGTERM, signal.SIGHUP)
ROOT = os.path.dirname(os.path.dirname(HERE))


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="scripts/bench-peers", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Compares fused-bench's cases with PyTorch, JAX, ONNX Runtime, oneDNN and OpenBLAS on this machine.\n"
                    "Samples of both are interleaved, between probes of the machine; disturbed pairs are dropped. The ratio\n"
                    "is the peer's time over ours: above 1 we are faster.")
    parser.add_argument("--cases", default="", help="only these, separated by commas (parts of names do)")
    parser.add_argument("--peers", default=",".join(PEERS), help="default: %(default)s")
    parser.add_argument("--pairs", type=int, default=20, help="undisturbed pairs per case and peer (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=60,
                        help="from when on a case takes no more pairs in place of disturbed ones (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="of every side (default: all)")
    parser.add_argument("--quick", action="store_true", help="5 pairs, without max-autotune and repeated cold compiles")
    parser.add_argument("--env", metavar="DIR", help="where the peers are installed, and kept (default: a temporary folder)")
    parser.add_argument("--results", metavar="FILE", help="keeps results per case; cases that it has are not run again")
    parser.add_argument("--again", action="store_true", help="run them again")
    parser.add_argument("--write", action="store_true", help="update docs/benchmarks.md and docs/benchmarks.svg")
    parser.add_argument("--json", action="store_true", help="print an array of case, peer, ratio, p10, p90")
    parser.add_argument("--program", help="fused-bench (default: built by scripts/build)")
    options = parser.parse_args(arguments)
    if options.quick:
        options.pairs = min(options.pairs, 5)
    if options.pairs < 1 or options.threads < 1:
        parser.error("--pairs and --threads must be at least 1")
    unknown = set(options.peers.split(",")) - set(PEERS)
    if unknown:
        parser.error(f"unknown peers: {', '.join(sorted(unknown))}; there are {', '.join(PEERS)}")
    wanted = [part for part in options.cases.split(",") if part]
    options.chosen = [case for case in CASES if not wanted or any(part in case.name for part in wanted)]
    if not options.chosen:
        parser.error(f"--cases {options.cases} matches none of {', '.join(case.name for case in CASES)}")
    return options


def machine():
    name = platform.machine()
    try:
        with open("/proc/cpuinfo") as file:
            lines = file.read().splitlines()
        name = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    release = platform.release().split("-")[0]
    return f"{os.cpu_count()} processors of {name}, {platform.system()} {release}"


def identity(options):
    """Of what is measured: results of different ones are not mixed."""
    with open(options.program, "rb") as file:
        program = hashlib.sha256(file.read()).hexdigest()
    return {"machine": machine(), "threads": options.threads, "program": program}


def pending(options, document):
    """The chosen cases that are still to be run: those that failed on our side are tried again."""
    return [case for case in options.chosen if options.again or not report.ours_ran(document["cases"].get(case.name))]


def load(options):
    """The document of results, and the cases to run."""
    own = identity(options)
    fresh = {**own, "versions": {}, "cases": {}}
    if not (options.results and os.path.exists(options.results)):
        return fresh, options.chosen
    with open(options.results) as file:
        document = json.load(file)
    cases = pending(options, document)
    if not set(document["cases"]) - {case.name for case in cases}:
        return fresh, cases  # nothing of it remains
    other = [key for key in own if document.get(key) != own[key]]
    if cases and other:
        sys.exit(f"bench-peers: {options.results} is of another {' and '.join(other)}: name another file, or run all "
                 "cases --again")
    return document, cases


def add_versions(document, versions):
    """Stops where those of the document are others."""
    for name, version in versions.items():
        if document["versions"].setdefault(name, version) != version:
            sys.exit(f"bench-peers: the results are of {name} {document['versions'][name]}, installed is {version}: name "
                     "another file, or run all cases --again")


def save(options, document):
    if options.results:
        report.write(options.results, json.dumps(document, indent=1) + "\n")


def install(environment, names):
    installed = []
    for name in names:
        try:
            installed.append(environment.prepare(name))
        except Missing as problem:
            say(f"SKIPPED {name}: {problem}")
    return installed


def measure(options, document, cases, folder):
    environment = Environment(folder, options.threads)
    installed = install(environment, options.peers.split(","))
    if not installed:
        sys.exit("bench-peers: no peer could be installed")
    bench = Bench(options.program, environment, installed, options)
    try:
        for case in cases:
            say(case.name)
            try:
                results = bench.run(case)
            except (Failure, Gone) as problem:  # ours: a case less, and a fresh process for the next
                say(f"  {case.name}: {problem}")
                results = [{"peer": report.OURS, "failed": str(problem)}]
                bench.close()
                bench = Bench(options.program, environment, installed, options)
            add_versions(document, bench.all_versions())
            document["cases"][case.name] = results
            save(options, document)
            if not options.json:
                print(report.console(case, results), flush=True)
    finally:
        bench.close()


def finish(options, document):
    if options.json:
        print(json.dumps([{"case": name, "peer": result["peer"],
                           **({"failed": result["failed"]} if "failed" in result else
                              {"ratio": result["median"], "p10": result["p10"], "p90": result["p90"]})}
                          for name, results in document["cases"].items() for result in results], indent=2))
    else:
        counted, mean = report.summary(CASES, document["cases"])
        if mean:
            print(f"geometric mean against the best peer, {len(counted)} cases: {report.number(mean)}")
        for line in report.left_out(options.chosen, document["cases"]):
            print("not in the mean: " + line)
    if options.write:
        page, picture = (os.path.join(ROOT, "docs", name) for name in ("benchmarks.md", "benchmarks.svg"))
        with open(page) as file:
            text = file.read()
        report.write(picture, chart(CASES, document["cases"]))
        report.write(page, report.put_between(text, report.markdown(CASES, document, "benchmarks.svg")))


def end_in_order(number, _):
    """Lets `finally` end the processes and remove what is temporary."""
    for each in ENDING:
        signal.signal(each, signal.SIG_IGN)
    sys.exit(128 + number)


def main(arguments):
    options = parse(arguments)
    for each in ENDING:
        signal.signal(each, end_in_order)
    if not options.program:
        subprocess.run([os.path.join(ROOT, "scripts", "build"), "fused-bench"], check=True, stdout=sys.stderr)
        options.program = os.path.join(ROOT, "build", "release", "bin", "fused-bench")
    # What a process may use, its children inherit.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:options.threads])
    document, cases = load(options)
    if cases:
        folder = options.env or tempfile.mkdtemp(prefix="bench-peers-")
        try:
            measure(options, document, cases, folder)
        finally:
            if not options.env:
                shutil.rmtree(folder, ignore_errors=True)
    finish(options, document)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
