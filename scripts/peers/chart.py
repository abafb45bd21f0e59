# SPDX-License-Identifier: Apache-2.0
"""A bar chart as SVG: the best peer's time over ours, for the kernel and model cases, on a scale of logarithms. Readable
on light and dark pages."""

import math
from xml.sax.saxutils import escape

from report import COUNTED, best, number

STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.small { font-size: 11px; fill: #59636e }
.grid { stroke: #d1d9e0 } .one { stroke: #1f2328; stroke-width: 1.5 }
.win { fill: #1a7f64 } .loss { fill: #c4432b } .spread { stroke: #1f2328; stroke-width: 1.5 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .small { fill: #9198a1 } .grid { stroke: #3d444d } .one, .spread { stroke: #e6edf3 }
  .win { fill: #3fb68b } .loss { fill: #f0765e }
}"""

LEFT, WIDTH, RIGHT, ROW, TOP = 380, 460, 190, 24, 34


def chart(cases, results):
    rows = [(case, best(results.get(case.name, []))) for case in cases if case.kind in COUNTED]
    rows = [(case, result) for case, result in rows if result]
    if not rows:
        return ""
    low = min(0.5, *(result["p10"] for _, result in rows)) * 0.95
    high = max(4, *(result["p90"] for _, result in rows)) * 1.05
    scale = WIDTH / math.log(high / low)

    def x(value):
        return LEFT + scale * math.log(value / low)
    height = TOP + ROW * len(rows) + 14
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + RIGHT} {height}" role="img" '
             'aria-label="Time of the best peer over ours">', f"<style>{STYLE}\n</style>"]
    ticks = [base * 10 ** power for power in range(-2, 6) for base in (1, 2, 5)]
    wide = math.log(high / low) > 6  # then only powers of ten
    for tick in ticks:
        if low <= tick <= high and (not wide or math.log10(tick).is_integer()):
            style = "one" if tick == 1 else "grid"
            parts.append(f'<line class="{style}" x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{TOP - 8}" y2="{height - 10}"/>')
            parts.append(f'<text class="small" text-anchor="middle" x="{x(tick):.1f}" y="{TOP - 14}">{tick:g}×</text>')
    for i, (case, result) in enumerate(rows):
        middle = TOP + ROW * i + ROW / 2
        start, end = sorted((x(1), x(result["median"])))
        style = "win" if result["median"] >= 1 else "loss"
        parts.append(f'<text text-anchor="end" x="{LEFT - 10}" y="{middle + 4}">{escape(case.title)}</text>')
        parts.append(f'<rect class="{style}" x="{start:.1f}" y="{middle - 7}" width="{max(end - start, 1):.1f}" height="14" '
                     'rx="2"/>')
        parts.append(f'<line class="spread" x1="{x(result["p10"]):.1f}" x2="{x(result["p90"]):.1f}" y1="{middle}" '
                     f'y2="{middle}"/>')
        behind = max(end, x(result["p90"])) + 8
        parts.append(f'<text x="{behind:.1f}" y="{middle + 4}">{number(result["median"])} '
                     f'<tspan class="small">{escape(result["peer"])}</tspan></text>')
    return "\n".join([*parts, "</svg>", ""])
