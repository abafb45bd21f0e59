# SPDX-License-Identifier: Apache-2.0
"""One case, ours and all peers in turn."""

import json
import os
import shutil
import subprocess
import tempfile
import time

from cases import COMPILED
from environment import HERE, say
from processes import Failure, Gone, Ours, Peer, die_with_parent
from ratios import Pair, Probe, Ratio, Sample, summarize, undisturbed

SLOW = 50e6  # ns of a call from which on one sample of ours serves all peers of a round


class Bench:
    """Keeps one process per peer over all cases."""

    def __init__(self, program, environment, installed, options):
        self.program, self.environment, self.installed, self.options = program, environment, installed, options
        self.log = open(environment.path("peers.log"), "a")
        self.ours, self.peers, self.versions = None, {}, {}

    def close(self):
        for process in [self.ours, *self.peers.values()]:
            if process:
                process.end()
        self.log.close()

    # -- Processes ------------------------------------------------------------------------------------------------------

    def our_process(self):
        if not self.ours:
            self.ours = Ours(self.program, self.options.threads, self.log)
        return self.ours

    def peer_process(self, peer):
        if peer.name not in self.peers:
            process = self.peers[peer.name] = Peer(self.environment.python, peer.module, peer.environment, self.log)
            self.versions[peer.name] = process.command(do="versions")["versions"]
        return self.peers[peer.name]

    def drop_peer(self, name):
        process = self.peers.pop(name, None)
        if process:
            process.end()

    def all_versions(self):
        """Of the peers that have run."""
        return {key: value for versions in self.versions.values() for key, value in versions.items()}

    # -- Samples --------------------------------------------------------------------------------------------------------

    def probe(self):
        self.ours.resume()
        flops, copied = self.ours.command("probe")
        self.ours.pause()
        return Probe(float(flops), float(copied))

    def timed(self, process, ask):
        """ask() takes a sample in that process, and gives nanoseconds per call."""
        process.resume()
        waited, start = process.waited(), time.monotonic_ns()
        ns = ask()
        share = (process.waited() - waited) / max(time.monotonic_ns() - start, 1)
        process.pause()
        return Sample(ns, share)

    def sample_ours(self):
        return self.timed(self.ours, lambda: float(self.ours.command("sample")[0]))

    def sample_peer(self, name, variant):
        process = self.peers[name]
        return self.timed(process, lambda: process.command(do="sample", variant=variant)["ns"])

    # -- A case ---------------------------------------------------------------------------------------------------------

    def run(self, case):
        """A list of results, each a dict for the file of results."""
        if case.kind == "compile":
            return self.cold_compile(case)
        ours = self.our_process()
        ours.resume()
        _, compile_ms, launches = ours.command("prepare " + case.ours)
        folder = tempfile.mkdtemp(prefix="data-", dir=self.environment.folder)
        results = []
        try:
            file = os.path.join(folder, "case.npz")
            ours.command("save " + file)
            ours.pause()
            ways = [way for peer in self.installed for way in self.prepare(peer, case, file, results)]
        finally:
            shutil.rmtree(folder)
        pairs = self.interleave(case, ways)
        for name, variant in ways:
            if pairs[name, variant]:
                results.append({"peer": variant, **vars(summarize(pairs[name, variant]))})
            else:
                results.append({"peer": variant, "failed": "its process gave no sample"})
        for name in {name for name, _ in ways} & set(self.peers):
            try:
                self.peers[name].resume()
                self.peers[name].command(do="forget")
                self.peers[name].pause()
            except (Failure, Gone) as problem:  # a fresh process for the next case
                say(f"  {name}: {problem}")
                self.drop_peer(name)
        for result in results:
            result.update(compile_ms=float(compile_ms), launches=int(launches))
        return results

    def prepare(self, peer, case, file, results):
        """Yields (name, variant) of what computes the same as we do."""
        try:
            process = self.peer_process(peer)
            process.resume()
            options = {"quick": self.options.quick}
            for variant in process.command(do="variants", case=case.graph, options=options)["variants"]:
                try:
                    answer = process.command(do="prepare", case=case.graph, variant=variant, file=file, error=case.error,
                                             tolerance=case.tolerance)
                    say(f"  {variant}: prepared in {answer['seconds']:.1f} s")
                    yield peer.name, variant
                except Failure as problem:
                    say(f"  {variant}: {problem}")
                    results.append({"peer": variant, "failed": str(problem)})
            process.pause()
        except (Failure, Gone) as problem:
            say(f"  {peer.name}: {problem}")
            results.append({"peer": peer.name, "failed": str(problem)})
            self.drop_peer(peer.name)

    def interleave(self, case, ways):
        pairs = {way: [] for way in ways}
        ways = [way for way in ways if way[0] in self.peers]
        wanted, most = self.options.pairs, 2 * self.options.pairs
        end = time.monotonic() + self.options.seconds
        before = self.probe() if ways else None
        shared = None
        while ways:
            for way in list(ways):
                slow = shared and shared[0].ns > SLOW
                if not slow or way == ways[0]:
                    first, ours, between = before, self.sample_ours(), self.probe()
                    shared = (ours, first, between)
                ours, first, between = shared
                try:
                    theirs = self.sample_peer(*way)
                except (Failure, Gone) as problem:
                    say(f"  {way[1]}: {problem}")
                    self.drop_peer(way[0])
                    ways = [other for other in ways if other[0] != way[0]]
                    break
                last, before = before, self.probe()
                pairs[way].append(Pair(ours, theirs, [first, between, last, before]))
            late = time.monotonic() > end
            ways = [way for way in ways
                    if len(pairs[way]) < wanted or
                    (len(pairs[way]) < most and not late and len(undisturbed(pairs[way])) < wanted)]
        return pairs

    # -- Cold compile ---------------------------------------------------------------------------------------------------

    def cold_compile(self, case):
        """Fresh processes, nothing cached: ours and theirs in turn."""
        ours = self.our_process()
        ours.resume()
        compiled = COMPILED[case.name]
        ours.command("prepare " + compiled + " direct")
        folder = tempfile.mkdtemp(prefix="data-", dir=self.environment.folder)
        results = []
        try:
            file = os.path.join(folder, "case.npz")
            ours.command("save " + file)
            ours.pause()
            for peer, variant, times in (("jax", "jax.jit", 3), ("torch", "torch.compile", 1)):
                for installed in self.installed:
                    if installed.name == peer:
                        results.append(self.cold(case, compiled, installed, variant, file,
                                                 1 if self.options.quick else times))
        finally:
            shutil.rmtree(folder)
        return results

    def cold_ours(self, case):
        try:
            done = subprocess.run([self.program, "--internal-cold-compile=" + case.name], stdout=subprocess.PIPE,
                                  stderr=self.log, timeout=300, check=True, preexec_fn=die_with_parent)
            return float(done.stdout.split()[0])
        except (OSError, subprocess.SubprocessError, ValueError, IndexError) as problem:
            raise Failure("no cold compile: " + type(problem).__name__) from problem

    def cold(self, case, compiled, peer, variant, file, times):
        pairs = []
        for _ in range(times):
            ours = self.cold_ours(case)
            with tempfile.TemporaryDirectory(dir=self.environment.folder) as cache:
                environment = {**os.environ, **peer.environment, "TORCHINDUCTOR_CACHE_DIR": cache,
                               "TORCHINDUCTOR_FORCE_DISABLE_CACHES": "1"}
                command = [self.environment.python, os.path.join(HERE, "cold.py"), peer.module, compiled, variant, file]
                try:
                    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=self.log, timeout=300,
                                          check=False, preexec_fn=die_with_parent)
                    theirs = json.loads(done.stdout)["ms"]
                except (OSError, subprocess.SubprocessError, ValueError, KeyError) as problem:
                    say(f"  {variant}: {problem}")
                    return {"peer": variant, "failed": "no cold compile: " + type(problem).__name__}
            pairs.append((ours, theirs))
        values = sorted(theirs / ours for ours, theirs in pairs)
        middle = len(values) // 2
        return {"peer": variant, **vars(Ratio(values[middle], values[0], values[-1],
                                              sorted(ours for ours, _ in pairs)[middle],
                                              sorted(theirs for _, theirs in pairs)[middle], len(pairs), 0))}
