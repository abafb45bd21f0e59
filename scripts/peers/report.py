# SPDX-License-Identifier: Apache-2.0
"""What was measured, as Markdown."""

import os

from ratios import geometric_mean

BEGIN, END = "<!-- bench-peers: begin -->", "<!-- bench-peers: end -->"
COUNTED = ("kernel", "model")
OURS = "Sinter"  # as "peer" of a result: we failed


def measured(results):
    return [result for result in results if "median" in result]


def best(results):
    """The result against the fastest peer, or None."""
    return min(measured(results), key=lambda result: result["median"], default=None)


def ours_ran(results):
    """Whether the case was run, and did not fail on our side; whatever peers did."""
    return results is not None and all(result["peer"] != OURS for result in results)


def counts(case):
    return case.kind in COUNTED and not case.option


def left_out(cases, results):
    """What should count in the geometric mean and does not, with the reason."""
    lines = []
    for case in cases:
        own = results.get(case.name)
        if counts(case) and not best(own or []):
            reason = "not run" if own is None else "no peer ran it" if ours_ran(own) else f"{OURS} failed"
            lines.append(f"{case.title} ({reason})")
    return lines


def with_options(cases, results):
    """The geometric mean where the cases with an option of ours replace theirs without, and how many do."""
    optional = {case.option: best(results.get(case.name, [])) for case in cases if case.option}
    counted, _ = summary(cases, results)
    values = [(optional.get(case.name) or result)["median"] for case, result in counted]
    replaced = sum(1 for case, _ in counted if optional.get(case.name))
    return (replaced, geometric_mean(values)) if replaced else (0, None)


def summary(cases, results):
    """(case, its best result) of what counts in the geometric mean, and that mean."""
    counted = [(case, best(results.get(case.name, []))) for case in cases if counts(case)]
    counted = [(case, result) for case, result in counted if result]
    mean = geometric_mean([result["median"] for _, result in counted]) if counted else None
    return counted, mean


def number(value):
    """Three digits that count."""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def time(ms):
    return f"{number(ms)} ms" if ms >= 0.1 else f"{number(ms * 1e3)} µs" if ms >= 1e-4 else f"{number(ms * 1e6)} ns"


def ratio(result):
    text = f"{number(result['median'])} ({number(result['p10'])}–{number(result['p90'])})"
    return f"**{text}**" if result["median"] < 1 else text


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def best_table(cases, results):
    rows = []
    for case in cases:
        result = best(results.get(case.name, []))
        if result:
            reached = "" if result["median"] >= case.target else " (missed)"
            rows.append([str(case.number), case.title, time(result["ours_ms"]), time(result["theirs_ms"]), result["peer"],
                         ratio(result), number(case.target) + reached])
    return table(["#", "case", "Sinter", "best peer", "which", "ratio (p10–p90)", "target"], rows)


def peer_table(cases, results):
    rows = []
    for case in cases:
        for result in sorted(measured(results.get(case.name, [])), key=lambda result: result["median"]):
            pairs = str(result["pairs"]) + (", all disturbed" if result["disturbed"] else "")
            rows.append([case.title, result["peer"], time(result["ours_ms"]), time(result["theirs_ms"]), ratio(result),
                         pairs, str(result["dropped"])])
    return table(["case", "peer", "Sinter", "peer's time", "ratio (p10–p90)", "pairs", "dropped"], rows)


def failures(cases, results):
    lines = [f"- {case.title}, {result['peer']}: {result['failed']}" for case in cases
             for result in results.get(case.name, []) if "failed" in result]
    return "\n".join(lines)


def markdown(cases, document, chart):
    """The part of docs/benchmarks.md that is made from the file of results."""
    results = document["cases"]
    counted, mean = summary(cases, results)
    parts = [f"{document['machine']}; {document['threads']} threads. "
             + ", ".join(f"{name} {version}" for name, version in document["versions"].items()) + "."]
    if mean:
        lost = [case.title for case, result in counted if result["median"] < 1]
        parts.append(f"Against the best peer of each case, the geometric mean of {len(counted)} kernel and model cases is "
                     f"**{number(mean)}**. Slower than the best peer: {', '.join(lost) if lost else 'none'}.")
    replaced, other = with_options(cases, results)
    if replaced:
        parts.append(f"That is with default options. With the option Winograd in the cases that have it ({replaced}) the mean "
                     f"is {number(other)}.")
    missing = left_out(cases, results)
    if missing:
        parts.append("**Not in the mean:** " + ", ".join(missing) + ".")
    if chart:
        parts.append(f"![Time of the best peer over ours]({chart})")
    parts += [best_table(cases, results), "Every peer, fastest first:", peer_table(cases, results)]
    failed = failures(cases, results)
    if failed:
        parts += ["Not measured:", failed]
    return "\n\n".join(parts)


def put_between(text, content):
    """Replaces what stands between the markers; they must be there."""
    begin, end = text.find(BEGIN), text.find(END)
    if begin < 0 or end < begin:
        raise ValueError(f"'{BEGIN}' and '{END}' are not there")
    return text[:begin + len(BEGIN)] + "\n" + content + "\n" + text[end:]


def write(path, text):
    temporary = path + ".new"
    with open(temporary, "w") as file:
        file.write(text)
    os.replace(temporary, path)


def console(case, results):
    """Lines for a person who waits."""
    lines = []
    for result in sorted(results, key=lambda result: result.get("median", 0)):
        if "failed" in result:
            lines.append(f"{case.name:38} {result['peer']:30} failed: {result['failed']}")
        else:
            lines.append(f"{case.name:38} {result['peer']:30} {time(result['ours_ms']):>9} {time(result['theirs_ms']):>9}  "
                         f"ratio {number(result['median'])} ({number(result['p10'])}–{number(result['p90'])})  "
                         f"{result['pairs']} pairs, {result['dropped']} dropped"
                         + ("  DISTURBED" if result["disturbed"] else ""))
    return "\n".join(lines)
