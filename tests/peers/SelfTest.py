# SPDX-License-Identifier: Apache-2.0
"""What scripts/bench-peers makes of samples: statistics, Markdown, chart, processes. Needs no peer and no numpy."""

import os
import signal
import sys
import tempfile
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
    def command(self, do, variant, warm):
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


class Installing(unittest.TestCase):
    def test_what_cannot_be_installed_is_missing(self):
        with tempfile.TemporaryDirectory() as folder:
            environment = Environment(folder, 2)
            with self.assertRaises(Missing):
                environment.run([sys.executable, "-c", "raise SystemExit(3)"])


if __name__ == "__main__":
    signal.alarm(100)
    unittest.main(verbosity=1, exit=True)
