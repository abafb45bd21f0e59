# SPDX-License-Identifier: Apache-2.0
"""The statistics of paired samples."""

import math
from dataclasses import dataclass


@dataclass
class Sample:
    ns: float
    waited: float  # share of the time in which threads of the process waited for a processor


@dataclass
class Probe:
    flops: float  # per second
    copied: float  # bytes per second


@dataclass
class Pair:
    """Ours and theirs, one after the other; the probes were taken before, between and behind them."""
    ours: Sample
    theirs: Sample
    probes: list


FLOPS_KEPT, COPY_KEPT = 0.9, 0.7  # of what the machine showed in the same case
WAITED = 0.05  # beyond what is usual for the process


def percentile(values, share):
    """Linear between the closest ranks."""
    ordered = sorted(values)
    position = share * (len(ordered) - 1)
    low = math.floor(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (position - low)


def undisturbed(pairs):
    """The pairs during which the machine was itself: no probe fell behind the best tenth, and no process waited longer
    for its processors than it always does."""
    if not pairs:
        return []
    flops = FLOPS_KEPT * percentile([probe.flops for pair in pairs for probe in pair.probes], 0.9)
    copied = COPY_KEPT * percentile([probe.copied for pair in pairs for probe in pair.probes], 0.9)
    ours = WAITED + percentile([pair.ours.waited for pair in pairs], 0.1)
    theirs = WAITED + percentile([pair.theirs.waited for pair in pairs], 0.1)
    return [pair for pair in pairs
            if all(probe.flops >= flops and probe.copied >= copied for probe in pair.probes)
            and pair.ours.waited <= ours and pair.theirs.waited <= theirs]


@dataclass
class Ratio:
    """Their time over ours."""
    median: float
    p10: float
    p90: float
    ours_ms: float
    theirs_ms: float
    pairs: int
    dropped: int
    disturbed: bool = False  # too few pairs were left: all were taken


def summarize(pairs, fewest=5):
    kept = undisturbed(pairs)
    disturbed = len(kept) < min(fewest, len(pairs))
    used = pairs if disturbed else kept
    values = [pair.theirs.ns / pair.ours.ns for pair in used]
    return Ratio(median=percentile(values, 0.5), p10=percentile(values, 0.1), p90=percentile(values, 0.9),
                 ours_ms=percentile([pair.ours.ns for pair in used], 0.5) / 1e6,
                 theirs_ms=percentile([pair.theirs.ns for pair in used], 0.5) / 1e6,
                 pairs=len(used), dropped=len(pairs) - len(kept), disturbed=disturbed)


def geometric_mean(values):
    return math.exp(sum(math.log(value) for value in values) / len(values))
