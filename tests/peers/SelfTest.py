# SPDX-License-Identifier: Apache-2.0
"""What scripts/bench-peers makes of samples: statistics, Markdown, chart, processes. Needs no peer and no numpy."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import xml.etree.ElementTree

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "scripts", "peers"))

import cases  # noqa: E402
import chart  # noqa: E402
import main  # noqa: E402
import report  # noqa: E402
from bench import Bench  # noqa: E402
from environment import Environment, Missing  # noqa: E402
from processes import Failure, Gone, Process  # noqa: E402
from ratios import Pair, Probe, Sample, geometric_mean, percentile, summarize, undisturbed  # noqa: E402


def pair(ours=100.0, theirs=200.0, flops=1e11, copied=4e10, our_wait=0.0, their_wait=0.0):
    good = Probe(1e11, 4e10)
    return Pair(Sample(ours, our_wait), Sample(theirs, their_wait), [good, Probe(flops, copied), good])


class Statistics(unittest.TestCase):
    def test_percentiles_lie_between_ranks(self):
        self.assertEqual(percentile([3, 1, 2], 0.5), 2)
        self.assertEqual(percentile([1, 2, 3, 4], 0.5), 2.5)
        self.assertEqual(percentile([5], 0.9), 5)
        self.assertAlmostEqual(percentile(list(range(11)), 0.1), 1)

    def test_median_is_of_ratios_not_the_ratio_of_medians(self):
        result = summarize([pair(100, 200), pair(200, 200), pair(400, 2000)])
        self.assertEqual((result.median, result.ours_ms, result.theirs_ms), (2, 200 / 1e6, 200 / 1e6))

    def test_disturbed_pairs_are_dropped_and_counted(self):
        disturbed = [pair(theirs=1e6, flops=0.89e11), pair(theirs=1e6, copied=2.7e10), pair(theirs=1e6, our_wait=0.06),
                     pair(theirs=1e6, their_wait=0.06)]
        result = summarize([pair() for _ in range(20)] + disturbed)
        self.assertEqual((result.pairs, result.dropped, result.median, result.p90), (20, 4, 2, 2))
        self.assertFalse(result.disturbed)

    def test_what_a_process_always_waits_does_not_count(self):
        pairs = [pair(their_wait=0.3) for _ in range(6)] + [pair(their_wait=0.4)]
        self.assertEqual(len(undisturbed(pairs)), 6)

    def test_when_few_are_left_all_are_taken_and_it_is_said(self):
        pairs = [pair(flops=1e11 * share, theirs=300) for share in (0.3, 0.4, 0.5, 0.2)] + [pair(theirs=300)] * 2
        result = summarize(pairs)
        self.assertTrue(result.disturbed)
        self.assertEqual((result.pairs, result.median), (6, 3))

    def test_geometric_mean(self):
        self.assertAlmostEqual(geometric_mean([0.5, 2, 8]), 2)


def result(peer, median, **more):
    return {"peer": peer, "median": median, "p10": median * 0.9, "p90": median * 1.1, "ours_ms": 2.0,
            "theirs_ms": 2 * median, "pairs": 20, "dropped": 1, "disturbed": False, **more}


DOCUMENT = {
    "machine": "a machine", "threads": 2, "versions": {"torch": "1.2"},
    "cases": {
        "gemm_f32_1024": [result("oneDNN", 0.8), result("jax.jit", 3.2)],
        "gemv_4096": [result("oneDNN", 5.0), {"peer": "jax.jit", "failed": "mismatch: y"}],
        "empty_call": [result("jax.jit", 400.0)],
    },
}


class Report(unittest.TestCase):
    def test_best_is_the_fastest_peer(self):
        self.assertEqual(report.best(DOCUMENT["cases"]["gemm_f32_1024"])["peer"], "oneDNN")
        self.assertIsNone(report.best([{"peer": "x", "failed": "no"}]))

    def test_mean_leaves_out_calls_and_compiles(self):
        counted, mean = report.summary(cases.CASES, DOCUMENT["cases"])
        self.assertEqual([case.name for case, _ in counted], ["gemm_f32_1024", "gemv_4096"])
        self.assertAlmostEqual(mean, 2)

    def test_losses_and_failures_are_told(self):
        text = report.markdown(cases.CASES, DOCUMENT, "chart.svg")
        self.assertIn("is **2.00**. Slower than the best peer: GEMM f32 1024³.", text)
        self.assertIn("**0.80 (0.72–0.88)** | 0.99 (missed) |", text)
        self.assertIn("- GEMV, fixed 4096² weights, jax.jit: mismatch: y", text)
        self.assertEqual(text.count("| GEMM f32 1024³ | "), 2 + 1)  # among all peers, and the best

    def test_options_replace_the_default_in_a_mean_of_their_own(self):
        results = {"resnet_conv3x3_set": [result("oneDNN", 1.0)], "resnet_conv3x3_set_winograd": [result("oneDNN", 4.0)],
                   "gemv_4096": [result("oneDNN", 1.0)]}
        counted, mean = report.summary(cases.CASES, results)
        self.assertEqual((len(counted), mean), (2, 1))
        self.assertEqual(report.with_options(cases.CASES, results), (1, 2))
        text = report.markdown(cases.CASES, {**DOCUMENT, "cases": results}, "")
        self.assertIn("With the option Winograd in the cases that have it (1) the mean is 2.00.", text)
        del results["resnet_conv3x3_set_winograd"]
        self.assertEqual(report.with_options(cases.CASES, results), (0, None))

    def test_what_we_fail_is_told(self):
        results = {**DOCUMENT["cases"], "gemm_bf16_1024": [{"peer": report.OURS, "failed": "the process ended"}],
                   "chain10_16m": [{"peer": "jax.jit", "failed": "mismatch: y"}], "softmax_4096x1024": []}
        text = report.markdown(cases.CASES, {**DOCUMENT, "cases": results}, "")
        self.assertIn("- GEMM bf16 1024³, Sinter: the process ended", text)
        missing = report.left_out(cases.CASES, results)
        self.assertIn("GEMM bf16 1024³ (Sinter failed)", missing)
        self.assertIn("ten-op chain over 16M (no peer ran it)", missing)
        self.assertIn("softmax 4096×1024 (no peer ran it)", missing)
        self.assertIn("AdamW over 25M parameters (not run)", missing)
        self.assertIn("**Not in the mean:** " + ", ".join(missing), text)
        self.assertEqual([report.ours_ran(results.get(name)) for name in ("gemm_bf16_1024", "chain10_16m", "adamw_25m")],
                         [False, True, False])

    def test_only_what_stands_between_the_markers_changes(self):
        page = f"before\n{report.BEGIN}\nold\n{report.END}\nbehind\n"
        self.assertEqual(report.put_between(page, "new"), f"before\n{report.BEGIN}\nnew\n{report.END}\nbehind\n")
        with self.assertRaises(ValueError):
            report.put_between("no markers", "new")

    def test_the_page_has_markers(self):
        with open(os.path.join(ROOT, "docs", "benchmarks.md")) as file:
            report.put_between(file.read(), "")

    def test_times_have_three_digits(self):
        self.assertEqual([report.time(ms) for ms in (1234.5, 12.34, 0.0123, 1.6e-5)],
                         ["1234 ms", "12.3 ms", "12.3 µs", "16.0 ns"])

    def test_chart_is_xml_with_a_bar_for_each_case(self):
        root = xml.etree.ElementTree.fromstring(chart.chart(cases.CASES, DOCUMENT["cases"]))
        bars = [bar.get("class") for bar in root.iter("{http://www.w3.org/2000/svg}rect")]
        self.assertEqual(bars, ["loss", "win"])  # the empty call is another scale
        self.assertEqual(chart.chart(cases.CASES, {}), "")

    def test_cases_are_of_the_matrix(self):
        names = [case.name for case in cases.CASES]
        self.assertEqual(len(set(names)), len(names))
        self.assertEqual({case.number for case in cases.CASES}, set(range(1, 24)) - {19, 20})
        self.assertLessEqual(set(cases.COMPILED.values()), set(names))

    def test_cases_without_an_option_are_of_default_options(self):
        self.assertEqual({case.ours for case in cases.CASES if not case.option},
                         {case.name + " direct" for case in cases.CASES if not case.option})
        options = [case for case in cases.CASES if case.option]
        self.assertEqual([case.ours for case in options], [case.option for case in options])
        self.assertLessEqual({case.option for case in options}, {case.name for case in cases.CASES if not case.option})


class Options(unittest.TestCase):
    def test_cases_are_chosen_by_parts_of_names(self):
        chosen = main.parse(["--cases", "softmax,gemv"]).chosen
        self.assertEqual([case.name for case in chosen], ["gemv_4096", "softmax_4096x1024"])

    def test_unknown_names_are_refused(self):
        for arguments in (["--cases", "sofmax"], ["--peers", "tensorflow"], ["--pairs", "0"]):
            with self.assertRaises(SystemExit) as refused, open(os.devnull, "w") as sys.stderr:
                main.parse(arguments)
            self.assertEqual(refused.exception.code, 2)
        sys.stderr = sys.__stderr__


class Results(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.file, self.program = (os.path.join(folder.name, name) for name in ("results.json", "program"))
        self.build("one")

    def build(self, text):
        with open(self.program, "w") as file:
            file.write(text)

    def load(self, *arguments):
        options = main.parse(["--program", self.program, "--results", self.file, "--threads", "2", *arguments])
        document, pending = main.load(options)
        return options, document, [case.name for case in pending]

    def store(self):
        options, document, _ = self.load()
        document["cases"] = {"gemv_4096": [result("oneDNN", 2.0)],
                             "chain10_16m": [{"peer": report.OURS, "failed": "the process ended"}]}
        main.save(options, document)

    def test_what_is_there_is_not_run_again_but_what_we_failed_is(self):
        self.store()
        self.assertEqual(self.load("--cases", "gemv,chain10,adamw")[2], ["chain10_16m", "adamw_25m"])
        self.assertEqual(self.load("--cases", "gemv", "--again")[2], ["gemv_4096"])

    def test_nothing_is_mixed(self):
        self.store()
        self.build("another")
        with self.assertRaises(SystemExit) as refused:
            self.load("--cases", "adamw")
        self.assertIn("another program", str(refused.exception))
        with self.assertRaises(SystemExit) as refused:
            self.load("--cases", "adamw", "--threads", "1")
        self.assertIn("another threads and program", str(refused.exception))
        # Neither a page of what is there nor a new start mixes anything.
        self.assertEqual(self.load("--cases", "gemv")[2], [])
        self.assertEqual(self.load("--again")[1]["cases"], {})

    def test_other_versions_of_peers_are_refused(self):
        document = {"versions": {"torch": "1"}}
        main.add_versions(document, {"torch": "1", "jax": "2"})
        self.assertEqual(document["versions"], {"torch": "1", "jax": "2"})
        with self.assertRaises(SystemExit):
            main.add_versions(document, {"jax": "3"})


PARENT = """import sys, time
sys.path.insert(0, sys.argv[1])
import main, signal
from processes import Process
process = Process([sys.executable, "-c", "import time; print(1, flush=True); time.sleep(60)"], {}, sys.stderr)
for each in main.ENDING:
    signal.signal(each, main.end_in_order)
try:
    process.ask("", 20)
    process.pause()
    print(process.process.pid, flush=True)
    time.sleep(60)
finally:
    print("in order", flush=True)
    process.end()
"""


class Ending(unittest.TestCase):
    def end(self, number):
        """What is printed at the end; no stopped child may be left."""
        command = [sys.executable, "-c", PARENT, os.path.join(ROOT, "scripts", "peers")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
            child = int(parent.stdout.readline())
            parent.send_signal(number)
            rest = parent.stdout.read()
        for _ in range(100):
            try:
                with open(f"/proc/{child}/stat") as file:
                    if file.read().rsplit(")", 1)[1].split()[0] == "Z":  # ended, nobody asks for it
                        return rest
            except OSError:
                return rest
            time.sleep(0.05)
        os.kill(child, signal.SIGKILL)
        self.fail("the child is still there")
        return rest

    def test_a_request_to_end_is_one_in_order(self):
        self.assertEqual([self.end(number) for number in (signal.SIGTERM, signal.SIGHUP)], ["in order\n"] * 2)

    def test_children_end_with_a_killed_parent(self):
        self.assertEqual(self.end(signal.SIGKILL), "")


ECHO = "import sys\nfor line in sys.stdin:\n    print(line.strip()[::-1], flush=True)\n    if line == 'end\\n': break\n"


class Processes(unittest.TestCase):
    def setUp(self):
        self.log = open(os.devnull, "w")
        self.process = Process([sys.executable, "-c", ECHO], {}, self.log)

    def tearDown(self):
        self.process.end()
        self.log.close()

    def test_a_line_is_answered(self):
        self.assertEqual(self.process.ask("abc", 20), "cba")
        self.assertGreaterEqual(self.process.waited(), 0)

    def test_a_paused_process_does_not_answer(self):
        self.process.ask("abc", 20)
        self.process.pause()
        with self.assertRaises(Gone):
            self.process.ask("abc", 0.2)
        self.process.resume()
        self.assertEqual(self.process.ask("def", 20), "cba")

    def test_an_ended_process_is_noticed(self):
        self.process.ask("end", 20)
        with self.assertRaises(Gone):
            self.process.ask("abc", 20)


class FakeOurs:
    """Takes no time, and remembers who was asked."""

    def __init__(self, asked, ns):
        self.asked, self.ns = asked, ns

    def resume(self):
        pass

    def pause(self):
        pass

    def waited(self):
        return 0

    def command(self, line):
        self.asked.append(line)
        return ["1e11", "4e10"] if line == "probe" else [str(self.ns)]


class FakePeer(FakeOurs):
    def command(self, do, variant):
        self.asked.append(variant)
        if self.ns is None:
            raise Failure("broken")
        return {"ns": self.ns}

    def end(self):
        pass


class Interleaving(unittest.TestCase):
    def run_bench(self, ours, peers, pairs):
        with tempfile.TemporaryDirectory() as folder:
            options = type("Options", (), {"pairs": pairs, "seconds": 20, "threads": 2, "quick": False})
            bench = Bench("", Environment(folder, 2), [], options)
            asked = []
            bench.ours = FakeOurs(asked, ours)
            bench.peers = {name: FakePeer(asked, ns) for name, ns in peers.items()}
            result = bench.interleave(cases.CASES[0], [(name, name) for name in peers])
            bench.log.close()
        return asked, result

    def test_every_sample_stands_between_probes(self):
        asked, pairs = self.run_bench(100, {"a": 200, "b": 50}, 2)
        once = ["sample", "probe", "a", "probe", "sample", "probe", "b", "probe"]
        self.assertEqual(asked, ["probe"] + once * 2)
        self.assertEqual([len(pairs["a", "a"]), len(pairs["b", "b"])], [2, 2])
        self.assertEqual(summarize(pairs["a", "a"]).median, 2)

    def test_a_slow_sample_of_ours_serves_a_round(self):
        asked, pairs = self.run_bench(1e9, {"a": 2e9, "b": 5e8}, 3)
        self.assertEqual(asked.count("sample"), 3)
        self.assertEqual([summarize(pairs[name, name]).median for name in "ab"], [2, 0.5])

    def test_a_peer_that_breaks_leaves_the_others(self):
        _, pairs = self.run_bench(100, {"a": None, "b": 50}, 3)
        self.assertEqual([len(pairs["a", "a"]), len(pairs["b", "b"])], [0, 3])


class ColdCompile(unittest.TestCase):
    def test_a_child_of_ours_that_fails_is_a_failure_of_the_case(self):
        with tempfile.TemporaryDirectory() as folder:
            for program in ("/bin/false", "/bin/true", os.path.join(folder, "none")):
                bench = Bench(program, Environment(folder, 2), [], None)
                with self.assertRaises(Failure):
                    bench.cold_ours(cases.CASES[-3])
                bench.close()


class Installing(unittest.TestCase):
    def test_what_cannot_be_installed_is_missing(self):
        with tempfile.TemporaryDirectory() as folder:
            environment = Environment(folder, 2)
            with self.assertRaises(Missing) as missing:
                environment.run([sys.executable, "-c", "raise SystemExit('for a reason')"])
            self.assertIn("for a reason", str(missing.exception))


if __name__ == "__main__":
    signal.alarm(100)
    unittest.main(verbosity=1, exit=True)
